//! What a bucket tells of its objects: the configuration, and the event (`facts` 6.1, `recorded/s3`).

use std::collections::HashSet;

use lambent_domain::{AccountId, Region};
use lambent_ports::object_store::{Bucket, Notice};
use s3s::dto::{
    Event, FilterRuleName, GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    NotificationConfiguration, NotificationConfigurationFilter, PutBucketNotificationConfigurationInput,
    PutBucketNotificationConfigurationOutput,
};
use s3s::{S3Request, S3Response};
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::fault::Fault;
use crate::operations::url_encoded;
use crate::{S3, canonical_id, setting, taken_apart};

const SETTING: &str = "notification";
/// What the default bus of a bucket's account is called in a notice.
pub(crate) const EVENT_BUS: &str = "event-bus";

/// Something that happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Put,
    Copied,
    Completed,
    Deleted,
    MarkerCreated,
    Expired,
    ExpiredByMarker,
    Tagged,
    Untagged,
}

impl What {
    /// The event's name, without `s3:`.
    fn name(self) -> &'static str {
        match self {
            What::Put => "ObjectCreated:Put",
            What::Copied => "ObjectCreated:Copy",
            What::Completed => "ObjectCreated:CompleteMultipartUpload",
            What::Deleted => "ObjectRemoved:Delete",
            What::MarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            What::Expired => "LifecycleExpiration:Delete",
            What::ExpiredByMarker => "LifecycleExpiration:DeleteMarkerCreated",
            What::Tagged => "ObjectTagging:Put",
            What::Untagged => "ObjectTagging:Delete",
        }
    }

    /// On a bus: detail type and, if it has one, reason.
    fn on_bus(self) -> (&'static str, Option<&'static str>) {
        match self {
            What::Put => ("Object Created", Some("PutObject")),
            What::Copied => ("Object Created", Some("CopyObject")),
            What::Completed => ("Object Created", Some("CompleteMultipartUpload")),
            What::Deleted | What::MarkerCreated => ("Object Deleted", Some("DeleteObject")),
            What::Expired | What::ExpiredByMarker => ("Object Deleted", Some("Lifecycle Expiration")),
            What::Tagged => ("Object Tags Added", None),
            What::Untagged => ("Object Tags Deleted", None),
        }
    }
}

/// All events that a configuration can name and that happen here; the others would be waited for in vain.
const KNOWN: [&str; 15] = [
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectCreated:CompleteMultipartUpload",
];

/// AWS has these, and nothing here does what they tell of.
const NEVER: [&str; 5] = [
    "s3:ObjectRestore:",
    "s3:Replication:",
    "s3:ReducedRedundancyLostObject",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
];

/// One target of a configuration.
pub(crate) struct Target<'a> {
    pub(crate) arn: &'a str,
    id: Option<&'a str>,
    events: &'a [Event],
    filter: Option<&'a NotificationConfigurationFilter>,
    /// The element that names it.
    element: &'static str,
}

pub(crate) fn targets(configuration: &NotificationConfiguration) -> Vec<Target<'_>> {
    let functions = configuration.lambda_function_configurations.iter().flatten().map(|one| Target {
        arn: &one.lambda_function_arn,
        id: one.id.as_deref(),
        events: &one.events,
        filter: one.filter.as_ref(),
        element: "CloudFunction",
    });
    let queues = configuration.queue_configurations.iter().flatten().map(|one| Target {
        arn: &one.queue_arn,
        id: one.id.as_deref(),
        events: &one.events,
        filter: one.filter.as_ref(),
        element: "Queue",
    });
    let topics = configuration.topic_configurations.iter().flatten().map(|one| Target {
        arn: &one.topic_arn,
        id: one.id.as_deref(),
        events: &one.events,
        filter: one.filter.as_ref(),
        element: "Topic",
    });
    functions.chain(queues).chain(topics).collect()
}

