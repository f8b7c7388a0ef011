//! Buckets: made, changed, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::Scope;
use lambent_ports::object_store::{Bucket, BucketId, Notice, ObjectStoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::notices;
use crate::rows::{self, BUCKET, json, storage};

type Result<T> = std::result::Result<T, ObjectStoreError>;

pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<Bucket>> {
    let mut query = db.prepare(&format!("SELECT {BUCKET} FROM buckets"))?;
    query.query_map([], rows::bucket)?.collect()
}

fn by_name(db: &Connection, name: &str) -> Result<Option<Bucket>> {
    let found = db.query_row(&format!("SELECT {BUCKET} FROM buckets WHERE name = ?1"), [name], rows::bucket);
    found.optional().map_err(storage)
}

pub(crate) fn create(
    db: &Connection,
    name: &str,
    scope: &Scope,
    settings: &BTreeMap<String, String>,
    now_ms: u64,
) -> Result<Bucket> {
    if let Some(known) = by_name(db, name)? {
        return Err(ObjectStoreError::BucketExists(Arc::new(known)));
    }
    db.execute(
        "INSERT INTO buckets (name, account, region, created_ms, revision, settings) VALUES (?1, ?2, ?3, ?4, 1, ?5)",
        params![name, scope.account.as_str(), scope.region.as_str(), now_ms as i64, json(settings)?],
    )
    .map_err(storage)?;
    by_name(db, name)?.ok_or(ObjectStoreError::BucketGone)
}

/// The revision must still be the one that the caller saw.
pub(crate) fn unchanged(db: &Connection, bucket: &Bucket) -> Result<()> {
    let mut query = db.prepare_cached("SELECT revision FROM buckets WHERE id = ?1").map_err(storage)?;
    let found = query.query_row([bucket.id.0 as i64], |row| row.get::<_, i64>(0));
    match found.optional().map_err(storage)? {
        Some(revision) if revision as u64 == bucket.revision => Ok(()),
        Some(_) => Err(ObjectStoreError::BucketChanged),
        None => Err(ObjectStoreError::BucketGone),
    }
}

pub(crate) fn replace(db: &Connection, mut bucket: Bucket, told: &[Notice], now_ms: u64) -> Result<Bucket> {
    unchanged(db, &bucket)?;
    bucket.revision += 1;
    db.execute(
        "UPDATE buckets SET revision = ?2, settings = ?3 WHERE id = ?1",
        params![bucket.id.0 as i64, bucket.revision as i64, json(&bucket.settings)?],
    )
    .map_err(storage)?;
    notices::insert(db, told, now_ms)?;
    Ok(bucket)
}

/// Names of the files that are of no use any more.
pub(crate) fn delete(db: &Connection, id: BucketId) -> Result<Vec<String>> {
    let id = id.0 as i64;
    let filled: bool = db
        .query_row("SELECT EXISTS (SELECT 1 FROM versions WHERE bucket = ?1)", [id], |row| row.get(0))
        .map_err(storage)?;
    if filled {
        return Err(ObjectStoreError::BucketNotEmpty);
    }
    let mut query = db
        .prepare("SELECT file FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?1)")
        .map_err(storage)?;
    let files = query.query_map([id], |row| row.get(0)).map_err(storage)?;
    let files = files.collect::<rusqlite::Result<Vec<String>>>().map_err(storage)?;
    for statement in [
        "DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?1)",
        "DELETE FROM uploads WHERE bucket = ?1",
        "DELETE FROM buckets WHERE id = ?1",
    ] {
        db.execute(statement, [id]).map_err(storage)?;
    }
    Ok(files)
}
