//! What each operation takes: actions on the user, group, role, policy or instance profile that it names, by its ARN with
//! its path. Operations that are about who asks, where they name nobody, are on that user.

use lambent_api_kit::{Context, Guarded, guards};
use lambent_ports::access::{Need, Who};
use lambent_ports::iam_store::Head;
use lambent_wire::iam::operations as op;
use lambent_wire::iam::types::Tag;

use crate::Iam;
use crate::here::{Here, Kind};

impl Guarded for Iam {
    const SIGNING_NAME: &'static str = "iam";

    fn complete(&self, context: &Context, need: &mut Need) {
        let account = self.parts.store.account(&context.scope.account);
        let Some((_, named)) = need.resource.split_once(":iam::").and_then(|(_, rest)| rest.split_once(':'))
        else {
            return;
        };
        let name = named.rsplit('/').next().unwrap_or_default().to_lowercase();
        let tags = match named.split('/').next() {
            Some("user") => account.users.get(&name).map(|user| user.tags.clone()),
            Some("role") => account.roles.get(&name).map(|role| role.tags.clone()),
            _ => None,
        };
        if let Some(tags) = tags {
            need.has_tags(&tags);
        }
    }
}

/// By a name alone, where nothing has it: at the root of all paths.
fn new(context: &Context, action: &'static str, kind: Kind, path: Option<&str>, name: &str) -> Need {
    let Here { account, partition } = Here::of(context);
    let (word, path) = (kind.word(), path.unwrap_or("/"));
    Need::new(action, format!("arn:{partition}:iam::{account}:{word}{path}{name}"))
}

fn of(context: &Context, action: &'static str, kind: Kind, found: Option<&Head>, name: &str) -> Need {
    match found {
        Some(head) => Need::new(action, Here::of(context).arn(kind, head)),
        None => new(context, action, kind, None, name),
    }
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&String, &String)> {
    tags.iter().map(|tag| (&tag.key, &tag.value))
}

impl Iam {
    fn role_need(&self, context: &Context, action: &'static str, name: &str) -> Need {
        let account = self.parts.store.account(&context.scope.account);
        let found = account.roles.get(&name.to_lowercase());
        of(context, action, Kind::Role, found.map(|role| &role.head), name)
    }

    fn user_need(&self, context: &Context, action: &'static str, name: Option<&str>) -> Need {
        let own = match context.caller.authority.as_ref().map(|authority| &*authority.who) {
            Some(Who::User { name, .. }) => Some(name.as_str()),
            _ => None,
        };
        let Some(name) = name.or(own) else { return Need::new(action, "*") };
        let account = self.parts.store.account(&context.scope.account);
        let found = account.users.get(&name.to_lowercase());
        of(context, action, Kind::User, found.map(|user| &user.head), name)
    }

    fn group_need(&self, context: &Context, action: &'static str, name: &str) -> Need {
        let account = self.parts.store.account(&context.scope.account);
        let found = account.groups.get(&name.to_lowercase());
        of(context, action, Kind::Group, found.map(|group| &group.head), name)
    }

    fn profile_need(&self, context: &Context, action: &'static str, name: &str) -> Need {
        let account = self.parts.store.account(&context.scope.account);
        let found = account.instance_profiles.get(&name.to_lowercase());
        of(context, action, Kind::InstanceProfile, found.map(|profile| &profile.head), name)
    }
}

