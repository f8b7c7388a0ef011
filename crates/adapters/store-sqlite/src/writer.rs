//! The writer: one thread that commits in groups, so that many writes share one sync of the disk.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use lambent_domain::{Epoch, FunctionKey, Scope};
use lambent_ports::store::{Change, ChangeListener, Limits, StoreError, Usage, Write};
use lambent_sqlite::SealingKey;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::rows::Rows;
use crate::tables::{Index, Kind, Stored, Tables, index, minus, plus};
use crate::unavailable;

/// Commits that wait for the disk at the same time; more wait at the door.
const MAX_QUEUED: usize = 1_024;
/// Commits in one transaction.
const MAX_GROUP: usize = 256;

pub(crate) enum Task {
    Commit(Vec<Write>),
    Subscribe(Arc<dyn ChangeListener>),
}

type Done = oneshot::Sender<Result<(), StoreError>>;
/// A record's name with what it becomes.
type Staged = (Index, Option<Stored>);

/// The thread's near end. Dropping it waits for what was queued.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<(Task, Done)>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        key: SealingKey,
        tables: Arc<RwLock<Tables>>,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let (queue, tasks) = mpsc::channel(MAX_QUEUED);
        let newest = read(&tables).newest();
        let state = State { connection, key, tables, limits, newest, listeners: Vec::new() };
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(move || state.run(tasks))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    pub(crate) async fn submit(&self, task: Task) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        let ended = || unavailable("the writer has ended");
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send((task, done)).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable { message: "the writer ended".into(), may_have_happened: true })
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn read(tables: &RwLock<Tables>) -> std::sync::RwLockReadGuard<'_, Tables> {
    tables.read().unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct State {
    connection: Connection,
    key: SealingKey,
    tables: Arc<RwLock<Tables>>,
    limits: Limits,
    /// The last epoch that was given to a record.
    newest: Epoch,
    listeners: Vec<Arc<dyn ChangeListener>>,
}

/// What a group has changed so far, over the tables that readers see.
#[derive(Default)]
struct Group {
    records: HashMap<Index, Option<Stored>>,
    usage: HashMap<Scope, Usage>,
    /// In the order of the commits.
    changes: Vec<Change>,
}

