//! What is kept: buses, rules with their targets, archives, replays. The stored form is this, in JSON; members that come
//! later have defaults.

use std::collections::BTreeMap;

use lambent_domain::Scope;
use lambent_domain::names::partition;
use lambent_targets::Retries;
use serde::{Deserialize, Serialize};

/// The bus that is always there.
pub(crate) const DEFAULT_BUS: &str = "default";

/// Names a bus.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BusKey {
    pub(crate) scope: Scope,
    pub(crate) bus: String,
}

impl BusKey {
    pub(crate) fn arn(&self) -> String {
        arn(&self.scope, &format!("event-bus/{}", self.bus))
    }

    pub(crate) fn rule(&self, name: &str) -> RuleKey {
        RuleKey { bus: self.clone(), name: name.to_owned() }
    }
}

/// Names a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RuleKey {
    pub(crate) bus: BusKey,
    pub(crate) name: String,
}

impl RuleKey {
    /// The default bus is not named in it.
    pub(crate) fn arn(&self) -> String {
        let (bus, name) = (&self.bus.bus, &self.name);
        let resource = if bus == DEFAULT_BUS { format!("rule/{name}") } else { format!("rule/{bus}/{name}") };
        arn(&self.bus.scope, &resource)
    }
}

/// Names an archive or a replay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NameKey {
    pub(crate) scope: Scope,
    pub(crate) name: String,
}

pub(crate) fn arn(scope: &Scope, resource: &str) -> String {
    format!("arn:{}:events:{}:{}:{resource}", partition(&scope.region), scope.region, scope.account)
}

/// A bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bus {
    pub(crate) description: Option<String>,
    /// A policy document.
    pub(crate) policy: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_ms: u64,
    pub(crate) modified_ms: u64,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) pattern: Option<String>,
    pub(crate) schedule: Option<String>,
    /// `ENABLED`, `DISABLED`, or the state that is enabled and means CloudTrail's events too.
    pub(crate) state: String,
    pub(crate) description: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// In the order in which they were put.
    pub(crate) targets: Vec<Target>,
    /// From when its rate counts.
    pub(crate) anchor_ms: u64,
    /// Until when its schedule has been looked at.
    pub(crate) seen_ms: u64,
}

impl Rule {
    pub(crate) fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }
}

/// A target of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) role_arn: Option<String>,
    pub(crate) input: Input,
    pub(crate) message_group: Option<String>,
    pub(crate) retries: Option<GivenRetries>,
    pub(crate) dead_letter: Option<String>,
}

/// What a target is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Input {
    /// The event.
    Event,
    /// Always this.
    Constant(String),
    /// A part of the event.
    Path(String),
    /// A template with parts of the event in it.
    Template {
        /// Paths by name.
        paths: Option<BTreeMap<String, String>>,
        template: String,
    },
}

/// As it was given: what was left out is shown as left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenRetries {
    pub(crate) max_retries: Option<u32>,
    pub(crate) max_age_s: Option<u32>,
}

impl Target {
    pub(crate) fn retries(&self) -> Retries {
        let default = Retries::default();
        let given = self.retries.as_ref();
        Retries {
            max_retries: given.and_then(|given| given.max_retries).unwrap_or(default.max_retries),
            max_age_s: given.and_then(|given| given.max_age_s).unwrap_or(default.max_age_s),
        }
    }
}

/// An archive. Its events are a journal of the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// Name of the bus that it listens to.
    pub(crate) bus: String,
    pub(crate) description: Option<String>,
    pub(crate) pattern: Option<String>,
    /// For ever when there is none.
    pub(crate) retention_days: Option<u32>,
    pub(crate) created_ms: u64,
    /// Its journal: an archive of the same name that comes later has another one.
    pub(crate) journal: String,
}

impl Archive {
    /// What is older is dropped.
    pub(crate) fn oldest_ms(&self, now_ms: u64) -> u64 {
        let days = self.retention_days.filter(|days| *days > 0);
        days.map_or(0, |days| now_ms.saturating_sub(u64::from(days) * 86_400_000))
    }
}

/// A replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Name of the archive.
    pub(crate) archive: String,
    /// Where the archive's events are.
    pub(crate) journal: String,
    pub(crate) bus: String,
    /// ARNs of rules; all of the bus when there are none.
    pub(crate) filters: Option<Vec<String>>,
    pub(crate) description: Option<String>,
    pub(crate) state: ReplayState,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    /// Time and number of the last event that was replayed.
    pub(crate) position: Option<(u64, u64)>,
    pub(crate) started_ms: u64,
    pub(crate) ended_ms: Option<u64>,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReplayState {
    /// Accepted.
    #[default]
    Starting,
    /// At work.
    Running,
    /// To be stopped.
    Cancelling,
    /// Everything was replayed.
    Completed,
    /// Stopped.
    Cancelled,
}

impl ReplayState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ReplayState::Starting => "STARTING",
            ReplayState::Running => "RUNNING",
            ReplayState::Cancelling => "CANCELLING",
            ReplayState::Completed => "COMPLETED",
            ReplayState::Cancelled => "CANCELLED",
        }
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, ReplayState::Completed | ReplayState::Cancelled)
    }
}
