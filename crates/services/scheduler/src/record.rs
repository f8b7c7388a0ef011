//! What is kept: schedules and their groups. The stored form is this, in JSON; members that come later have defaults.

use std::collections::BTreeMap;

use lambent_cron::{Expression, Zone};
use lambent_domain::Scope;
use lambent_domain::names::partition;
use lambent_targets::Retries;
use serde::{Deserialize, Serialize};

/// The group that is always there.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// Names a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupKey {
    pub(crate) scope: Scope,
    pub(crate) group: String,
}

impl GroupKey {
    pub(crate) fn arn(&self) -> String {
        arn(&self.scope, &format!("schedule-group/{}", self.group))
    }
}

/// Names a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ScheduleKey {
    pub(crate) group: GroupKey,
    pub(crate) name: String,
}

impl ScheduleKey {
    pub(crate) fn arn(&self) -> String {
        arn(&self.group.scope, &format!("schedule/{}/{}", self.group.group, self.name))
    }
}

fn arn(scope: &Scope, resource: &str) -> String {
    format!("arn:{}:scheduler:{}:{}:{resource}", partition(&scope.region), scope.region, scope.account)
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_ms: u64,
    pub(crate) modified_ms: u64,
    /// Of the request that made it.
    pub(crate) client_token: Option<String>,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) expression: String,
    pub(crate) zone: String,
    pub(crate) start_ms: Option<u64>,
    pub(crate) end_ms: Option<u64>,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    /// Minutes; none is `OFF`.
    pub(crate) window_min: Option<u32>,
    pub(crate) target: Target,
    /// It goes when it has come for the last time.
    pub(crate) delete_when_over: bool,
    pub(crate) created_ms: u64,
    pub(crate) modified_ms: u64,
    pub(crate) client_token: Option<String>,
    /// Until when it has been looked at.
    pub(crate) seen_ms: u64,
}

/// What a schedule calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) arn: String,
    pub(crate) role_arn: String,
    pub(crate) input: Option<String>,
    pub(crate) dead_letter: Option<String>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) max_age_s: Option<u32>,
    pub(crate) message_group: Option<String>,
    /// Detail type and source, for a bus.
    pub(crate) event: Option<(String, String)>,
}

impl Target {
    pub(crate) fn retries(&self) -> Retries {
        let default = Retries::default();
        Retries {
            max_retries: self.max_retries.unwrap_or(default.max_retries),
            max_age_s: self.max_age_s.unwrap_or(default.max_age_s),
        }
    }
}

impl Schedule {
    fn expression(&self) -> Option<(Expression, Zone)> {
        Expression::of_schedule(&self.expression).ok().zip(Zone::find(&self.zone))
    }

    /// The first time after an instant, between start and end. One-time schedules know neither (AWS documentation). A rate
    /// begins with its start, else at once (AWS documentation).
    pub(crate) fn next_ms(&self, after_ms: u64) -> Option<u64> {
        let (expression, zone) = self.expression()?;
        if matches!(expression, Expression::At(_)) {
            return expression.next_ms(after_ms, 0, &zone);
        }
        let anchor_ms = self.start_ms.unwrap_or(self.modified_ms);
        // What comes with the very start counts.
        let after_ms = after_ms.max(self.start_ms.unwrap_or(0).saturating_sub(1));
        let next_ms = expression.next_ms(after_ms, anchor_ms, &zone)?;
        (self.end_ms.is_none_or(|end_ms| next_ms <= end_ms)).then_some(next_ms)
    }

    /// When it is due next.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.next_ms(self.seen_ms).filter(|_| self.enabled)
    }
}
