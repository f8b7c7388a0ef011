//! AddPermission, RemovePermission and GetPolicy: the resource policies of a function, its versions and its aliases.
//! Each of them has its own. Neither the function's nor an alias's revision changes with it: the policy has its own
//! (recorded).

use lambent_api_kit::{Context, Handle};
use lambent_domain::names::partition;
use lambent_domain::{Fault, Function, Policy, Qualifier, RevisionId};
use lambent_wire::lambda::operations::add_permission::{AddPermissionRequest, AddPermissionResponse};
use lambent_wire::lambda::operations::get_policy::{GetPolicyRequest, GetPolicyResponse};
use lambent_wire::lambda::operations::remove_permission::{
    RemovePermissionRequest, RemovePermissionResponse,
};
use lambent_wire::lambda::operations::{AddPermission, GetPolicy, RemovePermission};

use crate::Control;
use crate::policy::{self, Conditions, Permission};
use crate::target::{Target, existing};

impl Handle<AddPermission> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: AddPermissionRequest,
    ) -> Result<AddPermissionResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        expect_not_latest(&target)?;
        let resource = target.shown_arn();
        let permission = Permission {
            sid: &input.statement_id,
            action: &input.action,
            principal: &input.principal,
            resource: &resource,
            partition: partition(&context.scope.region),
            conditions: Conditions {
                source_account: input.source_account.as_deref(),
                event_source_token: input.event_source_token.as_deref(),
                principal_org_id: input.principal_org_id.as_deref(),
                function_url_auth_type: input.function_url_auth_type.as_deref(),
                source_arn: input.source_arn.as_deref(),
                invoked_via_function_url: input.invoked_via_function_url,
            },
        };
        let change = |function: &mut Function| {
            check_policy_revision(function, &target, input.revision_id.as_deref())?;
            let statement = permission.statement()?;
            let revision = self.new_revision();
            let policies = &mut function.policies;
            let policy = policies.entry(target.qualifier.clone()).or_insert_with(|| Policy::empty(revision));
            policy.revision_id = revision;
            policy::add(policy, statement.clone())?;
            Ok(statement.json)
        };
        let (_, statement) = self.change(&target, change).await?;
        Ok(AddPermissionResponse { statement: Some(statement) })
    }
}

impl Handle<RemovePermission> for Control {
    type Fault = Fault;

    /// Removing the last statement removes the policy (recorded).
    async fn handle(
        &self,
        context: Context,
        input: RemovePermissionRequest,
    ) -> Result<RemovePermissionResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let change = |function: &mut Function| {
            existing_of(function, &target)?;
            let mut policy = function.policies.get(&target.qualifier).cloned().ok_or_else(none)?;
            check_policy_revision(function, &target, input.revision_id.as_deref())?;
            policy::remove(&mut policy, &input.statement_id)?;
            policy.revision_id = self.new_revision();
            match policy.statements.is_empty() {
                true => function.policies.remove(&target.qualifier),
                false => function.policies.insert(target.qualifier.clone(), policy),
            };
            Ok(())
        };
        match self.change(&target, change).await {
            // Of a function that is not there AWS says that it has no policy (recorded).
            Err(Fault::FunctionNotFound(_)) if self.parts.store.function(&target.key).is_none() => {
                Err(Fault::NotFound(format!("No policy found for: {}", target.key.arn())))
            }
            changed => changed.map(|_| RemovePermissionResponse::default()),
        }
    }
}

impl Handle<GetPolicy> for Control {
    type Fault = Fault;

    /// Whatever is missing, the policy or what it would be of: one answer (recorded).
    async fn handle(&self, context: Context, input: GetPolicyRequest) -> Result<GetPolicyResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let function = self.parts.store.function(&target.key);
        let policy = function.as_ref().and_then(|function| function.policies.get(&target.qualifier));
        let policy = policy.ok_or_else(|| Fault::NotFound(NO_RESOURCE.into()))?;
        Ok(GetPolicyResponse {
            policy: Some(policy::document(policy)),
            revision_id: Some(policy.revision_id.to_string()),
        })
    }
}

/// AWS's answer to reading what is not there.
pub(super) const NO_RESOURCE: &str = "The resource you requested does not exist.";

/// AWS's answer to taking away from a policy that is not there.
pub(super) fn none() -> Fault {
    Fault::NotFound("No policy is associated with the given resource.".into())
}

/// `$LATEST` shares the function's policy and can't be named (recorded).
pub(super) fn expect_not_latest(target: &Target) -> Result<(), Fault> {
    match target.qualifier {
        Some(Qualifier::Latest) => {
            Err(Fault::InvalidParameter("We currently do not support adding policies for $LATEST.".into()))
        }
        _ => Ok(()),
    }
}

/// What the target points at is there.
pub(super) fn existing_of(function: &Function, target: &Target) -> Result<(), Fault> {
    target.qualifier.as_ref().map_or(Ok(()), |qualifier| existing(function, qualifier))
}

/// A caller's `RevisionId` is the policy's. Where there is none yet, it is that of what gets one (recorded of an alias).
pub(super) fn check_policy_revision(
    function: &Function,
    target: &Target,
    expected: Option<&str>,
) -> Result<(), Fault> {
    existing_of(function, target)?;
    let Some(expected) = expected else {
        return Ok(());
    };
    let current = match (function.policies.get(&target.qualifier), &target.qualifier) {
        (Some(policy), _) => Some(policy.revision_id),
        (None, Some(Qualifier::Alias(name))) => function.aliases.get(name).map(|alias| alias.revision_id),
        (None, qualifier) => function.primary(qualifier.as_ref()).map(|version| version.revision_id),
    };
    match current {
        Some(current) if RevisionId::parse(expected) == Some(current) => Ok(()),
        _ => Err(Fault::PolicyRevisionMismatch),
    }
}
