//! A whole policy document as PutResourcePolicy takes it: what it must be, kept as it was written. AWS's own texts for a
//! document that is none are not known; these say what is wrong.

use lambent_domain::policy::Statement;
use lambent_domain::{AccountId, Fault, Policy, RevisionId};
use serde_json::{Map, Value};

use super::permission::{is_identity_arn, is_service};
use super::{check_size, public};

/// Versions of the policy language, the default one first.
const VERSIONS: [&str; 2] = ["2008-10-17", Policy::VERSION];

/// Reads a document about `resource`, the ARN that the policy belongs to.
pub(crate) fn parse(text: &str, resource: &str, revision_id: RevisionId) -> Result<Policy, Fault> {
    let given: Value =
        serde_json::from_str(text).map_err(|error| invalid(&format!("is not JSON: {error}")))?;
    let document = given.as_object().ok_or_else(|| invalid("must be a JSON object"))?;
    only(document, &["Version", "Id", "Statement"])?;
    let version = optional_text(document, "Version")?.unwrap_or(VERSIONS[0]);
    if !VERSIONS.contains(&version) {
        return Err(invalid("has an unknown Version; use 2012-10-17"));
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    if statements.is_empty() {
        return Err(invalid("must have at least one Statement"));
    }
    let mut policy = Policy {
        revision_id,
        version: version.to_owned(),
        id: optional_text(document, "Id")?.map(str::to_owned),
        statements: Vec::new(),
    };
    for one in &statements {
        let sid = check_statement(one, resource)?;
        if sid.is_some_and(|sid| policy.has(sid)) {
            return Err(invalid("has two statements with one Sid"));
        }
        policy.statements.push(Statement { sid: sid.map(str::to_owned), json: one.to_string() });
    }
    if statements.into_iter().any(public::is_public) {
        return Err(Fault::PublicPolicy);
    }
    check_size(&policy)?;
    Ok(policy)
}

/// Checks one statement and says its id.
fn check_statement<'a>(given: &'a Value, resource: &str) -> Result<Option<&'a str>, Fault> {
    let statement = given.as_object().ok_or_else(|| invalid("has a Statement that is no object"))?;
    only(statement, &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "Resource", "Condition"])?;
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        _ => return Err(invalid("has a Statement whose Effect is neither Allow nor Deny")),
    }
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), None) | (None, Some(principal)) => check_principal(principal)?,
        _ => return Err(invalid("must name who each Statement is about: one Principal")),
    }
    let actions = texts(statement, "Action")?;
    if !actions.into_iter().all(is_action) {
        return Err(invalid("has an Action that is not Lambda's"));
    }
    if texts(statement, "Resource")?.iter().any(|given| *given != resource) {
        return Err(invalid(&format!("has a Resource that is not {resource}, which the policy is for")));
    }
    statement.get("Condition").map_or(Ok(()), check_condition)?;
    let sid = optional_text(statement, "Sid")?;
    let shaped =
        |sid: &str| sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !sid.is_none_or(|sid| (1..=100).contains(&sid.len()) && shaped(sid)) {
        return Err(invalid("has a Sid that is not 1 to 100 letters, digits, hyphens and underscores"));
    }
    Ok(sid)
}

/// `lambda:` and a name, either of which may have wildcards in it; or `*`.
fn is_action(text: &str) -> bool {
    let named = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'*' | b'?'))
    };
    text == "*" || text.strip_prefix("lambda:").is_some_and(named)
}

fn check_principal(given: &Value) -> Result<(), Fault> {
    let wrong = || {
        let text = "The provided principal was invalid. Please check the principal and try again.";
        Fault::InvalidParameter(text.into())
    };
    let kinds = match given {
        Value::String(all) if all == "*" => return Ok(()),
        Value::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(wrong()),
    };
    for kind in kinds.keys() {
        let named: fn(&str) -> bool = match kind.as_str() {
            "AWS" => |text| text == "*" || AccountId::parse(text).is_some() || is_identity_arn(text),
            "Service" => is_service,
            "Federated" | "CanonicalUser" => |text| !text.is_empty(),
            _ => return Err(wrong()),
        };
        if !texts(kinds, kind).map_err(|_| wrong())?.into_iter().all(named) {
            return Err(wrong());
        }
    }
    Ok(())
}

