//! What Lambda itself sends to other services: dead letters, and records of how events ended.

use async_trait::async_trait;

/// Something for another service, sent with a function's execution role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// ARN of the role that the function has.
    pub role: String,
    /// Where to, and what.
    pub content: Content,
}

/// By kind of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `sqs:SendMessage`.
    Queue {
        /// Of the queue.
        arn: String,
        /// Message body.
        body: String,
        /// Message attributes.
        attributes: Vec<Attribute>,
        /// System attribute `AWSTraceHeader`.
        trace_header: String,
    },
    /// `sns:Publish`.
    Topic {
        /// Of the topic.
        arn: String,
        /// Message.
        message: String,
        /// Message attributes.
        attributes: Vec<Attribute>,
    },
    /// `events:PutEvents` with one entry.
    EventBus {
        /// Of the bus.
        arn: String,
        /// `DetailType`.
        detail_type: &'static str,
        /// `Detail`; the source is `lambda`.
        detail: String,
        /// `Resources`.
        resources: Vec<String>,
    },
    /// `s3:PutObject`.
    Bucket {
        /// Of the bucket.
        arn: String,
        /// Object key.
        key: String,
        /// The object.
        body: String,
    },
}

impl Content {
    /// The ARN of what it is sent to.
    pub fn arn(&self) -> &str {
        match self {
            Content::Queue { arn, .. }
            | Content::Topic { arn, .. }
            | Content::EventBus { arn, .. }
            | Content::Bucket { arn, .. } => arn,
        }
    }
}

/// A message attribute of SQS or SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// `String` or `Number`.
    pub data_type: &'static str,
    /// Its value.
    pub value: String,
}

/// It did not arrive, or it is not known whether it did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotSent {
    /// For the log.
    pub reason: String,
    /// The other service could not take it at the moment: it may later.
    pub for_now: bool,
}

impl NotSent {
    /// Asking again is of no use.
    pub fn never(reason: impl Into<String>) -> Self {
        NotSent { reason: reason.into(), for_now: false }
    }

    /// It may be taken later.
    pub fn for_now(reason: impl Into<String>) -> Self {
        NotSent { reason: reason.into(), for_now: true }
    }
}

/// The way to other services.
#[async_trait]
pub trait SendOutbound: Send + Sync {
    /// It has been taken on by the other service when this returns.
    async fn send(&self, outbound: Outbound) -> Result<(), NotSent>;

    /// Whether a role may invoke a function, with its qualifier in the ARN. Nothing is sent: whoever asks sees to that.
    async fn may_invoke(&self, role: &str, function_arn: &str) -> Result<(), NotSent>;
}
