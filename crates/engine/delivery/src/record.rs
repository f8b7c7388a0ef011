//! The record of how an event ended, as destinations get it (`facts` 4.4; members and their order recorded).

use std::borrow::Cow;

use bytes::Bytes;
use lambent_domain::{FunctionKey, Qualifier, RequestId};
use lambent_kit::utc;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::decide::Condition;

/// What the function answered last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// `$LATEST` or a number.
    pub(crate) executed_version: String,
    /// Whether it is an error.
    pub(crate) failed: bool,
    /// What it returned, or its error.
    pub(crate) payload: Bytes,
}

/// An event that is over.
#[derive(Clone, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) function: &'a FunctionKey,
    pub(crate) qualifier: Option<&'a Qualifier>,
    pub(crate) request_id: RequestId,
    /// The event as it was accepted.
    pub(crate) payload: &'a Bytes,
    pub(crate) condition: Condition,
    pub(crate) invoke_count: u32,
    /// None when there was no answer: the function was switched off, or could not be run for too long.
    pub(crate) response: Option<&'a Response>,
    pub(crate) now_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'a str,
    timestamp: String,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_payload: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Cow<'a, RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: String,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

impl Ended<'_> {
    /// Always qualified, as recorded.
    pub(crate) fn function_arn(&self) -> String {
        let qualifier = self.qualifier.map_or_else(|| "$LATEST".to_owned(), Qualifier::to_string);
        self.function.qualified_arn(&qualifier)
    }

    /// The record, without payloads when it would be larger than `limit` bytes with them.
    pub(crate) fn record(&self, limit: usize) -> String {
        let whole = self.render(true);
        if whole.len() <= limit { whole } else { self.render(false) }
    }

    fn render(&self, payloads: bool) -> String {
        let response = self.response;
        let record = Record {
            version: "1.0",
            timestamp: utc::rfc3339_ms(self.now_ms),
            request_context: RequestContext {
                request_id: self.request_id.to_string(),
                function_arn: self.function_arn(),
                condition: self.condition.as_str(),
                approximate_invoke_count: self.invoke_count,
            },
            request_payload: payloads.then(|| json(self.payload)),
            response_context: response.map(|response| ResponseContext {
                status_code: 200,
                executed_version: &response.executed_version,
                function_error: response.failed.then_some("Unhandled"),
            }),
            response_payload: response.filter(|_| payloads).map(|response| json(&response.payload)),
        };
        serde_json::to_string(&record).unwrap_or_default()
    }
}

/// Bytes as a member. What a runtime of one's own posted need not be JSON: then it is a text (judgement).
fn json(payload: &Bytes) -> Cow<'_, RawValue> {
    let payload: &[u8] = if payload.is_empty() { b"{}" } else { payload };
    match serde_json::from_slice::<&RawValue>(payload) {
        Ok(value) => Cow::Borrowed(value),
        Err(_) => {
            let text = serde_json::Value::String(String::from_utf8_lossy(payload).into_owned());
            Cow::Owned(serde_json::value::to_raw_value(&text).unwrap_or_default())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use lambent_domain::{AccountId, FunctionName, Region, Scope};

    use super::*;

    pub(crate) fn key(name: &str) -> FunctionKey {
        let scope = Scope {
            account: AccountId::parse("111111111111").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        FunctionKey { scope, name: FunctionName::parse(name).unwrap() }
    }

    const ID: &str = "00000000-0000-4000-8000-000000000000";

    fn ended<'a>(
        key: &'a FunctionKey,
        payload: &'a Bytes,
        condition: Condition,
        response: Option<&'a Response>,
    ) -> Ended<'a> {
        Ended {
            function: key,
            qualifier: None,
            request_id: RequestId::from_random([0; 16]),
            payload,
            condition,
            invoke_count: 1,
            response,
            now_ms: 1_764_025_872_345,
        }
    }

    #[test]
    fn a_record_is_awss_byte_by_byte() {
        let (key, event) = (key("f"), Bytes::from_static(br#"{"raise_error": 1}"#));
        let error = br#"{"errorMessage":"m","errorType":"Exception"}"#;
        let failed =
            Response { executed_version: "$LATEST".into(), failed: true, payload: Bytes::from_static(error) };
        let head = format!(
            r#"{{"version":"1.0","timestamp":"2025-11-24T23:11:12.345Z","requestContext":{{"requestId":"{ID}","functionArn":"arn:aws:lambda:us-east-1:111111111111:function:f:$LATEST","condition":""#
        );
        assert_eq!(
            ended(&key, &event, Condition::RetriesExhausted, Some(&failed)).record(usize::MAX),
            head.clone()
                + r#"RetriesExhausted","approximateInvokeCount":1},"requestPayload":{"raise_error": 1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"m","errorType":"Exception"}}"#
        );
        let returned = Response { failed: false, payload: Bytes::from_static(b"null"), ..failed };
        assert_eq!(
            ended(&key, &Bytes::new(), Condition::Success, Some(&returned)).record(usize::MAX),
            head.clone()
                + r#"Success","approximateInvokeCount":1},"requestPayload":{},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":null}"#
        );
        assert_eq!(
            ended(&key, &event, Condition::ZeroReservedConcurrency, None).record(usize::MAX),
            head + r#"ZeroReservedConcurrency","approximateInvokeCount":1},"requestPayload":{"raise_error": 1}}"#
        );
    }

    #[test]
    fn what_is_too_large_goes_without_payloads_and_what_is_no_json_is_a_text() {
        let (key, event) = (key("f"), Bytes::from_static(b"[1]"));
        let response = Response {
            executed_version: "7".into(),
            failed: false,
            payload: Bytes::from_static(b"not \"json\""),
        };
        let ended = ended(&key, &event, Condition::Success, Some(&response));
        let whole = ended.record(usize::MAX);
        assert!(whole.ends_with(r#""responsePayload":"not \"json\""}"#), "{whole}");
        let short = ended.record(whole.len() - 1);
        assert!(short.ends_with(r#""responseContext":{"statusCode":200,"executedVersion":"7"}}"#), "{short}");
        assert!(!short.contains("Payload"));
    }
}
