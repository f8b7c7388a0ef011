//! What an environment is made of: sandbox, log, command.

use std::path::{Path, PathBuf};

use lambent_domain::{Deployment, Fault, limits};
use lambent_ports::code::CodeStore;
use lambent_ports::runtimes::{Command, ResolvedRuntime};
use lambent_ports::sandbox::{Mount, NotParked, SandboxSpec};
use lambent_ports::service_door::Resident;

use crate::log::LogTarget;
use crate::parking::parked_kind;
use crate::pool::Pool;
use crate::process_env::log_stream_name;
use crate::shard::Shard;

/// The deployment's own trees, unpacked, and where they are seen: its package, and its layers laid over each other.
pub(super) async fn unpacked(code: &dyn CodeStore, deployment: &Deployment) -> Result<Vec<Mount>, Fault> {
    let package = code.unpacked(deployment.code.sha256).await.map_err(internal)?;
    let mut mounts = vec![Mount { host: package, guest: "/var/task".into() }];
    let layers = deployment.configuration.layer_packages();
    if !layers.is_empty() {
        let merged = code.merged(&layers).await.map_err(internal)?;
        mounts.push(Mount { host: merged, guest: "/opt".into() });
    }
    Ok(mounts)
}

pub(super) fn spec(
    shard: &Shard,
    pool: &Pool,
    runtime: &ResolvedRuntime,
    code: Vec<Mount>,
) -> (SandboxSpec, Option<NotParked>) {
    let configuration = &pool.deployment.configuration;
    let (parked, why_not) = match parked_kind(runtime, configuration, &code) {
        Ok(kind) => (Some(kind), None),
        Err(why) => (None, Some(why)),
    };
    let mut mounts = runtime.mounts.clone();
    mounts.extend(code);
    let spec = SandboxSpec {
        id: shard.random.bytes16().iter().map(|byte| format!("{byte:02x}")).collect(),
        mounts,
        memory_mb: configuration.memory_mb,
        tmp_mb: configuration.ephemeral_storage_mb,
        processes: limits::PROCESSES,
        open_files: limits::OPEN_FILES,
        parked,
    };
    (spec, why_not)
}

pub(super) fn resident(pool: &Pool) -> Resident {
    let role = pool.deployment.configuration.role.to_string();
    Resident { account: pool.key.scope.account.clone(), role }
}

pub(super) fn log_target(shard: &Shard, pool: &Pool, runtime: &ResolvedRuntime) -> LogTarget {
    let (key, configuration) = (&pool.key, &pool.deployment.configuration);
    let date = lambent_kit::utc::slashed_date(shard.clock.now_ms());
    let region = &key.scope.region;
    LogTarget {
        scope: key.scope.clone(),
        function_name: key.name.as_str().to_owned(),
        function_arn: key.arn(),
        version: pool.deployment.version,
        group: configuration.log_group(key.name.as_str()),
        stream: log_stream_name(key, &pool.deployment, &date, shard.random.bytes16()),
        config: configuration.log.clone(),
        memory_mb: configuration.memory_mb,
        runtime_version: runtime.version.clone(),
        runtime_version_arn: format!(
            "arn:{}:lambda:{region}::runtime:{}",
            lambent_domain::names::partition(region),
            runtime.version_hash
        ),
    }
}

/// What AWS's managed runtimes do with `AWS_LAMBDA_EXEC_WRAPPER`, in the shell script that they are started from: words
/// and statuses are its own. The wrapper may be anywhere inside, so it is looked for there.
const WRAPPED: &str = r#"if [ ! -f "$1" ]; then echo "$1: does not exist"; exit 127; fi
if [ ! -x "$1" ]; then echo "$1: is not an executable"; exit 126; fi
exec "$@""#;

/// The argument vector; `None` when a custom runtime has no bootstrap, neither in its package nor in its layers.
/// A wrapper gets a managed runtime's command as its arguments. Custom runtimes see to theirs themselves, as on AWS.
pub(super) fn command(command: &Command, mounts: &[Mount], wrapper: Option<&str>) -> Option<Vec<String>> {
    match (command, wrapper) {
        (Command::Run(argv), None) => Some(argv.clone()),
        (Command::Run(argv), Some(wrapper)) => {
            let shell = ["/bin/sh", "-c", WRAPPED, "bootstrap", wrapper].map(str::to_owned);
            Some(shell.into_iter().chain(argv.iter().cloned()).collect())
        }
        (Command::FirstOf(candidates), _) => {
            let exists = |guest: &&String| on_host(mounts, guest).is_some_and(|host| host.is_file());
            candidates.iter().find(exists).map(|guest| vec![guest.clone()])
        }
    }
}

/// The function's `AWS_LAMBDA_EXEC_WRAPPER`. An empty one is none.
pub(super) fn wrapper(deployment: &Deployment) -> Option<&str> {
    let variables = deployment.configuration.environment.as_ref()?;
    variables.0.get("AWS_LAMBDA_EXEC_WRAPPER").map(String::as_str).filter(|wrapper| !wrapper.is_empty())
}

/// Where a path inside is on the host: below the last mount that holds it.
pub(crate) fn on_host(mounts: &[Mount], guest: &str) -> Option<PathBuf> {
    mounts.iter().rev().find_map(|mount| {
        let inside = Path::new(guest).strip_prefix(&mount.guest).ok()?;
        Some(mount.host.join(inside))
    })
}

pub(super) fn internal(error: impl std::fmt::Display) -> Fault {
    Fault::Internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_is_looked_for_in_the_package_and_then_in_the_layers() {
        let dir = tempfile::tempdir().unwrap();
        let (code, layers) = (dir.path().join("code"), dir.path().join("layers"));
        std::fs::create_dir(&code).unwrap();
        std::fs::create_dir(&layers).unwrap();
        let wanted = Command::FirstOf(["/var/task/bootstrap", "/opt/bootstrap"].map(str::to_owned).to_vec());
        let task = Mount { host: code.clone(), guest: "/var/task".into() };
        let both = [task.clone(), Mount { host: layers.clone(), guest: "/opt".into() }];
        assert_eq!(command(&wanted, &both, None), None);
        std::fs::write(layers.join("bootstrap"), "").unwrap();
        assert_eq!(command(&wanted, &both, None), Some(vec!["/opt/bootstrap".to_owned()]));
        assert_eq!(command(&wanted, &[task], Some("/opt/wrapper")), None, "without the layers there is none");
        std::fs::create_dir(code.join("bootstrap")).unwrap();
        assert_eq!(
            command(&wanted, &both, None),
            Some(vec!["/opt/bootstrap".to_owned()]),
            "a directory is none"
        );
        std::fs::remove_dir(code.join("bootstrap")).unwrap();
        std::fs::write(code.join("bootstrap"), "").unwrap();
        assert_eq!(command(&wanted, &both, None), Some(vec!["/var/task/bootstrap".to_owned()]));
    }
}
