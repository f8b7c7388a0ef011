//! UpdateFunctionConfiguration: a merge. An update that changes nothing is still one: new revision, `InProgress` (recorded).

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Configuration, Fault, LayerRef};
use lambent_wire::lambda::operations::UpdateFunctionConfiguration;
use lambent_wire::lambda::operations::update_function_configuration::UpdateFunctionConfigurationRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::code_signing::check_layers;
use crate::layers::check_unzipped_size;
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
        self.function(&target)?;
        if let Some(role) = &input.role {
            self.check_trust(&context, &target.key, role)?;
        }
        let layers = self.layers_of(input.layers.as_deref(), &context.scope)?;
        let asked = asked(input, layers);
        let (updated, ()) = self
            .update(&target, revision_id.as_deref(), |function, writes| {
                let old = Configuration::clone(&function.latest.configuration);
                let new = asked.clone().merge(old, &target.key, &*self.parts.runtimes)?;
                check_unzipped_size(function.latest.code, &new.layers)?;
                if let Some(layers) = &asked.layers {
                    self.enforced(function, writes, |config| check_layers(config, layers))?;
                }
                function.latest.configuration = Arc::new(new);
                Ok(())
            })
            .await?;
        Ok(shown::full(&target.key, &updated.latest, target.key.arn(), &*self.parts.runtimes))
    }
}

fn asked(input: UpdateFunctionConfigurationRequest, layers: Option<Vec<LayerRef>>) -> Asked {
    let unsupported = Unsupported::default()
        .note("ImageConfig", input.image_config.is_some())
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
        vpc_config: input.vpc_config,
        dead_letter_config: input.dead_letter_config,
        kms_key_arn: input.kms_key_arn,
        tracing_config: input.tracing_config,
        file_system_configs: input.file_system_configs,
        snap_start: input.snap_start,
        layers,
        unsupported,
    }
}
