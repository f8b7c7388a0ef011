//! Running a function, as callers see it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::{Fault, FunctionKey, Qualifier, RequestId, RevisionId};

/// One synchronous invoke.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Which function.
    pub function: FunctionKey,
    /// Which of its versions; `None` is `$LATEST` and is shown as an unqualified ARN.
    pub qualifier: Option<Qualifier>,
    /// The event: JSON, checked by the front. Empty means `{}`.
    pub payload: Bytes,
    /// Decoded client context.
    pub client_context: Option<String>,
    /// Wants the last 4 KB of the log.
    pub log_tail: bool,
    /// One id for logs, headers and context.
    pub request_id: RequestId,
    /// `X-Amzn-Trace-Id` of the request, or made by the front: `Root`, `Parent` and `Sampled`. With `Sampled=?` the
    /// function's tracing decides.
    pub trace_id: String,
}

/// How an invoke ended. A function that failed is an answer, not a fault.
#[derive(Clone, Debug)]
pub struct InvokeReply {
    /// `$LATEST` or a number.
    pub executed_version: String,
    /// Function error: sent as `X-Amz-Function-Error: Unhandled`.
    pub failed: bool,
    /// What the function returned, or the error object.
    pub payload: Bytes,
    /// The last 4 KB of the log when asked for, not yet base64.
    pub log_tail: Option<Vec<u8>>,
    /// `X-Amzn-Trace-Id` as the function got it.
    pub trace_id: String,
}

/// The invoke path. Not `Send`: it lives on one shard's thread, from the client's socket to the runtime's.
#[async_trait(?Send)]
pub trait Invoke {
    /// Runs the function and waits for its answer. Dropping the future gives up waiting; the function runs on, as on
    /// AWS when a client hangs up.
    async fn invoke(&self, invocation: Invocation) -> Result<InvokeReply, Fault>;

    /// `InvocationType=DryRun`: every check and no run.
    fn dry_run(&self, function: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<(), Fault>;

    /// The resource policy of the function, or of its version or alias: the text.
    fn policy(&self, function: &FunctionKey, qualifier: Option<&Qualifier>) -> Option<Arc<str>>;
}

/// The invoke path for whoever is on another thread.
#[async_trait]
pub trait InvokeFromElsewhere: Send + Sync {
    /// As [`Invoke::invoke`].
    async fn invoke(&self, invocation: Invocation) -> Result<InvokeReply, Fault>;
}

/// One asynchronous invoke.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which function.
    pub function: FunctionKey,
    /// Which of its versions; kept for every attempt.
    pub qualifier: Option<Qualifier>,
    /// JSON, checked by the front. Empty means `{}`.
    pub payload: Bytes,
    /// The same for every attempt.
    pub request_id: RequestId,
    /// As of [`Invocation::trace_id`].
    pub trace_id: String,
}

/// Takes asynchronous invokes on.
#[async_trait]
pub trait Events: Send + Sync {
    /// The event is on disk when this returns, and its function will be invoked. The caller has seen to it that the
    /// function is there.
    async fn accept(&self, event: Event) -> Result<(), Fault>;
}

/// How provisioned concurrency stands right now.
pub trait ProvisionedView: Send + Sync {
    /// Of one deployment; nothing is known of one that nothing is provisioned for.
    fn provisioned(&self, deployment: RevisionId) -> ProvisionedState;
}

/// Environments that are kept initialised for a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProvisionedState {
    /// How many are there, busy or idle, at most as many as are wanted.
    pub environments: u32,
    /// `StatusReason` when they can't be started.
    pub failure: Option<&'static str>,
}
