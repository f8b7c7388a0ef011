//! A version on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::{
    Configuration, Deployment, LastUpdate, Secrets, State, TimestampMs, Version, VersionNumber,
};
use serde::{Deserialize, Serialize};

use super::configuration::ConfigurationV1;
use super::{CodeV1, damaged, revision};

/// Every form that was ever written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
pub(crate) enum StoredVersion {
    #[serde(rename = "1")]
    V1(VersionV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct VersionV1 {
    configuration: ConfigurationV1,
    code: CodeV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    state: StatusV1,
    last_update: Option<StatusV1>,
    revision_id: String,
    last_modified_ms: u64,
    deployed: Option<DeploymentV1>,
}

/// Code and configuration are left out when they are the version's own, as they nearly always are.
#[derive(Serialize, Deserialize)]
struct DeploymentV1 {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    older: Option<(ConfigurationV1, CodeV1)>,
}

/// `State` and `LastUpdateStatus` by their names on the wire.
#[derive(Serialize, Deserialize)]
struct StatusV1 {
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// The environments of a version: what is sealed beside its body.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct VersionSecrets {
    shown: Option<BTreeMap<String, String>>,
    /// Of an older deployment.
    deployed: Option<BTreeMap<String, String>>,
}

impl VersionSecrets {
    /// Nothing when there is nothing to seal.
    pub(crate) fn of(version: &Version) -> Option<Self> {
        let variables = |configuration: &Configuration| {
            configuration.environment.as_ref().map(|secrets| secrets.0.clone())
        };
        let shown = variables(&version.configuration);
        let deployed = older(version).and_then(|deployed| variables(&deployed.configuration));
        (shown.is_some() || deployed.is_some()).then_some(VersionSecrets { shown, deployed })
    }
}

/// The deployment, when it differs from what the version shows.
fn older(version: &Version) -> Option<&Arc<Deployment>> {
    version
        .deployed
        .as_ref()
        .filter(|deployed| deployed.code != version.code || deployed.configuration != version.configuration)
}

impl StoredVersion {
    pub(crate) fn of(version: &Version) -> Self {
        StoredVersion::V1(VersionV1 {
            configuration: (&*version.configuration).into(),
            code: version.code.into(),
            signed_by: version.signed_by.clone(),
            state: (&version.state).into(),
            last_update: version.last_update.as_ref().map(StatusV1::from),
            revision_id: version.revision_id.to_string(),
            last_modified_ms: version.last_modified.0,
            deployed: version.deployed.as_ref().map(|deployed| DeploymentV1 {
                id: deployed.id.to_string(),
                older: older(version)
                    .map(|deployed| ((&*deployed.configuration).into(), deployed.code.into())),
            }),
        })
    }

    /// Back into the domain, with the environments that were sealed beside the body.
    pub(crate) fn into_version(
        self,
        number: VersionNumber,
        secrets: VersionSecrets,
    ) -> Result<Version, String> {
        let StoredVersion::V1(stored) = self;
        let configuration = Arc::new(stored.configuration.into_configuration(secrets.shown.map(Secrets))?);
        let code = stored.code.into_code()?;
        let deployed = match stored.deployed {
            None => None,
            Some(deployed) => {
                let (configuration, code) = match deployed.older {
                    None => (Arc::clone(&configuration), code),
                    Some((older, code)) => {
                        let older = older.into_configuration(secrets.deployed.map(Secrets))?;
                        (Arc::new(older), code.into_code()?)
                    }
                };
                let id = revision(&deployed.id)?;
                Some(Arc::new(Deployment { id, version: number, configuration, code }))
            }
        };
        Ok(Version {
            number,
            configuration,
            code,
            signed_by: stored.signed_by,
            state: stored.state.into_state()?,
            last_update: stored.last_update.map(StatusV1::into_last_update).transpose()?,
            revision_id: revision(&stored.revision_id)?,
            last_modified: TimestampMs(stored.last_modified_ms),
            deployed,
        })
    }
}

impl StatusV1 {
    fn plain(status: &str) -> Self {
        StatusV1 { status: status.to_owned(), reason: None, code: None }
    }

    fn failed(reason: &str, code: &str) -> Self {
        StatusV1 { status: "Failed".into(), reason: Some(reason.to_owned()), code: Some(code.to_owned()) }
    }

    /// Codes that this version of Lambent gives.
    fn known_code(code: Option<&str>) -> &'static str {
        match code {
            Some("InvalidZipFileException") => "InvalidZipFileException",
            Some("InvalidRuntime") => "InvalidRuntime",
            _ => "InternalError",
        }
    }

    fn into_state(self) -> Result<State, String> {
        match self.status.as_str() {
            "Pending" => Ok(State::Pending),
            "Active" => Ok(State::Active),
            "Failed" => Ok(State::Failed {
                reason: self.reason.unwrap_or_default(),
                code: Self::known_code(self.code.as_deref()),
            }),
            _ => Err(damaged("a state")),
        }
    }

    fn into_last_update(self) -> Result<LastUpdate, String> {
        match self.status.as_str() {
            "InProgress" => Ok(LastUpdate::InProgress),
            "Successful" => Ok(LastUpdate::Successful),
            "Failed" => Ok(LastUpdate::Failed {
                reason: self.reason.unwrap_or_default(),
                code: Self::known_code(self.code.as_deref()),
            }),
            _ => Err(damaged("an update status")),
        }
    }
}

impl From<&State> for StatusV1 {
    fn from(state: &State) -> Self {
        match state {
            State::Pending => Self::plain("Pending"),
            State::Active => Self::plain("Active"),
            State::Failed { reason, code } => Self::failed(reason, code),
        }
    }
}

impl From<&LastUpdate> for StatusV1 {
    fn from(update: &LastUpdate) -> Self {
        match update {
            LastUpdate::InProgress => Self::plain("InProgress"),
            LastUpdate::Successful => Self::plain("Successful"),
            LastUpdate::Failed { reason, code } => Self::failed(reason, code),
        }
    }
}
