//! Policies that are part of users, groups and roles.

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_iam_policy::{Kind, Policy};
use lambent_ports::iam_store::{IamAccount, IamChange};
use lambent_wire::iam::operations::delete_group_policy::{
    DeleteGroupPolicyRequest, DeleteGroupPolicyResponse,
};
use lambent_wire::iam::operations::delete_role_policy::{DeleteRolePolicyRequest, DeleteRolePolicyResponse};
use lambent_wire::iam::operations::delete_user_policy::{DeleteUserPolicyRequest, DeleteUserPolicyResponse};
use lambent_wire::iam::operations::get_group_policy::{GetGroupPolicyRequest, GetGroupPolicyResponse};
use lambent_wire::iam::operations::get_role_policy::{GetRolePolicyRequest, GetRolePolicyResponse};
use lambent_wire::iam::operations::get_user_policy::{GetUserPolicyRequest, GetUserPolicyResponse};
use lambent_wire::iam::operations::list_group_policies::{
    ListGroupPoliciesRequest, ListGroupPoliciesResponse,
};
use lambent_wire::iam::operations::list_role_policies::{ListRolePoliciesRequest, ListRolePoliciesResponse};
use lambent_wire::iam::operations::list_user_policies::{ListUserPoliciesRequest, ListUserPoliciesResponse};
use lambent_wire::iam::operations::put_group_policy::{PutGroupPolicyRequest, PutGroupPolicyResponse};
use lambent_wire::iam::operations::put_role_policy::{PutRolePolicyRequest, PutRolePolicyResponse};
use lambent_wire::iam::operations::put_user_policy::{PutUserPolicyRequest, PutUserPolicyResponse};
use lambent_wire::iam::operations::{
    DeleteGroupPolicy, DeleteRolePolicy, DeleteUserPolicy, GetGroupPolicy, GetRolePolicy, GetUserPolicy,
    ListGroupPolicies, ListRolePolicies, ListUserPolicies, PutGroupPolicy, PutRolePolicy, PutUserPolicy,
};

use crate::owner::Owner;
use crate::paging::page;
use crate::{Iam, IamFault, documents};

impl Handle<PutUserPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: PutUserPolicyRequest,
    ) -> Result<PutUserPolicyResponse, IamFault> {
        let document = documents::read(&input.policy_document, INLINE)?;
        let owner = Owner::User(&input.user_name);
        let put = |account: &IamAccount| Ok((put(owner, account, &input.policy_name, &document)?, ()));
        self.change(&context.scope.account, put).await?;
        Ok(PutUserPolicyResponse::default())
    }
}

impl Handle<GetUserPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetUserPolicyRequest,
    ) -> Result<GetUserPolicyResponse, IamFault> {
        let account = self.account(&context);
        let owner = Owner::User(&input.user_name);
        let (policy_name, policy_document) = get(owner, &account, &input.policy_name)?;
        Ok(GetUserPolicyResponse { user_name: owner.name(&account)?, policy_name, policy_document })
    }
}

impl Handle<DeleteUserPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteUserPolicyRequest,
    ) -> Result<DeleteUserPolicyResponse, IamFault> {
        let owner = Owner::User(&input.user_name);
        let delete = |account: &IamAccount| Ok((delete(owner, account, &input.policy_name)?, ()));
        self.change(&context.scope.account, delete).await?;
        Ok(DeleteUserPolicyResponse::default())
    }
}

impl Handle<ListUserPolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListUserPoliciesRequest,
    ) -> Result<ListUserPoliciesResponse, IamFault> {
        let account = self.account(&context);
        let names = Owner::User(&input.user_name).grants(&account)?.inline.keys();
        let names = names.map(|name| (name.clone(), name.clone()));
        let page = page(names, input.marker.as_deref(), input.max_items);
        Ok(ListUserPoliciesResponse {
            policy_names: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<PutGroupPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: PutGroupPolicyRequest,
    ) -> Result<PutGroupPolicyResponse, IamFault> {
        let document = documents::read(&input.policy_document, INLINE)?;
        let owner = Owner::Group(&input.group_name);
        let put = |account: &IamAccount| Ok((put(owner, account, &input.policy_name, &document)?, ()));
        self.change(&context.scope.account, put).await?;
        Ok(PutGroupPolicyResponse::default())
    }
}

impl Handle<GetGroupPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetGroupPolicyRequest,
    ) -> Result<GetGroupPolicyResponse, IamFault> {
        let account = self.account(&context);
        let owner = Owner::Group(&input.group_name);
        let (policy_name, policy_document) = get(owner, &account, &input.policy_name)?;
        Ok(GetGroupPolicyResponse { group_name: owner.name(&account)?, policy_name, policy_document })
    }
}

