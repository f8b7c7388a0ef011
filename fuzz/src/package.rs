//! Deployment packages. Input: a zip.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lambent_blob_fs::{FsBlobs, FsCode};
use lambent_domain::limits::MAX_UNZIPPED_BYTES;
use lambent_ports::blob::{BlobError, BlobStore};
use lambent_ports::code::{CodeError, CodeStore};

/// Far above what a corpus file takes, far below what a bomb would.
const ENOUGH: Duration = Duration::from_secs(20);

/// A package is refused, or unpacks completely: into its tree, and nowhere else, with links that stay inside.
pub fn run(data: &[u8]) {
    let begun = Instant::now();
    // Memory if there is such a place: what is unpacked is brought to disk.
    let outer = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(try_package(outer.path(), Bytes::copy_from_slice(data)));
    assert!(begun.elapsed() < ENOUGH, "took {:?}", begun.elapsed());
}

async fn try_package(outer: &Path, zip: Bytes) {
    let code = FsCode::open(&outer.join("data")).expect("directories");
    let checked = code.check(zip.clone()).await;
    // Past `put`, which refuses what the check refuses: unpacking has no way out by itself.
    let blobs = FsBlobs::open(&outer.join("data/blobs")).expect("directories");
    let stored = blobs.put(zip).await.expect("a blob");
    let before = outside(outer);
    let unpacked = code.unpacked(stored).await;
    match (&checked, &unpacked) {
        // Never asked for when the check has refused it, and still no way out.
        (_, Ok(tree)) => check_tree(tree),
        (Ok(_), Err(CodeError::Blob(BlobError::NoSpace { .. }))) => {}
        (Ok(_), Err(error)) => panic!("was found good and does not unpack: {error}"),
        (Err(CodeError::Blob(error)), _) => panic!("a check touches no disk: {error}"),
        (Err(_), Err(_)) => {}
    }
    let mut after = outside(outer);
    if let Ok(tree) = &unpacked {
        after.retain(|path| !path.starts_with(tree));
    }
    assert_eq!(after, before, "something appeared outside of the tree");
}

/// Everything below a directory, sorted.
fn outside(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![dir.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                ahead.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn check_tree(tree: &Path) {
    let mut bytes = 0;
    for path in outside(tree) {
        let metadata = path.symlink_metadata().expect("metadata");
        if metadata.is_symlink() {
            if let Ok(target) = path.canonicalize() {
                assert!(target.starts_with(tree), "{} leads to {}", path.display(), target.display());
            }
        } else {
            assert!(metadata.is_dir() || metadata.is_file(), "{} is something else", path.display());
            bytes += if metadata.is_file() { metadata.len() } else { 0 };
        }
    }
    assert!(bytes <= MAX_UNZIPPED_BYTES);
}
