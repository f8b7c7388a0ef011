//! `<dir>/<first two digits>/<sha-256>`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::CodeSha256;
use lambent_ports::blob::{BlobError, BlobStore};
use sha2::{Digest, Sha256};

/// Blobs in a directory.
#[derive(Clone, Debug)]
pub struct FsBlobs {
    dir: PathBuf,
}

impl FsBlobs {
    /// Opens or makes the directory and removes what a crash left half-written.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let incoming = dir.join("incoming");
        if incoming.exists() {
            std::fs::remove_dir_all(&incoming)?;
        }
        std::fs::create_dir_all(&incoming)?;
        Ok(FsBlobs { dir: dir.to_owned() })
    }

    fn path(&self, sha256: CodeSha256) -> PathBuf {
        let name = sha256.to_hex();
        self.dir.join(&name[..2]).join(name)
    }

    /// Blocks; the same as [`BlobStore::get`].
    pub(crate) fn read(&self, sha256: CodeSha256) -> Result<Option<Bytes>, BlobError> {
        match std::fs::read(self.path(sha256)) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::Io(error)),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<CodeSha256, BlobError> {
        let sha256 = CodeSha256(Sha256::digest(bytes).into());
        let path = self.path(sha256);
        if path.exists() {
            return Ok(sha256);
        }
        let no_space = |error| blob_error(error, bytes.len() as u64);
        let shard = path.parent().unwrap_or(&self.dir);
        std::fs::create_dir_all(shard).map_err(no_space)?;
        let temporary = self.dir.join("incoming").join(temporary_name(&sha256));
        let written = write_synced(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, &path));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&temporary);
            return Err(no_space(error));
        }
        sync_dir(shard)?;
        sync_dir(&self.dir)?;
        Ok(sha256)
    }
}

/// Says a full disk as such; `bytes` is what did not fit.
pub(crate) fn blob_error(error: io::Error, bytes: u64) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::NoSpace { bytes },
        _ => BlobError::Io(error),
    }
}

/// Unique among the writers of one process.
pub(crate) fn temporary_name(sha256: &CodeSha256) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    // A counter of names, not state: two servers never share the directory.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", sha256.to_hex(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Runs blocking work where it may block.
pub(crate) async fn blocking<T: Send + 'static, E: From<BlobError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BlobError::Io(io::Error::other(error)).into()),
    }
}

#[async_trait]
impl BlobStore for FsBlobs {
    async fn put(&self, bytes: Bytes) -> Result<CodeSha256, BlobError> {
        let blobs = self.clone();
        blocking(move || blobs.write(&bytes)).await
    }

    async fn get(&self, sha256: CodeSha256) -> Result<Option<Bytes>, BlobError> {
        let blobs = self.clone();
        blocking(move || blobs.read(sha256)).await
    }

    async fn delete(&self, sha256: CodeSha256) -> Result<(), BlobError> {
        let path = self.path(sha256);
        blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BlobError::Io(error)),
            _ => Ok(()),
        })
        .await
    }

    async fn list(&self) -> Result<Vec<CodeSha256>, BlobError> {
        let dir = self.dir.clone();
        blocking(move || {
            let mut found = Vec::new();
            for shard in std::fs::read_dir(&dir).map_err(BlobError::Io)? {
                let shard = shard.map_err(BlobError::Io)?;
                if shard.file_name().len() != 2 {
                    continue;
                }
                for blob in std::fs::read_dir(shard.path()).map_err(BlobError::Io)? {
                    let name = blob.map_err(BlobError::Io)?.file_name();
                    found.extend(name.to_str().and_then(CodeSha256::from_hex));
                }
            }
            Ok(found)
        })
        .await
    }
}
