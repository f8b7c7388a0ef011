//! What is to be sent, as it is stored.

use bytes::Bytes;
use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::aws_client::Principal;
use lambent_ports::outbox::Change;
use serde::{Deserialize, Serialize};

use crate::decide::Retries;

/// One call of one target. The stored form is this, in JSON; members that come later have defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// ARN of the target, as its owner wrote it.
    pub target: String,
    /// What is sent.
    pub call: Call,
    /// On whose authority.
    pub authority: Authority,
    /// How often and for how long it is tried again.
    pub retries: Retries,
    /// From when its age counts.
    pub accepted_ms: u64,
    /// Where it goes when it is over.
    pub dead_letter: Option<DeadLetter>,
    /// `X-Amzn-Trace-Id`, for functions and queues.
    #[serde(default)]
    pub trace: Option<String>,
}

/// A call of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// A function, asynchronously.
    Function {
        /// Of the function, a version or an alias.
        arn: String,
        /// JSON.
        payload: String,
    },
    /// A message for a queue.
    Queue {
        /// Of the queue.
        arn: String,
        /// The message.
        body: String,
        /// Of a FIFO queue.
        group: Option<String>,
    },
    /// A message for a topic.
    Topic {
        /// Of the topic.
        arn: String,
        /// The message.
        message: String,
    },
    /// A line in a log group.
    LogGroup {
        /// Of the group.
        arn: String,
        /// Made when it is not there.
        stream: String,
        /// The line's time.
        at_ms: u64,
        /// The line.
        message: String,
    },
    /// An event for a bus.
    EventBus {
        /// Of the bus.
        arn: String,
        /// The event.
        entry: BusEntry,
    },
    /// A call of a service's API.
    Api {
        /// Where.
        account: String,
        /// Where.
        region: String,
        /// Signing name.
        service: String,
        /// With a small letter: `sendMessage`.
        operation: String,
        /// Its parameters, in JSON.
        input: String,
    },
    /// What can't be sent: made of a template that gives no JSON.
    Broken {
        /// What dead letters call it.
        code: String,
        /// Why.
        message: String,
    },
}

/// An entry of PutEvents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusEntry {
    /// Source.
    pub source: String,
    /// DetailType.
    pub detail_type: String,
    /// Detail, in JSON.
    pub detail: String,
    /// Resources.
    pub resources: Vec<String>,
    /// Time; now when there is none.
    pub time_s: Option<u64>,
}

/// On whose authority a target is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authority {
    /// The service itself, for this rule.
    Service {
        /// Which.
        service: Service,
        /// `aws:SourceArn`.
        source_arn: String,
    },
    /// A role that the service takes on.
    Role(String),
}

/// Services that send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// EventBridge.
    Events,
    /// EventBridge Scheduler.
    Scheduler,
}

/// Where what could not be sent goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// ARN of a queue.
    pub queue: String,
    /// Its text.
    pub body: String,
    /// Names and values besides those that tell of the failure.
    pub attributes: Vec<(String, String)>,
    /// In whose words failures are told.
    pub codes: Codes,
}

/// Words for failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codes {
    /// Those of rules: `NO_RESOURCE`.
    Rule,
    /// The target's own: `AWS.SimpleQueueService.NonExistentQueue`.
    Target,
}

impl Authority {
    pub(crate) fn principal(&self) -> Principal {
        match self {
            Authority::Service { service, source_arn } => {
                let name = match service {
                    Service::Events => "events.amazonaws.com",
                    Service::Scheduler => "scheduler.amazonaws.com",
                };
                Principal::Service { name, source_arn: source_arn.clone() }
            }
            Authority::Role(arn) => Principal::Role(arn.clone()),
        }
    }
}

impl Dispatch {
    /// The change that has it sent, at `due_ms`.
    pub fn send_at(&self, due_ms: u64) -> Change {
        let body = serde_json::to_vec(self).map(Bytes::from).unwrap_or_default();
        Change::Send { due_ms, body }
    }
}

/// Account and region of an API call.
pub(crate) fn scope(account: &str, region: &str) -> Option<Scope> {
    Some(Scope { account: AccountId::parse(account)?, region: Region::parse(region)? })
}
