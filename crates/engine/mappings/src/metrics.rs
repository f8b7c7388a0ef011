//! Counters of event source mappings, by AWS's names. One per server, no process-wide state.

use std::sync::atomic::{AtomicU64, Ordering};

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

pub(crate) fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

pub(crate) fn subtract(counter: &AtomicU64, by: usize) {
    counter.fetch_sub(by as u64, Ordering::Relaxed);
}
