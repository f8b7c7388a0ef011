//! What is published, checked; and what of it is stored.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lambent_ports::topic_store::{Deduplication, TopicRecord};
use lambent_wire::sns::operations::publish::PublishInput;
use lambent_wire::sns::types::MessageAttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::SnsFault;

/// Message and attributes together, bytes (recorded).
pub(crate) const MAX_BYTES: usize = 262_144;
/// A second message of the same kind is refused for so long (AWS documentation).
const DEDUPLICATION_MS: u64 = 5 * 60 * 1_000;
/// Longest group and deduplication id (AWS documentation).
const MAX_ID: usize = 128;
/// Longest subject, characters (AWS documentation).
const MAX_SUBJECT: usize = 100;

/// What is stored of a message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Message {
    text: String,
    /// Texts of their own for some protocols.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deduplication: Option<String>,
    /// It asks for a confirmation, which needs this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// It says that its endpoint has been unsubscribed, and how to take that back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) farewell: bool,
    /// `X-Amzn-Trace-Id` of who published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

/// What is binary is in base64.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Attribute {
    #[serde(rename = "t")]
    pub(crate) data_type: String,
    #[serde(rename = "v")]
    pub(crate) value: String,
}

impl Message {
    /// The text for subscribers of a protocol.
    pub(crate) fn text(&self, protocol: &str) -> &str {
        self.texts.get(protocol).unwrap_or(&self.text)
    }

    /// What an endpoint gets that is to confirm its subscription (recorded).
    pub(crate) fn confirmation(topic_arn: &str, token: &str, at_ms: u64) -> Self {
        let text = format!(
            "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
        );
        Message::with_token(text, token, at_ms)
    }

    /// What an endpoint gets that has been unsubscribed (AWS documentation).
    pub(crate) fn farewell(subscription_arn: &str, token: &str, at_ms: u64) -> Self {
        let text = format!(
            "You have chosen to deactivate subscription {subscription_arn}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
        );
        Message { farewell: true, ..Message::with_token(text, token, at_ms) }
    }

    fn with_token(text: String, token: &str, at_ms: u64) -> Self {
        Message {
            text,
            texts: BTreeMap::new(),
            subject: None,
            attributes: BTreeMap::new(),
            at_ms,
            group: None,
            deduplication: None,
            token: Some(token.to_owned()),
            farewell: false,
            trace: None,
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub(crate) fn stored(&self) -> Result<Bytes, SnsFault> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|error| SnsFault::Internal(error.to_string()))
    }
}

/// A message that can be published.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) message: Message,
    pub(crate) deduplication: Option<Deduplication>,
    /// What counts against limits.
    pub(crate) bytes: usize,
}

/// Checks a message. A batch's entries are the same thing, at a place of theirs.
pub(crate) fn check(
    topic: &TopicRecord,
    input: PublishInput,
    place: &str,
    now_ms: u64,
) -> Result<Checked, SnsFault> {
    if input.message.is_empty() {
        return Err(SnsFault::Parameter("Empty message".into()));
    }
    if let Some(subject) = &input.subject {
        check_subject(subject)?;
    }
    let given = input.message_attributes.unwrap_or_default();
    let bytes = input.message.len() + given.iter().map(size).sum::<usize>();
    let attributes = attributes(given, place)?;
    let (text, texts) = texts(input.message, input.message_structure.as_deref())?;
    let deduplication = deduplication(
        topic,
        input.message_deduplication_id,
        input.message_group_id.as_deref(),
        &text,
        now_ms,
    )?;
    let message = Message {
        text,
        texts,
        subject: input.subject,
        attributes,
        at_ms: now_ms,
        group: input.message_group_id,
        deduplication: deduplication.as_ref().map(|found| found.id.clone()),
        token: None,
        trace: None,
        farewell: false,
    };
    Ok(Checked { message, deduplication, bytes })
}

fn check_subject(subject: &str) -> Result<(), SnsFault> {
    let short = (1..=MAX_SUBJECT).contains(&subject.chars().count());
    if short && !subject.contains(['\n', '\r']) { Ok(()) } else { Err(SnsFault::Parameter("Subject".into())) }
}

