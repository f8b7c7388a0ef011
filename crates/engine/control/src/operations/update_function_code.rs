//! UpdateFunctionCode: invokes run the previous package until the new one is unpacked. `DryRun` checks and changes nothing.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{CodeSigningConfig, Fault, Version};
use lambent_wire::lambda::operations::UpdateFunctionCode;
use lambent_wire::lambda::operations::update_function_code::UpdateFunctionCodeRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::change::updatable;
use crate::code_signing::{Artifact, check};
use crate::layers::check_unzipped_size;
use crate::package::Source;
use crate::settings::{Unsupported, check_architectures, check_publish_to};
use crate::target::Target;
use crate::{Control, shown};

impl Handle<UpdateFunctionCode> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateFunctionCodeRequest,
    ) -> Result<FunctionConfiguration, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_latest()?;
        check_architectures(input.architectures.as_deref())?;
        check_publish_to(input.publish_to.as_deref())?;
        Unsupported::default()
            .note("SourceKMSKeyArn", input.source_kms_key_arn.is_some())
            .note("S3ObjectStorageMode", input.s3_object_storage_mode.as_deref() == Some("REFERENCE"))
            .refuse()?;
        let revision_id = input.revision_id.as_deref();
        let current = self.function(&target)?;
        updatable(&current, revision_id)?;
        if input.image_uri.is_some() {
            return Err(Fault::InvalidParameter(
                "Please don't provide ImageUri when updating a function with packageType Zip.".into(),
            ));
        }
        let source = Source::of_update(&input, &context);
        let checked = source.check(&self.parts).await?;
        let (key, arn) = (&target.key, target.key.arn());
        check_unzipped_size(checked.code_ref, &current.latest.configuration.layers)?;
        let signature = checked.signature.clone();
        let trusted = |config: &CodeSigningConfig| check(config, &Artifact::code(&signature));
        self.enforced(&current, &mut Vec::new(), trusted)?;
        let signed_by = signature.signer().map(str::to_owned);
        if input.dry_run == Some(true) {
            let would_be = Version { code: checked.code_ref, signed_by, ..current.latest.clone() };
            return Ok(shown::full(key, &would_be, arn, &*self.parts.runtimes));
        }
        let code = checked.store(&*self.parts.code).await?;
        let publish = input.publish == Some(true);
        let (updated, published) = self
            .update(&target, revision_id, |function, writes| {
                self.enforced(function, writes, trusted)?;
                check_unzipped_size(code, &function.latest.configuration.layers)?;
                function.latest.code = code;
                function.latest.signed_by.clone_from(&signed_by);
                Ok(publish.then(|| self.publish(function, None, true)))
            })
            .await?;
        let shown = match published {
            Some(version) => {
                let arn = key.qualified_arn(&version.number.to_string());
                shown::full(key, &version, arn, &*self.parts.runtimes)
            }
            None => shown::full(key, &updated.latest, arn, &*self.parts.runtimes),
        };
        Ok(shown)
    }
}
