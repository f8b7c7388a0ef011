//! PublishVersion: `$LATEST` as it is, under a number. When nothing has changed since the last time, the version that is
//! there already is the answer (recorded).

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::PublishVersion;
use lambent_wire::lambda::operations::publish_version::PublishVersionRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::change::updatable;
use crate::settings::check_publish_to;
use crate::target::Target;
use crate::{Control, shown};

impl Handle<PublishVersion> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: PublishVersionRequest,
    ) -> Result<FunctionConfiguration, Fault> {
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        target.expect_latest()?;
        check_publish_to(input.publish_to.as_deref())?;
        let (_, version) = self
            .change(&target, |function| {
                updatable(function, input.revision_id.as_deref())?;
                let current = function.latest.code.sha256.to_base64();
                if let Some(expected) = input.code_sha256.as_ref().filter(|expected| **expected != current) {
                    return Err(Fault::InvalidParameter(format!(
                        "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
                    )));
                }
                Ok(self.publish(function, input.description.as_deref(), false))
            })
            .await?;
        let arn = target.key.qualified_arn(&version.number.to_string());
        Ok(shown::full(&target.key, &version, arn, &*self.parts.runtimes))
    }
}
