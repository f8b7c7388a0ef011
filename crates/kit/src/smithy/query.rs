//! Query strings, forms and the XML of the query protocol.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::http_binding::QueryName;
use crate::utc;

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

/// Items of maps that aren't flat.
const ENTRY: &str = "entry";

/// Gives flat collections the names of their members, and maps the form they have in JSON.
pub fn members(tree: Map<String, Value>, names: &[QueryName]) -> Map<String, Value> {
    let mut members = Map::new();
    for (key, value) in tree {
        let value = named(value, names);
        match names.iter().find(|name| name.name == key) {
            // A list of the same name as a map elsewhere.
            Some(QueryName { member, entry: Some(_), flat: false, .. }) if value.is_array() => {
                members.insert((*member).to_owned(), value);
            }
            Some(QueryName { member, entry: Some(entry), flat, .. }) => {
                let value = if *flat { value } else { within(value) };
                members.insert((*member).to_owned(), entries(value, *entry));
            }
            Some(QueryName { member, .. }) => {
                // A list of one is written without its number by some clients.
                let value = if value.is_array() { value } else { Value::Array(vec![value]) };
                members.insert((*member).to_owned(), value);
            }
            None => {
                members.insert(key, value);
            }
        }
    }
    members
}

fn named(value: Value, names: &[QueryName]) -> Value {
    match value {
        Value::Object(tree) => Value::Object(members(tree, names)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| named(item, names)).collect()),
        other => other,
    }
}

/// What stands in the entries of a map that isn't flat.
fn within(value: Value) -> Value {
    match value {
        Value::Object(mut members) => members.remove(ENTRY).unwrap_or(Value::Array(Vec::new())),
        // A map without entries: `Attributes=`.
        _ => Value::Array(Vec::new()),
    }
}

fn entries(value: Value, (key, entry): (&str, &str)) -> Value {
    let items = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    let pairs = items.into_iter().filter_map(|item| {
        let Value::Object(mut item) = item else { return None };
        let Some(Value::String(key)) = item.remove(key) else { return None };
        Some((key, item.remove(entry).unwrap_or(Value::Null)))
    });
    Value::Object(pairs.collect())
}

/// Stands where the request id goes; the dispatcher puts it in.
pub const REQUEST_ID: &str = "{request-id}";

/// A success of the query protocol.
pub fn result(operation: &str, namespace: &str, members: &Map<String, Value>, names: &[QueryName]) -> String {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">\n  <{operation}Result>");
    for (key, value) in members {
        element(&mut xml, key, value, names);
    }
    let _ = write!(
        xml,
        "</{operation}Result>\n  <ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\n</{operation}Response>\n"
    );
    xml
}

/// Writes times as XML has them. Members named in `times` are times, or lists of them, wherever they stand.
pub(super) fn show_times(members: &mut Map<String, Value>, times: &[&str]) {
    for (key, value) in members.iter_mut() {
        show_time(value, times.contains(&key.as_str()), times);
    }
}

fn show_time(value: &mut Value, is_time: bool, times: &[&str]) {
    match value {
        Value::Object(members) => show_times(members, times),
        Value::Array(items) => items.iter_mut().for_each(|item| show_time(item, is_time, times)),
        Value::Number(seconds) if is_time => {
            let ms = (seconds.as_f64().unwrap_or_default() * 1_000.0).round().max(0.0) as u64;
            *value = Value::String(if ms.is_multiple_of(1_000) {
                utc::rfc3339_s(ms)
            } else {
                utc::rfc3339_ms(ms)
            });
        }
        _ => {}
    }
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

fn element(xml: &mut String, name: &str, value: &Value, names: &[QueryName]) {
    match (names.iter().find(|known| known.member == name), value) {
        (Some(known), Value::Array(items)) => {
            items.iter().for_each(|item| plain(xml, known.name, item, names));
        }
        (Some(QueryName { name, entry: Some((key, entry)), flat, .. }), Value::Object(members)) => {
            let item = if *flat { *name } else { ENTRY };
            if !flat {
                let _ = write!(xml, "<{name}>");
            }
            for (found, value) in members {
                let _ = write!(xml, "<{item}><{key}>{}</{key}>", escape(found));
                plain(xml, entry, value, names);
                let _ = write!(xml, "</{item}>");
            }
            if !flat {
                let _ = write!(xml, "</{name}>");
            }
        }
        _ => plain(xml, name, value, names),
    }
}

fn plain(xml: &mut String, name: &str, value: &Value, names: &[QueryName]) {
    let _ = write!(xml, "<{name}>");
    match value {
        Value::Null => {}
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Array(items) => items.iter().for_each(|item| plain(xml, "member", item, names)),
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| element(xml, key, value, names));
        }
        other => xml.push_str(&other.to_string()),
    }
    let _ = write!(xml, "</{name}>");
}

