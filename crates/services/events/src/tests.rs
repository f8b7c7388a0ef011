use std::sync::Mutex;

use http::Response;
use lambent_api_kit::{Context, Handle};
use lambent_domain::{AccountId, Region, RequestId, Scope};
use lambent_kit::clock::TestClock;
use lambent_kit::random::SystemRandom;
use lambent_outbox_sqlite::OutboxSqlite;
use lambent_ports::api::Caller;
use lambent_ports::aws_client::{AwsClient, ServiceRequest, Unreachable};
use lambent_ports::presence::present;
use lambent_targets::SenderParts;
use lambent_wire::events::operations::disable_rule::DisableRuleRequest;
use lambent_wire::events::operations::enable_rule::EnableRuleRequest;
use lambent_wire::events::operations::put_rule::PutRuleRequest;
use lambent_wire::events::operations::put_targets::PutTargetsRequest;
use lambent_wire::events::types::Target;
use serde_json::Value;

use super::*;

/// 2025-03-08T12:00:00Z.
const BEGIN_MS: u64 = 1_741_435_200_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

#[test]
fn every_operation_of_the_model_is_listed_once() {
    lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::events::OPERATIONS);
}

/// Takes everything and remembers it.
#[derive(Default)]
struct Queues(Mutex<Vec<Value>>);

#[async_trait]
impl AwsClient for Queues {
    async fn call(&self, request: ServiceRequest) -> Result<Response<Bytes>, Unreachable> {
        self.0.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        Ok(Response::new(Bytes::new()))
    }
}

struct World {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    queues: Arc<Queues>,
    sender: Arc<Sender>,
    events: Arc<Events>,
}

async fn open(dir: tempfile::TempDir, clock: Arc<TestClock>, queues: Arc<Queues>) -> World {
    let outbox: Arc<dyn Outbox> = OutboxSqlite::open(dir.path(), "events").unwrap();
    let (clock_port, random) = (Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemRandom));
    let sender = Sender::new(SenderParts {
        outbox: Arc::clone(&outbox),
        client: Arc::clone(&queues) as Arc<dyn AwsClient>,
        clock: Arc::clone(&clock_port),
        random: random.clone(),
    });
    sender.take_up().await.unwrap();
    let parts = EventsParts { outbox, sender: Arc::clone(&sender), clock: clock_port, random };
    let events = Events::open(parts).await.unwrap();
    World { dir, clock, queues, sender, events }
}

fn context() -> Context {
    let account = AccountId::parse("123456789012").unwrap();
    Context {
        scope: Scope { account: account.clone(), region: Region::parse("us-east-1").unwrap() },
        caller: Caller { account, access_key_id: None, principal: None },
        request_id: RequestId::from_random([0; 16]),
        base_url: String::new(),
        gone: present().1,
        trace: None,
    }
}

impl World {
    async fn rule(&self, name: &str, schedule: &str) {
        let rule = PutRuleRequest {
            name: name.into(),
            schedule_expression: Some(schedule.into()),
            ..Default::default()
        };
        Handle::<op::PutRule>::handle(&*self.events, context(), rule).await.unwrap();
        let target = Target {
            id: "q".into(),
            arn: "arn:aws:sqs:us-east-1:123456789012:q".into(),
            ..Default::default()
        };
        let targets = PutTargetsRequest { rule: name.into(), event_bus_name: None, targets: vec![target] };
        Handle::<op::PutTargets>::handle(&*self.events, context(), targets).await.unwrap();
    }

    /// Time goes on; rules and times of the events that came.
    async fn after(&self, by_ms: u64) -> Vec<String> {
        self.clock.advance(by_ms);
        self.events.fire_due().await.unwrap();
        self.sender.turn().await;
        let messages = std::mem::take(&mut *self.queues.0.lock().unwrap());
        let told = |message: &Value| {
            let event: Value = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
            let rule = event["resources"][0].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            format!("{rule} {}", event["time"].as_str().unwrap())
        };
        let mut told: Vec<String> = messages.iter().map(told).collect();
        told.sort();
        told
    }
}

async fn world() -> World {
    let clock = Arc::new(TestClock::at(BEGIN_MS));
    open(tempfile::tempdir().unwrap(), clock, Arc::new(Queues::default())).await
}

#[tokio::test]
async fn rules_are_due_at_their_times_and_a_rate_one_period_after_it_was_made() {
    let world = world().await;
    world.rule("nightly", "cron(0 2 * * ? *)").await;
    world.rule("often", "rate(5 minutes)").await;
    assert!(world.after(0).await.is_empty());
    assert_eq!(world.after(5 * MINUTE_MS).await, ["often 2025-03-08T12:05:00Z"]);
    world.rule("often", "rate(5 minutes)").await;
    assert_eq!(world.after(5 * MINUTE_MS).await, ["often 2025-03-08T12:10:00Z"]);
    let night = world.after(14 * 60 * MINUTE_MS - 10 * MINUTE_MS).await;
    assert_eq!(night, ["nightly 2025-03-09T02:00:00Z", "often 2025-03-09T02:00:00Z"]);
}

#[tokio::test]
async fn of_what_was_due_while_no_server_ran_the_last_time_of_a_day_comes_once() {
    let world = world().await;
    world.rule("nightly", "cron(0 2 * * ? *)").await;
    world.rule("yearly", "cron(0 13 8 3 ? 2025)").await;
    let World { dir, clock, queues, sender, events } = world;
    drop((sender, events));
    clock.advance(3 * DAY_MS);
    let world = open(dir, clock, queues).await;
    assert_eq!(world.after(0).await, ["nightly 2025-03-11T02:00:00Z"], "the yearly one is too old");
    assert!(world.after(0).await.is_empty());
    assert_eq!(world.after(DAY_MS).await, ["nightly 2025-03-12T02:00:00Z"]);
}

#[tokio::test]
async fn what_is_disabled_does_not_come_then_nor_later() {
    let world = world().await;
    world.rule("often", "rate(1 hour)").await;
    let disable = DisableRuleRequest { name: "often".into(), event_bus_name: None };
    Handle::<op::DisableRule>::handle(&*world.events, context(), disable).await.unwrap();
    assert!(world.after(90 * MINUTE_MS).await.is_empty());
    let enable = EnableRuleRequest { name: "often".into(), event_bus_name: None };
    Handle::<op::EnableRule>::handle(&*world.events, context(), enable).await.unwrap();
    assert!(world.after(0).await.is_empty());
    assert_eq!(world.after(60 * MINUTE_MS).await, ["often 2025-03-08T14:30:00Z"]);
}
