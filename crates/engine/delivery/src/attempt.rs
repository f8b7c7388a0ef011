//! One attempt: from a claimed event to its end, or to its next attempt.

use bytes::Bytes;
use lambent_domain::limits::MAX_DESTINATION_HOPS;
use lambent_domain::{Fault, Function, FunctionKey, FunctionName, FunctionRef, Qualifier, RequestId, Scope};
use lambent_kit::crash;
use lambent_ports::invoke::{Event, Invocation};
use lambent_ports::outbound::{Content, Outbound};
use lambent_ports::queue::{Claimed, NewMessage, QueueError};

use crate::Delivery;
use crate::decide::{self, Condition, Next, Outcome, Policy};
use crate::metrics::{add, subtract};
use crate::outgoing::{self, Destination};
use crate::record::{Ended, Response};
use crate::stored::{self, Kept, queue_name};

/// What this version can't read waits for one that can.
const UNREADABLE_MS: u64 = 3_600_000;

/// How an attempt went.
enum Went {
    Ran(Response),
    Refused,
    /// The function, or what the qualifier named, is gone.
    Gone,
}

/// The function as it is now.
struct Target {
    policy: Policy,
    role: String,
    dead_letter: Option<String>,
    on_success: Option<String>,
    on_failure: Option<String>,
}

