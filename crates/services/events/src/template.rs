//! Input templates: a text, or JSON, with placeholders such as `<name>`.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a placeholder stands for, by its name; `None` is in the event, but not there.
pub(crate) type Values = BTreeMap<String, Option<Value>>;

/// Fills a template in. The result is one JSON value or several of them, else what is wrong with it (recorded: such an
/// event does not come).
pub(crate) fn fill(template: &str, values: &Values) -> Result<String, String> {
    // A template that is a text keeps its own quotes, and what stands in it loses its (recorded).
    let is_text = template.trim_start().starts_with('"');
    let mut filled = String::with_capacity(template.len());
    let (mut in_string, mut escaped, mut rest) = (false, false, template);
    while let Some(letter) = rest.chars().next() {
        if letter == '<'
            && let Some((name, behind)) = placeholder(rest, values)
        {
            filled.push_str(&value(values.get(name).and_then(Option::as_ref), in_string, is_text));
            (rest, escaped) = (behind, false);
            continue;
        }
        in_string ^= letter == '"' && !escaped;
        escaped = in_string && letter == '\\' && !escaped;
        filled.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    is_json(&filled)
        .then_some(filled)
        .ok_or_else(|| "The input template does not give valid JSON.".to_owned())
}

/// Names of what stands in a template like a placeholder.
pub(crate) fn names(template: &str) -> impl Iterator<Item = &str> {
    template.split('<').skip(1).filter_map(|behind| {
        let (name, _) = behind.split_once('>')?;
        let named =
            !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
        named.then_some(name)
    })
}

fn placeholder<'a>(text: &'a str, values: &Values) -> Option<(&'a str, &'a str)> {
    let (name, behind) = text.strip_prefix('<')?.split_once('>')?;
    values.contains_key(name).then_some((name, behind))
}

fn value(value: Option<&Value>, in_string: bool, is_text: bool) -> String {
    match (value, in_string) {
        (None | Some(Value::Null), true) => String::new(),
        // What is not there is an empty text (recorded).
        (None, false) => "\"\"".into(),
        (Some(Value::String(text)), true) => {
            let quoted = Value::from(text.as_str()).to_string();
            quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
        }
        (Some(other), true) if is_text => other.to_string().replace('"', ""),
        (Some(other), _) => other.to_string(),
    }
}

/// Several values may follow one another: a text of several lines is a value for each.
fn is_json(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let first = values.next();
    first.is_some_and(|value| value.is_ok()) && values.all(|value| value.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &str) -> Result<String, String> {
        let values = Values::from([
            ("userId".into(), Some(json!("0a787ecb-4015"))),
            ("payload".into(), Some(json!({"acc_id": "0a787ecb-4015", "sf_id": "baz"}))),
            ("systemstring".into(), None),
            ("listsingle".into(), Some(json!(["HIGH"]))),
            ("listmulti".into(), Some(json!(["ACTIVE", "INACTIVE"]))),
            ("valid".into(), Some(json!(true))),
            ("quoted".into(), Some(json!("a \"b\""))),
        ]);
        fill(template, &values)
    }

    #[test]
    fn templates_are_filled_as_recorded() {
        let recorded = [
            (r#""<listmulti> multiple list items""#, r#""[ACTIVE,INACTIVE] multiple list items""#),
            (r#""Command is <valid>!""#, r#""Command is true!""#),
            (r#"{"id" : "<userId>"}"#, r#"{"id" : "0a787ecb-4015"}"#),
            (r#"{"id" : <userId>}"#, r#"{"id" : "0a787ecb-4015"}"#),
            (r#"{"bod": [<userId>, "hardcoded"]}"#, r#"{"bod": ["0a787ecb-4015", "hardcoded"]}"#),
            (r#"{"bod": <payload>}"#, r#"{"bod": {"acc_id":"0a787ecb-4015","sf_id":"baz"}}"#),
            (r#"{"singlelistitem": <listsingle>}"#, r#"{"singlelistitem": ["HIGH"]}"#),
            (r#"{"command": <systemstring>}"#, r#"{"command": ""}"#),
            (
                "\"<systemstring> system account id\"\n\"<payload> payload\"",
                "\" system account id\"\n\"{acc_id:0a787ecb-4015,sf_id:baz} payload\"",
            ),
        ];
        for (template, expected) in recorded {
            assert_eq!(filled(template).as_deref(), Ok(expected), "{template}");
        }
        assert_eq!(
            filled(r#"{"a": "<quoted>", "b": "1 < 2 <unknown>"}"#).as_deref(),
            Ok(r#"{"a": "a \"b\"", "b": "1 < 2 <unknown>"}"#)
        );
    }

    #[test]
    fn what_gives_no_json_is_not_sent() {
        for template in ["<listmulti> multiple list items", r#"{"item": "<listsingle>"}"#, "", "plain"] {
            assert!(filled(template).is_err(), "{template}");
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!(names(r#"{"a": <b>, "c": "<d-e> < <f g> <>"}"#).collect::<Vec<_>>(), ["b", "d-e"]);
    }
}
