//! Code-signing configurations: whose packages may be deployed.

use std::collections::BTreeMap;

use crate::ident::{Epoch, TimestampMs};
use crate::names::CodeSigningKey;

/// A code-signing configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeSigningConfig {
    /// Account, region and id.
    pub key: CodeSigningKey,
    /// Changes with every write of the record; the store gives it.
    pub epoch: Epoch,
    /// Up to 256 characters.
    pub description: String,
    /// ARNs of signing profile versions, 1 to 20.
    pub publishers: Vec<String>,
    /// What happens to a package that nobody trusted has signed.
    pub untrusted: UntrustedArtifact,
    /// When it was last changed.
    pub modified: TimestampMs,
    /// At most [`crate::limits::MAX_TAGS`].
    pub tags: BTreeMap<String, String>,
}

/// `UntrustedArtifactOnDeployment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntrustedArtifact {
    /// It is deployed, and the server's log says so.
    Warn,
    /// It is refused.
    Enforce,
}
