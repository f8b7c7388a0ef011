//! Subscriptions: added, changed, dropped.

use std::sync::Arc;

use lambent_ports::topic_store::{Confirmation, SubscriptionRecord, TopicId, TopicRecord, TopicStoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Result, deliveries, execute, json, map, storage, topics};

const COLUMNS: &str =
    "id, topic, protocol, endpoint, owner, principal, attributes, token, authenticated, revision";

fn record(row: &Row<'_>) -> rusqlite::Result<SubscriptionRecord> {
    let confirmation = match row.get::<_, Option<String>>(7)? {
        Some(token) => Confirmation::Pending { token },
        None => Confirmation::Confirmed { authenticated: row.get(8)? },
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
        revision: row.get::<_, i64>(9)? as u64,
    })
}

/// Token and whether the confirmation was authenticated.
fn columns(confirmation: &Confirmation) -> (Option<&str>, bool) {
    match confirmation {
        Confirmation::Pending { token } => (Some(token), false),
        Confirmation::Confirmed { authenticated } => (None, *authenticated),
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

pub(crate) fn add(db: &Connection, new: &SubscriptionRecord) -> Result<SubscriptionRecord> {
    topics::by_id(db, new.topic)?;
    let text =
        format!("SELECT {COLUMNS} FROM subscriptions WHERE topic = ?1 AND protocol = ?2 AND endpoint = ?3");
    let known = db.query_row(&text, params![new.topic.0 as i64, new.protocol, new.endpoint], record);
    if let Some(known) = known.optional().map_err(storage)? {
        return Err(TopicStoreError::SubscriptionExists(Arc::new(known)));
    }
    let (token, authenticated) = columns(&new.confirmation);
    execute(
        db,
        "INSERT INTO subscriptions
             (id, topic, protocol, endpoint, owner, principal, attributes, token, authenticated, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)",
        params![
            new.id,
            new.topic.0 as i64,
            new.protocol,
            new.endpoint,
            new.owner,
            new.principal,
            json(&new.attributes)?,
            token,
            authenticated
        ],
    )?;
    by_id(db, new.topic, &new.id)
}

pub(crate) fn replace(db: &Connection, new: &SubscriptionRecord) -> Result<SubscriptionRecord> {
    let (token, authenticated) = columns(&new.confirmation);
    let changed = execute(
        db,
        "UPDATE subscriptions SET attributes = ?4, token = ?5, authenticated = ?6, revision = revision + 1
         WHERE topic = ?1 AND id = ?2 AND revision = ?3",
        params![
            new.topic.0 as i64,
            new.id,
            new.revision as i64,
            json(&new.attributes)?,
            token,
            authenticated
        ],
    )?;
    let now = by_id(db, new.topic, &new.id)?;
    if changed == 0 { Err(TopicStoreError::Changed) } else { Ok(now) }
}

/// Returns the topic, which counts it.
pub(crate) fn drop_one(db: &Connection, topic: TopicId, id: &str) -> Result<TopicRecord> {
    let key = params![topic.0 as i64, id];
    if execute(db, "DELETE FROM subscriptions WHERE topic = ?1 AND id = ?2", key)? == 0 {
        return Err(TopicStoreError::SubscriptionGone);
    }
    deliveries::drop_all(db, topic, id)?;
    execute(
        db,
        "UPDATE topics SET unsubscribed = unsubscribed + 1, revision = revision + 1 WHERE id = ?1",
        [topic.0 as i64],
    )?;
    topics::by_id(db, topic)
}
