//! The launcher's hold on its state directory, and what an earlier one left there.
//!
//! The kernel ends a killed launcher's sandboxes. What can stay are control groups, the processes of sandboxes that
//! were frozen, and half-made files. A launcher writes down where its groups are; the next one with the same directory
//! clears them. The lock on that file tells a launcher that is gone from one that is still cleaning up, and keeps its
//! hands off other instances, which have directories of their own.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::cgroups;

/// Name of the file in the state directory.
const FILE: &str = "launcher.lock";
/// How long an earlier launcher may take to end its sandboxes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at something that gives no notice when it has happened.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub(crate) struct Residue {
    file: File,
    state_dir: PathBuf,
}

impl Residue {
    /// Waits for an earlier launcher to end.
    pub(crate) fn lock(state_dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(state_dir)?;
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(state_dir.join(FILE))?;
        let begun = Instant::now();
        while let Err(errno) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if errno != rustix::io::Errno::WOULDBLOCK {
                return Err(errno.into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!(
                    "{} is in use by another launcher",
                    state_dir.display()
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(Residue { file, state_dir: state_dir.to_owned() })
    }

    /// Ends and removes what the earlier launcher left. Groups that can't be removed in time are named in the result;
    /// they have no processes that could run.
    pub(crate) fn sweep(&mut self) -> io::Result<Vec<PathBuf>> {
        for entry in std::fs::read_dir(&self.state_dir)?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == crate::tmp_disk::IMAGE_EXTENSION)
            {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let mut text = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut text)?;
        let mut left: Vec<PathBuf> =
            text.lines().map(PathBuf::from).filter(|dir| is_a_launchers(dir)).collect();
        let begun = Instant::now();
        loop {
            left.retain(|dir| !cgroups::clear(dir));
            if left.is_empty() || begun.elapsed() > PATIENCE {
                return Ok(left);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Writes down what a successor has to clear.
    pub(crate) fn record(&mut self, dirs: &[PathBuf]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        for dir in dirs {
            writeln!(self.file, "{}", dir.display())?;
        }
        Ok(())
    }
}

/// Whatever stands in the file: nothing else is touched.
fn is_a_launchers(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.is_absolute() && name.strip_prefix(cgroups::PREFIX).is_some_and(|pid| pid.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_launchers_groups_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let own = |name: &str| {
            let group = dir.path().join(name);
            std::fs::create_dir_all(group.join("s1")).unwrap();
            group
        };
        let (dead, other) = (own("lambent-4194305"), own("system.slice"));
        std::fs::write(dir.path().join("tmp-512-7.img"), "half").unwrap();
        let mut residue = Residue::lock(dir.path()).unwrap();
        residue.record(&[dead.clone(), other.clone()]).unwrap();
        assert!(residue.sweep().unwrap().is_empty());
        assert!(!dead.exists() && other.join("s1").exists() && !dir.path().join("tmp-512-7.img").exists());
    }
}
