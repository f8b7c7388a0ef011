//! The tables.

use lambent_sqlite::Schema;

/// Keys are bytes, so that they sort as S3 lists them. A version's rowid is its sequence: ids are never used twice.
pub(crate) const SCHEMA: Schema = Schema {
    version: 2,
    tables: "
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;
CREATE TABLE versions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    id TEXT NOT NULL,
    latest INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    headers TEXT NOT NULL,
    tags TEXT NOT NULL,
    segments TEXT
) STRICT;
CREATE UNIQUE INDEX latest ON versions (bucket, key) WHERE latest = 1;
CREATE INDEX history ON versions (bucket, key, sequence DESC);
CREATE TABLE inline_content (sequence INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    initiated_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    tags TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_key ON uploads (bucket, key, initiated_ms, id);
CREATE TABLE parts (
    upload TEXT NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    checksum TEXT,
    file TEXT NOT NULL,
    start INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due_ms INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    target TEXT NOT NULL,
    bucket TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    body TEXT NOT NULL,
    trace TEXT
) STRICT;
CREATE INDEX notices_due ON notices (due_ms);
",
};
