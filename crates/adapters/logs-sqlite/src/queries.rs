//! Statements, by what they are for.

use std::collections::BTreeMap;

use lambent_domain::Scope;
use lambent_ports::log_store::{
    EventQuery, LogGroup, LogStoreError, LogStream, StoredEvent, StreamOrder, StreamQuery,
};
use lambent_ports::logs::LogEvent;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::database::storage;

type Result<T> = std::result::Result<T, LogStoreError>;

const MS_PER_DAY: u64 = 86_400_000;
/// Events dropped at once when there are too many.
const DROPPED_AT_ONCE: u64 = 20_000;

fn execute(db: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<usize> {
    db.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(storage)
}

pub(crate) fn group_id(db: &Connection, scope: &Scope, name: &str) -> Result<i64> {
    let sql = "SELECT id FROM groups WHERE account = ?1 AND region = ?2 AND name = ?3";
    db.prepare_cached(sql)
        .and_then(|mut statement| {
            let parameters = params![scope.account.as_str(), scope.region.as_str(), name];
            statement.query_row(parameters, |row| row.get(0)).optional()
        })
        .map_err(storage)?
        .ok_or(LogStoreError::GroupMissing)
}

fn stream_id(db: &Connection, group: i64, name: &str) -> Result<i64> {
    db.prepare_cached("SELECT id FROM streams WHERE group_id = ?1 AND name = ?2")
        .and_then(|mut statement| statement.query_row(params![group, name], |row| row.get(0)).optional())
        .map_err(storage)?
        .ok_or(LogStoreError::StreamMissing)
}

pub(crate) fn create_group(
    db: &Connection,
    scope: &Scope,
    name: &str,
    tags: &BTreeMap<String, String>,
    now_ms: u64,
) -> Result<i64> {
    let sql =
        "INSERT OR IGNORE INTO groups (account, region, name, created_ms, tags) VALUES (?1, ?2, ?3, ?4, ?5)";
    let tags = serde_json::to_string(tags).map_err(storage)?;
    let parameters = params![scope.account.as_str(), scope.region.as_str(), name, now_ms as i64, tags];
    match execute(db, sql, parameters)? {
        0 => Err(LogStoreError::GroupExists),
        _ => Ok(db.last_insert_rowid()),
    }
}

pub(crate) fn delete_group(db: &Connection, scope: &Scope, name: &str) -> Result<()> {
    let group = group_id(db, scope, name)?;
    execute(db, "DELETE FROM events WHERE group_id = ?1", [group])?;
    execute(db, "DELETE FROM streams WHERE group_id = ?1", [group])?;
    execute(db, "DELETE FROM groups WHERE id = ?1", [group]).map(drop)
}

fn read_group(row: &Row<'_>) -> rusqlite::Result<LogGroup> {
    let tags: String = row.get(3)?;
    Ok(LogGroup {
        name: row.get(0)?,
        created_ms: row.get::<_, i64>(1)? as u64,
        retention_days: row.get(2)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        stored_bytes: row.get::<_, i64>(4)?.max(0) as u64,
    })
}

pub(crate) fn group(db: &Connection, scope: &Scope, name: &str) -> Result<LogGroup> {
    let id = group_id(db, scope, name)?;
    db.prepare_cached("SELECT name, created_ms, retention_days, tags, bytes FROM groups WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], read_group))
        .map_err(storage)
}

pub(crate) fn groups(db: &Connection, scope: &Scope, after: &str, limit: usize) -> Result<Vec<LogGroup>> {
    let sql = "SELECT name, created_ms, retention_days, tags, bytes FROM groups
        WHERE account = ?1 AND region = ?2 AND name > ?3 ORDER BY name LIMIT ?4";
    let mut statement = db.prepare_cached(sql).map_err(storage)?;
    let parameters = params![scope.account.as_str(), scope.region.as_str(), after, limit as i64];
    let rows = statement.query_map(parameters, read_group).map_err(storage)?;
    rows.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) fn set_retention(db: &Connection, scope: &Scope, name: &str, days: Option<u32>) -> Result<()> {
    let id = group_id(db, scope, name)?;
    execute(db, "UPDATE groups SET retention_days = ?2 WHERE id = ?1", params![id, days]).map(drop)
}

pub(crate) fn set_tags(
    db: &Connection,
    scope: &Scope,
    name: &str,
    tags: &BTreeMap<String, String>,
) -> Result<()> {
    let id = group_id(db, scope, name)?;
    let tags = serde_json::to_string(tags).map_err(storage)?;
    execute(db, "UPDATE groups SET tags = ?2 WHERE id = ?1", params![id, tags]).map(drop)
}

pub(crate) fn create_stream(db: &Connection, group: i64, name: &str, now_ms: u64) -> Result<i64> {
    let sql = "INSERT OR IGNORE INTO streams (group_id, name, created_ms) VALUES (?1, ?2, ?3)";
    match execute(db, sql, params![group, name, now_ms as i64])? {
        0 => Err(LogStoreError::StreamExists),
        _ => Ok(db.last_insert_rowid()),
    }
}

pub(crate) fn delete_stream(db: &Connection, scope: &Scope, group: &str, name: &str) -> Result<()> {
    let group = group_id(db, scope, group)?;
    let stream = stream_id(db, group, name)?;
    let size = "UPDATE groups SET bytes = bytes - (SELECT COALESCE(SUM(LENGTH(CAST(message AS BLOB))), 0) FROM events
        WHERE group_id = ?1 AND stream_id = ?2) WHERE id = ?1";
    execute(db, size, [group, stream])?;
    execute(db, "DELETE FROM events WHERE group_id = ?1 AND stream_id = ?2", [group, stream])?;
    execute(db, "DELETE FROM streams WHERE id = ?1", [stream]).map(drop)
}

const STREAM: &str = "SELECT name, created_ms, first_ms, last_ms, last_ingestion_ms FROM streams";
/// The order by time; an index of this very expression makes a page of it cheap.
const LAST_EVENT: &str = "COALESCE(last_ms, -1)";

fn read_stream(row: &Row<'_>) -> rusqlite::Result<LogStream> {
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|time| time.map(|time| time as u64));
    Ok(LogStream {
        name: row.get(0)?,
        created_ms: row.get::<_, i64>(1)? as u64,
        first_event_ms: time(2)?,
        last_event_ms: time(3)?,
        last_ingestion_ms: time(4)?,
    })
}

