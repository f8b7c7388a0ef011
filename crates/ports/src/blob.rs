//! Immutable bytes by their SHA-256.

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::CodeSha256;

/// Why a blob operation failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk is full. Nothing was stored.
    #[error("no space left for a blob of {bytes} bytes")]
    NoSpace {
        /// Size of what did not fit.
        bytes: u64,
    },
    /// Anything else the disk says. Nothing was stored.
    #[error("blob storage: {0}")]
    Io(#[from] std::io::Error),
}

/// Write once, read many, delete when unreferenced.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Stores bytes durably: on disk (fsync of file and directory) before it returns. Idempotent.
    async fn put(&self, bytes: Bytes) -> Result<CodeSha256, BlobError>;

    /// The bytes, or `None`.
    async fn get(&self, sha256: CodeSha256) -> Result<Option<Bytes>, BlobError>;

    /// Deletes; a missing blob is no error.
    async fn delete(&self, sha256: CodeSha256) -> Result<(), BlobError>;

    /// Every blob there is: for the sweep of unreferenced ones after a crash.
    async fn list(&self) -> Result<Vec<CodeSha256>, BlobError>;
}