impl State {
    fn run(mut self, mut tasks: mpsc::Receiver<(Task, Done)>) {
        while let Some(first) = tasks.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(next) = tasks.try_recv()
            {
                group.push(next);
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, tasks: Vec<(Task, Done)>) {
        let mut answers = Vec::with_capacity(tasks.len());
        let mut subscribers = Vec::new();
        let mut group = Group::default();
        let began = self.connection.execute_batch("BEGIN IMMEDIATE");
        for (task, done) in tasks {
            let result = match (&began, task) {
                (Err(error), _) => Err(unavailable(error)),
                (Ok(()), Task::Subscribe(listener)) => {
                    // After the commit: what this group changes is in the replay then.
                    subscribers.push((listener, done));
                    continue;
                }
                // SQLite ends the whole transaction on a full disk or an IO error. Going on would commit each later
                // write by itself, unseen by the listeners.
                (Ok(()), _) if self.connection.is_autocommit() => {
                    Err(unavailable("the group was rolled back"))
                }
                (Ok(()), Task::Commit(writes)) => self.stage(&mut group, writes),
            };
            answers.push((result, done));
        }
        let lost = began.is_ok().then(|| self.end_transaction()).flatten();
        match lost {
            Some((message, may_have_happened)) => {
                for (result, _) in &mut answers {
                    // What was refused before has not happened either way.
                    if result.is_ok() {
                        let message = message.clone();
                        *result = Err(StoreError::Unavailable { message, may_have_happened });
                    }
                }
            }
            None => self.publish(group),
        }
        for (result, done) in answers {
            let _ = done.send(result);
        }
        for (listener, done) in subscribers {
            self.subscribe(listener);
            let _ = done.send(Ok(()));
        }
    }

    /// `None` when the group is on disk; otherwise why it isn't, and whether it may be after all.
    fn end_transaction(&self) -> Option<(String, bool)> {
        if self.connection.is_autocommit() {
            return Some(("rolled back with its group".into(), false));
        }
        let error = self.connection.execute_batch("COMMIT").err()?;
        let _ = self.connection.execute_batch("ROLLBACK");
        Some((error.to_string(), true))
    }

    /// Shows a committed group to listeners, then to readers: what a read shows as active can be invoked.
    fn publish(&self, group: Group) {
        for change in group.changes {
            self.listeners.iter().for_each(|listener| listener.changed(&change));
        }
        let mut tables = self.tables.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (index, record) in group.records {
            tables.set(index, record);
        }
    }

    fn subscribe(&mut self, listener: Arc<dyn ChangeListener>) {
        for record in read(&self.tables).all() {
            match record {
                Stored::Function(function) => listener.changed(&Change::Put(Arc::clone(function))),
                Stored::Mapping(mapping) => listener.changed(&Change::MappingPut(Arc::clone(mapping))),
                Stored::Layer(_) | Stored::CodeSigning(_) => {}
            }
        }
        self.listeners.push(listener);
    }

    /// One commit of the group: decided first, then written; what it wrote is undone when that fails half-way, without
    /// touching its neighbours.
    fn stage(&mut self, group: &mut Group, writes: Vec<Write>) -> Result<(), StoreError> {
        let tables = read(&self.tables);
        let epoch = Epoch(self.newest.0 + 1);
        let mut decided: Vec<Staged> = Vec::with_capacity(writes.len());
        let mut usage: HashMap<Scope, Usage> = HashMap::new();
        for write in writes {
            let Some((index, record)) = decide(group, &tables, write, epoch)? else { continue };
            let before = usage.get(&index.1).copied().unwrap_or_else(|| group.usage_of(&tables, &index.1));
            let old = group.get(&tables, &index).map(Stored::weight).unwrap_or_default();
            let new = record.as_ref().map(Stored::weight).unwrap_or_default();
            let others = minus(before, old);
            within(self.limits, others, old, new)?;
            usage.insert(index.1.clone(), plus(others, new));
            decided.push((index, record));
        }
        self.connection.execute_batch("SAVEPOINT one").map_err(unavailable)?;
        let rows = Rows { connection: &self.connection, key: &self.key };
        let written = decided
            .iter()
            .try_for_each(|(index, record)| rows.write(index, group.get(&tables, index), record.as_ref()));
        if !self.connection.is_autocommit() {
            let end = if written.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
            self.connection.execute_batch(end).map_err(unavailable)?;
        }
        written.map_err(unavailable)?;
        self.newest = epoch;
        group.usage.extend(usage);
        for (index, record) in decided {
            let change = change(&index, group.get(&tables, &index), record.as_ref());
            group.changes.extend(change);
            group.records.insert(index, record);
        }
        Ok(())
    }
}

/// What a write makes of its record; nothing for an expectation that holds.
fn decide(group: &Group, tables: &Tables, write: Write, epoch: Epoch) -> Result<Option<Staged>, StoreError> {
    let current = |index: &Index| group.get(tables, index).map_or(Epoch::NEW, Stored::epoch);
    let (index, expected, staged) = match write {
        Write::Put(record) => {
            let (index, expected) = (index(&record.key()), record.epoch());
            (index, expected, Some(Some(Stored::of(record, epoch))))
        }
        // Nothing is nothing to delete.
        Write::Delete(_, Epoch::NEW) => return Err(StoreError::Changed),
        Write::Delete(key, expected) => (index(&key), expected, Some(None)),
        Write::Expect(key, expected) => (index(&key), expected, None),
    };
    if current(&index) != expected {
        return Err(StoreError::Changed);
    }
    Ok(staged.map(|record| (index, record)))
}

/// Refuses a write that makes a sum larger than it may be.
fn within(limits: Limits, others: Usage, old: Usage, new: Usage) -> Result<(), StoreError> {
    if new.code_bytes > old.code_bytes && others.code_bytes + new.code_bytes > limits.code_bytes {
        return Err(StoreError::CodeStorageExceeded);
    }
    let claimed = others.claimed_concurrency + new.claimed_concurrency;
    if new.claimed_concurrency > old.claimed_concurrency && claimed > limits.claimed_concurrency.into() {
        let available = u64::from(limits.claimed_concurrency).saturating_sub(others.claimed_concurrency);
        return Err(StoreError::ConcurrencyExceeded { available: available as u32 });
    }
    Ok(())
}

/// What listeners hear of it.
fn change(index: &Index, old: Option<&Stored>, new: Option<&Stored>) -> Option<Change> {
    match (index.0, old, new) {
        (_, _, Some(Stored::Function(function))) => Some(Change::Put(Arc::clone(function))),
        (Kind::Function, Some(Stored::Function(old)), None) => {
            Some(Change::Deleted(FunctionKey::clone(&old.key)))
        }
        (_, _, Some(Stored::Mapping(mapping))) => Some(Change::MappingPut(Arc::clone(mapping))),
        (Kind::Mapping, Some(Stored::Mapping(old)), None) => Some(Change::MappingDeleted(old.key.clone())),
        _ => None,
    }
}

impl Group {
    fn get<'a>(&'a self, tables: &'a Tables, index: &Index) -> Option<&'a Stored> {
        match self.records.get(index) {
            Some(record) => record.as_ref(),
            None => tables.get(index),
        }
    }

    fn usage_of(&self, tables: &Tables, scope: &Scope) -> Usage {
        self.usage.get(scope).copied().unwrap_or_else(|| tables.usage(scope))
    }
}
