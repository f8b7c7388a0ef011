//! CloudWatch Logs: groups, streams, events, the filter pattern language; and the sink for functions' logs.

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
use lambent_kit::clock::Clock;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::log_store::LogStore;
use lambent_ports::logs::{LogBatch, LogSink, LogSinkError};
use lambent_wire::logs;
use lambent_wire::logs::operations as op;

pub use fault::LogsFault;

/// The state that operations are handled on.
pub struct Logs {
    store: Arc<dyn LogStore>,
    clock: Arc<dyn Clock>,
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
    pub fn new(store: Arc<dyn LogStore>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Logs { store, clock })
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
        self.store
            .append(&batch.scope, &batch.group, &batch.stream, batch.events, true)
            .await
            .map_err(|error| LogSinkError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_of_the_model_is_listed_once() {
        lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::logs::OPERATIONS);
    }
}
