//! Which runtimes have processes parked, and which functions can have one of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lambent_domain::{Configuration, Function, limits};
use lambent_ports::runtimes::{Command, ResolvedRuntime, RuntimeCatalog};
use lambent_ports::sandbox::{Mount, NotParked, ParkedCount, ParkedKind, SandboxHost};

use crate::environment::{TELEMETRY_ENV, on_host};

/// Runtimes that functions use. One that none uses any more is kept until the server ends: most come back.
pub(crate) struct Parking {
    count: ParkedCount,
    kinds: RefCell<BTreeMap<String, ParkedKind>>,
}

impl Parking {
    pub(crate) fn new(count: ParkedCount) -> Self {
        Parking { count, kinds: RefCell::default() }
    }

    /// Sees to it that processes wait for a function's environments, even before its first invoke.
    pub(crate) fn prepare(&self, function: &Function, runtimes: &dyn RuntimeCatalog, host: &dyn SandboxHost) {
        if self.count.ceiling == 0 {
            return;
        }
        let mut new = false;
        for version in function.all_versions() {
            // What can't be resolved says so when it is invoked.
            let Ok(runtime) = runtimes.resolve(&version.configuration.runtime) else { continue };
            let Some(kind) = kind(&runtime) else { continue };
            new |= self.kinds.borrow_mut().insert(kind.name.clone(), kind).is_none();
        }
        if new {
            host.keep_parked(self.kinds.borrow().values().cloned().collect(), self.count);
        }
    }
}

fn kind(runtime: &ResolvedRuntime) -> Option<ParkedKind> {
    let (Some(_), Command::Run(argv)) = (&runtime.parked, &runtime.command) else {
        return None;
    };
    // The same for every function, and an SDK that is imported ahead reads it.
    let execution_env = runtime.execution_env.iter().map(|name| ("AWS_EXECUTION_ENV".into(), name.clone()));
    Some(ParkedKind {
        name: runtime.version_hash.clone(),
        mounts: runtime.mounts.clone(),
        argv: argv.clone(),
        env: runtime.env.iter().cloned().chain(execution_env).collect(),
        telemetry_env: runtime.framed_logs.then_some(TELEMETRY_ENV),
        processes: limits::PROCESSES,
        open_files: limits::OPEN_FILES,
        forks: runtime.forks,
    })
}

/// The kind that an environment's first process may be one of, unless something of the function's own has to be there when
/// the interpreter starts.
pub(crate) fn parked_kind(
    runtime: &ResolvedRuntime,
    configuration: &Configuration,
    code: &[Mount],
) -> Result<String, NotParked> {
    let unless = runtime.parked.as_ref().ok_or(NotParked::Runtime)?;
    let variables = configuration.environment.iter().flat_map(|secrets| &secrets.0);
    let differs = |name: &String, value: &String| {
        !runtime.env.iter().any(|(known, default)| known == name && default == value)
    };
    let mut early =
        variables.filter(|(name, value)| acts_early(unless.variables, name) && differs(name, value));
    if early.next().is_some() {
        return Err(NotParked::Variable);
    }
    let there = |path: &&str| on_host(code, path).is_some_and(|host| host.exists());
    if unless.paths.iter().any(there) {
        return Err(NotParked::Path);
    }
    Ok(runtime.version_hash.clone())
}

fn acts_early(variables: &[&str], name: &str) -> bool {
    variables.iter().any(|early| match early.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *early == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prefixes_are_told_apart() {
        let early = ["LD_*", "HOME"];
        assert!(acts_early(&early, "LD_PRELOAD") && acts_early(&early, "HOME"));
        assert!(!acts_early(&early, "HOMES") && !acts_early(&early, "OLD_PATH"));
    }
}
