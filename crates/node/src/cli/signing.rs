//! `lambent sign`, and the keys that the server verifies signed packages with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use lambent_blob_fs::ProfileKeys;

/// `lambent sign`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SignOptions {
    /// The package
    zip: PathBuf,
    /// PEM file of the private key (PKCS #8): ECDSA P-256 or P-384, Ed25519, or RSA
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// ARN of the signing profile version that the key belongs to
    #[arg(long, value_name = "ARN")]
    profile_version_arn: String,
    /// Where the signed package goes; default: in place of the package
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the signed package beside its place and renames it: whoever reads it meanwhile sees the one or the other.
pub(crate) fn sign(options: &SignOptions) -> anyhow::Result<()> {
    let zip = read(&options.zip)?;
    let key = read(&options.key)?;
    let signed = lambent_blob_fs::sign(&Bytes::from(zip), &options.profile_version_arn, &key)
        .with_context(|| options.zip.display().to_string())?;
    let output = options.output.as_ref().unwrap_or(&options.zip);
    let mut temporary = output.clone().into_os_string();
    temporary.push(format!(".{}", std::process::id()));
    std::fs::write(&temporary, signed).with_context(|| output.display().to_string())?;
    std::fs::rename(&temporary, output).with_context(|| output.display().to_string())
}

/// The keys of `--signing-profiles`: ARN = "file", relative to the file that names them. Without it no signature can be
/// verified.
pub(crate) fn profile_keys(file: Option<&Path>) -> anyhow::Result<ProfileKeys> {
    let mut keys = ProfileKeys::default();
    let Some(file) = file else { return Ok(keys) };
    let text = String::from_utf8(read(file)?).with_context(|| file.display().to_string())?;
    let profiles: BTreeMap<String, PathBuf> =
        toml::from_str(&text).with_context(|| file.display().to_string())?;
    let directory = file.parent().unwrap_or(Path::new("."));
    for (arn, pem) in profiles {
        let pem = directory.join(pem);
        keys.add(arn, &read(&pem)?).with_context(|| pem.display().to_string())?;
    }
    Ok(keys)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}
