//! The way from Lambda to other services. Those that are not here refuse: who sends counts and logs it.

use async_trait::async_trait;
use lambent_ports::outbound::{Content, NotSent, Outbound, SendOutbound};

/// The services of this server that something can be sent to.
pub(crate) struct Companions;

#[async_trait]
impl SendOutbound for Companions {
    async fn send(&self, outbound: Outbound) -> Result<(), NotSent> {
        let service = match outbound.content {
            Content::Queue { .. } => "SQS",
            Content::Topic { .. } => "SNS",
            Content::EventBus { .. } => "EventBridge",
            Content::Bucket { .. } => "S3",
        };
        Err(NotSent(format!("{service} is not available here yet; a function can be a destination")))
    }
}
