//! What sandboxes trust: whom the host trusts, and this authority.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use lambent_ports::sandbox::{CA_BUNDLE, CA_CERTIFICATE};

/// Writes the bundle and the own certificate. Anew at every start: the host's certificates change.
pub(crate) fn write(dir: &Path, own: &str) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    // Sandboxes have users of their own, and the umask may be strict.
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    for (place, text) in [(CA_BUNDLE, &*bundle(own)), (CA_CERTIFICATE, own)] {
        let name = Path::new(place).file_name().ok_or(io::ErrorKind::InvalidInput)?;
        crate::write(&dir.join(name), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// The host's certificates as they are, then the own one.
fn bundle(own: &str) -> String {
    let host = rustls_native_certs::load_native_certs();
    for error in &host.errors {
        tracing::warn!(%error, "certificates that this host trusts can't be read; functions don't trust them");
    }
    let mut text: String = host.certs.iter().map(|certificate| pem(certificate)).collect();
    text.push_str(own);
    text
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}
