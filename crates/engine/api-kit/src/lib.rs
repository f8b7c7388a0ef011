//! Between wire and domain: the registry of operations, the dispatcher that every service shares, and the one function
//! in which Lambda's faults meet the wire.

pub mod absent;
pub mod error;
pub mod lambda_fault;
mod registry;

pub use registry::{Context, Coverage, Entry, Handle, NotYet, Registry, ServiceFault, assert_complete};
