//! Which idle environment goes first when memory is short: GreedyDual-Size-Frequency, as caches of web objects use it and
//! as it was found to fit functions (Fuerst and Sharma, FaasCache, 2021).
//!
//! What is kept is what is used often, takes long to start and holds little. The floor under it rises to the worth of
//! what was evicted last, so that what has not been used since then loses against what is used now.

/// What is lost with an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worth {
    /// The floor when it was last used.
    pub floor: f64,
    /// How many requests it has had.
    pub uses: u32,
    /// How long its start took, ms.
    pub start_ms: f64,
}

impl Worth {
    pub(crate) fn credit(&self, charge_mb: u64) -> f64 {
        self.floor + f64::from(self.uses.max(1)) * self.start_ms.max(0.1) / charge_mb.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_and_use_keep_size_and_age_do_not() {
        let worth = Worth { floor: 0.0, uses: 4, start_ms: 100.0 };
        assert!(worth.credit(16) > Worth { uses: 3, ..worth }.credit(16));
        assert!(worth.credit(16) > Worth { start_ms: 50.0, ..worth }.credit(16));
        assert!(worth.credit(16) > worth.credit(32));
        assert!(Worth { floor: 30.0, uses: 1, ..worth }.credit(16) > worth.credit(16), "used since");
    }
}
