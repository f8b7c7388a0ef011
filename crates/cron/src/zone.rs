//! Time zones, and how local times become instants.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

/// A time zone of the IANA database.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Zone(TimeZone::UTC)
    }

    /// By its name, whatever its case; the database is that of this program.
    pub fn find(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Zone)
    }

    /// The first whole minute of the local clock that is later than an instant.
    pub(crate) fn minute_after(&self, after_ms: u64) -> Option<DateTime> {
        let after = Timestamp::from_millisecond(i64::try_from(after_ms).ok()?).ok()?;
        let local = self.0.to_datetime(after);
        let minute = local.with().second(0).subsec_nanosecond(0).build().ok()?;
        minute.checked_add(1.minute()).ok()
    }

    /// The instant of a local time. One that comes twice is meant the first time; one that does not come is none (AWS
    /// documentation).
    pub(crate) fn instant_ms(&self, local: DateTime) -> Option<u64> {
        let offset = match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        millis(offset.to_timestamp(local).ok()?)
    }

    /// The same, and what does not come is moved by as much as is left out.
    pub(crate) fn compatible_ms(&self, local: DateTime) -> Option<u64> {
        millis(self.0.to_ambiguous_timestamp(local).compatible().ok()?)
    }
}

fn millis(timestamp: Timestamp) -> Option<u64> {
    u64::try_from(timestamp.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_without_the_hosts_database() {
        assert!(Zone::find("America/New_York").is_some() && Zone::find("europe/berlin").is_some());
        assert!(Zone::find("UTC").is_some() && Zone::find("Etc/GMT+5").is_some());
        assert!(Zone::find("Mars/Olympus").is_none() && Zone::find("").is_none());
    }
}
