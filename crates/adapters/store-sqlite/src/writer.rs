//! The one writer: takes what is queued, puts it into one transaction, and answers after the commit.

use std::sync::Arc;

use lambent_domain::limits::TOTAL_CODE_BYTES;
use lambent_domain::{Function, FunctionKey, RevisionId};
use lambent_ports::store::{Change, ChangeListener, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use crate::reader::Reader;
use crate::secrets::EnvironmentKey;
use crate::stored::StoredFunction;
use crate::unavailable;

/// Writes that wait for the disk at the same time; more wait at the door.
const MAX_QUEUED: usize = 1_024;
/// Writes in one transaction.
const MAX_GROUP: usize = 256;

pub(crate) enum Write {
    Create(Box<Function>),
    Replace(Box<Function>, RevisionId),
    Delete(FunctionKey, Option<RevisionId>),
    Subscribe(Arc<dyn ChangeListener>),
}

type Done = oneshot::Sender<Result<(), StoreError>>;

pub(crate) struct Writer {
    queue: mpsc::Sender<(Write, Done)>,
}

impl Writer {
    pub(crate) fn start(connection: Connection, key: Arc<EnvironmentKey>) -> std::io::Result<Self> {
        let (queue, writes) = mpsc::channel(MAX_QUEUED);
        let state = State { connection, key, listeners: Vec::new() };
        std::thread::Builder::new().name("store-writer".into()).spawn(move || state.run(writes))?;
        Ok(Writer { queue })
    }

    pub(crate) async fn submit(&self, write: Write, done: Done) -> Result<(), StoreError> {
        self.queue.send((write, done)).await.map_err(|_| unavailable("the writer has ended"))
    }
}

struct State {
    connection: Connection,
    key: Arc<EnvironmentKey>,
    listeners: Vec<Arc<dyn ChangeListener>>,
}

impl State {
    fn run(mut self, mut writes: mpsc::Receiver<(Write, Done)>) {
        while let Some(first) = writes.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(next) = writes.try_recv()
            {
                group.push(next);
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<(Write, Done)>) {
        let mut answers = Vec::with_capacity(group.len());
        let mut changes = Vec::new();
        let mut subscribers = Vec::new();
        let began = self.connection.execute_batch("BEGIN IMMEDIATE");
        for (write, done) in group {
            let result = match (&began, write) {
                (Err(error), _) => Err(unavailable(error)),
                (Ok(()), Write::Subscribe(listener)) => {
                    // After the commit: what this group changes is in the replay then.
                    subscribers.push((listener, done));
                    continue;
                }
                // SQLite ends the whole transaction on a full disk or an IO error. Going on would commit each later
                // write by itself, unseen by the listeners.
                (Ok(()), _) if self.connection.is_autocommit() => {
                    Err(unavailable("the group was rolled back"))
                }
                (Ok(()), write) => self.in_savepoint(write).map(|change| changes.push(change)),
            };
            answers.push((result, done));
        }
        if began.is_ok() && self.connection.is_autocommit() {
            changes.clear();
            for (result, _) in &mut answers {
                if result.is_ok() {
                    *result = Err(unavailable("rolled back with its group"));
                }
            }
        } else if began.is_ok()
            && let Err(error) = self.connection.execute_batch("COMMIT")
        {
            let _ = self.connection.execute_batch("ROLLBACK");
            changes.clear();
            for (result, _) in &mut answers {
                // A failed COMMIT may have reached the disk; what was refused before it has not.
                if result.is_ok() {
                    *result =
                        Err(StoreError::Unavailable { message: error.to_string(), may_have_happened: true });
                }
            }
        }
        for change in &changes {
            self.listeners.iter().for_each(|listener| listener.changed(change));
        }
        for (result, done) in answers {
            let _ = done.send(result);
        }
        for (listener, done) in subscribers {
            let _ = done.send(self.subscribe(listener));
        }
    }

    fn subscribe(&mut self, listener: Arc<dyn ChangeListener>) -> Result<(), StoreError> {
        for function in Reader::of(&self.connection, &self.key).all()? {
            listener.changed(&Change::Put(function));
        }
        self.listeners.push(listener);
        Ok(())
    }

    /// One write of the group: what it did is undone when it fails half-way, without touching its neighbours.
    fn in_savepoint(&self, write: Write) -> Result<Change, StoreError> {
        self.connection.execute_batch("SAVEPOINT one").map_err(unavailable)?;
        let result = self.apply(write);
        if !self.connection.is_autocommit() {
            let end = if result.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
            self.connection.execute_batch(end).map_err(unavailable)?;
        }
        result
    }

    /// One write in the open transaction.
    fn apply(&self, write: Write) -> Result<Change, StoreError> {
        match write {
            Write::Create(function) => {
                if self.revision(&function.key)?.is_some() {
                    return Err(StoreError::AlreadyExists);
                }
                self.put(*function)
            }
            Write::Replace(function, expected) => {
                self.expect(&function.key, Some(expected))?;
                self.put(*function)
            }
            Write::Delete(key, expected) => {
                self.expect(&key, expected)?;
                self.connection
                    .prepare_cached("DELETE FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3")
                    .and_then(|mut statement| {
                        statement.execute(params![
                            key.scope.account.as_str(),
                            key.scope.region.as_str(),
                            key.name.as_str()
                        ])
                    })
                    .map_err(unavailable)?;
                Ok(Change::Deleted(key))
            }
            Write::Subscribe(_) => Err(unavailable("a subscription is no write")),
        }
    }

    fn revision(&self, key: &FunctionKey) -> Result<Option<RevisionId>, StoreError> {
        let sql = "SELECT revision FROM functions WHERE account = ?1 AND region = ?2 AND name = ?3";
        let parameters = params![key.scope.account.as_str(), key.scope.region.as_str(), key.name.as_str()];
        let text: Option<String> = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
            .map_err(unavailable)?;
        text.map(|text| RevisionId::parse(&text).ok_or_else(|| unavailable("a revision id is damaged")))
            .transpose()
    }

    fn expect(&self, key: &FunctionKey, expected: Option<RevisionId>) -> Result<(), StoreError> {
        let current = self.revision(key)?.ok_or(StoreError::NotFound)?;
        match expected {
            Some(expected) if expected != current => Err(StoreError::RevisionMismatch { current }),
            _ => Ok(()),
        }
    }

    fn put(&self, function: Function) -> Result<Change, StoreError> {
        let reader = Reader::of(&self.connection, &self.key);
        let own = reader.get(&function.key)?.map_or(0, |stored| stored.code.size_bytes);
        let total = reader.usage(&function.key.scope)?.total_code_bytes - own + function.code.size_bytes;
        if total > TOTAL_CODE_BYTES && function.code.size_bytes > own {
            return Err(StoreError::CodeStorageExceeded);
        }
        let seal = |secrets: Option<&lambent_domain::Secrets>| {
            secrets.map(|secrets| self.key.seal(&function.key, secrets)).transpose().map_err(unavailable)
        };
        let environment = seal(function.configuration.environment.as_ref())?;
        let deployed = seal(
            function.deployed.as_ref().and_then(|deployed| deployed.configuration.environment.as_ref()),
        )?;
        let body = serde_json::to_string(&StoredFunction::of(&function)).map_err(unavailable)?;
        let sql = "INSERT OR REPLACE INTO functions
            (account, region, name, revision, code_bytes, body, environment, deployed_environment)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let key = &function.key;
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.execute(params![
                    key.scope.account.as_str(),
                    key.scope.region.as_str(),
                    key.name.as_str(),
                    function.revision_id.to_string(),
                    function.code.size_bytes as i64,
                    body,
                    environment,
                    deployed
                ])
            })
            .map_err(unavailable)?;
        Ok(Change::Put(Arc::new(function)))
    }
}
