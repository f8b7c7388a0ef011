//! `cron(minutes hours day-of-month month day-of-week year)`.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};

use crate::field::{DAYS_OF_MONTH, DAYS_OF_WEEK, HOURS, MINUTES, MONTHS, Set, YEARS, number};
use crate::{Invalid, Zone};

/// A calendar of minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Set,
}

/// Which days of a month. Days of the week count from 1, which is Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    OfMonth(Set),
    /// `L`.
    Last,
    /// `LW`: the last one of Monday to Friday. Not in AWS's documentation, but in the grammar it is taken from (judgement).
    LastWeekday,
    /// `15W`: of Monday to Friday the nearest to that day, within the month. A month without the day has none.
    Nearest(i8),
    OfWeek(Set),
    /// `6L`: the last Friday.
    LastOfWeek(u16),
    /// `6#3`: the third Friday.
    Nth(u16, i8),
}

impl Cron {
    /// Six fields separated by white space.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, day_of_month, months, day_of_week, years] = fields[..] else {
            return Err(Invalid);
        };
        let days = match (day_of_month, day_of_week) {
            // Exactly one of both says something (AWS documentation; recorded).
            ("?", "?") => return Err(Invalid),
            (day, "?") => Days::of_month(day)?,
            ("?", day) => Days::of_week(day)?,
            _ => return Err(Invalid),
        };
        Ok(Cron {
            minutes: MINUTES.set(minutes)?,
            hours: HOURS.set(hours)?,
            days,
            months: MONTHS.set(months)?,
            years: YEARS.set(years)?,
        })
    }

    /// The first time after `after_ms` on the zone's clock.
    pub fn next_ms(&self, after_ms: u64, zone: &Zone) -> Option<u64> {
        let mut local = zone.minute_after(after_ms)?;
        loop {
            local = self.first_from(local)?;
            match zone.instant_ms(local) {
                // The second time that a clock shows the same, the first one is already past.
                Some(at_ms) if at_ms > after_ms => return Some(at_ms),
                _ => local = local.checked_add(1.minute()).ok()?,
            }
        }
    }

    /// The first minute of the calendar that is not before `from`, which is a whole minute.
    fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let year = from.year().max(i16::try_from(YEARS.min).ok()?);
        let last = i16::try_from(YEARS.max).ok()?;
        (year..=last).filter(|year| self.years.contains(year.unsigned_abs())).find_map(|year| {
            let month = if year == from.year() { from.month() } else { 1 };
            (month..=12)
                .filter(|month| self.months.contains(month.unsigned_abs().into()))
                .find_map(|month| self.first_in_month(Date::new(year, month, 1).ok()?, from))
        })
    }

    fn first_in_month(&self, first: Date, from: DateTime) -> Option<DateTime> {
        let days = (1..=first.days_in_month()).filter_map(|day| first.with().day(day).build().ok());
        days.filter(|day| *day >= from.date() && self.days.contain(*day)).find_map(|day| {
            let begin = if day == from.date() { (from.hour(), from.minute()) } else { (0, 0) };
            let (hour, minute) = self.first_in_day(begin)?;
            Some(day.at(hour, minute, 0, 0))
        })
    }

    fn first_in_day(&self, (hour, minute): (i8, i8)) -> Option<(i8, i8)> {
        (hour..=23).filter(|now| self.hours.contains(now.unsigned_abs().into())).find_map(|now| {
            let begin = if now == hour { minute } else { 0 };
            let minute = (begin..=59).find(|minute| self.minutes.contains(minute.unsigned_abs().into()))?;
            Some((now, minute))
        })
    }
}

