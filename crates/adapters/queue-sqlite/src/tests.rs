use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lambent_ports::queue::{NewMessage, Queue, QueueError, Wanted};
use lambent_ports::suites::queue as suite;

use super::*;

const ALL: Wanted = Wanted { messages: 1_000_000, bytes: usize::MAX, lease_ms: 1_000 };

fn message(body: impl Into<Bytes>) -> NewMessage {
    NewMessage { body: body.into(), attributes: Bytes::new(), visible_at_ms: 0 }
}

#[test]
fn it_behaves_as_the_model() {
    let dirs: Mutex<HashMap<u32, tempfile::TempDir>> = Mutex::default();
    suite::behaves_as_the_model(|case| {
        let mut dirs = dirs.lock().unwrap();
        let dir = dirs.entry(case).or_insert_with(|| tempfile::tempdir().unwrap());
        SqliteQueue::open(dir.path()).unwrap()
    });
}

async fn bodies(queue: &SqliteQueue) -> BTreeSet<Vec<u8>> {
    let claimed = queue.claim("q", ALL, 1).await.unwrap();
    claimed.into_iter().map(|claimed| claimed.body.to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_exactly_what_was_acknowledged_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queues.sqlite");
    let connection = open(&path, &SCHEMA).unwrap();
    connection.pragma_update(None, "max_page_count", 60).unwrap();
    let queue = SqliteQueue::with_connection(connection, &path).unwrap();
    // Big ones fill the file, small ones between them still fit.
    let tasks: Vec<_> = (0..200u32)
        .map(|number| {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(if number % 2 == 0 { 30_000 } else { 4 }, b'x');
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { (body.clone(), queue.enqueue("q", message(body), 0).await) })
        })
        .collect();
    let (mut acknowledged, mut refused) = (BTreeSet::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            (body, Ok(())) => drop(acknowledged.insert(body)),
            (_, Err(QueueError::Unavailable { .. })) => refused += 1,
            (_, Err(other)) => panic!("{other}"),
        }
    }
    assert!(refused > 0, "the disk was never full");
    drop(queue);
    assert_eq!(bodies(&SqliteQueue::open(dir.path()).unwrap()).await, acknowledged);
}

const CHILD_DIR: &str = "LAMBENT_TEST_QUEUE_DIR";

/// The process that is killed: it enqueues, claims and settles, and says what was acknowledged. Does nothing of its own
/// in an ordinary run of the tests.
#[test]
fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let queue = SqliteQueue::open(Path::new(&dir)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let say = |word: &str, number: u64| {
        let line = format!("{word} {number}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    };
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..8u64 {
            let queue = Arc::clone(&queue);
            tasks.spawn(async move {
                for count in 0.. {
                    let number = worker * 1_000_000_000 + count;
                    queue.enqueue("q", message(number.to_string()), 0).await.unwrap();
                    say("in", number);
                    if count % 3 == 0 {
                        let wanted = Wanted { messages: 1, ..ALL };
                        for claimed in queue.claim("q", wanted, 1).await.unwrap() {
                            let number = std::str::from_utf8(&claimed.body).unwrap().parse().unwrap();
                            say("out", number);
                            queue.settle("q", claimed.receipt, Vec::new(), 1).await.unwrap();
                        }
                    }
                }
            });
        }
        tasks.join_next().await;
    });
}

/// Whatever the moment: each acknowledged message is there unless somebody had begun to settle it.
#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    for lines in [1, 40, 300, 1_500] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::the_process_that_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut heard = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((word, number)) = line.split_once(' ') else { continue };
            if word == "in" || word == "out" {
                said.entry(word.to_owned()).or_default().insert(number.to_owned());
                heard += 1;
            }
            if heard == lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let queue = SqliteQueue::open(dir.path()).unwrap();
        queue.reclaim("q", 0).await.unwrap();
        let there = bodies(&queue).await;
        let out = said.remove("out").unwrap_or_default();
        let entered = said.remove("in").unwrap_or_default();
        assert!(!entered.is_empty());
        for number in &entered {
            assert!(there.contains(number.as_bytes()) || out.contains(number), "{number} is lost");
        }
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Two hundred thousand messages with bodies of 200 bytes are 40 MB: they must not be in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_on_disk_and_not_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let queue = SqliteQueue::open(dir.path()).unwrap();
    let fill = |count: u64| {
        let queue = Arc::clone(&queue);
        async move {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..512 {
                let queue = Arc::clone(&queue);
                tasks.spawn(async move {
                    for _ in 0..count / 512 {
                        queue.enqueue("q", message(vec![b'x'; 200]), 0).await.unwrap();
                    }
                });
            }
            while tasks.join_next().await.is_some_and(|done| done.is_ok()) {}
        }
    };
    fill(50_000).await;
    let before = resident_kib();
    fill(200_000).await;
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1_024, "{grown} KiB for 200,000 messages");
    let few = Wanted { messages: 10, ..ALL };
    assert_eq!(queue.claim("q", few, 1).await.unwrap().len(), 10);
    let counts = queue.counts("q", 1).await.unwrap();
    assert!(counts.visible > 240_000 && counts.leased == 10, "{counts:?}");
}
