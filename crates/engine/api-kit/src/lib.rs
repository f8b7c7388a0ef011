//! Between wire and domain: the registry of operations, the dispatcher that every service shares, and the one function
//! in which Lambda's faults meet the wire.

pub mod absent;
pub mod error;
mod guard;
pub mod lambda_fault;
pub mod refusal;
mod registry;

pub use guard::{Guard, Guarded, Needs};
pub use registry::{Context, Coverage, Entry, Handle, NotYet, Registry, ServiceFault, assert_complete};
