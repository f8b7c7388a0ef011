//! Messages between server, launcher and supervisors: JSON in packets, descriptors beside them.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub(crate) use rustix::net::SendFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, recvmsg,
    sendmsg,
};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest message: a whole environment with room to spare. Socket buffers are set to hold a few.
pub(crate) const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// Descriptors that come with one: most with what a zygote is asked for.
const MAX_DESCRIPTORS: usize = 24;

/// The server asks the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToLauncher {
    Create(CreateSandbox),
    Destroy {
        id: String,
    },
    /// These and no others are to wait from now on.
    KeepParked {
        kinds: Vec<Kind>,
        floor: u32,
        ceiling: u32,
    },
}

/// As [`lambent_ports::sandbox::ParkedKind`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) mounts: Mounts,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) telemetry_env: Option<String>,
    pub(crate) processes: u64,
    pub(crate) open_files: u64,
    pub(crate) forks: bool,
}

/// Host path, guest path.
pub(crate) type Mounts = Vec<(PathBuf, PathBuf)>;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CreateSandbox {
    pub(crate) id: String,
    pub(crate) mounts: Mounts,
    pub(crate) memory_mb: u32,
    pub(crate) tmp_mb: u32,
    pub(crate) processes: u64,
    pub(crate) open_files: u64,
    pub(crate) parked: Option<String>,
}

/// The launcher answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromLauncher {
    /// Once, at the start: what the launcher can't do here.
    Hello {
        degraded: Vec<String>,
    },
    /// With one descriptor: the supervisor's socket. Where a process waits inside, with the listeners, which
    /// otherwise come from the supervisor.
    Created {
        id: String,
        cgroups: Vec<(String, PathBuf)>,
        /// What mounting from outside took.
        mounting_us: u64,
        /// As in [`lambent_ports::sandbox::NotParked::ALL`].
        not_parked: Option<String>,
        /// The process that waits was made for this.
        forked: bool,
    },
    Failed {
        id: String,
        reason: String,
    },
    Destroyed {
        id: String,
    },
}

/// Asked of a supervisor: first by the launcher, once; then by the server.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToSupervisor {
    /// What makes a blank sandbox a certain one. With one descriptor where `tmp_device` is given: it keeps the device.
    Attach {
        mounts: Mounts,
        memory_mb: u32,
        tmp_mb: u32,
        processes: u64,
        open_files: u64,
        /// Device for `/tmp`, where the blank sandbox's own has another size.
        tmp_device: Option<PathBuf>,
        /// The rest will be mounted from outside.
        mounted_late: bool,
        /// The first process will come from outside.
        joined: bool,
    },
    /// Starts a process that waits for the first [`ToSupervisor::Start`] with this argument vector.
    Park {
        argv: Vec<String>,
        env: Vec<(String, String)>,
        telemetry_env: Option<String>,
    },
    /// A process will come in that waits in the same way. With two descriptors: the near end of the stream socket that it
    /// waits at, and the read end of its output.
    Adopt {
        argv: Vec<String>,
        telemetry: bool,
    },
    Start {
        argv: Vec<String>,
        env: Vec<(String, String)>,
        cwd: String,
        telemetry_env: Option<String>,
    },
    Stop,
}

/// A supervisor answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromSupervisor {
    /// With the listeners: the Runtime API's and those for services. With one more descriptor where mounts are made
    /// from outside: the mount namespace. With more where a process comes from there:
    /// [`crate::inside::Inside`].
    Ready,
    /// The sandbox could not be set up.
    SetupFailed {
        reason: String,
    },
    /// The parked process is ready.
    Parked,
    /// The parked process has ended and was never started.
    ParkedEnded,
    /// With one descriptor: the read end of the output.
    Started {
        parked: bool,
    },
    ExecFailed {
        errno: i32,
    },
    /// The previous main process is still there.
    Busy,
    Exited {
        code: Option<i32>,
        signal: Option<i32>,
    },
    Stopped,
}

/// Sends one packet; waits for room where the socket is a blocking one.
pub(crate) fn send(socket: impl AsFd, message: &impl Serialize, fds: &[OwnedFd]) -> io::Result<()> {
    send_flagged(socket, message, fds, SendFlags::NOSIGNAL)
}

/// Sends one packet, or fails with `WouldBlock`.
pub(crate) fn send_now(socket: impl AsFd, message: &impl Serialize) -> io::Result<()> {
    send_flagged(socket, message, &[], SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

fn send_flagged(
    socket: impl AsFd,
    message: &impl Serialize,
    fds: &[OwnedFd],
    flags: SendFlags,
) -> io::Result<()> {
    let borrowed: Vec<BorrowedFd> = fds.iter().map(AsFd::as_fd).collect();
    send_borrowed(socket, message, &borrowed, flags)
}

/// Sends one packet with descriptors that are kept.
pub(crate) fn send_borrowed(
    socket: impl AsFd,
    message: &impl Serialize,
    borrowed: &[BorrowedFd],
    flags: SendFlags,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too large"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(borrowed)) {
        return Err(io::Error::other("too many descriptors"));
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(&bytes)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(_) => return Ok(()),
        }
    }
}

thread_local! {
    /// Made once and never cleared: a launcher's children have it as a copy, and each page that is written costs both a fault.
    static RECEIVED: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_MESSAGE_BYTES].into());
}

/// Receives one packet; `None` when the other end is gone.
pub(crate) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    RECEIVED.with_borrow_mut(|buffer| receive_into(socket, buffer))
}

fn receive_into<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let fds = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    let message = serde_json::from_slice(&buffer[..received.bytes]).map_err(io::Error::other)?;
    Ok(Some((message, fds)))
}
