//! What has still to be told.

use lambent_ports::object_store::{DueNotice, Notice, ObjectStoreError};
use rusqlite::{Connection, params};

use crate::rows::{self, storage};

type Result<T> = std::result::Result<T, ObjectStoreError>;

pub(crate) fn insert(db: &Connection, notices: &[Notice], now_ms: u64) -> Result<()> {
    let mut insert = db
        .prepare_cached(
            "INSERT INTO notices (due_ms, stored_ms, attempts, target, bucket, account, region, body, trace)
             VALUES (?1, ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .map_err(storage)?;
    for notice in notices {
        let (account, region) = (notice.scope.account.as_str(), notice.scope.region.as_str());
        insert
            .execute(params![
                now_ms as i64,
                notice.target,
                notice.bucket,
                account,
                region,
                notice.body,
                notice.trace
            ])
            .map_err(storage)?;
    }
    Ok(())
}

/// Those that are due; each is due again at `again_ms`, in case that nobody settles it.
pub(crate) fn due(db: &Connection, now_ms: u64, again_ms: u64, max: usize) -> Result<Vec<DueNotice>> {
    let found = {
        let mut query = db
            .prepare_cached(
                "SELECT id, attempts, stored_ms, target, bucket, account, region, body, trace FROM notices
                 WHERE due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2",
            )
            .map_err(storage)?;
        let found = query.query_map(params![now_ms as i64, max as i64], |row| {
            Ok(DueNotice {
                id: row.get::<_, i64>(0)? as u64,
                attempts: row.get(1)?,
                stored_ms: row.get::<_, i64>(2)? as u64,
                notice: Notice {
                    target: row.get(3)?,
                    bucket: row.get(4)?,
                    scope: rows::scope(row, 5, 6)?,
                    body: row.get(7)?,
                    trace: row.get(8)?,
                },
            })
        });
        found.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(storage)?
    };
    let mut lease = db
        .prepare_cached("UPDATE notices SET due_ms = ?2, attempts = attempts + 1 WHERE id = ?1")
        .map_err(storage)?;
    for notice in &found {
        lease.execute([notice.id as i64, again_ms as i64]).map_err(storage)?;
    }
    Ok(found)
}

/// Nobody is telling anything when a server starts: what the last one had under way is due, and what it had put off with it.
pub(crate) fn reclaim(db: &Connection) -> rusqlite::Result<usize> {
    db.execute("UPDATE notices SET due_ms = stored_ms", [])
}

pub(crate) fn settle(db: &Connection, id: u64) -> Result<()> {
    db.execute("DELETE FROM notices WHERE id = ?1", [id as i64]).map(drop).map_err(storage)
}

pub(crate) fn postpone(db: &Connection, id: u64, due_ms: u64) -> Result<()> {
    db.execute("UPDATE notices SET due_ms = ?2 WHERE id = ?1", [id as i64, due_ms as i64])
        .map(drop)
        .map_err(storage)
}

pub(crate) fn next_ms(db: &Connection) -> Result<Option<u64>> {
    db.query_row("SELECT MIN(due_ms) FROM notices", [], |row| row.get::<_, Option<i64>>(0))
        .map(|ms| ms.map(|ms| ms as u64))
        .map_err(storage)
}
