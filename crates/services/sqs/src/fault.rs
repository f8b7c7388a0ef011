//! What the service can answer instead of what was asked, with its recorded texts.
//!
//! Each error has two codes: its shape's name, which JSON carries, and that of the query protocol, which JSON carries in
//! a header. SDKs show the latter.

use bytes::Bytes;
use http::{HeaderValue, Response};
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_query;
use lambent_domain::RequestId;
use lambent_kit::smithy::{Protocol, Refused};
use lambent_ports::message_store::MessageStoreError;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqsFault {
    /// The queue is not there.
    QueueMissing,
    /// A queue of the name has another value of the attribute.
    QueueExists(String),
    /// Purged less than a minute ago.
    PurgeInProgress(String),
    /// There is no such attribute of a queue, or not of this kind of queue.
    UnknownAttribute(String),
    /// An attribute's value; with the whole text.
    AttributeValue(String),
    /// A parameter; with the whole text.
    Parameter(String),
    /// A parameter is missing.
    Missing(String),
    /// The body has characters that XML can't carry.
    Contents,
    /// No receipt handle.
    ReceiptHandle(String),
    /// The batch has no entries; the name of what is missing.
    EmptyBatch(&'static str),
    /// The batch has more than ten entries.
    TooManyEntries(usize),
    /// Two entries of a batch have this id.
    EntryIdTwice(String),
    /// An entry's id is none.
    EntryId,
    /// The messages of a batch are too long together; so many bytes.
    BatchTooLong(usize),
    /// Too many messages in flight, or permissions.
    OverLimit(String),
    /// What a move task names is not there; with the whole text.
    ResourceMissing(String),
    /// The body is not of the operation's form.
    Serialization(String),
    /// No such operation.
    UnknownOperation,
    /// In AWS's API and not here yet.
    NotYet {
        /// Its name.
        operation: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Ours; the text is for the log.
    Internal(String),
}

/// How an error looks on the wire.
pub(crate) struct Shown {
    /// The shape's name.
    pub(crate) shape: &'static str,
    /// Code of the query protocol.
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl SqsFault {
    /// `Value v for parameter P is invalid. Reason: r`
    pub(crate) fn value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        SqsFault::Parameter(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
    }

    /// The one place where faults meet the wire.
    pub(crate) fn shown(&self) -> Shown {
        let (shape, code, status) = self.names();
        Shown { shape, code, status, message: self.message() }
    }

    /// Name of the shape, code of the query protocol, status.
    fn names(&self) -> (&'static str, &'static str, u16) {
        let both = |name| (name, name, 400);
        match self {
            SqsFault::QueueMissing => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400),
            SqsFault::QueueExists(_) => ("QueueNameExists", "QueueAlreadyExists", 400),
            SqsFault::PurgeInProgress(_) => {
                ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403)
            }
            SqsFault::UnknownAttribute(_) => both("InvalidAttributeName"),
            SqsFault::AttributeValue(_) => both("InvalidAttributeValue"),
            SqsFault::Parameter(_) => ("InvalidParameterValueException", "InvalidParameterValue", 400),
            SqsFault::Missing(_) => ("MissingRequiredParameterException", "MissingParameter", 400),
            SqsFault::Contents => both("InvalidMessageContents"),
            SqsFault::ReceiptHandle(_) => both("ReceiptHandleIsInvalid"),
            SqsFault::EmptyBatch(_) => ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400),
            SqsFault::TooManyEntries(_) => {
                ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400)
            }
            SqsFault::EntryIdTwice(_) => {
                ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400)
            }
            SqsFault::EntryId => ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400),
            SqsFault::BatchTooLong(_) => {
                ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400)
            }
            SqsFault::OverLimit(_) => ("OverLimit", "OverLimit", 403),
            SqsFault::ResourceMissing(_) => ("ResourceNotFoundException", "ResourceNotFoundException", 404),
            SqsFault::Serialization(_) => ("SerializationException", "MalformedInput", 400),
            SqsFault::UnknownOperation => ("UnknownOperationException", "InvalidAction", 400),
            SqsFault::NotYet { .. } => {
                ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400)
            }
            SqsFault::Internal(_) => ("InternalError", "InternalError", 500),
        }
    }

    fn message(&self) -> String {
        match self {
            SqsFault::QueueMissing => "The specified queue does not exist.".into(),
            SqsFault::QueueExists(attribute) => format!(
                "A queue already exists with the same name and a different value for attribute {attribute}"
            ),
            SqsFault::PurgeInProgress(name) => {
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.")
            }
            SqsFault::UnknownAttribute(name) => format!("Unknown Attribute {name}."),
            SqsFault::Missing(parameter) => format!("The request must contain the parameter {parameter}."),
            // AWS documentation.
            SqsFault::Contents => "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF".into(),
            SqsFault::ReceiptHandle(handle) => {
                format!("The input receipt handle \"{handle}\" is not a valid receipt handle.")
            }
            SqsFault::EmptyBatch(entry) => format!("There should be at least one {entry} in the request."),
            SqsFault::TooManyEntries(count) => {
                format!("Maximum number of entries per request are 10. You have sent {count}.")
            }
            SqsFault::EntryIdTwice(id) => format!("Id {id} repeated."),
            SqsFault::EntryId => "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.".into(),
            SqsFault::BatchTooLong(bytes) => {
                format!("Batch requests cannot be longer than 1048576 bytes. You have sent {bytes} bytes.")
            }
            SqsFault::AttributeValue(text)
            | SqsFault::Parameter(text)
            | SqsFault::OverLimit(text)
            | SqsFault::ResourceMissing(text)
            | SqsFault::Serialization(text) => text.clone(),
            SqsFault::UnknownOperation => "There is no such operation.".into(),
            SqsFault::NotYet { operation, reason } => {
                format!("{operation} is not available here yet: {reason}")
            }
            SqsFault::Internal(_) => "We encountered an internal error. Please try again.".into(),
        }
    }
}

