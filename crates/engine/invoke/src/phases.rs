//! Where the time of a cold start goes: a histogram for each phase, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::add;

/// What a cold start consists of, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From the request until its start is begun: permit, decision, and the wait for its turn or for memory.
    Admission,
    /// A sandbox is made, or a parked one is given its limits.
    Attach,
    /// Code and layers are mounted into a parked one. What is executed mounts them while it is made.
    Mount,
    /// The process gets its environment, or is executed with it.
    Environment,
    /// Until the handler is imported; the runtime boots before where it was not parked. Who does not tell does so until
    /// its first poll.
    Import,
    /// From there until the first poll has come. Nobody's who does not tell.
    Poll,
    /// From the event to the answer.
    Reply,
}

/// All of them.
pub const PHASES: [(Phase, &str); 7] = [
    (Phase::Admission, "admission"),
    (Phase::Attach, "attach"),
    (Phase::Mount, "mount"),
    (Phase::Environment, "environment"),
    (Phase::Import, "import"),
    (Phase::Poll, "poll"),
    (Phase::Reply, "reply"),
];

/// Upper bounds of the buckets, microseconds.
pub const BOUNDS_US: [u64; 16] = [
    50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 10_000_000,
];

/// How often how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one is what is above every bound.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, time: Duration) {
        let us = time.as_micros() as u64;
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        add(&self.buckets[bucket], 1);
        add(&self.sum_us, us);
    }

    /// For each bound how many were not above it, then how many there were.
    pub fn cumulative(&self) -> Vec<u64> {
        let counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        counts
            .scan(0, |sum, count| {
                Some({
                    *sum += count;
                    *sum
                })
            })
            .collect()
    }

    /// Sum of all times.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }
}

/// One histogram for each phase.
#[derive(Debug, Default)]
pub struct Phases([Histogram; PHASES.len()]);

impl Phases {
    /// That of a phase.
    pub fn of(&self, phase: Phase) -> &Histogram {
        &self.0[phase as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_belong_to_their_buckets() {
        let phases = Phases::default();
        let import = phases.of(Phase::Import);
        for us in [0, 50, 51, 3_000, 20_000_000] {
            import.observe(Duration::from_micros(us));
        }
        let counts = import.cumulative();
        assert_eq!((counts[0], counts[1], counts[5], counts[6], counts[15], counts[16]), (2, 3, 3, 4, 4, 5));
        assert_eq!((import.sum_us(), phases.of(Phase::Mount).cumulative()[16]), (20_003_101, 0));
        assert!(PHASES.iter().enumerate().all(|(index, (phase, _))| *phase as usize == index));
    }
}
