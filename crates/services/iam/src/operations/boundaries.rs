//! Permissions boundaries of users and roles.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{IamChange, IamRecord};
use lambent_wire::iam::operations::delete_role_permissions_boundary::{
    DeleteRolePermissionsBoundaryRequest, DeleteRolePermissionsBoundaryResponse,
};
use lambent_wire::iam::operations::delete_user_permissions_boundary::{
    DeleteUserPermissionsBoundaryRequest, DeleteUserPermissionsBoundaryResponse,
};
use lambent_wire::iam::operations::put_role_permissions_boundary::{
    PutRolePermissionsBoundaryRequest, PutRolePermissionsBoundaryResponse,
};
use lambent_wire::iam::operations::put_user_permissions_boundary::{
    PutUserPermissionsBoundaryRequest, PutUserPermissionsBoundaryResponse,
};
use lambent_wire::iam::operations::{
    DeleteRolePermissionsBoundary, DeleteUserPermissionsBoundary, PutRolePermissionsBoundary,
    PutUserPermissionsBoundary,
};

use crate::here::Here;
use crate::{Iam, IamFault, find};

impl Handle<PutUserPermissionsBoundary> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: PutUserPermissionsBoundaryRequest,
    ) -> Result<PutUserPermissionsBoundaryResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            find::attachable(&here, account, &input.permissions_boundary)?;
            user.boundary = Some(input.permissions_boundary.clone());
            Ok((vec![IamChange::Put(IamRecord::User(user))], ()))
        })
        .await?;
        Ok(PutUserPermissionsBoundaryResponse::default())
    }
}

impl Handle<DeleteUserPermissionsBoundary> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteUserPermissionsBoundaryRequest,
    ) -> Result<DeleteUserPermissionsBoundaryResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            match user.boundary.take() {
                Some(_) => Ok((vec![IamChange::Put(IamRecord::User(user))], ())),
                None => Err(no_boundary("user", &input.user_name)),
            }
        })
        .await?;
        Ok(DeleteUserPermissionsBoundaryResponse::default())
    }
}

impl Handle<PutRolePermissionsBoundary> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: PutRolePermissionsBoundaryRequest,
    ) -> Result<PutRolePermissionsBoundaryResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let mut role = find::own_role(account, &input.role_name)?.as_ref().clone();
            find::attachable(&here, account, &input.permissions_boundary)?;
            role.boundary = Some(input.permissions_boundary.clone());
            Ok((vec![IamChange::Put(IamRecord::Role(role))], ()))
        })
        .await?;
        Ok(PutRolePermissionsBoundaryResponse::default())
    }
}

impl Handle<DeleteRolePermissionsBoundary> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteRolePermissionsBoundaryRequest,
    ) -> Result<DeleteRolePermissionsBoundaryResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut role = find::own_role(account, &input.role_name)?.as_ref().clone();
            match role.boundary.take() {
                Some(_) => Ok((vec![IamChange::Put(IamRecord::Role(role))], ())),
                None => Err(no_boundary("role", &input.role_name)),
            }
        })
        .await?;
        Ok(DeleteRolePermissionsBoundaryResponse::default())
    }
}

/// The text is judgement.
fn no_boundary(kind: &str, name: &str) -> IamFault {
    IamFault::NoSuchEntity(format!("The {kind} with name {name} does not have a permissions boundary."))
}
