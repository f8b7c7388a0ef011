//! Every option of the server, once: from these definitions come the command line, the environment variables, the keys
//! of `lambent.toml`, the help and the table in the documentation.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, ValueEnum};
use lambent_delivery::decide::RETRY_BASE_MS;
use lambent_domain::limits::{MEMORY_QUEUE, SCALING_RATE};
use lambent_kit::sigv4::Credentials;
use lambent_s3_source::S3Options;

use crate::cli::services::Services;

/// `lambent serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// Address and port for every service; port 0 picks a free one
    #[arg(long, env = "LAMBENT_LISTEN", default_value = "127.0.0.1:4566", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where everything is kept
    #[arg(long, env = "LAMBENT_DATA_DIR", default_value = ".lambent", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where interpreters' packages are installed; shared between servers. Default: <data-dir>/runtimes
    #[arg(long, env = "LAMBENT_RUNTIMES_DIR", value_name = "DIR")]
    pub runtimes_dir: Option<PathBuf>,
    /// Region of requests that don't name one
    #[arg(long, env = "LAMBENT_REGION", default_value = "us-east-1")]
    pub region: String,
    /// Account of access keys that aren't themselves a 12-digit account id
    #[arg(long, env = "LAMBENT_ACCOUNT_ID", default_value = "123456789012")]
    pub account_id: String,
    /// Settings from a TOML file; its keys are these options with underscores
    #[arg(long, env = "LAMBENT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Whether signatures and permissions are checked
    #[arg(long, env = "LAMBENT_AUTH", value_enum, default_value = "off")]
    pub auth: Auth,
    /// Least severe messages of the server's own log: error, warn, info, debug or trace, or a filter by module
    #[arg(long, env = "LAMBENT_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
    /// Form of the server's own log
    #[arg(long, env = "LAMBENT_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Seconds that running invokes get to finish when the server is told to stop
    #[arg(long, env = "LAMBENT_GRACE_S", default_value_t = 30, value_name = "SECONDS")]
    pub grace_s: u64,
    /// Concurrent executions of the account; more are refused with 429
    #[arg(long, env = "LAMBENT_ACCOUNT_CONCURRENCY", default_value_t = 1_000, value_name = "COUNT")]
    pub account_concurrency: u32,
    /// Asynchronous invokes running at the same time, so that callers that wait find room; 0 means half of the account's
    /// concurrency and at most 32 per core
    #[arg(long, env = "LAMBENT_ASYNC_CONCURRENCY", default_value_t = 0, value_name = "COUNT")]
    pub async_concurrency: usize,
    /// Milliseconds before an event is tried again whose function failed; AWS's other delays are shortened in proportion.
    /// For tests of functions
    #[arg(long, env = "LAMBENT_ASYNC_RETRY_BASE_MS", default_value_t = RETRY_BASE_MS, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(1..=RETRY_BASE_MS))]
    pub async_retry_base_ms: u64,
    /// Environments that start at the same time; 0 means two per core, and more of them while processors are idle
    #[arg(long, env = "LAMBENT_CONCURRENT_STARTS", default_value_t = 0, value_name = "COUNT")]
    pub concurrent_starts: usize,
    /// Environments that one function may gain in 10 seconds; more are refused with 429. 0 is any number
    #[arg(long, env = "LAMBENT_SCALING_RATE", default_value_t = SCALING_RATE, value_name = "COUNT")]
    pub scaling_rate: u32,
    /// Memory of all environments, MiB, as they have been seen to use it; beyond it idle ones make room, then requests wait.
    /// 0 means what the host, or this server's control group, has free at the start without a twentieth. What is left free
    /// while it runs counts in either case
    #[arg(long, env = "LAMBENT_ENVIRONMENTS_MAX_MB", default_value_t = 0, value_name = "MIB")]
    pub environments_max_mb: u64,
    /// Requests that may wait for memory, each for 10 seconds; the others are refused with 429
    #[arg(long, env = "LAMBENT_MEMORY_QUEUE", default_value_t = MEMORY_QUEUE, value_name = "COUNT")]
    pub memory_queue: usize,
    /// Seconds after which an idle environment is ended
    #[arg(long, env = "LAMBENT_KEEP_ALIVE_S", default_value_t = 600, value_name = "SECONDS")]
    pub keep_alive_s: u64,
    /// Milliseconds after which an idle environment's processes are frozen
    #[arg(long, env = "LAMBENT_FREEZE_AFTER_MS", default_value_t = 500, value_name = "MS")]
    pub freeze_after_ms: u64,
    /// Interpreters of each runtime in use that wait for an environment to start; Python about 3 MiB each, Node.js 30
    #[arg(long, env = "LAMBENT_PARKED_MIN", default_value_t = 2, value_name = "COUNT")]
    pub parked_min: u32,
    /// At most so many of each, while they are in demand; 0 parks none
    #[arg(long, env = "LAMBENT_PARKED_MAX", default_value_t = 8, value_name = "COUNT")]
    pub parked_max: u32,
    /// What functions can reach: what the host reaches (nat), nothing (none), or the host's own addresses too (host); auto is
    /// nat where the host can do it. The host's loopback and link-local addresses are closed in each
    #[arg(long, env = "LAMBENT_EGRESS", value_enum, default_value = "auto")]
    pub egress: Egress,
    /// Refuse a runtime whose exact interpreter is missing, instead of taking the nearest version
    #[arg(long, env = "LAMBENT_STRICT_RUNTIMES")]
    pub strict_runtimes: bool,
    /// Disk space for log events, MiB; beyond it the oldest are dropped
    #[arg(long, env = "LAMBENT_LOGS_MAX_MB", default_value_t = 2_048, value_name = "MIB")]
    pub logs_max_mb: u64,
    /// Disk space for metrics, MiB; beyond it the oldest data points of the shortest periods are dropped
    #[arg(long, env = "LAMBENT_METRICS_MAX_MB", default_value_t = 512, value_name = "MIB")]
    pub metrics_max_mb: u64,
    /// TOML file of signing profile versions' ARNs, each with a PEM file of its public key or certificate
    #[arg(long, env = "LAMBENT_SIGNING_PROFILES", value_name = "FILE")]
    pub signing_profiles: Option<PathBuf>,
    /// Services that are elsewhere
    #[command(flatten)]
    pub services: Services,
    /// Where code comes from that is given by bucket and key
    #[command(flatten)]
    pub s3: S3,
}