impl Target<'_> {
    fn rule(&self, name: &str) -> Option<&str> {
        let rules = self.filter?.key.as_ref()?.filter_rules.as_deref()?;
        let named = |rule: &&s3s::dto::FilterRule| {
            rule.name.as_ref().is_some_and(|found| found.as_str().eq_ignore_ascii_case(name))
        };
        rules.iter().find(named)?.value.as_deref()
    }

    fn wants(&self, event: &str, key: &str) -> bool {
        let named = |pattern: &Event| covers(pattern.as_ref(), event);
        self.events.iter().any(named)
            && self.rule("prefix").is_none_or(|prefix| key.starts_with(prefix))
            && self.rule("suffix").is_none_or(|suffix| key.ends_with(suffix))
    }

    fn check(&self) -> Result<(), Fault> {
        let service = match self.element {
            "CloudFunction" => "lambda",
            "Queue" => "sqs",
            _ => "sns",
        };
        let parts: Vec<&str> = self.arn.split(':').collect();
        let fits = parts.len() >= 6
            && parts[0] == "arn"
            && parts[2] == service
            && Region::parse(parts[3]).is_some()
            && AccountId::parse(parts[4]).is_some();
        if !fits {
            return Err(Fault::invalid_argument("The ARN could not be parsed", self.element, self.arn));
        }
        if self.events.is_empty() {
            return Err(Fault::malformed_xml());
        }
        for event in self.events {
            let event = event.as_ref();
            if NEVER.iter().any(|never| event.starts_with(never)) {
                return Err(Fault::not_implemented(format!("The event {event} is not implemented")));
            }
            if !KNOWN.contains(&event) {
                let message = "The event is not supported for notifications";
                return Err(Fault::invalid_argument(message, "Event", event));
            }
        }
        let mut seen = HashSet::new();
        for rule in
            self.filter.and_then(|filter| filter.key.as_ref()?.filter_rules.as_deref()).unwrap_or_default()
        {
            let name = rule.name.as_ref().map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
            if !matches!(name.as_str(), "prefix" | "suffix") {
                let message = "filter rule name must be either prefix or suffix";
                return Err(Fault::invalid_argument(message, "FilterRule.Name", name));
            }
            if !seen.insert(name) {
                let message = "Cannot specify more than one prefix or suffix rule in a filter.";
                return Err(Fault::invalid_argument(message, "FilterRule.Name", ""));
            }
        }
        Ok(())
    }
}

/// Whether a configured event is the one that happened.
fn covers(pattern: &str, event: &str) -> bool {
    let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
    match pattern.strip_suffix('*') {
        Some(prefix) => event.starts_with(prefix),
        None => pattern == event,
    }
}

/// Two configurations that would both be told of one object's event.
fn overlap(one: &Target<'_>, other: &Target<'_>) -> bool {
    let text = |target: &Target<'_>, name| target.rule(name).unwrap_or_default().to_owned();
    let prefixes = (text(one, "prefix"), text(other, "prefix"));
    let suffixes = (text(one, "suffix"), text(other, "suffix"));
    let keys = (prefixes.0.starts_with(&prefixes.1) || prefixes.1.starts_with(&prefixes.0))
        && (suffixes.0.ends_with(&suffixes.1) || suffixes.1.ends_with(&suffixes.0));
    let plain = |event: &Event| event.as_ref().trim_start_matches("s3:").to_owned();
    let events = one.events.iter().map(plain).any(|first| {
        other.events.iter().map(plain).any(|second| {
            covers(&first, second.trim_end_matches('*')) || covers(&second, first.trim_end_matches('*'))
        })
    });
    keys && events
}

pub(crate) async fn put_configuration(
    s3: &S3,
    request: S3Request<PutBucketNotificationConfigurationInput>,
) -> Result<S3Response<PutBucketNotificationConfigurationOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let mut configuration = input.notification_configuration;
    let tests = {
        let targets = targets(&configuration);
        targets.iter().try_for_each(Target::check)?;
        for (at, target) in targets.iter().enumerate() {
            if targets[..at].iter().any(|other| overlap(target, other)) {
                let message = "Configurations overlap. Configurations on the same bucket cannot share a common event type.";
                return Err(Fault::new(400, "InvalidArgument", message));
            }
        }
        if asked.header("x-amz-skip-destination-validation") != Some("true") {
            s3.validate(&bucket, &targets).await?;
        }
        test_events(&bucket, &targets, &asked)
    };
    named(&mut configuration, s3);
    s3.set_and_tell(&input.bucket, &asked, SETTING, Some(&configuration), tests).await?;
    Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
}

