use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::{AccountId, Region, Scope};
use lambent_kit::random::SystemRandom;
use lambent_ports::object_store::{
    Bucket, Condition, Delete, Listed, Listing, NULL_VERSION, NewContent, NewVersion, Notice, ObjectStore,
    ObjectStoreError, Segment, Unnamed,
};

use super::S3Sqlite;

fn open(dir: &Path) -> Arc<S3Sqlite> {
    S3Sqlite::open(dir, &SystemRandom).unwrap()
}

fn scope() -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse("us-east-1").unwrap() }
}

async fn bucket(store: &S3Sqlite) -> Arc<Bucket> {
    store.create_bucket("b", &scope(), Default::default(), 1).await.unwrap()
}

fn version(key: &str, id: &str, content: NewContent) -> NewVersion {
    NewVersion {
        key: key.into(),
        id: id.into(),
        modified_ms: 1,
        size: 3,
        etag: format!("etag of {id}"),
        headers: Default::default(),
        tags: Default::default(),
        content,
    }
}

fn small() -> NewContent {
    NewContent::Inline(Bytes::from_static(b"abc"))
}

fn large(store: &S3Sqlite) -> NewContent {
    let mut staged = store.stage().unwrap();
    staged.write(b"abc").unwrap();
    let file = staged.keep().unwrap();
    let segment = Segment { number: 1, file: file.name.clone(), offset: 0, size: 3, checksum: None };
    NewContent::Files(vec![(file, segment)])
}

async fn put(store: &S3Sqlite, bucket: &Bucket, key: &str, id: &str, content: NewContent) {
    let none = Box::new(|_: &_| Vec::new());
    store.put(bucket, version(key, id, content), Condition::None, none).await.unwrap();
}

#[tokio::test]
async fn common_prefixes_are_skipped_and_pages_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    for key in ["a", "b/1", "b/2", "b/3", "c"] {
        put(&store, &bucket, key, NULL_VERSION, small()).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let listing = Listing { delimiter: Some("/".into()), after, max: 1, ..Listing::default() };
        let page = store.list(bucket.id, listing).await.unwrap();
        let line = match page.lines.last().unwrap() {
            Listed::Item(version) => version.key.clone(),
            Listed::Prefix(prefix) => prefix.clone(),
        };
        seen.push(line.clone());
        after = Some(line);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["a", "b/", "c"]);
}

#[tokio::test]
async fn deleting_the_latest_version_brings_the_one_before_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    put(&store, &bucket, "k", "1", small()).await;
    put(&store, &bucket, "k", "2", small()).await;
    let none = || Box::new(|_: &_| Vec::new());
    let delete = Delete::Version("2".into());
    store.delete(&bucket, "k", delete, Condition::None, 1, none()).await.unwrap();
    assert_eq!(store.get(bucket.id, "k", None).await.unwrap().unwrap().id, "1");
    store.delete(&bucket, "k", Delete::Mark("3".into()), Condition::None, 1, none()).await.unwrap();
    assert!(store.get(bucket.id, "k", None).await.unwrap().unwrap().marker);
    let page = store.list(bucket.id, Listing { max: 9, ..Listing::default() }).await.unwrap();
    assert!(page.lines.is_empty());
}

#[tokio::test]
async fn a_condition_that_fails_leaves_neither_record_nor_file_nor_notice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    put(&store, &bucket, "k", NULL_VERSION, small()).await;
    let notice =
        Notice { target: "t".into(), bucket: "b".into(), scope: scope(), body: String::new(), trace: None };
    let tell = Box::new(move |_: &_| vec![notice]);
    let refused =
        store.put(&bucket, version("k", NULL_VERSION, large(&store)), Condition::Absent, tell).await;
    assert_eq!(refused, Err(ObjectStoreError::ConditionFailed));
    assert_eq!(store.next_notice_ms().await, Ok(None));
    assert!(super::files::all(&dir.path().join("s3")).is_empty());
}

#[tokio::test]
async fn a_stale_bucket_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let old = bucket(&store).await;
    store.replace_bucket(Bucket::clone(&old), Vec::new(), 1).await.unwrap();
    let none = Box::new(|_: &_| Vec::new());
    let refused = store.put(&old, version("k", NULL_VERSION, small()), Condition::None, none).await;
    assert_eq!(refused, Err(ObjectStoreError::BucketChanged));
}

#[tokio::test]
async fn files_without_a_record_go_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        let bucket = bucket(&store).await;
        put(&store, &bucket, "k", NULL_VERSION, large(&store)).await;
        let mut staged = store.stage().unwrap();
        staged.write(b"never named").unwrap();
        // As a crash leaves it: on disk, with nobody to remove it.
        Unnamed::named(staged.keep().unwrap().unnamed);
    }
    let store = open(dir.path());
    assert_eq!(store.sweep().await, Ok(1));
    assert_eq!(super::files::all(&dir.path().join("s3")).len(), 1);
    let id = store.bucket("b").unwrap().id;
    assert!(store.get(id, "k", None).await.unwrap().is_some());
}
