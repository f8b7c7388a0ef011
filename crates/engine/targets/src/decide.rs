//! What happens after an attempt that failed: pure.

use serde::{Deserialize, Serialize};

/// Retries, unless a target says otherwise; also the most it may say (model).
pub const MAX_RETRIES: u32 = 185;
/// Age in seconds, unless a target says otherwise; also the most it may say (model).
pub const MAX_AGE_S: u32 = 86_400;
/// The longest pause: with it, 185 attempts fill a day (judgement; AWS says "exponential backoff and jitter").
const LONGEST_PAUSE_MS: u64 = 480_000;

/// How often and for how long something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Attempts after the first.
    pub max_retries: u32,
    /// How old it may become.
    pub max_age_s: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { max_retries: MAX_RETRIES, max_age_s: MAX_AGE_S }
    }
}

/// Why there is no further attempt, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exhausted {
    /// As often as it may be.
    MaximumRetryAttempts,
    /// As old as it may become.
    MaximumEventAgeInSeconds,
}

impl Exhausted {
    /// As it stands in a dead letter.
    pub fn as_str(self) -> &'static str {
        match self {
            Exhausted::MaximumRetryAttempts => "MaximumRetryAttempts",
            Exhausted::MaximumEventAgeInSeconds => "MaximumEventAgeInSeconds",
        }
    }
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt.
    Again {
        /// When.
        due_ms: u64,
    },
    /// None; with a reason where another one would have been of use.
    Over(Option<Exhausted>),
}

/// After `failed` attempts, the last one at `now_ms`. What can't become better by waiting is not tried again (AWS
/// documentation). `spread` is any number: what failed together is not to come again together.
pub fn next(
    retries: Retries,
    accepted_ms: u64,
    failed: u32,
    transient: bool,
    now_ms: u64,
    spread: u64,
) -> Next {
    if !transient {
        return Next::Over(None);
    }
    if failed > retries.max_retries {
        return Next::Over(Some(Exhausted::MaximumRetryAttempts));
    }
    let due_ms = now_ms + pause_ms(failed, spread);
    if due_ms > accepted_ms + u64::from(retries.max_age_s) * 1_000 {
        return Next::Over(Some(Exhausted::MaximumEventAgeInSeconds));
    }
    Next::Again { due_ms }
}

/// 1 s, 2 s, 4 s … 8 min, up to a tenth less.
fn pause_ms(failed: u32, spread: u64) -> u64 {
    let pause_ms =
        1_000_u64.checked_shl(failed.saturating_sub(1).min(20)).unwrap_or(u64::MAX).min(LONGEST_PAUSE_MS);
    pause_ms - spread % (pause_ms / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of all attempts, from the first at 0 on, and the end.
    fn attempts(retries: Retries) -> (Vec<u64>, Option<Exhausted>) {
        let (mut now_ms, mut times) = (0, vec![0]);
        loop {
            match next(retries, 0, u32::try_from(times.len()).unwrap(), true, now_ms, now_ms / 7) {
                Next::Again { due_ms } => {
                    now_ms = due_ms;
                    times.push(now_ms);
                }
                Next::Over(reason) => return (times, reason),
            }
        }
    }

    #[test]
    fn a_day_has_room_for_all_attempts_in_growing_distances() {
        let (times, reason) = attempts(Retries::default());
        assert_eq!((times.len(), reason), (186, Some(Exhausted::MaximumRetryAttempts)));
        assert!(*times.last().unwrap() <= 86_400_000 && *times.last().unwrap() > 70_000_000, "{times:?}");
        assert!(times[1] <= 1_000 && times[2] - times[1] > 1_000, "{:?}", &times[..4]);
    }

    #[test]
    fn age_and_number_end_it() {
        let (times, reason) = attempts(Retries { max_retries: 185, max_age_s: 60 });
        assert_eq!(reason, Some(Exhausted::MaximumEventAgeInSeconds));
        assert!(*times.last().unwrap() <= 60_000);
        let (times, reason) = attempts(Retries { max_retries: 0, max_age_s: 60 });
        assert_eq!((times.len(), reason), (1, Some(Exhausted::MaximumRetryAttempts)));
    }

    #[test]
    fn what_does_not_become_better_is_over_at_once() {
        assert_eq!(next(Retries::default(), 0, 1, false, 0, 0), Next::Over(None));
    }
}
