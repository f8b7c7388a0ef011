//! Zygotes: interpreters that have started, imported and rehearsed, and then fork. A child enters a confined sandbox and
//! gives up every right there before it waits for its function.
//!
//! One per kind of parked process and no more in all than there are processors: what they make they make one after another.

mod nest;

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

use crate::inside::Inside;
use crate::protocol::{Kind, MAX_MESSAGE_BYTES, SendFlags, receive, send, send_borrowed};
use crate::seccomp::Instruction;
use crate::shells::{Running, Shells};

pub(crate) use nest::{NAMESPACES, Nest};

/// How long one may take to get ready. It imports the SDK, with the processor to itself or not.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long none of a kind is started after one has failed.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long nobody must have wanted a child before a zygote may make room for one of another kind.
const SPARE_AFTER: Duration = Duration::from_secs(10);
/// How long before it is given up.
const IDLE_AFTER: Duration = Duration::from_secs(600);
/// Children share their zygote's hash seed and address layout. After so many it is replaced.
const CHILDREN: u32 = 2_000;
/// After so many children in a row that don't get ready it is given up.
const FAILURES: u32 = 3;
/// What is repeated of the last words of one that has failed.
const LAST_WORDS_BYTES: usize = 2_048;

/// The first thing that a zygote is told.
#[derive(Serialize)]
struct Introduction {
    /// What a child is confined with.
    filters: [Vec<Instruction>; 2],
    landlock_restrict_self: libc::c_long,
}

/// What a child is to be. Its descriptors: its output, the far end of the socket that it waits at, the sandbox's
/// ([`Inside`]), and files that make the writer a member of a control group.
#[derive(Serialize)]
struct Order {
    child: u64,
    processes: Option<u64>,
    ruleset: bool,
    telemetry: bool,
    rehearse: bool,
}

/// What a zygote says.
#[derive(Debug, Deserialize)]
enum Said {
    Ready,
    /// A child could not be made, or could not be confined and has ended.
    Failed {
        reason: String,
    },
}

/// A child that is wanted.
pub(crate) struct Wanted<'a> {
    pub(crate) inside: &'a Inside,
    pub(crate) groups: &'a [OwnedFd],
    pub(crate) output: OwnedFd,
    pub(crate) socket: OwnedFd,
    pub(crate) processes: Option<u64>,
    pub(crate) telemetry: bool,
    /// Nobody waits for it: it may take a little longer now to be faster later.
    pub(crate) rehearse: bool,
}

/// A running one.
pub(crate) struct Zygote {
    running: Running,
    socket: OwnedFd,
    output: std::io::PipeReader,
    begun: Instant,
    used: Instant,
    ready: bool,
    children: u64,
    /// Children in a row that did not get ready.
    failures: u32,
}

