use async_trait::async_trait;
use http::Response;
use lambent_kit::clock::TestClock;
use lambent_kit::random::SystemRandom;
use lambent_outbox_sqlite::OutboxSqlite;
use lambent_ports::aws_client::Unreachable;
use lambent_ports::outbox::{Entry, JournalSize, Page, Record, Waiting};

use super::*;
use crate::dispatch::{Authority, Codes, Service};

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:q";
const DEAD: &str = "arn:aws:sqs:us-east-1:123456789012:dead";

/// Answers requests to a queue with what is said of it, and remembers them.
#[derive(Default)]
struct Targets {
    statuses: Mutex<HashMap<&'static str, u16>>,
    seen: Mutex<Vec<Value>>,
}

impl Targets {
    fn answer(&self, queue: &'static str, status: u16) {
        self.statuses.lock().unwrap().insert(queue, status);
    }

    fn seen(&self) -> Vec<Value> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

#[async_trait]
impl AwsClient for Targets {
    async fn call(&self, request: ServiceRequest) -> Result<Response<Bytes>, Unreachable> {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let name = body["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        self.seen.lock().unwrap().push(body);
        let statuses = self.statuses.lock().unwrap();
        let status = statuses.iter().find(|(queue, _)| **queue == name).map_or(200, |(_, status)| *status);
        Ok(Response::builder().status(status).body(Bytes::from_static(b"{\"message\":\"told\"}")).unwrap())
    }
}

struct World {
    dir: tempfile::TempDir,
    targets: Arc<Targets>,
    clock: Arc<TestClock>,
    sender: Arc<Sender>,
}

fn sender(dir: &tempfile::TempDir, targets: &Arc<Targets>, clock: &Arc<TestClock>) -> Arc<Sender> {
    Sender::new(SenderParts {
        outbox: OutboxSqlite::open(dir.path(), "events").unwrap(),
        client: Arc::clone(targets) as Arc<dyn AwsClient>,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
    })
}

fn world() -> World {
    let (dir, targets) = (tempfile::tempdir().unwrap(), Arc::new(Targets::default()));
    let clock = Arc::new(TestClock::at(1_000_000));
    let sender = sender(&dir, &targets, &clock);
    World { dir, targets, clock, sender }
}

fn dispatch(max_retries: u32) -> Dispatch {
    Dispatch {
        target: QUEUE.into(),
        call: Call::Queue { arn: QUEUE.into(), body: "event".into(), group: None },
        authority: Authority::Service { service: Service::Events, source_arn: "rule".into() },
        retries: crate::Retries { max_retries, max_age_s: 86_400 },
        accepted_ms: 1_000_000,
        dead_letter: Some(DeadLetter {
            queue: DEAD.into(),
            body: "event".into(),
            attributes: vec![("RULE_ARN".into(), "rule".into())],
            codes: Codes::Rule,
        }),
        trace: Some("Root=1".into()),
    }
}

/// Time goes on to the next message that is due.
async fn until_due(world: &World) {
    let due_ms = world.sender.next_due_ms().expect("something waits");
    world.clock.advance(due_ms.saturating_sub(world.clock.now_ms()));
    world.sender.turn().await;
}

#[tokio::test]
async fn what_was_committed_is_sent_once_when_it_is_due() {
    let world = world();
    world.sender.commit(vec![dispatch(3).send_at(1_000_500)]).await.unwrap();
    world.sender.turn().await;
    assert_eq!(world.targets.seen(), [] as [Value; 0], "not yet");
    until_due(&world).await;
    let seen = world.targets.seen();
    assert_eq!(seen[0]["MessageBody"], "event");
    assert_eq!(seen[0]["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"], "Root=1");
    assert_eq!(world.sender.next_due_ms(), None);
}

#[tokio::test]
async fn a_target_that_is_down_for_a_while_gets_it_later() {
    let world = world();
    world.targets.answer("q", 503);
    world.sender.commit(vec![dispatch(185).send_at(0)]).await.unwrap();
    world.sender.turn().await;
    for _ in 0..5 {
        until_due(&world).await;
    }
    assert_eq!(world.targets.seen().len(), 6);
    world.targets.answer("q", 200);
    until_due(&world).await;
    assert_eq!((world.targets.seen().len(), world.sender.next_due_ms()), (1, None));
}

#[tokio::test]
async fn what_is_over_goes_to_the_dead_letter_queue_with_the_reason() {
    let world = world();
    world.targets.answer("q", 503);
    world.sender.commit(vec![dispatch(1).send_at(0)]).await.unwrap();
    world.sender.turn().await;
    until_due(&world).await;
    let seen = world.targets.seen();
    assert_eq!(seen.len(), 3, "two attempts and the letter: {seen:?}");
    let letter = &seen[2];
    assert!(letter["QueueUrl"].as_str().unwrap().ends_with("/dead"));
    assert_eq!(letter["MessageBody"], "event");
    let attribute = |name: &str| letter["MessageAttributes"][name]["StringValue"].clone();
    assert_eq!(attribute("ERROR_CODE"), "INTERNAL_ERROR");
    assert_eq!(attribute("ERROR_MESSAGE"), "told");
    assert_eq!(attribute("EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
    assert_eq!((attribute("RETRY_ATTEMPTS"), attribute("TARGET_ARN")), (json!("1"), json!(QUEUE)));
    assert_eq!(attribute("RULE_ARN"), "rule");
    assert_eq!(world.sender.next_due_ms(), None);
}

#[tokio::test]
async fn what_will_never_be_taken_is_over_at_once_and_its_letter_waits_for_its_queue() {
    let world = world();
    world.targets.answer("q", 404);
    world.targets.answer("dead", 500);
    world.sender.commit(vec![dispatch(185).send_at(0)]).await.unwrap();
    world.sender.turn().await;
    until_due(&world).await;
    assert_eq!(world.targets.seen().len(), 3, "the target is asked once");
    world.targets.answer("dead", 200);
    until_due(&world).await;
    let seen = world.targets.seen();
    assert_eq!(seen[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"], "NO_RESOURCE");
    assert_eq!(seen[0]["MessageAttributes"]["RETRY_ATTEMPTS"]["StringValue"], "0");
    assert_eq!(world.sender.next_due_ms(), None);
}

#[tokio::test]
async fn what_a_server_left_is_taken_up_by_the_next_one() {
    let world = world();
    world.targets.answer("q", 503);
    world.sender.commit(vec![dispatch(185).send_at(0), dispatch(185).send_at(2_000_000)]).await.unwrap();
    world.sender.turn().await;
    let World { dir, targets, clock, sender: first } = world;
    targets.seen();
    drop(first);
    targets.answer("q", 200);
    clock.advance(10_000);
    let second = sender(&dir, &targets, &clock);
    second.take_up().await.unwrap();
    second.turn().await;
    assert_eq!((targets.seen().len(), second.next_due_ms()), (1, Some(2_000_000)));
}

/// An outbox on a disk that is full when a message's end comes for the first time.
struct OnFullDisk {
    outbox: Arc<OutboxSqlite>,
    full: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Outbox for OnFullDisk {
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<MessageId>, OutboxError> {
        let end = matches!(changes[..], [Change::Done(_)]);
        if end && self.full.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Err(OutboxError { message: "full".into(), may_have_happened: false });
        }
        self.outbox.commit(changes).await
    }

    async fn records(&self) -> Result<Vec<Record>, OutboxError> {
        self.outbox.records().await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, OutboxError> {
        self.outbox.waiting().await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, OutboxError> {
        self.outbox.message(id).await
    }

    async fn journal(&self, journal: &str, page: Page) -> Result<Vec<Entry>, OutboxError> {
        self.outbox.journal(journal, page).await
    }

    async fn journal_size(&self, journal: &str) -> Result<JournalSize, OutboxError> {
        self.outbox.journal_size(journal).await
    }
}

#[tokio::test]
async fn what_has_been_sent_is_not_sent_anew_because_the_disk_was_full() {
    let (dir, targets) = (tempfile::tempdir().unwrap(), Arc::new(Targets::default()));
    let outbox = OutboxSqlite::open(dir.path(), "events").unwrap();
    let sender = Sender::new(SenderParts {
        outbox: Arc::new(OnFullDisk { outbox: Arc::clone(&outbox), full: true.into() }),
        client: Arc::clone(&targets) as Arc<dyn AwsClient>,
        clock: Arc::new(TestClock::at(1_000_000)),
        random: Arc::new(SystemRandom),
    });
    sender.commit(vec![dispatch(3).send_at(0)]).await.unwrap();
    sender.turn().await;
    assert_eq!((targets.seen().len(), sender.next_due_ms()), (1, None));
    assert_eq!(outbox.waiting().await.unwrap(), []);
}
