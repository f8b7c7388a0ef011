//! The function table in SQLite: one writer thread that commits in groups, readers of their own.

mod lock;
mod reader;
mod secrets;
mod stored;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::{Function, FunctionKey, FunctionName, RevisionId, Scope};
use lambent_kit::random::Random;
use lambent_ports::store::{ChangeListener, FunctionStore, StoreError, Usage};
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use lock::{DataDirInUse, DataDirLock};
use reader::Readers;
use secrets::EnvironmentKey;
use writer::{Write, Writer};

/// Version of the tables; see [`open_connection`].
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE functions (
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        name TEXT NOT NULL,
        revision TEXT NOT NULL,
        code_bytes INTEGER NOT NULL,
        body TEXT NOT NULL,
        environment BLOB,
        deployed_environment BLOB,
        PRIMARY KEY (account, region, name)
    ) STRICT, WITHOUT ROWID;
";

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer Lambent.
    #[error("the data directory was written by a newer Lambent (schema {found}, this one knows {known})")]
    Newer {
        /// In the file.
        found: i64,
        /// Here.
        known: i64,
    },
    /// The key file's permissions, or its content.
    #[error("{0}")]
    Key(String),
    /// SQLite says so.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The disk says so.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Functions in `<data dir>/lambent.sqlite`.
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
}

impl SqliteStore {
    /// Opens or creates the store. The caller holds the [`DataDirLock`] of the directory.
    pub fn open(data_dir: &Path, random: &dyn Random) -> Result<Arc<Self>, OpenError> {
        let path = data_dir.join("lambent.sqlite");
        let key = Arc::new(EnvironmentKey::open(&data_dir.join("keys"), random)?);
        let connection = open_connection(&path)?;
        let readers = Arc::new(Readers::new(path, Arc::clone(&key)));
        Ok(Arc::new(SqliteStore { writer: Writer::start(connection, key)?, readers }))
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.writer.submit(write, done).await?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable { message: "the writer ended".into(), may_have_happened: true })
        })
    }
}

fn open_connection(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            connection
                .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"))?;
        }
        SCHEMA_VERSION => {}
        found => return Err(OpenError::Newer { found, known: SCHEMA_VERSION }),
    }
    Ok(connection)
}

#[async_trait]
impl FunctionStore for SqliteStore {
    async fn create(&self, function: Function) -> Result<(), StoreError> {
        self.write(Write::Create(Box::new(function))).await
    }

    async fn get(&self, key: &FunctionKey) -> Result<Option<Arc<Function>>, StoreError> {
        let key = key.clone();
        self.readers.run(move |reader| reader.get(&key)).await
    }

    async fn replace(&self, function: Function, expected: RevisionId) -> Result<(), StoreError> {
        self.write(Write::Replace(Box::new(function), expected)).await
    }

    async fn delete(&self, key: &FunctionKey, expected: Option<RevisionId>) -> Result<(), StoreError> {
        self.write(Write::Delete(key.clone(), expected)).await
    }

    async fn list(
        &self,
        scope: &Scope,
        after: Option<&FunctionName>,
        limit: usize,
    ) -> Result<Vec<Arc<Function>>, StoreError> {
        let (scope, after) = (scope.clone(), after.cloned());
        self.readers.run(move |reader| reader.list(&scope, after.as_ref(), limit)).await
    }

    async fn all(&self) -> Result<Vec<Arc<Function>>, StoreError> {
        self.readers.run(|reader| reader.all()).await
    }

    async fn usage(&self, scope: &Scope) -> Result<Usage, StoreError> {
        let scope = scope.clone();
        self.readers.run(move |reader| reader.usage(&scope)).await
    }

    async fn subscribe(&self, listener: Arc<dyn ChangeListener>) -> Result<(), StoreError> {
        self.write(Write::Subscribe(listener)).await
    }
}

/// A failure of SQLite that left nothing behind.
fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { message: error.to_string(), may_have_happened: false }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
fn open_with_max_pages(dir: &Path, pages: i64) -> Arc<SqliteStore> {
    let path = dir.join("lambent.sqlite");
    let key = Arc::new(EnvironmentKey::open(&dir.join("keys"), &lambent_kit::random::SystemRandom).unwrap());
    let connection = open_connection(&path).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let readers = Arc::new(Readers::new(path, Arc::clone(&key)));
    Arc::new(SqliteStore { writer: Writer::start(connection, key).unwrap(), readers })
}
