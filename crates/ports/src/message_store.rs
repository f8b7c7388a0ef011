//! What SQS keeps: queues with their attributes, and their messages. A receive counts itself, moves what was received
//! too often to the dead-letter queue and leases the rest in one commit, which is why both live behind one port.
//!
//! Time is an argument of every call. What was answered is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::Scope;

pub use crate::message_moves::{MoveId, MoveState, MoveTask, MoveTo, Moved, NewMove, Unmovable};

/// Names a queue for good: a queue of the same name made after it was deleted is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Never given again.
    pub id: QueueId,
    /// Whose it is.
    pub scope: Scope,
    /// Ends in `.fifo` where its messages are in groups.
    pub name: String,
    /// As set, defaults left out.
    pub attributes: BTreeMap<String, String>,
    /// As set.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_ms: u64,
    /// When its attributes were set last.
    pub modified_ms: u64,
    /// When it was purged last.
    pub purged_ms: Option<u64>,
    /// Greater after every change.
    pub revision: u64,
}

impl QueueRecord {
    /// Whether its messages are in groups, and in order within each.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// For the caller: a UUID.
    pub uuid: String,
    /// Text.
    pub body: String,
    /// What else is known of it; given back as it is.
    pub attributes: Bytes,
    /// Not received before.
    pub due_ms: u64,
    /// The group whose order it keeps; only in FIFO queues.
    pub group: Option<String>,
    /// Makes a second one of the same kind go nowhere.
    pub deduplication: Option<Deduplication>,
}

/// What makes two messages the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// Given by the sender, or made from the body.
    pub id: String,
    /// Counts within its group only.
    pub per_group: bool,
    /// Another is refused until then.
    pub until_ms: u64,
}

/// A message has been sent, or had been before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Of the message; of the first one when this is its duplicate.
    pub uuid: String,
    /// Counts up in the order of sending.
    pub sequence: u64,
    /// Nothing was added: it is a duplicate.
    pub duplicate: bool,
}

/// What somebody is ready to take.
#[derive(Clone, Debug)]
pub struct Receive {
    /// Not more messages than these.
    pub max: usize,
    /// The end of their leases.
    pub until_ms: u64,
    /// Messages sent earlier have expired.
    pub sent_after_ms: u64,
    /// Messages that may be leased at the same time.
    pub max_in_flight: u64,
    /// Where messages go that were received too often.
    pub dead_letters: Option<DeadLetters>,
}

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// The dead-letter queue.
    pub queue: QueueId,
    /// How often a message is received before it goes there.
    pub max_receives: u32,
    /// Noted on the message: the queue's own ARN.
    pub source: String,
}

/// Stands for one receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The message.
    pub message: u64,
    /// Greater with every receive.
    pub epoch: u64,
}

/// A message that somebody has for the length of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// To delete it with.
    pub receipt: Receipt,
    /// As sent.
    pub uuid: String,
    /// As sent.
    pub body: String,
    /// As sent.
    pub attributes: Bytes,
    /// See [`Sent`].
    pub sequence: u64,
    /// When it was sent.
    pub sent_ms: u64,
    /// When it was received for the first time.
    pub first_received_ms: u64,
    /// How often it has been received, this time included.
    pub receives: u32,
    /// ARN of the queue whose dead letter it is.
    pub source: Option<String>,
}

/// What became of a receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Leased.
    pub messages: Vec<Received>,
    /// So many went to the dead-letter queue.
    pub dead: usize,
}

/// What a receipt is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It was done.
    Done,
    /// The message is deleted, or is somebody else's by now.
    Gone,
    /// The lease is over; only in FIFO queues, where the group may have gone on.
    Expired,
}

/// How many messages are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Can be received.
    pub visible: u64,
    /// Are leased.
    pub in_flight: u64,
    /// Wait for their delay.
    pub delayed: u64,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageStoreError {
    /// The queue is not there, or no longer.
    #[error("the queue is gone")]
    QueueGone,
    /// There is one of this name.
    #[error("the queue exists")]
    QueueExists(Arc<QueueRecord>),
    /// Somebody changed the queue in between.
    #[error("the queue has changed")]
    QueueChanged,
    /// A move task runs on the queue.
    #[error("a move task runs on the queue")]
    MoveRuns,
    /// More messages are leased than may be.
    #[error("too many messages in flight")]
    TooManyInFlight,
    /// The storage failed; for the log. What was to be done may have happened.
    #[error("message store: {0}")]
    Storage(String),
}

