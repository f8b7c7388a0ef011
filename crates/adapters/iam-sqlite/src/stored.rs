//! Records as they are written down: policies as their texts, secrets apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lambent_iam_policy::Policy;
use lambent_ports::iam_store::{
    Grants, Group, Head, IamRecord, InstanceProfile, ManagedPolicy, PolicyVersion, Role, ServiceCredential,
    Tags, User, UserKey,
};
use lambent_ports::identity::Secret;
use serde::{Deserialize, Serialize};

/// Secrets by the id of what they are of.
pub(crate) type Secrets = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
pub(crate) enum StoredRecord {
    User(StoredUser),
    Group(StoredGroup),
    Role(StoredRole),
    Policy(StoredPolicy),
    InstanceProfile(StoredProfile),
    Alias(String),
}

#[derive(Serialize, Deserialize)]
struct StoredHead {
    name: String,
    path: String,
    id: String,
    created_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredGrants {
    inline: BTreeMap<String, String>,
    attached: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: String,
    active: bool,
    created_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredCredential {
    id: String,
    service: String,
    user_name: String,
    active: bool,
    created_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredUser {
    head: StoredHead,
    tags: Tags,
    grants: StoredGrants,
    boundary: Option<String>,
    groups: BTreeSet<String>,
    keys: Vec<StoredKey>,
    service_credentials: Vec<StoredCredential>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredGroup {
    head: StoredHead,
    grants: StoredGrants,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRole {
    head: StoredHead,
    tags: Tags,
    description: Option<String>,
    trust: String,
    max_session_s: u32,
    grants: StoredGrants,
    boundary: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredVersion {
    number: u32,
    document: String,
    created_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredPolicy {
    head: StoredHead,
    tags: Tags,
    description: Option<String>,
    versions: Vec<StoredVersion>,
    default_version: u32,
    last_version: u32,
    updated_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredProfile {
    head: StoredHead,
    tags: Tags,
    role: Option<String>,
}

fn document(text: &str) -> Result<Arc<Policy>, String> {
    Policy::parse(text).map(Arc::new).map_err(|error| format!("a policy can't be read: {error}"))
}

impl StoredHead {
    fn of(head: &Head) -> Self {
        let Head { name, path, id, created_ms } = head.clone();
        StoredHead { name, path, id, created_ms }
    }

    fn into_head(self) -> Head {
        let StoredHead { name, path, id, created_ms } = self;
        Head { name, path, id, created_ms }
    }
}

impl StoredGrants {
    fn of(grants: &Grants) -> Self {
        let inline = grants.inline.iter().map(|(name, policy)| (name.clone(), policy.text().to_owned()));
        StoredGrants { inline: inline.collect(), attached: grants.attached.clone() }
    }

    fn into_grants(self) -> Result<Grants, String> {
        let inline = self.inline.into_iter().map(|(name, text)| Ok((name, document(&text)?)));
        Ok(Grants { inline: inline.collect::<Result<_, String>>()?, attached: self.attached })
    }
}

impl StoredCredential {
    fn of(credential: &ServiceCredential) -> Self {
        let ServiceCredential { id, service, user_name, password: _, active, created_ms } =
            credential.clone();
        StoredCredential { id, service, user_name, active, created_ms }
    }

    fn into_credential(self, secrets: &mut Secrets) -> Result<ServiceCredential, String> {
        let StoredCredential { id, service, user_name, active, created_ms } = self;
        let password = secret(secrets, &id)?;
        Ok(ServiceCredential { id, service, user_name, password, active, created_ms })
    }
}

fn secret(secrets: &mut Secrets, id: &str) -> Result<Secret, String> {
    secrets.remove(id).map(Secret).ok_or_else(|| format!("the secret of {id} is missing"))
}

impl StoredUser {
    fn of(user: &User) -> (Self, Secrets) {
        let User { head, tags, grants, boundary, groups, keys, service_credentials } = user;
        let of_keys = keys.iter().map(|key| (&key.id, &key.secret));
        let of_services = service_credentials.iter().map(|one| (&one.id, &one.password));
        let secrets = of_keys.chain(of_services).map(|(id, secret)| (id.clone(), secret.0.clone())).collect();
        let keys = keys
            .iter()
            .map(|key| StoredKey { id: key.id.clone(), active: key.active, created_ms: key.created_ms })
            .collect();
        let stored = StoredUser {
            head: StoredHead::of(head),
            tags: tags.clone(),
            grants: StoredGrants::of(grants),
            boundary: boundary.clone(),
            groups: groups.clone(),
            keys,
            service_credentials: service_credentials.iter().map(StoredCredential::of).collect(),
        };
        (stored, secrets)
    }

    fn into_user(self, mut secrets: Secrets) -> Result<User, String> {
        let StoredUser { head, tags, grants, boundary, groups, keys, service_credentials } = self;
        let mut found = Vec::with_capacity(keys.len());
        for StoredKey { id, active, created_ms } in keys {
            let secret = secret(&mut secrets, &id)?;
            found.push(UserKey { id, secret, active, created_ms });
        }
        let credentials = service_credentials.into_iter().map(|one| one.into_credential(&mut secrets));
        let service_credentials = credentials.collect::<Result<_, String>>()?;
        let (head, grants) = (head.into_head(), grants.into_grants()?);
        Ok(User { head, tags, grants, boundary, groups, keys: found, service_credentials })
    }
}

impl StoredRole {
    fn of(role: &Role) -> Self {
        let Role { head, tags, description, trust, max_session_s, grants, boundary } = role;
        StoredRole {
            head: StoredHead::of(head),
            tags: tags.clone(),
            description: description.clone(),
            trust: trust.text().to_owned(),
            max_session_s: *max_session_s,
            grants: StoredGrants::of(grants),
            boundary: boundary.clone(),
        }
    }

    fn into_role(self) -> Result<Role, String> {
        let StoredRole { head, tags, description, trust, max_session_s, grants, boundary } = self;
        let (head, trust, grants) = (head.into_head(), document(&trust)?, grants.into_grants()?);
        Ok(Role { head, tags, description, trust, max_session_s, grants, boundary })
    }
}

impl StoredPolicy {
    fn of(policy: &ManagedPolicy) -> Self {
        let ManagedPolicy { head, tags, description, versions, default_version, last_version, updated_ms } =
            policy;
        let versions = versions.iter().map(|PolicyVersion { number, document, created_ms }| StoredVersion {
            number: *number,
            document: document.text().to_owned(),
            created_ms: *created_ms,
        });
        StoredPolicy {
            head: StoredHead::of(head),
            tags: tags.clone(),
            description: description.clone(),
            versions: versions.collect(),
            default_version: *default_version,
            last_version: *last_version,
            updated_ms: *updated_ms,
        }
    }

    fn into_policy(self) -> Result<ManagedPolicy, String> {
        let StoredPolicy { head, tags, description, versions, default_version, last_version, updated_ms } =
            self;
        let versions = versions.into_iter().map(|StoredVersion { number, document: text, created_ms }| {
            Ok(PolicyVersion { number, document: document(&text)?, created_ms })
        });
        let versions = versions.collect::<Result<_, String>>()?;
        let head = head.into_head();
        Ok(ManagedPolicy { head, tags, description, versions, default_version, last_version, updated_ms })
    }
}

impl StoredRecord {
    pub(crate) fn of(record: &IamRecord) -> (Self, Secrets) {
        let stored = match record {
            IamRecord::User(user) => {
                let (stored, secrets) = StoredUser::of(user);
                return (StoredRecord::User(stored), secrets);
            }
            IamRecord::Group(Group { head, grants }) => StoredRecord::Group(StoredGroup {
                head: StoredHead::of(head),
                grants: StoredGrants::of(grants),
            }),
            IamRecord::Role(role) => StoredRecord::Role(StoredRole::of(role)),
            IamRecord::Policy(policy) => StoredRecord::Policy(StoredPolicy::of(policy)),
            IamRecord::InstanceProfile(InstanceProfile { head, tags, role }) => {
                let (head, tags, role) = (StoredHead::of(head), tags.clone(), role.clone());
                StoredRecord::InstanceProfile(StoredProfile { head, tags, role })
            }
            IamRecord::Alias(alias) => StoredRecord::Alias(alias.clone()),
        };
        (stored, Secrets::new())
    }

    pub(crate) fn into_record(self, secrets: Secrets) -> Result<IamRecord, String> {
        Ok(match self {
            StoredRecord::User(user) => IamRecord::User(user.into_user(secrets)?),
            StoredRecord::Group(StoredGroup { head, grants }) => {
                IamRecord::Group(Group { head: head.into_head(), grants: grants.into_grants()? })
            }
            StoredRecord::Role(role) => IamRecord::Role(role.into_role()?),
            StoredRecord::Policy(policy) => IamRecord::Policy(policy.into_policy()?),
            StoredRecord::InstanceProfile(StoredProfile { head, tags, role }) => {
                IamRecord::InstanceProfile(InstanceProfile { head: head.into_head(), tags, role })
            }
            StoredRecord::Alias(alias) => IamRecord::Alias(alias),
        })
    }
}
