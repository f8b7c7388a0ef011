//! What makes two messages of a FIFO queue the same.

use lambent_ports::message_store::{Deduplication, QueueRecord};
use sha2::{Digest, Sha256};

use crate::SqsFault;
use crate::attributes::Settings;
use crate::message::check_id;

/// How long a second one goes nowhere (AWS documentation: five minutes).
const WINDOW_MS: u64 = 300_000;

pub(crate) fn of(
    queue: &QueueRecord,
    given: Option<String>,
    group: Option<&String>,
    body: &str,
    now_ms: u64,
) -> Result<Option<Deduplication>, SqsFault> {
    if !queue.is_fifo() {
        return match given {
            None => Ok(None),
            Some(id) => {
                let reason = "The request includes a parameter that is not valid for this queue type.";
                Err(SqsFault::value(id, "MessageDeduplicationId", reason))
            }
        };
    }
    if group.is_none() {
        return Err(SqsFault::Missing("MessageGroupId".into()));
    }
    let settings = Settings::of(queue);
    let id = match given {
        Some(id) => {
            check_id("MessageDeduplicationId", &id)?;
            id
        }
        None if settings.deduplicates_content() => hex::encode(Sha256::digest(body.as_bytes())),
        None => {
            return Err(SqsFault::Parameter(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly".into(),
            ));
        }
    };
    let per_group = settings.deduplicates_per_group();
    Ok(Some(Deduplication { id, per_group, until_ms: now_ms + WINDOW_MS }))
}
