//! What the service can answer instead of what was asked, with its recorded texts.

use bytes::Bytes;
use http::Response;
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_json;
use lambent_domain::RequestId;
use lambent_kit::smithy::Refused;
use lambent_ports::log_store::LogStoreError;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogsFault {
    /// The group is not there.
    GroupMissing,
    /// The stream is not there.
    StreamMissing,
    /// The group is there.
    GroupExists,
    /// The stream is there.
    StreamExists,
    /// `InvalidParameterException` with its text; constraint failures too, unlike in Lambda.
    InvalidParameter(String),
    /// `ValidationException` with its text.
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

impl From<LogStoreError> for LogsFault {
    fn from(error: LogStoreError) -> Self {
        match error {
            LogStoreError::GroupMissing => LogsFault::GroupMissing,
            LogStoreError::StreamMissing => LogsFault::StreamMissing,
            LogStoreError::GroupExists => LogsFault::GroupExists,
            LogStoreError::StreamExists => LogsFault::StreamExists,
            LogStoreError::Storage(text) => LogsFault::Internal(text),
        }
    }
}

impl ServiceFault for LogsFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => LogsFault::InvalidParameter(text),
            Refused::Serialization(text) => LogsFault::Serialization(text),
        }
    }

    fn unknown_operation() -> Self {
        LogsFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        LogsFault::NotYet { operation, reason }
    }

    fn to_response(&self, _request_id: &RequestId) -> Response<Bytes> {
        let missing = |text: &str| aws_json("ResourceNotFoundException", 400, text);
        let exists = |text: &str| aws_json("ResourceAlreadyExistsException", 400, text);
        match self {
            LogsFault::GroupMissing => missing("The specified log group does not exist."),
            LogsFault::StreamMissing => missing("The specified log stream does not exist."),
            LogsFault::GroupExists => exists("The specified log group already exists"),
            LogsFault::StreamExists => exists("The specified log stream already exists"),
            LogsFault::InvalidParameter(text) => aws_json("InvalidParameterException", 400, text),
            LogsFault::Validation(text) => aws_json("ValidationException", 400, text),
            LogsFault::Serialization(text) => aws_json("SerializationException", 400, text),
            LogsFault::UnknownOperation => {
                aws_json("UnknownOperationException", 400, "There is no such operation.")
            }
            LogsFault::NotYet { operation, reason } => aws_json(
                "NotImplementedException",
                501,
                &format!("{operation} is not available here yet: {reason}"),
            ),
            LogsFault::Internal(_) => {
                aws_json("ServiceUnavailableException", 503, "The service cannot complete the request.")
            }
        }
    }
}
