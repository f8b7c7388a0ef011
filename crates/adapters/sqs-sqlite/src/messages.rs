//! Messages: sent, received, deleted, given back.

use bytes::Bytes;
use lambent_ports::message_store::{
    Deduplication, MessageCounts, MessageStoreError, NewMessage, QueueId, Receipt, Receive, Received,
    Redeemed, Sent, Taken,
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::queues::Bucket;
use crate::{fifo, queues, storage};

type Result<T> = std::result::Result<T, MessageStoreError>;

/// Messages that one receive looks at, those included that turn out to be expired or dead: the writer is not held up.
const MAX_LOOKED_AT: usize = 500;

pub(crate) fn prepare<'a>(db: &'a Connection, text: &str) -> Result<CachedStatement<'a>> {
    db.prepare_cached(text).map_err(storage)
}

pub(crate) fn execute(db: &Connection, text: &str, params: impl rusqlite::Params) -> Result<usize> {
    prepare(db, text)?.execute(params).map_err(storage)
}

pub(crate) fn send(db: &Connection, id: QueueId, messages: &[NewMessage], now_ms: u64) -> Result<Vec<Sent>> {
    let bucket = queues::bucket(db, id)?.id;
    messages.iter().map(|message| send_one(db, bucket, message, now_ms)).collect()
}

fn send_one(db: &Connection, bucket: i64, message: &NewMessage, now_ms: u64) -> Result<Sent> {
    let group = message.group.as_deref();
    if let Some(deduplication) = &message.deduplication
        && let Some(first) = first_of(db, bucket, deduplication, group, now_ms)?
    {
        return Ok(first);
    }
    let due_ms = message.due_ms as i64;
    execute(
        db,
        "INSERT INTO messages (bucket, due_ms, sent_ms, uuid, group_name) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![bucket, due_ms, now_ms as i64, message.uuid, group],
    )?;
    let rowid = db.last_insert_rowid();
    execute(
        db,
        "INSERT INTO contents (id, attributes, body) VALUES (?1, ?2, ?3)",
        params![rowid, &message.attributes[..], message.body],
    )?;
    if let Some(group) = group {
        fifo::appended(db, bucket, group, rowid, due_ms)?;
    }
    if let Some(deduplication) = &message.deduplication {
        execute(
            db,
            "INSERT OR REPLACE INTO duplicates (bucket, id, group_name, until_ms, message, uuid)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                bucket,
                deduplication.id,
                group.unwrap_or_default(),
                deduplication.until_ms as i64,
                rowid,
                message.uuid
            ],
        )?;
    }
    Ok(Sent { uuid: message.uuid.clone(), sequence: rowid as u64, duplicate: false })
}

/// The message that another is a duplicate of.
fn first_of(
    db: &Connection,
    bucket: i64,
    deduplication: &Deduplication,
    group: Option<&str>,
    now_ms: u64,
) -> Result<Option<Sent>> {
    let mut query = prepare(
        db,
        "SELECT uuid, message FROM duplicates
         WHERE bucket = ?1 AND id = ?2 AND until_ms > ?3 AND (NOT ?4 OR group_name = ?5) LIMIT 1",
    )?;
    let group = group.unwrap_or_default();
    let found = query
        .query_row(params![bucket, deduplication.id, now_ms as i64, deduplication.per_group, group], |row| {
            Ok(Sent { uuid: row.get(0)?, sequence: row.get::<_, i64>(1)? as u64, duplicate: true })
        });
    found.optional().map_err(storage)
}

/// A message as it stands in the way of a receive.
pub(crate) struct Candidate {
    pub(crate) id: i64,
    pub(crate) receives: u32,
    pub(crate) sent_ms: u64,
    pub(crate) group: Option<String>,
}

impl Candidate {
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Candidate> {
        Ok(Candidate {
            id: row.get(0)?,
            receives: row.get(1)?,
            sent_ms: row.get::<_, i64>(2)? as u64,
            group: row.get(3)?,
        })
    }
}

pub(crate) fn receive(db: &Connection, id: QueueId, receive: &Receive, now_ms: u64) -> Result<Taken> {
    let bucket = queues::bucket(db, id)?;
    if in_flight_from(db, bucket.id, receive.max_in_flight, now_ms)? {
        return Err(MessageStoreError::TooManyInFlight);
    }
    let mut taken = Taken::default();
    let mut looked_at = 0;
    while taken.messages.len() < receive.max && looked_at < MAX_LOOKED_AT {
        let wanted = receive.max - taken.messages.len();
        let candidates = due(db, bucket, wanted, now_ms)?;
        if candidates.is_empty() {
            break;
        }
        looked_at += candidates.len();
        for candidate in candidates {
            take(db, bucket.id, receive, candidate, now_ms, &mut taken)?;
        }
        // What is leased for no time is due again, and would be given out twice.
        if receive.until_ms <= now_ms {
            break;
        }
    }
    Ok(taken)
}

