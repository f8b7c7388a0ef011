//! GetFunction: configuration, a link to the package that works for ten minutes, tags and reserved concurrency when there
//! are any.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::GetFunction;
use lambent_wire::lambda::operations::get_function::{
    FunctionCodeLocation, GetFunctionRequest, GetFunctionResponse,
};
use lambent_wire::lambda::types::Concurrency;

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
        let (function, version) = self.version(&target)?;
        let location =
            self.parts.links.link(&context.base_url, target.key.name.as_str(), version.code.sha256);
        let reserved = function.reserved_concurrency;
        Ok(GetFunctionResponse {
            configuration: Some(shown::full(
                &target.key,
                &version,
                target.shown_arn(),
                &*self.parts.runtimes,
            )),
            code: Some(FunctionCodeLocation {
                repository_type: Some("S3".into()),
                location: Some(location),
                ..Default::default()
            }),
            tags: (!function.tags.is_empty()).then(|| function.tags.clone()),
            concurrency: reserved
                .map(|count| Concurrency { reserved_concurrent_executions: Some(count as i32) }),
            ..Default::default()
        })
    }
}
