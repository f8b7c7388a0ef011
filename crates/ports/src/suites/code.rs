//! What every [`CodeStore`] does.

use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::CodeSha256;
use lambent_domain::limits::MAX_UNZIPPED_BYTES;
use zip::write::SimpleFileOptions;

use crate::code::{CodeError, CodeStore};

/// Writes a package.
pub type ZipWriter = zip::ZipWriter<Cursor<Vec<u8>>>;
/// Opens the store that is tested: the same one each time, as after a restart.
pub type Open<'a> = &'a dyn Fn() -> Arc<dyn CodeStore>;
/// Fills a package.
pub type Build<'a> = &'a dyn Fn(&mut ZipWriter);

/// A package made by `build`.
pub fn zip(build: Build<'_>) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    build(&mut writer);
    Bytes::from(writer.finish().unwrap().into_inner())
}

/// Adds a file.
pub fn file(writer: &mut ZipWriter, name: &str, mode: u32, content: &[u8]) {
    writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
    writer.write_all(content).unwrap();
}

/// Adds a symbolic link.
pub fn link(writer: &mut ZipWriter, name: &str, target: &str) {
    writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
}

/// Runs everything on one store, which is empty at first.
pub async fn all(open: Open<'_>) {
    a_package_unpacks_readable_and_keeps_what_is_executable(&*open()).await;
    hostile_packages_are_refused(&*open()).await;
    empty_packages_are_refused(&*open()).await;
    a_bomb_is_refused_by_what_it_unpacks_to(&*open()).await;
    damaged_packages_are_refused(&*open()).await;
    the_same_name_twice_is_refused(&*open()).await;
    implied_directories_count_as_entries(&*open()).await;
    many_callers_get_one_whole_tree(open()).await;
    a_sweep_keeps_what_it_is_told_to(open).await;
    layers_lie_over_each_other_in_their_order(open).await;
}

