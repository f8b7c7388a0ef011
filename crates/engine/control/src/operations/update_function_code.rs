//! UpdateFunctionCode: invokes run the previous package until the new one is unpacked. `DryRun` checks and changes nothing.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Fault, Function};
use lambent_wire::lambda::operations::UpdateFunctionCode;
use lambent_wire::lambda::operations::update_function_code::UpdateFunctionCodeRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::package::Source;
use crate::settings::{check_architectures, check_publish};
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
        check_publish(input.publish, input.publish_to.as_deref())?;
        let revision_id = input.revision_id.as_deref();
        let current = self.updatable(&target, revision_id).await?;
        if input.image_uri.is_some() {
            return Err(Fault::InvalidParameter(
                "Please don't provide ImageUri when updating a function with packageType Zip.".into(),
            ));
        }
        let source = Source {
            zip: input.zip_file.clone(),
            s3: input.s3_bucket.is_some() || input.s3_key.is_some(),
            image: false,
        };
        let checked = source.check(&*self.parts.code).await?;
        if input.dry_run == Some(true) {
            let would_be = Function { code: checked.code_ref, ..Function::clone(&current) };
            return Ok(shown::full(&would_be, target.key.arn(), &*self.parts.runtimes));
        }
        let code = checked.store(&*self.parts.code).await?;
        let updated = self
            .update(&target, revision_id, |function| {
                function.code = code;
                Ok(())
            })
            .await?;
        Ok(shown::full(&updated, target.key.arn(), &*self.parts.runtimes))
    }
}
