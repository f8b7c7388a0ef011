//! Get-, List- and DeleteEventSourceMapping. A deletion is answered with 202 and comes to its end when what was received is
//! done with.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, MappingState};
use lambent_wire::lambda::operations::delete_event_source_mapping::DeleteEventSourceMappingRequest;
use lambent_wire::lambda::operations::get_event_source_mapping::GetEventSourceMappingRequest;
use lambent_wire::lambda::operations::list_event_source_mappings::{
    ListEventSourceMappingsRequest, ListEventSourceMappingsResponse,
};
use lambent_wire::lambda::operations::{
    DeleteEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings,
};
use lambent_wire::lambda::types::EventSourceMappingConfiguration;

use crate::Control;
use crate::mapping::expect_rest;
use crate::paging::Page;
use crate::target::Target;

/// Largest page (AWS documentation).
const PAGE: usize = 100;

impl Handle<GetEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        Ok(self.shown_mapping(&*self.mapping(&input.uuid, &context.scope)?))
    }
}

impl Handle<DeleteEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        let deleted = self
            .change_mapping(&input.uuid, &context.scope, |mapping| {
                expect_rest(mapping.state, "delete")?;
                mapping.state = MappingState::Deleting;
                Ok(())
            })
            .await?;
        Ok(self.shown_mapping(&deleted))
    }
}

impl Handle<ListEventSourceMappings> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListEventSourceMappingsRequest,
    ) -> Result<ListEventSourceMappingsResponse, Fault> {
        let page = Page::parse("mappings", input.marker.as_deref(), input.max_items, PAGE)?;
        let target = match &input.function_name {
            Some(name) => Some(Target::parse(name, None, &context.scope)?),
            None => None,
        };
        let all = self.parts.store.mappings(&context.scope, page.after.as_deref(), usize::MAX);
        let asked = all.into_iter().filter(|mapping| {
            let of_function = target
                .as_ref()
                .is_none_or(|target| mapping.function == target.key && mapping.qualifier == target.qualifier);
            of_function && input.event_source_arn.as_ref().is_none_or(|arn| *arn == mapping.source_arn)
        });
        let (found, next_marker) = page.of(asked, |mapping| mapping.key.uuid.clone());
        let mappings = found.iter().map(|mapping| self.shown_mapping(mapping)).collect();
        Ok(ListEventSourceMappingsResponse { next_marker, event_source_mappings: Some(mappings) })
    }
}
