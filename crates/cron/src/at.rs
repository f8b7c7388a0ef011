//! `at(yyyy-mm-ddThh:mm:ss)`: once, in the schedule's time zone.

use jiff::civil::DateTime;

use crate::{Invalid, Zone};

/// A local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(DateTime);

impl At {
    /// Exactly 19 characters: neither a date alone nor a zone (recorded).
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let formed = text.len() == 19
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                10 => byte == b'T',
                13 | 16 => byte == b':',
                _ => byte.is_ascii_digit(),
            });
        let time: DateTime = text.parse().ok().filter(|_| formed).ok_or(Invalid)?;
        // A second that jiff rounds down would be another time than what is written.
        (time.to_string() == text).then_some(At(time)).ok_or(Invalid)
    }

    /// When that is. A time that daylight saving leaves out is as much later as it leaves out, and of two the first is
    /// meant: one-time schedules always come (judgement; the documentation speaks of `cron` alone).
    pub fn instant_ms(&self, zone: &Zone) -> Option<u64> {
        zone.compatible_ms(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_is_an_instant_of_its_zone() {
        let at = At::parse("2022-11-20T13:00:00").unwrap();
        assert_eq!(at.instant_ms(&Zone::utc()), Some(1_668_949_200_000));
        let berlin = Zone::find("Europe/Berlin").unwrap();
        assert_eq!(at.instant_ms(&berlin), Some(1_668_945_600_000));
        let left_out = At::parse("2025-03-30T02:30:00").unwrap();
        let after = At::parse("2025-03-30T03:30:00").unwrap();
        assert_eq!(left_out.instant_ms(&berlin), after.instant_ms(&berlin));
    }

    #[test]
    fn nothing_else_is_a_time() {
        for text in [
            "",
            "2022-11-20T13:00",
            "2022-11-20 13:00:00",
            "2022-11-20T13:00:60",
            "2022-02-30T13:00:00",
            "+022-11-20T13:00:00",
        ] {
            assert_eq!(At::parse(text), Err(Invalid), "{text}");
        }
    }
}
