//! The context keys that policies look at.

use std::collections::BTreeSet;

use lambent_api_kit::{Context, Handle};
use lambent_iam_policy::{Kind, Policy};
use lambent_wire::iam::operations::get_context_keys_for_custom_policy::GetContextKeysForCustomPolicyRequest;
use lambent_wire::iam::operations::get_context_keys_for_principal_policy::GetContextKeysForPrincipalPolicyRequest;
use lambent_wire::iam::operations::{GetContextKeysForCustomPolicy, GetContextKeysForPrincipalPolicy};
use lambent_wire::iam::types::GetContextKeysForPolicyResponse;

use crate::here::Here;
use crate::simulation::{self, Source};
use crate::{Iam, IamFault, documents};

impl Handle<GetContextKeysForCustomPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        _context: Context,
        input: GetContextKeysForCustomPolicyRequest,
    ) -> Result<GetContextKeysForPolicyResponse, IamFault> {
        Ok(GetContextKeysForPolicyResponse { context_key_names: Some(keys(&[], &input.policy_input_list)?) })
    }
}

impl Handle<GetContextKeysForPrincipalPolicy> for Iam {
    type Fault = IamFault;

    async fn handle(
        &self,
        context: Context,
        input: GetContextKeysForPrincipalPolicyRequest,
    ) -> Result<GetContextKeysForPolicyResponse, IamFault> {
        let source =
            simulation::source(&Here::of(&context), &self.account(&context), &input.policy_source_arn)?;
        let given = input.policy_input_list.unwrap_or_default();
        Ok(GetContextKeysForPolicyResponse { context_key_names: Some(keys(&source.policies, &given)?) })
    }
}

fn keys(known: &[Source], given: &[String]) -> Result<Vec<String>, IamFault> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut add = |policy: &Policy| found.extend(policy.context_keys().into_iter().map(str::to_owned));
    known.iter().for_each(|source| add(&source.policy));
    for text in given {
        add(&*documents::read(text, Kind::Identity { managed: false })?);
    }
    Ok(found.into_iter().collect())
}
