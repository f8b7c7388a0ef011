//! ListLayers: of each layer the latest version that matches; a layer without one is left out.

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::{Fault, Layer, LayerVersion, Scope};
use lambent_wire::lambda::operations::ListLayers;
use lambent_wire::lambda::operations::list_layers::{LayersListItem, ListLayersRequest, ListLayersResponse};

use crate::Control;
use crate::layers::{Filter, listed};
use crate::paging::Page;

impl Handle<ListLayers> for Control {
    type Fault = Fault;

    async fn handle(&self, context: Context, input: ListLayersRequest) -> Result<ListLayersResponse, Fault> {
        let page = Page::parse("layers", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        let filter =
            Filter { runtime: input.compatible_runtime, architecture: input.compatible_architecture };
        let found = self.matching_layers(&context.scope, &page, &filter);
        let (found, next_marker) = page.cut(found, |(layer, _)| layer.key.name.clone());
        let item = |(layer, version): (Arc<Layer>, Arc<LayerVersion>)| LayersListItem {
            layer_name: Some(layer.key.name.clone()),
            layer_arn: Some(layer.key.arn()),
            latest_matching_version: Some(listed(&layer.key, &version)),
        };
        Ok(ListLayersResponse { next_marker, layers: Some(found.into_iter().map(item).collect()) })
    }
}

impl Control {
    /// As many as the page wants, read a page's worth at a time: layers that don't match are many, perhaps.
    fn matching_layers(
        &self,
        scope: &Scope,
        page: &Page,
        filter: &Filter,
    ) -> Vec<(Arc<Layer>, Arc<LayerVersion>)> {
        let (mut found, mut after) = (Vec::new(), page.after.clone());
        loop {
            let layers = self.parts.store.layers(scope, after.as_deref(), page.wanted());
            let last = layers.last().map(|layer| layer.key.name.clone());
            let more = layers.len() == page.wanted();
            found.extend(layers.into_iter().filter_map(|layer| {
                let version = layer.versions.values().rev().find(|version| filter.takes(version)).cloned()?;
                Some((layer, version))
            }));
            if !more || found.len() >= page.wanted() {
                return found;
            }
            after = last;
        }
    }
}
