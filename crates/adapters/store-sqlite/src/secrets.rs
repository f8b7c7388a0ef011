//! Environment variables at rest: AES-256-GCM with a key file that only the server's user can read.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lambent_domain::{FunctionKey, Secrets};
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

    /// Nonce and ciphertext. The function's key is authenticated with it, so that rows can't be swapped.
    pub(crate) fn seal(&self, owner: &FunctionKey, secrets: &Secrets) -> Result<Vec<u8>, String> {
        let mut bytes = serde_json::to_vec(&secrets.0).map_err(|error| error.to_string())?;
        let mut nonce = [0; NONCE_LEN];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
            .map_err(|_| "no randomness".to_owned())?;
        let owner = owner.arn();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(owner.as_bytes()),
                &mut bytes,
            )
            .map_err(|_| "encryption failed".to_owned())?;
        Ok([nonce.as_slice(), &bytes].concat())
    }

    /// The inverse of [`EnvironmentKey::seal`].
    pub(crate) fn unseal(&self, owner: &FunctionKey, sealed: &[u8]) -> Result<Secrets, String> {
        let wrong = || format!("the environment of {} can't be decrypted with this key", owner.name);
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut bytes = bytes.to_vec();
        let owner_arn = owner.arn();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(owner_arn.as_bytes()), &mut bytes)
            .map_err(|_| wrong())?;
        serde_json::from_slice(plain).map(Secrets).map_err(|_| wrong())
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
