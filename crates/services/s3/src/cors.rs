//! Cross-origin requests: a bucket's rules, preflights, and the headers of answers to pages.

use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY};
use http::{Method, Response};
use lambent_ports::api::{ApiRequest, Body, whole};
use lambent_ports::object_store::Bucket;
use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput, GetBucketCorsOutput,
    PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Request, S3Response};

use crate::asked::header;
use crate::fault::Fault;
use crate::object_headers::put;
use crate::{S3, setting, taken_apart};

const SETTING: &str = "cors";
const MAX_RULES: usize = 100;

pub(crate) async fn put_rules(
    s3: &S3,
    request: S3Request<PutBucketCorsInput>,
) -> Result<S3Response<PutBucketCorsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let rules = input.cors_configuration.cors_rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Fault::malformed_xml());
    }
    for rule in &rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(Fault::malformed_xml());
        }
        let known = |method: &&String| !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method.as_str());
        if let Some(method) = rule.allowed_methods.iter().find(known) {
            let message =
                format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}");
            return Err(Fault::invalid_request(message));
        }
        let several = |origin: &&String| origin.matches('*').count() > 1;
        if let Some(origin) = rule.allowed_origins.iter().find(several) {
            let message = format!("AllowedOrigin \"{origin}\" can not have more than one wildcard.");
            return Err(Fault::invalid_request(message));
        }
    }
    s3.set(&input.bucket, &asked, SETTING, Some(&rules)).await?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(crate) async fn get_rules(
    s3: &S3,
    request: S3Request<GetBucketCorsInput>,
) -> Result<S3Response<GetBucketCorsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    let bucket = s3.bucket(&input.bucket, &asked)?;
    let rules = rules(&bucket).ok_or_else(|| {
        Fault::new(404, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
            .with("BucketName", &bucket.name)
    })?;
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(rules) }))
}

pub(crate) async fn delete_rules(
    s3: &S3,
    request: S3Request<DeleteBucketCorsInput>,
) -> Result<S3Response<DeleteBucketCorsOutput>, Fault> {
    let (input, asked) = taken_apart(request)?;
    s3.set::<()>(&input.bucket, &asked, SETTING, None).await?;
    Ok(S3Response::new(DeleteBucketCorsOutput::default()))
}

fn rules(bucket: &Bucket) -> Option<Vec<CORSRule>> {
    setting(bucket, SETTING)
}

/// With at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, behind)) => {
            text.len() >= before.len() + behind.len() && text.starts_with(before) && text.ends_with(behind)
        }
    }
}

fn allowing<'a>(
    rules: &'a [CORSRule],
    origin: &str,
    method: &str,
    headers: &[String],
) -> Option<&'a CORSRule> {
    rules.iter().find(|rule| {
        let allowed = |name: &String| {
            let allowed = rule.allowed_headers.iter().flatten();
            allowed.into_iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), name))
        };
        rule.allowed_methods.iter().any(|allowed| allowed == method)
            && rule.allowed_origins.iter().any(|pattern| fits(pattern, origin))
            && headers.iter().all(allowed)
    })
}

/// Headers that a page's browser looks for.
fn mark(headers: &mut HeaderMap, rule: &CORSRule, origin: &str) {
    let anybody = rule.allowed_origins.iter().any(|pattern| pattern == "*");
    put(headers, "access-control-allow-origin", if anybody { "*" } else { origin });
    put(headers, "access-control-allow-methods", &rule.allowed_methods.join(", "));
    if !anybody {
        put(headers, "access-control-allow-credentials", "true");
    }
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|exposed| !exposed.is_empty()) {
        put(headers, "access-control-expose-headers", &exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        put(headers, "access-control-max-age", &seconds.to_string());
    }
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    headers.insert(VARY, HeaderValue::from_static(vary));
}

/// Where a request comes from.
pub(crate) struct Origin {
    origin: Option<(String, String)>,
    bucket: String,
}

impl Origin {
    pub(crate) fn of(request: &ApiRequest<Body>, bucket: String) -> Self {
        let origin = header(&request.headers, ORIGIN.as_str());
        Origin { origin: origin.map(|origin| (origin.to_owned(), request.method.to_string())), bucket }
    }

    /// Tells the browser of a page that it may read the answer, if a rule says so.
    pub(crate) fn mark(&self, s3: &S3, headers: &mut HeaderMap) {
        let Some((origin, method)) = &self.origin else { return };
        let rules = s3.store.bucket(&self.bucket).and_then(|bucket| rules(&bucket));
        if let Some(rule) = rules.as_deref().and_then(|rules| allowing(rules, origin, method, &[])) {
            mark(headers, rule, origin);
        }
    }
}

/// Answers what a browser asks before the request itself.
pub(crate) fn preflight(
    s3: &S3,
    request: &ApiRequest<Body>,
    bucket: String,
) -> Result<Response<Body>, Fault> {
    let bad = |message: &str| Fault::new(400, "BadRequest", message);
    let origin = header(&request.headers, ORIGIN.as_str())
        .ok_or_else(|| bad("Insufficient information. Origin request header needed."))?;
    let method = header(&request.headers, "access-control-request-method")
        .ok_or_else(|| bad("Invalid Access-Control-Request-Method: null"))?;
    if Method::from_bytes(method.as_bytes()).is_err() {
        return Err(bad(&format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let forbidden = |message: &str, kind: &str| {
        Fault::new(403, "AccessForbidden", message).with("Method", method).with("ResourceType", kind)
    };
    let path = request.uri.path().trim_matches('/');
    let kind = if path.contains('/') { "OBJECT" } else { "BUCKET" };
    let found = s3.store.bucket(&bucket).ok_or_else(|| {
        Fault::new(403, "AccessForbidden", "CORSResponse: Bucket not found")
            .with("Method", "OPTIONS")
            .with("ResourceType", "BUCKET")
    })?;
    let rules =
        rules(&found).ok_or_else(|| forbidden("CORSResponse: CORS is not enabled for this bucket.", kind))?;
    let wanted = header(&request.headers, "access-control-request-headers").unwrap_or_default();
    let headers: Vec<String> = wanted
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
    let rule = allowing(&rules, origin, method, &headers).ok_or_else(|| forbidden(message, kind))?;
    let mut response = Response::new(whole(bytes::Bytes::new()));
    mark(response.headers_mut(), rule, origin);
    if !headers.is_empty() {
        let name = HeaderName::from_static("access-control-allow-headers");
        if let Ok(value) = HeaderValue::from_str(&headers.join(", ")) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
