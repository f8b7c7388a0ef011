//! How many batches of a mapping functions have at the same time: a pure function of what was seen when.
//!
//! AWS documentation: five at first, up to 300 more per minute while messages remain, to 1,250 or `MaximumConcurrency`;
//! fewer when invokes are throttled, and when there is nothing to do.

use std::time::Duration;

/// At first.
const FIRST: u32 = 5;
/// At most, unless the mapping says less.
const MOST: u32 = 1_250;
/// More, per second.
const GROWTH: u32 = 5;
/// How soon throttled invokes make it narrower once more.
const SHRINK_EVERY: Duration = Duration::from_secs(1);

/// Width over time. Times are since any one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    now: u32,
    most: u32,
    changed: Duration,
    /// When invokes were throttled last.
    throttled: Option<Duration>,
}

impl Width {
    pub(crate) fn new(maximum_concurrency: Option<u32>, at: Duration) -> Self {
        let most = maximum_concurrency.unwrap_or(MOST).min(MOST);
        Width { now: FIRST.min(most), most, changed: at, throttled: None }
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
        let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(GROWTH);
        // A long time in which it was enough is no reason to jump.
        self.now = self.now.saturating_add(more.min(GROWTH)).min(self.most);
        self.changed = at;
    }

    /// When growing is possible next.
    pub(crate) fn grows_at(&self) -> Option<Duration> {
        (self.now < self.most).then(|| self.changed + Duration::from_secs(1))
    }

    /// The queue had nothing for a while.
    pub(crate) fn idle(&mut self, at: Duration) {
        self.now = (self.now / 2).max(FIRST.min(self.most));
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
        let mut width = Width::new(None, seconds(0));
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
        let mut width = Width::new(Some(2), seconds(0));
        assert_eq!(width.get(), 2);
        width.saturated(seconds(100));
        width.idle(seconds(101));
        assert_eq!((width.get(), width.grows_at()), (2, None));
    }

    #[test]
    fn throttling_makes_it_narrower_down_to_one() {
        let mut width = Width::new(None, seconds(0));
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
            let mut width = Width::new(Some(most), seconds(0));
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
