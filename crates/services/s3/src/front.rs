//! S3 on the wire. `s3s` knows every operation's requests and answers; what is around them is here: where a bucket's name
//! is, framing that is taken off bodies, signatures that nobody has to see any more, ids, and AWS's errors.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lambent_ports::api::{ApiRequest, Body, StreamService, whole};
use percent_encoding::percent_decode_str;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::asked::{Asked, header, host_id, payload_sha256, request_id};
use crate::chunked::{Signatures, Trailers, decoded};
use crate::cors;
use crate::fault::{self, Fault};
use crate::intake::Expected;
use crate::{S3, access, posting, presigned};

/// The largest document: a DeleteObjects of a thousand of the longest keys.
const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
/// The largest error that is rewritten.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// S3 as a service.
pub struct S3Front {
    s3: Arc<S3>,
    inner: S3Service,
}

impl S3Front {
    /// In front of the service.
    pub fn new(s3: Arc<S3>) -> Self {
        let mut builder = S3ServiceBuilder::new(crate::operations::Operations(Arc::clone(&s3)));
        builder.set_host(Hosts);
        S3Front { s3, inner: builder.build() }
    }

    async fn answer(
        &self,
        mut request: ApiRequest<Body>,
        peer: Option<IpAddr>,
        trailers: Trailers,
    ) -> Result<Response<Body>, Fault> {
        let host = header(&request.headers, HOST.as_str()).unwrap_or_default().to_owned();
        if request.method == Method::OPTIONS {
            return cors::preflight(&self.s3, &request, bucket_of(&host, request.uri.path()));
        }
        check_kind(&request)?;
        presigned::check(&request, self.s3.clock.now_ms())?;
        let origin = cors::Origin::of(&request, bucket_of(&host, request.uri.path()));
        let mut posted = None;
        if posting::is_form(&request) {
            let (bucket, in_host) = (bucket_of(&host, request.uri.path()), Hosts::bucket(&host).is_some());
            let (put, form) = posting::put_of(request, &bucket, in_host, self.s3.clock.now_ms()).await?;
            (request, posted) = (put, Some(form));
        }
        let mut asked = asked(&request, peer, trailers, self.s3.clock.now_ms());
        asked.posted = posted.as_ref().map(|posted| posted.sizes);
        let document = is_document(&request);
        let (query, path) = (without_signature(request.uri.query().unwrap_or_default()), request.uri.path());
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut inner = http::Request::new(s3s::Body::empty());
        *inner.method_mut() = request.method.clone();
        *inner.uri_mut() = Uri::try_from(uri)
            .map_err(|_| Fault::new(400, "InvalidURI", "Couldn't parse the specified URI."))?;
        *inner.headers_mut() = understood(&request.headers);
        if let Some(length) = asked.length {
            inner.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *inner.body_mut() = if document {
            let bytes = document_of(request.body, &asked).await?;
            inner.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            s3s::Body::from(bytes)
        } else {
            s3s::Body::http_body_unsync(request.body)
        };
        inner.extensions_mut().insert(asked.clone());
        let answer = self.inner.call(inner).await.map_err(|error| Fault::internal(format!("{error:?}")))?;
        let answer = rewritten(answer, &asked).await;
        let mut answer = answer.map_err(|fault| access::or_hidden(&self.s3, &asked, fault))?;
        if let Some(posted) = posted {
            answer = posted.answer(answer);
        }
        origin.mark(&self.s3, answer.headers_mut());
        Ok(answer)
    }
}

#[async_trait]
impl StreamService for S3Front {
    fn signing_name(&self) -> &'static str {
        "s3"
    }

    async fn call(&self, mut request: ApiRequest<Body>, peer: Option<IpAddr>) -> Response<Body> {
        let id = request.request_id;
        let head = request.method == Method::HEAD;
        let trailers = Trailers::default();
        if is_chunked(&request.headers) {
            let length = decoded_length(&request.headers);
            let body = std::mem::replace(&mut request.body, whole(Bytes::new()));
            request.body = decoded(body, length, trailers.clone(), signatures(&request));
        }
        let answer = self.answer(request, peer, trailers).await;
        let mut answer = answer.unwrap_or_else(|fault| error(&fault, &request_id(&id), &host_id(&id), head));
        let headers = answer.headers_mut();
        for (name, value) in [("x-amz-request-id", request_id(&id)), ("x-amz-id-2", host_id(&id))] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        answer
    }
}

/// How chunks have to be signed, where they have to be.
fn signatures(request: &ApiRequest<Body>) -> Option<Signatures> {
    let chain = request.caller.authority.as_ref()?.chunks.clone()?;
    let kind = header(&request.headers, "x-amz-content-sha256").unwrap_or_default();
    Some(Signatures { chain, with_trailer: kind.ends_with("-TRAILER") })
}

