//! Uploads in parts.

use lambent_ports::object_store::{BucketId, ObjectStoreError, Part, Segment, Upload};
use rusqlite::{Connection, OptionalExtension, params};

use crate::rows::{self, PART, UPLOAD, json, storage};

type Result<T> = std::result::Result<T, ObjectStoreError>;

pub(crate) fn create(db: &Connection, bucket: BucketId, upload: &Upload) -> Result<()> {
    db.execute(
        "INSERT INTO uploads (id, bucket, key, initiated_ms, headers, tags) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            upload.id,
            bucket.0 as i64,
            upload.key.as_bytes(),
            upload.initiated_ms as i64,
            json(&upload.headers)?,
            json(&upload.tags)?
        ],
    )
    .map(drop)
    .map_err(storage)
}

pub(crate) fn get(db: &Connection, bucket: BucketId, id: &str) -> Result<Option<Upload>> {
    let mut query = db
        .prepare_cached(&format!("SELECT {UPLOAD} FROM uploads WHERE id = ?1 AND bucket = ?2"))
        .map_err(storage)?;
    query.query_row(params![id, bucket.0 as i64], rows::upload).optional().map_err(storage)
}

/// The file of a part that this one replaces.
pub(crate) fn put_part(
    db: &Connection,
    bucket: BucketId,
    upload: &str,
    part: &Part,
) -> Result<Option<String>> {
    get(db, bucket, upload)?.ok_or(ObjectStoreError::UploadGone)?;
    let mut query =
        db.prepare_cached("SELECT file FROM parts WHERE upload = ?1 AND number = ?2").map_err(storage)?;
    let replaced = query.query_row(params![upload, part.number], |row| row.get(0)).optional();
    db.execute(
        &format!("INSERT OR REPLACE INTO parts (upload, {PART}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
        params![
            upload,
            part.number,
            part.size as i64,
            part.etag,
            part.modified_ms as i64,
            part.checksum,
            part.file,
            part.offset as i64
        ],
    )
    .map_err(storage)?;
    replaced.map_err(storage)
}

pub(crate) fn parts(db: &Connection, upload: &str, after: u32, max: usize) -> Result<Vec<Part>> {
    let mut query = db
        .prepare_cached(&format!(
            "SELECT {PART} FROM parts WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
        ))
        .map_err(storage)?;
    let found = query.query_map(params![upload, after, max as i64], rows::part);
    found.and_then(Iterator::collect).map_err(storage)
}

/// Ends an upload; parts that are not used leave their files to `unused`. A part that was replaced since the caller saw
/// it ends the caller's upload as well.
pub(crate) fn complete(
    db: &Connection,
    bucket: BucketId,
    id: &str,
    used: &[Segment],
    unused: &mut Vec<String>,
) -> Result<()> {
    get(db, bucket, id)?.ok_or(ObjectStoreError::UploadGone)?;
    let mut files: Vec<String> =
        parts(db, id, 0, usize::MAX >> 1)?.into_iter().map(|part| part.file).collect();
    if !used.iter().all(|segment| files.contains(&segment.file)) {
        return Err(ObjectStoreError::UploadGone);
    }
    files.retain(|file| !used.iter().any(|segment| segment.file == *file));
    unused.append(&mut files);
    end(db, id)
}

pub(crate) fn abort(db: &Connection, bucket: BucketId, id: &str) -> Result<Vec<String>> {
    let mut unused = Vec::new();
    complete(db, bucket, id, &[], &mut unused)?;
    Ok(unused)
}

fn end(db: &Connection, id: &str) -> Result<()> {
    db.execute("DELETE FROM parts WHERE upload = ?1", [id]).map_err(storage)?;
    db.execute("DELETE FROM uploads WHERE id = ?1", [id]).map(drop).map_err(storage)
}
