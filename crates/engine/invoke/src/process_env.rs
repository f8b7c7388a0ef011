//! The environment of a function's process, AWS's name by name (`facts` 2.8).

use std::collections::BTreeMap;

use lambent_domain::log_config::LogFormat;
use lambent_domain::{Deployment, FunctionKey};
use lambent_kit::random::Random;
use lambent_ports::runtimes::ResolvedRuntime;
use lambent_ports::sandbox::CA_BUNDLE;

/// Why an environment is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitializationType {
    /// For a request that waits.
    OnDemand,
    /// Ahead of requests, because it is provisioned.
    ProvisionedConcurrency,
}

impl InitializationType {
    fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
        }
    }
}

/// What the environment of one sandbox is made of.
pub(crate) struct ProcessEnv<'a> {
    pub(crate) function: &'a FunctionKey,
    pub(crate) deployment: &'a Deployment,
    pub(crate) runtime: &'a ResolvedRuntime,
    pub(crate) log_stream: &'a str,
    pub(crate) runtime_api: &'a str,
    pub(crate) services: &'a str,
    pub(crate) initialization_type: InitializationType,
    pub(crate) random: &'a dyn Random,
}

impl ProcessEnv<'_> {
    /// Runtime defaults first, then the user's variables, then what nobody may override.
    pub(crate) fn build(&self) -> Vec<(String, String)> {
        let configuration = &self.deployment.configuration;
        let mut env: BTreeMap<String, String> = self.runtime.env.iter().cloned().collect();
        if let Some(variables) = &configuration.environment {
            env.extend(variables.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        // Current SDKs find this server's services there. A function may know better.
        env.entry("AWS_ENDPOINT_URL".into()).or_insert_with(|| format!("http://{}", self.services));
        // The others find them under AWS's names, and trust whom these say. OpenSSL's paths are not enough: botocore
        // and `requests` bring certificates of their own.
        for name in ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
            env.entry(name.into()).or_insert_with(|| CA_BUNDLE.into());
        }
        let mut set = |name: &str, value: &str| {
            env.insert(name.to_owned(), value.to_owned());
        };
        let region = self.function.scope.region.as_str();
        let name = self.function.name.as_str();
        set("_HANDLER", &configuration.handler);
        set("AWS_REGION", region);
        set("AWS_DEFAULT_REGION", region);
        if let Some(execution_env) = &self.runtime.execution_env {
            set("AWS_EXECUTION_ENV", execution_env);
        }
        set("AWS_LAMBDA_FUNCTION_NAME", name);
        set("AWS_LAMBDA_FUNCTION_VERSION", &self.deployment.version.to_string());
        set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &configuration.memory_mb.to_string());
        set("AWS_LAMBDA_LOG_GROUP_NAME", &configuration.log_group(name));
        set("AWS_LAMBDA_LOG_STREAM_NAME", self.log_stream);
        set("AWS_LAMBDA_INITIALIZATION_TYPE", self.initialization_type.as_str());
        set("AWS_LAMBDA_RUNTIME_API", self.runtime_api);
        set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
        set("AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1:2000");
        set("_AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1");
        set("_AWS_XRAY_DAEMON_PORT", "2000");
        set("LAMBDA_TASK_ROOT", "/var/task");
        set("LAMBDA_RUNTIME_DIR", "/var/runtime");
        if let LogFormat::Json { application, .. } = configuration.log.format {
            set("AWS_LAMBDA_LOG_FORMAT", "JSON");
            set("AWS_LAMBDA_LOG_LEVEL", application.as_str());
        }
        for (name, value) in credentials(self.random) {
            set(name, &value);
        }
        env.into_iter().collect()
    }
}

/// Credentials of the form that AWS gives a role session. They are fresh for every environment. Without `--auth
/// enforce` nothing checks them; the session token names no secret.
fn credentials(random: &dyn Random) -> [(&'static str, String); 3] {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let key: String = random.bytes16().iter().map(|byte| BASE32[(byte & 31) as usize] as char).collect();
    let hex = |bytes: [u8; 16]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    [
        ("AWS_ACCESS_KEY_ID", format!("ASIA{key}")),
        ("AWS_SECRET_ACCESS_KEY", format!("{}{}", hex(random.bytes16()), &hex(random.bytes16())[..8])),
        ("AWS_SESSION_TOKEN", format!("IQoJb3JpZ2luX2Vj{}{}", hex(random.bytes16()), hex(random.bytes16()))),
    ]
}

/// `yyyy/mm/dd/[<version>]<32 hex>`; with a custom group the function's name comes before the version (`facts` 7.2).
pub(crate) fn log_stream_name(
    function: &FunctionKey,
    deployment: &Deployment,
    date: &str,
    random: [u8; 16],
) -> String {
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = match deployment.configuration.log.group {
        Some(_) => function.name.as_str(),
        None => "",
    };
    format!("{date}/{name}[{}]{hex}", deployment.version)
}
