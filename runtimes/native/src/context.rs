//! What a handler knows about its invocation.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::answer::Answer;

/// What a handler knows about its invocation. The function's name, version and memory are in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Of this invocation; the platform matches the response by it.
    pub request_id: String,
    /// When the platform gives up.
    pub deadline: SystemTime,
    /// As it was called: with the version or alias, if one was named.
    pub invoked_function_arn: String,
    /// X-Ray's header, if the invocation has one.
    pub trace_id: Option<String>,
    /// JSON that the caller has sent along.
    pub client_context: Option<String>,
    /// JSON of the caller's Cognito identity.
    pub identity: Option<String>,
    /// The tenant, for functions that are isolated by tenant.
    pub tenant_id: Option<String>,
}

impl Context {
    pub(crate) fn of(next: &Answer) -> io::Result<Self> {
        let text = |name: &str| next.header(name).map(str::to_owned);
        let required =
            |name: &str| text(name).ok_or_else(|| io::Error::other(format!("an event without {name}")));
        let deadline_ms = required("lambda-runtime-deadline-ms")?
            .parse()
            .map_err(|_| io::Error::other("a deadline that is no number"))?;
        Ok(Context {
            request_id: required("lambda-runtime-aws-request-id")?,
            deadline: UNIX_EPOCH + Duration::from_millis(deadline_ms),
            invoked_function_arn: text("lambda-runtime-invoked-function-arn").unwrap_or_default(),
            trace_id: text("lambda-runtime-trace-id"),
            client_context: text("lambda-runtime-client-context"),
            identity: text("lambda-runtime-cognito-identity"),
            tenant_id: text("lambda-runtime-aws-tenant-id"),
        })
    }

    /// Until the deadline; zero after it.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or_default()
    }
}
