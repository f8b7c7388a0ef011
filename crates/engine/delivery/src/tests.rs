//! The engine over real queues and stores, in a time that the tests own.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use lambent_domain::async_config::EventInvokeConfig;
use lambent_domain::fault::ThrottleReason;
use lambent_domain::{Function, FunctionKey, Qualifier, RequestId};
use lambent_kit::clock::TestClock;
use lambent_kit::random::SystemRandom;
use lambent_ports::invoke::{Invocation, InvokeReply};
use lambent_ports::outbound::{Content, NotSent, Outbound};
use lambent_ports::queue::Counts;
use lambent_ports::store::{RecordKey, Write};
use lambent_ports::suites::store as suite;
use lambent_queue_sqlite::SqliteQueue;
use lambent_store_sqlite::SqliteStore;
use tokio::task::JoinSet;

use super::*;
use crate::decide::RETRY_BASE_MS;

type Answer = dyn Fn(&Invocation) -> Result<InvokeReply, Fault> + Send + Sync;

/// Answers invokes as a test says, and remembers them with their time.
struct Functions {
    clock: Arc<TestClock>,
    answer: Box<Answer>,
    seen: Mutex<Vec<(u64, Invocation)>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl InvokeFromElsewhere for Functions {
    async fn invoke(&self, invocation: Invocation) -> Result<InvokeReply, Fault> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let answer = (self.answer)(&invocation);
        self.seen.lock().unwrap().push((self.clock.now_ms(), invocation));
        self.running.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

#[derive(Default)]
struct Services {
    sent: Mutex<Vec<Content>>,
    /// How often whoever is busy takes nothing.
    busy: Mutex<u32>,
}

#[async_trait]
impl SendOutbound for Services {
    async fn send(&self, outbound: Outbound) -> Result<(), NotSent> {
        if outbound.content.arn().ends_with(":away") {
            return Err(NotSent::never("nobody is there"));
        }
        let mut busy = self.busy.lock().unwrap();
        if outbound.content.arn().ends_with(":busy") && *busy > 0 {
            *busy -= 1;
            return Err(NotSent::for_now("not now"));
        }
        self.sent.lock().unwrap().push(outbound.content);
        Ok(())
    }

    async fn may_invoke(&self, _role: &str, _function_arn: &str) -> Result<(), NotSent> {
        Ok(())
    }
}

struct World {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    store: Arc<SqliteStore>,
    queue: Arc<SqliteQueue>,
    functions: Arc<Functions>,
    services: Arc<Services>,
    delivery: Arc<Delivery>,
}

const START_MS: u64 = 1_000_000;

fn reply(failed: bool, payload: &str) -> Result<InvokeReply, Fault> {
    Ok(InvokeReply {
        executed_version: "$LATEST".into(),
        failed,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        log_tail: None,
        trace_id: "Root=1".into(),
    })
}

fn fails(_: &Invocation) -> Result<InvokeReply, Fault> {
    reply(true, r#"{"errorMessage":"no","errorType":"E"}"#)
}

impl World {
    fn new(answer: impl Fn(&Invocation) -> Result<InvokeReply, Fault> + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at(START_MS));
        let functions = Arc::new(Functions {
            clock: Arc::clone(&clock),
            answer: Box::new(answer),
            seen: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let store = SqliteStore::open(dir.path(), &SystemRandom, suite::LIMITS).unwrap();
        let queue = SqliteQueue::open(dir.path()).unwrap();
        let services = Arc::new(Services::default());
        let delivery = Delivery::new(DeliveryParts {
            queue: Arc::clone(&queue) as _,
            store: Arc::clone(&store) as _,
            invoke: Arc::clone(&functions) as _,
            outbound: Arc::clone(&services) as _,
            clock: Arc::clone(&clock) as _,
            random: Arc::new(SystemRandom),
            metrics: Arc::default(),
            meter: Arc::new(lambent_ports::meter::NoMeter),
            options: Options { concurrency: 16, delays: Delays { retry_base_ms: RETRY_BASE_MS } },
        });
        World { dir, clock, store, queue, functions, services, delivery }
    }

    async fn put(&self, change: impl FnOnce(&mut Function)) -> FunctionKey {
        let mut function = suite::function("f");
        Arc::make_mut(&mut function.latest.configuration).dead_letter_target = None;
        change(&mut function);
        let key = function.key.clone();
        if let Some(there) = self.store.function(&key) {
            function.epoch = there.epoch;
        }
        self.store.commit(vec![function.into()]).await.unwrap();
        key
    }

    async fn accept(&self, function: &FunctionKey, payload: &str) -> RequestId {
        let request_id = RequestId::from_random(SystemRandom.bytes16());
        let event = Event {
            function: function.clone(),
            qualifier: None,
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            request_id,
            trace_id: "Root=1".into(),
        };
        self.delivery.accept(event).await.unwrap();
        request_id
    }

    /// Does what is due until nothing is.
    async fn now(&self) {
        let mut attempts = JoinSet::new();
        loop {
            self.delivery.begin_due(&mut attempts).await;
            let mut any = false;
            while let Some(ended) = attempts.join_next().await {
                ended.unwrap();
                any = true;
            }
            if !any {
                return;
            }
        }
    }

    /// Lives on until nothing is left to do, jumping from event to event.
    async fn live(&self) {
        loop {
            self.now().await;
            if self.queue.queues(stored::PREFIX).await.unwrap().is_empty() {
                return;
            }
            let Some(due_ms) = self.delivery.backlog().next_due_ms(|_| usize::MAX) else { return };
            self.clock.advance(due_ms.saturating_sub(self.clock.now_ms()));
        }
    }

    /// Seconds after the start at which invokes happened.
    fn seconds(&self) -> Vec<u64> {
        self.functions.seen.lock().unwrap().iter().map(|(at_ms, _)| (at_ms - START_MS) / 1_000).collect()
    }

    fn sent(&self) -> Vec<Content> {
        self.services.sent.lock().unwrap().clone()
    }

    fn metrics(&self) -> DeliverySnapshot {
        self.delivery.parts.metrics.snapshot()
    }

    async fn left(&self, function: &FunctionKey) -> Counts {
        self.queue.counts(&stored::queue_name(function), self.clock.now_ms()).await.unwrap()
    }
}

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:q";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:t";

fn configure(function: &mut Function, change: impl FnOnce(&mut EventInvokeConfig)) {
    change(function.event_invoke.entry(Qualifier::Latest).or_default());
}

fn set_dead_letter(function: &mut Function, arn: &str) {
    Arc::make_mut(&mut function.latest.configuration).dead_letter_target = Some(arn.into());
}

#[tokio::test]
async fn a_function_that_fails_is_tried_three_times_with_one_id_and_then_told_of() {
    let world = World::new(fails);
    let key = world
        .put(|function| {
            configure(function, |config| config.on_failure = Some(QUEUE.into()));
            set_dead_letter(function, TOPIC);
        })
        .await;
    let id = world.accept(&key, r#"{"n":1}"#).await;
    world.live().await;
    assert_eq!(world.seconds(), [0, 60, 180]);
    let seen = world.functions.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|(_, one)| one.request_id == id && one.payload == r#"{"n":1}"#.as_bytes()));
    let [Content::Topic { arn, message, attributes }, Content::Queue { body, .. }] = &world.sent()[..] else {
        panic!("{:?}", world.sent())
    };
    assert_eq!((arn.as_str(), message.as_str(), attributes[2].value.as_str()), (TOPIC, r#"{"n":1}"#, "no"));
    assert!(body.contains(r#""condition":"RetriesExhausted","approximateInvokeCount":3"#), "{body}");
    assert_eq!(world.left(&key).await, Counts::default());
    let metrics = world.metrics();
    assert_eq!((metrics.received, metrics.attempts, metrics.dropped, metrics.running), (1, 3, 1, 0));
    assert_eq!(metrics.age_ms, 240_000);
}

#[tokio::test]
async fn a_success_is_told_to_the_other_destination_and_nobody_else() {
    let world = World::new(|_| reply(false, "7"));
    let key = world
        .put(|function| {
            configure(function, |config| {
                (config.on_success, config.on_failure) = (Some(QUEUE.into()), Some(TOPIC.into()));
            });
            set_dead_letter(function, TOPIC);
        })
        .await;
    world.accept(&key, "").await;
    world.live().await;
    let [Content::Queue { body, .. }] = &world.sent()[..] else { panic!("{:?}", world.sent()) };
    assert!(body.contains(r#""requestPayload":{},"#) && body.ends_with(r#""responsePayload":7}"#), "{body}");
    assert_eq!((world.metrics().dropped, world.left(&key).await), (0, Counts::default()));
}

#[tokio::test]
async fn six_hours_of_throttles_use_up_no_attempts_and_end_with_the_age() {
    let throttled = ThrottleReason::ConcurrentInvocationLimitExceeded;
    let world = World::new(move |_| Err(Fault::TooManyRequests(throttled)));
    let key =
        world.put(|function| configure(function, |config| config.on_failure = Some(QUEUE.into()))).await;
    world.accept(&key, "1").await;
    world.live().await;
    assert_eq!(world.clock.now_ms() - START_MS, 21_600_000);
    assert_eq!(world.seconds()[..6], [0, 1, 3, 7, 15, 31]);
    let [Content::Queue { body, .. }] = &world.sent()[..] else { panic!("{:?}", world.sent()) };
    assert!(body.contains(r#""condition":"EventAgeExceeded","approximateInvokeCount":0}"#), "{body}");
    assert!(body.ends_with(r#""requestPayload":1}"#), "{body}");
}

#[tokio::test]
async fn settings_are_those_of_the_moment_and_switching_off_ends_what_waits() {
    let world = World::new(fails);
    let key = world.put(|_| ()).await;
    world.accept(&key, "1").await;
    world.now().await;
    world
        .put(|function| {
            function.reserved_concurrency = Some(0);
            configure(function, |config| config.on_failure = Some(QUEUE.into()));
        })
        .await;
    world.accept(&key, "2").await;
    world.live().await;
    assert_eq!(world.seconds(), [0], "nothing runs any more");
    let sent = world.sent();
    let counts: Vec<_> = sent
        .iter()
        .map(|content| match content {
            Content::Queue { body, .. } => {
                assert!(body.contains(r#""condition":"ZeroReservedConcurrency""#), "{body}");
                assert!(!body.contains("response"), "{body}");
                body.contains(r#""approximateInvokeCount":1"#)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [false, true]);
}

#[tokio::test]
async fn events_of_a_function_that_is_deleted_are_dropped() {
    let world = World::new(fails);
    let key = world.put(|_| ()).await;
    world.accept(&key, "1").await;
    world.now().await;
    let epoch = world.store.function(&key).unwrap().epoch;
    world.store.commit(vec![Write::Delete(RecordKey::Function(key.clone()), epoch)]).await.unwrap();
    world.live().await;
    assert_eq!((world.seconds(), world.metrics().dropped), (vec![0], 1));
    assert_eq!(world.left(&key).await, Counts::default());
}

#[tokio::test]
async fn a_destination_that_is_not_there_is_counted_and_ends_the_event() {
    let world = World::new(|_| reply(false, "1"));
    let away = "arn:aws:sqs:us-east-1:123456789012:away";
    let gone = "arn:aws:lambda:us-east-1:123456789012:function:gone";
    for (destination, failures) in [(away, 1), (gone, 2), ("arn:aws:iam::1:x", 3)] {
        let key = world
            .put(|function| configure(function, |config| config.on_success = Some(destination.into())))
            .await;
        world.accept(&key, "1").await;
        world.live().await;
        assert_eq!(world.metrics().destination_delivery_failures, failures);
        assert_eq!(world.left(&key).await, Counts::default());
    }
    assert_eq!(world.metrics().dead_letter_errors, 0);
}

#[tokio::test]
async fn who_can_not_take_a_dead_letter_or_a_record_now_is_asked_again_and_the_function_is_not() {
    let world = World::new(fails);
    let [dead, told] = ["dead:busy", "told:busy"].map(|name| format!("arn:aws:sqs:us-east-1:1:{name}"));
    let key = world
        .put(|function| {
            set_dead_letter(function, &dead);
            configure(function, |config| {
                (config.maximum_retry_attempts, config.on_failure) = (Some(0), Some(told.clone()));
            });
        })
        .await;
    *world.services.busy.lock().unwrap() = 3;
    world.accept(&key, r#"{"n":1}"#).await;
    world.now().await;
    assert_eq!((world.sent(), world.left(&key).await), (vec![], Counts { delayed: 1, ..Counts::default() }));
    world.live().await;
    let sent = world.sent();
    assert_eq!(sent.iter().map(Content::arn).collect::<Vec<_>>(), [&dead, &told]);
    let [_, Content::Queue { body, .. }] = &sent[..] else { panic!("two messages") };
    let record: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(record["responsePayload"]["errorMessage"], "no");
    assert_eq!((world.seconds(), world.left(&key).await), (vec![0], Counts::default()));
    assert_eq!(world.clock.now_ms() - START_MS, 1_000 + 2_000 + 4_000);
    let metrics = world.metrics();
    assert_eq!((metrics.dead_letter_errors, metrics.destination_delivery_failures), (0, 0));
    // Who never can is given up in the end.
    *world.services.busy.lock().unwrap() = u32::MAX;
    world.accept(&key, "{}").await;
    world.live().await;
    let metrics = world.metrics();
    assert_eq!((metrics.dead_letter_errors, metrics.destination_delivery_failures), (1, 1));
    assert_eq!(world.left(&key).await, Counts::default());
}

#[tokio::test]
async fn functions_that_are_each_others_destinations_do_not_go_on_for_ever() {
    let world = World::new(|_| reply(false, "1"));
    let arn = |name: &str| suite::function(name).key.arn();
    let mut other = suite::function("other");
    Arc::make_mut(&mut other.latest.configuration).dead_letter_target = None;
    configure(&mut other, |config| config.on_success = Some(arn("f")));
    world.store.commit(vec![other.into()]).await.unwrap();
    let key =
        world.put(|function| configure(function, |config| config.on_success = Some(arn("other")))).await;
    world.accept(&key, "1").await;
    world.live().await;
    assert_eq!(world.functions.seen.lock().unwrap().len(), 17);
    assert_eq!(world.metrics().destination_delivery_failures, 1);
    let names: BTreeMap<_, _> =
        world.functions.seen.lock().unwrap().iter().fold(BTreeMap::new(), |mut names, (_, one)| {
            *names.entry(one.function.name.to_string()).or_insert(0) += 1;
            names
        });
    assert_eq!(names, BTreeMap::from([("f".to_owned(), 9), ("other".to_owned(), 8)]));
}

#[tokio::test]
async fn what_a_stop_interrupted_is_done_again_and_a_late_end_is_stale() {
    let world = World::new(|_| reply(false, "1"));
    let key = world.put(|_| ()).await;
    world.accept(&key, "1").await;
    let wanted = lambent_ports::queue::Wanted { messages: 1, bytes: 1, lease_ms: 1_200_000 };
    let name = stored::queue_name(&key);
    let interrupted = world.queue.claim(&name, wanted, world.clock.now_ms()).await.unwrap();
    world.now().await;
    assert!(world.seconds().is_empty());
    world.delivery.take_up().await.unwrap();
    world.now().await;
    assert_eq!(world.seconds(), [0]);
    let late = world.queue.settle(&name, interrupted[0].receipt, Vec::new(), 0).await;
    assert_eq!(late, Err(lambent_ports::queue::QueueError::Stale));
}

/// The event is on its way to the disk when the client goes: nobody got a 202, and still it must not lie there unseen.
#[tokio::test]
async fn an_event_whose_client_went_away_is_not_forgotten() {
    let world = World::new(|_| reply(false, "1"));
    let key = world.put(|_| ()).await;
    let mut accept = Box::pin(world.accept(&key, "1"));
    // One poll sends it to the writer. What comes of it is not waited for.
    std::future::poll_fn(|context| std::task::Poll::Ready(accept.as_mut().poll(context).is_ready())).await;
    drop(accept);
    world.live().await;
    assert_eq!((world.seconds(), world.left(&key).await), (vec![0], Counts::default()));
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_events_wait_on_disk_and_run_a_few_at_a_time() {
    const EVENTS: usize = 200_000;
    let world = Arc::new(World::new(|_| reply(false, "1")));
    let key = world.put(|_| ()).await;
    let fill = |count: usize| {
        let (world, key) = (Arc::clone(&world), key.clone());
        async move {
            let mut accepting = JoinSet::new();
            for _ in 0..512 {
                let (world, key) = (Arc::clone(&world), key.clone());
                accepting.spawn(async move {
                    for _ in 0..count / 512 {
                        world.accept(&key, r#"{"some":"event"}"#).await;
                    }
                });
            }
            while accepting.join_next().await.is_some_and(|done| done.is_ok()) {}
        }
    };
    fill(20_480).await;
    let before = resident_kib();
    fill(EVENTS).await;
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 24 * 1_024, "{grown} KiB for {EVENTS} events");
    let mut attempts = JoinSet::new();
    while world.functions.seen.lock().unwrap().len() < 2_000 {
        world.delivery.begin_due(&mut attempts).await;
        attempts.join_next().await.unwrap().unwrap();
    }
    while attempts.join_next().await.is_some() {}
    assert!(world.functions.most.load(Ordering::SeqCst) <= 8, "half of the share is for others");
    assert!(world.dir.path().join("queues.sqlite").metadata().unwrap().len() > 20 << 20);
}
