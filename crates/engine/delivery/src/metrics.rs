//! Counters of asynchronous invocation, by AWS's names. One per server, no process-wide state.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Written by the delivery, read by the metrics page.
        #[derive(Debug, Default)]
        pub struct DeliveryMetrics { $(pub(crate) $name: AtomicU64,)* }

        /// A reading of all counters.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct DeliverySnapshot { $($(#[$doc])* pub $name: u64,)* }

        impl DeliveryMetrics {
            /// Reads every counter.
            pub fn snapshot(&self) -> DeliverySnapshot {
                DeliverySnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// `AsyncEventsReceived`: accepted.
    received,
    /// Attempts that were made.
    attempts,
    /// `AsyncEventAge`, summed over attempts, milliseconds.
    age_ms,
    /// `AsyncEventsDropped`: ended without success.
    dropped,
    /// `DeadLetterErrors`: dead letters that could not be sent.
    dead_letter_errors,
    /// `DestinationDeliveryFailures`: records that could not be sent.
    destination_delivery_failures,
    /// Attempts that are running now.
    running,
}

pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

pub(crate) fn subtract(counter: &AtomicU64, by: u64) {
    counter.fetch_sub(by, Ordering::Relaxed);
}
