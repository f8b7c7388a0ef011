//! Event source mappings on disk.

use std::collections::BTreeMap;

use lambent_domain::{
    Epoch, EventSourceMapping, FunctionKey, FunctionName, MappingKey, MappingState, Pollers, Qualifier,
    TimestampMs,
};
use serde::{Deserialize, Serialize};

use super::damaged;

/// Every form that was ever written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
pub(crate) enum StoredMapping {
    #[serde(rename = "1")]
    V1(MappingV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct MappingV1 {
    source_arn: String,
    /// In the mapping's own account and region.
    function: String,
    qualifier: Option<String>,
    batch_size: u32,
    batching_window_s: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filters: Vec<String>,
    reports_item_failures: bool,
    maximum_concurrency: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provisioned_pollers: Option<PollersV1>,
    #[serde(default)]
    counts_events: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    state: StateV1,
    modified_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct PollersV1 {
    minimum: u32,
    maximum: u32,
}

#[derive(Serialize, Deserialize)]
enum StateV1 {
    Creating,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    UpdatingEnabled,
    UpdatingDisabled,
    Deleting,
}

impl StoredMapping {
    pub(crate) fn of(mapping: &EventSourceMapping) -> Self {
        StoredMapping::V1(MappingV1 {
            source_arn: mapping.source_arn.clone(),
            function: mapping.function.name.to_string(),
            qualifier: mapping.qualifier.as_ref().map(ToString::to_string),
            batch_size: mapping.batch_size,
            batching_window_s: mapping.batching_window_s,
            filters: mapping.filters.clone(),
            reports_item_failures: mapping.reports_item_failures,
            maximum_concurrency: mapping.maximum_concurrency,
            provisioned_pollers: mapping
                .provisioned_pollers
                .map(|Pollers { minimum, maximum }| PollersV1 { minimum, maximum }),
            counts_events: mapping.counts_events,
            tags: mapping.tags.clone(),
            state: match mapping.state {
                MappingState::Creating => StateV1::Creating,
                MappingState::Enabling => StateV1::Enabling,
                MappingState::Enabled => StateV1::Enabled,
                MappingState::Disabling => StateV1::Disabling,
                MappingState::Disabled => StateV1::Disabled,
                MappingState::Updating { enabled: true } => StateV1::UpdatingEnabled,
                MappingState::Updating { enabled: false } => StateV1::UpdatingDisabled,
                MappingState::Deleting => StateV1::Deleting,
            },
            modified_ms: mapping.modified.0,
        })
    }

    pub(crate) fn into_mapping(self, key: MappingKey, epoch: Epoch) -> Result<EventSourceMapping, String> {
        let StoredMapping::V1(stored) = self;
        let name = FunctionName::parse(&stored.function).ok_or_else(|| damaged("a function's name"))?;
        let qualifier = |text: String| Qualifier::parse(&text).ok_or_else(|| damaged("a qualifier"));
        Ok(EventSourceMapping {
            epoch,
            source_arn: stored.source_arn,
            function: FunctionKey { scope: key.scope.clone(), name },
            qualifier: stored.qualifier.map(qualifier).transpose()?,
            batch_size: stored.batch_size,
            batching_window_s: stored.batching_window_s,
            filters: stored.filters,
            reports_item_failures: stored.reports_item_failures,
            maximum_concurrency: stored.maximum_concurrency,
            provisioned_pollers: stored
                .provisioned_pollers
                .map(|PollersV1 { minimum, maximum }| Pollers { minimum, maximum }),
            counts_events: stored.counts_events,
            tags: stored.tags,
            state: match stored.state {
                StateV1::Creating => MappingState::Creating,
                StateV1::Enabling => MappingState::Enabling,
                StateV1::Enabled => MappingState::Enabled,
                StateV1::Disabling => MappingState::Disabling,
                StateV1::Disabled => MappingState::Disabled,
                StateV1::UpdatingEnabled => MappingState::Updating { enabled: true },
                StateV1::UpdatingDisabled => MappingState::Updating { enabled: false },
                StateV1::Deleting => MappingState::Deleting,
            },
            modified: TimestampMs(stored.modified_ms),
            key,
        })
    }
}
