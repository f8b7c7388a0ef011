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
use lambent_wire::scheduler::operations::create_schedule::CreateScheduleInput;
use lambent_wire::scheduler::operations::get_schedule::GetScheduleInput;
use lambent_wire::scheduler::types::{FlexibleTimeWindow, Target};
use serde_json::Value;

use super::*;

/// 2025-03-08T12:00:00Z, the day before New York loses an hour.
const BEGIN_MS: u64 = 1_741_435_200_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

#[test]
fn every_operation_of_the_model_is_listed_once() {
    lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::scheduler::OPERATIONS);
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
    scheduler: Arc<Scheduler>,
}

async fn open(dir: tempfile::TempDir, clock: Arc<TestClock>, queues: Arc<Queues>) -> World {
    let outbox: Arc<dyn Outbox> = OutboxSqlite::open(dir.path(), "scheduler").unwrap();
    let (clock_port, random) = (Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemRandom));
    let sender = Sender::new(SenderParts {
        outbox: Arc::clone(&outbox),
        client: Arc::clone(&queues) as Arc<dyn AwsClient>,
        clock: Arc::clone(&clock_port),
        random: random.clone(),
    });
    sender.take_up().await.unwrap();
    let parts = SchedulerParts { outbox, sender: Arc::clone(&sender), clock: clock_port, random };
    let scheduler = Scheduler::open(parts).await.unwrap();
    World { dir, clock, queues, sender, scheduler }
}

