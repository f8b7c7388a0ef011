//! Filter policies: which messages a subscription gets, by their attributes or by their body. The language is that of
//! event patterns; here is what SNS has of its own.

use std::collections::BTreeMap;

use lambent_event_pattern::{Event, Pattern};
use serde_json::{Map, Value};

use crate::jackson;
use crate::message::Attribute;

/// Keys at the top (recorded).
const MAX_KEYS: usize = 5;
/// Combinations of values (recorded).
const MAX_COMBINATIONS: usize = 150;

/// Where a policy looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Attributes,
    Body,
}

impl Scope {
    pub(crate) fn parse(text: &str) -> Option<Scope> {
        match text {
            "MessageAttributes" => Some(Scope::Attributes),
            "MessageBody" => Some(Scope::Body),
            _ => None,
        }
    }
}

/// What a filter policy has to be, and what is said of one that isn't (texts recorded).
pub(crate) fn check(policy: &str, scope: Scope) -> Result<(), String> {
    let members = jackson::object(policy)?;
    if members.len() > MAX_KEYS {
        return Err(format!("Filter policy can not have more than {MAX_KEYS} keys"));
    }
    let pattern = Pattern::compile(policy).map_err(|error| error.to_string())?;
    if combinations(&pattern) > MAX_COMBINATIONS {
        return Err("Filter policy is too complex".into());
    }
    // AWS documentation.
    if scope == Scope::Attributes && members.values().any(Value::is_object) {
        return Err("Filter policy scope MessageAttributes does not support nested filter policy".into());
    }
    Ok(())
}

/// The product over keys of their values, each times its depth; alternatives add up (AWS documentation).
fn combinations(pattern: &Pattern) -> usize {
    let of = |(path, conditions): (&str, usize)| conditions.saturating_mul(path.split('.').count());
    let product = |branch: &mut dyn Iterator<Item = (&str, usize)>| {
        branch.map(of).fold(1, |all: usize, one| all.saturating_mul(one))
    };
    pattern.branches().map(|mut branch| product(&mut branch)).fold(0, usize::saturating_add)
}

/// Whether a policy lets a message through that has these attributes.
pub(crate) fn matches_attributes(policy: &str, attributes: &BTreeMap<String, Attribute>) -> bool {
    let values = attributes.iter().filter_map(|(name, one)| Some((name.clone(), value(one)?)));
    matches_body(policy, &Value::Object(values.collect::<Map<_, _>>()).to_string())
}

/// An array is as good as any of its items; what is binary is not looked at (AWS documentation).
fn value(attribute: &Attribute) -> Option<Value> {
    let text = attribute.value.as_str();
    match attribute.data_type.as_str() {
        "String.Array" => match serde_json::from_str(text) {
            Ok(items @ Value::Array(_)) => Some(items),
            _ => Some(Value::from(text)),
        },
        kind if kind.starts_with("Number") => {
            text.trim().parse::<serde_json::Number>().map(Value::Number).ok()
        }
        kind if kind.starts_with("Binary") => None,
        _ => Some(Value::from(text)),
    }
}

