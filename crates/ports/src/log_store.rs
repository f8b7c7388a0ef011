//! Log groups, streams and events, durable.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lambent_domain::Scope;

use crate::logs::LogEvent;

/// Why an operation on the store failed. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogStoreError {
    /// There is no such group.
    #[error("no such log group")]
    GroupMissing,
    /// There is no such stream in the group.
    #[error("no such log stream")]
    StreamMissing,
    /// The group's name is taken.
    #[error("the log group exists")]
    GroupExists,
    /// The stream's name is taken.
    #[error("the log stream exists")]
    StreamExists,
    /// The storage failed.
    #[error("log storage: {0}")]
    Storage(String),
}

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGroup {
    /// Unique in its scope.
    pub name: String,
    /// When it was made.
    pub created_ms: u64,
    /// How long events are kept; `None` is for ever.
    pub retention_days: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Size of its events.
    pub stored_bytes: u64,
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// Unique in its group.
    pub name: String,
    /// When it was made.
    pub created_ms: u64,
    /// Time of its earliest event.
    pub first_event_ms: Option<u64>,
    /// Time of its latest event.
    pub last_event_ms: Option<u64>,
    /// When its latest event came in.
    pub last_ingestion_ms: Option<u64>,
}

/// By what streams are put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamOrder {
    /// Their names.
    #[default]
    Name,
    /// The time of their latest event, then their names; those without any event come before all others.
    LastEvent,
}

/// Which streams are wanted.
#[derive(Clone, Debug, Default)]
pub struct StreamQuery {
    /// Only names that begin so.
    pub prefix: String,
    /// Their order.
    pub order: StreamOrder,
    /// From the end.
    pub descending: bool,
    /// Only beyond this stream, in the order's direction.
    pub beyond: Option<StreamPlace>,
    /// At most this many.
    pub limit: usize,
}

/// A stream's place among others. It stays a place when the stream has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlace {
    /// Time of its latest event; orders by name don't look at it.
    pub last_event_ms: Option<u64>,
    /// Its name.
    pub name: String,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Grows with ingestion, never used again: orders events of the same time.
    pub id: u64,
    /// Its stream.
    pub stream: String,
    /// When it was said.
    pub timestamp_ms: u64,
    /// When it came in.
    pub ingested_ms: u64,
    /// Text.
    pub message: String,
}

/// A place between events: order is by time, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Time.
    pub timestamp_ms: u64,
    /// Id.
    pub id: u64,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only these streams; `None` is all of the group.
    pub streams: Option<Vec<String>>,
    /// Only streams with names that begin so.
    pub stream_prefix: Option<String>,
    /// Not before.
    pub start_ms: Option<u64>,
    /// Before.
    pub end_ms: Option<u64>,
    /// Only beyond this place: after it, or before it when reading backwards.
    pub beyond: Option<Position>,
    /// The latest first.
    pub backwards: bool,
    /// At most this many.
    pub limit: usize,
}

/// The store.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Makes a group.
    async fn create_group(
        &self,
        scope: &Scope,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogStoreError>;
    /// Deletes a group with everything in it.
    async fn delete_group(&self, scope: &Scope, name: &str) -> Result<(), LogStoreError>;
    /// One group.
    async fn group(&self, scope: &Scope, name: &str) -> Result<LogGroup, LogStoreError>;
    /// Groups in order of their names, after a name.
    async fn groups(&self, scope: &Scope, after: &str, limit: usize) -> Result<Vec<LogGroup>, LogStoreError>;
    /// Sets or clears the retention.
    async fn set_retention(&self, scope: &Scope, name: &str, days: Option<u32>) -> Result<(), LogStoreError>;
    /// Replaces the tags.
    async fn set_tags(
        &self,
        scope: &Scope,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogStoreError>;
    /// Makes a stream.
    async fn create_stream(&self, scope: &Scope, group: &str, name: &str) -> Result<(), LogStoreError>;
    /// Deletes a stream with its events.
    async fn delete_stream(&self, scope: &Scope, group: &str, name: &str) -> Result<(), LogStoreError>;
    /// One stream.
    async fn stream(&self, scope: &Scope, group: &str, name: &str) -> Result<LogStream, LogStoreError>;
    /// Streams of a group, in order.
    async fn streams(
        &self,
        scope: &Scope,
        group: &str,
        query: StreamQuery,
    ) -> Result<Vec<LogStream>, LogStoreError>;
    /// Adds events, on disk before it returns. With `create`, group and stream are made when they are missing.
    async fn append(
        &self,
        scope: &Scope,
        group: &str,
        stream: &str,
        events: Vec<LogEvent>,
        create: bool,
    ) -> Result<(), LogStoreError>;
    /// Events in order.
    async fn events(
        &self,
        scope: &Scope,
        group: &str,
        query: EventQuery,
    ) -> Result<Vec<StoredEvent>, LogStoreError>;
    /// Drops what is older than its group keeps, and the oldest of all while there is more than the store may hold.
    async fn expire(&self) -> Result<(), LogStoreError>;
}