/// Operators, each with keys, each with a value or a list of values.
fn check_condition(given: &Value) -> Result<(), Fault> {
    let scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    let values = |value: &Value| match value {
        Value::Array(values) => !values.is_empty() && values.iter().all(scalar),
        value => scalar(value),
    };
    let keys = |operator: &Value| operator.as_object().is_some_and(|keys| keys.values().all(values));
    let holds = given.as_object().is_some_and(|operators| operators.values().all(keys));
    if holds { Ok(()) } else { Err(invalid("has a Condition that is not operators with keys with values")) }
}

/// A member that is a text or a list of texts, and neither absent nor empty.
fn texts<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a str>, Fault> {
    let found: Option<Vec<&str>> = match object.get(name) {
        Some(Value::String(text)) => Some(vec![text]),
        Some(Value::Array(texts)) => texts.iter().map(Value::as_str).collect(),
        _ => None,
    };
    found.filter(|texts| !texts.is_empty()).ok_or_else(|| {
        invalid(&format!("has a Statement whose {name} is neither a text nor a list of texts"))
    })
}

fn optional_text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Fault> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(&format!("has a {name} that is no text"))),
    }
}

/// A member that nobody knows is a mistake: what it was to narrow would be open.
fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), Fault> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(other) => Err(invalid(&format!("has an unknown member {other}"))),
    }
}

fn invalid(what: &str) -> Fault {
    Fault::InvalidParameter(format!("The provided policy is invalid: it {what}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document;

    const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

    fn read(text: &str) -> Result<Policy, Fault> {
        parse(&text.replace("ARN", ARN), ARN, RevisionId::from_random([0; 16]))
    }

    fn statement(members: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{{members}}}]}}"#)
    }

    const GOOD: &str = r#""Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"lambda:InvokeFunction","Resource":"ARN""#;

    #[test]
    fn a_document_is_shown_as_it_was_written() {
        let text = r#"{ "Version": "2012-10-17", "Id": "mine", "Statement": { "Resource": ["ARN"], "Effect": "Deny",
            "Principal": "*", "Action": ["lambda:*"], "Condition": {"Bool": {"aws:SecureTransport": false}} } }"#;
        assert_eq!(
            document(&read(text).unwrap()),
            r#"{"Version":"2012-10-17","Id":"mine","Statement":[{"Resource":["ARN"],"Effect":"Deny","Principal":"*","Action":["lambda:*"],"Condition":{"Bool":{"aws:SecureTransport":false}}}]}"#
                .replace("ARN", ARN)
        );
        assert!(read(&statement(GOOD)).is_ok());
        assert!(read(&statement(&GOOD.replace("Principal", "Sid\":\"s-1\",\"Principal"))).is_ok());
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let two = format!(r#"{{"Statement":[{{"Sid":"s",{GOOD}}},{{"Sid":"s",{GOOD}}}]}}"#);
        let cases = [
            "{".to_owned(),
            "[]".to_owned(),
            r#"{"Version":"2012-10-17"}"#.to_owned(),
            r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(),
            statement(GOOD).replace("2012", "2013"),
            statement(GOOD).replace("Version", "Versoin"),
            statement(&GOOD.replace("Allow", "Maybe")),
            statement(&GOOD.replace(r#""Principal":{"AWS":"123456789012"},"#, "")),
            statement(&GOOD.replace("123456789012\"", "nobody\"")),
            statement(&GOOD.replace("AWS", "AWZ")),
            statement(&GOOD.replace("lambda:", "s3:")),
            statement(&GOOD.replace("\"Action\"", "\"NotAction\"")),
            statement(&GOOD.replace("ARN", "ARN:1")),
            statement(&GOOD.replace("ARN", "*")),
            statement(&format!(r#"{GOOD},"Condition":{{"Bool":true}}"#)),
            statement(&format!(r#"{GOOD},"Conditon":{{}}"#)),
            statement(&format!(r#"{GOOD},"Sid":"a b""#)),
            two,
        ];
        for case in cases {
            assert!(matches!(read(&case), Err(Fault::InvalidParameter(_))), "{case}");
        }
    }

    #[test]
    fn a_public_document_is_refused_under_a_code_of_its_own() {
        let open = statement(&GOOD.replace("123456789012", "*"));
        assert_eq!(read(&open), Err(Fault::PublicPolicy));
    }
}
