//! A service as the front sees it: a request that has been resolved to a caller and a scope goes in, an HTTP answer
//! comes out. Lambda's control plane, CloudWatch Logs, SQS and STS are each one. A service whose bodies are too large for
//! memory gets them unread, and sends its own as they come.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use lambent_domain::{AccountId, RequestId, Scope};

use crate::access::Authority;
use crate::aws_client::Principal;
use crate::presence::Gone;

/// A request with its body read, its caller known and its region taken from the credential scope.
#[derive(Clone, Debug)]
pub struct ApiRequest<B = Bytes> {
    /// HTTP method.
    pub method: http::Method,
    /// Path and query as the client sent them, still percent-encoded.
    pub uri: http::Uri,
    /// All headers.
    pub headers: http::HeaderMap,
    /// The whole body, within the front's limit for the operation; a [`Body`] that nobody has read for services that
    /// stream.
    pub body: B,
    /// Account and region that keys live in.
    pub scope: Scope,
    /// Who asks.
    pub caller: Caller,
    /// Sent back as the service's request id header, also on errors.
    pub request_id: RequestId,
    /// `http://host:port` under which the client reached this server: for links in answers.
    pub base_url: String,
    /// Completes when nobody waits for the answer any more.
    pub gone: Gone,
}

/// The identity behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account the access key belongs to.
    pub account: AccountId,
    /// Access key id, when the request carried one.
    pub access_key_id: Option<String>,
    /// A service of this server that asks, instead of a client with a key.
    pub principal: Option<Principal>,
    /// What was proven of them, where signatures and permissions are checked.
    pub authority: Option<Authority>,
}

/// One AWS service.
#[async_trait]
pub trait ApiService: Send + Sync {
    /// Its signing name: `lambda`, `logs`, `sts`.
    fn signing_name(&self) -> &'static str;

    /// Answers a request. Never fails: faults are answers too.
    async fn call(&self, request: ApiRequest) -> http::Response<Bytes>;
}

/// A body on its way.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The largest answer that is collected for callers within this server: the largest package.
const MAX_COLLECTED_BYTES: usize = 256 * 1024 * 1024;

/// A body that is there as a whole.
pub fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A service whose bodies stream, in both directions.
#[async_trait]
pub trait StreamService: Send + Sync {
    /// Its signing name: `s3`.
    fn signing_name(&self) -> &'static str;

    /// Answers a request. Never fails: faults are answers too. `peer` is the client's address, unless it is this server.
    async fn call(&self, request: ApiRequest<Body>, peer: Option<IpAddr>) -> http::Response<Body>;
}

/// A streaming service for callers that have whole bodies and want whole ones.
pub struct Collected(pub Arc<dyn StreamService>);

#[async_trait]
impl ApiService for Collected {
    fn signing_name(&self) -> &'static str {
        self.0.signing_name()
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        let ApiRequest { method, uri, headers, body, scope, caller, request_id, base_url, gone } = request;
        let body = whole(body);
        let request = ApiRequest { method, uri, headers, body, scope, caller, request_id, base_url, gone };
        let (head, body) = self.0.call(request, None).await.into_parts();
        match Limited::new(body, MAX_COLLECTED_BYTES).collect().await {
            Ok(body) => http::Response::from_parts(head, body.to_bytes()),
            Err(error) => {
                let mut response = http::Response::new(Bytes::from(error.to_string()));
                *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }
}
