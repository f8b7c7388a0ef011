//! The server's side of the launcher: a child process, and a socket that one thread reads.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use lambent_ports::sandbox::{
    HostMemory, Mount, NotParked, ParkedCount, ParkedKind, ProcessorTime, Sandbox, SandboxError, SandboxHost,
    SandboxSpec,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::sync::{oneshot, watch};

use crate::cgroups::Dirs;
use crate::egress::Egress;
use crate::group::Group;
use crate::host_memory::{LimitedGroups, processor_time};
use crate::launcher::SERVER_FD;
use crate::protocol::{
    CreateSandbox, FromLauncher, Kind, MAX_MESSAGE_BYTES, Mounts, ToLauncher, receive, send, send_now,
};
use crate::sandbox::LinuxSandbox;
use crate::setup::Listeners;
use crate::sys;

/// How the launcher is started.
#[derive(Clone, Debug)]
pub struct LauncherOptions {
    /// A binary whose `main` begins with [`crate::launcher_main`]; usually the own one.
    pub executable: PathBuf,
    /// A directory for the launcher's use, on a disk that has room for sandboxes' `/tmp`.
    pub state_dir: PathBuf,
    /// What functions reach.
    pub egress: Egress,
    /// A directory that sandboxes have at `/etc/lambent`; its bundle of certificates, by the name that
    /// [`lambent_ports::sandbox::CA_BUNDLE`] has, also takes the place of the host's.
    pub trust: Option<PathBuf>,
}

/// The listeners only where the sandbox has been waiting.
type Created = Result<NewSandbox, String>;

struct NewSandbox {
    control: OwnedFd,
    cgroups: Dirs,
    listeners: Option<Listeners>,
    making: Making,
}

/// How it was made.
#[derive(Clone, Copy)]
pub(crate) struct Making {
    /// Of that time, what went into mounting code into a process that waited.
    pub(crate) mounting: Duration,
    pub(crate) not_parked: Option<NotParked>,
    /// What waited in it was made when it was asked for.
    pub(crate) forked: bool,
}

pub(crate) struct Shared {
    socket: OwnedFd,
    creating: Mutex<HashMap<String, oneshot::Sender<Created>>>,
    destroying: Mutex<HashMap<String, oneshot::Sender<()>>>,
    /// For what the socket had no room for when it was to be sent: see [`Shared::tell`].
    backlog: OnceLock<mpsc::Sender<ToLauncher>>,
    gone: watch::Sender<bool>,
}

/// The connection to the launcher. When it is dropped, the launcher ends every sandbox and itself.
pub struct LauncherClient {
    shared: Arc<Shared>,
    child: Mutex<Child>,
    degraded: Vec<String>,
    limited: LimitedGroups,
}

pub(crate) fn host(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Host(error.to_string())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl LauncherClient {
    /// Starts the launcher and waits until it has said what it can do. An earlier launcher with the same state
    /// directory is waited for, and what it left is removed.
    pub fn spawn(options: &LauncherOptions) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(&options.state_dir).map_err(host)?;
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(host)?;
        for end in [&near, &far] {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(end, 8 * MAX_MESSAGE_BYTES);
        }
        let mut command = Command::new(&options.executable);
        command
            .arg(crate::LAUNCHER_ARGUMENT)
            .arg(&options.state_dir)
            .arg(options.egress.name())
            .args(&options.trust);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let far_fd = far.as_raw_fd();
        // SAFETY: between fork and exec this only duplicates a descriptor, which allocates nothing.
        unsafe { command.pre_exec(move || sys::duplicate_to(far_fd, SERVER_FD)) };
        let mut child = command.spawn().map_err(host)?;
        drop(far);
        let hello = receive::<FromLauncher>(&near);
        let Ok(Some((FromLauncher::Hello { degraded }, _))) = hello else {
            drop(near);
            let _ = child.wait();
            return Err(host("the launcher did not start; it has said why on standard error"));
        };
        let shared = Arc::new(Shared {
            socket: near,
            creating: Mutex::default(),
            destroying: Mutex::default(),
            backlog: OnceLock::new(),
            gone: watch::Sender::new(false),
        });
        let reader = Arc::clone(&shared);
        thread("launcher-client", move || reader.read())?;
        Ok(LauncherClient { shared, child: Mutex::new(child), degraded, limited: LimitedGroups::find() })
    }

    /// What sandboxes lack on this host, in sentences.
    pub fn degraded(&self) -> &[String] {
        &self.degraded
    }

    /// The launcher's process id.
    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Waits until the launcher has ended. It does so by itself only when something is badly wrong: every sandbox has
    /// ended with it, and no new one can be made.
    pub async fn closed(&self) {
        self.shared.closed().await;
    }
}

fn pairs(mounts: Vec<Mount>) -> Mounts {
    mounts.into_iter().map(|mount| (mount.host, mount.guest)).collect()
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), SandboxError> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop).map_err(host)
}

impl Drop for LauncherClient {
    fn drop(&mut self) {
        // The launcher sees the end of its socket, cleans up and ends. Waiting for it means that nothing is left.
        let _ = rustix::net::shutdown(&self.shared.socket, rustix::net::Shutdown::Both);
        let _ = lock(&self.child).wait();
    }
}

