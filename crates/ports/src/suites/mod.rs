//! Conformance suites, one module per port. An implementation runs them in its own tests.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a suite reports by panicking")]

pub mod blob;
pub mod code;
pub mod iam_store;
pub mod message_store;
pub mod message_store_model;
pub mod metric_store;
pub mod outbox;
pub mod queue;
pub mod sandbox;
pub mod store;
pub mod topic_store;
