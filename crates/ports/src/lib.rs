//! The seams of Lambent: each trait here has at least two implementations, or keeps a heavy or unsafe thing in a leaf
//! crate. A trait comes with its conformance suite (`suites`, behind the feature of that name), which every
//! implementation runs in its own tests.

pub mod access;
pub mod api;
pub mod aws_client;
pub mod blob;
pub mod code;
pub mod code_source;
pub mod event_sources;
pub mod http_post;
pub mod iam_store;
pub mod identity;
pub mod invoke;
pub mod log_store;
pub mod logs;
pub mod message_moves;
pub mod message_store;
pub mod meter;
pub mod metric_store;
pub mod object_store;
pub mod outbound;
pub mod outbox;
pub mod presence;
pub mod queue;
pub mod runtime_api;
pub mod runtimes;
pub mod sandbox;
pub mod service_door;
pub mod service_names;
pub mod signatures;
pub mod store;
#[cfg(feature = "suites")]
pub mod suites;
pub mod topic_store;
