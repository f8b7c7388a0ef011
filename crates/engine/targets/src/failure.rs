//! Why a target did not take something: read from its answer.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dispatch::Codes;

/// How much of an error's text is kept.
const MAX_TOLD_BYTES: usize = 1_024;

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The target's own code.
    pub(crate) code: String,
    /// What rules call it.
    rule_code: String,
    pub(crate) message: String,
    /// Another attempt may succeed.
    pub(crate) transient: bool,
}

impl Failure {
    pub(crate) fn code_in(&self, codes: Codes) -> &str {
        match codes {
            Codes::Rule => &self.rule_code,
            Codes::Target => &self.code,
        }
    }

    pub(crate) fn new(code: &str, message: String, transient: bool) -> Self {
        Failure { code: code.into(), rule_code: code.into(), message, transient }
    }

    pub(crate) fn unreachable(message: String) -> Self {
        Failure::new("ERROR_FROM_TARGET", message, true)
    }

    pub(crate) fn timeout() -> Self {
        Failure::new("TIMEOUT", "the target did not answer in time".into(), true)
    }

    /// What an answer says; `Ok` when it took what was sent.
    pub(crate) fn of(answer: &Response<Bytes>) -> Result<(), Self> {
        let status = answer.status();
        let body: Option<Value> = serde_json::from_slice(answer.body()).ok();
        if status.is_success() {
            return body.as_ref().and_then(failed_entry).map_or(Ok(()), Err);
        }
        let header = answer.headers().get("x-amzn-errortype").and_then(|code| code.to_str().ok());
        let text = String::from_utf8_lossy(answer.body());
        let code = header
            .or_else(|| body.as_ref()?.get("__type")?.as_str())
            .or_else(|| between(&text, "<Code>", "</Code>"))
            .unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or(code);
        let code = code.split(':').next().unwrap_or(code);
        // Where SDKs of the query protocol have another name for it, that one is known to people.
        let query = answer.headers().get("x-amzn-query-error").and_then(|code| code.to_str().ok());
        let code = query.and_then(|code| code.split(';').next()).unwrap_or(code);
        let message =
            body.as_ref().and_then(|body| body.get("message").or_else(|| body.get("Message"))?.as_str());
        let message = message.or_else(|| between(&text, "<Message>", "</Message>")).unwrap_or(&text);
        Err(Self::classified(status, code, shortened(message)))
    }

    fn classified(status: StatusCode, code: &str, message: String) -> Self {
        let throttled = status == StatusCode::TOO_MANY_REQUESTS
            || ["Throttl", "TooManyRequests", "SlowDown", "LimitExceeded"]
                .iter()
                .any(|word| code.contains(word));
        let missing = status == StatusCode::NOT_FOUND
            || ["NotFound", "NonExistent", "DoesNotExist", "NoSuch"].iter().any(|word| code.contains(word));
        let denied = status == StatusCode::FORBIDDEN
            || code.contains("AccessDenied")
            || code.contains("NotAuthorized");
        let (rule_code, transient) = match () {
            () if throttled => ("THROTTLING", true),
            () if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                ("INTERNAL_ERROR", true)
            }
            () if denied => ("NO_PERMISSIONS", false),
            () if missing => ("NO_RESOURCE", false),
            () => ("INVALID_PARAMETER", false),
        };
        Failure { code: code.into(), rule_code: rule_code.into(), message, transient }
    }
}

/// PutEvents says 200 also when it took nothing.
fn failed_entry(body: &Value) -> Option<Failure> {
    body.get("FailedEntryCount")?.as_u64().filter(|count| *count > 0)?;
    let entries = body.get("Entries")?.as_array()?;
    let failed = entries.iter().find(|entry| entry.get("ErrorCode").is_some())?;
    let code = failed["ErrorCode"].as_str().unwrap_or_default();
    let message = failed["ErrorMessage"].as_str().unwrap_or_default();
    let status = match code {
        "InternalFailure" | "InternalException" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    Some(Failure::classified(status, code, shortened(message)))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

fn shortened(text: &str) -> String {
    let end = (0..=MAX_TOLD_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(&str, &str)], body: &str) -> Result<(), (String, String, bool)> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let answer = answer.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        Failure::of(&answer).map_err(|failure| {
            (failure.code.clone(), failure.code_in(Codes::Rule).to_owned(), failure.transient)
        })
    }

    #[test]
    fn answers_of_every_protocol_are_understood() {
        assert_eq!(of(202, &[], ""), Ok(()));
        assert_eq!(of(200, &[], r#"{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}"#), Ok(()));
        let expect = |code: &str, rule: &str, transient| Err((code.to_owned(), rule.to_owned(), transient));
        assert_eq!(
            of(
                404,
                &[("x-amzn-errortype", "ResourceNotFoundException")],
                r#"{"Message":"Function not found"}"#
            ),
            expect("ResourceNotFoundException", "NO_RESOURCE", false)
        );
        assert_eq!(
            of(
                400,
                &[("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender")],
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}"#
            ),
            expect("AWS.SimpleQueueService.NonExistentQueue", "NO_RESOURCE", false)
        );
        assert_eq!(
            of(
                404,
                &[],
                "<ErrorResponse><Error><Code>NotFound</Code><Message>m</Message></Error></ErrorResponse>"
            ),
            expect("NotFound", "NO_RESOURCE", false)
        );
        assert_eq!(of(429, &[], "{}"), expect("", "THROTTLING", true));
        assert_eq!(of(503, &[], ""), expect("", "INTERNAL_ERROR", true));
        assert_eq!(of(403, &[], ""), expect("", "NO_PERMISSIONS", false));
        let failed =
            r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"m"}]}"#;
        assert_eq!(of(200, &[], failed), expect("InternalFailure", "INTERNAL_ERROR", true));
    }
}
