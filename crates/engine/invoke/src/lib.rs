//! The hot path: from an invocation to an answer, through an execution environment.
//!
//! Everything but the log pipeline lives on one shard's thread and is not `Send`; the thread is shared with the
//! client front and the runtime front, so that a warm invoke crosses no thread. Nothing here knows HTTP, a store or the
//! control plane: what can be invoked comes from [`FunctionTable`], a snapshot that follows the store.

mod admission;
mod environment;
mod failure;
mod invoker;
pub mod log;
mod memory;
mod metered;
mod metrics;
mod parking;
mod phases;
mod pool;
mod process_env;
mod provisioned;
mod run;
mod schedule;
mod shard;
mod start;
mod table;
mod tiers;
mod trace;

pub use invoker::Invoker;
pub use metrics::{InvokeMetrics, MetricsSnapshot};
pub use phases::{BOUNDS_US, Histogram, PHASES, Phases};
pub use provisioned::ProvisionedBoard;
pub use shard::{Options, Shard, ShardParts};
pub use table::FunctionTable;
