//! Requests to endpoints that are no AWS services: not signed, over connections that are kept.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use lambent_ports::http_post::{HttpPost, NoAnswer};

use crate::remote::client;
use crate::trust::{told, trust};

type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Sends to any URL. The host's certificate authorities are read when the first one is sent.
#[derive(Default)]
pub struct HttpPoster {
    pool: OnceLock<Result<Pool, String>>,
}

impl HttpPoster {
    fn pool(&self) -> Result<&Pool, NoAnswer> {
        let made = self.pool.get_or_init(|| match trust(None) {
            Ok(tls) => Ok(client(&tls)),
            // Enough for http; no https endpoint is trusted.
            Err(reason) => {
                tracing::warn!(reason, "no https endpoint can be notified");
                crate::remote::nobody().map(|tls| client(&tls)).map_err(|error| error.to_string())
            }
        });
        made.as_ref().map_err(|reason| NoAnswer(reason.clone()))
    }
}

#[async_trait]
impl HttpPost for HttpPoster {
    async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<StatusCode, NoAnswer> {
        let request = Request::builder().method(Method::POST).uri(url).body(Full::new(body));
        let mut request = request.map_err(|error| NoAnswer(error.to_string()))?;
        *request.headers_mut() = headers;
        let answer = tokio::time::timeout(within, self.pool()?.request(request)).await;
        let answer = answer.map_err(|_| NoAnswer(format!("no answer within {within:?}")))?;
        answer.map(|answer| answer.status()).map_err(|error| NoAnswer(told(error)))
    }
}
