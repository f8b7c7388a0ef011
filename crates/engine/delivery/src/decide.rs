//! What happens to an event next: pure functions of the time, what has happened so far, and the settings of the moment
//! (`facts` 4.2).

use lambent_domain::async_config::EventInvokeConfig;
use lambent_domain::limits::{DEFAULT_EVENT_AGE_S, DEFAULT_RETRY_ATTEMPTS};

/// AWS waits one minute before the first retry; the other delays are in proportion.
pub const RETRY_BASE_MS: u64 = 60_000;

/// How long it is waited between attempts. Tests of functions make it shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Before the first retry of a function that failed; twice as long before the second.
    pub retry_base_ms: u64,
}

impl Delays {
    /// After the function's `attempts`th failure.
    fn after_failure(self, attempts: u32) -> u64 {
        self.retry_base_ms.saturating_mul(attempts.into())
    }

    /// After it was refused or could not be run for the `refusals`th time in a row: 1 s, doubling up to 5 minutes.
    pub fn after_refusal(self, refusals: u32) -> u64 {
        let first = (self.retry_base_ms / 60).max(1);
        let grown = first.saturating_mul(1 << refusals.saturating_sub(1).min(20));
        grown.min(self.retry_base_ms.saturating_mul(5))
    }
}

/// What was set for the function's qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Further attempts after the first failed.
    pub retry_attempts: u32,
    /// `MaximumEventAgeInSeconds`.
    pub max_age_ms: u64,
    /// `ReservedConcurrentExecutions` is 0.
    pub switched_off: bool,
    /// Between attempts.
    pub delays: Delays,
}

impl Policy {
    /// AWS's defaults where nothing was set.
    pub fn of(config: Option<&EventInvokeConfig>, reserved_concurrency: Option<u32>, delays: Delays) -> Self {
        let age_s = config.and_then(|config| config.maximum_event_age_s).unwrap_or(DEFAULT_EVENT_AGE_S);
        Policy {
            retry_attempts: config
                .and_then(|config| config.maximum_retry_attempts)
                .unwrap_or(DEFAULT_RETRY_ATTEMPTS),
            max_age_ms: u64::from(age_s) * 1_000,
            switched_off: reserved_concurrency == Some(0),
            delays,
        }
    }
}

/// What has happened to an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When it was accepted.
    pub accepted_ms: u64,
    /// How often the function ran: `approximateInvokeCount`.
    pub attempts: u32,
    /// How often in a row it could not be run.
    pub refusals: u32,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned.
    Returned,
    /// It failed: exception, timeout, crash.
    Failed,
    /// It did not run: 429, or an error of the platform.
    Refused,
}

/// `condition` of the record, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The function returned.
    Success,
    /// It failed as often as it may.
    RetriesExhausted,
    /// There is no time for another attempt.
    EventAgeExceeded,
    /// The function is switched off.
    ZeroReservedConcurrency,
    /// It came back too often. AWS documents where such an event goes, but no word for it: that of its error's name (judgement).
    RecursiveInvocation,
}

impl Condition {
    /// From AWS's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Condition::Success,
            Condition::RetriesExhausted,
            Condition::EventAgeExceeded,
            Condition::ZeroReservedConcurrency,
            Condition::RecursiveInvocation,
        ];
        all.into_iter().find(|condition| condition.as_str() == text)
    }

    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Success => "Success",
            Condition::RetriesExhausted => "RetriesExhausted",
            Condition::EventAgeExceeded => "EventAgeExceeded",
            Condition::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Condition::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

/// What happens to an event next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is over.
    End(Condition),
    /// It is tried again.
    Retry {
        /// When.
        at_ms: u64,
        /// So far.
        progress: Progress,
    },
}

/// Before an attempt: why there is none.
pub fn before(now_ms: u64, progress: Progress, policy: Policy) -> Option<Condition> {
    if policy.switched_off {
        return Some(Condition::ZeroReservedConcurrency);
    }
    let age_ms = now_ms.saturating_sub(progress.accepted_ms);
    (age_ms >= policy.max_age_ms).then_some(Condition::EventAgeExceeded)
}

