//! The store under `kill -9`: a process that commits is killed at random moments, and what it was promised is there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_domain::{CodeRef, CodeSha256, Epoch, Function, FunctionKey, FunctionName, LayerKey, Scope};
use lambent_kit::random::SystemRandom;
use lambent_ports::store::{Limits, RecordKey, Store, Usage, Write};
use lambent_ports::suites::store as suite;
use lambent_store_sqlite::SqliteStore;

const ROUNDS: u64 = 20;
/// Clients that commit at the same time: their commits share transactions of the database.
const WRITERS: u64 = 4;
/// Records that a client keeps at a time.
const KEPT: u64 = 3;
const LIMITS: Limits = Limits { code_bytes: u64::MAX, claimed_concurrency: u32::MAX };
/// Tells the committing process where to.
const DIR: &str = "LAMBENT_KILL_TEST_DIR";

fn scope() -> Scope {
    suite::scope("us-east-1")
}

fn open(dir: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(dir, &SystemRandom, LIMITS).unwrap()
}

fn key(name: &str) -> FunctionKey {
    FunctionKey { scope: scope(), name: FunctionName::parse(name).unwrap() }
}

fn layer_key(name: &str) -> LayerKey {
    LayerKey { scope: scope(), name: name.to_owned() }
}

/// Bytes of a client's n-th package.
fn size(number: u64) -> u64 {
    100 + number % 17
}

/// The client's n-th function: a `$LATEST` and a version, an environment, a reservation.
fn function(writer: u64, number: u64) -> Function {
    let mut function = suite::full_function(&format!("w{writer}-{number}"));
    function.versions.retain(|version, _| *version == 1);
    let code = CodeRef { sha256: CodeSha256([7; 32]), size_bytes: size(number), unzipped_bytes: 1 };
    function.latest.code = code;
    Arc::make_mut(function.versions.get_mut(&1).unwrap()).code = code;
    function.reserved_concurrency = Some((number % 5) as u32);
    function
}

/// How far a client is: its counter's number.
fn counted(store: &SqliteStore, writer: u64) -> u64 {
    let counter = store.function(&key(&format!("w{writer}")));
    counter.map_or(0, |counter| counter.tags["n"].parse().unwrap())
}

/// The n-th transaction: the counter goes on, a function and a layer come, an older function and layer go.
fn transaction(store: &SqliteStore, writer: u64, number: u64) -> Vec<Write> {
    let name = format!("w{writer}");
    let current = store.function(&key(&name));
    let mut counter = current.map_or_else(|| suite::function(&name), |current| Function::clone(&current));
    counter.tags = BTreeMap::from([("n".to_owned(), number.to_string())]);
    let mut layer = suite::layer(&format!("w{writer}-{number}"));
    layer.epoch = Epoch::NEW;
    let mut writes = vec![counter.into(), function(writer, number).into(), layer.into()];
    let old = format!("w{writer}-{}", number.saturating_sub(KEPT));
    if let Some(old) = store.function(&key(&old)) {
        writes.push(Write::Delete(RecordKey::Function(old.key.clone()), old.epoch));
    }
    if let Some(old) = store.layer(&layer_key(&old)) {
        writes.push(Write::Delete(RecordKey::Layer(old.key.clone()), old.epoch));
    }
    writes
}

/// The process that is killed. Says what has been acknowledged, one line each, for as long as it lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "commits until it is killed; the test beside it starts it"]
async fn commits_until_it_is_killed() {
    let dir = PathBuf::from(std::env::var_os(DIR).expect("the directory"));
    let store = open(&dir);
    let clients: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in counted(&store, writer) + 1.. {
                    store.commit(transaction(&store, writer, number)).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {writer} {number}").and_then(|()| out.flush()).unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

/// Killed and reaped however the test ends.
struct Committing(Child);

impl Drop for Committing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path) -> Committing {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "commits_until_it_is_killed", "--ignored", "--nocapture"]);
    Committing(command.env(DIR, dir).stdout(Stdio::piped()).spawn().unwrap())
}

