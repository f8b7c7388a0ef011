//! Topics: made, changed, dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::topic_store::{TopicId, TopicRecord, TopicStoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Result, execute, invalid, json, map, storage};

const COLUMNS: &str = "id, account, region, name, attributes, tags, unsubscribed, revision";

fn record(row: &Row<'_>) -> rusqlite::Result<TopicRecord> {
    let text = |index| row.get::<_, String>(index);
    Ok(TopicRecord {
        id: TopicId(row.get::<_, i64>(0)? as u64),
        scope: Scope {
            account: AccountId::parse(&text(1)?).ok_or_else(|| invalid(1))?,
            region: Region::parse(&text(2)?).ok_or_else(|| invalid(2))?,
        },
        name: text(3)?,
        attributes: map(row, 4)?,
        tags: map(row, 5)?,
        unsubscribed: row.get::<_, i64>(6)? as u64,
        revision: row.get::<_, i64>(7)? as u64,
    })
}

pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<TopicRecord>> {
    let mut query = db.prepare(&format!("SELECT {COLUMNS} FROM topics"))?;
    query.query_map([], record)?.collect()
}

pub(crate) fn by_id(db: &Connection, id: TopicId) -> Result<TopicRecord> {
    let found = db.query_row(&format!("SELECT {COLUMNS} FROM topics WHERE id = ?1"), [id.0 as i64], record);
    found.optional().map_err(storage)?.ok_or(TopicStoreError::TopicGone)
}

pub(crate) fn create(
    db: &Connection,
    scope: &Scope,
    name: &str,
    attributes: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
) -> Result<TopicRecord> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    let known = db.query_row(
        &format!("SELECT {COLUMNS} FROM topics WHERE account = ?1 AND region = ?2 AND name = ?3"),
        params![account, region, name],
        record,
    );
    if let Some(known) = known.optional().map_err(storage)? {
        return Err(TopicStoreError::TopicExists(Arc::new(known)));
    }
    execute(
        db,
        "INSERT INTO topics (account, region, name, attributes, tags, revision) VALUES (?1, ?2, ?3, ?4, ?5, 1)",
        params![account, region, name, json(attributes)?, json(tags)?],
    )?;
    by_id(db, TopicId(db.last_insert_rowid() as u64))
}

pub(crate) fn replace(db: &Connection, topic: &TopicRecord) -> Result<TopicRecord> {
    let changed = execute(
        db,
        "UPDATE topics SET attributes = ?3, tags = ?4, revision = revision + 1 WHERE id = ?1 AND revision = ?2",
        params![topic.id.0 as i64, topic.revision as i64, json(&topic.attributes)?, json(&topic.tags)?],
    )?;
    let now = by_id(db, topic.id)?;
    if changed == 0 { Err(TopicStoreError::Changed) } else { Ok(now) }
}

pub(crate) fn delete(db: &Connection, id: TopicId) -> Result<()> {
    let id = id.0 as i64;
    if execute(db, "DELETE FROM topics WHERE id = ?1", [id])? == 0 {
        return Err(TopicStoreError::TopicGone);
    }
    execute(db, "DELETE FROM subscriptions WHERE topic = ?1", [id])?;
    execute(db, "DELETE FROM duplicates WHERE topic = ?1", [id])?;
    execute(db, "DELETE FROM messages WHERE id IN (SELECT message FROM deliveries WHERE topic = ?1)", [id])?;
    execute(db, "DELETE FROM deliveries WHERE topic = ?1", [id])?;
    Ok(())
}