/// Whether a policy lets a message through that has this body. What is no JSON object does not get through.
pub(crate) fn matches_body(policy: &str, body: &str) -> bool {
    match (Pattern::compile(policy), Event::parse(body)) {
        (Ok(pattern), Ok(event)) => pattern.matches(&event),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_attributes(policy: &str, attributes: &[(&str, &str, &str)]) -> bool {
        let attribute = |(name, data_type, value): &(&str, &str, &str)| {
            let attribute = Attribute { data_type: (*data_type).into(), value: (*value).into() };
            ((*name).to_owned(), attribute)
        };
        matches_attributes(policy, &attributes.iter().map(attribute).collect())
    }

    #[test]
    fn attributes_match_by_their_type() {
        assert!(by_attributes(r#"{"a":["x","y"]}"#, &[("a", "String", "y")]));
        assert!(!by_attributes(r#"{"a":["x"]}"#, &[("a", "String", "y")]));
        assert!(!by_attributes(r#"{"a":["x"]}"#, &[]));
        assert!(by_attributes(r#"{"a":[100]}"#, &[("a", "Number", "100")]));
        assert!(!by_attributes(r#"{"a":[100]}"#, &[("a", "String", "100")]));
        let numeric = r#"{"a":[{"numeric":[">",0,"<=",100]}]}"#;
        assert!(by_attributes(numeric, &[("a", "Number", "99")]));
        assert!(!by_attributes(numeric, &[("a", "Number", "111")]));
        assert!(!by_attributes(numeric, &[("a", "String", "99")]));
        assert!(by_attributes(r#"{"a":["value1"]}"#, &[("a", "String.Array", r#"["value1","value2"]"#)]));
        assert!(by_attributes(r#"{"a":[true]}"#, &[("a", "String.Array", "[true,null,3]")]));
        assert!(!by_attributes(r#"{"a":["x"]}"#, &[("a", "Binary", "x")]));
        let without = r#"{"a":["x"],"b":[{"exists":false}]}"#;
        assert!(by_attributes(without, &[("a", "String", "x")]));
        assert!(!by_attributes(without, &[("a", "String", "x"), ("b", "String", "x")]));
        let or = r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#;
        assert!(by_attributes(or, &[("b", "String", "y")]) && !by_attributes(or, &[("c", "String", "y")]));
        assert!(by_attributes(r#"{"a.b":["x"]}"#, &[("a.b", "String", "x")]));
        let several = r#"{"a":[{"anything-but":["rugby","tennis"]}]}"#;
        assert!(by_attributes(several, &[("a", "String.Array", r#"["rugby","baseball"]"#)]));
        assert!(!by_attributes(several, &[("a", "String.Array", r#"["rugby"]"#)]));
    }

    #[test]
    fn bodies_match_with_their_nesting() {
        let nested = r#"{"object":{"key":[{"prefix":"auto-"},"hardcodedvalue"]}}"#;
        assert!(matches_body(nested, r#"{"object": {"key": "auto-test"}}"#));
        assert!(matches_body(nested, r#"{"object": {"key": "hardcodedvalue"}}"#));
        assert!(!matches_body(nested, r#"{"object": {"key": "test-auto"}}"#));
        assert!(!matches_body(nested, "auto-test") && !matches_body(nested, "[]"));
        let arrays = r#"{"headers":{"route-to":["queue1"]}}"#;
        assert!(matches_body(arrays, r#"{"headers":{"route-to":["queue2","queue1"]}}"#));
        let cidr = r#"{"ip":[{"cidr":"10.0.0.0/24"}]}"#;
        assert!(
            matches_body(cidr, r#"{"ip":"10.0.0.255"}"#) && !matches_body(cidr, r#"{"ip":"10.0.1.255"}"#)
        );
    }

    #[test]
    fn mistakes_are_told_in_recorded_words() {
        let told = |policy: &str| check(policy, Scope::Attributes).unwrap_err();
        for (policy, text) in [
            (r#"{"key":[{"cidr":"bad-filter"}]}"#, "Malformed CIDR, one '/' required"),
            (
                r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#,
                "Filter policy can not have more than 5 keys",
            ),
            (
                r#"{"key":[{"suffix":100}]}"#,
                "suffix match pattern must be a string\n at [Source: (String)\"{\"key\":[{\"suffix\":100}]}\"; line: 1, column: 22]",
            ),
            (
                r#"{"a":{"b":[1]}}"#,
                "Filter policy scope MessageAttributes does not support nested filter policy",
            ),
        ] {
            assert_eq!(told(policy), text, "{policy}");
        }
        assert_eq!(check(r#"{"a":{"b":[1]}}"#, Scope::Body), Ok(()));
    }

    #[test]
    fn complexity_is_the_product_of_values() {
        let many = |count: usize| serde_json::json!((0..count).collect::<Vec<_>>());
        let complex = |policy: Value| {
            check(&policy.to_string(), Scope::Body) == Err("Filter policy is too complex".into())
        };
        assert!(
            complex(serde_json::json!({"a": many(151)})) && !complex(serde_json::json!({"a": many(150)}))
        );
        assert!(complex(serde_json::json!({"a": many(15), "b": many(11)})));
        assert!(complex(serde_json::json!({"a": {"b": many(76)}})));
        assert!(!complex(serde_json::json!({"a": {"b": many(75)}})));
    }
}
