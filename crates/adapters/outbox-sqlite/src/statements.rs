//! Tables and statements. Bodies of messages have a table of their own: putting a message off does not write them anew.

use bytes::Bytes;
use lambent_ports::outbox::{Change, Entry, JournalSize, Message, MessageId, Page, Record, Waiting};
use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params};

pub(crate) const TABLES: &str = "
    CREATE TABLE records (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        due_ms INTEGER NOT NULL,
        note BLOB NOT NULL
    ) STRICT;
    CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        journal TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        size INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_time ON entries (journal, at_ms, number, size);
";

fn execute(db: &Connection, sql: &str, parameters: impl Params) -> Result<usize> {
    db.prepare_cached(sql)?.execute(parameters)
}

fn all<T>(
    db: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(parameters, read)?.collect()
}

/// What SQLite can hold; no time is later.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Ids of what is sent, in its order.
pub(crate) fn apply(db: &Connection, changes: &[Change]) -> Result<Vec<MessageId>> {
    let mut sent = Vec::new();
    for change in changes {
        match change {
            Change::Put(record) => put(db, record)?,
            Change::Delete { kind, key } => {
                execute(db, "DELETE FROM records WHERE kind = ?1 AND key = ?2", [kind, key])?;
            }
            Change::Send { due_ms, body } => sent.push(send(db, *due_ms, body)?),
            Change::PutOff { id, due_ms, note } => {
                let sql = "UPDATE messages SET due_ms = ?2, note = ?3 WHERE id = ?1";
                execute(db, sql, params![signed(id.0), signed(*due_ms), &note[..]])?;
            }
            Change::Done(id) => {
                execute(db, "DELETE FROM messages WHERE id = ?1", [signed(id.0)])?;
                execute(db, "DELETE FROM bodies WHERE id = ?1", [signed(id.0)])?;
            }
            Change::Append { journal, at_ms, body } => {
                let sql = "INSERT INTO entries (journal, at_ms, size, body) VALUES (?1, ?2, ?3, ?4)";
                let size = signed(body.len() as u64);
                execute(db, sql, params![journal, signed(*at_ms), size, &body[..]])?;
            }
            Change::Trim { journal, before_ms } => {
                let sql = "DELETE FROM entries WHERE journal = ?1 AND at_ms < ?2";
                execute(db, sql, params![journal, signed(*before_ms)])?;
            }
        }
    }
    Ok(sent)
}

fn put(db: &Connection, record: &Record) -> Result<()> {
    let sql = "INSERT INTO records (kind, key, body) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET body = excluded.body";
    execute(db, sql, params![record.kind, record.key, &record.body[..]])?;
    Ok(())
}

fn send(db: &Connection, due_ms: u64, body: &Bytes) -> Result<MessageId> {
    execute(db, "INSERT INTO messages (due_ms, note) VALUES (?1, x'')", [signed(due_ms)])?;
    let id = db.last_insert_rowid();
    execute(db, "INSERT INTO bodies (id, body) VALUES (?1, ?2)", params![id, &body[..]])?;
    Ok(MessageId(id.unsigned_abs()))
}

fn bytes(row: &Row<'_>, column: usize) -> Result<Bytes> {
    Ok(Bytes::from(row.get::<_, Vec<u8>>(column)?))
}

fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

pub(crate) fn records(db: &Connection) -> Result<Vec<Record>> {
    all(db, "SELECT kind, key, body FROM records ORDER BY kind, key", [], |row| {
        Ok(Record { kind: row.get(0)?, key: row.get(1)?, body: bytes(row, 2)? })
    })
}

pub(crate) fn waiting(db: &Connection) -> Result<Vec<Waiting>> {
    all(db, "SELECT id, due_ms FROM messages ORDER BY id", [], |row| {
        Ok(Waiting { id: MessageId(number(row, 0)?), due_ms: number(row, 1)? })
    })
}

pub(crate) fn message(db: &Connection, id: MessageId) -> Result<Option<Message>> {
    let sql = "SELECT body, note FROM messages JOIN bodies USING (id) WHERE id = ?1";
    let read = |row: &Row<'_>| Ok(Message { body: bytes(row, 0)?, note: bytes(row, 1)? });
    db.prepare_cached(sql)?.query_row([signed(id.0)], read).optional()
}

pub(crate) fn journal(db: &Connection, journal: &str, page: Page) -> Result<Vec<Entry>> {
    let (at_ms, behind) = page.after.unwrap_or((0, 0));
    let sql = "SELECT number, at_ms, body FROM entries
               WHERE journal = ?1 AND at_ms >= ?2 AND at_ms < ?3 AND (at_ms, number) > (?4, ?5)
               ORDER BY at_ms, number LIMIT ?6";
    let parameters = params![
        journal,
        signed(page.from_ms),
        signed(page.until_ms),
        signed(at_ms),
        signed(behind),
        signed(page.entries as u64),
    ];
    all(db, sql, parameters, |row| {
        Ok(Entry { number: number(row, 0)?, at_ms: number(row, 1)?, body: bytes(row, 2)? })
    })
}

pub(crate) fn journal_size(db: &Connection, journal: &str) -> Result<JournalSize> {
    let sql = "SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE journal = ?1";
    db.prepare_cached(sql)?
        .query_row([journal], |row| Ok(JournalSize { entries: number(row, 0)?, bytes: number(row, 1)? }))
}
