//! What the service can answer instead of what was asked. Each error has its shape's name, which JSON and CBOR carry, and a
//! code of the query protocol, which both carry in a header as well: SDKs show the latter.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use lambent_api_kit::ServiceFault;
use lambent_api_kit::error::aws_query;
use lambent_domain::RequestId;
use lambent_kit::smithy::{Protocol, Refused, cbor};
use lambent_ports::metric_store::MetricStoreError;
use serde_json::{Map, Value};

/// A refused or failed request; texts are whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudWatchFault {
    /// A parameter's value.
    Value(String),
    /// Parameters that don't go together.
    Combination(String),
    /// A parameter is missing.
    Missing(String),
    /// A constraint, or a query of GetMetricData.
    Validation(String),
    /// A token that nobody was given.
    NextToken,
    /// There are as many metrics as may be.
    TooManyMetrics,
    /// The body is not of the operation's form.
    Serialization(String),
    /// No such operation.
    UnknownOperation,
    /// In AWS's API and not here yet.
    NotYet {
        /// Its name.
        operation: String,
        /// Why.
        reason: String,
    },
    /// Ours; the text is for the log.
    Internal(String),
}

/// How an error looks on the wire.
struct Shown<'a> {
    shape: &'static str,
    code: &'static str,
    status: u16,
    message: std::borrow::Cow<'a, str>,
}

impl CloudWatchFault {
    /// `The value v for parameter p is invalid.`
    pub(crate) fn value(value: impl std::fmt::Display, parameter: impl std::fmt::Display) -> Self {
        CloudWatchFault::Value(format!("The value {value} for parameter {parameter} is invalid."))
    }

    /// The one place where faults meet the wire.
    fn shown(&self) -> Shown<'_> {
        use CloudWatchFault as F;
        let shown = |shape, code, status, message: &str| Shown {
            shape,
            code,
            status,
            message: message.to_owned().into(),
        };
        match self {
            F::Value(text) => shown("InvalidParameterValueException", "InvalidParameterValue", 400, text),
            F::Combination(text) => {
                shown("InvalidParameterCombinationException", "InvalidParameterCombination", 400, text)
            }
            F::Missing(text) => shown("MissingRequiredParameterException", "MissingParameter", 400, text),
            F::Validation(text) => shown("ValidationException", "ValidationError", 400, text),
            F::NextToken => shown("InvalidNextToken", "InvalidNextToken", 400, "Invalid next token"),
            F::TooManyMetrics => shown(
                "LimitExceededFault",
                "LimitExceeded",
                400,
                "There are as many metrics as this server keeps",
            ),
            F::Serialization(text) => shown("SerializationException", "MalformedInput", 400, text),
            F::UnknownOperation => shown(
                "UnknownOperationException",
                "InvalidAction",
                400,
                "Could not find operation for version 2010-08-01",
            ),
            F::NotYet { operation, reason } => shown(
                "NotImplementedException",
                "NotImplemented",
                501,
                &format!("{operation} is not available here yet: {reason}"),
            ),
            F::Internal(_) => {
                shown("InternalServiceFault", "InternalServiceError", 500, "The request could not be done.")
            }
        }
    }
}

impl From<MetricStoreError> for CloudWatchFault {
    fn from(error: MetricStoreError) -> Self {
        match error {
            MetricStoreError::TooManyMetrics => CloudWatchFault::TooManyMetrics,
            MetricStoreError::Storage(text) => CloudWatchFault::Internal(text),
        }
    }
}

impl ServiceFault for CloudWatchFault {
    fn refused(refused: Refused) -> Self {
        match refused {
            Refused::Validation(text) => missing(&text).unwrap_or(CloudWatchFault::Validation(text)),
            Refused::Serialization(text) => CloudWatchFault::Serialization(text),
        }
    }

    fn unknown_operation() -> Self {
        CloudWatchFault::UnknownOperation
    }

    fn not_yet(operation: &'static str, reason: &'static str) -> Self {
        CloudWatchFault::NotYet { operation: operation.to_owned(), reason: reason.to_owned() }
    }

    fn to_response(&self, request_id: &RequestId) -> Response<Bytes> {
        self.to_response_in(Protocol::AwsJson10 { query: None }, request_id)
    }

    fn to_response_in(&self, spoken: Protocol, request_id: &RequestId) -> Response<Bytes> {
        if let CloudWatchFault::Internal(error) = self {
            tracing::error!(%error, %request_id, "CloudWatch could not do it");
        }
        let shown = self.shown();
        if let Protocol::AwsQuery { namespace } = spoken {
            return aws_query(namespace, shown.code, shown.status, &shown.message);
        }
        let mut members = Map::new();
        members.insert("__type".to_owned(), Value::from(format!("com.amazonaws.cloudwatch#{}", shown.shape)));
        members.insert("message".to_owned(), Value::from(shown.message.as_ref()));
        let is_cbor = matches!(spoken, Protocol::RpcV2Cbor { .. });
        let (content_type, body) = match is_cbor {
            true => ("application/cbor", cbor::encode(&members, &[])),
            false => ("application/x-amz-json-1.0", Value::Object(members).to_string().into_bytes()),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(shown.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        if is_cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        let who = if shown.status < 500 { "Sender" } else { "Receiver" };
        if let Ok(code) = HeaderValue::from_str(&format!("{};{who}", shown.code)) {
            headers.insert("x-amzn-query-error", code);
        }
        response
    }
}

/// The first missing member of a refusal, in CloudWatch's own words.
fn missing(refusal: &str) -> Option<CloudWatchFault> {
    let (_, rest) = refusal.split_once("Value null at '")?;
    let (path, _) = rest.split_once('\'')?;
    let named: Vec<String> = path
        .split('.')
        .map(|part| match part {
            "member" => part.to_owned(),
            _ => part[..1].to_ascii_uppercase() + &part[1..],
        })
        .collect();
    // Items of lists are numbered before the word here, behind it there.
    let mut parts = named;
    for at in 1..parts.len() {
        if parts[at] == "member" {
            parts.swap(at - 1, at);
        }
    }
    Some(CloudWatchFault::Missing(format!("The parameter {} is required.", parts.join("."))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_member_is_named_in_the_words_of_cloudwatch() {
        let text = "1 validation error detected: Value null at 'metricData.1.member.metricName' failed to satisfy constraint: Member must not be null";
        assert_eq!(
            CloudWatchFault::refused(Refused::Validation(text.into())),
            CloudWatchFault::Missing("The parameter MetricData.member.1.MetricName is required.".into())
        );
    }

    #[test]
    fn each_protocol_carries_the_code_that_sdks_show() {
        let id = RequestId::from_random([1; 16]);
        let fault = CloudWatchFault::value("5", "Period");
        let cbor_answer = fault.to_response_in(Protocol::RpcV2Cbor { query: "ns" }, &id);
        assert_eq!(cbor_answer.headers()["x-amzn-query-error"], "InvalidParameterValue;Sender");
        let body = cbor::decode(cbor_answer.body()).unwrap();
        assert_eq!(body["__type"], "com.amazonaws.cloudwatch#InvalidParameterValueException");
        assert_eq!(body["message"], "The value 5 for parameter Period is invalid.");
        let query = fault.to_response_in(Protocol::AwsQuery { namespace: "ns" }, &id);
        assert!(String::from_utf8_lossy(query.body()).contains("<Code>InvalidParameterValue</Code>"));
    }
}
