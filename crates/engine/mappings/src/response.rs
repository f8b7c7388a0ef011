//! What a function says of its batch when it reports failures of single messages (AWS documentation; recorded for streams).

use std::collections::HashSet;

use serde_json::Value;

/// Messages that the function did not deal with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failures {
    /// These; none is success.
    Of(HashSet<String>),
    /// All: what it said can't be understood.
    All,
}

/// Reads `{"batchItemFailures": [{"itemIdentifier": "<id>"}]}`. Nothing, an empty object and an empty list are success; an
/// entry without an id of the batch makes the whole batch fail.
pub(crate) fn failures<'a>(payload: &[u8], ids: impl Iterator<Item = &'a str>) -> Failures {
    if payload.is_empty() {
        return Failures::Of(HashSet::new());
    }
    let listed = match serde_json::from_slice(payload) {
        Ok(Value::Null) => return Failures::Of(HashSet::new()),
        Ok(Value::String(text)) if text.is_empty() => return Failures::Of(HashSet::new()),
        Ok(Value::Object(mut answer)) => match answer.remove("batchItemFailures") {
            None | Some(Value::Null) => return Failures::Of(HashSet::new()),
            Some(Value::Array(listed)) => listed,
            Some(_) => return Failures::All,
        },
        _ => return Failures::All,
    };
    let ids: HashSet<&str> = ids.collect();
    let id = |entry: &Value| {
        let id = entry.get("itemIdentifier")?.as_str()?;
        ids.contains(id).then(|| id.to_owned())
    };
    listed.iter().map(id).collect::<Option<_>>().map_or(Failures::All, Failures::Of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(payload: &str) -> Failures {
        failures(payload.as_bytes(), ["a", "b"].into_iter())
    }

    fn some(ids: &[&str]) -> Failures {
        Failures::Of(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn nothing_said_is_success() {
        for said in ["", "null", "\"\"", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#]
        {
            assert_eq!(of(said), some(&[]), "{said}");
        }
        assert_eq!(of(r#"{"statusCode":200}"#), some(&[]));
    }

    #[test]
    fn listed_messages_have_failed() {
        assert_eq!(of(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#), some(&["b"]));
        let twice = r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"a"}]}"#;
        assert_eq!(of(twice), some(&["a"]));
    }

    #[test]
    fn what_is_not_understood_fails_the_batch() {
        for said in [
            "{",
            "7",
            "[]",
            "\"done\"",
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{"foo":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":7}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#,
        ] {
            assert_eq!(of(said), Failures::All, "{said}");
        }
    }

    proptest! {
        #[test]
        fn only_messages_of_the_batch_have_failed(payload in "\\PC{0,40}") {
            if let Failures::Of(ids) = of(&payload) {
                prop_assert!(ids.iter().all(|id| id == "a" || id == "b"));
            }
        }
    }
}
