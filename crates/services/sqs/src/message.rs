//! What is sent, checked; what of it is stored besides the body; and what of that is shown.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lambent_ports::message_store::{NewMessage, QueueRecord};
use lambent_wire::sqs::operations::send_message::SendMessageRequest;
use lambent_wire::sqs::types::{MessageAttributeValue, MessageSystemAttributeValue};
use serde::{Deserialize, Serialize};

use crate::attributes::Settings;
use crate::{SqsFault, checksum, deduplication};

/// User attributes of a message (AWS documentation).
const MAX_ATTRIBUTES: usize = 10;
/// Longest delay (AWS documentation).
const MAX_DELAY_S: i32 = 900;
/// Longest group and deduplication id (recorded).
const MAX_ID: usize = 128;

/// What is stored of a message besides its body.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Notes {
    pub(crate) sender: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deduplication: Option<String>,
    /// Name → type and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, (String, Content)>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Content {
    #[serde(rename = "t")]
    Text(String),
    /// In base64.
    #[serde(rename = "b")]
    Binary(String),
}

impl Notes {
    pub(crate) fn read(bytes: &[u8]) -> Result<Notes, SqsFault> {
        serde_json::from_slice(bytes)
            .map_err(|error| SqsFault::Internal(format!("notes of a message: {error}")))
    }

    /// The user's attributes that `wanted` asks for: names, beginnings with `.*`, or all.
    pub(crate) fn attributes(&self, wanted: &[String]) -> BTreeMap<String, MessageAttributeValue> {
        let asked = |name: &str| {
            wanted.iter().any(|one| match one.as_str() {
                "All" | ".*" => true,
                one => one == name || one.strip_suffix(".*").is_some_and(|start| name.starts_with(start)),
            })
        };
        let found = self.attributes.iter().filter(|(name, _)| asked(name));
        found.map(|(name, (data_type, content))| (name.clone(), content.shown(data_type))).collect()
    }
}

impl Content {
    fn shown(&self, data_type: &str) -> MessageAttributeValue {
        let mut value = MessageAttributeValue { data_type: data_type.to_owned(), ..Default::default() };
        match self {
            Content::Text(text) => value.string_value = Some(text.clone()),
            Content::Binary(text) => {
                value.binary_value = Some(Bytes::from(STANDARD.decode(text).unwrap_or_default()));
            }
        }
        value
    }
}

/// A message that can be sent, with the checksums that its sender is told.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: NewMessage,
    /// Of body and attributes together: what counts against limits.
    pub(crate) bytes: usize,
    pub(crate) md5_of_body: String,
    pub(crate) md5_of_attributes: Option<String>,
    pub(crate) md5_of_system_attributes: Option<String>,
}

/// Who sends a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    pub(crate) account: &'a str,
    /// What SDKs inside functions send; a trace in the message itself counts more (judgement).
    pub(crate) trace: Option<&'a str>,
}

/// Checks a message. A batch's entries are the same thing.
pub(crate) fn outgoing(
    queue: &QueueRecord,
    input: SendMessageRequest,
    sender: Sender<'_>,
    uuid: String,
    now_ms: u64,
) -> Result<Outgoing, SqsFault> {
    let settings = Settings::of(queue);
    if input.message_body.is_empty() {
        return Err(SqsFault::Missing("MessageBody".into()));
    }
    if !input.message_body.chars().all(is_xml) {
        return Err(SqsFault::Contents);
    }
    let attributes = input.message_attributes.unwrap_or_default();
    check_attributes(&attributes)?;
    let system = input.message_system_attributes.unwrap_or_default();
    let trace = trace(&system)?.or_else(|| sender.trace.map(str::to_owned));
    let md5_of_system_attributes = md5_of_system_attributes(system);
    let bytes = input.message_body.len() + attributes.iter().map(size).sum::<usize>();
    if bytes > settings.max_message_bytes() {
        let limit = settings.max_message_bytes();
        let text = format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        );
        return Err(SqsFault::Parameter(text));
    }
    let group = input.message_group_id;
    if let Some(group) = &group {
        check_id("MessageGroupId", group)?;
    }
    let deduplication = deduplication::of(
        queue,
        input.message_deduplication_id,
        group.as_ref(),
        &input.message_body,
        now_ms,
    )?;
    let delay_ms = delay_ms(queue, input.delay_seconds)?;
    let md5_of_attributes = checksum::of_attributes(&attributes);
    let notes = Notes {
        sender: sender.account.to_owned(),
        trace,
        group: group.clone(),
        deduplication: deduplication.as_ref().map(|found| found.id.clone()),
        attributes: attributes.into_iter().map(stored).collect(),
    };
    let notes = serde_json::to_vec(&notes).map_err(|error| SqsFault::Internal(error.to_string()))?;
    Ok(Outgoing {
        bytes,
        md5_of_body: checksum::of_text(&input.message_body),
        md5_of_attributes,
        md5_of_system_attributes,
        message: NewMessage {
            uuid,
            body: input.message_body,
            attributes: notes.into(),
            due_ms: now_ms + delay_ms,
            group: group.filter(|_| queue.is_fifo()),
            deduplication,
        },
    })
}

fn stored((name, value): (String, MessageAttributeValue)) -> (String, (String, Content)) {
    let content = match (value.string_value, value.binary_value) {
        (Some(text), _) => Content::Text(text),
        (None, bytes) => Content::Binary(STANDARD.encode(bytes.unwrap_or_default())),
    };
    (name, (value.data_type, content))
}

