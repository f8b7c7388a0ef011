//! Many clients at once on the same functions: what a caller was promised on a condition holds, and no state that was
//! ever committed breaks a rule.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use lambent_blob_fs::FsCode;
use lambent_domain::limits::UNRESERVED_MINIMUM;
use lambent_domain::{CodeRef, CodeSha256, Function, VersionNumber};
use lambent_kit::clock::TestClock;
use lambent_ports::code::{CodeError, CodeStore};
use lambent_ports::store::{Change, ChangeListener, Store};
use serde_json::{Value, json};

use crate::world::{ACCOUNT_CONCURRENCY, Answer, Counted, EPOCH_MS, Gate, PACKAGES, World, directory};

const CLIENTS: u64 = 16;
const CALLS: usize = 60;
const NAMES: [&str; 2] = ["hot", "warm"];
const ALIASES: [&str; 2] = ["blue", "green"];

/// Sees every state that is committed, in order, and notes what should not be.
#[derive(Default)]
struct Witness(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    functions: BTreeMap<String, Arc<Function>>,
    wrong: BTreeSet<String>,
    states: usize,
}

impl ChangeListener for Witness {
    fn changed(&self, change: &Change) {
        let mut seen = self.0.lock().unwrap();
        seen.states += 1;
        match change {
            Change::MappingPut(_) | Change::MappingDeleted(_) => {}
            Change::Deleted(key) => drop(seen.functions.remove(key.name.as_str())),
            Change::Put(function) => {
                let before = seen.functions.insert(function.key.name.to_string(), Arc::clone(function));
                let wrong =
                    wrong_in(function).chain(before.iter().flat_map(|before| wrong_step(before, function)));
                let wrong: Vec<String> = wrong.map(|text| format!("{}: {text}", function.key.name)).collect();
                seen.wrong.extend(wrong);
            }
        }
        let claimed: u32 = seen.functions.values().map(|function| function.claimed_concurrency()).sum();
        if claimed > ACCOUNT_CONCURRENCY - UNRESERVED_MINIMUM {
            seen.wrong.insert(format!("{claimed} executions are claimed"));
        }
    }
}

/// What must hold within a function.
fn wrong_in(function: &Function) -> impl Iterator<Item = String> {
    let there = |number| function.version(number).is_some();
    let dangling = function.aliases.iter().filter(move |(_, alias)| {
        let weighted = alias.weighted.map(|weighted| VersionNumber::Published(weighted.version));
        !there(alias.version) || weighted.is_some_and(|number| !there(number) || number == alias.version)
    });
    let provisioned = function.provisioned_concurrency();
    let over = function.reserved_concurrency.filter(|reserved| *reserved < provisioned);
    let late = function.versions.keys().any(|number| *number >= function.next_version);
    dangling
        .map(|(name, alias)| format!("alias {name} is {alias:?}"))
        .chain(over.map(|reserved| format!("{provisioned} provisioned of {reserved} reserved")))
        .chain(late.then(|| "a version has a number that is yet to be given".to_owned()))
}

/// What must hold between one state of a function and the next.
fn wrong_step(before: &Function, after: &Function) -> Vec<String> {
    let mut wrong = Vec::new();
    let changed = before.latest.configuration != after.latest.configuration
        || before.latest.code != after.latest.code
        || before.latest.is_unfinished() != after.latest.is_unfinished()
        || before.tags != after.tags
        || before.next_version != after.next_version;
    if changed && before.latest.revision_id == after.latest.revision_id {
        wrong.push("$LATEST changed under the same revision".into());
    }
    if after.next_version < before.next_version {
        wrong.push("version numbers are given again".into());
    }
    for (number, version) in &after.versions {
        match before.versions.get(number) {
            None if *number < before.next_version => wrong.push(format!("version {number} came back")),
            Some(old) if old.configuration != version.configuration || old.code != version.code => {
                wrong.push(format!("version {number} is another"));
            }
            _ => {}
        }
    }
    for (name, alias) in &after.aliases {
        let old = before.aliases.get(name);
        if old.is_some_and(|old| old != alias && old.revision_id == alias.revision_id) {
            wrong.push(format!("alias {name} changed under the same revision"));
        }
    }
    wrong
}

/// A client with its own random numbers (xorshift), and the revisions that it changed something at.
struct Client {
    random: u64,
    /// Kind and revision.
    consumed: Vec<(&'static str, String)>,
    refused: usize,
}

impl Client {
    fn pick(&mut self, most: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % most as u64) as usize
    }

