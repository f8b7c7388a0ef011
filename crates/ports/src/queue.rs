//! Durable queues of messages. What was enqueued is there until it is settled; who claims a message has it for a while,
//! and it comes back when the lease runs out.
//!
//! Time is an argument of every call. A queue comes into being with its first message.

use async_trait::async_trait;
use bytes::Bytes;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The message is settled, released or claimed anew: the receipt is no longer worth anything. Nothing happened.
    #[error("the receipt is stale")]
    Stale,
    /// The storage failed.
    #[error("queue: {message}")]
    Unavailable {
        /// For the log.
        message: String,
        /// Whether the change may nevertheless be there after a restart.
        may_have_happened: bool,
    },
}

/// A message to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Never changes.
    pub body: Bytes,
    /// What its owner notes about it; each release may change it.
    pub attributes: Bytes,
    /// Not claimed before.
    pub visible_at_ms: u64,
}

/// Stands for one claim of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt {
    /// Of the message; never given again, counts up within the order of enqueueing.
    pub message: u64,
    /// Of the claim: greater with every claim of the message.
    pub epoch: u64,
}

/// A message that somebody has for the length of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// To settle, release or extend it with. Good until the message is claimed anew, also when the lease has run out.
    pub receipt: Receipt,
    /// As enqueued.
    pub body: Bytes,
    /// As enqueued, or as of the last release.
    pub attributes: Bytes,
    /// When it was enqueued.
    pub enqueued_ms: u64,
}

/// What somebody is ready to take.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Not more messages than these.
    pub messages: usize,
    /// Not more bytes of bodies than these, except that one message is always given.
    pub bytes: usize,
    /// For how long.
    pub lease_ms: u64,
}

/// How many messages are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Can be claimed now.
    pub visible: u64,
    /// Will be, later.
    pub delayed: u64,
    /// Are claimed.
    pub leased: u64,
}

/// The queues of one storage, each with a name of its user's choice.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts a message in. It is on disk when this returns.
    async fn enqueue(&self, queue: &str, message: NewMessage, now_ms: u64) -> Result<(), QueueError>;

    /// Takes messages that are due, those that have been due for the longest first.
    async fn claim(&self, queue: &str, wanted: Wanted, now_ms: u64) -> Result<Vec<Claimed>, QueueError>;

    /// A message is done with: it goes, and in its place come those in `then`, in queues of any name; all of it or nothing.
    async fn settle(
        &self,
        queue: &str,
        receipt: Receipt,
        then: Vec<(String, NewMessage)>,
        now_ms: u64,
    ) -> Result<(), QueueError>;

    /// Gives a message back; it is due at `visible_at_ms`, with these attributes.
    async fn release(
        &self,
        queue: &str,
        receipt: Receipt,
        visible_at_ms: u64,
        attributes: Bytes,
    ) -> Result<(), QueueError>;

    /// Sets the end of a lease.
    async fn extend(&self, queue: &str, receipt: Receipt, until_ms: u64) -> Result<(), QueueError>;

    /// Ends every lease in a queue: whoever had them is gone. The messages are due now; how many they were.
    async fn reclaim(&self, queue: &str, now_ms: u64) -> Result<u64, QueueError>;

    /// Drops everything in a queue; how much it was.
    async fn purge(&self, queue: &str) -> Result<u64, QueueError>;

    /// When the first message is due, or its lease over.
    async fn next_due_ms(&self, queue: &str) -> Result<Option<u64>, QueueError>;

    /// Names of queues with messages that begin with `prefix`, in byte order.
    async fn queues(&self, prefix: &str) -> Result<Vec<String>, QueueError>;

    /// Looks at a queue, without holding anybody up.
    async fn counts(&self, queue: &str, now_ms: u64) -> Result<Counts, QueueError>;
}
