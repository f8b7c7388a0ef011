//! One connection for one request: a package is fetched when a function changes, which is rare.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::endpoint::Endpoint;

/// Most bytes of a response's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Whom TLS trusts: the certificates of a PEM file, else the host's.
pub(crate) fn trust(ca_bundle: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca_bundle {
        Some(file) => {
            let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
                let certificate = certificate.map_err(|error| named(&error))?;
                roots.add(certificate).map_err(|error| named(&error))?;
            }
            if roots.is_empty() {
                return Err(named(&"there is no certificate in it"));
            }
        }
        None => {
            let (good, bad) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            tracing::debug!(good, bad, "the host's certificate authorities");
            if roots.is_empty() {
                return Err("this host has no certificate authorities (package ca-certificates)".into());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Answers of one request, and the connection that they come over. Dropping it closes the connection.
pub(crate) struct Exchange {
    pub(crate) response: Response<Incoming>,
    _connection: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects, sends, and waits for the answer's head.
pub(crate) async fn exchange(
    endpoint: &Endpoint,
    tls: Option<&Arc<ClientConfig>>,
    request: Request<Empty<Bytes>>,
) -> Result<Exchange, String> {
    let stream = connect(endpoint, tls).await?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(told)?;
    let connection = AbortOnDrop(tokio::spawn(async move {
        // What goes wrong with it shows in the answer.
        let _ = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(told)?;
    Ok(Exchange { response, _connection: connection })
}

async fn connect(endpoint: &Endpoint, tls: Option<&Arc<ClientConfig>>) -> Result<Box<dyn Stream>, String> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(told)?;
    tcp.set_nodelay(true).map_err(told)?;
    let Some(tls) = tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(endpoint.host.clone()).map_err(told)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(told)?;
    Ok(Box::new(stream))
}

/// An error with what it was caused by.
pub(crate) fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
