//! Tells others what happened: each notice is on disk until who it is for has taken it, so that none is lost, and some
//! come twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{HeaderMap, Method, Response};
use lambent_domain::{AccountId, Region, Scope};
use lambent_kit::crash;
use lambent_kit::sigv4::uri_encode;
use lambent_ports::aws_client::{Principal, ServiceRequest};
use lambent_ports::object_store::{Bucket, DueNotice, Notice};
use serde_json::{Value, json};

use crate::S3;
use crate::fault::Fault;
use crate::notification::{EVENT_BUS, Target};

/// As whom functions, queues and topics see S3.
const PRINCIPAL: &str = "s3.amazonaws.com";
/// Notices on their way at the same time.
const MAX_AT_ONCE: usize = 64;
/// How long one may take; then it is told again.
const PATIENCE: Duration = Duration::from_secs(30);
/// When a notice that nobody settled is due again: later than anybody waits for an answer.
const LEASE_MS: u64 = 60_000;
/// How long a target is told that can't be. AWS tries for a day, too.
const MAX_AGE_MS: u64 = 24 * 3_600_000;
/// The longest pause before another attempt.
const MAX_PAUSE_MS: u64 = 300_000;
/// How often to look when nothing is known to be due.
const IDLE: Duration = Duration::from_secs(30);

fn principal(bucket: &str) -> Principal {
    Principal::Service { name: PRINCIPAL, source_arn: format!("arn:aws:s3:::{bucket}") }
}

/// Account, region and name of an ARN.
fn parts(arn: &str) -> Option<(Scope, &str)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some((Scope { account: AccountId::parse(account)?, region: Region::parse(region)? }, name))
}

/// The request that tells.
fn request(notice: &Notice) -> Option<ServiceRequest> {
    let principal = principal(&notice.bucket);
    if notice.target == EVENT_BUS {
        let entry: Value = serde_json::from_str(&notice.body).ok()?;
        let body = json!({ "Entries": [entry] }).to_string();
        return Some(ServiceRequest::json(
            "events",
            "1.1",
            "AWSEvents.PutEvents",
            notice.scope.clone(),
            principal,
            body,
        ));
    }
    let (scope, name) = parts(&notice.target)?;
    // Functions that are told get it from queues and topics, too: so loops through buckets are known.
    let traced = |request: ServiceRequest| match &notice.trace {
        Some(trace) => request.with_header("x-amzn-trace-id", trace),
        None => request,
    };
    Some(traced(match notice.target.split(':').nth(2)? {
        "lambda" => ServiceRequest::invoke(&notice.target, "Event", scope, principal, notice.body.clone()),
        "sqs" => {
            let body = json!({ "QueueUrl": queue_url(&scope, name), "MessageBody": notice.body }).to_string();
            ServiceRequest::json("sqs", "1.0", "AmazonSQS.SendMessage", scope, principal, body)
        }
        "sns" => {
            let encoded = |text: &str| uri_encode(text.as_bytes(), false);
            let form = format!(
                "Action=Publish&Version=2010-03-31&TopicArn={}&Subject={}&Message={}",
                encoded(&notice.target),
                encoded("Amazon S3 Notification"),
                encoded(&notice.body)
            );
            ServiceRequest::form("sns", scope, principal, form)
        }
        _ => return None,
    }))
}

fn queue_url(scope: &Scope, name: &str) -> String {
    format!("https://sqs.{}.amazonaws.com/{}/{name}", scope.region, scope.account)
}

/// What becomes of a notice.
enum End {
    Told,
    /// Nobody will ever take it.
    Never(String),
    Later(String),
}

