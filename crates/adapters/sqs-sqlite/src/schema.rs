//! The tables.

use lambent_sqlite::Schema;

pub(crate) const SCHEMA: Schema = Schema { version: 2, tables: TABLES };

/// A queue's messages are those of its bucket: purging gives it a new one, and the old one is swept at leisure.
///
/// `due_ms` is when a message can be received: the end of its delay, or, when it is `leased`, of its lease. Rows that are
/// rewritten with each receive are small; what never changes of a message is in `contents`.
const TABLES: &str = "
    CREATE TABLE queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        name TEXT NOT NULL,
        attributes TEXT NOT NULL,
        tags TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        modified_ms INTEGER NOT NULL,
        purged_ms INTEGER,
        revision INTEGER NOT NULL,
        bucket INTEGER NOT NULL UNIQUE,
        UNIQUE (account, region, name)
    ) STRICT;
    CREATE TABLE buckets (id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        leased INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER NOT NULL DEFAULT 0,
        receives INTEGER NOT NULL DEFAULT 0,
        first_received_ms INTEGER,
        sent_ms INTEGER NOT NULL,
        uuid TEXT NOT NULL,
        group_name TEXT,
        source TEXT
    ) STRICT;
    CREATE INDEX messages_due ON messages (bucket, due_ms, id);
    CREATE INDEX messages_sent ON messages (bucket, sent_ms);
    CREATE INDEX messages_leased ON messages (bucket, due_ms) WHERE leased = 1;
    CREATE INDEX messages_of_group ON messages (bucket, group_name, id) WHERE group_name IS NOT NULL;
    CREATE TABLE contents (
        id INTEGER PRIMARY KEY,
        attributes BLOB NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    -- The first message of each group: a group is due when its first message is.
    CREATE TABLE heads (
        bucket INTEGER NOT NULL,
        group_name TEXT NOT NULL,
        due_ms INTEGER NOT NULL,
        message INTEGER NOT NULL,
        PRIMARY KEY (bucket, group_name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX heads_due ON heads (bucket, due_ms, message);
    CREATE TABLE duplicates (
        bucket INTEGER NOT NULL,
        id TEXT NOT NULL,
        group_name TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        message INTEGER NOT NULL,
        uuid TEXT NOT NULL,
        PRIMARY KEY (bucket, id, group_name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX duplicates_until ON duplicates (until_ms);
    CREATE TABLE moves (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL,
        queue INTEGER NOT NULL,
        destination TEXT,
        max_per_second INTEGER,
        to_move INTEGER NOT NULL,
        started_ms INTEGER NOT NULL,
        moved INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL,
        failure TEXT
    ) STRICT;
    CREATE INDEX moves_of_queue ON moves (queue, id);
    CREATE INDEX moves_running ON moves (queue) WHERE state = 'RUNNING';
";
