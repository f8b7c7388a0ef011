//! How many parked processes of a kind are wanted.

use std::time::{Duration, Instant};

/// How long more than the floor are kept after they were last too few.
const EASE_AFTER: Duration = Duration::from_secs(60);

/// How many are wanted: more after too few, fewer after a while.
#[derive(Debug)]
pub(super) struct Demand {
    floor: u32,
    pub(super) ceiling: u32,
    pub(super) wanted: u32,
    last_short: Instant,
}

impl Demand {
    pub(super) fn new(floor: u32, ceiling: u32, now: Instant) -> Self {
        Demand { floor, ceiling, wanted: floor, last_short: now }
    }

    /// One was asked for and there was none.
    pub(super) fn short(&mut self, now: Instant) {
        self.wanted = (self.wanted * 2).max(1).min(self.ceiling);
        self.last_short = now;
    }

    pub(super) fn ease(&mut self, now: Instant) {
        if self.eases_in(now).is_some_and(|left| left.is_zero()) {
            self.wanted = (self.wanted / 2).max(self.floor);
            self.last_short = now;
        }
    }

    pub(super) fn eases_in(&self, now: Instant) -> Option<Duration> {
        (self.wanted > self.floor).then(|| EASE_AFTER.saturating_sub(now.duration_since(self.last_short)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_grows_when_there_were_too_few_and_eases_after_a_while() {
        let begun = Instant::now();
        let mut demand = Demand::new(2, 6, begun);
        assert_eq!((demand.wanted, demand.eases_in(begun)), (2, None));
        demand.short(begun);
        assert_eq!(demand.wanted, 4);
        demand.short(begun);
        demand.short(begun);
        assert_eq!(demand.wanted, 6, "never above the ceiling");
        let later = begun + EASE_AFTER;
        demand.ease(later - Duration::from_millis(1));
        assert_eq!(demand.wanted, 6);
        demand.ease(later);
        assert_eq!((demand.wanted, demand.eases_in(later)), (3, Some(EASE_AFTER)));
        demand.ease(later + EASE_AFTER);
        assert_eq!((demand.wanted, demand.eases_in(later + EASE_AFTER)), (2, None));
        let mut none = Demand::new(0, 0, begun);
        none.short(begun);
        assert_eq!(none.wanted, 0);
    }
}
