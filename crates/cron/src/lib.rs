//! When rules of EventBridge and schedules of EventBridge Scheduler are due: `cron(…)`, `rate(…)` and `at(…)`, as AWS
//! reads them. Pure: an instant goes in, the next one comes out.
//!
//! What neither AWS's recorded answers nor its documentation decide is judgement, and says so where it stands.

mod at;
mod cron;
mod field;
mod rate;
mod zone;

pub use at::At;
pub use cron::Cron;
pub use rate::Rate;
pub use zone::Zone;

/// The text is not an expression. What AWS calls it depends on the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no schedule expression")]
pub struct Invalid;

/// A schedule expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Once, at a local time.
    At(At),
    /// Again and again, in equal distances.
    Rate(Rate),
    /// At local times of a calendar.
    Cron(Cron),
}

impl Expression {
    /// What a rule's `ScheduleExpression` may be: no `at`, and units of `rate` agree with their number.
    pub fn of_rule(text: &str) -> Result<Self, Invalid> {
        match argument(text)? {
            ("rate", rate) => Ok(Expression::Rate(Rate::parse(rate, rate::Grammar::Agreeing)?)),
            ("cron", fields) => Ok(Expression::Cron(Cron::parse(fields)?)),
            _ => Err(Invalid),
        }
    }

    /// What a schedule's `ScheduleExpression` may be.
    pub fn of_schedule(text: &str) -> Result<Self, Invalid> {
        match argument(text)? {
            ("at", time) => Ok(Expression::At(At::parse(time)?)),
            ("rate", rate) => Ok(Expression::Rate(Rate::parse(rate, rate::Grammar::Loose)?)),
            ("cron", fields) => Ok(Expression::Cron(Cron::parse(fields)?)),
            _ => Err(Invalid),
        }
    }

    /// The first time that is later than `after_ms`; `None` when there is none any more. A rate counts from `anchor_ms`,
    /// which is its first time.
    pub fn next_ms(&self, after_ms: u64, anchor_ms: u64, zone: &Zone) -> Option<u64> {
        match self {
            Expression::At(at) => at.instant_ms(zone).filter(|at_ms| *at_ms > after_ms),
            Expression::Rate(rate) => rate.next_ms(after_ms, anchor_ms),
            Expression::Cron(cron) => cron.next_ms(after_ms, zone),
        }
    }
}

/// `cron(x)` as `cron` and `x`. Nothing may stand around it (recorded).
fn argument(text: &str) -> Result<(&str, &str), Invalid> {
    let (kind, rest) = text.split_once('(').ok_or(Invalid)?;
    let argument = rest.strip_suffix(')').ok_or(Invalid)?;
    Ok((kind, argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_refused_is_refused() {
        let crons = [
            "cron(0 1 * * * *)",
            "cron(0 dummy ? * MON-FRI *)",
            "cron(7 20 * * NOT *)",
            "cron(71 8 1 * ? *)",
            "cron(INVALID)",
            "cron()",
        ];
        for text in crons {
            assert_eq!(Expression::of_rule(text), Err(Invalid), "{text}");
            assert_eq!(Expression::of_schedule(text), Err(Invalid), "{text}");
        }
        let schedules = [
            " rate(10 minutes)",
            "rate( 10 minutes )",
            "rate()",
            "rate(-10 minutes)",
            "rate(10 minutess)",
            "rate(10 seconds)",
            "rate(10 years)",
            "rate(10)",
            "rate(foo minutes)",
            "at(2021-12-31)",
            "at(2021-12-31T23:59:59Z)",
        ];
        for text in schedules {
            assert_eq!(Expression::of_schedule(text), Err(Invalid), "{text}");
            assert_eq!(Expression::of_rule(text), Err(Invalid), "{text}");
        }
        assert!(Expression::of_rule("at(2021-12-31T23:59:59)").is_err());
    }

    #[test]
    fn what_aws_took_is_taken() {
        let texts = [
            "cron(* * ? * SAT#3 *)",
            "cron(0 10 * * ? *)",
            "cron(0 18 ? * MON-FRI *)",
            "cron(0 2 ? * SAT *)",
            "cron(0 8 1 * ? *)",
            "cron(0/10 * ? * MON-FRI *)",
            "cron(0/15 * * * ? *)",
            "cron(0/30 0-2 ? * MON-FRI *)",
            "cron(0/5 5 ? JAN 1-5 2022)",
            "cron(15 10 ? * 6L 2002-2005)",
            "cron(5,35 14 * * ? *)",
            "rate(1 minute)",
            "rate(5 minutes)",
            "rate(7 days)",
        ];
        for text in texts {
            assert!(Expression::of_rule(text).is_ok(), "{text}");
            assert!(Expression::of_schedule(text).is_ok(), "{text}");
        }
    }
}
