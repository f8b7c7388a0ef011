//! A service as the front sees it: a request that has been resolved to a caller and a scope goes in, an HTTP answer
//! comes out. Lambda's control plane, CloudWatch Logs, SQS and STS are each one.

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::{AccountId, RequestId, Scope};

use crate::aws_client::Principal;
use crate::presence::Gone;

/// A request with its body read, its caller known and its region taken from the credential scope.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// HTTP method.
    pub method: http::Method,
    /// Path and query as the client sent them, still percent-encoded.
    pub uri: http::Uri,
    /// All headers.
    pub headers: http::HeaderMap,
    /// The whole body, within the front's limit for the operation.
    pub body: Bytes,
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
}

/// One AWS service.
#[async_trait]
pub trait ApiService: Send + Sync {
    /// Its signing name: `lambda`, `logs`, `sts`.
    fn signing_name(&self) -> &'static str;

    /// Answers a request. Never fails: faults are answers too.
    async fn call(&self, request: ApiRequest) -> http::Response<Bytes>;
}
