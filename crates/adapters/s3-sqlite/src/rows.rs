//! Records as they are stored.

use std::collections::BTreeMap;

use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::object_store::{
    Bucket, BucketId, Content, ObjectStoreError, Part, Segment, Upload, Version,
};
use rusqlite::{Row, types::Type};
use serde_json::{Value, json};

pub(crate) const BUCKET: &str = "id, name, account, region, created_ms, revision, settings";
pub(crate) const VERSION: &str =
    "sequence, key, id, latest, marker, modified_ms, size, etag, headers, tags, segments";
pub(crate) const UPLOAD: &str = "id, key, initiated_ms, headers, tags";
pub(crate) const PART: &str = "number, size, etag, modified_ms, checksum, file, start";

pub(crate) fn storage(error: impl std::fmt::Display) -> ObjectStoreError {
    ObjectStoreError::Storage(error.to_string())
}

fn invalid(index: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(index, String::new(), Type::Text)
}

fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(|number| number as u64)
}

fn map(row: &Row<'_>, index: usize) -> rusqlite::Result<BTreeMap<String, String>> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|_| invalid(index))
}

fn key(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    String::from_utf8(row.get(index)?).map_err(|_| invalid(index))
}

pub(crate) fn scope(row: &Row<'_>, account: usize, region: usize) -> rusqlite::Result<Scope> {
    let text = |index| row.get::<_, String>(index);
    Ok(Scope {
        account: AccountId::parse(&text(account)?).ok_or_else(|| invalid(account))?,
        region: Region::parse(&text(region)?).ok_or_else(|| invalid(region))?,
    })
}

pub(crate) fn bucket(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    Ok(Bucket {
        id: BucketId(unsigned(row, 0)?),
        name: row.get(1)?,
        scope: scope(row, 2, 3)?,
        created_ms: unsigned(row, 4)?,
        revision: unsigned(row, 5)?,
        settings: map(row, 6)?,
    })
}

/// A version; its inline content is empty.
pub(crate) fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let content = match row.get_ref(10)?.as_str_or_null().map_err(|_| invalid(10))? {
        None => Content::Inline(bytes::Bytes::new()),
        Some(text) => Content::Files(segments(text).ok_or_else(|| invalid(10))?),
    };
    Ok(Version {
        sequence: unsigned(row, 0)?,
        key: key(row, 1)?,
        id: row.get(2)?,
        latest: row.get(3)?,
        marker: row.get(4)?,
        modified_ms: unsigned(row, 5)?,
        size: unsigned(row, 6)?,
        etag: row.get(7)?,
        headers: map(row, 8)?,
        tags: map(row, 9)?,
        content,
    })
}

pub(crate) fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: row.get(0)?,
        key: key(row, 1)?,
        initiated_ms: unsigned(row, 2)?,
        headers: map(row, 3)?,
        tags: map(row, 4)?,
    })
}

pub(crate) fn part(row: &Row<'_>) -> rusqlite::Result<Part> {
    Ok(Part {
        number: row.get(0)?,
        size: unsigned(row, 1)?,
        etag: row.get(2)?,
        modified_ms: unsigned(row, 3)?,
        checksum: row.get(4)?,
        file: row.get(5)?,
        offset: unsigned(row, 6)?,
    })
}

pub(crate) fn segments(text: &str) -> Option<Vec<Segment>> {
    let all: Vec<(u32, String, u64, u64, Option<String>)> = serde_json::from_str(text).ok()?;
    let segment = |(number, file, offset, size, checksum)| Segment { number, file, offset, size, checksum };
    Some(all.into_iter().map(segment).collect())
}

pub(crate) fn segments_text(segments: &[Segment]) -> String {
    let one = |of: &Segment| json!([of.number, of.file, of.offset, of.size, of.checksum]);
    Value::Array(segments.iter().map(one).collect()).to_string()
}

pub(crate) fn json(map: &BTreeMap<String, String>) -> Result<String, ObjectStoreError> {
    serde_json::to_string(map).map_err(storage)
}
