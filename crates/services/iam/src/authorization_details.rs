//! GetAccountAuthorizationDetails: everything that an account's policies hang on, in one list.

use std::sync::Arc;

use lambent_ports::iam_store::{Grants, Group, IamAccount, Role, User};
use lambent_wire::iam::operations::get_account_authorization_details::{
    GetAccountAuthorizationDetailsRequest, GetAccountAuthorizationDetailsResponse, GroupDetail,
    ManagedPolicyDetail, PolicyDetail, RoleDetail, UserDetail,
};
use lambent_wire::iam::types;

use crate::find::Managed;
use crate::here::Here;
use crate::owner::{Use, Uses};
use crate::paging::page;
use crate::{aws_managed, documents, shown};

enum Entity<'a> {
    User(&'a Arc<User>),
    Group(&'a Arc<Group>),
    Role(&'a Arc<Role>),
    Policy(Managed<'a>),
}

/// A page of what the filter wants. AWS's policies are told of when they are attached.
pub(crate) fn of(
    here: &Here,
    account: &IamAccount,
    input: &GetAccountAuthorizationDetailsRequest,
) -> GetAccountAuthorizationDetailsResponse {
    let wanted = |kind: &str| match &input.filter {
        Some(filter) if !filter.is_empty() => filter.iter().any(|one| one == kind),
        _ => true,
    };
    let mut all = Vec::new();
    for (name, group) in account.groups.iter().filter(|_| wanted("Group")) {
        all.push((format!("1/{name}"), Entity::Group(group)));
    }
    for (name, role) in account.roles.iter().filter(|_| wanted("Role")) {
        all.push((format!("2/{name}"), Entity::Role(role)));
    }
    for (name, user) in account.users.iter().filter(|_| wanted("User")) {
        all.push((format!("3/{name}"), Entity::User(user)));
    }
    for (name, policy) in account.policies.iter().filter(|_| wanted("LocalManagedPolicy")) {
        all.push((format!("4/{name}"), Entity::Policy(Managed::Own(policy))));
    }
    let uses = Uses::of(account);
    let attached = |arn: &str| uses.count(arn) != Use::default();
    for policy in aws_managed::all().filter(|policy| wanted("AWSManagedPolicy") && attached(&policy.arn)) {
        all.push((format!("5/{}", policy.arn), Entity::Policy(Managed::Aws(policy))));
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let page = page(all, input.marker.as_deref(), input.max_items);
    let (mut users, mut groups, mut roles, mut policies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for entity in page.items {
        match entity {
            Entity::User(one) => users.push(user(here, one)),
            Entity::Group(one) => groups.push(group(here, one)),
            Entity::Role(one) => roles.push(role(here, account, one)),
            Entity::Policy(one) => policies.push(policy(here, &uses, &one)),
        }
    }
    GetAccountAuthorizationDetailsResponse {
        user_detail_list: Some(users),
        group_detail_list: Some(groups),
        role_detail_list: Some(roles),
        policies: Some(policies),
        is_truncated: page.is_truncated,
        marker: page.marker,
    }
}

fn inline(grants: &Grants) -> Vec<PolicyDetail> {
    let shown = grants.inline.iter().map(|(name, policy)| PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(documents::encoded(policy)),
    });
    shown.collect()
}

fn user(here: &Here, user: &User) -> UserDetail {
    let shown = shown::whole_user(here, user);
    UserDetail {
        path: shown.path,
        user_name: shown.user_name,
        user_id: Some(shown.user_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        user_policy_list: Some(inline(&user.grants)),
        group_list: Some(user.groups.iter().cloned().collect()),
        attached_managed_policies: Some(shown::attached(&user.grants)),
        permissions_boundary: shown.permissions_boundary,
        tags: Some(shown.tags.unwrap_or_default()),
    }
}

fn group(here: &Here, group: &Group) -> GroupDetail {
    let shown = shown::group(here, group);
    GroupDetail {
        path: Some(shown.path),
        group_name: Some(shown.group_name),
        group_id: Some(shown.group_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        group_policy_list: Some(inline(&group.grants)),
        attached_managed_policies: Some(shown::attached(&group.grants)),
    }
}

fn role(here: &Here, account: &IamAccount, role: &Role) -> RoleDetail {
    let shown = shown::whole_role(here, role);
    let profiles = account.instance_profiles.values();
    let profiles = profiles.filter(|profile| profile.role.as_deref() == Some(role.head.name.as_str()));
    RoleDetail {
        path: Some(shown.path),
        role_name: Some(shown.role_name),
        role_id: Some(shown.role_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        assume_role_policy_document: shown.assume_role_policy_document,
        instance_profile_list: Some(
            profiles.map(|profile| shown::instance_profile(here, account, profile)).collect(),
        ),
        role_policy_list: Some(inline(&role.grants)),
        attached_managed_policies: Some(shown::attached(&role.grants)),
        permissions_boundary: shown.permissions_boundary,
        tags: Some(shown.tags.unwrap_or_default()),
        role_last_used: shown.role_last_used,
    }
}

fn policy(here: &Here, uses: &Uses<'_>, policy: &Managed<'_>) -> ManagedPolicyDetail {
    let shown: types::Policy = shown::whole_policy(here, uses, policy);
    let versions = match policy {
        Managed::Aws(policy) => vec![shown::aws_version(policy)],
        Managed::Own(policy) => {
            policy.versions.iter().rev().map(|version| shown::whole_version(policy, version)).collect()
        }
    };
    ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        description: shown.description,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(versions),
    }
}
