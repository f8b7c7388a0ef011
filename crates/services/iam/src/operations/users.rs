//! Users.

use std::collections::BTreeSet;

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{Grants, Head, IamChange, IamKind, IamRecord, User};
use lambent_wire::iam::operations::create_user::{CreateUserRequest, CreateUserResponse};
use lambent_wire::iam::operations::delete_user::{DeleteUserRequest, DeleteUserResponse};
use lambent_wire::iam::operations::get_user::{GetUserRequest, GetUserResponse};
use lambent_wire::iam::operations::list_users::{ListUsersRequest, ListUsersResponse};
use lambent_wire::iam::operations::update_user::{UpdateUserRequest, UpdateUserResponse};
use lambent_wire::iam::operations::{CreateUser, DeleteUser, GetUser, ListUsers, UpdateUser};
use lambent_wire::iam::types;

use crate::here::Here;
use crate::paging::page;
use crate::{Iam, IamFault, find, ids, owner, quotas, shown, tags};

impl Handle<CreateUser> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateUserRequest,
    ) -> Result<CreateUserResponse, IamFault> {
        let here = Here::of(&context);
        let id = ids::entity(&*self.parts.random, "AIDA");
        let created_ms = self.now_ms();
        let user = self
            .change(&context.scope.account, |account| {
                if account.users.contains_key(&input.user_name.to_lowercase()) {
                    return Err(IamFault::exists("User", &input.user_name));
                }
                if account.users.len() >= quotas::USERS {
                    return Err(IamFault::quota("UsersPerAccount", quotas::USERS));
                }
                if let Some(boundary) = &input.permissions_boundary {
                    find::attachable(&here, account, boundary)?;
                }
                let path = input.path.clone().unwrap_or_else(|| "/".into());
                let user = User {
                    head: Head { name: input.user_name.clone(), path, id: id.clone(), created_ms },
                    tags: tags::read(input.tags.clone())?,
                    grants: Grants::default(),
                    boundary: input.permissions_boundary.clone(),
                    groups: BTreeSet::new(),
                    keys: Vec::new(),
                    service_credentials: Vec::new(),
                };
                Ok((vec![IamChange::Put(IamRecord::User(user.clone()))], user))
            })
            .await?;
        Ok(CreateUserResponse { user: Some(shown::whole_user(&here, &user)) })
    }
}

impl Handle<GetUser> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: GetUserRequest) -> Result<GetUserResponse, IamFault> {
        let here = Here::of(&context);
        let account = self.account(&context);
        let user = match (&input.user_name, self.caller(&context)) {
            (Some(name), _) => shown::whole_user(&here, find::user(&account, name)?),
            (None, Some(name)) => shown::whole_user(&here, find::user(&account, &name)?),
            // Without authentication, everybody is the account's root.
            (None, None) => types::User {
                user_id: here.account.to_string(),
                arn: format!("arn:{}:iam::{}:root", here.partition, here.account),
                ..types::User::default()
            },
        };
        Ok(GetUserResponse { user })
    }
}

impl Handle<ListUsers> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: ListUsersRequest) -> Result<ListUsersResponse, IamFault> {
        let here = Here::of(&context);
        let account = self.account(&context);
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let users = account.users.iter().filter(|(_, user)| user.head.path.starts_with(prefix));
        let users = users.map(|(name, user)| (name.clone(), shown::user(&here, user)));
        let page = page(users, input.marker.as_deref(), input.max_items);
        Ok(ListUsersResponse { users: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

impl Handle<UpdateUser> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateUserRequest,
    ) -> Result<UpdateUserResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            let mut changes = Vec::new();
            if let Some(name) = &input.new_user_name {
                let other = !name.eq_ignore_ascii_case(&user.head.name);
                if other && account.users.contains_key(&name.to_lowercase()) {
                    return Err(IamFault::exists("User", name));
                }
                changes.push(IamChange::Drop(IamKind::User, user.head.name.clone()));
                user.head.name.clone_from(name);
            }
            if let Some(path) = &input.new_path {
                user.head.path.clone_from(path);
            }
            changes.push(IamChange::Put(IamRecord::User(user)));
            Ok((changes, ()))
        })
        .await?;
        Ok(UpdateUserResponse::default())
    }
}

impl Handle<DeleteUser> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteUserRequest,
    ) -> Result<DeleteUserResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let user = find::user(account, &input.user_name)?;
            if !user.keys.is_empty() {
                return Err(IamFault::must_first("delete access keys"));
            }
            if !user.service_credentials.is_empty() {
                return Err(IamFault::must_first("delete service specific credentials"));
            }
            if !user.groups.is_empty() {
                return Err(IamFault::must_first("remove users from group"));
            }
            owner::empty(&user.grants)?;
            Ok((vec![IamChange::Drop(IamKind::User, user.head.name.clone())], ()))
        })
        .await?;
        Ok(DeleteUserResponse::default())
    }
}

impl Iam {
    /// The user whose key the request was made with.
    pub(crate) fn caller(&self, context: &Context) -> Option<String> {
        let key = context.caller.access_key_id.as_deref()?;
        let (account, user) = self.parts.store.key_owner(key)?;
        (account == context.scope.account).then_some(user)
    }
}
