//! Interpreters that the host has, found without running any: start-up must not wait for ten interpreters.

use std::path::{Path, PathBuf};

/// A Python installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Python {
    /// Minor version.
    pub(crate) minor: u32,
    pub(crate) prefix: PathBuf,
}

/// Directories where interpreters may be: the search path, the usual ones, and version managers'.
pub(crate) fn search_dirs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let mut versions: Vec<PathBuf> = std::fs::read_dir(pyenv.join("versions"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    dirs.extend(versions);
    dirs
}

/// Python 3 interpreters, best first for each version. A wrapper script is none: its prefix has no library.
pub(crate) fn pythons(dirs: &[PathBuf], minors: impl Iterator<Item = u32> + Clone) -> Vec<Python> {
    let mut found = Vec::new();
    for minor in minors {
        let prefix = dirs.iter().find_map(|dir| prefix_of(&dir.join(format!("python3.{minor}")), minor));
        found.extend(prefix.map(|prefix| Python { minor, prefix }));
    }
    found
}

fn prefix_of(binary: &Path, minor: u32) -> Option<PathBuf> {
    let real = binary.canonicalize().ok()?;
    let prefix = real.parent()?.parent()?.to_owned();
    let library = prefix.join(format!("lib/python3.{minor}/os.py"));
    let named = real.file_name().is_some_and(|name| name == format!("python3.{minor}").as_str());
    (named && library.is_file()).then_some(prefix)
}

/// The version closest to `wanted`; the newer one of two that are equally close.
pub(crate) fn nearest(wanted: u32, available: impl Iterator<Item = u32>) -> Option<u32> {
    available.min_by_key(|version| (version.abs_diff(wanted), u32::MAX - version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, minor: u32) -> PathBuf {
        let (bin, lib) = (root.join("bin"), root.join(format!("lib/python3.{minor}")));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(bin.join(format!("python3.{minor}")), "binary").unwrap();
        std::fs::write(lib.join("os.py"), "").unwrap();
        bin
    }

    #[test]
    fn an_interpreter_counts_only_with_its_library_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let real = install(&root.join("real"), 12);
        let shims = root.join("shims");
        std::fs::create_dir(&shims).unwrap();
        std::fs::write(shims.join("python3.12"), "#!/bin/sh\n").unwrap();
        let found = pythons(&[shims, real], 8..15);
        assert_eq!(found, [Python { minor: 12, prefix: root.join("real") }]);
    }

    #[test]
    fn the_nearest_version_is_taken_and_the_newer_of_two() {
        assert_eq!(nearest(14, [8, 12, 13].into_iter()), Some(13));
        assert_eq!(nearest(10, [8, 9, 11].into_iter()), Some(11));
        assert_eq!(nearest(10, [].into_iter()), None);
    }
}
