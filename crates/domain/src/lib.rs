//! What Lambda is made of, without any IO: names, functions, limits, faults.
//!
//! Values here are parsed once at the edge; a wrong one can't be written down. Nothing in this crate knows the
//! wire, a store or a clock: time and randomness come in as arguments.

pub mod alias;
pub mod async_config;
pub mod code_signing;
pub mod configuration;
pub mod distribution;
pub mod event_source_mapping;
pub mod fault;
pub mod function;
pub mod ident;
pub mod layer;
pub mod limits;
pub mod log_config;
pub mod names;
pub mod policy;
pub mod runtime;
pub mod scaling;
pub mod trace_header;
pub mod url;
pub mod version;

pub use alias::{Alias, Weighted};
pub use code_signing::CodeSigningConfig;
pub use configuration::{Configuration, LayerRef, Secrets};
pub use distribution::Distribution;
pub use event_source_mapping::{EventSourceMapping, MappingState, Pollers};
pub use fault::Fault;
pub use function::Function;
pub use ident::{CodeSha256, Epoch, RequestId, RevisionId, TimestampMs};
pub use layer::{Layer, LayerVersion};
pub use names::{
    AccountId, CodeSigningKey, FunctionKey, FunctionName, FunctionRef, LayerKey, MappingKey, Qualifier,
    Region, Scope,
};
pub use policy::Policy;
pub use runtime::RuntimeId;
pub use version::{CodeRef, Deployment, LastUpdate, State, Version, VersionNumber};
