//! Where events go that are over: the dead-letter queue and destinations, as the other services get them
//! (`facts` 4.3 and 4.4; attributes and members recorded).

use lambent_domain::FunctionRef;
use lambent_domain::limits::{
    MAX_DEAD_LETTER_MESSAGE_BYTES, MAX_EVENT_BYTES, MAX_EVENTBRIDGE_ENTRY_BYTES, MAX_SNS_MESSAGE_BYTES,
    MAX_SQS_MESSAGE_BYTES,
};
use lambent_kit::utc;
use lambent_ports::outbound::{Attribute, Content};
use serde::Deserialize;

use crate::decide::Condition;
use crate::record::Ended;

/// What a destination's ARN leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// An asynchronous invoke with this payload.
    Function(FunctionRef, String),
    /// Another service.
    Service(Content),
    /// Nothing that Lambda can send to.
    Unknown,
}

/// The record for a destination.
pub(crate) fn destination(arn: &str, ended: &Ended<'_>, trace_id: &str, object_id: &str) -> Destination {
    let arn = arn.to_owned();
    Destination::Service(match service(&arn) {
        "lambda" => {
            let Some(function) = FunctionRef::parse(&arn) else { return Destination::Unknown };
            return Destination::Function(function, ended.record(MAX_EVENT_BYTES));
        }
        "sqs" => Content::Queue {
            arn,
            body: ended.record(MAX_SQS_MESSAGE_BYTES),
            attributes: Vec::new(),
            trace_header: trace_header(trace_id),
        },
        "sns" => Content::Topic { arn, message: ended.record(MAX_SNS_MESSAGE_BYTES), attributes: Vec::new() },
        "events" => Content::EventBus {
            detail_type: match ended.condition {
                Condition::Success => "Lambda Function Invocation Result - Success",
                _ => "Lambda Function Invocation Result - Failure",
            },
            detail: ended.record(MAX_EVENTBRIDGE_ENTRY_BYTES),
            resources: vec![arn.clone(), ended.function_arn()],
            arn,
        },
        "s3" => Content::Bucket { key: object_key(ended, object_id), body: ended.record(usize::MAX), arn },
        _ => return Destination::Unknown,
    })
}

/// The event itself, for the dead-letter queue. `None` for what is neither a queue nor a topic.
pub(crate) fn dead_letter(arn: &str, ended: &Ended<'_>, trace_id: &str) -> Option<Content> {
    let (arn, body) = (arn.to_owned(), String::from_utf8_lossy(ended.payload).into_owned());
    let body = if body.is_empty() { "{}".to_owned() } else { body };
    let attributes = attributes(ended);
    match service(&arn) {
        "sqs" => Some(Content::Queue { arn, body, attributes, trace_header: trace_header(trace_id) }),
        "sns" => Some(Content::Topic { arn, message: body, attributes }),
        _ => None,
    }
}

/// As a header: whether it is sampled was left to the function, which is not there to be asked.
fn trace_header(trace_id: &str) -> String {
    trace_id.replace("Sampled=?", "Sampled=0")
}

fn service(arn: &str) -> &str {
    arn.split(':').nth(2).unwrap_or_default()
}

fn attributes(ended: &Ended<'_>) -> Vec<Attribute> {
    #[derive(Default, Deserialize)]
    struct Error {
        #[serde(rename = "errorMessage")]
        message: Option<String>,
    }
    // 200 is recorded for a function that failed; what the function never answered is told as the throttle that it is (judgement).
    let (code, message) = match ended.response {
        Some(response) => {
            let error: Error = serde_json::from_slice(&response.payload).unwrap_or_default();
            ("200", error.message.unwrap_or_default())
        }
        None => ("429", "Rate Exceeded.".to_owned()),
    };
    let mut attributes = vec![
        Attribute { name: "RequestID", data_type: "String", value: ended.request_id.to_string() },
        Attribute { name: "ErrorCode", data_type: "Number", value: code.to_owned() },
    ];
    // An attribute must not be empty.
    if !message.is_empty() {
        let value = beginning(message, MAX_DEAD_LETTER_MESSAGE_BYTES);
        attributes.push(Attribute { name: "ErrorMessage", data_type: "String", value });
    }
    attributes
}

