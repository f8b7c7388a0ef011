//! Pollers with a queue and a function that the tests make up, in a time that the tests own: an hour passes in a moment.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use lambent_domain::limits::{MAX_CHAINED_INVOCATIONS, MAX_SYNC_REQUEST_BYTES};
use lambent_domain::trace_header::Lineage;
use lambent_domain::{EventSourceMapping, MappingState};
use lambent_kit::clock::SystemClock;
use lambent_kit::random::SystemRandom;
use lambent_ports::aws_client::{ServiceRequest, Unreachable};
use lambent_ports::meter::NoMeter;
use lambent_ports::suites::store as suite;
use lambent_store_sqlite::SqliteStore;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::*;
use crate::poller::{Poller, Settings};

const VISIBILITY: Duration = Duration::from_secs(30);
const TIMEOUT_S: u32 = 3;

/// What a function does with an event: how long it takes, and what comes of it.
type Function = Box<dyn Fn(&Call) -> (Duration, Said) + Send + Sync>;

enum Said {
    Done(Value),
    Error,
    Throttled,
    /// Lambda stops a loop.
    Loop,
    Nothing,
}

/// One call of the function.
#[derive(Clone, Debug)]
struct Call {
    at: Duration,
    bodies: Vec<String>,
    ids: Vec<String>,
    counts: Vec<u32>,
    bytes: usize,
}

struct Kept {
    id: usize,
    body: String,
    group: Option<String>,
    visible_at: Instant,
    count: u32,
}

#[derive(Default)]
struct State {
    messages: Vec<Kept>,
    sent: usize,
    receives: usize,
    calls: Vec<Call>,
    running: usize,
    most: usize,
}

struct World {
    began: Instant,
    state: Mutex<State>,
    arrived: Notify,
    function: Function,
}

