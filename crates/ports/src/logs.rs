//! Where functions' log events go. Never on an invoke's time: the caller is a log pipeline of its own.

use async_trait::async_trait;
use lambent_domain::Scope;

/// One event; a trailing newline is part of the message, as on AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was said.
    pub timestamp_ms: u64,
    /// UTF-8 text.
    pub message: String,
}

/// Events for one stream, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBatch {
    /// Account and region.
    pub scope: Scope,
    /// Created when missing.
    pub group: String,
    /// Created when missing.
    pub stream: String,
    /// Oldest first.
    pub events: Vec<LogEvent>,
}

/// The events were not kept; the text says why. The pipeline counts them as dropped.
#[derive(Debug, thiserror::Error)]
#[error("log sink: {0}")]
pub struct LogSinkError(pub String);

/// Takes batches. A slow sink holds the pipeline back, and through it the function that floods its log.
#[async_trait]
pub trait LogSink: Send + Sync {
    /// Stores a batch.
    async fn write(&self, batch: LogBatch) -> Result<(), LogSinkError>;
}
