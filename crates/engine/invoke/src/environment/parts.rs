//! What an environment is made of: sandbox, log, command.

use lambent_domain::{Fault, limits};
use lambent_ports::code::CodeStore;
use lambent_ports::runtimes::{Command, ResolvedRuntime};
use lambent_ports::sandbox::{Mount, SandboxSpec};

use crate::log::LogTarget;
use crate::pool::Pool;
use crate::process_env::log_stream_name;
use crate::shard::Shard;

pub(super) async fn unpacked(code: &dyn CodeStore, pool: &Pool) -> Result<std::path::PathBuf, Fault> {
    code.unpacked(pool.deployment.code.sha256).await.map_err(internal)
}

pub(super) fn spec(
    shard: &Shard,
    pool: &Pool,
    runtime: &ResolvedRuntime,
    code: &std::path::Path,
) -> SandboxSpec {
    let configuration = &pool.deployment.configuration;
    let mut mounts = runtime.mounts.clone();
    mounts.push(Mount { host: code.to_owned(), guest: "/var/task".into() });
    SandboxSpec {
        id: shard.random.bytes16().iter().map(|byte| format!("{byte:02x}")).collect(),
        mounts,
        memory_mb: configuration.memory_mb,
        tmp_mb: configuration.ephemeral_storage_mb,
        processes: limits::PROCESSES,
        open_files: limits::OPEN_FILES,
    }
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

/// The argument vector; `None` when a custom runtime's package has no bootstrap.
pub(super) fn command(command: &Command, code: &std::path::Path) -> Option<Vec<String>> {
    match command {
        Command::Run(argv) => Some(argv.clone()),
        Command::FirstOf(candidates) => {
            let exists = |guest: &&String| {
                guest.strip_prefix("/var/task/").is_some_and(|inside| code.join(inside).exists())
            };
            candidates.iter().find(exists).map(|guest| vec![guest.clone()])
        }
    }
}

pub(super) fn internal(error: impl std::fmt::Display) -> Fault {
    Fault::Internal(error.to_string())
}
