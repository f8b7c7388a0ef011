//! StartMessageMoveTask, ListMessageMoveTasks and CancelMessageMoveTask. A handle names task and queue, as AWS's does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambent_api_kit::{Context, Handle};
use lambent_domain::RequestId;
use lambent_ports::message_store::{MoveState, MoveTask, NewMove, QueueRecord};
use lambent_wire::sqs::operations::cancel_message_move_task::{
    CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult,
};
use lambent_wire::sqs::operations::list_message_move_tasks::{
    ListMessageMoveTasksRequest, ListMessageMoveTasksResult, ListMessageMoveTasksResultEntry,
};
use lambent_wire::sqs::operations::start_message_move_task::{
    StartMessageMoveTaskRequest, StartMessageMoveTaskResult,
};
use lambent_wire::sqs::operations::{CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask};
use serde_json::{Value, json};

use crate::redrive::RedrivePolicy;
use crate::{Sqs, SqsFault, name};

/// Messages a second, at most (AWS documentation).
const MAX_RATE: i32 = 500;
/// Tasks that run in an account (AWS documentation).
const MAX_RUNNING: usize = 100;
/// Tasks that are listed (AWS documentation).
const MAX_LISTED: usize = 10;

fn handle_of(task: &MoveTask, source_arn: &str) -> String {
    STANDARD.encode(json!({ "taskId": task.asked.uuid, "sourceArn": source_arn }).to_string())
}

/// Task and queue of a handle.
fn read_handle(handle: &str) -> Result<(String, String), SqsFault> {
    let read = || {
        let read: Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
        let text = |name: &str| Some(read.get(name)?.as_str()?.to_owned());
        Some((text("taskId")?, text("sourceArn")?))
    };
    // Recorded.
    read().ok_or_else(|| SqsFault::Parameter("Value for parameter TaskHandle is invalid.".into()))
}

fn rate(wanted: Option<i32>) -> Result<Option<u32>, SqsFault> {
    match wanted {
        Some(rate) if !(1..=MAX_RATE).contains(&rate) => Err(SqsFault::value(
            rate,
            "MaxNumberOfMessagesPerSecond",
            "Must be between 1 and 500, if provided.",
        )),
        rate => Ok(rate.map(i32::unsigned_abs)),
    }
}

impl Sqs {
    /// Whether a queue's redrive policy names this one.
    fn is_dead_letter_queue(&self, queue: &QueueRecord) -> bool {
        let arn = name::arn(queue);
        let all = self.store.queues(&queue.scope, "");
        all.iter().filter_map(|other| RedrivePolicy::of(other)).any(|policy| policy.target_arn == arn)
    }

    /// Checks where a task's messages are to go, in the order that the recorded refusals have.
    fn check_move(&self, source: &QueueRecord, destination: Option<&str>) -> Result<(), SqsFault> {
        let wrong = |text: &str| Err(SqsFault::Parameter(text.to_owned()));
        if !self.is_dead_letter_queue(source) {
            return wrong("Source queue must be configured as a Dead Letter Queue.");
        }
        let Some(arn) = destination else { return Ok(()) };
        let destination = self.queue_of_arn(arn, "DestinationArn")?;
        // The next three are judgement: AWS documents the rules, not the texts.
        if destination.scope != source.scope {
            return wrong("Source and destination queues must be in the same account and region.");
        }
        if destination.id == source.id {
            return wrong("Source queue arn and destination queue arn can not be the same.");
        }
        if destination.is_fifo() != source.is_fifo() {
            return wrong("Source and destination queues must be of the same type.");
        }
        Ok(())
    }

    async fn check_running(&self, source: &QueueRecord) -> Result<(), SqsFault> {
        let running = self.store.running_moves().await?;
        let account = &source.scope.account;
        let queues = self.store.all_queues();
        let owned = |task: &&MoveTask| {
            queues.iter().any(|queue| queue.id == task.asked.queue && queue.scope.account == *account)
        };
        if running.iter().filter(owned).count() >= MAX_RUNNING {
            return Err(SqsFault::OverLimit(format!(
                "The maximum number of active message movement tasks is {MAX_RUNNING}."
            )));
        }
        Ok(())
    }
}

