//! The only crate that knows every adapter and service: it wires them together, and is the command line.

mod authority;
pub mod cli;
mod code_links;
mod companions;
mod coverage;
mod delivering;
mod elsewhere;
mod invoke_bridge;
mod measuring;
mod metrics_page;
mod own_client;
mod own_code;
mod own_service;
mod polling;
mod scheduling;
mod server;
mod shard_thread;
mod topics;

pub use lambent_sandbox_linux::launcher_main;
