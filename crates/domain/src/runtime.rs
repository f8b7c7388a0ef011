//! Runtime identifiers: which exist, which can be created, which can run here.

use std::fmt;

/// A runtime identifier that AWS's API has ever accepted, such as `python3.12`. Case-sensitive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuntimeId(String);

impl RuntimeId {
    /// Wraps an identifier. Whether it can be created or run is decided by the runtime catalogue.
    pub fn new(id: impl Into<String>) -> Self {
        RuntimeId(id.into())
    }

    /// The identifier as the API spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `provided`, `provided.al2` or `provided.al2023`: the package brings its own `bootstrap`.
    pub fn is_custom(&self) -> bool {
        self.0 == "provided" || self.0.starts_with("provided.")
    }
}

impl fmt::Display for RuntimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RuntimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `RuntimeManagementConfig` of one version: when it gets another runtime version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeManagement {
    /// With every new one: the default, not stored.
    Auto,
    /// When the function is updated.
    FunctionUpdate,
    /// Never: it stays with this runtime version.
    Manual {
        /// ARN of the runtime version.
        runtime_version_arn: String,
    },
}
