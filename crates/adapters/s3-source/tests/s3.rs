//! Against a real HTTP server that checks what it gets as S3 does.
#![allow(missing_docs, clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use lambent_domain::Region;
use lambent_kit::clock::TestClock;
use lambent_kit::sigv4::{self, Credentials, PathStyle, Scope, SignedRequest};
use lambent_ports::code_source::{CodeSource, CodeSourceError, S3Object};
use lambent_s3_source::{S3Options, S3OptionsError, S3Source};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// 2013-05-24T00:00:00Z.
const NOW_MS: u64 = 1_369_353_600_000;

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
    }
}

/// What the server sends.
enum Sent {
    Whole(Option<Bytes>),
    /// Without an end.
    Endless,
    /// These bytes, and never another.
    Stalls(Option<Bytes>),
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Sent::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Sent::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 16 * 1024]))))),
            Sent::Stalls(bytes) => match bytes.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Poll::Pending,
            },
        }
    }
}

fn whole(status: u16, body: impl Into<Bytes>) -> Response<Sent> {
    Response::builder().status(status).body(Sent::Whole(Some(body.into()))).unwrap()
}

fn error(status: u16, code: &str, message: &str) -> Response<Sent> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>"
    );
    whole(status, xml)
}

/// Signs what arrived with the server's own copy of the secret, and compares.
fn signature_is_right(request: &Request<Incoming>, region: &str) -> bool {
    let header = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
    let headers = request.headers();
    let amz_date = header(headers, "x-amz-date");
    let payload_hash = header(headers, "x-amz-content-sha256");
    let signed = ["host", "x-amz-content-sha256", "x-amz-date"].map(|name| (name, header(headers, name)));
    let expected = sigv4::authorization(
        &credentials(),
        &Scope { amz_date: &amz_date, region, service: "s3" },
        &SignedRequest {
            method: request.method().as_str(),
            path: sigv4::canonical_path(request.uri().path(), PathStyle::AsIs),
            query: sigv4::canonical_query(request.uri().query().unwrap_or_default(), None),
            headers: sigv4::canonical_headers(signed.iter().map(|(name, value)| (*name, value.as_str()))),
            payload_hash: &payload_hash,
        },
    );
    amz_date == "20130524T000000Z"
        && headers.get("authorization").is_some_and(|found| found.to_str().unwrap() == expected)
}

fn answer(request: &Request<Incoming>) -> Response<Sent> {
    let (path, query) = (request.uri().path(), request.uri().query());
    if path.starts_with("/public/") {
        assert!(!request.headers().contains_key("authorization"));
        return whole(200, "for everybody");
    }
    let region = if path.starts_with("/elsewhere/") { "eu-west-1" } else { "us-east-1" };
    if !signature_is_right(request, region) {
        return error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.");
    }
    match (path, query) {
        ("/code/function.zip", None) => whole(200, "the current one"),
        ("/code/function.zip", Some("versionId=v%2F1%3D")) => whole(200, "an older one"),
        ("/code/a//../%C3%A9%20%2B%25%26%3F.zip", None) => whole(200, "oddly named"),
        ("/elsewhere/function.zip", None) => whole(200, "from another region"),
        ("/code/declared", None) => {
            let mut response = whole(200, vec![b'x'; 2_000]);
            response.headers_mut().insert("content-length", 2_000.into());
            response
        }
        ("/code/endless", None) => Response::new(Sent::Endless),
        ("/code/stalls", None) => Response::new(Sent::Stalls(Some(Bytes::from_static(b"PK")))),
        ("/code/cut", None) => {
            let mut response = whole(200, "half");
            response.headers_mut().insert("content-length", 8.into());
            response
        }
        ("/code/silent", None) => {
            let mut response = whole(200, "");
            response.extensions_mut().insert(NeverAnswered);
            response
        }
        ("/code/endless-error", None) => {
            let mut response = Response::new(Sent::Endless);
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        (path, _) if path.starts_with("/code/") => {
            error(404, "NoSuchKey", "The specified key does not exist.")
        }
        _ => error(404, "NoSuchBucket", "The specified bucket does not exist"),
    }
}

#[derive(Clone)]
struct NeverAnswered;

async fn respond(request: Request<Incoming>) -> Result<Response<Sent>, Infallible> {
    let response = answer(&request);
    if response.extensions().get::<NeverAnswered>().is_some() {
        std::future::pending::<()>().await;
    }
    Ok(response)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = hyper::service::service_fn(respond);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A server on a free port; tells of every connection's end.
struct Server {
    address: SocketAddr,
    ended: mpsc::UnboundedReceiver<()>,
}

impl Server {
    async fn start<F: Future<Output = ()> + Send + 'static>(
        each: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, ended) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (work, tell) = (each(stream), tell.clone());
                tokio::spawn(async move {
                    work.await;
                    let _ = tell.send(());
                });
            }
        });
        Server { address, ended }
    }

    async fn plain() -> Self {
        Self::start(serve).await
    }

    fn options(&self) -> S3Options {
        S3Options {
            endpoint: Some(format!("http://{}", self.address)),
            credentials: Some(credentials()),
            ..S3Options::default()
        }
    }
}

