//! CloudWatch's metrics: put by users over three protocols, printed by functions, and gathered from Lambda and SQS.

mod checks;
mod collector;
mod fault;
mod math;
mod not_yet;
mod operations;
mod request;
mod statistic;
mod token;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_kit::clock::Clock;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::metric_store::{MetricStore, MetricStoreError};
use lambent_wire::cloudwatch;
use lambent_wire::cloudwatch::operations as op;
use tokio::sync::Mutex;

pub use collector::{Collector, Of, Sums};
pub use fault::CloudWatchFault;
pub use math::check as check_expression;

/// Data that are written at once.
const WRITTEN_AT_ONCE: usize = 1_000;

/// The state that operations are handled on.
pub struct CloudWatch {
    store: Arc<dyn MetricStore>,
    collector: Arc<Collector>,
    clock: Arc<dyn Clock>,
    /// Held while what was gathered is on its way to the store: who reads waits for it.
    settling: Mutex<()>,
    lost: AtomicU64,
}

/// Every operation.
pub const REGISTRY: Registry<CloudWatch, CloudWatchFault> = Registry {
    protocol: cloudwatch::PROTOCOL,
    target_prefix: cloudwatch::TARGET_PREFIX,
    routes: cloudwatch::ROUTES,
    operations: OPERATIONS,
    not_yet: not_yet::NOT_YET,
};

const OPERATIONS: &[Entry<CloudWatch, CloudWatchFault>] = &[
    Entry::of::<op::GetMetricData>(),
    Entry::of::<op::GetMetricStatistics>(),
    Entry::of::<op::ListMetrics>(),
    Entry::of::<op::PutMetricData>(),
];

impl CloudWatch {
    /// Builds it.
    pub fn new(store: Arc<dyn MetricStore>, collector: Arc<Collector>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(CloudWatch { store, collector, clock, settling: Mutex::new(()), lost: AtomicU64::new(0) })
    }

    /// Writes what has been gathered. Every minute is enough; whoever reads does it before. What can't be written is lost and
    /// counted: figures are no promises, and what waits must not grow.
    pub async fn settle(&self) {
        let _settling = self.settling.lock().await;
        let now_ms = self.clock.now_ms();
        for (scope, mut data) in self.collector.take(now_ms) {
            while !data.is_empty() {
                let rest = data.split_off(data.len().min(WRITTEN_AT_ONCE));
                let count = data.len() as u64;
                if let Err(error) = self.store.add(&scope, data, now_ms).await {
                    self.lost.fetch_add(count, Ordering::Relaxed);
                    tracing::warn!(%error, count, "metrics could not be written");
                }
                data = rest;
            }
        }
    }

    /// Drops a part of what is kept no longer; whether there is more.
    pub async fn expire(&self) -> Result<bool, MetricStoreError> {
        self.store.expire(self.clock.now_ms()).await
    }

    /// Sums of functions' figures since the start: by metric and unit, then by function; bounded.
    pub fn function_totals(&self) -> Sums {
        self.collector.totals()
    }

    /// Data that found no room, or could not be written.
    pub fn dropped(&self) -> u64 {
        self.lost.load(Ordering::Relaxed) + self.collector.dropped()
    }
}

/// CloudWatch as a service.
pub struct CloudWatchService(pub Arc<CloudWatch>);

#[async_trait]
impl ApiService for CloudWatchService {
    fn signing_name(&self) -> &'static str {
        "monitoring"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        let spoken = cloudwatch::PROTOCOL.spoken(&request.headers);
        let request_id = request.request_id;
        match request::unpacked(request) {
            Ok(request) => REGISTRY.answer(Arc::clone(&self.0), request).await,
            Err(fault) => lambent_api_kit::ServiceFault::to_response_in(&fault, spoken, &request_id),
        }
    }
}

#[cfg(test)]
mod tests;
