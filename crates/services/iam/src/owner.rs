//! Users, groups and roles as what policies are given to.

use std::collections::HashMap;

use lambent_ports::iam_store::{Grants, IamAccount, IamChange, IamRecord};

use crate::here::Here;
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

/// Grants and boundary of everything that policies are attached to in an account.
fn all(account: &IamAccount) -> impl Iterator<Item = (&Grants, Option<&str>)> {
    let users = account.users.values().map(|user| (&user.grants, user.boundary.as_deref()));
    let groups = account.groups.values().map(|group| (&group.grants, None));
    let roles = account.roles.values().map(|role| (&role.grants, role.boundary.as_deref()));
    users.chain(groups).chain(roles)
}

/// How often each policy of an account is used: counted once for a whole list of them.
pub(crate) struct Uses<'a>(HashMap<&'a str, Use>);

/// How often a policy is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    pub attached: i32,
    pub bounds: i32,
}

impl<'a> Uses<'a> {
    pub(crate) fn of(account: &'a IamAccount) -> Self {
        let mut uses: HashMap<&str, Use> = HashMap::new();
        for (grants, boundary) in all(account) {
            for arn in &grants.attached {
                uses.entry(arn).or_default().attached += 1;
            }
            if let Some(arn) = boundary {
                uses.entry(arn).or_default().bounds += 1;
            }
        }
        Uses(uses)
    }

    pub(crate) fn count(&self, arn: &str) -> Use {
        self.0.get(arn).copied().unwrap_or_default()
    }
}

/// What must be taken from somebody before it can be deleted.
pub(crate) fn empty(grants: &Grants) -> Result<(), IamFault> {
    match (grants.attached.is_empty(), grants.inline.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(IamFault::must_first("detach all policies")),
        (true, false) => Err(IamFault::must_first("delete policies")),
    }
}
