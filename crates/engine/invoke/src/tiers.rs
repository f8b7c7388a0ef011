//! By which way processes came to run, and why not by the fastest: for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use lambent_ports::sandbox::{NotParked, StartTier};

use crate::metrics::add;

/// The ways, fastest first.
const TIERS: [&str; 4] = ["parked", "forked", "executed", "native"];

/// Counts of started processes.
#[derive(Debug, Default)]
pub struct Tiers {
    started: [AtomicU64; TIERS.len()],
    not_parked: [AtomicU64; NotParked::ALL.len()],
}

impl Tiers {
    /// `native`: it is no interpreter, but the function's own bootstrap.
    pub(crate) fn started(&self, tier: StartTier, native: bool, not_parked: Option<NotParked>) {
        let place = match tier {
            StartTier::Parked => 0,
            StartTier::Forked => 1,
            StartTier::Exec => 2 + usize::from(native),
        };
        add(&self.started[place], 1);
        if let Some(why) = not_parked.filter(|_| tier != StartTier::Parked) {
            add(&self.not_parked[why as usize], 1);
        }
    }

    /// How many were started by each.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TIERS.into_iter().zip(self.started.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Why how many had not been waiting.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.not_parked.iter().map(|count| count.load(Ordering::Relaxed));
        NotParked::ALL.into_iter().map(|(_, name)| name).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_under_its_name() {
        for (place, (why, name)) in NotParked::ALL.into_iter().enumerate() {
            let tiers = Tiers::default();
            tiers.started(StartTier::Exec, false, Some(why));
            tiers.started(StartTier::Parked, false, None);
            assert_eq!(why as usize, place);
            let counted: Vec<_> = tiers.reasons().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(name, 1)]);
            assert_eq!(tiers.counts().map(|(_, count)| count).collect::<Vec<_>>(), [1, 0, 1, 0]);
        }
    }
}
