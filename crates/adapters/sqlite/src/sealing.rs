//! Secrets at rest: AES-256-GCM with a key file that only the server's user can read.
//!
//! Which rows they are of is authenticated with them, so that rows can't be swapped.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const KEY_BYTES: usize = 32;

/// A key could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file's permissions, or its content.
    #[error("{0}")]
    Refused(String),
    /// The disk says so.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A key of one data directory.
pub struct SealingKey {
    key: LessSafeKey,
}

impl SealingKey {
    /// Reads `<dir>/<name>.key`, or makes it of `fresh`. A key that others can read is refused.
    pub fn open(dir: &Path, name: &str, fresh: [[u8; 16]; 2]) -> Result<Self, KeyError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(format!("{name}.key"));
        let bytes = match File::open(&path) {
            Ok(mut file) => {
                let mode = file.metadata()?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(KeyError::Refused(format!(
                        "{} can be read by others (mode {mode:o}); run: chmod 600 {}",
                        path.display(),
                        path.display()
                    )));
                }
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                bytes
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes = fresh.concat();
                create(dir, name, &bytes)?;
                bytes
            }
            Err(error) => return Err(error.into()),
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| {
            KeyError::Refused(format!("{} does not hold a key of {KEY_BYTES} bytes", path.display()))
        })?;
        Ok(SealingKey { key: LessSafeKey::new(key) })
    }

    /// Nonce and ciphertext. `owner` is authenticated with them.
    pub fn seal(&self, owner: &str, mut plain: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut nonce = [0; NONCE_LEN];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
            .map_err(|_| "no randomness".to_owned())?;
        let owner = Aad::from(owner.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), owner, &mut plain)
            .map_err(|_| "encryption failed".to_owned())?;
        Ok([nonce.as_slice(), &plain].concat())
    }

    /// The inverse of [`SealingKey::seal`]; `None` for another key, another owner, or other bytes.
    pub fn unseal(&self, owner: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut bytes).ok()?;
        Some(plain.to_vec())
    }
}

/// Written whole or not at all: a torn key would lose everything that it seals.
fn create(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), KeyError> {
    let temporary = dir.join(format!("{name}.key.new"));
    let _ = std::fs::remove_file(&temporary);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(format!("{name}.key")))?;
    File::open(dir)?.sync_all()?;
    Ok(())
}
