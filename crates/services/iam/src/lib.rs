//! IAM: users, groups, roles, policies and instance profiles, kept and evaluated. What is stored here is what requests are
//! authorised with, through [`lambent_ports::identity::Identities`].

mod access;
mod authorization_details;
mod aws_managed;
mod directory;
mod documents;
mod fault;
mod find;
mod here;
mod ids;
mod not_yet;
mod operations;
mod owner;
mod paging;
mod quotas;
mod shown;
mod simulation;
mod tags;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Context, Entry, Registry};
use lambent_domain::AccountId;
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::iam_store::{IamAccount, IamChange, IamStore, IamStoreError};
use lambent_wire::iam;
use lambent_wire::iam::operations as op;

use directory::LastUse;
pub use fault::IamFault;

/// What the service is built of.
pub struct IamParts {
    /// Accounts.
    pub store: Arc<dyn IamStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub random: Arc<dyn Random>,
}

/// The state that operations are handled on.
pub struct Iam {
    parts: IamParts,
    last_uses: Mutex<HashMap<String, LastUse>>,
}

/// Every operation.
pub const REGISTRY: Registry<Iam, IamFault> = Registry {
    protocol: iam::PROTOCOL,
    target_prefix: iam::TARGET_PREFIX,
    routes: iam::ROUTES,
    operations: OPERATIONS,
    not_yet: not_yet::NOT_YET,
};

