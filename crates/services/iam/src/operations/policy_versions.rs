//! Versions of managed policies.

use lambent_api_kit::{Context, Handle};
use lambent_iam_policy::Kind;
use lambent_ports::iam_store::{IamChange, IamRecord, PolicyVersion};
use lambent_wire::iam::operations::create_policy_version::{
    CreatePolicyVersionRequest, CreatePolicyVersionResponse,
};
use lambent_wire::iam::operations::delete_policy_version::{
    DeletePolicyVersionRequest, DeletePolicyVersionResponse,
};
use lambent_wire::iam::operations::get_policy_version::{GetPolicyVersionRequest, GetPolicyVersionResponse};
use lambent_wire::iam::operations::list_policy_versions::{
    ListPolicyVersionsRequest, ListPolicyVersionsResponse,
};
use lambent_wire::iam::operations::set_default_policy_version::{
    SetDefaultPolicyVersionRequest, SetDefaultPolicyVersionResponse,
};
use lambent_wire::iam::operations::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion,
};

use crate::find::Managed;
use crate::here::Here;
use crate::paging::{numbered, page};
use crate::{Iam, IamFault, documents, find, quotas, shown};

impl Handle<CreatePolicyVersion> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: CreatePolicyVersionRequest,
    ) -> Result<CreatePolicyVersionResponse, IamFault> {
        let here = Here::of(&context);
        let document = documents::read(&input.policy_document, Kind::Identity { managed: true })?;
        if documents::size(&document) > quotas::POLICY_SIZE {
            return Err(IamFault::quota("PolicySize", quotas::POLICY_SIZE));
        }
        let now_ms = self.now_ms();
        let version = self
            .change(&context.scope.account, |account| {
                let mut policy = find::own_policy(&here, account, &input.policy_arn)?.as_ref().clone();
                if policy.versions.len() >= quotas::VERSIONS {
                    let text = "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.";
                    return Err(IamFault::LimitExceeded(text.into()));
                }
                policy.last_version += 1;
                let number = policy.last_version;
                let version = PolicyVersion { number, document: document.clone(), created_ms: now_ms };
                policy.versions.push(version.clone());
                policy.updated_ms = now_ms;
                if input.set_as_default.unwrap_or(false) {
                    policy.default_version = number;
                }
                let shown = shown::version(&policy, &version);
                Ok((vec![IamChange::Put(IamRecord::Policy(policy))], shown))
            })
            .await?;
        Ok(CreatePolicyVersionResponse { policy_version: Some(version) })
    }
}

impl Handle<GetPolicyVersion> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetPolicyVersionRequest,
    ) -> Result<GetPolicyVersionResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        let (arn, id) = (&input.policy_arn, &input.version_id);
        let version = match find::policy(&here, &account, arn)? {
            Managed::Own(policy) => shown::whole_version(policy, find::version(policy, arn, id)?),
            Managed::Aws(policy) if policy.version == *id => shown::aws_version(policy),
            Managed::Aws(_) => return Err(find::no_version(arn, id)),
        };
        Ok(GetPolicyVersionResponse { policy_version: Some(version) })
    }
}

impl Handle<ListPolicyVersions> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: ListPolicyVersionsRequest,
    ) -> Result<ListPolicyVersionsResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        let versions = match find::policy(&here, &account, &input.policy_arn)? {
            // The newest first.
            Managed::Own(policy) => {
                policy.versions.iter().rev().map(|version| shown::version(policy, version)).collect()
            }
            Managed::Aws(policy) => {
                vec![lambent_wire::iam::types::PolicyVersion { document: None, ..shown::aws_version(policy) }]
            }
        };
        let page = page(numbered(versions), input.marker.as_deref(), input.max_items);
        Ok(ListPolicyVersionsResponse {
            versions: Some(page.items),
            is_truncated: page.is_truncated,
            marker: page.marker,
        })
    }
}

impl Handle<SetDefaultPolicyVersion> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: SetDefaultPolicyVersionRequest,
    ) -> Result<SetDefaultPolicyVersionResponse, IamFault> {
        let here = Here::of(&context);
        let now_ms = self.now_ms();
        self.change(&context.scope.account, |account| {
            let mut policy = find::own_policy(&here, account, &input.policy_arn)?.as_ref().clone();
            policy.default_version = find::version(&policy, &input.policy_arn, &input.version_id)?.number;
            policy.updated_ms = now_ms;
            Ok((vec![IamChange::Put(IamRecord::Policy(policy))], ()))
        })
        .await?;
        Ok(SetDefaultPolicyVersionResponse::default())
    }
}

impl Handle<DeletePolicyVersion> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: DeletePolicyVersionRequest,
    ) -> Result<DeletePolicyVersionResponse, IamFault> {
        let here = Here::of(&context);
        self.change(&context.scope.account, |account| {
            let mut policy = find::own_policy(&here, account, &input.policy_arn)?.as_ref().clone();
            let number = find::version(&policy, &input.policy_arn, &input.version_id)?.number;
            if number == policy.default_version {
                let text = "Cannot delete the default version of a policy.";
                return Err(IamFault::DeleteConflict(text.into()));
            }
            policy.versions.retain(|version| version.number != number);
            Ok((vec![IamChange::Put(IamRecord::Policy(policy))], ()))
        })
        .await?;
        Ok(DeletePolicyVersionResponse::default())
    }
}
