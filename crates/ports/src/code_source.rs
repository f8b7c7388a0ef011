//! Where packages come from that are not in a request: objects of S3 or of what speaks its protocol.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::Region;

use crate::access::Authority;

/// A package in S3, as CreateFunction, UpdateFunctionCode and PublishLayerVersion name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Object {
    /// `S3Bucket`.
    pub bucket: String,
    /// `S3Key`.
    pub key: String,
    /// `S3ObjectVersion`; without it the current one.
    pub version: Option<String>,
    /// Who wants it, where that is checked.
    pub asker: Option<Authority>,
}

/// Why an object was not fetched. `control` gives each AWS's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeSourceError {
    /// Nobody has said which S3 to ask.
    #[error("code from S3 needs the option --s3-endpoint")]
    NotConfigured,
    /// The object has more bytes than were asked for at most.
    #[error("the object has more than {max_bytes} bytes")]
    TooLarge {
        /// The bound that was given.
        max_bytes: usize,
    },
    /// S3's own answer, such as `NoSuchKey` and `The specified key does not exist.`
    #[error("{code}: {message}")]
    Refused {
        /// `Code` of S3's error; the HTTP status when the answer had none.
        code: String,
        /// `Message` of S3's error.
        message: String,
    },
    /// It took longer than it may. The object may be there.
    #[error("S3 did not answer within {0:?}")]
    TimedOut(Duration),
    /// No connection, no TLS, or not HTTP; the text says which. The object may be there.
    #[error("S3 can't be reached: {0}")]
    Unreachable(String),
}

impl CodeSourceError {
    /// The same request may succeed later.
    pub fn may_be_retried(&self) -> bool {
        match self {
            CodeSourceError::NotConfigured | CodeSourceError::TooLarge { .. } => false,
            CodeSourceError::Refused { code, .. } => {
                matches!(
                    code.as_str(),
                    "SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout"
                )
            }
            CodeSourceError::TimedOut(_) | CodeSourceError::Unreachable(_) => true,
        }
    }
}

/// Fetches packages.
#[async_trait]
pub trait CodeSource: Send + Sync {
    /// The object's bytes: at most `max_bytes` of them, and within a time, from connecting to the last byte. `region` is
    /// the request's; what is configured goes before it.
    async fn fetch(
        &self,
        object: &S3Object,
        region: &Region,
        max_bytes: usize,
        within: Duration,
    ) -> Result<Bytes, CodeSourceError>;
}
