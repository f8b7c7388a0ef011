//! One thread with one connection: what is queued runs in one transaction and is answered after the commit.

use std::path::Path;

use lambent_ports::log_store::LogStoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; more wait at the door, and through it the pipelines and functions behind them.
const MAX_QUEUED: usize = 256;
/// Jobs in one transaction.
const MAX_GROUP: usize = 64;
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
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

type Finish = Box<dyn FnOnce(Result<(), LogStoreError>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Finish + Send>;

pub(crate) struct Database {
    jobs: mpsc::Sender<Job>,
}

/// A failure of SQLite.
pub(crate) fn storage(error: impl std::fmt::Display) -> LogStoreError {
    LogStoreError::Storage(error.to_string())
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, LogStoreError> {
        let connection = Connection::open(path).map_err(storage)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(storage)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(storage)?;
        let found: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(storage)?;
        match found {
            0 => connection
                .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"))
                .map_err(storage)?,
            SCHEMA_VERSION => {}
            newer => {
                return Err(storage(format!("logs.sqlite is of a newer Lambent (schema {newer})")));
            }
        }
        connection.execute_batch(INDEXES).map_err(storage)?;
        let (jobs, queue) = mpsc::channel(MAX_QUEUED);
        let thread = std::thread::Builder::new().name("logs-store".into());
        thread.spawn(move || run(&connection, queue)).map_err(storage)?;
        Ok(Database { jobs })
    }

    /// Runs a job. It changes everything it is about to change, or, with an error, nothing.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LogStoreError> + Send + 'static,
    ) -> Result<T, LogStoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = guarded(connection, work);
            Box::new(move |committed| {
                let _ = answer.send(committed.and(result));
            })
        });
        self.jobs.send(job).await.map_err(|_| storage("the log store has ended"))?;
        answered.await.unwrap_or_else(|_| Err(storage("the log store has ended")))
    }
}

fn guarded<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, LogStoreError>,
) -> Result<T, LogStoreError> {
    connection.execute_batch("SAVEPOINT job").map_err(storage)?;
    let result = work(connection);
    if result.is_err() {
        connection.execute_batch("ROLLBACK TO job").map_err(storage)?;
    }
    connection.execute_batch("RELEASE job").map_err(storage)?;
    result
}

fn run(connection: &Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let began = connection.execute_batch("BEGIN");
        let mut finish = vec![first(connection)];
        while finish.len() < MAX_GROUP
            && let Ok(next) = queue.try_recv()
        {
            finish.push(next(connection));
        }
        let committed = began.and_then(|()| connection.execute_batch("COMMIT")).map_err(storage);
        if committed.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        for finish in finish {
            finish(committed.clone());
        }
    }
}
