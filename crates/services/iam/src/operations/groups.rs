//! Groups, and who is in them.

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{Grants, Group, Head, IamAccount, IamChange, IamKind, IamRecord, User};
use lambent_wire::iam::operations::add_user_to_group::{AddUserToGroupRequest, AddUserToGroupResponse};
use lambent_wire::iam::operations::create_group::{CreateGroupRequest, CreateGroupResponse};
use lambent_wire::iam::operations::delete_group::{DeleteGroupRequest, DeleteGroupResponse};
use lambent_wire::iam::operations::get_group::{GetGroupRequest, GetGroupResponse};
use lambent_wire::iam::operations::list_groups::{ListGroupsRequest, ListGroupsResponse};
use lambent_wire::iam::operations::list_groups_for_user::{
    ListGroupsForUserRequest, ListGroupsForUserResponse,
};
use lambent_wire::iam::operations::remove_user_from_group::{
    RemoveUserFromGroupRequest, RemoveUserFromGroupResponse,
};
use lambent_wire::iam::operations::update_group::{UpdateGroupRequest, UpdateGroupResponse};
use lambent_wire::iam::operations::{
    AddUserToGroup, CreateGroup, DeleteGroup, GetGroup, ListGroups, ListGroupsForUser, RemoveUserFromGroup,
    UpdateGroup,
};

use crate::here::Here;
use crate::paging::page;
use crate::{Iam, IamFault, find, ids, owner, quotas, shown};

impl Handle<CreateGroup> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateGroupRequest,
    ) -> Result<CreateGroupResponse, IamFault> {
        let here = Here::of(&context);
        let id = ids::entity(&*self.parts.random, "AGPA");
        let created_ms = self.now_ms();
        let group = self
            .change(&context.scope.account, |account| {
                if account.groups.contains_key(&input.group_name.to_lowercase()) {
                    return Err(IamFault::exists("Group", &input.group_name));
                }
                if account.groups.len() >= quotas::GROUPS {
                    return Err(IamFault::quota("GroupsPerAccount", quotas::GROUPS));
                }
                let path = input.path.clone().unwrap_or_else(|| "/".into());
                let head = Head { name: input.group_name.clone(), path, id: id.clone(), created_ms };
                let group = Group { head, grants: Grants::default() };
                Ok((vec![IamChange::Put(IamRecord::Group(group.clone()))], group))
            })
            .await?;
        Ok(CreateGroupResponse { group: shown::group(&here, &group) })
    }
}

impl Handle<GetGroup> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: GetGroupRequest) -> Result<GetGroupResponse, IamFault> {
        let here = Here::of(&context);
        let account = self.account(&context);
        let group = find::group(&account, &input.group_name)?;
        let users = members(&account, group);
        let users = users.map(|user| (user.head.name.to_lowercase(), shown::user(&here, user)));
        let page = page(users, input.marker.as_deref(), input.max_items);
        Ok(GetGroupResponse {
            group: shown::group(&here, group),
            users: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<ListGroups> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListGroupsRequest,
    ) -> Result<ListGroupsResponse, IamFault> {
        let here = Here::of(&context);
        let account = self.account(&context);
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let groups = account.groups.iter().filter(|(_, group)| group.head.path.starts_with(prefix));
        let groups = groups.map(|(name, group)| (name.clone(), shown::group(&here, group)));
        let page = page(groups, input.marker.as_deref(), input.max_items);
        Ok(ListGroupsResponse { groups: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

impl Handle<ListGroupsForUser> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListGroupsForUserRequest,
    ) -> Result<ListGroupsForUserResponse, IamFault> {
        let here = Here::of(&context);
        let account = self.account(&context);
        let user = find::user(&account, &input.user_name)?;
        let mut groups: Vec<_> = user
            .groups
            .iter()
            .filter_map(|name| account.groups.get_key_value(&name.to_lowercase()))
            .collect();
        groups.sort_by_key(|(name, _)| *name);
        let groups = groups.into_iter().map(|(name, group)| (name.clone(), shown::group(&here, group)));
        let page = page(groups, input.marker.as_deref(), input.max_items);
        Ok(ListGroupsForUserResponse {
            groups: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<UpdateGroup> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateGroupRequest,
    ) -> Result<UpdateGroupResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let known = find::group(account, &input.group_name)?;
            let mut group = known.as_ref().clone();
            let mut changes = Vec::new();
            if let Some(name) = &input.new_group_name {
                let other = !name.eq_ignore_ascii_case(&group.head.name);
                if other && account.groups.contains_key(&name.to_lowercase()) {
                    return Err(IamFault::exists("Group", name));
                }
                changes.push(IamChange::Drop(IamKind::Group, group.head.name.clone()));
                for user in members(account, known) {
                    let mut user = User::clone(user);
                    user.groups.remove(&group.head.name);
                    user.groups.insert(name.clone());
                    changes.push(IamChange::Put(IamRecord::User(user)));
                }
                group.head.name.clone_from(name);
            }
            if let Some(path) = &input.new_path {
                group.head.path.clone_from(path);
            }
            changes.push(IamChange::Put(IamRecord::Group(group)));
            Ok((changes, ()))
        })
        .await?;
        Ok(UpdateGroupResponse::default())
    }
}

impl Handle<DeleteGroup> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteGroupRequest,
    ) -> Result<DeleteGroupResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let group = find::group(account, &input.group_name)?;
            if members(account, group).next().is_some() {
                return Err(IamFault::must_first("remove users from group"));
            }
            owner::empty(&group.grants)?;
            Ok((vec![IamChange::Drop(IamKind::Group, group.head.name.clone())], ()))
        })
        .await?;
        Ok(DeleteGroupResponse::default())
    }
}

impl Handle<AddUserToGroup> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: AddUserToGroupRequest,
    ) -> Result<AddUserToGroupResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let group = find::group(account, &input.group_name)?;
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            if !user.groups.insert(group.head.name.clone()) {
                return Ok((Vec::new(), ()));
            }
            if user.groups.len() > quotas::GROUPS_PER_USER {
                return Err(IamFault::quota("GroupsPerUser", quotas::GROUPS_PER_USER));
            }
            Ok((vec![IamChange::Put(IamRecord::User(user))], ()))
        })
        .await?;
        Ok(AddUserToGroupResponse::default())
    }
}

impl Handle<RemoveUserFromGroup> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: RemoveUserFromGroupRequest,
    ) -> Result<RemoveUserFromGroupResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let group = find::group(account, &input.group_name)?;
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            match user.groups.remove(&group.head.name) {
                true => Ok((vec![IamChange::Put(IamRecord::User(user))], ())),
                false => Ok((Vec::new(), ())),
            }
        })
        .await?;
        Ok(RemoveUserFromGroupResponse::default())
    }
}

/// A group's users, by name.
fn members<'a>(account: &'a IamAccount, group: &'a Group) -> impl Iterator<Item = &'a Arc<User>> {
    account.users.values().filter(|user| user.groups.contains(&group.head.name))
}