/// Where code comes from that functions and layers name by bucket and key.
#[derive(Args, Clone, Debug, Default)]
pub struct S3 {
    /// Another S3 than this server's, or what speaks its protocol, for code given by bucket and key
    #[arg(long, env = "LAMBENT_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Region that requests to S3 are signed for. Default: that of the request that names the code
    #[arg(long, env = "LAMBENT_S3_REGION", value_name = "REGION")]
    pub s3_region: Option<String>,
    /// Access key for S3; without one requests are not signed
    #[arg(long, env = "LAMBENT_S3_ACCESS_KEY_ID", value_name = "ID")]
    pub s3_access_key_id: Option<String>,
    /// Its secret; only from the environment or the config file
    #[arg(
        long,
        env = "LAMBENT_S3_SECRET_ACCESS_KEY",
        value_name = "SECRET",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub s3_secret_access_key: Option<Secret>,
    /// PEM file of certificate authorities to trust for S3 instead of the host's
    #[arg(long, env = "LAMBENT_S3_CA_BUNDLE", value_name = "FILE")]
    pub s3_ca_bundle: Option<PathBuf>,
}

/// Options that every user of the host could read from a command line.
const SECRETS: &[&str] = &["s3_secret_access_key", "service_secret_access_key"];

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Secret(secret)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl S3 {
    /// As the adapter takes it. An option that would be without effect is an error.
    pub fn options(&self) -> anyhow::Result<S3Options> {
        let credentials = credentials("s3", &self.s3_access_key_id, &self.s3_secret_access_key)?;
        let region = match self.s3_region.as_deref() {
            None => None,
            Some(text) => Some(
                lambent_domain::Region::parse(text)
                    .with_context(|| format!("--s3-region {text}: a region is a word such as us-east-1"))?,
            ),
        };
        let more = credentials.is_some() || region.is_some() || self.s3_ca_bundle.is_some();
        if self.s3_endpoint.is_none() && more {
            bail!("the options for S3 need --s3-endpoint");
        }
        Ok(S3Options {
            endpoint: self.s3_endpoint.clone(),
            region,
            credentials,
            ca_bundle: self.s3_ca_bundle.clone(),
        })
    }
}

/// Both parts of an access key, or none of them.
pub(crate) fn credentials(
    of: &str,
    id: &Option<String>,
    secret: &Option<Secret>,
) -> anyhow::Result<Option<Credentials>> {
    match (id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(Secret(secret))) => {
            Ok(Some(Credentials { access_key_id: id.clone(), secret_access_key: secret.clone() }))
        }
        _ => bail!(
            "--{of}-access-key-id and LAMBENT_{}_SECRET_ACCESS_KEY are given together or not at all",
            of.to_uppercase()
        ),
    }
}

/// `--auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Any credentials and any well-formed role are accepted; only on a loopback address
    Off,
    /// Signatures are verified, and every operation is authorised by IAM's policies; required on any other address
    Enforce,
}