impl Zygote {
    fn start(kind: &Kind, shells: &mut Shells) -> Result<Self, String> {
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|errno| format!("socket: {errno}"))?;
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&near, 4 * MAX_MESSAGE_BYTES);
        let introduction = Introduction {
            filters: shells.filters().instructions(),
            landlock_restrict_self: libc::SYS_landlock_restrict_self,
        };
        send(&near, &introduction, &[]).map_err(|error| format!("socket: {error}"))?;
        let (running, output) = shells.start_zygote(Nest(kind), far)?;
        let now = Instant::now();
        Ok(Zygote {
            running,
            socket: near,
            output,
            begun: now,
            used: now,
            ready: false,
            children: 0,
            failures: 0,
        })
    }

    fn fork(&mut self, wanted: Wanted) -> std::io::Result<()> {
        self.children += 1;
        self.used = Instant::now();
        let order = Order {
            child: self.children,
            processes: wanted.processes,
            ruleset: wanted.inside.has_ruleset(),
            telemetry: wanted.telemetry,
            rehearse: wanted.rehearse,
        };
        let own = [wanted.output.as_fd(), wanted.socket.as_fd()];
        let groups = wanted.groups.iter().map(AsFd::as_fd);
        let fds: Vec<BorrowedFd> = own.into_iter().chain(wanted.inside.fds()).chain(groups).collect();
        // A zygote that falls behind so far is waited for by nobody: the launcher goes on without it.
        send_borrowed(&self.socket, &order, &fds, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    /// What it printed: nothing, unless something is wrong.
    fn last_words(&mut self) -> String {
        let mut words = vec![0; LAST_WORDS_BYTES];
        let _ = rustix::io::ioctl_fionbio(&self.output, true);
        let length = self.output.read(&mut words).unwrap_or(0);
        String::from_utf8_lossy(&words[..length]).trim().to_owned()
    }
}

/// A kind's zygote.
#[derive(Default)]
pub(crate) enum Maker {
    /// Not started, or given up.
    #[default]
    None,
    Some(Box<Zygote>),
    /// One has failed: processes of this kind are executed for a while.
    Off {
        until: Instant,
    },
}

impl Maker {
    pub(crate) fn start(&mut self, kind: &Kind, shells: &mut Shells) {
        *self = match Zygote::start(kind, shells) {
            Ok(zygote) => Maker::Some(Box::new(zygote)),
            Err(reason) => {
                complain!("lambent: no zygote of {}: {reason}", kind.name);
                Maker::off()
            }
        };
    }

    fn off() -> Self {
        Maker::Off { until: Instant::now() + AGAIN_AFTER }
    }

    pub(crate) fn is_none(&self) -> bool {
        match self {
            Maker::None => true,
            Maker::Some(_) => false,
            Maker::Off { until } => Instant::now() >= *until,
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        matches!(self, Maker::Some(_))
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self, Maker::Some(zygote) if !zygote.ready)
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Maker::Some(zygote) if zygote.ready)
    }

    pub(crate) fn socket(&self) -> Option<&OwnedFd> {
        match self {
            Maker::Some(zygote) => Some(&zygote.socket),
            _ => None,
        }
    }

    /// Asks for a child.
    pub(crate) fn fork(&mut self, wanted: Wanted) -> std::io::Result<()> {
        match self {
            Maker::Some(zygote) if zygote.ready => zygote.fork(wanted),
            _ => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reads what it has said; returns it if that was the last.
    pub(crate) fn hear(&mut self, kind: &str) -> Option<Running> {
        let Maker::Some(zygote) = self else { return None };
        let reason = match receive::<Said>(&zygote.socket) {
            Ok(Some((Said::Ready, _))) => {
                zygote.ready = true;
                return None;
            }
            Ok(Some((Said::Failed { reason }, _))) => reason,
            Ok(None) => format!("it has ended: {}", zygote.last_words()),
            Err(error) => error.to_string(),
        };
        complain!("lambent: no zygote of {kind}: {reason}");
        self.take(Maker::off())
    }

    /// A child got ready.
    pub(crate) fn succeeded(&mut self) {
        if let Maker::Some(zygote) = self {
            zygote.failures = 0;
        }
    }

    /// A child has ended before it was ready. Returns the zygote if that was once too often.
    pub(crate) fn failed(&mut self) -> Option<Running> {
        let Maker::Some(zygote) = self else { return None };
        zygote.failures += 1;
        if zygote.failures < FAILURES {
            return None;
        }
        self.take(Maker::off())
    }

    fn take(&mut self, then: Maker) -> Option<Running> {
        match std::mem::replace(self, then) {
            Maker::Some(zygote) => Some(zygote.running),
            _ => None,
        }
    }

    pub(crate) fn give_up(&mut self) -> Option<Running> {
        self.take(Maker::None)
    }

    /// Since when nobody has wanted anything of it.
    pub(crate) fn spare_since(&self) -> Option<Instant> {
        match self {
            Maker::Some(zygote) if zygote.ready && zygote.used.elapsed() >= SPARE_AFTER => Some(zygote.used),
            _ => None,
        }
    }

    /// When it may have to be replaced or given up.
    pub(crate) fn eases_in(&self) -> Option<Duration> {
        match self {
            Maker::Some(zygote) if zygote.ready => Some(IDLE_AFTER.saturating_sub(zygote.used.elapsed())),
            Maker::Some(zygote) => Some(READY_WITHIN.saturating_sub(zygote.begun.elapsed())),
            _ => None,
        }
    }

    /// Gives it up if it has made enough, is not wanted any more, or does not get ready.
    pub(crate) fn ease(&mut self, kind: &str) -> Option<Running> {
        let Maker::Some(zygote) = self else { return None };
        if zygote.children >= u64::from(CHILDREN) || (zygote.ready && zygote.used.elapsed() >= IDLE_AFTER) {
            return self.take(Maker::None);
        }
        if !zygote.ready && zygote.begun.elapsed() >= READY_WITHIN {
            complain!("lambent: no zygote of {kind}: it does not get ready");
            return self.take(Maker::off());
        }
        None
    }
}
