//! An event that is over: it is sent where it should go, then it goes. Who can't take it at the moment is asked again: until
//! then the event stays in its queue, with what came of it.

use bytes::Bytes;
use lambent_domain::limits::MAX_DESTINATION_HOPS;
use lambent_domain::{FunctionKey, FunctionName, FunctionRef, Qualifier, RequestId, Scope};
use lambent_kit::crash;
use lambent_ports::invoke::Event;
use lambent_ports::outbound::{Content, NotSent, Outbound};
use lambent_ports::queue::{Claimed, NewMessage};

use crate::Delivery;
use crate::attempt::Target;
use crate::decide::Condition;
use crate::metrics::add;
use crate::outgoing::{self, Destination};
use crate::record::{Ended, Response};
use crate::stored::{self, Kept, Over};

/// How long somebody is asked who can't take a dead letter or a record at the moment: as long as an event may wait at most
/// (judgement).
const TELL_FOR_MS: u64 = 6 * 3_600_000;

impl Delivery {
    /// Nothing more comes of the event than what is told of it.
    pub(crate) async fn end(
        &self,
        function: &FunctionKey,
        claimed: &Claimed,
        mut kept: Kept,
        target: &Target,
        condition: Condition,
        response: Option<Response>,
    ) {
        tracing::debug!(function = %function.arn(), request_id = %kept.request_id, condition = condition.as_str(), "an event is over");
        if condition != Condition::Success {
            self.dropped(function);
        }
        kept.over = Some(Over {
            condition,
            invoke_count: kept.progress.attempts + u32::from(response.is_some()),
            response,
            at_ms: self.parts.clock.now_ms(),
            buried: condition == Condition::Success,
            refusals: 0,
        });
        self.tell(function, claimed, kept, target).await;
    }

    /// Sends what is still to be sent. The dead letter first: it is not sent a second time when the record has to wait.
    pub(crate) async fn tell(
        &self,
        function: &FunctionKey,
        claimed: &Claimed,
        mut kept: Kept,
        target: &Target,
    ) {
        let Some(mut over) = kept.over.take() else { return };
        let response = over.response.take();
        let ended = Ended {
            function,
            qualifier: kept.qualifier.as_ref(),
            request_id: kept.request_id,
            payload: &claimed.body,
            condition: over.condition,
            invoke_count: over.invoke_count,
            response: response.as_ref(),
            now_ms: over.at_ms,
        };
        let mut then = Vec::new();
        if !over.buried {
            over.buried = self.bury(target, &ended, &kept, &over).await;
            crash::edge("delivery", "buried");
        }
        let told = over.buried && self.told_of(target, &ended, &kept, &over, &mut then).await;
        crash::edge("delivery", "told");
        if told {
            return self.settle(function, claimed, then).await;
        }
        over.refusals += 1;
        let at_ms = self.parts.clock.now_ms() + target.policy.delays.after_refusal(over.refusals);
        let attributes = Kept { over: Some(Over { response, ..over }), ..kept }.write();
        self.release(function, claimed, at_ms, attributes).await;
    }

    /// Whether it is worth asking again.
    fn is_for_later(&self, failure: &NotSent, over: &Over) -> bool {
        failure.for_now && self.parts.clock.now_ms() < over.at_ms + TELL_FOR_MS
    }

    /// Whether nothing is left to do about the dead letter.
    async fn bury(&self, target: &Target, ended: &Ended<'_>, kept: &Kept, over: &Over) -> bool {
        let Some(arn) = &target.dead_letter else { return true };
        let sent = match outgoing::dead_letter(arn, ended, &kept.trace_id) {
            Some(content) => self.send(target, content).await,
            None => Err(NotSent::never("neither a queue nor a topic")),
        };
        let Err(reason) = sent else { return true };
        if self.is_for_later(&reason, over) {
            tracing::warn!(function = %ended.function.arn(), request_id = %kept.request_id, dead_letter_target = %arn, %reason, "a dead letter was not sent; trying again");
            return false;
        }
        add(&self.parts.metrics.dead_letter_errors, 1);
        self.figure(ended.function, "DeadLetterErrors", "Count", 1.0);
        tracing::error!(function = %ended.function.arn(), request_id = %kept.request_id, dead_letter_target = %arn, %reason, "a dead letter was not sent");
        true
    }

    /// Whether nothing is left to do about the record.
    async fn told_of(
        &self,
        target: &Target,
        ended: &Ended<'_>,
        kept: &Kept,
        over: &Over,
        then: &mut Vec<(FunctionKey, NewMessage)>,
    ) -> bool {
        let destination = match over.condition {
            Condition::Success => &target.on_success,
            _ => &target.on_failure,
        };
        let Some(arn) = destination else { return true };
        let Err(reason) = self.send_record(arn, target, ended, kept, then).await else { return true };
        if self.is_for_later(&reason, over) {
            tracing::warn!(function = %ended.function.arn(), request_id = %kept.request_id, destination = %arn, %reason, "a record was not sent to its destination; trying again");
            return false;
        }
        add(&self.parts.metrics.destination_delivery_failures, 1);
        self.figure(ended.function, "DestinationDeliveryFailures", "Count", 1.0);
        tracing::error!(function = %ended.function.arn(), request_id = %kept.request_id, destination = %arn, %reason, "a record was not sent to its destination");
        true
    }

    async fn send(&self, target: &Target, content: Content) -> Result<(), NotSent> {
        self.parts.outbound.send(Outbound { role: target.role.clone(), content }).await
    }

    /// Sends the record, or puts it into `then` when a function gets it: with the event's end, in one transaction.
    async fn send_record(
        &self,
        arn: &str,
        target: &Target,
        ended: &Ended<'_>,
        kept: &Kept,
        then: &mut Vec<(FunctionKey, NewMessage)>,
    ) -> Result<(), NotSent> {
        let id = RequestId::from_random(self.parts.random.bytes16());
        match outgoing::destination(arn, ended, &kept.trace_id, &id.to_string()) {
            Destination::Service(content) => self.send(target, content).await,
            Destination::Unknown => Err(NotSent::never("no kind of destination that there is")),
            Destination::Function(reference, payload) => {
                let (function, qualifier) =
                    self.function_at(&ended.function.scope, reference).map_err(NotSent::never)?;
                let hops = kept.hops + 1;
                let allowed = self.parts.store.function(&function).is_some_and(|to| to.allow_recursive_loop);
                if hops > MAX_DESTINATION_HOPS && !allowed {
                    let reason =
                        format!("it came through {MAX_DESTINATION_HOPS} destinations: this is a loop");
                    return Err(NotSent::never(reason));
                }
                let to = match &qualifier {
                    Some(qualifier) => function.qualified_arn(&qualifier.to_string()),
                    None => function.arn(),
                };
                self.parts.outbound.may_invoke(&target.role, &to).await?;
                let event = Event {
                    function: function.clone(),
                    qualifier,
                    payload: Bytes::from(payload),
                    request_id: id,
                    trace_id: kept.trace_id.clone(),
                };
                then.push((function, stored::message(event, hops, self.parts.clock.now_ms())));
                Ok(())
            }
        }
    }

    fn function_at(
        &self,
        own: &Scope,
        reference: FunctionRef,
    ) -> Result<(FunctionKey, Option<Qualifier>), &'static str> {
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
}
