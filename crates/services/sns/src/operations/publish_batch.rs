//! PublishBatch: at most ten messages, which fail one by one.

use std::collections::BTreeSet;

use lambent_api_kit::{Context, Handle};
use lambent_wire::sns::operations::PublishBatch;
use lambent_wire::sns::operations::publish::PublishInput;
use lambent_wire::sns::operations::publish_batch::{
    BatchResultErrorEntry, PublishBatchInput, PublishBatchRequestEntry, PublishBatchResponse,
    PublishBatchResultEntry,
};

use crate::notification::sequence_number;
use crate::{Sns, SnsFault, message};

const MAX_ENTRIES: usize = 10;
const MAX_ID: usize = 80;

impl Handle<PublishBatch> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: PublishBatchInput,
    ) -> Result<PublishBatchResponse, SnsFault> {
        let topic = self.topic(&context.scope, &input.topic_arn)?;
        let entries = input.publish_batch_request_entries;
        check_ids(&entries)?;
        let now_ms = self.now_ms();
        let (mut ids, mut messages, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (number, entry) in (1..).zip(entries) {
            let (id, message) = of(entry);
            let place = format!("publishBatchRequestEntries.{number}.member.");
            match message::check(&topic, message, &place, now_ms) {
                Ok(mut checked) => {
                    checked.message.trace.clone_from(&context.trace);
                    ids.push(id);
                    messages.push(checked);
                }
                Err(fault) => failed.push(refused(id, &fault)),
            }
        }
        if messages.iter().map(|one| one.bytes).sum::<usize>() > message::MAX_BYTES {
            return Err(SnsFault::BatchTooLong);
        }
        let published = self.publish(&topic, messages, now_ms).await?;
        let successful = ids.into_iter().zip(published).map(|(id, published)| PublishBatchResultEntry {
            id: Some(id),
            message_id: Some(published.uuid),
            sequence_number: topic.is_fifo().then(|| sequence_number(published.sequence)),
        });
        Ok(PublishBatchResponse { successful: Some(successful.collect()), failed: Some(failed) })
    }
}

/// What is wrong with ids is recorded, but for a batch that has none or too many.
fn check_ids(entries: &[PublishBatchRequestEntry]) -> Result<(), SnsFault> {
    match entries.len() {
        0 => return Err(SnsFault::EmptyBatch),
        count if count > MAX_ENTRIES => return Err(SnsFault::TooManyEntries),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for PublishBatchRequestEntry { id, .. } in entries {
        let wrong = |what: &str| {
            SnsFault::EntryId(format!("The Id of a batch entry in the batch request {what}: {id}"))
        };
        if id.len() > MAX_ID {
            return Err(wrong("is too long"));
        }
        let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if id.is_empty() || !letters {
            return Err(wrong("contains an impermissible character"));
        }
        if !seen.insert(id) {
            return Err(SnsFault::EntryIdTwice);
        }
    }
    Ok(())
}

fn of(entry: PublishBatchRequestEntry) -> (String, PublishInput) {
    let message = PublishInput {
        message: entry.message,
        subject: entry.subject,
        message_structure: entry.message_structure,
        message_attributes: entry.message_attributes,
        message_deduplication_id: entry.message_deduplication_id,
        message_group_id: entry.message_group_id,
        ..Default::default()
    };
    (entry.id, message)
}

fn refused(id: String, fault: &SnsFault) -> BatchResultErrorEntry {
    let (code, status) = fault.code();
    BatchResultErrorEntry {
        id,
        code: code.to_owned(),
        message: Some(fault.message()),
        sender_fault: status < 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_to_ten_entries_with_ids_of_their_own() {
        let check = |ids: &[&str]| {
            let entry = |id: &&str| PublishBatchRequestEntry { id: (*id).to_owned(), ..Default::default() };
            check_ids(&ids.iter().map(entry).collect::<Vec<_>>())
        };
        assert_eq!(check(&["a", "b-_9", &"x".repeat(80)]), Ok(()));
        assert_eq!(check(&[]), Err(SnsFault::EmptyBatch));
        assert_eq!(check(&["a"; 20]), Err(SnsFault::TooManyEntries));
        assert_eq!(check(&["a", "a"]), Err(SnsFault::EntryIdTwice));
        let told = |id: &str| check(&[id]).unwrap_err().message();
        assert_eq!(
            told("message.id"),
            "The Id of a batch entry in the batch request contains an impermissible character: message.id"
        );
        assert!(
            told(&"x".repeat(81))
                .starts_with("The Id of a batch entry in the batch request is too long: xxx")
        );
    }
}
