//! A version's configuration: everything that UpdateFunctionConfiguration can change, and the architecture.

use std::collections::BTreeMap;
use std::fmt;

use crate::ident::CodeSha256;
use crate::log_config::LogConfig;
use crate::runtime::RuntimeId;
use crate::version::CodeRef;

/// As validated.
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
    /// Laid over each other at `/opt` in this order.
    pub layers: Vec<LayerRef>,
    /// `None` when the API was never given a `VpcConfig`.
    pub vpc: Option<VpcConfig>,
    /// ARN of a queue or topic for events that failed.
    pub dead_letter_target: Option<String>,
    /// `TracingConfig.Mode` is `Active`.
    pub active_tracing: bool,
    /// Key that the user wants the environment encrypted with.
    pub kms_key_arn: Option<String>,
    /// At most one.
    pub file_systems: Vec<FileSystem>,
    /// `SnapStart.ApplyOn` is `PublishedVersions`.
    pub snap_start: bool,
}

impl Configuration {
    /// The log group in force.
    pub fn log_group(&self, function_name: &str) -> String {
        self.log.group.clone().unwrap_or_else(|| format!("/aws/lambda/{function_name}"))
    }

    /// The packages of the layers, in order.
    pub fn layer_packages(&self) -> Vec<CodeSha256> {
        self.layers.iter().map(|layer| layer.code.sha256).collect()
    }
}

/// A layer version as a function refers to it. It holds on to the package: the layer version may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRef {
    /// Of the layer version.
    pub arn: String,
    /// Its package.
    pub code: CodeRef,
    /// ARN of the signing profile version that has verifiably signed it.
    pub signed_by: Option<String>,
}

/// `VpcConfig`; empty lists when the function was detached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VpcConfig {
    /// At most 16.
    pub subnet_ids: Vec<String>,
    /// At most 5.
    pub security_group_ids: Vec<String>,
    /// Outbound IPv6 in dual-stack subnets.
    pub ipv6_allowed: bool,
}

/// A file system to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Of the access point.
    pub arn: String,
    /// Below `/mnt/`.
    pub local_mount_path: String,
}

/// Environment variables. They are encrypted at rest and never printed: `Debug` shows only how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} variables)", self.0.len())
    }
}
