//! UpdateAlias: a merge; `RoutingConfig` is replaced as a whole, an empty one takes the weights away.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function, Qualifier, VersionNumber};
use lambent_wire::lambda::operations::UpdateAlias;
use lambent_wire::lambda::operations::update_alias::UpdateAliasRequest;
use lambent_wire::lambda::types::AliasConfiguration;

use super::aliases::{existing_version, shown, weighted};
use crate::Control;
use crate::change::check_revision;
use crate::target::Target;

impl Handle<UpdateAlias> for Control {
    type Fault = Fault;

    async fn handle(&self, context: Context, input: UpdateAliasRequest) -> Result<AliasConfiguration, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let (_, alias) = self
            .change(&target, |function| {
                let mut alias = function.aliases.get(&input.name).cloned().ok_or_else(|| {
                    let arn = function.key.qualified_arn(&input.name);
                    Fault::NotFound(format!("Alias not found: {arn}"))
                })?;
                check_revision(alias.revision_id, input.revision_id.as_deref())?;
                if let Some(version) = &input.function_version {
                    alias.version = existing_version(function, version)?;
                }
                match (&input.routing_config, alias.weighted) {
                    (Some(asked), _) => alias.weighted = weighted(function, alias.version, asked)?,
                    // Weights that stay must still fit the version that is new.
                    (None, Some(kept)) if alias.version == VersionNumber::Latest || alias.version == VersionNumber::Published(kept.version) => {
                        return Err(Fault::InvalidParameter(match alias.version {
                            VersionNumber::Latest => "$LATEST is not supported for an alias pointing to more than 1 version".into(),
                            VersionNumber::Published(version) => format!(
                                "Invalid function version {version}. Function version {version} is already included in routing configuration."
                            ),
                        }));
                    }
                    (None, _) => {}
                }
                check_provisioned(function, &input.name, alias.version)?;
                if let Some(description) = &input.description {
                    alias.description.clone_from(description);
                }
                alias.revision_id = self.new_revision();
                function.aliases.insert(input.name.clone(), alias.clone());
                Ok(alias)
            })
            .await?;
        Ok(shown(&target.key, &input.name, &alias))
    }
}

/// `$LATEST` has no provisioned concurrency, through an alias neither (AWS documentation; the text is as reported by
/// users for other combinations that don't fit).
fn check_provisioned(function: &Function, name: &str, version: VersionNumber) -> Result<(), Fault> {
    let provisioned = function.provisioned.contains_key(&Qualifier::Alias(name.to_owned()));
    if provisioned && version == VersionNumber::Latest {
        let text = "Invalid alias configuration for Provisioned Concurrency";
        return Err(Fault::InvalidParameter(text.into()));
    }
    Ok(())
}
