//! SimulatePrincipalPolicy and SimulateCustomPolicy.

use lambent_api_kit::{Context, Handle};
use lambent_iam_policy::Principal;
use lambent_ports::iam_store::IamAccount;
use lambent_wire::iam::operations::simulate_custom_policy::SimulateCustomPolicyRequest;
use lambent_wire::iam::operations::simulate_principal_policy::SimulatePrincipalPolicyRequest;
use lambent_wire::iam::operations::{SimulateCustomPolicy, SimulatePrincipalPolicy};
use lambent_wire::iam::types::SimulatePolicyResponse;

use crate::here::Here;
use crate::simulation::{self, Asked, Simulated};
use crate::{Iam, IamFault};

impl Handle<SimulatePrincipalPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: SimulatePrincipalPolicyRequest,
    ) -> Result<SimulatePolicyResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        if input.policy_exclusion_list.is_some_and(|list| !list.is_empty()) {
            return Err(not_here("PolicyExclusionList"));
        }
        let simulated = simulation::source(&here, &account, &input.policy_source_arn)?;
        run(
            &here,
            &account,
            simulated,
            Asked {
                policies: input.policy_input_list.unwrap_or_default(),
                boundaries: input.permissions_boundary_policy_input_list,
                actions: input.action_names,
                resources: input.resource_arns,
                resource_policy: input.resource_policy,
                resource_owner: input.resource_owner,
                caller: input.caller_arn,
                context: input.context_entries.unwrap_or_default(),
                handling: input.resource_handling_option,
                max_items: input.max_items,
                marker: input.marker,
            },
        )
    }
}

impl Handle<SimulateCustomPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: SimulateCustomPolicyRequest,
    ) -> Result<SimulatePolicyResponse, IamFault> {
        let (here, account) = (Here::of(&context), self.account(&context));
        if input.ordered_organization_policy_input_list.is_some_and(|list| !list.is_empty()) {
            return Err(not_here("OrderedOrganizationPolicyInputList"));
        }
        // Somebody without any policies of its own.
        let nobody =
            Principal::User { arn: format!("arn:{}:iam::{}:user/simulated", here.partition, here.account) };
        let simulated = Simulated::new(nobody);
        run(
            &here,
            &account,
            simulated,
            Asked {
                policies: input.policy_input_list,
                boundaries: input.permissions_boundary_policy_input_list,
                actions: input.action_names,
                resources: input.resource_arns,
                resource_policy: input.resource_policy,
                resource_owner: input.resource_owner,
                caller: input.caller_arn,
                context: input.context_entries.unwrap_or_default(),
                handling: input.resource_handling_option,
                max_items: input.max_items,
                marker: input.marker,
            },
        )
    }
}

fn not_here(member: &str) -> IamFault {
    IamFault::InvalidInput(format!("{member} is not available here."))
}

fn run(
    here: &Here,
    account: &IamAccount,
    mut simulated: Simulated,
    asked: Asked,
) -> Result<SimulatePolicyResponse, IamFault> {
    // Scenarios of machines that are started: there are none here.
    if asked.handling.is_some() {
        return Err(not_here("ResourceHandlingOption"));
    }
    if let Some(arn) = &asked.caller {
        simulated.call_as(here, account, arn)?;
    } else if asked.resource_policy.is_some() && !simulated.is_user() {
        let text = "CallerArn is required when a ResourcePolicy is given and the policies are not a user's.";
        return Err(IamFault::InvalidInput(text.into()));
    }
    simulated.run(asked)
}