impl World {
    fn new(function: impl Fn(&Call) -> (Duration, Said) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(World {
            began: Instant::now(),
            state: Mutex::default(),
            arrived: Notify::new(),
            function: Box::new(function),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn send(&self, body: impl Into<String>, group: Option<&str>) {
        let mut state = self.state();
        let (id, visible_at) = (state.sent, Instant::now());
        let group = group.map(str::to_owned);
        state.messages.push(Kept { id, body: body.into(), group, visible_at, count: 0 });
        state.sent += 1;
        drop(state);
        self.arrived.notify_waiters();
    }

    /// What is visible, as SQS gives it: of a group only while none of it is in flight.
    fn take(&self, most: usize, visible_for: Duration) -> Vec<Value> {
        let mut state = self.state();
        let now = Instant::now();
        let hidden = |kept: &&Kept| kept.visible_at > now;
        let mut locked: HashSet<String> =
            state.messages.iter().filter(hidden).filter_map(|kept| kept.group.clone()).collect();
        let mut taken = Vec::new();
        for kept in &mut state.messages {
            let is_locked = kept.group.as_ref().is_some_and(|group| locked.contains(group));
            if taken.len() == most || kept.visible_at > now || is_locked {
                // What comes behind it in its group has to wait, too.
                locked.extend(kept.group.clone().filter(|_| kept.visible_at > now));
                continue;
            }
            kept.visible_at = now + visible_for;
            kept.count += 1;
            taken.push(json!({
                "MessageId": format!("id-{}", kept.id), "ReceiptHandle": format!("{}", kept.id),
                "MD5OfBody": "m", "Body": kept.body,
                "Attributes": {
                    "ApproximateReceiveCount": kept.count.to_string(), "AWSTraceHeader": trace_header(&kept.body),
                },
            }));
        }
        taken
    }

    async fn receive(&self, asked: &Value) -> Value {
        self.state().receives += 1;
        let until = Instant::now() + Duration::from_secs(asked["WaitTimeSeconds"].as_u64().unwrap());
        let visible_for = asked["VisibilityTimeout"].as_u64().map_or(VISIBILITY, Duration::from_secs);
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let taken = self.take(asked["MaxNumberOfMessages"].as_u64().unwrap() as usize, visible_for);
            if !taken.is_empty() || Instant::now() >= until {
                return json!({ "Messages": taken });
            }
            let now = Instant::now();
            let next = self.state().messages.iter().map(|kept| kept.visible_at).filter(|at| *at > now).min();
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(next.unwrap_or(until).min(until)) => {}
            }
        }
    }

    fn delete(&self, asked: &Value) -> Value {
        let handles: HashSet<usize> = asked["Entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["ReceiptHandle"].as_str().unwrap().parse().unwrap())
            .collect();
        self.state().messages.retain(|kept| !handles.contains(&kept.id));
        self.arrived.notify_waiters();
        json!({})
    }

    async fn invoke(&self, payload: &Bytes) -> Result<http::Response<Bytes>, Unreachable> {
        let event: Value = serde_json::from_slice(payload).unwrap();
        let records = event["Records"].as_array().unwrap();
        let texts =
            |name: &str| records.iter().map(|record| record[name].as_str().unwrap().to_owned()).collect();
        let count = |record: &Value| {
            record["attributes"]["ApproximateReceiveCount"].as_str().unwrap().parse().unwrap()
        };
        let call = Call {
            at: self.began.elapsed(),
            bodies: texts("body"),
            ids: texts("messageId"),
            counts: records.iter().map(count).collect(),
            bytes: payload.len(),
        };
        let (takes, said) = (self.function)(&call);
        let answer = |status: u16, body: &str| {
            http::Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
        };
        match said {
            Said::Throttled => return Ok(answer(429, "{}")),
            Said::Loop => {
                let mut refused = answer(400, "{}");
                refused
                    .headers_mut()
                    .insert("x-amzn-errortype", "RecursiveInvocationException".parse().unwrap());
                return Ok(refused);
            }
            Said::Nothing => return Err(Unreachable("nobody is there".into())),
            Said::Done(_) | Said::Error => {}
        }
        let running = Running::new(self);
        self.state().calls.push(call);
        tokio::time::sleep(takes).await;
        drop(running);
        Ok(match said {
            Said::Done(value) => answer(200, &value.to_string()),
            _ => {
                let mut answer = answer(200, "{}");
                answer.headers_mut().insert("x-amz-function-error", "Unhandled".parse().unwrap());
                answer
            }
        })
    }
}

struct Running<'a>(&'a World);

impl<'a> Running<'a> {
    fn new(world: &'a World) -> Self {
        let mut state = world.state();
        state.running += 1;
        state.most = state.most.max(state.running);
        drop(state);
        Running(world)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

#[async_trait]
impl AwsClient for World {
    async fn call(&self, request: ServiceRequest) -> Result<http::Response<Bytes>, Unreachable> {
        if request.service == "lambda" {
            return self.invoke(&request.body).await;
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(asked["QueueUrl"], "https://sqs.us-east-1.amazonaws.com/123456789012/q");
        let answer = match request.headers["x-amz-target"].to_str().unwrap() {
            "AmazonSQS.ReceiveMessage" => self.receive(&asked).await,
            "AmazonSQS.DeleteMessageBatch" => self.delete(&asked),
            "AmazonSQS.GetQueueAttributes" => {
                json!({ "Attributes": {"VisibilityTimeout": VISIBILITY.as_secs().to_string()} })
            }
            other => panic!("{other}"),
        };
        Ok(http::Response::new(Bytes::from(answer.to_string())))
    }
}

/// A poller under way.
struct Polling {
    world: Arc<World>,
    mappings: Arc<Mappings>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

/// Of a message that has come through the function as often as it may, if its text says so.
fn trace_header(body: &str) -> String {
    let mut lineage = Lineage::default();
    if body.starts_with("loop") {
        (0..MAX_CHAINED_INVOCATIONS).for_each(|_| lineage.call(&suite::function("f").key));
    }
    format!("Root=1-0-0;Lineage={lineage}")
}

fn mapping() -> EventSourceMapping {
    EventSourceMapping {
        qualifier: None,
        batch_size: 10,
        batching_window_s: 0,
        filters: Vec::new(),
        reports_item_failures: false,
        maximum_concurrency: None,
        provisioned_pollers: None,
        state: MappingState::Enabled,
        ..suite::mapping("m")
    }
}

impl Polling {
    fn start(world: &Arc<World>, mapping: &EventSourceMapping) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Pollers don't write to it: nothing waits for a disk while time stands still.
        let store = SqliteStore::open(dir.path(), &SystemRandom, suite::LIMITS).unwrap();
        let mappings = Mappings::new(
            store,
            Arc::clone(world) as _,
            Arc::default(),
            Arc::new(NoMeter),
            Arc::new(SystemClock),
        );
        let mut function = suite::function("f");
        Arc::make_mut(&mut function.latest.configuration).timeout_s = TIMEOUT_S;
        mappings.changed(&Change::Put(Arc::new(function)));
        let poller = Poller::new(Arc::clone(&mappings.parts), Settings::of(mapping).unwrap());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(poller.run(stopped));
        Polling { world: Arc::clone(world), mappings, stop, task, _dir: dir }
    }

    async fn until_empty(&self) -> Duration {
        while !self.world.state().messages.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(self.world.began.elapsed() < Duration::from_secs(86_400), "a day is enough");
        }
        self.world.began.elapsed()
    }

    async fn stop(self) -> Arc<World> {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.world
    }
}

fn done(takes_ms: u64) -> (Duration, Said) {
    (Duration::from_millis(takes_ms), Said::Done(Value::Null))
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_is_asked_once_in_twenty_seconds() {
    let world = World::new(|_| done(0));
    let polling = Polling::start(&world, &mapping());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let world = polling.stop().await;
    assert!((179..=182).contains(&world.state().receives), "{}", world.state().receives);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_passed_on_at_once() {
    let world = World::new(|_| done(10));
    let polling = Polling::start(&world, &mapping());
    for number in 0..20 {
        tokio::time::sleep(Duration::from_secs(7)).await;
        let sent = world.began.elapsed();
        world.send(number.to_string(), None);
        polling.until_empty().await;
        assert_eq!(world.state().calls.last().unwrap().at, sent);
    }
    polling.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_makes_it_wider_by_300_a_minute() {
    let world = World::new(|_| done(1_000));
    for number in 0..20_000 {
        world.send(number.to_string(), None);
    }
    let polling = Polling::start(&world, &mapping());
    let took = polling.until_empty().await;
    let world = polling.stop().await;
    // 2,000 batches of a second; 5 at first and 5 more every second are 2,000 after 28 seconds.
    assert!((26..=36).contains(&took.as_secs()), "{took:?}");
    let state = world.state();
    let mut begun: BTreeMap<u64, usize> = BTreeMap::new();
    for call in &state.calls {
        *begun.entry(call.at.as_secs()).or_default() += 1;
    }
    for (second, count) in begun {
        assert!(count <= 2 * (5 + 5 * (second as usize + 1)), "{count} in second {second}");
    }
    assert_eq!(state.calls.iter().map(|call| call.bodies.len()).sum::<usize>(), 20_000);
}

#[tokio::test(start_paused = true)]
async fn it_is_never_wider_than_the_mapping_says() {
    let world = World::new(|_| done(1_000));
    for number in 0..500 {
        world.send(number.to_string(), None);
    }
    let polling = Polling::start(&world, &EventSourceMapping { maximum_concurrency: Some(2), ..mapping() });
    let took = polling.until_empty().await;
    assert_eq!(polling.stop().await.state().most, 2);
    assert!((24..=27).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_back_after_its_visibility_timeout() {
    let world = World::new(|call| if call.counts[0] < 3 { (Duration::ZERO, Said::Error) } else { done(0) });
    world.send("x", None);
    let polling = Polling::start(&world, &mapping());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(polling.mappings.problem(&mapping().key).as_deref(), Some("PROBLEM: Function call failed"));
    polling.until_empty().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(polling.mappings.problem(&mapping().key), None);
    let world = polling.stop().await;
    let seen: Vec<_> = world.state().calls.iter().map(|call| (call.at.as_secs(), call.counts[0])).collect();
    assert_eq!(seen, [(0, 1), (30, 2), (60, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_is_tried_again_while_its_messages_are_its_own() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let world = World::new(move |call| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if call.at < Duration::from_secs(100) { (Duration::ZERO, Said::Throttled) } else { done(0) }
    });
    for number in 0..100 {
        world.send(number.to_string(), None);
    }
    let polling = Polling::start(&world, &mapping());
    polling.until_empty().await;
    let world = polling.stop().await;
    drop(world);
    // A few tries a second, for a hundred seconds.
    let tries = tries.load(std::sync::atomic::Ordering::SeqCst);
    assert!((20..=400).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn reported_failures_alone_stay() {
    let world = World::new(|call| {
        let failing =
            call.ids.iter().zip(&call.bodies).filter(|(_, body)| call.counts[0] == 1 && body.ends_with('7'));
        let failures: Vec<_> = failing.map(|(id, _)| json!({ "itemIdentifier": id })).collect();
        (Duration::ZERO, Said::Done(json!({ "batchItemFailures": failures })))
    });
    for number in 0..40 {
        world.send(number.to_string(), None);
    }
    let polling = Polling::start(&world, &EventSourceMapping { reports_item_failures: true, ..mapping() });
    polling.until_empty().await;
    let world = polling.stop().await;
    let again: Vec<String> = world
        .state()
        .calls
        .iter()
        .filter(|call| call.counts[0] == 2)
        .flat_map(|call| call.bodies.clone())
        .collect();
    assert_eq!(again, ["7", "17", "27", "37"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_what_trickles_in() {
    let world = World::new(|_| done(0));
    let window = EventSourceMapping { batch_size: 100, batching_window_s: 5, ..mapping() };
    let polling = Polling::start(&world, &window);
    for number in 0..60 {
        world.send(number.to_string(), None);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    polling.until_empty().await;
    let world = polling.stop().await;
    let state = world.state();
    assert!((9..=12).contains(&state.calls.len()), "{}", state.calls.len());
    for call in &state.calls {
        let first: u64 = call.bodies[0].parse().unwrap();
        assert!((first..=first + 5).contains(&call.at.as_secs()), "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_event_is_larger_than_an_invoke_takes() {
    let world = World::new(|_| done(0));
    for _ in 0..30 {
        world.send("x".repeat(1_000_000), None);
    }
    let window = EventSourceMapping { batch_size: 30, batching_window_s: 1, ..mapping() };
    let polling = Polling::start(&world, &window);
    polling.until_empty().await;
    let world = polling.stop().await;
    let state = world.state();
    assert!(state.calls.iter().all(|call| call.bytes <= MAX_SYNC_REQUEST_BYTES));
    assert_eq!(state.calls.iter().map(|call| call.bodies.len()).max(), Some(6));
}

#[tokio::test(start_paused = true)]
async fn filtered_messages_are_deleted_unseen() {
    let world = World::new(|_| done(0));
    for number in 0..50 {
        world.send(json!({ "n": number }).to_string(), None);
    }
    let filters = vec![r#"{"body":{"n":[{"numeric":[">=",45]}]}}"#.to_owned()];
    let polling = Polling::start(&world, &EventSourceMapping { filters, ..mapping() });
    polling.until_empty().await;
    let counted = polling.mappings.parts.metrics.snapshot();
    let world = polling.stop().await;
    assert_eq!(world.state().calls.iter().map(|call| call.bodies.len()).sum::<usize>(), 5);
    assert_eq!((counted.polled, counted.filtered_out, counted.invoked, counted.deleted), (50, 45, 5, 5));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_what_was_received_come_to_its_end() {
    let world = World::new(|_| done(60_000));
    for number in 0..30 {
        world.send(number.to_string(), None);
    }
    let polling = Polling::start(&world, &EventSourceMapping { maximum_concurrency: Some(2), ..mapping() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let world = polling.stop().await;
    assert!(world.began.elapsed() >= Duration::from_secs(60));
    let state = world.state();
    assert_eq!((state.running, state.calls.len(), state.messages.len()), (0, 2, 10));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_comes_back_is_seen_at_once() {
    let world = World::new(|_| done(0));
    let polling = Polling::start(&world, &mapping());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let key = suite::function("f").key;
    polling.mappings.changed(&Change::Deleted(key));
    // A wait that had begun before ends, and no other begins.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = world.state().receives;
    world.send("x", None);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.state().receives, before);
    assert_eq!(polling.mappings.problem(&mapping().key).as_deref(), Some("PROBLEM: Function not found"));
    let at = world.began.elapsed();
    polling.mappings.changed(&Change::Put(Arc::new(suite::function("f"))));
    polling.until_empty().await;
    assert_eq!(world.state().calls[0].at, at);
    polling.stop().await;
}

/// What a function does, by a number that is drawn for each call.
fn moody(moods: Vec<u8>) -> impl Fn(&Call) -> (Duration, Said) {
    let turn = AtomicUsize::new(0);
    move |_| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let takes = Duration::from_millis(37 * (turn as u64 % 50));
        match moods.get(turn).copied().unwrap_or(9) {
            0 => (takes, Said::Error),
            1 => (takes, Said::Throttled),
            2 => (takes, Said::Nothing),
            3 => (takes, Said::Done(json!({ "batchItemFailures": [{ "itemIdentifier": "unknown" }] }))),
            _ => (takes, Said::Done(Value::Null)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever a function does, every message is dealt with in the end, and those of a group in their order.
    #[test]
    fn every_message_is_dealt_with_and_groups_keep_their_order(
        groups in proptest::collection::vec(0..5_u8, 1..80),
        moods in proptest::collection::vec(0..8_u8, 0..40),
        batch_size in 1..10_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new(moody(moods));
            for (number, group) in groups.iter().enumerate() {
                world.send(number.to_string(), Some(&group.to_string()));
            }
            let mapping = EventSourceMapping { batch_size, reports_item_failures: true, ..mapping() };
            let polling = Polling::start(&world, &mapping);
            polling.until_empty().await;
            let world = polling.stop().await;
            let mut last: HashMap<u8, usize> = HashMap::new();
            let mut seen = HashSet::new();
            for call in &world.state().calls {
                let mut within: HashMap<u8, usize> = HashMap::new();
                for body in &call.bodies {
                    let number: usize = body.parse().unwrap();
                    let group = groups[number];
                    // Within a call in order, and a new one never before an older one of its group was seen.
                    assert!(within.insert(group, number).is_none_or(|before| before < number));
                    if seen.insert(number) {
                        assert!(last.insert(group, number).is_none_or(|before| before < number));
                    }
                }
            }
            assert_eq!(seen.len(), groups.len());
        });
    }
}

/// What has come through the function too often stays, and takes nothing along.
#[tokio::test(start_paused = true)]
async fn what_loops_is_left_out_of_its_batch() {
    let world = World::new(|call| match call.bodies.iter().any(|body| body.starts_with("loop")) {
        true => (Duration::ZERO, Said::Loop),
        false => done(10),
    });
    for body in ["a", "loop 1", "b", "loop 2"] {
        world.send(body, None);
    }
    let polling = Polling::start(&world, &mapping());
    tokio::time::sleep(VISIBILITY / 2).await;
    let calls: Vec<_> = world.state().calls.iter().map(|call| call.bodies.clone()).collect();
    assert_eq!(calls, [["a", "b"]]);
    let left: Vec<_> = world.state().messages.iter().map(|kept| kept.body.clone()).collect();
    assert_eq!(left, ["loop 1", "loop 2"]);
    // Tried again when their visibility timeout is over, as a batch of nothing else.
    tokio::time::sleep(VISIBILITY).await;
    assert_eq!(
        polling.mappings.parts.problems().values().next().map(String::as_str),
        Some(batch::CALL_FAILED)
    );
    let world = polling.stop().await;
    let state = world.state();
    assert_eq!(state.calls.len(), 1);
    assert!(state.messages.iter().all(|kept| kept.count >= 2));
}
