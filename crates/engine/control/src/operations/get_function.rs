//! GetFunction: configuration, a link to the package that works for ten minutes, tags when there are any.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::GetFunction;
use lambent_wire::lambda::operations::get_function::{
    FunctionCodeLocation, GetFunctionRequest, GetFunctionResponse,
};

use crate::target::Target;
use crate::{Control, shown};

impl Handle<GetFunction> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetFunctionRequest,
    ) -> Result<GetFunctionResponse, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let function = self.function(&target.key, &target.shown_arn()).await?;
        target.expect_latest()?;
        let location = self.parts.links.link(&context.base_url, &target.key, function.code.sha256);
        Ok(GetFunctionResponse {
            configuration: Some(shown::full(&function, target.shown_arn(), &*self.parts.runtimes)),
            code: Some(FunctionCodeLocation {
                repository_type: Some("S3".into()),
                location: Some(location),
                ..Default::default()
            }),
            tags: (!function.tags.is_empty()).then(|| function.tags.clone()),
            ..Default::default()
        })
    }
}
