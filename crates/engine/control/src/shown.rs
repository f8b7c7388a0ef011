//! Functions as the API shows them (`facts` 1.4): which members are there, and which only where.

use lambent_domain::log_config::LogFormat;
use lambent_domain::names::partition;
use lambent_domain::{Configuration, Function, LastUpdate, State};
use lambent_kit::utc::offset_ms;
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_wire::lambda::types;

/// What AWS says of a function that is being created, and since late 2025 also of one that is being updated (recorded).
const CREATING: &str = "The function is being created.";

/// Everything: for Get, Create and Update. `arn` is the one the caller pointed at.
pub(crate) fn full(
    function: &Function,
    arn: String,
    runtimes: &dyn RuntimeCatalog,
) -> types::FunctionConfiguration {
    let mut shown = listed(function, arn);
    let owned = |text: &str| Some(text.to_owned());
    match &function.state {
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
    match &function.last_update {
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
    if let Ok(runtime) = runtimes.resolve(&function.configuration.runtime) {
        let region = &function.key.scope.region;
        let version = format!("arn:{}:lambda:{region}::runtime:{}", partition(region), runtime.version_hash);
        shown.runtime_version_config =
            Some(types::RuntimeVersionConfig { runtime_version_arn: Some(version), error: None });
    }
    shown
}

/// For lists: without states and runtime version (recorded).
pub(crate) fn listed(function: &Function, arn: String) -> types::FunctionConfiguration {
    let configuration = &function.configuration;
    let environment = configuration
        .environment
        .as_ref()
        .map(|variables| types::EnvironmentResponse { variables: Some(variables.0.clone()), error: None });
    types::FunctionConfiguration {
        function_name: Some(function.key.name.to_string()),
        function_arn: Some(arn),
        runtime: Some(configuration.runtime.to_string()),
        role: Some(configuration.role.clone()),
        handler: Some(configuration.handler.clone()),
        code_size: Some(function.code.size_bytes as i64),
        description: Some(configuration.description.clone()),
        timeout: Some(configuration.timeout_s as i32),
        memory_size: Some(configuration.memory_mb as i32),
        last_modified: Some(offset_ms(function.last_modified.0)),
        code_sha256: Some(function.code.sha256.to_base64()),
        version: Some("$LATEST".into()),
        environment,
        tracing_config: Some(types::TracingConfigResponse { mode: Some("PassThrough".into()) }),
        revision_id: Some(function.revision_id.to_string()),
        package_type: Some("Zip".into()),
        architectures: Some(vec![crate::settings::HOST_ARCHITECTURE.into()]),
        ephemeral_storage: Some(types::EphemeralStorage { size: configuration.ephemeral_storage_mb as i32 }),
        snap_start: Some(types::SnapStartResponse {
            apply_on: Some("None".into()),
            optimization_status: Some("Off".into()),
        }),
        logging_config: Some(logging(configuration, function.key.name.as_str())),
        ..Default::default()
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