fn asked(request: &ApiRequest<Body>, peer: Option<IpAddr>, trailers: Trailers, now_ms: u64) -> Asked {
    let length = header(&request.headers, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
    Asked {
        scope: request.scope.clone(),
        caller: request.caller.clone(),
        request_id: request.request_id,
        peer,
        base_url: request.base_url.clone(),
        query: decoded_query(request.uri.query().unwrap_or_default()),
        length: if is_chunked(&request.headers) { decoded_length(&request.headers) } else { length },
        bucket: bucket_of(header(&request.headers, HOST.as_str()).unwrap_or_default(), request.uri.path()),
        headers: request.headers.clone(),
        posted: None,
        trailers,
        now_ms,
    }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    header(headers, "x-amz-content-sha256").is_some_and(|value| value.starts_with("STREAMING-"))
        || header(headers, "content-encoding").is_some_and(|value| value.contains("aws-chunked"))
}

fn decoded_length(headers: &HeaderMap) -> Option<u64> {
    header(headers, "x-amz-decoded-content-length").and_then(|length| length.parse().ok())
}

/// Whether the body is a document of S3's, or nothing; else it is an object's, or a part's.
fn is_document(request: &ApiRequest<Body>) -> bool {
    let query = decoded_query(request.uri.query().unwrap_or_default());
    let settings = query.iter().any(|(name, _)| {
        matches!(name.as_str(), "tagging" | "acl" | "retention" | "legal-hold" | "restore" | "uploads")
    });
    let copies = request.headers.contains_key("x-amz-copy-source");
    let host = header(&request.headers, HOST.as_str()).unwrap_or_default();
    let depth =
        request.uri.path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let has_key = depth || (Hosts::bucket(host).is_some() && request.uri.path().len() > 1);
    request.method != Method::PUT || settings || copies || !has_key
}

/// Reads a document, and checks it against what the client says of it.
async fn document_of(body: Body, asked: &Asked) -> Result<Bytes, Fault> {
    let read = Limited::new(body, MAX_DOCUMENT_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Fault::new(400, "MaxMessageLengthExceeded", "Your request was too big.")
        } else {
            Fault::new(400, "IncompleteBody", "The request body terminated unexpectedly")
        }
    })?;
    let bytes = read.to_bytes();
    check_promise(&bytes, asked)?;
    // The checksum of a CompleteMultipartUpload is the object's.
    if asked.query("uploadId").is_none() && !bytes.is_empty() {
        let expected = Expected::of(asked, None)?;
        let mut digests = expected.digests();
        digests.update(&bytes);
        expected.check(&digests.finish(), asked)?;
    }
    Ok(bytes)
}

/// A signature is of what the headers say of the body; the body is held to that.
fn check_promise(bytes: &Bytes, asked: &Asked) -> Result<(), Fault> {
    let promised = payload_sha256(&asked.headers).filter(|_| asked.caller.authority.is_some());
    match promised {
        Some(promised) if lambent_kit::sigv4::sha256_hex(bytes) != promised => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            Err(Fault::new(400, "XAmzContentSHA256Mismatch", message)
                .with("ClientComputedContentSHA256", promised))
        }
        _ => Ok(()),
    }
}

/// What a signature says of the body is one of AWS's words, or a hash.
fn check_kind(request: &ApiRequest<Body>) -> Result<(), Fault> {
    let Some(authority) = &request.caller.authority else { return Ok(()) };
    let known = |kind: &str| {
        matches!(
            kind,
            "UNSIGNED-PAYLOAD"
                | "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
                | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
                | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
        ) || kind.len() == 64 && kind.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match header(&request.headers, "x-amz-content-sha256") {
        Some(kind) if !known(kind) => {
            let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
            Err(Fault::invalid_argument(message, "x-amz-content-sha256", kind))
        }
        None if !authority.is_anonymous() && is_signed_in_header(request) => {
            Err(Fault::invalid_request("Missing required header for this request: x-amz-content-sha256"))
        }
        _ => Ok(()),
    }
}

fn is_signed_in_header(request: &ApiRequest<Body>) -> bool {
    header(&request.headers, "authorization").is_some_and(|value| value.starts_with("AWS4-"))
}

fn decoded_query(query: &str) -> Vec<(String, String)> {
    let text = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// The query without what belongs to a signature, and without what is not `s3s`'s to understand.
fn without_signature(query: &str) -> String {
    let kept = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        let signature = matches!(name, "AWSAccessKeyId" | "Signature" | "Expires" | "x-amz-security-token");
        !(signature || name.to_ascii_lowercase().starts_with("x-amz-") || name.starts_with("response-"))
    };
    query.split('&').filter(kept).collect::<Vec<_>>().join("&")
}

/// Headers that `s3s` has to understand. Conditions, ranges and what an object is stored with are read from the request
/// itself: AWS takes values that `s3s` refuses.
fn understood(headers: &HeaderMap) -> HeaderMap {
    let ours = |name: &str| {
        matches!(
            name,
            "authorization"
                | "x-amz-content-sha256"
                | "x-amz-date"
                | "x-amz-security-token"
                | "x-amz-decoded-content-length"
                | "x-amz-trailer"
                | "x-amz-sdk-checksum-algorithm"
                | "content-md5"
                | "range"
                | "expires"
                | "date"
                | "transfer-encoding"
                | "x-amz-object-lock-retain-until-date"
                | "x-amz-mp-object-size"
        ) || name.starts_with("if-")
            || name.starts_with("x-amz-if-")
            || name.starts_with("x-amz-copy-source-if-")
            || name.starts_with("x-amz-checksum-")
            || name.starts_with("x-amz-meta-")
            || name.starts_with("x-amz-copy-source-range")
    };
    let mut understood = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !ours(name.as_str()) {
            understood.append(name, value.clone());
        }
    }
    // What an algorithm is asked for by is part of some inputs.
    for name in ["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"] {
        if let Some(value) = headers.get(name) {
            understood.insert(name, value.clone());
        }
    }
    understood
}

