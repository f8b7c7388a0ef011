//! What Lambda sends to other services, as requests on the wire.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lambent_domain::{AccountId, Region, Scope};
use lambent_kit::sigv4::uri_encode;
use lambent_ports::aws_client::{AwsClient, Principal, ServiceRequest};
use lambent_ports::outbound::{Attribute, Content, NotSent, Outbound, SendOutbound};
use serde_json::{Map, Value, json};

/// How long another service may take. Then it counts as a failure, and whoever sends decides.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of an error is told.
const MAX_TOLD_BYTES: usize = 512;

/// Dead letters and records, sent with the role that the function has.
pub(crate) struct Companions {
    pub(crate) client: Arc<dyn AwsClient>,
    /// Permissions are checked.
    pub(crate) checked: bool,
}

#[async_trait]
impl SendOutbound for Companions {
    async fn send(&self, outbound: Outbound) -> Result<(), NotSent> {
        let arn = outbound.content.arn().to_owned();
        let request =
            request(outbound).ok_or_else(|| NotSent::never(format!("{arn} names nothing to send to")))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.call(request)).await;
        let answer = answer.map_err(|_| NotSent::for_now(format!("{arn} did not answer in time")))?;
        let answer = answer.map_err(|error| NotSent::for_now(error.to_string()))?;
        let failed_entry = has_failed_entries(answer.body());
        if answer.status().is_success() && !failed_entry {
            return Ok(());
        }
        let told = answer.body().get(..MAX_TOLD_BYTES).unwrap_or(answer.body());
        let told = String::from_utf8_lossy(told);
        let for_now = is_for_now(answer.status(), &told);
        Err(NotSent { reason: format!("{arn}: {}: {told}", answer.status()), for_now })
    }

    /// As if it invoked, as far as a function would run.
    async fn may_invoke(&self, role: &str, function_arn: &str) -> Result<(), NotSent> {
        let scope = parts(function_arn).and_then(|(scope, _)| scope).filter(|_| self.checked);
        let Some(scope) = scope else { return Ok(()) };
        let principal = Principal::Role(role.to_owned());
        let request = ServiceRequest::invoke(function_arn, "DryRun", scope, principal, "{}");
        let answer = self.client.call(request).await;
        let answer = answer.map_err(|error| NotSent::for_now(error.to_string()))?;
        if answer.status() == StatusCode::FORBIDDEN {
            return Err(NotSent::never(String::from_utf8_lossy(answer.body())));
        }
        Ok(())
    }
}

/// Whether the service may take it later: it was overloaded or in trouble itself, and has nothing against what was sent.
fn is_for_now(status: StatusCode, told: &str) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || (status.is_success() && ["InternalFailure", "Throttling"].iter().any(|code| told.contains(code)))
}

/// PutEvents says 200 also when it took nothing.
fn has_failed_entries(body: &[u8]) -> bool {
    let failed = |body: Value| body.get("FailedEntryCount").and_then(Value::as_u64);
    serde_json::from_slice::<Value>(body).ok().and_then(failed).is_some_and(|count| count > 0)
}

/// An ARN's parts: scope, and what comes last.
fn parts(arn: &str) -> Option<(Option<Scope>, &str)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let scope = Region::parse(region).zip(AccountId::parse(account));
    Some((scope.map(|(region, account)| Scope { account, region }), name))
}

fn request(outbound: Outbound) -> Option<ServiceRequest> {
    // A bucket's ARN has neither region nor account.
    let owner = outbound.role.split(':').nth(4).and_then(AccountId::parse);
    let principal = Principal::Role(outbound.role);
    Some(match outbound.content {
        Content::Queue { arn, body, attributes, trace_header } => {
            let (scope, name) = parts(&arn)?;
            let scope = scope?;
            let url = format!("https://sqs.{}.amazonaws.com/{}/{name}", scope.region, scope.account);
            let mut message = json!({ "QueueUrl": url, "MessageBody": body });
            if !attributes.is_empty() {
                message["MessageAttributes"] = message_attributes(&attributes);
            }
            if !trace_header.is_empty() {
                let trace = json!({ "DataType": "String", "StringValue": trace_header });
                message["MessageSystemAttributes"] = json!({ "AWSTraceHeader": trace });
            }
            ServiceRequest::json("sqs", "1.0", "AmazonSQS.SendMessage", scope, principal, message.to_string())
        }
        Content::Topic { arn, message, attributes } => {
            let scope = parts(&arn)?.0?;
            ServiceRequest::form("sns", scope, principal, publish(&arn, &message, &attributes))
        }
        Content::EventBus { arn, detail_type, detail, resources } => {
            let scope = parts(&arn)?.0?;
            let entry = json!({
                "Source": "lambda", "DetailType": detail_type, "Detail": detail,
                "Resources": resources, "EventBusName": arn,
            });
            let body = json!({ "Entries": [entry] }).to_string();
            ServiceRequest::json("events", "1.1", "AWSEvents.PutEvents", scope, principal, body)
        }
        Content::Bucket { arn, key, body } => {
            let (bucket, key) =
                (uri_encode(parts(&arn)?.1.as_bytes(), false), uri_encode(key.as_bytes(), true));
            let scope = Scope { account: owner?, region: Region::parse("us-east-1")? };
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let target = format!("/{bucket}/{key}");
            ServiceRequest {
                service: "s3",
                scope,
                principal,
                method: Method::PUT,
                target,
                headers,
                body: body.into(),
            }
        }
    })
}

