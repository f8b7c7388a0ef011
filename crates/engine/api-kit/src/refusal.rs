//! Where refused signatures and denied operations meet the wire, for every service but S3, whose errors are its own.
//! Codes are those of AWS's protocols; texts are AWS's where they are known.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lambent_domain::RequestId;
use lambent_kit::sigv4::claim::Malformed;
use lambent_kit::sigv4::sha256_hex;
use lambent_kit::smithy::{Protocol, cbor, query};
use lambent_kit::utc::amz_date;
use lambent_ports::access::Refusal;
use serde_json::{Map, Value};

use crate::error::aws_query;

/// A code in the words of JSON and of the query protocol, and what it says.
struct Shown {
    json: &'static str,
    query: &'static str,
    text: String,
}

/// The answer of a service, in the protocol that the request speaks.
pub fn to_response(
    service: &str,
    refusal: &Refusal,
    headers: &HeaderMap,
    request_id: &RequestId,
) -> Response<Bytes> {
    in_protocol(service, refusal, protocol(service).spoken(headers), request_id)
}

/// The same where the protocol is known.
pub(crate) fn in_protocol(
    service: &str,
    refusal: &Refusal,
    spoken: Protocol,
    request_id: &RequestId,
) -> Response<Bytes> {
    let mut shown = shown(refusal);
    if service == "sns" && matches!(refusal, Refusal::Denied(_)) {
        shown.query = "AuthorizationError";
    }
    if *refusal == Refusal::Missing && !matches!(spoken, Protocol::AwsQuery { .. }) {
        shown.text = "Missing Authentication Token".into();
    }
    let id = request_id.to_string();
    let mut response = match spoken {
        Protocol::AwsQuery { namespace } => {
            let response = aws_query(namespace, shown.query, 403, &shown.text);
            let (head, body) = response.into_parts();
            let body = String::from_utf8_lossy(&body).replace(query::REQUEST_ID, &id);
            Response::from_parts(head, Bytes::from(body))
        }
        _ => json(&shown, spoken, refusal),
    };
    // These two know both protocols, and SDKs show the code of the older.
    if matches!(service, "sqs" | "monitoring")
        && let Ok(code) = HeaderValue::from_str(&format!("{};Sender", shown.query))
    {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

fn json(shown: &Shown, spoken: Protocol, refusal: &Refusal) -> Response<Bytes> {
    let mut members = Map::new();
    if !matches!(spoken, Protocol::RestJson) {
        members.insert("__type".into(), shown.json.into());
    }
    let member = match (spoken, refusal) {
        (Protocol::RestJson, Refusal::Denied(_)) => "Message",
        _ => "message",
    };
    members.insert(member.into(), shown.text.as_str().into());
    let (content_type, status, body) = match spoken {
        Protocol::RestJson => ("application/json", 403, Value::Object(members).to_string().into_bytes()),
        Protocol::RpcV2Cbor { .. } => ("application/cbor", 403, cbor::encode(&members, &[])),
        Protocol::AwsJson10 { .. } => {
            ("application/x-amz-json-1.0", 400, Value::Object(members).to_string().into_bytes())
        }
        _ => ("application/x-amz-json-1.1", 400, Value::Object(members).to_string().into_bytes()),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    match spoken {
        Protocol::RestJson => {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(shown.json));
        }
        Protocol::RpcV2Cbor { .. } => {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        _ => {}
    }
    response
}

/// The protocol of a service. Forms are what those speak that are not known.
fn protocol(service: &str) -> Protocol {
    match service {
        "lambda" => lambent_wire::lambda::PROTOCOL,
        "logs" => lambent_wire::logs::PROTOCOL,
        "monitoring" => lambent_wire::cloudwatch::PROTOCOL,
        "events" => lambent_wire::events::PROTOCOL,
        "scheduler" => lambent_wire::scheduler::PROTOCOL,
        "sns" => lambent_wire::sns::PROTOCOL,
        "sqs" => lambent_wire::sqs::PROTOCOL,
        "iam" => Protocol::AwsQuery { namespace: "https://iam.amazonaws.com/doc/2010-05-08/" },
        _ => lambent_wire::sts::PROTOCOL,
    }
}

fn shown(refusal: &Refusal) -> Shown {
    let shown = |json, query, text: String| Shown { json, query, text };
    let signature = |text| shown("InvalidSignatureException", "SignatureDoesNotMatch", text);
    match refusal {
        Refusal::Missing => shown(
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "Request is missing Authentication Token".into(),
        ),
        Refusal::Malformed(Malformed::ScopeDate(scope, date)) => signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != '{}', from '{date}'.",
            date.get(..8).unwrap_or(date)
        )),
        Refusal::Malformed(malformed) => {
            shown("IncompleteSignatureException", "IncompleteSignature", incomplete(malformed))
        }
        Refusal::MalformedOlder => shown(
            "IncompleteSignatureException",
            "IncompleteSignature",
            "Signature Version 2 is only for S3".into(),
        ),
        Refusal::UnknownKey(_) | Refusal::InvalidToken => shown(
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "The security token included in the request is invalid.".into(),
        ),
        Refusal::ExpiredToken => shown(
            "ExpiredTokenException",
            "ExpiredToken",
            "The security token included in the request is expired".into(),
        ),
        Refusal::Skewed { signed_at_s, now_s, allowed_s } => signature(skewed(*signed_at_s, *now_s, *allowed_s)),
        Refusal::UrlExpired { until_s, now_s, .. } => {
            let (until, now) = (amz_date(until_s * 1_000), amz_date(now_s * 1_000));
            signature(format!("Signature expired: {until} is now earlier than {now} ({now} - 0 min.)"))
        }
        Refusal::Mismatch { .. } => signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".into(),
        ),
        Refusal::Denied(text) => shown("AccessDeniedException", "AccessDenied", text.clone()),
    }
}

