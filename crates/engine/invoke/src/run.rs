//! One invocation in an environment.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use lambent_domain::RequestId;
use lambent_ports::invoke::{Invocation, InvokeReply};
use lambent_ports::meter::Ticket;
use lambent_ports::runtime_api::RuntimeEvent;
use lambent_ports::sandbox::Exit;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::admission::Permit;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::log::InitPhase;
use crate::trace;

/// The environment's side of a running invocation.
pub(crate) struct Flight {
    pub(crate) request_id: RequestId,
    pub(crate) started: Instant,
    pub(crate) started_ms: u64,
    pub(crate) deadline: Instant,
    pub(crate) log_tail: bool,
    /// Of the figures.
    pub(crate) ticket: Ticket,
    pub(crate) outcome: oneshot::Sender<Ended>,
    /// Filled in by the environment: only its first invocation reports an init.
    pub(crate) init_ms: Option<f64>,
    /// The trace header, where the function is traced and this request is sampled.
    pub(crate) traced: Option<Box<str>>,
    /// The event, while no poll has taken it.
    pub(crate) undelivered: Option<RuntimeEvent>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) result: Result<Bytes, Failure>,
    pub(crate) tail: Option<oneshot::Receiver<Vec<u8>>>,
}

/// The caller's side: waits for the end, and sees to the deadline also when the caller has gone.
pub(crate) struct Run {
    environment: Rc<Environment>,
    request_id: RequestId,
    deadline: Instant,
    timeout: Duration,
    trace_id: String,
    ended: Option<oneshot::Receiver<Ended>>,
    permit: Option<Permit>,
}

impl Run {
    /// Starts an invocation in an environment that is ready.
    pub(crate) fn begin(environment: &Rc<Environment>, invocation: Invocation, permit: Permit) -> Run {
        Self::begin_at(environment, invocation, permit, Instant::now(), true)
    }

    /// Boots a stopped environment within the invocation's own time, then runs it there.
    pub(crate) async fn boot_and_begin(
        environment: &Rc<Environment>,
        invocation: Invocation,
        permit: Permit,
    ) -> Run {
        let started = Instant::now();
        let timeout = timeout(environment);
        let booted = environment.boot(InitPhase::Invoke, timeout, Some(&invocation.trace_id)).await;
        let run = Self::begin_at(environment, invocation, permit, started, booted.is_ok());
        if let Err(failure) = booted {
            environment.end(Err(failure));
        }
        run
    }

    fn begin_at(
        environment: &Rc<Environment>,
        invocation: Invocation,
        permit: Permit,
        started: Instant,
        deliver: bool,
    ) -> Run {
        let timeout = timeout(environment);
        let deadline = started + timeout;
        let now_ms = environment.shard.upgrade().map_or(0, |shard| shard.clock.now_ms());
        let (outcome, ended) = oneshot::channel();
        let request_id = invocation.request_id;
        let flight = Flight {
            request_id,
            started,
            started_ms: now_ms,
            deadline,
            log_tail: invocation.log_tail,
            ticket: permit.ticket(),
            outcome,
            init_ms: None,
            traced: traced(environment, &invocation),
            undelivered: None,
        };
        let trace_id = invocation.trace_id.clone();
        let left_ms = deadline.saturating_duration_since(Instant::now()).as_millis() as u64;
        let event = deliver.then(|| event(invocation, now_ms + left_ms));
        environment.begin(flight, event);
        Run {
            environment: Rc::clone(environment),
            request_id,
            deadline,
            timeout,
            trace_id,
            ended: Some(ended),
            permit: Some(permit),
        }
    }

    /// The reply. Dropping this future hands the deadline to a task of its own.
    pub(crate) async fn reply(mut self) -> InvokeReply {
        let ended = match &mut self.ended {
            Some(ended) => until_deadline(&self.environment, ended, self.deadline, self.timeout).await,
            None => gone(),
        };
        self.ended = None;
        self.permit = None;
        let failed = ended.result.is_err();
        let payload = ended.result.unwrap_or_else(|failure| failure.payload(&self.request_id));
        let log_tail = match ended.tail {
            Some(tail) => tail.await.ok(),
            None => None,
        };
        let executed_version = self.environment.pool.deployment.version.to_string();
        let trace_id = std::mem::take(&mut self.trace_id);
        InvokeReply { executed_version, failed, payload, log_tail, trace_id }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let Some(mut ended) = self.ended.take() else {
            return;
        };
        let (environment, permit) = (Rc::clone(&self.environment), self.permit.take());
        let (deadline, timeout) = (self.deadline, self.timeout);
        tokio::task::spawn_local(async move {
            until_deadline(&environment, &mut ended, deadline, timeout).await;
            drop(permit);
        });
    }
}

/// The end of the invocation, which the deadline brings about if nothing else does.
async fn until_deadline(
    environment: &Rc<Environment>,
    ended: &mut oneshot::Receiver<Ended>,
    deadline: Instant,
    timeout: Duration,
) -> Ended {
    if let Ok(ended) = tokio::time::timeout_at(deadline, &mut *ended).await {
        return ended.unwrap_or_else(|_| gone());
    }
    environment.end(Err(Failure::TimedOut { timeout_s: timeout.as_secs_f64() }));
    ended.await.unwrap_or_else(|_| gone())
}

fn gone() -> Ended {
    Ended { result: Err(Failure::Exited(Exit::SandboxGone)), tail: None }
}

fn timeout(environment: &Environment) -> Duration {
    Duration::from_secs(u64::from(environment.pool.deployment.configuration.timeout_s))
}

fn traced(environment: &Environment, invocation: &Invocation) -> Option<Box<str>> {
    let active = environment.pool.deployment.configuration.active_tracing;
    (active && trace::is_sampled(&invocation.trace_id)).then(|| invocation.trace_id.as_str().into())
}

fn event(invocation: Invocation, deadline_ms: u64) -> RuntimeEvent {
    let arn = match &invocation.qualifier {
        None => invocation.function.arn(),
        Some(qualifier) => invocation.function.qualified_arn(&qualifier.to_string()),
    };
    RuntimeEvent {
        request_id: invocation.request_id,
        deadline_ms,
        function_arn: Rc::from(arn),
        trace_id: invocation.trace_id,
        client_context: invocation.client_context,
        payload: if invocation.payload.is_empty() { Bytes::from_static(b"{}") } else { invocation.payload },
    }
}
