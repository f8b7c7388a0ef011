//! Reading request bodies: bounded in size, in time and in what all of them together may hold.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::Body;
use lambent_domain::limits::{
    MAX_CREATE_REQUEST_BYTES, MAX_EVENT_BYTES, MAX_INVOKE_ASYNC_BYTES, MAX_SYNC_REQUEST_BYTES,
};
use tokio::sync::Semaphore;

/// Largest body where an operation has no limit of its own: room for the largest PutLogEvents batch with escapes.
const MAX_OTHER_REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// How long a client may pause within a body.
const PAUSE: Duration = Duration::from_secs(30);
/// Bodies above this size share [`LARGE_BODIES_KIB`]; smaller ones are bounded by the number of connections.
const SMALL_BYTES: usize = 256 * 1024;
/// Memory for large bodies that are being read, all together, in KiB.
const LARGE_BODIES_KIB: usize = 512 * 1024;
/// A body over its limit is read on and thrown away up to this, so that the client gets to read the answer.
const MAX_DRAINED_BYTES: usize = 256 * 1024 * 1024;

pub(crate) enum ReadError {
    /// Over the limit.
    TooLarge,
    /// The client closed, paused too long, or broke the protocol.
    Gone,
}

/// The limit of an operation.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    operation: &'static str,
}

impl Limit {
    pub(crate) const INVOKE: Limit = Limit { bytes: MAX_SYNC_REQUEST_BYTES, operation: "InvokeFunction" };
    pub(crate) const EVENT: Limit = Limit { bytes: MAX_EVENT_BYTES, operation: "InvokeFunction" };
    pub(crate) const INVOKE_ASYNC: Limit = Limit { bytes: MAX_INVOKE_ASYNC_BYTES, operation: "InvokeAsync" };

    /// AWS's text (recorded for Invoke and CreateFunction).
    pub(crate) fn message(self) -> String {
        format!("Request must be smaller than {} bytes for the {} operation", self.bytes, self.operation)
    }
}

/// The limit that goes with a path.
pub(crate) fn limit(head: &Parts, service: &str) -> Limit {
    let path = head.uri.path().trim_end_matches('/');
    match (service, head.method.as_str()) {
        ("lambda", "POST") if path.ends_with("/functions") => {
            Limit { bytes: MAX_CREATE_REQUEST_BYTES, operation: "CreateFunction" }
        }
        ("lambda", "PUT") if path.ends_with("/code") => {
            Limit { bytes: MAX_CREATE_REQUEST_BYTES, operation: "UpdateFunctionCode" }
        }
        ("lambda", "POST") if path.starts_with("/2018-10-31/layers") => {
            Limit { bytes: MAX_CREATE_REQUEST_BYTES, operation: "PublishLayerVersion" }
        }
        _ => Limit { bytes: MAX_OTHER_REQUEST_BYTES, operation: "requested" },
    }
}

/// What all large bodies share.
pub(crate) struct Budget(Semaphore);

impl Default for Budget {
    fn default() -> Self {
        Budget(Semaphore::new(LARGE_BODIES_KIB))
    }
}

impl Budget {
    /// The whole body.
    pub(crate) async fn read(
        &self,
        head: &Parts,
        mut body: impl Body<Data = Bytes> + Unpin,
        limit: usize,
    ) -> Result<Bytes, ReadError> {
        let declared = head
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared == Some(0) {
            return Ok(Bytes::new());
        }
        if declared.is_some_and(|length| length > limit) {
            drain(&mut body, 0).await;
            return Err(ReadError::TooLarge);
        }
        let first = next(&mut body).await?.unwrap_or_default();
        // The usual case: the whole body in one frame, and no copy.
        if declared == Some(first.len()) {
            return Ok(first);
        }
        let mut reserved = None;
        let mut collected = BytesMut::with_capacity(first_capacity(declared, first.len()));
        let mut frame = Some(first);
        while let Some(bytes) = frame {
            if collected.len() + bytes.len() > limit {
                drain(&mut body, collected.len()).await;
                return Err(ReadError::TooLarge);
            }
            if reserved.is_none() && collected.len() + bytes.len() > SMALL_BYTES {
                let kib = declared.unwrap_or(limit).div_ceil(1024).min(LARGE_BODIES_KIB) as u32;
                reserved = Some(self.0.acquire_many(kib).await.map_err(|_| ReadError::Gone)?);
                collected.reserve(declared.unwrap_or(0).saturating_sub(collected.len()));
            }
            collected.extend_from_slice(&bytes);
            frame = next(&mut body).await?;
        }
        Ok(collected.freeze())
    }
}

/// Room for the first frame, and for the whole of a small body.
fn first_capacity(declared: Option<usize>, first: usize) -> usize {
    declared.unwrap_or(0).min(SMALL_BYTES).max(first)
}

async fn next(body: &mut (impl Body<Data = Bytes> + Unpin)) -> Result<Option<Bytes>, ReadError> {
    loop {
        match tokio::time::timeout(PAUSE, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) | Err(_) => return Err(ReadError::Gone),
        }
    }
}

async fn drain(body: &mut (impl Body<Data = Bytes> + Unpin), mut seen: usize) {
    while let Ok(Some(bytes)) = next(body).await {
        seen += bytes.len();
        if seen > MAX_DRAINED_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_frame_of_any_size_has_room() {
        assert_eq!(first_capacity(Some(2 * SMALL_BYTES), SMALL_BYTES + 1), SMALL_BYTES + 1);
        assert_eq!(first_capacity(Some(2 * SMALL_BYTES), 1), SMALL_BYTES);
        assert_eq!(first_capacity(Some(10), 4), 10);
        assert_eq!(first_capacity(None, 4), 4);
    }
}
