//! Where Lambda's faults meet the wire. Exhaustive: a new fault does not compile until someone has decided what AWS
//! would say. Texts are recorded ones unless the fault carries its own.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response};
use lambent_domain::fault::ThrottleReason;
use lambent_domain::limits::MAX_POLICY_BYTES;
use lambent_domain::{Fault, RequestId};
use lambent_kit::smithy::{ErrorShape, Refused};
use lambent_wire::lambda::errors;

use crate::error::rest_json;
use crate::registry::ServiceFault;

/// The answer for a fault.
pub fn to_response(fault: &Fault, request_id: &RequestId) -> Response<Bytes> {
    let reason = match fault {
        Fault::TooManyRequests(reason) => Some(*reason),
        _ => None,
    };
    let more: Vec<_> = reason.map(|reason| ("Reason", reason.as_str())).into_iter().collect();
    if let Fault::Internal(text) = fault {
        // The caller gets the id to look for; what went wrong may name things that are not the caller's.
        tracing::error!(%request_id, error = %text, "an operation failed");
    }
    let mut response = rest_json(&shape(fault), &text(fault), &more, request_id);
    if matches!(
        reason,
        // Not with what a function has reserved (both recorded).
        Some(ThrottleReason::ConcurrentInvocationLimitExceeded)
            // Judgement: a tenth of the scaling rate is back after a second.
            | Some(ThrottleReason::FunctionInvocationRateLimitExceeded)
    ) {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    response
}

/// AWS's code and status.
fn shape(fault: &Fault) -> ErrorShape {
    match fault {
        Fault::Validation(_) => errors::VALIDATION_EXCEPTION,
        Fault::InvalidParameter(_) => errors::INVALID_PARAMETER_VALUE_EXCEPTION,
        // The one text of this code that comes without `Type` (recorded).
        Fault::ConcurrencyLimit(_) => {
            ErrorShape { has_type: false, ..errors::INVALID_PARAMETER_VALUE_EXCEPTION }
        }
        Fault::InvalidRequestContent(_) => errors::INVALID_REQUEST_CONTENT_EXCEPTION,
        Fault::Serialization(_) => errors::SERIALIZATION_EXCEPTION,
        Fault::FunctionNotFound(_) | Fault::NotFound(_) => errors::RESOURCE_NOT_FOUND_EXCEPTION,
        Fault::FunctionExists(_)
        | Fault::UpdateInProgress(_)
        | Fault::NotActive { .. }
        | Fault::Conflict(_) => errors::RESOURCE_CONFLICT_EXCEPTION,
        Fault::InUse(_) => errors::RESOURCE_IN_USE_EXCEPTION,
        Fault::NoProvisionedConcurrency => errors::PROVISIONED_CONCURRENCY_CONFIG_NOT_FOUND_EXCEPTION,
        Fault::RevisionMismatch | Fault::PolicyRevisionMismatch | Fault::LayerPolicyRevisionMismatch => {
            errors::PRECONDITION_FAILED_EXCEPTION
        }
        Fault::PolicyTooLong => errors::POLICY_LENGTH_EXCEEDED_EXCEPTION,
        Fault::PublicPolicy => errors::PUBLIC_POLICY_EXCEPTION,
        Fault::CodeSigningConfigNotFound(_) => errors::CODE_SIGNING_CONFIG_NOT_FOUND_EXCEPTION,
        Fault::CodeVerificationFailed(_) => errors::CODE_VERIFICATION_FAILED_EXCEPTION,
        Fault::InvalidCodeSignature(_) => errors::INVALID_CODE_SIGNATURE_EXCEPTION,
        Fault::RequestTooLarge(_) => errors::REQUEST_ENTITY_TOO_LARGE_EXCEPTION,
        Fault::AccessDenied(_) => errors::ACCESS_DENIED_EXCEPTION,
        Fault::RecursiveInvocation => errors::RECURSIVE_INVOCATION_EXCEPTION,
        Fault::TooManyRequests(_) => errors::TOO_MANY_REQUESTS_EXCEPTION,
        Fault::CodeStorageExceeded => errors::CODE_STORAGE_EXCEEDED_EXCEPTION,
        Fault::UnsupportedMediaType(_) => errors::UNSUPPORTED_MEDIA_TYPE_EXCEPTION,
        Fault::InvalidRuntime(_) => errors::INVALID_RUNTIME_EXCEPTION,
        Fault::UnknownOperation => errors::UNKNOWN_OPERATION_EXCEPTION,
        Fault::NotImplemented { .. } => errors::NOT_IMPLEMENTED_EXCEPTION,
        Fault::Internal(_) => errors::SERVICE_EXCEPTION,
    }
}

/// AWS's text.
fn text(fault: &Fault) -> Cow<'_, str> {
    const REVISION: &str = "The Revision Id provided does not match the latest Revision Id. Call the";
    match fault {
        Fault::Validation(text)
        | Fault::InvalidParameter(text)
        | Fault::ConcurrencyLimit(text)
        | Fault::InvalidRequestContent(text)
        | Fault::Serialization(text)
        | Fault::NotFound(text)
        | Fault::Conflict(text)
        | Fault::InUse(text)
        | Fault::CodeSigningConfigNotFound(text)
        | Fault::CodeVerificationFailed(text)
        | Fault::InvalidCodeSignature(text)
        | Fault::RequestTooLarge(text)
        | Fault::AccessDenied(text)
        | Fault::UnsupportedMediaType(text)
        | Fault::InvalidRuntime(text) => text.into(),
        Fault::FunctionNotFound(arn) => format!("Function not found: {arn}").into(),
        Fault::FunctionExists(name) => format!("Function already exist: {name}").into(),
        Fault::UpdateInProgress(arn) => format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        )
        .into(),
        Fault::NotActive { state } => format!(
            "The operation cannot be performed at this time. The function is currently in the following state: {state}"
        )
        .into(),
        Fault::NoProvisionedConcurrency => "No Provisioned Concurrency Config found for this function".into(),
        Fault::RevisionMismatch => {
            format!("{REVISION} GetFunction/GetAlias API to retrieve the latest Revision Id").into()
        }
        Fault::PolicyRevisionMismatch => {
            format!("{REVISION} GetPolicy API to retrieve the latest Revision Id").into()
        }
        Fault::LayerPolicyRevisionMismatch => {
            format!("{REVISION} GetLayerPolicy API to retrieve the latest Revision Id").into()
        }
        // After AWS's documentation of the code.
        Fault::PublicPolicy => {
            "Lambda prevented your policy from being created because it would grant public access to your function."
                .into()
        }
        Fault::PolicyTooLong => {
            format!("The final policy size is bigger than the limit ({MAX_POLICY_BYTES}).").into()
        }
        // AWS documentation.
        Fault::RecursiveInvocation => "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.".into(),
        Fault::TooManyRequests(_) => "Rate Exceeded.".into(),
        Fault::CodeStorageExceeded => "Code storage limit exceeded.".into(),
        Fault::UnknownOperation => "No operation has this method and path.".into(),
        Fault::NotImplemented { operation, reason } => {
            format!("{operation} is not available here yet: {reason}").into()
        }
        Fault::Internal(_) => {
            "An internal error occurred. The server's log has it under this request's id.".into()
        }
    }
}

