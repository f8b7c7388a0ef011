//! Metrics in SQLite, in a file of their own: one writer that commits in groups, one reader that does not hold it up.

mod rows;
mod schema;
mod spread;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::Scope;
use lambent_ports::metric_store::{
    Datum, Metric, MetricQuery, MetricStore, MetricStoreError, Point, PointQuery,
};
use lambent_sqlite::{Bounds, OpenError, Reader, WriteError, Writer, open};
use rusqlite::Connection;

/// Jobs that may wait hold their data in memory: this many times the largest request is the worst case.
const BOUNDS: Bounds = Bounds { queued: 32, group: 32 };

/// What an operator can set, and what tests make small.
#[derive(Clone, Copy, Debug)]
pub struct MetricsOptions {
    /// Size of the file; beyond it the oldest points are dropped.
    pub max_bytes: u64,
    /// Metrics of all scopes together.
    pub max_metrics: u64,
}

/// Metrics in `<data dir>/metrics.sqlite`.
pub struct MetricsSqlite {
    writer: Writer,
    reader: Reader,
    options: MetricsOptions,
}

impl MetricsSqlite {
    /// Opens or creates the file. The caller sees to it that nobody else has it open.
    pub fn open(data_dir: &Path, options: MetricsOptions) -> Result<Arc<Self>, OpenError> {
        let path = data_dir.join("metrics.sqlite");
        let connection = open(&path, &schema::SCHEMA)?;
        let reader = Reader::open(&path, 1)?;
        let writer = Writer::start("metrics-store", connection, BOUNDS)?;
        Ok(Arc::new(MetricsSqlite { writer, reader, options }))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, MetricStoreError> + Send + 'static,
    ) -> Result<T, MetricStoreError> {
        self.reader.run(lost, work).await
    }
}

fn lost(error: WriteError) -> MetricStoreError {
    storage(error)
}

fn storage(error: impl std::fmt::Display) -> MetricStoreError {
    MetricStoreError::Storage(error.to_string())
}

#[async_trait]
impl MetricStore for MetricsSqlite {
    async fn add(&self, scope: &Scope, data: Vec<Datum>, now_ms: u64) -> Result<(), MetricStoreError> {
        let (scope, options) = (scope.clone(), self.options);
        let work = move |db: &Connection| {
            for datum in &data {
                rows::add(db, &scope, datum, now_ms, options.max_metrics)?;
            }
            rows::drop_oldest(db, options.max_bytes).map(drop)
        };
        self.writer.run(lost, work).await
    }

    async fn points(&self, scope: &Scope, query: PointQuery) -> Result<Vec<Point>, MetricStoreError> {
        let scope = scope.clone();
        self.read(move |db| rows::points(db, &scope, &query)).await
    }

    async fn metrics(
        &self,
        scope: &Scope,
        query: MetricQuery,
    ) -> Result<Vec<(u64, Metric)>, MetricStoreError> {
        let scope = scope.clone();
        self.read(move |db| rows::metrics(db, &scope, &query)).await
    }

    async fn expire(&self, now_ms: u64) -> Result<bool, MetricStoreError> {
        let max_bytes = self.options.max_bytes;
        let work =
            move |db: &Connection| Ok(rows::drop_expired(db, now_ms)? | rows::drop_oldest(db, max_bytes)?);
        self.writer.run(lost, work).await
    }
}

#[cfg(test)]
mod tests;
