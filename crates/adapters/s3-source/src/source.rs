//! GetObject.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use lambent_aws_client::{Endpoint, told, trust};
use lambent_domain::Region;
use lambent_kit::clock::Clock;
use lambent_kit::sigv4::{self, Credentials, EMPTY_SHA256, PathStyle, Scope, SignedRequest, uri_encode};
use lambent_kit::utc;
use lambent_ports::code_source::{CodeSource, CodeSourceError, S3Object};
use rustls::ClientConfig;

use crate::answer::refusal;
use crate::connection::exchange;

/// Most bytes of an error that are read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Which S3 to ask, and as whom.
#[derive(Clone, Debug, Default)]
pub struct S3Options {
    /// URL; without one nothing can be fetched.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; without one, that of the request for which an object is fetched.
    pub region: Option<Region>,
    /// Without them requests are not signed: enough for public objects.
    pub credentials: Option<Credentials>,
    /// PEM file of the certificate authorities to trust instead of the host's.
    pub ca_bundle: Option<PathBuf>,
}

/// An option that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum S3OptionsError {
    /// Not a URL of an S3.
    #[error("--s3-endpoint: {0}")]
    Endpoint(String),
    /// No certificate authorities.
    #[error("--s3-ca-bundle: {0}")]
    Trust(String),
}

struct Asked {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
}

/// Fetches objects from one S3.
pub struct S3Source {
    asked: Option<Asked>,
    region: Option<Region>,
    credentials: Option<Credentials>,
    clock: Arc<dyn Clock>,
}

impl S3Source {
    /// Looks at the options; connects to nothing.
    pub fn new(options: S3Options, clock: Arc<dyn Clock>) -> Result<Self, S3OptionsError> {
        let asked = match options.endpoint.as_deref().map(Endpoint::parse) {
            None => None,
            Some(Err(reason)) => return Err(S3OptionsError::Endpoint(reason)),
            Some(Ok(endpoint)) => {
                if !endpoint.tls && options.ca_bundle.is_some() {
                    return Err(S3OptionsError::Trust("the endpoint is not https".into()));
                }
                let tls = endpoint.tls.then(|| trust(options.ca_bundle.as_deref()));
                Some(Asked { endpoint, tls: tls.transpose().map_err(S3OptionsError::Trust)? })
            }
        };
        Ok(S3Source { asked, region: options.region, credentials: options.credentials, clock })
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        object: &S3Object,
        region: &Region,
    ) -> Result<Request<Empty<Bytes>>, http::Error> {
        let bucket = uri_encode(object.bucket.as_bytes(), false);
        let path = format!("{}/{bucket}/{}", endpoint.base, uri_encode(object.key.as_bytes(), true));
        let version = object.version.as_deref().map(|version| uri_encode(version.as_bytes(), false));
        let query = version.map(|version| format!("versionId={version}")).unwrap_or_default();
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let amz_date = utc::amz_date(self.clock.now_ms());
        let headers = [
            ("host", endpoint.authority.as_str()),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", &amz_date),
        ];
        let mut request = Request::builder().method(Method::GET).uri(target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(credentials) = &self.credentials {
            let region = self.region.as_ref().unwrap_or(region);
            let scope = Scope { amz_date: &amz_date, region: region.as_str(), service: "s3" };
            let signed = SignedRequest {
                method: "GET",
                path: sigv4::canonical_path(&path, PathStyle::AsIs),
                query: sigv4::canonical_query(&query, None),
                headers: sigv4::canonical_headers(headers),
                payload_hash: EMPTY_SHA256,
            };
            let authorization = sigv4::authorization(credentials, &scope, &signed);
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.header(header::USER_AGENT, concat!("lambent/", env!("CARGO_PKG_VERSION"))).body(Empty::new())
    }

    async fn get(
        &self,
        asked: &Asked,
        object: &S3Object,
        region: &Region,
        max_bytes: usize,
    ) -> Result<Bytes, CodeSourceError> {
        let request = self.request(&asked.endpoint, object, region);
        let request = request.map_err(|error| CodeSourceError::Unreachable(told(error)))?;
        let exchange = exchange(&asked.endpoint, asked.tls.as_ref(), request).await;
        let mut exchange = exchange.map_err(CodeSourceError::Unreachable)?;
        let status = exchange.response.status();
        if status != StatusCode::OK {
            let mut body = Vec::new();
            // A part of an error says as much as the whole.
            let _ = read(exchange.response.body_mut(), MAX_ERROR_BYTES, |data| body.extend_from_slice(data))
                .await;
            return Err(refusal(status, &body));
        }
        let length = exchange.response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > max_bytes as u64) {
            return Err(CodeSourceError::TooLarge { max_bytes });
        }
        let mut bytes = BytesMut::new();
        read(exchange.response.body_mut(), max_bytes, |data| bytes.extend_from_slice(data)).await?;
        Ok(bytes.freeze())
    }
}

/// Hands on a body as it comes. What is over the bound is neither handed on nor waited for.
async fn read(
    body: &mut Incoming,
    max_bytes: usize,
    mut each: impl FnMut(&[u8]),
) -> Result<(), CodeSourceError> {
    let mut left = max_bytes;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CodeSourceError::Unreachable(told(error)))?;
        let Some(data) = frame.data_ref() else { continue };
        left = left.checked_sub(data.len()).ok_or(CodeSourceError::TooLarge { max_bytes })?;
        each(data);
    }
    Ok(())
}

#[async_trait]
impl CodeSource for S3Source {
    async fn fetch(
        &self,
        object: &S3Object,
        region: &Region,
        max_bytes: usize,
        within: Duration,
    ) -> Result<Bytes, CodeSourceError> {
        let asked = self.asked.as_ref().ok_or(CodeSourceError::NotConfigured)?;
        let fetched = tokio::time::timeout(within, self.get(asked, object, region, max_bytes)).await;
        fetched.unwrap_or(Err(CodeSourceError::TimedOut(within)))
    }
}
