//! Values of conditions as what their operators compare: numbers, times, addresses.

use std::net::IpAddr;

/// A number.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if plain { text.parse().ok() } else { None }
}

/// A time in milliseconds since 1970: seconds since then, or ISO 8601 from the year alone down to fractions of a second.
pub(crate) fn date_ms(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() > 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().ok()?.checked_mul(1000);
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = field(parts.next()?, 4, 0..=9999)?;
    let month = parts.next().map_or(Some(1), |month| field(month, 2, 1..=12))?;
    let day = parts.next().map_or(Some(1), |day| field(day, 2, 1..=31))?;
    if parts.next().is_some() {
        return None;
    }
    let midnight = days(year, month, day) * 86_400_000;
    match time {
        Some(time) => Some(midnight + time_ms(time)?),
        None => Some(midnight),
    }
}

fn field(text: &str, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let all_digits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = if all_digits { text.parse().ok()? } else { return None };
    range.contains(&value).then_some(value)
}

/// `hh:mm[:ss[.fff]]` and a zone.
fn time_ms(text: &str) -> Option<i64> {
    let (clock, offset_minutes) = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => match text.rfind(['+', '-']) {
            Some(at) => (&text[..at], offset(&text[at..])?),
            None => (text, 0),
        },
    };
    let (clock, fraction_ms) = match clock.split_once('.') {
        Some((clock, fraction)) => {
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
            (clock, padded.parse::<i64>().ok()?)
        }
        None => (clock, 0),
    };
    let mut parts = clock.split(':');
    let hour = field(parts.next()?, 2, 0..=24)?;
    let minute = field(parts.next()?, 2, 0..=59)?;
    let second = parts.next().map_or(Some(0), |second| field(second, 2, 0..=60))?;
    let within_day = ((hour * 60 + minute - offset_minutes) * 60 + second) * 1000 + fraction_ms;
    parts.next().is_none().then_some(within_day)
}

/// `+01:00` or `+0100` in minutes.
fn offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..)?.replace(':', "");
    let hours = field(digits.get(..2)?, 2, 0..=23)?;
    let minutes =
        digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), |rest| field(rest, 2, 0..=59))?;
    Some(sign * (hours * 60 + minutes))
}

/// Days since 1970 in the calendar that is used today, counted in eras of 400 years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// An address, or a block of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    address: IpAddr,
    prefix: u8,
}

impl Block {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(whole), |prefix| prefix.parse().ok())?;
        (prefix <= whole).then_some(Block { address, prefix })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        // `checked_shr`: the empty prefix leaves nothing to compare.
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_iso_8601_or_seconds() {
        assert_eq!(date_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(date_ms("2024-02-29T12:30:15.5Z"), Some(1_709_209_815_500));
        assert_eq!(date_ms("2024-02-29T13:30:15.5+01:00"), Some(1_709_209_815_500));
        assert_eq!(date_ms("1709209815"), Some(1_709_209_815_000));
        assert_eq!(
            (date_ms("2024"), date_ms("2024-01")),
            (date_ms("2024-01-01"), date_ms("2024-01-01T00:00Z"))
        );
        for wrong in
            ["", "24-1-1", "2024-13-01", "2024-01-01T", "tomorrow", "2024-01-01T25:00Z", "2024-01-01-01"]
        {
            assert_eq!(date_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn blocks_contain_addresses() {
        let contains =
            |block: &str, address: &str| Block::parse(block).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "255.1.2.3") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("10.1.2.3", "10.1.2.3") && !contains("10.1.2.3", "10.1.2.4"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1") && !contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("::/0", "2001::1"));
        for wrong in ["10.0.0.0/33", "10.0.0", "::/129", "x/1", "10.0.0.0/"] {
            assert_eq!(Block::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_plain() {
        assert_eq!((number("10"), number("-1.5"), number("1e3")), (Some(10.0), Some(-1.5), Some(1000.0)));
        assert_eq!((number("inf"), number("ten"), number("")), (None, None, None));
    }
}
