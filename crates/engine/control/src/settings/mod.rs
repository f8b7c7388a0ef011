//! A version's configuration from the wire: defaults, merging, and what has to be refused.
//!
//! A member that is not supported is refused by name when it asks for something: a setting that is accepted and ignored
//! would be worse than one that is missing.

mod environment;
mod logging;
mod network;
mod runtime;

use std::collections::BTreeMap;

use lambent_domain::log_config::LogConfig;
use lambent_domain::{Configuration, Fault, FunctionKey, LayerRef, RuntimeId, limits};
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_wire::lambda::types;

/// The one architecture that functions run on here.
#[cfg(target_arch = "x86_64")]
pub(crate) const HOST_ARCHITECTURE: &str = "x86_64";
/// The one architecture that functions run on here.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const HOST_ARCHITECTURE: &str = "arm64";

/// The members that CreateFunction and UpdateFunctionConfiguration share.
#[derive(Clone, Default)]
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
    pub(crate) vpc_config: Option<types::VpcConfig>,
    pub(crate) dead_letter_config: Option<types::DeadLetterConfig>,
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) tracing_config: Option<types::TracingConfig>,
    pub(crate) file_system_configs: Option<Vec<types::FileSystemConfig>>,
    pub(crate) snap_start: Option<types::SnapStart>,
    /// Already looked up.
    pub(crate) layers: Option<Vec<LayerRef>>,
    pub(crate) unsupported: Unsupported,
}

/// Members that ask for what is not there; see [`Unsupported::refuse`].
#[derive(Clone, Default)]
pub(crate) struct Unsupported(Vec<&'static str>);

impl Unsupported {
    /// Notes a member when it asks for something.
    pub(crate) fn note(mut self, member: &'static str, asks: bool) -> Self {
        if asks {
            self.0.push(member);
        }
        self
    }

    /// An error that names all of them, when there are any.
    pub(crate) fn refuse(&self) -> Result<(), Fault> {
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
    pub(crate) fn create(
        self,
        key: &FunctionKey,
        runtimes: &dyn RuntimeCatalog,
    ) -> Result<Configuration, Fault> {
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
            layers: Vec::new(),
            vpc: None,
            dead_letter_target: None,
            active_tracing: false,
            kms_key_arn: None,
            file_systems: Vec::new(),
            snap_start: false,
        };
        self.merge(fresh, key, runtimes)
    }

    /// A configuration with what was asked laid over it: absent members stay, objects are replaced as a whole.
    pub(crate) fn merge(
        self,
        old: Configuration,
        key: &FunctionKey,
        runtimes: &dyn RuntimeCatalog,
    ) -> Result<Configuration, Fault> {
        self.unsupported.refuse()?;
        let mut new = old;
        if let Some(runtime) = self.runtime {
            new.runtime = runtime::checked(runtime, runtimes)?;
        }
        if let Some(variables) = self.environment {
            new.environment = Some(environment::checked(variables.variables.unwrap_or_default())?);
        }
        if let Some(asked) = self.logging_config {
            new.log = logging::merged(&asked, &new.log)?;
        }
        if let Some(asked) = self.vpc_config {
            new.vpc = Some(network::vpc(asked));
        }
        if let Some(asked) = self.file_system_configs {
            new.file_systems = network::file_systems(asked, new.vpc.as_ref())?;
        }
        if let Some(asked) = self.dead_letter_config {
            new.dead_letter_target = network::dead_letter_target(asked, new.dead_letter_target, key)?;
        }
        if let Some(mode) = self.tracing_config.and_then(|config| config.mode) {
            new.active_tracing = mode == "Active";
        }
        if let Some(arn) = self.kms_key_arn {
            new.kms_key_arn = (!arn.is_empty()).then_some(arn);
        }
        if let Some(apply_on) = self.snap_start.and_then(|config| config.apply_on) {
            new.snap_start = apply_on == "PublishedVersions";
        }
        new.layers = self.layers.unwrap_or(new.layers);
        new.handler = self.handler.unwrap_or(new.handler);
        new.role = self.role.unwrap_or(new.role);
        new.description = self.description.unwrap_or(new.description);
        // The model's ranges have been checked: these can't be negative.
        new.timeout_s = self.timeout.map_or(new.timeout_s, i32::unsigned_abs);
        new.memory_mb = self.memory_size.map_or(new.memory_mb, i32::unsigned_abs);
        if let Some(storage) = self.ephemeral_storage {
            new.ephemeral_storage_mb = storage.size.unsigned_abs();
        }
        if new.snap_start {
            runtime::check_snap_start(&new)?;
        }
        Ok(new)
    }
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

/// `PublishTo` names the version that managed instances run.
pub(crate) fn check_publish_to(publish_to: Option<&str>) -> Result<(), Fault> {
    match publish_to {
        None => Ok(()),
        Some(_) => Err(Fault::InvalidParameter(
            "PublishTo is only for functions of a capacity provider, which are not available here yet."
                .into(),
        )),
    }
}

/// Tags of a new resource or of TagResource.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    if tags.len() > limits::MAX_TAGS {
        return Err(Fault::InvalidParameter("Number of tags exceeds resource tag limit.".into()));
    }
    Ok(())
}
