//! CloudWatch Logs: groups, streams, events, the filter pattern language; and the sink for functions' logs.

mod access;
mod embedded;
mod fault;
mod group;
mod not_yet;
mod operations;
pub mod pattern;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_domain::Scope;
use lambent_kit::clock::Clock;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::log_store::LogStore;
use lambent_ports::logs::{LogBatch, LogEvent, LogSink, LogSinkError};
use lambent_ports::meter::Meter;
use lambent_ports::metric_store::Datum;
use lambent_wire::logs;
use lambent_wire::logs::operations as op;

pub use fault::LogsFault;

/// The state that operations are handled on.
pub struct Logs {
    store: Arc<dyn LogStore>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
}

/// Every operation.
pub const REGISTRY: Registry<Logs, LogsFault> = Registry {
    protocol: logs::PROTOCOL,
    target_prefix: logs::TARGET_PREFIX,
    routes: logs::ROUTES,
    operations: OPERATIONS,
    not_yet: not_yet::NOT_YET,
};

const OPERATIONS: &[Entry<Logs, LogsFault>] = &[
    Entry::of::<op::CreateLogGroup>(),
    Entry::of::<op::CreateLogStream>(),
    Entry::of::<op::DeleteLogGroup>(),
    Entry::of::<op::DeleteLogStream>(),
    Entry::of::<op::DeleteRetentionPolicy>(),
    Entry::of::<op::DescribeLogGroups>(),
    Entry::of::<op::DescribeLogStreams>(),
    Entry::of::<op::FilterLogEvents>(),
    Entry::of::<op::GetLogEvents>(),
    Entry::of::<op::ListTagsForResource>(),
    Entry::of::<op::PutLogEvents>(),
    Entry::of::<op::PutRetentionPolicy>(),
    Entry::of::<op::TagResource>(),
    Entry::of::<op::UntagResource>(),
];

impl Logs {
    /// Builds it.
    pub fn new(store: Arc<dyn LogStore>, clock: Arc<dyn Clock>, meter: Arc<dyn Meter>) -> Arc<Self> {
        Arc::new(Logs { store, clock, meter })
    }

    /// The metrics that events hold in the embedded metric format.
    fn metrics_of(&self, events: &[LogEvent]) -> Vec<Datum> {
        let now_ms = self.clock.now_ms();
        events.iter().flat_map(|event| embedded::data(&event.message, now_ms)).collect()
    }

    fn measure(&self, scope: &Scope, data: Vec<Datum>) {
        data.into_iter().for_each(|datum| self.meter.add(scope, datum));
    }
}

/// Logs as a service.
pub struct LogsService(pub Arc<Logs>);

#[async_trait]
impl ApiService for LogsService {
    fn signing_name(&self) -> &'static str {
        "logs"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        REGISTRY.answer(Arc::clone(&self.0), request).await
    }
}

#[async_trait]
impl LogSink for Logs {
    async fn write(&self, batch: LogBatch) -> Result<(), LogSinkError> {
        let data = self.metrics_of(&batch.events);
        let appended = self.store.append(&batch.scope, &batch.group, &batch.stream, batch.events, true).await;
        appended.map_err(|error| LogSinkError(error.to_string()))?;
        self.measure(&batch.scope, data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_of_the_model_is_listed_once() {
        lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::logs::OPERATIONS);
    }
}
