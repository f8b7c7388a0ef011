//! What the service can answer instead of what was asked.

use bytes::Bytes;
use http::Response;
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_query;
use lambent_domain::RequestId;
use lambent_kit::smithy::{Protocol, Refused};

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsFault {
    /// `ValidationError` with its text.
    Validation(String),
    /// `InvalidParameterValue` with its text.
    InvalidParameter(String),
    /// `MalformedPolicyDocument` with its text.
    MalformedPolicy(String),
    /// `AccessDenied` with its text.
    AccessDenied(String),
    /// No such operation.
    InvalidAction,
    /// In AWS's API and not here yet.
    NotYet {
        /// Its name.
        operation: &'static str,
        /// Why.
        reason: &'static str,
    },
}

impl ServiceFault for StsFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) | Refused::Serialization(text) => StsFault::Validation(text),
        }
    }

    fn unknown_operation() -> Self {
        StsFault::InvalidAction
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        StsFault::NotYet { operation, reason }
    }

    fn to_response(&self, _request_id: &RequestId) -> Response<Bytes> {
        let namespace = match lambent_wire::sts::PROTOCOL {
            Protocol::AwsQuery { namespace } => namespace,
            _ => "",
        };
        let answer = |code: &str, status: u16, text: &str| aws_query(namespace, code, status, text);
        match self {
            StsFault::Validation(text) => answer("ValidationError", 400, text),
            StsFault::InvalidParameter(text) => answer("InvalidParameterValue", 400, text),
            StsFault::MalformedPolicy(text) => answer("MalformedPolicyDocument", 400, text),
            StsFault::AccessDenied(text) => answer("AccessDenied", 403, text),
            StsFault::InvalidAction => {
                answer("InvalidAction", 400, "Could not find operation for version 2011-06-15")
            }
            StsFault::NotYet { operation, reason } => {
                answer("NotImplemented", 501, &format!("{operation} is not available here yet: {reason}"))
            }
        }
    }
}
