//! One version of a function, `$LATEST` or published: what the API shows of it, and what invokes of it run.

use std::fmt;
use std::sync::Arc;

use crate::configuration::Configuration;
use crate::ident::{CodeSha256, RevisionId, TimestampMs};

/// `$LATEST`, or the number of a published version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionNumber {
    /// The one that can be changed.
    Latest,
    /// From 1 upwards, never used twice while the function exists.
    Published(u64),
}

impl VersionNumber {
    /// Parses the model's form of a version: `$LATEST` or digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "$LATEST" {
            return Some(VersionNumber::Latest);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok().map(VersionNumber::Published)).flatten()
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VersionNumber::Latest => f.write_str("$LATEST"),
            VersionNumber::Published(number) => write!(f, "{number}"),
        }
    }
}

/// A version. Those that are published change only in their state.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Which.
    pub number: VersionNumber,
    /// What Get and List show; while an update is in progress, ahead of what runs.
    pub configuration: Arc<Configuration>,
    /// The package that `configuration` goes with.
    pub code: CodeRef,
    /// ARN of the signing profile version that has verifiably signed `code`.
    pub signed_by: Option<String>,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last update went; absent until the version has become active.
    pub last_update: Option<LastUpdate>,
    /// Shown, and guards conditional updates of callers.
    pub revision_id: RevisionId,
    /// When code or configuration were last changed.
    pub last_modified: TimestampMs,
    /// What invokes run. Absent until active; the previous one while an update is in progress.
    pub deployed: Option<Arc<Deployment>>,
}

impl Version {
    /// Whether a change has been accepted that does not run yet.
    pub fn is_unfinished(&self) -> bool {
        self.state == State::Pending || self.last_update == Some(LastUpdate::InProgress)
    }

    /// The layers that it shows and those that run, as lists of packages.
    pub fn layer_lists(&self) -> impl Iterator<Item = Vec<CodeSha256>> + '_ {
        std::iter::once(&self.configuration)
            .chain(self.deployed.iter().map(|deployed| &deployed.configuration))
            .map(|configuration| configuration.layer_packages())
    }

    /// Every package that running or showing this version needs.
    pub fn packages(&self) -> impl Iterator<Item = CodeRef> + '_ {
        let deployed = self.deployed.iter().flat_map(|deployed| {
            std::iter::once(deployed.code).chain(deployed.configuration.layers.iter().map(|layer| layer.code))
        });
        std::iter::once(self.code)
            .chain(self.configuration.layers.iter().map(|layer| layer.code))
            .chain(deployed)
    }
}

/// An immutable pair of code and configuration that environments are started from.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Tells deployments apart: environments of another id are retired.
    pub id: RevisionId,
    /// The version it belongs to.
    pub version: VersionNumber,
    /// As validated.
    pub configuration: Arc<Configuration>,
    /// The package, unpacked by the time a deployment exists.
    pub code: CodeRef,
}

/// A stored package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRef {
    /// Of the zip's bytes.
    pub sha256: CodeSha256,
    /// Of the zip, in bytes.
    pub size_bytes: u64,
    /// Of what is in it, in bytes.
    pub unzipped_bytes: u64,
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