/// `--egress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Egress {
    /// nat where the host can do it, else none, with a warning
    Auto,
    /// What the host reaches, under its address; not the host itself
    Nat,
    /// Nothing
    None,
    /// What the host reaches, and its own addresses
    Host,
}

impl Egress {
    /// As the adapter takes it.
    pub fn mode(self) -> lambent_sandbox_linux::Egress {
        match self {
            Egress::Auto => lambent_sandbox_linux::Egress::Auto,
            Egress::Nat => lambent_sandbox_linux::Egress::Nat,
            Egress::None => lambent_sandbox_linux::Egress::None,
            Egress::Host => lambent_sandbox_linux::Egress::Host,
        }
    }
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

impl ServeOptions {
    /// Where runtimes are installed.
    pub fn runtimes_dir(&self) -> PathBuf {
        self.runtimes_dir.clone().unwrap_or_else(|| self.data_dir.join("runtimes"))
    }

    /// What can be said about the options before anything is opened.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.auth == Auth::Off && !self.listen.ip().is_loopback() {
            bail!(
                "--listen {}: with --auth off anyone who reaches the port can run code; only loopback addresses are allowed, others take --auth enforce",
                self.listen
            );
        }
        if lambent_domain::AccountId::parse(&self.account_id).is_none() {
            bail!("--account-id {}: an account id is twelve digits", self.account_id);
        }
        if lambent_domain::Region::parse(&self.region).is_none() {
            bail!("--region {}: a region is a word such as us-east-1", self.region);
        }
        self.services.remotes().map(drop)?;
        self.s3.options().map(drop)
    }
}

/// Parses a command line in two passes: the second has the config file's values as defaults, so that the order of
/// precedence is flag, environment variable, config file, default — with one parser for all of them.
pub fn parse<P: CommandFactory + FromArgMatches>(
    arguments: Vec<OsString>,
    subcommand: &str,
) -> anyhow::Result<Result<P, clap::Error>> {
    let command = P::command();
    let first = match command.clone().try_get_matches_from(arguments.clone()) {
        Ok(matches) => matches,
        Err(error) => return Ok(Err(error)),
    };
    refuse_secrets(&first, subcommand)?;
    let file = first
        .subcommand()
        .filter(|(name, _)| *name == subcommand)
        .and_then(|(_, matches)| matches.try_get_one::<PathBuf>("config").ok().flatten().cloned());
    let matches = match file {
        None => first,
        Some(path) => {
            let command = command.mut_subcommand(subcommand, |serve| serve);
            let command = with_defaults(command, subcommand, &path)?;
            match command.try_get_matches_from(arguments) {
                Ok(matches) => matches,
                Err(error) => return Ok(Err(error)),
            }
        }
    };
    Ok(P::from_arg_matches(&matches))
}

fn refuse_secrets(matches: &ArgMatches, subcommand: &str) -> anyhow::Result<()> {
    let Some((_, serve)) = matches.subcommand().filter(|(name, _)| *name == subcommand) else {
        return Ok(());
    };
    for secret in SECRETS {
        if matches!(serve.try_contains_id(secret), Ok(true))
            && serve.value_source(secret) == Some(ValueSource::CommandLine)
        {
            bail!(
                "--{}: everybody on this host can read a command line; set LAMBENT_{} or `{secret}` in the config file",
                secret.replace('_', "-"),
                secret.to_uppercase()
            );
        }
    }
    Ok(())
}

