//! Environment variables at rest: AES-256-GCM with a key file that only the server's user can read.
//!
//! Which rows they are of is authenticated with them, so that rows can't be swapped.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lambent_kit::random::Random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::OpenError;

const KEY_BYTES: usize = 32;

/// The key of one data directory.
pub(crate) struct EnvironmentKey {
    key: LessSafeKey,
}

impl EnvironmentKey {
    /// Reads `<dir>/environment.key`, or makes it. A key that others can read is refused.
    pub(crate) fn open(dir: &Path, random: &dyn Random) -> Result<Self, OpenError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join("environment.key");
        let bytes = match File::open(&path) {
            Ok(mut file) => {
                let mode = file.metadata()?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(OpenError::Key(format!(
                        "{} can be read by others (mode {mode:o}); run: chmod 600 {}",
                        path.display(),
                        path.display()
                    )));
                }
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                bytes
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(dir, &path, random)?,
            Err(error) => return Err(error.into()),
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| {
            OpenError::Key(format!("{} does not hold a key of {KEY_BYTES} bytes", path.display()))
        })?;
        Ok(EnvironmentKey { key: LessSafeKey::new(key) })
    }

    /// Nonce and ciphertext. `owner` is authenticated with them.
    pub(crate) fn seal(&self, owner: &str, mut plain: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut nonce = [0; NONCE_LEN];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
            .map_err(|_| "no randomness".to_owned())?;
        let owner = Aad::from(owner.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), owner, &mut plain)
            .map_err(|_| "encryption failed".to_owned())?;
        Ok([nonce.as_slice(), &plain].concat())
    }

    /// The inverse of [`EnvironmentKey::seal`]; `None` for another key, another owner, or other bytes.
    pub(crate) fn unseal(&self, owner: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut bytes).ok()?;
        Some(plain.to_vec())
    }
}

/// Written whole or not at all: a torn key would lose every environment.
fn create(dir: &Path, path: &Path, random: &dyn Random) -> Result<Vec<u8>, OpenError> {
    let bytes = [random.bytes16(), random.bytes16()].concat();
    let temporary = dir.join("environment.key.new");
    let _ = std::fs::remove_file(&temporary);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()?;
    Ok(bytes)
}
