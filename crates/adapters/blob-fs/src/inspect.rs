//! What a package must be before anything of it is stored. Nothing that the archive says of itself is believed:
//! sizes are counted as they unpack, names are checked part by part.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use bytes::Bytes;
use lambent_domain::limits::{MAX_UNZIPPED_BYTES, MAX_ZIP_ENTRIES};
use lambent_ports::code::CodeError;
use zip::ZipArchive;

use crate::blobs::blob_error;

/// Longest target of a link; the kernel's own limit.
const MAX_LINK_BYTES: u64 = 4_096;

/// Links followed for one link; the kernel's own limit.
const MAX_LINK_HOPS: usize = 40;
/// Path components followed for all links together: bounds the work that a small zip can ask for.
const MAX_LINK_STEPS: usize = 4_000_000;

pub(crate) type Archive = ZipArchive<Cursor<Bytes>>;

/// What an entry becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File {
        executable: bool,
    },
    /// A link to a place inside the tree.
    Link {
        target: String,
    },
}

/// An entry that may be unpacked: a relative path without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: usize,
    pub(crate) path: Vec<String>,
    pub(crate) kind: Kind,
    /// As the archive says; [`check_contents`] proves it.
    pub(crate) declared_bytes: u64,
}

/// What is known of a package that was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// All contents together, as AWS counts them against the limit of 250 MiB.
    pub(crate) unzipped_bytes: u64,
}

impl Inspected {
    /// For packages that [`check_contents`] has seen before: what they declare is true.
    pub(crate) fn declared(entries: &[Entry]) -> Self {
        let unzipped_bytes =
            entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.declared_bytes));
        Inspected { unzipped_bytes }
    }
}

fn unreadable(reason: impl std::fmt::Display) -> CodeError {
    CodeError::Unreadable(reason.to_string())
}

/// Opens an archive and lists its entries, or says what is wrong with it.
pub(crate) fn entries(zip: &Bytes) -> Result<(Archive, Vec<Entry>), CodeError> {
    if zip.is_empty() {
        return Err(CodeError::Empty);
    }
    let mut archive = ZipArchive::new(Cursor::new(zip.clone())).map_err(unreadable)?;
    if archive.len() > MAX_ZIP_ENTRIES {
        return Err(unreadable("too many entries"));
    }
    // The reader keeps one entry per name and is silent about the others.
    if listed(zip, archive.central_directory_start()) != archive.len() {
        return Err(unreadable("a name is there twice"));
    }
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        entries.extend(entry(&mut archive, index)?);
    }
    if entries.is_empty() {
        return Err(CodeError::Empty);
    }
    check_tree(&entries)?;
    check_links(&entries)?;
    Ok((archive, entries))
}

/// Entries of the central directory, counted by walking over it.
fn listed(zip: &[u8], central_directory_start: u64) -> usize {
    const HEADER_BYTES: usize = 46;
    let mut rest =
        usize::try_from(central_directory_start).ok().and_then(|start| zip.get(start..)).unwrap_or(&[]);
    let mut count = 0;
    while rest.len() >= HEADER_BYTES && rest.starts_with(b"PK\x01\x02") {
        let length = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
        rest = rest.get(HEADER_BYTES + length(28) + length(30) + length(32)..).unwrap_or(&[]);
        count += 1;
    }
    count
}

fn entry(archive: &mut Archive, index: usize) -> Result<Option<Entry>, CodeError> {
    const FORMAT: u32 = 0o170_000;
    let mut file = archive.by_index(index).map_err(unreadable)?;
    let name = file.name().to_owned();
    let mode = file.unix_mode().unwrap_or(0);
    let declared_bytes = file.size();
    let Some(path) = parts(&name)? else { return Ok(None) };
    let kind = match mode & FORMAT {
        _ if name.ends_with('/') => Kind::Directory,
        0o040_000 => Kind::Directory,
        0 | 0o100_000 => Kind::File { executable: mode & 0o111 != 0 },
        0o120_000 => {
            let mut target = String::new();
            file.by_ref().take(MAX_LINK_BYTES).read_to_string(&mut target).map_err(unreadable)?;
            Kind::Link { target }
        }
        _ => return Err(unreadable(format!("{name} is neither file, directory nor link"))),
    };
    Ok(Some(Entry { index, path, kind, declared_bytes }))
}

