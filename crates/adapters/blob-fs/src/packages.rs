//! Packages: zips among the blobs, trees beside them.

use std::collections::{HashMap, HashSet};
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
use crate::inspect::{self, Inspected};
use crate::{merge, unpack};

/// Packages below a data directory: zips in `blobs/`, trees in `code/`, trees of several layers in `code/merged/`.
pub struct FsCode {
    blobs: FsBlobs,
    trees: PathBuf,
    merged: PathBuf,
    /// Where trees are until they are whole; on the file system of the others.
    incoming: PathBuf,
    /// One lock per tree that is being made: two callers do the work once.
    making: Mutex<HashMap<CodeSha256, Arc<tokio::sync::Mutex<()>>>>,
}

impl FsCode {
    /// Opens or makes the directories and removes what a crash left half-unpacked.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let trees = data_dir.join("code");
        std::fs::create_dir_all(trees.join("merged"))?;
        let trees = trees.canonicalize()?;
        let incoming = trees.join("incoming");
        if incoming.exists() {
            std::fs::remove_dir_all(&incoming)?;
        }
        std::fs::create_dir_all(&incoming)?;
        let blobs = FsBlobs::open(&data_dir.join("blobs"))?;
        Ok(FsCode { blobs, merged: trees.join("merged"), trees, incoming, making: Mutex::default() })
    }

    fn lock(&self, tree: CodeSha256) -> Arc<tokio::sync::Mutex<()>> {
        let mut making = self.making.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        making.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(making.entry(tree).or_default())
    }

    /// A tree by its hash, in `parent`: there already, or filled now, by one caller for all.
    async fn tree(
        &self,
        parent: &Path,
        hash: CodeSha256,
        fill: impl FnOnce(&Path) -> Result<(), CodeError> + Send + 'static,
    ) -> Result<PathBuf, CodeError> {
        let tree = parent.join(hash.to_hex());
        let turn = self.lock(hash).lock_owned().await;
        if tree.is_dir() {
            return Ok(tree);
        }
        let (temporary, made) = (self.incoming.join(temporary_name(&hash)), tree.clone());
        blocking(move || {
            // Held by the work, not by who asked for it: a caller that gives up does not let a second one begin.
            let _turn = turn;
            make(&temporary, &made, fill)
        })
        .await?;
        Ok(tree)
    }
}

fn make(
    temporary: &Path,
    tree: &Path,
    fill: impl FnOnce(&Path) -> Result<(), CodeError>,
) -> Result<(), CodeError> {
    std::fs::create_dir(temporary).map_err(BlobError::Io)?;
    let done = fill(temporary)
        .and_then(|()| std::fs::rename(temporary, tree).map_err(|error| BlobError::Io(error).into()));
    if done.is_err() {
        let _ = std::fs::remove_dir_all(temporary);
        return done;
    }
    let parent = tree.parent().unwrap_or(tree);
    sync_dir(parent).map_err(|error| BlobError::Io(error).into())
}

fn code_ref(zip: &Bytes, inspected: Inspected) -> CodeRef {
    CodeRef {
        sha256: CodeSha256(Sha256::digest(zip).into()),
        size_bytes: zip.len() as u64,
        unzipped_bytes: inspected.unzipped_bytes,
    }
}

/// Names a merged tree. Never a package's name: those hash zips.
fn list_hash(layers: &[CodeSha256]) -> CodeSha256 {
    let mut hash = Sha256::new();
    layers.iter().for_each(|layer| hash.update(layer.0));
    CodeSha256(hash.finalize().into())
}

/// Removes the trees of a directory that are not to be kept.
fn sweep_trees(dir: &Path, incoming: &Path, keep: &HashSet<CodeSha256>) -> Result<(), CodeError> {
    for entry in std::fs::read_dir(dir).map_err(BlobError::Io)? {
        let entry = entry.map_err(BlobError::Io)?;
        let hash = entry.file_name().to_str().and_then(CodeSha256::from_hex);
        if let Some(hash) = hash.filter(|hash| !keep.contains(hash)) {
            // Out of its name first: a crash half-way must not leave a part that looks whole.
            let leaving = incoming.join(temporary_name(&hash));
            std::fs::rename(entry.path(), &leaving).map_err(BlobError::Io)?;
            std::fs::remove_dir_all(leaving).map_err(BlobError::Io)?;
        }
    }
    Ok(())
}

#[async_trait]
impl CodeStore for FsCode {
    async fn check(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        blocking(move || {
            let (mut archive, entries) = inspect::entries(&zip)?;
            let inspected = inspect::check_contents(&mut archive, &entries)?;
            Ok(code_ref(&zip, inspected))
        })
        .await
    }

    async fn put(&self, zip: Bytes) -> Result<CodeRef, CodeError> {
        let checked = zip.clone();
        let code_ref = blocking(move || {
            let (_, entries) = inspect::entries(&checked)?;
            Ok::<_, CodeError>(code_ref(&checked, Inspected::declared(&entries)))
        })
        .await?;
        self.blobs.put(zip).await?;
        Ok(code_ref)
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
        let blobs = self.blobs.clone();
        let unpack = move |dir: &Path| {
            let zip = blobs.read(sha256)?.ok_or_else(|| {
                let missing = io::Error::new(io::ErrorKind::NotFound, "the package is not stored");
                CodeError::Blob(BlobError::Io(missing))
            })?;
            let (mut archive, entries) = inspect::entries(&zip)?;
            unpack::unpack(&mut archive, &entries, dir)
        };
        self.tree(&self.trees, sha256, unpack).await
    }

    async fn merged(&self, layers: &[CodeSha256]) -> Result<PathBuf, CodeError> {
        if let [only] = layers {
            return self.unpacked(*only).await;
        }
        let hash = list_hash(layers);
        let tree = self.merged.join(hash.to_hex());
        if tree.is_dir() {
            return Ok(tree);
        }
        let mut trees = Vec::with_capacity(layers.len());
        for layer in layers {
            trees.push(self.unpacked(*layer).await?);
        }
        self.tree(&self.merged, hash, move |dir| merge::merge(&trees, dir)).await
    }

    async fn sweep(&self, keep: &[CodeSha256], keep_merged: &[Vec<CodeSha256>]) -> Result<(), CodeError> {
        // A merged tree that is lost one day is made again from its packages.
        let keep: HashSet<CodeSha256> = keep.iter().chain(keep_merged.iter().flatten()).copied().collect();
        let keep_merged: HashSet<CodeSha256> = keep_merged.iter().map(|layers| list_hash(layers)).collect();
        for sha256 in self.blobs.list().await? {
            if !keep.contains(&sha256) {
                self.blobs.delete(sha256).await?;
            }
        }
        let (trees, merged, incoming) = (self.trees.clone(), self.merged.clone(), self.incoming.clone());
        blocking(move || {
            sweep_trees(&trees, &incoming, &keep)?;
            sweep_trees(&merged, &incoming, &keep_merged)
        })
        .await
    }
}
