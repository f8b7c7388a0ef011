//! Refused signatures and denied operations in S3's words.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use lambent_domain::RequestId;
use lambent_kit::sigv4::claim::Malformed;
use lambent_kit::utc::rfc3339_s;
use lambent_ports::access::Refusal;

use crate::asked::{host_id, request_id};
use crate::fault::Fault;
use crate::presigned;

/// The answer of the service.
pub fn refused(refusal: &Refusal, head: &Parts, id: &RequestId) -> Response<Bytes> {
    let presigned = head.uri.query().is_some_and(|query| query.contains("X-Amz-"));
    let fault = fault(refusal, presigned);
    let body = if head.method == http::Method::HEAD {
        String::new()
    } else {
        fault.to_xml(&request_id(id), &host_id(id))
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = http::StatusCode::from_u16(fault.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    for (name, value) in [("x-amz-request-id", request_id(id)), ("x-amz-id-2", host_id(id))] {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Its error. `presigned` is for what a URL lacks.
pub(crate) fn fault(refusal: &Refusal, presigned: bool) -> Fault {
    match refusal {
        Refusal::Missing => Fault::new(403, "AccessDenied", "Access Denied"),
        Refusal::Denied(text) => Fault::new(403, "AccessDenied", text.as_str()),
        Refusal::Malformed(malformed) => self::malformed(malformed, presigned),
        Refusal::MalformedOlder => Fault::new(
            403,
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        ),
        Refusal::UnknownKey(id) => {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            Fault::new(403, "InvalidAccessKeyId", message).with("AWSAccessKeyId", id.as_str())
        }
        Refusal::InvalidToken => {
            Fault::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        }
        Refusal::ExpiredToken => Fault::new(400, "ExpiredToken", "The provided token has expired."),
        Refusal::Skewed { signed_at_s, now_s, allowed_s } => {
            let message = "The difference between the request time and the current time is too large.";
            Fault::new(403, "RequestTimeTooSkewed", message)
                .with("RequestTime", lambent_kit::utc::amz_date(signed_at_s * 1_000))
                .with("ServerTime", rfc3339_s(now_s * 1_000))
                .with("MaxAllowedSkewMilliseconds", (allowed_s * 1_000).to_string())
        }
        Refusal::UrlExpired { lasted_s, until_s, now_s } => {
            let fault = Fault::new(403, "AccessDenied", "Request has expired");
            let fault = match lasted_s {
                Some(seconds) => fault.with("X-Amz-Expires", seconds.to_string()),
                None => fault,
            };
            fault.with("Expires", rfc3339_s(until_s * 1_000)).with("ServerTime", rfc3339_s(now_s * 1_000))
        }
        Refusal::Mismatch { access_key_id, string_to_sign } => {
            let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
            Fault::new(403, "SignatureDoesNotMatch", message)
                .with("AWSAccessKeyId", access_key_id.as_str())
                .with("StringToSign", string_to_sign.as_str())
        }
    }
}

fn malformed(malformed: &Malformed, presigned: bool) -> Fault {
    let of_header = |text: &str| Fault::new(400, "AuthorizationHeaderMalformed", text);
    let of_query = |text: &str| Fault::new(400, "AuthorizationQueryParametersError", text);
    match malformed {
        Malformed::QueryParameters => of_query(presigned::MISSING),
        Malformed::Expires(text) if text.parse::<i64>().is_err() => {
            of_query("X-Amz-Expires should be a number")
        }
        Malformed::Expires(text) if text.starts_with('-') || text == "0" => {
            of_query("X-Amz-Expires must be non-negative")
        }
        Malformed::Expires(_) => of_query(presigned::TOO_LONG),
        Malformed::Credential(_) if presigned => of_query(presigned::CREDENTIAL),
        Malformed::Credential(_) => of_header(
            "The authorization header is malformed; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ),
        Malformed::ScopeDate(..) if presigned => of_query(
            "Error parsing the X-Amz-Credential parameter; incorrect date. This date in the credential must be in the format \"yyyyMMdd\".",
        ),
        Malformed::ScopeDate(..) => of_header(
            "The authorization header is malformed; Invalid credential date. Date is not the same as X-Amz-Date.",
        ),
        Malformed::Date(_) if presigned => {
            of_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        }
        Malformed::Date(_) => {
            Fault::new(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
        }
        Malformed::Unsigned(names) => {
            let message = "There were headers present in the request which were not signed";
            Fault::new(403, "AccessDenied", message).with("HeadersNotSigned", names.join(", "))
        }
        Malformed::Algorithm(_) if presigned => {
            of_query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")
        }
        Malformed::Algorithm(_) | Malformed::Parameters(_) | Malformed::Signature => of_header(
            "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.",
        ),
    }
}