/// What XML can carry, and therefore a message (AWS documentation).
fn is_xml(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn size((name, value): (&String, &MessageAttributeValue)) -> usize {
    let text = value.string_value.as_ref().map_or(0, String::len);
    name.len() + value.data_type.len() + text + value.binary_value.as_ref().map_or(0, Bytes::len)
}

fn check_attributes(attributes: &BTreeMap<String, MessageAttributeValue>) -> Result<(), SqsFault> {
    if attributes.len() > MAX_ATTRIBUTES {
        let count = attributes.len();
        let text =
            format!("Number of message attributes [{count}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].");
        return Err(SqsFault::Parameter(text));
    }
    attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))
}

/// The texts are AWS's where they are recorded (an empty value), else from its documentation.
fn check_attribute(name: &str, value: &MessageAttributeValue) -> Result<(), SqsFault> {
    let wrong = |text: String| Err(SqsFault::Parameter(text));
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let ends = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if name.is_empty() || name.len() > 256 || ends || !name.bytes().all(letters) {
        return wrong(format!(
            "Message (user) attribute name '{name}' must only contain alphanumeric characters, underscores, hyphens and periods."
        ));
    }
    let kind = value.data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary") || value.data_type.len() > 256 {
        return wrong(format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
        ));
    }
    if value.string_list_values.is_some() || value.binary_list_values.is_some() {
        return wrong("Message attribute list values in SendMessage operation are not supported.".into());
    }
    let empty = match kind {
        "Binary" => value.binary_value.as_ref().is_none_or(Bytes::is_empty),
        _ => value.string_value.as_ref().is_none_or(String::is_empty),
    };
    if empty {
        return wrong(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ));
    }
    let number =
        value.string_value.as_deref().is_none_or(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    if kind == "Number" && !number {
        return wrong(format!("Can't cast the value of message (user) attribute '{name}' to a number."));
    }
    if !value.string_value.as_deref().unwrap_or_default().chars().all(is_xml) {
        return Err(SqsFault::Contents);
    }
    Ok(())
}

fn md5_of_system_attributes(system: BTreeMap<String, MessageSystemAttributeValue>) -> Option<String> {
    let as_user = |value: MessageSystemAttributeValue| MessageAttributeValue {
        string_value: value.string_value,
        binary_value: value.binary_value,
        data_type: value.data_type,
        ..Default::default()
    };
    let attributes: BTreeMap<String, MessageAttributeValue> =
        system.into_iter().map(|(name, value)| (name, as_user(value))).collect();
    checksum::of_attributes(&attributes)
}

fn trace(system: &BTreeMap<String, MessageSystemAttributeValue>) -> Result<Option<String>, SqsFault> {
    if let Some(other) = system.keys().find(|name| *name != "AWSTraceHeader") {
        return Err(SqsFault::Parameter(format!("Message system attribute name '{other}' is invalid.")));
    }
    Ok(system.get("AWSTraceHeader").and_then(|value| value.string_value.clone()))
}

/// Alphanumeric and punctuation characters, 1 to 128 (recorded).
pub(crate) fn check_id(parameter: &str, id: &str) -> Result<(), SqsFault> {
    if !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(SqsFault::value(id, parameter, &reason))
}

fn delay_ms(queue: &QueueRecord, delay_s: Option<i32>) -> Result<u64, SqsFault> {
    match delay_s {
        Some(delay_s) if !(0..=MAX_DELAY_S).contains(&delay_s) => {
            let reason = format!("DelaySeconds must be >= 0 and <= {MAX_DELAY_S}.");
            Err(SqsFault::value(delay_s, "DelaySeconds", &reason))
        }
        Some(delay_s) if delay_s > 0 && queue.is_fifo() => {
            let reason = "The request include parameter that is not valid for this queue type.";
            Err(SqsFault::value(delay_s, "DelaySeconds", reason))
        }
        Some(delay_s) if !queue.is_fifo() => Ok(delay_s.unsigned_abs() as u64 * 1_000),
        _ => Ok(Settings::of(queue).delay_ms()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data_type: &str, text: &str) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: data_type.into(),
            string_value: Some(text.into()),
            ..Default::default()
        }
    }

    #[test]
    fn attributes_are_found_by_name_by_beginning_and_all_together() {
        let attributes =
            ["General", "Hello", "Help.Me"].map(|name| stored((name.into(), value("String", "v"))));
        let notes = Notes { attributes: attributes.into_iter().collect(), ..Default::default() };
        let found = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
            notes.attributes(&wanted).into_keys().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(&["All"]), "General Hello Help.Me");
        assert_eq!(found(&[".*"]), "General Hello Help.Me");
        assert_eq!(found(&["Hel.*"]), "Hello Help.Me");
        assert_eq!(found(&["Hello", "Missing"]), "Hello");
        assert_eq!(found(&["Hel*", "General*"]), "");
        assert_eq!(found(&[]), "");
    }

    #[test]
    fn attributes_that_say_nothing_are_refused() {
        let refused = |name: &str, value: MessageAttributeValue| check_attribute(name, &value).is_err();
        assert!(!refused("a", value("Number.int", "12")) && !refused("a", value("String.custom", "x")));
        assert!(refused("a", value("String", "")) && refused("a", value("Number", "twelve")));
        assert!(refused("a", value("Text", "x")) && refused("a b", value("String", "x")));
        assert!(refused("a", value("Binary", "x")) && refused("", value("String", "x")));
    }
}
