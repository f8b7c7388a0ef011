//! Queues and messages of SQS in SQLite, in a file of their own: one writer that commits in groups, one reader that
//! counts without holding it up. Queues are in memory as well; of messages, nothing is.

mod fifo;
mod messages;
mod moves;
mod queues;
mod schema;
mod sweep;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use lambent_domain::Scope;
use lambent_ports::message_store::{
    MessageCounts, MessageStore, MessageStoreError, MoveId, MoveState, MoveTask, MoveTo, Moved, NewMessage,
    NewMove, QueueId, QueueRecord, Receipt, Receive, Redeemed, Sent, Taken,
};
use lambent_sqlite::{Bounds, OpenError, Reader, WriteError, Writer, open};
use rusqlite::Connection;

/// Jobs that may wait hold their messages in memory: this many times the largest batch is the worst case.
const BOUNDS: Bounds = Bounds { queued: 512, group: 512 };
/// Pages that the database may have in memory, KiB. The index of a million messages is larger, and only its ends are hot.
const CACHE_KIB: i64 = 8 * 1_024;

type Names = BTreeMap<(Scope, String), Arc<QueueRecord>>;

/// Queues in `<data dir>/sqs.sqlite`.
pub struct SqsSqlite {
    writer: Writer,
    reader: Reader,
    names: RwLock<Names>,
}

