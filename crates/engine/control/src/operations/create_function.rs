//! CreateFunction: the record is `Pending` in the answer, and `Active` once its package is unpacked.

use std::sync::Arc;

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function, FunctionKey, LayerRef, State, Version, VersionNumber};
use lambent_ports::signatures::Signature;
use lambent_ports::store::{StoreError, Write};
use lambent_wire::lambda::operations::CreateFunction;
use lambent_wire::lambda::operations::create_function::CreateFunctionRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::change::MAX_ATTEMPTS;
use crate::code_signing::{Artifact, check, check_layers};
use crate::layers::check_unzipped_size;
use crate::package::Source;
use crate::settings::{Asked, Unsupported, check_architectures, check_publish_to, check_tags};
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
        check_publish_to(input.publish_to.as_deref())?;
        let tags = input.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        let source = Source::of_create(&input, &context);
        let publish = input.publish == Some(true);
        let signing_arn = input.code_signing_config_arn.clone();
        let layers = self.layers_of(input.layers.as_deref(), &context.scope)?;
        let configuration = asked(input, layers).create(&key, &*self.parts.runtimes)?;
        self.check_trust(&context, &key, &configuration.role.to_string())?;
        // Before the package is looked at: an existing name is the cheaper answer.
        if self.parts.store.function(&key).is_some() {
            return Err(Fault::FunctionExists(key.name.to_string()));
        }
        let checked = source.check(&self.parts).await?;
        check_unzipped_size(checked.code_ref, &configuration.layers)?;
        let signature = checked.signature.clone();
        self.signing(&key, signing_arn.as_deref(), &signature, &configuration.layers)?;
        let code = checked.store(&*self.parts.code).await?;
        let latest = Version {
            number: VersionNumber::Latest,
            configuration: Arc::new(configuration),
            code,
            signed_by: signature.signer().map(str::to_owned),
            state: State::Pending,
            last_update: None,
            revision_id: self.new_revision(),
            last_modified: self.now(),
            deployed: None,
        };
        let mut function = Function::new(key.clone(), latest);
        function.tags = tags;
        let published = publish.then(|| self.publish(&mut function, None, true));
        self.store_new(&mut function, signing_arn.as_deref(), &signature).await?;
        self.activation.spawn(key.clone());
        // With `Publish` the version is shown, under the function's own ARN (recorded).
        let version = published.as_deref().unwrap_or(&function.latest);
        Ok(shown::full(&key, version, key.arn(), &*self.parts.runtimes))
    }
}

impl Control {
    /// Checks code and layers against the configuration that a new function is to have; what goes with its write.
    fn signing(
        &self,
        key: &FunctionKey,
        arn: Option<&str>,
        signature: &Signature,
        layers: &[LayerRef],
    ) -> Result<Option<(String, Write)>, Fault> {
        let Some(arn) = arn else { return Ok(None) };
        let (config, write) = self.attached(arn, &key.scope)?;
        check(&config, &Artifact::code(signature))?;
        check_layers(&config, layers)?;
        Ok(Some((config.key.arn(), write)))
    }

    async fn store_new(
        &self,
        function: &mut Function,
        signing_arn: Option<&str>,
        signature: &Signature,
    ) -> Result<(), Fault> {
        let _turn = match signing_arn {
            Some(arn) => self.code_signing_turn(arn).await,
            None => None,
        };
        for _ in 0..MAX_ATTEMPTS {
            let layers = &function.latest.configuration.layers;
            let signing = self.signing(&function.key, signing_arn, signature, layers)?;
            let (arn, write) = signing.unzip();
            function.code_signing_config_arn = arn;
            let writes = write.into_iter().chain([Write::from(function.clone())]).collect();
            match self.parts.store.commit(writes).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Changed) if self.parts.store.function(&function.key).is_some() => {
                    return Err(Fault::FunctionExists(function.key.name.to_string()));
                }
                // The code-signing configuration has changed, or the function was there and is gone.
                Err(StoreError::Changed) => {}
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(function.key.arn()))
    }
}

fn asked(input: CreateFunctionRequest, layers: Option<Vec<LayerRef>>) -> Asked {
    let unsupported = Unsupported::default()
        .note("ImageConfig", input.image_config.is_some())
        .note("TenancyConfig", input.tenancy_config.is_some())
        .note("CapacityProviderConfig", input.capacity_provider_config.is_some())
        .note("DurableConfig", input.durable_config.is_some())
        .note("RuntimeConfig", input.runtime_config.is_some())
        .note("AcceleratorConfig", input.accelerator_config.is_some())
        .note("Code.SourceKMSKeyArn", input.code.source_kms_key_arn.is_some())
        .note("Code.S3ObjectStorageMode", input.code.s3_object_storage_mode.as_deref() == Some("REFERENCE"));
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
