//! What is in the `body` column: versioned types of this crate, so that the domain can change without the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::log_config::{ApplicationLogLevel, LogConfig, LogFormat, SystemLogLevel};
use lambent_domain::{
    CodeRef, CodeSha256, Configuration, Deployment, Function, FunctionKey, LastUpdate, RevisionId, RuntimeId,
    Secrets, State, TimestampMs,
};
use serde::{Deserialize, Serialize};

/// Every version that was ever written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
pub(crate) enum StoredFunction {
    #[serde(rename = "1")]
    V1(FunctionV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct FunctionV1 {
    configuration: ConfigurationV1,
    code: CodeV1,
    state: StatusV1,
    last_update: Option<StatusV1>,
    revision_id: String,
    last_modified_ms: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    deployed: Option<DeploymentV1>,
}

#[derive(Serialize, Deserialize)]
struct ConfigurationV1 {
    runtime: String,
    handler: String,
    role: String,
    description: String,
    timeout_s: u32,
    memory_mb: u32,
    ephemeral_storage_mb: u32,
    log_group: Option<String>,
    /// Application and system level; absent for the text format.
    json_log_levels: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct CodeV1 {
    sha256: String,
    size_bytes: u64,
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

#[derive(Serialize, Deserialize)]
struct DeploymentV1 {
    id: String,
    configuration: ConfigurationV1,
    code: CodeV1,
}

/// A row that can't be understood: a damaged file, or a bug.
pub(crate) fn damaged(what: &str) -> String {
    format!("a stored function is damaged: {what}")
}

impl StoredFunction {
    pub(crate) fn of(function: &Function) -> Self {
        StoredFunction::V1(FunctionV1 {
            configuration: (&function.configuration).into(),
            code: function.code.into(),
            state: (&function.state).into(),
            last_update: function.last_update.as_ref().map(StatusV1::from),
            revision_id: function.revision_id.to_string(),
            last_modified_ms: function.last_modified.0,
            tags: function.tags.clone(),
            deployed: function.deployed.as_ref().map(|deployed| DeploymentV1 {
                id: deployed.id.to_string(),
                configuration: (&deployed.configuration).into(),
                code: deployed.code.into(),
            }),
        })
    }

    /// Back into the domain, with the environments that were stored beside the body.
    pub(crate) fn into_function(
        self,
        key: FunctionKey,
        environment: Option<Secrets>,
        deployed_environment: Option<Secrets>,
    ) -> Result<Function, String> {
        let StoredFunction::V1(stored) = self;
        let deployed = match stored.deployed {
            None => None,
            Some(deployed) => Some(Arc::new(Deployment {
                id: revision(&deployed.id)?,
                configuration: deployed.configuration.into_configuration(deployed_environment)?,
                code: deployed.code.into_code()?,
            })),
        };
        Ok(Function {
            key,
            configuration: stored.configuration.into_configuration(environment)?,
            code: stored.code.into_code()?,
            state: stored.state.into_state()?,
            last_update: stored.last_update.map(StatusV1::into_last_update).transpose()?,
            revision_id: revision(&stored.revision_id)?,
            last_modified: TimestampMs(stored.last_modified_ms),
            tags: stored.tags,
            deployed,
        })
    }
}

fn revision(text: &str) -> Result<RevisionId, String> {
    RevisionId::parse(text).ok_or_else(|| damaged("a revision id"))
}

impl From<&Configuration> for ConfigurationV1 {
    fn from(configuration: &Configuration) -> Self {
        let json_log_levels = match configuration.log.format {
            LogFormat::Text => None,
            LogFormat::Json { application, system } => {
                Some((application.as_str().to_owned(), system.as_str().to_owned()))
            }
        };
        ConfigurationV1 {
            runtime: configuration.runtime.as_str().to_owned(),
            handler: configuration.handler.clone(),
            role: configuration.role.clone(),
            description: configuration.description.clone(),
            timeout_s: configuration.timeout_s,
            memory_mb: configuration.memory_mb,
            ephemeral_storage_mb: configuration.ephemeral_storage_mb,
            log_group: configuration.log.group.clone(),
            json_log_levels,
        }
    }
}

impl ConfigurationV1 {
    fn into_configuration(self, environment: Option<Secrets>) -> Result<Configuration, String> {
        let format = match self.json_log_levels {
            None => LogFormat::Text,
            Some((application, system)) => LogFormat::Json {
                application: ApplicationLogLevel::parse(&application)
                    .ok_or_else(|| damaged("a log level"))?,
                system: SystemLogLevel::parse(&system).ok_or_else(|| damaged("a log level"))?,
            },
        };
        Ok(Configuration {
            runtime: RuntimeId::new(self.runtime),
            handler: self.handler,
            role: self.role,
            description: self.description,
            timeout_s: self.timeout_s,
            memory_mb: self.memory_mb,
            ephemeral_storage_mb: self.ephemeral_storage_mb,
            environment,
            log: LogConfig { format, group: self.log_group },
        })
    }
}

impl From<CodeRef> for CodeV1 {
    fn from(code: CodeRef) -> Self {
        CodeV1 { sha256: code.sha256.to_hex(), size_bytes: code.size_bytes }
    }
}

impl CodeV1 {
    fn into_code(self) -> Result<CodeRef, String> {
        let sha256 = CodeSha256::from_hex(&self.sha256).ok_or_else(|| damaged("a code hash"))?;
        Ok(CodeRef { sha256, size_bytes: self.size_bytes })
    }
}

impl From<&State> for StatusV1 {
    fn from(state: &State) -> Self {
        let plain = |status: &str| StatusV1 { status: status.to_owned(), reason: None, code: None };
        match state {
            State::Pending => plain("Pending"),
            State::Active => plain("Active"),
            State::Failed { reason, code } => StatusV1 {
                status: "Failed".to_owned(),
                reason: Some(reason.clone()),
                code: Some((*code).to_owned()),
            },
        }
    }
}

impl From<&LastUpdate> for StatusV1 {
    fn from(update: &LastUpdate) -> Self {
        let plain = |status: &str| StatusV1 { status: status.to_owned(), reason: None, code: None };
        match update {
            LastUpdate::InProgress => plain("InProgress"),
            LastUpdate::Successful => plain("Successful"),
            LastUpdate::Failed { reason, code } => StatusV1 {
                status: "Failed".to_owned(),
                reason: Some(reason.clone()),
                code: Some((*code).to_owned()),
            },
        }
    }
}

impl StatusV1 {
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
