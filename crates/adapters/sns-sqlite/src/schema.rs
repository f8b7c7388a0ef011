//! The tables.

use lambent_sqlite::Schema;

pub(crate) const SCHEMA: Schema = Schema { version: 2, tables: TABLES };

/// A message is there as long as a delivery of it is.
///
/// `blocked` deliveries wait for another one of their `lane`, which is a group of a subscription, to be settled.
const TABLES: &str = "
    CREATE TABLE topics (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        name TEXT NOT NULL,
        attributes TEXT NOT NULL,
        tags TEXT NOT NULL,
        unsubscribed INTEGER NOT NULL DEFAULT 0,
        sequence INTEGER NOT NULL DEFAULT 0,
        revision INTEGER NOT NULL,
        UNIQUE (account, region, name)
    ) STRICT;
    CREATE TABLE subscriptions (
        id TEXT NOT NULL,
        topic INTEGER NOT NULL,
        protocol TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        owner TEXT NOT NULL,
        principal TEXT NOT NULL,
        attributes TEXT NOT NULL,
        -- Of those that are to be confirmed, and of those that have ended, with the time since when.
        token TEXT,
        since_ms INTEGER,
        ended INTEGER NOT NULL,
        authenticated INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (topic, id),
        UNIQUE (topic, protocol, endpoint)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX subscriptions_since ON subscriptions (since_ms) WHERE since_ms IS NOT NULL;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        content BLOB NOT NULL
    ) STRICT;
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic INTEGER NOT NULL,
        subscription TEXT NOT NULL,
        message INTEGER NOT NULL,
        lane TEXT,
        blocked INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX deliveries_due ON deliveries (topic, subscription, due_ms, id) WHERE blocked = 0;
    CREATE INDEX deliveries_of_subscription ON deliveries (topic, subscription);
    CREATE INDEX deliveries_in_lane ON deliveries (topic, subscription, lane, id) WHERE lane IS NOT NULL;
    CREATE INDEX deliveries_of_message ON deliveries (message);
    CREATE TABLE duplicates (
        topic INTEGER NOT NULL,
        id TEXT NOT NULL,
        group_name TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        uuid TEXT NOT NULL,
        PRIMARY KEY (topic, id, group_name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX duplicates_until ON duplicates (until_ms);
    CREATE TABLE signing (id INTEGER PRIMARY KEY CHECK (id = 0), key BLOB NOT NULL) STRICT;
";
