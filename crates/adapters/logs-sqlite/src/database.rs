//! The file and its writer.

use std::path::Path;

use lambent_ports::log_store::LogStoreError;
use lambent_sqlite::{Bounds, Schema, Writer, open};
use rusqlite::Connection;

/// Jobs that may wait; more wait at the door, and through it the pipelines and functions behind them.
const BOUNDS: Bounds = Bounds { queued: 256, group: 64 };

const SCHEMA: Schema = Schema { version: 1, tables: TABLES };

const TABLES: &str = "
    CREATE TABLE groups (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        name TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        retention_days INTEGER,
        tags TEXT NOT NULL,
        bytes INTEGER NOT NULL DEFAULT 0,
        UNIQUE (account, region, name)
    ) STRICT;
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        group_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        first_ms INTEGER,
        last_ms INTEGER,
        last_ingestion_ms INTEGER,
        UNIQUE (group_id, name)
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        group_id INTEGER NOT NULL,
        stream_id INTEGER NOT NULL,
        timestamp_ms INTEGER NOT NULL,
        ingested_ms INTEGER NOT NULL,
        message TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_in_order ON events (group_id, timestamp_ms, id);
";

/// Made when they are missing: they hold nothing of their own.
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS streams_by_time ON streams (group_id, COALESCE(last_ms, -1), name);
";

pub(crate) struct Database(Writer);

/// A failure of SQLite.
pub(crate) fn storage(error: impl std::fmt::Display) -> LogStoreError {
    LogStoreError::Storage(error.to_string())
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, LogStoreError> {
        let connection = open(path, &SCHEMA).map_err(storage)?;
        connection.execute_batch(INDEXES).map_err(storage)?;
        Ok(Database(Writer::start("logs-store", connection, BOUNDS).map_err(storage)?))
    }

    /// Runs a job. It changes everything it is about to change, or, with an error, nothing.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LogStoreError> + Send + 'static,
    ) -> Result<T, LogStoreError> {
        self.0.run(storage, work).await
    }
}
