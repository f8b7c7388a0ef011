//! What requests name, or the refusal that it is not there.

use std::sync::Arc;

use lambent_iam_policy::Policy;
use lambent_ports::iam_store::{
    Group, IamAccount, InstanceProfile, ManagedPolicy, PolicyVersion, Role, User,
};

use crate::IamFault;
use crate::aws_managed::{self, AwsPolicy};
use crate::here::{Here, IamArn};

pub(crate) fn user<'a>(account: &'a IamAccount, name: &str) -> Result<&'a Arc<User>, IamFault> {
    account.users.get(&name.to_lowercase()).ok_or_else(|| IamFault::missing("user", name))
}

pub(crate) fn group<'a>(account: &'a IamAccount, name: &str) -> Result<&'a Arc<Group>, IamFault> {
    account.groups.get(&name.to_lowercase()).ok_or_else(|| IamFault::missing("group", name))
}

pub(crate) fn role<'a>(account: &'a IamAccount, name: &str) -> Result<&'a Arc<Role>, IamFault> {
    account.roles.get(&name.to_lowercase()).ok_or_else(|| IamFault::missing("role", name))
}

/// A role that its owner may change: services' own are services' to change.
pub(crate) fn own_role<'a>(account: &'a IamAccount, name: &str) -> Result<&'a Arc<Role>, IamFault> {
    let role = role(account, name)?;
    match role.head.path.starts_with("/aws-service-role/") {
        true => Err(IamFault::UnmodifiableEntity(format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.head.name
        ))),
        false => Ok(role),
    }
}

pub(crate) fn instance_profile<'a>(
    account: &'a IamAccount,
    name: &str,
) -> Result<&'a Arc<InstanceProfile>, IamFault> {
    let found = account.instance_profiles.get(&name.to_lowercase());
    found.ok_or_else(|| IamFault::NoSuchEntity(format!("Instance Profile {name} cannot be found.")))
}

/// A managed policy, whosever it is.
pub(crate) enum Managed<'a> {
    Aws(&'static AwsPolicy),
    Own(&'a Arc<ManagedPolicy>),
}

impl Managed<'_> {
    /// The version in force.
    pub(crate) fn document(&self) -> Arc<Policy> {
        match self {
            Managed::Aws(policy) => Arc::clone(&policy.document),
            Managed::Own(policy) => {
                let version = policy.version(policy.default_version).or(policy.versions.first());
                Arc::clone(&version.expect("a policy has a default version").document)
            }
        }
    }
}

/// The managed policy of an ARN; nothing when there is none.
pub(crate) fn known_policy<'a>(
    here: &Here,
    account: &'a IamAccount,
    arn: &str,
) -> Result<Option<Managed<'a>>, IamFault> {
    let parsed = IamArn::parse(arn)?;
    if parsed.account == "aws" {
        return Ok(aws_managed::find(&parsed.path_and_name()).map(Managed::Aws));
    }
    let here = parsed.kind == "policy" && parsed.account == here.account.as_str();
    let found = account.policies.get(&parsed.name.to_lowercase()).filter(|_| here);
    Ok(found.filter(|policy| parsed.is_of(&policy.head)).map(Managed::Own))
}

pub(crate) fn policy<'a>(here: &Here, account: &'a IamAccount, arn: &str) -> Result<Managed<'a>, IamFault> {
    known_policy(here, account, arn)?
        .ok_or_else(|| IamFault::NoSuchEntity(format!("Policy {arn} was not found.")))
}

/// A policy that can be attached.
pub(crate) fn attachable(here: &Here, account: &IamAccount, arn: &str) -> Result<(), IamFault> {
    match known_policy(here, account, arn)? {
        Some(_) => Ok(()),
        None => Err(IamFault::NoSuchEntity(format!("Policy {arn} does not exist or is not attachable."))),
    }
}

/// A policy that can be changed: AWS's can't be.
pub(crate) fn own_policy<'a>(
    here: &Here,
    account: &'a IamAccount,
    arn: &str,
) -> Result<&'a Arc<ManagedPolicy>, IamFault> {
    match policy(here, account, arn)? {
        Managed::Own(policy) => Ok(policy),
        // The code is AWS's; the text is ours.
        Managed::Aws(_) => {
            Err(IamFault::InvalidInput(format!("Policy {arn} is AWS's and can't be changed.")))
        }
    }
}

/// A version by its id.
pub(crate) fn version<'a>(
    policy: &'a ManagedPolicy,
    arn: &str,
    id: &str,
) -> Result<&'a PolicyVersion, IamFault> {
    let number = id.strip_prefix('v').and_then(|number| number.parse().ok());
    number.and_then(|number| policy.version(number)).ok_or_else(|| no_version(arn, id))
}

pub(crate) fn no_version(arn: &str, id: &str) -> IamFault {
    IamFault::NoSuchEntity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}