/// After an attempt. `progress` is from before it.
pub fn after(now_ms: u64, progress: Progress, outcome: Outcome, policy: Policy) -> Next {
    let too_old_ms = progress.accepted_ms.saturating_add(policy.max_age_ms);
    match outcome {
        Outcome::Returned => Next::End(Condition::Success),
        Outcome::Failed => {
            let attempts = progress.attempts + 1;
            if attempts > policy.retry_attempts {
                return Next::End(Condition::RetriesExhausted);
            }
            // AWS looks at the age before it waits for the retry, not after (recorded: an age of 60 s ends with the first attempt).
            let at_ms = now_ms + policy.delays.after_failure(attempts);
            if at_ms >= too_old_ms {
                return Next::End(Condition::EventAgeExceeded);
            }
            Next::Retry { at_ms, progress: Progress { attempts, refusals: 0, ..progress } }
        }
        Outcome::Refused => {
            if now_ms >= too_old_ms {
                return Next::End(Condition::EventAgeExceeded);
            }
            let refusals = progress.refusals.saturating_add(1);
            // Not past the age: then the event ends on time and not up to five minutes later (judgement).
            let at_ms = (now_ms + policy.delays.after_refusal(refusals)).min(too_old_ms);
            Next::Retry { at_ms, progress: Progress { refusals, ..progress } }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAYS: Delays = Delays { retry_base_ms: RETRY_BASE_MS };

    fn policy(config: &EventInvokeConfig) -> Policy {
        Policy::of(Some(config), None, DELAYS)
    }

    /// Lives an event that always ends its attempts in the same way, in `ran_ms` each: attempts as (when, how often before), and how it ended when.
    fn live(policy: Policy, outcome: Outcome, ran_ms: u64) -> (Vec<u64>, Condition, u32, u64) {
        let (mut now_ms, mut progress, mut attempts) = (0, Progress::default(), Vec::new());
        loop {
            if let Some(condition) = before(now_ms, progress, policy) {
                return (attempts, condition, progress.attempts, now_ms);
            }
            attempts.push(now_ms);
            now_ms += ran_ms;
            match after(now_ms, progress, outcome, policy) {
                Next::End(condition) => {
                    let ran = progress.attempts + u32::from(outcome != Outcome::Refused);
                    return (attempts, condition, ran, now_ms);
                }
                Next::Retry { at_ms, progress: next } => (now_ms, progress) = (at_ms, next),
            }
        }
    }

    #[test]
    fn a_function_that_fails_is_tried_again_after_one_and_two_minutes() {
        let default = Policy::of(None, None, DELAYS);
        let expected = (vec![0, 60_100, 180_200], Condition::RetriesExhausted, 3, 180_300);
        assert_eq!(live(default, Outcome::Failed, 100), expected);
        for (retries, count) in [(0, 1), (1, 2), (2, 3)] {
            let config =
                EventInvokeConfig { maximum_retry_attempts: Some(retries), ..EventInvokeConfig::default() };
            let (attempts, condition, ran, _) = live(policy(&config), Outcome::Failed, 5);
            assert_eq!((attempts.len(), condition, ran), (count, Condition::RetriesExhausted, count as u32));
        }
    }

    #[test]
    fn the_age_is_looked_at_before_a_retry_is_waited_for() {
        for (age_s, count, ended_ms) in [(60, 1, 10), (70, 2, 60_020), (200, 3, 180_030)] {
            let config =
                EventInvokeConfig { maximum_event_age_s: Some(age_s), ..EventInvokeConfig::default() };
            let (attempts, condition, ran, at_ms) = live(policy(&config), Outcome::Failed, 10);
            let expected = if count == 3 { Condition::RetriesExhausted } else { Condition::EventAgeExceeded };
            assert_eq!((attempts.len(), condition, ran, at_ms), (count as usize, expected, count, ended_ms));
        }
    }

    #[test]
    fn throttles_use_up_no_attempts_and_end_after_six_hours() {
        let (attempts, condition, ran, at_ms) = live(Policy::of(None, None, DELAYS), Outcome::Refused, 0);
        let waits: Vec<u64> = attempts.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
        assert_eq!(waits[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(waits[10..].iter().all(|wait| *wait <= 300));
        assert_eq!((condition, ran, at_ms), (Condition::EventAgeExceeded, 0, 21_600_000));
    }

    #[test]
    fn a_function_that_is_switched_off_is_not_tried() {
        let off = Policy::of(None, Some(0), DELAYS);
        let expected = (vec![], Condition::ZeroReservedConcurrency, 0, 0);
        assert_eq!(live(off, Outcome::Returned, 1), expected);
        assert_eq!(live(Policy::of(None, Some(1), DELAYS), Outcome::Returned, 1).1, Condition::Success);
    }

    proptest! {
        #[test]
        fn every_event_ends_in_time_and_is_never_tried_more_often_than_it_may(
            retries in 0u32..3, age_s in 60u32..21_601, ran_ms in 0u64..900_000, failed in any::<bool>(),
            retry_base_ms in 1u64..120_000,
        ) {
            let config = EventInvokeConfig {
                maximum_retry_attempts: Some(retries), maximum_event_age_s: Some(age_s), ..EventInvokeConfig::default()
            };
            let policy = Policy::of(Some(&config), None, Delays { retry_base_ms });
            let outcome = if failed { Outcome::Failed } else { Outcome::Refused };
            let (attempts, condition, ran, at_ms) = live(policy, outcome, ran_ms);
            prop_assert!(ran <= retries + 1);
            prop_assert!(at_ms <= u64::from(age_s) * 1_000 + ran_ms, "not later than the attempt that was running");
            prop_assert!(attempts.windows(2).all(|pair| pair[1] > pair[0]));
            prop_assert!(failed || condition == Condition::EventAgeExceeded);
        }
    }
}
