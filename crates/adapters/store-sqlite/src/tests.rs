use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lambent_domain::Function;
use lambent_kit::random::SystemRandom;
use lambent_ports::store::{Change, ChangeListener, Store, StoreError};
use lambent_ports::suites::store as suite;

use crate::{DataDirInUse, DataDirLock, OpenError, SqliteStore};

fn open(dir: &tempfile::TempDir) -> Arc<SqliteStore> {
    SqliteStore::open(dir.path(), &SystemRandom, suite::LIMITS).unwrap()
}

fn refused(dir: &tempfile::TempDir) -> OpenError {
    match SqliteStore::open(dir.path(), &SystemRandom, suite::LIMITS) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_store() {
    let dirs: Vec<_> = (0..suite::STORES).map(|_| tempfile::tempdir().unwrap()).collect();
    let stores = dirs.iter().map(|dir| open(dir) as Arc<dyn Store>).collect();
    suite::all(stores).await;
}

#[tokio::test]
async fn records_are_there_after_a_restart_and_environments_are_not_readable_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut updating = suite::full_function("updating");
    // An update in progress: the older deployment has another environment.
    let latest = Arc::make_mut(&mut updating.latest.configuration);
    latest.environment.as_mut().unwrap().0.insert("MORE".into(), suite::SECRET.into());
    let writes = vec![updating.into(), suite::layer("l").into(), suite::code_signing("csc").into()];
    store.commit(writes).await.unwrap();
    let (functions, layers) = (store.all_functions(), store.all_layers());
    let config = store.code_signing(&suite::code_signing("csc").key);
    let usage = store.usage(&suite::scope("us-east-1"));
    drop(store);
    let store = open(&dir);
    assert_eq!(store.all_functions(), functions);
    assert_eq!(store.all_layers(), layers);
    assert_eq!(store.code_signing(&suite::code_signing("csc").key), config);
    assert_eq!(store.usage(&suite::scope("us-east-1")), usage);
    let again = Function::clone(&functions[0]);
    store.commit(vec![again.into()]).await.unwrap();
    assert!(store.all_functions()[0].epoch > config.unwrap().epoch, "epochs go on after a restart");
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
    let store = open(&dir);
    store.commit(vec![suite::function("one").into(), suite::function("two").into()]).await.unwrap();
    drop(store);
    let key = dir.path().join("keys/environment.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(refused(&dir), OpenError::Damaged(text) if text.contains("environment.key")));
    std::fs::write(&key, kept).unwrap();
    drop(open(&dir));
    let database = rusqlite::Connection::open(dir.path().join("lambent.sqlite")).unwrap();
    let swap =
        "UPDATE records SET sealed = (SELECT sealed FROM records WHERE name = 'one') WHERE name = 'two'";
    database.execute(swap, []).unwrap();
    drop(database);
    assert!(matches!(refused(&dir), OpenError::Damaged(text) if text.contains("two")));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let key = dir.path().join("keys/environment.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(refused(&dir), OpenError::Key(_)));
}

#[test]
fn another_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let set = |version: i64| {
        let database = rusqlite::Connection::open(dir.path().join("lambent.sqlite")).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
    };
    set(99);
    assert!(matches!(refused(&dir), OpenError::Newer { found: 99, .. }));
    set(1);
    assert!(matches!(refused(&dir), OpenError::Older { found: 1, .. }));
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

fn open_with_max_pages(dir: &Path, pages: i64) -> Arc<SqliteStore> {
    let connection = crate::open_connection(&dir.join("lambent.sqlite")).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let limits = lambent_ports::store::Limits { code_bytes: 1 << 20, ..suite::LIMITS };
    SqliteStore::with_connection(connection, dir, &SystemRandom, limits).unwrap()
}

/// A write that SQLite rolls the whole transaction back for must not let its neighbours commit on their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_in_a_group_leaves_nothing_unannounced() {
    struct Seen(Mutex<BTreeSet<String>>);
    impl ChangeListener for Seen {
        fn changed(&self, change: &Change) {
            if let Change::Put(function) = change {
                self.0.lock().unwrap().insert(function.key.name.to_string());
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_max_pages(dir.path(), 40);
    let seen = Arc::new(Seen(Mutex::default()));
    store.subscribe(Arc::clone(&seen) as _).await.unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let mut function = suite::function(&format!("f{number}"));
            // Big ones fill the file, small ones between them still fit.
            let size = if number % 2 == 0 { 30_000 } else { 1 };
            Arc::make_mut(&mut function.latest.configuration).description = "x".repeat(size);
            function.latest.deployed = None;
            let store = Arc::clone(&store);
            tokio::spawn(async move { (number, store.commit(vec![function.into()]).await) })
        })
        .collect();
    let (mut acknowledged, mut full) = (BTreeSet::new(), 0);
    for task in tasks {
        let (number, result) = task.await.unwrap();
        match result {
            Ok(()) => drop(acknowledged.insert(format!("f{number}"))),
            Err(StoreError::Unavailable { .. }) => full += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(full > 0, "the disk was never full");
    let names = |store: &SqliteStore| -> BTreeSet<String> {
        store.all_functions().iter().map(|function| function.key.name.to_string()).collect()
    };
    assert_eq!(names(&store), acknowledged, "memory differs from what was acknowledged");
    assert_eq!(*seen.0.lock().unwrap(), acknowledged, "the listener differs from the store");
    drop(store);
    assert_eq!(names(&open(&dir)), acknowledged, "the disk differs from what was acknowledged");
}
