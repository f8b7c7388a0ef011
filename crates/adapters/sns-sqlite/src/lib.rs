//! Topics, subscriptions and deliveries of SNS in SQLite, in a file of their own: one writer that commits in groups, one
//! reader. Topics and subscriptions are in memory as well; of messages, nothing is.

mod deliveries;
mod schema;
mod subscriptions;
mod topics;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::Scope;
use lambent_ports::topic_store::{
    Again, Delivery, Farewell, Lane, NewNotification, Published, SubscriptionRecord, TopicId, TopicRecord,
    TopicStore, TopicStoreError,
};
use lambent_sqlite::{Bounds, OpenError, Reader, WriteError, Writer, open};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

/// Jobs that may wait hold their messages in memory.
const BOUNDS: Bounds = Bounds { queued: 512, group: 512 };
/// Pages that the database may have in memory, KiB.
const CACHE_KIB: i64 = 4 * 1_024;

type Result<T> = std::result::Result<T, TopicStoreError>;

/// What is known without the disk.
#[derive(Default)]
struct Shown {
    names: BTreeMap<(Scope, String), TopicId>,
    topics: BTreeMap<TopicId, Arc<TopicRecord>>,
    subscriptions: BTreeMap<(TopicId, String), Arc<SubscriptionRecord>>,
}

/// Topics in `<data dir>/sns.sqlite`.
pub struct SnsSqlite {
    writer: Writer,
    reader: Reader,
    shown: RwLock<Shown>,
}

impl SnsSqlite {
    /// Opens or creates the file. The caller sees to it that nobody else has it open.
    pub fn open(data_dir: &Path) -> std::result::Result<Arc<Self>, OpenError> {
        let path = data_dir.join("sns.sqlite");
        let connection = open(&path, &schema::SCHEMA)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let mut shown = Shown::default();
        for topic in topics::all(&connection)? {
            shown.names.insert((topic.scope.clone(), topic.name.clone()), topic.id);
            shown.topics.insert(topic.id, Arc::new(topic));
        }
        for one in subscriptions::all(&connection)? {
            shown.subscriptions.insert((one.topic, one.id.clone()), Arc::new(one));
        }
        let reader = Reader::open(&path, 1)?;
        let writer = Writer::start("sns-store", connection, BOUNDS)?;
        Ok(Arc::new(SnsSqlite { writer, reader, shown: RwLock::new(shown) }))
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(lost, work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.reader.run(lost, work).await
    }

    fn shown(&self) -> RwLockReadGuard<'_, Shown> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn showing(&self) -> RwLockWriteGuard<'_, Shown> {
        self.shown.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what has been committed. Commits can come here out of order: an older state never replaces a newer one,
    /// and never brings a deleted topic back.
    fn show_topic(&self, topic: TopicRecord, created: bool) -> Arc<TopicRecord> {
        let topic = Arc::new(topic);
        let mut shown = self.showing();
        let newer = shown.topics.get(&topic.id).map_or(created, |known| known.revision < topic.revision);
        if newer {
            shown.names.insert((topic.scope.clone(), topic.name.clone()), topic.id);
            shown.topics.insert(topic.id, Arc::clone(&topic));
        }
        topic
    }

    fn show_subscription(&self, one: SubscriptionRecord, added: bool) -> Arc<SubscriptionRecord> {
        let one = Arc::new(one);
        let mut shown = self.showing();
        let key = (one.topic, one.id.clone());
        let added = added && shown.topics.contains_key(&one.topic);
        let newer = shown.subscriptions.get(&key).map_or(added, |known| known.revision < one.revision);
        if newer {
            shown.subscriptions.insert(key, Arc::clone(&one));
        }
        one
    }
}

fn lost(error: WriteError) -> TopicStoreError {
    storage(error)
}

fn storage(error: impl std::fmt::Display) -> TopicStoreError {
    TopicStoreError::Storage(error.to_string())
}

fn invalid(index: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(index, String::new(), rusqlite::types::Type::Text)
}

fn map(row: &Row<'_>, index: usize) -> rusqlite::Result<BTreeMap<String, String>> {
    serde_json::from_str(&row.get::<_, String>(index)?).map_err(|_| invalid(index))
}

fn json(map: &BTreeMap<String, String>) -> Result<String> {
    serde_json::to_string(map).map_err(storage)
}

fn prepare<'a>(db: &'a Connection, text: &str) -> Result<CachedStatement<'a>> {
    db.prepare_cached(text).map_err(storage)
}

fn execute(db: &Connection, text: &str, params: impl Params) -> Result<usize> {
    prepare(db, text)?.execute(params).map_err(storage)
}

#[async_trait]
impl TopicStore for SnsSqlite {
    fn topic(&self, scope: &Scope, name: &str) -> Option<Arc<TopicRecord>> {
        let shown = self.shown();
        let id = shown.names.get(&(scope.clone(), name.to_owned()))?;
        shown.topics.get(id).cloned()
    }

    fn topic_by_id(&self, id: TopicId) -> Option<Arc<TopicRecord>> {
        self.shown().topics.get(&id).cloned()
    }

    fn topics(&self, scope: &Scope, after: &str) -> Vec<Arc<TopicRecord>> {
        let shown = self.shown();
        let from = Bound::Excluded((scope.clone(), after.to_owned()));
        let behind = shown.names.range((from, Bound::Unbounded)).take_while(|((found, _), _)| found == scope);
        behind.filter_map(|(_, id)| shown.topics.get(id).cloned()).collect()
    }

