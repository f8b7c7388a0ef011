//! Groups: what can be received of one is the run of messages from its head that are due. A message in flight holds back
//! those behind it, not those before it (recorded).

use rusqlite::{Connection, OptionalExtension, params};

use lambent_ports::message_store::MessageStoreError;

use crate::messages::{Candidate, execute, prepare};
use crate::storage;

type Result<T> = std::result::Result<T, MessageStoreError>;

/// A message has been put at the end of its group.
pub(crate) fn appended(db: &Connection, bucket: i64, group: &str, message: i64, due_ms: i64) -> Result<()> {
    execute(
        db,
        "INSERT OR IGNORE INTO heads (bucket, group_name, due_ms, message) VALUES (?1, ?2, ?3, ?4)",
        params![bucket, group, due_ms, message],
    )
    .map(drop)
}

/// Something has happened to messages of a group.
pub(crate) fn refresh(db: &Connection, bucket: i64, group: &str) -> Result<()> {
    let mut query = prepare(
        db,
        "SELECT id, due_ms FROM messages WHERE bucket = ?1 AND group_name = ?2 ORDER BY id LIMIT 1",
    )?;
    let head =
        query.query_row(params![bucket, group], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    match head.optional().map_err(storage)? {
        Some((message, due_ms)) => execute(
            db,
            "INSERT OR REPLACE INTO heads (bucket, group_name, due_ms, message) VALUES (?1, ?2, ?3, ?4)",
            params![bucket, group, due_ms, message],
        ),
        None => {
            execute(db, "DELETE FROM heads WHERE bucket = ?1 AND group_name = ?2", params![bucket, group])
        }
    }
    .map(drop)
}

pub(crate) const DUE_GROUP: &str =
    "SELECT group_name FROM heads WHERE bucket = ?1 AND due_ms <= ?2 ORDER BY due_ms, message LIMIT 1";
pub(crate) const RUN: &str = "SELECT id, receives, sent_ms, group_name, due_ms FROM messages
    WHERE bucket = ?1 AND group_name = ?2 ORDER BY id LIMIT ?3";

/// Up to `wanted` messages of the group that has been due the longest: as many as possible of one group, as AWS does.
pub(crate) fn due(db: &Connection, bucket: i64, wanted: usize, now_ms: u64) -> Result<Vec<Candidate>> {
    let mut query = prepare(db, DUE_GROUP)?;
    let group = query.query_row(params![bucket, now_ms as i64], |row| row.get::<_, String>(0)).optional();
    let Some(group) = group.map_err(storage)? else { return Ok(Vec::new()) };
    let mut query = prepare(db, RUN)?;
    let found = query.query_map(params![bucket, group, wanted as i64], |row| {
        Ok((Candidate::read(row)?, row.get::<_, i64>(4)? <= now_ms as i64))
    });
    let mut run = Vec::new();
    for one in found.map_err(storage)? {
        let (candidate, due) = one.map_err(storage)?;
        if !due {
            break;
        }
        run.push(candidate);
    }
    Ok(run)
}
