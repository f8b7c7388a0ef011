//! Sandboxes. A runtime pulls its work, so the port has no `invoke`: a sandbox only has a life.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

/// What a sandbox is made of.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// Unique on this host, `[a-z0-9]{1,32}`: names cgroups and directories.
    pub id: String,
    /// Read-only trees and files, mounted in this order over a minimal root.
    pub mounts: Vec<Mount>,
    /// Memory limit; also sets the CPU share (1,769 MB = 1 vCPU).
    pub memory_mb: u32,
    /// Size of `/tmp`, backed by disk where possible so that it does not count as the function's memory.
    pub tmp_mb: u32,
    /// Processes and threads.
    pub processes: u64,
    /// RLIMIT_NOFILE.
    pub open_files: u64,
    /// Name of the [`ParkedKind`] that its first process may be one of. It is where there is one whose limits are these,
    /// whose mounts are the first of these, and where the rest can be mounted late; else everything is made anew.
    pub parked: Option<String>,
}

/// Processes that are started before anybody has asked: complete, confined sandboxes with a runtime's own mounts, and
/// in each an interpreter that has started, done what it can without a function, and waits.
///
/// The process finds `AWS_LAMBDA_RUNTIME_API` and the number of a stream socket, [`PARKED_FD_ENV`], in its environment.
/// It writes one byte there when it is ready. Then it reads to the end: one JSON object with `argv`, `env` (pairs) and
/// `cwd` of the [`Process`] that it becomes. The telemetry descriptor, if the kind has one, is there from the beginning.
/// Its standard output is the pipe of that [`ProcessOutput`]: it must not have printed anything before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedKind {
    /// Tells kinds apart; [`SandboxSpec::parked`].
    pub name: String,
    /// The runtime's.
    pub mounts: Vec<Mount>,
    /// As a [`Process`] that is started in the ordinary way has it: that is how the two are matched.
    pub argv: Vec<String>,
    /// What it is started with. No secrets: it is no function's yet.
    pub env: Vec<(String, String)>,
    /// As in [`Process`].
    pub telemetry_env: Option<&'static str>,
    /// As in [`SandboxSpec`].
    pub processes: u64,
    /// As in [`SandboxSpec`].
    pub open_files: u64,
    /// Its program can be a zygote: started with [`ZYGOTE_FD_ENV`] instead, it makes the parked processes by forking itself,
    /// where the host can have that.
    pub forks: bool,
}

/// How many parked processes of a kind wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedCount {
    /// Always.
    pub floor: u32,
    /// At most, when more were asked for than waited.
    pub ceiling: u32,
}

/// Inside, the certificates that the host trusts, and the server's own authority's.
pub const CA_BUNDLE: &str = "/etc/lambent/ca-bundle.pem";

/// Inside, the server's own authority's certificate alone.
pub const CA_CERTIFICATE: &str = "/etc/lambent/authority.pem";

/// Where a parked process finds its socket's number.
pub const PARKED_FD_ENV: &str = "_LAMBENT_PARKED_FD";

/// Where a zygote finds the number of the packet socket over which it is asked for children.
pub const ZYGOTE_FD_ENV: &str = "_LAMBENT_ZYGOTE_FD";

/// A read-only bind mount: `nosuid`, `nodev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path on the host; a directory or a file.
    pub host: PathBuf,
    /// Absolute path inside.
    pub guest: PathBuf,
}

/// A process to run inside.
#[derive(Clone)]
pub struct Process {
    /// Absolute path inside, then arguments.
    pub argv: Vec<String>,
    /// The whole environment. Holds secrets: never logged.
    pub env: Vec<(String, String)>,
    /// Working directory inside.
    pub cwd: String,
    /// When set, the process gets one more descriptor for framed logs, and its number in the environment under this
    /// name (`_LAMBDA_TELEMETRY_LOG_FD`). It is a duplicate of the output pipe's write end: one pipe keeps what is
    /// printed and what is logged in one order; frames are told apart by their magic, which no UTF-8 text contains.
    pub telemetry_env: Option<&'static str>,
}

/// The near end of a started process's output.
#[derive(Debug)]
pub struct ProcessOutput {
    /// Read end of the pipe that is stdout, stderr and the framed-log descriptor, non-blocking.
    pub output: OwnedFd,
    /// How it came to run.
    pub tier: StartTier,
}

/// Why no process that had been waiting could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotParked {
    /// Nothing of its runtime can wait.
    Runtime,
    /// A variable of the function has to be there when the interpreter starts.
    Variable,
    /// So has a directory or file of its package or layers.
    Path,
    /// `/tmp` or another limit is not what those that wait have.
    Limits,
    /// None of its kind is kept: switched off, or the host can't.
    NoneKept,
    /// As many were asked for as waited.
    NoneWaiting,
    /// One was taken and could not be used.
    Lost,
    /// It is not the sandbox's first process.
    Restart,
}

