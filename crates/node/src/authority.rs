//! `--auth enforce`: the account's own key, the key that session tokens are sealed with, and who decides.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use lambent_api_kit::refusal;
use lambent_auth::{Auth, AuthParts, KEY_BYTES};
use lambent_domain::RequestId;
use lambent_kit::random::Random;
use lambent_kit::sigv4::Credentials;
use lambent_ports::access::{Gate, Refusal, Sessions};
use lambent_ports::identity::Identities;
use lambent_sts::Sts;

use crate::cli::options::{Auth as AuthMode, ServeOptions};
use crate::server::Opened;

/// The account's own key, in the form that the AWS CLI and SDKs read.
pub(crate) fn root_file(data_dir: &Path) -> PathBuf {
    data_dir.join("root-credentials")
}

/// Writes a refusal as the service does.
pub(crate) fn refuse(service: &str, refusal: &Refusal, head: &Parts, id: &RequestId) -> Response<Bytes> {
    match service {
        "s3" => lambent_s3::refused(refusal, head, id),
        _ => refusal::to_response(service, refusal, &head.headers, id),
    }
}

/// Who decides and who makes credentials.
pub(crate) struct Authorities {
    /// Where it is checked.
    pub(crate) gate: Option<Arc<dyn Gate>>,
    /// For functions, where it is checked.
    pub(crate) sessions: Option<Arc<dyn Sessions>>,
    pub(crate) sts: Sts,
}

/// Makes the keys that are not there yet.
pub(crate) fn open(
    options: &ServeOptions,
    opened: &Opened,
    identities: Arc<dyn Identities>,
) -> anyhow::Result<Authorities> {
    let dir = &options.data_dir;
    let root = match options.auth {
        AuthMode::Off => None,
        AuthMode::Enforce => Some(own_key(dir, &*opened.random)?),
    };
    let random = &*opened.random;
    let keys = dir.join("keys");
    std::fs::create_dir_all(&keys).with_context(|| keys.display().to_string())?;
    let file = keys.join("sessions.key");
    let seal = secret(&file, || [random.bytes16(), random.bytes16()].concat())?;
    let seal: [u8; KEY_BYTES] =
        seal.try_into().map_err(|_| anyhow::anyhow!("{} does not hold a key", file.display()))?;
    let auth = Auth::new(AuthParts {
        identities: Arc::clone(&identities),
        account: opened.scope.account.clone(),
        root,
        seal,
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
    });
    let enforced = (options.auth == AuthMode::Enforce).then(|| Arc::clone(&auth));
    Ok(Authorities {
        gate: enforced.clone().map(|auth| auth as Arc<dyn Gate>),
        sessions: enforced.map(|auth| auth as Arc<dyn Sessions>),
        sts: Sts { sessions: auth, identities, clock: Arc::clone(&opened.clock) },
    })
}

/// The account's own key.
fn own_key(data_dir: &Path, random: &dyn Random) -> anyhow::Result<Credentials> {
    let file = root_file(data_dir);
    let text = secret(&file, || new_root(random).into_bytes())?;
    tracing::info!(file = %file.display(), "signatures and permissions are checked; the account's own key is in its file");
    parse(&String::from_utf8_lossy(&text)).with_context(|| file.display().to_string())
}

/// The account's own key as a server made it.
pub(crate) fn root(data_dir: &Path) -> anyhow::Result<Credentials> {
    let file = root_file(data_dir);
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!("{}: a server with --auth enforce makes it when it first starts", file.display())
    })?;
    parse(&text).with_context(|| file.display().to_string())
}

fn new_root(random: &dyn Random) -> String {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let id: String = random.bytes16().iter().map(|byte| char::from(BASE32[usize::from(byte & 31)])).collect();
    let secret: String =
        [random.bytes16(), random.bytes16()].concat().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[default]\naws_access_key_id = AKIA{id}\naws_secret_access_key = {secret}\n")
}

fn parse(text: &str) -> anyhow::Result<Credentials> {
    let value = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(name, _)| name.trim() == wanted)?.1.trim();
        (!found.is_empty()).then(|| found.to_owned())
    };
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Ok(Credentials { access_key_id, secret_access_key })
        }
        _ => bail!("holds no access key; without the file the next start makes a new one"),
    }
}

/// A file that only its owner can read; made whole, if it isn't there.
fn secret(path: &Path, make: impl FnOnce() -> Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let shown = || path.display().to_string();
    match File::open(path) {
        Ok(mut file) => {
            let mode = file.metadata().with_context(shown)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!("{}: others can read it; chmod 600 it, if nobody has", shown());
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).with_context(shown)?;
            Ok(bytes)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let bytes = make();
            let unfinished = path.with_extension("new");
            let _ = std::fs::remove_file(&unfinished);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)
                .with_context(shown)?;
            file.write_all(&bytes).and_then(|()| file.sync_all()).with_context(shown)?;
            std::fs::rename(&unfinished, path).with_context(shown)?;
            // The name has to be on the disk, too, before anything relies on what it names.
            let directory = path.parent().unwrap_or(Path::new("."));
            File::open(directory).and_then(|directory| directory.sync_all()).with_context(shown)?;
            Ok(bytes)
        }
        Err(error) => Err(error).with_context(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_not_read_when_others_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert_eq!(secret(&path, || b"first".to_vec()).unwrap(), b"first");
        assert_eq!(secret(&path, || b"second".to_vec()).unwrap(), b"first");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(secret(&path, || b"third".to_vec()).is_err());
    }

    #[test]
    fn the_accounts_key_is_read_as_it_was_written() {
        let text = new_root(&lambent_kit::random::SystemRandom);
        let key = parse(&text).unwrap();
        assert!(key.access_key_id.starts_with("AKIA") && key.access_key_id.len() == 20);
        assert_eq!(key.secret_access_key.len(), 64);
        assert!(parse("[default]\naws_access_key_id =\n").is_err());
    }
}
