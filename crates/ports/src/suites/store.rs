//! What every [`FunctionStore`] does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lambent_domain::log_config::LogConfig;
use lambent_domain::{
    AccountId, CodeRef, CodeSha256, Configuration, Deployment, Function, FunctionKey, FunctionName, Region,
    RevisionId, RuntimeId, Scope, Secrets, State, TimestampMs, limits,
};

use crate::store::{Change, ChangeListener, FunctionStore, StoreError, Usage};

/// A value that must not be found in plain text on disk.
pub const SECRET: &str = "a-very-secret-value-7c1f";
/// How many empty stores [`all`] takes.
pub const STORES: usize = 5;

/// A scope of its own per region name.
pub fn scope(region: &str) -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse(region).unwrap() }
}

/// A function with every member set.
pub fn function(name: &str) -> Function {
    let configuration = Configuration {
        runtime: RuntimeId::new("python3.12"),
        handler: "a.b".into(),
        role: "arn:aws:iam::123456789012:role/r".into(),
        description: "d".into(),
        timeout_s: 7,
        memory_mb: 256,
        ephemeral_storage_mb: 512,
        environment: Some(Secrets(BTreeMap::from([("KEY".into(), SECRET.into())]))),
        log: LogConfig::default(),
    };
    let code = CodeRef { sha256: CodeSha256([1; 32]), size_bytes: 10 };
    Function {
        key: FunctionKey { scope: scope("us-east-1"), name: FunctionName::parse(name).unwrap() },
        deployed: Some(Arc::new(Deployment { id: revision(9), configuration: configuration.clone(), code })),
        configuration,
        code,
        state: State::Active,
        last_update: None,
        revision_id: revision(1),
        last_modified: TimestampMs(1_000),
        tags: BTreeMap::from([("t".into(), "v".into())]),
    }
}

/// A revision made of one number.
pub fn revision(number: u8) -> RevisionId {
    RevisionId::from_random([number; 16])
}

/// Runs everything, each part on an empty store of its own.
pub async fn all(mut stores: Vec<Arc<dyn FunctionStore>>) {
    assert_eq!(stores.len(), STORES);
    records_come_back(&*stores.pop().unwrap()).await;
    one_of_many_conditional_writes_wins(stores.pop().unwrap()).await;
    lists_are_in_order_and_of_one_scope(&*stores.pop().unwrap()).await;
    usage_counts_and_the_quota_holds(&*stores.pop().unwrap()).await;
    a_listener_sees_everything_once_and_before_the_answer(stores.pop().unwrap()).await;
}

async fn records_come_back(store: &dyn FunctionStore) {
    let mut one = function("f");
    store.create(one.clone()).await.unwrap();
    assert!(matches!(store.create(one.clone()).await, Err(StoreError::AlreadyExists)));
    assert_eq!(*store.get(&one.key).await.unwrap().unwrap(), one);
    one.revision_id = revision(2);
    one.state = State::Failed { reason: "r".into(), code: "InternalError" };
    one.deployed = None;
    one.configuration.environment = None;
    let wrong = store.replace(one.clone(), revision(7)).await;
    assert!(matches!(wrong, Err(StoreError::RevisionMismatch { current }) if current == revision(1)));
    store.replace(one.clone(), revision(1)).await.unwrap();
    assert_eq!(*store.get(&one.key).await.unwrap().unwrap(), one);
    assert!(matches!(
        store.delete(&one.key, Some(revision(1))).await,
        Err(StoreError::RevisionMismatch { .. })
    ));
    store.delete(&one.key, None).await.unwrap();
    assert!(store.get(&one.key).await.unwrap().is_none());
    assert!(matches!(store.delete(&one.key, None).await, Err(StoreError::NotFound)));
    assert!(matches!(store.replace(one, revision(2)).await, Err(StoreError::NotFound)));
}

async fn one_of_many_conditional_writes_wins(store: Arc<dyn FunctionStore>) {
    let original = function("raced");
    store.create(original.clone()).await.unwrap();
    let racers = (10..30).map(|number| {
        let mut mine = original.clone();
        mine.revision_id = revision(number);
        let store = Arc::clone(&store);
        async move { store.replace(mine, revision(1)).await.is_ok() }
    });
    let won = futures_util::future::join_all(racers).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

async fn lists_are_in_order_and_of_one_scope(store: &dyn FunctionStore) {
    for name in ["b", "a", "C", "d"] {
        store.create(function(name)).await.unwrap();
    }
    let mut elsewhere = function("e");
    elsewhere.key.scope = scope("eu-west-1");
    store.create(elsewhere).await.unwrap();
    let names = |functions: Vec<Arc<Function>>| -> Vec<String> {
        functions.iter().map(|function| function.key.name.to_string()).collect()
    };
    let home = scope("us-east-1");
    assert_eq!(names(store.list(&home, None, 10).await.unwrap()), ["C", "a", "b", "d"]);
    let after = FunctionName::parse("a").unwrap();
    assert_eq!(names(store.list(&home, Some(&after), 1).await.unwrap()), ["b"]);
    assert_eq!(store.all().await.unwrap().len(), 5);
}

async fn usage_counts_and_the_quota_holds(store: &dyn FunctionStore) {
    let home = scope("us-east-1");
    assert_eq!(store.usage(&home).await.unwrap(), Usage::default());
    store.create(function("small")).await.unwrap();
    let mut large = function("large");
    large.code.size_bytes = limits::TOTAL_CODE_BYTES - 10;
    store.create(large.clone()).await.unwrap();
    let full = Usage { function_count: 2, total_code_bytes: limits::TOTAL_CODE_BYTES };
    assert_eq!(store.usage(&home).await.unwrap(), full);
    let more = store.create(function("more")).await;
    assert!(matches!(more, Err(StoreError::CodeStorageExceeded)), "{more:?}");
    large.revision_id = revision(2);
    store.replace(large, revision(1)).await.unwrap();
    assert_eq!(store.usage(&home).await.unwrap(), full);
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl ChangeListener for Seen {
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push(match change {
            Change::Put(function) => format!("{} {}", function.key.name, function.revision_id),
            Change::Deleted(key) => format!("{} gone", key.name),
        });
    }
}

async fn a_listener_sees_everything_once_and_before_the_answer(store: Arc<dyn FunctionStore>) {
    store.create(function("before")).await.unwrap();
    let seen = Arc::new(Seen::default());
    store.subscribe(Arc::clone(&seen) as _).await.unwrap();
    let mut changed = function("after");
    store.create(changed.clone()).await.unwrap();
    changed.revision_id = revision(2);
    store.replace(changed.clone(), revision(1)).await.unwrap();
    assert!(store.replace(changed.clone(), revision(1)).await.is_err());
    store.delete(&changed.key, None).await.unwrap();
    let expected = [
        format!("before {}", revision(1)),
        format!("after {}", revision(1)),
        format!("after {}", revision(2)),
        "after gone".to_owned(),
    ];
    assert_eq!(*seen.0.lock().unwrap(), expected);
}