fn source(options: S3Options) -> S3Source {
    S3Source::new(options, Arc::new(TestClock::at(NOW_MS))).unwrap()
}

fn object(bucket: &str, key: &str) -> S3Object {
    S3Object { bucket: bucket.into(), key: key.into(), version: None, asker: None }
}

async fn fetch(source: &S3Source, object: &S3Object) -> Result<Bytes, CodeSourceError> {
    source.fetch(object, &Region::parse("us-east-1").unwrap(), 1_000, PATIENCE).await
}

#[tokio::test]
async fn objects_and_their_versions_are_fetched_with_a_signature() {
    let server = Server::plain().await;
    let source = source(server.options());
    let current = object("code", "function.zip");
    assert_eq!(fetch(&source, &current).await.unwrap(), "the current one");
    let older = S3Object { version: Some("v/1=".into()), ..current };
    assert_eq!(fetch(&source, &older).await.unwrap(), "an older one");
    // S3's keys are no paths.
    assert_eq!(fetch(&source, &object("code", "a//../é +%&?.zip")).await.unwrap(), "oddly named");
}

#[tokio::test]
async fn the_region_is_the_requests_unless_one_is_configured() {
    let server = Server::plain().await;
    let from_request = source(server.options());
    let elsewhere = object("elsewhere", "function.zip");
    let ireland = Region::parse("eu-west-1").unwrap();
    let fetched = from_request.fetch(&elsewhere, &ireland, 1_000, PATIENCE).await;
    assert_eq!(fetched.unwrap(), "from another region");
    assert!(matches!(fetch(&from_request, &elsewhere).await, Err(CodeSourceError::Refused { .. })));
    let configured = source(S3Options { region: Some(ireland), ..server.options() });
    assert_eq!(fetch(&configured, &elsewhere).await.unwrap(), "from another region");
}

#[tokio::test]
async fn s3s_refusals_come_in_its_own_words() {
    let server = Server::plain().await;
    let refused = |code: &str, message: &str| {
        Err(CodeSourceError::Refused { code: code.into(), message: message.into() })
    };
    let right = source(server.options());
    let no_key = fetch(&right, &object("code", "missing.zip")).await;
    assert_eq!(no_key, refused("NoSuchKey", "The specified key does not exist."));
    let no_bucket = fetch(&right, &object("missing", "function.zip")).await;
    assert_eq!(no_bucket, refused("NoSuchBucket", "The specified bucket does not exist"));
    assert!(!no_bucket.unwrap_err().may_be_retried());
    let wrong = Credentials { secret_access_key: "another".into(), ..credentials() };
    let wrong = source(S3Options { credentials: Some(wrong), ..server.options() });
    let denied = fetch(&wrong, &object("code", "function.zip")).await;
    assert!(
        matches!(&denied, Err(CodeSourceError::Refused { code, .. }) if code == "SignatureDoesNotMatch"),
        "{denied:?}"
    );
    // What can't be read whole is told by its status.
    let endless = fetch(&right, &object("code", "endless-error")).await;
    assert_eq!(endless, refused("500", "Internal Server Error"));
}

#[tokio::test]
async fn without_credentials_nothing_is_signed() {
    let server = Server::plain().await;
    let source = source(S3Options { credentials: None, ..server.options() });
    assert_eq!(fetch(&source, &object("public", "function.zip")).await.unwrap(), "for everybody");
}

