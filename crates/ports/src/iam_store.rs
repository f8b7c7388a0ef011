//! What IAM keeps: an account's users, groups, roles, policies and instance profiles. They refer to one another, so an
//! account is one thing that changes as a whole: a commit says on which state of it it was decided. All of it is in memory,
//! too: reads take no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use lambent_domain::AccountId;
use lambent_iam_policy::Policy;

use crate::identity::Secret;

/// Keys with their values.
pub type Tags = BTreeMap<String, String>;

/// What every entity has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// As it was given; another one must not differ in case alone.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// Of this entity and of none made after it was deleted.
    pub id: String,
    /// When it was made.
    pub created_ms: u64,
}

/// What an entity is allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// By name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// ARNs of managed policies, in the order in which they were attached.
    pub attached: Vec<String>,
}

/// A user's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKey {
    /// `AKIA…`
    pub id: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made.
    pub created_ms: u64,
}

/// A user's password for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCredential {
    /// `ACCA…`
    pub id: String,
    /// `codecommit.amazonaws.com`
    pub service: String,
    /// Goes with the password.
    pub user_name: String,
    /// What the service is shown.
    pub password: Secret,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made.
    pub created_ms: u64,
}

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Name, path, id.
    pub head: Head,
    /// As set.
    pub tags: Tags,
    /// Its own policies.
    pub grants: Grants,
    /// ARN of the managed policy that bounds them.
    pub boundary: Option<String>,
    /// Its groups, by name.
    pub groups: BTreeSet<String>,
    /// Its keys, the oldest first.
    pub keys: Vec<UserKey>,
    /// Its passwords for single services, the oldest first.
    pub service_credentials: Vec<ServiceCredential>,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Name, path, id.
    pub head: Head,
    /// What its users are allowed.
    pub grants: Grants,
}

/// A role.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// Name, path, id.
    pub head: Head,
    /// As set.
    pub tags: Tags,
    /// For people.
    pub description: Option<String>,
    /// Who may assume it.
    pub trust: Arc<Policy>,
    /// How long a session may last, in seconds.
    pub max_session_s: u32,
    /// What it is allowed.
    pub grants: Grants,
    /// ARN of the managed policy that bounds them.
    pub boundary: Option<String>,
}

/// A version of a managed policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyVersion {
    /// `v1` is 1.
    pub number: u32,
    /// What it says.
    pub document: Arc<Policy>,
    /// When it was made.
    pub created_ms: u64,
}

/// A managed policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedPolicy {
    /// Name, path, id.
    pub head: Head,
    /// As set.
    pub tags: Tags,
    /// For people.
    pub description: Option<String>,
    /// The oldest first.
    pub versions: Vec<PolicyVersion>,
    /// The number of the version in force.
    pub default_version: u32,
    /// The greatest number that has been given.
    pub last_version: u32,
    /// When it was changed.
    pub updated_ms: u64,
}

impl ManagedPolicy {
    /// The version of a number.
    pub fn version(&self, number: u32) -> Option<&PolicyVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// What gives a machine a role.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceProfile {
    /// Name, path, id.
    pub head: Head,
    /// As set.
    pub tags: Tags,
    /// Its role, by name.
    pub role: Option<String>,
}

/// A record of an account.
#[derive(Clone, Debug, PartialEq)]
pub enum IamRecord {
    /// A user.
    User(User),
    /// A group.
    Group(Group),
    /// A role.
    Role(Role),
    /// A managed policy.
    Policy(ManagedPolicy),
    /// An instance profile.
    InstanceProfile(InstanceProfile),
    /// What the account is called besides its number.
    Alias(String),
}

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IamKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
    /// A managed policy.
    Policy,
    /// An instance profile.
    InstanceProfile,
    /// The account's alias.
    Alias,
}

impl IamRecord {
    /// What it is, and its name in lower case.
    pub fn key(&self) -> (IamKind, String) {
        let (kind, head) = match self {
            IamRecord::User(user) => (IamKind::User, &user.head),
            IamRecord::Group(group) => (IamKind::Group, &group.head),
            IamRecord::Role(role) => (IamKind::Role, &role.head),
            IamRecord::Policy(policy) => (IamKind::Policy, &policy.head),
            IamRecord::InstanceProfile(profile) => (IamKind::InstanceProfile, &profile.head),
            // There is one.
            IamRecord::Alias(_) => return (IamKind::Alias, String::new()),
        };
        (kind, head.name.to_lowercase())
    }
}

/// A part of a commit.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a commit has a few of them")]
pub enum IamChange {
    /// Makes a record, or replaces the one of its name.
    Put(IamRecord),
    /// Drops the record of a name.
    Drop(IamKind, String),
}

/// Entities of a kind, by name in lower case.
pub type Entities<T> = BTreeMap<String, Arc<T>>;

/// An account at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IamAccount {
    /// Counts its commits.
    pub revision: u64,
    /// Users.
    pub users: Entities<User>,
    /// Groups.
    pub groups: Entities<Group>,
    /// Roles.
    pub roles: Entities<Role>,
    /// Managed policies of its own.
    pub policies: Entities<ManagedPolicy>,
    /// Instance profiles.
    pub instance_profiles: Entities<InstanceProfile>,
    /// What it is called besides its number.
    pub alias: Option<String>,
}

impl IamAccount {
    /// Carries out a part of a commit.
    pub fn apply(&mut self, change: IamChange) {
        match change {
            IamChange::Put(record) => {
                let (_, name) = record.key();
                match record {
                    IamRecord::User(user) => drop(self.users.insert(name, Arc::new(user))),
                    IamRecord::Group(group) => drop(self.groups.insert(name, Arc::new(group))),
                    IamRecord::Role(role) => drop(self.roles.insert(name, Arc::new(role))),
                    IamRecord::Policy(policy) => drop(self.policies.insert(name, Arc::new(policy))),
                    IamRecord::InstanceProfile(profile) => {
                        drop(self.instance_profiles.insert(name, Arc::new(profile)));
                    }
                    IamRecord::Alias(alias) => self.alias = Some(alias),
                }
            }
            IamChange::Drop(kind, name) => {
                let name = name.to_lowercase();
                match kind {
                    IamKind::User => drop(self.users.remove(&name)),
                    IamKind::Group => drop(self.groups.remove(&name)),
                    IamKind::Role => drop(self.roles.remove(&name)),
                    IamKind::Policy => drop(self.policies.remove(&name)),
                    IamKind::InstanceProfile => drop(self.instance_profiles.remove(&name)),
                    IamKind::Alias => self.alias = None,
                }
            }
        }
    }
}

/// Why a commit failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IamStoreError {
    /// The account is not in the state that the commit was decided on. Nothing happened; read again and decide anew.
    #[error("the account has changed")]
    Changed,
    /// The storage failed; for the log. What was to be done may have happened.
    #[error("IAM store: {0}")]
    Storage(String),
}

/// Accounts.
#[async_trait]
pub trait IamStore: Send + Sync {
    /// An account as it is; an empty one when nothing has been made in it.
    fn account(&self, account: &AccountId) -> Arc<IamAccount>;

    /// Whose key an id is: the user's account and name.
    fn key_owner(&self, access_key_id: &str) -> Option<(AccountId, String)>;

    /// Changes an account that is in the state of `revision`. Everything or nothing of it happens, and is on disk when it
    /// is answered.
    async fn commit(
        &self,
        account: &AccountId,
        revision: u64,
        changes: Vec<IamChange>,
    ) -> Result<Arc<IamAccount>, IamStoreError>;
}
