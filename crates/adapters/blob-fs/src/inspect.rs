//! What a package must be before anything of it is stored. Nothing that the archive says of itself is believed:
//! sizes are counted as they unpack, names are checked part by part.

use std::io::Read;

use bytes::Bytes;
use lambent_domain::limits::{MAX_UNZIPPED_BYTES, MAX_ZIP_DEPTH, MAX_ZIP_ENTRIES, MAX_ZIP_PATH_BYTES};
use lambent_ports::code::CodeError;
use zip::ZipArchive;

use crate::blobs::blob_error;
use crate::metered::Metered;
use crate::tree;

/// Longest target of a link; the kernel's own limit.
const MAX_LINK_BYTES: u64 = 4_096;
/// Longest name of a file or directory; the kernel's own limit.
const MAX_NAME_BYTES: usize = 255;
/// What every entry of a central directory begins with.
const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";

pub(crate) type Archive = ZipArchive<Metered>;

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

/// An entry that may be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: usize,
    /// Relative, without `.`, `..` and empty parts.
    pub(crate) path: String,
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

pub(crate) fn unreadable(reason: impl std::fmt::Display) -> CodeError {
    CodeError::Unreadable(reason.to_string())
}

/// Opens an archive and lists its entries, or says what is wrong with it.
pub(crate) fn entries(zip: &Bytes) -> Result<(Archive, Vec<Entry>), CodeError> {
    if zip.is_empty() {
        return Err(CodeError::Empty);
    }
    // Before anything is made of them. Bytes inside of entries count too; no honest package has that many.
    if zip.windows(ENTRY_SIGNATURE.len()).filter(|window| *window == ENTRY_SIGNATURE).count()
        > MAX_ZIP_ENTRIES
    {
        return Err(unreadable("too many entries"));
    }
    let mut archive = ZipArchive::new(Metered::new(zip.clone())).map_err(unreadable)?;
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
    tree::check(&entries)?;
    Ok((archive, entries))
}

/// Entries of the central directory, counted by walking over it.
fn listed(zip: &[u8], central_directory_start: u64) -> usize {
    const HEADER_BYTES: usize = 46;
    let mut rest =
        usize::try_from(central_directory_start).ok().and_then(|start| zip.get(start..)).unwrap_or(&[]);
    let mut count = 0;
    while rest.len() >= HEADER_BYTES && rest.starts_with(ENTRY_SIGNATURE) {
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
    let Some(path) = path(&name)? else { return Ok(None) };
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

/// A name as a path; `None` for the root itself.
fn path(name: &str) -> Result<Option<String>, CodeError> {
    if name.starts_with('/') || name.contains('\0') || name.contains('\\') {
        return Err(unreadable(format!("{name:?} is no relative path")));
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(unreadable(format!("{name:?} leaves the package"))),
            part if part.len() > MAX_NAME_BYTES => return Err(unreadable("a name is too long")),
            part => parts.push(part),
        }
    }
    if parts.len() > MAX_ZIP_DEPTH + 1 {
        return Err(unreadable("a path goes through too many directories"));
    }
    let path = parts.join("/");
    if path.len() > MAX_ZIP_PATH_BYTES {
        return Err(unreadable("a path is too long"));
    }
    Ok((!path.is_empty()).then_some(path))
}

/// Unpacks everything into nothing: sizes, checksums, methods.
pub(crate) fn check_contents(archive: &mut Archive, entries: &[Entry]) -> Result<Inspected, CodeError> {
    let mut total = 0;
    for entry in entries {
        let before = total;
        copy(archive, entry.index, &mut std::io::sink(), &mut total)?;
        if total - before != entry.declared_bytes {
            return Err(unreadable(format!("{} has another size than it says", entry.path)));
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