async fn a_package_unpacks_readable_and_keeps_what_is_executable(store: &dyn CodeStore) {
    let package = zip(&|writer| {
        file(writer, "bootstrap", 0o755, b"#!/bin/sh\n");
        file(writer, "lib/secret.py", 0o600, b"x = 1");
        link(writer, "lib/link.py", "secret.py");
        writer.add_directory("lib/empty", SimpleFileOptions::default()).unwrap();
    });
    let found = store.check(package.clone()).await.unwrap();
    assert_eq!(found.size_bytes, package.len() as u64);
    assert_eq!(store.zip(found.sha256).await.unwrap(), None, "a check stores nothing");
    assert_eq!(store.put(package.clone()).await.unwrap(), found);
    assert_eq!(store.put(package.clone()).await.unwrap(), found);
    assert_eq!(store.zip(found.sha256).await.unwrap().unwrap(), package);
    let tree = store.unpacked(found.sha256).await.unwrap();
    let mode = |path: &str| std::fs::metadata(tree.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bootstrap"), mode("lib/secret.py")), (0o755, 0o644));
    assert_eq!((mode("."), mode("lib"), mode("lib/empty")), (0o755, 0o755, 0o755));
    assert_eq!(std::fs::read(tree.join("lib/link.py")).unwrap(), b"x = 1");
    assert_eq!(store.unpacked(found.sha256).await.unwrap(), tree);
    assert!(store.unpacked(CodeSha256([0; 32])).await.is_err(), "what was never put");
}

async fn hostile_packages_are_refused(store: &dyn CodeStore) {
    let cases: &[(&str, Build<'_>)] = &[
        ("traversal", &|writer| file(writer, "../evil", 0o644, b"x")),
        ("deep traversal", &|writer| file(writer, "a/../../evil", 0o644, b"x")),
        ("absolute", &|writer| file(writer, "/etc/evil", 0o644, b"x")),
        ("backslash", &|writer| file(writer, "..\\evil", 0o644, b"x")),
        ("absolute link", &|writer| link(writer, "link", "/etc/passwd")),
        ("link out", &|writer| link(writer, "a/link", "../../passwd")),
        ("link out by another link", &|writer| {
            file(writer, "s/t/f", 0o644, b"x");
            link(writer, "s/t/up", "../..");
            link(writer, "escape", "s/t/up/../../outside");
        }),
        ("behind a link", &|writer| {
            link(writer, "a", ".");
            file(writer, "a/b", 0o644, b"x");
        }),
        ("behind a file", &|writer| {
            file(writer, "a", 0o644, b"x");
            file(writer, "a/b", 0o644, b"x");
        }),
    ];
    for (name, build) in cases {
        let result = store.check(zip(build)).await;
        assert!(matches!(result, Err(CodeError::Unreadable(_))), "{name}: {result:?}");
    }
    let result = store.check(Bytes::from_static(b"not a zip")).await;
    assert!(matches!(result, Err(CodeError::Unreadable(_))), "{result:?}");
}

async fn empty_packages_are_refused(store: &dyn CodeStore) {
    for empty in [Bytes::new(), zip(&|_| {})] {
        let result = store.check(empty).await;
        assert!(matches!(result, Err(CodeError::Empty)), "{result:?}");
    }
}

async fn a_bomb_is_refused_by_what_it_unpacks_to(store: &dyn CodeStore) {
    let bomb = zip(&|writer| {
        let zeros = vec![0; 1 << 20];
        writer.start_file("zeros", SimpleFileOptions::default()).unwrap();
        for _ in 0..=MAX_UNZIPPED_BYTES >> 20 {
            writer.write_all(&zeros).unwrap();
        }
    });
    assert!(bomb.len() < 1 << 20);
    let result = store.check(bomb).await;
    assert!(matches!(result, Err(CodeError::TooLargeUnpacked)), "{result:?}");
}

async fn damaged_packages_are_refused(store: &dyn CodeStore) {
    let package = zip(&|writer| file(writer, "a", 0o644, b"some content that is stored"));
    for cut in [package.len() / 3, package.len() - 5] {
        assert!(store.check(package.slice(..cut)).await.is_err(), "cut at {cut}");
    }
    let stored = zip(&|writer| {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file("a", options).unwrap();
        writer.write_all(b"checked content").unwrap();
    });
    let mut changed = stored.to_vec();
    let at = changed.windows(7).position(|window| window == b"checked").unwrap();
    changed[at] ^= 1;
    let result = store.check(Bytes::from(changed)).await;
    assert!(matches!(result, Err(CodeError::Unreadable(_))), "{result:?}");
}

async fn the_same_name_twice_is_refused(store: &dyn CodeStore) {
    let mut bytes = zip(&|writer| {
        file(writer, "aaaa", 0o644, b"first");
        file(writer, "bbbb", 0o644, b"other");
    })
    .to_vec();
    while let Some(at) = bytes.windows(4).position(|window| window == b"bbbb") {
        bytes[at..at + 4].copy_from_slice(b"aaaa");
    }
    let result = store.check(Bytes::from(bytes)).await;
    assert!(matches!(result, Err(CodeError::Unreadable(_))), "{result:?}");
}

async fn implied_directories_count_as_entries(store: &dyn CodeStore) {
    // 1,500 entries that would make 225,000 directories.
    let package = zip(&|writer| {
        for number in 0..1_500 {
            file(writer, &format!("{number}/{}f", "d/".repeat(149)), 0o644, b"");
        }
    });
    let result = store.check(package).await;
    assert!(matches!(result, Err(CodeError::Unreadable(_))), "{result:?}");
}

async fn many_callers_get_one_whole_tree(store: Arc<dyn CodeStore>) {
    const FILES: usize = 500;
    let package = zip(&|writer| {
        for number in 0..FILES {
            file(writer, &format!("f{number}"), 0o644, b"x");
        }
    });
    let found = store.put(package).await.unwrap();
    let callers = (0..8).map(|_| async {
        let tree = store.unpacked(found.sha256).await.unwrap();
        assert_eq!(std::fs::read_dir(&tree).unwrap().count(), FILES);
        tree
    });
    let trees = futures_util::future::join_all(callers).await;
    assert!(trees.iter().all(|tree| *tree == trees[0]));
}

async fn a_sweep_keeps_what_it_is_told_to(open: Open<'_>) {
    let store = open();
    let keep = store.put(zip(&|writer| file(writer, "keep", 0o644, b"1"))).await.unwrap();
    let gone = store.put(zip(&|writer| file(writer, "gone", 0o644, b"2"))).await.unwrap();
    let kept_tree = store.unpacked(keep.sha256).await.unwrap();
    let gone_tree = store.unpacked(gone.sha256).await.unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.unpacked(gone.sha256).await.unwrap(), gone_tree, "there after a restart");
    store.sweep(&[keep.sha256], &[]).await.unwrap();
    assert!(store.zip(keep.sha256).await.unwrap().is_some() && kept_tree.join("keep").is_file());
    assert!(store.zip(gone.sha256).await.unwrap().is_none() && !gone_tree.exists());
    assert!(store.unpacked(gone.sha256).await.is_err());
    store.sweep(&[], &[]).await.unwrap();
    assert!(store.zip(keep.sha256).await.unwrap().is_none());
}

async fn layers_lie_over_each_other_in_their_order(open: Open<'_>) {
    let store = open();
    let put = async |build: Build<'_>| store.put(zip(build)).await.unwrap().sha256;
    let first = put(&|writer| {
        file(writer, "python/a.py", 0o644, b"first a");
        file(writer, "python/b.py", 0o644, b"first b");
        file(writer, "was-dir/inside", 0o644, b"x");
    })
    .await;
    let second = put(&|writer| {
        file(writer, "python/b.py", 0o644, b"second b");
        file(writer, "was-dir", 0o644, b"now a file");
    })
    .await;
    let tree = store.merged(&[first, second]).await.unwrap();
    let text = |tree: &std::path::Path, path: &str| std::fs::read_to_string(tree.join(path)).unwrap();
    assert_eq!(text(&tree, "python/a.py"), "first a");
    assert_eq!(text(&tree, "python/b.py"), "second b");
    assert_eq!(text(&tree, "was-dir"), "now a file");
    let other = store.merged(&[second, first]).await.unwrap();
    assert_eq!(text(&other, "python/b.py"), "first b");
    assert_eq!(text(&other, "was-dir/inside"), "x");
    assert_eq!(store.merged(&[first]).await.unwrap(), store.unpacked(first).await.unwrap());
    assert_eq!(std::fs::read_dir(store.merged(&[]).await.unwrap()).unwrap().count(), 0);
    assert!(store.merged(&[first, CodeSha256([0; 32])]).await.is_err(), "what was never put");
    let store = open();
    assert_eq!(store.merged(&[first, second]).await.unwrap(), tree, "there after a restart");
    store.sweep(&[], &[vec![first, second]]).await.unwrap();
    assert_eq!((text(&tree, "python/b.py"), other.exists()), ("second b".into(), false));
    assert!(store.zip(first).await.unwrap().is_some(), "its layers are kept with it");
    store.sweep(&[], &[]).await.unwrap();
    assert!(!tree.exists() && store.zip(first).await.unwrap().is_none());
}
