//! Reading durable executions: there are none, because CreateFunction refuses `DurableConfig`. What an execution itself
//! calls while it runs is not here.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::ListDurableExecutionsByFunction;
use lambent_wire::lambda::operations::list_durable_executions_by_function::{
    ListDurableExecutionsByFunctionRequest, ListDurableExecutionsByFunctionResponse,
};

use crate::Control;
use crate::paging::Page;
use crate::target::Target;

/// Largest page (model: ItemCount).
const LARGEST_PAGE: usize = 1_000;

impl Handle<ListDurableExecutionsByFunction> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: ListDurableExecutionsByFunctionRequest,
    ) -> Result<ListDurableExecutionsByFunctionResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        Page::parse("durable-executions", input.marker.as_deref(), input.max_items, LARGEST_PAGE)?;
        self.version(&target)?;
        Ok(ListDurableExecutionsByFunctionResponse {
            durable_executions: Some(Vec::new()),
            next_marker: None,
        })
    }
}
