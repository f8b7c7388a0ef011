//! ListVersionsByFunction: `$LATEST` first, then the published versions by number.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::{Fault, VersionNumber};
use lambent_wire::lambda::operations::ListVersionsByFunction;
use lambent_wire::lambda::operations::list_versions_by_function::{
    ListVersionsByFunctionRequest, ListVersionsByFunctionResponse,
};

use crate::paging::{Page, number_key};
use crate::target::Target;
use crate::{Control, shown};

impl Handle<ListVersionsByFunction> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListVersionsByFunctionRequest,
    ) -> Result<ListVersionsByFunctionResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let page = Page::parse("versions", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let function = self.function(&target)?;
        let (versions, next_marker) = page.of(function.all_versions(), |version| match version.number {
            VersionNumber::Latest => number_key(0),
            VersionNumber::Published(number) => number_key(number),
        });
        let shown = versions.into_iter().map(|version| shown::listed_version(&function, version));
        Ok(ListVersionsByFunctionResponse { versions: Some(shown.collect()), next_marker })
    }
}
