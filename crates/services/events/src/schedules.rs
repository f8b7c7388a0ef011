//! Rules with a schedule. Between two times nothing runs: the loop sleeps until the next one.
//!
//! What was due while no server ran: of each rule the last time, once, unless it is older than an event may become (a day).
//! That is judgement: AWS's EventBridge is never down, and delivers late within that day.

use std::sync::Arc;
use std::time::Duration;

use lambent_cron::{Expression, Zone};
use lambent_domain::RequestId;
use lambent_ports::outbox::Change;
use tokio::sync::watch;

use crate::dispatching::{Arrived, sends};
use crate::event::{Envelope, object};
use crate::record::{Rule, RuleKey};
use crate::state::Write;
use crate::{Events, EventsFault};

/// As old as an event may become (AWS documentation).
const MAX_LATE_MS: u64 = 86_400_000;
/// The wall clock may be set: a sleep is not longer than this.
const MAX_SLEEP_MS: u64 = 900_000;
/// How long is waited when the storage fails.
const AFTER_TROUBLE_MS: u64 = 1_000;
/// Times that are looked at for one that was missed last.
const MAX_MISSED: usize = 100_000;

impl Rule {
    fn expression(&self) -> Option<Expression> {
        let text = self.schedule.as_deref().filter(|_| self.is_enabled())?;
        Expression::of_rule(text).ok()
    }

    /// When it is due next.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        // A rate's first time is one period after the rule was made (judgement).
        self.expression()?.next_ms(self.seen_ms, self.anchor_ms, &Zone::utc())
    }

    /// The last time that is due at `now_ms`; none when it comes too late.
    fn due_ms(&self, now_ms: u64) -> Option<u64> {
        let expression = self.expression()?;
        let from_ms = self.seen_ms.max(now_ms.saturating_sub(MAX_LATE_MS));
        let next = |after_ms: &u64| expression.next_ms(*after_ms, self.anchor_ms, &Zone::utc());
        let times = std::iter::successors(next(&from_ms), next);
        times.take_while(|at_ms| *at_ms <= now_ms).take(MAX_MISSED).last()
    }
}

impl Events {
    /// Fires what is due, until `stop` turns true.
    pub async fn run_schedules(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let changed = self.schedules_changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change comes unseen in between.
            changed.as_mut().enable();
            let pause_ms = match self.fire_due().await {
                Ok(next_ms) => {
                    next_ms.map(|next_ms| next_ms.saturating_sub(self.parts.clock.now_ms()).min(MAX_SLEEP_MS))
                }
                Err(error) => {
                    tracing::error!(?error, "rules that are due could not be noted; trying again");
                    Some(AFTER_TROUBLE_MS)
                }
            };
            tokio::select! {
                () = sleep(pause_ms) => {}
                () = changed => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Fires what is due now, in one commit; when the next rule is due.
    pub async fn fire_due(&self) -> Result<Option<u64>, EventsFault> {
        let now_ms = self.parts.clock.now_ms();
        let next_ms = self.next_rule_ms();
        if next_ms.is_none_or(|next_ms| next_ms > now_ms) {
            return Ok(next_ms);
        }
        let _turn = self.turns.lock().await;
        let (mut writes, mut changes) = (Vec::new(), Vec::new());
        for key in self.rules_due(now_ms) {
            let rule = self.state().rule(&key)?;
            if let Some(at_ms) = rule.due_ms(now_ms) {
                changes.extend(self.fired(&key, &rule, at_ms, now_ms));
            }
            writes.push(Write::Rule(key, Rule { seen_ms: now_ms, ..Rule::clone(&rule) }));
        }
        self.write(writes, changes).await?;
        Ok(self.next_rule_ms())
    }

    fn rules_due(&self, now_ms: u64) -> Vec<RuleKey> {
        let state = self.state();
        let due = state.due.iter().take_while(|(at_ms, _)| *at_ms <= now_ms);
        due.map(|(_, key)| key.clone()).collect()
    }

    fn next_rule_ms(&self) -> Option<u64> {
        self.state().due.first().map(|(at_ms, _)| *at_ms)
    }

    fn fired(&self, key: &RuleKey, rule: &Rule, at_ms: u64, now_ms: u64) -> Vec<Change> {
        let event = Envelope {
            id: RequestId::from_random(self.parts.random.bytes16()).to_string(),
            detail_type: "Scheduled Event".into(),
            source: "aws.events".into(),
            scope: key.bus.scope.clone(),
            at_ms,
            resources: vec![key.arn()],
            detail: object("{}").unwrap_or_default(),
            replay: None,
            trace: None,
        };
        let arrived = Arrived { bus: &key.bus, event: &event, now_ms, passed_on: false };
        sends(key, rule, &arrived, &event.text())
    }
}

async fn sleep(pause_ms: Option<u64>) {
    match pause_ms {
        Some(pause_ms) => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
        None => std::future::pending().await,
    }
}
