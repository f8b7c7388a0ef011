//! What a service keeps and what it has to send because of that, changed together: a schedule's next time and the message
//! that its last time asked for, an event and a message for each of its targets.
//!
//! Records and messages are their owner's bytes. The owner is the only one who writes; it has its records in memory.

use async_trait::async_trait;
use bytes::Bytes;

/// The storage failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("outbox: {message}")]
pub struct OutboxError {
    /// For the log.
    pub message: String,
    /// Whether the change may nevertheless be there after a restart.
    pub may_have_happened: bool,
}

/// A record, as it was put last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is: `rule`.
    pub kind: String,
    /// Which one, unique within its kind.
    pub key: String,
    /// The owner's.
    pub body: Bytes,
}

/// Names a message; never given again, counts up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub u64);

/// A message that has not been sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub id: MessageId,
    /// When it is to be tried.
    pub due_ms: u64,
}

/// A message, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// As it came in.
    pub body: Bytes,
    /// What was noted when it was put off last; empty before.
    pub note: Bytes,
}

/// An entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts up within all journals.
    pub number: u64,
    /// Its time.
    pub at_ms: u64,
    /// The owner's.
    pub body: Bytes,
}

/// How much is in a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalSize {
    /// Entries.
    pub entries: u64,
    /// Of their bodies.
    pub bytes: u64,
}

/// Which entries, in the order of their times.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Not before.
    pub from_ms: u64,
    /// Before.
    pub until_ms: u64,
    /// Behind this time and number: where the last page ended.
    pub after: Option<(u64, u64)>,
    /// At most.
    pub entries: usize,
}

/// One change of several that happen together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A record is there, with this body.
    Put(Record),
    /// A record is gone; also when it never was there.
    Delete {
        /// What it was.
        kind: String,
        /// Which.
        key: String,
    },
    /// A message waits.
    Send {
        /// When it is to be tried first.
        due_ms: u64,
        /// Never changes.
        body: Bytes,
    },
    /// A message is put off.
    PutOff {
        /// Which.
        id: MessageId,
        /// Until when.
        due_ms: u64,
        /// What to know about it then.
        note: Bytes,
    },
    /// A message is done with.
    Done(MessageId),
    /// An entry at the end of a journal, which comes into being with its first one.
    Append {
        /// Its name.
        journal: String,
        /// The entry's time.
        at_ms: u64,
        /// The entry.
        body: Bytes,
    },
    /// Entries before a time are dropped; all of them with `u64::MAX`.
    Trim {
        /// The journal.
        journal: String,
        /// Not this time's.
        before_ms: u64,
    },
}

/// The storage of one service.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// All of it or nothing; it is on disk when this returns. Ids of what is sent, in its order.
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<MessageId>, OutboxError>;

    /// Every record, by kind and key.
    async fn records(&self) -> Result<Vec<Record>, OutboxError>;

    /// Every message that waits, by id.
    async fn waiting(&self) -> Result<Vec<Waiting>, OutboxError>;

    /// A message that waits.
    async fn message(&self, id: MessageId) -> Result<Option<Message>, OutboxError>;

    /// Entries of a journal.
    async fn journal(&self, journal: &str, page: Page) -> Result<Vec<Entry>, OutboxError>;

    /// How much is in a journal.
    async fn journal_size(&self, journal: &str) -> Result<JournalSize, OutboxError>;
}
