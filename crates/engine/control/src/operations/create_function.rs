//! CreateFunction: the record is `Pending` in the answer, and `Active` once its package is unpacked.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function, State, TimestampMs};
use lambent_ports::store::StoreError;
use lambent_wire::lambda::operations::CreateFunction;
use lambent_wire::lambda::operations::create_function::CreateFunctionRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::package::Source;
use crate::settings::{Asked, Unsupported, check_architectures, check_publish, check_tags};
use crate::target::Target;
use crate::{Control, shown, store_fault};

impl Handle<CreateFunction> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: CreateFunctionRequest,
    ) -> Result<FunctionConfiguration, Fault> {
        let key = Target::parse_new(&input.function_name, &context.scope)?;
        check_architectures(input.architectures.as_deref())?;
        check_publish(input.publish, input.publish_to.as_deref())?;
        let tags = input.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        let source = Source {
            zip: input.code.zip_file.clone(),
            s3: input.code.s3_bucket.is_some() || input.code.s3_key.is_some(),
            image: input.code.image_uri.is_some() || input.package_type.as_deref() == Some("Image"),
        };
        let configuration = asked(input).create(&*self.parts.runtimes)?;
        // Before the package is looked at: an existing name is the cheaper answer.
        if self.parts.store.get(&key).await.map_err(store_fault)?.is_some() {
            return Err(Fault::FunctionExists(key.name.to_string()));
        }
        let code = source.check(&*self.parts.code).await?.store(&*self.parts.code).await?;
        let function = Function {
            key: key.clone(),
            configuration,
            code,
            state: State::Pending,
            last_update: None,
            revision_id: self.new_revision(),
            last_modified: TimestampMs(self.parts.clock.now_ms()),
            tags,
            deployed: None,
        };
        self.parts.store.create(function.clone()).await.map_err(|error| match error {
            StoreError::AlreadyExists => Fault::FunctionExists(key.name.to_string()),
            other => store_fault(other),
        })?;
        self.activation.spawn(key.clone());
        Ok(shown::full(&function, key.arn(), &*self.parts.runtimes))
    }
}

fn asked(input: CreateFunctionRequest) -> Asked {
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
        .note("CodeSigningConfigArn", input.code_signing_config_arn.is_some())
        .note("TenancyConfig", input.tenancy_config.is_some())
        .note("CapacityProviderConfig", input.capacity_provider_config.is_some())
        .note("DurableConfig", input.durable_config.is_some())
        .note("RuntimeConfig", input.runtime_config.is_some())
        .note("AcceleratorConfig", input.accelerator_config.is_some())
        .note("Code.SourceKMSKeyArn", input.code.source_kms_key_arn.is_some());
    Asked {
        runtime: input.runtime,
        handler: input.handler,
        role: Some(input.role),
        description: input.description,
        timeout: input.timeout,
        memory_size: input.memory_size,
        environment: input.environment,
        ephemeral_storage: input.ephemeral_storage,
        logging_config: input.logging_config,
        unsupported,
    }
}
