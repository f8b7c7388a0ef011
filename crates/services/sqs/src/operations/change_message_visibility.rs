//! ChangeMessageVisibility and ChangeMessageVisibilityBatch. A message that nobody has received anew can be hidden again
//! when its lease is over (recorded).

use lambent_api_kit::{Context, Handle};
use lambent_ports::message_store::{QueueRecord, Redeemed};
use lambent_wire::sqs::operations::change_message_visibility::{
    ChangeMessageVisibilityRequest, ChangeMessageVisibilityResponse,
};
use lambent_wire::sqs::operations::change_message_visibility_batch::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult,
    ChangeMessageVisibilityBatchResultEntry,
};
use lambent_wire::sqs::operations::{ChangeMessageVisibility, ChangeMessageVisibilityBatch};

use super::delete_message::expired;
use super::receive_message::visibility_ms;
use crate::{Sqs, SqsFault, batch, receipt};

/// The message is deleted, or somebody else has it (AWS documentation).
fn gone(handle: &str) -> SqsFault {
    let reason = "Message does not exist or is not available for visibility timeout change.";
    SqsFault::value(handle, "ReceiptHandle", reason)
}

impl Sqs {
    async fn set_visibility(
        &self,
        queue: &QueueRecord,
        changes: &[(&str, i32)],
    ) -> Result<Vec<Result<(), SqsFault>>, SqsFault> {
        let now_ms = self.clock.now_ms();
        let read = |(handle, seconds): &(&str, i32)| {
            Ok((receipt::read(queue.id, handle)?, now_ms + visibility_ms(*seconds)?))
        };
        let read: Vec<Result<_, SqsFault>> = changes.iter().map(read).collect();
        let good: Vec<_> = read.iter().filter_map(|change| change.clone().ok()).collect();
        let count = good.len();
        let mut redeemed = match count {
            0 => Vec::new(),
            _ => self.store.set_visibility(queue.id, good, now_ms).await?,
        }
        .into_iter();
        // Given back, or due at another time than those who wait know of.
        self.waiting.wake(queue.id, count);
        let outcomes = read.into_iter().zip(changes).map(|(change, (handle, _))| {
            change?;
            match redeemed.next() {
                Some(Redeemed::Expired) => Err(expired(handle)),
                Some(Redeemed::Gone) => Err(gone(handle)),
                _ => Ok(()),
            }
        });
        Ok(outcomes.collect())
    }
}

impl Handle<ChangeMessageVisibility> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: ChangeMessageVisibilityRequest,
    ) -> Result<ChangeMessageVisibilityResponse, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let changes = [(input.receipt_handle.as_str(), input.visibility_timeout)];
        self.set_visibility(&queue, &changes).await?.into_iter().collect::<Result<(), _>>()?;
        Ok(ChangeMessageVisibilityResponse::default())
    }
}

impl Handle<ChangeMessageVisibilityBatch> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: ChangeMessageVisibilityBatchRequest,
    ) -> Result<ChangeMessageVisibilityBatchResult, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let ids = input.entries.iter().map(|entry| &entry.id);
        batch::check("ChangeMessageVisibilityBatchRequestEntry", ids)?;
        let changes: Vec<(&str, i32)> = input
            .entries
            .iter()
            .map(|entry| (entry.receipt_handle.as_str(), entry.visibility_timeout.unwrap_or(0)))
            .collect();
        let outcomes = self.set_visibility(&queue, &changes).await?;
        let mut result = ChangeMessageVisibilityBatchResult::default();
        for (entry, outcome) in input.entries.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => result.successful.push(ChangeMessageVisibilityBatchResultEntry { id: entry.id }),
                Err(fault) => result.failed.push(batch::failed(entry.id, &fault)),
            }
        }
        Ok(result)
    }
}
