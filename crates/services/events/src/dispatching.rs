//! Events become messages: one for each target of each rule that wants them.

use std::collections::HashSet;

use bytes::Bytes;
use lambent_event_pattern::Event;
use lambent_ports::outbox::Change;
use lambent_targets::{Arn, Authority, BusEntry, Call, Codes, DeadLetter, Dispatch, Service, TargetKind};
use serde_json::Value;

use crate::event::Envelope;
use crate::input::Matched;
use crate::record::{BusKey, NameKey, Rule, RuleKey, Target};
use crate::state::State;

/// An event that has come to a bus.
pub(crate) struct Arrived<'a> {
    pub(crate) bus: &'a BusKey,
    pub(crate) event: &'a Envelope,
    pub(crate) now_ms: u64,
    /// From another bus: it is not passed on to a third one (AWS documentation).
    pub(crate) passed_on: bool,
}

impl State {
    /// Everything that an event asks for.
    pub(crate) fn changes_for(&self, arrived: &Arrived<'_>) -> Vec<Change> {
        let text = arrived.event.text();
        // An envelope is JSON; what can't be read has no subscribers.
        let Ok(event) = Event::parse(&text) else { return Vec::new() };
        let (rules, archives) = self.subscribers(arrived.bus, &event);
        let mut changes = Vec::new();
        for name in &archives {
            let key = NameKey { scope: arrived.bus.scope.clone(), name: name.clone() };
            changes.extend(self.archived(&key, &text, arrived.now_ms));
        }
        for name in &rules {
            changes.extend(self.sent_by(&arrived.bus.rule(name), arrived, &text));
        }
        changes
    }

    /// The same for an event of a replay: archives don't take it again, and only these rules are asked.
    pub(crate) fn changes_for_replay(
        &self,
        arrived: &Arrived<'_>,
        filters: Option<&HashSet<String>>,
    ) -> Vec<Change> {
        let text = arrived.event.text();
        let Ok(event) = Event::parse(&text) else { return Vec::new() };
        let (rules, _) = self.subscribers(arrived.bus, &event);
        let keys = rules.iter().map(|name| arrived.bus.rule(name));
        let wanted = keys.filter(|key| filters.is_none_or(|filters| filters.contains(&key.arn())));
        wanted.flat_map(|key| self.sent_by(&key, arrived, &text)).collect()
    }

    fn archived(&self, key: &NameKey, text: &str, now_ms: u64) -> Vec<Change> {
        let Some(archive) = self.archives.get(key) else { return Vec::new() };
        let (journal, body) = (archive.journal.clone(), Bytes::copy_from_slice(text.as_bytes()));
        let oldest_ms = archive.oldest_ms(now_ms);
        let trim = (oldest_ms > 0).then(|| Change::Trim { journal: journal.clone(), before_ms: oldest_ms });
        std::iter::once(Change::Append { journal, at_ms: now_ms, body }).chain(trim).collect()
    }

    fn sent_by(&self, key: &RuleKey, arrived: &Arrived<'_>, text: &str) -> Vec<Change> {
        let Some(rule) = self.rules.get(key) else { return Vec::new() };
        sends(key, rule, arrived, text)
    }
}

/// A message for each target of a rule.
pub(crate) fn sends(key: &RuleKey, rule: &Rule, arrived: &Arrived<'_>, text: &str) -> Vec<Change> {
    let matched = Matched::new(key, text, arrived.now_ms);
    let dispatches = rule.targets.iter().filter_map(|target| dispatch(&matched, target, arrived));
    dispatches.map(|dispatch| dispatch.send_at(arrived.now_ms)).collect()
}

fn dispatch(matched: &Matched<'_>, target: &Target, arrived: &Arrived<'_>) -> Option<Dispatch> {
    let kind = Arn::parse(&target.arn).and_then(|arn| arn.target_kind());
    if kind == Some(TargetKind::EventBus) && arrived.passed_on {
        return None;
    }
    let call = match matched.payload(&target.input) {
        Ok(payload) => call(kind, target, payload, matched, arrived.event),
        Err(message) => Call::Broken { code: "INVALID_JSON".into(), message },
    };
    let authority = match &target.role_arn {
        Some(role) => Authority::Role(role.clone()),
        None => Authority::Service { service: Service::Events, source_arn: matched.rule.arn() },
    };
    let dead_letter = target.dead_letter.as_ref().map(|queue| DeadLetter {
        queue: queue.clone(),
        body: matched.text.to_owned(),
        attributes: vec![("RULE_ARN".into(), matched.rule.arn())],
        codes: Codes::Rule,
    });
    let (target, retries) = (target.arn.clone(), target.retries());
    let trace = arrived.event.trace.clone();
    Some(Dispatch { target, call, authority, retries, accepted_ms: arrived.now_ms, dead_letter, trace })
}

fn call(
    kind: Option<TargetKind>,
    target: &Target,
    payload: String,
    matched: &Matched<'_>,
    event: &Envelope,
) -> Call {
    let arn = target.arn.clone();
    match kind {
        Some(TargetKind::Function) => Call::Function { arn, payload },
        Some(TargetKind::Queue) => Call::Queue { arn, body: payload, group: target.message_group.clone() },
        Some(TargetKind::Topic) => Call::Topic { arn, message: payload },
        Some(TargetKind::LogGroup) => {
            let (at_ms, message) = log_line(payload, matched.ingested_ms);
            Call::LogGroup { arn, stream: matched.rule.name.clone(), at_ms, message }
        }
        Some(TargetKind::EventBus) => {
            let entry = BusEntry {
                source: event.source.clone(),
                detail_type: event.detail_type.clone(),
                detail: event.detail.get().to_owned(),
                resources: event.resources.clone(),
                time_s: Some(event.at_ms / 1_000),
            };
            Call::EventBus { arn, entry }
        }
        // Refused when it was put.
        None => {
            Call::Broken { code: "INVALID_PARAMETER".into(), message: "The target can't be called.".into() }
        }
    }
}

/// An input of `timestamp` and `message` says itself when it was (AWS documentation).
fn log_line(payload: String, now_ms: u64) -> (u64, String) {
    let given: Option<Value> = serde_json::from_str(&payload).ok();
    let timed = given.as_ref().and_then(|given| {
        let (at_ms, message) = (given.get("timestamp")?.as_u64()?, given.get("message")?);
        Some((at_ms, message.as_str().map_or_else(|| message.to_string(), str::to_owned)))
    });
    timed.unwrap_or((now_ms, payload))
}
