//! Asynchronous invocation, wired.

use std::sync::Arc;

use lambent_delivery::{Delays, Delivery, DeliveryMetrics, DeliveryParts, Options};
use lambent_ports::aws_client::AwsClient;
use lambent_ports::invoke::InvokeFromElsewhere;
use lambent_ports::meter::Meter;
use lambent_ports::queue::Queue;
use lambent_ports::store::Store;
use tokio::sync::watch;

use crate::cli::options::{Auth, ServeOptions};
use crate::companions::Companions;
use crate::server::Opened;

/// Asynchronous invokes per core at the same time, unless the operator says otherwise: each may start a sandbox, and
/// starts are what callers that wait would have to wait behind.
const PER_CORE: usize = 32;

/// Builds the delivery and starts it. The second turns true when, after a stop, nothing is being delivered any more.
pub(crate) fn start(
    options: &ServeOptions,
    opened: &Opened,
    invoke: Arc<dyn InvokeFromElsewhere>,
    client: Arc<dyn AwsClient>,
    metrics: Arc<DeliveryMetrics>,
    meter: Arc<dyn Meter>,
    stop: watch::Receiver<bool>,
) -> (Arc<Delivery>, watch::Receiver<bool>) {
    let delivery = Delivery::new(DeliveryParts {
        queue: Arc::clone(&opened.queue) as Arc<dyn Queue>,
        store: Arc::clone(&opened.store) as Arc<dyn Store>,
        invoke,
        outbound: Arc::new(Companions { client, checked: options.auth == Auth::Enforce }),
        clock: Arc::clone(&opened.clock),
        random: Arc::clone(&opened.random),
        metrics,
        meter,
        options: Options {
            concurrency: concurrency(options),
            delays: Delays { retry_base_ms: options.async_retry_base_ms },
        },
    });
    let (done, is_done) = watch::channel(false);
    let running = Arc::clone(&delivery).run(stop);
    tokio::spawn(async move {
        running.await;
        done.send_replace(true);
    });
    (delivery, is_done)
}

fn concurrency(options: &ServeOptions) -> usize {
    if options.async_concurrency > 0 {
        return options.async_concurrency;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (options.account_concurrency as usize / 2).clamp(1, PER_CORE * cores)
}
