//! The signer, made when it is first needed, and its certificate's URL.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use crate::signing::Signer;
use crate::{Sns, SnsFault};

impl Sns {
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, SnsFault> {
        let made = self.signer.get_or_try_init(|| async {
            let kept = match self.store().signing_key().await? {
                Some(kept) => kept,
                None => {
                    let new = blocking(Signer::generate).await?;
                    self.store().keep_signing_key(new).await?
                }
            };
            blocking(move || Signer::read(&kept)).await.map(Arc::new)
        });
        made.await.cloned()
    }

    /// Answers `GET /SimpleNotificationService-….pem`.
    pub(crate) async fn certificate(&self, path: &str) -> Response<Bytes> {
        let signer = self.signer().await;
        let mut response = match &signer {
            Ok(signer) if signer.certificate_path() == path => {
                Response::new(Bytes::copy_from_slice(signer.certificate().as_bytes()))
            }
            Ok(_) => with_status(StatusCode::NOT_FOUND, "There is no such certificate.\n"),
            Err(fault) => {
                tracing::error!(?fault, "the key for notifications is not there");
                with_status(StatusCode::INTERNAL_SERVER_ERROR, "The certificate could not be read.\n")
            }
        };
        let kind = HeaderValue::from_static("application/x-pem-file");
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        response
    }
}

fn with_status(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, SnsFault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SnsFault::Internal(error.to_string()))?.map_err(SnsFault::Internal)
}
