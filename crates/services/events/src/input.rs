//! What a target is sent: the event, a part of it, a constant, or a template.

use std::cell::OnceCell;

use serde_json::{Value, json};

use crate::event::{seconds, without_detail};
use crate::path::JsonPath;
use crate::record::{Input, RuleKey};
use crate::template::{self, Values};

/// Names that templates have without a path.
pub(crate) const RESERVED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// An event on its way to the targets of a rule.
pub(crate) struct Matched<'a> {
    pub(crate) rule: &'a RuleKey,
    /// The event in JSON.
    pub(crate) text: &'a str,
    pub(crate) ingested_ms: u64,
    value: OnceCell<Value>,
}

impl<'a> Matched<'a> {
    pub(crate) fn new(rule: &'a RuleKey, text: &'a str, ingested_ms: u64) -> Self {
        Matched { rule, text, ingested_ms, value: OnceCell::new() }
    }

    /// Read when the first target needs it.
    fn value(&self) -> &Value {
        self.value.get_or_init(|| serde_json::from_str(self.text).unwrap_or_default())
    }

    /// What a target gets, or why there is nothing.
    pub(crate) fn payload(&self, input: &Input) -> Result<String, String> {
        match input {
            Input::Event => Ok(self.text.to_owned()),
            Input::Constant(text) => Ok(text.clone()),
            Input::Path(path) => {
                let found = JsonPath::parse(path).and_then(|path| path.find(self.value()));
                // Nothing is an empty object (judgement).
                Ok(found.map_or_else(|| "{}".into(), |found| found.to_string()))
            }
            Input::Template { paths, template } => {
                template::fill(template, &self.values(paths.iter().flatten()))
            }
        }
    }

    fn values<'b>(&self, paths: impl Iterator<Item = (&'b String, &'b String)>) -> Values {
        let found = |path: &str| JsonPath::parse(path).and_then(|path| path.find(self.value()));
        let mut values: Values = paths.map(|(name, path)| (name.clone(), found(path))).collect();
        let event = self.value();
        let reserved = [
            json!(self.rule.arn()),
            json!(self.rule.name),
            json!(seconds(self.ingested_ms)),
            without_detail(event),
            event.clone(),
        ];
        values.extend(RESERVED.iter().zip(reserved).map(|(name, value)| ((*name).to_owned(), Some(value))));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::BusKey;
    use lambent_domain::{AccountId, Region, Scope};

    const EVENT: &str = r#"{"version":"0","id":"i","detail-type":"t","source":"s","account":"123456789012","time":"2025-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"command":"go","list":[1]}}"#;

    fn payload(input: &Input) -> Result<String, String> {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let rule = BusKey { scope, bus: "b".into() }.rule("r");
        Matched::new(&rule, EVENT, 1_764_037_614_123).payload(input)
    }

    #[test]
    fn a_part_of_the_event() {
        assert_eq!(payload(&Input::Path("$.detail.list".into())).unwrap(), "[1]");
        assert_eq!(payload(&Input::Path("$.detail.none".into())).unwrap(), "{}");
        assert_eq!(payload(&Input::Event).unwrap(), EVENT);
    }

    #[test]
    fn templates_know_the_rule_and_the_event() {
        let template = |text: &str| Input::Template {
            paths: Some([("command".to_owned(), "$.detail.command".to_owned())].into()),
            template: text.into(),
        };
        assert_eq!(
            payload(&template(
                "\"<command> <aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>\""
            ))
            .unwrap(),
            "\"go arn:aws:events:us-east-1:123456789012:rule/b/r r 2025-11-25T02:26:54Z\""
        );
        let both = payload(&template(r#"{"a":<aws.events.event>,"b":<aws.events.event.json>}"#)).unwrap();
        let both: Value = serde_json::from_str(&both).unwrap();
        assert_eq!(both["b"], serde_json::from_str::<Value>(EVENT).unwrap());
        assert_eq!((&both["a"]["detailType"], both["a"].get("detail")), (&json!("t"), None));
    }
}
