//! Lambent's own paths, all under `/_lambent/`, where no AWS path can be: health, metrics, downloads of packages.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use lambent_domain::CodeSha256;
use lambent_kit::clock::Clock;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::code::CodeStore;

use crate::code_links::CodeLinks;
use crate::metrics_page::MetricsPage;

/// Serves `/_lambent/…`.
pub(crate) struct OwnService {
    pub(crate) code: Arc<dyn CodeStore>,
    pub(crate) links: Arc<CodeLinks>,
    pub(crate) metrics: MetricsPage,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl ApiService for OwnService {
    fn signing_name(&self) -> &'static str {
        "_lambent"
    }

    async fn call(&self, request: ApiRequest) -> Response<Bytes> {
        let path = request.uri.path().trim_end_matches('/');
        match (request.method.as_str(), path) {
            ("GET", "/_lambent/health") => {
                answer(StatusCode::OK, "application/json", "{\"status\":\"ok\"}\n")
            }
            ("GET", "/_lambent/metrics") => answer(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                self.metrics.render(),
            ),
            ("GET", _) if path.starts_with("/_lambent/code/") => self.code(&request).await,
            _ => answer(StatusCode::NOT_FOUND, "text/plain", "There is nothing here.\n"),
        }
    }
}

impl OwnService {
    async fn code(&self, request: &ApiRequest) -> Response<Bytes> {
        let query = request.uri.query().unwrap_or_default();
        let Some(sha256) = self.links.verify(request.uri.path(), query, self.clock.now_ms()) else {
            return answer(StatusCode::FORBIDDEN, "text/plain", "The link is not valid, or no longer.\n");
        };
        match self.code.zip(sha256).await {
            Ok(Some(zip)) => {
                let mut response = Response::new(zip);
                let headers = response.headers_mut();
                headers.insert("content-type", http::HeaderValue::from_static("application/zip"));
                response
            }
            Ok(None) => answer(StatusCode::NOT_FOUND, "text/plain", "The package is gone.\n"),
            Err(error) => {
                tracing::error!(%error, "a package could not be read");
                answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "The package could not be read.\n")
            }
        }
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    response
}

/// So that the signer can be handed to the control plane.
impl lambent_ports::code::CodeLinks for CodeLinks {
    fn link(&self, base_url: &str, name: &str, sha256: CodeSha256) -> String {
        self.sign(base_url, name, sha256)
    }
}
