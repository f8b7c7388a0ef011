//! A function's configuration from the wire: defaults, merging, and what has to be refused.
//!
//! A member that is not supported yet is refused by name when it asks for something: a setting that is accepted and
//! ignored would be worse than one that is missing.

use std::collections::BTreeMap;

use lambent_domain::log_config::{ApplicationLogLevel, LogConfig, LogFormat, SystemLogLevel};
use lambent_domain::{Configuration, Fault, RuntimeId, Secrets, limits};
use lambent_ports::runtimes::{RuntimeCatalog, RuntimeUnavailable};
use lambent_wire::lambda::types;

/// The one architecture that functions run on here.
#[cfg(target_arch = "x86_64")]
pub(crate) const HOST_ARCHITECTURE: &str = "x86_64";
/// The one architecture that functions run on here.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const HOST_ARCHITECTURE: &str = "arm64";

/// Names that the platform sets (`facts` 1.11).
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
];

/// The members that CreateFunction and UpdateFunctionConfiguration share.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) runtime: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) timeout: Option<i32>,
    pub(crate) memory_size: Option<i32>,
    pub(crate) environment: Option<types::Environment>,
    pub(crate) ephemeral_storage: Option<types::EphemeralStorage>,
    pub(crate) logging_config: Option<types::LoggingConfig>,
    pub(crate) unsupported: Unsupported,
}

