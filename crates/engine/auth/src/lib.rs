//! Who asks and what they may do: signatures against keys, and every operation against the policies that apply to it.

mod decide;
mod keys;
mod recognise;
mod sessions;
mod token;

use std::sync::{Arc, Mutex, PoisonError};

use lambent_domain::AccountId;
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_kit::sigv4::Credentials;
use lambent_kit::sigv4::claim::Received;
use lambent_ports::access::{Circumstances, Gate, Key, Need, Recognised, Refusal, Who};
use lambent_ports::aws_client::Principal;
use lambent_ports::identity::Identities;

use decide::Texts;
use keys::SigningKeys;
pub use token::KEY_BYTES;
use token::Seal;

/// What it is built of.
pub struct AuthParts {
    /// Users, roles and policies.
    pub identities: Arc<dyn Identities>,
    /// The account that `root` is of.
    pub account: AccountId,
    /// The account's own key: whoever has it may do everything. There is none where nothing is checked.
    pub root: Option<Credentials>,
    /// Session tokens are sealed with it.
    pub seal: [u8; KEY_BYTES],
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Keys, and what seals need.
    pub random: Arc<dyn Random>,
}

/// Knows keys and sessions, and decides.
pub struct Auth {
    identities: Arc<dyn Identities>,
    account: AccountId,
    root: Option<Credentials>,
    seal: Seal,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    signing_keys: SigningKeys,
    texts: Mutex<Texts>,
}

impl Auth {
    /// Builds it.
    pub fn new(parts: AuthParts) -> Arc<Self> {
        let AuthParts { identities, account, root, seal, clock, random } = parts;
        Arc::new(Auth {
            identities,
            account,
            root,
            seal: Seal::new(&seal),
            clock,
            random,
            signing_keys: SigningKeys::default(),
            texts: Mutex::default(),
        })
    }

    fn texts(&self) -> std::sync::MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Auth {
    fn recognise(
        &self,
        received: &Received<'_>,
        bucket: Option<&str>,
    ) -> Result<Box<dyn Recognised>, Refusal> {
        recognise::recognise(self, received, bucket)
    }

    fn within(&self, principal: &Principal, account: &AccountId) -> Arc<Who> {
        match principal {
            Principal::Service { name, source_arn } => Arc::new(Who::Service {
                name: (*name).to_owned(),
                source_arn: source_arn.clone(),
                account: account.clone(),
            }),
            Principal::Role(arn) => self.role(arn, "lambent", None),
            Principal::Asker(authority) => Arc::clone(&authority.who),
        }
    }

    fn may(&self, who: &Who, circumstances: &Circumstances, need: &Need) -> Result<(), Refusal> {
        self.decide(who, circumstances, need)
    }

    fn trusts(&self, role_arn: &str, service: &str, keys: &[Key]) -> bool {
        self.role_trusts(role_arn, service, keys)
    }
}

/// Account and name of a role's ARN.
fn role_of(arn: &str) -> Option<(AccountId, &str)> {
    let mut parts = arn.splitn(6, ':');
    let account = parts.nth(4)?;
    let path = parts.next()?.strip_prefix("role/")?;
    Some((AccountId::parse(account)?, path.rsplit('/').next()?))
}
