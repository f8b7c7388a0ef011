//! Counters of event source mappings, by AWS's names. One per server, no process-wide state.

use std::sync::atomic::{AtomicU64, Ordering};

use lambent_domain::Distribution;
use lambent_ports::metric_store::{Datum, Metric};

use crate::Parts;
use crate::poller::Settings;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Written by the pollers, read by the metrics page.
        #[derive(Debug, Default)]
        pub struct MappingMetrics { $(pub(crate) $name: AtomicU64,)* }

        /// A reading of all counters.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct MappingSnapshot { $($(#[$doc])* pub $name: u64,)* }

        impl MappingMetrics {
            /// Reads every counter.
            pub fn snapshot(&self) -> MappingSnapshot {
                MappingSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// `PolledEventCount`: messages that were received.
    polled,
    /// `FilteredOutEventCount`: messages that no filter let through.
    filtered_out,
    /// `InvokedEventCount`: messages that a function was called with.
    invoked,
    /// `FailedInvokeEventCount`: messages that a function did not deal with.
    failed_invoke,
    /// `DeletedEventCount`: messages that were deleted from their queues after that.
    deleted,
    /// Requests for messages.
    receives,
    /// Batches that functions have now.
    running,
}

/// What is counted of a mapping's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Polled,
    FilteredOut,
    Invoked,
    FailedInvoke,
    Deleted,
}

impl Figure {
    /// In CloudWatch.
    fn name(self) -> &'static str {
        match self {
            Figure::Polled => "PolledEventCount",
            Figure::FilteredOut => "FilteredOutEventCount",
            Figure::Invoked => "InvokedEventCount",
            Figure::FailedInvoke => "FailedInvokeEventCount",
            Figure::Deleted => "DeletedEventCount",
        }
    }

    fn of(self, metrics: &MappingMetrics) -> &AtomicU64 {
        match self {
            Figure::Polled => &metrics.polled,
            Figure::FilteredOut => &metrics.filtered_out,
            Figure::Invoked => &metrics.invoked,
            Figure::FailedInvoke => &metrics.failed_invoke,
            Figure::Deleted => &metrics.deleted,
        }
    }
}

impl Parts {
    /// Counts events of a mapping; in CloudWatch when its `MetricsConfig` asks for that.
    pub(crate) fn count(&self, settings: &Settings, figure: Figure, by: usize) {
        add(figure.of(&self.metrics), by);
        if settings.counts_events && by > 0 {
            self.tell(settings, figure.name(), by as f64);
        }
    }

    /// Tells CloudWatch a figure of a mapping.
    pub(crate) fn tell(&self, settings: &Settings, name: &str, value: f64) {
        let metric = Metric {
            namespace: "AWS/Lambda".to_owned(),
            name: name.to_owned(),
            dimensions: [("EventSourceMappingUUID".to_owned(), settings.key.uuid.clone())].into(),
        };
        let (time_ms, values) = (self.clock.now_ms(), Distribution::one(value));
        let datum = Datum { metric, unit: "Count".to_owned(), time_ms, by_second: false, values };
        self.meter.add(&settings.key.scope, datum);
    }
}

pub(crate) fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

pub(crate) fn subtract(counter: &AtomicU64, by: usize) {
    counter.fetch_sub(by as u64, Ordering::Relaxed);
}
