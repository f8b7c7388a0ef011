//! Mounts made in a sandbox from outside, after it has been confined: it can't make any itself.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::protocol::Mounts;
use crate::{sys, tree};

/// Where the launcher comes from and goes back to.
pub(crate) struct Outside {
    namespace: OwnedFd,
    root: OwnedFd,
    working_dir: OwnedFd,
}

impl Outside {
    /// Fails where the kernel lacks what it takes: Linux 5.12.
    pub(crate) fn open() -> io::Result<Self> {
        let dir = |path: &str| -> io::Result<OwnedFd> {
            Ok(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
        };
        // A tree of this kind has nothing mounted below that would not let itself be left out.
        drop(sys::detached_read_only(Path::new("/dev/null"))?);
        let namespace = std::fs::File::open("/proc/self/ns/mnt")?.into();
        Ok(Outside { namespace, root: dir("/")?, working_dir: dir(".")? })
    }

    /// Mounts trees and files, read-only, on mount points that are there. No symbolic link is followed inside.
    pub(crate) fn mount(&self, sandbox: &OwnedFd, mounts: &Mounts, memory_mb: u32) -> io::Result<()> {
        // Copied where they are mounted: from another namespace that is refused.
        let trees = mounts
            .iter()
            .map(|(host, guest)| Ok((sys::detached_read_only(host)?, tree::relative(guest)?)))
            .collect::<io::Result<Vec<_>>>()?;
        sys::enter_mount_namespace(sandbox)?;
        // Nothing in there can see this process, which has no name in its pid namespace.
        let mounted = || -> io::Result<()> {
            let root = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            for (detached, guest) in &trees {
                sys::attach_tree(detached, &tree::open_inside(&root, guest)?)?;
            }
            tree::resize_shm(Path::new("/"), memory_mb)
        };
        let mounted = mounted();
        if let Err(error) = self.come_back() {
            // With another root nothing that follows would mean what it says. The kernel ends the sandboxes.
            complain!("lambent: the launcher can't leave a sandbox: {error}");
            sys::exit_now(1);
        }
        mounted
    }

    fn come_back(&self) -> io::Result<()> {
        sys::enter_mount_namespace(&self.namespace)?;
        sys::change_root(&self.root)?;
        Ok(rustix::process::fchdir(&self.working_dir)?)
    }
}
