//! Move tasks: messages of a dead-letter queue that go back to where they came from, or on to another queue.

use std::collections::BTreeMap;

use crate::message_store::QueueId;

/// Names a move task; never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MoveId(pub u64);

/// A move task to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMove {
    /// For the caller: a UUID.
    pub uuid: String,
    /// Whose messages move.
    pub queue: QueueId,
    /// Where to, by ARN; without it each goes to where it came from.
    pub destination: Option<String>,
    /// As fast as it can be without it.
    pub max_per_second: Option<u32>,
    /// Messages there are.
    pub to_move: u64,
    /// When it was asked for.
    pub started_ms: u64,
}

/// A move task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// Its name here.
    pub id: MoveId,
    /// As asked for.
    pub asked: NewMove,
    /// How far it is.
    pub moved: u64,
    /// What it does.
    pub state: MoveState,
}

/// What a move task does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// Moves messages.
    Running,
    /// Found no more.
    Completed,
    /// Somebody wanted it to end.
    Cancelled,
    /// Found what it could not move, for a reason.
    Failed(String),
}

/// Where moved messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveTo {
    /// All into one queue.
    Queue(QueueId),
    /// Each to where it came from; by ARN.
    Origins(BTreeMap<String, QueueId>),
}

/// What became of messages that were to be moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The queues they went to.
    pub went: Vec<QueueId>,
    /// Why one could not be moved. Those behind it were not, either.
    pub stopped: Option<Unmovable>,
}

/// Why a message can't be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmovable {
    /// It did not come from another queue.
    NoOrigin,
    /// The queue is gone.
    QueueGone,
}
