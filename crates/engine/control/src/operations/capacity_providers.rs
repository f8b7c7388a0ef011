//! Reading capacity providers: there are none, because CreateCapacityProvider has no instances to manage and is refused.

use lambent_api_kit::{Context, Handle};
use lambent_domain::limits::LIST_PAGE;
use lambent_domain::{Fault, Scope};
use lambent_wire::lambda::operations::get_capacity_provider::{
    GetCapacityProviderRequest, GetCapacityProviderResponse,
};
use lambent_wire::lambda::operations::list_capacity_providers::{
    ListCapacityProvidersRequest, ListCapacityProvidersResponse,
};
use lambent_wire::lambda::operations::list_function_versions_by_capacity_provider::{
    ListFunctionVersionsByCapacityProviderRequest, ListFunctionVersionsByCapacityProviderResponse,
};
use lambent_wire::lambda::operations::{
    GetCapacityProvider, ListCapacityProviders, ListFunctionVersionsByCapacityProvider,
};

use crate::Control;
use crate::paging::Page;

impl Handle<GetCapacityProvider> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetCapacityProviderRequest,
    ) -> Result<GetCapacityProviderResponse, Fault> {
        Err(unknown(&input.capacity_provider_name, &context.scope))
    }
}

impl Handle<ListCapacityProviders> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        _context: Context,
        input: ListCapacityProvidersRequest,
    ) -> Result<ListCapacityProvidersResponse, Fault> {
        Page::parse("capacity-providers", input.marker.as_deref(), input.max_items, LIST_PAGE)?;
        Ok(ListCapacityProvidersResponse { capacity_providers: Vec::new(), next_marker: None })
    }
}

impl Handle<ListFunctionVersionsByCapacityProvider> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListFunctionVersionsByCapacityProviderRequest,
    ) -> Result<ListFunctionVersionsByCapacityProviderResponse, Fault> {
        Err(unknown(&input.capacity_provider_name, &context.scope))
    }
}

/// AWS's answer to tagging one that is not there (recorded); that reading says the same is judgement.
fn unknown(name_or_arn: &str, scope: &Scope) -> Fault {
    let arn = match name_or_arn.starts_with("arn:") {
        true => name_or_arn.to_owned(),
        false => scope.arn(&format!("capacity-provider:{name_or_arn}")),
    };
    Fault::NotFound(format!("Capacity provider not found: {arn}"))
}
