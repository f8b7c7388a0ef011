//! Whether a statement is open to everybody, by the rules that AWS documents for "public" (of S3, and of Lambda's block
//! of public access): anybody is allowed, and no condition pins who or what it is for.

use std::net::{Ipv4Addr, Ipv6Addr};

use lambent_domain::AccountId;
use serde_json::Value;

/// Keys whose fixed value says who calls or on whose behalf. Compared without regard to case, as keys are.
const NARROWING: [&str; 15] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:vpcsourceip",
    "lambda:eventsourcetoken",
];

/// The statement must have the form of one.
pub(super) fn is_public(statement: &Value) -> bool {
    statement["Effect"] == "Allow" && names_everybody(statement) && !is_narrowed(&statement["Condition"])
}

/// `NotPrincipal` allows everybody but a few.
fn names_everybody(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    statement.get("NotPrincipal").is_some()
        || principal == "*"
        || values(&principal["AWS"]).into_iter().any(|text| text == "*")
}

fn is_narrowed(condition: &Value) -> bool {
    let operators = condition.as_object();
    operators.into_iter().flatten().filter(|(operator, _)| is_positive(operator)).any(|(_, keys)| {
        keys.as_object().into_iter().flatten().any(|(key, given)| {
            let key = key.to_ascii_lowercase();
            let given = values(given);
            NARROWING.contains(&key.as_str())
                && !given.is_empty()
                && given.into_iter().all(|text| pins(&key, text))
        })
    })
}

/// An operator that holds only when the key is there and has one of the values.
fn is_positive(operator: &str) -> bool {
    let name = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
    matches!(
        name,
        "StringEquals" | "StringEqualsIgnoreCase" | "StringLike" | "ArnEquals" | "ArnLike" | "IpAddress"
    )
}

/// Whether a value stands for something certain.
fn pins(key: &str, text: &str) -> bool {
    if text.contains("${") {
        return false;
    }
    if key.ends_with("sourceip") {
        return is_narrow_range(text);
    }
    let wild = text.contains(['*', '?']);
    match key {
        // Whatever of one account, whatever below one organisation.
        "aws:sourcearn" | "aws:principalarn" => {
            !wild || text.split(':').nth(4).and_then(AccountId::parse).is_some()
        }
        "aws:principalorgpaths" | "aws:sourceorgpaths" => {
            let organisation = text.split('/').next().unwrap_or_default();
            !organisation.is_empty() && !organisation.contains(['*', '?'])
        }
        _ => !wild && !text.is_empty(),
    }
}

/// AWS calls what is wider than /8 or /32 public.
fn is_narrow_range(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u32>().ok()),
        None => (text, Some(128)),
    };
    let least = match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
        (Ok(_), _) => 8,
        (_, Ok(_)) => 32,
        _ => return false,
    };
    bits.is_some_and(|bits| bits >= least)
}

/// A text or a list of texts.
fn values(given: &Value) -> Vec<&str> {
    match given {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn public(principal: Value, condition: Value) -> bool {
        is_public(&json!({ "Effect": "Allow", "Principal": principal, "Condition": condition }))
    }

    #[test]
    fn everybody_without_a_condition_is_public() {
        assert!(public(json!("*"), json!({})));
        assert!(public(json!({"AWS": ["123456789012", "*"]}), json!({})));
        assert!(is_public(&json!({"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}})));
        assert!(!public(json!({"AWS": "123456789012"}), json!({})));
        assert!(!public(json!({"Service": "s3.amazonaws.com"}), json!({})));
        assert!(!is_public(&json!({"Effect": "Deny", "Principal": "*"})));
    }

    #[test]
    fn a_condition_that_pins_who_calls_narrows_it() {
        for condition in [
            json!({"StringEquals": {"AWS:SourceAccount": "123456789012"}}),
            json!({"StringEquals": {"aws:PrincipalOrgID": ["o-1234567890"]}}),
            json!({"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:*"}}),
            json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/*"}}),
            json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]}}),
        ] {
            assert!(!public(json!("*"), condition.clone()), "{condition}");
        }
    }

    #[test]
    fn a_condition_that_holds_for_everybody_narrows_nothing() {
        for condition in [
            json!({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}),
            json!({"StringLike": {"AWS:SourceAccount": "*"}}),
            json!({"StringEquals": {"aws:SourceAccount": ["123456789012", "${aws:PrincipalAccount}"]}}),
            json!({"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}),
            json!({"ForAllValues:StringEquals": {"aws:SourceAccount": "123456789012"}}),
            json!({"StringNotEquals": {"aws:SourceAccount": "123456789012"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}),
            json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}),
            json!({"StringEquals": {"aws:SourceAccount": []}}),
        ] {
            assert!(public(json!("*"), condition.clone()), "{condition}");
        }
    }
}
