//! Objects: stored, deleted, read.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use lambent_ports::object_store::{
    Bucket, BucketId, Change, Condition, Content, Delete, KeptFile, NULL_VERSION, NewContent, NewVersion,
    Notice, ObjectStoreError, Removed, Segment, Tell, Unnamed, Version,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::rows::{self, VERSION, json, segments_text, storage};
use crate::{buckets, notices, uploads};

type Result<T> = std::result::Result<T, ObjectStoreError>;

/// A change, with the files that it leaves without a record.
pub(crate) struct Done {
    pub(crate) change: Change,
    pub(crate) unused: Vec<String>,
}

fn latest(db: &Connection, bucket: i64, key: &[u8]) -> Result<Option<(bool, String)>> {
    let mut query = db
        .prepare_cached("SELECT marker, etag FROM versions WHERE bucket = ?1 AND key = ?2 AND latest = 1")
        .map_err(storage)?;
    let found = query.query_row(params![bucket, key], |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional().map_err(storage)
}

fn holds(db: &Connection, bucket: i64, key: &[u8], condition: &Condition) -> Result<()> {
    if *condition == Condition::None {
        return Ok(());
    }
    let current = latest(db, bucket, key)?.filter(|(marker, _)| !marker);
    match (condition, current) {
        (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => Ok(()),
        (Condition::Absent, Some(_)) => Err(ObjectStoreError::ConditionFailed),
        (Condition::Present | Condition::ETag(_), None) => Err(ObjectStoreError::ObjectMissing),
        (Condition::ETag(wanted), Some((_, etag))) if *wanted == etag => Ok(()),
        (Condition::ETag(_), Some(_)) => Err(ObjectStoreError::ConditionFailed),
    }
}

/// Deletes one version's row, and gives what was there.
fn remove(
    db: &Connection,
    bucket: i64,
    key: &[u8],
    id: &str,
    unused: &mut Vec<String>,
) -> Result<Option<(Removed, bool)>> {
    let mut query = db
        .prepare_cached(
            "DELETE FROM versions WHERE bucket = ?1 AND key = ?2 AND id = ?3
             RETURNING sequence, marker, size, latest, segments",
        )
        .map_err(storage)?;
    let found = query
        .query_row(params![bucket, key, id], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                Removed { marker: row.get(1)?, size: row.get::<_, i64>(2)? as u64 },
                row.get::<_, bool>(3)?,
                row.get::<_, Option<String>>(4)?,
            ))
        })
        .optional()
        .map_err(storage)?;
    let Some((sequence, removed, latest, segments)) = found else { return Ok(None) };
    match segments.as_deref().and_then(rows::segments) {
        Some(segments) => unused.extend(segments.into_iter().map(|segment| segment.file)),
        None => {
            let mut delete =
                db.prepare_cached("DELETE FROM inline_content WHERE sequence = ?1").map_err(storage)?;
            delete.execute([sequence]).map_err(storage)?;
        }
    }
    Ok(Some((removed, latest)))
}

fn supersede(db: &Connection, bucket: i64, key: &[u8]) -> Result<()> {
    let mut update = db
        .prepare_cached("UPDATE versions SET latest = 0 WHERE bucket = ?1 AND key = ?2 AND latest = 1")
        .map_err(storage)?;
    update.execute(params![bucket, key]).map(drop).map_err(storage)
}

struct Row<'a> {
    bucket: i64,
    key: &'a [u8],
    id: &'a str,
    marker: bool,
    modified_ms: u64,
    size: u64,
    etag: &'a str,
    headers: String,
    tags: String,
    segments: Option<String>,
}

