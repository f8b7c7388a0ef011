//! Session tokens: everything that a temporary key stands for, sealed with a key that never leaves the data directory. So
//! they hold after a restart, and nothing has to be kept of them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambent_domain::AccountId;
use lambent_kit::random::Random;
use lambent_ports::access::{Session, Who};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;
/// What tokens of AWS begin with, before the part that is theirs.
const PREFIX: &str = "IQoJb3JpZ2luX2Vj";
/// What a token is sealed for.
const PURPOSE: &[u8] = b"session token, version 1";

/// Seals and opens.
pub(crate) struct Seal(LessSafeKey);

/// What is in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) issued_at_ms: u64,
    pub(crate) expires_at_ms: u64,
    pub(crate) of: Of,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Of {
    Root {
        account: String,
    },
    User {
        account: String,
        name: String,
        id: String,
        arn: String,
    },
    Role {
        account: String,
        role_arn: String,
        role_id: String,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policies: Option<Vec<String>>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        transitive: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_identity: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function_arn: Option<String>,
    },
}

impl Of {
    /// Nobody gets a token for a service, or for nobody.
    pub(crate) fn who(who: &Who) -> Option<Of> {
        Some(match who.clone() {
            Who::Anonymous | Who::Service { .. } => return None,
            Who::Root { account, .. } => Of::Root { account: account.to_string() },
            Who::User { account, name, id, arn, .. } => {
                Of::User { account: account.to_string(), name, id, arn }
            }
            Who::Session(session) => {
                let Session { account, role_arn, role_id, name, policies, tags, .. } = *session;
                Of::Role {
                    account: account.to_string(),
                    role_arn,
                    role_id,
                    name,
                    policies,
                    tags,
                    transitive: session.transitive,
                    source_identity: session.source_identity,
                    function_arn: session.function_arn,
                }
            }
        })
    }

    pub(crate) fn into_who(self) -> Option<Who> {
        Some(match self {
            Of::Root { account } => Who::Root { account: AccountId::parse(&account)?, temporary: true },
            Of::User { account, name, id, arn } => {
                Who::User { account: AccountId::parse(&account)?, name, id, arn, temporary: true }
            }
            Of::Role {
                account,
                role_arn,
                role_id,
                name,
                policies,
                tags,
                transitive,
                source_identity,
                function_arn,
            } => Who::Session(Box::new(Session {
                account: AccountId::parse(&account)?,
                role_arn,
                role_id,
                name,
                policies,
                tags,
                transitive,
                source_identity,
                function_arn,
            })),
        })
    }
}

impl Seal {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Seal {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key is as long as the algorithm's");
        Seal(LessSafeKey::new(key))
    }

    pub(crate) fn seal(&self, what: &Sealed, random: &dyn Random) -> String {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&random.bytes16()[..NONCE_LEN]);
        let mut sealed = serde_json::to_vec(what).expect("what is sealed is JSON");
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, Aad::from(PURPOSE), &mut sealed)
            .expect("a token is far below the algorithm's limit");
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        format!("{PREFIX}{}", STANDARD.encode(bytes))
    }

    pub(crate) fn open(&self, token: &str) -> Option<Sealed> {
        let mut bytes = STANDARD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.0.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use lambent_kit::random::SystemRandom;

    use super::*;

    #[test]
    fn a_token_opens_with_its_key_alone_and_unchanged() {
        let sealed = Sealed {
            access_key_id: "ASIA1".into(),
            secret_access_key: "s".into(),
            issued_at_ms: 1,
            expires_at_ms: 2,
            of: Of::Root { account: "123456789012".into() },
        };
        let seal = Seal::new(&[7; KEY_BYTES]);
        let token = seal.seal(&sealed, &SystemRandom);
        assert_eq!(seal.open(&token), Some(sealed.clone()));
        assert_ne!(seal.seal(&sealed, &SystemRandom), token, "no nonce is used twice");
        assert_eq!(Seal::new(&[8; KEY_BYTES]).open(&token), None);
        for end in 0..token.len() {
            assert_eq!(seal.open(&token[..end]), None);
        }
        let mut bytes = token.into_bytes();
        let at = bytes.len() - 9;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(seal.open(&String::from_utf8(bytes).unwrap()), None);
    }
}
