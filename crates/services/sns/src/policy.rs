//! A topic's policy, and permissions as statements of it.

use lambent_domain::names::partition;
use lambent_ports::topic_store::TopicRecord;
use serde_json::{Map, Value, json};

use crate::{SnsFault, arn};

/// Actions that a policy of a topic can name (AWS documentation).
const ACTIONS: &[&str] = &[
    "AddPermission",
    "DeleteTopic",
    "GetDataProtectionPolicy",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "Publish",
    "PutDataProtectionPolicy",
    "Receive",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

/// What a topic has that was given none (recorded).
pub(crate) fn default(topic: &TopicRecord) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission",
                "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": arn::of_topic(topic),
            "Condition": {"StringEquals": {"AWS:SourceOwner": topic.scope.account.as_str()}},
        }],
    })
}

fn read(topic: &TopicRecord) -> Map<String, Value> {
    let given = topic.attributes.get("Policy").and_then(|text| serde_json::from_str(text).ok());
    match given.unwrap_or_else(|| default(topic)) {
        Value::Object(policy) => policy,
        _ => Map::new(),
    }
}

/// A policy's statements; one alone may stand without a list around it.
fn statements(policy: &Map<String, Value>) -> Vec<Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// One alone stands for itself (recorded).
fn one_or_list(mut values: Vec<String>) -> Value {
    match values.len() {
        1 => Value::from(values.remove(0)),
        _ => Value::from(values),
    }
}

fn write(topic: &mut TopicRecord, mut policy: Map<String, Value>, statements: Vec<Value>) {
    policy.insert("Statement".into(), Value::Array(statements));
    topic.attributes.insert("Policy".into(), Value::Object(policy).to_string());
}

/// Adds a permission.
pub(crate) fn add(
    topic: &mut TopicRecord,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<(), SnsFault> {
    if accounts.is_empty() || actions.is_empty() {
        let parameter = if accounts.is_empty() { "AWSAccountId" } else { "ActionName" };
        return Err(SnsFault::reason(parameter, "no value for required parameter"));
    }
    if actions.iter().any(|action| action != "*" && !ACTIONS.contains(&action.as_str())) {
        return Err(SnsFault::Parameter("Policy statement action out of service scope!".into()));
    }
    let policy = read(topic);
    let mut found = statements(&policy);
    if found.iter().any(|statement| statement["Sid"] == label) {
        return Err(SnsFault::Parameter("Statement already exists".into()));
    }
    let partition = partition(&topic.scope.region);
    let principals = accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
    found.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_list(principals)},
        "Action": one_or_list(actions.iter().map(|action| format!("SNS:{action}")).collect()),
        "Resource": arn::of_topic(topic),
    }));
    write(topic, policy, found);
    Ok(())
}

/// Takes a permission away; one that is not there is no error (AWS documentation names none).
pub(crate) fn remove(topic: &mut TopicRecord, label: &str) {
    let policy = read(topic);
    let mut found = statements(&policy);
    found.retain(|statement| statement["Sid"] != label);
    write(topic, policy, found);
}

/// Checks a policy that is set.
pub(crate) fn check(text: &str) -> Result<(), SnsFault> {
    match serde_json::from_str::<Value>(text) {
        Ok(policy) if policy.get("Statement").is_some() => Ok(()),
        _ => Err(SnsFault::Parameter("Policy Error: null".into())),
    }
}
