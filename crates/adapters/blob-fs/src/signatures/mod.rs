//! Signed packages. A package carries its signature in an entry of its own, over everything else that is in it. AWS
//! Signer's own format is not public; this one is Lambent's.

mod keys;
mod manifest;

use std::collections::HashMap;
use std::io::{Cursor, Write};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lambent_ports::code::CodeError;
use lambent_ports::signatures::{Signature, Signatures};
use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::blobs::blocking;
use keys::{PublicKey, Signer};

/// The entry that a signature is in.
pub const SIGNATURE_ENTRY: &str = "META-INF/lambent-signature.json";

/// Why something can't be signed, or a key not be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// Not a key or certificate that signatures can be made or verified with.
    #[error("{0}")]
    Key(String),
    /// The package is none.
    #[error(transparent)]
    Package(#[from] CodeError),
    /// The signed package could not be put together.
    #[error("the signature can't be added: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The signed package could not be put together.
    #[error("the signature can't be added: {0}")]
    Io(#[from] std::io::Error),
}

/// What is in the entry.
#[derive(Serialize, Deserialize)]
struct SignatureFile {
    profile_version_arn: String,
    algorithm: String,
    /// Base64.
    signature: String,
}

/// Public keys by the signing profile version that they belong to.
#[derive(Default)]
pub struct ProfileKeys(HashMap<String, PublicKey>);

impl ProfileKeys {
    /// Adds the key of a profile version: PEM, a public key or a certificate. A certificate stands for its key; its
    /// dates and its issuer are not looked at, for it was chosen by whoever runs the server.
    pub fn add(&mut self, profile_version_arn: String, pem: &[u8]) -> Result<(), SigningError> {
        self.0.insert(profile_version_arn, PublicKey::parse(pem)?);
        Ok(())
    }

    fn verify(&self, zip: &Bytes) -> Result<Signature, CodeError> {
        let Some(found) = manifest::signature(zip)? else { return Ok(Signature::Missing) };
        let Ok(file) = serde_json::from_slice::<SignatureFile>(&found) else {
            return Ok(Signature::Broken(format!("{SIGNATURE_ENTRY} can't be read")));
        };
        let profile_version_arn = file.profile_version_arn;
        let Some(key) = self.0.get(&profile_version_arn) else {
            return Ok(Signature::Unknown { profile_version_arn });
        };
        let Ok(signature) = STANDARD.decode(&file.signature) else {
            return Ok(Signature::Broken("the signature is not base64".into()));
        };
        let signed = manifest::signed_text(zip, &profile_version_arn)?;
        if key.verifies(&file.algorithm, signed.as_bytes(), &signature) {
            Ok(Signature::By { profile_version_arn })
        } else {
            Ok(Signature::Broken(format!("the signature of {profile_version_arn} is not of this content")))
        }
    }
}

/// Shared with the work on other threads.
pub struct PackageSignatures(std::sync::Arc<ProfileKeys>);

impl PackageSignatures {
    /// Verifies with these keys.
    pub fn new(keys: ProfileKeys) -> Self {
        PackageSignatures(std::sync::Arc::new(keys))
    }
}

#[async_trait]
impl Signatures for PackageSignatures {
    async fn signature(&self, zip: Bytes) -> Result<Signature, CodeError> {
        let keys = std::sync::Arc::clone(&self.0);
        blocking(move || keys.verify(&zip)).await
    }
}

/// The package with a signature in it, in place of one that it may have had. `private_key` is PEM, PKCS #8.
pub fn sign(zip: &Bytes, profile_version_arn: &str, private_key: &[u8]) -> Result<Vec<u8>, SigningError> {
    let signer = Signer::parse(private_key)?;
    let signed = manifest::signed_text(zip, profile_version_arn)?;
    let file = SignatureFile {
        profile_version_arn: profile_version_arn.to_owned(),
        algorithm: signer.algorithm().to_owned(),
        signature: STANDARD.encode(signer.sign(signed.as_bytes())?),
    };
    let mut archive = ZipArchive::new(Cursor::new(zip.clone()))?;
    let mut out = ZipWriter::new(Cursor::new(Vec::with_capacity(zip.len() + 1024)));
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        if entry.name() != SIGNATURE_ENTRY {
            out.raw_copy_file(entry)?;
        }
    }
    let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    out.start_file(SIGNATURE_ENTRY, plain)?;
    out.write_all(&serde_json::to_vec_pretty(&file).map_err(std::io::Error::from)?)?;
    Ok(out.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
