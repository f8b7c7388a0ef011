//! One field of a cron expression: a list of values, ranges and steps, as a set.

use crate::Invalid;

/// Which values a field has, and how they may be called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) min: u16,
    pub(crate) max: u16,
    /// Names of the first values; none where only numbers are meant.
    names: &'static [&'static str],
    /// Whether `/` may stand in it.
    steps: bool,
}

pub(crate) const MINUTES: Kind = Kind { min: 0, max: 59, names: &[], steps: true };
pub(crate) const HOURS: Kind = Kind { min: 0, max: 23, names: &[], steps: true };
pub(crate) const DAYS_OF_MONTH: Kind = Kind { min: 1, max: 31, names: &[], steps: true };
pub(crate) const MONTHS: Kind = Kind { min: 1, max: 12, names: MONTH_NAMES, steps: true };
/// 1 is Sunday. No steps: AWS's documentation does not have them here.
pub(crate) const DAYS_OF_WEEK: Kind = Kind { min: 1, max: 7, names: DAY_NAMES, steps: false };
pub(crate) const YEARS: Kind = Kind { min: 1_970, max: 2_199, names: &[], steps: true };

const MONTH_NAMES: &[&str] =
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAY_NAMES: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Values of a field: a bit each, from its smallest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    min: u16,
    bits: [u64; 4],
}

impl Set {
    fn empty(min: u16) -> Self {
        Set { min, bits: [0; 4] }
    }

    fn insert(&mut self, value: u16) {
        let at = usize::from(value - self.min);
        self.bits[at / 64] |= 1 << (at % 64);
    }

    pub(crate) fn contains(&self, value: u16) -> bool {
        let Some(at) = value.checked_sub(self.min).map(usize::from) else { return false };
        self.bits.get(at / 64).is_some_and(|bits| bits & (1 << (at % 64)) != 0)
    }
}

impl Kind {
    /// A list such as `1-5,10,20/5`.
    pub(crate) fn set(&self, text: &str) -> Result<Set, Invalid> {
        let mut set = Set::empty(self.min);
        for item in text.split(',') {
            let (values, step) = match item.split_once('/') {
                Some((values, step)) if self.steps => (values, Some(number(step)?)),
                Some(_) => return Err(Invalid),
                None => (item, None),
            };
            let (first, last) = self.range(values, step.is_some())?;
            let step = step.unwrap_or(1);
            // A step is at most what the field is long; zero would stand still.
            if step == 0 || step > self.max - self.min + 1 {
                return Err(Invalid);
            }
            (first..=last).step_by(usize::from(step)).for_each(|value| set.insert(value));
        }
        Ok(set)
    }

    /// `*`, `a`, `a-b`; with a step, `a` goes on to the end. A range that runs backwards is refused: AWS's documentation
    /// goes over midnight with two rules (judgement).
    fn range(&self, text: &str, stepped: bool) -> Result<(u16, u16), Invalid> {
        if text == "*" {
            return Ok((self.min, self.max));
        }
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None if stepped => (self.value(text)?, self.max),
            None => (self.value(text)?, self.value(text)?),
        };
        (first <= last).then_some((first, last)).ok_or(Invalid)
    }

    /// A number of the field or one of its names, in letters of any case.
    pub(crate) fn value(&self, text: &str) -> Result<u16, Invalid> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named.and_then(|at| u16::try_from(at).ok()) {
            Some(at) => self.min + at,
            None => number(text)?,
        };
        (self.min..=self.max).contains(&value).then_some(value).ok_or(Invalid)
    }
}

/// Digits alone: `parse` would take a sign, too.
pub(crate) fn number(text: &str) -> Result<u16, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(kind: Kind, text: &str) -> Result<Vec<u16>, Invalid> {
        let set = kind.set(text)?;
        Ok((kind.min..=kind.max).filter(|value| set.contains(*value)).collect())
    }

    #[test]
    fn lists_ranges_steps_and_names() {
        assert_eq!(values(MINUTES, "5,35"), Ok(vec![5, 35]));
        assert_eq!(values(MINUTES, "1/20"), Ok(vec![1, 21, 41]));
        assert_eq!(values(MINUTES, "*/30,7"), Ok(vec![0, 7, 30]));
        assert_eq!(values(HOURS, "8-17/4"), Ok(vec![8, 12, 16]));
        assert_eq!(values(MONTHS, "JAN,mar-5"), Ok(vec![1, 3, 4, 5]));
        assert_eq!(values(DAYS_OF_WEEK, "MON-FRI"), Ok(vec![2, 3, 4, 5, 6]));
        assert_eq!(values(YEARS, "2198/1"), Ok(vec![2198, 2199]));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "", "60", "-1", "+1", "1,", ",1", "5-1", "1-", "1/0", "1/61", "/5", "1--2", "1/2/3", "a", "* ",
            "1-2-3", "99999999",
        ] {
            assert_eq!(values(MINUTES, text), Err(Invalid), "{text:?}");
        }
        for text in ["0", "8", "SUNDAY", "2/2", "JAN"] {
            assert_eq!(values(DAYS_OF_WEEK, text), Err(Invalid), "{text:?}");
        }
        assert_eq!(values(YEARS, "1969"), Err(Invalid));
    }
}
