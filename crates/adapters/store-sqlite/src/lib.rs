//! Functions and what they refer to in SQLite: one writer thread that commits in groups, and everything in memory for
//! readers.

mod lock;
mod rows;
mod stored;
mod tables;
mod writer;

use std::path::Path;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use lambent_domain::{
    CodeSigningConfig, CodeSigningKey, EventSourceMapping, Function, FunctionKey, Layer, LayerKey,
    MappingKey, Scope,
};
use lambent_kit::random::Random;
use lambent_ports::store::{ChangeListener, Limits, RecordKey, Store, StoreError, Usage, Write};
use lambent_sqlite::{KeyError, SealingKey};
use rusqlite::Connection;

pub use lock::{DataDirInUse, DataDirLock};
use tables::{Kind, Stored, Tables, index};
use writer::{Task, Writer, read};

/// Version of the tables; see [`open_connection`].
const SCHEMA_VERSION: i64 = 2;

impl From<KeyError> for OpenError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Refused(text) => OpenError::Key(text),
            KeyError::Io(error) => OpenError::Io(error),
        }
    }
}

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
    /// Written before the first release.
    #[error(
        "the data directory was written by a Lambent from before the first release (schema {found}, this one knows {known}); start with an empty one"
    )]
    Older {
        /// In the file.
        found: i64,
        /// Here.
        known: i64,
    },
    /// The key file's permissions, or its content.
    #[error("{0}")]
    Key(String),
    /// What is stored can't be read.
    #[error("{0}")]
    Damaged(String),
    /// SQLite says so.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The disk says so.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Records in `<data dir>/lambent.sqlite`.
pub struct SqliteStore {
    writer: Writer,
    tables: Arc<RwLock<Tables>>,
    limits: Limits,
}

impl SqliteStore {
    /// Opens or creates the store and reads all of it. The caller holds the [`DataDirLock`] of the directory.
    pub fn open(data_dir: &Path, random: &dyn Random, limits: Limits) -> Result<Arc<Self>, OpenError> {
        Self::with_connection(open_connection(&data_dir.join("lambent.sqlite"))?, data_dir, random, limits)
    }

    fn with_connection(
        connection: Connection,
        data_dir: &Path,
        random: &dyn Random,
        limits: Limits,
    ) -> Result<Arc<Self>, OpenError> {
        let key =
            SealingKey::open(&data_dir.join("keys"), "environment", [random.bytes16(), random.bytes16()])?;
        let tables = Arc::new(RwLock::new(rows::load(&connection, &key).map_err(OpenError::Damaged)?));
        let writer = Writer::start(connection, key, Arc::clone(&tables), limits)?;
        Ok(Arc::new(SqliteStore { writer, tables, limits }))
    }

    fn stored<T>(&self, key: RecordKey, of: impl FnOnce(&Stored) -> Option<T>) -> Option<T> {
        read(&self.tables).get(&index(&key)).and_then(of)
    }

    fn page<T>(
        &self,
        kind: Kind,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
        of: impl Fn(&Stored) -> Option<T>,
    ) -> Vec<T> {
        read(&self.tables).after(kind, scope, after).take(limit).filter_map(of).collect()
    }
}

fn open_connection(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let (schema, known) = (rows::SCHEMA, SCHEMA_VERSION);
    match found {
        0 => connection.execute_batch(&format!("BEGIN; {schema} PRAGMA user_version = {known}; COMMIT;"))?,
        SCHEMA_VERSION => {}
        found if found < known => return Err(OpenError::Older { found, known }),
        found => return Err(OpenError::Newer { found, known }),
    }
    // What a failed sync left in the page cache must not stand before commits of today: it is written anew.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(connection)
}

fn function(stored: &Stored) -> Option<Arc<Function>> {
    match stored {
        Stored::Function(function) => Some(Arc::clone(function)),
        _ => None,
    }
}

fn layer(stored: &Stored) -> Option<Arc<Layer>> {
    match stored {
        Stored::Layer(layer) => Some(Arc::clone(layer)),
        _ => None,
    }
}

fn code_signing(stored: &Stored) -> Option<Arc<CodeSigningConfig>> {
    match stored {
        Stored::CodeSigning(config) => Some(Arc::clone(config)),
        _ => None,
    }
}

fn mapping(stored: &Stored) -> Option<Arc<EventSourceMapping>> {
    match stored {
        Stored::Mapping(mapping) => Some(Arc::clone(mapping)),
        _ => None,
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.writer.submit(Task::Commit(writes)).await
    }

    fn function(&self, key: &FunctionKey) -> Option<Arc<Function>> {
        self.stored(RecordKey::Function(key.clone()), function)
    }

    fn functions(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Function>> {
        self.page(Kind::Function, scope, after, limit, function)
    }

    fn all_functions(&self) -> Vec<Arc<Function>> {
        read(&self.tables).all().filter_map(function).collect()
    }

    fn layer(&self, key: &LayerKey) -> Option<Arc<Layer>> {
        self.stored(RecordKey::Layer(key.clone()), layer)
    }

    fn layers(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Layer>> {
        self.page(Kind::Layer, scope, after, limit, layer)
    }

    fn all_layers(&self) -> Vec<Arc<Layer>> {
        read(&self.tables).all().filter_map(layer).collect()
    }

    fn code_signing(&self, key: &CodeSigningKey) -> Option<Arc<CodeSigningConfig>> {
        self.stored(RecordKey::CodeSigning(key.clone()), code_signing)
    }

    fn code_signings(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<CodeSigningConfig>> {
        self.page(Kind::CodeSigning, scope, after, limit, code_signing)
    }

    fn mapping(&self, key: &MappingKey) -> Option<Arc<EventSourceMapping>> {
        self.stored(RecordKey::Mapping(key.clone()), mapping)
    }

    fn mappings(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<EventSourceMapping>> {
        self.page(Kind::Mapping, scope, after, limit, mapping)
    }

    fn usage(&self, scope: &Scope) -> Usage {
        read(&self.tables).usage(scope)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn subscribe(&self, listener: Arc<dyn ChangeListener>) -> Result<(), StoreError> {
        self.writer.submit(Task::Subscribe(listener)).await
    }
}

/// A failure that left nothing behind.
fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { message: error.to_string(), may_have_happened: false }
}

#[cfg(test)]
mod tests;
