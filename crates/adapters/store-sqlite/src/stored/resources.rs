//! Layers and code-signing configurations on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::code_signing::UntrustedArtifact;
use lambent_domain::{CodeSigningConfig, CodeSigningKey, Epoch, Layer, LayerKey, LayerVersion, TimestampMs};
use serde::{Deserialize, Serialize};

use super::{CodeV1, PolicyV1};

/// Every form that was ever written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
pub(crate) enum StoredLayer {
    #[serde(rename = "1")]
    V1(LayerV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LayerV1 {
    next_version: u64,
    /// Pairs: a map's numeric keys don't survive a tagged enum.
    versions: Vec<(u64, LayerVersionV1)>,
}

#[derive(Serialize, Deserialize)]
struct LayerVersionV1 {
    code: CodeV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    description: String,
    runtimes: Option<Vec<String>>,
    architectures: Option<Vec<String>>,
    license: Option<String>,
    created_ms: u64,
    policy: Option<PolicyV1>,
}

impl StoredLayer {
    pub(crate) fn of(layer: &Layer) -> Self {
        let versions = layer.versions.iter().map(|(number, version)| (*number, (&**version).into()));
        StoredLayer::V1(LayerV1 { next_version: layer.next_version, versions: versions.collect() })
    }

    pub(crate) fn into_layer(self, key: LayerKey, epoch: Epoch) -> Result<Layer, String> {
        let StoredLayer::V1(stored) = self;
        let mut versions = BTreeMap::new();
        for (number, version) in stored.versions {
            versions.insert(number, Arc::new(version.into_version(number)?));
        }
        Ok(Layer { key, epoch, next_version: stored.next_version, versions })
    }
}

impl From<&LayerVersion> for LayerVersionV1 {
    fn from(version: &LayerVersion) -> Self {
        LayerVersionV1 {
            code: version.code.into(),
            signed_by: version.signed_by.clone(),
            description: version.description.clone(),
            runtimes: version.runtimes.clone(),
            architectures: version.architectures.clone(),
            license: version.license.clone(),
            created_ms: version.created.0,
            policy: version.policy.as_ref().map(PolicyV1::from),
        }
    }
}

impl LayerVersionV1 {
    fn into_version(self, version: u64) -> Result<LayerVersion, String> {
        Ok(LayerVersion {
            version,
            code: self.code.into_code()?,
            signed_by: self.signed_by,
            description: self.description,
            runtimes: self.runtimes,
            architectures: self.architectures,
            license: self.license,
            created: TimestampMs(self.created_ms),
            policy: self.policy.map(PolicyV1::into_policy).transpose()?,
        })
    }
}

/// Every form that was ever written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
pub(crate) enum StoredCodeSigning {
    #[serde(rename = "1")]
    V1(CodeSigningV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CodeSigningV1 {
    description: String,
    publishers: Vec<String>,
    enforce: bool,
    modified_ms: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl StoredCodeSigning {
    pub(crate) fn of(config: &CodeSigningConfig) -> Self {
        StoredCodeSigning::V1(CodeSigningV1 {
            description: config.description.clone(),
            publishers: config.publishers.clone(),
            enforce: config.untrusted == UntrustedArtifact::Enforce,
            modified_ms: config.modified.0,
            tags: config.tags.clone(),
        })
    }

    pub(crate) fn into_config(self, key: CodeSigningKey, epoch: Epoch) -> CodeSigningConfig {
        let StoredCodeSigning::V1(stored) = self;
        CodeSigningConfig {
            key,
            epoch,
            description: stored.description,
            publishers: stored.publishers,
            untrusted: if stored.enforce { UntrustedArtifact::Enforce } else { UntrustedArtifact::Warn },
            modified: TimestampMs(stored.modified_ms),
            tags: stored.tags,
        }
    }
}
