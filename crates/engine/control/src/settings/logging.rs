//! `LoggingConfig`.

use lambent_domain::Fault;
use lambent_domain::log_config::{ApplicationLogLevel, LogConfig, LogFormat, SystemLogLevel};
use lambent_wire::lambda::types;

/// Levels only with JSON, INFO by default; a group that is not named stays.
pub(super) fn merged(asked: &types::LoggingConfig, old: &LogConfig) -> Result<LogConfig, Fault> {
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
