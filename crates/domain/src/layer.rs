//! Layers: packages that several functions share.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ident::{Epoch, TimestampMs};
use crate::names::LayerKey;
use crate::policy::Policy;
use crate::version::CodeRef;

/// A layer with its versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Account, region and name.
    pub key: LayerKey,
    /// Changes with every write of the record; the store gives it.
    pub epoch: Epoch,
    /// The number that the next version gets: numbers are never used twice, not even after all versions are gone.
    pub next_version: u64,
    /// By number; deleted ones are not there.
    pub versions: BTreeMap<u64, Arc<LayerVersion>>,
}

/// An immutable version of a layer; only its policy changes.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerVersion {
    /// From 1 upwards.
    pub version: u64,
    /// The package.
    pub code: CodeRef,
    /// ARN of the signing profile version that has verifiably signed `code`.
    pub signed_by: Option<String>,
    /// As given, empty when it was not.
    pub description: String,
    /// `CompatibleRuntimes`, as given.
    pub runtimes: Option<Vec<String>>,
    /// `CompatibleArchitectures`, as given.
    pub architectures: Option<Vec<String>>,
    /// `LicenseInfo`, as given.
    pub license: Option<String>,
    /// When it was published.
    pub created: TimestampMs,
    /// Who besides the owner may use it.
    pub policy: Option<Policy>,
}

impl Layer {
    /// Bytes that count against the account's code storage.
    pub fn code_bytes(&self) -> u64 {
        self.versions.values().map(|version| version.code.size_bytes).sum()
    }
}
