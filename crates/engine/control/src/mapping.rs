//! What operations on event source mappings share: finding, changing, showing.

use std::sync::Arc;

use lambent_domain::{EventSourceMapping, Fault, Function, MappingKey, MappingState, Scope};
use lambent_ports::event_sources::QueueRefused;
use lambent_ports::store::{RecordKey, StoreError, Write};
use lambent_wire::lambda::types;

use crate::change::MAX_ATTEMPTS;
use crate::target::Target;
use crate::{Control, store_fault};

pub(crate) const REPORT_ITEM_FAILURES: &str = "ReportBatchItemFailures";
pub(crate) const EVENT_COUNT: &str = "EventCount";

pub(crate) fn not_found() -> Fault {
    Fault::NotFound("The resource you requested does not exist.".into())
}

/// As the API shows it. What streams have, and `LastProcessingResult` while nothing is wrong, a queue's mapping does not
/// show (recorded).
pub(crate) fn shown(
    mapping: &EventSourceMapping,
    problem: Option<String>,
) -> types::EventSourceMappingConfiguration {
    let target = Target { key: mapping.function.clone(), qualifier: mapping.qualifier.clone() };
    let filter = |pattern: &String| types::Filter { pattern: Some(pattern.clone()) };
    let filters: Vec<_> = mapping.filters.iter().map(filter).collect();
    let reports = mapping.reports_item_failures.then(|| REPORT_ITEM_FAILURES.to_owned());
    let metrics = mapping.counts_events.then(|| vec![EVENT_COUNT.to_owned()]);
    types::EventSourceMappingConfiguration {
        uuid: Some(mapping.key.uuid.clone()),
        event_source_mapping_arn: Some(mapping.key.arn()),
        batch_size: Some(mapping.batch_size as i32),
        maximum_batching_window_in_seconds: Some(mapping.batching_window_s as i32),
        event_source_arn: Some(mapping.source_arn.clone()),
        filter_criteria: (!filters.is_empty()).then_some(types::FilterCriteria { filters: Some(filters) }),
        metrics_config: metrics
            .map(|metrics| types::EventSourceMappingMetricsConfig { metrics: Some(metrics) }),
        scaling_config: mapping
            .maximum_concurrency
            .map(|most| types::ScalingConfig { maximum_concurrency: Some(most as i32) }),
        provisioned_poller_config: mapping.provisioned_pollers.map(|pollers| {
            types::ProvisionedPollerConfig {
                minimum_pollers: Some(pollers.minimum as i32),
                maximum_pollers: Some(pollers.maximum as i32),
                poller_group_name: None,
            }
        }),
        function_arn: Some(target.shown_arn()),
        last_modified: Some(mapping.modified.0 as f64 / 1_000.0),
        last_processing_result: problem,
        state: Some(mapping.state.as_str().to_owned()),
        state_transition_reason: Some("USER_INITIATED".to_owned()),
        function_response_types: Some(reports.into_iter().collect()),
        ..Default::default()
    }
}

impl Control {
    /// A mapping of the caller's account and region.
    pub(crate) fn mapping(&self, uuid: &str, scope: &Scope) -> Result<Arc<EventSourceMapping>, Fault> {
        let key = MappingKey { scope: scope.clone(), uuid: uuid.to_owned() };
        self.parts.store.mapping(&key).ok_or_else(not_found)
    }

    /// The mapping with what stands in its way.
    pub(crate) fn shown_mapping(
        &self,
        mapping: &EventSourceMapping,
    ) -> types::EventSourceMappingConfiguration {
        shown(mapping, self.parts.event_sources.problem(&mapping.key))
    }

    /// Changes a mapping. `change` may run more than once.
    pub(crate) async fn change_mapping(
        &self,
        uuid: &str,
        scope: &Scope,
        change: impl Fn(&mut EventSourceMapping) -> Result<(), Fault>,
    ) -> Result<EventSourceMapping, Fault> {
        let key = MappingKey { scope: scope.clone(), uuid: uuid.to_owned() };
        let _turn = self.turns.take(RecordKey::Mapping(key.clone())).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut next = EventSourceMapping::clone(&*self.mapping(uuid, scope)?);
            change(&mut next)?;
            match self.parts.store.commit(vec![Write::from(next.clone())]).await {
                Ok(()) => return Ok(next),
                Err(StoreError::Changed) => {}
                Err(other) => return Err(store_fault(other)),
            }
        }
        Err(Fault::UpdateInProgress(key.arn()))
    }

    /// The function that a mapping is to call, and is there.
    pub(crate) fn mapped_function(&self, target: &Target) -> Result<Arc<Function>, Fault> {
        let function = self.parts.store.function(&target.key);
        function
            .filter(|function| function.primary(target.qualifier.as_ref()).is_some())
            .ok_or_else(|| Fault::InvalidParameter("Function does not exist".into()))
    }

    /// A queue is there, may be read, and leaves a function the time that it may take.
    pub(crate) async fn check_queue(
        &self,
        arn: &str,
        function: &Function,
        target: &Target,
    ) -> Result<(), Fault> {
        let Some(version) = function.primary(target.qualifier.as_ref()) else { return Ok(()) };
        let configuration = &version.configuration;
        let found = self.parts.event_sources.queue(arn, &configuration.role).await;
        let found = found.map_err(|refused| match refused {
            QueueRefused::Answered { code, message } => Fault::InvalidParameter(format!(
                "Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {message}"
            )),
            QueueRefused::Unreachable(why) => {
                Fault::InvalidParameter(format!("Error occurred while ReceiveMessage. {why}"))
            }
        })?;
        let timeout_s = u64::from(configuration.timeout_s);
        if found.visibility_timeout_s < timeout_s {
            return Err(Fault::InvalidParameter(format!(
                "Queue visibility timeout: {} seconds is less than Function timeout: {timeout_s} seconds",
                found.visibility_timeout_s
            )));
        }
        Ok(())
    }
}

/// Nothing may be under way with a mapping that is to be changed.
pub(crate) fn expect_rest(state: MappingState, verb: &str) -> Result<(), Fault> {
    if state.rests() {
        return Ok(());
    }
    Err(Fault::InUse(format!("Cannot {verb} the event source mapping because it is in use.")))
}
