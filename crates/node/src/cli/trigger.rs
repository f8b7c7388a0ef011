//! `lambent trigger`: a bucket that calls a function, in one step instead of two. It speaks to a server as any client does.

use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::{HeaderMap, Method, StatusCode};
use lambent_aws_client::{Endpoint, Remote, RemoteClient};
use lambent_domain::{AccountId, Region, Scope};
use lambent_kit::clock::SystemClock;
use lambent_kit::sigv4::{Credentials, uri_encode};
use lambent_ports::aws_client::{AwsClient, Principal, ServiceRequest};
use serde::Deserialize;
use serde_json::{Value, json};

/// The element of a configuration that names a function.
const ELEMENT: &str = "CloudFunctionConfiguration";

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum TriggerCommand {
    /// Let a bucket call a function: gives S3 the permission, and adds the notification to the bucket
    Add {
        /// The function's name or ARN
        function: String,
        /// Such as '{"bucket": "my-bucket", "events": ["s3:ObjectCreated:*"], "prefix": "uploads/"}'; "suffix" and "id" may be there, too
        trigger: String,
        #[command(flatten)]
        at: ServerOptions,
    },
    /// Show which buckets call a function, as JSON
    List {
        /// The function's name or ARN
        function: String,
        #[command(flatten)]
        at: ServerOptions,
    },
    /// Take the notifications of a bucket for a function away, and S3's permission with them
    Remove {
        /// The function's name or ARN
        function: String,
        /// The bucket
        bucket: String,
        #[command(flatten)]
        at: ServerOptions,
    },
}

/// Which server.
#[derive(Args, Debug)]
pub(crate) struct ServerOptions {
    /// The server's URL
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566")]
    url: String,
    /// The function's region
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// Access key
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "test")]
    access_key_id: String,
    /// Its secret
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "test", hide_env_values = true)]
    secret_access_key: String,
}

/// What people write.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trigger {
    bucket: String,
    events: Vec<String>,
    prefix: Option<String>,
    suffix: Option<String>,
    id: Option<String>,
}

/// Runs it.
pub(crate) fn run(command: TriggerCommand) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            TriggerCommand::Add { function, trigger, at } => {
                let trigger = serde_json::from_str(&trigger).context("the trigger")?;
                Session::open(&at, &function).await?.add(&trigger).await
            }
            TriggerCommand::List { function, at } => {
                let found = Session::open(&at, &function).await?.list().await?;
                println!("{}", serde_json::to_string_pretty(&found)?);
                Ok(())
            }
            TriggerCommand::Remove { function, bucket, at } => {
                Session::open(&at, &function).await?.remove(&bucket).await
            }
        }
    })
}

/// A server and a function of it.
struct Session {
    client: RemoteClient,
    scope: Scope,
    arn: String,
}

impl Session {
    async fn open(at: &ServerOptions, function: &str) -> anyhow::Result<Self> {
        let endpoint =
            Endpoint::parse(&at.url).map_err(anyhow::Error::msg).with_context(|| at.url.clone())?;
        let credentials = Credentials {
            access_key_id: at.access_key_id.clone(),
            secret_access_key: at.secret_access_key.clone(),
        };
        let remote = Remote { endpoint, credentials: Some(credentials), ca_bundle: None };
        let client = RemoteClient::new(remote, Arc::new(SystemClock))?;
        let region = Region::parse(&at.region).context("--region: a region is a word such as us-east-1")?;
        // The server takes the account from the access key.
        let account = AccountId::parse("000000000000").context("an account")?;
        let mut session = Session { client, scope: Scope { account, region }, arn: String::new() };
        let name = uri_encode(function.as_bytes(), false);
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let found = session.ask("lambda", Method::GET, path, Bytes::new()).await?;
        let found: Value = serde_json::from_slice(&found)?;
        session.arn =
            found["FunctionArn"].as_str().context("the server's answer has no FunctionArn")?.to_owned();
        Ok(session)
    }

    async fn call(
        &self,
        service: &'static str,
        method: Method,
        target: String,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = ServiceRequest {
            service,
            scope: self.scope.clone(),
            principal: Principal::Role(String::new()),
            method,
            target,
            headers: HeaderMap::new(),
            body,
        };
        let answer = self.client.call(request).await?;
        Ok((answer.status(), answer.into_body()))
    }

    async fn ask(
        &self,
        service: &'static str,
        method: Method,
        target: String,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let (status, answer) = self.call(service, method, target, body).await?;
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    fn statement(bucket: &str) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        format!("lambent-trigger-{}", bucket.chars().map(plain).collect::<String>())
    }

    fn policy_path(&self) -> String {
        format!("/2015-03-31/functions/{}/policy", uri_encode(self.arn.as_bytes(), false))
    }