impl Days {
    fn of_month(text: &str) -> Result<Self, Invalid> {
        let upper = text.to_ascii_uppercase();
        match upper.as_str() {
            "L" => return Ok(Days::Last),
            "LW" => return Ok(Days::LastWeekday),
            _ => {}
        }
        match upper.strip_suffix('W') {
            Some(day) => {
                let day = DAYS_OF_MONTH.value(day)?;
                Ok(Days::Nearest(i8::try_from(day).map_err(|_| Invalid)?))
            }
            None => Ok(Days::OfMonth(DAYS_OF_MONTH.set(&upper)?)),
        }
    }

    /// `L` and `#` stand alone, without a list (AWS documentation for `#`).
    fn of_week(text: &str) -> Result<Self, Invalid> {
        let upper = text.to_ascii_uppercase();
        if upper == "L" {
            // The week's last day.
            return Ok(Days::OfWeek(DAYS_OF_WEEK.set("7")?));
        }
        if let Some((day, nth)) = upper.split_once('#') {
            let nth = number(nth)?;
            if !(1..=5).contains(&nth) {
                return Err(Invalid);
            }
            return Ok(Days::Nth(DAYS_OF_WEEK.value(day)?, i8::try_from(nth).map_err(|_| Invalid)?));
        }
        match upper.strip_suffix('L') {
            Some(day) => Ok(Days::LastOfWeek(DAYS_OF_WEEK.value(day)?)),
            None => Ok(Days::OfWeek(DAYS_OF_WEEK.set(&upper)?)),
        }
    }

    fn contain(&self, date: Date) -> bool {
        let (day, of_month) = (date.day(), date.days_in_month());
        let of_week = day_of_week(date);
        match *self {
            Days::OfMonth(days) => days.contains(day.unsigned_abs().into()),
            Days::Last => day == of_month,
            Days::LastWeekday => day == nearest_weekday(date, of_month),
            Days::Nearest(wanted) => wanted <= of_month && day == nearest_weekday(date, wanted),
            Days::OfWeek(days) => days.contains(of_week),
            Days::LastOfWeek(wanted) => of_week == wanted && day + 7 > of_month,
            Days::Nth(wanted, nth) => of_week == wanted && (day - 1) / 7 + 1 == nth,
        }
    }
}

/// 1 is Sunday.
fn day_of_week(date: Date) -> u16 {
    date.weekday().to_sunday_one_offset().unsigned_abs().into()
}

