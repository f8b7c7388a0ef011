//! Functions as the API shows them (`facts` 1.4): which members are there, and which only where.

use lambent_domain::configuration::{FileSystem, VpcConfig};
use lambent_domain::log_config::LogFormat;
use lambent_domain::names::partition;
use lambent_domain::{Configuration, Function, FunctionKey, LastUpdate, LayerRef, Region, State, Version};
use lambent_kit::utc::offset_ms;
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_wire::lambda::types;

/// What AWS says of a function that is being created, and since late 2025 also of one that is being updated (recorded).
const CREATING: &str = "The function is being created.";

/// Everything: for Get, Create and Update. `arn` is the one the caller pointed at.
pub(crate) fn full(
    key: &FunctionKey,
    version: &Version,
    arn: String,
    runtimes: &dyn RuntimeCatalog,
) -> types::FunctionConfiguration {
    let mut shown = listed(key, version, arn);
    let owned = |text: &str| Some(text.to_owned());
    match &version.state {
        State::Pending => {
            shown.state = owned("Pending");
            shown.state_reason = owned(CREATING);
            shown.state_reason_code = owned("Creating");
        }
        State::Active => shown.state = owned("Active"),
        State::Failed { reason, code } => {
            shown.state = owned("Failed");
            shown.state_reason = Some(reason.clone());
            shown.state_reason_code = owned(code);
        }
    }
    match &version.last_update {
        None => {}
        Some(LastUpdate::InProgress) => {
            shown.last_update_status = owned("InProgress");
            shown.last_update_status_reason = owned(CREATING);
            shown.last_update_status_reason_code = owned("Creating");
        }
        Some(LastUpdate::Successful) => shown.last_update_status = owned("Successful"),
        Some(LastUpdate::Failed { reason, code }) => {
            shown.last_update_status = owned("Failed");
            shown.last_update_status_reason = Some(reason.clone());
            shown.last_update_status_reason_code = owned(code);
        }
    }
    let arn = runtime_version_arn(&version.configuration, &key.scope.region, runtimes);
    shown.runtime_version_config =
        arn.map(|arn| types::RuntimeVersionConfig { runtime_version_arn: Some(arn), error: None });
    shown
}

/// Of the interpreter that runs a configuration here.
pub(crate) fn runtime_version_arn(
    configuration: &Configuration,
    region: &Region,
    runtimes: &dyn RuntimeCatalog,
) -> Option<String> {
    let runtime = runtimes.resolve(&configuration.runtime).ok()?;
    Some(format!("arn:{}:lambda:{region}::runtime:{}", partition(region), runtime.version_hash))
}

/// `$LATEST` or a version under the ARN that lists show for it.
pub(crate) fn listed_version(function: &Function, version: &Version) -> types::FunctionConfiguration {
    listed(&function.key, version, function.key.qualified_arn(&version.number.to_string()))
}

/// For lists: without states and runtime version (recorded).
pub(crate) fn listed(key: &FunctionKey, version: &Version, arn: String) -> types::FunctionConfiguration {
    let configuration = &*version.configuration;
    let environment = configuration
        .environment
        .as_ref()
        .map(|variables| types::EnvironmentResponse { variables: Some(variables.0.clone()), error: None });
    types::FunctionConfiguration {
        function_name: Some(key.name.to_string()),
        function_arn: Some(arn),
        runtime: Some(configuration.runtime.to_string()),
        role: Some(configuration.role.clone()),
        handler: Some(configuration.handler.clone()),
        code_size: Some(version.code.size_bytes as i64),
        description: Some(configuration.description.clone()),
        timeout: Some(configuration.timeout_s as i32),
        memory_size: Some(configuration.memory_mb as i32),
        last_modified: Some(offset_ms(version.last_modified.0)),
        code_sha256: Some(version.code.sha256.to_base64()),
        version: Some(version.number.to_string()),
        vpc_config: configuration.vpc.as_ref().map(vpc),
        dead_letter_config: configuration
            .dead_letter_target
            .as_ref()
            .map(|arn| types::DeadLetterConfig { target_arn: Some(arn.clone()) }),
        environment,
        kms_key_arn: configuration.kms_key_arn.clone(),
        tracing_config: Some(types::TracingConfigResponse {
            mode: Some(if configuration.active_tracing { "Active" } else { "PassThrough" }.into()),
        }),
        revision_id: Some(version.revision_id.to_string()),
        layers: filled(configuration.layers.iter().map(layer)),
        file_system_configs: filled(configuration.file_systems.iter().map(file_system)),
        signing_profile_version_arn: version.signed_by.clone(),
        package_type: Some("Zip".into()),
        architectures: Some(vec![crate::settings::HOST_ARCHITECTURE.into()]),
        ephemeral_storage: Some(types::EphemeralStorage { size: configuration.ephemeral_storage_mb as i32 }),
        snap_start: Some(types::SnapStartResponse {
            apply_on: Some(if configuration.snap_start { "PublishedVersions" } else { "None" }.into()),
            // No snapshot is taken here: a version starts like any other.
            optimization_status: Some("Off".into()),
        }),
        logging_config: Some(logging(configuration, key.name.as_str())),
        ..Default::default()
    }
}

/// Lists are shown when there is something in them.
fn filled<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    Some(items.collect::<Vec<T>>()).filter(|items| !items.is_empty())
}

fn layer(layer: &LayerRef) -> types::Layer {
    types::Layer {
        arn: Some(layer.arn.clone()),
        code_size: Some(layer.code.size_bytes as i64),
        signing_profile_version_arn: layer.signed_by.clone(),
        ..Default::default()
    }
}

fn file_system(system: &FileSystem) -> types::FileSystemConfig {
    types::FileSystemConfig {
        arn: system.arn.clone(),
        local_mount_path: system.local_mount_path.clone(),
        s3_files_config: None,
    }
}

/// There are no VPCs here that a subnet could be looked up in: the id is made from the first subnet's, so that functions
/// in one subnet show one VPC. Judgement: clients expect an id of this form.
fn vpc(vpc: &VpcConfig) -> types::VpcConfigResponse {
    let id = vpc.subnet_ids.first().map(|subnet| {
        let digits = subnet.strip_prefix("subnet-").unwrap_or(subnet);
        format!("vpc-{digits}")
    });
    types::VpcConfigResponse {
        subnet_ids: Some(vpc.subnet_ids.clone()),
        security_group_ids: Some(vpc.security_group_ids.clone()),
        vpc_id: Some(id.unwrap_or_default()),
        ipv6_allowed_for_dual_stack: Some(vpc.ipv6_allowed),
    }
}

fn logging(configuration: &Configuration, name: &str) -> types::LoggingConfig {
    let (format, levels) = match configuration.log.format {
        LogFormat::Text => ("Text", None),
        LogFormat::Json { application, system } => ("JSON", Some((application.as_str(), system.as_str()))),
    };
    types::LoggingConfig {
        log_format: Some(format.into()),
        application_log_level: levels.map(|(application, _)| application.to_owned()),
        system_log_level: levels.map(|(_, system)| system.to_owned()),
        log_group: Some(configuration.log_group(name)),
    }
}
