//! GetAlias and DeleteAlias, and the rules that every operation on aliases shares.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Alias, Fault, Function, FunctionKey, VersionNumber, Weighted};
use lambent_wire::lambda::operations::delete_alias::{DeleteAliasRequest, DeleteAliasResponse};
use lambent_wire::lambda::operations::get_alias::GetAliasRequest;
use lambent_wire::lambda::operations::{DeleteAlias, GetAlias};
use lambent_wire::lambda::types::{AliasConfiguration, AliasRoutingConfiguration};

use crate::Control;
use crate::target::{Target, alias_not_found};

impl Handle<GetAlias> for Control {
    type Fault = Fault;

    async fn handle(&self, context: Context, input: GetAliasRequest) -> Result<AliasConfiguration, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        // AWS says the same of an alias whose function is missing (judgement).
        let function = self.parts.store.function(&target.key);
        let alias = function.as_ref().and_then(|function| function.aliases.get(&input.name));
        match alias {
            Some(alias) => Ok(shown(&target.key, &input.name, alias)),
            None => Err(alias_not_found(&target.key, &input.name)),
        }
    }
}

impl Handle<DeleteAlias> for Control {
    type Fault = Fault;

    /// One that is not there counts as deleted (recorded).
    async fn handle(
        &self,
        context: Context,
        input: DeleteAliasRequest,
    ) -> Result<DeleteAliasResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let removed = self
            .change(&target, |function| {
                function.remove_alias(&input.name);
                Ok(())
            })
            .await;
        removed.map(|_| DeleteAliasResponse {})
    }
}

/// An alias as the API shows it: `RoutingConfig` only when there is one.
pub(super) fn shown(key: &FunctionKey, name: &str, alias: &Alias) -> AliasConfiguration {
    AliasConfiguration {
        alias_arn: Some(key.qualified_arn(name)),
        name: Some(name.to_owned()),
        function_version: Some(alias.version.to_string()),
        description: Some(alias.description.clone()),
        routing_config: alias.weighted.map(|weighted| AliasRoutingConfiguration {
            additional_version_weights: Some(BTreeMap::from([(
                weighted.version.to_string(),
                weighted.weight,
            )])),
        }),
        revision_id: Some(alias.revision_id.to_string()),
    }
}

/// A version that an alias may point at.
pub(super) fn existing_version(function: &Function, text: &str) -> Result<VersionNumber, Fault> {
    VersionNumber::parse(text)
        .filter(|number| function.version(*number).is_some())
        .ok_or_else(|| Fault::FunctionNotFound(function.key.qualified_arn(text)))
}

/// The weighted version that was asked for. An empty map takes the weights away.
pub(super) fn weighted(
    function: &Function,
    main: VersionNumber,
    asked: &AliasRoutingConfiguration,
) -> Result<Option<Weighted>, Fault> {
    let weights = asked.additional_version_weights.as_ref();
    let Some((text, weight)) = weights.and_then(BTreeMap::first_key_value) else {
        return Ok(None);
    };
    if weights.is_some_and(|weights| weights.len() > 1) {
        let text = "Number of items in AdditionalVersionWeights cannot be greater than 1";
        return Err(Fault::InvalidParameter(text.into()));
    }
    let version = existing_version(function, text)?;
    match (main, version) {
        (VersionNumber::Published(main), VersionNumber::Published(version)) if main != version => {
            Ok(Some(Weighted { version, weight: *weight }))
        }
        (VersionNumber::Published(_), VersionNumber::Published(version)) => {
            Err(Fault::InvalidParameter(format!(
                "Invalid function version {version}. Function version {version} is already included in routing configuration."
            )))
        }
        _ => Err(Fault::InvalidParameter(
            "$LATEST is not supported for an alias pointing to more than 1 version".into(),
        )),
    }
}
