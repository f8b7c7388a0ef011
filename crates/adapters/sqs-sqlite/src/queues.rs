//! Queues: made, changed, purged, dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::message_store::{MessageStoreError, QueueId, QueueRecord};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::storage;

const COLUMNS: &str =
    "id, account, region, name, attributes, tags, created_ms, modified_ms, purged_ms, revision";

fn record(row: &Row<'_>) -> rusqlite::Result<QueueRecord> {
    let invalid =
        |index| rusqlite::Error::InvalidColumnType(index, String::new(), rusqlite::types::Type::Text);
    let text = |index| row.get::<_, String>(index);
    let map = |index| serde_json::from_str(&text(index)?).map_err(|_| invalid(index));
    Ok(QueueRecord {
        id: QueueId(row.get::<_, i64>(0)? as u64),
        scope: Scope {
            account: AccountId::parse(&text(1)?).ok_or_else(|| invalid(1))?,
            region: Region::parse(&text(2)?).ok_or_else(|| invalid(2))?,
        },
        name: text(3)?,
        attributes: map(4)?,
        tags: map(5)?,
        created_ms: row.get::<_, i64>(6)? as u64,
        modified_ms: row.get::<_, i64>(7)? as u64,
        purged_ms: row.get::<_, Option<i64>>(8)?.map(|ms| ms as u64),
        revision: row.get::<_, i64>(9)? as u64,
    })
}

pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<QueueRecord>> {
    let mut query = db.prepare(&format!("SELECT {COLUMNS} FROM queues"))?;
    query.query_map([], record)?.collect()
}

fn by_id(db: &Connection, id: QueueId) -> Result<QueueRecord, MessageStoreError> {
    let found = db.query_row(&format!("SELECT {COLUMNS} FROM queues WHERE id = ?1"), [id.0 as i64], record);
    found.optional().map_err(storage)?.ok_or(MessageStoreError::QueueGone)
}

fn new_bucket(db: &Connection) -> Result<i64, MessageStoreError> {
    db.execute("INSERT INTO buckets DEFAULT VALUES", []).map_err(storage)?;
    Ok(db.last_insert_rowid())
}

/// Where a queue's messages are.
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) id: i64,
    /// They are in groups.
    pub(crate) fifo: bool,
}

pub(crate) fn bucket(db: &Connection, id: QueueId) -> Result<Bucket, MessageStoreError> {
    let mut query =
        db.prepare_cached("SELECT bucket, name GLOB '*.fifo' FROM queues WHERE id = ?1").map_err(storage)?;
    let found = query.query_row([id.0 as i64], |row| Ok(Bucket { id: row.get(0)?, fifo: row.get(1)? }));
    found.optional().map_err(storage)?.ok_or(MessageStoreError::QueueGone)
}

fn json(map: &BTreeMap<String, String>) -> Result<String, MessageStoreError> {
    serde_json::to_string(map).map_err(storage)
}

pub(crate) fn create(
    db: &Connection,
    scope: Scope,
    name: String,
    attributes: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    now_ms: u64,
) -> Result<QueueRecord, MessageStoreError> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    let known = db.query_row(
        &format!("SELECT {COLUMNS} FROM queues WHERE account = ?1 AND region = ?2 AND name = ?3"),
        params![account, region, name],
        record,
    );
    if let Some(known) = known.optional().map_err(storage)? {
        return Err(MessageStoreError::QueueExists(Arc::new(known)));
    }
    let bucket = new_bucket(db)?;
    db.execute(
        "INSERT INTO queues (account, region, name, attributes, tags, created_ms, modified_ms, revision, bucket)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1, ?7)",
        params![account, region, name, json(&attributes)?, json(&tags)?, now_ms as i64, bucket],
    )
    .map_err(storage)?;
    by_id(db, QueueId(db.last_insert_rowid() as u64))
}

pub(crate) fn replace(db: &Connection, queue: QueueRecord) -> Result<QueueRecord, MessageStoreError> {
    let changed = db.execute(
        "UPDATE queues SET attributes = ?3, tags = ?4, modified_ms = ?5, revision = revision + 1
         WHERE id = ?1 AND revision = ?2",
        params![
            queue.id.0 as i64,
            queue.revision as i64,
            json(&queue.attributes)?,
            json(&queue.tags)?,
            queue.modified_ms as i64
        ],
    );
    let now = by_id(db, queue.id)?;
    match changed.map_err(storage)? {
        0 => Err(MessageStoreError::QueueChanged),
        _ => Ok(now),
    }
}

pub(crate) fn purge(db: &Connection, id: QueueId, now_ms: u64) -> Result<QueueRecord, MessageStoreError> {
    let bucket = new_bucket(db)?;
    db.execute(
        "UPDATE queues SET bucket = ?2, purged_ms = ?3, revision = revision + 1 WHERE id = ?1",
        params![id.0 as i64, bucket, now_ms as i64],
    )
    .map_err(storage)?;
    by_id(db, id)
}

pub(crate) fn delete(db: &Connection, id: QueueId) -> Result<(), MessageStoreError> {
    match db.execute("DELETE FROM queues WHERE id = ?1", [id.0 as i64]).map_err(storage)? {
        0 => Err(MessageStoreError::QueueGone),
        _ => Ok(()),
    }
}
