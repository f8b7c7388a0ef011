use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::CodeSha256;
use lambent_domain::limits::MAX_ZIP_ENTRIES;
use lambent_ports::blob::BlobStore;
use lambent_ports::code::{CodeError, CodeStore};
use lambent_ports::suites::code::{file, link, zip};
use lambent_ports::suites::{blob as blob_suite, code as code_suite};

use crate::{FsBlobs, FsCode};

fn code() -> (tempfile::TempDir, FsCode) {
    let dir = tempfile::tempdir().unwrap();
    let code = FsCode::open(dir.path()).unwrap();
    (dir, code)
}

/// Every file below a directory.
fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .fold(0, |count, path| count + if path.is_dir() { files(&path) } else { 1 })
}

#[tokio::test]
async fn blobs_pass_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    blob_suite::all(&|| Arc::new(FsBlobs::open(dir.path()).unwrap())).await;
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn packages_pass_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    code_suite::all(&|| Arc::new(FsCode::open(dir.path()).unwrap())).await;
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn a_check_writes_nothing() {
    let (dir, code) = code();
    code.check(zip(&|writer| file(writer, "good", 0o644, b"x"))).await.unwrap();
    code.check(zip(&|writer| file(writer, "../evil", 0o644, b"x"))).await.unwrap_err();
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn what_a_crash_left_is_swept() {
    let (dir, code) = code();
    drop(code);
    let halves = ["blobs/incoming/half", "code/incoming/half/tree"];
    std::fs::create_dir(dir.path().join("code/incoming/half")).unwrap();
    for half in halves {
        std::fs::write(dir.path().join(half), b"x").unwrap();
    }
    FsCode::open(dir.path()).unwrap();
    assert!(halves.iter().all(|half| !dir.path().join(half).exists()));
}

#[tokio::test]
async fn a_blob_is_a_file_named_by_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(dir.path()).unwrap();
    let sha256 = blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    let name = sha256.to_hex();
    assert_eq!(std::fs::read(dir.path().join(&name[..2]).join(name)).unwrap(), b"abc");
    assert_eq!(files(&dir.path().join("incoming")), 0);
}

#[tokio::test]
async fn a_chain_of_links_that_leaves_the_tree_is_refused() {
    let (dir, code) = code();
    std::fs::write(dir.path().join("outside"), b"host file").unwrap();
    let package = zip(&|writer| {
        file(writer, "s/t/f", 0o644, b"x");
        link(writer, "s/t/up", "../..");
        // By letters inside (s/outside... three down, two up); on disk: root/../../outside.
        link(writer, "escape", "s/t/up/../../outside");
    });
    match code.check(package.clone()).await {
        Err(CodeError::Unreadable(_)) => {}
        other => {
            let found = code.put(package).await.unwrap();
            let tree = code.unpacked(found.sha256).await.unwrap();
            panic!(
                "check: {other:?}; reads through link: {:?}",
                std::fs::read_to_string(tree.join("escape"))
            );
        }
    }
}

#[tokio::test]
async fn paths_that_no_disk_takes_are_refused_before_anything_is_stored() {
    let (_dir, code) = code();
    let deep = |depth: usize| zip(&|writer| file(writer, &format!("{}f", "d/".repeat(depth)), 0o644, b""));
    let long =
        |parts: usize| zip(&|writer| file(writer, &vec!["n".repeat(255); parts].join("/"), 0o644, b""));
    for (package, fits) in [(deep(200), true), (deep(201), false), (long(15), true), (long(16), false)] {
        let found = code.check(package.clone()).await;
        assert_eq!(found.is_ok(), fits, "{found:?}");
        if let Ok(found) = found {
            code.put(package).await.unwrap();
            code.unpacked(found.sha256).await.unwrap();
        }
    }
}

/// An entry of a central directory.
fn listed(name: &str, method: u16, compressed: u32) -> Vec<u8> {
    let mut entry = b"PK\x01\x02\x14\x00\x14\x00\x00\x00".to_vec();
    entry.extend(method.to_le_bytes());
    entry.extend([0; 8]);
    entry.extend(compressed.to_le_bytes());
    entry.extend([0; 4]);
    entry.extend((name.len() as u16).to_le_bytes());
    entry.extend([0; 16]);
    entry.extend(name.as_bytes());
    entry
}

/// The end of a central directory.
fn end(entries: u16, size: u32, offset: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\x00\x00\x00\x00".to_vec();
    end.extend([entries.to_le_bytes(), entries.to_le_bytes()].concat());
    end.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    end.extend([0; 2]);
    end
}

