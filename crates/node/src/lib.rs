//! The only crate that knows every adapter and service: it wires them together, and is the command line.

pub mod cli;
mod code_links;
mod metrics_page;
mod own_service;
mod shard_thread;
