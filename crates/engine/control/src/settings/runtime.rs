//! `Runtime`: whether functions can be created with it, and run here.

use lambent_domain::{Configuration, Fault, RuntimeId, limits};
use lambent_ports::runtimes::{RuntimeCatalog, RuntimeUnavailable};

/// A runtime that can run here, or AWS's text why not.
pub(super) fn checked(id: String, runtimes: &dyn RuntimeCatalog) -> Result<RuntimeId, Fault> {
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

/// What SnapStart asks of a function (AWS documentation; the runtime's text is recorded).
pub(super) fn check_snap_start(configuration: &Configuration) -> Result<(), Fault> {
    let runtime = configuration.runtime.as_str();
    let supported = [("python3.", 12), ("java", 11), ("dotnet", 8)].into_iter().any(|(prefix, least)| {
        let digits: String = runtime
            .strip_prefix(prefix)
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<u32>().is_ok_and(|version| version >= least)
    });
    if !supported {
        return Err(Fault::InvalidParameter(format!(
            "{runtime} is not supported for SnapStart enabled functions."
        )));
    }
    if configuration.ephemeral_storage_mb > limits::DEFAULT_EPHEMERAL_STORAGE_MB {
        let text = "SnapStart is not supported for functions with ephemeral storage larger than 512 MB.";
        return Err(Fault::InvalidParameter(text.into()));
    }
    if !configuration.file_systems.is_empty() {
        let text = "SnapStart is not supported for functions with file system configurations.";
        return Err(Fault::InvalidParameter(text.into()));
    }
    Ok(())
}
