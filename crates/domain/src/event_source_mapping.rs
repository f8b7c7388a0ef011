//! Event source mappings: which queue's messages a function is called with, and how.

use std::collections::BTreeMap;

use crate::ident::{Epoch, TimestampMs};
use crate::names::{FunctionKey, MappingKey, Qualifier};

/// An event source mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSourceMapping {
    /// Account, region and UUID.
    pub key: MappingKey,
    /// Changes with every write of the record; the store gives it.
    pub epoch: Epoch,
    /// Of the queue.
    pub source_arn: String,
    /// Which function.
    pub function: FunctionKey,
    /// Which of its versions, as it was named.
    pub qualifier: Option<Qualifier>,
    /// Messages that an invoke gets at most, 1 to 10,000.
    pub batch_size: u32,
    /// How long a batch may be gathered, seconds, 0 to 300.
    pub batching_window_s: u32,
    /// Event patterns, of which one has to match; none lets everything through. They compile.
    pub filters: Vec<String>,
    /// `ReportBatchItemFailures`.
    pub reports_item_failures: bool,
    /// Invokes at the same time, 2 to 1,000.
    pub maximum_concurrency: Option<u32>,
    /// `ProvisionedPollerConfig`. Never together with a maximum of concurrency.
    pub provisioned_pollers: Option<Pollers>,
    /// `MetricsConfig` has `EventCount`.
    pub counts_events: bool,
    /// At most [`crate::limits::MAX_TAGS`].
    pub tags: BTreeMap<String, String>,
    /// Where it is in its life.
    pub state: MappingState,
    /// When its owner last changed it.
    pub modified: TimestampMs,
}

/// How many pollers a mapping has at least and at most, 2 to 200 and 2 to 2,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pollers {
    /// There at any time.
    pub minimum: u32,
    /// There when there is enough to do.
    pub maximum: u32,
}

/// Where a mapping is in its life. Whoever polls brings what is under way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingState {
    /// Will be `Enabled`.
    Creating,
    /// Will be `Enabled`.
    Enabling,
    /// Its queue is polled.
    Enabled,
    /// Will be `Disabled`, when what was received is done with.
    Disabling,
    /// Nothing is polled.
    Disabled,
    /// Has new settings.
    Updating {
        /// What it will be then.
        enabled: bool,
    },
    /// Will be gone, when what was received is done with.
    Deleting,
}

impl MappingState {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating { .. } => "Updating",
            Self::Deleting => "Deleting",
        }
    }

    /// Whether the queue is to be polled.
    pub fn polls(self) -> bool {
        matches!(self, Self::Creating | Self::Enabling | Self::Enabled | Self::Updating { enabled: true })
    }

    /// What it becomes by itself; nothing when it rests, or goes.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Creating | Self::Enabling | Self::Updating { enabled: true } => Some(Self::Enabled),
            Self::Disabling | Self::Updating { enabled: false } => Some(Self::Disabled),
            Self::Enabled | Self::Disabled | Self::Deleting => None,
        }
    }

    /// Whether nothing is under way, so that its owner may change it.
    pub fn rests(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }
}
