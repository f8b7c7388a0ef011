//! What Lambda is made of, without any IO: names, functions, limits, faults.
//!
//! Values here are parsed once at the edge; a wrong one can't be written down. Nothing in this crate knows the
//! wire, a store or a clock: time and randomness come in as arguments.

pub mod fault;
pub mod function;
pub mod ident;
pub mod limits;
pub mod log_config;
pub mod names;
pub mod runtime;

pub use fault::Fault;
pub use function::{CodeRef, Configuration, Deployment, Function, LastUpdate, Secrets, State};
pub use ident::{CodeSha256, RequestId, RevisionId, TimestampMs};
pub use names::{AccountId, FunctionKey, FunctionName, FunctionRef, Qualifier, Region, Scope};
pub use runtime::RuntimeId;
