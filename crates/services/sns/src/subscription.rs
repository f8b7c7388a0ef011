//! What can be set of a subscription, and what is shown of it.

use std::collections::BTreeMap;

use lambent_ports::topic_store::{Confirmation, SubscriptionRecord, TopicRecord};
use serde_json::Value;

use crate::filter::{self, Scope};
use crate::message::Message;
use crate::{SnsFault, arn, delivery_policy, jackson};

/// Checks where messages are to go.
pub(crate) fn check_endpoint(topic: &TopicRecord, protocol: &str, endpoint: &str) -> Result<(), SnsFault> {
    match protocol {
        "sqs" => {
            let (_, queue) =
                arn::queue(endpoint).ok_or_else(|| SnsFault::Parameter("SQS endpoint ARN".into()))?;
            if queue.ends_with(".fifo") && !topic.is_fifo() {
                let text = "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
                return Err(SnsFault::Parameter(text.into()));
            }
            Ok(())
        }
        "lambda" if topic.is_fifo() => Err(no_fifo(protocol)),
        "lambda" => match lambent_domain::FunctionRef::parse(endpoint) {
            Some(_) if endpoint.starts_with("arn:") => Ok(()),
            _ => Err(SnsFault::Parameter("Lambda endpoint ARN".into())),
        },
        "http" | "https" if topic.is_fifo() => Err(no_fifo(protocol)),
        "http" | "https" => {
            if !endpoint.starts_with(&format!("{protocol}://")) {
                return Err(SnsFault::Parameter("Endpoint must match the specified protocol".into()));
            }
            let reachable = endpoint.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some());
            if reachable { Ok(()) } else { Err(SnsFault::Parameter("Endpoint".into())) }
        }
        "email" | "email-json" | "sms" | "application" | "firehose" => {
            let text = format!(
                "no message can be sent by {protocol} from here; sqs, lambda, http and https are there"
            );
            Err(SnsFault::reason("Protocol", text))
        }
        other => {
            Err(SnsFault::Parameter(format!("Amazon SNS does not support this protocol string: {other}")))
        }
    }
}

/// AWS documentation: only queues can be subscribed to FIFO topics.
fn no_fifo(protocol: &str) -> SnsFault {
    SnsFault::Parameter(format!("Invalid protocol type: {protocol}"))
}

