//! What it takes to put a process into a confined sandbox from outside: the sandbox itself has opened it, before it gave up
//! the right to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// As a process that comes in enters them, but for the last: with that it gives up what the others take.
const NAMESPACES: [&str; 6] = ["pid", "net", "ipc", "uts", "cgroup", "mnt"];
const LAST: &str = "user";

/// Of one sandbox.
#[derive(Debug)]
pub(crate) struct Inside {
    /// In the order of entering, the user namespace last.
    namespaces: Vec<OwnedFd>,
    /// Landlock's rules, where the kernel has it.
    ruleset: Option<OwnedFd>,
}

fn own(namespace: &str) -> io::Result<OwnedFd> {
    Ok(File::open(format!("/proc/self/ns/{namespace}"))?.into())
}

/// The calling process's namespaces without the user's.
pub(crate) fn open() -> io::Result<Vec<OwnedFd>> {
    NAMESPACES.into_iter().map(own).collect()
}

/// The calling process's user namespace.
pub(crate) fn open_last() -> io::Result<OwnedFd> {
    own(LAST)
}

impl Inside {
    pub(crate) fn new(namespaces: Vec<OwnedFd>, ruleset: Option<OwnedFd>) -> Self {
        Inside { namespaces, ruleset }
    }

    /// As they come with a message.
    pub(crate) fn take(fds: &mut impl Iterator<Item = OwnedFd>) -> Option<Self> {
        let namespaces: Vec<OwnedFd> = fds.take(NAMESPACES.len() + 1).collect();
        (namespaces.len() == NAMESPACES.len() + 1).then(|| Inside { namespaces, ruleset: fds.next() })
    }

    /// As they go with one.
    pub(crate) fn into_fds(self) -> impl Iterator<Item = OwnedFd> {
        self.namespaces.into_iter().chain(self.ruleset)
    }

    pub(crate) fn has_ruleset(&self) -> bool {
        self.ruleset.is_some()
    }

    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.namespaces.iter().chain(&self.ruleset).map(AsFd::as_fd)
    }
}