    /// Changes on the condition of a revision that was read just before.
    async fn conditionally(
        &mut self,
        world: &World,
        kind: &'static str,
        read: &str,
        path: &str,
        mut body: Value,
    ) {
        let current = world.call("GET", read, &Value::Null).await;
        let Some(revision) = current.body["RevisionId"].as_str() else { return };
        body["RevisionId"] = json!(revision);
        let answer = world.call("PUT", path, &body).await;
        match answer.status {
            200 => self.consumed.push((kind, revision.to_owned())),
            _ => self.expect(&answer, &[404, 409, 412]),
        }
    }

    fn expect(&mut self, answer: &Answer, refusals: &[u16]) {
        let refused = refusals.contains(&answer.status);
        assert!(answer.status < 300 || refused, "{answer:?}");
        self.refused += usize::from(refused);
    }

    async fn call(&mut self, world: &World) {
        let name = NAMES[self.pick(4) / 3];
        let alias = ALIASES[self.pick(2)];
        let function = format!("/2015-03-31/functions/{name}");
        let number = self.pick(6) + 1;
        let value = self.pick(1_000);
        match self.pick(12) {
            0 | 1 => {
                let path = format!("{function}/configuration");
                let body = json!({"Description": format!("d{value}")});
                self.conditionally(world, "function", &path, &path, body).await;
            }
            2 => {
                let package = base64::engine::general_purpose::STANDARD.encode(&PACKAGES[value % 2]);
                let (read, path) = (format!("{function}/configuration"), format!("{function}/code"));
                self.conditionally(world, "function", &read, &path, json!({"ZipFile": package})).await;
            }
            3 => {
                let path = format!("{function}/aliases/{alias}");
                let body = json!({"FunctionVersion": number.to_string(), "RoutingConfig": {}});
                self.conditionally(world, "alias", &path, &path, body).await;
            }
            4 => {
                let weights = json!({number.to_string(): 0.5});
                let path = format!("{function}/aliases/{alias}");
                let body = json!({"RoutingConfig": {"AdditionalVersionWeights": weights}});
                let answer = world.call("PUT", &path, &body).await;
                self.expect(&answer, &[400, 404]);
            }
            5 => {
                let body = json!({"Name": alias, "FunctionVersion": number.to_string()});
                let answer = world.call("POST", &format!("{function}/aliases"), &body).await;
                self.expect(&answer, &[404, 409]);
            }
            6 => {
                let answer = world.call("DELETE", &format!("{function}/aliases/{alias}"), &Value::Null).await;
                self.expect(&answer, &[]);
            }
            7 => {
                let answer = world.call("POST", &format!("{function}/versions"), &json!({})).await;
                self.expect(&answer, &[400, 409]);
            }
            8 => {
                let answer =
                    world.call("DELETE", &format!("{function}?Qualifier={number}"), &Value::Null).await;
                self.expect(&answer, &[409]);
            }
            9 => {
                let path = format!("/2017-10-31/functions/{name}/concurrency");
                let body = json!({"ReservedConcurrentExecutions": value});
                let answer = world.call("PUT", &path, &body).await;
                self.expect(&answer, &[400]);
            }
            10 => {
                let qualifier = if value.is_multiple_of(2) { alias.to_owned() } else { number.to_string() };
                let path =
                    format!("/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier={qualifier}");
                let body = json!({"ProvisionedConcurrentExecutions": value / 4 + 1});
                let answer = world.call("PUT", &path, &body).await;
                self.expect(&answer, &[400, 404, 409]);
            }
            _ => {
                let path = format!("/2017-10-31/functions/{name}/concurrency");
                let answer = world.call("DELETE", &path, &Value::Null).await;
                self.expect(&answer, &[]);
            }
        }
    }
}

