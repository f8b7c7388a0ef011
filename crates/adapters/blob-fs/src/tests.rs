use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use lambent_domain::CodeSha256;
use lambent_domain::limits::{MAX_UNZIPPED_BYTES, MAX_ZIP_ENTRIES};
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
    code.sweep(&[keep.sha256], &[]).await.unwrap();
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
    // 1,500 entries that would make 225,000 directories.
    let package = zip(&|writer| {
        for number in 0..1_500 {
            file(writer, &format!("{number}/{}f", "d/".repeat(149)), 0o644, b"");
        }
    });
    let result = code.check(package).await;
    assert!(
        matches!(&result, Err(CodeError::Unreadable(reason)) if reason == "too many entries"),
        "{result:?}"
    );
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

async fn layer(code: &FsCode, build: Build<'_>) -> CodeSha256 {
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
