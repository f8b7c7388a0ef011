//! Which runtimes exist, and what running one of them takes on this host.

use lambent_domain::RuntimeId;

use crate::sandbox::Mount;

/// A runtime that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedRuntime {
    /// As asked for.
    pub id: RuntimeId,
    /// Interpreter, runtime client and the base system, all read-only.
    pub mounts: Vec<Mount>,
    /// What to run, absolute inside the sandbox. For custom runtimes: candidates for `bootstrap`, first existing wins.
    pub command: Command,
    /// Variables that belong to the runtime (`PATH`, `LD_LIBRARY_PATH`, `LANG`, `PYTHONPATH`, …), AWS's values.
    /// Functions may override those that are not reserved.
    pub env: Vec<(String, String)>,
    /// `AWS_EXECUTION_ENV`; absent for `provided*`.
    pub execution_env: Option<String>,
    /// For INIT_START: such as `python:3.12.v1`.
    pub version: String,
    /// For RuntimeVersionArn: 64 hex digits that stay the same while version and tree do.
    pub version_hash: String,
    /// The client takes framed logs (`_LAMBDA_TELEMETRY_LOG_FD`).
    pub framed_logs: bool,
    /// Its client can wait for a function ([`crate::sandbox::ParkedKind`]), unless. `None`: it can't wait.
    pub parked: Option<ParkedUnless>,
    /// Its client can make the ones that wait by forking itself.
    pub forks: bool,
    /// What a user should know, such as that another interpreter version stands in. First line of the function's log.
    pub warning: Option<String>,
}

/// What a function may not have if a process is to have started before it was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedUnless {
    /// Variables that act while the interpreter starts, if they are other than the runtime's own. A name that ends with
    /// `*` stands for all that begin so.
    pub variables: &'static [&'static str],
    /// Files and directories of its package and layers, as they are seen inside.
    pub paths: &'static [&'static str],
}

/// How a runtime is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A managed runtime: this argument vector.
    Run(Vec<String>),
    /// `provided*`: the first of these paths that is there, looked for inside the package and layers.
    FirstOf(Vec<String>),
}

/// Why a runtime can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeUnavailable {
    /// No such runtime in AWS's API.
    #[error("unknown runtime {0}")]
    Unknown(RuntimeId),
    /// AWS no longer creates functions with it and Lambent does not run it.
    #[error("runtime {0} is deprecated")]
    Deprecated(RuntimeId),
    /// AWS has it, Lambent can't run it on this host; the text says what is missing and how to get it.
    #[error("runtime {id} is not available here: {reason}")]
    NotHere {
        /// Which.
        id: RuntimeId,
        /// What is missing and how to get it.
        reason: String,
    },
}

/// A line of `lambent runtime list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// Which.
    pub id: RuntimeId,
    /// Interpreter path and version, or what is missing.
    pub state: Result<String, String>,
    /// Notes such as AWS's deprecation date.
    pub note: Option<String>,
    /// Which of its functions can be parked; why none can.
    pub parked: Result<String, String>,
}

/// The runtimes of this server. Cheap to ask: the file system was looked at once, at start-up.
pub trait RuntimeCatalog: Send + Sync {
    /// What it takes to start `id`.
    fn resolve(&self, id: &RuntimeId) -> Result<std::sync::Arc<ResolvedRuntime>, RuntimeUnavailable>;

    /// Everything the API's enum knows and can create, in AWS's order: for the text of the "unknown runtime" error.
    fn creatable(&self) -> &[RuntimeId];

    /// Every runtime with its state on this host.
    fn status(&self) -> Vec<RuntimeStatus>;
}
