//! Users, groups and roles as what policies are given to.

use lambent_ports::iam_store::{Grants, IamAccount, IamChange, IamRecord};

use crate::here::{Here, Kind};
use crate::{IamFault, documents, find, quotas};

/// Whom policies are given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    User(&'a str),
    Group(&'a str),
    Role(&'a str),
}

impl Owner<'_> {
    fn word(self) -> &'static str {
        match self {
            Owner::User(_) => "user",
            Owner::Group(_) => "group",
            Owner::Role(_) => "role",
        }
    }

    /// What it is called, as it was given.
    pub(crate) fn name(self, account: &IamAccount) -> Result<String, IamFault> {
        Ok(match self {
            Owner::User(name) => find::user(account, name)?.head.name.clone(),
            Owner::Group(name) => find::group(account, name)?.head.name.clone(),
            Owner::Role(name) => find::role(account, name)?.head.name.clone(),
        })
    }

    pub(crate) fn grants(self, account: &IamAccount) -> Result<&Grants, IamFault> {
        Ok(match self {
            Owner::User(name) => &find::user(account, name)?.grants,
            Owner::Group(name) => &find::group(account, name)?.grants,
            Owner::Role(name) => &find::role(account, name)?.grants,
        })
    }

    /// What changes its grants, and says no when it must not.
    pub(crate) fn change(
        self,
        account: &IamAccount,
        change: impl FnOnce(&mut Grants) -> Result<(), IamFault>,
    ) -> Result<Vec<IamChange>, IamFault> {
        let record = match self {
            Owner::User(name) => {
                let mut user = find::user(account, name)?.as_ref().clone();
                change(&mut user.grants)?;
                IamRecord::User(user)
            }
            Owner::Group(name) => {
                let mut group = find::group(account, name)?.as_ref().clone();
                change(&mut group.grants)?;
                IamRecord::Group(group)
            }
            Owner::Role(name) => {
                let mut role = find::own_role(account, name)?.as_ref().clone();
                change(&mut role.grants)?;
                IamRecord::Role(role)
            }
        };
        Ok(vec![IamChange::Put(record)])
    }

    /// The refusal that it has no inline policy of a name.
    pub(crate) fn no_inline(self, policy: &str) -> IamFault {
        IamFault::missing(&format!("{} policy", self.word()), policy)
    }

    /// Looks whether its inline policies fit.
    pub(crate) fn check_inline(self, grants: &Grants) -> Result<(), IamFault> {
        let (most, name) = match self {
            Owner::User(name) => (quotas::USER_INLINE_SIZE, name),
            Owner::Group(name) => (quotas::GROUP_INLINE_SIZE, name),
            Owner::Role(name) => (quotas::ROLE_INLINE_SIZE, name),
        };
        let size: usize = grants.inline.values().map(|policy| documents::size(policy)).sum();
        if size <= most {
            return Ok(());
        }
        let text = format!("Maximum policy size of {most} bytes exceeded for {} {name}", self.word());
        Err(IamFault::LimitExceeded(text))
    }

    /// Attaches a managed policy; again is no error.
    pub(crate) fn attach(
        self,
        here: &Here,
        account: &IamAccount,
        arn: &str,
    ) -> Result<Vec<IamChange>, IamFault> {
        let known = self.grants(account)?.attached.iter().any(|attached| attached == arn);
        find::attachable(here, account, arn)?;
        if known {
            return Ok(Vec::new());
        }
        self.change(account, |grants| {
            if grants.attached.len() >= quotas::ATTACHED {
                let quota = match self {
                    Owner::User(_) => "PoliciesPerUser",
                    Owner::Group(_) => "PoliciesPerGroup",
                    Owner::Role(_) => "PoliciesPerRole",
                };
                return Err(IamFault::quota(quota, quotas::ATTACHED));
            }
            grants.attached.push(arn.to_owned());
            Ok(())
        })
    }

    /// Detaches a managed policy.
    pub(crate) fn detach(self, account: &IamAccount, arn: &str) -> Result<Vec<IamChange>, IamFault> {
        self.change(account, |grants| {
            let before = grants.attached.len();
            grants.attached.retain(|attached| attached != arn);
            match grants.attached.len() < before {
                true => Ok(()),
                false => Err(IamFault::NoSuchEntity(format!("Policy {arn} was not found."))),
            }
        })
    }
}

/// Everything that policies are attached to in an account: what it is, its grants and its boundary.
pub(crate) fn all(account: &IamAccount) -> impl Iterator<Item = (Kind, &Grants, Option<&str>)> {
    let users = account.users.values().map(|user| (Kind::User, &user.grants, user.boundary.as_deref()));
    let groups = account.groups.values().map(|group| (Kind::Group, &group.grants, None));
    let roles = account.roles.values().map(|role| (Kind::Role, &role.grants, role.boundary.as_deref()));
    users.chain(groups).chain(roles)
}

/// How often a policy is attached, and how often it is a boundary.
pub(crate) fn uses(account: &IamAccount, arn: &str) -> (i32, i32) {
    let (mut attached, mut bounds) = (0, 0);
    for (_, grants, boundary) in all(account) {
        attached += i32::from(grants.attached.iter().any(|one| one == arn));
        bounds += i32::from(boundary == Some(arn));
    }
    (attached, bounds)
}

/// What must be taken from somebody before it can be deleted.
pub(crate) fn empty(grants: &Grants) -> Result<(), IamFault> {
    match (grants.attached.is_empty(), grants.inline.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(IamFault::must_first("detach all policies")),
        (true, false) => Err(IamFault::must_first("delete policies")),
    }
}
