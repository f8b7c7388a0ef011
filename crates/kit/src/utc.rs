//! UTC instants as text, without a time zone database: cheap enough for every log line.

/// Year, month, day, and milliseconds within the day.
fn civil(epoch_ms: u64) -> (i64, u32, u32, u64) {
    let days = (epoch_ms / 86_400_000) as i64;
    // Howard Hinnant's days-to-civil algorithm, eras of 400 years starting in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, epoch_ms % 86_400_000)
}

/// `2025-11-25T02:26:54.123` without a zone suffix.
fn date_time_ms(epoch_ms: u64) -> String {
    let (year, month, day, ms) = civil(epoch_ms);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}", ms % 1_000)
}

/// `2025-11-25T02:26:54.123Z`.
pub fn rfc3339_ms(epoch_ms: u64) -> String {
    format!("{}Z", date_time_ms(epoch_ms))
}

/// `2025-11-25T02:26:54Z`.
pub fn rfc3339_s(epoch_ms: u64) -> String {
    let text = date_time_ms(epoch_ms);
    let seconds = text.rsplit_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    format!("{seconds}Z")
}

/// `2025-11-25T02:26:54.123+0000`: Lambda's `LastModified`.
pub fn offset_ms(epoch_ms: u64) -> String {
    format!("{}+0000", date_time_ms(epoch_ms))
}

/// `2025-11-25T02:26:54+0000`: `LastModified` of provisioned concurrency.
pub fn offset_s(epoch_ms: u64) -> String {
    let text = date_time_ms(epoch_ms);
    let seconds = text.rsplit_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    format!("{seconds}+0000")
}

/// `20251125T022654Z`: `X-Amz-Date`, and the time of a signature.
pub fn amz_date(epoch_ms: u64) -> String {
    let (year, month, day, ms) = civil(epoch_ms);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2025/11/25`: the date part of a log stream's name.
pub fn slashed_date(epoch_ms: u64) -> String {
    let (year, month, day, _) = civil(epoch_ms);
    format!("{year:04}/{month:02}/{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_as_utc() {
        assert_eq!(rfc3339_ms(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339_ms(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339_s(1_764_037_614_123), "2025-11-25T02:26:54Z");
        assert_eq!(offset_ms(1_764_037_614_123), "2025-11-25T02:26:54.123+0000");
        assert_eq!(offset_s(1_764_037_614_123), "2025-11-25T02:26:54+0000");
        assert_eq!(amz_date(1_764_037_614_999), "20251125T022654Z");
        assert_eq!(slashed_date(4_107_542_399_999), "2100/02/28");
        assert_eq!(slashed_date(4_107_542_400_000), "2100/03/01");
    }
}
