//! ListFunctionsByCodeSigningConfig: unqualified ARNs, by name.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_domain::limits::LIST_LONG_PAGE;
use lambent_wire::lambda::operations::ListFunctionsByCodeSigningConfig;
use lambent_wire::lambda::operations::list_functions_by_code_signing_config::{
    ListFunctionsByCodeSigningConfigRequest, ListFunctionsByCodeSigningConfigResponse,
};

use crate::Control;
use crate::paging::Page;

impl Handle<ListFunctionsByCodeSigningConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListFunctionsByCodeSigningConfigRequest,
    ) -> Result<ListFunctionsByCodeSigningConfigResponse, Fault> {
        let page = Page::parse("signed", input.marker.as_deref(), input.max_items, LIST_LONG_PAGE)?;
        let config = self.code_signing(&input.code_signing_config_arn, &context.scope)?;
        let found = self.signed_functions(&config, page.after.as_deref()).take(page.wanted()).collect();
        let (found, next_marker) = page.cut(found, |function| function.key.name.to_string());
        let arns = found.iter().map(|function| function.key.arn()).collect();
        Ok(ListFunctionsByCodeSigningConfigResponse { next_marker, function_arns: Some(arns) })
    }
}
