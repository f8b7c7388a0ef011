//! Managed policies, attached to users, groups and roles.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::IamAccount;
use lambent_wire::iam::operations::attach_group_policy::{
    AttachGroupPolicyRequest, AttachGroupPolicyResponse,
};
use lambent_wire::iam::operations::attach_role_policy::{AttachRolePolicyRequest, AttachRolePolicyResponse};
use lambent_wire::iam::operations::attach_user_policy::{AttachUserPolicyRequest, AttachUserPolicyResponse};
use lambent_wire::iam::operations::detach_group_policy::{
    DetachGroupPolicyRequest, DetachGroupPolicyResponse,
};
use lambent_wire::iam::operations::detach_role_policy::{DetachRolePolicyRequest, DetachRolePolicyResponse};
use lambent_wire::iam::operations::detach_user_policy::{DetachUserPolicyRequest, DetachUserPolicyResponse};
use lambent_wire::iam::operations::list_attached_group_policies::{
    ListAttachedGroupPoliciesRequest, ListAttachedGroupPoliciesResponse,
};
use lambent_wire::iam::operations::list_attached_role_policies::{
    ListAttachedRolePoliciesRequest, ListAttachedRolePoliciesResponse,
};
use lambent_wire::iam::operations::list_attached_user_policies::{
    ListAttachedUserPoliciesRequest, ListAttachedUserPoliciesResponse,
};
use lambent_wire::iam::operations::{
    AttachGroupPolicy, AttachRolePolicy, AttachUserPolicy, DetachGroupPolicy, DetachRolePolicy,
    DetachUserPolicy, ListAttachedGroupPolicies, ListAttachedRolePolicies, ListAttachedUserPolicies,
};
use lambent_wire::iam::types::AttachedPolicy;

use crate::here::{Here, IamArn};
use crate::owner::Owner;
use crate::paging::{numbered, page};
use crate::{Iam, IamFault, shown};

impl Handle<AttachUserPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: AttachUserPolicyRequest,
    ) -> Result<AttachUserPolicyResponse, IamFault> {
        let here = Here::of(&context);
        let owner = Owner::User(&input.user_name);
        let attach = |account: &IamAccount| Ok((owner.attach(&here, account, &input.policy_arn)?, ()));
        self.change(&context.scope.account, attach).await?;
        Ok(AttachUserPolicyResponse::default())
    }
}

impl Handle<DetachUserPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DetachUserPolicyRequest,
    ) -> Result<DetachUserPolicyResponse, IamFault> {
        IamArn::parse(&input.policy_arn)?;
        let owner = Owner::User(&input.user_name);
        let detach = |account: &IamAccount| Ok((owner.detach(account, &input.policy_arn)?, ()));
        self.change(&context.scope.account, detach).await?;
        Ok(DetachUserPolicyResponse::default())
    }
}

impl Handle<ListAttachedUserPolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListAttachedUserPoliciesRequest,
    ) -> Result<ListAttachedUserPoliciesResponse, IamFault> {
        let account = self.account(&context);
        let attached = shown::attached(Owner::User(&input.user_name).grants(&account)?);
        let attached = attached.into_iter().filter(|one| in_path(one, input.path_prefix.as_deref()));
        let page = page(numbered(attached), input.marker.as_deref(), input.max_items);
        Ok(ListAttachedUserPoliciesResponse {
            attached_policies: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<AttachGroupPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: AttachGroupPolicyRequest,
    ) -> Result<AttachGroupPolicyResponse, IamFault> {
        let here = Here::of(&context);
        let owner = Owner::Group(&input.group_name);
        let attach = |account: &IamAccount| Ok((owner.attach(&here, account, &input.policy_arn)?, ()));
        self.change(&context.scope.account, attach).await?;
        Ok(AttachGroupPolicyResponse::default())
    }
}

impl Handle<DetachGroupPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DetachGroupPolicyRequest,
    ) -> Result<DetachGroupPolicyResponse, IamFault> {
        IamArn::parse(&input.policy_arn)?;
        let owner = Owner::Group(&input.group_name);
        let detach = |account: &IamAccount| Ok((owner.detach(account, &input.policy_arn)?, ()));
        self.change(&context.scope.account, detach).await?;
        Ok(DetachGroupPolicyResponse::default())
    }
}

impl Handle<ListAttachedGroupPolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListAttachedGroupPoliciesRequest,
    ) -> Result<ListAttachedGroupPoliciesResponse, IamFault> {
        let account = self.account(&context);
        let attached = shown::attached(Owner::Group(&input.group_name).grants(&account)?);
        let attached = attached.into_iter().filter(|one| in_path(one, input.path_prefix.as_deref()));
        let page = page(numbered(attached), input.marker.as_deref(), input.max_items);
        Ok(ListAttachedGroupPoliciesResponse {
            attached_policies: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<AttachRolePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: AttachRolePolicyRequest,
    ) -> Result<AttachRolePolicyResponse, IamFault> {
        let here = Here::of(&context);
        let owner = Owner::Role(&input.role_name);
        let attach = |account: &IamAccount| Ok((owner.attach(&here, account, &input.policy_arn)?, ()));
        self.change(&context.scope.account, attach).await?;
        Ok(AttachRolePolicyResponse::default())
    }
}

impl Handle<DetachRolePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DetachRolePolicyRequest,
    ) -> Result<DetachRolePolicyResponse, IamFault> {
        IamArn::parse(&input.policy_arn)?;
        let owner = Owner::Role(&input.role_name);
        let detach = |account: &IamAccount| Ok((owner.detach(account, &input.policy_arn)?, ()));
        self.change(&context.scope.account, detach).await?;
        Ok(DetachRolePolicyResponse::default())
    }
}

impl Handle<ListAttachedRolePolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListAttachedRolePoliciesRequest,
    ) -> Result<ListAttachedRolePoliciesResponse, IamFault> {
        let account = self.account(&context);
        let attached = shown::attached(Owner::Role(&input.role_name).grants(&account)?);
        let attached = attached.into_iter().filter(|one| in_path(one, input.path_prefix.as_deref()));
        let page = page(numbered(attached), input.marker.as_deref(), input.max_items);
        Ok(ListAttachedRolePoliciesResponse {
            attached_policies: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

fn in_path(policy: &AttachedPolicy, prefix: Option<&str>) -> bool {
    let arn = policy.policy_arn.as_deref().unwrap_or_default();
    let path = IamArn::parse(arn).map(|arn| arn.path_and_name()).unwrap_or_default();
    path.starts_with(prefix.unwrap_or("/"))
}
