//! Listings: in order of keys, with what lies behind a delimiter skipped, not read.

use lambent_ports::object_store::{BucketId, Listed, Listing, ObjectStoreError, Page, Upload, Version};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rows::{self, UPLOAD, VERSION, storage};

type Result<T> = std::result::Result<T, ObjectStoreError>;

/// Rows that are read at once.
const CHUNK: usize = 512;

/// Where to go on.
struct From {
    key: Vec<u8>,
    /// With the same key, only what comes behind this (see the queries).
    within: Option<i64>,
}

/// What is listed, and how.
struct Kind<T> {
    query: String,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
    key: fn(&T) -> &str,
    /// Where among the rows of its key a row stands, to go on behind it; `None` where a key has one.
    place: fn(&T) -> Option<i64>,
}

pub(crate) fn objects(db: &Connection, bucket: BucketId, listing: &Listing) -> Result<Page<Version>> {
    let kind = Kind {
        query: format!(
            "SELECT {VERSION} FROM versions INDEXED BY latest
             WHERE bucket = ?1 AND key >= ?2 AND latest = 1 AND marker = 0 AND ?3 IS NOT NULL ORDER BY key LIMIT ?4"
        ),
        read: rows::version,
        key: |version| &version.key,
        place: |_| None,
    };
    list(db, bucket, listing, after_key(listing), &kind)
}

pub(crate) fn versions(db: &Connection, bucket: BucketId, listing: &Listing) -> Result<Page<Version>> {
    let kind = Kind {
        query: format!(
            "SELECT {VERSION} FROM versions INDEXED BY history
             WHERE bucket = ?1 AND key >= ?2 AND (key > ?2 OR sequence < ?3) ORDER BY key, sequence DESC LIMIT ?4"
        ),
        read: rows::version,
        key: |version| &version.key,
        place: |version| Some(version.sequence as i64),
    };
    let mut from = after_key(listing);
    if let (Some(key), Some(id)) = (&listing.after, &listing.after_version) {
        let sequence = db
            .query_row(
                "SELECT sequence FROM versions WHERE bucket = ?1 AND key = ?2 AND id = ?3",
                params![bucket.0 as i64, key.as_bytes(), id],
                |row| row.get::<_, i64>(0),
            )
            .optional()
            .map_err(storage)?;
        if let Some(sequence) = sequence {
            from = From { key: key.clone().into_bytes(), within: Some(sequence) };
        }
    }
    list(db, bucket, listing, from, &kind)
}

pub(crate) fn uploads(db: &Connection, bucket: BucketId, listing: &Listing) -> Result<Page<Upload>> {
    // A place in the line of a key is its count from the newest, so that "smaller" comes later as with versions.
    let kind = Kind {
        query: format!(
            "SELECT {UPLOAD} FROM uploads INDEXED BY uploads_by_key
             WHERE bucket = ?1 AND key >= ?2 AND (key > ?2 OR -initiated_ms < ?3) ORDER BY key, initiated_ms, id LIMIT ?4"
        ),
        read: rows::upload,
        key: |upload| &upload.key,
        place: |upload| Some(-(upload.initiated_ms as i64)),
    };
    let mut from = after_key(listing);
    if let (Some(key), Some(id)) = (&listing.after, &listing.after_version)
        && let Some(upload) = crate::uploads::get(db, bucket, id)?
    {
        from = From { key: key.clone().into_bytes(), within: Some(-(upload.initiated_ms as i64)) };
    }
    list(db, bucket, listing, from, &kind)
}

/// Behind the key or the common prefix that was listed last.
fn after_key(listing: &Listing) -> From {
    let prefix = listing.prefix.as_bytes();
    let key = match &listing.after {
        None => prefix.to_vec(),
        Some(after) => {
            let is_common = listing.delimiter.as_deref().is_some_and(|delimiter| {
                after.strip_prefix(listing.prefix.as_str()).is_some_and(|rest| rest.ends_with(delimiter))
            });
            let behind = if is_common { behind_all(after.as_bytes()) } else { behind(after.as_bytes()) };
            behind.max(prefix.to_vec())
        }
    };
    From { key, within: None }
}

/// The first key behind this one.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The first key that is behind all that begin with this. UTF-8 has no byte 0xFF.
fn behind_all(prefix: &[u8]) -> Vec<u8> {
    let mut behind = prefix.to_vec();
    match behind.last_mut() {
        Some(last) => *last += 1,
        None => behind.push(0xFF),
    }
    behind
}

fn list<T>(
    db: &Connection,
    bucket: BucketId,
    listing: &Listing,
    mut from: From,
    kind: &Kind<T>,
) -> Result<Page<T>> {
    let mut lines = Vec::new();
    let mut query = db.prepare_cached(&kind.query).map_err(storage)?;
    'again: loop {
        let chunk = CHUNK.min(listing.max + 1 - lines.len());
        let within = from.within.unwrap_or(i64::MAX);
        let mut rows =
            query.query(params![bucket.0 as i64, from.key, within, chunk as i64]).map_err(storage)?;
        let mut read = 0;
        while let Some(row) = rows.next().map_err(storage)? {
            read += 1;
            let item = (kind.read)(row).map_err(storage)?;
            let Some(rest) = (kind.key)(&item).strip_prefix(listing.prefix.as_str()) else {
                return Ok(Page { lines, more: false });
            };
            if lines.len() == listing.max {
                return Ok(Page { lines, more: true });
            }
            let common = listing.delimiter.as_deref().and_then(|delimiter| {
                rest.find(delimiter).map(|at| listing.prefix.len() + at + delimiter.len())
            });
            if let Some(length) = common {
                let prefix = (kind.key)(&item)[..length].to_owned();
                from = From { key: behind_all(prefix.as_bytes()), within: None };
                lines.push(Listed::Prefix(prefix));
                continue 'again;
            }
            let key = (kind.key)(&item).as_bytes();
            from = match (kind.place)(&item) {
                None => From { key: behind(key), within: None },
                within => From { key: key.to_vec(), within },
            };
            lines.push(Listed::Item(item));
        }
        if read < chunk {
            return Ok(Page { lines, more: false });
        }
    }
}