impl NotParked {
    /// All of them, and how they are called where they are counted.
    pub const ALL: [(NotParked, &str); 8] = [
        (NotParked::Runtime, "runtime"),
        (NotParked::Variable, "variable"),
        (NotParked::Path, "path"),
        (NotParked::Limits, "limits"),
        (NotParked::NoneKept, "none_kept"),
        (NotParked::NoneWaiting, "none_waiting"),
        (NotParked::Lost, "lost"),
        (NotParked::Restart, "restart"),
    ];
}

/// How a process was started, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTier {
    /// It had been waiting: [`ParkedKind`].
    Parked,
    /// None waited: it was forked from a zygote when it was asked for.
    Forked,
    /// Executed.
    Exec,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal number.
    Signal {
        /// Signal number.
        signal: i32,
        /// The kernel's out-of-memory killer acted in this sandbox since the process was started.
        out_of_memory: bool,
    },
    /// The sandbox itself is gone (destroyed, or its host process died).
    SandboxGone,
}

/// What a sandbox has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SandboxUsage {
    /// Peak of memory since the sandbox was made, in bytes. Zero when this host can't tell.
    pub max_memory_bytes: u64,
}

/// What a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// In all, or as much as this server may have of it.
    pub total_bytes: u64,
    /// Could be used without anything having to go.
    pub available_bytes: u64,
}

/// What a host's processors have done since it was started, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessorTime {
    /// Nothing.
    pub idle: u64,
    /// Anything, or nothing; in the same unit.
    pub total: u64,
}

impl ProcessorTime {
    /// The share of the time since then that nobody took.
    pub fn idle_share_since(self, before: ProcessorTime) -> f64 {
        let total = self.total.saturating_sub(before.total).max(1);
        self.idle.saturating_sub(before.idle) as f64 / total as f64
    }
}

/// Why a sandbox operation failed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// `argv[0]` could not be executed: errno's text, such as `no such file or directory`.
    #[error("fork/exec {path}: {reason}")]
    Exec {
        /// What was to be run.
        path: String,
        /// In Go's spelling of errno, as AWS prints it.
        reason: String,
    },
    /// The host refused or ran out of something; the text names the step.
    #[error("sandbox: {0}")]
    Host(String),
}

/// Makes sandboxes.
#[async_trait]
pub trait SandboxHost: Send + Sync {
    /// A confined, empty sandbox: namespaces, root tree, limits and network in place, nothing running.
    async fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError>;

    /// Keeps processes of these kinds waiting from now on, as far as this host can, made in the background when nothing
    /// else is to be done. Those of other kinds go.
    fn keep_parked(&self, kinds: Vec<ParkedKind>, count: ParkedCount);

    /// What there is now; `None` where it can't be told. Takes some ten microseconds.
    fn memory(&self) -> Option<HostMemory>;

    /// Up to now; `None` where it can't be told. Takes some ten microseconds.
    fn processor_time(&self) -> Option<ProcessorTime>;
}

/// One sandbox. Dropping it destroys it in the background: every process is killed, every mount, cgroup and directory
/// removed.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// A listening, non-blocking TCP socket on [`Sandbox::runtime_api_address`] inside the sandbox's own network.
    /// Can be taken once.
    fn take_runtime_listener(&self) -> Option<OwnedFd>;

    /// `host:port` for `AWS_LAMBDA_RUNTIME_API`.
    fn runtime_api_address(&self) -> &str;

    /// As [`Sandbox::take_runtime_listener`], on [`Sandbox::services_address`].
    fn take_services_listener(&self) -> Option<OwnedFd>;

    /// As [`Sandbox::take_services_listener`], where names of AWS's services lead: for TLS. `None` where there is none.
    fn take_secure_listener(&self) -> Option<OwnedFd>;

    /// `host:port` where the function finds AWS services.
    fn services_address(&self) -> &str;

    /// Of the time that it took to make it, what went into mounting code into a process that waited.
    fn mounting(&self) -> Duration;

    /// Why its first process was not one that waited, where [`SandboxSpec::parked`] asked for that.
    fn not_parked(&self) -> Option<NotParked>;

    /// Starts the main process. One at a time: stop the previous one first.
    async fn start(&self, process: Process) -> Result<ProcessOutput, SandboxError>;

    /// Waits for the main process to end. Returns at once when it has ended already. Children that it left behind
    /// keep running until [`Sandbox::stop`].
    async fn exited(&self) -> Exit;

    /// Kills every process inside, the main one included. `/tmp` and the limits stay; another process can be started.
    async fn stop(&self) -> Result<(), SandboxError>;

    /// Holds the sandbox to its memory's share of a CPU (1,769 MB = 1 vCPU), or lets it use what is free: as on AWS, an
    /// init is not slowed down.
    fn throttle(&self, on: bool);

    /// Stops every process from running until [`Sandbox::thaw`]. No error where the host can't: it is then not frozen.
    fn freeze(&self);

    /// Undoes [`Sandbox::freeze`].
    fn thaw(&self);

    /// Peaks so far.
    fn usage(&self) -> SandboxUsage;

    /// Bytes that would be free without it: its processes' and the kernel's for them, without what can be read again from a
    /// disk. Zero when this host can't tell. Takes some ten microseconds.
    fn held_memory(&self) -> u64;

    /// Destroys and waits until everything is gone.
    async fn destroy(self: Box<Self>);
}
