//! The server's side: the launcher as a child process, and sandboxes as handles.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use lambent_ports::sandbox::{
    Exit, Process, ProcessOutput, Sandbox, SandboxError, SandboxHost, SandboxSpec, SandboxUsage,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use crate::cgroups::Group;
use crate::launcher::SERVER_FD;
use crate::protocol::{
    CreateSandbox, FromLauncher, FromSupervisor, MAX_MESSAGE_BYTES, ToLauncher, ToSupervisor, receive, send,
};
use crate::setup::RUNTIME_API;
use crate::sys;

/// How the launcher is started.
#[derive(Clone, Debug)]
pub struct LauncherOptions {
    /// A binary whose `main` begins with [`crate::launcher_main`]; usually the own one.
    pub executable: PathBuf,
    /// A directory for the launcher's use, on a disk that has room for sandboxes' `/tmp`.
    pub state_dir: PathBuf,
}

type Created = Result<(OwnedFd, Vec<(String, PathBuf)>), String>;

struct Shared {
    socket: OwnedFd,
    creating: Mutex<HashMap<String, oneshot::Sender<Created>>>,
    destroying: Mutex<HashMap<String, oneshot::Sender<()>>>,
    gone: AtomicBool,
}

/// The connection to the launcher. When it is dropped, the launcher ends every sandbox and itself.
pub struct LauncherClient {
    shared: Arc<Shared>,
    child: Mutex<Child>,
    degraded: Vec<String>,
}

fn host(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Host(error.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl LauncherClient {
    /// Starts the launcher and waits until it has said what it can do.
    pub fn spawn(options: &LauncherOptions) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(&options.state_dir).map_err(host)?;
        let (near, far) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(host)?;
        for end in [&near, &far] {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(end, 8 * MAX_MESSAGE_BYTES);
        }
        let mut command = Command::new(&options.executable);
        command
            .arg(crate::LAUNCHER_ARGUMENT)
            .arg(&options.state_dir)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let far_fd = far.as_raw_fd();
        // SAFETY: between fork and exec this only duplicates a descriptor, which allocates nothing.
        unsafe { command.pre_exec(move || sys::duplicate_to(far_fd, SERVER_FD)) };
        let child = command.spawn().map_err(host)?;
        drop(far);
        let mut buffer = vec![0; MAX_MESSAGE_BYTES];
        let degraded = match receive::<FromLauncher>(&near, &mut buffer).map_err(host)? {
            Some((FromLauncher::Hello { degraded }, _)) => degraded,
            _ => return Err(host("the launcher did not start")),
        };
        let shared = Arc::new(Shared {
            socket: near,
            creating: Mutex::default(),
            destroying: Mutex::default(),
            gone: AtomicBool::new(false),
        });
        let reader = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("launcher-client".into())
            .spawn(move || reader.read(buffer))
            .map_err(host)?;
        Ok(LauncherClient {
            shared,
            child: Mutex::new(child),
            degraded,
        })
    }

    /// What sandboxes lack on this host, in sentences.
    pub fn degraded(&self) -> &[String] {
        &self.degraded
    }

    /// The launcher's process id.
    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }
}

impl Drop for LauncherClient {
    fn drop(&mut self) {
        // The launcher sees the end of its socket, cleans up and ends. Waiting for it means that nothing is left.
        let _ = rustix::net::shutdown(&self.shared.socket, rustix::net::Shutdown::Both);
        let _ = lock(&self.child).wait();
    }
}

impl Shared {
    fn read(&self, mut buffer: Vec<u8>) {
        while let Ok(Some((message, fds))) = receive::<FromLauncher>(&self.socket, &mut buffer) {
            match message {
                FromLauncher::Created { id, cgroups } => {
                    let created = fds.into_iter().next().map(|fd| (fd, cgroups));
                    self.created(&id, created.ok_or_else(|| "no socket came".to_owned()));
                }
                FromLauncher::Failed { id, reason } => self.created(&id, Err(reason)),
                FromLauncher::Destroyed { id } => {
                    if let Some(waiter) = lock(&self.destroying).remove(&id) {
                        let _ = waiter.send(());
                    }
                }
                FromLauncher::Hello { .. } => {}
            }
        }
        self.gone.store(true, Ordering::SeqCst);
        // Whoever waits is told by the drop of its sender.
        lock(&self.creating).clear();
        lock(&self.destroying).clear();
    }

    fn created(&self, id: &str, created: Created) {
        match lock(&self.creating).remove(id) {
            Some(waiter) => {
                // Nobody waits any more: the request was dropped.
                if waiter.send(created).is_err() {
                    self.destroy(id);
                }
            }
            None => self.destroy(id),
        }
    }

    fn destroy(&self, id: &str) {
        let _ = send(&self.socket, &ToLauncher::Destroy { id: id.to_owned() }, &[]);
    }
}

#[async_trait]
impl SandboxHost for LauncherClient {
    async fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let memory_mb = spec.memory_mb;
        let request = CreateSandbox {
            id: spec.id.clone(),
            mounts: spec
                .mounts
                .into_iter()
                .map(|mount| (mount.host, mount.guest))
                .collect(),
            memory_mb,
            tmp_mb: spec.tmp_mb,
            processes: spec.processes,
            open_files: spec.open_files,
        };
        let (sender, created) = oneshot::channel();
        lock(&self.shared.creating).insert(spec.id.clone(), sender);
        if self.shared.gone.load(Ordering::SeqCst) {
            return Err(host("the launcher has ended"));
        }
        send(&self.shared.socket, &ToLauncher::Create(request), &[]).map_err(host)?;
        let (control, cgroups) = created
            .await
            .map_err(|_| host("the launcher has ended"))?
            .map_err(host)?;
        let sandbox = LinuxSandbox::new(
            spec.id,
            Arc::clone(&self.shared),
            control,
            Group::new(cgroups, memory_mb),
        )?;
        sandbox.ready().await?;
        Ok(Box::new(sandbox))
    }
}

