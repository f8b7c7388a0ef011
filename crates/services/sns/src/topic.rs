//! What can be set of a topic, and what is shown of it.

use std::collections::BTreeMap;

use lambent_ports::topic_store::{Confirmation, SubscriptionRecord, TopicRecord};

use crate::{SnsFault, arn, delivery_policy, policy};

/// Longest name, `.fifo` included (recorded).
const MAX_NAME: usize = 256;
/// Longest display name (AWS documentation).
const MAX_DISPLAY_NAME: usize = 100;

/// A name that a topic can have.
pub(crate) fn check_name(name: &str, fifo: bool) -> Result<(), SnsFault> {
    let stem = if fifo { name.strip_suffix(".fifo") } else { Some(name) };
    let fits = |stem: &str| {
        !stem.is_empty()
            && name.len() <= MAX_NAME
            && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match stem.is_some_and(fits) {
        true => Ok(()),
        false => Err(SnsFault::Parameter("Topic Name".into())),
    }
}

/// What is said of an attribute's value: `name: reason`, or the name alone.
fn wrong(name: &str, reason: impl std::fmt::Display) -> SnsFault {
    SnsFault::Parameter(format!("{name}: {reason}"))
}

fn one_of(name: &str, value: &str, values: &[&str]) -> Result<(), SnsFault> {
    match values.contains(&value) {
        true => Ok(()),
        false => Err(wrong(name, format!("Invalid value [{value}]. Must be {}.", values.join(" or ")))),
    }
}

/// Puts an attribute into those of a topic. An empty value takes it back to its default.
pub(crate) fn set(
    attributes: &mut BTreeMap<String, String>,
    fifo: bool,
    name: &str,
    value: &str,
) -> Result<(), SnsFault> {
    if value.is_empty() {
        known(fifo, name)?;
        attributes.remove(name);
        return Ok(());
    }
    let shown = match name {
        "DisplayName" if value.chars().count() > MAX_DISPLAY_NAME => {
            return Err(SnsFault::Parameter("DisplayName".into()));
        }
        "DisplayName" | "KmsMasterKeyId" => value.to_owned(),
        "Policy" => {
            policy::check(value)?;
            value.to_owned()
        }
        "DeliveryPolicy" => {
            delivery_policy::of_topic(value).map_err(|reason| wrong(name, reason))?.to_string()
        }
        "SignatureVersion" => {
            one_of(name, value, &["1", "2"])?;
            value.to_owned()
        }
        "ContentBasedDeduplication" if fifo => {
            one_of(name, &value.to_lowercase(), &["true", "false"])?;
            value.to_lowercase()
        }
        "FifoThroughputScope" if fifo => {
            one_of(name, value, &["Topic", "MessageGroup"])?;
            value.to_owned()
        }
        "TracingConfig" if value == "PassThrough" => value.to_owned(),
        _ => {
            known(fifo, name)?;
            return Err(SnsFault::reason(name, unsupported(name)));
        }
    };
    attributes.insert(name.to_owned(), shown);
    Ok(())
}

/// There is such an attribute, of this kind of topic.
fn known(fifo: bool, name: &str) -> Result<(), SnsFault> {
    let feedback = ["HTTP", "Firehose", "Lambda", "Application", "SQS"].iter().any(|protocol| {
        name.strip_prefix(protocol).is_some_and(|rest| {
            matches!(rest, "SuccessFeedbackRoleArn" | "SuccessFeedbackSampleRate" | "FailureFeedbackRoleArn")
        })
    });
    let found = match name {
        "DisplayName" | "KmsMasterKeyId" | "Policy" | "DeliveryPolicy" | "SignatureVersion"
        | "TracingConfig" => true,
        "ContentBasedDeduplication" | "FifoThroughputScope" | "ArchivePolicy" => fifo,
        _ => feedback,
    };
    // Also of those that can't be changed (recorded of FifoTopic).
    if found { Ok(()) } else { Err(SnsFault::Parameter("AttributeName".into())) }
}

fn unsupported(name: &str) -> &'static str {
    match name {
        "ArchivePolicy" => "messages are not archived here",
        "TracingConfig" => "traces are passed through here, and not recorded",
        _ => "the status of deliveries is not logged here",
    }
}

/// Everything that GetTopicAttributes shows.
pub(crate) fn shown(
    topic: &TopicRecord,
    subscriptions: &[std::sync::Arc<SubscriptionRecord>],
) -> BTreeMap<String, String> {
    let pending = subscriptions.iter().filter(|one| matches!(one.confirmation, Confirmation::Pending { .. }));
    let pending = pending.count();
    let delivery_policy = topic.attributes.get("DeliveryPolicy").map(String::as_str);
    let disabled = delivery_policy.is_some_and(|text| text.contains("\"disableSubscriptionOverrides\":true"));
    let effective = delivery_policy::effective(delivery_policy, None).shown_by_topic(disabled);
    let mut shown = BTreeMap::from([
        ("DisplayName".to_owned(), String::new()),
        ("EffectiveDeliveryPolicy".to_owned(), effective.to_string()),
        ("Owner".to_owned(), topic.scope.account.to_string()),
        ("Policy".to_owned(), policy::default(topic).to_string()),
        ("SubscriptionsConfirmed".to_owned(), (subscriptions.len() - pending).to_string()),
        ("SubscriptionsDeleted".to_owned(), topic.unsubscribed.to_string()),
        ("SubscriptionsPending".to_owned(), pending.to_string()),
        ("TopicArn".to_owned(), arn::of_topic(topic)),
    ]);
    if topic.is_fifo() {
        shown.insert("FifoTopic".to_owned(), "true".to_owned());
        shown.insert("ContentBasedDeduplication".to_owned(), "false".to_owned());
    }
    shown.extend(topic.attributes.clone());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_aws_takes() {
        let longest = format!("{}.fifo", "x".repeat(251));
        for (name, fifo) in [("a-B_9", false), ("a.fifo", true), (longest.as_str(), true)] {
            assert!(check_name(name, fifo).is_ok(), "{name}");
        }
        for (name, fifo) in [("", false), ("a.fifo", false), ("a", true), (".fifo", true), ("a b", false)] {
            assert_eq!(check_name(name, fifo), Err(SnsFault::Parameter("Topic Name".into())), "{name}");
        }
        assert!(check_name(&"x".repeat(257), false).is_err());
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let mut attributes = BTreeMap::new();
        let told = |attributes: &mut _, fifo, name: &str, value: &str| {
            set(attributes, fifo, name, value).map_err(|fault| fault.message())
        };
        assert_eq!(
            told(&mut attributes, false, "FifoTopic", "false"),
            Err("Invalid parameter: AttributeName".into())
        );
        assert!(told(&mut attributes, false, "ContentBasedDeduplication", "true").is_err());
        assert!(told(&mut attributes, true, "ArchivePolicy", "{}").unwrap_err().contains("not archived"));
        assert!(
            told(&mut attributes, false, "LambdaSuccessFeedbackRoleArn", "arn")
                .unwrap_err()
                .contains("not logged")
        );
        assert!(told(&mut attributes, false, "SignatureVersion", "3").is_err());
        assert_eq!(told(&mut attributes, false, "SignatureVersion", "2"), Ok(()));
        assert_eq!(told(&mut attributes, false, "SignatureVersion", ""), Ok(()));
        assert!(attributes.is_empty());
    }
}
