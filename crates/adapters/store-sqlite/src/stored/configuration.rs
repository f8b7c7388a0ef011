//! A version's configuration on disk, without its environment.

use lambent_domain::configuration::{FileSystem, VpcConfig};
use lambent_domain::log_config::{ApplicationLogLevel, LogConfig, LogFormat, SystemLogLevel};
use lambent_domain::{Configuration, LayerRef, RuntimeId, Secrets};
use serde::{Deserialize, Serialize};

use super::{CodeV1, damaged};

#[derive(Serialize, Deserialize)]
pub(super) struct ConfigurationV1 {
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
    /// ARN and package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<(String, CodeV1)>,
    /// Of layers that are signed, by their place in `layers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layer_signers: Vec<(usize, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vpc: Option<VpcV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter_target: Option<String>,
    #[serde(default)]
    active_tracing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key_arn: Option<String>,
    /// ARN and mount path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    file_systems: Vec<(String, String)>,
    #[serde(default)]
    snap_start: bool,
}

#[derive(Serialize, Deserialize)]
struct VpcV1 {
    subnet_ids: Vec<String>,
    security_group_ids: Vec<String>,
    ipv6_allowed: bool,
}

impl From<&Configuration> for ConfigurationV1 {
    fn from(configuration: &Configuration) -> Self {
        let json_log_levels = match configuration.log.format {
            LogFormat::Text => None,
            LogFormat::Json { application, system } => {
                Some((application.as_str().to_owned(), system.as_str().to_owned()))
            }
        };
        let layer = |layer: &LayerRef| (layer.arn.clone(), layer.code.into());
        let file_system = |system: &FileSystem| (system.arn.clone(), system.local_mount_path.clone());
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
            layers: configuration.layers.iter().map(layer).collect(),
            layer_signers: configuration
                .layers
                .iter()
                .enumerate()
                .filter_map(|(place, layer)| Some((place, layer.signed_by.clone()?)))
                .collect(),
            vpc: configuration.vpc.as_ref().map(VpcV1::from),
            dead_letter_target: configuration.dead_letter_target.clone(),
            active_tracing: configuration.active_tracing,
            kms_key_arn: configuration.kms_key_arn.clone(),
            file_systems: configuration.file_systems.iter().map(file_system).collect(),
            snap_start: configuration.snap_start,
        }
    }
}

impl ConfigurationV1 {
    pub(super) fn into_configuration(self, environment: Option<Secrets>) -> Result<Configuration, String> {
        let format = match self.json_log_levels {
            None => LogFormat::Text,
            Some((application, system)) => LogFormat::Json {
                application: ApplicationLogLevel::parse(&application)
                    .ok_or_else(|| damaged("a log level"))?,
                system: SystemLogLevel::parse(&system).ok_or_else(|| damaged("a log level"))?,
            },
        };
        let mut layers = Vec::with_capacity(self.layers.len());
        for (arn, code) in self.layers {
            layers.push(LayerRef { arn, code: code.into_code()?, signed_by: None });
        }
        for (place, signer) in self.layer_signers {
            layers.get_mut(place).ok_or_else(|| damaged("a layer's signer"))?.signed_by = Some(signer);
        }
        let file_system = |(arn, local_mount_path)| FileSystem { arn, local_mount_path };
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
            layers,
            vpc: self.vpc.map(VpcV1::into_vpc),
            dead_letter_target: self.dead_letter_target,
            active_tracing: self.active_tracing,
            kms_key_arn: self.kms_key_arn,
            file_systems: self.file_systems.into_iter().map(file_system).collect(),
            snap_start: self.snap_start,
        })
    }
}

impl From<&VpcConfig> for VpcV1 {
    fn from(vpc: &VpcConfig) -> Self {
        VpcV1 {
            subnet_ids: vpc.subnet_ids.clone(),
            security_group_ids: vpc.security_group_ids.clone(),
            ipv6_allowed: vpc.ipv6_allowed,
        }
    }
}

impl VpcV1 {
    fn into_vpc(self) -> VpcConfig {
        VpcConfig {
            subnet_ids: self.subnet_ids,
            security_group_ids: self.security_group_ids,
            ipv6_allowed: self.ipv6_allowed,
        }
    }
}
