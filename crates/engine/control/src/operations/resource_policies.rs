//! PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: the same policies that AddPermission adds to, as whole
//! documents. AWS's texts for these younger operations are not known: where an older one has the case, it is that one's.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function, FunctionRef, Scope};
use lambent_wire::lambda::operations::delete_resource_policy::{
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse,
};
use lambent_wire::lambda::operations::get_resource_policy::{
    GetResourcePolicyRequest, GetResourcePolicyResponse,
};
use lambent_wire::lambda::operations::put_resource_policy::{
    PutResourcePolicyRequest, PutResourcePolicyResponse,
};
use lambent_wire::lambda::operations::{DeleteResourcePolicy, GetResourcePolicy, PutResourcePolicy};

use super::permissions::{NO_RESOURCE, check_policy_revision, existing_of, expect_not_latest, none};
use crate::Control;
use crate::policy;
use crate::target::Target;

impl Handle<PutResourcePolicy> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutResourcePolicyRequest,
    ) -> Result<PutResourcePolicyResponse, Fault> {
        let target = target(&input.resource_arn, &context.scope)?;
        expect_not_latest(&target)?;
        let given = policy::parse(&input.policy, &target.shown_arn(), self.new_revision());
        let change = |function: &mut Function| {
            check_policy_revision(function, &target, input.revision_id.as_deref())?;
            function.policies.insert(target.qualifier.clone(), given.clone()?);
            Ok(())
        };
        self.change(&target, change).await?;
        let given = given?;
        Ok(PutResourcePolicyResponse {
            policy: Some(policy::document(&given)),
            revision_id: Some(given.revision_id.to_string()),
        })
    }
}

impl Handle<GetResourcePolicy> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetResourcePolicyRequest,
    ) -> Result<GetResourcePolicyResponse, Fault> {
        let target = target(&input.resource_arn, &context.scope)?;
        let function = self.parts.store.function(&target.key);
        let policy = function.as_ref().and_then(|function| function.policies.get(&target.qualifier));
        let policy = policy.ok_or_else(|| Fault::NotFound(NO_RESOURCE.into()))?;
        Ok(GetResourcePolicyResponse {
            policy: Some(policy::document(policy)),
            revision_id: Some(policy.revision_id.to_string()),
        })
    }
}

impl Handle<DeleteResourcePolicy> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteResourcePolicyRequest,
    ) -> Result<DeleteResourcePolicyResponse, Fault> {
        let target = target(&input.resource_arn, &context.scope)?;
        let change = |function: &mut Function| {
            existing_of(function, &target)?;
            if !function.policies.contains_key(&target.qualifier) {
                return Err(none());
            }
            check_policy_revision(function, &target, input.revision_id.as_deref())?;
            function.policies.remove(&target.qualifier);
            Ok(())
        };
        self.change(&target, change).await?;
        Ok(DeleteResourcePolicyResponse::default())
    }
}

/// A function, version or alias. The model also lets runtimes of one's own through: there are none here.
fn target(arn: &str, scope: &Scope) -> Result<Target, Fault> {
    match FunctionRef::parse(arn) {
        Some(_) => Target::parse(arn, None, scope),
        None => Err(Fault::NotFound(NO_RESOURCE.into())),
    }
}
