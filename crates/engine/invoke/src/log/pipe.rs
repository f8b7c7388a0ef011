//! The read end of a process's output, with a count of what has been read: so that "everything printed so far" is a
//! number, and a platform line can be put exactly there.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tokio::net::unix::pipe::Receiver;

pub(super) struct Pipe {
    fd: OwnedFd,
    /// Bytes read so far. Held while reading, so that a boundary never falls between a read and its count.
    consumed: Mutex<u64>,
}

impl Pipe {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Pipe { fd, consumed: Mutex::new(0) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.consumed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Bytes written so far: those read and those waiting in the kernel.
    pub(super) fn boundary(&self) -> u64 {
        let consumed = self.lock();
        *consumed + rustix::io::ioctl_fionread(&self.fd).unwrap_or(0)
    }

    fn counted(&self, read: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        let mut consumed = self.lock();
        let count = read()?;
        *consumed += count as u64;
        Ok(count)
    }
}

/// A pipe as the pipeline's thread waits for it.
pub(super) struct Source {
    pipe: Arc<Pipe>,
    receiver: Receiver,
}

impl Source {
    /// Must be called inside the runtime that will wait.
    pub(super) fn new(pipe: Arc<Pipe>) -> io::Result<Self> {
        let receiver = Receiver::from_owned_fd_unchecked(pipe.fd.try_clone()?)?;
        Ok(Source { pipe, receiver })
    }

    /// Reads what is there; `Ok(0)` at the end, `WouldBlock` when there is nothing yet.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // Past the reactor: what was written before a boundary was taken is readable before epoll has said so.
        match self.pipe.counted(|| Ok(rustix::io::read(&self.pipe.fd, &mut *buffer)?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        // Through the reactor: this clears its readiness, so that the next wait waits.
        self.pipe.counted(|| self.receiver.try_read(buffer))
    }

    pub(super) async fn readable(&self) {
        // An error shows again in the read that follows.
        let _ = self.receiver.readable().await;
    }
}
