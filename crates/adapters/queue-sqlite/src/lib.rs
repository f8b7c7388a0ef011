//! Queues in SQLite, in a file of their own: one writer that commits in groups, and a reader that looks without holding
//! it up. Nothing of a message is in memory but while it is being claimed.

mod statements;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_ports::queue::{Claimed, Counts, NewMessage, Queue, QueueError, Receipt, Wanted};
use lambent_sqlite::{Bounds, OpenError, Reader, Schema, WriteError, Writer, open};
use rusqlite::Connection;

/// Jobs that may wait hold their messages in memory: this many times the largest message is the worst case.
const BOUNDS: Bounds = Bounds { queued: 1_024, group: 512 };
/// Pages that the database may have in memory, KiB. The index of a million messages is larger, and only its ends are hot.
const CACHE_KIB: i64 = 8 * 1_024;
const SCHEMA: Schema = Schema { version: 1, tables: statements::TABLES };

/// Queues in `<data dir>/queues.sqlite`.
pub struct SqliteQueue {
    writer: Writer,
    reader: Reader,
}

impl SqliteQueue {
    /// Opens or creates the file. The caller sees to it that nobody else has it open.
    pub fn open(data_dir: &Path) -> Result<Arc<Self>, OpenError> {
        let path = data_dir.join("queues.sqlite");
        Self::with_connection(open(&path, &SCHEMA)?, &path)
    }

    fn with_connection(connection: Connection, path: &Path) -> Result<Arc<Self>, OpenError> {
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        statements::forget_empty(&connection)?;
        let reader = Reader::open(path, 1)?;
        let writer = Writer::start("queue-store", connection, BOUNDS)?;
        Ok(Arc::new(SqliteQueue { writer, reader }))
    }

    /// Transactions so far.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.writer.run(lost, work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.reader.run(lost, work).await
    }
}

fn lost(error: WriteError) -> QueueError {
    QueueError::Unavailable { message: error.message, may_have_happened: error.may_have_happened }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn enqueue(&self, queue: &str, message: NewMessage, now_ms: u64) -> Result<(), QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| statements::enqueue(db, &queue, &message, now_ms)).await
    }

    async fn claim(&self, queue: &str, wanted: Wanted, now_ms: u64) -> Result<Vec<Claimed>, QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| statements::claim(db, &queue, wanted, now_ms)).await
    }

    async fn settle(
        &self,
        queue: &str,
        receipt: Receipt,
        then: Vec<(String, NewMessage)>,
        now_ms: u64,
    ) -> Result<(), QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| {
            statements::settle(db, &queue, receipt)?;
            then.iter().try_for_each(|(queue, message)| statements::enqueue(db, queue, message, now_ms))
        })
        .await
    }

    async fn release(
        &self,
        queue: &str,
        receipt: Receipt,
        visible_at_ms: u64,
        attributes: Bytes,
    ) -> Result<(), QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| statements::release(db, &queue, receipt, visible_at_ms, &attributes)).await
    }

    async fn extend(&self, queue: &str, receipt: Receipt, until_ms: u64) -> Result<(), QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| statements::extend(db, &queue, receipt, until_ms)).await
    }

    async fn reclaim(&self, queue: &str, now_ms: u64) -> Result<u64, QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| statements::reclaim(db, &queue, now_ms)).await
    }

    async fn purge(&self, queue: &str) -> Result<u64, QueueError> {
        let queue = queue.to_owned();
        self.write(move |db| statements::purge(db, &queue)).await
    }

    async fn next_due_ms(&self, queue: &str) -> Result<Option<u64>, QueueError> {
        let queue = queue.to_owned();
        self.read(move |db| statements::next_due_ms(db, &queue)).await
    }

    async fn queues(&self, prefix: &str) -> Result<Vec<String>, QueueError> {
        let prefix = prefix.to_owned();
        self.read(move |db| statements::queues(db, &prefix)).await
    }

    async fn counts(&self, queue: &str, now_ms: u64) -> Result<Counts, QueueError> {
        let queue = queue.to_owned();
        self.read(move |db| statements::counts(db, &queue, now_ms)).await
    }
}

#[cfg(test)]
mod tests;
