//! What operations know of a request besides its input: who asks, from where, and the headers that the front did not
//! need to understand.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use lambent_domain::{RequestId, Scope};
use lambent_ports::api::Caller;
use lambent_ports::object_store::Condition;
use s3s::S3Request;

use crate::chunked::Trailers;
use crate::digest::Algorithm;
use crate::fault::Fault;
use crate::post_policy::Sizes;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) scope: Scope,
    pub(crate) caller: Caller,
    pub(crate) request_id: RequestId,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) base_url: String,
    /// As it is written in host or path.
    pub(crate) bucket: String,
    pub(crate) headers: HeaderMap,
    /// Decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) trailers: Trailers,
    /// When it came.
    pub(crate) now_ms: u64,
    /// Bytes of the body without framing, as promised.
    pub(crate) length: Option<u64>,
    /// It was a form, whose file may have these sizes.
    pub(crate) posted: Option<Sizes>,
}

impl Asked {
    /// Of a request that came through our front.
    pub(crate) fn of<T>(request: &S3Request<T>) -> Result<Asked, Fault> {
        request
            .extensions
            .get::<Asked>()
            .cloned()
            .ok_or_else(|| Fault::internal("a request did not come through the front"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// As AWS writes it: sixteen upper-case letters and digits.
    pub(crate) fn request_id(&self) -> String {
        request_id(&self.request_id)
    }

    pub(crate) fn host_id(&self) -> String {
        host_id(&self.request_id)
    }

    /// `If-Match` and `If-None-Match` of what stores something.
    pub(crate) fn write_condition(&self) -> Result<Condition, Fault> {
        match (self.header("if-match"), self.header("if-none-match")) {
            (Some(_), Some(_)) => Err(Fault::header_not_implemented("If-Match,If-None-Match")
                .with("additionalMessage", "Multiple conditional request headers present in the request")),
            (None, Some("*")) => Ok(Condition::Absent),
            (None, Some(_)) => Err(Fault::header_not_implemented("If-None-Match").with(
                "additionalMessage",
                "We don't accept the provided value of If-None-Match header for this API",
            )),
            (Some("*"), None) => Err(Fault::header_not_implemented("If-None-Match").with(
                "additionalMessage",
                "We don't accept the provided value of If-None-Match header for this API",
            )),
            (Some(etag), None) => Ok(Condition::ETag(etag.trim_matches('"').to_owned())),
            (None, None) => Ok(Condition::None),
        }
    }
}

/// A header that is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(crate) fn request_id(id: &RequestId) -> String {
    id.to_string().replace('-', "")[..16].to_ascii_uppercase()
}

pub(crate) fn host_id(id: &RequestId) -> String {
    let text = id.to_string().replace('-', "");
    STANDARD.encode(format!("{text}{}", &text[..16]))
}

/// What a client says a body's checksum is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Promised {
    Nothing,
    Value(Algorithm, String),
    /// It comes behind the body.
    Trailer(Algorithm),
}

/// The checksum that headers promise.
pub(crate) fn promised_checksum(headers: &HeaderMap) -> Result<Promised, Fault> {
    let mut given = Algorithm::ALL
        .into_iter()
        .filter_map(|algorithm| header(headers, algorithm.header()).map(|value| (algorithm, value)));
    let first = given.next();
    if given.next().is_some() {
        let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(Fault::invalid_request(message));
    }
    if let Some((algorithm, value)) = first {
        if STANDARD.decode(value).map(|bytes| bytes.len()) != Ok(algorithm.length()) {
            let message = format!("Value for {} header is invalid.", algorithm.header());
            return Err(Fault::invalid_request(message));
        }
        return Ok(Promised::Value(algorithm, value.to_owned()));
    }
    let trailer = header(headers, "x-amz-trailer").map(str::trim);
    let named = Algorithm::ALL.into_iter().find(|algorithm| trailer == Some(algorithm.header()));
    match (trailer, named) {
        (_, Some(algorithm)) => Ok(Promised::Trailer(algorithm)),
        (Some(_), None) => {
            Err(Fault::invalid_request("The value specified in the x-amz-trailer header is not supported"))
        }
        (None, None) if header(headers, "x-amz-sdk-checksum-algorithm").is_some() => {
            Err(Fault::invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
            ))
        }
        (None, None) => Ok(Promised::Nothing),
    }
}

/// `Content-MD5`, checked for its form.
pub(crate) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Fault> {
    let Some(text) = header(headers, "content-md5") else { return Ok(None) };
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let invalid = || Fault::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    decoded.map(Some).ok_or_else(|| invalid().with("Content-MD5", text))
}

/// The hash of the payload that a signature holds for, if it names one.
pub(crate) fn payload_sha256(headers: &HeaderMap) -> Option<&str> {
    header(headers, "x-amz-content-sha256").filter(|value| value.len() == 64)
}
