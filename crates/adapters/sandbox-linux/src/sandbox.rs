//! One sandbox, as the server has it: the socket to its supervisor, and its control groups.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lambent_ports::sandbox::{
    Exit, NotParked, Process, ProcessOutput, Sandbox, SandboxError, SandboxUsage, StartTier,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use crate::client::{Making, Shared, host, lock};
use crate::group::Group;
use crate::protocol::{FromSupervisor, ToLauncher, ToSupervisor, receive, send};
use crate::setup::{Listeners, RUNTIME_API, SERVICES};

type Answer = (FromSupervisor, Vec<OwnedFd>);

/// What the supervisor has said.
struct Heard {
    /// Who waits for an answer, in the order of asking, which is the order of answers. Someone who has given up keeps
    /// the place: otherwise the next would get the answer that was not meant for it.
    waiting: Mutex<VecDeque<oneshot::Sender<Answer>>>,
    exit: watch::Sender<Option<Exit>>,
    /// Out-of-memory kills before the main process was started.
    oom_before: AtomicU64,
}

pub(crate) struct LinuxSandbox {
    id: String,
    launcher: Arc<Shared>,
    control: Arc<UnixStream>,
    group: Group,
    heard: Arc<Heard>,
    /// The Runtime API's and those for services, until they are taken.
    listeners: Mutex<[Option<OwnedFd>; 3]>,
    runtime_address: String,
    services_address: String,
    reader: AbortHandle,
    first: Mutex<Option<oneshot::Receiver<Answer>>>,
    making: Making,
}

impl LinuxSandbox {
    pub(crate) fn new(
        id: String,
        launcher: Arc<Shared>,
        control: OwnedFd,
        group: Group,
        making: Making,
    ) -> Result<Self, SandboxError> {
        let stream = std::os::unix::net::UnixStream::from(control);
        stream.set_nonblocking(true).map_err(host)?;
        let control = Arc::new(UnixStream::from_std(stream).map_err(host)?);
        let (answer, first) = oneshot::channel();
        let heard = Arc::new(Heard {
            waiting: Mutex::new(VecDeque::from([answer])),
            exit: watch::Sender::new(None),
            oom_before: 0.into(),
        });
        let (socket, ears, groups, host) =
            (Arc::clone(&control), Arc::clone(&heard), group.clone(), Arc::clone(&launcher));
        let reader = tokio::spawn(async move {
            tokio::select! {
                () = listen(&socket, &ears, &groups) => {}
                () = host.closed() => {
                    // The kernel kills a sandbox whose launcher is gone; a frozen one does not even die of that.
                    groups.freeze(false);
                    listen(&socket, &ears, &groups).await;
                }
            }
        });
        Ok(LinuxSandbox {
            id,
            launcher,
            control,
            group,
            heard,
            listeners: Mutex::default(),
            runtime_address: RUNTIME_API.to_string(),
            services_address: SERVICES.to_string(),
            reader: reader.abort_handle(),
            first: Mutex::new(Some(first)),
            making,
        })
    }

    pub(crate) async fn ready(&self) -> Result<(), SandboxError> {
        let first = lock(&self.first).take().ok_or_else(|| host("asked twice"))?;
        match first.await {
            Ok((FromSupervisor::Ready, fds)) => {
                let listeners = Listeners::take(&mut fds.into_iter());
                self.keep(listeners.ok_or_else(|| host("the sandbox came without its listeners"))?);
                Ok(())
            }
            Ok((FromSupervisor::SetupFailed { reason }, _)) => Err(host(reason)),
            _ => Err(host("the sandbox ended while it was set up")),
        }
    }

    /// It had been waiting: everything was said before.
    pub(crate) fn is_ready(&self, listeners: Listeners) {
        self.keep(listeners);
        lock(&self.first).take();
        lock(&self.heard.waiting).clear();
    }

    fn keep(&self, listeners: Listeners) {
        *lock(&self.listeners) = listeners.into_fds().map(Some);
    }

    async fn ask(&self, message: &ToSupervisor) -> Result<Answer, SandboxError> {
        let (sender, answer) = oneshot::channel();
        let mut sender = Some(sender);
        let sent = self.control.async_io(Interest::WRITABLE, || {
            // Held while sending: the answer finds its place taken.
            let mut waiting = lock(&self.heard.waiting);
            send(self.control.as_fd(), message, &[])?;
            waiting.extend(sender.take());
            Ok(())
        });
        sent.await.map_err(host)?;
        answer.await.map_err(|_| host("the sandbox is gone"))
    }
}

