//! One connection for one request: a package is fetched when a function changes, which is rare.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lambent_aws_client::{Endpoint, told};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Most bytes of a response's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

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