fn skewed(signed_at_s: u64, now_s: u64, allowed_s: u64) -> String {
    let text = |seconds: u64| amz_date(seconds * 1_000);
    let (signed, now, minutes) = (text(signed_at_s), text(now_s), allowed_s / 60);
    if signed_at_s < now_s {
        let limit = text(now_s - allowed_s);
        format!("Signature expired: {signed} is now earlier than {limit} ({now} - {minutes} min.)")
    } else {
        let limit = text(now_s + allowed_s);
        format!("Signature not yet current: {signed} is still later than {limit} ({now} + {minutes} min.)")
    }
}

fn incomplete(malformed: &Malformed) -> String {
    match malformed {
        Malformed::Algorithm(algorithm) => format!("Unsupported AWS 'algorithm': '{algorithm}'."),
        Malformed::Parameters(missing) => {
            let each = missing.iter().map(|name| format!("Authorization header requires '{name}' parameter. "));
            format!("{}Authorization=...", each.collect::<String>())
        }
        Malformed::QueryParameters => {
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders', 'X-Amz-Date' and 'X-Amz-Expires'. Re-examine the query-string parameters.".into()
        }
        // The one who reads it may not be the one whose credential it is.
        Malformed::Credential(text) => format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got: (Hashed with SHA-256) '{}'",
            sha256_hex(text.as_bytes())
        ),
        Malformed::Date(text) if text.is_empty() => {
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".into()
        }
        Malformed::Date(text) => {
            format!("Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601")
        }
        Malformed::ScopeDate(..) => String::new(),
        Malformed::Expires(text) => {
            format!("X-Amz-Expires must be between 1 and 604800 seconds. Got '{text}'.")
        }
        Malformed::Signature => "Signature must be 64 hexadecimal digits.".into(),
        Malformed::Unsigned(names) => {
            let each = names.iter().map(|name| match name.as_str() {
                "host" => "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
                name => format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."),
            });
            each.collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(service: &str, refusal: &Refusal, target: bool) -> (u16, String, HeaderMap) {
        let mut headers = HeaderMap::new();
        if target {
            headers.insert("x-amz-target", HeaderValue::from_static("T.O"));
        }
        let response = to_response(service, refusal, &headers, &RequestId::from_random([7; 16]));
        let (head, body) = response.into_parts();
        (head.status.as_u16(), String::from_utf8_lossy(&body).into_owned(), head.headers)
    }

    #[test]
    fn each_protocol_has_its_own_words() {
        let unknown = Refusal::UnknownKey("AKIA".into());
        let text = "The security token included in the request is invalid.";
        let (status, body, headers) = answer("lambda", &unknown, false);
        assert_eq!((status, body), (403, format!(r#"{{"message":"{text}"}}"#)));
        assert_eq!(headers["x-amzn-errortype"], "UnrecognizedClientException");
        let (status, body, _) = answer("events", &unknown, true);
        assert_eq!(
            (status, body),
            (400, format!(r#"{{"__type":"UnrecognizedClientException","message":"{text}"}}"#))
        );
        let (status, body, _) = answer("sts", &unknown, false);
        assert!(
            status == 403 && body.contains(&format!("<Code>InvalidClientTokenId</Code><Message>{text}")),
            "{body}"
        );
        assert!(!body.contains(query::REQUEST_ID), "{body}");
        let (_, _, headers) = answer("sqs", &unknown, true);
        assert_eq!(headers["x-amzn-query-error"], "InvalidClientTokenId;Sender");
        let denied = Refusal::Denied("User: u is not authorized".into());
        assert!(answer("sns", &denied, false).1.contains("<Code>AuthorizationError</Code>"));
        assert_eq!(answer("lambda", &denied, false).1, r#"{"Message":"User: u is not authorized"}"#);
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_ours() {
        let skewed = |signed_at_s| {
            answer("sts", &Refusal::Skewed { signed_at_s, now_s: 1_440_938_160, allowed_s: 300 }, false).1
        };
        let text = "Signature expired: 20150830T122600Z is now earlier than 20150830T123100Z (20150830T123600Z - 5 min.)";
        assert!(skewed(1_440_937_560).contains(text), "{}", skewed(1_440_937_560));
        let text = "Signature not yet current: 20150830T124600Z is still later than 20150830T124100Z (20150830T123600Z + 5 min.)";
        assert!(skewed(1_440_938_760).contains(text), "{}", skewed(1_440_938_760));
    }
}