/// Members that ask for what is not there yet; see [`Unsupported::refuse`].
#[derive(Default)]
pub(crate) struct Unsupported(Vec<&'static str>);

impl Unsupported {
    /// Notes a member when it asks for something.
    pub(crate) fn note(&mut self, member: &'static str, asks: bool) -> &mut Self {
        if asks {
            self.0.push(member);
        }
        self
    }

    /// The members that both operations have.
    #[allow(clippy::too_many_arguments, reason = "one per member of the model")]
    pub(crate) fn shared(
        vpc: Option<&types::VpcConfig>,
        dead_letter: Option<&types::DeadLetterConfig>,
        kms_key: Option<&str>,
        tracing: Option<&types::TracingConfig>,
        layers: Option<&[String]>,
        file_systems: Option<&[types::FileSystemConfig]>,
        image: bool,
        snap_start: Option<&types::SnapStart>,
    ) -> Self {
        let mut unsupported = Unsupported::default();
        let filled = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        unsupported
            .note(
                "VpcConfig",
                vpc.is_some_and(|vpc| filled(&vpc.subnet_ids) || filled(&vpc.security_group_ids)),
            )
            .note(
                "DeadLetterConfig",
                dead_letter
                    .and_then(|config| config.target_arn.as_deref())
                    .is_some_and(|arn| !arn.is_empty()),
            )
            .note("KMSKeyArn", kms_key.is_some_and(|arn| !arn.is_empty()))
            .note("TracingConfig", tracing.and_then(|config| config.mode.as_deref()) == Some("Active"))
            .note("Layers", layers.is_some_and(|layers| !layers.is_empty()))
            .note("FileSystemConfigs", file_systems.is_some_and(|systems| !systems.is_empty()))
            .note("ImageConfig", image)
            .note(
                "SnapStart",
                snap_start.and_then(|config| config.apply_on.as_deref()) == Some("PublishedVersions"),
            );
        unsupported
    }

    fn refuse(&self) -> Result<(), Fault> {
        match self.0.as_slice() {
            [] => Ok(()),
            members => {
                Err(Fault::InvalidParameter(format!("Not available here yet: {}.", members.join(", "))))
            }
        }
    }
}

impl Asked {
    /// A new function's configuration.
    pub(crate) fn create(self, runtimes: &dyn RuntimeCatalog) -> Result<Configuration, Fault> {
        let (Some(runtime), Some(handler)) = (self.runtime.clone(), self.handler.clone()) else {
            return Err(Fault::InvalidParameter(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.".into(),
            ));
        };
        let fresh = Configuration {
            runtime: RuntimeId::new(runtime),
            handler,
            role: self.role.clone().unwrap_or_default(),
            description: String::new(),
            timeout_s: limits::DEFAULT_TIMEOUT_S,
            memory_mb: limits::DEFAULT_MEMORY_MB,
            ephemeral_storage_mb: limits::DEFAULT_EPHEMERAL_STORAGE_MB,
            environment: None,
            log: LogConfig::default(),
        };
        self.merge(fresh, runtimes)
    }

    /// A configuration with what was asked laid over it: absent members stay, objects are replaced as a whole.
    pub(crate) fn merge(
        self,
        old: Configuration,
        runtimes: &dyn RuntimeCatalog,
    ) -> Result<Configuration, Fault> {
        self.unsupported.refuse()?;
        let mut new = old;
        if let Some(runtime) = self.runtime {
            new.runtime = checked_runtime(runtime, runtimes)?;
        }
        if let Some(variables) = self.environment {
            new.environment = Some(checked_environment(variables.variables.unwrap_or_default())?);
        }
        if let Some(asked) = self.logging_config {
            new.log = logging(&asked, &new.log)?;
        }
        if let Some(handler) = self.handler {
            new.handler = handler;
        }
        if let Some(role) = self.role {
            new.role = role;
        }
        if let Some(description) = self.description {
            new.description = description;
        }
        // The model's ranges have been checked: these can't be negative.
        if let Some(timeout) = self.timeout {
            new.timeout_s = timeout.unsigned_abs();
        }
        if let Some(memory) = self.memory_size {
            new.memory_mb = memory.unsigned_abs();
        }
        if let Some(storage) = self.ephemeral_storage {
            new.ephemeral_storage_mb = storage.size.unsigned_abs();
        }
        Ok(new)
    }
}

fn checked_runtime(id: String, runtimes: &dyn RuntimeCatalog) -> Result<RuntimeId, Fault> {
    let id = RuntimeId::new(id);
    match runtimes.resolve(&id) {
        Ok(runtime) => {
            if let Some(warning) = &runtime.warning {
                tracing::warn!(runtime = %id, "{warning}");
            }
            Ok(id)
        }
        Err(RuntimeUnavailable::Unknown(_)) => {
            let set: Vec<&str> = runtimes.creatable().iter().map(RuntimeId::as_str).collect();
            Err(Fault::InvalidParameter(format!(
                "Value {id} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
                set.join(", ")
            )))
        }
        Err(RuntimeUnavailable::Deprecated(_)) => Err(Fault::InvalidParameter(format!(
            "The runtime parameter of {id} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        ))),
        Err(unavailable @ RuntimeUnavailable::NotHere { .. }) => {
            Err(Fault::InvalidParameter(unavailable.to_string()))
        }
    }
}

fn checked_environment(variables: BTreeMap<String, String>) -> Result<Secrets, Fault> {
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(Fault::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(&variables).map_err(|error| Fault::Internal(error.to_string()))?;
    if measured.len() > limits::MAX_ENVIRONMENT_BYTES {
        return Err(Fault::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(Secrets(variables))
}

/// `LoggingConfig`: levels only with JSON, INFO by default; a group that is not named stays.
fn logging(asked: &types::LoggingConfig, old: &LogConfig) -> Result<LogConfig, Fault> {
    let levelled = asked.application_log_level.is_some() || asked.system_log_level.is_some();
    let json = match asked.log_format.as_deref() {
        Some(format) => format == "JSON",
        None => matches!(old.format, LogFormat::Json { .. }),
    };
    if levelled && !json {
        return Err(Fault::InvalidParameter(
            "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to \"JSON\" and try again.".into(),
        ));
    }
    let (application, system) = match old.format {
        LogFormat::Json { application, system } => (application, system),
        LogFormat::Text => (ApplicationLogLevel::Info, SystemLogLevel::Info),
    };
    let format = if json {
        LogFormat::Json {
            application: asked
                .application_log_level
                .as_deref()
                .and_then(ApplicationLogLevel::parse)
                .unwrap_or(application),
            system: asked.system_log_level.as_deref().and_then(SystemLogLevel::parse).unwrap_or(system),
        }
    } else {
        LogFormat::Text
    };
    Ok(LogConfig { format, group: asked.log_group.clone().or_else(|| old.group.clone()) })
}

/// `Architectures`: one, and the host's.
pub(crate) fn check_architectures(asked: Option<&[String]>) -> Result<(), Fault> {
    match asked {
        Some([one]) if one != HOST_ARCHITECTURE => Err(Fault::InvalidParameter(format!(
            "Functions of architecture {one} can't run on this host, which is {HOST_ARCHITECTURE}."
        ))),
        _ => Ok(()),
    }
}

/// `Publish` and `PublishTo` need versions.
pub(crate) fn check_publish(publish: Option<bool>, publish_to: Option<&str>) -> Result<(), Fault> {
    if publish == Some(true) || publish_to.is_some() {
        return Err(Fault::InvalidParameter(
            "Publish is not available here yet: only $LATEST can be run.".into(),
        ));
    }
    Ok(())
}

/// Tags of a new resource or of TagResource.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    if tags.len() > limits::MAX_TAGS {
        return Err(Fault::InvalidParameter("Number of tags exceeds resource tag limit.".into()));
    }
    Ok(())
}
