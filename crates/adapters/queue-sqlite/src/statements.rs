//! Tables and statements. Bodies have a table of their own: claiming and releasing a message rewrites its row, and a row
//! with a megabyte in it would be written anew each time.

use bytes::Bytes;
use lambent_ports::queue::{Claimed, Counts, NewMessage, QueueError, Receipt, Wanted};
use rusqlite::{Connection, OptionalExtension, Params, params};

/// `due_ms` is when a message may be claimed: the time it becomes visible, or the end of its lease.
pub(crate) const TABLES: &str = "
    CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        enqueued_ms INTEGER NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        leased INTEGER NOT NULL DEFAULT 0,
        size INTEGER NOT NULL,
        attributes BLOB NOT NULL
    ) STRICT;
    CREATE INDEX messages_by_due ON messages (queue, due_ms, id, leased);
    CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
";

type Result<T> = std::result::Result<T, QueueError>;

fn failed(error: rusqlite::Error) -> QueueError {
    QueueError::Unavailable { message: error.to_string(), may_have_happened: false }
}

fn execute(db: &Connection, sql: &str, parameters: impl Params) -> Result<usize> {
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(failed)
}

/// Changes a message that is held, or says that it isn't.
fn held(db: &Connection, sql: &str, parameters: impl Params) -> Result<()> {
    match execute(db, sql, parameters)? {
        0 => Err(QueueError::Stale),
        _ => Ok(()),
    }
}

/// Drops the names of queues that nothing is in.
pub(crate) fn forget_empty(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "DELETE FROM queues WHERE NOT EXISTS (SELECT 1 FROM messages WHERE messages.queue = queues.id)",
    )
}

fn id_of(db: &Connection, queue: &str) -> Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM queues WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([queue], |row| row.get(0)).optional())
        .map_err(failed)
}

pub(crate) fn enqueue(db: &Connection, queue: &str, message: &NewMessage, now_ms: u64) -> Result<()> {
    let queue = match id_of(db, queue)? {
        Some(id) => id,
        None => {
            execute(db, "INSERT INTO queues (name) VALUES (?1)", [queue])?;
            db.last_insert_rowid()
        }
    };
    let sql =
        "INSERT INTO messages (queue, due_ms, enqueued_ms, size, attributes) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (body, attributes) = (&message.body[..], &message.attributes[..]);
    let row = params![queue, message.visible_at_ms as i64, now_ms as i64, body.len() as i64, attributes];
    execute(db, sql, row)?;
    execute(db, "INSERT INTO bodies (id, body) VALUES (?1, ?2)", params![db.last_insert_rowid(), body])?;
    Ok(())
}

/// A message that is due, before its body is read.
struct Due {
    id: i64,
    epoch: i64,
    enqueued_ms: i64,
    size: i64,
    attributes: Vec<u8>,
}

