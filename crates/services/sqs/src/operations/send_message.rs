//! SendMessage and SendMessageBatch.

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::RequestId;
use lambent_ports::message_store::{QueueRecord, Sent};
use lambent_wire::sqs::operations::send_message::{SendMessageRequest, SendMessageResult};
use lambent_wire::sqs::operations::send_message_batch::{
    SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageBatchResult,
    SendMessageBatchResultEntry,
};
use lambent_wire::sqs::operations::{SendMessage, SendMessageBatch};

use crate::message::{Outgoing, Sender, outgoing};
use crate::{Sqs, SqsFault, batch};

/// All messages of a batch together (AWS documentation).
const MAX_BATCH_BYTES: usize = 1_048_576;

/// AWS's numbers are this long; ours begin where its do.
pub(super) fn sequence_number(sequence: u64) -> String {
    18_400_000_000_000_000_000_u64.saturating_add(sequence).to_string()
}

impl Sqs {
    fn outgoing(
        &self,
        context: &Context,
        queue: &QueueRecord,
        input: SendMessageRequest,
        now_ms: u64,
    ) -> Result<Outgoing, SqsFault> {
        let uuid = RequestId::from_random(self.random.bytes16()).to_string();
        let sender = Sender { account: context.caller.account.as_str(), trace: context.trace.as_deref() };
        outgoing(queue, input, sender, uuid, now_ms)
    }
}

impl Handle<SendMessage> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: SendMessageRequest,
    ) -> Result<SendMessageResult, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let now_ms = self.clock.now_ms();
        let outgoing = self.outgoing(&context, &queue, input, now_ms)?;
        let mut sent = self.store.send(queue.id, vec![outgoing.message], now_ms).await?;
        self.waiting.wake(queue.id, 1);
        self.figures.sent(&queue, &[outgoing.bytes], now_ms);
        let sent = sent.pop().ok_or_else(|| SqsFault::Internal("nothing was sent".into()))?;
        Ok(SendMessageResult {
            md5_of_message_body: Some(outgoing.md5_of_body),
            md5_of_message_attributes: outgoing.md5_of_attributes,
            md5_of_message_system_attributes: outgoing.md5_of_system_attributes,
            sequence_number: queue.is_fifo().then(|| sequence_number(sent.sequence)),
            message_id: Some(sent.uuid),
        })
    }
}

impl Handle<SendMessageBatch> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: SendMessageBatchRequest,
    ) -> Result<SendMessageBatchResult, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        batch::check("SendMessageBatchRequestEntry", input.entries.iter().map(|entry| &entry.id))?;
        let now_ms = self.clock.now_ms();
        let mut result = SendMessageBatchResult::default();
        let (mut told, mut messages, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for entry in input.entries {
            let (id, one) = single(entry);
            match self.outgoing(&context, &queue, one, now_ms) {
                Ok(outgoing) => {
                    bytes.push(outgoing.bytes);
                    messages.push(outgoing.message);
                    told.push(SendMessageBatchResultEntry {
                        id,
                        md5_of_message_body: outgoing.md5_of_body,
                        md5_of_message_attributes: outgoing.md5_of_attributes,
                        md5_of_message_system_attributes: outgoing.md5_of_system_attributes,
                        ..Default::default()
                    });
                }
                Err(fault) => result.failed.push(batch::failed(id, &fault)),
            }
        }
        let all_bytes: usize = bytes.iter().sum();
        if all_bytes > MAX_BATCH_BYTES {
            return Err(SqsFault::BatchTooLong(all_bytes));
        }
        let sent = self.send_all(&queue, messages, now_ms).await?;
        self.figures.sent(&queue, &bytes, now_ms);
        for (mut entry, sent) in told.into_iter().zip(sent) {
            entry.sequence_number = queue.is_fifo().then(|| sequence_number(sent.sequence));
            entry.message_id = sent.uuid;
            result.successful.push(entry);
        }
        Ok(result)
    }
}

impl Sqs {
    async fn send_all(
        &self,
        queue: &Arc<QueueRecord>,
        messages: Vec<lambent_ports::message_store::NewMessage>,
        now_ms: u64,
    ) -> Result<Vec<Sent>, SqsFault> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let count = messages.len();
        let sent = self.store.send(queue.id, messages, now_ms).await?;
        self.waiting.wake(queue.id, count);
        Ok(sent)
    }
}

/// An entry as the message it is.
fn single(entry: SendMessageBatchRequestEntry) -> (String, SendMessageRequest) {
    let message = SendMessageRequest {
        queue_url: String::new(),
        message_body: entry.message_body,
        delay_seconds: entry.delay_seconds,
        message_attributes: entry.message_attributes,
        message_system_attributes: entry.message_system_attributes,
        message_deduplication_id: entry.message_deduplication_id,
        message_group_id: entry.message_group_id,
    };
    (entry.id, message)
}
