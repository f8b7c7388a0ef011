//! The tree that entries make, before any of it is on disk: what lies where, and where links lead.

use std::collections::HashMap;

use lambent_domain::limits::MAX_ZIP_ENTRIES;
use lambent_ports::code::CodeError;

use crate::inspect::{Entry, Kind, unreadable};

/// Links followed for one link; the kernel's own limit.
const MAX_LINK_HOPS: usize = 40;
/// Path components followed for all links together: bounds the work that a small zip can ask for.
const MAX_LINK_STEPS: usize = 4_000_000;

/// The tree's own directory.
const ROOT: usize = 0;

/// What a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Directory,
    File,
    /// With its target.
    Link(&'a str),
}

/// Paths by their parts.
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// By directory and name.
    children: HashMap<(usize, &'a str), usize>,
}

/// Why a path can't be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Clash {
    #[error("lies behind a file")]
    Behind,
    #[error("is there twice")]
    Twice,
}

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkFault {
    #[error("links out of the package")]
    Outside,
    #[error("links in circles")]
    Circular,
    #[error("is one of too many links")]
    TooMany,
}

/// Refuses entries that can't be next to each other, and links that lead out.
pub(crate) fn check(entries: &[Entry]) -> Result<(), CodeError> {
    let mut tree = Tree::default();
    for entry in entries {
        let node = match &entry.kind {
            Kind::Directory => Node::Directory,
            Kind::File { .. } => Node::File,
            Kind::Link { target } => Node::Link(target),
        };
        tree.add(entry.path.split('/'), node)
            .map_err(|clash| unreadable(format!("{} {clash}", entry.path)))?;
        // Directories that names merely imply take inodes too.
        if tree.nodes.len() > MAX_ZIP_ENTRIES {
            return Err(unreadable("too many entries"));
        }
    }
    let mut steps = 0;
    for entry in entries.iter().filter(|entry| matches!(entry.kind, Kind::Link { .. })) {
        tree.resolve(entry.path.split('/'), &mut steps)
            .map_err(|fault| unreadable(format!("{} {fault}", entry.path)))?;
    }
    Ok(())
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Tree { nodes: vec![Node::Directory], children: HashMap::new() }
    }
}

impl<'a> Tree<'a> {
    /// Adds a path with the directories above it. No path is two things, and nothing lies behind a file or a link.
    pub(crate) fn add(&mut self, path: impl Iterator<Item = &'a str>, node: Node<'a>) -> Result<(), Clash> {
        let mut path = path.peekable();
        let mut at = ROOT;
        while let Some(part) = path.next() {
            if self.nodes[at] != Node::Directory {
                return Err(Clash::Behind);
            }
            let kind = if path.peek().is_some() { Node::Directory } else { node };
            let (found, is_new) = self.child(at, part, kind);
            let both_directories = kind == Node::Directory && self.nodes[found] == Node::Directory;
            if path.peek().is_none() && !is_new && !both_directories {
                return Err(Clash::Twice);
            }
            at = found;
        }
        Ok(())
    }

    /// The child of that name, and whether it was made just now.
    fn child(&mut self, of: usize, name: &'a str, node: Node<'a>) -> (usize, bool) {
        match self.children.entry((of, name)) {
            std::collections::hash_map::Entry::Occupied(found) => (*found.get(), false),
            std::collections::hash_map::Entry::Vacant(place) => {
                self.nodes.push(node);
                (*place.insert(self.nodes.len() - 1), true)
            }
        }
    }

    /// A link may point anywhere inside the package, also through other links. Resolved as the kernel does it: `..`
    /// after a link leaves the link's target, not its name, so that counting by letters would let a chain of links out.
    ///
    /// Follows one link through all others. `steps` counts over all links of a tree.
    pub(crate) fn resolve<'b>(
        &'b self,
        path: impl DoubleEndedIterator<Item = &'b str>,
        steps: &mut usize,
    ) -> Result<(), LinkFault> {
        // What is not there is `None`: one can still go up from it.
        let mut at: Vec<Option<usize>> = Vec::new();
        let mut ahead: Vec<&str> = path.rev().collect();
        let mut hops = 0;
        while let Some(part) = ahead.pop() {
            *steps += 1;
            if *steps > MAX_LINK_STEPS {
                return Err(LinkFault::TooMany);
            }
            match part {
                "" | "." => {}
                ".." => drop(at.pop().ok_or(LinkFault::Outside)?),
                name => {
                    let dir = at.last().copied().unwrap_or(Some(ROOT));
                    let found = dir.and_then(|dir| self.children.get(&(dir, name)).copied());
                    let Some(Node::Link(target)) = found.map(|found| self.nodes[found]) else {
                        at.push(found);
                        continue;
                    };
                    hops += 1;
                    if hops > MAX_LINK_HOPS {
                        return Err(LinkFault::Circular);
                    }
                    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
                        return Err(LinkFault::Outside);
                    }
                    ahead.extend(target.split('/').rev());
                }
            }
        }
        Ok(())
    }
}
