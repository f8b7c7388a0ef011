//! What the service can answer instead of what was asked.

use bytes::Bytes;
use http::{HeaderValue, Response};
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::{aws_json, rest_json};
use lambent_domain::RequestId;
use lambent_kit::smithy::{ErrorShape, Refused};
use lambent_ports::outbox::OutboxError;
use lambent_wire::scheduler::errors;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedulerFault {
    /// `ResourceNotFoundException`.
    NotFound(String),
    /// `ConflictException`.
    Conflict(String),
    /// `ValidationException`.
    Validation(String),
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

impl SchedulerFault {
    pub(crate) fn no_schedule(name: &str) -> Self {
        SchedulerFault::NotFound(format!("Schedule {name} does not exist."))
    }

    pub(crate) fn no_group(name: &str) -> Self {
        SchedulerFault::NotFound(format!("Schedule group {name} does not exist."))
    }

    fn shape(&self) -> Option<(&'static ErrorShape, &str)> {
        match self {
            SchedulerFault::NotFound(text) => Some((&errors::RESOURCE_NOT_FOUND_EXCEPTION, text)),
            SchedulerFault::Conflict(text) => Some((&errors::CONFLICT_EXCEPTION, text)),
            SchedulerFault::Validation(text) => Some((&errors::VALIDATION_EXCEPTION, text)),
            SchedulerFault::Internal(_) => {
                Some((&errors::INTERNAL_SERVER_EXCEPTION, "The service could not do it. Please try again."))
            }
            SchedulerFault::Serialization(_)
            | SchedulerFault::UnknownOperation
            | SchedulerFault::NotYet { .. } => None,
        }
    }
}

impl From<OutboxError> for SchedulerFault {
    fn from(error: OutboxError) -> Self {
        SchedulerFault::Internal(error.to_string())
    }
}

impl ServiceFault for SchedulerFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => SchedulerFault::Validation(text),
            Refused::Serialization(text) => SchedulerFault::Serialization(text),
        }
    }

    fn unknown_operation() -> Self {
        SchedulerFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        SchedulerFault::NotYet { operation, reason }
    }

    fn to_response(&self, request_id: &RequestId) -> Response<Bytes> {
        if let SchedulerFault::Internal(error) = self {
            tracing::error!(%error, %request_id, "EventBridge Scheduler could not do it");
        }
        if let Some((shape, text)) = self.shape() {
            return rest_json(shape, text, &[], request_id);
        }
        let (code, status, text) = match self {
            SchedulerFault::Serialization(text) => ("SerializationException", 400, text.clone()),
            SchedulerFault::NotYet { operation, reason } => {
                ("NotImplementedException", 501, format!("{operation} is not available here yet: {reason}"))
            }
            _ => ("UnknownOperationException", 404, "There is no such operation.".to_owned()),
        };
        let mut response = aws_json(code, status, &text);
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        response
    }
}
