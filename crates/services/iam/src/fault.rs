//! What the service can answer instead of what was asked. Texts are recorded ones, or what tools have reported of AWS.

use bytes::Bytes;
use http::Response;
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_query;
use lambent_domain::RequestId;
use lambent_iam_policy::Malformed;
use lambent_kit::smithy::{Protocol, Refused};
use lambent_ports::iam_store::IamStoreError;

/// A refused or failed request; with the whole text where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IamFault {
    /// Something is not there.
    NoSuchEntity(String),
    /// Something of that name is there.
    EntityAlreadyExists(String),
    /// A policy that can't be one.
    MalformedPolicyDocument(String),
    /// A constraint.
    Validation(String),
    /// Something else depends on what is to be deleted.
    DeleteConflict(String),
    /// A quota.
    LimitExceeded(String),
    /// A parameter's value.
    InvalidInput(String),
    /// It belongs to a service.
    UnmodifiableEntity(String),
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

impl IamFault {
    /// `The role with name X cannot be found.`
    pub(crate) fn missing(kind: &str, name: &str) -> Self {
        IamFault::NoSuchEntity(format!("The {kind} with name {name} cannot be found."))
    }

    /// `Role with name X already exists.`
    pub(crate) fn exists(kind: &str, name: &str) -> Self {
        IamFault::EntityAlreadyExists(format!("{kind} with name {name} already exists."))
    }

    /// `Cannot exceed quota for PoliciesPerRole: 10`
    pub(crate) fn quota(name: &str, limit: usize) -> Self {
        IamFault::LimitExceeded(format!("Cannot exceed quota for {name}: {limit}"))
    }

    /// `Cannot delete entity, must …`
    pub(crate) fn must_first(what: &str) -> Self {
        IamFault::DeleteConflict(format!("Cannot delete entity, must {what} first."))
    }

    fn code(&self) -> (&'static str, u16) {
        match self {
            IamFault::NoSuchEntity(_) => ("NoSuchEntity", 404),
            IamFault::EntityAlreadyExists(_) => ("EntityAlreadyExists", 409),
            IamFault::MalformedPolicyDocument(_) => ("MalformedPolicyDocument", 400),
            IamFault::Validation(_) => ("ValidationError", 400),
            IamFault::DeleteConflict(_) => ("DeleteConflict", 409),
            IamFault::LimitExceeded(_) => ("LimitExceeded", 409),
            IamFault::InvalidInput(_) => ("InvalidInput", 400),
            IamFault::UnmodifiableEntity(_) => ("UnmodifiableEntity", 400),
            IamFault::UnknownOperation => ("InvalidAction", 400),
            IamFault::NotYet { .. } => ("NotImplemented", 501),
            IamFault::Internal(_) => ("ServiceFailure", 500),
        }
    }

    fn message(&self) -> String {
        match self {
            IamFault::NoSuchEntity(text)
            | IamFault::EntityAlreadyExists(text)
            | IamFault::MalformedPolicyDocument(text)
            | IamFault::Validation(text)
            | IamFault::DeleteConflict(text)
            | IamFault::LimitExceeded(text)
            | IamFault::InvalidInput(text)
            | IamFault::UnmodifiableEntity(text) => text.clone(),
            IamFault::UnknownOperation => "Could not find operation for version 2010-05-08".into(),
            IamFault::NotYet { operation, reason } => format!("{operation} is not available here: {reason}"),
            IamFault::Internal(_) => "The request processing has failed because of an unknown error.".into(),
        }
    }
}

impl From<Malformed> for IamFault {
    fn from(malformed: Malformed) -> Self {
        IamFault::MalformedPolicyDocument(malformed.to_string())
    }
}

impl From<IamStoreError> for IamFault {
    fn from(error: IamStoreError) -> Self {
        IamFault::Internal(error.to_string())
    }
}

/// IAM names members and constraints, not the values (recorded).
fn without_values(text: &str) -> String {
    const END: &str = "' failed to satisfy constraint: ";
    const AT: &str = "' at '";
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("Value '") {
        let Some(length) = rest[start..].find(END) else { break };
        let Some(at) = rest[start..start + length].rfind(AT) else { break };
        out.push_str(&rest[..start]);
        out.push_str("Value at '");
        out.push_str(&rest[start + at + AT.len()..start + length]);
        out.push_str(END);
        rest = &rest[start + length + END.len()..];
    }
    out.push_str(rest);
    out
}

impl ServiceFault for IamFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => IamFault::Validation(without_values(&text)),
            Refused::Serialization(text) => IamFault::Validation(text),
        }
    }

    fn unknown_operation() -> Self {
        IamFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        IamFault::NotYet { operation, reason }
    }

    fn to_response(&self, request_id: &RequestId) -> Response<Bytes> {
        if let IamFault::Internal(error) = self {
            tracing::error!(%error, %request_id, "IAM could not do it");
        }
        let (code, status) = self.code();
        let Protocol::AwsQuery { namespace } = lambent_wire::iam::PROTOCOL else { unreachable!("its model") };
        aws_query(namespace, code, status, &self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_of_refusals() {
        assert_eq!(
            without_values(
                "2 validation errors detected: Value 'a b' at 'roleName' failed to satisfy constraint: X; Value null at 'y' failed to satisfy constraint: Member must not be null"
            ),
            "2 validation errors detected: Value at 'roleName' failed to satisfy constraint: X; Value null at 'y' failed to satisfy constraint: Member must not be null"
        );
        assert_eq!(
            without_values("Value 'it's at 'x' here' at 'path' failed to satisfy constraint: P"),
            "Value at 'path' failed to satisfy constraint: P"
        );
    }
}
