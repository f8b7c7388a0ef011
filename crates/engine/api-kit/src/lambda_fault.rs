//! Where Lambda's faults meet the wire. Exhaustive: a new fault does not compile until someone has decided what AWS
//! would say. Texts are recorded ones unless the fault carries its own.

use bytes::Bytes;
use http::{HeaderValue, Response};
use lambent_domain::limits::MAX_POLICY_BYTES;
use lambent_domain::{Fault, RequestId};
use lambent_kit::smithy::{ErrorShape, Refused};
use lambent_wire::lambda::errors;

use crate::error::rest_json;
use crate::registry::ServiceFault;

/// The answer for a fault.
pub fn to_response(fault: &Fault, request_id: &RequestId) -> Response<Bytes> {
    let answer = |shape: &ErrorShape, message: &str| rest_json(shape, message, &[], request_id);
    match fault {
        Fault::Validation(text) => answer(&errors::VALIDATION_EXCEPTION, text),
        Fault::InvalidParameter(text) => answer(&errors::INVALID_PARAMETER_VALUE_EXCEPTION, text),
        Fault::InvalidRequestContent(text) => answer(&errors::INVALID_REQUEST_CONTENT_EXCEPTION, text),
        Fault::Serialization(text) => answer(&errors::SERIALIZATION_EXCEPTION, text),
        Fault::FunctionNotFound(arn) => {
            answer(&errors::RESOURCE_NOT_FOUND_EXCEPTION, &format!("Function not found: {arn}"))
        }
        Fault::NotFound(text) => answer(&errors::RESOURCE_NOT_FOUND_EXCEPTION, text),
        Fault::FunctionExists(name) => {
            answer(&errors::RESOURCE_CONFLICT_EXCEPTION, &format!("Function already exist: {name}"))
        }
        Fault::UpdateInProgress(key) => answer(
            &errors::RESOURCE_CONFLICT_EXCEPTION,
            &format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {}",
                key.arn()
            ),
        ),
        Fault::NotActive { state } => answer(
            &errors::RESOURCE_CONFLICT_EXCEPTION,
            &format!(
                "The operation cannot be performed at this time. The function is currently in the following state: {state}"
            ),
        ),
        Fault::Conflict(text) => answer(&errors::RESOURCE_CONFLICT_EXCEPTION, text),
        Fault::RevisionMismatch => answer(
            &errors::PRECONDITION_FAILED_EXCEPTION,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        ),
        Fault::PolicyRevisionMismatch => answer(
            &errors::PRECONDITION_FAILED_EXCEPTION,
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id",
        ),
        Fault::LayerPolicyRevisionMismatch => answer(
            &errors::PRECONDITION_FAILED_EXCEPTION,
            "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id",
        ),
        Fault::NoProvisionedConcurrency => answer(
            &errors::PROVISIONED_CONCURRENCY_CONFIG_NOT_FOUND_EXCEPTION,
            "No Provisioned Concurrency Config found for this function",
        ),
        Fault::PolicyTooLong => answer(
            &errors::POLICY_LENGTH_EXCEEDED_EXCEPTION,
            &format!("The final policy size is bigger than the limit ({MAX_POLICY_BYTES})."),
        ),
        Fault::CodeSigningConfigNotFound(text) => {
            answer(&errors::CODE_SIGNING_CONFIG_NOT_FOUND_EXCEPTION, text)
        }
        Fault::CodeVerificationFailed(text) => answer(&errors::CODE_VERIFICATION_FAILED_EXCEPTION, text),
        Fault::InvalidCodeSignature(text) => answer(&errors::INVALID_CODE_SIGNATURE_EXCEPTION, text),
        Fault::RequestTooLarge(text) => answer(&errors::REQUEST_ENTITY_TOO_LARGE_EXCEPTION, text),
        Fault::AccessDenied(text) => answer(&errors::ACCESS_DENIED_EXCEPTION, text),
        Fault::TooManyRequests(reason) => {
            let more = [("Reason", reason.as_str())];
            let shape = &errors::TOO_MANY_REQUESTS_EXCEPTION;
            let mut response = rest_json(shape, "Rate Exceeded.", &more, request_id);
            response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
            response
        }
        Fault::CodeStorageExceeded => {
            answer(&errors::CODE_STORAGE_EXCEEDED_EXCEPTION, "Code storage limit exceeded.")
        }
        Fault::UnsupportedMediaType(text) => answer(&errors::UNSUPPORTED_MEDIA_TYPE_EXCEPTION, text),
        Fault::InvalidRuntime(text) => answer(&errors::INVALID_RUNTIME_EXCEPTION, text),
        Fault::UnknownOperation => {
            answer(&errors::UNKNOWN_OPERATION_EXCEPTION, "No operation has this method and path.")
        }
        Fault::NotImplemented { operation, reason } => answer(
            &errors::NOT_IMPLEMENTED_EXCEPTION,
            &format!("{operation} is not available here yet: {reason}"),
        ),
        Fault::Internal(text) => {
            // The caller gets the id to look for; what went wrong may name things that are not the caller's.
            tracing::error!(%request_id, error = %text, "an operation failed");
            answer(
                &errors::SERVICE_EXCEPTION,
                "An internal error occurred. The server's log has it under this request's id.",
            )
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
    use lambent_domain::fault::ThrottleReason;

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