const OPERATIONS: &[Entry<Iam, IamFault>] = &[
    Entry::of::<op::AddRoleToInstanceProfile>(),
    Entry::of::<op::AddUserToGroup>(),
    Entry::of::<op::AttachGroupPolicy>(),
    Entry::of::<op::AttachRolePolicy>(),
    Entry::of::<op::AttachUserPolicy>(),
    Entry::of::<op::CreateAccessKey>(),
    Entry::of::<op::CreateAccountAlias>(),
    Entry::of::<op::CreateGroup>(),
    Entry::of::<op::CreateInstanceProfile>(),
    Entry::of::<op::CreatePolicy>(),
    Entry::of::<op::CreatePolicyVersion>(),
    Entry::of::<op::CreateRole>(),
    Entry::of::<op::CreateServiceLinkedRole>(),
    Entry::of::<op::CreateServiceSpecificCredential>(),
    Entry::of::<op::CreateUser>(),
    Entry::of::<op::DeleteAccessKey>(),
    Entry::of::<op::DeleteAccountAlias>(),
    Entry::of::<op::DeleteGroup>(),
    Entry::of::<op::DeleteGroupPolicy>(),
    Entry::of::<op::DeleteInstanceProfile>(),
    Entry::of::<op::DeleteLoginProfile>(),
    Entry::of::<op::DeletePolicy>(),
    Entry::of::<op::DeletePolicyVersion>(),
    Entry::of::<op::DeleteRole>(),
    Entry::of::<op::DeleteRolePermissionsBoundary>(),
    Entry::of::<op::DeleteRolePolicy>(),
    Entry::of::<op::DeleteServiceLinkedRole>(),
    Entry::of::<op::DeleteServiceSpecificCredential>(),
    Entry::of::<op::DeleteUser>(),
    Entry::of::<op::DeleteUserPermissionsBoundary>(),
    Entry::of::<op::DeleteUserPolicy>(),
    Entry::of::<op::DetachGroupPolicy>(),
    Entry::of::<op::DetachRolePolicy>(),
    Entry::of::<op::DetachUserPolicy>(),
    Entry::of::<op::GetAccessKeyLastUsed>(),
    Entry::of::<op::GetAccountAuthorizationDetails>(),
    Entry::of::<op::GetAccountSummary>(),
    Entry::of::<op::GetContextKeysForCustomPolicy>(),
    Entry::of::<op::GetContextKeysForPrincipalPolicy>(),
    Entry::of::<op::GetGroup>(),
    Entry::of::<op::GetGroupPolicy>(),
    Entry::of::<op::GetInstanceProfile>(),
    Entry::of::<op::GetLoginProfile>(),
    Entry::of::<op::GetPolicy>(),
    Entry::of::<op::GetPolicyVersion>(),
    Entry::of::<op::GetRole>(),
    Entry::of::<op::GetRolePolicy>(),
    Entry::of::<op::GetServiceLinkedRoleDeletionStatus>(),
    Entry::of::<op::GetUser>(),
    Entry::of::<op::GetUserPolicy>(),
    Entry::of::<op::ListAccessKeys>(),
    Entry::of::<op::ListAccountAliases>(),
    Entry::of::<op::ListAttachedGroupPolicies>(),
    Entry::of::<op::ListAttachedRolePolicies>(),
    Entry::of::<op::ListAttachedUserPolicies>(),
    Entry::of::<op::ListEntitiesForPolicy>(),
    Entry::of::<op::ListGroupPolicies>(),
    Entry::of::<op::ListGroups>(),
    Entry::of::<op::ListGroupsForUser>(),
    Entry::of::<op::ListInstanceProfileTags>(),
    Entry::of::<op::ListInstanceProfiles>(),
    Entry::of::<op::ListInstanceProfilesForRole>(),
    Entry::of::<op::ListMFADevices>(),
    Entry::of::<op::ListOpenIDConnectProviders>(),
    Entry::of::<op::ListPolicies>(),
    Entry::of::<op::ListPolicyTags>(),
    Entry::of::<op::ListPolicyVersions>(),
    Entry::of::<op::ListRolePolicies>(),
    Entry::of::<op::ListRoleTags>(),
    Entry::of::<op::ListRoles>(),
    Entry::of::<op::ListSAMLProviders>(),
    Entry::of::<op::ListSSHPublicKeys>(),
    Entry::of::<op::ListServerCertificates>(),
    Entry::of::<op::ListServiceSpecificCredentials>(),
    Entry::of::<op::ListSigningCertificates>(),
    Entry::of::<op::ListUserPolicies>(),
    Entry::of::<op::ListUserTags>(),
    Entry::of::<op::ListUsers>(),
    Entry::of::<op::ListVirtualMFADevices>(),
    Entry::of::<op::PutGroupPolicy>(),
    Entry::of::<op::PutRolePermissionsBoundary>(),
    Entry::of::<op::PutRolePolicy>(),
    Entry::of::<op::PutUserPermissionsBoundary>(),
    Entry::of::<op::PutUserPolicy>(),
    Entry::of::<op::RemoveRoleFromInstanceProfile>(),
    Entry::of::<op::RemoveUserFromGroup>(),
    Entry::of::<op::ResetServiceSpecificCredential>(),
    Entry::of::<op::SetDefaultPolicyVersion>(),
    Entry::of::<op::SimulateCustomPolicy>(),
    Entry::of::<op::SimulatePrincipalPolicy>(),
    Entry::of::<op::TagInstanceProfile>(),
    Entry::of::<op::TagPolicy>(),
    Entry::of::<op::TagRole>(),
    Entry::of::<op::TagUser>(),
    Entry::of::<op::UntagInstanceProfile>(),
    Entry::of::<op::UntagPolicy>(),
    Entry::of::<op::UntagRole>(),
    Entry::of::<op::UntagUser>(),
    Entry::of::<op::UpdateAccessKey>(),
    Entry::of::<op::UpdateAssumeRolePolicy>(),
    Entry::of::<op::UpdateGroup>(),
    Entry::of::<op::UpdateRole>(),
    Entry::of::<op::UpdateRoleDescription>(),
    Entry::of::<op::UpdateServiceSpecificCredential>(),
    Entry::of::<op::UpdateUser>(),
];

impl Iam {
    /// Builds it.
    pub fn new(parts: IamParts) -> Arc<Self> {
        Arc::new(Iam { parts, last_uses: Mutex::default() })
    }

    fn now_ms(&self) -> u64 {
        self.parts.clock.now_ms()
    }

    /// The account that a request is about, as it is.
    fn account(&self, context: &Context) -> Arc<IamAccount> {
        self.parts.store.account(&context.scope.account)
    }

    /// Changes an account by what `decide` says of its state, however many others change it at the same time.
    async fn change<T: Send>(
        &self,
        account: &AccountId,
        decide: impl Fn(&IamAccount) -> Result<(Vec<IamChange>, T), IamFault> + Send,
    ) -> Result<T, IamFault> {
        loop {
            let now = self.parts.store.account(account);
            let (changes, answer) = decide(&now)?;
            if changes.is_empty() {
                return Ok(answer);
            }
            match self.parts.store.commit(account, now.revision, changes).await {
                Ok(_) => return Ok(answer),
                Err(IamStoreError::Changed) => tokio::task::yield_now().await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// IAM as a service.
pub struct IamService(pub Arc<Iam>);

#[async_trait]
impl ApiService for IamService {
    fn signing_name(&self) -> &'static str {
        "iam"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        REGISTRY.answer(Arc::clone(&self.0), request).await
    }
}

#[cfg(test)]
mod tests;