/// With `MessageStructure` `json` the message holds a text for each protocol.
fn texts(message: String, structure: Option<&str>) -> Result<(String, BTreeMap<String, String>), SnsFault> {
    let wrong = |text: &str| SnsFault::Parameter(format!("Message Structure - {text}"));
    match structure {
        None | Some("") => return Ok((message, BTreeMap::new())),
        Some("json") => {}
        Some(_) => return Err(SnsFault::Parameter("MessageStructure".into())),
    }
    let Ok(Value::Object(members)) = serde_json::from_str(&message) else {
        return Err(wrong("JSON message body failed to parse"));
    };
    let texts = members.into_iter().filter_map(|(key, value)| match value {
        Value::String(text) => Some((key, text)),
        _ => None,
    });
    let mut texts: BTreeMap<String, String> = texts.collect();
    let default = texts.remove("default").ok_or_else(|| wrong("No default entry in JSON message body"))?;
    if default.is_empty() {
        return Err(SnsFault::Parameter("Empty message".into()));
    }
    Ok((default, texts))
}

fn deduplication(
    topic: &TopicRecord,
    given: Option<String>,
    group: Option<&str>,
    text: &str,
    now_ms: u64,
) -> Result<Option<Deduplication>, SnsFault> {
    let set = |name: &str, value: &str| topic.attributes.get(name).is_some_and(|found| found == value);
    for (name, id) in [("MessageGroupId", group), ("MessageDeduplicationId", given.as_deref())] {
        let fits =
            |id: &str| (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !id.is_none_or(fits) {
            let reason = format!(
                "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length"
            );
            return Err(SnsFault::reason(name, reason));
        }
    }
    if !topic.is_fifo() {
        return match given {
            None => Ok(None),
            Some(_) => Err(SnsFault::reason(
                "MessageDeduplicationId",
                "The request includes MessageDeduplicationId parameter that is not valid for this topic type",
            )),
        };
    }
    if group.is_none() {
        return Err(SnsFault::Parameter("The MessageGroupId parameter is required for FIFO topics".into()));
    }
    let id = match given {
        Some(id) => id,
        None if set("ContentBasedDeduplication", "true") => hex::encode(Sha256::digest(text)),
        None => {
            return Err(SnsFault::Parameter("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly".into()));
        }
    };
    let per_group = set("FifoThroughputScope", "MessageGroup");
    Ok(Some(Deduplication { id, per_group, until_ms: now_ms + DEDUPLICATION_MS }))
}

fn size((name, value): (&String, &MessageAttributeValue)) -> usize {
    let text = value.string_value.as_ref().map_or(0, String::len);
    name.len() + value.data_type.len() + text + value.binary_value.as_ref().map_or(0, Bytes::len)
}

fn attributes(
    given: BTreeMap<String, MessageAttributeValue>,
    place: &str,
) -> Result<BTreeMap<String, Attribute>, SnsFault> {
    given
        .into_iter()
        .map(|(name, value)| {
            check_name(&name)?;
            let attribute = attribute(&name, value, place)?;
            Ok((name, attribute))
        })
        .collect()
}

/// Texts from AWS's documentation and its SDKs' issues: none is recorded.
fn check_name(name: &str) -> Result<(), SnsFault> {
    let wrong = |text: String| Err(SnsFault::ParameterValue(text));
    if name.is_empty() || name.len() > 256 {
        return wrong("Length of message attribute name must be less than 256 bytes.".into());
    }
    if name.starts_with('.') || name.ends_with('.') {
        let end = if name.starts_with('.') { "starting" } else { "ending" };
        return wrong(format!("Invalid message attribute name {end} with character '.' was found."));
    }
    if name.contains("..") {
        return wrong("Message attribute name can not have successive '.' character.".into());
    }
    let other = name.chars().find(|one| !(one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.')));
    match other {
        Some(one) => wrong(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            one as u32
        )),
        None => Ok(()),
    }
}

fn attribute(name: &str, value: MessageAttributeValue, place: &str) -> Result<Attribute, SnsFault> {
    let wrong = |text: String| Err(SnsFault::ParameterValue(text));
    let data_type = value.data_type;
    if data_type.is_empty() {
        return Err(SnsFault::Validation(format!(
            "1 validation error detected: Value null at '{place}messageAttributes.{name}.member.dataType' failed to satisfy constraint: Member must not be null"
        )));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary") {
        return wrong(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        ));
    }
    let (field, found, other) = match kind {
        "Binary" => {
            ("Binary", value.binary_value.map(|bytes| STANDARD.encode(bytes)), value.string_value.is_some())
        }
        _ => ("String", value.string_value, value.binary_value.is_some()),
    };
    match found {
        Some(value) if kind == "Number" && value.trim().parse::<f64>().is_err() => {
            wrong(format!("Could not cast message attribute '{name}' value to number."))
        }
        Some(value) if !value.is_empty() => Ok(Attribute { data_type, value }),
        None if other => {
            wrong(format!("The message attribute '{name}' with type '{data_type}' must use field '{field}'."))
        }
        _ => wrong(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{data_type}'."
        )),
    }
}
