//! Requests to AWS services, from the services and engines of this server: over the wire alone, whether the other side
//! is in this process or on another machine.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use lambent_domain::Scope;

use crate::access::Authority;

/// On whose authority a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A service on its own account: S3 that tells a function of an object.
    Service {
        /// `s3.amazonaws.com`.
        name: &'static str,
        /// `aws:SourceArn`: the bucket, the rule, the topic.
        source_arn: String,
    },
    /// A service with the credentials of a role: Lambda that sends a function's dead letter.
    Role(String),
    /// Whoever asked the service: Lambda that reads a function's package.
    Asker(Box<Authority>),
}

/// A request to a service.
#[derive(Clone, Debug)]
pub struct ServiceRequest {
    /// Signing name: `sqs`.
    pub service: &'static str,
    /// Account and region.
    pub scope: Scope,
    /// On whose authority.
    pub principal: Principal,
    /// HTTP method.
    pub method: Method,
    /// Path and query as on the wire, percent-encoded.
    pub target: String,
    /// Headers besides `Host` and those of a signature.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl ServiceRequest {
    /// A request of AWS's JSON protocols; `version` is `1.0` or `1.1`, `operation` what stands in `X-Amz-Target`.
    pub fn json(
        service: &'static str,
        version: &'static str,
        operation: &'static str,
        scope: Scope,
        principal: Principal,
        body: impl Into<Bytes>,
    ) -> Self {
        let content_type = match version {
            "1.0" => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(HeaderName::from_static("x-amz-target"), HeaderValue::from_static(operation));
        let target = "/".to_owned();
        ServiceRequest { service, scope, principal, method: Method::POST, target, headers, body: body.into() }
    }

    /// A request of the query protocol: an encoded form with `Action` and `Version`.
    pub fn form(service: &'static str, scope: Scope, principal: Principal, form: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert(CONTENT_TYPE, content_type);
        let (method, target) = (Method::POST, "/".to_owned());
        ServiceRequest { service, scope, principal, method, target, headers, body: form.into() }
    }

    /// `Invoke` of a function; `invocation_type` is `Event` or `RequestResponse`. The function is a name or an ARN, with
    /// or without a qualifier.
    pub fn invoke(
        function: &str,
        invocation_type: &'static str,
        scope: Scope,
        principal: Principal,
        payload: impl Into<Bytes>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let kind = HeaderName::from_static("x-amz-invocation-type");
        headers.insert(kind, HeaderValue::from_static(invocation_type));
        let function = lambent_kit::sigv4::uri_encode(function.as_bytes(), false);
        ServiceRequest {
            service: "lambda",
            scope,
            principal,
            method: Method::POST,
            target: format!("/2015-03-31/functions/{function}/invocations"),
            headers,
            body: payload.into(),
        }
    }

    /// With one header more. A value that can't be in a header is left out.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

/// There is no answer; whether the other side did what it was asked for is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// The way to services. An answer that is an error is an answer.
#[async_trait]
pub trait AwsClient: Send + Sync {
    /// Sends and waits for the whole answer, without a limit in time: who has waited enough drops the future, and the
    /// other side sees its client hang up.
    async fn call(&self, request: ServiceRequest) -> Result<http::Response<Bytes>, Unreachable>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambent_domain::{AccountId, Region};

    #[test]
    fn a_function_is_named_by_its_arn_in_the_path() {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:f:live";
        let principal = Principal::Service { name: "s3.amazonaws.com", source_arn: "arn:aws:s3:::b".into() };
        let request = ServiceRequest::invoke(arn, "Event", scope, principal, "{}");
        assert_eq!(
            request.target,
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af%3Alive/invocations"
        );
        assert_eq!(request.headers["x-amz-invocation-type"], "Event");
        let traced = request.with_header("x-amzn-trace-id", "Root=1-2-3").with_header("x-bad", "a\nb");
        assert_eq!(traced.headers["x-amzn-trace-id"], "Root=1-2-3");
        assert!(!traced.headers.contains_key("x-bad"));
    }
}
