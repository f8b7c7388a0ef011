//! UpdateEventSourceMapping: 202. A merge: what is not given stays, and an empty object or list takes away.

use lambent_api_kit::{Context, Handle};
use lambent_domain::{EventSourceMapping, Fault, MappingState};
use lambent_wire::lambda::operations::UpdateEventSourceMapping;
use lambent_wire::lambda::operations::update_event_source_mapping::UpdateEventSourceMappingRequest;
use lambent_wire::lambda::types::EventSourceMappingConfiguration;

use crate::Control;
use crate::event_source::{
    Kind, ONE_OF_BOTH, as_created, check, counts_events, patterns, pollers, reports_item_failures,
};
use crate::mapping::expect_rest;
use crate::target::Target;

impl Handle<UpdateEventSourceMapping> for Control {
    type Fault = Fault;

    async fn handle(
        &self,
        context: Context,
        input: UpdateEventSourceMappingRequest,
    ) -> Result<EventSourceMappingConfiguration, Fault> {
        let current = self.mapping(&input.uuid, &context.scope)?;
        let target = match &input.function_name {
            Some(name) => Some(Target::parse(name, None, &context.scope)?),
            None => None,
        };
        if let Some(target) = &target {
            let function = self.mapped_function(target)?;
            self.check_queue(&current.source_arn, &function, target).await?;
        }
        let changed = self
            .change_mapping(&input.uuid, &context.scope, |mapping| {
                expect_rest(mapping.state, "update")?;
                merge(mapping, &input)?;
                if let Some(target) = &target {
                    mapping.function = target.key.clone();
                    mapping.qualifier = target.qualifier.clone();
                }
                mapping.modified = self.now();
                Ok(())
            })
            .await?;
        Ok(self.shown_mapping(&changed))
    }
}

fn merge(mapping: &mut EventSourceMapping, input: &UpdateEventSourceMappingRequest) -> Result<(), Fault> {
    let whole = as_created(mapping, input);
    check(Kind::of(&whole)?, &whole)?;
    let number = |given: Option<i32>, before: u32| given.map_or(before, i32::unsigned_abs);
    mapping.batch_size = number(input.batch_size, mapping.batch_size);
    mapping.batching_window_s = number(input.maximum_batching_window_in_seconds, mapping.batching_window_s);
    if input.filter_criteria.is_some() {
        mapping.filters = patterns(input.filter_criteria.as_ref());
    }
    if let Some(types) = &input.function_response_types {
        mapping.reports_item_failures = reports_item_failures(Some(types));
    }
    if let Some(scaling) = &input.scaling_config {
        mapping.maximum_concurrency = scaling.maximum_concurrency.map(i32::unsigned_abs);
    }
    if input.provisioned_poller_config.is_some() {
        mapping.provisioned_pollers = pollers(input.provisioned_poller_config.as_ref())?;
    }
    if mapping.maximum_concurrency.is_some() && mapping.provisioned_pollers.is_some() {
        return Err(Fault::InvalidParameter(ONE_OF_BOTH.into()));
    }
    if input.metrics_config.is_some() {
        mapping.counts_events = counts_events(input.metrics_config.as_ref());
    }
    mapping.state = match (mapping.state.polls(), input.enabled) {
        (false, Some(true)) => MappingState::Enabling,
        (true, Some(false)) => MappingState::Disabling,
        (enabled, _) => MappingState::Updating { enabled },
    };
    Ok(())
}
