//! What the service can answer instead of what was asked, with its recorded texts.

use bytes::Bytes;
use http::Response;
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_json;
use lambent_domain::RequestId;
use lambent_event_pattern::PatternError;
use lambent_kit::smithy::Refused;
use lambent_ports::outbox::OutboxError;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsFault {
    /// `ResourceNotFoundException`.
    NotFound(String),
    /// `ResourceAlreadyExistsException`.
    Exists(String),
    /// `ValidationException`.
    Validation(String),
    /// `InvalidEventPatternException`; the reason.
    Pattern(String),
    /// `LimitExceededException`.
    Limit,
    /// `IllegalStatusException`.
    IllegalStatus(String),
    /// `PolicyLengthExceededException`.
    PolicyTooLong,
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

impl EventsFault {
    pub(crate) fn no_bus(name: &str) -> Self {
        EventsFault::NotFound(format!("Event bus {name} does not exist."))
    }

    pub(crate) fn no_rule(name: &str, bus: &str) -> Self {
        EventsFault::NotFound(format!("Rule {name} does not exist on EventBus {bus}."))
    }

    pub(crate) fn no_archive(name: &str) -> Self {
        EventsFault::NotFound(format!("Archive {name} does not exist."))
    }

    pub(crate) fn parameter(name: &str) -> Self {
        EventsFault::Validation(format!("Parameter {name} is not valid."))
    }

    pub(crate) fn because(name: &str, reason: &str) -> Self {
        EventsFault::Validation(format!("Parameter {name} is not valid. Reason: {reason}"))
    }

    /// A setting that can't be obeyed here.
    pub(crate) fn unsupported(name: &str, reason: &str) -> Self {
        EventsFault::because(name, &format!("it is not available here; {reason}."))
    }
}

impl From<PatternError> for EventsFault {
    fn from(error: PatternError) -> Self {
        EventsFault::Pattern(error.to_string())
    }
}

impl From<OutboxError> for EventsFault {
    fn from(error: OutboxError) -> Self {
        EventsFault::Internal(error.to_string())
    }
}

impl ServiceFault for EventsFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => EventsFault::Validation(text),
            Refused::Serialization(text) => EventsFault::Serialization(text),
        }
    }

    fn unknown_operation() -> Self {
        EventsFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        EventsFault::NotYet { operation, reason }
    }

    fn to_response(&self, request_id: &RequestId) -> Response<Bytes> {
        match self {
            EventsFault::NotFound(text) => aws_json("ResourceNotFoundException", 400, text),
            EventsFault::Exists(text) => aws_json("ResourceAlreadyExistsException", 400, text),
            EventsFault::Validation(text) => aws_json("ValidationException", 400, text),
            EventsFault::Pattern(reason) => aws_json(
                "InvalidEventPatternException",
                400,
                &format!("Event pattern is not valid. Reason: {reason}"),
            ),
            EventsFault::Limit => aws_json(
                "LimitExceededException",
                400,
                "The requested resource exceeds the maximum number allowed.",
            ),
            EventsFault::IllegalStatus(text) => aws_json("IllegalStatusException", 400, text),
            EventsFault::PolicyTooLong => {
                aws_json("PolicyLengthExceededException", 400, "The event bus policy is too long.")
            }
            EventsFault::Serialization(text) => aws_json("SerializationException", 400, text),
            EventsFault::UnknownOperation => {
                aws_json("UnknownOperationException", 400, "There is no such operation.")
            }
            EventsFault::NotYet { operation, reason } => aws_json(
                "NotImplementedException",
                501,
                &format!("{operation} is not available here yet: {reason}"),
            ),
            EventsFault::Internal(error) => {
                tracing::error!(%error, %request_id, "EventBridge could not do it");
                aws_json("InternalException", 500, "The service could not do it. Please try again.")
            }
        }
    }
}
