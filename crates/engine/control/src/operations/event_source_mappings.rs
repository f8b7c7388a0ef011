//! Get-, List-, Update- and DeleteEventSourceMapping. There are no mappings (see CreateEventSourceMapping): what is asked
//! for by its id is not there, and lists are empty.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::delete_event_source_mapping::DeleteEventSourceMappingRequest;
use lambent_wire::lambda::operations::get_event_source_mapping::GetEventSourceMappingRequest;
use lambent_wire::lambda::operations::list_event_source_mappings::{
    ListEventSourceMappingsRequest, ListEventSourceMappingsResponse,
};
use lambent_wire::lambda::operations::update_event_source_mapping::UpdateEventSourceMappingRequest;
use lambent_wire::lambda::operations::{
    DeleteEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings, UpdateEventSourceMapping,
};
use lambent_wire::lambda::types::EventSourceMappingConfiguration;

use crate::Control;
use crate::paging::Page;

/// Largest page (AWS documentation).
const PAGE: usize = 100;

fn not_there() -> Fault {
    Fault::NotFound("The resource you requested does not exist.".into())
}

impl Handle<GetEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        _context: Context,
        _input: GetEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        Err(not_there())
    }
}

impl Handle<UpdateEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        _context: Context,
        _input: UpdateEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        Err(not_there())
    }
}

impl Handle<DeleteEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        _context: Context,
        _input: DeleteEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        Err(not_there())
    }
}

impl Handle<ListEventSourceMappings> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        _context: Context,
        input: ListEventSourceMappingsRequest,
    ) -> Result<ListEventSourceMappingsResponse, Fault> {
        Page::parse("mappings", input.marker.as_deref(), input.max_items, PAGE)?;
        Ok(ListEventSourceMappingsResponse { next_marker: None, event_source_mappings: Some(Vec::new()) })
    }
}
