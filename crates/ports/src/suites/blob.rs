//! What every [`BlobStore`] does.

use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::CodeSha256;

use crate::blob::BlobStore;

/// Opens the store that is tested: the same one each time, as after a restart.
pub type Open<'a> = &'a dyn Fn() -> Arc<dyn BlobStore>;

/// Runs everything on one store, which is empty at first and empty again at the end.
pub async fn all(open: Open<'_>) {
    what_was_put_comes_back_by_its_hash(&*open()).await;
    many_writers_of_the_same_bytes_make_one_blob(open()).await;
    blobs_are_there_after_a_restart(open).await;
    deleting_is_final_and_may_be_repeated(&*open()).await;
}

async fn what_was_put_comes_back_by_its_hash(store: &dyn BlobStore) {
    assert_eq!(store.list().await.unwrap(), []);
    let sha256 = store.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(sha256.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(store.put(Bytes::from_static(b"abc")).await.unwrap(), sha256);
    assert_eq!(store.get(sha256).await.unwrap().unwrap(), "abc");
    let nothing = store.put(Bytes::new()).await.unwrap();
    assert_eq!(store.get(nothing).await.unwrap().unwrap(), Bytes::new());
    let large: Bytes = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let long = store.put(large.clone()).await.unwrap();
    assert_eq!(store.get(long).await.unwrap().unwrap(), large);
    assert_eq!(store.get(CodeSha256([0; 32])).await.unwrap(), None);
    let mut listed = store.list().await.unwrap();
    listed.sort_by_key(CodeSha256::to_hex);
    let mut expected = [sha256, nothing, long];
    expected.sort_by_key(CodeSha256::to_hex);
    assert_eq!(listed, expected);
    for sha256 in expected {
        store.delete(sha256).await.unwrap();
    }
}

async fn many_writers_of_the_same_bytes_make_one_blob(store: Arc<dyn BlobStore>) {
    let bytes = Bytes::from(vec![7; 100_000]);
    let writers = (0..16).map(|_| store.put(bytes.clone()));
    let written = futures_util::future::join_all(writers).await;
    let first = *written[0].as_ref().unwrap();
    assert!(written.into_iter().all(|sha256| sha256.unwrap() == first));
    assert_eq!(store.list().await.unwrap(), [first]);
    assert_eq!(store.get(first).await.unwrap().unwrap(), bytes);
    store.delete(first).await.unwrap();
}

async fn blobs_are_there_after_a_restart(open: Open<'_>) {
    let sha256 = open().put(Bytes::from_static(b"kept")).await.unwrap();
    let store = open();
    assert_eq!(store.get(sha256).await.unwrap().unwrap(), "kept");
    store.delete(sha256).await.unwrap();
    assert_eq!(open().list().await.unwrap(), []);
}

async fn deleting_is_final_and_may_be_repeated(store: &dyn BlobStore) {
    let sha256 = store.put(Bytes::from_static(b"gone")).await.unwrap();
    let other = store.put(Bytes::from_static(b"stays")).await.unwrap();
    store.delete(sha256).await.unwrap();
    store.delete(sha256).await.unwrap();
    assert_eq!(store.get(sha256).await.unwrap(), None);
    assert_eq!(store.list().await.unwrap(), [other]);
    assert_eq!(store.put(Bytes::from_static(b"gone")).await.unwrap(), sha256);
    for sha256 in [sha256, other] {
        store.delete(sha256).await.unwrap();
    }
    assert_eq!(store.list().await.unwrap(), []);
}
