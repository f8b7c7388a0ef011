//! A function: what the API shows of it, and what invokes of it run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::ident::{CodeSha256, RevisionId, TimestampMs};
use crate::log_config::LogConfig;
use crate::names::FunctionKey;
use crate::runtime::RuntimeId;

/// One function with its `$LATEST`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Account, region and name.
    pub key: FunctionKey,
    /// What Get and List show; while an update is in progress, ahead of what runs.
    pub configuration: Configuration,
    /// The package that `configuration` goes with.
    pub code: CodeRef,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went; absent until the function has become active.
    pub last_update: Option<LastUpdate>,
    /// Guards conditional updates.
    pub revision_id: RevisionId,
    /// When code or configuration were last changed.
    pub last_modified: TimestampMs,
    /// At most [`crate::limits::MAX_TAGS`].
    pub tags: BTreeMap<String, String>,
    /// What invokes run. Absent until the function is active; the previous one while an update is in progress.
    pub deployed: Option<Arc<Deployment>>,
}

/// An immutable pair of code and configuration that environments are started from.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Tells deployments apart: environments of another id are retired.
    pub id: RevisionId,
    /// As validated.
    pub configuration: Configuration,
    /// The package, unpacked by the time a deployment exists.
    pub code: CodeRef,
}

/// Everything UpdateFunctionConfiguration can change.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// Always present for `PackageType=Zip`.
    pub runtime: RuntimeId,
    /// Passed as `_HANDLER`.
    pub handler: String,
    /// Role ARN, well-formed.
    pub role: String,
    /// Up to 256 characters, empty by default.
    pub description: String,
    /// Within [`crate::limits::TIMEOUT_S`].
    pub timeout_s: u32,
    /// Within [`crate::limits::MEMORY_MB`].
    pub memory_mb: u32,
    /// Within [`crate::limits::EPHEMERAL_STORAGE_MB`].
    pub ephemeral_storage_mb: u32,
    /// `None` when the API was never given an `Environment`: it is then not shown either.
    pub environment: Option<Secrets>,
    /// `LoggingConfig`.
    pub log: LogConfig,
}

impl Configuration {
    /// The log group in force.
    pub fn log_group(&self, function_name: &str) -> String {
        self.log.group.clone().unwrap_or_else(|| format!("/aws/lambda/{function_name}"))
    }
}

/// Environment variables. They are encrypted at rest and never printed: `Debug` shows only how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} variables)", self.0.len())
    }
}

/// A stored package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRef {
    /// Of the zip's bytes.
    pub sha256: CodeSha256,
    /// Of the zip, in bytes.
    pub size_bytes: u64,
}

/// `State` with its reason; see `facts` 1.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Being created: `StateReasonCode` is `Creating`.
    Pending,
    /// Can be invoked.
    Active,
    /// Creation failed.
    Failed {
        /// `StateReason`.
        reason: String,
        /// `StateReasonCode`.
        code: &'static str,
    },
}

/// `LastUpdateStatus` with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastUpdate {
    /// Invokes still run the previous deployment.
    InProgress,
    /// The deployment is what the configuration shows.
    Successful,
    /// Invokes keep running the previous deployment.
    Failed {
        /// `LastUpdateStatusReason`.
        reason: String,
        /// `LastUpdateStatusReasonCode`.
        code: &'static str,
    },
}
