//! The runtimes of this server, looked up once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambent_domain::RuntimeId;
use lambent_ports::runtimes::{
    Command, ParkedUnless, ResolvedRuntime, RuntimeCatalog, RuntimeStatus, RuntimeUnavailable,
};
use lambent_ports::sandbox::{CA_CERTIFICATE, Mount};

use crate::definition::{self, Definition, Family, PACKAGE_SETS, RETIRED};
use crate::host::{self, Python};
use crate::layout;

const PATH: &str = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin";
const LIBRARY_PATH: &str =
    "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
const BASE_ENV: [(&str, &str); 4] =
    [("PATH", PATH), ("LD_LIBRARY_PATH", LIBRARY_PATH), ("LANG", "en_US.UTF-8"), ("TZ", ":UTC")];
/// What Python, the C library or the dynamic loader read once, when the process starts. Directories of the library path
/// that are not there at that moment are never looked for again.
const PYTHON_PARKED_UNLESS: ParkedUnless = ParkedUnless {
    variables: &[
        "PYTHON*",
        "LD_*",
        "LC_*",
        "LANG",
        "LANGUAGE",
        "MALLOC_*",
        "GLIBC_TUNABLES",
        "HOME",
        "OPENSSL_*",
        "RES_OPTIONS",
        "LOCALDOMAIN",
        "AWS_LAMBDA_EXEC_WRAPPER",
    ],
    paths: &["/var/task/lib", "/opt/lib"],
};
/// The same of Node.js, ICU, OpenSSL and libuv.
const NODEJS_PARKED_UNLESS: ParkedUnless = ParkedUnless {
    variables: &[
        "NODE_*",
        "LD_*",
        "LC_*",
        "LANG",
        "LANGUAGE",
        "MALLOC_*",
        "GLIBC_TUNABLES",
        "HOME",
        "ICU_*",
        "OPENSSL_*",
        "SSL_CERT_*",
        "UV_*",
        "RES_OPTIONS",
        "LOCALDOMAIN",
        "AWS_LAMBDA_EXEC_WRAPPER",
    ],
    paths: &["/var/task/lib", "/opt/lib"],
};
/// Names a file of certificates that Node.js trusts besides its own.
const EXTRA_CERTIFICATES: &str = "NODE_EXTRA_CA_CERTS";
/// Where up to Node.js 18 that file is on AWS: [`layout::NODEJS_CERTIFICATES`].
const NODEJS_CERTIFICATES_AT: &str = "/var/runtime/ca-cert.pem";
const INSTALL: &str = "run: lambent runtime install";

type Resolution = Result<Arc<ResolvedRuntime>, RuntimeUnavailable>;

/// Runtimes as they were at start-up.
pub struct Catalog {
    resolved: BTreeMap<RuntimeId, Resolution>,
    order: Vec<Definition>,
    creatable: Vec<RuntimeId>,
}

/// What resolving looks at.
struct Host<'a> {
    root: &'a Path,
    pythons: Vec<Python>,
    strict: bool,
    certificates: Option<&'a Path>,
}

impl Catalog {
    /// Looks at the host and at what is installed below `root`. With `strict`, only an interpreter of exactly the
    /// right version will do. `certificates` is a file that takes the place of [`NODEJS_CERTIFICATES`].
    pub fn open(root: &Path, strict: bool, certificates: Option<&Path>) -> Self {
        let order = definition::all();
        let pythons = host::pythons(&host::search_dirs(), 8..30);
        let host = Host { root, pythons, strict, certificates };
        let resolved = order
            .iter()
            .map(|definition| {
                let id = RuntimeId::new(&definition.id);
                let resolution = host.resolve(&id, definition).map(Arc::new);
                let unavailable = |reason| RuntimeUnavailable::NotHere { id: id.clone(), reason };
                (id.clone(), resolution.map_err(unavailable))
            })
            .collect();
        let mut creatable: Vec<RuntimeId> =
            definition::CREATABLE_ON_AWS.iter().copied().map(RuntimeId::new).collect();
        // What runs here can be created here, whatever AWS has since retired.
        let more = order.iter().map(|definition| RuntimeId::new(&definition.id));
        let more: Vec<_> = more.filter(|id| !creatable.contains(id)).collect();
        creatable.extend(more);
        Catalog { resolved, order, creatable }
    }
}

