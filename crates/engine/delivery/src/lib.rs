//! Asynchronous invocation: an event is accepted when it is on disk; it is invoked, tried again, and sent where its owner
//! said when it is over. At least once: what a crash interrupts is done again.

mod attempt;
mod backlog;
pub mod decide;
mod ending;
mod metrics;
mod outgoing;
mod record;
mod stored;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use lambent_domain::{Fault, FunctionKey};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::invoke::{Event, Events, InvokeFromElsewhere};
use lambent_ports::meter::Meter;
use lambent_ports::outbound::SendOutbound;
use lambent_ports::queue::Queue;
use lambent_ports::store::Store;
use tokio::sync::Notify;

use backlog::Backlog;
use metrics::add;

pub use decide::Delays;
pub use metrics::{DeliveryMetrics, DeliverySnapshot};

/// What the delivery is built of.
pub struct DeliveryParts {
    /// Where events wait.
    pub queue: Arc<dyn Queue>,
    /// Functions and their settings.
    pub store: Arc<dyn Store>,
    /// Runs functions.
    pub invoke: Arc<dyn InvokeFromElsewhere>,
    /// Other services.
    pub outbound: Arc<dyn SendOutbound>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
    /// Counters.
    pub metrics: Arc<DeliveryMetrics>,
    /// Figures of functions.
    pub meter: Arc<dyn Meter>,
    /// Settings.
    pub options: Options,
}

/// What an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Attempts at the same time, of all functions together: what is left of the account's concurrency is for callers that
    /// wait.
    pub concurrency: usize,
    /// Between attempts.
    pub delays: Delays,
}

/// Takes events on and sees them through.
pub struct Delivery {
    parts: DeliveryParts,
    backlog: Mutex<Backlog>,
    /// Something has come in or has ended.
    changed: Notify,
}

impl Delivery {
    /// Builds it; [`Delivery::run`] works off what there is.
    pub fn new(parts: DeliveryParts) -> Arc<Self> {
        let backlog = Mutex::new(Backlog::new(parts.options.concurrency));
        Arc::new(Delivery { parts, backlog, changed: Notify::new() })
    }

    /// A figure of a function, at this moment.
    fn figure(&self, function: &FunctionKey, name: &str, unit: &str, value: f64) {
        self.parts.meter.add_of_function(function, name, unit, value, self.parts.clock.now_ms());
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl Events for Delivery {
    async fn accept(&self, event: Event) -> Result<(), Fault> {
        let now_ms = self.parts.clock.now_ms();
        let function = event.function.clone();
        let message = stored::message(event, 0, now_ms);
        let queue = stored::queue_name(&function);
        // A guard: the caller may give up while the event is on its way to the disk, and then it is there.
        let looked_for = LookedFor { delivery: self, function, now_ms };
        let enqueued = self.parts.queue.enqueue(&queue, message, now_ms).await;
        enqueued.map_err(|error| Fault::Internal(format!("an event was not accepted: {error}")))?;
        add(&self.parts.metrics.received, 1);
        self.figure(&looked_for.function, "AsyncEventsReceived", "Count", 1.0);
        Ok(())
    }
}

/// Has a function's queue looked at when it goes.
struct LookedFor<'a> {
    delivery: &'a Delivery,
    function: FunctionKey,
    now_ms: u64,
}

impl Drop for LookedFor<'_> {
    fn drop(&mut self) {
        self.delivery.backlog().due(&self.function, self.now_ms);
        self.delivery.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
