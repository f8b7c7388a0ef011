//! A function whose processes end by themselves again and again is started less and less often: every start takes a
//! core's time from the others. AWS says that it does so, and no numbers; these are judgement.

/// Crashes in a row that cost nothing: a few are a bad request or a bad moment.
const FREE: u32 = 5;
const FIRST_MS: u64 = 100;
const LONGEST_MS: u64 = 10_000;

/// The crashes of one deployment since it last answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrashLoop {
    crashes: u32,
    last_ms: u64,
}

impl CrashLoop {
    /// An init failed, or a process ended in the middle of a request.
    pub fn crashed(&mut self, now_ms: u64) {
        self.crashes = self.crashes.saturating_add(1);
        self.last_ms = now_ms;
    }

    /// It may be started from then on.
    pub fn not_before_ms(&self) -> u64 {
        match self.crashes.checked_sub(FREE) {
            None => 0,
            Some(more) => self.last_ms + (FIRST_MS << more.min(16)).min(LONGEST_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_crashes_are_free_then_the_wait_doubles_up_to_its_bound() {
        let mut crashes = CrashLoop::default();
        let mut waits = Vec::new();
        for _ in 0..14 {
            crashes.crashed(1_000);
            waits.push(crashes.not_before_ms().saturating_sub(1_000));
        }
        assert_eq!(waits[..8], [0, 0, 0, 0, 100, 200, 400, 800]);
        assert_eq!(waits[13], LONGEST_MS);
        for _ in 0..100 {
            crashes.crashed(2_000);
        }
        assert_eq!(crashes.not_before_ms(), 2_000 + LONGEST_MS);
    }
}