/// A carriage return is written as a reference: a reader makes a line feed of a bare one.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\r', "&#xD;")
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

    const NAMES: &[QueryName] = &[
        QueryName { member: "Entries", name: "Entry", entry: None, flat: true },
        QueryName { member: "Attributes", name: "Attribute", entry: Some(("Name", "Value")), flat: true },
        QueryName { member: "Map", name: "Map", entry: Some(("key", "value")), flat: false },
    ];

    #[test]
    fn flat_collections_have_their_members_names() {
        let form = "Entry.1.Id=a&Entry.1.Attribute.1.Name=n&Entry.1.Attribute.1.Value.Type=t&Entry.2.Id=b&Attribute.1.Name=k&Attribute.1.Value=";
        assert_eq!(
            Value::Object(members(tree(form), NAMES)),
            serde_json::json!({
                "Entries": [{"Id": "a", "Attributes": {"n": {"Type": "t"}}}, {"Id": "b"}],
                "Attributes": {"k": ""}
            })
        );
        assert_eq!(
            Value::Object(members(tree("Entry=a"), NAMES)),
            serde_json::json!({"Entries": ["a"]}),
            "a list of one without its number"
        );
    }

    #[test]
    fn flat_collections_are_written_as_they_are_read() {
        let answer =
            serde_json::json!({"Entries": [{"Attributes": {"a&b": "1"}}, {"Id": "x\r"}], "List": ["m"]});
        let Value::Object(answer) = answer else { unreachable!() };
        let xml = result("Op", "ns", &answer, NAMES);
        let expected = "<OpResult><Entry><Attribute><Name>a&amp;b</Name><Value>1</Value></Attribute></Entry><Entry><Id>x&#xD;</Id></Entry><List><member>m</member></List></OpResult>";
        assert!(xml.contains(expected), "{xml}");
    }

    #[test]
    fn maps_that_are_not_flat_have_entries() {
        let form = "Map.entry.1.key=a&Map.entry.1.value=1&Map.entry.2.key=b&Map.entry.2.value=";
        let read = serde_json::json!({"Map": {"a": "1", "b": ""}});
        assert_eq!(Value::Object(members(tree(form), NAMES)), read);
        assert_eq!(Value::Object(members(tree("Map="), NAMES)), serde_json::json!({"Map": {}}));
        let list = members(tree("Map.member.1=a"), NAMES);
        assert_eq!(Value::Object(list), serde_json::json!({"Map": ["a"]}), "a list of the same name");
        let Value::Object(answer) = read else { unreachable!() };
        let xml = result("Op", "ns", &answer, NAMES);
        let expected = "<OpResult><Map><entry><key>a</key><value>1</value></entry><entry><key>b</key><value></value></entry></Map></OpResult>";
        assert!(xml.contains(expected), "{xml}");
    }

    #[test]
    fn times_are_dates_in_xml() {
        let answer = serde_json::json!({"T": [1_764_037_614.0, 1_764_037_614.123], "M": {"T": 0}, "N": 1.0});
        let Value::Object(mut answer) = answer else { unreachable!() };
        show_times(&mut answer, &["T"]);
        let shown = serde_json::json!({
            "T": ["2025-11-25T02:26:54Z", "2025-11-25T02:26:54.123Z"], "M": {"T": "1970-01-01T00:00:00Z"}, "N": 1.0
        });
        assert_eq!(Value::Object(answer), shown);
    }

    #[test]
    fn xml_is_escaped() {
        let error = error("ns", true, "C", "<a & b>");
        assert!(error.contains("<Message>&lt;a &amp; b&gt;</Message>"), "{error}");
    }
}
