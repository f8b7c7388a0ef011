//! What environments are charged for memory. Their configured size is a bound and not a use: a host that set it aside
//! could run a tenth of what fits. So a deployment's environments are charged what its environments have been seen to hold,
//! and what busy ones take beyond it shows in what the host has left.

/// Charged for an environment of a deployment of which none has been seen, where it is configured for as much.
pub const UNSEEN_MB: u64 = 128;
/// Charged where this host can't tell what an environment holds (as an ordinary user without control groups).
const UNKNOWN_MB: u64 = 32;
/// Kept free on the host: the twentieth part, and at least this.
const RESERVE_MB: u64 = 192;

/// What the next environment of a deployment is charged.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    configured_mb: u64,
    seen_mb: Option<u64>,
}

impl Charge {
    /// Of a deployment with this much memory.
    pub fn new(configured_mb: u32) -> Self {
        Charge { configured_mb: configured_mb.into(), seen_mb: None }
    }

    /// What to expect of one that has not been seen itself.
    pub fn expected_mb(&self) -> u64 {
        self.seen_mb.unwrap_or(UNSEEN_MB.min(self.configured_mb))
    }

    /// One was seen to hold this much; returns what it is charged. What is expected rises at once and falls slowly: one
    /// large request in eight makes all of them large.
    pub fn seen(&mut self, bytes: u64) -> u64 {
        let seen = if bytes == 0 { UNKNOWN_MB.min(self.configured_mb) } else { bytes.div_ceil(1 << 20) };
        let before = self.seen_mb.unwrap_or(seen);
        self.seen_mb = Some(seen.max((before * 7 + seen) / 8));
        seen
    }
}

/// What the host has, MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// In all, or as much as this server may have of it.
    pub total_mb: u64,
    /// Could be used without anything having to go.
    pub available_mb: u64,
}

impl HostMemory {
    /// What environments may use in all where nobody has said it: what is there now, without the reserve.
    pub fn budget_mb(&self) -> u64 {
        self.available_mb.saturating_sub(self.reserve_mb())
    }

    /// What the host can carry, when it carries environments that were charged `used_mb`.
    pub fn carries_mb(&self, used_mb: u64) -> u64 {
        (used_mb + self.available_mb).saturating_sub(self.reserve_mb())
    }

    fn reserve_mb(&self) -> u64 {
        // A small host must be able to run something.
        (self.total_mb / 20).max(RESERVE_MB).min(self.total_mb / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn what_is_expected_rises_at_once_and_falls_slowly() {
        let mut charge = Charge::new(1_769);
        assert_eq!(charge.expected_mb(), UNSEEN_MB);
        assert_eq!((charge.seen(20 * MB - 1), charge.expected_mb()), (20, 20));
        assert_eq!((charge.seen(100 * MB), charge.expected_mb()), (100, 100));
        assert_eq!((charge.seen(20 * MB), charge.expected_mb()), (20, 90));
        assert_eq!((Charge::new(1_769).seen(0), Charge::new(128).expected_mb()), (32, 128));
    }

    #[test]
    fn a_reserve_is_kept() {
        let host = HostMemory { total_mb: 8_000, available_mb: 6_000 };
        assert_eq!((host.budget_mb(), host.carries_mb(1_000)), (5_600, 6_600));
        let pressed = HostMemory { available_mb: 100, ..host };
        assert_eq!(pressed.carries_mb(1_000), 700, "300 have to go");
        assert_eq!(HostMemory { total_mb: 400, available_mb: 300 }.budget_mb(), 200);
    }
}