async fn create(world: &World, name: &str) {
    let package = base64::engine::general_purpose::STANDARD.encode(&PACKAGES[0]);
    let body = json!({
        "FunctionName": name, "Runtime": "python3.12", "Handler": "app.handler",
        "Role": "arn:aws:iam::123456789012:role/r", "Code": {"ZipFile": package},
    });
    assert_eq!(world.call("POST", "/2015-03-31/functions", &body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_at_once_break_no_rule_and_win_each_revision_once() {
    let dir = directory();
    let clock = Arc::new(TestClock::at(EPOCH_MS));
    let random = Arc::new(Counted::default());
    let world = World::open(dir.path(), Arc::clone(&clock), Arc::clone(&random) as _, Gate::new(true)).await;
    let witness = Arc::new(Witness::default());
    world.store.subscribe(Arc::clone(&witness) as _).await.unwrap();
    for name in NAMES {
        create(&world, name).await;
    }
    world.all_settled().await;
    let world = Arc::new(world);
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|number| {
            let world = Arc::clone(&world);
            let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut client = Client { random, consumed: Vec::new(), refused: 0 };
            tokio::spawn(async move {
                for _ in 0..CALLS {
                    client.call(&world).await;
                }
                client
            })
        })
        .collect();
    let (mut consumed, mut wins, mut refused) = (HashSet::new(), 0, 0);
    for client in clients {
        let client = client.await.unwrap();
        wins += client.consumed.len();
        refused += client.refused;
        consumed.extend(client.consumed);
    }
    world.all_settled().await;
    assert_eq!(consumed.len(), wins, "two changes were made on the condition of one state");
    assert!(wins > 20 && refused > 100, "{wins} won, {refused} refused: nobody was in anybody's way");
    let (states, wrong) = {
        let seen = witness.0.lock().unwrap();
        (seen.states, seen.wrong.clone())
    };
    assert_eq!(wrong, BTreeSet::new());
    assert!(states > wins, "the witness slept");
    let settings = world.call("GET", "/2016-08-19/account-settings", &Value::Null).await.body;
    assert!(settings["AccountLimit"]["UnreservedConcurrentExecutions"].as_i64() >= Some(100), "{settings}");
    let kept = world.store.all_functions();
    let usage = world.store.usage(&world.scope);
    drop(world);
    let world = World::open(dir.path(), clock, random, Gate::new(true)).await;
    assert_eq!(world.store.all_functions(), kept, "the disk has something else");
    assert_eq!(world.store.usage(&world.scope), usage);
}

/// More often than anything is attempted.
const OVERTAKEN: usize = 200;

/// Lets another change come in before each of an activation's first commits.
struct Overtaken {
    code: FsCode,
    service: OnceLock<std::sync::Weak<World>>,
    left: AtomicUsize,
}

#[async_trait]
impl CodeStore for Overtaken {
    async fn check(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        self.code.check(zip).await
    }

    async fn put(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        self.code.put(zip).await
    }

    async fn zip(&self, sha256: CodeSha256) -> Result<Option<Bytes>, CodeError> {
        self.code.zip(sha256).await
    }

    async fn unpacked(&self, sha256: CodeSha256) -> Result<PathBuf, CodeError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if let (Ok(left), Some(world)) = (left, self.service.get().and_then(|world| world.upgrade())) {
            let path = "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:late";
            let answer = world.call("POST", path, &json!({"Tags": {"left": (left - 1).to_string()}})).await;
            assert_eq!(answer.status, 204);
        }
        self.code.unpacked(sha256).await
    }

    async fn merged(&self, layers: &[CodeSha256]) -> Result<PathBuf, CodeError> {
        self.code.merged(layers).await
    }

    async fn sweep(&self, keep: &[CodeSha256], keep_merged: &[Vec<CodeSha256>]) -> Result<(), CodeError> {
        self.code.sweep(keep, keep_merged).await
    }
}

#[tokio::test]
async fn a_function_becomes_active_however_often_others_change_it_meanwhile() {
    let dir = directory();
    let code = FsCode::open(dir.path()).unwrap();
    let code = Arc::new(Overtaken { code, service: OnceLock::new(), left: AtomicUsize::new(OVERTAKEN) });
    let (clock, random) = (Arc::new(TestClock::at(EPOCH_MS)), Arc::new(Counted::default()));
    let world = World::with_code(dir.path(), clock, random, Gate::new(true), Arc::clone(&code) as _).await;
    let world = Arc::new(world);
    code.service.set(Arc::downgrade(&world)).unwrap();
    create(&world, "late").await;
    world.all_settled().await;
    let left = code.left.load(Ordering::Relaxed);
    assert!(left < OVERTAKEN, "it was not overtaken");
    let shown = world.call("GET", "/2015-03-31/functions/late", &Value::Null).await.body;
    assert_eq!(shown["Tags"], json!({"left": left.to_string()}));
}
