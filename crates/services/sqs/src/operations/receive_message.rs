//! ReceiveMessage: what is there, or, with a wait, what comes.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_ports::message_store::{QueueRecord, Receive, Received};
use lambent_wire::sqs::operations::ReceiveMessage;
use lambent_wire::sqs::operations::receive_message::{Message, ReceiveMessageRequest, ReceiveMessageResult};

use crate::attributes::Settings;
use crate::message::Notes;
use crate::waiting::Wait;
use crate::{Sqs, SqsFault, checksum, receipt};

/// Messages in flight (AWS documentation; the same for both kinds of queue).
const MAX_IN_FLIGHT: u64 = 120_000;
/// AWS documentation.
const MAX_VISIBILITY_S: i32 = 43_200;

impl Handle<ReceiveMessage> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: ReceiveMessageRequest,
    ) -> Result<ReceiveMessageResult, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        if input.receive_request_attempt_id.is_some() {
            // Answering it anew would hand out other messages than the attempt that it repeats.
            return Err(SqsFault::NotYet {
                operation: "ReceiveMessage",
                reason: "ReceiveRequestAttemptId can't be obeyed; leave it out",
            });
        }
        let settings = Settings::of(&queue);
        let max = max_messages(input.max_number_of_messages)?;
        let visibility_ms = match input.visibility_timeout {
            Some(seconds) => visibility_ms(seconds)?,
            None => settings.visibility_ms(),
        };
        let wait_ms = wait_ms(input.wait_time_seconds)?.unwrap_or_else(|| settings.wait_ms());
        let retention_ms = settings.retention_ms();
        let dead_letters = self.dead_letters(&queue);
        let wait =
            Wait { queue: queue.id, until_ms: self.clock.now_ms() + wait_ms, gone: context.gone.clone() };
        let receive = |now_ms: u64| Receive {
            max,
            until_ms: now_ms + visibility_ms,
            sent_after_ms: now_ms.saturating_sub(retention_ms),
            max_in_flight: MAX_IN_FLIGHT,
            dead_letters: dead_letters.clone(),
        };
        let received = self.receive_waiting(wait, receive).await?;
        if context.gone.is_gone() {
            // Nobody hears of them: the next one gets them at once, and not when the lease runs out.
            let now_ms = self.clock.now_ms();
            let back = received.iter().map(|one| (one.receipt, now_ms)).collect();
            self.store.set_visibility(queue.id, back, now_ms).await?;
            self.waiting.wake(queue.id, received.len());
            return Ok(ReceiveMessageResult::default());
        }
        self.figures.received(&queue, received.len(), self.clock.now_ms());
        let messages =
            received.into_iter().map(|one| shown(&queue, one, &input)).collect::<Result<Vec<_>, _>>()?;
        Ok(ReceiveMessageResult { messages: (!messages.is_empty()).then_some(messages) })
    }
}

fn max_messages(wanted: Option<i32>) -> Result<usize, SqsFault> {
    match wanted {
        None => Ok(1),
        Some(wanted @ 1..=10) => Ok(wanted.unsigned_abs() as usize),
        Some(wanted) => {
            Err(SqsFault::value(wanted, "MaxNumberOfMessages", "Must be between 1 and 10, if provided."))
        }
    }
}

/// A timeout that a message can have.
pub(super) fn visibility_ms(seconds: i32) -> Result<u64, SqsFault> {
    match seconds {
        0..=MAX_VISIBILITY_S => Ok(seconds.unsigned_abs() as u64 * 1_000),
        _ => Err(SqsFault::value(
            seconds,
            "VisibilityTimeout",
            "VisibilityTimeout must be an integer between 0 and 43200.",
        )),
    }
}

fn wait_ms(seconds: Option<i32>) -> Result<Option<u64>, SqsFault> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 0..=20) => Ok(Some(seconds.unsigned_abs() as u64 * 1_000)),
        Some(seconds) => {
            Err(SqsFault::value(seconds, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided."))
        }
    }
}

fn shown(
    queue: &QueueRecord,
    received: Received,
    input: &ReceiveMessageRequest,
) -> Result<Message, SqsFault> {
    let notes = Notes::read(&received.attributes)?;
    let wanted = input.message_attribute_names.as_deref().unwrap_or_default();
    let user = notes.attributes(wanted);
    let asked = |name: &str| {
        let names = [&input.attribute_names, &input.message_system_attribute_names];
        names.into_iter().flatten().flatten().any(|one| one == "All" || one == name)
    };
    let mut attributes = system_attributes(queue, notes, &received);
    attributes.retain(|name, _| asked(name));
    Ok(Message {
        message_id: Some(received.uuid),
        receipt_handle: Some(receipt::handle(queue.id, received.receipt)),
        md5_of_body: Some(checksum::of_text(&received.body)),
        body: Some(received.body),
        attributes: (!attributes.is_empty()).then_some(attributes),
        // Of the attributes that are in the answer (recorded).
        md5_of_message_attributes: checksum::of_attributes(&user),
        message_attributes: (!user.is_empty()).then_some(user),
    })
}

fn system_attributes(queue: &QueueRecord, notes: Notes, received: &Received) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        ("SenderId".to_owned(), notes.sender),
        ("SentTimestamp".to_owned(), received.sent_ms.to_string()),
        ("ApproximateReceiveCount".to_owned(), received.receives.to_string()),
        ("ApproximateFirstReceiveTimestamp".to_owned(), received.first_received_ms.to_string()),
    ]);
    let sequence = queue.is_fifo().then(|| super::send_message::sequence_number(received.sequence));
    let more = [
        ("AWSTraceHeader", notes.trace),
        ("MessageGroupId", notes.group),
        ("MessageDeduplicationId", notes.deduplication),
        ("SequenceNumber", sequence),
        ("DeadLetterQueueSourceArn", received.source.clone()),
    ];
    all.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    all
}