impl Host<'_> {
    fn resolve(&self, id: &RuntimeId, definition: &Definition) -> Result<ResolvedRuntime, String> {
        match definition.family {
            Family::Python => self.python(id, definition),
            Family::Nodejs => self.nodejs(id, definition),
            Family::Custom => Ok(custom(id, definition)),
        }
    }

    /// The installed `/var/runtime` of a definition.
    fn runtime_mount(&self, definition: &Definition) -> Result<Mount, String> {
        let set = PACKAGE_SETS.iter().find(|set| Some(set.name) == definition.sdk.as_deref());
        let set = set.ok_or_else(|| "its packages are not defined".to_owned())?;
        let dir = layout::runtime_dir(self.root, definition.family, set);
        if !dir.is_dir() {
            return Err(format!("its runtime client and SDK are not installed; {INSTALL}"));
        }
        Ok(Mount { host: absolute(dir), guest: "/var/runtime".into() })
    }

    fn python(&self, id: &RuntimeId, definition: &Definition) -> Result<ResolvedRuntime, String> {
        let wanted: u32 =
            definition.version.trim_start_matches("3.").parse().map_err(|_| "a bad version".to_owned())?;
        let minors = self.pythons.iter().map(|python| python.minor);
        let minor = match host::nearest(wanted, minors) {
            Some(minor) if minor == wanted || !self.strict => minor,
            _ => {
                return Err(format!(
                    "Python 3.{wanted} is not on this host; install it (package python3.{wanted}, or pyenv install 3.{wanted})"
                ));
            }
        };
        let python = self.pythons.iter().find(|python| python.minor == minor);
        let prefix = python.map(|python| python.prefix.clone()).unwrap_or_default();
        let (binary, mut mounts) = if prefix == Path::new("/usr") {
            (format!("/usr/bin/python3.{minor}"), Vec::new())
        } else {
            let mount = Mount { host: prefix.clone(), guest: "/var/lang".into() };
            (format!("/var/lang/bin/python3.{minor}"), vec![mount])
        };
        mounts.push(self.runtime_mount(definition)?);
        let env = managed_env(definition, &[("PYTHONPATH", "/var/runtime")]);
        let warning = (minor != wanted).then(|| {
            format!("Python 3.{wanted} is not on this host: Python 3.{minor} runs this function instead")
        });
        let command = vec![binary, "/var/runtime/bootstrap.py".into()];
        let version = format!("python:{}.v1", definition.version);
        let parked = Some(PYTHON_PARKED_UNLESS);
        let managed = managed(id, mounts, command, env, version, warning);
        Ok(ResolvedRuntime { parked, forks: true, ..managed })
    }

    fn nodejs(&self, id: &RuntimeId, definition: &Definition) -> Result<ResolvedRuntime, String> {
        let installed = |definition: &Definition| -> Option<Mount> {
            let dir = layout::node_dir(self.root, definition.binary.as_deref()?);
            if dir.join("bin/node").is_file() {
                return Some(Mount { host: absolute(dir), guest: "/var/lang".into() });
            }
            let noted =
                std::fs::read_to_string(layout::host_node_note(self.root, &definition.version)).ok()?;
            let host = PathBuf::from(noted.trim());
            host.is_file().then(|| Mount { host, guest: "/var/lang/bin/node".into() })
        };
        let major = |definition: &Definition| definition.version.parse::<u32>().unwrap_or(0);
        let wanted = major(definition);
        let all: Vec<(u32, Mount)> = definition::all()
            .iter()
            .filter(|other| other.family == Family::Nodejs)
            .filter_map(|other| Some((major(other), installed(other)?)))
            .collect();
        let version = match host::nearest(wanted, all.iter().map(|(major, _)| *major)) {
            Some(version) if version == wanted || !self.strict => version,
            _ => return Err(format!("Node.js {wanted} is not on this host; {INSTALL}")),
        };
        let node = all.into_iter().find(|(major, _)| *major == version).map(|(_, mount)| mount);
        let runtime = self.runtime_mount(definition)?;
        // `import` does not look at NODE_PATH: it finds the SDK here, behind what the function itself brings.
        let modules = Mount { host: runtime.host.join("node_modules"), guest: "/node_modules".into() };
        let mut mounts: Vec<Mount> = node.into_iter().chain([runtime, modules]).collect();
        let path = format!(
            "/opt/nodejs/node{wanted}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
        );
        // Read when the interpreter starts. Where AWS has a file of its own there, ours takes its place.
        let env = managed_env(definition, &[("NODE_PATH", &path), (EXTRA_CERTIFICATES, CA_CERTIFICATE)]);
        if let Some(file) = self.certificates
            && definition.env.get(EXTRA_CERTIFICATES).is_some_and(|path| path == NODEJS_CERTIFICATES_AT)
        {
            mounts.push(Mount { host: absolute(file.to_owned()), guest: NODEJS_CERTIFICATES_AT.into() });
        }
        let warning = (version != wanted).then(|| {
            format!("Node.js {wanted} is not on this host: Node.js {version} runs this function instead")
        });
        let command = vec!["/var/lang/bin/node".into(), "/var/runtime/bootstrap.js".into()];
        let parked = Some(NODEJS_PARKED_UNLESS);
        Ok(ResolvedRuntime {
            parked,
            ..managed(id, mounts, command, env, format!("nodejs:{wanted}.v1"), warning)
        })
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

fn env(defaults: &[(&str, &str)], definition: &Definition) -> Vec<(String, String)> {
    let defaults = defaults.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut env: BTreeMap<String, String> = defaults.collect();
    env.extend(definition.env.clone());
    env.into_iter().collect()
}

/// AWS starts managed runtimes from a shell, and this is what that leaves behind.
const FROM_A_SHELL: [(&str, &str); 2] = [("PWD", "/var/task"), ("SHLVL", "0")];

fn managed_env(definition: &Definition, family: &[(&str, &str)]) -> Vec<(String, String)> {
    env(&[&BASE_ENV[..], &FROM_A_SHELL, family].concat(), definition)
}

fn managed(
    id: &RuntimeId,
    mounts: Vec<Mount>,
    command: Vec<String>,
    env: Vec<(String, String)>,
    version: String,
    warning: Option<String>,
) -> ResolvedRuntime {
    ResolvedRuntime {
        id: id.clone(),
        version_hash: layout::version_hash(&format!("{version} {mounts:?}")),
        mounts,
        command: Command::Run(command),
        env,
        execution_env: Some(format!("AWS_Lambda_{id}")),
        version,
        framed_logs: true,
        parked: None,
        forks: false,
        warning,
    }
}

fn custom(id: &RuntimeId, definition: &Definition) -> ResolvedRuntime {
    let version = format!("provided:{}.v1", definition.version);
    ResolvedRuntime {
        id: id.clone(),
        mounts: Vec::new(),
        command: Command::FirstOf(["/var/task/bootstrap", "/opt/bootstrap"].map(str::to_owned).to_vec()),
        env: env(&BASE_ENV, definition),
        execution_env: None,
        version_hash: layout::version_hash(&version),
        version,
        framed_logs: false,
        parked: None,
        forks: false,
        warning: None,
    }
}

/// In words.
fn parkable(parked: Option<ParkedUnless>) -> Result<String, String> {
    let Some(unless) = parked else {
        return Err("what a package brings is executed, in a sandbox that had been waiting".into());
    };
    let (variables, paths) = (unless.variables.join(", "), unless.paths.join(", "));
    Ok(format!("all with 512 MB of /tmp that set none of {variables} and bring none of {paths}"))
}

impl RuntimeCatalog for Catalog {
    fn resolve(&self, id: &RuntimeId) -> Resolution {
        if let Some(resolution) = self.resolved.get(id) {
            return resolution.clone();
        }
        if RETIRED.contains(&id.as_str()) {
            return Err(RuntimeUnavailable::Deprecated(id.clone()));
        }
        if definition::CREATABLE_ON_AWS.contains(&id.as_str()) {
            let reason =
                "Lambent does not run this language yet; provided.al2023 runs anything with a bootstrap";
            return Err(RuntimeUnavailable::NotHere { id: id.clone(), reason: reason.into() });
        }
        Err(RuntimeUnavailable::Unknown(id.clone()))
    }

    fn creatable(&self) -> &[RuntimeId] {
        &self.creatable
    }

    fn status(&self) -> Vec<RuntimeStatus> {
        let line = |definition: &Definition| {
            let id = RuntimeId::new(&definition.id);
            let resolution = self.resolve(&id);
            let note = match &resolution {
                Ok(runtime) => runtime.warning.clone(),
                Err(_) => None,
            };
            let parked = parkable(resolution.as_deref().ok().and_then(|runtime| runtime.parked));
            let state = match resolution {
                Ok(runtime) => Ok(match &runtime.command {
                    Command::Run(argv) => {
                        let from = runtime.mounts.first().map(|mount| mount.host.display().to_string());
                        from.filter(|_| argv[0].starts_with("/var/lang")).unwrap_or_else(|| argv[0].clone())
                    }
                    Command::FirstOf(_) => "the package's own bootstrap".into(),
                }),
                Err(unavailable) => Err(match unavailable {
                    RuntimeUnavailable::NotHere { reason, .. } => reason,
                    other => other.to_string(),
                }),
            };
            RuntimeStatus {
                id,
                state,
                parked,
                note: note.or(Some(format!("AWS's end of support: {}", definition.deprecated))),
            }
        };
        self.order.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path(), false, None);
        let missing = catalog.resolve(&RuntimeId::new("nodejs20.x")).unwrap_err().to_string();
        assert!(missing.contains("lambent runtime install"), "{missing}");
        let other = |id: &str| catalog.resolve(&RuntimeId::new(id));
        assert!(matches!(other("java21"), Err(RuntimeUnavailable::NotHere { .. })));
        assert!(matches!(other("python3.7"), Err(RuntimeUnavailable::Deprecated(_))));
        assert!(matches!(other("cobol"), Err(RuntimeUnavailable::Unknown(_))));
        let custom = other("provided.al2023").unwrap();
        assert_eq!((custom.execution_env.as_deref(), custom.framed_logs), (None, false));
    }

    #[test]
    fn layers_are_where_the_language_looks() {
        let dir = tempfile::tempdir().unwrap();
        for definition in definition::all().iter().filter(|definition| definition.family == Family::Nodejs) {
            let set = PACKAGE_SETS.iter().find(|set| Some(set.name) == definition.sdk.as_deref()).unwrap();
            std::fs::create_dir_all(layout::runtime_dir(dir.path(), Family::Nodejs, set)).unwrap();
            let node = layout::node_dir(dir.path(), definition.binary.as_deref().unwrap()).join("bin");
            std::fs::create_dir_all(&node).unwrap();
            std::fs::write(node.join("node"), "").unwrap();
        }
        let catalog = Catalog::open(dir.path(), true, None);
        let variable = |id: &str, name: &str| {
            let runtime = catalog.resolve(&RuntimeId::new(id)).unwrap();
            runtime.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        assert_eq!(
            variable("nodejs22.x", "NODE_PATH").unwrap(),
            "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
        );
        for id in ["nodejs22.x", "provided.al2023"] {
            assert!(variable(id, "PATH").unwrap().split(':').any(|place| place == "/opt/bin"));
            assert!(variable(id, "LD_LIBRARY_PATH").unwrap().split(':').any(|place| place == "/opt/lib"));
        }
        assert_eq!(variable("provided.al2023", "NODE_PATH"), None);
        let custom = catalog.resolve(&RuntimeId::new("provided")).unwrap();
        let candidates = ["/var/task/bootstrap", "/opt/bootstrap"].map(str::to_owned);
        assert_eq!(custom.command, Command::FirstOf(candidates.to_vec()));
    }
}