/// Of Monday to Friday the nearest to a day of `date`'s month, without leaving the month.
fn nearest_weekday(date: Date, day: i8) -> i8 {
    let Ok(wanted) = date.with().day(day).build() else { return 0 };
    let last = wanted.days_in_month();
    match wanted.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == last => day - 2,
        Weekday::Sunday => day + 1,
        _ => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(fields: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(fields).unwrap();
        let zone = Zone::find(zone).unwrap();
        let mut now_ms = after.parse::<jiff::Timestamp>().unwrap().as_millisecond().unsigned_abs();
        let mut found = Vec::new();
        while found.len() < count {
            let Some(next) = cron.next_ms(now_ms, &zone) else { break };
            now_ms = next;
            let at = jiff::Timestamp::from_millisecond(i64::try_from(next).unwrap()).unwrap();
            found.push(at.to_string());
        }
        found
    }

    #[test]
    fn days_of_months_and_weeks() {
        let from = "2025-01-01T00:00:00Z";
        assert_eq!(times("0 2 * * ? *", "UTC", from, 2), ["2025-01-01T02:00:00Z", "2025-01-02T02:00:00Z"]);
        assert_eq!(times("0 0 L 2 ? *", "UTC", from, 4)[3], "2028-02-29T00:00:00Z");
        assert_eq!(
            times("15 10 ? * 6L 2025", "UTC", from, 2),
            ["2025-01-31T10:15:00Z", "2025-02-28T10:15:00Z"]
        );
        assert_eq!(
            times("0 0 ? * SAT#3 *", "UTC", from, 2),
            ["2025-01-18T00:00:00Z", "2025-02-15T00:00:00Z"]
        );
        assert_eq!(
            times("0 0 ? * FRI#5 *", "UTC", from, 2),
            ["2025-01-31T00:00:00Z", "2025-05-30T00:00:00Z"]
        );
        // The 1st of February 2025 is a Saturday, the 15th one too, the 31st of August a Sunday.
        assert_eq!(times("0 0 1W 2 ? 2025", "UTC", from, 1), ["2025-02-03T00:00:00Z"]);
        assert_eq!(times("0 0 15W 2 ? 2025", "UTC", from, 1), ["2025-02-14T00:00:00Z"]);
        assert_eq!(times("0 0 31W 8-9 ? 2025", "UTC", from, 2), ["2025-08-29T00:00:00Z"]);
        assert_eq!(times("0 0 LW 8 ? 2025", "UTC", from, 1), ["2025-08-29T00:00:00Z"]);
        assert_eq!(times("0 0 ? * L *", "UTC", from, 1), ["2025-01-04T00:00:00Z"]);
    }

    #[test]
    fn what_is_past_or_never_comes_has_no_next_time() {
        assert!(times("15 10 ? * 6L 2002-2005", "UTC", "2025-01-01T00:00:00Z", 1).is_empty());
        assert!(times("0 0 31 2 ? *", "UTC", "2025-01-01T00:00:00Z", 1).is_empty());
        assert!(times("* * * * ? *", "UTC", "2199-12-31T23:59:00Z", 1).is_empty());
        assert_eq!(times("* * * * ? *", "UTC", "2199-12-31T23:58:59Z", 3), ["2199-12-31T23:59:00Z"]);
    }

    #[test]
    fn a_time_is_later_than_the_instant_even_within_its_minute() {
        assert_eq!(times("0 2 * * ? *", "UTC", "2025-01-01T02:00:00Z", 1), ["2025-01-02T02:00:00Z"]);
        assert_eq!(times("0 2 * * ? *", "UTC", "2025-01-01T01:59:59.999Z", 1), ["2025-01-01T02:00:00Z"]);
    }

    #[test]
    fn daylight_saving_skips_what_does_not_come_and_repeats_nothing() {
        // New York: 2025-03-09 has no 02:30, 2025-11-02 has 01:30 twice.
        assert_eq!(
            times("30 2 * * ? *", "America/New_York", "2025-03-08T12:00:00Z", 2),
            ["2025-03-10T06:30:00Z", "2025-03-11T06:30:00Z"]
        );
        assert_eq!(
            times("30 1 * * ? *", "America/New_York", "2025-11-02T00:00:00Z", 2),
            ["2025-11-02T05:30:00Z", "2025-11-03T06:30:00Z"]
        );
        // From within the second of both.
        assert_eq!(
            times("0/30 * * * ? *", "America/New_York", "2025-11-02T06:10:00Z", 1),
            ["2025-11-02T07:00:00Z"]
        );
    }

    #[test]
    fn wildcards_stand_where_they_belong() {
        for text in [
            "0 0 ? * ? *",
            "0 0 * * * *",
            "? 0 * * ? *",
            "0 0 * ? ? *",
            "0 0 * * ? ?",
            "0 0 ? * 3#1,6#3 *",
            "0 0 ? * 2#6 *",
            "0 0 ? * #2 *",
            "0 0 ? * 2#0 *",
            "0 0 32W * ? *",
            "0 0 W * ? *",
            "0 0 1W,15W * ? *",
            "0 0 L,1 * ? *",
            "0 0 ? * 8L *",
            "0 0 ? * LL *",
            "L 0 * * ? *",
            "0 0 * * ?",
            "0 0 * * ? * *",
            "0 0 ? * 2/2 *",
            "0 0 L-3 * ? *",
        ] {
            assert_eq!(Cron::parse(text), Err(Invalid), "{text}");
        }
        assert!(Cron::parse(" 0  0\t1w JAN,feb ? 2030-2040 ").is_ok());
    }
}
