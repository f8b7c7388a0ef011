//! Scheduling as pure functions: no clock, no IO, no state of its own.
//!
//! [`decide`] is asked whenever a request finds no idle environment, whenever what it was told has changed, and now and
//! then while anything is idle. Two rules are not here because nothing is to be decided: a request takes the most
//! recently used idle environment, and an environment that becomes free takes the request that has waited longest.
//!
//! Times are milliseconds since any fixed moment, sizes are MiB.

mod backoff;
mod decide;
mod memory;
mod observed;
mod permit;
mod rate;
mod turns;
mod worth;

pub use backoff::CrashLoop;
pub use decide::decide;
pub use memory::{Charge, HostMemory, UNSEEN_MB};
pub use observed::{Decision, Idle, Limits, Memory, Observed, Refusal, Start, StartFor, Wanting};
pub use permit::{Claims, PermitSource, permit};
pub use rate::ScalingRate;
pub use turns::Turns;
pub use worth::Worth;
