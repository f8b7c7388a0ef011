use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use lambent_domain::CodeSha256;
use lambent_domain::limits::MAX_UNZIPPED_BYTES;
use lambent_ports::blob::BlobStore;
use lambent_ports::code::{CodeError, CodeStore};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::{FsBlobs, FsCode};

type Build<'a> = &'a dyn Fn(&mut ZipWriter<Cursor<Vec<u8>>>);

fn zip(build: Build<'_>) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    build(&mut writer);
    Bytes::from(writer.finish().unwrap().into_inner())
}

fn file(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, mode: u32, content: &[u8]) {
    writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
    writer.write_all(content).unwrap();
}

fn code() -> (tempfile::TempDir, FsCode) {
    let dir = tempfile::tempdir().unwrap();
    let code = FsCode::open(dir.path()).unwrap();
    (dir, code)
}

/// Every file below a directory.
fn files(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .fold(0, |count, path| count + if path.is_dir() { files(&path) } else { 1 })
}

#[tokio::test]
async fn a_package_unpacks_readable_and_keeps_what_is_executable() {
    let (_dir, code) = code();
    let package = zip(&|writer| {
        file(writer, "bootstrap", 0o755, b"#!/bin/sh\n");
        file(writer, "lib/secret.py", 0o600, b"x = 1");
        writer.add_symlink("lib/link.py", "secret.py", SimpleFileOptions::default()).unwrap();
    });
    let found = code.check(package.clone()).await.unwrap();
    assert_eq!(code.put(package.clone()).await.unwrap(), found);
    let tree = code.unpacked(found.sha256).await.unwrap();
    let mode = |path: &str| std::fs::metadata(tree.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bootstrap"), mode("lib/secret.py"), mode("lib")), (0o755, 0o644, 0o755));
    assert_eq!(std::fs::read(tree.join("lib/link.py")).unwrap(), b"x = 1");
    assert_eq!(code.zip(found.sha256).await.unwrap().unwrap(), package);
    assert_eq!(code.unpacked(found.sha256).await.unwrap(), tree);
}

#[tokio::test]
async fn hostile_packages_are_refused_and_nothing_is_stored() {
    let (dir, code) = code();
    let cases: &[(&str, Build<'_>)] = &[
        ("traversal", &|writer| file(writer, "../evil", 0o644, b"x")),
        ("deep traversal", &|writer| file(writer, "a/../../evil", 0o644, b"x")),
        ("absolute", &|writer| file(writer, "/etc/evil", 0o644, b"x")),
        ("backslash", &|writer| file(writer, "..\\evil", 0o644, b"x")),
        ("absolute link", &|writer| {
            writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        }),
        ("link out", &|writer| {
            writer.add_symlink("a/link", "../../passwd", SimpleFileOptions::default()).unwrap();
        }),
        ("behind a link", &|writer| {
            writer.add_symlink("a", ".", SimpleFileOptions::default()).unwrap();
            file(writer, "a/b", 0o644, b"x");
        }),
        ("behind a file", &|writer| {
            file(writer, "a", 0o644, b"x");
            file(writer, "a/b", 0o644, b"x");
        }),
    ];
    for (name, build) in cases {
        let result = code.check(zip(build)).await;
        assert!(matches!(result, Err(CodeError::Unreadable(_))), "{name}: {result:?}");
    }
    assert!(matches!(code.check(Bytes::from_static(b"not a zip")).await, Err(CodeError::Unreadable(_))));
    assert!(matches!(code.check(Bytes::new()).await, Err(CodeError::Empty)));
    assert!(matches!(code.check(zip(&|_| {})).await, Err(CodeError::Empty)));
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn a_bomb_is_refused_by_what_it_unpacks_to() {
    let (_dir, code) = code();
    let bomb = zip(&|writer| {
        let zeros = vec![0; 1 << 20];
        writer.start_file("zeros", SimpleFileOptions::default()).unwrap();
        for _ in 0..=MAX_UNZIPPED_BYTES >> 20 {
            writer.write_all(&zeros).unwrap();
        }
    });
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(code.check(bomb).await, Err(CodeError::TooLargeUnpacked)));
}

#[tokio::test]
async fn damaged_bytes_are_refused() {
    let (_dir, code) = code();
    let package = zip(&|writer| file(writer, "a", 0o644, b"some content that is stored"));
    for cut in [package.len() / 3, package.len() - 5] {
        assert!(code.check(package.slice(..cut)).await.is_err(), "cut at {cut}");
    }
    let stored = zip(&|writer| {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file("a", options).unwrap();
        writer.write_all(b"checked content").unwrap();
    });
    let mut changed = stored.to_vec();
    let at = changed.windows(7).position(|window| window == b"checked").unwrap();
    changed[at] ^= 1;
    assert!(matches!(code.check(Bytes::from(changed)).await, Err(CodeError::Unreadable(_))));
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_is_kept_stays() {
    let (dir, code) = code();
    let keep = code.put(zip(&|writer| file(writer, "keep", 0o644, b"1"))).await.unwrap();
    let gone = code.put(zip(&|writer| file(writer, "gone", 0o644, b"2"))).await.unwrap();
    code.unpacked(keep.sha256).await.unwrap();
    let tree = code.unpacked(gone.sha256).await.unwrap();
    std::fs::write(dir.path().join("blobs/incoming/half"), b"x").unwrap();
    drop(code);
    let code = FsCode::open(dir.path()).unwrap();
    assert!(!dir.path().join("blobs/incoming/half").exists());
    code.sweep(&[keep.sha256]).await.unwrap();
    assert!(code.zip(keep.sha256).await.unwrap().is_some());
    assert!(code.zip(gone.sha256).await.unwrap().is_none() && !tree.exists());
}

#[tokio::test]
async fn blobs_are_kept_by_their_hash() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(dir.path()).unwrap();
    let sha256 = blobs.put(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(sha256.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(blobs.put(Bytes::from_static(b"abc")).await.unwrap(), sha256);
    assert_eq!(blobs.get(sha256).await.unwrap().unwrap(), "abc");
    assert_eq!(blobs.list().await.unwrap(), [sha256]);
    blobs.delete(sha256).await.unwrap();
    blobs.delete(sha256).await.unwrap();
    assert_eq!(blobs.get(CodeSha256([0; 32])).await.unwrap(), None);
}

fn link(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, target: &str) {
    writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
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
async fn the_same_name_twice_is_refused() {
    let (_dir, code) = code();
    let mut bytes = zip(&|writer| {
        file(writer, "aaaa", 0o644, b"first");
        file(writer, "bbbb", 0o644, b"other");
    })
    .to_vec();
    while let Some(at) = bytes.windows(4).position(|window| window == b"bbbb") {
        bytes[at..at + 4].copy_from_slice(b"aaaa");
    }
    let result = code.check(Bytes::from(bytes)).await;
    assert!(matches!(result, Err(CodeError::Unreadable(_))), "{result:?}");
}

#[tokio::test]
async fn implied_directories_count_as_entries() {
    let (_dir, code) = code();
    // 1,000 entries that would make 400,000 directories.
    let package = zip(&|writer| {
        for number in 0..1_000 {
            file(writer, &format!("{number}/{}f", "d/".repeat(400)), 0o644, b"");
        }
    });
    let result = code.check(package).await;
    assert!(result.is_err(), "{result:?}");
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