pub(crate) const DUE: &str = "SELECT id, receives, sent_ms, group_name FROM messages
    WHERE bucket = ?1 AND due_ms <= ?2 ORDER BY due_ms, id LIMIT ?3";

/// Messages that can be received, in the order in which they are. What is taken is not due any more.
pub(crate) fn due(db: &Connection, bucket: Bucket, wanted: usize, now_ms: u64) -> Result<Vec<Candidate>> {
    if bucket.fifo {
        return fifo::due(db, bucket.id, wanted, now_ms);
    }
    let mut query = prepare(db, DUE)?;
    let found = query.query_map(params![bucket.id, now_ms as i64, wanted as i64], Candidate::read);
    found.map_err(storage)?.collect::<rusqlite::Result<_>>().map_err(storage)
}

fn take(
    db: &Connection,
    bucket: i64,
    receive: &Receive,
    candidate: Candidate,
    now_ms: u64,
    taken: &mut Taken,
) -> Result<()> {
    let dead = receive.dead_letters.as_ref().filter(|dead| candidate.receives >= dead.max_receives);
    if candidate.sent_ms <= receive.sent_after_ms {
        drop_message(db, candidate.id)?;
    } else if let Some(dead) = dead {
        let to = queues::bucket(db, dead.queue)?.id;
        execute(db, "UPDATE messages SET source = ?2 WHERE id = ?1", params![candidate.id, dead.source])?;
        carry(db, &candidate, to, now_ms)?;
        taken.dead += 1;
    } else {
        taken.messages.push(lease(db, candidate.id, receive.until_ms, now_ms)?);
    }
    if let Some(group) = &candidate.group {
        fifo::refresh(db, bucket, group)?;
    }
    Ok(())
}

/// Puts a message into another bucket, where it can be received at once. What has been enqueued a second time counts its
/// age from then on in FIFO queues, and from the first time in others (AWS documentation).
fn carry(db: &Connection, candidate: &Candidate, to: i64, now_ms: u64) -> Result<()> {
    execute(
        db,
        "UPDATE messages SET bucket = ?2, due_ms = ?3, leased = 0, epoch = epoch + 1,
             sent_ms = CASE WHEN group_name IS NULL THEN sent_ms ELSE ?3 END WHERE id = ?1",
        params![candidate.id, to, now_ms as i64],
    )?;
    match &candidate.group {
        Some(group) => fifo::refresh(db, to, group),
        None => Ok(()),
    }
}

fn lease(db: &Connection, id: i64, until_ms: u64, now_ms: u64) -> Result<Received> {
    let mut query = prepare(
        db,
        "UPDATE messages SET due_ms = ?2, leased = ?2 > ?3, epoch = epoch + 1, receives = receives + 1,
             first_received_ms = COALESCE(first_received_ms, ?3)
         WHERE id = ?1 RETURNING epoch, uuid, sent_ms, first_received_ms, receives, source",
    )?;
    // A lease of no length must not be given out twice in one receive.
    let received = query.query_row(params![id, until_ms as i64, now_ms as i64], |row| {
        Ok(Received {
            receipt: Receipt { message: id as u64, epoch: row.get::<_, i64>(0)? as u64 },
            uuid: row.get(1)?,
            body: String::new(),
            attributes: Bytes::new(),
            sequence: id as u64,
            sent_ms: row.get::<_, i64>(2)? as u64,
            first_received_ms: row.get::<_, i64>(3)? as u64,
            receives: row.get(4)?,
            source: row.get(5)?,
        })
    });
    let received = received.map_err(storage)?;
    let mut query = prepare(db, "SELECT attributes, body FROM contents WHERE id = ?1")?;
    let contents = query.query_row([id], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)));
    let (attributes, body) = contents.map_err(storage)?;
    Ok(Received { attributes: attributes.into(), body, ..received })
}

/// Whether `limit` messages or more are leased.
fn in_flight_from(db: &Connection, bucket: i64, limit: u64, now_ms: u64) -> Result<bool> {
    let mut query = prepare(
        db,
        "SELECT 1 FROM messages WHERE bucket = ?1 AND leased = 1 AND due_ms > ?2 LIMIT 1 OFFSET ?3",
    )?;
    query.exists(params![bucket, now_ms as i64, limit.saturating_sub(1) as i64]).map_err(storage)
}

pub(crate) fn drop_message(db: &Connection, id: i64) -> Result<()> {
    execute(db, "DELETE FROM messages WHERE id = ?1", [id])?;
    execute(db, "DELETE FROM contents WHERE id = ?1", [id])?;
    Ok(())
}

