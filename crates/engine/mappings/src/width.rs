//! How many batches of a mapping functions have at the same time: a pure function of what was seen when.
//!
//! AWS documentation: five at first, up to 300 more per minute while messages remain, to 1,250 or `MaximumConcurrency`;
//! fewer when invokes are throttled, and when there is nothing to do. Provisioned pollers have ten each, are there at any time
//! up to their minimum, and become more three times as fast.

use std::time::Duration;

use lambent_domain::Pollers;

/// At first.
const FIRST: u32 = 5;
/// At most, unless the mapping says less.
const MOST: u32 = 1_250;
/// More, per second.
const GROWTH: u32 = 5;
/// Batches that a provisioned poller has.
const OF_A_POLLER: u32 = 10;
/// More of provisioned pollers' batches, per second: 1,000 a minute.
const PROVISIONED_GROWTH: u32 = 17;
/// How soon throttled invokes make it narrower once more.
const SHRINK_EVERY: Duration = Duration::from_secs(1);

/// Width over time. Times are since any one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    now: u32,
    least: u32,
    most: u32,
    growth: u32,
    changed: Duration,
    /// When invokes were throttled last.
    throttled: Option<Duration>,
}

impl Width {
    pub(crate) fn new(maximum_concurrency: Option<u32>, pollers: Option<Pollers>, at: Duration) -> Self {
        let (least, most, growth) = match pollers {
            Some(pollers) => {
                (OF_A_POLLER * pollers.minimum, OF_A_POLLER * pollers.maximum, PROVISIONED_GROWTH)
            }
            None => {
                let most = maximum_concurrency.unwrap_or(MOST).min(MOST);
                (FIRST.min(most), most, GROWTH)
            }
        };
        Width { now: least, least, most, growth, changed: at, throttled: None }
    }

    /// How many provisioned pollers that is.
    pub(crate) fn pollers(&self) -> u32 {
        self.now.div_ceil(OF_A_POLLER)
    }

    pub(crate) fn get(&self) -> usize {
        self.now as usize
    }

    /// All of it is in use, and the queue gave what it was asked for.
    pub(crate) fn saturated(&mut self, at: Duration) {
        let seconds = at.saturating_sub(self.changed).as_secs();
        if seconds == 0 {
            return;
        }
        let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(self.growth);
        // A long time in which it was enough is no reason to jump.
        self.now = self.now.saturating_add(more.min(self.growth)).min(self.most);
        self.changed = at;
    }

    /// When growing is possible next.
    pub(crate) fn grows_at(&self) -> Option<Duration> {
        (self.now < self.most).then(|| self.changed + Duration::from_secs(1))
    }

    /// The queue had nothing for a while.
    pub(crate) fn idle(&mut self, at: Duration) {
        self.now = (self.now / 2).max(self.least);
        self.changed = at;
    }

    /// A batch found no room until the end: growing has to wait.
    pub(crate) fn refused(&mut self, at: Duration) {
        self.changed = at;
    }

    /// Invokes are throttled.
    pub(crate) fn throttled(&mut self, at: Duration) {
        if self.throttled.is_none_or(|before| at.saturating_sub(before) >= SHRINK_EVERY) {
            self.now = (self.now / 2).max(1);
            self.changed = at;
            self.throttled = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_grows_by_300_a_minute_while_it_is_all_in_use() {
        let mut width = Width::new(None, None, seconds(0));
        assert_eq!(width.get(), 5);
        for second in 1..=60 {
            width.saturated(seconds(second));
            width.saturated(seconds(second));
        }
        assert_eq!(width.get(), 305);
        for second in 61..=600 {
            width.saturated(seconds(second));
        }
        assert_eq!((width.get(), width.grows_at()), (1_250, None));
        for second in 601..=620 {
            width.idle(seconds(second));
        }
        assert_eq!(width.get(), 5);
    }

    #[test]
    fn it_stays_within_what_the_mapping_says() {
        let mut width = Width::new(Some(2), None, seconds(0));
        assert_eq!(width.get(), 2);
        width.saturated(seconds(100));
        width.idle(seconds(101));
        assert_eq!((width.get(), width.grows_at()), (2, None));
    }

    #[test]
    fn provisioned_pollers_are_there_at_once_and_become_more_faster() {
        let pollers = Pollers { minimum: 3, maximum: 200 };
        let mut width = Width::new(None, Some(pollers), seconds(0));
        assert_eq!((width.get(), width.pollers()), (30, 3));
        for second in 1..=60 {
            width.saturated(seconds(second));
        }
        assert_eq!(width.get(), 30 + 60 * 17);
        for second in 61..=1_000 {
            width.saturated(seconds(second));
        }
        assert_eq!((width.get(), width.pollers()), (2_000, 200));
        for second in 1_001..=1_020 {
            width.idle(seconds(second));
        }
        assert_eq!(width.get(), 30);
    }

    #[test]
    fn throttling_makes_it_narrower_down_to_one() {
        let mut width = Width::new(None, None, seconds(0));
        for second in 1..10 {
            width.throttled(seconds(second));
        }
        assert_eq!(width.get(), 1);
        width.saturated(seconds(20));
        assert_eq!(width.get(), 6);
    }

    proptest! {
        #[test]
        fn it_is_never_none_and_never_too_much(steps in proptest::collection::vec((0..3_u8, 0..5_u64), 0..200), most in 2..1_000_u32) {
            let mut width = Width::new(Some(most), None, seconds(0));
            let mut at = 0;
            for (step, later) in steps {
                at += later;
                let before = width.get();
                match step {
                    0 => width.saturated(seconds(at)),
                    1 => width.idle(seconds(at)),
                    _ => width.throttled(seconds(at)),
                }
                prop_assert!((1..=most as usize).contains(&width.get()));
                prop_assert!(width.get() <= before + 5);
            }
        }
    }
}
