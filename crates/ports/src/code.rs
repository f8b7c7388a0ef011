//! Deployment packages: checked before anything is stored, unpacked before they run.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::{CodeRef, CodeSha256};

use crate::blob::BlobError;

/// Why a package is refused. `control` gives each AWS's text.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Not a readable zip; or an entry that no honest zip has: absolute path, `..`, a link out of the tree, a device,
    /// a name that is both file and directory.
    #[error("not a usable zip: {0}")]
    Unreadable(String),
    /// A zip without entries, or zero bytes.
    #[error("the package is empty")]
    Empty,
    /// Over [`lambent_domain::limits::MAX_UNZIPPED_BYTES`], by declared or by actual size.
    #[error("the package unpacks to more than the limit")]
    TooLargeUnpacked,
    /// Over [`lambent_domain::limits::MAX_ZIP_BYTES`], which holds for zips inside a request. A store takes larger ones:
    /// from S3, only the unpacked size counts.
    #[error("the zip is larger than the limit")]
    TooLargeZipped,
    /// Storage failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Packages by the SHA-256 of their zip.
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// Reads the whole zip without writing anything: structure, paths, links, sizes as they really unpack, CRCs.
    async fn check(&self, zip: Bytes) -> Result<CodeRef, CodeError>;

    /// Stores a checked zip durably. Idempotent.
    async fn put(&self, zip: Bytes) -> Result<CodeRef, CodeError>;

    /// The zip's bytes, for downloads.
    async fn zip(&self, sha256: CodeSha256) -> Result<Option<Bytes>, CodeError>;

    /// Unpacks if need be and returns the directory, complete and read-only in intent. Atomic: a crash half-way
    /// leaves nothing that a later call would mistake for a whole tree. Files keep their executable bits; everything
    /// is readable by any user, directories are searchable.
    async fn unpacked(&self, sha256: CodeSha256) -> Result<PathBuf, CodeError>;

    /// One directory with the contents of several packages, laid over each other in this order: of two files of one
    /// path the later stays, directories merge, and where one is a directory and the other is not, the later stays
    /// whole. As complete, atomic and readable as [`CodeStore::unpacked`], and made once for a list. Of one package it
    /// is that package's own tree; of none, an empty directory.
    ///
    /// A link that leads out of the merged tree, though it did not lead out of its own package's, is left out.
    async fn merged(&self, layers: &[CodeSha256]) -> Result<PathBuf, CodeError>;

    /// Drops zips and trees that are not in `keep`, and merged trees that are not in `keep_merged`. The packages that
    /// `keep_merged` names are kept, too.
    async fn sweep(&self, keep: &[CodeSha256], keep_merged: &[Vec<CodeSha256>]) -> Result<(), CodeError>;
}

/// Makes download links for packages (`Code.Location`, `Content.Location`).
pub trait CodeLinks: Send + Sync {
    /// A URL below `base_url` from which the zip can be downloaded for ten minutes, without credentials.
    /// `name` is the function's or layer's own, for whoever reads the URL.
    fn link(&self, base_url: &str, name: &str, sha256: CodeSha256) -> String;
}
