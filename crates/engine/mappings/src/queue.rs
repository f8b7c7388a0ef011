//! SQS over the wire, as far as a poller needs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::aws_client::{AwsClient, Principal, ServiceRequest};
use lambent_ports::event_sources::{QueueFound, QueueRefused};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What SQS gives and takes at once (its documentation).
pub(crate) const MAX_AT_ONCE: usize = 10;
/// How long SQS waits at most (its documentation).
pub(crate) const LONG_POLL: Duration = Duration::from_secs(20);
/// Longest visibility timeout (SQS documentation).
const MAX_VISIBILITY_S: u64 = 43_200;
/// How long an answer may take beyond what was to be waited.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts at deleting; what is left then comes back.
const DELETE_ATTEMPTS: u32 = 3;
const DELETE_PAUSE: Duration = Duration::from_millis(200);

/// A queue, and who reads it.
#[derive(Clone)]
pub(crate) struct Queue {
    client: Arc<dyn AwsClient>,
    scope: Scope,
    url: String,
    role: String,
}

/// A message as SQS gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    pub(crate) md5_of_body: String,
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(rename = "MD5OfMessageAttributes")]
    pub(crate) md5_of_message_attributes: Option<String>,
    #[serde(default)]
    pub(crate) message_attributes: BTreeMap<String, MessageAttribute>,
}

/// A message's attribute.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MessageAttribute {
    pub(crate) data_type: String,
    pub(crate) string_value: Option<String>,
    /// Base64.
    pub(crate) binary_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    #[serde(default)]
    failed: Vec<FailedEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FailedEntry {
    id: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default, alias = "Message")]
    message: String,
    #[serde(rename = "__type", default)]
    kind: String,
}

impl Queue {
    /// The queue of an ARN; none when it is no queue's.
    pub(crate) fn new(client: Arc<dyn AwsClient>, arn: &str, role: &str) -> Option<Self> {
        let ["arn", _, "sqs", region, account, name] = arn.split(':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let scope = Scope { account: AccountId::parse(account)?, region: Region::parse(region)? };
        let url = format!("https://sqs.{region}.amazonaws.com/{account}/{name}");
        Some(Queue { client, scope, url, role: role.to_owned() })
    }

    /// Waits up to `wait` for up to `most` messages.
    pub(crate) async fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility_s: Option<u64>,
    ) -> Result<Vec<Message>, QueueRefused> {
        let wait = wait.min(LONG_POLL);
        let mut body = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": most.min(MAX_AT_ONCE),
            "WaitTimeSeconds": wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        if let Some(visibility_s) = visibility_s {
            body["VisibilityTimeout"] = json!(visibility_s.min(MAX_VISIBILITY_S));
        }
        let received: Received = self.call("AmazonSQS.ReceiveMessage", &body, wait + PATIENCE).await?;
        Ok(received.messages)
    }

    pub(crate) async fn look(&self) -> Result<QueueFound, QueueRefused> {
        let body = json!({ "QueueUrl": self.url, "AttributeNames": ["VisibilityTimeout"] });
        let found: Attributes = self.call("AmazonSQS.GetQueueAttributes", &body, PATIENCE).await?;
        let timeout = found.attributes.get("VisibilityTimeout").and_then(|text| text.parse().ok());
        let unreadable =
            || QueueRefused::Unreachable("SQS did not say the queue's visibility timeout".into());
        Ok(QueueFound { visibility_timeout_s: timeout.ok_or_else(unreadable)? })
    }

    /// Deletes messages; how many it were. What could not be deleted comes back when its visibility timeout is over.
    pub(crate) async fn delete(&self, receipts: Vec<String>) -> usize {
        let parts = receipts.chunks(MAX_AT_ONCE).map(|part| self.delete_part(part));
        join_all(parts).await.into_iter().sum()
    }

    async fn delete_part(&self, receipts: &[String]) -> usize {
        let mut left: Vec<usize> = (0..receipts.len()).collect();
        for attempt in 0..DELETE_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(DELETE_PAUSE).await;
            }
            let entry = |index: &usize| json!({ "Id": index.to_string(), "ReceiptHandle": receipts[*index] });
            let entries: Vec<Value> = left.iter().map(entry).collect();
            let body = json!({ "QueueUrl": self.url, "Entries": entries });
            match self.call::<Deleted>("AmazonSQS.DeleteMessageBatch", &body, PATIENCE).await {
                Ok(deleted) => {
                    left = deleted.failed.iter().filter_map(|entry| entry.id.parse().ok()).collect()
                }
                Err(refused) => tracing::warn!(queue = self.url, ?refused, "messages could not be deleted"),
            }
            if left.is_empty() {
                break;
            }
        }
        receipts.len() - left.len()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        body: &Value,
        patience: Duration,
    ) -> Result<T, QueueRefused> {
        let principal = Principal::Role(self.role.clone());
        let request =
            ServiceRequest::json("sqs", "1.0", operation, self.scope.clone(), principal, body.to_string());
        let unreachable = |why: String| QueueRefused::Unreachable(why);
        let answer = tokio::time::timeout(patience, self.client.call(request)).await;
        let answer = answer.map_err(|_| unreachable("SQS did not answer in time".into()))?;
        let answer = answer.map_err(|error| unreachable(error.to_string()))?;
        if answer.status().is_success() {
            let body = if answer.body().is_empty() { b"{}".as_slice() } else { answer.body() };
            return serde_json::from_slice(body)
                .map_err(|error| unreachable(format!("SQS's answer can't be read: {error}")));
        }
        let error: ErrorBody = serde_json::from_slice(answer.body())
            .map_err(|_| unreachable(format!("SQS answered {}", answer.status())))?;
        // The older code, which messages quote, stands in a header; the newer one in the body.
        let older = answer.headers().get("x-amzn-query-error").and_then(|code| code.to_str().ok());
        let code = older
            .and_then(|code| code.split(';').next())
            .unwrap_or_else(|| error.kind.rsplit('#').next().unwrap_or_default());
        Err(QueueRefused::Answered { code: code.to_owned(), message: error.message })
    }
}

/// As Lambda tells of it.
pub(crate) fn problem(refused: &QueueRefused) -> String {
    match refused {
        QueueRefused::Answered { code, message } => format!(
            "PROBLEM: Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {message}"
        ),
        QueueRefused::Unreachable(why) => format!("PROBLEM: Error occurred while ReceiveMessage. {why}"),
    }
}
