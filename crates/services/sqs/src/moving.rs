//! Move tasks on their way: each has a task of the runtime's own, which ends with it, and which the next start takes up again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lambent_domain::RequestId;
use lambent_ports::message_store::{
    MessageStoreError, MoveId, MoveState, MoveTask, MoveTo, QueueRecord, Unmovable,
};
use tokio::task::JoinSet;

use crate::{Sqs, SqsFault, name};

/// Messages that one commit moves, where nobody says how fast.
const PART: usize = 100;
/// Pause between two commits of a task that somebody has slowed down; longer when it moves fewer than ten a second.
const PACE_MS: u64 = 100;
/// Pause after the storage failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How a task goes on: so many messages, then a pause.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    count: usize,
    pause: Option<Duration>,
}

impl Pace {
    fn of(max_per_second: Option<u32>) -> Self {
        let Some(rate) = max_per_second.map(u64::from).filter(|rate| *rate > 0) else {
            return Pace { count: PART, pause: None };
        };
        let count = (rate * PACE_MS / 1_000).max(1);
        // Rounded up: never faster than what was asked for.
        Pace { count: count as usize, pause: Some(Duration::from_millis((count * 1_000).div_ceil(rate))) }
    }
}

impl Sqs {
    /// Runs move tasks, those first that ran when the server ended, until it stops.
    pub async fn run_moves(self: Arc<Self>) {
        let mut stop = self.waiting.stopped();
        let (mut running, mut known) = (JoinSet::new(), HashSet::new());
        loop {
            let begun = self.moves.notified();
            let pause = match self.store.running_moves().await {
                Ok(tasks) => {
                    for task in tasks.into_iter().filter(|task| known.insert(task.id)) {
                        running.spawn(Arc::clone(&self).run_move(task));
                    }
                    Duration::MAX
                }
                Err(error) => {
                    tracing::warn!(%error, "move tasks could not be read");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = begun => {}
                () = tokio::time::sleep(pause) => {}
                Some(ended) = running.join_next() => {
                    ended.map(|id| known.remove(&id)).ok();
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn run_move(self: Arc<Self>, task: MoveTask) -> MoveId {
        let pace = Pace::of(task.asked.max_per_second);
        let mut stop = self.waiting.stopped();
        loop {
            let pause = match self.move_part(&task, pace.count).await {
                Ok(None) => pace.pause,
                Ok(Some(end)) => match self.store.end_move(task.id, end).await {
                    Ok(_) => return task.id,
                    Err(error) => Some(troubled(&task, error)),
                },
                Err(error) => Some(troubled(&task, error)),
            };
            let pause = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => tokio::task::yield_now().await,
                }
            };
            tokio::select! {
                () = pause => {}
                _ = stop.wait_for(|stop| *stop) => return task.id,
            }
        }
    }

    /// Moves some messages; how the task has ended, if it has.
    async fn move_part(&self, task: &MoveTask, count: usize) -> Result<Option<MoveState>, MessageStoreError> {
        let queues = self.store.all_queues();
        let Some(source) = queues.iter().find(|queue| queue.id == task.asked.queue) else {
            return Ok(Some(MoveState::Cancelled));
        };
        let Some(to) = destination(source, task.asked.destination.as_deref(), &queues) else {
            return Ok(Some(gone()));
        };
        let uuids = (0..count).map(|_| RequestId::from_random(self.random.bytes16()).to_string()).collect();
        let moved = self.store.move_messages(task.id, to, uuids, self.clock.now_ms()).await?;
        for queue in &moved.went {
            self.waiting.wake(*queue, 1);
        }
        Ok(match moved.stopped {
            // AWS documentation.
            Some(Unmovable::NoOrigin) => Some(MoveState::Failed("CouldNotDetermineMessageSource".into())),
            Some(Unmovable::QueueGone) => Some(gone()),
            None if moved.went.is_empty() => Some(MoveState::Completed),
            None => None,
        })
    }
}

/// Recorded.
fn gone() -> MoveState {
    MoveState::Failed("AWS.SimpleQueueService.NonExistentQueue".into())
}

fn troubled(task: &MoveTask, error: MessageStoreError) -> Duration {
    tracing::warn!(%error, task = task.asked.uuid, "messages could not be moved; they are tried again");
    AFTER_FAILURE
}

/// Where a task's messages go, as things are now.
fn destination(source: &QueueRecord, arn: Option<&str>, queues: &[Arc<QueueRecord>]) -> Option<MoveTo> {
    let near = queues.iter().filter(|queue| queue.scope == source.scope);
    match arn {
        Some(arn) => {
            near.into_iter().find(|queue| name::arn(queue) == arn).map(|queue| MoveTo::Queue(queue.id))
        }
        None => {
            let origins =
                near.filter(|queue| queue.id != source.id).map(|queue| (name::arn(queue), queue.id));
            Some(MoveTo::Origins(origins.collect::<BTreeMap<_, _>>()))
        }
    }
}

impl Sqs {
    /// The queue of an ARN; `parameter` is where the ARN was.
    pub(crate) fn queue_of_arn(&self, arn: &str, parameter: &str) -> Result<Arc<QueueRecord>, SqsFault> {
        let found = name::from_arn(arn).and_then(|(scope, name)| self.store.queue(&scope, &name));
        found.ok_or_else(|| {
            SqsFault::ResourceMissing(format!(
                "The resource that you specified for the {parameter} parameter doesn't exist."
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_never_faster_than_asked_for() {
        assert_eq!(Pace::of(None), Pace { count: PART, pause: None });
        for rate in 1..=500_u32 {
            let Pace { count, pause } = Pace::of(Some(rate));
            let pause_ms = pause.unwrap().as_millis() as u64;
            let per_second = count as u64 * 1_000 / pause_ms;
            assert!(per_second <= u64::from(rate), "{rate}: {per_second}");
            assert!(per_second * 2 > u64::from(rate), "{rate}: {per_second}");
            assert!((PACE_MS / 2..=1_000).contains(&pause_ms), "{rate}: {pause_ms}");
        }
    }
}
