//! Bodies as files: written and synced in `incoming`, then renamed to where records find them. A file that no record
//! names when the server starts is what a crash has left, and goes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lambent_kit::crash;
use lambent_kit::random::Random;
use lambent_ports::object_store::{KeptFile, Staged, Unnamed};

/// Directories that files are spread over.
const SPREAD: u64 = 64;

/// The directories.
pub(crate) struct Files {
    root: PathBuf,
    /// In each name, so that no start of the server repeats one.
    start: String,
    next: AtomicU64,
}

impl Files {
    /// Opens or makes them, and removes what was being written when the server last ended.
    pub(crate) fn open(root: PathBuf, random: &dyn Random) -> io::Result<Arc<Self>> {
        let incoming = root.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        for number in 0..SPREAD {
            fs::create_dir_all(root.join(directory(number)))?;
        }
        for made in [Some(root.as_path()), root.parent()].into_iter().flatten() {
            File::open(made)?.sync_all()?;
        }
        let start = hex::encode(&random.bytes16()[..8]);
        Ok(Arc::new(Files { root, start, next: AtomicU64::new(0) }))
    }

    /// A name is `<directory>/<file>`.
    fn name(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{}/{}-{number:x}", directory(number % SPREAD), self.start)
    }

    pub(crate) fn stage(self: &Arc<Self>) -> io::Result<StagedFile> {
        let name = self.name();
        let path = self.root.join("incoming").join(name.replace('/', "-"));
        let file = File::create_new(&path)?;
        Ok(StagedFile { files: Arc::clone(self), file, size: 0, name, undo: Undo(Some(path)) })
    }

    pub(crate) fn link(self: &Arc<Self>, file: &str) -> io::Result<KeptFile> {
        let name = self.name();
        let path = self.root.join(&name);
        fs::hard_link(self.root.join(file), &path)?;
        let undo = Undo(Some(path));
        self.sync_directory(&name)?;
        let size = self.read(&name)?.metadata()?.len();
        Ok(KeptFile { name, size, unnamed: Box::new(undo) })
    }

    fn sync_directory(&self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }

    pub(crate) fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.root.join(name))
    }

    /// Removes what no record names any more. What can't be removed now is removed at the next start.
    pub(crate) fn remove(&self, names: &[String]) {
        for name in names {
            if let Err(error) = fs::remove_file(self.root.join(name)) {
                tracing::warn!(%error, name, "an object's file was not removed");
            }
        }
    }

    /// Removes every file of earlier starts that is not among `named`.
    pub(crate) fn sweep(&self, named: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for number in 0..SPREAD {
            let directory = directory(number);
            for entry in fs::read_dir(self.root.join(&directory))? {
                let file = entry?.file_name().to_string_lossy().into_owned();
                let name = format!("{directory}/{file}");
                if !file.starts_with(&self.start) && !named.contains(&name) {
                    fs::remove_file(self.root.join(&name))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

fn directory(number: u64) -> String {
    format!("{number:02x}")
}

/// Removes a file unless a record names it.
struct Undo(Option<PathBuf>);

impl Unnamed for Undo {
    fn named(mut self: Box<Self>) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file in `incoming`.
pub(crate) struct StagedFile {
    files: Arc<Files>,
    file: File,
    size: u64,
    name: String,
    undo: Undo,
}

impl Staged for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn keep(mut self: Box<Self>) -> io::Result<KeptFile> {
        self.file.sync_all()?;
        let path = self.files.root.join(&self.name);
        crash::edge("s3", "written");
        if let Some(staged) = &self.undo.0 {
            fs::rename(staged, &path)?;
        }
        self.undo.0 = None;
        let undo = Undo(Some(path));
        self.files.sync_directory(&self.name)?;
        crash::edge("s3", "kept");
        Ok(KeptFile { name: self.name.clone(), size: self.size, unnamed: Box::new(undo) })
    }
}

/// All files in some directory below, for tests.
#[cfg(test)]
pub(crate) fn all(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}
