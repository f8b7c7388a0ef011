//! Tags of users, roles, policies and instance profiles.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{IamChange, IamRecord, Tags};
use lambent_wire::iam::operations::list_instance_profile_tags::{
    ListInstanceProfileTagsRequest, ListInstanceProfileTagsResponse,
};
use lambent_wire::iam::operations::list_policy_tags::{ListPolicyTagsRequest, ListPolicyTagsResponse};
use lambent_wire::iam::operations::list_role_tags::{ListRoleTagsRequest, ListRoleTagsResponse};
use lambent_wire::iam::operations::list_user_tags::{ListUserTagsRequest, ListUserTagsResponse};
use lambent_wire::iam::operations::tag_instance_profile::{
    TagInstanceProfileRequest, TagInstanceProfileResponse,
};
use lambent_wire::iam::operations::tag_policy::{TagPolicyRequest, TagPolicyResponse};
use lambent_wire::iam::operations::tag_role::{TagRoleRequest, TagRoleResponse};
use lambent_wire::iam::operations::tag_user::{TagUserRequest, TagUserResponse};
use lambent_wire::iam::operations::untag_instance_profile::{
    UntagInstanceProfileRequest, UntagInstanceProfileResponse,
};
use lambent_wire::iam::operations::untag_policy::{UntagPolicyRequest, UntagPolicyResponse};
use lambent_wire::iam::operations::untag_role::{UntagRoleRequest, UntagRoleResponse};
use lambent_wire::iam::operations::untag_user::{UntagUserRequest, UntagUserResponse};
use lambent_wire::iam::operations::{
    ListInstanceProfileTags, ListPolicyTags, ListRoleTags, ListUserTags, TagInstanceProfile, TagPolicy,
    TagRole, TagUser, UntagInstanceProfile, UntagPolicy, UntagRole, UntagUser,
};
use lambent_wire::iam::types::Tag;

use crate::find::Managed;
use crate::here::Here;
use crate::paging::page;
use crate::{Iam, IamFault, find, tags};

impl Handle<TagUser> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: TagUserRequest) -> Result<TagUserResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            tags::add(&mut user.tags, &input.tags)?;
            Ok((vec![IamChange::Put(IamRecord::User(user))], ()))
        })
        .await?;
        Ok(TagUserResponse::default())
    }
}

impl Handle<UntagUser> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: UntagUserRequest) -> Result<UntagUserResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut user = find::user(account, &input.user_name)?.as_ref().clone();
            tags::remove(&mut user.tags, &input.tag_keys);
            Ok((vec![IamChange::Put(IamRecord::User(user))], ()))
        })
        .await?;
        Ok(UntagUserResponse::default())
    }
}

impl Handle<ListUserTags> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListUserTagsRequest,
    ) -> Result<ListUserTagsResponse, IamFault> {
        let account = self.account(&context);
        let tags = listed(&find::user(&account, &input.user_name)?.tags);
        let page = page(tags, input.marker.as_deref(), input.max_items);
        Ok(ListUserTagsResponse { tags: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

impl Handle<TagRole> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: TagRoleRequest) -> Result<TagRoleResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut role = find::own_role(account, &input.role_name)?.as_ref().clone();
            tags::add(&mut role.tags, &input.tags)?;
            Ok((vec![IamChange::Put(IamRecord::Role(role))], ()))
        })
        .await?;
        Ok(TagRoleResponse::default())
    }
}

impl Handle<UntagRole> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: UntagRoleRequest) -> Result<UntagRoleResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut role = find::own_role(account, &input.role_name)?.as_ref().clone();
            tags::remove(&mut role.tags, &input.tag_keys);
            Ok((vec![IamChange::Put(IamRecord::Role(role))], ()))
        })
        .await?;
        Ok(UntagRoleResponse::default())
    }
}

impl Handle<ListRoleTags> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListRoleTagsRequest,
    ) -> Result<ListRoleTagsResponse, IamFault> {
        let account = self.account(&context);
        let tags = listed(&find::role(&account, &input.role_name)?.tags);
        let page = page(tags, input.marker.as_deref(), input.max_items);
        Ok(ListRoleTagsResponse { tags: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

impl Handle<TagPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(&self, context: Context, input: TagPolicyRequest) -> Result<TagPolicyResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let mut policy = find::own_policy(&here, account, &input.policy_arn)?.as_ref().clone();
            tags::add(&mut policy.tags, &input.tags)?;
            Ok((vec![IamChange::Put(IamRecord::Policy(policy))], ()))
        })
        .await?;
        Ok(TagPolicyResponse::default())
    }
}

impl Handle<UntagPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UntagPolicyRequest,
    ) -> Result<UntagPolicyResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let mut policy = find::own_policy(&here, account, &input.policy_arn)?.as_ref().clone();
            tags::remove(&mut policy.tags, &input.tag_keys);
            Ok((vec![IamChange::Put(IamRecord::Policy(policy))], ()))
        })
        .await?;
        Ok(UntagPolicyResponse::default())
    }
}

impl Handle<ListPolicyTags> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListPolicyTagsRequest,
    ) -> Result<ListPolicyTagsResponse, IamFault> {
        let account = self.account(&context);
        let here = Here::of(&context);
        let tags = match find::policy(&here, &account, &input.policy_arn)? {
            Managed::Own(policy) => policy.tags.clone(),
            Managed::Aws(_) => Tags::new(),
        };
        let tags = listed(&tags);
        let page = page(tags, input.marker.as_deref(), input.max_items);
        Ok(ListPolicyTagsResponse { tags: page.items, is_truncated: page.is_truncated, marker: page.marker })
    }
}

impl Handle<TagInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: TagInstanceProfileRequest,
    ) -> Result<TagInstanceProfileResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut profile = find::instance_profile(account, &input.instance_profile_name)?.as_ref().clone();
            tags::add(&mut profile.tags, &input.tags)?;
            Ok((vec![IamChange::Put(IamRecord::InstanceProfile(profile))], ()))
        })
        .await?;
        Ok(TagInstanceProfileResponse::default())
    }
}

impl Handle<UntagInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: UntagInstanceProfileRequest,
    ) -> Result<UntagInstanceProfileResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut profile = find::instance_profile(account, &input.instance_profile_name)?.as_ref().clone();
            tags::remove(&mut profile.tags, &input.tag_keys);
            Ok((vec![IamChange::Put(IamRecord::InstanceProfile(profile))], ()))
        })
        .await?;
        Ok(UntagInstanceProfileResponse::default())
    }
}

impl Handle<ListInstanceProfileTags> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListInstanceProfileTagsRequest,
    ) -> Result<ListInstanceProfileTagsResponse, IamFault> {
        let account = self.account(&context);
        let tags = listed(&find::instance_profile(&account, &input.instance_profile_name)?.tags);
        let page = page(tags, input.marker.as_deref(), input.max_items);
        Ok(ListInstanceProfileTagsResponse {
            tags: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

fn listed(tags: &Tags) -> impl Iterator<Item = (String, Tag)> {
    tags::list(tags).into_iter().map(|tag| (tag.key.clone(), tag))
}
