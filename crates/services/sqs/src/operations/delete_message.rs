//! DeleteMessage and DeleteMessageBatch. Deleting what is gone is no error; in a FIFO queue a receipt is over with its
//! lease.

use lambent_api_kit::{Context, Handle};
use lambent_ports::message_store::{QueueRecord, Redeemed};
use lambent_wire::sqs::operations::delete_message::{DeleteMessageRequest, DeleteMessageResponse};
use lambent_wire::sqs::operations::delete_message_batch::{
    DeleteMessageBatchRequest, DeleteMessageBatchResult, DeleteMessageBatchResultEntry,
};
use lambent_wire::sqs::operations::{DeleteMessage, DeleteMessageBatch};

use crate::{Sqs, SqsFault, batch, receipt};

/// A receipt of a FIFO queue whose lease is over (recorded).
pub(super) fn expired(handle: &str) -> SqsFault {
    SqsFault::value(handle, "ReceiptHandle", "The receipt handle has expired.")
}

impl Sqs {
    /// Deletes what the handles stand for.
    async fn delete(
        &self,
        queue: &QueueRecord,
        handles: &[&str],
    ) -> Result<Vec<Result<(), SqsFault>>, SqsFault> {
        let read: Vec<_> = handles.iter().map(|handle| receipt::read(queue.id, handle)).collect();
        let receipts: Vec<_> = read.iter().filter_map(|receipt| receipt.clone().ok()).collect();
        let count = receipts.len();
        let mut redeemed = match count {
            0 => Vec::new(),
            _ => self.store.delete(queue.id, receipts, self.clock.now_ms()).await?,
        }
        .into_iter();
        if queue.is_fifo() {
            // What stood behind them in their groups can be received now.
            self.waiting.wake(queue.id, count);
        }
        let outcomes = read.into_iter().zip(handles).map(|(receipt, handle)| {
            receipt?;
            match redeemed.next() {
                Some(Redeemed::Expired) => Err(expired(handle)),
                _ => Ok(()),
            }
        });
        let outcomes: Vec<Result<(), SqsFault>> = outcomes.collect();
        let deleted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.figures.deleted(queue, deleted, self.clock.now_ms());
        Ok(outcomes)
    }
}

impl Handle<DeleteMessage> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteMessageRequest,
    ) -> Result<DeleteMessageResponse, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let outcomes = self.delete(&queue, &[&input.receipt_handle]).await?;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        Ok(DeleteMessageResponse::default())
    }
}

impl Handle<DeleteMessageBatch> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteMessageBatchRequest,
    ) -> Result<DeleteMessageBatchResult, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        batch::check("DeleteMessageBatchRequestEntry", input.entries.iter().map(|entry| &entry.id))?;
        let handles: Vec<&str> = input.entries.iter().map(|entry| entry.receipt_handle.as_str()).collect();
        let outcomes = self.delete(&queue, &handles).await?;
        let mut result = DeleteMessageBatchResult::default();
        for (entry, outcome) in input.entries.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => result.successful.push(DeleteMessageBatchResultEntry { id: entry.id }),
                Err(fault) => result.failed.push(batch::failed(entry.id, &fault)),
            }
        }
        Ok(result)
    }
}
