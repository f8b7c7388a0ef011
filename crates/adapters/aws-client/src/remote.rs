//! Requests to a service elsewhere: signed, over connections that are kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lambent_kit::clock::Clock;
use lambent_kit::sigv4::{self, Credentials, PathStyle, Scope, SignedRequest};
use lambent_kit::utc;
use lambent_ports::aws_client::{AwsClient, ServiceRequest, Unreachable};

use crate::endpoint::Endpoint;
use crate::trust::{told, trust};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept without a request. AWS closes after 20 s; one that was closed meanwhile is not used.
const KEPT: Duration = Duration::from_secs(15);
/// Largest answer: room for ten messages of the largest size, in any escaping.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A service's endpoint, and as whom it is asked.
#[derive(Clone, Debug)]
pub struct Remote {
    /// `http://…` or `https://…`.
    pub endpoint: Endpoint,
    /// Without them requests are not signed.
    pub credentials: Option<Credentials>,
    /// PEM file of the certificate authorities to trust instead of the host's.
    pub ca_bundle: Option<PathBuf>,
}

/// Settings that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RemoteError(String);

/// One service, wherever it is.
pub struct RemoteClient {
    remote: Remote,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    clock: Arc<dyn Clock>,
}

impl RemoteClient {
    /// Looks at the settings; connects to nothing.
    pub fn new(remote: Remote, clock: Arc<dyn Clock>) -> Result<Self, RemoteError> {
        let tls = match (remote.endpoint.tls, &remote.ca_bundle) {
            (true, bundle) => trust(bundle.as_deref()).map_err(RemoteError)?,
            // Never asked for a certificate.
            (false, _) => Arc::new(nobody()?),
        };
        let client = client(&tls);
        Ok(RemoteClient { remote, client, clock })
    }

    fn request(&self, asked: ServiceRequest) -> Result<Request<Full<Bytes>>, String> {
        let endpoint = &self.remote.endpoint;
        let scheme = if endpoint.tls { "https" } else { "http" };
        let target = format!("{}{}", endpoint.base, asked.target);
        let mut headers = asked.headers;
        let text = |value: &str| HeaderValue::from_str(value).map_err(told);
        headers.insert(HOST, text(&endpoint.authority)?);
        let amz_date = utc::amz_date(self.clock.now_ms());
        headers.insert(HeaderName::from_static("x-amz-date"), text(&amz_date)?);
        let payload_hash = sigv4::sha256_hex(&asked.body);
        headers.insert(HeaderName::from_static("x-amz-content-sha256"), text(&payload_hash)?);
        if let Some(credentials) = &self.remote.credentials {
            // Of whoever has signed before, if anybody.
            headers.remove("x-amz-security-token");
            headers.remove(AUTHORIZATION);
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let style = if asked.service == "s3" { PathStyle::AsIs } else { PathStyle::Normalised };
            let pairs =
                headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let signed = SignedRequest {
                method: asked.method.as_str(),
                path: sigv4::canonical_path(path, style),
                query: sigv4::canonical_query(query, None),
                headers: sigv4::canonical_headers(pairs),
                payload_hash: &payload_hash,
            };
            let region = asked.scope.region.as_str();
            let scope = Scope { amz_date: &amz_date, region, service: asked.service };
            let authorization = text(&sigv4::authorization(credentials, &scope, &signed))?;
            headers.insert(AUTHORIZATION, authorization);
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("lambent/", env!("CARGO_PKG_VERSION"))));
        let uri = format!("{scheme}://{}{target}", endpoint.authority);
        let mut request =
            Request::builder().method(asked.method).uri(uri).body(Full::new(asked.body)).map_err(told)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A client with connections of its own.
pub(crate) fn client(tls: &rustls::ClientConfig) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut http = HttpConnector::new();
    http.set_connect_timeout(Some(CONNECT));
    http.set_nodelay(true);
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .build(connector)
}

pub(crate) fn nobody() -> Result<rustls::ClientConfig, RemoteError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| RemoteError(error.to_string()))?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

#[async_trait]
impl AwsClient for RemoteClient {
    async fn call(&self, asked: ServiceRequest) -> Result<Response<Bytes>, Unreachable> {
        let service = asked.service;
        let at = |reason: String| {
            Unreachable(format!("{service} at {}: {reason}", self.remote.endpoint.authority))
        };
        let request = self.request(asked).map_err(at)?;
        let answer = self.client.request(request).await.map_err(|error| at(told(error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| at(error.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use lambent_domain::{AccountId, Region};
    use lambent_kit::clock::SystemClock;
    use lambent_ports::aws_client::Principal;

    use super::*;

    fn remote(url: &str, credentials: Option<Credentials>) -> RemoteClient {
        let remote = Remote { endpoint: Endpoint::parse(url).unwrap(), credentials, ca_bundle: None };
        RemoteClient::new(remote, Arc::new(SystemClock)).unwrap()
    }

    fn asked() -> ServiceRequest {
        let scope = lambent_domain::Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        };
        let principal = Principal::Role("arn:aws:iam::123456789012:role/r".into());
        ServiceRequest::json("sqs", "1.0", "AmazonSQS.ListQueues", scope, principal, "{}")
    }

    #[tokio::test]
    async fn a_request_arrives_signed_for_its_service_and_region() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let told = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
                let seen = format!("{} {} {}", request.uri(), told("x-amz-target"), told("authorization"));
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(seen))))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
        let credentials = Credentials { access_key_id: "AKIA".into(), secret_access_key: "secret".into() };
        let client = remote(&url, Some(credentials));
        // Both over the one connection there is.
        for _ in 0..2 {
            let seen = client.call(asked()).await.unwrap();
            let seen = String::from_utf8(seen.body().to_vec()).unwrap();
            assert!(
                seen.starts_with("/base/ AmazonSQS.ListQueues AWS4-HMAC-SHA256 Credential=AKIA/"),
                "{seen}"
            );
            assert!(seen.contains("/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;"), "{seen}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = remote(&format!("http://{address}"), None).call(asked()).await.unwrap_err();
        assert!(error.0.starts_with(&format!("sqs at {address}: ")), "{error}");
    }
}
