//! Messages and their deliveries.

use bytes::Bytes;
use lambent_ports::topic_store::{
    Again, Deduplication, Delivery, Lane, NewNotification, Published, TopicId, TopicStoreError,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Result, execute, prepare, storage};

/// Old duplicates that one publish clears away: more than it can add.
const CLEARED: i64 = 16;

pub(crate) fn publish(
    db: &Connection,
    topic: TopicId,
    messages: &[NewNotification],
    now_ms: u64,
) -> Result<Vec<Published>> {
    messages.iter().map(|message| publish_one(db, topic, message, now_ms)).collect()
}

pub(crate) fn publish_one(
    db: &Connection,
    topic: TopicId,
    message: &NewNotification,
    now_ms: u64,
) -> Result<Published> {
    let group = message.group.as_deref();
    if let Some(deduplication) = &message.deduplication {
        clear_duplicates(db, now_ms)?;
        if let Some(first) = first_of(db, topic, deduplication, group, now_ms)? {
            return Ok(first);
        }
    }
    let sequence = sequence(db, topic, group.is_some())?;
    if let Some(deduplication) = &message.deduplication {
        execute(
            db,
            "INSERT OR REPLACE INTO duplicates (topic, id, group_name, until_ms, sequence, uuid)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                topic.0 as i64,
                deduplication.id,
                group.unwrap_or_default(),
                deduplication.until_ms as i64,
                sequence,
                message.uuid
            ],
        )?;
    }
    if !message.to.is_empty() {
        let insert = "INSERT INTO messages (uuid, sequence, content) VALUES (?1, ?2, ?3)";
        execute(db, insert, params![message.uuid, sequence, &message.content[..]])?;
        let id = db.last_insert_rowid();
        for subscription in &message.to {
            add(db, topic, subscription, id, group, now_ms)?;
        }
    }
    Ok(Published { uuid: message.uuid.clone(), sequence: sequence as u64, duplicate: false })
}

/// Only FIFO topics show it; others are spared the write.
fn sequence(db: &Connection, topic: TopicId, counts: bool) -> Result<i64> {
    let text = match counts {
        true => "UPDATE topics SET sequence = sequence + 1 WHERE id = ?1 RETURNING sequence",
        false => "SELECT sequence FROM topics WHERE id = ?1",
    };
    let found = prepare(db, text)?.query_row([topic.0 as i64], |row| row.get(0));
    found.optional().map_err(storage)?.ok_or(TopicStoreError::TopicGone)
}

fn add(
    db: &Connection,
    topic: TopicId,
    subscription: &str,
    message: i64,
    group: Option<&str>,
    now_ms: u64,
) -> Result<()> {
    execute(
        db,
        "INSERT INTO deliveries (topic, subscription, message, lane, due_ms, blocked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?4 IS NOT NULL AND EXISTS (
             SELECT 1 FROM deliveries WHERE topic = ?1 AND subscription = ?2 AND lane = ?4))",
        params![topic.0 as i64, subscription, message, group, now_ms as i64],
    )?;
    Ok(())
}

fn clear_duplicates(db: &Connection, now_ms: u64) -> Result<()> {
    execute(
        db,
        "DELETE FROM duplicates WHERE (topic, id, group_name) IN
             (SELECT topic, id, group_name FROM duplicates WHERE until_ms <= ?1 LIMIT ?2)",
        params![now_ms as i64, CLEARED],
    )?;
    Ok(())
}

/// The message that another is a duplicate of.
fn first_of(
    db: &Connection,
    topic: TopicId,
    deduplication: &Deduplication,
    group: Option<&str>,
    now_ms: u64,
) -> Result<Option<Published>> {
    let mut query = prepare(
        db,
        "SELECT uuid, sequence FROM duplicates
         WHERE topic = ?1 AND id = ?2 AND until_ms > ?3 AND (NOT ?4 OR group_name = ?5) LIMIT 1",
    )?;
    let group = group.unwrap_or_default();
    let key = params![topic.0 as i64, deduplication.id, now_ms as i64, deduplication.per_group, group];
    let found = query.query_row(key, |row| {
        Ok(Published { uuid: row.get(0)?, sequence: row.get::<_, i64>(1)? as u64, duplicate: true })
    });
    found.optional().map_err(storage)
}

