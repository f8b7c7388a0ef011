//! A certificate authority of this server's own, for the names of AWS's services inside sandboxes.
//!
//! It is made at the first start. Its key stays in the data directory; sandboxes get its certificate, beside those that
//! the host trusts. It can sign for no other names, whoever has the key.

mod leaves;
mod trust;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambent_kit::clock::Clock;
use lambent_ports::service_names::SUFFIXES;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::ServerConfig;

use crate::leaves::Leaves;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
/// Directory of what sandboxes see.
const TRUST: &str = "trust";

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file can't be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The key of an earlier start could be read by others since.
    #[error("{0} can be read by others; nobody knows who has it: remove the directory it is in")]
    Exposed(PathBuf),
    /// What is there is none.
    #[error("certificate authority: {0}")]
    Unusable(String),
}

/// The authority.
pub struct Authority {
    certificate: String,
    trust: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    clock: Arc<dyn Clock>,
}

impl Authority {
    /// Opens the one below the data directory, or makes it.
    pub fn open(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, CaError> {
        let dir = data_dir.join("ca");
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| CaError::File { path, error }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(at(&dir))?;
        let (key_path, certificate_path) = (dir.join(KEY), dir.join(CERTIFICATE));
        // The certificate is written last: without it nobody trusts the key yet.
        if !certificate_path.exists() {
            let key = KeyPair::generate().map_err(unusable)?;
            write(&key_path, key.serialize_pem().as_bytes(), 0o600).map_err(at(&key_path))?;
            let certificate = parameters().self_signed(&key).map_err(unusable)?.pem();
            write(&certificate_path, certificate.as_bytes(), 0o644).map_err(at(&certificate_path))?;
        }
        let mode = std::fs::metadata(&key_path).map_err(at(&key_path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(CaError::Exposed(key_path));
        }
        let key = std::fs::read_to_string(&key_path).map_err(at(&key_path))?;
        let certificate = std::fs::read_to_string(&certificate_path).map_err(at(&certificate_path))?;
        let key = KeyPair::from_pem(&key).map_err(unusable)?;
        let trust = dir.join(TRUST);
        trust::write(&trust, &certificate).map_err(at(&trust))?;
        Ok(Authority { certificate, trust, issuer: Issuer::new(parameters(), key), clock })
    }

    /// A directory of what sandboxes see: [`lambent_ports::sandbox::CA_BUNDLE`] by its file name.
    pub fn trust_dir(&self) -> &Path {
        &self.trust
    }

    /// Puts one more file of certificates there: these, and this authority's. Returns its path.
    pub fn add_to(&self, name: &str, certificates: &str) -> Result<PathBuf, CaError> {
        let path = self.trust.join(name);
        let text = format!("{}\n{}", certificates.trim_end(), self.certificate);
        write(&path, text.as_bytes(), 0o644).map_err(|error| CaError::File { path: path.clone(), error })?;
        Ok(path)
    }

    /// TLS with a certificate for whichever service's name a client asks.
    pub fn server_config(self) -> Result<Arc<ServerConfig>, CaError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let leaves = Leaves::new(self.issuer, self.clock).map_err(unusable)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(leaves));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn unusable(error: impl std::fmt::Display) -> CaError {
    CaError::Unusable(error.to_string())
}

/// The same at every start: what is signed refers to them.
fn parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "Lambent, for functions in sandboxes");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let permitted_subtrees = SUFFIXES.map(|suffix| GeneralSubtree::DnsName(suffix.into())).into();
    parameters.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    // Nobody outside of this server's sandboxes ever trusts it, and it goes with the data directory.
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2119, 12, 31);
    parameters
}

/// Whole or not at all, and on the disk.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let _ = std::fs::remove_file(&unfinished);
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&unfinished)?;
    // Whatever the umask has taken.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests;
