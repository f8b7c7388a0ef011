//! One thread with one connection: what is queued runs in one transaction and is answered after the commit, so that many
//! writes share one sync of the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lambent_kit::crash;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// How much a writer takes on.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Jobs that may wait; more wait at the door.
    pub queued: usize,
    /// Jobs in one transaction.
    pub group: usize,
}

/// A job's work is not on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WriteError {
    /// For the log.
    pub message: String,
    /// Whether it may nevertheless be there after a restart.
    pub may_have_happened: bool,
}

impl WriteError {
    /// A failure that left nothing behind.
    pub fn nothing_happened(error: impl std::fmt::Display) -> Self {
        WriteError { message: error.to_string(), may_have_happened: false }
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        WriteError::nothing_happened(error)
    }
}

type Finish = Box<dyn FnOnce(Result<(), WriteError>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Finish + Send>;

/// The thread's near end. Dropping it waits for what was queued.
pub struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    commits: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(name: &str, connection: Connection, bounds: Bounds) -> std::io::Result<Self> {
        // A connection's cache of statements is small by default; each of ours is used over and over.
        connection.set_prepared_statement_cache_capacity(64);
        let (jobs, queue) = mpsc::channel(bounds.queued);
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let (thread, name) = (std::thread::Builder::new().name(name.into()), name.to_owned());
        let thread = thread.spawn(move || run(&name, &connection, queue, bounds.group, &counted))?;
        Ok(Writer { jobs: Some(jobs), commits, thread: Some(thread) })
    }

    /// Transactions that were committed: what a sync of the disk was waited for.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Runs a job. It changes everything it is about to change, or, with an error, nothing. The answer comes when it is
    /// on disk. A caller that gives up waiting does not take the job back. `lost` says in the caller's words that the writer
    /// failed.
    pub async fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        lost: fn(WriteError) -> E,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = guarded(connection, lost, work);
            Box::new(move |committed| {
                let _ = answer.send(match (committed, result) {
                    // What the job itself refused has not happened either way.
                    (_, Err(refused)) => Err(refused),
                    (Err(error), Ok(_)) => Err(lost(error)),
                    (Ok(()), done) => done,
                });
            })
        });
        let ended = || lost(WriteError::nothing_happened("the writer has ended"));
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(job).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| {
            let message = "the writer ended".into();
            Err(lost(WriteError { message, may_have_happened: true }))
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// SQLite ends the whole transaction on a full disk or an IO error. Going on would commit each later job by itself.
fn rolled_back(connection: &Connection) -> Result<(), WriteError> {
    if connection.is_autocommit() {
        return Err(WriteError::nothing_happened("rolled back with its group"));
    }
    Ok(())
}

fn guarded<T, E>(
    connection: &Connection,
    lost: fn(WriteError) -> E,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let execute = |text: &str| {
        let executed = connection.prepare_cached(text).and_then(|mut statement| statement.execute([]));
        executed.map(drop).map_err(|error| lost(error.into()))
    };
    rolled_back(connection).map_err(lost)?;
    execute("SAVEPOINT job")?;
    let result = work(connection);
    if rolled_back(connection).is_ok() {
        if result.is_err() {
            execute("ROLLBACK TO job")?;
        }
        execute("RELEASE job")?;
    }
    result
}

fn run(
    name: &str,
    connection: &Connection,
    mut queue: mpsc::Receiver<Job>,
    group: usize,
    commits: &AtomicU64,
) {
    while let Some(first) = queue.blocking_recv() {
        let began = connection.execute_batch("BEGIN IMMEDIATE").map_err(WriteError::from);
        let mut finish = vec![first(connection)];
        while finish.len() < group
            && let Ok(next) = queue.try_recv()
        {
            finish.push(next(connection));
        }
        crash::edge(name, "before-sync");
        let committed = began.and_then(|()| commit(connection));
        crash::edge(name, "synced");
        commits.fetch_add(1, Ordering::Relaxed);
        for finish in finish {
            finish(committed.clone());
        }
    }
}

fn commit(connection: &Connection) -> Result<(), WriteError> {
    rolled_back(connection)?;
    connection.execute_batch("COMMIT").map_err(|error| {
        let _ = connection.execute_batch("ROLLBACK");
        WriteError { message: error.to_string(), may_have_happened: true }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Schema, open};

    const SCHEMA: Schema = Schema {
        version: 1,
        tables: "CREATE TABLE numbers (number INTEGER PRIMARY KEY, filling TEXT) STRICT;",
    };

    fn writer(path: &std::path::Path, max_pages: i64) -> Arc<Writer> {
        let connection = open(path, &SCHEMA).unwrap();
        connection.pragma_update(None, "max_page_count", max_pages).unwrap();
        Arc::new(Writer::start("numbers", connection, Bounds { queued: 1_024, group: 256 }).unwrap())
    }

    async fn insert(writer: &Writer, number: i64, size: usize) -> Result<(), WriteError> {
        writer
            .run(
                |error| error,
                move |db| {
                    let filling = "x".repeat(size);
                    db.execute("INSERT INTO numbers VALUES (?1, '')", [number + 1_000_000])?;
                    db.execute("INSERT INTO numbers VALUES (?1, ?2)", rusqlite::params![number, filling])?;
                    Ok(())
                },
            )
            .await
    }

    fn numbers(path: &std::path::Path) -> Vec<i64> {
        let connection = open(path, &SCHEMA).unwrap();
        let mut query = connection.prepare("SELECT number FROM numbers ORDER BY number").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn a_refused_job_leaves_nothing_and_its_neighbours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.sqlite");
        let writer = writer(&path, 1 << 20);
        let (first, twice, other) =
            tokio::join!(insert(&writer, 1, 1), insert(&writer, 1, 1), insert(&writer, 2, 1));
        assert_eq!((first, other), (Ok(()), Ok(())));
        assert!(!twice.unwrap_err().may_have_happened);
        drop(writer);
        assert_eq!(numbers(&path), [1, 2, 1_000_001, 1_000_002]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_a_full_disk_exactly_what_was_acknowledged_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.sqlite");
        let writer = writer(&path, 40);
        // Big ones fill the file, small ones between them still fit.
        let jobs: Vec<_> = (0..200)
            .map(|number| {
                let (writer, size) = (Arc::clone(&writer), if number % 2 == 0 { 30_000 } else { 1 });
                tokio::spawn(async move { (number, insert(&writer, number, size).await) })
            })
            .collect();
        let (mut acknowledged, mut refused) = (Vec::new(), 0);
        for job in jobs {
            match job.await.unwrap() {
                (number, Ok(())) => acknowledged.extend([number, number + 1_000_000]),
                _ => refused += 1,
            }
        }
        assert!(refused > 0, "the disk was never full");
        drop(writer);
        acknowledged.sort_unstable();
        assert_eq!(numbers(&path), acknowledged);
    }
}
