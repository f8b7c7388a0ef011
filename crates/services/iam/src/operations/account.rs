//! What is known of an account as a whole.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_ports::iam_store::{IamChange, IamKind, IamRecord};
use lambent_wire::iam::operations::create_account_alias::{
    CreateAccountAliasRequest, CreateAccountAliasResponse,
};
use lambent_wire::iam::operations::delete_account_alias::{
    DeleteAccountAliasRequest, DeleteAccountAliasResponse,
};
use lambent_wire::iam::operations::get_account_authorization_details::{
    GetAccountAuthorizationDetailsRequest, GetAccountAuthorizationDetailsResponse,
};
use lambent_wire::iam::operations::get_account_summary::{
    GetAccountSummaryRequest, GetAccountSummaryResponse,
};
use lambent_wire::iam::operations::list_account_aliases::{
    ListAccountAliasesRequest, ListAccountAliasesResponse,
};
use lambent_wire::iam::operations::{
    CreateAccountAlias, DeleteAccountAlias, GetAccountAuthorizationDetails, GetAccountSummary,
    ListAccountAliases,
};

use crate::here::Here;
use crate::{Iam, IamFault, authorization_details, quotas};

impl Handle<GetAccountSummary> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        _input: GetAccountSummaryRequest,
    ) -> Result<GetAccountSummaryResponse, IamFault> {
        let account = self.account(&context);
        let versions: usize = account.policies.values().map(|policy| policy.versions.len()).sum();
        let told = [
            ("Users", account.users.len()),
            ("Groups", account.groups.len()),
            ("Roles", account.roles.len()),
            ("Policies", account.policies.len()),
            ("PolicyVersionsInUse", versions),
            ("InstanceProfiles", account.instance_profiles.len()),
        ];
        let told = told.into_iter().chain(SUMMARY_QUOTAS.iter().copied());
        let summary: BTreeMap<String, i32> =
            told.map(|(name, value)| (name.to_owned(), i32::try_from(value).unwrap_or(i32::MAX))).collect();
        Ok(GetAccountSummaryResponse { summary_map: Some(summary) })
    }
}

impl Handle<ListAccountAliases> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        _input: ListAccountAliasesRequest,
    ) -> Result<ListAccountAliasesResponse, IamFault> {
        let account_aliases = self.account(&context).alias.iter().cloned().collect();
        Ok(ListAccountAliasesResponse { account_aliases, is_truncated: Some(false), marker: None })
    }
}

impl Handle<CreateAccountAlias> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateAccountAliasRequest,
    ) -> Result<CreateAccountAliasResponse, IamFault> {
        self.change(&context.scope.account, |account| match account.alias.as_ref() {
            Some(known) if *known == input.account_alias => {
                let text = format!("The account alias {known} already exists.");
                Err(IamFault::EntityAlreadyExists(text))
            }
            // An account has one: a new one takes the place of the old.
            _ => Ok((vec![IamChange::Put(IamRecord::Alias(input.account_alias.clone()))], ())),
        })
        .await?;
        Ok(CreateAccountAliasResponse::default())
    }
}

impl Handle<DeleteAccountAlias> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteAccountAliasRequest,
    ) -> Result<DeleteAccountAliasResponse, IamFault> {
        self.change(&context.scope.account, |account| match account.alias.as_ref() {
            Some(known) if *known == input.account_alias => {
                Ok((vec![IamChange::Drop(IamKind::Alias, String::new())], ()))
            }
            _ => {
                let text = format!("The account alias {} cannot be found.", input.account_alias);
                Err(IamFault::NoSuchEntity(text))
            }
        })
        .await?;
        Ok(DeleteAccountAliasResponse::default())
    }
}

impl Handle<GetAccountAuthorizationDetails> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetAccountAuthorizationDetailsRequest,
    ) -> Result<GetAccountAuthorizationDetailsResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        Ok(authorization_details::of(&here, &account, &input))
    }
}

/// Quotas as the summary tells them; what there can be none of here is 0.
const SUMMARY_QUOTAS: &[(&str, usize)] = &[
    ("AccessKeysPerUserQuota", quotas::KEYS_PER_USER),
    ("AccountAccessKeysPresent", 0),
    ("AccountMFAEnabled", 0),
    ("AccountPasswordPresent", 0),
    ("AccountSigningCertificatesPresent", 0),
    ("AssumeRolePolicySizeQuota", quotas::TRUST_SIZE),
    ("AttachedPoliciesPerGroupQuota", quotas::ATTACHED),
    ("AttachedPoliciesPerRoleQuota", quotas::ATTACHED),
    ("AttachedPoliciesPerUserQuota", quotas::ATTACHED),
    ("GlobalEndpointTokenVersion", 1),
    ("GroupPolicySizeQuota", quotas::GROUP_INLINE_SIZE),
    ("GroupsPerUserQuota", quotas::GROUPS_PER_USER),
    ("GroupsQuota", quotas::GROUPS),
    ("InstanceProfilesQuota", quotas::INSTANCE_PROFILES),
    ("MFADevices", 0),
    ("MFADevicesInUse", 0),
    ("PoliciesQuota", quotas::POLICIES),
    ("PolicySizeQuota", quotas::POLICY_SIZE),
    ("PolicyVersionsInUseQuota", 10_000),
    ("Providers", 0),
    ("RolePolicySizeQuota", quotas::ROLE_INLINE_SIZE),
    ("RolesQuota", quotas::ROLES),
    ("ServerCertificates", 0),
    ("ServerCertificatesQuota", 0),
    ("SigningCertificatesPerUserQuota", 0),
    ("UserPolicySizeQuota", quotas::USER_INLINE_SIZE),
    ("UsersQuota", quotas::USERS),
    ("VersionsPerPolicyQuota", quotas::VERSIONS),
];
