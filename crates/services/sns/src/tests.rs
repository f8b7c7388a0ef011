//! The service on what really keeps its topics, in a time that the tests own.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use lambent_api_kit::{Context, Handle};
use lambent_domain::{AccountId, Region, RequestId};
use lambent_kit::clock::TestClock;
use lambent_kit::random::SystemRandom;
use lambent_ports::api::Caller;
use lambent_ports::aws_client::{ServiceRequest, Unreachable};
use lambent_ports::http_post::NoAnswer;
use lambent_ports::meter::NoMeter;
use lambent_ports::presence::present;
use lambent_sns_sqlite::SnsSqlite;
use lambent_wire::sns::operations::confirm_subscription::ConfirmSubscriptionInput;
use lambent_wire::sns::operations::create_topic::CreateTopicInput;
use lambent_wire::sns::operations::subscribe::SubscribeInput;

use super::*;

const BEGIN_MS: u64 = 1_741_435_200_000;

#[test]
fn every_operation_of_the_model_is_listed_once() {
    lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::sns::OPERATIONS);
}

/// Nobody is there.
struct Nobody;

#[async_trait]
impl AwsClient for Nobody {
    async fn call(&self, _: ServiceRequest) -> Result<Response<Bytes>, Unreachable> {
        Err(Unreachable("nobody is there".into()))
    }
}

#[async_trait]
impl HttpPost for Nobody {
    async fn post(&self, _: &str, _: HeaderMap, _: Bytes, _: Duration) -> Result<StatusCode, NoAnswer> {
        Err(NoAnswer("nobody is there".into()))
    }
}

fn context() -> Context {
    let account = AccountId::parse("123456789012").unwrap();
    Context {
        scope: Scope { account: account.clone(), region: Region::parse("us-east-1").unwrap() },
        caller: Caller { account, access_key_id: None, principal: None, authority: None },
        request_id: RequestId::from_random([0; 16]),
        base_url: String::new(),
        gone: present().1,
        trace: None,
    }
}

#[tokio::test]
async fn a_subscription_that_nobody_confirms_is_gone_after_three_days() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::at(BEGIN_MS));
    let sns = Sns::new(SnsParts {
        store: SnsSqlite::open(dir.path()).unwrap(),
        aws: Arc::new(Nobody),
        http: Arc::new(Nobody),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        meter: Arc::new(NoMeter),
        random: Arc::new(SystemRandom),
        base_url: String::new(),
    });
    let topic = CreateTopicInput { name: "t".into(), ..Default::default() };
    let made = Handle::<op::CreateTopic>::handle(&*sns, context(), topic).await.unwrap();
    let topic_arn = made.topic_arn.unwrap();
    let subscribe = SubscribeInput {
        topic_arn: topic_arn.clone(),
        protocol: "http".into(),
        endpoint: Some("http://127.0.0.1:1/".into()),
        ..Default::default()
    };
    Handle::<op::Subscribe>::handle(&*sns, context(), subscribe).await.unwrap();
    let topic = sns.topic(&context().scope, &topic_arn).unwrap();
    let Confirmation::Pending { token, .. } = sns.subscriptions(&topic)[0].confirmation.clone() else {
        panic!("not pending")
    };
    let three_days_ms = 3 * 86_400_000;
    clock.advance(three_days_ms - 1);
    sns.forget_unconfirmed().await;
    assert_eq!(sns.subscriptions(&topic).len(), 1);
    clock.advance(1);
    sns.forget_unconfirmed().await;
    assert_eq!(sns.subscriptions(&topic), []);
    let confirm = ConfirmSubscriptionInput { topic_arn, token, ..Default::default() };
    let refused = Handle::<op::ConfirmSubscription>::handle(&*sns, context(), confirm).await;
    assert_eq!(refused.map(drop), Err(SnsFault::Parameter("Token".into())));
}
