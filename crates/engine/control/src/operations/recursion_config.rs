//! Put- and GetFunctionRecursionConfig: whether a loop through queues and topics is stopped.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::get_function_recursion_config::{
    GetFunctionRecursionConfigRequest, GetFunctionRecursionConfigResponse,
};
use lambent_wire::lambda::operations::put_function_recursion_config::{
    PutFunctionRecursionConfigRequest, PutFunctionRecursionConfigResponse,
};
use lambent_wire::lambda::operations::{GetFunctionRecursionConfig, PutFunctionRecursionConfig};

use crate::Control;
use crate::target::Target;

impl Handle<PutFunctionRecursionConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutFunctionRecursionConfigRequest,
    ) -> Result<PutFunctionRecursionConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let allow = input.recursive_loop == "Allow";
        self.change(&target, |function| {
            function.allow_recursive_loop = allow;
            Ok(())
        })
        .await?;
        Ok(PutFunctionRecursionConfigResponse { recursive_loop: Some(input.recursive_loop) })
    }
}

impl Handle<GetFunctionRecursionConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetFunctionRecursionConfigRequest,
    ) -> Result<GetFunctionRecursionConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let allow = self.function(&target)?.allow_recursive_loop;
        let shown = if allow { "Allow" } else { "Terminate" };
        Ok(GetFunctionRecursionConfigResponse { recursive_loop: Some(shown.into()) })
    }
}
