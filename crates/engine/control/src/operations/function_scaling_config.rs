//! Put- and GetFunctionScalingConfig: how many environments a capacity provider keeps of a version. No function here is
//! of a capacity provider, and of any other there is nothing to scale. The code is one of those that the model lists;
//! that it is this one, and its text, are judgement.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Scope};
use lambent_wire::lambda::operations::get_function_scaling_config::{
    GetFunctionScalingConfigRequest, GetFunctionScalingConfigResponse,
};
use lambent_wire::lambda::operations::put_function_scaling_config::{
    PutFunctionScalingConfigRequest, PutFunctionScalingConfigResponse,
};
use lambent_wire::lambda::operations::{GetFunctionScalingConfig, PutFunctionScalingConfig};

use crate::Control;
use crate::target::Target;

impl Handle<PutFunctionScalingConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutFunctionScalingConfigRequest,
    ) -> Result<PutFunctionScalingConfigResponse, Fault> {
        Err(self.not_scaled(&input.function_name, &input.qualifier, &context.scope))
    }
}

impl Handle<GetFunctionScalingConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetFunctionScalingConfigRequest,
    ) -> Result<GetFunctionScalingConfigResponse, Fault> {
        Err(self.not_scaled(&input.function_name, &input.qualifier, &context.scope))
    }
}

impl Control {
    fn not_scaled(&self, name: &str, qualifier: &str, scope: &Scope) -> Fault {
        let version = Target::parse(name, Some(qualifier), scope).and_then(|target| self.version(&target));
        version.err().unwrap_or_else(|| {
            Fault::InvalidParameter(
                "Function scaling configuration is only supported for functions with a capacity provider."
                    .into(),
            )
        })
    }
}
