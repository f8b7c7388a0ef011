//! The Runtime API of one environment, between the scheduler and the HTTP codec that serves it.
//!
//! Everything here lives on one shard's thread: callbacks are synchronous and nothing is `Send`. A response is matched
//! to its invoke by request id, never by connection: AWS's Rust client polls on one connection and answers on another.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use lambent_domain::RequestId;

/// What `GET /2018-06-01/runtime/invocation/next` hands out.
#[derive(Clone, Debug)]
pub struct RuntimeEvent {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub request_id: RequestId,
    /// `Lambda-Runtime-Deadline-Ms`, Unix epoch.
    pub deadline_ms: u64,
    /// `Lambda-Runtime-Invoked-Function-Arn`.
    pub function_arn: Rc<str>,
    /// `Lambda-Runtime-Trace-Id`.
    pub trace_id: String,
    /// `Lambda-Runtime-Client-Context`, decoded JSON.
    pub client_context: Option<String>,
    /// The event.
    pub payload: Bytes,
}

/// Why a runtime's post is refused; the codec answers as AWS's Runtime API does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 400 `InvalidRequestID`.
    UnknownRequestId,
    /// 403 `InvalidStateTransition`.
    WrongState {
        /// The runtime's state now.
        from: &'static str,
        /// The state that the call would have led to.
        to: &'static str,
    },
}

/// What the runtime does, told to its environment.
pub trait RuntimeEvents {
    /// A `GET next` is waiting; the environment answers it through [`RuntimeChannel::deliver`], at once or later.
    /// May be called from within `deliver`'s caller: implementations must not hold borrows across it.
    ///
    /// Clients of ours say with their first poll how long ago they had the handler; others needn't.
    fn next_requested(&self, had_handler: Option<Duration>) -> Result<(), Refused>;

    /// `POST response`. The body is over the limit when `None`: the codec has drained it and answers 413 itself.
    fn response(&self, request_id: RequestId, body: Option<Bytes>) -> Result<(), Refused>;

    /// `POST error`: the body goes to the caller unchanged.
    fn error(&self, request_id: RequestId, error_type: Option<&str>, body: Bytes) -> Result<(), Refused>;

    /// `POST init/error`.
    fn init_error(&self, error_type: Option<&str>, body: Bytes) -> Result<(), Refused>;
}

/// One environment's end of the codec.
pub trait RuntimeChannel {
    /// Answers the waiting `GET next`. `false` when none is waiting any more (its connection closed).
    fn deliver(&self, event: &RuntimeEvent) -> bool;

    /// Forgets waiting polls and closes connections: the process behind them has been killed. The listener stays.
    fn reset(&self);
}

/// Serves Runtime APIs.
pub trait RuntimeFront {
    /// Starts accepting on `listener`. Serving ends when the returned channel is dropped.
    fn serve(
        &self,
        listener: OwnedFd,
        events: Rc<dyn RuntimeEvents>,
    ) -> std::io::Result<Rc<dyn RuntimeChannel>>;
}
