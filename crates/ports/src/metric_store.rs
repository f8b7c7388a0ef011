//! Metrics, durable: every datum is added at once to the points of each length of time that is kept of it, so that what is
//! left when the short ones go is there from the beginning. Time is an argument of every call.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lambent_domain::{Distribution, Scope};

/// A metric: its name with the dimensions that it was put with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metric {
    /// Such as `AWS/Lambda`.
    pub namespace: String,
    /// Such as `Invocations`.
    pub name: String,
    /// Values by name.
    pub dimensions: BTreeMap<String, String>,
}

/// Values of a metric at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Whose they are.
    pub metric: Metric,
    /// Values of different units stay apart.
    pub unit: String,
    /// When.
    pub time_ms: u64,
    /// Also kept by the second.
    pub by_second: bool,
    /// The values.
    pub values: Distribution,
}

/// A length of time that values are added up over, and how long these sums are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Of high resolution only.
    Second,
    /// One.
    Minute,
    /// Five.
    FiveMinutes,
    /// One.
    Hour,
}

impl Tier {
    /// The shortest first.
    pub const ALL: [Tier; 4] = [Tier::Second, Tier::Minute, Tier::FiveMinutes, Tier::Hour];

    /// Its length.
    pub fn seconds(self) -> u64 {
        match self {
            Tier::Second => 1,
            Tier::Minute => 60,
            Tier::FiveMinutes => 300,
            Tier::Hour => 3_600,
        }
    }

    /// How long it is kept, as AWS documents.
    pub fn kept_seconds(self) -> u64 {
        const DAY: u64 = 86_400;
        match self {
            Tier::Second => 3 * 3_600,
            Tier::Minute => 15 * DAY,
            Tier::FiveMinutes => 63 * DAY,
            Tier::Hour => 455 * DAY,
        }
    }
}

/// Which points are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointQuery {
    /// Of which metric.
    pub metric: Metric,
    /// Of which unit; `None` is any.
    pub unit: Option<String>,
    /// Of which length.
    pub tier: Tier,
    /// Beginning not before.
    pub from_s: u64,
    /// Beginning before.
    pub until_s: u64,
}

/// The values of one length of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its beginning.
    pub start_s: u64,
    /// Its unit.
    pub unit: String,
    /// Its values.
    pub values: Distribution,
}

/// Which metrics are wanted.
#[derive(Clone, Debug, Default)]
pub struct MetricQuery {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this name.
    pub name: Option<String>,
    /// Only with these dimensions, and where it is given with this value; others may be there as well.
    pub dimensions: Vec<(String, Option<String>)>,
    /// Only with a datum since then.
    pub since_ms: u64,
    /// Only beyond this place.
    pub beyond: u64,
    /// At most this many.
    pub limit: usize,
}

/// Why an operation on the store failed. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricStoreError {
    /// There are as many metrics as may be.
    #[error("there are too many metrics")]
    TooManyMetrics,
    /// The storage failed.
    #[error("metric store: {0}")]
    Storage(String),
}

/// The store.
#[async_trait]
pub trait MetricStore: Send + Sync {
    /// Adds data, all or none, on disk before it returns. Lengths of time that would be dropped right away are left out.
    async fn add(&self, scope: &Scope, data: Vec<Datum>, now_ms: u64) -> Result<(), MetricStoreError>;

    /// Points in order of their beginnings, then units.
    async fn points(&self, scope: &Scope, query: PointQuery) -> Result<Vec<Point>, MetricStoreError>;

    /// Metrics, each with its place, in order of their places.
    async fn metrics(
        &self,
        scope: &Scope,
        query: MetricQuery,
    ) -> Result<Vec<(u64, Metric)>, MetricStoreError>;

    /// Drops a part of what is kept no longer, and the oldest of all while there is more than the store may hold; whether
    /// there is more to drop.
    async fn expire(&self, now_ms: u64) -> Result<bool, MetricStoreError>;
}
