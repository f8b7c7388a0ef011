//! An event, as its targets get it.

use lambent_domain::Scope;
use lambent_kit::utc::rfc3339_ms;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// An event with its envelope.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) id: String,
    pub(crate) detail_type: String,
    pub(crate) source: String,
    pub(crate) scope: Scope,
    pub(crate) at_ms: u64,
    pub(crate) resources: Vec<String>,
    /// An object, as it was given: numbers stay what they were.
    pub(crate) detail: Box<RawValue>,
    /// Of a replay.
    pub(crate) replay: Option<String>,
    /// `TraceHeader`: it goes along, and is not in the event.
    pub(crate) trace: Option<String>,
}

impl Envelope {
    /// The event in JSON.
    pub(crate) fn text(&self) -> String {
        let mut event = json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.scope.account.as_str(),
            "time": seconds(self.at_ms),
            "region": self.scope.region.as_str(),
            "resources": self.resources,
        });
        if let Some(replay) = &self.replay {
            event["replay-name"] = json!(replay);
        }
        let head = event.to_string();
        format!("{},\"detail\":{}}}", head.strip_suffix('}').unwrap_or(&head), self.detail.get())
    }

    /// From its JSON; `None` when that is none of ours.
    pub(crate) fn read(text: &str, scope: &Scope) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Read<'a> {
            id: String,
            #[serde(rename = "detail-type")]
            detail_type: String,
            source: String,
            time: String,
            resources: Vec<String>,
            #[serde(borrow)]
            detail: &'a RawValue,
        }
        let read: Read<'_> = serde_json::from_str(text).ok()?;
        Some(Envelope {
            id: read.id,
            detail_type: read.detail_type,
            source: read.source,
            scope: scope.clone(),
            at_ms: u64::try_from(read.time.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok()?,
            resources: read.resources,
            detail: read.detail.to_owned(),
            replay: None,
            trace: None,
        })
    }
}

/// `2025-11-25T02:26:54Z`.
pub(crate) fn seconds(at_ms: u64) -> String {
    let text = rfc3339_ms(at_ms);
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    format!("{seconds}Z")
}

/// An object in JSON, without its white space around it.
pub(crate) fn object(text: &str) -> Option<Box<RawValue>> {
    let raw: Box<RawValue> = serde_json::from_str(text).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// What `<aws.events.event>` stands for: without its detail, and with another name for its type (recorded).
pub(crate) fn without_detail(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.remove("detail");
        if let Some(kind) = members.remove("detail-type") {
            members.insert("detailType".into(), kind);
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambent_domain::{AccountId, Region};

    #[test]
    fn an_event_is_awss_and_keeps_the_numbers_of_its_detail() {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let event = Envelope {
            id: "i".into(),
            detail_type: "t \"x\"".into(),
            source: "s".into(),
            scope: scope.clone(),
            at_ms: 1_764_037_614_123,
            resources: vec!["r".into()],
            detail: object(" {\"n\": 123456789012345678901234567890.10}").unwrap(),
            replay: None,
            trace: None,
        };
        assert_eq!(
            event.text(),
            r#"{"version":"0","id":"i","detail-type":"t \"x\"","source":"s","account":"123456789012","time":"2025-11-25T02:26:54Z","region":"us-east-1","resources":["r"],"detail":{"n": 123456789012345678901234567890.10}}"#
        );
        assert_eq!(Envelope::read(&event.text(), &scope).unwrap().text(), event.text());
        assert!(object("[1]").is_none() && object("\"{}\"").is_none() && object("{} {}").is_none());
    }
}
