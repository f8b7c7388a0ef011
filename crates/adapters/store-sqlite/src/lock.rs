//! One server per data directory.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Another server has the directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirInUse {
    /// Which one, as far as it has said so.
    #[error("the data directory {dir} is in use by another server (process {pid})")]
    Held {
        /// The directory.
        dir: String,
        /// Its process id, or `?`.
        pid: String,
    },
    /// The lock file can't be used.
    #[error("the data directory {dir} can't be locked: {error}")]
    Io {
        /// The directory.
        dir: String,
        /// What the disk says.
        error: std::io::Error,
    },
}

/// Held for as long as the server lives; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Takes the lock, or says who has it.
    pub fn acquire(dir: &Path) -> Result<Self, DataDirInUse> {
        let shown = dir.display().to_string();
        let io = |error| DataDirInUse::Io { dir: shown.clone(), error };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))
            .map_err(io)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let pid = if pid.trim().is_empty() { "?".to_owned() } else { pid.trim().to_owned() };
            return Err(DataDirInUse::Held { dir: shown, pid });
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(DataDirLock { _file: file })
    }
}
