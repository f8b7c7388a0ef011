//! Metrics, wired: what has been gathered is written every minute, and what is too old is dropped.

use std::sync::Arc;
use std::time::Duration;

use lambent_cloudwatch::{CloudWatch, Collector};
use lambent_metrics_sqlite::MetricsOptions;
use lambent_ports::metric_store::MetricStore;

use lambent_sqs::Sqs;

use crate::cli::options::ServeOptions;
use crate::server::Opened;

/// How often what has been gathered is written; whoever reads sees it before.
const SETTLE_EVERY: Duration = Duration::from_secs(60);
/// Metrics of all accounts and regions: a few hundred bytes each, and a row a minute while it is fed.
const MAX_METRICS: u64 = 200_000;

pub(crate) fn store_options(options: &ServeOptions) -> MetricsOptions {
    MetricsOptions { max_bytes: options.metrics_max_mb << 20, max_metrics: MAX_METRICS }
}

/// Builds the service and keeps it going.
pub(crate) fn start(opened: &Opened, collector: Arc<Collector>, sqs: Arc<Sqs>) -> Arc<CloudWatch> {
    let store = Arc::clone(&opened.metrics) as Arc<dyn MetricStore>;
    let cloudwatch = CloudWatch::new(store, collector, Arc::clone(&opened.clock));
    tokio::spawn(settle(Arc::clone(&cloudwatch), sqs));
    cloudwatch
}

async fn settle(cloudwatch: Arc<CloudWatch>, sqs: Arc<Sqs>) {
    let mut every = tokio::time::interval(SETTLE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = sqs.measure().await {
            tracing::warn!(%error, "queues could not be measured");
        }
        cloudwatch.settle().await;
        loop {
            match cloudwatch.expire().await {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "old metrics could not be dropped");
                    break;
                }
            }
        }
    }
}