pub(crate) fn stream(db: &Connection, scope: &Scope, group: &str, name: &str) -> Result<LogStream> {
    let group = group_id(db, scope, group)?;
    let id = stream_id(db, group, name)?;
    db.prepare_cached(&format!("{STREAM} WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([id], read_stream))
        .map_err(storage)
}

pub(crate) fn streams(
    db: &Connection,
    scope: &Scope,
    group: &str,
    query: &StreamQuery,
) -> Result<Vec<LogStream>> {
    let group = group_id(db, scope, group)?;
    let mut sql = format!("{STREAM} WHERE group_id = ? AND name >= ?");
    let mut values = vec![Value::from(group), Value::from(query.prefix.clone())];
    if let Some(end) = after_prefix(&query.prefix) {
        sql.push_str(" AND name < ?");
        values.push(Value::from(end));
    }
    let (operator, direction) = if query.descending { ("<", "DESC") } else { (">", "ASC") };
    let by_time = query.order == StreamOrder::LastEvent;
    if let Some(place) = &query.beyond {
        if by_time {
            sql.push_str(&format!(" AND ({LAST_EVENT}, name) {operator} (?, ?)"));
            let time = place.last_event_ms.map_or(-1, |time| i64::try_from(time).unwrap_or(i64::MAX));
            values.push(Value::from(time));
        } else {
            sql.push_str(&format!(" AND name {operator} ?"));
        }
        values.push(Value::from(place.name.clone()));
    }
    let time = if by_time { format!("{LAST_EVENT} {direction}, ") } else { String::new() };
    sql.push_str(&format!(" ORDER BY {time}name {direction} LIMIT ?"));
    values.push(Value::from(i64::try_from(query.limit).unwrap_or(i64::MAX)));
    let mut statement = db.prepare_cached(&sql).map_err(storage)?;
    let rows = statement.query_map(params_from_iter(values), read_stream).map_err(storage)?;
    rows.collect::<rusqlite::Result<_>>().map_err(storage)
}

/// The least text that is greater than all that begin with `prefix`; SQLite orders text by its code points.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

pub(crate) fn append(
    db: &Connection,
    scope: &Scope,
    group: &str,
    stream: &str,
    events: &[LogEvent],
    create: bool,
    now_ms: u64,
) -> Result<()> {
    let group = match group_id(db, scope, group) {
        Err(LogStoreError::GroupMissing) if create => {
            create_group(db, scope, group, &BTreeMap::new(), now_ms)
        }
        other => other,
    }?;
    let stream = match stream_id(db, group, stream) {
        Err(LogStoreError::StreamMissing) if create => create_stream(db, group, stream, now_ms),
        other => other,
    }?;
    let (Some(first), Some(last)) = (
        events.iter().map(|event| event.timestamp_ms).min(),
        events.iter().map(|event| event.timestamp_ms).max(),
    ) else {
        return Ok(());
    };
    let sql = "INSERT INTO events (group_id, stream_id, timestamp_ms, ingested_ms, message) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = db.prepare_cached(sql).map_err(storage)?;
    let mut bytes = 0;
    for event in events {
        bytes += event.message.len() as i64;
        insert
            .execute(params![group, stream, event.timestamp_ms as i64, now_ms as i64, event.message])
            .map_err(storage)?;
    }
    let sql = "UPDATE streams SET first_ms = MIN(COALESCE(first_ms, ?2), ?2), last_ms = MAX(COALESCE(last_ms, ?3), ?3),
        last_ingestion_ms = ?4 WHERE id = ?1";
    execute(db, sql, params![stream, first as i64, last as i64, now_ms as i64])?;
    execute(db, "UPDATE groups SET bytes = bytes + ?2 WHERE id = ?1", params![group, bytes]).map(drop)
}

pub(crate) fn events(
    db: &Connection,
    scope: &Scope,
    group: &str,
    query: &EventQuery,
) -> Result<Vec<StoredEvent>> {
    let group = group_id(db, scope, group)?;
    let mut sql = String::from(
        "SELECT events.id, streams.name, timestamp_ms, ingested_ms, message FROM events
        JOIN streams ON streams.id = events.stream_id WHERE events.group_id = ?",
    );
    let mut values = vec![Value::from(group)];
    if let Some(names) = &query.streams {
        let marks = vec!["?"; names.len()].join(", ");
        sql.push_str(&format!(" AND streams.name IN ({marks})"));
        values.extend(names.iter().cloned().map(Value::from));
    }
    if let Some(prefix) = &query.stream_prefix {
        sql.push_str(" AND substr(streams.name, 1, length(?)) = ?");
        values.extend([Value::from(prefix.clone()), Value::from(prefix.clone())]);
    }
    for (bound, operator) in [(query.start_ms, ">="), (query.end_ms, "<")] {
        if let Some(bound) = bound {
            sql.push_str(&format!(" AND timestamp_ms {operator} ?"));
            values.push(Value::from(i64::try_from(bound).unwrap_or(i64::MAX)));
        }
    }
    let (operator, order) = if query.backwards { ("<", "DESC") } else { (">", "ASC") };
    if let Some(beyond) = query.beyond {
        sql.push_str(&format!(" AND (timestamp_ms, events.id) {operator} (?, ?)"));
        let number = |value: u64| Value::from(i64::try_from(value).unwrap_or(i64::MAX));
        values.extend([number(beyond.timestamp_ms), number(beyond.id)]);
    }
    sql.push_str(&format!(" ORDER BY timestamp_ms {order}, events.id {order} LIMIT ?"));
    values.push(Value::from(query.limit as i64));
    let mut statement = db.prepare_cached(&sql).map_err(storage)?;
    let rows = statement
        .query_map(params_from_iter(values), |row| {
            Ok(StoredEvent {
                id: row.get::<_, i64>(0)? as u64,
                stream: row.get(1)?,
                timestamp_ms: row.get::<_, i64>(2)? as u64,
                ingested_ms: row.get::<_, i64>(3)? as u64,
                message: row.get(4)?,
            })
        })
        .map_err(storage)?;
    rows.collect::<rusqlite::Result<_>>().map_err(storage)
}

/// Events that their groups no longer keep.
pub(crate) fn drop_expired(db: &Connection, now_ms: u64) -> Result<()> {
    let mut statement = db
        .prepare("SELECT id, retention_days FROM groups WHERE retention_days IS NOT NULL")
        .map_err(storage)?;
    let kept: Vec<(i64, u32)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(storage)?;
    for (group, days) in kept {
        let before = now_ms.saturating_sub(u64::from(days) * MS_PER_DAY) as i64;
        let sql = "DELETE FROM events WHERE group_id = ?1 AND timestamp_ms < ?2";
        if execute(db, sql, params![group, before])? > 0 {
            recount(db, group)?;
        }
    }
    Ok(())
}

fn recount(db: &Connection, group: i64) -> Result<()> {
    let sql = "UPDATE groups SET bytes = (SELECT COALESCE(SUM(LENGTH(CAST(message AS BLOB))), 0) FROM events
        WHERE group_id = ?1) WHERE id = ?1";
    execute(db, sql, [group]).map(drop)
}

/// The oldest events, until the rest fits.
pub(crate) fn drop_oldest(db: &Connection, max_bytes: u64) -> Result<()> {
    let total = |db: &Connection| -> Result<u64> {
        db.prepare_cached("SELECT COALESCE(SUM(bytes), 0) FROM groups")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
            .map(|bytes| bytes.max(0) as u64)
            .map_err(storage)
    };
    while total(db)? > max_bytes {
        let oldest = "SELECT id FROM events ORDER BY id LIMIT ?1";
        let sizes = format!(
            "UPDATE groups SET bytes = bytes - COALESCE((SELECT SUM(LENGTH(CAST(message AS BLOB))) FROM events
            WHERE events.group_id = groups.id AND events.id IN ({oldest})), 0)"
        );
        execute(db, &sizes, [DROPPED_AT_ONCE as i64])?;
        let dropped =
            execute(db, &format!("DELETE FROM events WHERE id IN ({oldest})"), [DROPPED_AT_ONCE as i64])?;
        tracing::warn!(dropped, "the log store is full: the oldest events were dropped");
        if dropped == 0 {
            return Ok(());
        }
    }
    Ok(())
}
