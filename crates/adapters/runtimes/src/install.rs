//! `lambent runtime install`: clients, SDKs and interpreters, once, with the ordinary package clients.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::definition::{self, Definition, Family, PACKAGE_SETS, PackageSet};
use crate::{host, layout};

/// Something could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The package client failed; its last words are in the text.
    #[error("{what}: {reason}")]
    Failed {
        /// What was being installed.
        what: String,
        /// Why it failed, and what might help.
        reason: String,
    },
    /// No such runtime.
    #[error("there is no runtime {0} to install")]
    Unknown(String),
    /// The disk says so.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
}

type Result<T> = std::result::Result<T, InstallError>;

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> InstallError + '_ {
    move |error| InstallError::Io { path: path.to_owned(), error }
}

/// Installs what the named runtimes (or all) need below `root`. What is there already is left alone; what is half there
/// after a crash is done again. `report` is told what is going on, a line at a time.
pub fn install(root: &Path, ids: &[String], report: &mut dyn FnMut(&str)) -> Result<()> {
    let all = definition::all();
    if let Some(unknown) = ids.iter().find(|id| !all.iter().any(|definition| definition.id == **id)) {
        return Err(InstallError::Unknown(unknown.clone()));
    }
    let wanted: Vec<&Definition> =
        all.iter().filter(|definition| ids.is_empty() || ids.contains(&definition.id)).collect();
    let incoming = root.join("incoming");
    if incoming.exists() {
        std::fs::remove_dir_all(&incoming).map_err(io_at(&incoming))?;
    }
    for dir in ["incoming", "runtime", "node"] {
        let dir = root.join(dir);
        std::fs::create_dir_all(&dir).map_err(io_at(&dir))?;
    }
    for set in PACKAGE_SETS {
        let users: Vec<_> =
            wanted.iter().filter(|definition| definition.sdk.as_deref() == Some(set.name)).collect();
        if let Some(first) = users.first() {
            let dir = layout::runtime_dir(root, first.family, set);
            put(root, &dir, report, &mut |temporary| packages(first.family, set, temporary))?;
        }
    }
    for definition in wanted.iter().filter(|definition| definition.family == Family::Nodejs) {
        node(root, definition, report)?;
    }
    std::fs::remove_dir_all(&incoming).map_err(io_at(&incoming))
}

/// Makes a directory under a temporary name, readable by everybody, and renames it.
fn put(
    root: &Path,
    dir: &Path,
    report: &mut dyn FnMut(&str),
    fill: &mut dyn FnMut(&Path) -> Result<()>,
) -> Result<()> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if dir.is_dir() {
        report(&format!("{name}: installed"));
        return Ok(());
    }
    report(&format!("{name}: installing"));
    let temporary = root.join("incoming").join(&name);
    std::fs::create_dir_all(&temporary).map_err(io_at(&temporary))?;
    fill(&temporary)?;
    open_to_all(&temporary).map_err(io_at(&temporary))?;
    std::fs::rename(&temporary, dir).map_err(io_at(dir))
}

fn packages(family: Family, set: &PackageSet, dir: &Path) -> Result<()> {
    match family {
        Family::Python => {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]);
            pip.args(["--only-binary=:all:", "--platform", "any", "--implementation", "py", "--abi", "none"]);
            pip.arg("--target").arg(dir);
            if let Some(version) = set.python {
                pip.args(["--python-version", version]);
            }
            run(pip.args(set.packages), set.name, "python3 with pip is needed (package python3-pip)")?;
        }
        Family::Nodejs => {
            let manifest = dir.join("package.json");
            std::fs::write(&manifest, "{\"private\": true}\n").map_err(io_at(&manifest))?;
            let mut npm = Command::new("npm");
            npm.args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
                "--ignore-scripts",
            ]);
            run(npm.arg("--prefix").arg(dir).args(set.packages), set.name, "npm is needed (package npm)")?;
            std::fs::remove_file(&manifest).map_err(io_at(&manifest))?;
        }
        Family::Custom => {}
    }
    for (name, text) in layout::client(family) {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(io_at(&path))?;
    }
    if family == Family::Python {
        compile(set, dir)?;
    }
    Ok(())
}

/// Compiled code for every interpreter that may run the set: sandboxes can't write it, and without it each cold start
/// would compile again. Validity goes by the source's hash, so that times do not matter.
fn compile(set: &PackageSet, dir: &Path) -> Result<()> {
    for python in host::pythons(&host::search_dirs(), 8..30) {
        let binary = python.prefix.join(format!("bin/python3.{}", python.minor));
        let mut compile = Command::new(&binary);
        compile.args(["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]).arg(dir);
        // Files that this version can't compile are compiled by nobody: they are not for it.
        let _ = compile.output().map_err(|error| failed(set.name, error.to_string()))?;
    }
    Ok(())
}

/// The host's own binary where it is of the right version, else the official one from its package.
fn node(root: &Path, definition: &Definition, report: &mut dyn FnMut(&str)) -> Result<()> {
    let Some(version) = &definition.binary else {
        return Ok(());
    };
    let dir = layout::node_dir(root, version);
    let note = layout::host_node_note(root, &definition.version);
    if dir.is_dir() || note.is_file() {
        report(&format!("node {version}: installed"));
        return Ok(());
    }
    if let Some(path) = host_node(&definition.version) {
        report(&format!("node {}: the host's own", definition.version));
        return std::fs::write(&note, format!("{}\n", path.display())).map_err(io_at(&note));
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    put(root, &dir, report, &mut |temporary| {
        let what = format!("node {version}");
        let package = format!("node-linux-{machine}@{version}");
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"]).arg(temporary).arg(package);
        run(&mut pack, &what, "npm is needed (package npm)")?;
        let archive = std::fs::read_dir(temporary)
            .map_err(io_at(temporary))?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|ending| ending == "tgz"));
        let archive = archive.ok_or_else(|| failed(&what, "npm packed nothing"))?;
        let mut tar = Command::new("tar");
        tar.arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(temporary)
            .args(["--strip-components=1", "package/bin/node"]);
        run(&mut tar, &what, "tar is needed (package tar)")?;
        std::fs::remove_file(&archive).map_err(io_at(&archive))
    })
}

fn host_node(major: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let binary = std::env::split_paths(&path).map(|dir| dir.join("node")).find(|path| path.is_file())?;
    let output = Command::new(&binary).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let found = version.trim().strip_prefix('v')?.split('.').next()?;
    (found == major).then(|| binary.canonicalize().ok()).flatten()
}

fn failed(what: &str, reason: impl Into<String>) -> InstallError {
    InstallError::Failed { what: what.to_owned(), reason: reason.into() }
}

fn run(command: &mut Command, what: &str, missing: &str) -> Result<Output> {
    match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(failed(what, missing)),
        Err(error) => Err(failed(what, error.to_string())),
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let last: Vec<&str> =
                words.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            Err(failed(what, format!("{} ({})", last.join(" / "), output.status)))
        }
    }
}

/// Sandboxes run as other users: everything has to be readable, whatever the umask.
fn open_to_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let executable = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
    std::fs::set_permissions(path, PermissionsExt::from_mode(if executable { 0o755 } else { 0o644 }))?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_runtime_is_refused_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let result = install(dir.path(), &["cobol".into()], &mut |_| {});
        assert!(matches!(result, Err(InstallError::Unknown(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
