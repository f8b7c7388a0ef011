//! What the control plane asks whoever polls event sources.

use async_trait::async_trait;
use lambent_domain::MappingKey;

/// A queue that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFound {
    /// Of messages that were received and not deleted.
    pub visibility_timeout_s: u64,
}

/// Why a queue can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueRefused {
    /// SQS says so.
    Answered {
        /// `AWS.SimpleQueueService.NonExistentQueue`.
        code: String,
        /// SQS's text.
        message: String,
    },
    /// SQS did not answer; the text says why.
    Unreachable(String),
}

/// The sources of events, and how polling them goes.
#[async_trait]
pub trait EventSources: Send + Sync {
    /// Looks at the queue of an ARN, with the role of a function.
    async fn queue(&self, arn: &str, role: &str) -> Result<QueueFound, QueueRefused>;

    /// What stands in a mapping's way since it last went well.
    fn problem(&self, mapping: &MappingKey) -> Option<String>;
}
