//! One attempt: from a claimed event to its end, or to its next attempt.

use std::time::Duration;

use bytes::Bytes;
use lambent_domain::{Fault, Function, FunctionKey, Qualifier};
use lambent_kit::crash;
use lambent_ports::invoke::Invocation;
use lambent_ports::queue::{Claimed, NewMessage, QueueError};

use crate::Delivery;
use crate::decide::{self, Condition, Next, Outcome, Policy};
use crate::metrics::{add, subtract};
use crate::record::Response;
use crate::stored::{Kept, queue_name};
use crate::worker::{AFTER_TROUBLE_MS, LEASE_MS};

/// What this version can't read waits for one that can.
const UNREADABLE_MS: u64 = 3_600_000;

/// How an attempt went.
enum Went {
    /// The trace is the one that the function had.
    Ran {
        response: Response,
        trace_id: String,
    },
    Refused,
    /// It would have gone on for ever.
    Loop,
    /// The function, or what the qualifier named, is gone.
    Gone,
}

/// The function as it is now.
pub(crate) struct Target {
    pub(crate) policy: Policy,
    pub(crate) role: String,
    pub(crate) dead_letter: Option<String>,
    pub(crate) on_success: Option<String>,
    pub(crate) on_failure: Option<String>,
}

impl Delivery {
    /// Sees a claimed event one step on.
    pub(crate) async fn attempt(&self, function: &FunctionKey, claimed: Claimed) {
        let Some(mut kept) = Kept::read(&claimed) else {
            tracing::error!(function = %function.arn(), "an event is not of this version of Lambent; it is kept");
            let at_ms = self.parts.clock.now_ms() + UNREADABLE_MS;
            return self.release(function, &claimed, at_ms, claimed.attributes.clone()).await;
        };
        let Some(target) = self.target(function, kept.qualifier.as_ref()) else {
            return self.drop_gone(function, &claimed, &kept).await;
        };
        if kept.over.is_some() {
            return self.tell(function, &claimed, kept, &target).await;
        }
        let now_ms = self.parts.clock.now_ms();
        if let Some(condition) = decide::before(now_ms, kept.progress, target.policy) {
            return self.end(function, &claimed, kept, &target, condition, None).await;
        }
        let went = self.invoke(function, &claimed, &kept).await;
        crash::edge("delivery", "attempted");
        let (outcome, response) = match went {
            Went::Gone => return self.drop_gone(function, &claimed, &kept).await,
            Went::Loop => {
                let condition = Condition::RecursiveInvocation;
                return self.end(function, &claimed, kept, &target, condition, None).await;
            }
            Went::Refused => (Outcome::Refused, None),
            Went::Ran { response, trace_id } => {
                let outcome = if response.failed { Outcome::Failed } else { Outcome::Returned };
                (outcome, Some((response, trace_id)))
            }
        };
        // The settings of this moment, not of the one before the attempt.
        let target = self.target(function, kept.qualifier.as_ref()).unwrap_or(target);
        let now_ms = self.parts.clock.now_ms();
        match decide::after(now_ms, kept.progress, outcome, target.policy) {
            Next::End(condition) => {
                // What it is told of with: whoever is told is behind this attempt.
                let response = response.map(|(response, trace_id)| {
                    kept.trace_id = trace_id;
                    response
                });
                self.end(function, &claimed, kept, &target, condition, response).await;
            }
            Next::Retry { at_ms, progress } => {
                if outcome == Outcome::Refused {
                    let until_ms = now_ms + target.policy.delays.after_refusal(1);
                    self.backlog().pause(function, until_ms);
                }
                let attributes = Kept { progress, ..kept }.write();
                self.release(function, &claimed, at_ms, attributes).await;
            }
        }
    }

    fn target(&self, function: &FunctionKey, qualifier: Option<&Qualifier>) -> Option<Target> {
        let function: &Function = &*self.parts.store.function(function)?;
        let version = function.primary(qualifier)?;
        let config = function.event_invoke.get(qualifier.unwrap_or(&Qualifier::Latest));
        Some(Target {
            policy: Policy::of(config, function.reserved_concurrency, self.parts.options.delays),
            role: version.configuration.role.clone(),
            dead_letter: version.configuration.dead_letter_target.clone(),
            on_success: config.and_then(|config| config.on_success.clone()),
            on_failure: config.and_then(|config| config.on_failure.clone()),
        })
    }

