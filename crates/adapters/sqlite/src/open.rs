//! Opening a database: durable, and of a schema that this program knows.

use std::path::Path;

use rusqlite::Connection;

/// The tables of a file.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Kept in `user_version`.
    pub version: i64,
    /// Makes the tables in an empty file.
    pub tables: &'static str,
}

/// A database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by another Lambent.
    #[error("{file} was written by another version of Lambent (schema {found}, this one knows {known})")]
    OtherSchema {
        /// Its name.
        file: String,
        /// In the file.
        found: i64,
        /// Here.
        known: i64,
    },
    /// SQLite says so.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The thread could not be started.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Opens or creates a file whose commits are on disk when they return.
pub fn open(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let (tables, known) = (schema.tables, schema.version);
    match connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
        0 => connection.execute_batch(&format!("BEGIN; {tables} PRAGMA user_version = {known}; COMMIT;"))?,
        found if found == known => {}
        found => {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(OpenError::OtherSchema { file, found, known });
        }
    }
    settle_log(&connection)?;
    Ok(connection)
}

/// Copies what the log has into the file and empties it. After a crash, frames of the log may be in the page cache and not on
/// disk, marked as written by a sync that had failed: commits that were appended behind them would go with them when the
/// power fails. What is copied is written and synced anew.
fn settle_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
