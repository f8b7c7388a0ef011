//! Query strings, forms and the XML of the query protocol.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Most parts of a key. No model nests as deep; what nests deeper names nothing, and is built and dropped by recursion.
const MAX_KEY_PARTS: usize = 64;

/// Decodes `%XX` and `+` once.
pub fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Every value of a parameter, decoded, in order.
pub fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    pairs(query).filter(move |(key, _)| key == name).map(|(_, value)| value)
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// A form of the query protocol as nested values: `Tags.member.1.Key=a` is a list of structures.
pub fn tree(form: &str) -> Map<String, Value> {
    let mut root = Map::new();
    for (key, value) in pairs(form) {
        if key == "Action" || key == "Version" {
            continue;
        }
        let path: Vec<&str> =
            key.split('.').filter(|part| *part != "member").take(MAX_KEY_PARTS + 1).collect();
        if path.len() <= MAX_KEY_PARTS {
            put(&mut root, &path, value);
        }
    }
    root.into_iter().map(|(key, value)| (key, lists(value))).collect()
}

fn put(into: &mut Map<String, Value>, path: &[&str], value: String) {
    match path {
        [] => {}
        [last] => {
            into.insert((*last).to_owned(), Value::String(value));
        }
        [first, rest @ ..] => {
            let inner = into.entry((*first).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Objects whose keys are all numbers are lists.
fn lists(value: Value) -> Value {
    let Value::Object(members) = value else {
        return value;
    };
    let numbered =
        !members.is_empty() && members.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_digit()));
    if !numbered {
        return Value::Object(members.into_iter().map(|(key, value)| (key, lists(value))).collect());
    }
    let mut items: Vec<(u64, Value)> =
        members.into_iter().map(|(key, value)| (key.parse().unwrap_or(u64::MAX), lists(value))).collect();
    items.sort_by_key(|(index, _)| *index);
    Value::Array(items.into_iter().map(|(_, value)| value).collect())
}

/// Stands where the request id goes; the dispatcher puts it in.
pub const REQUEST_ID: &str = "{request-id}";

/// A success of the query protocol.
pub fn result(operation: &str, namespace: &str, members: &Map<String, Value>) -> String {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">\n  <{operation}Result>");
    for (key, value) in members {
        element(&mut xml, key, value);
    }
    let _ = write!(
        xml,
        "</{operation}Result>\n  <ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\n</{operation}Response>\n"
    );
    xml
}

/// An error of the query protocol.
pub fn error(namespace: &str, sender: bool, code: &str, message: &str) -> String {
    let kind = if sender { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\">\n  <Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error>\n  <RequestId>{REQUEST_ID}</RequestId>\n</ErrorResponse>\n",
        escape(code),
        escape(message)
    )
}

fn element(xml: &mut String, name: &str, value: &Value) {
    let _ = write!(xml, "<{name}>");
    content(xml, value);
    let _ = write!(xml, "</{name}>");
}

fn content(xml: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Array(items) => items.iter().for_each(|item| element(xml, "member", item)),
        Value::Object(members) => members.iter().for_each(|(key, value)| element(xml, key, value)),
        other => xml.push_str(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_nested_values() {
        let form = "Action=X&Version=1&Tags.member.2.Key=b&Tags.member.1.Key=a%20c&Name=n+m";
        assert_eq!(
            Value::Object(tree(form)),
            serde_json::json!({"Tags": [{"Key": "a c"}, {"Key": "b"}], "Name": "n m"})
        );
    }

    #[test]
    fn a_key_that_nests_deeper_than_any_model_is_ignored() {
        let form = format!("Deep{}=x&Name=n", ".a".repeat(1_000_000));
        assert_eq!(Value::Object(tree(&form)), serde_json::json!({"Name": "n"}));
    }

    #[test]
    fn xml_is_escaped() {
        let error = error("ns", true, "C", "<a & b>");
        assert!(error.contains("<Message>&lt;a &amp; b&gt;</Message>"), "{error}");
    }
}