impl Delivery {
    /// Sees a claimed event one step on.
    pub(crate) async fn attempt(&self, function: &FunctionKey, claimed: Claimed) {
        let Some(kept) = Kept::read(&claimed) else {
            tracing::error!(function = %function.arn(), "an event is not of this version of Lambent; it is kept");
            let at_ms = self.parts.clock.now_ms() + UNREADABLE_MS;
            return self.release(function, &claimed, at_ms, claimed.attributes.clone()).await;
        };
        let Some(target) = self.target(function, kept.qualifier.as_ref()) else {
            return self.drop_gone(function, &claimed, &kept).await;
        };
        let now_ms = self.parts.clock.now_ms();
        if let Some(condition) = decide::before(now_ms, kept.progress, target.policy) {
            return self.end(function, &claimed, &kept, &target, condition, None).await;
        }
        let went = self.invoke(function, &claimed, &kept).await;
        crash::edge("delivery", "attempted");
        let (outcome, response) = match went {
            Went::Gone => return self.drop_gone(function, &claimed, &kept).await,
            Went::Refused => (Outcome::Refused, None),
            Went::Ran(response) if response.failed => (Outcome::Failed, Some(response)),
            Went::Ran(response) => (Outcome::Returned, Some(response)),
        };
        // The settings of this moment, not of the one before the attempt.
        let target = self.target(function, kept.qualifier.as_ref()).unwrap_or(target);
        let now_ms = self.parts.clock.now_ms();
        match decide::after(now_ms, kept.progress, outcome, target.policy) {
            Next::End(condition) => {
                self.end(function, &claimed, &kept, &target, condition, response).await;
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
            Ok(reply) => Went::Ran(Response {
                executed_version: reply.executed_version,
                failed: reply.failed,
                payload: reply.payload,
            }),
            Err(Fault::FunctionNotFound(_)) => Went::Gone,
            Err(Fault::TooManyRequests(_)) => Went::Refused,
            Err(fault) => {
                tracing::warn!(function = %function.arn(), request_id = %kept.request_id, ?fault, "an event's function could not be run; trying again");
                Went::Refused
            }
        }
    }

    fn dropped(&self, function: &FunctionKey) {
        add(&self.parts.metrics.dropped, 1);
        self.figure(function, "AsyncEventsDropped", "Count", 1.0);
    }

    async fn drop_gone(&self, function: &FunctionKey, claimed: &Claimed, kept: &Kept) {
        tracing::warn!(function = %function.arn(), request_id = %kept.request_id, "an event is dropped: its function is gone");
        self.dropped(function);
        self.settle(function, claimed, Vec::new()).await;
    }

    /// The event is over: it is sent where it should go, then it goes.
    async fn end(
        &self,
        function: &FunctionKey,
        claimed: &Claimed,
        kept: &Kept,
        target: &Target,
        condition: Condition,
        response: Option<Response>,
    ) {
        let ended = Ended {
            function,
            qualifier: kept.qualifier.as_ref(),
            request_id: kept.request_id,
            payload: &claimed.body,
            condition,
            invoke_count: kept.progress.attempts + u32::from(response.is_some()),
            response: response.as_ref(),
            now_ms: self.parts.clock.now_ms(),
        };
        tracing::debug!(function = %function.arn(), request_id = %kept.request_id, condition = condition.as_str(), "an event is over");
        let destination = match condition {
            Condition::Success => &target.on_success,
            _ => {
                self.dropped(function);
                self.send_dead_letter(target, &ended, kept).await;
                crash::edge("delivery", "buried");
                &target.on_failure
            }
        };
        let mut then = Vec::new();
        if let Some(arn) = destination
            && let Err(reason) = self.send_record(arn, target, &ended, kept, &mut then).await
        {
            add(&self.parts.metrics.destination_delivery_failures, 1);
            self.figure(function, "DestinationDeliveryFailures", "Count", 1.0);
            tracing::error!(function = %function.arn(), request_id = %kept.request_id, destination = %arn, %reason, "a record was not sent to its destination");
        }
        crash::edge("delivery", "told");
        self.settle(function, claimed, then).await;
    }

    async fn send_dead_letter(&self, target: &Target, ended: &Ended<'_>, kept: &Kept) {
        let Some(arn) = &target.dead_letter else { return };
        let sent = match outgoing::dead_letter(arn, ended, &kept.trace_id) {
            Some(content) => self.send(target, content).await,
            None => Err("neither a queue nor a topic".to_owned()),
        };
        if let Err(reason) = sent {
            add(&self.parts.metrics.dead_letter_errors, 1);
            self.figure(ended.function, "DeadLetterErrors", "Count", 1.0);
            tracing::error!(function = %ended.function.arn(), request_id = %kept.request_id, dead_letter_target = %arn, %reason, "a dead letter was not sent");
        }
    }

    async fn send(&self, target: &Target, content: Content) -> Result<(), String> {
        let outbound = Outbound { role: target.role.clone(), content };
        self.parts.outbound.send(outbound).await.map_err(|error| error.to_string())
    }

    /// Sends the record, or puts it into `then` when a function gets it: with the event's end, in one transaction.
    async fn send_record(
        &self,
        arn: &str,
        target: &Target,
        ended: &Ended<'_>,
        kept: &Kept,
        then: &mut Vec<(FunctionKey, NewMessage)>,
    ) -> Result<(), String> {
        let id = RequestId::from_random(self.parts.random.bytes16());
        match outgoing::destination(arn, ended, &kept.trace_id, &id.to_string()) {
            Destination::Service(content) => self.send(target, content).await,
            Destination::Unknown => Err("no kind of destination that there is".to_owned()),
            Destination::Function(reference, payload) => {
                let (function, qualifier) = self.function_at(&ended.function.scope, reference)?;
                let hops = kept.hops + 1;
                let allowed = self.parts.store.function(&function).is_some_and(|to| to.allow_recursive_loop);
                if hops > MAX_DESTINATION_HOPS && !allowed {
                    return Err(format!(
                        "it came through {MAX_DESTINATION_HOPS} destinations: this is a loop"
                    ));
                }
                let event = Event {
                    function: function.clone(),
                    qualifier,
                    payload: Bytes::from(payload),
                    request_id: id,
                    trace_id: kept.trace_id.clone(),
                };
                then.push((function, stored::message(event, hops, ended.now_ms)));
                Ok(())
            }
        }
    }

    fn function_at(
        &self,
        own: &Scope,
        reference: FunctionRef,
    ) -> Result<(FunctionKey, Option<Qualifier>), String> {
        let name = FunctionName::parse(&reference.name).ok_or("no name of a function")?;
        let scope = Scope {
            account: reference.account.unwrap_or_else(|| own.account.clone()),
            region: reference.region.unwrap_or_else(|| own.region.clone()),
        };
        let key = FunctionKey { scope, name };
        let there = self.parts.store.function(&key).ok_or("the function is not there")?;
        there.primary(reference.qualifier.as_ref()).ok_or("the version or alias is not there")?;
        Ok((key, reference.qualifier))
    }

    async fn settle(&self, function: &FunctionKey, claimed: &Claimed, then: Vec<(FunctionKey, NewMessage)>) {
        let now_ms = self.parts.clock.now_ms();
        let followers: Vec<FunctionKey> = then.iter().map(|(function, _)| function.clone()).collect();
        let then = then.into_iter().map(|(function, message)| (queue_name(&function), message)).collect();
        let settled = self.parts.queue.settle(&queue_name(function), claimed.receipt, then, now_ms).await;
        if !told(function, settled) {
            return;
        }
        add(&self.parts.metrics.received, followers.len() as u64);
        for follower in followers {
            self.figure(&follower, "AsyncEventsReceived", "Count", 1.0);
            self.backlog().due(&follower, now_ms);
        }
        self.changed.notify_one();
    }

    async fn release(&self, function: &FunctionKey, claimed: &Claimed, at_ms: u64, attributes: Bytes) {
        let queue = queue_name(function);
        if told(function, self.parts.queue.release(&queue, claimed.receipt, at_ms, attributes).await) {
            self.backlog().due(function, at_ms);
            self.changed.notify_one();
        }
    }
}

/// Whether it happened. When it didn't, the event comes again as its lease ends: at least once.
fn told(function: &FunctionKey, result: Result<(), QueueError>) -> bool {
    match result {
        Ok(()) => return true,
        Err(QueueError::Stale) => {
            tracing::warn!(function = %function.arn(), "an event outlived its lease and was delivered again");
        }
        Err(error) => {
            tracing::error!(function = %function.arn(), %error, "the end of an attempt was not recorded; its event is delivered again");
        }
    }
    false
}
