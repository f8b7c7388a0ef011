//! Presigned URLs: whether they still hold. Their signature is not checked here.

use jiff::Timestamp;
use lambent_ports::api::{ApiRequest, Body};
use percent_encoding::percent_decode_str;

use crate::fault::Fault;

/// The longest that a URL of version 4 may hold, seconds.
const MAX_EXPIRES_S: u64 = 604_800;

/// What a URL must have.
pub(crate) const MISSING: &str = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
/// What is none of a credential.
pub(crate) const CREDENTIAL: &str = "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
/// What holds too long.
pub(crate) const TOO_LONG: &str = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds";

/// Refuses what is over, and what is no presigned URL though it looks like one.
pub(crate) fn check(request: &ApiRequest<Body>, now_ms: u64) -> Result<(), Fault> {
    let query = request.uri.query().unwrap_or_default();
    let value = |wanted: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    if value("X-Amz-Signature").is_some() || value("X-Amz-Algorithm").is_some() {
        return version_4(value, now_ms);
    }
    if value("Signature").is_some() && value("AWSAccessKeyId").is_some() {
        let message =
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
        let expires_s = value("Expires").and_then(|seconds| seconds.parse::<u64>().ok());
        let expires_s = expires_s.ok_or_else(|| Fault::new(403, "AccessDenied", message))?;
        return holds(expires_s, now_ms, ("Expires", iso(expires_s)));
    }
    Ok(())
}

fn version_4(value: impl Fn(&str) -> Option<String>, now_ms: u64) -> Result<(), Fault> {
    let refused = |message: &str| Fault::new(400, "AuthorizationQueryParametersError", message);
    let missing = || refused(MISSING);
    for name in ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-SignedHeaders"] {
        value(name).ok_or_else(missing)?;
    }
    let credential = value("X-Amz-Credential").ok_or_else(missing)?;
    if credential.split('/').count() < 5 {
        return Err(refused(CREDENTIAL));
    }
    let (date, expires) =
        (value("X-Amz-Date").ok_or_else(missing)?, value("X-Amz-Expires").ok_or_else(missing)?);
    let date_s = signed_at(&date)
        .ok_or_else(|| refused("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    let lasts_s: u64 = expires.parse().map_err(|_| refused("X-Amz-Expires should be a number"))?;
    if lasts_s > MAX_EXPIRES_S {
        return Err(refused(TOO_LONG));
    }
    holds(date_s + lasts_s, now_ms, ("X-Amz-Expires", expires))
}

fn holds(expires_s: u64, now_ms: u64, told: (&str, String)) -> Result<(), Fault> {
    if now_ms / 1_000 <= expires_s {
        return Ok(());
    }
    let fault = Fault::new(403, "AccessDenied", "Request has expired").with(told.0, told.1);
    let fault = if told.0 == "Expires" { fault } else { fault.with("Expires", iso(expires_s)) };
    Err(fault.with("ServerTime", iso(now_ms / 1_000)))
}

fn iso(seconds: u64) -> String {
    Timestamp::from_second(seconds as i64).map(|time| time.to_string()).unwrap_or_default()
}

/// `20150830T123600Z`.
fn signed_at(text: &str) -> Option<u64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(time.timestamp().as_second()).ok()
}