/// Gives ids to what has none, and rules' names their form.
fn named(configuration: &mut NotificationConfiguration, s3: &S3) {
    let capital = |filter: &mut Option<NotificationConfigurationFilter>| {
        let rules = filter.as_mut().and_then(|filter| filter.key.as_mut()?.filter_rules.as_mut());
        for rule in rules.into_iter().flatten() {
            let prefix = rule.name.as_ref().is_some_and(|name| name.as_str().eq_ignore_ascii_case("prefix"));
            rule.name = Some(FilterRuleName::from_static(if prefix { "Prefix" } else { "Suffix" }));
            rule.value.get_or_insert_default();
        }
    };
    for one in configuration.lambda_function_configurations.iter_mut().flatten() {
        one.id.get_or_insert_with(|| s3.new_id());
        capital(&mut one.filter);
    }
    for one in configuration.queue_configurations.iter_mut().flatten() {
        one.id.get_or_insert_with(|| s3.new_id());
        capital(&mut one.filter);
    }
    for one in configuration.topic_configurations.iter_mut().flatten() {
        one.id.get_or_insert_with(|| s3.new_id());
        capital(&mut one.filter);
    }
}

/// Queues and topics are told that they will be told; functions are not.
fn test_events(bucket: &Bucket, targets: &[Target<'_>], asked: &Asked) -> Vec<Notice> {
    let body = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso(asked.now_ms),
        "Bucket": bucket.name,
        "RequestId": asked.request_id(),
        "HostId": asked.host_id(),
    });
    let told = targets.iter().filter(|target| target.element != "CloudFunction");
    told.map(|target| notice(bucket, target.arn, body.to_string())).collect()
}

fn notice(bucket: &Bucket, target: &str, body: String) -> Notice {
    Notice {
        target: target.to_owned(),
        bucket: bucket.name.clone(),
        scope: bucket.scope.clone(),
        body,
        trace: None,
    }
}

pub(crate) async fn get_configuration(
    s3: &S3,
    request: S3Request<GetBucketNotificationConfigurationInput>,
) -> Result<S3Response<GetBucketNotificationConfigurationOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let found: NotificationConfiguration = setting(&bucket, SETTING).unwrap_or_default();
    Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: found.event_bridge_configuration,
        lambda_function_configurations: found.lambda_function_configurations,
        queue_configurations: found.queue_configurations,
        topic_configurations: found.topic_configurations,
    }))
}

fn iso(ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms as i64).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// What is known of an event before it has its sequencer.
#[derive(Clone)]
pub(crate) struct Happened {
    what: What,
    key: String,
    at_ms: u64,
    object: Option<(u64, String)>,
    version: Option<String>,
    principal: String,
    requester: String,
    source_ip: String,
    request_id: String,
    host_id: String,
    by_service: bool,
    trace: Option<String>,
}

impl Happened {
    pub(crate) fn of(asked: &Asked, what: What, key: &str, at_ms: u64) -> Self {
        let by_service = matches!(what, What::Expired | What::ExpiredByMarker);
        let principal = match &asked.caller.access_key_id {
            Some(key) => format!("AWS:{key}"),
            None => asked.caller.account.to_string(),
        };
        Happened {
            what,
            key: key.to_owned(),
            at_ms,
            object: None,
            version: None,
            principal,
            requester: asked.caller.account.to_string(),
            source_ip: asked.peer.map_or_else(|| "127.0.0.1".into(), |peer| peer.to_string()),
            request_id: asked.request_id(),
            host_id: asked.host_id(),
            by_service,
            trace: asked.header("x-amzn-trace-id").map(str::to_owned),
        }
    }

    /// Its size and ETag.
    pub(crate) fn with_object(mut self, size: u64, etag: &str) -> Self {
        self.object = Some((size, etag.to_owned()));
        self
    }