    async fn permit(&self, bucket: &str) -> anyhow::Result<()> {
        let body = json!({
            "StatementId": Self::statement(bucket),
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": format!("arn:aws:s3:::{bucket}"),
        });
        let (status, answer) =
            self.call("lambda", Method::POST, self.policy_path(), body.to_string().into()).await?;
        // The statement is there from before.
        if !status.is_success() && status != StatusCode::CONFLICT {
            bail!("{status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// Each element of a bucket's notification configuration, as it stands there.
    async fn configurations(&self, bucket: &str) -> anyhow::Result<Vec<String>> {
        let target = format!("/{}?notification=", uri_encode(bucket.as_bytes(), false));
        let answer = self.ask("s3", Method::GET, target, Bytes::new()).await?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let mut found = Vec::new();
        for name in [ELEMENT, "QueueConfiguration", "TopicConfiguration"] {
            let (open, close) = (format!("<{name}>"), format!("</{name}>"));
            let mut rest = text.as_str();
            while let Some((_, behind)) = rest.split_once(&open) {
                let (inner, behind) = behind.split_once(&close).context("the server's XML")?;
                found.push(format!("{open}{inner}{close}"));
                rest = behind;
            }
        }
        if text.contains("<EventBridgeConfiguration") {
            found.push("<EventBridgeConfiguration/>".into());
        }
        Ok(found)
    }

    async fn configure(&self, bucket: &str, elements: &[String]) -> anyhow::Result<()> {
        let namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
        let document = format!(
            "<NotificationConfiguration xmlns=\"{namespace}\">{}</NotificationConfiguration>",
            elements.concat()
        );
        let target = format!("/{}?notification=", uri_encode(bucket.as_bytes(), false));
        self.ask("s3", Method::PUT, target, document.into()).await.map(drop)
    }

    async fn add(&self, trigger: &Trigger) -> anyhow::Result<()> {
        let mut elements = self.configurations(&trigger.bucket).await?;
        self.permit(&trigger.bucket).await?;
        elements.push(element(&self.arn, trigger));
        self.configure(&trigger.bucket, &elements).await
    }

    async fn list(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.ask("s3", Method::GET, "/".into(), Bytes::new()).await?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let mut found = Vec::new();
        for bucket in texts(&text, "Name") {
            for element in self.configurations(&bucket).await? {
                if self.is_ours(&element) {
                    found.push(shown(&bucket, &element));
                }
            }
        }
        Ok(found)
    }

    fn is_ours(&self, element: &str) -> bool {
        texts(element, "CloudFunction").contains(&self.arn)
    }

    async fn remove(&self, bucket: &str) -> anyhow::Result<()> {
        let all = self.configurations(bucket).await?;
        let others: Vec<String> = all.iter().filter(|element| !self.is_ours(element)).cloned().collect();
        if others.len() == all.len() {
            bail!("the bucket {bucket} does not call this function");
        }
        self.configure(bucket, &others).await?;
        let path = format!("{}/{}", self.policy_path(), Self::statement(bucket));
        let (status, answer) = self.call("lambda", Method::DELETE, path, Bytes::new()).await?;
        // Whoever gave the permission another way takes it back that way.
        if !status.is_success() && status != StatusCode::NOT_FOUND {
            bail!("{status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

/// The texts of all elements with a name.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let behind = xml.split(&open).skip(1);
    behind.filter_map(|rest| rest.split_once(&close)).map(|(text, _)| unescaped(text)).collect()
}

fn element(arn: &str, trigger: &Trigger) -> String {
    let mut inner = String::new();
    if let Some(id) = &trigger.id {
        inner += &format!("<Id>{}</Id>", escaped(id));
    }
    inner += &format!("<CloudFunction>{}</CloudFunction>", escaped(arn));
    for event in &trigger.events {
        inner += &format!("<Event>{}</Event>", escaped(event));
    }
    let rules = [("prefix", &trigger.prefix), ("suffix", &trigger.suffix)];
    let rule = |(name, value): (&str, &Option<String>)| {
        let value = escaped(value.as_ref()?);
        Some(format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"))
    };
    let rules: String = rules.into_iter().filter_map(rule).collect();
    if !rules.is_empty() {
        inner += &format!("<Filter><S3Key>{rules}</S3Key></Filter>");
    }
    format!("<{ELEMENT}>{inner}</{ELEMENT}>")
}

fn shown(bucket: &str, element: &str) -> Value {
    let mut trigger = json!({ "bucket": bucket, "events": texts(element, "Event") });
    for (name, value) in texts(element, "Name").into_iter().zip(texts(element, "Value")) {
        trigger[name.to_ascii_lowercase()] = json!(value);
    }
    if let Some(id) = texts(element, "Id").first() {
        trigger["id"] = json!(id);
    }
    trigger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_comes_back_as_it_was_written() {
        let text = r#"{"bucket": "b", "events": ["s3:ObjectCreated:*"], "prefix": "a&b/", "id": "x"}"#;
        let xml = element("arn:f", &serde_json::from_str(text).unwrap());
        assert_eq!(texts(&xml, "CloudFunction"), ["arn:f"]);
        assert_eq!(shown("b", &xml), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_word_that_nobody_knows_is_refused() {
        assert!(
            serde_json::from_str::<Trigger>(r#"{"bucket": "b", "events": [], "sufix": ".jpg"}"#).is_err()
        );
    }
}
