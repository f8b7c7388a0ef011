//! CreateAlias: 201. The function's revision does not change with it (recorded).

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Alias, Fault};
use lambent_wire::lambda::operations::CreateAlias;
use lambent_wire::lambda::operations::create_alias::CreateAliasRequest;
use lambent_wire::lambda::types::AliasConfiguration;

use super::aliases::{existing_version, shown, weighted};
use crate::Control;
use crate::target::Target;

impl Handle<CreateAlias> for Control {
    type Fault = Fault;

    async fn handle(&self, context: Context, input: CreateAliasRequest) -> Result<AliasConfiguration, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let (_, alias) = self
            .change(&target, |function| {
                if function.aliases.contains_key(&input.name) {
                    let arn = function.key.qualified_arn(&input.name);
                    return Err(Fault::Conflict(format!("Alias already exists: {arn}")));
                }
                let version = existing_version(function, &input.function_version)?;
                let weighted = match &input.routing_config {
                    Some(asked) => weighted(function, version, asked)?,
                    None => None,
                };
                let alias = Alias {
                    version,
                    description: input.description.clone().unwrap_or_default(),
                    weighted,
                    revision_id: self.new_revision(),
                };
                function.aliases.insert(input.name.clone(), alias.clone());
                Ok(alias)
            })
            .await?;
        Ok(shown(&target.key, &input.name, &alias))
    }
}