fn with_defaults(command: clap::Command, subcommand: &str, path: &Path) -> anyhow::Result<clap::Command> {
    let text = std::fs::read_to_string(path).with_context(|| format!("config file {}", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("config file {}", path.display()))?;
    let known: Vec<String> = command
        .find_subcommand(subcommand)
        .map(|serve| serve.get_arguments().map(|argument| argument.get_id().to_string()).collect())
        .unwrap_or_default();
    let mut command = command;
    for (key, value) in table {
        if !known.contains(&key) || key == "config" {
            let keys: Vec<_> =
                known.iter().filter(|key| *key != "config" && *key != "help").cloned().collect();
            bail!("config file {}: unknown key `{key}`; the keys are {}", path.display(), keys.join(", "));
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            other => bail!("config file {}: `{key}` can't be {}", path.display(), other.type_str()),
        };
        command = command.mut_subcommand(subcommand, |serve| {
            serve.mut_arg(&key, |argument| {
                if matches!(argument.get_action(), clap::ArgAction::SetTrue) && text == "false" {
                    argument
                } else {
                    argument.default_value(text)
                }
            })
        });
    }
    Ok(command)
}

/// The options as a Markdown table.
pub fn markdown(command: &clap::Command) -> String {
    let mut table =
        String::from("| option | environment | config key | default | meaning |\n|---|---|---|---|---|\n");
    for argument in command.get_arguments().filter(|argument| argument.get_env().is_some()) {
        let key = argument.get_id().as_str();
        let default: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let default = if default.is_empty() { "–".to_owned() } else { format!("`{}`", default.join(" ")) };
        let environment =
            argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let key_shown = if key == "config" { "–".to_owned() } else { format!("`{key}`") };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let long = argument.get_long().unwrap_or(key);
        let option = if SECRETS.contains(&key) { "–".to_owned() } else { format!("`--{long}`") };
        table.push_str(&format!("| {option} | `{environment}` | {key_shown} | {default} | {help} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Cli {
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(clap::Subcommand, Debug)]
    enum Sub {
        Serve(ServeOptions),
    }

    fn serve(arguments: &[&str]) -> anyhow::Result<ServeOptions> {
        let arguments = ["lambent", "serve"].iter().chain(arguments).map(OsString::from).collect();
        let Sub::Serve(options) = parse::<Cli>(arguments, "serve")??.command;
        Ok(options)
    }

    #[test]
    fn a_flag_beats_the_config_file_which_beats_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lambent.toml");
        std::fs::write(&file, "region = 'eu-west-1'\ngrace_s = 7\nstrict_runtimes = true\n").unwrap();
        let file = file.to_str().unwrap();
        let options = serve(&["--config", file, "--grace-s", "9"]).unwrap();
        assert_eq!(
            (options.region.as_str(), options.grace_s, options.strict_runtimes),
            ("eu-west-1", 9, true)
        );
        assert_eq!(serve(&[]).unwrap().region, "us-east-1");
    }

    #[test]
    fn an_unknown_key_and_a_bad_value_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lambent.toml");
        std::fs::write(&file, "regoin = 'eu-west-1'\n").unwrap();
        let error = serve(&["--config", file.to_str().unwrap()]).unwrap_err().to_string();
        assert!(error.contains("regoin") && error.contains("region"), "{error}");
        std::fs::write(&file, "grace_s = 'soon'\n").unwrap();
        assert!(serve(&["--config", file.to_str().unwrap()]).is_err());
    }

    #[test]
    fn only_loopback_is_served_without_authentication() {
        assert!(serve(&["--listen", "0.0.0.0:4566"]).unwrap().check().is_err());
        assert!(serve(&["--listen", "[::1]:0"]).unwrap().check().is_ok());
        assert!(serve(&["--auth", "enforce"]).unwrap().check().is_ok());
        assert!(serve(&["--auth", "enforce", "--listen", "0.0.0.0:4566"]).unwrap().check().is_ok());
        assert!(serve(&["--account-id", "12"]).unwrap().check().is_err());
    }

    #[test]
    fn secrets_come_from_the_config_file_and_are_never_shown() {
        let flags = ["--s3-endpoint", "http://127.0.0.1:9000", "--s3-access-key-id", "AKIA"];
        assert!(serve(&flags).unwrap().check().unwrap_err().to_string().contains("together"));
        let error = serve(&[&flags[..], &["--s3-secret-access-key", "hunter2"]].concat()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("LAMBENT_S3_SECRET_ACCESS_KEY") && !error.contains("hunter2"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lambent.toml");
        std::fs::write(&file, "s3_secret_access_key = 'hunter2'\n").unwrap();
        let with_file = [&flags[..], &["--config", file.to_str().unwrap()]].concat();
        let options = serve(&with_file).unwrap();
        options.check().unwrap();
        assert_eq!(options.s3.options().unwrap().credentials.unwrap().secret_access_key, "hunter2");
        assert!(!format!("{options:?}").contains("hunter2"));
        let help = serve(&[&with_file[..], &["--help"]].concat()).unwrap_err().to_string();
        assert!(help.contains("--s3-endpoint") && !help.contains("hunter2"), "{help}");
    }

    #[test]
    fn options_for_s3_without_an_endpoint_are_refused() {
        assert!(serve(&["--s3-region", "eu-west-1"]).unwrap().check().is_err());
        let endpoint = ["--s3-endpoint", "http://127.0.0.1:9000"];
        assert!(serve(&endpoint).unwrap().check().is_ok());
        assert!(serve(&[&endpoint[..], &["--s3-region", "no region"]].concat()).unwrap().check().is_err());
    }

    #[test]
    fn every_option_has_an_environment_variable_of_its_name() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for argument in serve.get_arguments().filter(|argument| argument.get_id() != "help") {
            let expected = format!("LAMBENT_{}", argument.get_id().as_str().to_uppercase());
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
        }
        assert!(markdown(serve).contains("| `--listen` | `LAMBENT_LISTEN` | `listen` |"));
    }
}
