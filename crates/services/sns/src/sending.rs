//! One attempt: over the wire to a queue, a function or an HTTP endpoint, or to the dead-letter queue of those.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lambent_domain::{FunctionRef, Scope};
use lambent_ports::aws_client::{Principal, ServiceRequest};
use lambent_ports::topic_store::{Confirmation, Delivery, SubscriptionRecord, TopicRecord};
use serde_json::{Map, Value, json};

use crate::message::{Attribute, Message};
use crate::notification::Notification;
use crate::{Sns, arn, delivery_policy, subscription};

/// How long an endpoint may take (AWS documentation, for HTTP).
const PATIENCE: Duration = Duration::from_secs(15);
const TRACE: &str = "x-amzn-trace-id";
/// How much of an error is told.
const MAX_TOLD_BYTES: usize = 512;

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Failed {
        /// For the log.
        reason: String,
        /// Another attempt would fail as well.
        hopeless: bool,
    },
}

fn failed(reason: impl Into<String>) -> Outcome {
    Outcome::Failed { reason: reason.into(), hopeless: false }
}

/// What an answer means. An error of the client's, such as an endpoint that is not there or may not be used, is not tried
/// again (AWS documentation).
fn outcome(status: StatusCode, told: &[u8]) -> Outcome {
    if status.is_success() {
        return Outcome::Delivered;
    }
    let told = String::from_utf8_lossy(told.get(..MAX_TOLD_BYTES).unwrap_or(told)).into_owned();
    let again =
        matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT);
    Outcome::Failed { reason: format!("{status}: {told}"), hopeless: status.is_client_error() && !again }
}

impl Sns {
    pub(crate) async fn send(
        &self,
        topic: &TopicRecord,
        subscription: &SubscriptionRecord,
        delivery: &Delivery,
        message: &Message,
    ) -> Outcome {
        let signer = match self.signer().await {
            Ok(signer) => signer,
            Err(fault) => return failed(format!("{fault:?}")),
        };
        let base_url = &self.parts.base_url;
        let notification = Notification { topic, subscription, delivery, message, signer: &signer, base_url };
        if delivery.dead {
            return match subscription::dead_letter_queue(topic, subscription) {
                Some(queue) => self.send_to_queue(&queue, &notification).await,
                None => Outcome::Failed {
                    reason: "there is no dead-letter queue any more".into(),
                    hopeless: true,
                },
            };
        }
        match subscription.protocol.as_str() {
            "sqs" => self.send_to_queue(&subscription.endpoint, &notification).await,
            "lambda" => self.invoke(&notification).await,
            _ => self.post(&notification).await,
        }
    }

    async fn send_to_queue(&self, arn: &str, notification: &Notification<'_>) -> Outcome {
        let Some((scope, name)) = arn::queue(arn) else { return failed(format!("{arn} is no queue")) };
        let message = notification.message;
        let raw = subscription::is_raw(notification.subscription);
        let url = format!("https://sqs.{}.amazonaws.com/{}/{name}", scope.region, scope.account);
        let body = body(notification, raw);
        let mut request = json!({ "QueueUrl": url, "MessageBody": body });
        if raw && !message.attributes.is_empty() {
            request["MessageAttributes"] = attributes(message.attributes.iter());
        }
        if let Some(group) = &message.group {
            request["MessageGroupId"] = json!(group);
        }
        if let Some(id) = message.deduplication.as_ref().filter(|_| name.ends_with(".fifo")) {
            request["MessageDeduplicationId"] = json!(id);
        }
        if let Some(trace) = &message.trace {
            let header = json!({ "DataType": "String", "StringValue": trace });
            request["MessageSystemAttributes"] = json!({ "AWSTraceHeader": header });
        }
        let principal = principal(notification.topic);
        let body = request.to_string();
        self.ask(ServiceRequest::json("sqs", "1.0", "AmazonSQS.SendMessage", scope, principal, body)).await
    }

    async fn invoke(&self, notification: &Notification<'_>) -> Outcome {
        let arn = &notification.subscription.endpoint;
        let Some(scope) = function_scope(arn) else { return failed(format!("{arn} is no function")) };
        let event = notification.lambda_event();
        let request = ServiceRequest::invoke(arn, "Event", scope, principal(notification.topic), event);
        let trace = notification.message.trace.as_deref();
        self.ask(trace.into_iter().fold(request, |request, trace| request.with_header(TRACE, trace))).await
    }

    async fn ask(&self, request: ServiceRequest) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.parts.aws.call(request)).await {
            Ok(Ok(answer)) => outcome(answer.status(), answer.body()),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed("there was no answer in time"),
        }
    }

    async fn post(&self, notification: &Notification<'_>) -> Outcome {
        // One that has been confirmed meanwhile needs no other, and one that has come back no farewell.
        let confirmed = matches!(notification.subscription.confirmation, Confirmation::Confirmed { .. });
        if notification.message.token.is_some() && confirmed {
            return Outcome::Delivered;
        }
        let raw = subscription::is_raw(notification.subscription) && notification.message.token.is_none();
        let headers = headers(notification, raw);
        let url = &notification.subscription.endpoint;
        match self.parts.http.post(url, headers, Bytes::from(body(notification, raw)), PATIENCE).await {
            Ok(status) => outcome(status, b""),
            Err(error) => failed(error.to_string()),
        }
    }
}

fn body(notification: &Notification<'_>, raw: bool) -> String {
    match raw {
        true => notification.message.text(&notification.subscription.protocol).to_owned(),
        false => notification.envelope(),
    }
}

fn principal(topic: &TopicRecord) -> Principal {
    Principal::Service { name: "sns.amazonaws.com", source_arn: arn::of_topic(topic) }
}

fn function_scope(arn: &str) -> Option<Scope> {
    FunctionRef::parse(arn)?;
    let mut parts = arn.split(':').skip(3);
    let region = lambent_domain::Region::parse(parts.next()?)?;
    let account = lambent_domain::AccountId::parse(parts.next()?)?;
    Some(Scope { account, region })
}

/// As SQS's JSON has them.
fn attributes<'a>(given: impl Iterator<Item = (&'a String, &'a Attribute)>) -> Value {
    let attribute = |(name, one): (&String, &Attribute)| {
        let key = if one.data_type.starts_with("Binary") { "BinaryValue" } else { "StringValue" };
        (name.clone(), json!({ "DataType": one.data_type, key: one.value }))
    };
    Value::Object(given.map(attribute).collect::<Map<_, _>>())
}

/// Recorded.
fn headers(notification: &Notification<'_>, raw: bool) -> HeaderMap {
    let (topic, subscription) = (notification.topic, notification.subscription);
    let policy = delivery_policy::of_delivery(topic, subscription);
    let is_confirmation = notification.message.token.is_some();
    let default = delivery_policy::Effective::default();
    let content_type = if is_confirmation { &default } else { &policy }.content_type().to_owned();
    let mut headers = HeaderMap::new();
    let mut insert = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    insert("x-amz-sns-message-type", notification.kind());
    insert("x-amz-sns-message-id", &notification.delivery.uuid);
    insert("x-amz-sns-topic-arn", &arn::of_topic(topic));
    if !is_confirmation || notification.message.farewell {
        insert("x-amz-sns-subscription-arn", &arn::of_subscription(topic, subscription));
    }
    if raw {
        insert("x-amz-sns-rawdelivery", "true");
    }
    insert("content-type", &content_type);
    insert("user-agent", "Amazon Simple Notification Service Agent");
    insert("accept-encoding", "gzip,deflate");
    headers
}
