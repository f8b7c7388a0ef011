//! The embedded metric format: a log event that is a JSON object with `_aws.CloudWatchMetrics` makes metrics of its own members.
//!
//! What is not of the format makes none, without a word, as on AWS: the event itself is kept all the same.

use std::collections::BTreeMap;

use lambent_domain::Distribution;
use lambent_ports::metric_store::{Datum, Metric};
use serde_json::{Map, Value};

/// Limits of the format's specification.
const MAX_METRICS: usize = 100;
const MAX_VALUES: usize = 100;
const MAX_DIMENSIONS: usize = 30;
const MAX_NAME: usize = 1_024;
const MAX_AGE_MS: u64 = 14 * 86_400_000;
const MAX_AHEAD_MS: u64 = 2 * 3_600_000;
/// Dimension sets of a directive; the format has no limit, but each makes metrics of its own.
const MAX_SETS: usize = 100;

/// The metrics in an event's message.
pub(crate) fn data(message: &str, now_ms: u64) -> Vec<Datum> {
    // Looked at before it is parsed: nearly every message is something else.
    if !message.trim_start().starts_with('{') || !message.contains("\"_aws\"") {
        return Vec::new();
    }
    let Ok(Value::Object(members)) = serde_json::from_str(message) else { return Vec::new() };
    let Some(about) = members.get("_aws") else { return Vec::new() };
    let time_ms = about["Timestamp"].as_u64().unwrap_or(now_ms);
    if time_ms < now_ms.saturating_sub(MAX_AGE_MS) || time_ms > now_ms + MAX_AHEAD_MS {
        return Vec::new();
    }
    let directives = about["CloudWatchMetrics"].as_array().into_iter().flatten();
    directives.flat_map(|directive| of_directive(directive, &members, time_ms)).collect()
}

fn of_directive(directive: &Value, members: &Map<String, Value>, time_ms: u64) -> Vec<Datum> {
    let Some(namespace) = name(&directive["Namespace"]).filter(|name| !name.starts_with("AWS/")) else {
        return Vec::new();
    };
    let sets = match directive["Dimensions"].as_array() {
        Some(sets) if !sets.is_empty() => {
            sets.iter().take(MAX_SETS).filter_map(|set| dimensions(set, members)).collect()
        }
        _ => vec![BTreeMap::new()],
    };
    let mut data = Vec::new();
    for definition in directive["Metrics"].as_array().into_iter().flatten().take(MAX_METRICS) {
        let Some(name) = name(&definition["Name"]) else { continue };
        let Some(values) = members.get(name).and_then(values) else { continue };
        for dimensions in &sets {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            data.push(Datum {
                metric: Metric { namespace, name, dimensions: dimensions.clone() },
                unit: definition["Unit"].as_str().unwrap_or("None").to_owned(),
                time_ms,
                by_second: definition["StorageResolution"].as_u64() == Some(1),
                values: values.clone(),
            });
        }
    }
    data
}

fn name(value: &Value) -> Option<&str> {
    value.as_str().filter(|name| !name.trim().is_empty() && name.len() <= MAX_NAME)
}

/// The set that is named by members; `None` when one of them is no text.
fn dimensions(set: &Value, members: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    let names = set.as_array()?;
    if names.len() > MAX_DIMENSIONS {
        return None;
    }
    let dimension = |found: &Value| {
        let name = name(found)?;
        Some((name.to_owned(), self::name(members.get(name)?)?.to_owned()))
    };
    names.iter().map(dimension).collect()
}

/// A number, or an array of them.
fn values(member: &Value) -> Option<Distribution> {
    let numbers = match member {
        Value::Number(_) => std::slice::from_ref(member),
        Value::Array(numbers) if (1..=MAX_VALUES).contains(&numbers.len()) => numbers,
        _ => return None,
    };
    let mut values = Distribution::default();
    for number in numbers {
        values.add(number.as_f64()?, 1.0);
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_764_037_614_000;

    fn of(message: &Value) -> Vec<Datum> {
        data(&format!("{message}\n"), NOW_MS)
    }

    fn event() -> Value {
        serde_json::json!({
            "_aws": {"Timestamp": NOW_MS - 5, "CloudWatchMetrics": [{
                "Namespace": "Shop",
                "Dimensions": [["Stage", "Region"], ["Stage"], []],
                "Metrics": [{"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 1}, {"Name": "Orders"}],
            }]},
            "Stage": "prod", "Region": "north", "Latency": [1.5, 2.5], "Orders": 3, "Other": 7,
        })
    }

    #[test]
    fn each_metric_has_a_datum_for_each_set_of_dimensions() {
        let found = of(&event());
        assert_eq!(found.len(), 6);
        let latency = &found[0];
        assert_eq!((latency.metric.namespace.as_str(), latency.metric.name.as_str()), ("Shop", "Latency"));
        let both = BTreeMap::from([("Region", "north"), ("Stage", "prod")]);
        let shown: BTreeMap<&str, &str> =
            latency.metric.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(shown, both);
        assert_eq!(
            (latency.unit.as_str(), latency.time_ms, latency.by_second),
            ("Milliseconds", NOW_MS - 5, true)
        );
        assert_eq!((latency.values.count(), latency.values.sum()), (2.0, 4.0));
        assert_eq!((found[3].unit.as_str(), found[3].values.sum(), found[3].by_second), ("None", 3.0, false));
        assert_eq!(found[5].metric.dimensions.len(), 0);
    }

    #[test]
    fn what_is_not_of_the_format_makes_no_metrics() {
        let change = |change: fn(&mut Value)| {
            let mut event = event();
            change(&mut event);
            of(&event).len()
        };
        assert_eq!(change(|event| event["Stage"] = Value::from(1)), 2, "a dimension that is no text");
        assert_eq!(change(|event| event["Latency"] = Value::from("fast")), 3, "a value that is no number");
        assert_eq!(change(|event| event["Latency"] = Value::from(vec![1; 101])), 3, "too many values");
        assert_eq!(change(|event| event["_aws"]["Timestamp"] = Value::from(1)), 0, "long ago");
        assert_eq!(change(|event| event["_aws"]["Timestamp"] = Value::from(NOW_MS * 2)), 0, "not yet");
        assert_eq!(
            change(|event| event["_aws"]["CloudWatchMetrics"][0]["Namespace"] = Value::from("AWS/Lambda")),
            0
        );
        for message in ["", "{", "{}", "{\"_aws\"", "{\"_aws\": 1}", "said \"_aws\"", "[{\"_aws\": {}}]"] {
            assert!(data(message, NOW_MS).is_empty(), "{message}");
        }
    }
}