fn due(db: &Connection, queue: i64, limit: usize, now_ms: u64) -> rusqlite::Result<Vec<Due>> {
    let sql = "SELECT id, epoch, enqueued_ms, size, attributes FROM messages
        WHERE queue = ?1 AND due_ms <= ?2 ORDER BY due_ms, id LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![queue, now_ms as i64, limit as i64], |row| {
        Ok(Due {
            id: row.get(0)?,
            epoch: row.get(1)?,
            enqueued_ms: row.get(2)?,
            size: row.get(3)?,
            attributes: row.get(4)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn claim(db: &Connection, queue: &str, wanted: Wanted, now_ms: u64) -> Result<Vec<Claimed>> {
    let Some(queue) = id_of(db, queue)? else { return Ok(Vec::new()) };
    let (mut claimed, mut bytes) = (Vec::new(), 0);
    for due in due(db, queue, wanted.messages, now_ms).map_err(failed)? {
        bytes += due.size as usize;
        if !claimed.is_empty() && bytes > wanted.bytes {
            break;
        }
        let until_ms = (now_ms + wanted.lease_ms) as i64;
        let sql = "UPDATE messages SET epoch = epoch + 1, leased = 1, due_ms = ?2 WHERE id = ?1";
        execute(db, sql, params![due.id, until_ms])?;
        let body: Vec<u8> = db
            .prepare_cached("SELECT body FROM bodies WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([due.id], |row| row.get(0)))
            .map_err(failed)?;
        claimed.push(Claimed {
            receipt: Receipt { message: due.id as u64, epoch: (due.epoch + 1) as u64 },
            body: Bytes::from(body),
            attributes: Bytes::from(due.attributes),
            enqueued_ms: due.enqueued_ms as u64,
        });
    }
    Ok(claimed)
}

pub(crate) fn settle(db: &Connection, queue: &str, receipt: Receipt) -> Result<()> {
    let sql = "DELETE FROM messages WHERE id = ?1 AND epoch = ?2 AND leased = 1
        AND queue = (SELECT id FROM queues WHERE name = ?3)";
    held(db, sql, params![receipt.message as i64, receipt.epoch as i64, queue])?;
    execute(db, "DELETE FROM bodies WHERE id = ?1", [receipt.message as i64])?;
    Ok(())
}

pub(crate) fn release(
    db: &Connection,
    queue: &str,
    receipt: Receipt,
    visible_at_ms: u64,
    attributes: &[u8],
) -> Result<()> {
    let sql = "UPDATE messages SET leased = 0, due_ms = ?4, attributes = ?5 WHERE id = ?1 AND epoch = ?2
        AND leased = 1 AND queue = (SELECT id FROM queues WHERE name = ?3)";
    let (id, epoch) = (receipt.message as i64, receipt.epoch as i64);
    held(db, sql, params![id, epoch, queue, visible_at_ms as i64, attributes])
}

pub(crate) fn extend(db: &Connection, queue: &str, receipt: Receipt, until_ms: u64) -> Result<()> {
    let sql = "UPDATE messages SET due_ms = ?4 WHERE id = ?1 AND epoch = ?2 AND leased = 1
        AND queue = (SELECT id FROM queues WHERE name = ?3)";
    held(db, sql, params![receipt.message as i64, receipt.epoch as i64, queue, until_ms as i64])
}

pub(crate) fn reclaim(db: &Connection, queue: &str, now_ms: u64) -> Result<u64> {
    let Some(queue) = id_of(db, queue)? else { return Ok(0) };
    let sql = "UPDATE messages SET leased = 0, due_ms = ?2 WHERE queue = ?1 AND leased = 1";
    Ok(execute(db, sql, params![queue, now_ms as i64])? as u64)
}

pub(crate) fn purge(db: &Connection, queue: &str) -> Result<u64> {
    let Some(queue) = id_of(db, queue)? else { return Ok(0) };
    execute(db, "DELETE FROM bodies WHERE id IN (SELECT id FROM messages WHERE queue = ?1)", [queue])?;
    let purged = execute(db, "DELETE FROM messages WHERE queue = ?1", [queue])?;
    execute(db, "DELETE FROM queues WHERE id = ?1", [queue])?;
    Ok(purged as u64)
}

pub(crate) fn next_due_ms(db: &Connection, queue: &str) -> Result<Option<u64>> {
    let Some(queue) = id_of(db, queue)? else { return Ok(None) };
    db.prepare_cached("SELECT MIN(due_ms) FROM messages WHERE queue = ?1")
        .and_then(|mut statement| statement.query_row([queue], |row| row.get::<_, Option<i64>>(0)))
        .map(|due| due.map(|due| due as u64))
        .map_err(failed)
}

pub(crate) fn queues(db: &Connection, prefix: &str) -> Result<Vec<String>> {
    let sql = "SELECT name FROM queues WHERE substr(name, 1, length(?1)) = ?1
        AND EXISTS (SELECT 1 FROM messages WHERE messages.queue = queues.id) ORDER BY name";
    let read = |mut statement: rusqlite::CachedStatement<'_>| {
        let names = statement.query_map([prefix], |row| row.get(0))?;
        names.collect::<rusqlite::Result<Vec<String>>>()
    };
    db.prepare_cached(sql).and_then(read).map_err(failed)
}

pub(crate) fn counts(db: &Connection, queue: &str, now_ms: u64) -> Result<Counts> {
    let Some(queue) = id_of(db, queue)? else { return Ok(Counts::default()) };
    // The index has every column that is looked at.
    let sql = "SELECT COUNT(*) FILTER (WHERE due_ms <= ?2),
            COUNT(*) FILTER (WHERE due_ms > ?2 AND leased = 0),
            COUNT(*) FILTER (WHERE due_ms > ?2 AND leased = 1)
        FROM messages WHERE queue = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let count = |at| row.get::<_, i64>(at).map(|count| count as u64);
        Ok(Counts { visible: count(0)?, delayed: count(1)?, leased: count(2)? })
    };
    db.prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params![queue, now_ms as i64], read))
        .map_err(failed)
}
