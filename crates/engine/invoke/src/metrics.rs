//! Counters of the invoke path, for `/metrics`. One per server, no process-wide state.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::phases::Phases;
use crate::tiers::Tiers;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Written by the shard and the log pipeline, read by the metrics page.
        #[derive(Debug, Default)]
        pub struct InvokeMetrics {
            $(pub(crate) $name: AtomicU64,)*
            pub(crate) phases: Phases,
            pub(crate) tiers: Tiers,
        }

        /// A reading of all counters.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct MetricsSnapshot { $($(#[$doc])* pub $name: u64,)* }

        impl InvokeMetrics {
            /// Reads every counter.
            pub fn snapshot(&self) -> MetricsSnapshot {
                MetricsSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            /// Where the time of cold starts went.
            pub fn phases(&self) -> &Phases {
                &self.phases
            }

            /// How processes came to run.
            pub fn tiers(&self) -> &Tiers {
                &self.tiers
            }
        }
    };
}

counters! {
    /// Invokes that reached a function.
    invocations,
    /// Of those, ended with a function error.
    errors,
    /// Refused for lack of concurrency.
    throttles,
    /// Refused because they were part of a loop.
    loops_stopped,
    /// Sandboxes that were started.
    cold_starts,
    /// Idle environments that made room for others.
    evictions,
    /// Sandboxes that could not be started.
    start_failures,
    /// Sum of function durations, microseconds.
    duration_us,
    /// Running now.
    concurrent_executions,
    /// Environments alive now.
    environments,
    /// What environments are charged for memory, MiB.
    memory_used_mb,
    /// What they may use, MiB.
    memory_budget_mb,
    /// Log events written to the sink.
    log_events,
    /// Log events that the sink refused.
    log_events_dropped,
}

pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}

pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

pub(crate) fn subtract(counter: &AtomicU64, by: u64) {
    counter.fetch_sub(by, Ordering::Relaxed);
}
