//! GetFunctionConfiguration.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::GetFunctionConfiguration;
use lambent_wire::lambda::operations::get_function_configuration::GetFunctionConfigurationRequest;
use lambent_wire::lambda::types::FunctionConfiguration;

use crate::target::Target;
use crate::{Control, shown};

impl Handle<GetFunctionConfiguration> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: GetFunctionConfigurationRequest,
    ) -> Result<FunctionConfiguration, Fault> {
        let target = Target::parse(&input.function_name, input.qualifier.as_deref(), &context.scope)?;
        let (_, version) = self.version(&target)?;
        Ok(shown::full(&target.key, &version, target.shown_arn(), &*self.parts.runtimes))
    }
}