guards! { Iam = "iam", op;
    AddRoleToInstanceProfile => |iam, context, input, action| vec![iam.profile_need(context, action, &input.instance_profile_name), Need::pass_role(iam.role_need(context, action, &input.role_name).resource, "ec2.amazonaws.com")];
    AddUserToGroup => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    AttachGroupPolicy => |iam, context, input, action| iam.group_need(context, action, &input.group_name).key("iam:PolicyARN", &input.policy_arn);
    AttachRolePolicy => |iam, context, input, action| iam.role_need(context, action, &input.role_name).key("iam:PolicyARN", &input.policy_arn);
    AttachUserPolicy => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name)).key("iam:PolicyARN", &input.policy_arn);
    CreateAccessKey => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    CreateAccountAlias => |_, _, _, action| Need::new(action, "*");
    CreateGroup => |_, context, input, action| new(context, action, Kind::Group, input.path.as_deref(), &input.group_name);
    CreateInstanceProfile => |_, context, input, action| new(context, action, Kind::InstanceProfile, input.path.as_deref(), &input.instance_profile_name).request_tags(input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value)));
    CreatePolicy => |_, context, input, action| new(context, action, Kind::Policy, input.path.as_deref(), &input.policy_name).request_tags(input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value)));
    CreatePolicyVersion => |_, _, input, action| Need::new(action, &input.policy_arn);
    CreateRole => |_, context, input, action| new(context, action, Kind::Role, input.path.as_deref(), &input.role_name).key_if("iam:PermissionsBoundary", input.permissions_boundary.as_ref()).request_tags(input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value)));
    CreateServiceLinkedRole => |_, _, input, action| Need::new(action, "*").key("iam:AWSServiceName", &input.aws_service_name);
    CreateServiceSpecificCredential => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    CreateUser => |_, context, input, action| new(context, action, Kind::User, input.path.as_deref(), &input.user_name).key_if("iam:PermissionsBoundary", input.permissions_boundary.as_ref()).request_tags(input.tags.iter().flatten().map(|tag| (&tag.key, &tag.value)));
    DeleteAccessKey => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    DeleteAccountAlias => |_, _, _, action| Need::new(action, "*");
    DeleteGroup => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    DeleteGroupPolicy => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    DeleteInstanceProfile => |iam, context, input, action| iam.profile_need(context, action, &input.instance_profile_name);
    DeleteLoginProfile => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    DeletePolicy => |_, _, input, action| Need::new(action, &input.policy_arn);
    DeletePolicyVersion => |_, _, input, action| Need::new(action, &input.policy_arn);
    DeleteRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    DeleteRolePermissionsBoundary => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    DeleteRolePolicy => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    DeleteServiceLinkedRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    DeleteServiceSpecificCredential => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    DeleteUser => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    DeleteUserPermissionsBoundary => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    DeleteUserPolicy => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    DetachGroupPolicy => |iam, context, input, action| iam.group_need(context, action, &input.group_name).key("iam:PolicyARN", &input.policy_arn);
    DetachRolePolicy => |iam, context, input, action| iam.role_need(context, action, &input.role_name).key("iam:PolicyARN", &input.policy_arn);
    DetachUserPolicy => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name)).key("iam:PolicyARN", &input.policy_arn);
    GetAccessKeyLastUsed => |_, _, _, action| Need::new(action, "*");
    GetAccountAuthorizationDetails => |_, _, _, action| Need::new(action, "*");
    GetAccountSummary => |_, _, _, action| Need::new(action, "*");
    GetContextKeysForCustomPolicy => |_, _, _, action| Need::new(action, "*");
    GetContextKeysForPrincipalPolicy => |_, _, input, action| Need::new(action, &input.policy_source_arn);
    GetGroup => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    GetGroupPolicy => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    GetInstanceProfile => |iam, context, input, action| iam.profile_need(context, action, &input.instance_profile_name);
    GetLoginProfile => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    GetPolicy => |_, _, input, action| Need::new(action, &input.policy_arn);
    GetPolicyVersion => |_, _, input, action| Need::new(action, &input.policy_arn);
    GetRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    GetRolePolicy => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    GetServiceLinkedRoleDeletionStatus => |_, _, _, action| Need::new(action, "*");
    GetUser => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    GetUserPolicy => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    ListAccessKeys => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    ListAccountAliases => |_, _, _, action| Need::new(action, "*");
    ListAttachedGroupPolicies => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    ListAttachedRolePolicies => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    ListAttachedUserPolicies => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    ListEntitiesForPolicy => |_, _, input, action| Need::new(action, &input.policy_arn);
    ListGroupPolicies => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    ListGroups => |_, _, _, action| Need::new(action, "*");
    ListGroupsForUser => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    ListInstanceProfileTags => |iam, context, input, action| iam.profile_need(context, action, &input.instance_profile_name);
    ListInstanceProfiles => |_, _, _, action| Need::new(action, "*");
    ListInstanceProfilesForRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    ListMFADevices => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    ListOpenIDConnectProviders => |_, _, _, action| Need::new(action, "*");
    ListPolicies => |_, _, _, action| Need::new(action, "*");
    ListPolicyTags => |_, _, input, action| Need::new(action, &input.policy_arn);
    ListPolicyVersions => |_, _, input, action| Need::new(action, &input.policy_arn);
    ListRolePolicies => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    ListRoleTags => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    ListRoles => |_, _, _, action| Need::new(action, "*");
    ListSAMLProviders => |_, _, _, action| Need::new(action, "*");
    ListSSHPublicKeys => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    ListServerCertificates => |_, _, _, action| Need::new(action, "*");
    ListServiceSpecificCredentials => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    ListSigningCertificates => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    ListUserPolicies => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    ListUserTags => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    ListUsers => |_, _, _, action| Need::new(action, "*");
    ListVirtualMFADevices => |_, _, _, action| Need::new(action, "*");
    PutGroupPolicy => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    PutRolePermissionsBoundary => |iam, context, input, action| iam.role_need(context, action, &input.role_name).key("iam:PermissionsBoundary", &input.permissions_boundary);
    PutRolePolicy => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    PutUserPermissionsBoundary => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name)).key("iam:PermissionsBoundary", &input.permissions_boundary);
    PutUserPolicy => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
    RemoveRoleFromInstanceProfile => |iam, context, input, action| iam.profile_need(context, action, &input.instance_profile_name);
    RemoveUserFromGroup => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    ResetServiceSpecificCredential => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    SetDefaultPolicyVersion => |_, _, input, action| Need::new(action, &input.policy_arn);
    SimulateCustomPolicy => |_, _, _, action| Need::new(action, "*");
    SimulatePrincipalPolicy => |_, _, input, action| Need::new(action, &input.policy_source_arn);
    TagInstanceProfile => |iam, context, input, action| iam.profile_need(context, action, &input.instance_profile_name).request_tags(pairs(&input.tags));
    TagPolicy => |_, _, input, action| Need::new(action, &input.policy_arn).request_tags(pairs(&input.tags));
    TagRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name).request_tags(pairs(&input.tags));
    TagUser => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name)).request_tags(pairs(&input.tags));
    UntagInstanceProfile => |iam, context, input, action| iam.profile_need(context, action, &input.instance_profile_name).key_all("aws:TagKeys", input.tag_keys.clone());
    UntagPolicy => |_, _, input, action| Need::new(action, &input.policy_arn).key_all("aws:TagKeys", input.tag_keys.clone());
    UntagRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name).key_all("aws:TagKeys", input.tag_keys.clone());
    UntagUser => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name)).key_all("aws:TagKeys", input.tag_keys.clone());
    UpdateAccessKey => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    UpdateAssumeRolePolicy => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    UpdateGroup => |iam, context, input, action| iam.group_need(context, action, &input.group_name);
    UpdateRole => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    UpdateRoleDescription => |iam, context, input, action| iam.role_need(context, action, &input.role_name);
    UpdateServiceSpecificCredential => |iam, context, input, action| iam.user_need(context, action, input.user_name.as_deref());
    UpdateUser => |iam, context, input, action| iam.user_need(context, action, Some(&input.user_name));
}
