//! Records as answers carry them.

use lambent_ports::iam_store::{
    Grants, Group, IamAccount, InstanceProfile, ManagedPolicy, PolicyVersion, Role, User,
};
use lambent_wire::iam::types;

use crate::aws_managed::AwsPolicy;
use crate::find::Managed;
use crate::here::{Here, IamArn, Kind};
use crate::owner::{Use, Uses};
use crate::{documents, tags};

/// IAM's times are of whole seconds.
pub(crate) fn time(ms: u64) -> f64 {
    (ms / 1_000) as f64
}

fn boundary(arn: Option<&String>) -> Option<types::AttachedPermissionsBoundary> {
    arn.map(|arn| types::AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn.clone()),
    })
}

/// A user as lists show it.
pub(crate) fn user(here: &Here, user: &User) -> types::User {
    types::User {
        path: Some(user.head.path.clone()),
        user_name: Some(user.head.name.clone()),
        user_id: user.head.id.clone(),
        arn: here.arn(Kind::User, &user.head),
        create_date: time(user.head.created_ms),
        ..types::User::default()
    }
}

/// A user with its boundary and tags.
pub(crate) fn whole_user(here: &Here, record: &User) -> types::User {
    types::User {
        permissions_boundary: boundary(record.boundary.as_ref()),
        tags: tags::shown(&record.tags),
        ..user(here, record)
    }
}

pub(crate) fn group(here: &Here, group: &Group) -> types::Group {
    types::Group {
        path: group.head.path.clone(),
        group_name: group.head.name.clone(),
        group_id: group.head.id.clone(),
        arn: here.arn(Kind::Group, &group.head),
        create_date: time(group.head.created_ms),
    }
}

/// A role as it is shown when it has been made (recorded).
pub(crate) fn created_role(here: &Here, role: &Role) -> types::Role {
    types::Role {
        path: role.head.path.clone(),
        role_name: role.head.name.clone(),
        role_id: role.head.id.clone(),
        arn: here.arn(Kind::Role, &role.head),
        create_date: time(role.head.created_ms),
        assume_role_policy_document: Some(documents::encoded(&role.trust)),
        permissions_boundary: boundary(role.boundary.as_ref()),
        tags: tags::shown(&role.tags),
        ..types::Role::default()
    }
}

/// A role as lists show it (recorded).
pub(crate) fn listed_role(here: &Here, role: &Role) -> types::Role {
    types::Role {
        description: role.description.clone(),
        max_session_duration: Some(role.max_session_s as i32),
        permissions_boundary: None,
        tags: None,
        ..created_role(here, role)
    }
}

/// A role that was asked for.
pub(crate) fn whole_role(here: &Here, role: &Role) -> types::Role {
    types::Role {
        permissions_boundary: boundary(role.boundary.as_ref()),
        tags: tags::shown(&role.tags),
        role_last_used: Some(types::RoleLastUsed::default()),
        ..listed_role(here, role)
    }
}

pub(crate) fn instance_profile(
    here: &Here,
    account: &IamAccount,
    profile: &InstanceProfile,
) -> types::InstanceProfile {
    let role = profile.role.as_ref().and_then(|name| account.roles.get(&name.to_lowercase()));
    types::InstanceProfile {
        path: profile.head.path.clone(),
        instance_profile_name: profile.head.name.clone(),
        instance_profile_id: profile.head.id.clone(),
        arn: here.arn(Kind::InstanceProfile, &profile.head),
        create_date: time(profile.head.created_ms),
        roles: role
            .map(|role| types::Role { max_session_duration: None, ..listed_role(here, role) })
            .into_iter()
            .collect(),
        tags: tags::shown(&profile.tags),
    }
}

/// A managed policy as lists show it.
pub(crate) fn policy(here: &Here, uses: &Uses<'_>, policy: &Managed<'_>) -> types::Policy {
    match policy {
        Managed::Aws(policy) => aws_policy(uses, policy),
        Managed::Own(policy) => own_policy(here, uses, policy),
    }
}

/// A policy that has just been made.
pub(crate) fn created_policy(here: &Here, uses: &Uses<'_>, policy: &ManagedPolicy) -> types::Policy {
    types::Policy { tags: tags::shown(&policy.tags), ..own_policy(here, uses, policy) }
}

/// A managed policy with its tags and description.
pub(crate) fn whole_policy(here: &Here, uses: &Uses<'_>, managed: &Managed<'_>) -> types::Policy {
    let shown = policy(here, uses, managed);
    match managed {
        Managed::Aws(_) => types::Policy { tags: Some(Vec::new()), ..shown },
        Managed::Own(own) => {
            types::Policy { description: own.description.clone(), tags: Some(tags::list(&own.tags)), ..shown }
        }
    }
}

fn own_policy(here: &Here, uses: &Uses<'_>, policy: &ManagedPolicy) -> types::Policy {
    let arn = here.arn(Kind::Policy, &policy.head);
    let Use { attached, bounds } = uses.count(&arn);
    types::Policy {
        policy_name: Some(policy.head.name.clone()),
        policy_id: Some(policy.head.id.clone()),
        arn: Some(arn),
        path: Some(policy.head.path.clone()),
        default_version_id: Some(version_id(policy.default_version)),
        attachment_count: Some(attached),
        permissions_boundary_usage_count: Some(bounds),
        is_attachable: Some(true),
        create_date: Some(time(policy.head.created_ms)),
        update_date: Some(time(policy.updated_ms)),
        ..types::Policy::default()
    }
}

fn aws_policy(uses: &Uses<'_>, policy: &AwsPolicy) -> types::Policy {
    let Use { attached, bounds } = uses.count(&policy.arn);
    types::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some(policy.version.clone()),
        attachment_count: Some(attached),
        permissions_boundary_usage_count: Some(bounds),
        is_attachable: Some(true),
        create_date: policy.created_s,
        update_date: policy.updated_s,
        ..types::Policy::default()
    }
}

/// `v1`
pub(crate) fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// A version without its document, as lists show it.
pub(crate) fn version(policy: &ManagedPolicy, version: &PolicyVersion) -> types::PolicyVersion {
    types::PolicyVersion {
        document: None,
        version_id: Some(version_id(version.number)),
        is_default_version: Some(version.number == policy.default_version),
        create_date: Some(time(version.created_ms)),
    }
}

/// A version with its document.
pub(crate) fn whole_version(policy: &ManagedPolicy, record: &PolicyVersion) -> types::PolicyVersion {
    types::PolicyVersion { document: Some(documents::encoded(&record.document)), ..version(policy, record) }
}

/// The one version that AWS's policies are known in.
pub(crate) fn aws_version(policy: &AwsPolicy) -> types::PolicyVersion {
    types::PolicyVersion {
        document: Some(documents::encoded(&policy.document)),
        version_id: Some(policy.version.clone()),
        is_default_version: Some(true),
        create_date: policy.updated_s,
    }
}

/// Attached policies by name and ARN. Policies of services' roles are named even where they are not known.
pub(crate) fn attached(grants: &Grants) -> Vec<types::AttachedPolicy> {
    let shown = grants.attached.iter().map(|arn| types::AttachedPolicy {
        policy_name: IamArn::parse(arn).ok().map(|parsed| parsed.name.to_owned()),
        policy_arn: Some(arn.clone()),
    });
    shown.collect()
}