/// Refused, and long before a test's patience ends.
async fn refused_soon(package: Vec<u8>) -> String {
    let (_dir, code) = code();
    let begun = std::time::Instant::now();
    let result = code.check(Bytes::from(package)).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "took {:?}", begun.elapsed());
    match result {
        Err(CodeError::Unreadable(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn entries_that_share_their_bytes_are_not_read_for_each() {
    // Two megabytes that inflate to nothing, 20,000 times.
    let mut content = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(400_000);
    content.extend([0x01, 0x00, 0x00, 0xff, 0xff]);
    let mut package = b"PK\x03\x04\x14\x00\x00\x00\x08\x00".to_vec();
    package.extend([0; 20]);
    package.extend(&content);
    let offset = package.len() as u32;
    for number in 0..20_000 {
        package.extend(listed(&number.to_string(), 8, content.len() as u32));
    }
    let size = package.len() as u32 - offset;
    package.extend(end(20_000, size, offset));
    let reason = refused_soon(package).await;
    assert!(reason.contains("over and over"), "{reason}");
}

#[tokio::test]
async fn an_end_at_every_place_is_not_followed_at_each() {
    refused_soon(end(1, 46, 0).repeat(400_000)).await;
}

#[tokio::test]
async fn a_directory_of_millions_is_refused_before_it_is_read() {
    let mut package = Vec::new();
    for number in 0..MAX_ZIP_ENTRIES + 1 {
        package.extend(listed(&number.to_string(), 0, 0));
    }
    package.extend(end(u16::MAX - 1, 0, 0));
    assert_eq!(refused_soon(package).await, "too many entries");
}

#[tokio::test]
async fn a_cancelled_caller_does_not_spoil_the_next() {
    use std::future::Future;
    let (_dir, code) = code();
    let package = zip(&|writer| {
        for number in 0..3_000 {
            file(writer, &format!("f{number}"), 0o644, b"x");
        }
    });
    let found = code.put(package).await.unwrap();
    let mut first = Box::pin(code.unpacked(found.sha256));
    let incoming = _dir.path().join("code/incoming");
    std::future::poll_fn(|cx| {
        assert!(first.as_mut().poll(cx).is_pending());
        if std::fs::read_dir(&incoming).unwrap().next().is_some() {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
    drop(first);
    let second = code.unpacked(found.sha256).await;
    assert!(second.is_ok(), "{second:?}");
}

async fn layer(code: &FsCode, build: code_suite::Build<'_>) -> CodeSha256 {
    code.put(zip(build)).await.unwrap().sha256
}

fn text(tree: &std::path::Path, path: &str) -> String {
    std::fs::read_to_string(tree.join(path)).unwrap()
}

#[tokio::test]
async fn later_layers_lie_over_earlier_ones() {
    let (_dir, code) = code();
    let first = layer(&code, &|writer| {
        file(writer, "python/a.py", 0o644, b"first a");
        file(writer, "python/b.py", 0o644, b"first b");
        file(writer, "bin/tool", 0o755, b"#!/bin/sh\n");
        file(writer, "was-dir/inside", 0o644, b"x");
        file(writer, "was-file", 0o644, b"x");
        link(writer, "was-link", "python");
    })
    .await;
    let second = layer(&code, &|writer| {
        file(writer, "python/b.py", 0o644, b"second b");
        file(writer, "was-dir", 0o644, b"now a file");
        file(writer, "was-file/inside", 0o644, b"now a directory");
        // The first layer has a link here: nothing may be written to where it leads.
        file(writer, "was-link/a.py", 0o644, b"not through the link");
        link(writer, "current", "bin/tool");
    })
    .await;
    let tree = code.merged(&[first, second]).await.unwrap();
    assert_eq!(
        (text(&tree, "python/a.py"), text(&tree, "python/b.py")),
        ("first a".into(), "second b".into())
    );
    assert_eq!(text(&tree, "was-dir"), "now a file");
    assert_eq!(text(&tree, "was-file/inside"), "now a directory");
    assert_eq!(text(&tree, "was-link/a.py"), "not through the link");
    assert!(tree.join("was-link").symlink_metadata().unwrap().is_dir());
    assert_eq!(std::fs::read_link(tree.join("current")).unwrap(), std::path::Path::new("bin/tool"));
    let mode = |path: &str| std::fs::metadata(tree.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("python"), mode("bin/tool")), (0o755, 0o755, 0o755));
    let other = code.merged(&[second, first]).await.unwrap();
    assert_eq!((text(&other, "python/b.py"), text(&other, "was-file")), ("first b".into(), "x".into()));
    assert!(other.join("was-link").symlink_metadata().unwrap().is_symlink());
    // The layers themselves are as they were, and a list is merged once.
    assert_eq!(text(&code.unpacked(first).await.unwrap(), "python/b.py"), "first b");
    assert_eq!(code.merged(&[first, second]).await.unwrap(), tree);
    assert_eq!(code.merged(&[first]).await.unwrap(), code.unpacked(first).await.unwrap());
    assert_eq!(files(&code.merged(&[]).await.unwrap()), 0);
}

#[tokio::test]
async fn merged_files_take_no_space_of_their_own() {
    use std::os::unix::fs::MetadataExt;
    let (_dir, code) = code();
    let one = layer(&code, &|writer| file(writer, "one", 0o644, b"1")).await;
    let two = layer(&code, &|writer| file(writer, "two", 0o644, b"2")).await;
    let tree = code.merged(&[one, two]).await.unwrap();
    let inode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().ino();
    assert_eq!(inode(tree.join("one")), inode(code.unpacked(one).await.unwrap().join("one")));
}

#[tokio::test]
async fn links_of_different_layers_do_not_lead_out_together() {
    let (dir, code) = code();
    std::fs::write(dir.path().join("code/merged/secret"), b"host file").unwrap();
    // Each is good by itself: s/t is a directory in one, and a link to the root in the other.
    let one = layer(&code, &|writer| {
        file(writer, "s/t/f", 0o644, b"x");
        link(writer, "escape", "s/t/../secret");
        link(writer, "fine", "s/t/../../visible");
        file(writer, "visible", 0o644, b"inside");
    })
    .await;
    let two = layer(&code, &|writer| link(writer, "s/t", "..")).await;
    let harmless = code.merged(&[one, one]).await.unwrap();
    assert_eq!(text(&harmless, "fine"), "inside");
    let tree = code.merged(&[one, two]).await.unwrap();
    for name in ["escape", "fine"] {
        assert!(tree.join(name).symlink_metadata().is_err(), "{name} leads out of the tree");
    }
    assert_eq!((text(&tree, "s/t/visible"), text(&tree, "visible")), ("inside".into(), "inside".into()));
}

#[tokio::test]
async fn a_merge_that_fails_leaves_nothing_that_looks_whole() {
    let (dir, code) = code();
    let one = layer(&code, &|writer| file(writer, "one", 0o644, b"1")).await;
    let second = zip(&|writer| file(writer, "two", 0o644, b"2"));
    let two = code.check(second.clone()).await.unwrap().sha256;
    assert!(matches!(code.merged(&[one, two]).await, Err(CodeError::Blob(_))));
    // What a crash half-way leaves.
    let half = dir.path().join("code/incoming/half");
    std::fs::create_dir_all(half.join("python")).unwrap();
    drop(code);
    let code = FsCode::open(dir.path()).unwrap();
    assert!(!half.exists());
    code.put(second).await.unwrap();
    let tree = code.merged(&[one, two]).await.unwrap();
    assert_eq!((text(&tree, "one"), text(&tree, "two")), ("1".into(), "2".into()));
}

#[tokio::test]
async fn many_callers_merge_once() {
    let (dir, code) = code();
    let one =
        layer(&code, &|writer| (0..500).for_each(|n| file(writer, &format!("f{n}"), 0o644, b"1"))).await;
    let two = layer(&code, &|writer| file(writer, "two", 0o644, b"2")).await;
    let code = std::sync::Arc::new(code);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let code = std::sync::Arc::clone(&code);
            tokio::spawn(async move { code.merged(&[one, two]).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(files(&caller.await.unwrap().unwrap()), 501);
    }
    assert_eq!(std::fs::read_dir(dir.path().join("code/merged")).unwrap().count(), 1);
}

#[tokio::test]
async fn merged_trees_are_swept_and_kept_ones_keep_their_layers() {
    let (_dir, code) = code();
    let one = layer(&code, &|writer| file(writer, "one", 0o644, b"1")).await;
    let two = layer(&code, &|writer| file(writer, "two", 0o644, b"2")).await;
    let three = layer(&code, &|writer| file(writer, "three", 0o644, b"3")).await;
    let kept = code.merged(&[one, two]).await.unwrap();
    let gone = code.merged(&[two, one]).await.unwrap();
    let other = code.merged(&[one, three]).await.unwrap();
    code.sweep(&[], &[vec![one, two]]).await.unwrap();
    assert!(!gone.exists() && !other.exists());
    assert_eq!(text(&kept, "one"), "1");
    assert!(code.zip(two).await.unwrap().is_some() && code.zip(three).await.unwrap().is_none());
    code.sweep(&[], &[]).await.unwrap();
    assert!(!kept.exists());
}

#[tokio::test]
async fn a_size_that_is_not_the_real_one_is_refused() {
    let (_dir, code) = code();
    let mut bytes = zip(&|writer| file(writer, "a", 0o644, &[b'x'; 1_000])).to_vec();
    // The central directory's word for the size: it is what other tools believe.
    let entry = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    assert_eq!(bytes[entry + 24..entry + 28], 1_000u32.to_le_bytes());
    bytes[entry + 24..entry + 28].copy_from_slice(&10u32.to_le_bytes());
    let result = code.check(Bytes::from(bytes)).await;
    assert!(matches!(result, Err(CodeError::Unreadable(_))), "{result:?}");
}