impl From<MessageStoreError> for SqsFault {
    fn from(error: MessageStoreError) -> Self {
        match error {
            MessageStoreError::QueueGone => SqsFault::QueueMissing,
            // Creating and changing look at these themselves; what is left is a race that a retry solves.
            MessageStoreError::QueueExists(_) | MessageStoreError::QueueChanged => {
                SqsFault::Internal(error.to_string())
            }
            // Recorded.
            MessageStoreError::MoveRuns => SqsFault::Parameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.".into()),
            MessageStoreError::TooManyInFlight => SqsFault::OverLimit(
                "Too many messages are in flight: delete messages before receiving more.".into(),
            ),
            MessageStoreError::Storage(text) => SqsFault::Internal(text),
        }
    }
}

impl ServiceFault for SqsFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => missing(&text).unwrap_or(SqsFault::Parameter(text)),
            Refused::Serialization(text) => SqsFault::Serialization(text),
        }
    }

    fn unknown_operation() -> Self {
        SqsFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        SqsFault::NotYet { operation, reason }
    }

    fn to_response(&self, _request_id: &RequestId) -> Response<Bytes> {
        let shown = self.shown();
        let who = if shown.status < 500 { "Sender" } else { "Receiver" };
        let namespace = match self {
            SqsFault::Parameter(_)
            | SqsFault::Missing(_)
            | SqsFault::Serialization(_)
            | SqsFault::UnknownOperation => "com.amazon.coral.service",
            _ => "com.amazonaws.sqs",
        };
        let body = serde_json::json!({
            "__type": format!("{namespace}#{}", shown.shape), "message": shown.message,
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = http::StatusCode::from_u16(shown.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
        if let Ok(code) = HeaderValue::from_str(&format!("{};{who}", shown.code)) {
            headers.insert("x-amzn-query-error", code);
        }
        response
    }

    fn to_response_in(&self, spoken: Protocol, request_id: &RequestId) -> Response<Bytes> {
        if let SqsFault::Internal(error) = self {
            tracing::error!(%error, %request_id, "SQS could not do it");
        }
        let Protocol::AwsQuery { namespace } = spoken else { return self.to_response(request_id) };
        let mut shown = self.shown();
        if matches!(self, SqsFault::QueueMissing) {
            shown.message = "The specified queue does not exist for this wsdl version.".into();
        }
        aws_query(namespace, shown.code, shown.status, &shown.message)
    }
}

/// The first missing member of a refusal: SQS has words of its own for that (recorded).
fn missing(refusal: &str) -> Option<SqsFault> {
    let (_, rest) = refusal.split_once("Value null at '")?;
    let (path, _) = rest.split_once('\'')?;
    let name = path.rsplit('.').next()?;
    let mut letters = name.chars();
    let first = letters.next()?.to_ascii_uppercase();
    Some(SqsFault::Missing(format!("{first}{}", letters.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_member_is_named_in_the_words_of_sqs() {
        let text = "1 validation error detected: Value null at 'messageBody' failed to satisfy constraint: Member must not be null";
        assert_eq!(
            SqsFault::refused(Refused::Validation(text.into())),
            SqsFault::Missing("MessageBody".into())
        );
    }

    #[test]
    fn both_protocols_carry_the_code_that_sdks_show() {
        let id = RequestId::from_random([1; 16]);
        let json = SqsFault::QueueMissing.to_response_in(lambent_wire::sqs::PROTOCOL, &id);
        assert_eq!(json.headers()["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
        assert!(json.body().starts_with(br#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist""#));
        let query = SqsFault::QueueMissing.to_response_in(Protocol::AwsQuery { namespace: "ns" }, &id);
        let body = String::from_utf8_lossy(query.body()).into_owned();
        assert!(body.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist for this wsdl version.</Message>"), "{body}");
    }
}
