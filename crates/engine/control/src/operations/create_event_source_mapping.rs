//! CreateEventSourceMapping: checked as AWS checks it. No source can be read from here yet, and a mapping that never
//! delivers must not be stored: it is refused by the name of its source.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Fault;
use lambent_wire::lambda::operations::CreateEventSourceMapping;
use lambent_wire::lambda::operations::create_event_source_mapping::CreateEventSourceMappingRequest;
use lambent_wire::lambda::types::EventSourceMappingConfiguration;

use crate::Control;
use crate::event_source::{Kind, check};
use crate::settings::check_tags;
use crate::target::Target;

impl Handle<CreateEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: CreateEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        let kind = Kind::of(&input)?;
        check(kind, &input)?;
        check_tags(input.tags.as_ref().unwrap_or(&Default::default()))?;
        let target = Target::parse(&input.function_name, None, &context.scope)?;
        let function = self.parts.store.function(&target.key);
        if function.is_none_or(|function| function.primary(target.qualifier.as_ref()).is_none()) {
            return Err(Fault::InvalidParameter("Function does not exist".into()));
        }
        Err(Fault::InvalidParameter(format!(
            "Event sources are not available here yet: {} can't be read.",
            kind.name()
        )))
    }
}