/// Puts an attribute into those of a subscription; what is wrong follows `Invalid parameter: `, or behind more words. An
/// empty value takes it back to its default.
pub(crate) fn set(
    topic: &TopicRecord,
    subscription: &mut SubscriptionRecord,
    name: &str,
    value: &str,
) -> Result<(), String> {
    let named = |reason: String| format!("{name}: {reason}");
    let shown = match name {
        "RawMessageDelivery" => Some(raw(&subscription.protocol, value)?),
        "FilterPolicyScope" => match Scope::parse(value) {
            Some(_) => Some(value.to_owned()),
            None => {
                return Err(named(format!(
                    "Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                )));
            }
        },
        "FilterPolicy" | "RedrivePolicy" | "DeliveryPolicy" if value.is_empty() => None,
        // Looked at when every attribute is there: what it may be depends on its scope.
        "FilterPolicy" => {
            let policy = jackson::object(value).map_err(named)?;
            // One without keys is none (AWS documentation).
            (!policy.is_empty()).then(|| value.to_owned())
        }
        "RedrivePolicy" => {
            redrive(topic, value).map_err(named)?;
            Some(value.to_owned())
        }
        "DeliveryPolicy" if !matches!(subscription.protocol.as_str(), "http" | "https") => {
            return Err(format!(
                "Delivery protocol [{}] does not support delivery policies",
                subscription.protocol
            ));
        }
        "DeliveryPolicy" => Some(delivery_policy::of_subscription(value).map_err(named)?.to_string()),
        "SubscriptionRoleArn" | "ReplayPolicy" => return Err(named("not supported here".into())),
        _ => return Err("AttributeName".into()),
    };
    match shown {
        Some(shown) => subscription.attributes.insert(name.to_owned(), shown),
        None => subscription.attributes.remove(name),
    };
    Ok(())
}

/// What only holds of all attributes together.
pub(crate) fn check_filter(subscription: &SubscriptionRecord) -> Result<(), String> {
    match policy(subscription) {
        Some(policy) => {
            filter::check(policy, scope(subscription)).map_err(|reason| format!("FilterPolicy: {reason}"))
        }
        None => Ok(()),
    }
}

fn raw(protocol: &str, value: &str) -> Result<String, String> {
    let lower = value.to_lowercase();
    if !matches!(lower.as_str(), "true" | "false") {
        return Err(format!("RawMessageDelivery: Invalid value [{value}]. Must be true or false."));
    }
    if lower == "true" && protocol == "lambda" {
        return Err(format!("Delivery protocol [{protocol}] does not support raw message delivery."));
    }
    Ok(lower)
}

/// ARN of the dead-letter queue.
fn redrive(topic: &TopicRecord, text: &str) -> Result<String, String> {
    let policy = jackson::object(text)?;
    let target = policy.get("deadLetterTargetArn").and_then(Value::as_str).unwrap_or_default();
    let (scope, name) = arn::queue(target).ok_or("deadLetterTargetArn is an invalid arn")?;
    if scope != topic.scope {
        return Err("deadLetterTargetArn must be in the topic's account and region".into());
    }
    if name.ends_with(".fifo") != topic.is_fifo() {
        return Err("The dead-letter queue must be of the type of the topic".into());
    }
    Ok(target.to_owned())
}

/// ARN of the queue for what could not be delivered.
pub(crate) fn dead_letter_queue(topic: &TopicRecord, subscription: &SubscriptionRecord) -> Option<String> {
    redrive(topic, subscription.attributes.get("RedrivePolicy")?).ok()
}

/// Messages go without an envelope.
pub(crate) fn is_raw(subscription: &SubscriptionRecord) -> bool {
    subscription.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
}

fn scope(subscription: &SubscriptionRecord) -> Scope {
    let set = subscription.attributes.get("FilterPolicyScope").and_then(|text| Scope::parse(text));
    set.unwrap_or(Scope::Attributes)
}

fn policy(subscription: &SubscriptionRecord) -> Option<&str> {
    subscription.attributes.get("FilterPolicy").map(String::as_str)
}

/// Whether it gets messages.
pub(crate) fn is_confirmed(subscription: &SubscriptionRecord) -> bool {
    matches!(subscription.confirmation, Confirmation::Confirmed { .. })
}

/// Whether a message is for it.
pub(crate) fn wants(subscription: &SubscriptionRecord, message: &Message) -> bool {
    if !is_confirmed(subscription) {
        return false;
    }
    let Some(policy) = policy(subscription) else { return true };
    match scope(subscription) {
        Scope::Attributes => filter::matches_attributes(policy, &message.attributes),
        Scope::Body => filter::matches_body(policy, message.text(&subscription.protocol)),
    }
}

/// Everything that GetSubscriptionAttributes shows.
pub(crate) fn shown(topic: &TopicRecord, subscription: &SubscriptionRecord) -> BTreeMap<String, String> {
    let (pending, authenticated) = match &subscription.confirmation {
        Confirmation::Pending { .. } => (true, false),
        Confirmation::Confirmed { authenticated } => (false, *authenticated),
        Confirmation::Ended { .. } => (false, false),
    };
    let mut shown = subscription.attributes.clone();
    // The scope is shown beside a policy alone (recorded).
    match shown.contains_key("FilterPolicy") {
        true => drop(shown.entry("FilterPolicyScope".into()).or_insert_with(|| "MessageAttributes".into())),
        false => drop(shown.remove("FilterPolicyScope")),
    }
    shown.entry("RawMessageDelivery".into()).or_insert_with(|| "false".into());
    if matches!(subscription.protocol.as_str(), "http" | "https") {
        let effective = delivery_policy::of_delivery(topic, subscription);
        shown.insert("EffectiveDeliveryPolicy".into(), effective.shown_by_subscription().to_string());
    }
    shown.extend([
        ("ConfirmationWasAuthenticated".into(), authenticated.to_string()),
        ("Endpoint".into(), subscription.endpoint.clone()),
        ("Owner".into(), subscription.owner.clone()),
        ("PendingConfirmation".into(), pending.to_string()),
        ("Protocol".into(), subscription.protocol.clone()),
        ("SubscriptionArn".into(), arn::of_subscription(topic, subscription)),
        ("SubscriptionPrincipal".into(), subscription.principal.clone()),
        ("TopicArn".into(), arn::of_topic(topic)),
    ]);
    shown
}