impl Handle<StartMessageMoveTask> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        _context: Context,
        input: StartMessageMoveTaskRequest,
    ) -> Result<StartMessageMoveTaskResult, SqsFault> {
        let source = self.queue_of_arn(&input.source_arn, "SourceArn")?;
        let max_per_second = rate(input.max_number_of_messages_per_second)?;
        self.check_move(&source, input.destination_arn.as_deref())?;
        self.check_running(&source).await?;
        let now_ms = self.clock.now_ms();
        let asked = NewMove {
            uuid: RequestId::from_random(self.random.bytes16()).to_string(),
            queue: source.id,
            destination: input.destination_arn,
            max_per_second,
            to_move: self.store.counts(source.id, now_ms).await?.visible,
            started_ms: now_ms,
        };
        let task = self.store.create_move(asked).await?;
        self.moves.notify_one();
        Ok(StartMessageMoveTaskResult { task_handle: Some(handle_of(&task, &name::arn(&source))) })
    }
}

impl Handle<ListMessageMoveTasks> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        _context: Context,
        input: ListMessageMoveTasksRequest,
    ) -> Result<ListMessageMoveTasksResult, SqsFault> {
        let source = self.queue_of_arn(&input.source_arn, "SourceArn")?;
        let wanted = input.max_results.unwrap_or(1);
        let max = usize::try_from(wanted)
            .ok()
            .filter(|max| (1..=MAX_LISTED).contains(max))
            .ok_or_else(|| SqsFault::value(wanted, "MaxResults", "Must be between 1 and 10, if provided."))?;
        let tasks = self.store.moves(source.id, max).await?;
        let arn = name::arn(&source);
        Ok(ListMessageMoveTasksResult {
            results: Some(tasks.into_iter().map(|task| shown(task, &arn)).collect()),
        })
    }
}

/// A handle is shown as long as it can be used (AWS documentation).
fn shown(task: MoveTask, source_arn: &str) -> ListMessageMoveTasksResultEntry {
    let running = task.state == MoveState::Running;
    let (status, failure_reason) = match &task.state {
        MoveState::Running => ("RUNNING", None),
        MoveState::Completed => ("COMPLETED", None),
        MoveState::Cancelled => ("CANCELLED", None),
        MoveState::Failed(reason) => ("FAILED", Some(reason.clone())),
    };
    ListMessageMoveTasksResultEntry {
        task_handle: running.then(|| handle_of(&task, source_arn)),
        status: Some(status.into()),
        source_arn: Some(source_arn.to_owned()),
        max_number_of_messages_per_second: task.asked.max_per_second.map(|rate| rate as i32),
        approximate_number_of_messages_moved: Some(task.moved as i64),
        approximate_number_of_messages_to_move: Some(task.asked.to_move as i64),
        failure_reason,
        started_timestamp: Some(task.asked.started_ms as i64),
        destination_arn: task.asked.destination,
    }
}

impl Handle<CancelMessageMoveTask> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        _context: Context,
        input: CancelMessageMoveTaskRequest,
    ) -> Result<CancelMessageMoveTaskResult, SqsFault> {
        let (uuid, source_arn) = read_handle(&input.task_handle)?;
        let source = self.queue_of_arn(&source_arn, "SourceArn")?;
        let tasks = self.store.moves(source.id, MAX_LISTED).await?;
        let running = |task: &&MoveTask| task.asked.uuid == uuid && task.state == MoveState::Running;
        let missing = || SqsFault::ResourceMissing("Task does not exist.".into());
        let task = tasks.iter().find(running).ok_or_else(missing)?;
        let ended = self.store.end_move(task.id, MoveState::Cancelled).await?.ok_or_else(missing)?;
        Ok(CancelMessageMoveTaskResult { approximate_number_of_messages_moved: Some(ended.moved as i64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_no_handle() {
        for garbage in ["", "invalid", "eyJ0YXNrSWQiOiJ4In0=", "bm90IGpzb24="] {
            assert!(read_handle(garbage).is_err(), "{garbage}");
        }
    }
}
