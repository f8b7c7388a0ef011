//! Roles, shown, changed and deleted.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{IamChange, IamKind, IamRecord, Role};
use lambent_wire::iam::operations::delete_role::{DeleteRoleRequest, DeleteRoleResponse};
use lambent_wire::iam::operations::get_role::{GetRoleRequest, GetRoleResponse};
use lambent_wire::iam::operations::list_roles::{ListRolesRequest, ListRolesResponse};
use lambent_wire::iam::operations::update_assume_role_policy::{
    UpdateAssumeRolePolicyRequest, UpdateAssumeRolePolicyResponse,
};
use lambent_wire::iam::operations::update_role::{UpdateRoleRequest, UpdateRoleResponse};
use lambent_wire::iam::operations::update_role_description::{
    UpdateRoleDescriptionRequest, UpdateRoleDescriptionResponse,
};
use lambent_wire::iam::operations::{
    DeleteRole, GetRole, ListRoles, UpdateAssumeRolePolicy, UpdateRole, UpdateRoleDescription,
};

use crate::here::Here;
use crate::paging::page;
use crate::{Iam, IamFault, documents, find, owner, quotas, shown};

impl Handle<GetRole> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: GetRoleRequest) -> Result<GetRoleResponse, IamFault> {
        let account = self.account(&context);
        let role = find::role(&account, &input.role_name)?;
        Ok(GetRoleResponse { role: shown::whole_role(&Here::of(&context), role) })
    }
}

impl Handle<ListRoles> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: ListRolesRequest) -> Result<ListRolesResponse, IamFault> {
        let here = Here::of(&context);
        let account = self.account(&context);
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let roles = account.roles.iter().filter(|(_, role)| role.head.path.starts_with(prefix));
        let roles = roles.map(|(name, role)| (name.clone(), shown::listed_role(&here, role)));
        let page = page(roles, input.marker.as_deref(), input.max_items);
        Ok(ListRolesResponse { roles: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

impl Handle<UpdateRole> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateRoleRequest,
    ) -> Result<UpdateRoleResponse, IamFault> {
        self.change_role(&context, &input.role_name, |role| {
            if let Some(description) = &input.description {
                role.description = Some(description.clone());
            }
            role.max_session_s = input
                .max_session_duration
                .map_or(super::create_role::DEFAULT_SESSION_S, |given| given as u32);
        })
        .await?;
        Ok(UpdateRoleResponse::default())
    }
}

impl Handle<UpdateRoleDescription> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateRoleDescriptionRequest,
    ) -> Result<UpdateRoleDescriptionResponse, IamFault> {
        let change = |role: &mut Role| role.description = Some(input.description.clone());
        let role = self.change_role(&context, &input.role_name, change).await?;
        Ok(UpdateRoleDescriptionResponse { role: Some(shown::listed_role(&Here::of(&context), &role)) })
    }
}

impl Handle<UpdateAssumeRolePolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateAssumeRolePolicyRequest,
    ) -> Result<UpdateAssumeRolePolicyResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let mut role = find::own_role(account, &input.role_name)?.as_ref().clone();
            role.trust = documents::read_trust(&here, account, &input.policy_document)?;
            if documents::size(&role.trust) > quotas::TRUST_SIZE {
                return Err(IamFault::quota("ACLSizePerRole", quotas::TRUST_SIZE));
            }
            Ok((vec![IamChange::Put(IamRecord::Role(role))], ()))
        })
        .await?;
        Ok(UpdateAssumeRolePolicyResponse::default())
    }
}

impl Handle<DeleteRole> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteRoleRequest,
    ) -> Result<DeleteRoleResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let role = find::own_role(account, &input.role_name)?;
            let in_profile = account
                .instance_profiles
                .values()
                .any(|profile| profile.role.as_ref().is_some_and(|name| *name == role.head.name));
            if in_profile {
                return Err(IamFault::must_first("remove roles from instance profile"));
            }
            owner::empty(&role.grants)?;
            Ok((vec![IamChange::Drop(IamKind::Role, role.head.name.clone())], ()))
        })
        .await?;
        Ok(DeleteRoleResponse::default())
    }
}

impl Iam {
    async fn change_role(
        &self,
        context: &Context,
        name: &str,
        change: impl Fn(&mut Role) + Send + Sync,
    ) -> Result<Role, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut role = find::own_role(account, name)?.as_ref().clone();
            change(&mut role);
            Ok((vec![IamChange::Put(IamRecord::Role(role.clone()))], role))
        })
        .await
    }
}