/// Queues and their messages.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// The queue of a name.
    fn queue(&self, scope: &Scope, name: &str) -> Option<Arc<QueueRecord>>;

    /// Queues by name, those behind `after`.
    fn queues(&self, scope: &Scope, after: &str) -> Vec<Arc<QueueRecord>>;

    /// Queues of every scope.
    fn all_queues(&self) -> Vec<Arc<QueueRecord>>;

    /// Makes a queue.
    async fn create_queue(
        &self,
        scope: &Scope,
        name: &str,
        attributes: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        now_ms: u64,
    ) -> Result<Arc<QueueRecord>, MessageStoreError>;

    /// Puts the attributes, tags and `modified_ms` of `queue` in place of what is there, when that has its revision.
    async fn replace_queue(&self, queue: QueueRecord) -> Result<Arc<QueueRecord>, MessageStoreError>;

    /// Drops a queue with its messages.
    async fn delete_queue(&self, id: QueueId) -> Result<(), MessageStoreError>;

    /// Drops all messages of a queue.
    async fn purge_queue(&self, id: QueueId, now_ms: u64) -> Result<(), MessageStoreError>;

    /// Sends messages: all of them or none.
    async fn send(
        &self,
        id: QueueId,
        messages: Vec<NewMessage>,
        now_ms: u64,
    ) -> Result<Vec<Sent>, MessageStoreError>;

    /// Leases messages that are due: in a standard queue those that have been due the longest first; in a FIFO queue
    /// from the head of each group on, up to the first that is not due.
    async fn receive(&self, id: QueueId, receive: Receive, now_ms: u64) -> Result<Taken, MessageStoreError>;

    /// Drops messages that their holders are done with.
    async fn delete(
        &self,
        id: QueueId,
        receipts: Vec<Receipt>,
        now_ms: u64,
    ) -> Result<Vec<Redeemed>, MessageStoreError>;

    /// Sets the ends of leases; an end that is not in the future gives the message back.
    async fn set_visibility(
        &self,
        id: QueueId,
        changes: Vec<(Receipt, u64)>,
        now_ms: u64,
    ) -> Result<Vec<Redeemed>, MessageStoreError>;

    /// Starts a move task, unless one runs on this queue ([`MessageStoreError::MoveRuns`]).
    async fn create_move(&self, task: NewMove) -> Result<MoveTask, MessageStoreError>;

    /// Moves messages of the task's queue that are due, at most as many as there are `uuids`, and counts them: all in one
    /// commit. They are new messages where they come to, each with one of `uuids`. A task that does not run moves nothing.
    async fn move_messages(
        &self,
        id: MoveId,
        to: MoveTo,
        uuids: Vec<String>,
        now_ms: u64,
    ) -> Result<Moved, MessageStoreError>;

    /// Ends a task that runs; what it is now. `None` when there is none.
    async fn end_move(&self, id: MoveId, end: MoveState) -> Result<Option<MoveTask>, MessageStoreError>;

    /// Tasks of a queue, the newest first.
    async fn moves(&self, queue: QueueId, max: usize) -> Result<Vec<MoveTask>, MessageStoreError>;

    /// Tasks of all queues that run.
    async fn running_moves(&self) -> Result<Vec<MoveTask>, MessageStoreError>;

    /// When the first message can be received.
    async fn next_due_ms(&self, id: QueueId) -> Result<Option<u64>, MessageStoreError>;

    /// When the oldest message was sent that is there, whatever its state.
    async fn oldest_sent_ms(&self, id: QueueId) -> Result<Option<u64>, MessageStoreError>;

    /// Counts a queue's messages.
    async fn counts(&self, id: QueueId, now_ms: u64) -> Result<MessageCounts, MessageStoreError>;

    /// Drops a part of what is of no use any more: messages older than their queue keeps them (`retention_ms` of each
    /// queue), those of deleted and purged queues, what is known of duplicates, and of
    /// move tasks that nobody is shown any more. Returns whether there is more.
    async fn sweep(&self, retention_ms: &[(QueueId, u64)], now_ms: u64) -> Result<bool, MessageStoreError>;
}