    async fn invoke(&self, function: &FunctionKey, claimed: &Claimed, kept: &Kept) -> Went {
        let metrics = &self.parts.metrics;
        add(&metrics.attempts, 1);
        let age_ms = self.parts.clock.now_ms().saturating_sub(kept.progress.accepted_ms);
        add(&metrics.age_ms, age_ms);
        self.figure(function, "AsyncEventAge", "Milliseconds", age_ms as f64);
        add(&metrics.running, 1);
        let invocation = Invocation {
            function: function.clone(),
            qualifier: kept.qualifier.clone(),
            payload: claimed.body.clone(),
            client_context: None,
            log_tail: false,
            request_id: kept.request_id,
            trace_id: kept.trace_id.clone(),
        };
        let reply = self.parts.invoke.invoke(invocation).await;
        subtract(&metrics.running, 1);
        match reply {
            Ok(reply) => Went::Ran {
                response: Response {
                    executed_version: reply.executed_version,
                    failed: reply.failed,
                    payload: reply.payload,
                },
                trace_id: reply.trace_id,
            },
            Err(Fault::RecursiveInvocation) => Went::Loop,
            Err(Fault::FunctionNotFound(_)) => Went::Gone,
            Err(Fault::TooManyRequests(_)) => Went::Refused,
            Err(fault) => {
                tracing::warn!(function = %function.arn(), request_id = %kept.request_id, ?fault, "an event's function could not be run; trying again");
                Went::Refused
            }
        }
    }

    pub(crate) fn dropped(&self, function: &FunctionKey) {
        add(&self.parts.metrics.dropped, 1);
        self.figure(function, "AsyncEventsDropped", "Count", 1.0);
    }

    async fn drop_gone(&self, function: &FunctionKey, claimed: &Claimed, kept: &Kept) {
        tracing::warn!(function = %function.arn(), request_id = %kept.request_id, "an event is dropped: its function is gone");
        self.dropped(function);
        self.settle(function, claimed, Vec::new()).await;
    }

    pub(crate) async fn settle(
        &self,
        function: &FunctionKey,
        claimed: &Claimed,
        then: Vec<(FunctionKey, NewMessage)>,
    ) {
        let now_ms = self.parts.clock.now_ms();
        let followers: Vec<FunctionKey> = then.iter().map(|(function, _)| function.clone()).collect();
        let then: Vec<_> =
            then.into_iter().map(|(function, message)| (queue_name(&function), message)).collect();
        let queue = queue_name(function);
        let settle = || self.parts.queue.settle(&queue, claimed.receipt, then.clone(), now_ms);
        if !self.recorded(function, settle).await {
            return;
        }
        add(&self.parts.metrics.received, followers.len() as u64);
        for follower in followers {
            self.figure(&follower, "AsyncEventsReceived", "Count", 1.0);
            self.backlog().due(&follower, now_ms);
        }
        self.changed.notify_one();
    }

    pub(crate) async fn release(
        &self,
        function: &FunctionKey,
        claimed: &Claimed,
        at_ms: u64,
        attributes: Bytes,
    ) {
        let queue = queue_name(function);
        let release = || self.parts.queue.release(&queue, claimed.receipt, at_ms, attributes.clone());
        if self.recorded(function, release).await {
            self.backlog().due(function, at_ms);
            self.changed.notify_one();
        }
    }

    /// Writes down how an attempt ended, again and again while the storage fails: what is done should not be done anew.
    /// Whether it is written; when not, the event comes again as its lease ends.
    async fn recorded<F: Future<Output = Result<(), QueueError>>>(
        &self,
        function: &FunctionKey,
        write: impl Fn() -> F,
    ) -> bool {
        let give_up_ms = self.parts.clock.now_ms() + LEASE_MS / 2;
        let mut may_be_there = false;
        loop {
            match write().await {
                Ok(()) => return true,
                Err(QueueError::Stale) if may_be_there => return true,
                Err(QueueError::Stale) => {
                    tracing::warn!(function = %function.arn(), "an event outlived its lease and was delivered again");
                    return false;
                }
                Err(QueueError::Unavailable { message, may_have_happened }) => {
                    may_be_there |= may_have_happened;
                    if self.parts.clock.now_ms() >= give_up_ms {
                        tracing::error!(function = %function.arn(), message, "the end of an attempt was not recorded; its event is delivered again");
                        return false;
                    }
                    tracing::error!(function = %function.arn(), message, "the end of an attempt was not recorded; trying again");
                }
            }
            tokio::time::sleep(Duration::from_millis(AFTER_TROUBLE_MS)).await;
        }
    }
}