#[tokio::test]
async fn what_is_larger_than_wanted_is_not_read() {
    let mut server = Server::plain().await;
    let source = source(server.options());
    for key in ["declared", "endless"] {
        let fetched = fetch(&source, &object("code", key)).await;
        assert_eq!(fetched, Err(CodeSourceError::TooLarge { max_bytes: 1_000 }), "{key}");
        // Nor is the rest left to arrive.
        tokio::time::timeout(PATIENCE, server.ended.recv()).await.unwrap().unwrap();
    }
    let region = Region::parse("us-east-1").unwrap();
    let exactly = source.fetch(&object("code", "declared"), &region, 2_000, PATIENCE).await;
    assert_eq!(exactly.unwrap().len(), 2_000);
}

#[tokio::test]
async fn a_server_that_says_nothing_more_is_given_up() {
    let mut server = Server::plain().await;
    let source = source(server.options());
    let region = Region::parse("us-east-1").unwrap();
    let within = Duration::from_millis(200);
    for key in ["stalls", "silent"] {
        let fetched = source.fetch(&object("code", key), &region, 1_000, within).await;
        assert_eq!(fetched, Err(CodeSourceError::TimedOut(within)), "{key}");
        tokio::time::timeout(PATIENCE, server.ended.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn half_an_object_is_none() {
    let server = Server::plain().await;
    let fetched = fetch(&source(server.options()), &object("code", "cut")).await;
    assert!(
        matches!(&fetched, Err(error @ CodeSourceError::Unreachable(_)) if error.may_be_retried()),
        "{fetched:?}"
    );
}

#[tokio::test]
async fn who_does_not_listen_or_does_not_speak_http_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let options = S3Options { endpoint: Some(format!("http://{closed}")), ..S3Options::default() };
    let fetched = fetch(&source(options), &object("code", "function.zip")).await;
    assert!(
        matches!(&fetched, Err(CodeSourceError::Unreachable(text)) if text.to_lowercase().contains("refused")),
        "{fetched:?}"
    );
    let server = Server::start(|mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 smtp\r\n").await;
    })
    .await;
    let fetched = fetch(&source(server.options()), &object("code", "function.zip")).await;
    assert!(matches!(&fetched, Err(CodeSourceError::Unreachable(_))), "{fetched:?}");
}

#[tokio::test]
async fn without_an_endpoint_the_option_is_named() {
    let fetched = fetch(&source(S3Options::default()), &object("code", "function.zip")).await;
    assert_eq!(fetched, Err(CodeSourceError::NotConfigured));
    assert!(fetched.unwrap_err().to_string().contains("--s3-endpoint"));
    let wrong = S3Options { endpoint: Some("localhost:9000".into()), ..S3Options::default() };
    let refused = S3Source::new(wrong, Arc::new(TestClock::at(NOW_MS))).err().unwrap();
    assert!(matches!(refused, S3OptionsError::Endpoint(_)));
}

struct Certificate {
    acceptor: tokio_rustls::TlsAcceptor,
    pem: String,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Certificate { acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(config)), pem: made.cert.pem() }
}

#[tokio::test]
async fn https_is_spoken_with_whom_the_bundle_names_and_with_nobody_else() {
    let certificate = certificate();
    let acceptor = certificate.acceptor;
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let (trusted, other) = (dir.path().join("trusted.pem"), dir.path().join("other.pem"));
    std::fs::write(&trusted, certificate.pem).unwrap();
    std::fs::write(&other, self::certificate().pem).unwrap();
    let options = |bundle: &std::path::Path, host: &str| S3Options {
        endpoint: Some(format!("https://{host}:{}", server.address.port())),
        ca_bundle: Some(bundle.to_owned()),
        ..server.options()
    };
    let wanted = object("code", "function.zip");
    assert_eq!(fetch(&source(options(&trusted, "localhost")), &wanted).await.unwrap(), "the current one");
    for (bundle, host) in [(&other, "localhost"), (&trusted, "127.0.0.1")] {
        let fetched = fetch(&source(options(bundle, host)), &wanted).await;
        assert!(
            matches!(&fetched, Err(CodeSourceError::Unreachable(text)) if text.contains("certificate")),
            "{fetched:?}"
        );
    }
    std::fs::write(&other, "no certificate").unwrap();
    let refused = S3Source::new(options(&other, "localhost"), Arc::new(TestClock::at(NOW_MS))).err().unwrap();
    assert!(matches!(refused, S3OptionsError::Trust(_)));
}
