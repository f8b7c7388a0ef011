//! `rate(value unit)`: distances on the clock; a day is 24 hours, whatever daylight saving does (AWS documentation).

use crate::Invalid;

/// Longer than any schedule lives; keeps sums of milliseconds within their type.
const MAX_VALUE: u64 = 99_999_999;

/// How `value` and `unit` go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// `1 minute`, `5 minutes`: rules (AWS documentation).
    Agreeing,
    /// `1 minutes` too: schedules, whose documentation has plurals alone and whose model has both.
    Loose,
}

/// A distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    period_ms: u64,
}

impl Rate {
    pub(crate) fn parse(text: &str, grammar: Grammar) -> Result<Self, Invalid> {
        let (value, unit) = text.split_once(' ').ok_or(Invalid)?;
        if !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Invalid);
        }
        let value: u64 = value.parse().map_err(|_| Invalid)?;
        if !(1..=MAX_VALUE).contains(&value) {
            return Err(Invalid);
        }
        let singular = unit.strip_suffix('s').unwrap_or(unit);
        if grammar == Grammar::Agreeing && (singular.len() == unit.len()) != (value == 1) {
            return Err(Invalid);
        }
        let unit_ms = match singular {
            "minute" => 60_000,
            "hour" => 3_600_000,
            "day" => 86_400_000,
            _ => return Err(Invalid),
        };
        Ok(Rate { period_ms: value * unit_ms })
    }

    /// Between two times.
    pub fn period_ms(&self) -> u64 {
        self.period_ms
    }

    /// The first time after `after_ms`, of those that begin with `anchor_ms`.
    pub fn next_ms(&self, after_ms: u64, anchor_ms: u64) -> Option<u64> {
        if after_ms < anchor_ms {
            return Some(anchor_ms);
        }
        let passed = (after_ms - anchor_ms) / self.period_ms;
        anchor_ms.checked_add((passed + 1).checked_mul(self.period_ms)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_agree_with_their_number_in_rules() {
        let period = |text, grammar| Rate::parse(text, grammar).map(|rate| rate.period_ms());
        assert_eq!(period("1 hour", Grammar::Agreeing), Ok(3_600_000));
        assert_eq!(period("1 hours", Grammar::Agreeing), Err(Invalid));
        assert_eq!(period("2 hour", Grammar::Agreeing), Err(Invalid));
        assert_eq!(period("1 hours", Grammar::Loose), Ok(3_600_000));
        for text in [
            "0 minutes",
            "+5 minutes",
            "5  minutes",
            "1.5 hours",
            "5 weeks",
            "5 MINUTES",
            "999999999999 days",
            "5 minutes ",
        ] {
            assert_eq!(period(text, Grammar::Loose), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn times_are_multiples_from_the_first() {
        let rate = Rate::parse("5 minutes", Grammar::Agreeing).unwrap();
        assert_eq!(rate.next_ms(999, 1_000), Some(1_000));
        assert_eq!(rate.next_ms(1_000, 1_000), Some(301_000));
        assert_eq!(rate.next_ms(301_000, 1_000), Some(601_000));
        assert_eq!(rate.next_ms(u64::MAX - 1, 1_000), None);
    }
}
