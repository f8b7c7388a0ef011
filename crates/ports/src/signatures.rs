//! Who has signed a package.

use async_trait::async_trait;
use bytes::Bytes;

use crate::code::CodeError;

/// What a package says of its publisher, as far as it could be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// There is none.
    Missing,
    /// By a signing profile version that nobody has given a key for: it can't be verified.
    Unknown {
        /// The profile version's ARN, as the package claims.
        profile_version_arn: String,
    },
    /// There is one, and it is not of this content: the text says why, for the log.
    Broken(String),
    /// Verified.
    By {
        /// The profile version's ARN.
        profile_version_arn: String,
    },
}

impl Signature {
    /// The profile version that has verifiably signed.
    pub fn signer(&self) -> Option<&str> {
        match self {
            Signature::By { profile_version_arn } => Some(profile_version_arn),
            _ => None,
        }
    }
}

/// Verifies packages.
#[async_trait]
pub trait Signatures: Send + Sync {
    /// Reads a package that [`crate::code::CodeStore::check`] has found good.
    async fn signature(&self, zip: Bytes) -> Result<Signature, CodeError>;
}
