//! GetLayerVersionPolicy and RemoveLayerVersionPermission.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Policy, RevisionId};
use lambent_wire::lambda::operations::get_layer_version_policy::{
    GetLayerVersionPolicyRequest, GetLayerVersionPolicyResponse,
};
use lambent_wire::lambda::operations::remove_layer_version_permission::{
    RemoveLayerVersionPermissionRequest, RemoveLayerVersionPermissionResponse,
};
use lambent_wire::lambda::operations::{GetLayerVersionPolicy, RemoveLayerVersionPermission};

use crate::layers::{no_such_version, own_key, version_number};
use crate::{Control, policy};

impl Handle<GetLayerVersionPolicy> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetLayerVersionPolicyRequest,
    ) -> Result<GetLayerVersionPolicyResponse, Fault> {
        let number = version_number(input.version_number)?;
        let key = own_key(&input.layer_name, &context, "lambda:GetLayerVersionPolicy")?;
        let version = self.layer_version(&key, number).ok_or_else(|| no_such_version(&key, number))?;
        let policy = version.policy.as_ref().ok_or_else(no_policy)?;
        Ok(GetLayerVersionPolicyResponse {
            policy: Some(policy::document(policy)),
            revision_id: Some(policy.revision_id.to_string()),
        })
    }
}

impl Handle<RemoveLayerVersionPermission> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: RemoveLayerVersionPermissionRequest,
    ) -> Result<RemoveLayerVersionPermissionResponse, Fault> {
        let number = version_number(input.version_number)?;
        let key = own_key(&input.layer_name, &context, "lambda:RemoveLayerVersionPermission")?;
        self.change_layer_version(&key, number, |version| {
            let mut next = version.policy.clone().ok_or_else(no_policy)?;
            check_layer_policy_revision(Some(&next), input.revision_id.as_deref())?;
            policy::remove(&mut next, &input.statement_id)?;
            next.revision_id = self.new_revision();
            // A policy without statements is none.
            version.policy = Some(next).filter(|policy| !policy.statements.is_empty());
            Ok(())
        })
        .await?;
        Ok(RemoveLayerVersionPermissionResponse {})
    }
}

fn no_policy() -> Fault {
    Fault::NotFound("No policy is associated with the given resource.".into())
}

/// A caller's `RevisionId` is the policy's; where there is no policy, none is.
pub(super) fn check_layer_policy_revision(
    policy: Option<&Policy>,
    expected: Option<&str>,
) -> Result<(), Fault> {
    let current = policy.map(|policy| policy.revision_id);
    match expected {
        Some(expected) if current.is_none() || RevisionId::parse(expected) != current => {
            Err(Fault::LayerPolicyRevisionMismatch)
        }
        _ => Ok(()),
    }
}
