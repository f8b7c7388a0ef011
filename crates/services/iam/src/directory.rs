//! Who there is, for those who authenticate and authorise.

use std::sync::{Arc, PoisonError};

use lambent_domain::AccountId;
use lambent_iam_policy::Policy;
use lambent_ports::iam_store::{Grants, IamAccount};
use lambent_ports::identity::{AccessKey, Identities, NamedPolicy, PolicySource, RoleIdentity, UserIdentity};

use crate::here::{Here, IamArn, Kind};
use crate::{Iam, find};

/// Keys whose last use is remembered.
const MAX_LAST_USES: usize = 10_000;

/// When and where a key was used last.
#[derive(Clone, Debug)]
pub(crate) struct LastUse {
    pub at_ms: u64,
    pub service: String,
    pub region: String,
}

/// Identities are of AWS's main partition, whichever region they are asked for in.
fn here(account: &AccountId) -> Here {
    Here { account: account.clone(), partition: "aws" }
}

fn managed(here: &Here, account: &IamAccount, arn: &str) -> Option<NamedPolicy> {
    let policy = find::known_policy(here, account, arn).ok()??.document();
    Some(NamedPolicy { source: PolicySource::Managed { arn: arn.to_owned() }, policy })
}

/// What bounds somebody. A boundary that isn't known bounds everything.
fn boundary(here: &Here, account: &IamAccount, arn: Option<&String>) -> Option<NamedPolicy> {
    let arn = arn?;
    let unknown = || NamedPolicy {
        source: PolicySource::Managed { arn: arn.clone() },
        policy: Arc::new(Policy::parse(NOTHING).expect("it is one")),
    };
    Some(managed(here, account, arn).unwrap_or_else(unknown))
}

const NOTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}"#;

/// Inline policies by name, then attached ones in their order.
pub(crate) fn policies(
    here: &Here,
    account: &IamAccount,
    owner_arn: &str,
    grants: &Grants,
) -> Vec<NamedPolicy> {
    let inline = grants.inline.iter().map(|(name, policy)| NamedPolicy {
        source: PolicySource::Inline { owner_arn: owner_arn.to_owned(), name: name.clone() },
        policy: Arc::clone(policy),
    });
    inline.chain(grants.attached.iter().filter_map(|arn| managed(here, account, arn))).collect()
}

/// A user with its groups' policies.
pub(crate) fn user(here: &Here, account: &IamAccount, name: &str) -> Option<UserIdentity> {
    let user = account.users.get(&name.to_lowercase())?;
    let arn = here.arn(Kind::User, &user.head);
    let mut all = policies(here, account, &arn, &user.grants);
    for group in user.groups.iter().filter_map(|group| account.groups.get(&group.to_lowercase())) {
        all.extend(policies(here, account, &here.arn(Kind::Group, &group.head), &group.grants));
    }
    Some(UserIdentity {
        arn,
        id: user.head.id.clone(),
        name: user.head.name.clone(),
        tags: user.tags.clone(),
        policies: all,
        boundary: boundary(here, account, user.boundary.as_ref()),
    })
}

/// A role with its policies.
pub(crate) fn role(here: &Here, account: &IamAccount, name: &str) -> Option<RoleIdentity> {
    let role = account.roles.get(&name.to_lowercase())?;
    let arn = here.arn(Kind::Role, &role.head);
    Some(RoleIdentity {
        policies: policies(here, account, &arn, &role.grants),
        arn,
        id: role.head.id.clone(),
        name: role.head.name.clone(),
        trust: Arc::clone(&role.trust),
        max_session_s: role.max_session_s,
        tags: role.tags.clone(),
        boundary: boundary(here, account, role.boundary.as_ref()),
    })
}

impl Identities for Iam {
    fn access_key(&self, id: &str) -> Option<AccessKey> {
        let (account, name) = self.parts.store.key_owner(id)?;
        let found = self.parts.store.account(&account);
        let user = found.users.get(&name.to_lowercase())?;
        let key = user.keys.iter().find(|key| key.id == id)?;
        Some(AccessKey {
            id: key.id.clone(),
            secret: key.secret.clone(),
            active: key.active,
            account,
            user: user.head.name.clone(),
        })
    }

    fn user(&self, account: &AccountId, name: &str) -> Option<UserIdentity> {
        user(&here(account), &self.parts.store.account(account), name)
    }

    fn role(&self, account: &AccountId, name: &str) -> Option<RoleIdentity> {
        role(&here(account), &self.parts.store.account(account), name)
    }

    fn managed_policy(&self, arn: &str) -> Option<NamedPolicy> {
        let parsed = IamArn::parse(arn).ok()?;
        // AWS's are in every account.
        let owner = if parsed.account == "aws" { "000000000000" } else { parsed.account };
        let account = AccountId::parse(owner)?;
        managed(&here(&account), &self.parts.store.account(&account), arn)
    }

    fn used(&self, access_key_id: &str, service: &str, region: &str) {
        let now = LastUse { at_ms: self.now_ms(), service: service.into(), region: region.into() };
        let mut uses = self.last_uses.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < MAX_LAST_USES || uses.contains_key(access_key_id) {
            uses.insert(access_key_id.to_owned(), now);
        }
    }
}
