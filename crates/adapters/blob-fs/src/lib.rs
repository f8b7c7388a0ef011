//! Blobs and deployment packages in the file system.
//!
//! Everything is written under a temporary name, brought to disk and renamed: what has its name is whole.

mod blobs;
mod inspect;
mod merge;
mod metered;
mod packages;
mod signatures;
mod tree;
mod unpack;

pub use blobs::FsBlobs;
pub use packages::FsCode;
pub use signatures::{PackageSignatures, ProfileKeys, SIGNATURE_ENTRY, SigningError, sign};

#[cfg(test)]
mod tests;
