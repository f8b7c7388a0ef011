//! Put-, Get- and DeleteFunctionConcurrency: how many executions a function has for itself, and may have at most.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_domain::limits::UNRESERVED_MINIMUM;
use lambent_ports::store::StoreError;
use lambent_wire::lambda::operations::delete_function_concurrency::{
    DeleteFunctionConcurrencyRequest, DeleteFunctionConcurrencyResponse,
};
use lambent_wire::lambda::operations::get_function_concurrency::{
    GetFunctionConcurrencyRequest, GetFunctionConcurrencyResponse,
};
use lambent_wire::lambda::operations::put_function_concurrency::PutFunctionConcurrencyRequest;
use lambent_wire::lambda::operations::{
    DeleteFunctionConcurrency, GetFunctionConcurrency, PutFunctionConcurrency,
};
use lambent_wire::lambda::types::Concurrency;

use crate::target::Target;
use crate::{Control, store_fault};

impl Handle<PutFunctionConcurrency> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutFunctionConcurrencyRequest,
    ) -> Result<Concurrency, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_unqualified()?;
        // The model's range has been checked: it can't be negative.
        let count = input.reserved_concurrent_executions.unsigned_abs();
        let change = |function: &mut lambent_domain::Function| {
            let provisioned = function.provisioned_concurrency();
            if count < provisioned {
                // The spaces are AWS's (recorded).
                return Err(Fault::ConcurrencyLimit(format!(
                    " ReservedConcurrentExecutions  {count} should not be lower than function's total provisioned concurrency [{provisioned}]."
                )));
            }
            function.reserved_concurrency = Some(count);
            Ok(())
        };
        let refused = |error| match error {
            StoreError::ConcurrencyExceeded { .. } => Fault::ConcurrencyLimit(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MINIMUM}]."
            )),
            other => store_fault(other),
        };
        self.change_or(&target, change, refused).await?;
        Ok(Concurrency { reserved_concurrent_executions: Some(input.reserved_concurrent_executions) })
    }
}

impl Handle<GetFunctionConcurrency> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetFunctionConcurrencyRequest,
    ) -> Result<GetFunctionConcurrencyResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_unqualified()?;
        let reserved = self.function(&target)?.reserved_concurrency;
        Ok(GetFunctionConcurrencyResponse {
            reserved_concurrent_executions: reserved.map(|count| count as i32),
        })
    }
}

impl Handle<DeleteFunctionConcurrency> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteFunctionConcurrencyRequest,
    ) -> Result<DeleteFunctionConcurrencyResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_unqualified()?;
        self.change(&target, |function| {
            function.reserved_concurrency = None;
            Ok(())
        })
        .await?;
        Ok(DeleteFunctionConcurrencyResponse {})
    }
}