fn message_attributes(attributes: &[Attribute]) -> Value {
    let value =
        |attribute: &Attribute| json!({ "DataType": attribute.data_type, "StringValue": attribute.value });
    let all = attributes.iter().map(|attribute| (attribute.name.to_owned(), value(attribute)));
    Value::Object(all.collect::<Map<_, _>>())
}

fn publish(arn: &str, message: &str, attributes: &[Attribute]) -> String {
    let encoded = |text: &str| uri_encode(text.as_bytes(), false);
    let mut form =
        format!("Action=Publish&Version=2010-03-31&TopicArn={}&Message={}", encoded(arn), encoded(message));
    for (number, attribute) in (1..).zip(attributes) {
        let entry = format!("&MessageAttributes.entry.{number}");
        form.push_str(&format!("{entry}.Name={}", encoded(attribute.name)));
        form.push_str(&format!("{entry}.Value.DataType={}", attribute.data_type));
        form.push_str(&format!("{entry}.Value.StringValue={}", encoded(&attribute.value)));
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: Content) -> ServiceRequest {
        request(Outbound { role: "arn:aws:iam::111122223333:role/r".into(), content }).unwrap()
    }

    #[test]
    fn a_queue_gets_attributes_and_the_trace() {
        let attributes = vec![Attribute { name: "ErrorCode", data_type: "Number", value: "200".into() }];
        let request = of(Content::Queue {
            arn: "arn:aws:sqs:eu-west-1:123456789012:dead".into(),
            body: "{\"a\":1}".into(),
            attributes,
            trace_header: "Root=1-2-3".into(),
        });
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["QueueUrl"], "https://sqs.eu-west-1.amazonaws.com/123456789012/dead");
        assert_eq!(body["MessageAttributes"]["ErrorCode"]["StringValue"], "200");
        assert_eq!(body["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"], "Root=1-2-3");
        assert_eq!(
            (request.scope.region.as_str(), request.scope.account.as_str()),
            ("eu-west-1", "123456789012")
        );
    }

    #[test]
    fn a_topic_gets_a_form() {
        let attributes = vec![Attribute { name: "RequestID", data_type: "String", value: "a b".into() }];
        let request = of(Content::Topic {
            arn: "arn:aws:sns:us-east-1:123456789012:t".into(),
            message: "x&y".into(),
            attributes,
        });
        let form = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(form.starts_with("Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns"), "{form}");
        assert!(form.contains("&Message=x%26y&"), "{form}");
        assert!(form.ends_with("entry.1.Value.StringValue=a%20b"), "{form}");
    }

    #[test]
    fn a_bucket_belongs_to_the_roles_account() {
        let content = Content::Bucket {
            arn: "arn:aws:s3:::b".into(),
            key: "aws/lambda/async/f/é".into(),
            body: "{}".into(),
        };
        let request = of(content);
        assert_eq!(request.target, "/b/aws/lambda/async/f/%C3%A9");
        assert_eq!(request.scope.account.as_str(), "111122223333");
    }

    #[test]
    fn who_is_in_trouble_is_asked_again() {
        assert!(
            is_for_now(StatusCode::INTERNAL_SERVER_ERROR, "")
                && is_for_now(StatusCode::TOO_MANY_REQUESTS, "")
        );
        assert!(is_for_now(StatusCode::OK, r#"{"Entries":[{"ErrorCode":"InternalFailure"}]}"#));
        assert!(!is_for_now(StatusCode::BAD_REQUEST, "AWS.SimpleQueueService.NonExistentQueue"));
        assert!(!is_for_now(StatusCode::OK, r#"{"Entries":[{"ErrorCode":"MalformedDetail"}]}"#));
    }

    #[test]
    fn a_refused_entry_is_a_failure() {
        assert!(has_failed_entries(b"{\"FailedEntryCount\":1,\"Entries\":[]}"));
        assert!(!has_failed_entries(b"{\"FailedEntryCount\":0}") && !has_failed_entries(b""));
    }
}
