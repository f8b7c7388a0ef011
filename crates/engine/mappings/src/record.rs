//! Messages as functions get them, and as filters see them.

use lambent_domain::trace_header::Lineage;
use lambent_event_pattern::{Event, Pattern};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::queue::{Message, MessageAttribute};

/// What stands around the records of an event.
const FRAME: &str = "{\"Records\":[]}";
/// Attributes in the order in which AWS shows them; others follow.
const ATTRIBUTES: &[&str] = &[
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "SentTimestamp",
    "SequenceNumber",
    "MessageGroupId",
    "SenderId",
    "MessageDeduplicationId",
    "ApproximateFirstReceiveTimestamp",
];

/// A message on its way to a function.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    /// JSON.
    pub(crate) text: String,
    /// Through which functions it has come.
    pub(crate) lineage: Lineage,
}

/// How a mapping's records look.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) source_arn: String,
    pub(crate) region: String,
    /// Whether `md5OfMessageAttributes` is there, as null, when a message has none: so recorded of mappings with a batching
    /// window, and not of others.
    pub(crate) null_checksum: bool,
}

impl Form {
    pub(crate) fn record(&self, message: Message) -> Record {
        let lineage = Lineage::of(message.attributes.get("AWSTraceHeader").map_or("", String::as_str));
        let mut members = self.members(&message);
        members.shift_insert(2, "body".into(), Value::String(message.body));
        Record {
            text: Value::Object(members).to_string(),
            message_id: message.message_id,
            receipt_handle: message.receipt_handle,
            lineage,
        }
    }

    /// Everything but the body.
    fn members(&self, message: &Message) -> Map<String, Value> {
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("messageId", json!(message.message_id));
        set("receiptHandle", json!(message.receipt_handle));
        set("attributes", attributes(message));
        let shown =
            message.message_attributes.iter().map(|(name, one)| (name.clone(), message_attribute(one)));
        set("messageAttributes", Value::Object(shown.collect()));
        match &message.md5_of_message_attributes {
            Some(checksum) => set("md5OfMessageAttributes", json!(checksum)),
            None if self.null_checksum => set("md5OfMessageAttributes", Value::Null),
            None => None,
        };
        set("md5OfBody", json!(message.md5_of_body));
        set("eventSource", json!("aws:sqs"));
        set("eventSourceARN", json!(self.source_arn));
        set("awsRegion", json!(self.region));
        members
    }

    /// Whether a message is to be passed on. Filters see a body that is a JSON object or array as what it says; every other
    /// body is text.
    pub(crate) fn passes(&self, filters: &[Pattern], message: &Message) -> bool {
        if filters.is_empty() {
            return true;
        }
        let is_structure = message.body.trim_start().starts_with(['{', '[']);
        let is_json = is_structure && serde_json::from_str::<&RawValue>(&message.body).is_ok();
        let body = if is_json { message.body.clone() } else { json!(message.body).to_string() };
        let rest = Value::Object(self.members(message)).to_string();
        let seen = format!("{{\"body\":{body},{}", &rest[1..]);
        match Event::parse(&seen) {
            Ok(event) => filters.iter().any(|filter| filter.matches(&event)),
            // Nested deeper than patterns can reach.
            Err(_) => false,
        }
    }
}

fn attributes(message: &Message) -> Value {
    let mut shown = Map::new();
    for name in ATTRIBUTES {
        if let Some(value) = message.attributes.get(*name) {
            shown.insert((*name).to_owned(), json!(value));
        }
    }
    for (name, value) in &message.attributes {
        shown.entry(name.clone()).or_insert_with(|| json!(value));
    }
    Value::Object(shown)
}

fn message_attribute(attribute: &MessageAttribute) -> Value {
    let mut shown = Map::new();
    if let Some(text) = &attribute.string_value {
        shown.insert("stringValue".into(), json!(text));
    }
    if let Some(bytes) = &attribute.binary_value {
        shown.insert("binaryValue".into(), json!(bytes));
    }
    shown.insert("stringListValues".into(), json!([]));
    shown.insert("binaryListValues".into(), json!([]));
    shown.insert("dataType".into(), json!(attribute.data_type));
    Value::Object(shown)
}

