//! Subscriptions: added, changed, dropped.

use std::sync::Arc;

use lambent_ports::topic_store::{
    Confirmation, Farewell, SubscriptionRecord, TopicId, TopicRecord, TopicStoreError,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Result, deliveries, execute, json, map, prepare, storage, topics};

const COLUMNS: &str = "id, topic, protocol, endpoint, owner, principal, attributes, token, since_ms, ended, authenticated, revision";

fn record(row: &Row<'_>) -> rusqlite::Result<SubscriptionRecord> {
    let confirmation = match row.get::<_, Option<String>>(7)? {
        Some(token) => {
            let since_ms = row.get::<_, i64>(8)? as u64;
            match row.get(9)? {
                true => Confirmation::Ended { token, since_ms },
                false => Confirmation::Pending { token, since_ms },
            }
        }
        None => Confirmation::Confirmed { authenticated: row.get(10)? },
    };
    Ok(SubscriptionRecord {
        id: row.get(0)?,
        topic: TopicId(row.get::<_, i64>(1)? as u64),
        protocol: row.get(2)?,
        endpoint: row.get(3)?,
        owner: row.get(4)?,
        principal: row.get(5)?,
        attributes: map(row, 6)?,
        confirmation,
        revision: row.get::<_, i64>(11)? as u64,
    })
}

/// A confirmation as it is stored.
struct Columns<'a> {
    token: Option<&'a str>,
    since_ms: Option<i64>,
    ended: bool,
    authenticated: bool,
}

impl<'a> Columns<'a> {
    fn of(confirmation: &'a Confirmation) -> Self {
        let none = Columns { token: None, since_ms: None, ended: false, authenticated: false };
        match confirmation {
            Confirmation::Confirmed { authenticated } => Columns { authenticated: *authenticated, ..none },
            Confirmation::Pending { token, since_ms } => {
                Columns { token: Some(token), since_ms: Some(*since_ms as i64), ..none }
            }
            Confirmation::Ended { token, since_ms } => {
                Columns { token: Some(token), since_ms: Some(*since_ms as i64), ended: true, ..none }
            }
        }
    }
}

pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<SubscriptionRecord>> {
    let mut query = db.prepare(&format!("SELECT {COLUMNS} FROM subscriptions"))?;
    query.query_map([], record)?.collect()
}

fn by_id(db: &Connection, topic: TopicId, id: &str) -> Result<SubscriptionRecord> {
    let text = format!("SELECT {COLUMNS} FROM subscriptions WHERE topic = ?1 AND id = ?2");
    let found = db.query_row(&text, params![topic.0 as i64, id], record);
    found.optional().map_err(storage)?.ok_or(TopicStoreError::SubscriptionGone)
}

/// Returns the one that has ended and was there instead, as well.
pub(crate) fn add(db: &Connection, new: &SubscriptionRecord) -> Result<(SubscriptionRecord, Option<String>)> {
    topics::by_id(db, new.topic)?;
    let text =
        format!("SELECT {COLUMNS} FROM subscriptions WHERE topic = ?1 AND protocol = ?2 AND endpoint = ?3");
    let known = db.query_row(&text, params![new.topic.0 as i64, new.protocol, new.endpoint], record);
    let ended = match known.optional().map_err(storage)? {
        None => None,
        Some(known) if matches!(known.confirmation, Confirmation::Ended { .. }) => {
            remove(db, known.topic, &known.id)?;
            Some(known.id)
        }
        Some(known) => return Err(TopicStoreError::SubscriptionExists(Arc::new(known))),
    };
    let Columns { token, since_ms, ended: has_ended, authenticated } = Columns::of(&new.confirmation);
    execute(
        db,
        "INSERT INTO subscriptions
             (id, topic, protocol, endpoint, owner, principal, attributes, token, since_ms, ended, authenticated, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
        params![
            new.id,
            new.topic.0 as i64,
            new.protocol,
            new.endpoint,
            new.owner,
            new.principal,
            json(&new.attributes)?,
            token,
            since_ms,
            has_ended,
            authenticated
        ],
    )?;
    Ok((by_id(db, new.topic, &new.id)?, ended))
}

pub(crate) fn replace(db: &Connection, new: &SubscriptionRecord) -> Result<SubscriptionRecord> {
    let Columns { token, since_ms, ended, authenticated } = Columns::of(&new.confirmation);
    let changed = execute(
        db,
        "UPDATE subscriptions
         SET attributes = ?4, token = ?5, since_ms = ?6, ended = ?7, authenticated = ?8, revision = revision + 1
         WHERE topic = ?1 AND id = ?2 AND revision = ?3",
        params![
            new.topic.0 as i64,
            new.id,
            new.revision as i64,
            json(&new.attributes)?,
            token,
            since_ms,
            ended,
            authenticated
        ],
    )?;
    let now = by_id(db, new.topic, &new.id)?;
    if changed == 0 { Err(TopicStoreError::Changed) } else { Ok(now) }
}

fn remove(db: &Connection, topic: TopicId, id: &str) -> Result<()> {
    let key = params![topic.0 as i64, id];
    if execute(db, "DELETE FROM subscriptions WHERE topic = ?1 AND id = ?2", key)? == 0 {
        return Err(TopicStoreError::SubscriptionGone);
    }
    deliveries::drop_all(db, topic, id)
}

/// Returns what is left of it, and the topic, which counts it.
pub(crate) fn end(
    db: &Connection,
    topic: TopicId,
    id: &str,
    farewell: Option<Farewell>,
    now_ms: u64,
) -> Result<(Option<SubscriptionRecord>, TopicRecord)> {
    let left = match farewell {
        None => {
            remove(db, topic, id)?;
            None
        }
        Some(Farewell { token, notification }) => {
            let known = by_id(db, topic, id)?;
            deliveries::drop_all(db, topic, id)?;
            let confirmation = Confirmation::Ended { token, since_ms: now_ms };
            let ended = replace(db, &SubscriptionRecord { confirmation, ..known })?;
            deliveries::publish_one(db, topic, &notification, now_ms)?;
            Some(ended)
        }
    };
    execute(
        db,
        "UPDATE topics SET unsubscribed = unsubscribed + 1, revision = revision + 1 WHERE id = ?1",
        [topic.0 as i64],
    )?;
    Ok((left, topics::by_id(db, topic)?))
}

/// Drops what has been waiting or ended since then.
pub(crate) fn forget(db: &Connection, since_ms: u64) -> Result<Vec<(TopicId, String)>> {
    let found: Vec<(TopicId, String)> = {
        let mut query = prepare(db, "SELECT topic, id FROM subscriptions WHERE since_ms <= ?1")?;
        let found = query
            .query_map([since_ms as i64], |row| Ok((TopicId(row.get::<_, i64>(0)? as u64), row.get(1)?)));
        found.and_then(Iterator::collect::<rusqlite::Result<_>>).map_err(storage)?
    };
    for (topic, id) in &found {
        remove(db, *topic, id)?;
    }
    Ok(found)
}
