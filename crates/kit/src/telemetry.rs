//! The server's own log.

use tracing_subscriber::EnvFilter;

/// Sends `tracing` events to standard error. `filter` is a level or a list of `module=level`. Returns the reason when the
/// filter can't be read. The subscriber is the process's: call it once, from a command line and not from a library.
pub fn start(filter: &str, json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log level `{filter}`: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(json)
        // It would say with `eprintln!` that standard error can not be written, and that ends the thread.
        .log_internal_errors(false);
    if json { builder.json().try_init() } else { builder.try_init() }.map_err(|error| error.to_string())
}