async fn world() -> World {
    let clock = Arc::new(TestClock::at(BEGIN_MS));
    open(tempfile::tempdir().unwrap(), clock, Arc::new(Queues::default())).await
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

fn input(name: &str, expression: &str) -> CreateScheduleInput {
    CreateScheduleInput {
        name: name.into(),
        schedule_expression: expression.into(),
        target: Target {
            arn: "arn:aws:sqs:us-east-1:123456789012:q".into(),
            role_arn: "arn:aws:iam::123456789012:role/r".into(),
            input: Some("<aws.scheduler.scheduled-time>".into()),
            ..Default::default()
        },
        flexible_time_window: FlexibleTimeWindow { mode: "OFF".into(), maximum_window_in_minutes: None },
        ..Default::default()
    }
}

impl World {
    async fn create(&self, input: CreateScheduleInput) {
        Handle::<op::CreateSchedule>::handle(&*self.scheduler, context(), input).await.unwrap();
    }

    async fn is_there(&self, name: &str) -> bool {
        let input = GetScheduleInput { name: name.into(), ..Default::default() };
        Handle::<op::GetSchedule>::handle(&*self.scheduler, context(), input).await.is_ok()
    }

    /// Time goes on; what the queue got by then.
    async fn after(&self, by_ms: u64) -> Vec<String> {
        self.clock.advance(by_ms);
        self.scheduler.fire_due().await.unwrap();
        self.sender.turn().await;
        let messages = std::mem::take(&mut *self.queues.0.lock().unwrap());
        messages.iter().map(|message| message["MessageBody"].as_str().unwrap().to_owned()).collect()
    }

    async fn restarted_after(self, by_ms: u64) -> World {
        let World { dir, clock, queues, sender, scheduler } = self;
        drop((sender, scheduler));
        clock.advance(by_ms);
        open(dir, clock, queues).await
    }
}

#[tokio::test]
async fn a_one_time_schedule_comes_once_and_goes_if_it_is_to_go() {
    let world = world().await;
    let delete = |name: &str| CreateScheduleInput {
        action_after_completion: Some("DELETE".into()),
        ..input(name, "at(2025-03-08T12:01:00)")
    };
    world.create(input("stays", "at(2025-03-08T12:01:00)")).await;
    world.create(delete("goes")).await;
    assert!(world.after(MINUTE_MS - 1).await.is_empty());
    assert_eq!(world.after(1).await, ["2025-03-08T12:01:00Z", "2025-03-08T12:01:00Z"]);
    assert!(world.is_there("stays").await && !world.is_there("goes").await);
    assert!(world.after(DAY_MS).await.is_empty());
}

#[tokio::test]
async fn a_rate_begins_at_once_or_with_its_start_and_ends_with_its_end() {
    let world = world().await;
    world.create(input("now", "rate(2 minutes)")).await;
    assert_eq!(world.after(0).await, ["2025-03-08T12:00:00Z"]);
    assert!(world.after(MINUTE_MS).await.is_empty());
    assert_eq!(world.after(MINUTE_MS).await, ["2025-03-08T12:02:00Z"]);
    let between = |start_ms: u64, end_ms: u64| CreateScheduleInput {
        start_date: Some(start_ms as f64 / 1_000.0),
        end_date: Some(end_ms as f64 / 1_000.0),
        action_after_completion: Some("DELETE".into()),
        ..input("between", "rate(1 hour)")
    };
    world.create(between(BEGIN_MS + 30 * MINUTE_MS, BEGIN_MS + 100 * MINUTE_MS)).await;
    let mut seen = Vec::new();
    for _ in 0..120 {
        seen.extend(world.after(MINUTE_MS).await.into_iter().filter(|at| at.ends_with("30:00Z")));
    }
    // Every two minutes the other one comes, too.
    seen.sort();
    assert_eq!(seen.iter().filter(|at| *at == "2025-03-08T12:30:00Z").count(), 2);
    assert_eq!(seen.iter().filter(|at| *at == "2025-03-08T13:30:00Z").count(), 2);
    assert!(!world.is_there("between").await);
}

#[tokio::test]
async fn local_times_follow_daylight_saving() {
    let world = world().await;
    let zoned = CreateScheduleInput {
        schedule_expression_timezone: Some("America/New_York".into()),
        ..input("local", "cron(30 9 * * ? *)")
    };
    world.create(zoned).await;
    assert_eq!(world.after(DAY_MS).await, ["2025-03-08T14:30:00Z"]);
    assert_eq!(world.after(DAY_MS).await, ["2025-03-09T13:30:00Z"]);
}

#[tokio::test]
async fn a_flexible_window_spreads_within_its_minutes() {
    let world = world().await;
    let flexible = CreateScheduleInput {
        flexible_time_window: FlexibleTimeWindow {
            mode: "FLEXIBLE".into(),
            maximum_window_in_minutes: Some(15),
        },
        ..input("flexible", "at(2025-03-08T12:01:00)")
    };
    world.create(flexible).await;
    let early = world.after(MINUTE_MS).await;
    let late = world.after(15 * MINUTE_MS).await;
    assert_eq!([early, late].concat(), ["2025-03-08T12:01:00Z"]);
}

#[tokio::test]
async fn of_what_was_due_while_no_server_ran_the_last_time_comes_once_unless_it_is_too_old() {
    let world = world().await;
    world.create(input("often", "rate(7 minutes)")).await;
    world.create(input("daily", "cron(5 12 * * ? *)")).await;
    let aged = input("aged", "at(2025-03-08T12:30:00)");
    let retry_policy = lambent_wire::scheduler::types::RetryPolicy {
        maximum_event_age_in_seconds: Some(60),
        maximum_retry_attempts: None,
    };
    let target = Target { retry_policy: Some(retry_policy), ..aged.target };
    world
        .create(CreateScheduleInput { target, action_after_completion: Some("DELETE".into()), ..aged })
        .await;
    assert_eq!(world.after(0).await, ["2025-03-08T12:00:00Z"]);
    let world = world.restarted_after(120 * MINUTE_MS).await;
    let mut caught_up = world.after(0).await;
    caught_up.sort();
    assert_eq!(caught_up, ["2025-03-08T12:05:00Z", "2025-03-08T13:59:00Z"]);
    assert!(!world.is_there("aged").await, "what comes too late is over");
    assert_eq!(world.after(6 * MINUTE_MS).await, ["2025-03-08T14:06:00Z"]);
}

#[tokio::test]
async fn what_can_not_be_called_or_read_is_refused() {
    let world = world().await;
    let refusal = async |input: CreateScheduleInput| match Handle::<op::CreateSchedule>::handle(
        &*world.scheduler,
        context(),
        input,
    )
    .await
    {
        Err(SchedulerFault::Validation(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(input("x", "rate(10 years)")).await, "Invalid Schedule Expression rate(10 years).");
    let target = Target {
        arn: "arn:aws:states:us-east-1:123456789012:stateMachine:s".into(),
        ..input("x", "x").target
    };
    let other = CreateScheduleInput { target, ..input("x", "rate(1 hour)") };
    assert!(refusal(other).await.contains("can't be a target here"));
    let zone = CreateScheduleInput {
        schedule_expression_timezone: Some("Mars/Olympus".into()),
        ..input("x", "rate(1 hour)")
    };
    assert!(refusal(zone).await.contains("Mars/Olympus"));
    assert!(!world.is_there("x").await);
}
