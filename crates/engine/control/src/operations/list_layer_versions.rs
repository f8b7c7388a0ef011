//! ListLayerVersions: the newest first (recorded). A layer that is not there has no versions.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_domain::limits::LIST_PAGE;
use lambent_wire::lambda::operations::ListLayerVersions;
use lambent_wire::lambda::operations::list_layer_versions::{
    ListLayerVersionsRequest, ListLayerVersionsResponse,
};

use crate::Control;
use crate::layers::{Filter, listed, own_key};
use crate::paging::{Page, number_key};

impl Handle<ListLayerVersions> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListLayerVersionsRequest,
    ) -> Result<ListLayerVersionsResponse, Fault> {
        let key = own_key(&input.layer_name, &context, "lambda:ListLayerVersions")?;
        let page = Page::parse("layer-versions", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let filter =
            Filter { runtime: input.compatible_runtime, architecture: input.compatible_architecture };
        let layer = self.parts.store.layer(&key);
        let versions = layer.iter().flat_map(|layer| layer.versions.values().rev());
        let wanted = versions.filter(|version| filter.takes(version));
        // Keys grow from page to page while numbers fall.
        let (found, next_marker) = page.of(wanted, |version| number_key(u64::MAX - version.version));
        let shown = found.into_iter().map(|version| listed(&key, version));
        Ok(ListLayerVersionsResponse { next_marker, layer_versions: Some(shown.collect()) })
    }
}
