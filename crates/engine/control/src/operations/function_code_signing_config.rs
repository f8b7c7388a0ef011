//! Put-, Get- and DeleteFunctionCodeSigningConfig: what is deployed from now on. The code that is there keeps running.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::delete_function_code_signing_config::{
    DeleteFunctionCodeSigningConfigRequest, DeleteFunctionCodeSigningConfigResponse,
};
use lambent_wire::lambda::operations::get_function_code_signing_config::{
    GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse,
};
use lambent_wire::lambda::operations::put_function_code_signing_config::{
    PutFunctionCodeSigningConfigRequest, PutFunctionCodeSigningConfigResponse,
};
use lambent_wire::lambda::operations::{
    DeleteFunctionCodeSigningConfig, GetFunctionCodeSigningConfig, PutFunctionCodeSigningConfig,
};

use crate::Control;
use crate::target::Target;

impl Handle<PutFunctionCodeSigningConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PutFunctionCodeSigningConfigRequest,
    ) -> Result<PutFunctionCodeSigningConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_unqualified()?;
        let arn = &input.code_signing_config_arn;
        // A configuration that is missing is said before a function that is.
        self.attached(arn, &context.scope)?;
        let _turn = self.code_signing_turn(arn).await;
        self.change_with(&target, |function, writes| {
            let (config, write) = self.attached(arn, &context.scope)?;
            writes.push(write);
            function.code_signing_config_arn = Some(config.key.arn());
            Ok(())
        })
        .await?;
        Ok(PutFunctionCodeSigningConfigResponse {
            code_signing_config_arn: input.code_signing_config_arn,
            function_name: target.key.name.to_string(),
        })
    }
}

impl Handle<GetFunctionCodeSigningConfig> for Control {
    type Fault = Fault;

    /// Without one the ARN is empty: Terraform asks for every function, and takes any answer that is no error.
    async fn handle(
        &self,
        context: Context,
        input: GetFunctionCodeSigningConfigRequest,
    ) -> Result<GetFunctionCodeSigningConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_unqualified()?;
        let function = self.function(&target)?;
        Ok(GetFunctionCodeSigningConfigResponse {
            code_signing_config_arn: function.code_signing_config_arn.clone().unwrap_or_default(),
            function_name: target.key.name.to_string(),
        })
    }
}

impl Handle<DeleteFunctionCodeSigningConfig> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteFunctionCodeSigningConfigRequest,
    ) -> Result<DeleteFunctionCodeSigningConfigResponse, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_unqualified()?;
        self.change(&target, |function| {
            function.code_signing_config_arn = None;
            Ok(())
        })
        .await?;
        Ok(DeleteFunctionCodeSigningConfigResponse {})
    }
}
