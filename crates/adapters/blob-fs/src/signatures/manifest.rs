//! What a signature is over: every entry but the signature itself, with its kind and the hash of its content, sorted by
//! path. Reads a package with the eyes of what unpacks it: there must be no two opinions on what is in a zip.

use bytes::Bytes;
use lambent_ports::code::CodeError;
use sha2::{Digest, Sha256};

use super::SIGNATURE_ENTRY;
use crate::inspect::{self, Entry, Kind, unreadable};

/// Most bytes of a signature's entry; an honest one has less than two thousand.
const MAX_SIGNATURE_BYTES: u64 = 65_536;

fn is_signature(entry: &Entry) -> bool {
    entry.path == SIGNATURE_ENTRY
}

/// The content of the signature's entry, if it is there.
pub(super) fn signature(zip: &Bytes) -> Result<Option<Vec<u8>>, CodeError> {
    let (mut archive, entries) = inspect::entries(zip)?;
    let Some(entry) = entries.iter().find(|entry| is_signature(entry)) else { return Ok(None) };
    if entry.declared_bytes > MAX_SIGNATURE_BYTES {
        return Err(unreadable("the signature is too large"));
    }
    let mut content = Vec::new();
    inspect::copy(&mut archive, entry.index, &mut content, &mut 0)?;
    Ok(Some(content))
}

/// The text that is signed. Begins with what it is, so that a signature made for anything else never fits.
pub(super) fn signed_text(zip: &Bytes, profile_version_arn: &str) -> Result<String, CodeError> {
    let (mut archive, mut entries) = inspect::entries(zip)?;
    entries.retain(|entry| !is_signature(entry));
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let mut text = format!("lambent-code-signature-v1\n{profile_version_arn}\n");
    let mut total = 0;
    for entry in &entries {
        let mut hash = Sha256::new();
        inspect::copy(&mut archive, entry.index, &mut hash, &mut total)?;
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let kind = match &entry.kind {
            Kind::Directory => "directory",
            Kind::File { executable: false } => "file",
            Kind::File { executable: true } => "executable",
            Kind::Link { .. } => "link",
        };
        // Quoted: a path may have line breaks in it.
        let path = serde_json::Value::from(entry.path.as_str());
        text.push_str(&format!("{hash} {kind} {path}\n"));
    }
    Ok(text)
}
