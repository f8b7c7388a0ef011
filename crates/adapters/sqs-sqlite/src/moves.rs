//! Move tasks: what a task has moved is counted in the commit that moves it.

use lambent_ports::message_store::{
    MessageStoreError, MoveId, MoveState, MoveTask, MoveTo, Moved, NewMove, QueueId, Unmovable,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::messages::{self, Candidate, execute, prepare};
use crate::{fifo, queues, storage};

type Result<T> = std::result::Result<T, MessageStoreError>;

/// Tasks of a queue that are kept: as many as can be listed (AWS documentation).
const KEPT: i64 = 10;
/// Tasks that are forgotten at once.
const PART: i64 = 500;

const COLUMNS: &str =
    "id, uuid, queue, destination, max_per_second, to_move, started_ms, moved, state, failure";
const RUNNING: &str = "RUNNING";

fn task(row: &Row<'_>) -> rusqlite::Result<MoveTask> {
    let state = match row.get_ref(8)?.as_str()? {
        RUNNING => MoveState::Running,
        "COMPLETED" => MoveState::Completed,
        "CANCELLED" => MoveState::Cancelled,
        _ => MoveState::Failed(row.get::<_, Option<String>>(9)?.unwrap_or_default()),
    };
    Ok(MoveTask {
        id: MoveId(row.get::<_, i64>(0)? as u64),
        asked: NewMove {
            uuid: row.get(1)?,
            queue: QueueId(row.get::<_, i64>(2)? as u64),
            destination: row.get(3)?,
            max_per_second: row.get(4)?,
            to_move: row.get::<_, i64>(5)? as u64,
            started_ms: row.get::<_, i64>(6)? as u64,
        },
        moved: row.get::<_, i64>(7)? as u64,
        state,
    })
}

fn by_id(db: &Connection, id: MoveId) -> Result<Option<MoveTask>> {
    let mut query = prepare(db, &format!("SELECT {COLUMNS} FROM moves WHERE id = ?1"))?;
    query.query_row([id.0 as i64], task).optional().map_err(storage)
}

pub(crate) fn create(db: &Connection, new: &NewMove) -> Result<MoveTask> {
    queues::bucket(db, new.queue)?;
    let runs = prepare(db, "SELECT 1 FROM moves WHERE queue = ?1 AND state = 'RUNNING'")?
        .exists([new.queue.0 as i64])
        .map_err(storage)?;
    if runs {
        return Err(MessageStoreError::MoveRuns);
    }
    execute(
        db,
        "INSERT INTO moves (uuid, queue, destination, max_per_second, to_move, started_ms, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'RUNNING')",
        params![
            new.uuid,
            new.queue.0 as i64,
            new.destination,
            new.max_per_second,
            new.to_move as i64,
            new.started_ms as i64
        ],
    )?;
    by_id(db, MoveId(db.last_insert_rowid() as u64))?.ok_or_else(|| storage("a task is gone at once"))
}

pub(crate) fn end(db: &Connection, id: MoveId, end: &MoveState) -> Result<Option<MoveTask>> {
    let (state, failure) = match end {
        MoveState::Running => (RUNNING, None),
        MoveState::Completed => ("COMPLETED", None),
        MoveState::Cancelled => ("CANCELLED", None),
        MoveState::Failed(reason) => ("FAILED", Some(reason)),
    };
    execute(
        db,
        "UPDATE moves SET state = ?2, failure = ?3 WHERE id = ?1 AND state = 'RUNNING'",
        params![id.0 as i64, state, failure],
    )?;
    by_id(db, id)
}

pub(crate) fn of_queue(db: &Connection, queue: QueueId, max: usize) -> Result<Vec<MoveTask>> {
    let text = format!("SELECT {COLUMNS} FROM moves WHERE queue = ?1 ORDER BY id DESC LIMIT ?2");
    let mut query = prepare(db, &text)?;
    let found = query.query_map(params![queue.0 as i64, max as i64], task).map_err(storage)?;
    found.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) fn running(db: &Connection) -> Result<Vec<MoveTask>> {
    let text = format!(
        "SELECT {COLUMNS} FROM moves WHERE state = 'RUNNING' AND queue IN (SELECT id FROM queues) ORDER BY id"
    );
    let mut query = prepare(db, &text)?;
    let found = query.query_map([], task).map_err(storage)?;
    found.collect::<rusqlite::Result<_>>().map_err(storage)
}

pub(crate) fn go_on(
    db: &Connection,
    id: MoveId,
    to: &MoveTo,
    uuids: &[String],
    now_ms: u64,
) -> Result<Moved> {
    let mut moved = Moved::default();
    let Some(task) = by_id(db, id)?.filter(|task| task.state == MoveState::Running) else {
        return Ok(moved);
    };
    let bucket = match queues::bucket(db, task.asked.queue) {
        Err(MessageStoreError::QueueGone) => return Ok(moved),
        bucket => bucket?,
    };
    while moved.went.len() < uuids.len() && moved.stopped.is_none() {
        let candidates = messages::due(db, bucket, uuids.len() - moved.went.len(), now_ms)?;
        if candidates.is_empty() {
            break;
        }
        for candidate in candidates {
            match target(db, &candidate, to)? {
                Ok((queue, there)) => {
                    anew(db, &candidate, there, &uuids[moved.went.len()], now_ms)?;
                    moved.went.push(queue);
                }
                Err(unmovable) => {
                    moved.stopped = Some(unmovable);
                    break;
                }
            }
            if let Some(group) = &candidate.group {
                fifo::refresh(db, bucket.id, group)?;
            }
        }
    }
    let count = moved.went.len() as i64;
    execute(db, "UPDATE moves SET moved = moved + ?2 WHERE id = ?1", params![id.0 as i64, count])?;
    Ok(moved)
}

/// The queue that a message is to go to, and its bucket.
fn target(
    db: &Connection,
    candidate: &Candidate,
    to: &MoveTo,
) -> Result<std::result::Result<(QueueId, i64), Unmovable>> {
    let queue = match to {
        MoveTo::Queue(queue) => *queue,
        MoveTo::Origins(origins) => {
            let mut query = prepare(db, "SELECT source FROM messages WHERE id = ?1")?;
            let source = query.query_row([candidate.id], |row| row.get::<_, Option<String>>(0));
            let Some(source) = source.map_err(storage)? else { return Ok(Err(Unmovable::NoOrigin)) };
            let Some(queue) = origins.get(&source) else { return Ok(Err(Unmovable::QueueGone)) };
            *queue
        }
    };
    match queues::bucket(db, queue) {
        Ok(bucket) => Ok(Ok((queue, bucket.id))),
        Err(MessageStoreError::QueueGone) => Ok(Err(Unmovable::QueueGone)),
        Err(error) => Err(error),
    }
}

/// Puts a message behind those of another bucket, as if it were sent there now.
fn anew(db: &Connection, candidate: &Candidate, bucket: i64, uuid: &str, now_ms: u64) -> Result<()> {
    execute(
        db,
        "INSERT INTO messages (bucket, due_ms, sent_ms, uuid, group_name)
         SELECT ?2, ?3, ?3, ?4, group_name FROM messages WHERE id = ?1",
        params![candidate.id, bucket, now_ms as i64, uuid],
    )?;
    let new = db.last_insert_rowid();
    execute(db, "UPDATE contents SET id = ?2 WHERE id = ?1", params![candidate.id, new])?;
    execute(db, "DELETE FROM messages WHERE id = ?1", [candidate.id])?;
    match &candidate.group {
        Some(group) => fifo::appended(db, bucket, group, new, now_ms as i64),
        None => Ok(()),
    }
}

/// Drops what nobody can list any more.
pub(crate) fn sweep(db: &Connection) -> Result<()> {
    execute(
        db,
        "DELETE FROM moves WHERE id IN (
             SELECT id FROM (SELECT id, queue, row_number() OVER (PARTITION BY queue ORDER BY id DESC) AS age FROM moves)
             WHERE age > ?1 OR queue NOT IN (SELECT id FROM queues) LIMIT ?2)",
        params![KEPT, PART],
    )
    .map(drop)
}
