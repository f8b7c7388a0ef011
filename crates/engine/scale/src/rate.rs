//! How fast a function may gain environments. AWS: 1,000 in 10 seconds for each function, refilled continuously, and
//! what is not used is not kept (its documentation).

const WINDOW_MS: u64 = 10_000;

/// What one function has left of its scaling rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScalingRate {
    /// Environments begun and not yet forgotten, in thousandths.
    spent: u64,
    at_ms: u64,
}

impl ScalingRate {
    /// Environments that may be started now. `per_10_s` is the limit; 0 is none.
    pub fn left(&self, now_ms: u64, per_10_s: u32) -> u64 {
        if per_10_s == 0 {
            return u64::MAX;
        }
        (u64::from(per_10_s) * 1_000).saturating_sub(self.spent_at(now_ms, per_10_s)) / 1_000
    }

    /// One is started.
    pub fn spend(&mut self, now_ms: u64, per_10_s: u32) {
        self.spent = self.spent_at(now_ms, per_10_s) + 1_000;
        self.at_ms = now_ms;
    }

    /// Whether there is anything to remember.
    pub fn is_fresh(&self, now_ms: u64, per_10_s: u32) -> bool {
        self.spent_at(now_ms, per_10_s) == 0
    }

    fn spent_at(&self, now_ms: u64, per_10_s: u32) -> u64 {
        let refilled = u64::from(per_10_s) * 1_000 * now_ms.saturating_sub(self.at_ms) / WINDOW_MS;
        self.spent.saturating_sub(refilled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_at_once_then_a_hundred_each_second() {
        let mut rate = ScalingRate::default();
        for _ in 0..1_000 {
            assert!(rate.left(5, 1_000) > 0);
            rate.spend(5, 1_000);
        }
        assert_eq!((rate.left(5, 1_000), rate.left(14, 1_000), rate.left(15, 1_000)), (0, 0, 1));
        assert_eq!(rate.left(1_005, 1_000), 100);
        assert!(!rate.is_fresh(10_004, 1_000) && rate.is_fresh(10_005, 1_000));
        assert_eq!(rate.left(1_000_000, 1_000), 1_000, "nothing is saved up");
        assert_eq!(rate.left(5, 0), u64::MAX);
    }
}
