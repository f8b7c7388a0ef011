//! UpdateFunctionConfiguration: a merge. An update that changes nothing is still one: new revision, `InProgress` (recorded).

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::UpdateFunctionConfiguration;
use lambent_wire::lambda::operations::update_function_configuration::UpdateFunctionConfigurationRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::settings::{Asked, Unsupported};
use crate::target::Target;
use crate::{Control, shown};

impl Handle<UpdateFunctionConfiguration> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateFunctionConfigurationRequest,
    ) -> Result<FunctionConfiguration, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_latest()?;
        let revision_id = input.revision_id.clone();
        let updated = self
            .update(&target, revision_id.as_deref(), |function| {
                let old = function.configuration.clone();
                function.configuration = asked(input.clone()).merge(old, &*self.parts.runtimes)?;
                Ok(())
            })
            .await?;
        Ok(shown::full(&updated, target.key.arn(), &*self.parts.runtimes))
    }
}

fn asked(input: UpdateFunctionConfigurationRequest) -> Asked {
    let mut unsupported = Unsupported::shared(
        input.vpc_config.as_ref(),
        input.dead_letter_config.as_ref(),
        input.kms_key_arn.as_deref(),
        input.tracing_config.as_ref(),
        input.layers.as_deref(),
        input.file_system_configs.as_deref(),
        input.image_config.is_some(),
        input.snap_start.as_ref(),
    );
    unsupported
        .note("CapacityProviderConfig", input.capacity_provider_config.is_some())
        .note("DurableConfig", input.durable_config.is_some())
        .note("RuntimeConfig", input.runtime_config.is_some())
        .note("AcceleratorConfig", input.accelerator_config.is_some());
    Asked {
        runtime: input.runtime,
        handler: input.handler,
        role: input.role,
        description: input.description,
        timeout: input.timeout,
        memory_size: input.memory_size,
        environment: input.environment,
        ephemeral_storage: input.ephemeral_storage,
        logging_config: input.logging_config,
        unsupported,
    }
}