    async fn create_topic(
        &self,
        scope: &Scope,
        name: &str,
        attributes: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<TopicRecord>> {
        let (scope, name) = (scope.clone(), name.to_owned());
        let made = self.write(move |db| topics::create(db, &scope, &name, &attributes, &tags)).await?;
        Ok(self.show_topic(made, true))
    }

    async fn replace_topic(&self, topic: TopicRecord) -> Result<Arc<TopicRecord>> {
        let changed = self.write(move |db| topics::replace(db, &topic)).await?;
        Ok(self.show_topic(changed, false))
    }

    async fn delete_topic(&self, id: TopicId) -> Result<()> {
        self.write(move |db| topics::delete(db, id)).await?;
        let mut shown = self.showing();
        shown.topics.remove(&id);
        shown.names.retain(|_, found| *found != id);
        shown.subscriptions.retain(|(topic, _), _| *topic != id);
        Ok(())
    }

    fn subscriptions(&self, topic: TopicId) -> Vec<Arc<SubscriptionRecord>> {
        let shown = self.shown();
        let of_topic = shown.subscriptions.range((topic, String::new())..);
        of_topic.take_while(|((found, _), _)| *found == topic).map(|(_, one)| Arc::clone(one)).collect()
    }

    fn subscription(&self, topic: TopicId, id: &str) -> Option<Arc<SubscriptionRecord>> {
        self.shown().subscriptions.get(&(topic, id.to_owned())).cloned()
    }

    async fn subscribe(
        &self,
        subscription: SubscriptionRecord,
        first: Option<NewNotification>,
        now_ms: u64,
    ) -> Result<Arc<SubscriptionRecord>> {
        let work = move |db: &Connection| {
            let added = subscriptions::add(db, &subscription)?;
            if let Some(first) = &first {
                deliveries::publish_one(db, subscription.topic, first, now_ms)?;
            }
            Ok(added)
        };
        let (added, instead_of) = self.write(work).await?;
        if let Some(ended) = instead_of {
            self.showing().subscriptions.remove(&(added.topic, ended));
        }
        Ok(self.show_subscription(added, true))
    }

    async fn replace_subscription(
        &self,
        subscription: SubscriptionRecord,
    ) -> Result<Arc<SubscriptionRecord>> {
        let changed = self.write(move |db| subscriptions::replace(db, &subscription)).await?;
        Ok(self.show_subscription(changed, false))
    }

    async fn unsubscribe(
        &self,
        topic: TopicId,
        id: &str,
        farewell: Option<Farewell>,
        now_ms: u64,
    ) -> Result<()> {
        let key = (topic, id.to_owned());
        let id = id.to_owned();
        let (left, counted) =
            self.write(move |db| subscriptions::end(db, topic, &id, farewell, now_ms)).await?;
        match left {
            Some(ended) => drop(self.show_subscription(ended, false)),
            None => drop(self.showing().subscriptions.remove(&key)),
        }
        self.show_topic(counted, false);
        Ok(())
    }

    async fn forget_unconfirmed(&self, since_ms: u64) -> Result<usize> {
        let forgotten = self.write(move |db| subscriptions::forget(db, since_ms)).await?;
        let mut shown = self.showing();
        for key in &forgotten {
            shown.subscriptions.remove(key);
        }
        Ok(forgotten.len())
    }

    async fn publish(
        &self,
        topic: TopicId,
        messages: Vec<NewNotification>,
        now_ms: u64,
    ) -> Result<Vec<Published>> {
        self.write(move |db| deliveries::publish(db, topic, &messages, now_ms)).await
    }

    async fn lanes(&self) -> Result<Vec<(Lane, u64)>> {
        self.read(deliveries::lanes).await
    }

    async fn due(&self, lane: &Lane, max: usize, now_ms: u64) -> Result<Vec<Delivery>> {
        let lane = lane.clone();
        self.read(move |db| deliveries::due(db, &lane, max, now_ms)).await
    }

    async fn next_due_ms(&self, lane: &Lane, running: &[u64]) -> Result<Option<u64>> {
        let (lane, running) = (lane.clone(), running.to_vec());
        self.read(move |db| deliveries::next_due_ms(db, &lane, &running)).await
    }

    async fn settle(&self, delivery: u64, now_ms: u64) -> Result<()> {
        self.write(move |db| deliveries::settle(db, delivery, now_ms)).await
    }

    async fn again(&self, delivery: u64, again: Again) -> Result<()> {
        self.write(move |db| deliveries::again(db, delivery, again)).await
    }

    async fn signing_key(&self) -> Result<Option<Bytes>> {
        self.read(|db| {
            let found = db.query_row("SELECT key FROM signing", [], |row| row.get::<_, Vec<u8>>(0));
            Ok(found.optional().map_err(storage)?.map(Bytes::from))
        })
        .await
    }

    async fn keep_signing_key(&self, key: Bytes) -> Result<Bytes> {
        self.write(move |db| {
            execute(db, "INSERT OR IGNORE INTO signing (id, key) VALUES (0, ?1)", [&key[..]])?;
            let kept = db.query_row("SELECT key FROM signing", [], |row| row.get::<_, Vec<u8>>(0));
            kept.map(Bytes::from).map_err(storage)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
