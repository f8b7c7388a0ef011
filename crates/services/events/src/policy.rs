//! A bus's policy: statements one at a time, or the whole document.

use lambent_domain::names::partition;
use lambent_wire::events::operations::put_permission::PutPermissionRequest;
use serde_json::{Map, Value, json};

use crate::EventsFault;
use crate::record::BusKey;

/// AWS documentation.
const MAX_POLICY_BYTES: usize = 10_240;

/// The policy with what a request adds or puts in its place.
pub(crate) fn put(
    bus: &BusKey,
    policy: Option<&str>,
    input: &PutPermissionRequest,
) -> Result<String, EventsFault> {
    let document = match &input.policy {
        Some(whole) => whole_document(whole)?,
        None => with_statement(bus, policy, input)?,
    };
    if document.len() > MAX_POLICY_BYTES {
        return Err(EventsFault::PolicyTooLong);
    }
    Ok(document)
}

fn whole_document(text: &str) -> Result<String, EventsFault> {
    let document: Option<Value> = serde_json::from_str(text).ok();
    let has_statements = document.is_some_and(|document| document.get("Statement").is_some());
    has_statements
        .then(|| text.to_owned())
        .ok_or_else(|| EventsFault::because("Policy", "Policy is not a valid JSON policy document"))
}

fn with_statement(
    bus: &BusKey,
    policy: Option<&str>,
    input: &PutPermissionRequest,
) -> Result<String, EventsFault> {
    let needed = |value: &Option<String>, name: &str| {
        value.clone().ok_or_else(|| {
            EventsFault::because(name, &format!("{name} is required when Policy is not specified."))
        })
    };
    let action = needed(&input.action, "Action")?;
    let principal = needed(&input.principal, "Principal")?;
    let id = needed(&input.statement_id, "StatementId")?;
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account => json!({ "AWS": format!("arn:{}:iam::{account}:root", partition(&bus.scope.region)) }),
    };
    let mut statement = json!({
        "Sid": id, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": bus.arn(),
    });
    if let Some(condition) = &input.condition {
        let values = Map::from_iter([(condition.key.clone(), json!(condition.value))]);
        statement["Condition"] =
            Value::Object(Map::from_iter([(condition.type_.clone(), Value::Object(values))]));
    }
    let mut statements = statements(policy);
    statements.retain(|known| known["Sid"] != id.as_str());
    statements.push(statement);
    Ok(document(statements))
}

/// The policy without one statement; `None` with the last one.
pub(crate) fn without(policy: Option<&str>, id: &str) -> Result<Option<String>, EventsFault> {
    let mut statements = statements(policy);
    let before = statements.len();
    statements.retain(|known| known["Sid"] != id);
    if statements.len() == before {
        return Err(EventsFault::NotFound("Statement with the provided id does not exist.".into()));
    }
    Ok((!statements.is_empty()).then(|| document(statements)))
}

fn document(statements: Vec<Value>) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn statements(policy: Option<&str>) -> Vec<Value> {
    let document: Option<Value> = policy.and_then(|policy| serde_json::from_str(policy).ok());
    match document.and_then(|document| document.get("Statement").cloned()) {
        Some(Value::Array(statements)) => statements,
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}