    pub(crate) fn with_version(mut self, id: Option<&str>) -> Self {
        self.version = id.map(str::to_owned);
        self
    }

    /// Who is told of it, and what.
    pub(crate) fn notices(&self, bucket: &Bucket, sequence: u64) -> Vec<Notice> {
        let Some(configuration) = setting::<NotificationConfiguration>(bucket, SETTING) else {
            return Vec::new();
        };
        let sequencer = format!("00{sequence:016X}");
        let wanting = targets(&configuration);
        let wanting = wanting.iter().filter(|target| target.wants(self.what.name(), &self.key));
        let mut told: Vec<Notice> = wanting
            .map(|target| {
                notice(bucket, target.arn, self.record(bucket, target.id.unwrap_or_default(), &sequencer))
            })
            .collect();
        if configuration.event_bridge_configuration.is_some() {
            told.push(notice(bucket, EVENT_BUS, self.bus_entry(bucket, &sequencer)));
        }
        told.iter_mut().for_each(|notice| notice.trace.clone_from(&self.trace));
        told
    }

    fn record(&self, bucket: &Bucket, id: &str, sequencer: &str) -> String {
        let mut object = json!({ "key": url_encoded(&self.key) });
        if let Some((size, etag)) = &self.object {
            object["size"] = json!(size);
            object["eTag"] = json!(etag);
        }
        if let Some(version) = &self.version {
            object["versionId"] = json!(version);
        }
        object["sequencer"] = json!(sequencer);
        let tags = matches!(self.what, What::Tagged | What::Untagged | What::Expired | What::ExpiredByMarker);
        let record = json!({
            "eventVersion": if tags { "2.3" } else { "2.1" },
            "eventSource": "aws:s3",
            "awsRegion": bucket.scope.region.as_str(),
            "eventTime": iso(self.at_ms),
            "eventName": self.what.name(),
            "userIdentity": { "principalId": if self.by_service { "s3.amazonaws.com" } else { &self.principal } },
            "requestParameters": { "sourceIPAddress": if self.by_service { "s3.amazonaws.com" } else { &self.source_ip } },
            "responseElements": { "x-amz-request-id": self.request_id, "x-amz-id-2": self.host_id },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": id,
                "bucket": {
                    "name": bucket.name,
                    "ownerIdentity": { "principalId": &canonical_id(&bucket.scope.account)[..14].to_ascii_uppercase() },
                    "arn": format!("arn:aws:s3:::{}", bucket.name),
                },
                "object": object,
            },
        });
        json!({ "Records": [record] }).to_string()
    }

    /// An entry for a bus, as PutEvents takes it.
    fn bus_entry(&self, bucket: &Bucket, sequencer: &str) -> String {
        let (detail_type, reason) = self.what.on_bus();
        let mut object = json!({ "key": self.key });
        if let Some((size, etag)) = &self.object {
            object["size"] = json!(size);
            object["etag"] = json!(etag);
        }
        if let Some(version) = &self.version {
            object["version-id"] = json!(version);
        }
        object["sequencer"] = json!(sequencer);
        let mut detail = json!({
            "version": "0",
            "bucket": { "name": bucket.name },
            "object": object,
            "request-id": self.request_id,
            "requester": if self.by_service { "s3.amazonaws.com" } else { &self.requester },
        });
        if !self.by_service {
            detail["source-ip-address"] = json!(self.source_ip);
        }
        if let Some(reason) = reason {
            detail["reason"] = json!(reason);
        }
        if matches!(detail_type, "Object Deleted") {
            let marker = matches!(self.what, What::MarkerCreated | What::ExpiredByMarker);
            detail["deletion-type"] =
                json!(if marker { "Delete Marker Created" } else { "Permanently Deleted" });
        }
        let entry: Value = json!({
            "Source": "aws.s3",
            "DetailType": detail_type,
            "Detail": detail.to_string(),
            "Resources": [format!("arn:aws:s3:::{}", bucket.name)],
            "Time": self.at_ms / 1_000,
        });
        entry.to_string()
    }
}
