//! Dead-letter queues: who sends where, and who may.

use lambent_ports::message_store::{DeadLetters, QueueRecord};
use serde_json::Value;

use crate::{Sqs, SqsFault, name};

/// Receives before a message is dead, at most (AWS documentation).
const MAX_RECEIVES: u64 = 1_000;
/// Queues that a redrive allow policy can name (AWS documentation).
const MAX_SOURCES: usize = 10;

/// A queue's redrive policy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub(crate) target_arn: String,
    max_receives: u32,
}

impl RedrivePolicy {
    /// The texts are from AWS's documentation.
    fn parse(text: &str) -> Result<Self, SqsFault> {
        let wrong = |reason: &str| SqsFault::value(text, "RedrivePolicy", reason);
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(wrong("Redrive policy is not a valid JSON map."));
        };
        let missing =
            |name: &str| wrong(&format!("Redrive policy does not contain mandatory attribute: {name}."));
        let target = members.get("deadLetterTargetArn").ok_or_else(|| missing("deadLetterTargetArn"))?;
        let count = members.get("maxReceiveCount").ok_or_else(|| missing("maxReceiveCount"))?;
        // A number or its text.
        let number = count.as_u64().or_else(|| count.as_str()?.parse().ok());
        let max_receives = number.filter(|number| (1..=MAX_RECEIVES).contains(number)).ok_or_else(|| {
            let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
            wrong(&format!(
                "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
        let target_arn = target.as_str().unwrap_or_default().to_owned();
        Ok(RedrivePolicy { target_arn, max_receives: max_receives as u32 })
    }

    /// What was checked when it was set.
    pub(crate) fn of(queue: &QueueRecord) -> Option<Self> {
        queue.attributes.get("RedrivePolicy").and_then(|text| Self::parse(text).ok())
    }
}

/// Who may send dead letters to a queue.
fn allows(target: &QueueRecord, source_arn: &str) -> bool {
    let Some(policy) = target.attributes.get("RedriveAllowPolicy") else { return true };
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    match policy["redrivePermission"].as_str() {
        Some("denyAll") => false,
        Some("byQueue") => policy["sourceQueueArns"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|arn| arn.as_str() == Some(source_arn)),
        _ => true,
    }
}

fn check_allow_policy(text: &str) -> Result<(), SqsFault> {
    let wrong = |reason: &str| SqsFault::value(text, "RedriveAllowPolicy", reason);
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return Err(wrong("Redrive allow policy is not a valid JSON map."));
    };
    let sources = members.get("sourceQueueArns");
    let count = sources.and_then(Value::as_array).map_or(0, Vec::len);
    match members.get("redrivePermission").and_then(Value::as_str) {
        Some("allowAll" | "denyAll") if sources.is_none() => Ok(()),
        Some("allowAll" | "denyAll") => {
            Err(wrong("sourceQueueArns can only be used with the redrivePermission byQueue."))
        }
        Some("byQueue") if (1..=MAX_SOURCES).contains(&count) => Ok(()),
        Some("byQueue") => Err(wrong("sourceQueueArns must have 1 to 10 queue ARNs.")),
        _ => Err(wrong("redrivePermission must be allowAll, denyAll or byQueue.")),
    }
}

impl Sqs {
    /// Checks what a queue's attributes say of dead letters.
    pub(crate) fn check_redrive(&self, queue: &QueueRecord) -> Result<(), SqsFault> {
        if let Some(text) = queue.attributes.get("RedriveAllowPolicy") {
            check_allow_policy(text)?;
        }
        let Some(text) = queue.attributes.get("RedrivePolicy") else { return Ok(()) };
        let policy = RedrivePolicy::parse(text)?;
        let wrong = |reason: &str| Err(SqsFault::value(text, "RedrivePolicy", reason));
        let target = name::from_arn(&policy.target_arn).filter(|(scope, _)| *scope == queue.scope);
        let Some(target) = target.and_then(|(scope, name)| self.store.queue(&scope, &name)) else {
            return wrong("Dead letter target does not exist.");
        };
        if target.is_fifo() != queue.is_fifo() {
            return wrong("Dead-letter queue must be same type of queue as the source.");
        }
        if !allows(&target, &name::arn(queue)) {
            return wrong(
                "Queue does not have permission to redrive on the dead letter queue specified by redrive policy.",
            );
        }
        Ok(())
    }

    /// Where a queue's dead letters go. Nowhere when that queue is gone or does not allow it any more: the messages stay.
    pub(crate) fn dead_letters(&self, queue: &QueueRecord) -> Option<DeadLetters> {
        let policy = RedrivePolicy::of(queue)?;
        let (scope, name) = name::from_arn(&policy.target_arn)?;
        let target = self.store.queue(&scope, &name)?;
        let source = name::arn(queue);
        (target.id != queue.id && allows(&target, &source)).then_some(DeadLetters {
            queue: target.id,
            max_receives: policy.max_receives,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_names_a_queue_and_a_count() {
        let arn = "arn:aws:sqs:us-east-1:123456789012:d";
        for count in ["3", "\"3\""] {
            let text = format!(r#"{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {count}}}"#);
            let policy = RedrivePolicy::parse(&text).unwrap();
            assert_eq!(policy, RedrivePolicy { target_arn: arn.into(), max_receives: 3 });
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"deadLetterTargetArn": "a"}"#,
            r#"{"deadLetterTargetArn": "a", "maxReceiveCount": 0}"#,
        ] {
            assert!(RedrivePolicy::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redrive_allow_policy_names_queues_only_by_queue() {
        assert!(check_allow_policy(r#"{"redrivePermission": "denyAll"}"#).is_ok());
        assert!(check_allow_policy(r#"{"redrivePermission": "byQueue", "sourceQueueArns": ["a"]}"#).is_ok());
        for text in [
            "",
            r#"{"redrivePermission": "byQueue"}"#,
            r#"{"redrivePermission": "denyAll", "sourceQueueArns": ["a"]}"#,
        ] {
            assert!(check_allow_policy(text).is_err(), "{text}");
        }
    }
}