/// What the supervisor has said.
struct Heard {
    answer: Mutex<Option<oneshot::Sender<(FromSupervisor, Option<OwnedFd>)>>>,
    exit: watch::Sender<Option<Exit>>,
    /// Out-of-memory kills before the main process was started.
    oom_before: std::sync::atomic::AtomicU64,
}

struct LinuxSandbox {
    id: String,
    launcher: Arc<Shared>,
    control: Arc<UnixStream>,
    group: Group,
    heard: Arc<Heard>,
    listener: Mutex<Option<OwnedFd>>,
    address: String,
    reader: AbortHandle,
    first: Mutex<Option<oneshot::Receiver<(FromSupervisor, Option<OwnedFd>)>>>,
}

impl LinuxSandbox {
    fn new(id: String, launcher: Arc<Shared>, control: OwnedFd, group: Group) -> Result<Self, SandboxError> {
        let stream = std::os::unix::net::UnixStream::from(control);
        stream.set_nonblocking(true).map_err(host)?;
        let control = Arc::new(UnixStream::from_std(stream).map_err(host)?);
        let (answer, first) = oneshot::channel();
        let heard = Arc::new(Heard {
            answer: Mutex::new(Some(answer)),
            exit: watch::Sender::new(None),
            oom_before: 0.into(),
        });
        let reader = tokio::spawn(listen(Arc::clone(&control), Arc::clone(&heard), group.clone()));
        Ok(LinuxSandbox {
            id,
            launcher,
            control,
            group,
            heard,
            listener: Mutex::default(),
            address: RUNTIME_API.to_string(),
            reader: reader.abort_handle(),
            first: Mutex::new(Some(first)),
        })
    }

    async fn ready(&self) -> Result<(), SandboxError> {
        let first = lock(&self.first).take().ok_or_else(|| host("asked twice"))?;
        match first.await {
            Ok((FromSupervisor::Ready, Some(listener))) => {
                *lock(&self.listener) = Some(listener);
                Ok(())
            }
            Ok((FromSupervisor::SetupFailed { reason }, _)) => Err(host(reason)),
            _ => Err(host("the sandbox ended while it was set up")),
        }
    }

    async fn ask(&self, message: &ToSupervisor) -> Result<(FromSupervisor, Option<OwnedFd>), SandboxError> {
        let (sender, answer) = oneshot::channel();
        *lock(&self.heard.answer) = Some(sender);
        send(self.control.as_fd(), message, &[]).map_err(host)?;
        answer.await.map_err(|_| host("the sandbox is gone"))
    }
}

/// Hears the supervisor out until the sandbox is gone.
async fn listen(control: Arc<UnixStream>, heard: Arc<Heard>, group: Group) {
    let mut buffer = vec![0; 4096];
    while let Ok(Some((message, fds))) = control
        .async_io(Interest::READABLE, || {
            receive::<FromSupervisor>(control.as_fd(), &mut buffer)
        })
        .await
    {
        match message {
            FromSupervisor::Exited { code, signal } => {
                let oom = group.oom_kills() > heard.oom_before.load(Ordering::SeqCst);
                let exit = match (code, signal) {
                    (Some(code), _) => Exit::Code(code),
                    (None, signal) => Exit::Signal {
                        signal: signal.unwrap_or(9),
                        out_of_memory: oom,
                    },
                };
                heard.exit.send_replace(Some(exit));
            }
            answer => {
                if let Some(waiter) = lock(&heard.answer).take() {
                    let _ = waiter.send((answer, fds.into_iter().next()));
                }
            }
        }
    }
    lock(&heard.answer).take();
    heard.exit.send_replace(Some(Exit::SandboxGone));
}

#[async_trait]
impl Sandbox for LinuxSandbox {
    fn take_runtime_listener(&self) -> Option<OwnedFd> {
        lock(&self.listener).take()
    }

    fn runtime_api_address(&self) -> &str {
        &self.address
    }

    async fn start(&self, process: Process) -> Result<ProcessOutput, SandboxError> {
        self.group.throttle(false);
        self.heard
            .oom_before
            .store(self.group.oom_kills(), Ordering::SeqCst);
        self.heard.exit.send_replace(None);
        let path = process.argv.first().cloned().unwrap_or_default();
        let start = ToSupervisor::Start {
            argv: process.argv,
            env: process.env,
            cwd: process.cwd,
            telemetry_env: process.telemetry_env.map(str::to_owned),
        };
        match self.ask(&start).await? {
            (FromSupervisor::Started, Some(output)) => {
                rustix::io::ioctl_fionbio(&output, true).map_err(host)?;
                Ok(ProcessOutput { output })
            }
            (FromSupervisor::ExecFailed { errno }, _) => Err(SandboxError::Exec {
                path,
                reason: errno_text(errno),
            }),
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
        SandboxUsage {
            max_memory_bytes: self.group.max_memory_bytes(),
        }
    }

    async fn destroy(self: Box<Self>) {
        let (sender, destroyed) = oneshot::channel();
        lock(&self.launcher.destroying).insert(self.id.clone(), sender);
        drop(self);
        let _ = destroyed.await;
    }
}

impl Drop for LinuxSandbox {
    fn drop(&mut self) {
        self.reader.abort();
        // A frozen process takes no signal.
        self.group.freeze(false);
        self.launcher.destroy(&self.id);
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
        other => std::io::Error::from_raw_os_error(other)
            .to_string()
            .to_lowercase(),
    }
}
