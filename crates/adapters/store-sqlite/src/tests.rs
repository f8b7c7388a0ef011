use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use lambent_kit::random::SystemRandom;
use lambent_ports::store::FunctionStore;
use lambent_ports::suites::store as suite;

use crate::{DataDirInUse, DataDirLock, OpenError, SqliteStore};

fn open(dir: &tempfile::TempDir) -> Arc<SqliteStore> {
    SqliteStore::open(dir.path(), &SystemRandom).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_function_store() {
    let dirs: Vec<_> = (0..suite::STORES).map(|_| tempfile::tempdir().unwrap()).collect();
    let stores = dirs.iter().map(|dir| open(dir) as Arc<dyn FunctionStore>).collect();
    suite::all(stores).await;
}

#[tokio::test]
async fn functions_are_there_after_a_restart_and_environments_are_not_readable_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let function = suite::function("kept");
    open(&dir).create(function.clone()).await.unwrap();
    let found = open(&dir).get(&function.key).await.unwrap().unwrap();
    assert_eq!(*found, function);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let secret = suite::SECRET.as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn another_key_or_another_row_does_not_open_an_environment() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (suite::function("one"), suite::function("two"));
    let store = open(&dir);
    store.create(one.clone()).await.unwrap();
    store.create(two.clone()).await.unwrap();
    drop(store);
    let database = rusqlite::Connection::open(dir.path().join("lambent.sqlite")).unwrap();
    let swap = "UPDATE functions SET environment = (SELECT environment FROM functions WHERE name = 'one') WHERE name = 'two'";
    database.execute(swap, []).unwrap();
    drop(database);
    let store = open(&dir);
    assert!(store.get(&one.key).await.is_ok());
    assert!(store.get(&two.key).await.is_err());
    std::fs::remove_file(dir.path().join("keys/environment.key")).unwrap();
    assert!(open(&dir).get(&one.key).await.is_err());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let key = dir.path().join("keys/environment.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(SqliteStore::open(dir.path(), &SystemRandom), Err(OpenError::Key(_))));
}

#[test]
fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let database = rusqlite::Connection::open(dir.path().join("lambent.sqlite")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    assert!(matches!(SqliteStore::open(dir.path(), &SystemRandom), Err(OpenError::Newer { found: 99, .. })));
}

#[test]
fn a_data_directory_has_one_server() {
    let dir = tempfile::tempdir().unwrap();
    let held = DataDirLock::acquire(dir.path()).unwrap();
    match DataDirLock::acquire(dir.path()) {
        Err(DataDirInUse::Held { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
        other => panic!("{other:?}"),
    }
    drop(held);
    DataDirLock::acquire(dir.path()).unwrap();
}

/// A write that SQLite rolls the whole transaction back for must not let its neighbours commit on their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_in_a_group_leaves_nothing_unannounced() {
    use lambent_ports::store::{Change, ChangeListener};
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    struct Seen(Mutex<BTreeSet<String>>);
    impl ChangeListener for Seen {
        fn changed(&self, change: &Change) {
            if let Change::Put(function) = change {
                self.0.lock().unwrap().insert(function.key.name.to_string());
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let store = crate::open_with_max_pages(dir.path(), 40);
    let seen = Arc::new(Seen(Mutex::default()));
    store.subscribe(Arc::clone(&seen) as _).await.unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let mut function = suite::function(&format!("f{number}"));
            // Big ones fill the file, small ones between them still fit.
            let size = if number % 2 == 0 { 30_000 } else { 1 };
            function.configuration.description = "x".repeat(size);
            function.deployed = None;
            let store = Arc::clone(&store);
            tokio::spawn(async move { (number, store.create(function).await) })
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for task in tasks {
        let (number, result) = task.await.unwrap();
        if result.is_ok() {
            acknowledged.insert(format!("f{number}"));
        }
    }
    let stored: BTreeSet<_> = store.all().await.unwrap().iter().map(|f| f.key.name.to_string()).collect();
    let seen = seen.0.lock().unwrap().clone();
    assert_eq!(stored, acknowledged, "stored differs from acknowledged");
    assert_eq!(seen, stored, "the listener differs from the store");
}