/// What a receipt stands for now.
struct Held {
    due_ms: u64,
    current: bool,
    group: Option<String>,
}

fn held(db: &Connection, bucket: i64, receipt: Receipt) -> Result<Option<Held>> {
    let mut query =
        prepare(db, "SELECT due_ms, epoch = ?3, group_name FROM messages WHERE id = ?1 AND bucket = ?2")?;
    let found = query.query_row(params![receipt.message as i64, bucket, receipt.epoch as i64], |row| {
        Ok(Held { due_ms: row.get::<_, i64>(0)? as u64, current: row.get(1)?, group: row.get(2)? })
    });
    found.optional().map_err(storage)
}

impl Held {
    /// Without the message: what there is to say. In a FIFO queue a receipt is over with its lease (recorded).
    fn refusal(held: &Option<Held>, now_ms: u64) -> Option<Redeemed> {
        match held {
            None => Some(Redeemed::Gone),
            Some(held) if held.group.is_some() && (!held.current || held.due_ms <= now_ms) => {
                Some(Redeemed::Expired)
            }
            Some(held) if !held.current => Some(Redeemed::Gone),
            Some(_) => None,
        }
    }
}

pub(crate) fn delete(
    db: &Connection,
    id: QueueId,
    receipts: &[Receipt],
    now_ms: u64,
) -> Result<Vec<Redeemed>> {
    let bucket = queues::bucket(db, id)?.id;
    let one = |receipt: &Receipt| {
        let held = held(db, bucket, *receipt)?;
        if let Some(refusal) = Held::refusal(&held, now_ms) {
            return Ok(refusal);
        }
        drop_message(db, receipt.message as i64)?;
        if let Some(group) = held.and_then(|held| held.group) {
            fifo::refresh(db, bucket, &group)?;
        }
        Ok(Redeemed::Done)
    };
    receipts.iter().map(one).collect()
}

pub(crate) fn set_visibility(
    db: &Connection,
    id: QueueId,
    changes: &[(Receipt, u64)],
    now_ms: u64,
) -> Result<Vec<Redeemed>> {
    let bucket = queues::bucket(db, id)?.id;
    let one = |(receipt, until_ms): &(Receipt, u64)| {
        let held = held(db, bucket, *receipt)?;
        if let Some(refusal) = Held::refusal(&held, now_ms) {
            return Ok(refusal);
        }
        execute(
            db,
            "UPDATE messages SET due_ms = ?2, leased = ?2 > ?3 WHERE id = ?1",
            params![receipt.message as i64, *until_ms as i64, now_ms as i64],
        )?;
        if let Some(group) = held.and_then(|held| held.group) {
            fifo::refresh(db, bucket, &group)?;
        }
        Ok(Redeemed::Done)
    };
    changes.iter().map(one).collect()
}

pub(crate) fn next_due_ms(db: &Connection, id: QueueId) -> Result<Option<u64>> {
    let bucket = queues::bucket(db, id)?;
    let mut query = match bucket.fifo {
        true => prepare(db, "SELECT MIN(due_ms) FROM heads WHERE bucket = ?1")?,
        false => prepare(db, "SELECT MIN(due_ms) FROM messages WHERE bucket = ?1")?,
    };
    let found = query.query_row([bucket.id], |row| row.get::<_, Option<i64>>(0)).map_err(storage)?;
    Ok(found.map(|ms| ms as u64))
}

pub(crate) fn oldest_sent_ms(db: &Connection, id: QueueId) -> Result<Option<u64>> {
    let bucket = queues::bucket(db, id)?.id;
    let mut query = prepare(db, "SELECT MIN(sent_ms) FROM messages WHERE bucket = ?1")?;
    let oldest = query.query_row([bucket], |row| row.get::<_, Option<i64>>(0)).map_err(storage)?;
    Ok(oldest.map(|ms| ms as u64))
}

pub(crate) fn counts(db: &Connection, id: QueueId, now_ms: u64) -> Result<MessageCounts> {
    let bucket = queues::bucket(db, id)?.id;
    let count = |text: &str| {
        let found = prepare(db, text)?.query_row([bucket, now_ms as i64], |row| row.get::<_, i64>(0));
        found.map(|count| count as u64).map_err(storage)
    };
    let visible = count("SELECT COUNT(*) FROM messages WHERE bucket = ?1 AND due_ms <= ?2")?;
    let later = count("SELECT COUNT(*) FROM messages WHERE bucket = ?1 AND due_ms > ?2")?;
    let in_flight = count("SELECT COUNT(*) FROM messages WHERE bucket = ?1 AND due_ms > ?2 AND leased = 1")?;
    Ok(MessageCounts { visible, in_flight, delayed: later - in_flight })
}
