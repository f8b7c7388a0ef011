//! Packages: zips among the blobs, trees beside them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::{CodeRef, CodeSha256};
use lambent_ports::blob::{BlobError, BlobStore};
use lambent_ports::code::{CodeError, CodeStore};
use sha2::{Digest, Sha256};

use crate::blobs::{FsBlobs, blocking, sync_dir, temporary_name};
use crate::{inspect, unpack};

/// Packages below a data directory: zips in `blobs/`, trees in `code/`.
pub struct FsCode {
    blobs: FsBlobs,
    trees: PathBuf,
    /// One lock per package that is being unpacked: two callers do the work once.
    unpacking: Mutex<HashMap<CodeSha256, Arc<tokio::sync::Mutex<()>>>>,
}

impl FsCode {
    /// Opens or makes the directories and removes what a crash left half-unpacked.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let trees = data_dir.join("code");
        let incoming = trees.join("incoming");
        if incoming.exists() {
            std::fs::remove_dir_all(&incoming)?;
        }
        std::fs::create_dir_all(&incoming)?;
        let blobs = FsBlobs::open(&data_dir.join("blobs"))?;
        Ok(FsCode { blobs, trees: trees.canonicalize()?, unpacking: Mutex::default() })
    }

    fn lock(&self, sha256: CodeSha256) -> Arc<tokio::sync::Mutex<()>> {
        let mut unpacking = self.unpacking.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        unpacking.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(unpacking.entry(sha256).or_default())
    }
}

fn code_ref(zip: &Bytes) -> CodeRef {
    CodeRef { sha256: CodeSha256(Sha256::digest(zip).into()), size_bytes: zip.len() as u64 }
}

fn unpack_new(trees: &Path, tree: &Path, sha256: CodeSha256, zip: &Bytes) -> Result<(), CodeError> {
    let (mut archive, entries) = inspect::entries(zip)?;
    let temporary = trees.join("incoming").join(temporary_name(&sha256));
    std::fs::create_dir(&temporary).map_err(BlobError::Io)?;
    let done = unpack::unpack(&mut archive, &entries, &temporary)
        .and_then(|()| std::fs::rename(&temporary, tree).map_err(|error| BlobError::Io(error).into()));
    if done.is_err() {
        let _ = std::fs::remove_dir_all(&temporary);
        return done;
    }
    sync_dir(trees).map_err(|error| BlobError::Io(error).into())
}

#[async_trait]
impl CodeStore for FsCode {
    async fn check(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        blocking(move || {
            let (mut archive, entries) = inspect::entries(&zip)?;
            inspect::check_contents(&mut archive, &entries)?;
            Ok(code_ref(&zip))
        })
        .await
    }

    async fn put(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        let size_bytes = zip.len() as u64;
        Ok(CodeRef { sha256: self.blobs.put(zip).await?, size_bytes })
    }

    async fn zip(&self, sha256: CodeSha256) -> Result<Option<Bytes>, CodeError> {
        Ok(self.blobs.get(sha256).await?)
    }

    async fn unpacked(&self, sha256: CodeSha256) -> Result<PathBuf, CodeError> {
        let tree = self.trees.join(sha256.to_hex());
        // A tree that has its name is whole. One stat: cheap enough for a cold start.
        if tree.is_dir() {
            return Ok(tree);
        }
        let lock = self.lock(sha256);
        let turn = lock.lock_owned().await;
        if tree.is_dir() {
            return Ok(tree);
        }
        let zip = self.blobs.get(sha256).await?.ok_or_else(|| {
            CodeError::Blob(BlobError::Io(io::Error::new(
                io::ErrorKind::NotFound,
                "the package is not stored",
            )))
        })?;
        let (trees, made) = (self.trees.clone(), tree.clone());
        blocking(move || {
            // Held by the work, not by who asked for it: a caller that gives up does not let a second one begin.
            let _turn = turn;
            unpack_new(&trees, &made, sha256, &zip)
        })
        .await?;
        Ok(tree)
    }

    async fn sweep(&self, keep: &[CodeSha256]) -> Result<(), CodeError> {
        for sha256 in self.blobs.list().await? {
            if !keep.contains(&sha256) {
                self.blobs.delete(sha256).await?;
            }
        }
        let (trees, keep) = (self.trees.clone(), keep.to_vec());
        blocking(move || {
            for entry in std::fs::read_dir(&trees).map_err(BlobError::Io)? {
                let entry = entry.map_err(BlobError::Io)?;
                let sha256 = entry.file_name().to_str().and_then(CodeSha256::from_hex);
                if let Some(sha256) = sha256.filter(|sha256| !keep.contains(sha256)) {
                    // Out of its name first: a crash half-way must not leave a part that looks whole.
                    let leaving = trees.join("incoming").join(temporary_name(&sha256));
                    std::fs::rename(entry.path(), &leaving).map_err(BlobError::Io)?;
                    std::fs::remove_dir_all(leaving).map_err(BlobError::Io)?;
                }
            }
            Ok(())
        })
        .await
    }
}
