//! ListAliases: by name; of one version when that is asked for.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_LONG_PAGE;
use lambent_domain::{Fault, VersionNumber};
use lambent_wire::lambda::operations::ListAliases;
use lambent_wire::lambda::operations::list_aliases::{ListAliasesRequest, ListAliasesResponse};

use super::aliases::shown;
use crate::Control;
use crate::paging::Page;
use crate::target::Target;

impl Handle<ListAliases> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListAliasesRequest,
    ) -> Result<ListAliasesResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let page = Page::parse("aliases", input.marker.as_deref(), input.max_items, LIST_LONG_PAGE)?;
        let function = self.function(&target)?;
        let version = input.function_version.as_deref().and_then(VersionNumber::parse);
        let wanted = function
            .aliases
            .iter()
            .filter(|(_, alias)| version.is_none_or(|version| alias.points_at(version)));
        let (aliases, next_marker) = page.of(wanted, |(name, _)| name.to_string());
        let shown = aliases.into_iter().map(|(name, alias)| shown(&target.key, name, alias));
        Ok(ListAliasesResponse { aliases: Some(shown.collect()), next_marker })
    }
}