/// At most `bytes` of a text, and whole characters.
fn beginning(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// `aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>` (AWS documentation).
fn object_key(ended: &Ended<'_>, object_id: &str) -> String {
    let time = utc::rfc3339_ms(ended.now_ms);
    let seconds = time.split('.').next().unwrap_or_default().replace(':', ".");
    let (name, date) = (&ended.function.name, utc::slashed_date(ended.now_ms));
    format!("aws/lambda/async/{name}/{date}/{seconds}-{object_id}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lambent_domain::{FunctionKey, RequestId};

    use super::*;
    use crate::record::Response;
    use crate::record::tests::key;

    fn failed(payload: &str) -> Response {
        Response {
            executed_version: "$LATEST".into(),
            failed: true,
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        }
    }

    fn ended<'a>(
        key: &'a FunctionKey,
        payload: &'a Bytes,
        condition: Condition,
        response: Option<&'a Response>,
    ) -> Ended<'a> {
        Ended {
            function: key,
            qualifier: None,
            request_id: RequestId::from_random([0; 16]),
            payload,
            condition,
            invoke_count: 3,
            response,
            now_ms: 1_764_025_872_345,
        }
    }

    fn said(attributes: &[Attribute]) -> Vec<(&str, &str, &str)> {
        attributes.iter().map(|one| (one.name, one.data_type, one.value.as_str())).collect()
    }

    const ID: &str = "00000000-0000-4000-8000-000000000000";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:q";

    #[test]
    fn a_dead_letter_is_the_event_with_three_attributes() {
        let (key, event) = (key("f"), Bytes::from_static(br#"{"raise_error": 1}"#));
        let response =
            failed(r#"{"errorMessage":"Test exception (this is intentional)","errorType":"Exception"}"#);
        let ended = ended(&key, &event, Condition::RetriesExhausted, Some(&response));
        let Some(Content::Queue { arn, body, attributes, trace_header }) =
            dead_letter(QUEUE, &ended, "Root=1")
        else {
            panic!("a queue")
        };
        assert_eq!(
            (arn.as_str(), body.as_str(), trace_header.as_str()),
            (QUEUE, r#"{"raise_error": 1}"#, "Root=1")
        );
        assert_eq!(
            said(&attributes),
            [
                ("RequestID", "String", ID),
                ("ErrorCode", "Number", "200"),
                ("ErrorMessage", "String", "Test exception (this is intentional)"),
            ]
        );
        let topic = dead_letter("arn:aws:sns:us-east-1:111111111111:t", &ended, "");
        assert!(matches!(topic, Some(Content::Topic { message, .. }) if message == body));
        assert_eq!(dead_letter("arn:aws:s3:::b", &ended, ""), None);
    }

    #[test]
    fn the_message_of_a_dead_letter_has_at_most_a_kilobyte() {
        let (key, event) = (key("f"), Bytes::new());
        let response = failed(&format!(r#"{{"errorMessage":"{}"}}"#, "é".repeat(700)));
        let long = attributes(&ended(&key, &event, Condition::RetriesExhausted, Some(&response)));
        assert_eq!(long[2].value, "é".repeat(512));
        let response = failed("no json");
        let none = attributes(&ended(&key, &event, Condition::RetriesExhausted, Some(&response)));
        assert_eq!(none.len(), 2);
        let refused = attributes(&ended(&key, &event, Condition::EventAgeExceeded, None));
        assert_eq!(said(&refused)[1], ("ErrorCode", "Number", "429"));
    }

    #[test]
    fn every_kind_of_destination_gets_the_record_in_its_form() {
        let (key, event) = (key("f"), Bytes::from_static(b"{}"));
        let response = failed("{}");
        let ended = ended(&key, &event, Condition::RetriesExhausted, Some(&response));
        let record = ended.record(usize::MAX);
        let to = |arn: &str| destination(arn, &ended, "Root=1", "id");
        assert!(matches!(to(QUEUE), Destination::Service(Content::Queue { body, .. }) if body == record));
        let bus = "arn:aws:events:us-east-1:111111111111:event-bus/b";
        let Destination::Service(Content::EventBus { detail_type, detail, resources, .. }) = to(bus) else {
            panic!("a bus")
        };
        assert_eq!((detail_type, detail), ("Lambda Function Invocation Result - Failure", record.clone()));
        let function = "arn:aws:lambda:us-east-1:111111111111:function:f:$LATEST";
        assert_eq!(resources, [bus, function]);
        let Destination::Service(Content::Bucket { key, .. }) = to("arn:aws:s3:::b") else {
            panic!("a bucket")
        };
        assert_eq!(key, "aws/lambda/async/f/2025/11/24/2025-11-24T23.11.12-id");
        let other = "arn:aws:lambda:us-east-1:111111111111:function:other:live";
        let parsed = FunctionRef::parse(other).unwrap();
        assert_eq!(to(other), Destination::Function(parsed, record));
        assert_eq!(to("arn:aws:iam::1:role/x"), Destination::Unknown);
    }
}
