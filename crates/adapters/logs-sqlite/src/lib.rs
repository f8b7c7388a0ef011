//! Log events in SQLite, in a file of their own: a flood of logs never holds the function table up.

mod database;
mod queries;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::Scope;
use lambent_kit::clock::Clock;
use lambent_ports::log_store::{
    EventQuery, LogGroup, LogStore, LogStoreError, LogStream, StoredEvent, StreamQuery,
};
use lambent_ports::logs::LogEvent;

use database::Database;

/// What an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct LogsOptions {
    /// Size of all messages together; beyond it the oldest are dropped.
    pub max_bytes: u64,
}

/// Logs in `<data dir>/logs.sqlite`.
pub struct LogsSqlite {
    database: Database,
    clock: Arc<dyn Clock>,
    options: LogsOptions,
}

impl LogsSqlite {
    /// Opens or creates the file.
    pub fn open(
        data_dir: &Path,
        options: LogsOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, LogStoreError> {
        let database = Database::open(&data_dir.join("logs.sqlite"))?;
        Ok(Arc::new(LogsSqlite { database, clock, options }))
    }
}

#[async_trait]
impl LogStore for LogsSqlite {
    async fn create_group(
        &self,
        scope: &Scope,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogStoreError> {
        let (scope, name, now_ms) = (scope.clone(), name.to_owned(), self.clock.now_ms());
        self.database.run(move |db| queries::create_group(db, &scope, &name, &tags, now_ms).map(drop)).await
    }

    async fn delete_group(&self, scope: &Scope, name: &str) -> Result<(), LogStoreError> {
        let (scope, name) = (scope.clone(), name.to_owned());
        self.database.run(move |db| queries::delete_group(db, &scope, &name)).await
    }

    async fn group(&self, scope: &Scope, name: &str) -> Result<LogGroup, LogStoreError> {
        let (scope, name) = (scope.clone(), name.to_owned());
        self.database.run(move |db| queries::group(db, &scope, &name)).await
    }

    async fn groups(&self, scope: &Scope, after: &str, limit: usize) -> Result<Vec<LogGroup>, LogStoreError> {
        let (scope, after) = (scope.clone(), after.to_owned());
        self.database.run(move |db| queries::groups(db, &scope, &after, limit)).await
    }

    async fn set_retention(&self, scope: &Scope, name: &str, days: Option<u32>) -> Result<(), LogStoreError> {
        let (scope, name) = (scope.clone(), name.to_owned());
        self.database.run(move |db| queries::set_retention(db, &scope, &name, days)).await
    }

    async fn set_tags(
        &self,
        scope: &Scope,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogStoreError> {
        let (scope, name) = (scope.clone(), name.to_owned());
        self.database.run(move |db| queries::set_tags(db, &scope, &name, &tags)).await
    }

    async fn create_stream(&self, scope: &Scope, group: &str, name: &str) -> Result<(), LogStoreError> {
        let (scope, group, name) = (scope.clone(), group.to_owned(), name.to_owned());
        let now_ms = self.clock.now_ms();
        self.database
            .run(move |db| {
                let group = queries::group_id(db, &scope, &group)?;
                queries::create_stream(db, group, &name, now_ms).map(drop)
            })
            .await
    }

    async fn delete_stream(&self, scope: &Scope, group: &str, name: &str) -> Result<(), LogStoreError> {
        let (scope, group, name) = (scope.clone(), group.to_owned(), name.to_owned());
        self.database.run(move |db| queries::delete_stream(db, &scope, &group, &name)).await
    }

    async fn stream(&self, scope: &Scope, group: &str, name: &str) -> Result<LogStream, LogStoreError> {
        let (scope, group, name) = (scope.clone(), group.to_owned(), name.to_owned());
        self.database.run(move |db| queries::stream(db, &scope, &group, &name)).await
    }

    async fn streams(
        &self,
        scope: &Scope,
        group: &str,
        query: StreamQuery,
    ) -> Result<Vec<LogStream>, LogStoreError> {
        let (scope, group) = (scope.clone(), group.to_owned());
        self.database.run(move |db| queries::streams(db, &scope, &group, &query)).await
    }

    async fn append(
        &self,
        scope: &Scope,
        group: &str,
        stream: &str,
        events: Vec<LogEvent>,
        create: bool,
    ) -> Result<(), LogStoreError> {
        let (scope, group, stream) = (scope.clone(), group.to_owned(), stream.to_owned());
        let (now_ms, max_bytes) = (self.clock.now_ms(), self.options.max_bytes);
        self.database
            .run(move |db| {
                queries::append(db, &scope, &group, &stream, &events, create, now_ms)?;
                queries::drop_oldest(db, max_bytes)
            })
            .await
    }

    async fn events(
        &self,
        scope: &Scope,
        group: &str,
        query: EventQuery,
    ) -> Result<Vec<StoredEvent>, LogStoreError> {
        let (scope, group) = (scope.clone(), group.to_owned());
        self.database.run(move |db| queries::events(db, &scope, &group, &query)).await
    }

    async fn expire(&self) -> Result<(), LogStoreError> {
        let (now_ms, max_bytes) = (self.clock.now_ms(), self.options.max_bytes);
        self.database
            .run(move |db| {
                queries::drop_expired(db, now_ms)?;
                queries::drop_oldest(db, max_bytes)
            })
            .await
    }
}

#[cfg(test)]
mod tests;
