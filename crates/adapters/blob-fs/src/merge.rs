//! Layers laid over each other. What the result is made of is decided first, in memory; then a new directory is filled:
//! directories and files before any link, so that nothing can be written through one.
//!
//! Each package's links have been proven to stay inside it. That proof does not survive a merge: a link that passes
//! through another package's directory passes through whatever a third has put in its place. So it is made anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use lambent_ports::blob::BlobError;
use lambent_ports::code::CodeError;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, linkat, openat, readlinkat, statat, symlinkat};
use rustix::io::Errno;

use crate::blobs::blob_error;
use crate::tree::{self, LinkFault, Tree};
use crate::unpack::{finish, io, make_dir, open_dir, open_root};

/// What a path of the merged tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    /// The file of this path in the layer of this number.
    File {
        layer: usize,
    },
    Link {
        target: String,
    },
}

/// By path components, in the order of which everything below a directory follows it at once.
pub(crate) type Plan = BTreeMap<Vec<String>, Node>;

/// Fills `dir`, which is new and empty, with the trees of `layers`, and brings it to disk.
pub(crate) fn merge(layers: &[PathBuf], dir: &Path) -> Result<(), CodeError> {
    let roots: Vec<OwnedFd> = layers.iter().map(|layer| open_root(layer)).collect::<Result<_, _>>()?;
    let mut plan = Plan::new();
    for (number, root) in roots.iter().enumerate() {
        list(root.as_fd(), number, &mut |path, node| lay_over(&mut plan, path, node))?;
    }
    for path in drop_escaping_links(&mut plan)? {
        tracing::warn!(path, "a layer's link leads out of the merged layers and is left out");
    }
    build(&plan, &roots, dir)
}

/// Puts one entry of a later layer over what earlier ones gave. Parents come before what is in them.
fn lay_over(plan: &mut Plan, path: Vec<String>, node: Node) {
    if plan.get(&path) == Some(&Node::Directory) {
        if node == Node::Directory {
            return;
        }
        let below = plan.range::<Vec<String>, _>((Bound::Excluded(&path), Bound::Unbounded));
        let below: Vec<_> =
            below.map(|(other, _)| other.clone()).take_while(|other| other.starts_with(&path)).collect();
        below.iter().for_each(|gone| drop(plan.remove(gone)));
    }
    plan.insert(path, node);
}

/// Removes the links that lead out of the tree and returns their paths. Links in circles stay: the kernel refuses to
/// follow them. Removing cannot make another link worse: what led through a removed one has led out as well.
fn drop_escaping_links(plan: &mut Plan) -> Result<Vec<String>, CodeError> {
    let mut links = Tree::default();
    let mut paths = Vec::new();
    for (path, node) in &*plan {
        if let Node::Link { target } = node {
            links
                .add(path.iter().map(String::as_str), tree::Node::Link(target))
                .map_err(|clash| CodeError::Unreadable(format!("{} {clash}", path.join("/"))))?;
            paths.push(path);
        }
    }
    let mut steps = 0;
    let mut escaping = Vec::new();
    for path in paths {
        match links.resolve(path.iter().map(String::as_str), &mut steps) {
            Ok(()) | Err(LinkFault::Circular) => {}
            Err(LinkFault::Outside) => escaping.push(path.clone()),
            Err(fault @ LinkFault::TooMany) => {
                return Err(CodeError::Unreadable(format!("{} {fault}", path.join("/"))));
            }
        }
    }
    escaping.iter().for_each(|path| drop(plan.remove(path)));
    Ok(escaping.into_iter().map(|path| path.join("/")).collect())
}

/// Everything in a layer's tree, parents first, following no link.
fn list(
    root: BorrowedFd<'_>,
    layer: usize,
    found: &mut dyn FnMut(Vec<String>, Node),
) -> Result<(), CodeError> {
    let mut ahead: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(directory) = ahead.pop() {
        let opened = open_dir(root, &directory.join("/"))?;
        for entry in Dir::read_from(&opened).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let text = name.to_str().map_err(|_| odd("a name that is no text"))?;
            let path = [directory.as_slice(), &[text.to_owned()]].concat();
            let node = match kind(&opened, name, entry.file_type())? {
                FileType::Directory => Node::Directory,
                FileType::RegularFile => Node::File { layer },
                FileType::Symlink => {
                    let target = readlinkat(&opened, name, Vec::new()).map_err(io)?;
                    let target = target.into_string().map_err(|_| odd("a link that is no text"))?;
                    Node::Link { target }
                }
                _ => return Err(odd("neither file, directory nor link")),
            };
            if node == Node::Directory {
                ahead.push(path.clone());
            }
            found(path, node);
        }
    }
    Ok(())
}