impl Handle<DeleteGroupPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteGroupPolicyRequest,
    ) -> Result<DeleteGroupPolicyResponse, IamFault> {
        let owner = Owner::Group(&input.group_name);
        let delete = |account: &IamAccount| Ok((delete(owner, account, &input.policy_name)?, ()));
        self.change(&context.scope.account, delete).await?;
        Ok(DeleteGroupPolicyResponse::default())
    }
}

impl Handle<ListGroupPolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListGroupPoliciesRequest,
    ) -> Result<ListGroupPoliciesResponse, IamFault> {
        let account = self.account(&context);
        let names = Owner::Group(&input.group_name).grants(&account)?.inline.keys();
        let names = names.map(|name| (name.clone(), name.clone()));
        let page = page(names, input.marker.as_deref(), input.max_items);
        Ok(ListGroupPoliciesResponse {
            policy_names: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<PutRolePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: PutRolePolicyRequest,
    ) -> Result<PutRolePolicyResponse, IamFault> {
        let document = documents::read(&input.policy_document, INLINE)?;
        let owner = Owner::Role(&input.role_name);
        let put = |account: &IamAccount| Ok((put(owner, account, &input.policy_name, &document)?, ()));
        self.change(&context.scope.account, put).await?;
        Ok(PutRolePolicyResponse::default())
    }
}

impl Handle<GetRolePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetRolePolicyRequest,
    ) -> Result<GetRolePolicyResponse, IamFault> {
        let account = self.account(&context);
        let owner = Owner::Role(&input.role_name);
        let (policy_name, policy_document) = get(owner, &account, &input.policy_name)?;
        Ok(GetRolePolicyResponse { role_name: owner.name(&account)?, policy_name, policy_document })
    }
}

impl Handle<DeleteRolePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteRolePolicyRequest,
    ) -> Result<DeleteRolePolicyResponse, IamFault> {
        let owner = Owner::Role(&input.role_name);
        let delete = |account: &IamAccount| Ok((delete(owner, account, &input.policy_name)?, ()));
        self.change(&context.scope.account, delete).await?;
        Ok(DeleteRolePolicyResponse::default())
    }
}

impl Handle<ListRolePolicies> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListRolePoliciesRequest,
    ) -> Result<ListRolePoliciesResponse, IamFault> {
        let account = self.account(&context);
        let names = Owner::Role(&input.role_name).grants(&account)?.inline.keys();
        let names = names.map(|name| (name.clone(), name.clone()));
        let page = page(names, input.marker.as_deref(), input.max_items);
        Ok(ListRolePoliciesResponse {
            policy_names: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

const INLINE: Kind = Kind::Identity { managed: false };

fn put(
    owner: Owner<'_>,
    account: &IamAccount,
    name: &str,
    document: &Arc<Policy>,
) -> Result<Vec<IamChange>, IamFault> {
    owner.change(account, |grants| {
        grants.inline.insert(name.to_owned(), Arc::clone(document));
        owner.check_inline(grants)
    })
}

fn get(owner: Owner<'_>, account: &IamAccount, name: &str) -> Result<(String, String), IamFault> {
    let found = owner.grants(account)?.inline.get(name).ok_or_else(|| owner.no_inline(name))?;
    Ok((name.to_owned(), documents::encoded(found)))
}

fn delete(owner: Owner<'_>, account: &IamAccount, name: &str) -> Result<Vec<IamChange>, IamFault> {
    owner.change(account, |grants| match grants.inline.remove(name) {
        Some(_) => Ok(()),
        None => Err(owner.no_inline(name)),
    })
}