impl Shared {
    fn read(&self) {
        while let Ok(Some((message, fds))) = receive::<FromLauncher>(&self.socket) {
            match message {
                FromLauncher::Created { id, cgroups, mounting_us, not_parked, forked } => {
                    let mut fds = fds.into_iter();
                    let why = NotParked::ALL.iter().find(|(_, name)| not_parked.as_deref() == Some(*name));
                    let mounting = Duration::from_micros(mounting_us);
                    let making = Making { mounting, not_parked: why.map(|(why, _)| *why), forked };
                    let (control, listeners) = (fds.next(), Listeners::take(&mut fds));
                    let created = control.map(|control| NewSandbox { control, cgroups, listeners, making });
                    self.created(&id, created.ok_or_else(|| "no socket came".to_owned()));
                }
                FromLauncher::Failed { id, reason } => {
                    if let Some(waiter) = lock(&self.creating).remove(&id) {
                        let _ = waiter.send(Err(reason));
                    }
                }
                FromLauncher::Destroyed { id } => {
                    if let Some(waiter) = lock(&self.destroying).remove(&id) {
                        let _ = waiter.send(());
                    }
                }
                FromLauncher::Hello { .. } => {}
            }
        }
        self.gone.send_replace(true);
        // Whoever waits is told by the drop of its sender.
        lock(&self.creating).clear();
        lock(&self.destroying).clear();
    }

    fn created(&self, id: &str, created: Created) {
        let waiter = lock(&self.creating).remove(id);
        // When nobody waits any more, the request was dropped.
        if waiter.is_none_or(|waiter| waiter.send(created).is_err()) {
            self.tell(ToLauncher::Destroy { id: id.to_owned() });
        }
    }

    pub(crate) async fn closed(&self) {
        // The sender is in `self`: it can't be dropped while this waits.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Sends without ever waiting: callers are on the thread that serves requests. What the socket has no room for,
    /// while the launcher works on a burst, goes through a thread that may wait. Messages may overtake each other then;
    /// about one sandbox there are never two on their way.
    pub(crate) fn tell(&self, message: ToLauncher) {
        match send_now(&self.socket, &message) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if let Some(backlog) = self.backlog() {
                    let _ = backlog.send(message);
                }
            }
            // A launcher that is gone has destroyed everything; whoever waits for an answer is told by `read`.
            _ => {}
        }
    }

    fn backlog(&self) -> Option<&mpsc::Sender<ToLauncher>> {
        if self.backlog.get().is_none() {
            let (sender, messages) = mpsc::channel::<ToLauncher>();
            let socket = self.socket.try_clone().ok()?;
            let work = move || {
                for message in messages {
                    if send(&socket, &message, &[]).is_err() {
                        return;
                    }
                }
            };
            thread("launcher-backlog", work).ok()?;
            let _ = self.backlog.set(sender);
        }
        self.backlog.get()
    }

    /// Resolves when the launcher has removed everything of this sandbox.
    pub(crate) fn destroyed(&self, id: &str) -> oneshot::Receiver<()> {
        let (sender, destroyed) = oneshot::channel();
        lock(&self.destroying).insert(id.to_owned(), sender);
        if *self.gone.borrow() {
            lock(&self.destroying).clear();
        }
        destroyed
    }
}

#[async_trait]
impl SandboxHost for LauncherClient {
    async fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let memory_mb = spec.memory_mb;
        let request = CreateSandbox {
            id: spec.id.clone(),
            mounts: pairs(spec.mounts),
            memory_mb,
            tmp_mb: spec.tmp_mb,
            processes: spec.processes,
            open_files: spec.open_files,
            parked: spec.parked,
        };
        let (sender, created) = oneshot::channel();
        lock(&self.shared.creating).insert(spec.id.clone(), sender);
        if *self.shared.gone.borrow() {
            lock(&self.shared.creating).clear();
        }
        self.shared.tell(ToLauncher::Create(request));
        let NewSandbox { control, cgroups, listeners, making } =
            created.await.map_err(|_| host("the launcher has ended"))?.map_err(host)?;
        let group = Group::new(cgroups, memory_mb);
        let sandbox = LinuxSandbox::new(spec.id, Arc::clone(&self.shared), control, group, making)?;
        match listeners {
            Some(listeners) => sandbox.is_ready(listeners),
            None => sandbox.ready().await?,
        }
        Ok(Box::new(sandbox))
    }

    fn processor_time(&self) -> Option<ProcessorTime> {
        processor_time(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn memory(&self) -> Option<HostMemory> {
        self.limited.memory()
    }

    fn keep_parked(&self, kinds: Vec<ParkedKind>, count: ParkedCount) {
        let kind = |kind: ParkedKind| Kind {
            name: kind.name,
            mounts: pairs(kind.mounts),
            argv: kind.argv,
            env: kind.env,
            telemetry_env: kind.telemetry_env.map(str::to_owned),
            processes: kind.processes,
            open_files: kind.open_files,
            forks: kind.forks,
        };
        let kinds = kinds.into_iter().map(kind).collect();
        self.shared.tell(ToLauncher::KeepParked { kinds, floor: count.floor, ceiling: count.ceiling });
    }
}
