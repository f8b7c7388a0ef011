//! Who there is, and what is allowed to whom: what every request is authenticated and authorised with. Lookups are in
//! memory, and see every change that has been answered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lambent_domain::AccountId;
use lambent_iam_policy::Policy;

/// What must not get into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A user's key that lasts until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// Whether it may be used.
    pub active: bool,
    /// Its user's account.
    pub account: AccountId,
    /// Its user's name.
    pub user: String,
}

/// Where a policy of an identity comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// It is attached.
    Managed {
        /// Its ARN.
        arn: String,
    },
    /// It is part of a user, group or role.
    Inline {
        /// Of which.
        owner_arn: String,
        /// Its name there.
        name: String,
    },
}

/// A policy that applies to somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPolicy {
    /// Where it comes from.
    pub source: PolicySource,
    /// Compiled.
    pub policy: Arc<Policy>,
}

/// A user with everything that applies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct UserIdentity {
    /// With its path.
    pub arn: String,
    /// `AIDA…`
    pub id: String,
    /// As it was given.
    pub name: String,
    /// `aws:PrincipalTag/…`
    pub tags: BTreeMap<String, String>,
    /// Its own and those of its groups.
    pub policies: Vec<NamedPolicy>,
    /// The most that they can allow.
    pub boundary: Option<NamedPolicy>,
}

/// A role with everything that applies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleIdentity {
    /// With its path.
    pub arn: String,
    /// `AROA…`
    pub id: String,
    /// As it was given.
    pub name: String,
    /// Who may assume it.
    pub trust: Arc<Policy>,
    /// How long a session of it may last, in seconds.
    pub max_session_s: u32,
    /// `aws:PrincipalTag/…`
    pub tags: BTreeMap<String, String>,
    /// What it may do.
    pub policies: Vec<NamedPolicy>,
    /// The most that they can allow.
    pub boundary: Option<NamedPolicy>,
}

/// Users, roles and policies, to look up.
pub trait Identities: Send + Sync {
    /// The key of an id.
    fn access_key(&self, id: &str) -> Option<AccessKey>;

    /// The user of a name, whatever its case.
    fn user(&self, account: &AccountId, name: &str) -> Option<UserIdentity>;

    /// The role of a name, without its path and whatever its case.
    fn role(&self, account: &AccountId, name: &str) -> Option<RoleIdentity>;

    /// A managed policy, AWS's or an account's, in its default version.
    fn managed_policy(&self, arn: &str) -> Option<NamedPolicy>;

    /// A key has been used, for those who ask when it was. Kept in memory.
    fn used(&self, access_key_id: &str, service: &str, region: &str);
}
