//! What every [`Store`] does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lambent_domain::code_signing::UntrustedArtifact;
use lambent_domain::configuration::{FileSystem, VpcConfig};
use lambent_domain::log_config::LogConfig;
use lambent_domain::policy::Statement;
use lambent_domain::runtime::RuntimeManagement;
use lambent_domain::scaling::Provisioned;
use lambent_domain::url::{Cors, UrlAuth, UrlConfig};
use lambent_domain::{
    AccountId, Alias, CodeRef, CodeSha256, CodeSigningConfig, CodeSigningKey, Configuration, Deployment,
    Epoch, EventSourceMapping, Function, FunctionKey, FunctionName, LastUpdate, Layer, LayerKey, LayerRef,
    LayerVersion, MappingKey, MappingState, Policy, Pollers, Qualifier, Region, RevisionId, RuntimeId, Scope,
    Secrets, State, TimestampMs, Version, VersionNumber, Weighted, async_config::EventInvokeConfig,
};

use crate::store::{Change, ChangeListener, Limits, RecordKey, Store, StoreError, Usage, Write};

/// A value that must not be found in plain text on disk.
pub const SECRET: &str = "a-very-secret-value-7c1f";
/// The limits that the stores given to [`all`] must have.
pub const LIMITS: Limits = Limits { code_bytes: 1_000, claimed_concurrency: 900 };
/// How many empty stores [`all`] takes.
pub const STORES: usize = 7;

/// A scope of its own per region name.
pub fn scope(region: &str) -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse(region).unwrap() }
}

/// A package of this size.
pub fn code(size_bytes: u64) -> CodeRef {
    CodeRef { sha256: CodeSha256([1; 32]), size_bytes, unzipped_bytes: 2 * size_bytes }
}

/// A configuration with every member set.
pub fn configuration() -> Configuration {
    Configuration {
        runtime: RuntimeId::new("python3.12"),
        handler: "a.b".into(),
        role: "arn:aws:iam::123456789012:role/r".into(),
        description: "d".into(),
        timeout_s: 7,
        memory_mb: 256,
        ephemeral_storage_mb: 512,
        environment: Some(Secrets(BTreeMap::from([("KEY".into(), SECRET.into())]))),
        log: LogConfig::default(),
        layers: vec![LayerRef {
            arn: "arn:layer:1".into(),
            code: code(3),
            signed_by: Some("arn:profile".into()),
        }],
        vpc: Some(VpcConfig {
            subnet_ids: vec!["subnet-1".into()],
            security_group_ids: vec!["sg-1".into()],
            ipv6_allowed: true,
        }),
        dead_letter_target: Some("arn:aws:sqs:us-east-1:123456789012:q".into()),
        active_tracing: true,
        kms_key_arn: Some("arn:aws:kms:us-east-1:123456789012:key/k".into()),
        file_systems: vec![FileSystem { arn: "arn:efs".into(), local_mount_path: "/mnt/a".into() }],
        snap_start: true,
    }
}

/// An active version.
pub fn version(number: VersionNumber) -> Version {
    let configuration = Arc::new(configuration());
    Version {
        number,
        configuration: Arc::clone(&configuration),
        code: code(10),
        signed_by: Some("arn:profile".into()),
        state: State::Active,
        last_update: Some(LastUpdate::Successful),
        revision_id: revision(1),
        last_modified: TimestampMs(1_000),
        deployed: Some(Arc::new(Deployment {
            id: revision(9),
            version: number,
            configuration,
            code: code(10),
        })),
    }
}

/// A function with a `$LATEST` and tags.
pub fn function(name: &str) -> Function {
    let key = FunctionKey { scope: scope("us-east-1"), name: FunctionName::parse(name).unwrap() };
    let mut function = Function::new(key, version(VersionNumber::Latest));
    function.tags = BTreeMap::from([("t".into(), "v".into())]);
    function
}

