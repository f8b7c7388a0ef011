//! Requests to endpoints of users, which are no AWS services: notifications over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// There is no answer; whether the other side has read the request is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// The way to endpoints.
#[async_trait]
pub trait HttpPost: Send + Sync {
    /// Sends a `POST` to an `http` or `https` URL and waits for the status of the answer, whose body is of no interest. Follows
    /// no redirect.
    async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<StatusCode, NoAnswer>;
}
