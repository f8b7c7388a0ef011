//! DeleteFunction: 204. Running invokes finish; their environments go afterwards.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Qualifier};
use lambent_ports::store::StoreError;
use lambent_wire::lambda::operations::DeleteFunction;
use lambent_wire::lambda::operations::delete_function::{DeleteFunctionRequest, DeleteFunctionResponse};

use crate::target::Target;
use crate::{Control, store_fault};

impl Handle<DeleteFunction> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteFunctionRequest,
    ) -> Result<DeleteFunctionResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        self.function(&target.key, &target.shown_arn()).await?;
        match &target.qualifier {
            None => {}
            Some(Qualifier::Latest) => {
                return Err(Fault::InvalidParameter(
                    "$LATEST version cannot be deleted without deleting the function.".into(),
                ));
            }
            // A version that is not there counts as deleted (recorded); none is there yet.
            Some(Qualifier::Version(_)) => return Ok(done()),
            Some(Qualifier::Alias(_)) => {
                return Err(Fault::InvalidParameter(
                    "Deletion of aliases is not currently supported.".into(),
                ));
            }
        }
        match self.parts.store.delete(&target.key, None).await {
            Ok(()) => Ok(done()),
            Err(StoreError::NotFound) => Err(Fault::FunctionNotFound(target.shown_arn())),
            Err(other) => Err(store_fault(other)),
        }
    }
}

/// The modelled status is 200; the answer's own is 204 for functions like these.
fn done() -> DeleteFunctionResponse {
    DeleteFunctionResponse { status_code: Some(204) }
}