/// Bytes of an event with these records more than with none.
pub(crate) fn cost(record: &Record) -> usize {
    record.text.len() + 1
}

/// Bytes of an event without records.
pub(crate) const fn frame() -> usize {
    FRAME.len()
}

/// What the function gets.
pub(crate) fn event(records: &[Record]) -> String {
    let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    format!("{{\"Records\":[{}]}}", texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(null_checksum: bool) -> Form {
        Form {
            source_arn: "arn:aws:sqs:us-east-1:123456789012:q".into(),
            region: "us-east-1".into(),
            null_checksum,
        }
    }

    fn message(body: &str) -> Message {
        serde_json::from_value(json!({
            "MessageId": "m", "ReceiptHandle": "r", "MD5OfBody": "b5", "Body": body,
            "Attributes": {
                "SenderId": "AIDA", "SentTimestamp": "1", "ApproximateReceiveCount": "2",
                "ApproximateFirstReceiveTimestamp": "3",
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_event_is_awss_member_by_member() {
        let plain = event(&[form(false).record(message("{\"a\": 1}"))]);
        assert_eq!(
            plain,
            r#"{"Records":[{"messageId":"m","receiptHandle":"r","body":"{\"a\": 1}","attributes":{"ApproximateReceiveCount":"2","SentTimestamp":"1","SenderId":"AIDA","ApproximateFirstReceiveTimestamp":"3"},"messageAttributes":{},"md5OfBody":"b5","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:q","awsRegion":"us-east-1"}]}"#
        );
        assert!(
            form(true)
                .record(message("x"))
                .text
                .contains(r#""messageAttributes":{},"md5OfMessageAttributes":null,"md5OfBody""#)
        );
        let mut with = message("x");
        with.md5_of_message_attributes = Some("a5".into());
        let attribute = |kind: &str, text: Option<&str>, bytes: Option<&str>| MessageAttribute {
            data_type: kind.into(),
            string_value: text.map(Into::into),
            binary_value: bytes.map(Into::into),
        };
        with.message_attributes = [
            ("N".to_owned(), attribute("Number", Some("6"), None)),
            ("B".to_owned(), attribute("Binary", None, Some("AQ=="))),
        ]
        .into();
        let text = form(false).record(with).text;
        assert!(text.contains(r#""messageAttributes":{"B":{"binaryValue":"AQ==","stringListValues":[],"binaryListValues":[],"dataType":"Binary"},"N":{"stringValue":"6","stringListValues":[],"binaryListValues":[],"dataType":"Number"}},"md5OfMessageAttributes":"a5""#), "{text}");
    }

    #[test]
    fn the_bytes_of_an_event_are_known_beforehand() {
        for count in 0..4 {
            let records: Vec<_> = (0..count).map(|_| form(true).record(message("é\n"))).collect();
            let counted = frame() + records.iter().map(cost).sum::<usize>();
            assert!((0..=1).contains(&(counted - event(&records).len())), "{count}");
        }
    }

    #[test]
    fn filters_see_bodies_as_what_they_are() {
        let passes = |pattern: &str, body: &str| {
            form(true).passes(&[Pattern::compile(pattern).unwrap()], &message(body))
        };
        assert!(
            passes(r#"{"body":{"a":[1]}}"#, "{\"a\": 1}") && !passes(r#"{"body":{"a":[1]}}"#, "{\"a\": 2}")
        );
        assert!(!passes(r#"{"body":{"a":[1]}}"#, "text") && !passes(r#"{"body":{"a":[1]}}"#, "{broken"));
        assert!(passes(r#"{"body":["text"]}"#, "text") && !passes(r#"{"body":["text"]}"#, "{\"text\":1}"));
        assert!(passes(r#"{"attributes":{"SenderId":["AIDA"]}}"#, "{\"a\":1}"));
        assert!(passes(r#"{"messageId":["m"],"eventSource":[{"prefix":"aws:"}]}"#, "anything"));
        assert!(form(true).passes(&[], &message("anything")));
    }
}
