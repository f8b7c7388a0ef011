//! The command line.
#![allow(clippy::print_stdout, reason = "a command line tool talks on standard output")]

mod doctor;
pub mod options;
mod runtime;
pub mod services;
pub(crate) mod signing;
mod trigger;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use options::{LogFormat, ServeOptions};

/// AWS Lambda on your own machines.
#[derive(Parser, Debug)]
#[command(name = "lambent", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server
    Serve(Box<ServeOptions>),
    /// Say what this host offers, what is missing and how to get it
    Doctor(HostOptions),
    /// Print the variables that point the AWS CLI and SDKs here
    Env {
        /// The server's URL
        #[arg(long, default_value = "http://127.0.0.1:4566")]
        url: String,
        /// Region to work in
        #[arg(long, default_value = "us-east-1")]
        region: String,
    },
    /// Print the variables with the account's own key, which a server with --auth enforce makes when it first starts
    Credentials {
        /// Where the server keeps everything
        #[arg(long, env = "LAMBENT_DATA_DIR", default_value = ".lambent", value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// List or install runtimes
    Runtime {
        #[command(subcommand)]
        command: RuntimeCommand,
    },
    /// Let buckets call functions
    Trigger {
        #[command(subcommand)]
        command: trigger::TriggerCommand,
    },
    /// Sign a package, for functions with a code-signing configuration
    Sign(signing::SignOptions),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    #[command(hide = true, name = "__options")]
    Options,
    #[command(hide = true, name = "__coverage")]
    Coverage,
}

/// Where runtimes are.
#[derive(clap::Args, Clone, Debug)]
struct HostOptions {
    /// Where the server keeps everything
    #[arg(long, env = "LAMBENT_DATA_DIR", default_value = ".lambent", value_name = "DIR")]
    data_dir: PathBuf,
    /// Where interpreters' packages are installed; default: <data-dir>/runtimes
    #[arg(long, env = "LAMBENT_RUNTIMES_DIR", value_name = "DIR")]
    runtimes_dir: Option<PathBuf>,
}

impl HostOptions {
    fn root(&self) -> PathBuf {
        self.runtimes_dir.clone().unwrap_or_else(|| self.data_dir.join("runtimes"))
    }
}

#[derive(Subcommand, Debug)]
enum RuntimeCommand {
    /// Show every runtime and where its interpreter comes from
    List(HostOptions),
    /// Install what runtimes need: clients, SDKs, interpreters
    Install {
        #[command(flatten)]
        host: HostOptions,
        /// Only these, such as python3.12 nodejs20.x; all when none is given
        ids: Vec<String>,
    },
}

/// Runs a command line; the exit status is in the result.
pub fn main(arguments: Vec<OsString>) -> i32 {
    let result = match options::parse::<Cli>(arguments, "serve") {
        Ok(Ok(cli)) => run(cli.command),
        Ok(Err(error)) => {
            let _ = error.print();
            return error.exit_code();
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("lambent: {error:#}");
            1
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(options) => serve(&options),
        Command::Doctor(host) => doctor::run(&host.root()),
        Command::Env { url, region } => {
            for (name, value) in environment(&url, &region) {
                println!("export {name}={value}");
            }
            Ok(())
        }
        Command::Credentials { data_dir } => {
            let key = crate::authority::root(&data_dir)?;
            println!("export AWS_ACCESS_KEY_ID={}", key.access_key_id);
            println!("export AWS_SECRET_ACCESS_KEY={}", key.secret_access_key);
            Ok(())
        }
        Command::Runtime { command: RuntimeCommand::List(host) } => runtime::list(&host.root()),
        Command::Runtime { command: RuntimeCommand::Install { host, ids } } => {
            runtime::install(&host.root(), &ids)
        }
        Command::Trigger { command } => trigger::run(command),
        Command::Sign(options) => signing::sign(&options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "lambent", &mut std::io::stdout());
            Ok(())
        }
        Command::Options => {
            let command = Cli::command();
            if let Some(serve) = command.find_subcommand("serve") {
                print!("{}", options::markdown(serve));
            }
            Ok(())
        }
        Command::Coverage => {
            print!("{}", crate::coverage::markdown());
            Ok(())
        }
    }
}

fn environment<'a>(url: &'a str, region: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", region),
        // Version 1 of the AWS CLI knows only this one.
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
}

fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    // S3's front calls every refusal of a client an error; a filter that names it still shows them.
    let filter = format!("s3s=off,{}", options.log_level);
    lambent_kit::telemetry::start(&filter, options.log_format == LogFormat::Json)
        .map_err(anyhow::Error::msg)?;
    let region = options.region.clone();
    let own_key = (options.auth == options::Auth::Enforce)
        .then(|| crate::authority::root_file(&options.data_dir).display().to_string());
    crate::server::run(options, |url| {
        println!("listening on {url}");
        println!("\nTry, in another shell:");
        for (name, value) in environment(url, &region) {
            // Where keys count, the account's own is in a file that only this user can read.
            match &own_key {
                Some(_) if matches!(name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY") => {}
                _ => println!("  export {name}={value}"),
            }
        }
        if let Some(file) = &own_key {
            println!("  export AWS_SHARED_CREDENTIALS_FILE={file}");
        }
        println!("  aws lambda list-functions");
    })
}
