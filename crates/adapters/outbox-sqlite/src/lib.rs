//! A service's outbox in SQLite, in a file of its own: one writer that commits in groups, one reader that looks without
//! holding it up.

mod statements;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lambent_ports::outbox::{
    Change, Entry, JournalSize, Message, MessageId, Outbox, OutboxError, Page, Record, Waiting,
};
use lambent_sqlite::{Bounds, OpenError, Reader, Schema, WriteError, Writer, open};
use rusqlite::Connection;

/// Jobs that may wait hold their messages in memory: this many times the largest request is the worst case.
const BOUNDS: Bounds = Bounds { queued: 256, group: 256 };
const SCHEMA: Schema = Schema { version: 1, tables: statements::TABLES };

/// The outbox in `<data dir>/<service>.sqlite`.
pub struct OutboxSqlite {
    writer: Writer,
    reader: Reader,
}

impl OutboxSqlite {
    /// Opens or creates the file. The caller sees to it that nobody else has it open.
    pub fn open(data_dir: &Path, service: &str) -> Result<Arc<Self>, OpenError> {
        let path = data_dir.join(format!("{service}.sqlite"));
        let connection = open(&path, &SCHEMA)?;
        let reader = Reader::open(&path, 1)?;
        let writer = Writer::start(&format!("{service}-store"), connection, BOUNDS)?;
        Ok(Arc::new(OutboxSqlite { writer, reader }))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let failed = |error| lost(WriteError::nothing_happened(error));
        self.reader.run(lost, move |db| work(db).map_err(failed)).await
    }
}

fn lost(error: WriteError) -> OutboxError {
    OutboxError { message: error.message, may_have_happened: error.may_have_happened }
}

#[async_trait]
impl Outbox for OutboxSqlite {
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<MessageId>, OutboxError> {
        let work = move |db: &Connection| {
            statements::apply(db, &changes).map_err(|error| lost(WriteError::nothing_happened(error)))
        };
        self.writer.run(lost, work).await
    }

    async fn records(&self) -> Result<Vec<Record>, OutboxError> {
        self.read(statements::records).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, OutboxError> {
        self.read(statements::waiting).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, OutboxError> {
        self.read(move |db| statements::message(db, id)).await
    }

    async fn journal(&self, journal: &str, page: Page) -> Result<Vec<Entry>, OutboxError> {
        let journal = journal.to_owned();
        self.read(move |db| statements::journal(db, &journal, page)).await
    }

    async fn journal_size(&self, journal: &str) -> Result<JournalSize, OutboxError> {
        let journal = journal.to_owned();
        self.read(move |db| statements::journal_size(db, &journal)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambent_ports::suites::outbox as suite;

    #[tokio::test]
    async fn it_does_what_every_outbox_does() {
        let dir = tempfile::tempdir().unwrap();
        suite::all(&*OutboxSqlite::open(dir.path(), "events").unwrap()).await;
    }

    #[tokio::test]
    async fn everything_is_there_when_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = OutboxSqlite::open(dir.path(), "events").unwrap();
        let record = suite::record("rule", "r", "body");
        let ids = first.commit(vec![Change::Put(record.clone()), suite::send(7, "m")]).await.unwrap();
        drop(first);
        let again = OutboxSqlite::open(dir.path(), "events").unwrap();
        assert_eq!(again.records().await.unwrap(), [record]);
        assert_eq!(again.waiting().await.unwrap(), [Waiting { id: ids[0], due_ms: 7 }]);
        assert_eq!(again.message(ids[0]).await.unwrap().unwrap().body, "m");
    }
}