/// Hears the supervisor out until the sandbox is gone. Can be cancelled at any wait without losing a message.
async fn listen(control: &UnixStream, heard: &Heard, group: &Group) {
    let receive = async || control.async_io(Interest::READABLE, || receive(control.as_fd())).await;
    while let Ok(Some((message, fds))) = receive().await {
        match message {
            FromSupervisor::Exited { code, signal } => {
                let out_of_memory = group.oom_kills() > heard.oom_before.load(Ordering::SeqCst);
                let exit = match (code, signal) {
                    (Some(code), _) => Exit::Code(code),
                    (None, signal) => Exit::Signal { signal: signal.unwrap_or(libc::SIGKILL), out_of_memory },
                };
                heard.exit.send_replace(Some(exit));
            }
            // Of no interest: the process that is started next is executed.
            FromSupervisor::ParkedEnded => {}
            answer => {
                if let Some(waiter) = lock(&heard.waiting).pop_front() {
                    let _ = waiter.send((answer, fds));
                }
            }
        }
    }
    lock(&heard.waiting).clear();
    heard.exit.send_replace(Some(Exit::SandboxGone));
}

#[async_trait]
impl Sandbox for LinuxSandbox {
    fn take_runtime_listener(&self) -> Option<OwnedFd> {
        lock(&self.listeners)[0].take()
    }

    fn take_services_listener(&self) -> Option<OwnedFd> {
        lock(&self.listeners)[1].take()
    }

    fn take_secure_listener(&self) -> Option<OwnedFd> {
        lock(&self.listeners)[2].take()
    }

    fn services_address(&self) -> &str {
        &self.services_address
    }

    fn runtime_api_address(&self) -> &str {
        &self.runtime_address
    }

    fn mounting(&self) -> Duration {
        self.making.mounting
    }

    fn not_parked(&self) -> Option<NotParked> {
        self.making.not_parked
    }

    async fn start(&self, process: Process) -> Result<ProcessOutput, SandboxError> {
        self.group.throttle(false);
        self.heard.oom_before.store(self.group.oom_kills(), Ordering::SeqCst);
        // A sandbox that is gone stays gone.
        self.heard.exit.send_if_modified(|exit| {
            let ended = exit.is_some_and(|exit| exit != Exit::SandboxGone);
            if ended {
                *exit = None;
            }
            ended
        });
        let path = process.argv.first().cloned().unwrap_or_default();
        let start = ToSupervisor::Start {
            argv: process.argv,
            env: process.env,
            cwd: process.cwd,
            telemetry_env: process.telemetry_env.map(str::to_owned),
        };
        match self.ask(&start).await? {
            (FromSupervisor::Started { parked }, fds) => {
                let output =
                    fds.into_iter().next().ok_or_else(|| host("a process came without its output"))?;
                rustix::io::ioctl_fionbio(&output, true).map_err(host)?;
                let tier = match parked {
                    true if self.making.forked => StartTier::Forked,
                    true => StartTier::Parked,
                    false => StartTier::Exec,
                };
                Ok(ProcessOutput { output, tier })
            }
            (FromSupervisor::ExecFailed { errno }, _) => {
                Err(SandboxError::Exec { path, reason: errno_text(errno) })
            }
            (FromSupervisor::Busy, _) => Err(host("the previous process has not been stopped")),
            (other, _) => Err(host(format!("unexpected answer {other:?}"))),
        }
    }

    async fn exited(&self) -> Exit {
        let mut exits = self.heard.exit.subscribe();
        match exits.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::SandboxGone),
            Err(_) => Exit::SandboxGone,
        }
    }

    async fn stop(&self) -> Result<(), SandboxError> {
        self.group.freeze(false);
        // Hundreds of processes have to die, and somebody has to bury them: not within a small function's share.
        self.group.throttle(false);
        match self.ask(&ToSupervisor::Stop).await? {
            (FromSupervisor::Stopped, _) => Ok(()),
            (other, _) => Err(host(format!("unexpected answer {other:?}"))),
        }
    }

    fn throttle(&self, on: bool) {
        self.group.throttle(on);
    }

    fn freeze(&self) {
        self.group.freeze(true);
    }

    fn thaw(&self) {
        self.group.freeze(false);
    }

    fn usage(&self) -> SandboxUsage {
        SandboxUsage { max_memory_bytes: self.group.max_memory_bytes() }
    }

    fn held_memory(&self) -> u64 {
        self.group.held_memory()
    }

    async fn destroy(self: Box<Self>) {
        let destroyed = self.launcher.destroyed(&self.id);
        drop(self);
        let _ = destroyed.await;
    }
}

impl Drop for LinuxSandbox {
    fn drop(&mut self) {
        self.reader.abort();
        // The launcher thaws it, too.
        self.launcher.tell(ToLauncher::Destroy { id: self.id.clone() });
    }
}

/// Errno in the words of Go's runtime, which AWS's messages carry.
fn errno_text(errno: i32) -> String {
    match errno {
        libc::ENOENT => "no such file or directory".into(),
        libc::EACCES => "permission denied".into(),
        libc::ENOEXEC => "exec format error".into(),
        libc::E2BIG => "argument list too long".into(),
        libc::ENOTDIR => "not a directory".into(),
        libc::ENOMEM => "cannot allocate memory".into(),
        libc::EAGAIN => "resource temporarily unavailable".into(),
        other => std::io::Error::from_raw_os_error(other).to_string().to_lowercase(),
    }
}