impl S3 {
    /// Tells what is to be told, until it is dropped.
    pub async fn tell(self: Arc<Self>) {
        let mut running = FuturesUnordered::new();
        loop {
            let room = MAX_AT_ONCE - running.len();
            let due = if room == 0 { Vec::new() } else { self.due(room).await };
            let full = due.len() == room;
            for notice in due {
                running.push(self.deliver(notice));
            }
            if full && room > 0 {
                continue;
            }
            let pause = self.pause().await;
            tokio::select! {
                Some(()) = running.next() => {}
                () = self.told.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn due(&self, max: usize) -> Vec<DueNotice> {
        let now_ms = self.clock.now_ms();
        match self.store.next_notice_ms().await {
            Ok(Some(due_ms)) if due_ms <= now_ms => {}
            _ => return Vec::new(),
        }
        let due = self.store.due_notices(now_ms, now_ms + LEASE_MS, max).await;
        due.unwrap_or_else(|error| {
            tracing::error!(%error, "notices could not be read");
            Vec::new()
        })
    }

    async fn pause(&self) -> Duration {
        let next_ms = self.store.next_notice_ms().await.ok().flatten();
        let wait = next_ms.map(|ms| Duration::from_millis(ms.saturating_sub(self.clock.now_ms()).max(1)));
        wait.map_or(IDLE, |wait| wait.min(IDLE))
    }

    async fn deliver(&self, due: DueNotice) {
        let now_ms = self.clock.now_ms();
        crash::edge("s3", "taken");
        let end = self.send(&due.notice).await;
        crash::edge("s3", "told");
        let done = match end {
            End::Told => self.store.settle_notice(due.id).await,
            End::Later(why) if now_ms < due.stored_ms + MAX_AGE_MS => {
                tracing::debug!(target = due.notice.target, why, "a notice is told again later");
                let pause_ms = (1_000 << due.attempts.min(9)).min(MAX_PAUSE_MS);
                self.store.postpone_notice(due.id, now_ms + pause_ms).await
            }
            End::Never(why) | End::Later(why) => {
                tracing::warn!(
                    target = due.notice.target,
                    bucket = due.notice.bucket,
                    why,
                    "a notice was dropped"
                );
                self.store.settle_notice(due.id).await
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "a notice's end could not be stored; it is told again");
        }
    }

    async fn send(&self, notice: &Notice) -> End {
        let Some(request) = request(notice) else { return End::Never("the target is no ARN".into()) };
        match tokio::time::timeout(PATIENCE, self.others.call(request)).await {
            Err(_) => End::Later("no answer in time".into()),
            Ok(Err(error)) => End::Later(error.to_string()),
            Ok(Ok(answer)) => end(&answer),
        }
    }

    /// Asks every target whether it is there and S3 may reach it, as AWS does before it takes a configuration.
    pub(crate) async fn validate(&self, bucket: &Bucket, targets: &[Target<'_>]) -> Result<(), Fault> {
        let mut refused = Vec::new();
        for target in targets {
            if let Some(why) = self.refusal(bucket, target.arn).await
                && !refused.iter().any(|(arn, _)| *arn == target.arn)
            {
                refused.push((target.arn, why));
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let mut fault =
            Fault::new(400, "InvalidArgument", "Unable to validate the following destination configurations");
        for (at, (arn, why)) in refused.into_iter().enumerate() {
            let number = at + 1;
            let name = if arn.contains(":lambda:") { format!("{arn}, null") } else { arn.to_owned() };
            fault = fault
                .with(&format!("ArgumentName{number}"), name)
                .with(&format!("ArgumentValue{number}"), why);
        }
        Err(fault)
    }

    async fn refusal(&self, bucket: &Bucket, arn: &str) -> Option<String> {
        let (scope, name) = parts(arn)?;
        let principal = principal(&bucket.name);
        match arn.split(':').nth(2)? {
            "lambda" => {
                let refused = format!("Not authorized to invoke function [{arn}]");
                (!self.may_invoke(bucket, arn, scope, principal).await).then_some(refused)
            }
            "sqs" => {
                let body = json!({ "QueueUrl": queue_url(&scope, name), "AttributeNames": ["QueueArn"] })
                    .to_string();
                let request = ServiceRequest::json(
                    "sqs",
                    "1.0",
                    "AmazonSQS.GetQueueAttributes",
                    scope,
                    principal,
                    body,
                );
                let there = self.ask(request).await.is_some();
                (!there).then(|| "The destination queue does not exist".into())
            }
            _ => {
                let arn = uri_encode(arn.as_bytes(), false);
                let form = format!("Action=GetTopicAttributes&Version=2010-03-31&TopicArn={arn}");
                let there = self.ask(ServiceRequest::form("sns", scope, principal, form)).await.is_some();
                (!there).then(|| "The destination topic does not exist".into())
            }
        }
    }

    /// An answer that is none of an error.
    async fn ask(&self, request: ServiceRequest) -> Option<Response<Bytes>> {
        let answer = tokio::time::timeout(PATIENCE, self.others.call(request)).await.ok()?.ok()?;
        answer.status().is_success().then_some(answer)
    }

    /// Whether the function is there and its policy lets this bucket invoke it.
    async fn may_invoke(&self, bucket: &Bucket, arn: &str, scope: Scope, principal: Principal) -> bool {
        let mut named = arn.splitn(8, ':');
        let function = named.by_ref().take(7).collect::<Vec<_>>().join(":");
        let query =
            named.next().map(|qualifier| format!("?Qualifier={}", uri_encode(qualifier.as_bytes(), false)));
        let name = uri_encode(function.as_bytes(), false);
        let request = ServiceRequest {
            service: "lambda",
            scope,
            principal,
            method: Method::GET,
            target: format!("/2015-03-31/functions/{name}/policy{}", query.unwrap_or_default()),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let Some(answer) = self.ask(request).await else { return false };
        let policy = serde_json::from_slice::<Value>(answer.body()).ok();
        let policy = policy.and_then(|answer| serde_json::from_str::<Value>(answer["Policy"].as_str()?).ok());
        policy.is_some_and(|policy| allows(&policy, bucket))
    }
}

/// Whether a function's policy lets S3 invoke it for this bucket.
fn allows(policy: &Value, bucket: &Bucket) -> bool {
    let bucket_arn = format!("arn:aws:s3:::{}", bucket.name);
    let list = |value: &Value| match value {
        Value::Array(all) => all.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let holds = |operator: &str, keys: &Value| {
        keys.as_object().into_iter().flatten().all(|(key, wanted)| {
            let actual = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => bucket_arn.as_str(),
                "aws:sourceaccount" => bucket.scope.account.as_str(),
                _ => return false,
            };
            let like = operator.ends_with("Like") || operator.starts_with("Arn");
            list(wanted)
                .iter()
                .filter_map(Value::as_str)
                .any(|wanted| if like { wildcard(wanted, actual) } else { wanted == actual })
        })
    };
    list(&policy["Statement"]).iter().any(|statement| {
        let service = list(&statement["Principal"]["Service"]);
        let us = statement["Principal"] == "*" || service.iter().any(|name| name == PRINCIPAL);
        let action = list(&statement["Action"])
            .iter()
            .filter_map(Value::as_str)
            .any(|action| wildcard(action, "lambda:InvokeFunction"));
        let conditions = statement["Condition"].as_object();
        let conditions = conditions.into_iter().flatten().all(|(operator, keys)| holds(operator, keys));
        statement["Effect"] == "Allow" && us && action && conditions
    })
}

/// `*` and `?` in a pattern.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*' {
            (p, t) = (p + 1, t + 1);
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// PutEvents says 200 also when it took nothing.
fn end(answer: &Response<Bytes>) -> End {
    let failed = |body: Value| body.get("FailedEntryCount").and_then(Value::as_u64).unwrap_or(0);
    let taken = serde_json::from_slice(answer.body()).map_or(0, failed) == 0;
    if answer.status().is_success() && taken {
        return End::Told;
    }
    let told = String::from_utf8_lossy(answer.body()).chars().take(200).collect::<String>();
    let why = format!("{}: {told}", answer.status());
    // Whoever is gone may come back under the same name; who says that the notice itself is wrong will say it again.
    match answer.status().as_u16() {
        400 | 413
            if !told.contains("NonExistent")
                && !told.contains("DoesNotExist")
                && !told.contains("NotFound") =>
        {
            End::Never(why)
        }
        _ => End::Later(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_policies() {
        assert!(wildcard("arn:aws:s3:::*", "arn:aws:s3:::b"));
        assert!(wildcard("arn:*:s3:::b?", "arn:aws:s3:::bu"));
        assert!(wildcard("lambda:*", "lambda:InvokeFunction"));
        assert!(!wildcard("arn:aws:s3:::b", "arn:aws:s3:::bu"));
        assert!(!wildcard("*x", "arn"));
    }
}
