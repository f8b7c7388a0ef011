//! Instance profiles.

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{Head, IamChange, IamKind, IamRecord, InstanceProfile};
use lambent_wire::iam::operations::add_role_to_instance_profile::{
    AddRoleToInstanceProfileRequest, AddRoleToInstanceProfileResponse,
};
use lambent_wire::iam::operations::create_instance_profile::{
    CreateInstanceProfileRequest, CreateInstanceProfileResponse,
};
use lambent_wire::iam::operations::delete_instance_profile::{
    DeleteInstanceProfileRequest, DeleteInstanceProfileResponse,
};
use lambent_wire::iam::operations::get_instance_profile::{
    GetInstanceProfileRequest, GetInstanceProfileResponse,
};
use lambent_wire::iam::operations::list_instance_profiles::{
    ListInstanceProfilesRequest, ListInstanceProfilesResponse,
};
use lambent_wire::iam::operations::list_instance_profiles_for_role::{
    ListInstanceProfilesForRoleRequest, ListInstanceProfilesForRoleResponse,
};
use lambent_wire::iam::operations::remove_role_from_instance_profile::{
    RemoveRoleFromInstanceProfileRequest, RemoveRoleFromInstanceProfileResponse,
};
use lambent_wire::iam::operations::{
    AddRoleToInstanceProfile, CreateInstanceProfile, DeleteInstanceProfile, GetInstanceProfile,
    ListInstanceProfiles, ListInstanceProfilesForRole, RemoveRoleFromInstanceProfile,
};

use crate::here::Here;
use crate::paging::page;
use crate::{Iam, IamFault, find, ids, quotas, shown, tags};

impl Handle<CreateInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateInstanceProfileRequest,
    ) -> Result<CreateInstanceProfileResponse, IamFault> {
        let here = Here::of(&context);
        let id = ids::entity(&*self.parts.random, "AIPA");
        let created_ms = self.now_ms();
        let instance_profile = self
            .change(&context.scope.account, |account| {
                let name = &input.instance_profile_name;
                if account.instance_profiles.contains_key(&name.to_lowercase()) {
                    let text = format!("Instance Profile {name} already exists.");
                    return Err(IamFault::EntityAlreadyExists(text));
                }
                if account.instance_profiles.len() >= quotas::INSTANCE_PROFILES {
                    return Err(IamFault::quota("InstanceProfilesPerAccount", quotas::INSTANCE_PROFILES));
                }
                let path = input.path.clone().unwrap_or_else(|| "/".into());
                let head = Head { name: name.clone(), path, id: id.clone(), created_ms };
                let profile = InstanceProfile { head, tags: tags::read(input.tags.clone())?, role: None };
                let shown = shown::instance_profile(&here, account, &profile);
                Ok((vec![IamChange::Put(IamRecord::InstanceProfile(profile))], shown))
            })
            .await?;
        Ok(CreateInstanceProfileResponse { instance_profile })
    }
}

impl Handle<GetInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetInstanceProfileRequest,
    ) -> Result<GetInstanceProfileResponse, IamFault> {
        let account = self.account(&context);
        let profile = find::instance_profile(&account, &input.instance_profile_name)?;
        let instance_profile = shown::instance_profile(&Here::of(&context), &account, profile);
        Ok(GetInstanceProfileResponse { instance_profile })
    }
}

impl Handle<ListInstanceProfiles> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListInstanceProfilesRequest,
    ) -> Result<ListInstanceProfilesResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let profiles = account.instance_profiles.iter().filter(|(_, one)| one.head.path.starts_with(prefix));
        let profiles =
            profiles.map(|(name, one)| (name.clone(), shown::instance_profile(&here, &account, one)));
        let page = page(profiles, input.marker.as_deref(), input.max_items);
        Ok(ListInstanceProfilesResponse {
            instance_profiles: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<ListInstanceProfilesForRole> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListInstanceProfilesForRoleRequest,
    ) -> Result<ListInstanceProfilesForRoleResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        let role = find::role(&account, &input.role_name)?;
        let of_role = |one: &InstanceProfile| one.role.as_deref() == Some(role.head.name.as_str());
        let profiles = account.instance_profiles.iter().filter(|(_, one)| of_role(one));
        let profiles =
            profiles.map(|(name, one)| (name.clone(), shown::instance_profile(&here, &account, one)));
        let page = page(profiles, input.marker.as_deref(), input.max_items);
        Ok(ListInstanceProfilesForRoleResponse {
            instance_profiles: page.items,
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<AddRoleToInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: AddRoleToInstanceProfileRequest,
    ) -> Result<AddRoleToInstanceProfileResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut profile = find::instance_profile(account, &input.instance_profile_name)?.as_ref().clone();
            let role = find::own_role(account, &input.role_name)?;
            if profile.role.is_some() {
                return Err(IamFault::quota("InstanceSessionsPerInstanceProfile", 1));
            }
            profile.role = Some(role.head.name.clone());
            Ok((vec![IamChange::Put(IamRecord::InstanceProfile(profile))], ()))
        })
        .await?;
        Ok(AddRoleToInstanceProfileResponse::default())
    }
}

impl Handle<RemoveRoleFromInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: RemoveRoleFromInstanceProfileRequest,
    ) -> Result<RemoveRoleFromInstanceProfileResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let mut profile = find::instance_profile(account, &input.instance_profile_name)?.as_ref().clone();
            let role = find::role(account, &input.role_name)?;
            if profile.role.take_if(|name| *name == role.head.name).is_none() {
                return Err(IamFault::missing("role", &input.role_name));
            }
            Ok((vec![IamChange::Put(IamRecord::InstanceProfile(profile))], ()))
        })
        .await?;
        Ok(RemoveRoleFromInstanceProfileResponse::default())
    }
}

impl Handle<DeleteInstanceProfile> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteInstanceProfileRequest,
    ) -> Result<DeleteInstanceProfileResponse, IamFault> {
        self.change(&context.scope.account, |account| {
            let profile = find::instance_profile(account, &input.instance_profile_name)?;
            if profile.role.is_some() {
                return Err(IamFault::must_first("remove roles from instance profile"));
            }
            Ok((vec![IamChange::Drop(IamKind::InstanceProfile, profile.head.name.clone())], ()))
        })
        .await?;
        Ok(DeleteInstanceProfileResponse::default())
    }
}