fn insert(db: &Connection, row: &Row<'_>) -> Result<i64> {
    let mut insert = db
        .prepare_cached(
            "INSERT INTO versions (bucket, key, id, latest, marker, modified_ms, size, etag, headers, tags, segments)
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .map_err(storage)?;
    let (modified_ms, size) = (row.modified_ms as i64, row.size as i64);
    insert
        .insert(params![
            row.bucket,
            row.key,
            row.id,
            row.marker,
            modified_ms,
            size,
            row.etag,
            row.headers,
            row.tags,
            row.segments
        ])
        .map_err(storage)
}

pub(crate) fn put(
    db: &Connection,
    bucket: &Bucket,
    version: NewVersion,
    condition: &Condition,
    tell: Tell,
) -> Result<Done> {
    buckets::unchanged(db, bucket)?;
    let (id, key) = (bucket.id.0 as i64, version.key.as_bytes());
    holds(db, id, key, condition)?;
    let (mut unused, mut named) = (Vec::new(), Vec::new());
    let (segments, inline): (Option<Vec<Segment>>, Option<Bytes>) = match version.content {
        NewContent::Inline(bytes) => (None, Some(bytes)),
        NewContent::Files(files) => {
            let keep = |(file, segment): (KeptFile, _)| {
                named.push(file.unnamed);
                segment
            };
            (Some(files.into_iter().map(keep).collect()), None)
        }
        NewContent::Upload { id: upload, segments } => {
            uploads::complete(db, bucket.id, &upload, &segments, &mut unused)?;
            (Some(segments), None)
        }
    };
    if version.id == NULL_VERSION {
        remove(db, id, key, NULL_VERSION, &mut unused)?;
    }
    supersede(db, id, key)?;
    let sequence = insert(
        db,
        &Row {
            bucket: id,
            key,
            id: &version.id,
            marker: false,
            modified_ms: version.modified_ms,
            size: version.size,
            etag: &version.etag,
            headers: json(&version.headers)?,
            tags: json(&version.tags)?,
            segments: segments.as_deref().map(segments_text),
        },
    )?;
    if let Some(bytes) = inline {
        let mut insert = db
            .prepare_cached("INSERT INTO inline_content (sequence, bytes) VALUES (?1, ?2)")
            .map_err(storage)?;
        insert.execute(params![sequence, &bytes[..]]).map_err(storage)?;
    }
    let change = Change { sequence: sequence as u64, removed: None };
    notices::insert(db, &tell(&change), version.modified_ms)?;
    // From here on the record may be on disk, whatever becomes of the commit. If it isn't, the next start sweeps.
    named.into_iter().for_each(Unnamed::named);
    Ok(Done { change, unused })
}

/// A number behind those of all versions so far, for what leaves no version.
fn next_sequence(db: &Connection) -> Result<u64> {
    let mut update = db
        .prepare_cached("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'versions' RETURNING seq")
        .map_err(storage)?;
    let number = update.query_row([], |row| row.get::<_, i64>(0)).optional().map_err(storage)?;
    Ok(number.unwrap_or(0) as u64)
}

pub(crate) fn delete(
    db: &Connection,
    bucket: &Bucket,
    key: &str,
    delete: &Delete,
    condition: &Condition,
    now_ms: u64,
    tell: Tell,
) -> Result<Done> {
    buckets::unchanged(db, bucket)?;
    let (id, key) = (bucket.id.0 as i64, key.as_bytes());
    holds(db, id, key, condition)?;
    let mut unused = Vec::new();
    let change = match delete {
        Delete::Object => {
            let removed = remove(db, id, key, NULL_VERSION, &mut unused)?;
            Change { sequence: next_sequence(db)?, removed: removed.map(|(removed, _)| removed) }
        }
        Delete::Version(version) => {
            let removed = remove(db, id, key, version, &mut unused)?;
            if removed.as_ref().is_some_and(|(_, latest)| *latest) {
                promote(db, id, key)?;
            }
            Change { sequence: next_sequence(db)?, removed: removed.map(|(removed, _)| removed) }
        }
        Delete::Mark(marker) => {
            if marker == NULL_VERSION {
                remove(db, id, key, NULL_VERSION, &mut unused)?;
            }
            supersede(db, id, key)?;
            let (headers, tags) = ("{}".to_owned(), "{}".to_owned());
            let row = Row {
                bucket: id,
                key,
                id: marker,
                marker: true,
                modified_ms: now_ms,
                size: 0,
                etag: "",
                headers,
                tags,
                segments: None,
            };
            Change { sequence: insert(db, &row)? as u64, removed: None }
        }
    };
    notices::insert(db, &tell(&change), now_ms)?;
    Ok(Done { change, unused })
}

fn promote(db: &Connection, bucket: i64, key: &[u8]) -> Result<()> {
    let mut update = db
        .prepare_cached(
            "UPDATE versions SET latest = 1 WHERE sequence =
             (SELECT MAX(sequence) FROM versions WHERE bucket = ?1 AND key = ?2)",
        )
        .map_err(storage)?;
    update.execute(params![bucket, key]).map(drop).map_err(storage)
}

pub(crate) fn get(db: &Connection, bucket: BucketId, key: &str, id: Option<&str>) -> Result<Option<Version>> {
    let (bucket, key) = (bucket.0 as i64, key.as_bytes());
    let found = match id {
        None => db
            .prepare_cached(&format!(
                "SELECT {VERSION} FROM versions WHERE bucket = ?1 AND key = ?2 AND latest = 1"
            ))
            .and_then(|mut query| query.query_row(params![bucket, key], rows::version).optional()),
        Some(id) => db
            .prepare_cached(&format!(
                "SELECT {VERSION} FROM versions WHERE bucket = ?1 AND key = ?2 AND id = ?3"
            ))
            .and_then(|mut query| query.query_row(params![bucket, key, id], rows::version).optional()),
    };
    let Some(mut version) = found.map_err(storage)? else { return Ok(None) };
    if let Content::Inline(bytes) = &mut version.content
        && !version.marker
    {
        let mut query =
            db.prepare_cached("SELECT bytes FROM inline_content WHERE sequence = ?1").map_err(storage)?;
        let read = query.query_row([version.sequence as i64], |row| row.get::<_, Vec<u8>>(0));
        *bytes = Bytes::from(read.map_err(storage)?);
    }
    Ok(Some(version))
}

pub(crate) fn describe(
    db: &Connection,
    sequence: u64,
    headers: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
    told: &[Notice],
    now_ms: u64,
) -> Result<()> {
    let changed = db
        .execute(
            "UPDATE versions SET headers = ?2, tags = ?3 WHERE sequence = ?1",
            params![sequence as i64, json(headers)?, json(tags)?],
        )
        .map_err(storage)?;
    if changed == 0 {
        return Err(ObjectStoreError::ObjectMissing);
    }
    notices::insert(db, told, now_ms)
}

/// Names of all files that records name.
pub(crate) fn named_files(db: &Connection) -> Result<HashSet<String>> {
    let mut query =
        db.prepare("SELECT segments FROM versions WHERE segments IS NOT NULL").map_err(storage)?;
    let texts = query.query_map([], |row| row.get::<_, String>(0)).map_err(storage)?;
    let mut named = HashSet::new();
    for text in texts {
        let segments = rows::segments(&text.map_err(storage)?).unwrap_or_default();
        named.extend(segments.into_iter().map(|segment| segment.file));
    }
    let mut query = db.prepare("SELECT file FROM parts").map_err(storage)?;
    for file in query.query_map([], |row| row.get(0)).map_err(storage)? {
        named.insert(file.map_err(storage)?);
    }
    Ok(named)
}