/// Drops what is on its way to a subscription.
pub(crate) fn drop_all(db: &Connection, topic: TopicId, subscription: &str) -> Result<()> {
    let key = params![topic.0 as i64, subscription];
    execute(
        db,
        "DELETE FROM messages WHERE id IN
             (SELECT message FROM deliveries WHERE topic = ?1 AND subscription = ?2)
         AND NOT EXISTS (SELECT 1 FROM deliveries
             WHERE message = messages.id AND NOT (topic = ?1 AND subscription = ?2))",
        key,
    )?;
    execute(db, "DELETE FROM deliveries WHERE topic = ?1 AND subscription = ?2", key)?;
    Ok(())
}

pub(crate) fn lanes(db: &Connection) -> Result<Vec<(Lane, u64)>> {
    let mut query = prepare(
        db,
        "SELECT topic, subscription, min(due_ms) FROM deliveries WHERE blocked = 0 GROUP BY topic, subscription",
    )?;
    let found = query.query_map([], |row| {
        let lane = Lane { topic: TopicId(row.get::<_, i64>(0)? as u64), subscription: row.get(1)? };
        Ok((lane, row.get::<_, i64>(2)? as u64))
    });
    found.map_err(storage)?.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) const DUE: &str = "
    SELECT d.id, m.uuid, m.content, m.sequence, d.attempts, d.dead
    FROM deliveries d JOIN messages m ON m.id = d.message
    WHERE d.blocked = 0 AND d.topic = ?1 AND d.subscription = ?2 AND d.due_ms <= ?3
    ORDER BY d.due_ms, d.id LIMIT ?4";

pub(crate) fn due(db: &Connection, lane: &Lane, max: usize, now_ms: u64) -> Result<Vec<Delivery>> {
    let mut query = prepare(db, DUE)?;
    let key = params![lane.topic.0 as i64, lane.subscription, now_ms as i64, max as i64];
    let found = query.query_map(key, |row| {
        Ok(Delivery {
            id: row.get::<_, i64>(0)? as u64,
            uuid: row.get(1)?,
            content: Bytes::from(row.get::<_, Vec<u8>>(2)?),
            sequence: row.get::<_, i64>(3)? as u64,
            attempts: row.get(4)?,
            dead: row.get(5)?,
        })
    });
    found.map_err(storage)?.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) fn next_due_ms(db: &Connection, lane: &Lane, running: &[u64]) -> Result<Option<u64>> {
    let mut query = prepare(
        db,
        "SELECT id, due_ms FROM deliveries WHERE blocked = 0 AND topic = ?1 AND subscription = ?2
         ORDER BY due_ms, id LIMIT ?3",
    )?;
    let key = params![lane.topic.0 as i64, lane.subscription, running.len() as i64 + 1];
    let mut found = query
        .query_map(key, |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))
        .map_err(storage)?;
    let next = found.find(|found| found.as_ref().map_or(true, |(id, _)| !running.contains(id)));
    Ok(next.transpose().map_err(storage)?.map(|(_, due_ms)| due_ms))
}

pub(crate) fn settle(db: &Connection, delivery: u64, now_ms: u64) -> Result<()> {
    let mut query =
        prepare(db, "DELETE FROM deliveries WHERE id = ?1 RETURNING topic, subscription, message, lane")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, Option<String>>(3)?,
        ))
    };
    let found = query.query_row([delivery as i64], read).optional().map_err(storage)?;
    // Dropped meanwhile, with its subscription.
    let Some((topic, subscription, message, lane)) = found else { return Ok(()) };
    execute(
        db,
        "DELETE FROM messages WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = ?1)",
        [message],
    )?;
    if let Some(lane) = lane {
        execute(
            db,
            "UPDATE deliveries SET blocked = 0, due_ms = ?4 WHERE id = (
                 SELECT id FROM deliveries WHERE topic = ?1 AND subscription = ?2 AND lane = ?3
                 ORDER BY id LIMIT 1)",
            params![topic, subscription, lane, now_ms as i64],
        )?;
    }
    Ok(())
}

pub(crate) fn again(db: &Connection, delivery: u64, again: Again) -> Result<()> {
    execute(
        db,
        "UPDATE deliveries SET due_ms = ?2, attempts = ?3, dead = ?4 WHERE id = ?1",
        params![delivery as i64, again.due_ms as i64, again.attempts, again.dead],
    )?;
    Ok(())
}