/// A function with everything that a function can have.
pub fn full_function(name: &str) -> Function {
    let mut function = function(name);
    let mut pending = version(VersionNumber::Published(3));
    pending.state = State::Pending;
    pending.last_update = None;
    pending.deployed = None;
    let mut failed = version(VersionNumber::Published(4));
    failed.state = State::Failed { reason: "r".into(), code: "InternalError" };
    function.versions = BTreeMap::from([
        (1, Arc::new(version(VersionNumber::Published(1)))),
        (3, Arc::new(pending)),
        (4, Arc::new(failed)),
    ]);
    function.next_version = 5;
    function.published_description = Some("before".into());
    function.aliases.insert(
        "live".into(),
        Alias {
            version: VersionNumber::Published(1),
            description: "the one".into(),
            weighted: Some(Weighted { version: 3, weight: 0.1 }),
            revision_id: revision(5),
        },
    );
    let live = Qualifier::Alias("live".into());
    let statement = Statement { sid: Some("s".into()), json: r#"{"Sid":"s"}"#.into() };
    let policy = Policy { statements: vec![statement], ..Policy::empty(revision(6)) };
    function.policies = BTreeMap::from([(None, policy.clone()), (Some(live.clone()), policy)]);
    function.reserved_concurrency = Some(7);
    function.provisioned.insert(live.clone(), Provisioned { requested: 2, modified: TimestampMs(5) });
    let event_invoke = EventInvokeConfig {
        maximum_retry_attempts: Some(0),
        on_failure: Some("arn:q".into()),
        last_modified: TimestampMs(8),
        ..Default::default()
    };
    function.event_invoke.insert(Qualifier::Latest, event_invoke);
    let url = UrlConfig {
        id: "abc".into(),
        auth: UrlAuth::AwsIam,
        streaming: true,
        cors: Some(Cors { allow_origins: Some(vec!["*".into()]), max_age_s: Some(1), ..Default::default() }),
        created: TimestampMs(1),
        modified: TimestampMs(2),
    };
    function.urls = BTreeMap::from([(None, url.clone()), (Some("live".into()), url)]);
    let manual = RuntimeManagement::Manual { runtime_version_arn: "arn:runtime".into() };
    function.runtime_management = BTreeMap::from([
        (VersionNumber::Latest, RuntimeManagement::FunctionUpdate),
        (VersionNumber::Published(1), manual),
    ]);
    function.allow_recursive_loop = true;
    function.code_signing_config_arn = Some("arn:csc".into());
    function
}

/// A layer with one version.
pub fn layer(name: &str) -> Layer {
    let version = LayerVersion {
        version: 1,
        code: code(20),
        signed_by: Some("arn:profile".into()),
        description: "d".into(),
        runtimes: Some(vec!["python3.12".into()]),
        architectures: None,
        license: Some("MIT".into()),
        created: TimestampMs(3),
        policy: Some(Policy::empty(revision(4))),
    };
    Layer {
        key: LayerKey { scope: scope("us-east-1"), name: name.into() },
        epoch: Epoch::NEW,
        next_version: 2,
        versions: BTreeMap::from([(1, Arc::new(version))]),
    }
}

/// A code-signing configuration.
pub fn code_signing(id: &str) -> CodeSigningConfig {
    CodeSigningConfig {
        key: CodeSigningKey { scope: scope("us-east-1"), id: id.into() },
        epoch: Epoch::NEW,
        description: "d".into(),
        publishers: vec!["arn:profile".into()],
        untrusted: UntrustedArtifact::Enforce,
        modified: TimestampMs(4),
        tags: BTreeMap::from([("t".into(), "v".into())]),
    }
}

/// An event source mapping with every member set.
pub fn mapping(uuid: &str) -> EventSourceMapping {
    EventSourceMapping {
        key: MappingKey { scope: scope("us-east-1"), uuid: uuid.into() },
        epoch: Epoch::NEW,
        source_arn: "arn:aws:sqs:us-east-1:123456789012:q".into(),
        function: function("f").key,
        qualifier: Some(Qualifier::Alias("live".into())),
        batch_size: 20,
        batching_window_s: 3,
        filters: vec![r#"{"body":{"a":[1]}}"#.into()],
        reports_item_failures: true,
        maximum_concurrency: Some(7),
        provisioned_pollers: Some(Pollers { minimum: 2, maximum: 9 }),
        counts_events: true,
        tags: BTreeMap::from([("t".into(), "v".into())]),
        state: MappingState::Updating { enabled: true },
        modified: TimestampMs(9),
    }
}

/// A revision made of one number.
pub fn revision(number: u8) -> RevisionId {
    RevisionId::from_random([number; 16])
}

async fn put(store: &dyn Store, write: impl Into<Write>) -> Result<(), StoreError> {
    store.commit(vec![write.into()]).await
}

/// Runs everything, each part on an empty store of its own.
pub async fn all(mut stores: Vec<Arc<dyn Store>>) {
    assert_eq!(stores.len(), STORES);
    records_come_back(&*stores.pop().unwrap()).await;
    one_of_many_changes_wins(stores.pop().unwrap()).await;
    a_commit_happens_as_a_whole(&*stores.pop().unwrap()).await;
    lists_are_in_order_and_of_one_scope(&*stores.pop().unwrap()).await;
    usage_counts_and_the_limits_hold(&*stores.pop().unwrap()).await;
    two_reservations_at_once_do_not_overshoot(stores.pop().unwrap()).await;
    a_listener_sees_everything_once_and_before_the_answer(stores.pop().unwrap()).await;
}

async fn records_come_back(store: &dyn Store) {
    let one = full_function("f");
    put(store, one.clone()).await.unwrap();
    assert!(matches!(put(store, one.clone()).await, Err(StoreError::Changed)), "it is there already");
    let found = store.function(&one.key).unwrap();
    assert_ne!(found.epoch, Epoch::NEW);
    assert_eq!(*found, Function { epoch: found.epoch, ..one.clone() });
    let mut next = Function::clone(&found);
    next.versions.remove(&1);
    next.latest.deployed = None;
    put(store, next.clone()).await.unwrap();
    assert!(matches!(put(store, next.clone()).await, Err(StoreError::Changed)), "that state is gone");
    let again = store.function(&one.key).unwrap();
    assert_eq!(*again, Function { epoch: again.epoch, ..next });
    let stale = Write::Delete(RecordKey::Function(one.key.clone()), found.epoch);
    assert!(matches!(store.commit(vec![stale]).await, Err(StoreError::Changed)));
    let delete = Write::Delete(RecordKey::Function(one.key.clone()), again.epoch);
    store.commit(vec![delete.clone()]).await.unwrap();
    assert!(store.function(&one.key).is_none());
    assert!(matches!(store.commit(vec![delete]).await, Err(StoreError::Changed)));
    put(store, one.clone()).await.unwrap();
    assert!(store.function(&one.key).unwrap().epoch > again.epoch, "an epoch is never used twice");

    for state in [
        MappingState::Creating,
        MappingState::Enabling,
        MappingState::Enabled,
        MappingState::Disabling,
        MappingState::Disabled,
        MappingState::Updating { enabled: false },
        MappingState::Deleting,
    ] {
        let mapping = EventSourceMapping { state, qualifier: None, ..mapping(state.as_str()) };
        put(store, mapping.clone()).await.unwrap();
        let found = store.mapping(&mapping.key).unwrap();
        assert_eq!(*found, EventSourceMapping { epoch: found.epoch, ..mapping });
    }
    let (layer, config) = (layer("l"), code_signing("csc-1"));
    store.commit(vec![layer.clone().into(), config.clone().into()]).await.unwrap();
    let found = store.layer(&layer.key).unwrap();
    assert_eq!(*found, Layer { epoch: found.epoch, ..layer });
    let found = store.code_signing(&config.key).unwrap();
    assert_eq!(*found, CodeSigningConfig { epoch: found.epoch, ..config });
}

async fn one_of_many_changes_wins(store: Arc<dyn Store>) {
    put(&*store, function("raced")).await.unwrap();
    let original = store.function(&function("raced").key).unwrap();
    let racers = (10..30).map(|number| {
        let mut mine = Function::clone(&original);
        mine.latest.revision_id = revision(number);
        let store = Arc::clone(&store);
        async move { put(&*store, mine).await.is_ok() }
    });
    let won = futures_util::future::join_all(racers).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

async fn a_commit_happens_as_a_whole(store: &dyn Store) {
    let config = code_signing("csc-1");
    put(store, config.clone()).await.unwrap();
    let stored = store.code_signing(&config.key).unwrap();
    let key = RecordKey::CodeSigning(config.key.clone());
    let wrong = vec![function("f").into(), Write::Expect(key.clone(), Epoch(stored.epoch.0 + 1))];
    assert!(matches!(store.commit(wrong).await, Err(StoreError::Changed)));
    assert!(store.function(&function("f").key).is_none());
    let right = vec![function("f").into(), Write::Expect(key.clone(), stored.epoch)];
    store.commit(right).await.unwrap();
    assert!(store.function(&function("f").key).is_some());
    let absent = vec![function("g").into(), Write::Expect(key, Epoch::NEW)];
    assert!(matches!(store.commit(absent).await, Err(StoreError::Changed)));
}

async fn lists_are_in_order_and_of_one_scope(store: &dyn Store) {
    for name in ["b", "a", "C", "d"] {
        put(store, function(name)).await.unwrap();
        put(store, layer(name)).await.unwrap();
        put(store, code_signing(name)).await.unwrap();
        put(store, mapping(name)).await.unwrap();
    }
    let mut elsewhere = function("e");
    elsewhere.key.scope = scope("eu-west-1");
    put(store, elsewhere).await.unwrap();
    let home = scope("us-east-1");
    let names = |after: Option<&str>, limit| -> Vec<String> {
        store.functions(&home, after, limit).iter().map(|function| function.key.name.to_string()).collect()
    };
    assert_eq!(names(None, 10), ["C", "a", "b", "d"]);
    assert_eq!(names(Some("a"), 1), ["b"]);
    assert_eq!(store.all_functions().len(), 5);
    let layers: Vec<_> =
        store.layers(&home, Some("a"), 9).iter().map(|layer| layer.key.name.clone()).collect();
    assert_eq!(layers, ["b", "d"]);
    assert_eq!(store.code_signings(&home, None, 2).len(), 2);
    let mappings: Vec<_> =
        store.mappings(&home, Some("C"), 2).iter().map(|mapping| mapping.key.uuid.clone()).collect();
    assert_eq!(mappings, ["a", "b"]);
    assert_eq!(store.all_layers().len(), 4);
}

async fn usage_counts_and_the_limits_hold(store: &dyn Store) {
    let home = scope("us-east-1");
    assert_eq!(store.usage(&home), Usage::default());
    put(store, full_function("full")).await.unwrap();
    put(store, layer("l")).await.unwrap();
    let expected = Usage { function_count: 1, code_bytes: 60, claimed_concurrency: 7 };
    assert_eq!(store.usage(&home), expected);
    let mut large = function("large");
    large.latest.code = code(LIMITS.code_bytes - 60);
    put(store, large.clone()).await.unwrap();
    let more = put(store, function("more")).await;
    assert!(matches!(more, Err(StoreError::CodeStorageExceeded)), "{more:?}");
    let mut changed = Function::clone(&store.function(&large.key).unwrap());
    changed.latest.revision_id = revision(2);
    put(store, changed).await.unwrap();
    let mut greedy = Function::clone(&store.function(&large.key).unwrap());
    greedy.reserved_concurrency = Some(LIMITS.claimed_concurrency - 6);
    let refused = put(store, greedy).await;
    assert!(matches!(refused, Err(StoreError::ConcurrencyExceeded { available: 893 })), "{refused:?}");
    let stored = store.function(&large.key).unwrap();
    let delete = Write::Delete(RecordKey::Function(large.key), stored.epoch);
    store.commit(vec![delete]).await.unwrap();
    assert_eq!(store.usage(&home), expected);
}

async fn two_reservations_at_once_do_not_overshoot(store: Arc<dyn Store>) {
    for number in 0..8 {
        put(&*store, function(&format!("f{number}"))).await.unwrap();
    }
    let reserve = store.all_functions().into_iter().map(|function| {
        let mut mine = Function::clone(&function);
        mine.reserved_concurrency = Some(200);
        let store = Arc::clone(&store);
        async move { put(&*store, mine).await.is_ok() }
    });
    let won = futures_util::future::join_all(reserve).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 4);
    assert_eq!(store.usage(&scope("us-east-1")).claimed_concurrency, 800);
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl ChangeListener for Seen {
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push(match change {
            Change::Put(function) => format!("{} {}", function.key.name, function.latest.revision_id),
            Change::Deleted(key) => format!("{} gone", key.name),
            Change::MappingPut(mapping) => format!("{} {}", mapping.key.uuid, mapping.batch_size),
            Change::MappingDeleted(key) => format!("{} gone", key.uuid),
        });
    }
}

async fn a_listener_sees_everything_once_and_before_the_answer(store: Arc<dyn Store>) {
    put(&*store, function("before")).await.unwrap();
    put(&*store, mapping("m1")).await.unwrap();
    let seen = Arc::new(Seen::default());
    store.subscribe(Arc::clone(&seen) as _).await.unwrap();
    put(&*store, function("after")).await.unwrap();
    let mut changed = Function::clone(&store.function(&function("after").key).unwrap());
    changed.latest.revision_id = revision(2);
    put(&*store, changed.clone()).await.unwrap();
    assert!(put(&*store, changed.clone()).await.is_err());
    let epoch = store.function(&changed.key).unwrap().epoch;
    store.commit(vec![Write::Delete(RecordKey::Function(changed.key), epoch)]).await.unwrap();
    put(&*store, mapping("m2")).await.unwrap();
    let second = store.mapping(&mapping("m2").key).unwrap();
    store.commit(vec![Write::Delete(RecordKey::Mapping(second.key.clone()), second.epoch)]).await.unwrap();
    assert!(store.mapping(&second.key).is_none());
    let expected = [
        format!("before {}", revision(1)),
        "m1 20".to_owned(),
        format!("after {}", revision(1)),
        format!("after {}", revision(2)),
        "after gone".to_owned(),
        "m2 20".to_owned(),
        "m2 gone".to_owned(),
    ];
    assert_eq!(*seen.0.lock().unwrap(), expected);
}
