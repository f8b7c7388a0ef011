//! A package's tree on disk. Every open is below the target directory by the kernel's own word
//! (`openat2(RESOLVE_BENEATH)`): whatever the checks before have missed, nothing is written outside.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lambent_ports::code::CodeError;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, symlinkat};
use rustix::io::Errno;

use crate::blobs::blob_error;
use crate::inspect::{Archive, Entry, Kind, copy};

/// Unpacks into `dir`, which is new and empty, and brings it to disk.
pub(crate) fn unpack(archive: &mut Archive, entries: &[Entry], dir: &Path) -> Result<(), CodeError> {
    let root = open_root(dir)?;
    let mut total = 0;
    let mut made = HashSet::new();
    for entry in entries {
        let (parents, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        make_dirs(root.as_fd(), parents, &mut made)?;
        let path = &entry.path;
        match &entry.kind {
            Kind::Directory => make_dirs(root.as_fd(), path, &mut made)?,
            Kind::File { executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut file = File::from(beneath(root.as_fd(), path, flags, Mode::from(mode))?);
                copy(archive, entry.index, &mut file, &mut total)?;
                // The mode given above is cut by the process's umask; the sandbox's user has to be able to read.
                rustix::fs::fchmod(&file, Mode::from(mode)).map_err(io)?;
            }
            Kind::Link { target } => {
                let parent = open_dir(root.as_fd(), parents)?;
                symlinkat(target.as_str(), &parent, name).map_err(io)?;
            }
        }
    }
    finish(&root)
}

/// Opens a tree.
pub(crate) fn open_root(dir: &Path) -> Result<OwnedFd, CodeError> {
    openat(CWD, dir, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(io)
}

/// A new tree that has everything: readable for everybody, and on disk.
pub(crate) fn finish(root: &OwnedFd) -> Result<(), CodeError> {
    rustix::fs::fchmod(root, Mode::from(0o755)).map_err(io)?;
    rustix::fs::syncfs(root).map_err(io)
}

pub(crate) fn io(errno: Errno) -> CodeError {
    CodeError::Blob(blob_error(io::Error::from(errno), 0))
}

fn beneath(root: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, CodeError> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    openat2(root, path, flags, mode, resolve).map_err(io)
}

/// Opens a directory of a tree, never through a link.
pub(crate) fn open_dir(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, CodeError> {
    let path = if path.is_empty() { "." } else { path };
    beneath(root, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Makes a directory and those above it, each once: a path's nearest directory is usually there already.
fn make_dirs<'a>(root: BorrowedFd<'_>, path: &'a str, made: &mut HashSet<&'a str>) -> Result<(), CodeError> {
    let mut missing = Vec::new();
    let mut rest = path;
    while !rest.is_empty() && !made.contains(rest) {
        missing.push(rest);
        rest = rest.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    for dir in missing.into_iter().rev() {
        make_dir(root, dir)?;
        made.insert(dir);
    }
    Ok(())
}

/// Makes a directory whose parent is there.
pub(crate) fn make_dir(root: BorrowedFd<'_>, path: &str) -> Result<(), CodeError> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = open_dir(root, parent)?;
    match mkdirat(&parent, name, Mode::from(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(io(errno)),
    }
    let made = open_dir(root, path)?;
    rustix::fs::fchmod(&made, Mode::from(0o755)).map_err(io)
}