/// A name as path components; `None` for the root itself.
fn parts(name: &str) -> Result<Option<Vec<String>>, CodeError> {
    if name.starts_with('/') || name.contains('\0') || name.contains('\\') {
        return Err(unreadable(format!("{name:?} is no relative path")));
    }
    let mut path = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(unreadable(format!("{name:?} leaves the package"))),
            part if part.len() > 255 => return Err(unreadable("a name is too long")),
            part => path.push(part.to_owned()),
        }
    }
    Ok((!path.is_empty()).then_some(path))
}

/// A link may point anywhere inside the package, also through other links. Resolved as the kernel does it: `..` after
/// a link leaves the link's target, not its name, so that counting by letters would let a chain of links out.
fn check_links(entries: &[Entry]) -> Result<(), CodeError> {
    let links: HashMap<&[String], &str> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            Kind::Link { target } => Some((entry.path.as_slice(), target.as_str())),
            _ => None,
        })
        .collect();
    let mut steps = 0;
    for path in links.keys() {
        resolve(path, &links, &mut steps)
            .map_err(|fault| unreadable(format!("{} {fault}", path.join("/"))))?;
    }
    Ok(())
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

/// Follows one link through all others. `steps` counts over all links of a tree.
pub(crate) fn resolve(
    path: &[String],
    links: &HashMap<&[String], &str>,
    steps: &mut usize,
) -> Result<(), LinkFault> {
    let mut at: Vec<String> = Vec::new();
    let mut ahead: Vec<&str> = path.iter().rev().map(String::as_str).collect();
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
                at.push(name.to_owned());
                if let Some(target) = links.get(at.as_slice()) {
                    hops += 1;
                    if hops > MAX_LINK_HOPS {
                        return Err(LinkFault::Circular);
                    }
                    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
                        return Err(LinkFault::Outside);
                    }
                    at.pop();
                    ahead.extend(target.split('/').rev());
                }
            }
        }
    }
    Ok(())
}

/// No path is two things, and nothing lies behind a file or a link.
fn check_tree(entries: &[Entry]) -> Result<(), CodeError> {
    let mut seen: HashMap<&[String], bool> = HashMap::new();
    for entry in entries {
        // Directories that names merely imply take inodes too.
        if seen.len() > MAX_ZIP_ENTRIES {
            return Err(unreadable("too many entries"));
        }
        let directory = entry.kind == Kind::Directory;
        for end in 1..entry.path.len() {
            if seen.insert(&entry.path[..end], true) == Some(false) {
                return Err(unreadable(format!("{} lies behind a file", entry.path.join("/"))));
            }
        }
        match seen.insert(&entry.path, directory) {
            Some(before) if !(before && directory) => {
                return Err(unreadable(format!("{} is there twice", entry.path.join("/"))));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Unpacks everything into nothing: sizes, checksums, methods.
pub(crate) fn check_contents(archive: &mut Archive, entries: &[Entry]) -> Result<Inspected, CodeError> {
    let mut total = 0;
    for entry in entries {
        let before = total;
        copy(archive, entry.index, &mut std::io::sink(), &mut total)?;
        if total - before != entry.declared_bytes {
            return Err(unreadable(format!("{} has another size than it says", entry.path.join("/"))));
        }
    }
    Ok(Inspected { unzipped_bytes: total })
}

/// Copies one entry's content, counting against the limit.
pub(crate) fn copy(
    archive: &mut Archive,
    index: usize,
    into: &mut dyn std::io::Write,
    total: &mut u64,
) -> Result<(), CodeError> {
    let mut file = archive.by_index(index).map_err(unreadable)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer).map_err(unreadable)?;
        if count == 0 {
            return Ok(());
        }
        *total += count as u64;
        if *total > MAX_UNZIPPED_BYTES {
            return Err(CodeError::TooLargeUnpacked);
        }
        into.write_all(&buffer[..count]).map_err(|error| blob_error(error, count as u64))?;
    }
}
