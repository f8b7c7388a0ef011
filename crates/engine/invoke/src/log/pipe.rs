//! The read end of a process's output, with a count of what has been read: so that "everything printed so far" is a
//! number, and a platform line can be put exactly there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

pub(super) struct Pipe {
    fd: OwnedFd,
    /// Bytes read so far. Held while reading, so that a boundary never falls between a read and its count.
    consumed: Mutex<u64>,
}

impl Pipe {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Pipe {
            fd,
            consumed: Mutex::new(0),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.consumed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Bytes written so far: those read and those waiting in the kernel.
    pub(super) fn boundary(&self) -> u64 {
        let consumed = self.lock();
        *consumed + rustix::io::ioctl_fionread(&self.fd).unwrap_or(0)
    }

    /// Reads what is there; `Ok(0)` at the end, `WouldBlock` when there is nothing yet.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut consumed = self.lock();
        let count = rustix::io::read(&self.fd, buffer)?;
        *consumed += count as u64;
        Ok(count)
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl std::os::fd::AsRawFd for Pipe {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.fd)
    }
}
