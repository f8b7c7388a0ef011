//! Permissions as statements of the queue's policy.

use lambent_domain::names::partition;
use lambent_ports::message_store::QueueRecord;
use serde_json::{Map, Value, json};

use crate::{SqsFault, name};

/// Actions that one permission can name (AWS documentation).
const MAX_ACTIONS: usize = 7;

fn read(queue: &QueueRecord) -> Map<String, Value> {
    let text = queue.attributes.get("Policy").map_or("", String::as_str);
    match serde_json::from_str(text) {
        Ok(Value::Object(policy)) => policy,
        _ => {
            let id = format!("{}/SQSDefaultPolicy", name::arn(queue));
            let policy = json!({"Version": "2008-10-17", "Id": id, "Statement": []});
            policy.as_object().cloned().unwrap_or_default()
        }
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

/// Adds a permission.
pub(crate) fn add(
    queue: &mut QueueRecord,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<(), SqsFault> {
    if accounts.is_empty() {
        return Err(SqsFault::Missing("AWSAccountIds".into()));
    }
    if actions.is_empty() {
        return Err(SqsFault::Missing("Actions".into()));
    }
    if actions.len() > MAX_ACTIONS {
        let text = format!("{} Actions were found, maximum allowed is {MAX_ACTIONS}.", actions.len());
        return Err(SqsFault::OverLimit(text));
    }
    if let Some(unknown) = actions
        .iter()
        .find(|action| *action != "*" && !lambent_wire::sqs::OPERATIONS.contains(&action.as_str()))
    {
        let reason = "Only the queue owner is allowed to invoke this action.";
        return Err(SqsFault::Parameter(format!(
            "Value SQS:{unknown} for parameter ActionName is invalid. Reason: {reason}"
        )));
    }
    let mut policy = read(queue);
    let mut found = statements(&policy);
    if found.iter().any(|statement| statement["Sid"] == label) {
        return Err(SqsFault::value(label, "Label", "Already exists."));
    }
    let partition = partition(&queue.scope.region);
    let principals = accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
    found.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_list(principals)},
        "Action": one_or_list(actions.iter().map(|action| format!("SQS:{action}")).collect()),
        "Resource": name::arn(queue),
    }));
    policy.insert("Statement".into(), Value::Array(found));
    queue.attributes.insert("Policy".into(), Value::Object(policy).to_string());
    Ok(())
}

/// Takes a permission away; with the last one the policy goes.
pub(crate) fn remove(queue: &mut QueueRecord, label: &str) -> Result<(), SqsFault> {
    let mut policy = read(queue);
    let mut found = statements(&policy);
    let before = found.len();
    found.retain(|statement| statement["Sid"] != label);
    if found.len() == before {
        return Err(SqsFault::value(label, "Label", "can't find label."));
    }
    if found.is_empty() {
        queue.attributes.remove("Policy");
        return Ok(());
    }
    policy.insert("Statement".into(), Value::Array(found));
    queue.attributes.insert("Policy".into(), Value::Object(policy).to_string());
    Ok(())
}
