//! The tables.

use lambent_sqlite::Schema;

pub(crate) const SCHEMA: Schema = Schema { version: 1, tables: TABLES };

/// `dimensions` is a JSON object whose keys are in order. A point's `spread` is NULL where nothing is known of percentiles.
const TABLES: &str = "
    CREATE TABLE metrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        dimensions TEXT NOT NULL,
        last_ms INTEGER NOT NULL,
        UNIQUE (account, region, namespace, name, dimensions)
    ) STRICT;
    CREATE TABLE points (
        metric INTEGER NOT NULL,
        tier INTEGER NOT NULL,
        start_s INTEGER NOT NULL,
        unit TEXT NOT NULL,
        count REAL NOT NULL,
        sum REAL NOT NULL,
        minimum REAL NOT NULL,
        maximum REAL NOT NULL,
        spread BLOB,
        PRIMARY KEY (metric, tier, start_s, unit)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX points_by_age ON points (tier, start_s);
";