/// Lets it commit at least `lines` times and for a little longer, kills it, and says what it had been promised.
fn kill_after(dir: &Path, lines: u64, longer: Duration) -> BTreeMap<u64, u64> {
    let mut committing = start(dir);
    let mut out = BufReader::new(committing.0.stdout.take().unwrap());
    let mut acknowledged = BTreeMap::new();
    let mut take = |line: &str| {
        // The harness speaks too, and the last line may be half of one.
        let Some(line) = line.strip_suffix('\n') else { return false };
        let Some((writer, number)) = line
            .find("acknowledged ")
            .and_then(|at| line[at..].strip_prefix("acknowledged ")?.split_once(' '))
        else {
            return false;
        };
        acknowledged.insert(writer.parse().unwrap(), number.parse().unwrap());
        true
    };
    let mut line = String::new();
    let mut seen = 0;
    while seen < lines {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended by itself");
        seen += u64::from(take(&line));
    }
    // Anywhere within a transaction, not only after an answer.
    let until = Instant::now() + longer;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    drop(committing);
    loop {
        line.clear();
        if out.read_line(&mut line).unwrap() == 0 {
            return acknowledged;
        }
        take(&line);
    }
}

/// Everything that must hold of a store that clients have filled up to some number each.
fn check(store: &SqliteStore, acknowledged: &BTreeMap<u64, u64>) {
    let mut usage = Usage::default();
    for writer in 0..WRITERS {
        let number = counted(store, writer);
        let promised = acknowledged.get(&writer).copied().unwrap_or_default();
        assert!(
            number == promised || number == promised + 1,
            "client {writer} was promised {promised}, and {number} is there"
        );
        let mut there = 0..0;
        if number > 0 {
            there = number.saturating_sub(KEPT - 1).max(1)..number + 1;
            let counter = store.function(&key(&format!("w{writer}"))).unwrap();
            usage.function_count += 1;
            usage.code_bytes += counter.code_bytes();
        }
        for number in there.clone() {
            let name = format!("w{writer}-{number}");
            let found = store.function(&key(&name)).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(*found, Function { epoch: found.epoch, ..function(writer, number) });
            assert!(store.layer(&layer_key(&name)).is_some(), "the layer of {name} is missing");
            usage.function_count += 1;
            // Of `$LATEST`, of the version, and of the layer, which the suite makes of 20 bytes.
            usage.code_bytes += 2 * size(number) + 20;
            usage.claimed_concurrency += number % 5;
        }
        let prefix = format!("w{writer}-");
        let functions = store.all_functions();
        let of_writer = functions.iter().filter(|function| function.key.name.as_str().starts_with(&prefix));
        assert_eq!(of_writer.count(), there.clone().count(), "functions of client {writer}");
        let layers = store.all_layers();
        let of_writer = layers.iter().filter(|layer| layer.key.name.starts_with(&prefix));
        assert_eq!(of_writer.count(), there.count(), "layers of client {writer}");
    }
    assert_eq!(store.usage(&scope()), usage);
}

#[test]
fn what_was_acknowledged_before_kill_9_is_there_as_whole_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, u64> = (0..WRITERS).map(|writer| (writer, 0)).collect();
    let mut random: u64 = 0x5eed_1234_abcd_ef01;
    let mut pick = |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most
    };
    for _ in 0..ROUNDS {
        // A process that is killed before it opened the store is a round, too.
        let (lines, longer) = (pick(40), Duration::from_micros(pick(3_000)));
        acknowledged.extend(kill_after(dir.path(), lines, longer));
        let store = open(dir.path());
        check(&store, &acknowledged);
        // What was committed without an answer stays, and the next process goes on from it.
        acknowledged = (0..WRITERS).map(|writer| (writer, counted(&store, writer))).collect();
    }
    assert!(acknowledged.values().all(|number| *number > KEPT), "too little was committed: {acknowledged:?}");
}
