//! What is of no use any more goes in small parts, so that nobody waits for it.

use lambent_ports::message_store::{MessageStoreError, QueueId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::messages::{drop_message, execute, prepare};
use crate::{fifo, moves, queues, storage};

type Result<T> = std::result::Result<T, MessageStoreError>;

/// Rows that go at once.
const PART: usize = 500;

pub(crate) fn sweep(db: &Connection, retention_ms: &[(QueueId, u64)], now_ms: u64) -> Result<bool> {
    let mut left = PART;
    abandoned(db, &mut left)?;
    moves::sweep(db)?;
    for (id, retention_ms) in retention_ms {
        match queues::bucket(db, *id) {
            Ok(bucket) => expired(db, bucket.id, now_ms.saturating_sub(*retention_ms), &mut left)?,
            // Deleted a moment ago.
            Err(MessageStoreError::QueueGone) => {}
            Err(error) => return Err(error),
        }
    }
    let forgotten = execute(
        db,
        "DELETE FROM duplicates WHERE (bucket, id, group_name) IN
             (SELECT bucket, id, group_name FROM duplicates WHERE until_ms <= ?1 LIMIT ?2)",
        params![now_ms as i64, PART as i64],
    )?;
    Ok(left == 0 || forgotten == PART)
}

/// Messages of buckets that no queue has any more.
fn abandoned(db: &Connection, left: &mut usize) -> Result<()> {
    while *left > 0 {
        let mut query = prepare(
            db,
            "SELECT id FROM buckets WHERE NOT EXISTS (SELECT 1 FROM queues WHERE bucket = buckets.id) LIMIT 1",
        )?;
        let bucket = query.query_row([], |row| row.get::<_, i64>(0)).optional().map_err(storage)?;
        let Some(bucket) = bucket else { return Ok(()) };
        let mut query = prepare(db, "SELECT id FROM messages WHERE bucket = ?1 LIMIT ?2")?;
        let found = query.query_map([bucket, *left as i64], |row| row.get::<_, i64>(0)).map_err(storage)?;
        let found: Vec<i64> = found.collect::<rusqlite::Result<_>>().map_err(storage)?;
        for message in &found {
            drop_message(db, *message)?;
        }
        if found.len() < *left {
            execute(db, "DELETE FROM heads WHERE bucket = ?1", [bucket])?;
            execute(db, "DELETE FROM duplicates WHERE bucket = ?1", [bucket])?;
            execute(db, "DELETE FROM buckets WHERE id = ?1", [bucket])?;
        }
        *left -= found.len();
    }
    Ok(())
}

fn expired(db: &Connection, bucket: i64, sent_until_ms: u64, left: &mut usize) -> Result<()> {
    let mut query = prepare(
        db,
        "SELECT id, group_name FROM messages WHERE bucket = ?1 AND sent_ms <= ?2 ORDER BY sent_ms LIMIT ?3",
    )?;
    let found = query.query_map([bucket, sent_until_ms as i64, *left as i64], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
    });
    let found: Vec<_> = found.map_err(storage)?.collect::<rusqlite::Result<_>>().map_err(storage)?;
    for (message, group) in &found {
        drop_message(db, *message)?;
        if let Some(group) = group {
            fifo::refresh(db, bucket, group)?;
        }
    }
    *left -= found.len();
    Ok(())
}