/// An answer with AWS's error, where it is one.
async fn rewritten(answer: http::Response<s3s::Body>, asked: &Asked) -> Result<Response<Body>, Fault> {
    let (mut head, body) = answer.into_parts();
    if !(head.status.is_client_error() || head.status.is_server_error() || head.status == 304) {
        let body = body.map_err(std::io::Error::other).boxed_unsync();
        return Ok(Response::from_parts(head, body));
    }
    let travelled = head.headers.remove(fault::HEADER).and_then(|value| hex::decode(value).ok());
    if let Some(fault) = travelled.and_then(|json| serde_json::from_slice(&json).ok()) {
        return Err(fault);
    }
    let read = Limited::new(body, MAX_ERROR_BYTES).collect().await.map_err(Fault::internal)?.to_bytes();
    let text = String::from_utf8_lossy(&read);
    let element = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let rest = text.split_once(&open)?.1;
        Some(rest.split_once(&close)?.0.to_owned())
    };
    let code = element("Code").unwrap_or_else(|| "InternalError".into());
    let message = element("Message").unwrap_or_default();
    Err(worded(head.status.as_u16(), &code, message, asked))
}

/// The front's own errors in AWS's words.
fn worded(status: u16, code: &str, message: String, asked: &Asked) -> Fault {
    match code {
        "InvalidBucketName" => {
            Fault::new(400, code, "The specified bucket is not valid.").with("BucketName", &asked.bucket)
        }
        "MalformedXML" => Fault::malformed_xml(),
        "KeyTooLongError" => Fault::new(400, code, "Your key is too long"),
        "NotImplemented" => Fault::new(501, code, message),
        _ => Fault::new(status, code, message),
    }
}

fn error(fault: &Fault, request_id: &str, host_id: &str, head: bool) -> Response<Body> {
    let body = if head || fault.status == 304 { String::new() } else { fault.to_xml(request_id, host_id) };
    let mut response = Response::new(whole(Bytes::from(body)));
    *response.status_mut() = http::StatusCode::from_u16(fault.status).unwrap_or_default();
    let headers = response.headers_mut();
    if fault.status != 304 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    response
}

/// The bucket that a request is for, as it is written.
fn bucket_of(host: &str, path: &str) -> String {
    let in_path = || path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let bucket = Hosts::bucket(host).unwrap_or_else(in_path);
    percent_decode_str(bucket).decode_utf8_lossy().into_owned()
}

/// Hosts with a bucket in them: `<bucket>.s3.<…>`, `<bucket>.s3-<region>.<…>`, `<bucket>.localhost`.
struct Hosts;

impl Hosts {
    fn bucket(host: &str) -> Option<&str> {
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let mut from = 0;
        let mut found = None;
        while let Some(at) = host[from..].find(".s3") {
            let behind = host[from + at + 3..].chars().next();
            if matches!(behind, None | Some('.' | '-')) {
                found = Some(from + at);
            }
            from += at + 3;
        }
        let at_localhost = || host.strip_suffix(".localhost").filter(|bucket| *bucket != "s3");
        found.map(|at| &host[..at]).or_else(at_localhost).filter(|bucket| !bucket.is_empty())
    }
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let found = VirtualHost::new(host);
        Ok(match Hosts::bucket(host) {
            Some(bucket) => found.with_bucket(bucket),
            None => found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_in_the_host() {
        assert_eq!(Hosts::bucket("photos.s3.us-east-1.amazonaws.com"), Some("photos"));
        assert_eq!(Hosts::bucket("a.b.s3-eu-west-1.amazonaws.com"), Some("a.b"));
        assert_eq!(Hosts::bucket("my.s3.files.s3.amazonaws.com"), Some("my.s3.files"));
        assert_eq!(Hosts::bucket("photos.localhost:4566"), Some("photos"));
        for host in ["s3.us-east-1.amazonaws.com", "localhost:4566", "s3.localhost", "127.0.0.1:4566"] {
            assert_eq!(Hosts::bucket(host), None, "{host}");
        }
    }

    #[test]
    fn a_signature_in_the_query_is_not_passed_on() {
        let query =
            "X-Amz-Signature=a&versionId=v&x-id=GetObject&AWSAccessKeyId=k&response-expires=x&list-type=2";
        assert_eq!(without_signature(query), "versionId=v&x-id=GetObject&list-type=2");
    }
}