impl SqsSqlite {
    /// Opens or creates the file. The caller sees to it that nobody else has it open.
    pub fn open(data_dir: &Path) -> Result<Arc<Self>, OpenError> {
        let path = data_dir.join("sqs.sqlite");
        let connection = open(&path, &schema::SCHEMA)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let records = queues::all(&connection)?;
        let key = |record: &QueueRecord| (record.scope.clone(), record.name.clone());
        let names = records.into_iter().map(|record| (key(&record), Arc::new(record))).collect();
        let reader = Reader::open(&path, 1)?;
        let writer = Writer::start("sqs-store", connection, BOUNDS)?;
        Ok(Arc::new(SqsSqlite { writer, reader, names: RwLock::new(names) }))
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, MessageStoreError> + Send + 'static,
    ) -> Result<T, MessageStoreError> {
        self.writer.run(lost, work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, MessageStoreError> + Send + 'static,
    ) -> Result<T, MessageStoreError> {
        self.reader.run(lost, work).await
    }

    /// Shows what has been committed. Commits can come here out of order: an older state never replaces a newer one,
    /// and never brings a deleted queue back.
    fn show(&self, record: QueueRecord, created: bool) -> Arc<QueueRecord> {
        let record = Arc::new(record);
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let key = (record.scope.clone(), record.name.clone());
        let newer = match names.get(&key) {
            None => created,
            Some(shown) => (shown.id, shown.revision) < (record.id, record.revision),
        };
        if newer {
            names.insert(key, Arc::clone(&record));
        }
        record
    }
}

fn lost(error: WriteError) -> MessageStoreError {
    storage(error)
}

fn storage(error: impl std::fmt::Display) -> MessageStoreError {
    MessageStoreError::Storage(error.to_string())
}

#[async_trait]
impl MessageStore for SqsSqlite {
    fn queue(&self, scope: &Scope, name: &str) -> Option<Arc<QueueRecord>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&(scope.clone(), name.to_owned())).cloned()
    }

    fn queues(&self, scope: &Scope, after: &str) -> Vec<Arc<QueueRecord>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let from = Bound::Excluded((scope.clone(), after.to_owned()));
        let behind = names.range((from, Bound::Unbounded));
        behind.take_while(|((found, _), _)| found == scope).map(|(_, record)| Arc::clone(record)).collect()
    }

    fn all_queues(&self) -> Vec<Arc<QueueRecord>> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    async fn create_queue(
        &self,
        scope: &Scope,
        name: &str,
        attributes: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        now_ms: u64,
    ) -> Result<Arc<QueueRecord>, MessageStoreError> {
        let (scope, name) = (scope.clone(), name.to_owned());
        let made = self.write(move |db| queues::create(db, scope, name, attributes, tags, now_ms)).await?;
        Ok(self.show(made, true))
    }

    async fn replace_queue(&self, queue: QueueRecord) -> Result<Arc<QueueRecord>, MessageStoreError> {
        let changed = self.write(move |db| queues::replace(db, queue)).await?;
        Ok(self.show(changed, false))
    }

    async fn delete_queue(&self, id: QueueId) -> Result<(), MessageStoreError> {
        self.write(move |db| queues::delete(db, id)).await?;
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, record| record.id != id);
        Ok(())
    }

    async fn purge_queue(&self, id: QueueId, now_ms: u64) -> Result<(), MessageStoreError> {
        let changed = self.write(move |db| queues::purge(db, id, now_ms)).await?;
        self.show(changed, false);
        Ok(())
    }

    async fn send(
        &self,
        id: QueueId,
        messages: Vec<NewMessage>,
        now_ms: u64,
    ) -> Result<Vec<Sent>, MessageStoreError> {
        self.write(move |db| messages::send(db, id, &messages, now_ms)).await
    }

    async fn receive(&self, id: QueueId, receive: Receive, now_ms: u64) -> Result<Taken, MessageStoreError> {
        self.write(move |db| messages::receive(db, id, &receive, now_ms)).await
    }

    async fn delete(
        &self,
        id: QueueId,
        receipts: Vec<Receipt>,
        now_ms: u64,
    ) -> Result<Vec<Redeemed>, MessageStoreError> {
        self.write(move |db| messages::delete(db, id, &receipts, now_ms)).await
    }

    async fn set_visibility(
        &self,
        id: QueueId,
        changes: Vec<(Receipt, u64)>,
        now_ms: u64,
    ) -> Result<Vec<Redeemed>, MessageStoreError> {
        self.write(move |db| messages::set_visibility(db, id, &changes, now_ms)).await
    }

    async fn create_move(&self, task: NewMove) -> Result<MoveTask, MessageStoreError> {
        self.write(move |db| moves::create(db, &task)).await
    }

    async fn move_messages(
        &self,
        id: MoveId,
        to: MoveTo,
        uuids: Vec<String>,
        now_ms: u64,
    ) -> Result<Moved, MessageStoreError> {
        self.write(move |db| moves::go_on(db, id, &to, &uuids, now_ms)).await
    }

    async fn end_move(&self, id: MoveId, end: MoveState) -> Result<Option<MoveTask>, MessageStoreError> {
        self.write(move |db| moves::end(db, id, &end)).await
    }

    async fn moves(&self, queue: QueueId, max: usize) -> Result<Vec<MoveTask>, MessageStoreError> {
        self.read(move |db| moves::of_queue(db, queue, max)).await
    }

    async fn running_moves(&self) -> Result<Vec<MoveTask>, MessageStoreError> {
        self.read(moves::running).await
    }

    async fn next_due_ms(&self, id: QueueId) -> Result<Option<u64>, MessageStoreError> {
        self.read(move |db| messages::next_due_ms(db, id)).await
    }

    async fn oldest_sent_ms(&self, id: QueueId) -> Result<Option<u64>, MessageStoreError> {
        self.read(move |db| messages::oldest_sent_ms(db, id)).await
    }

    async fn counts(&self, id: QueueId, now_ms: u64) -> Result<MessageCounts, MessageStoreError> {
        self.read(move |db| messages::counts(db, id, now_ms)).await
    }

    async fn sweep(&self, retention_ms: &[(QueueId, u64)], now_ms: u64) -> Result<bool, MessageStoreError> {
        let retention_ms = retention_ms.to_vec();
        self.write(move |db| sweep::sweep(db, &retention_ms, now_ms)).await
    }
}

#[cfg(test)]
mod tests;