impl ServiceFault for Fault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Serialization(text) => Fault::Serialization(text),
            Refused::Validation(text) => Fault::Validation(text),
        }
    }

    fn unknown_operation() -> Self {
        Fault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        Fault::NotImplemented { operation, reason: reason.to_owned() }
    }

    fn to_response(&self, request_id: &RequestId) -> Response<Bytes> {
        to_response(self, request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fault: &Fault) -> (u16, String, String) {
        let response = to_response(fault, &RequestId::from_random([0; 16]));
        let header = response.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
        (response.status().as_u16(), header, String::from_utf8(response.body().to_vec()).unwrap())
    }

    #[test]
    fn faults_look_like_awss() {
        let (status, code, body) = answer(&Fault::FunctionNotFound("arn:f".into()));
        assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"));
        assert_eq!(body, r#"{"Type":"User","Message":"Function not found: arn:f"}"#);
        let (status, _, body) = answer(&Fault::FunctionExists("f".into()));
        assert_eq!(
            (status, body.as_str()),
            (409, r#"{"Type":"User","message":"Function already exist: f"}"#)
        );
        let (status, _, body) = answer(&Fault::Validation("v".into()));
        assert_eq!((status, body.as_str()), (400, r#"{"message":"v"}"#));
        let (status, code, body) =
            answer(&Fault::TooManyRequests(ThrottleReason::ConcurrentInvocationLimitExceeded));
        assert_eq!((status, code.as_str()), (429, "TooManyRequestsException"));
        assert_eq!(
            body,
            r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#
        );
    }

    #[test]
    fn what_went_wrong_inside_is_not_told_to_the_caller() {
        let (status, _, body) = answer(&Fault::Internal("secret path".into()));
        assert_eq!(status, 500);
        assert!(!body.contains("secret"));
    }
}