/// Some file systems don't say it in a directory's list.
fn kind(directory: &OwnedFd, name: &std::ffi::CStr, listed: FileType) -> Result<FileType, CodeError> {
    if listed != FileType::Unknown {
        return Ok(listed);
    }
    let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

/// No unpacked tree has this: somebody else has been in there.
fn odd(what: &str) -> CodeError {
    CodeError::Blob(BlobError::Io(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("an unpacked layer has {what}"),
    )))
}

fn build(plan: &Plan, layers: &[OwnedFd], dir: &Path) -> Result<(), CodeError> {
    let root = open_root(dir)?;
    for (path, node) in plan {
        match node {
            Node::Directory => make_dir(root.as_fd(), &path.join("/"))?,
            Node::File { layer } => {
                let (from, name) = parent(layers[*layer].as_fd(), path)?;
                let (into, _) = parent(root.as_fd(), path)?;
                place(&from, &into, name)?;
            }
            Node::Link { .. } => {}
        }
    }
    for (path, node) in plan {
        if let Node::Link { target } = node {
            let (into, name) = parent(root.as_fd(), path)?;
            symlinkat(target.as_str(), &into, name).map_err(io)?;
        }
    }
    finish(&root)
}

fn parent<'a>(root: BorrowedFd<'_>, path: &'a [String]) -> Result<(OwnedFd, &'a str), CodeError> {
    let (name, parents) = path.split_last().ok_or_else(|| odd("no name"))?;
    Ok((open_dir(root, &parents.join("/"))?, name))
}

/// A hard link where the file system can make one more; else a copy.
fn place(from: &OwnedFd, into: &OwnedFd, name: &str) -> Result<(), CodeError> {
    match linkat(from, name, into, name, AtFlags::empty()) {
        Ok(()) => Ok(()),
        Err(Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => copy(from, into, name),
        Err(errno) => Err(io(errno)),
    }
}

fn copy(from: &OwnedFd, into: &OwnedFd, name: &str) -> Result<(), CodeError> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut source = File::from(openat(from, name, read, Mode::empty()).map_err(io)?);
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&source).map_err(io)?.st_mode) & Mode::from(0o777);
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut made = File::from(openat(into, name, write, Mode::from(0o600)).map_err(io)?);
    std::io::copy(&mut source, &mut made).map_err(|error| blob_error(error, 0))?;
    rustix::fs::fchmod(&made, mode).map_err(io)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    fn link(target: &str) -> Node {
        Node::Link { target: target.into() }
    }

    fn plan(entries: &[(&str, Node)]) -> Plan {
        let mut plan = Plan::new();
        entries.iter().for_each(|(name, node)| lay_over(&mut plan, path(name), node.clone()));
        plan
    }

    #[test]
    fn a_file_in_a_directorys_place_takes_all_of_it_and_no_neighbour() {
        let plan = plan(&[
            ("a", Node::Directory),
            ("a/b", Node::Directory),
            ("a/b/c", Node::File { layer: 0 }),
            ("a-b", Node::File { layer: 0 }),
            ("ab", Node::File { layer: 0 }),
            ("a", Node::File { layer: 1 }),
        ]);
        let left: Vec<_> = plan.keys().map(|path| path.join("/")).collect();
        assert_eq!(left, ["a", "a-b", "ab"]);
    }

    #[test]
    fn links_that_lead_out_go_and_links_in_circles_stay() {
        let mut plan = plan(&[
            ("s", Node::Directory),
            ("s/t", link("..")),
            ("escape", link("s/t/../secret")),
            ("through", link("escape/x")),
            ("inside", link("s/t/f")),
            ("round", link("and")),
            ("and", link("round")),
        ]);
        let mut gone = drop_escaping_links(&mut plan).unwrap();
        gone.sort();
        assert_eq!(gone, ["escape", "through"]);
        assert!(plan.contains_key(&path("inside")) && plan.contains_key(&path("round")));
    }

    #[test]
    fn what_cannot_be_linked_is_copied() {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let device = |dir: &tempfile::TempDir| std::fs::metadata(dir.path()).unwrap().dev();
        assert_ne!(device(&near), device(&far), "two file systems are needed");
        let file = far.path().join("run");
        std::fs::write(&file, "content").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        merge(&[far.path().to_owned()], near.path()).unwrap();
        let made = near.path().join("run");
        assert_eq!(std::fs::read_to_string(&made).unwrap(), "content");
        assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
