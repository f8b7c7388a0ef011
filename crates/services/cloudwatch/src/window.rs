//! From a request's times to the points that answer it.

use std::collections::BTreeMap;

use lambent_domain::{Distribution, Scope};
use lambent_ports::metric_store::{Metric, MetricStore, MetricStoreError, PointQuery, Tier};

use crate::CloudWatchFault;

/// Most periods that a window may have, whatever is in them.
const MAX_PERIODS: u64 = 1_000_000;

/// Periods in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start_s: u64,
    pub(crate) end_s: u64,
    pub(crate) period_s: u64,
}

/// Values of each period that has some, by its beginning and their unit.
pub(crate) type Values = BTreeMap<(u64, String), Distribution>;

/// `1`, `5`, `10`, `20`, `30`, or whole minutes.
pub(crate) fn check_period(period_s: i32, parameter: &str) -> Result<u64, CloudWatchFault> {
    match u64::try_from(period_s) {
        Ok(period @ (1 | 5 | 10 | 20 | 30)) => Ok(period),
        Ok(period) if period > 0 && period % 60 == 0 => Ok(period),
        _ => Err(CloudWatchFault::Value(format!(
            "The parameter {parameter} must be a value in the set [ 1, 5, 10, 20, 30 ] or a multiple of 60."
        ))),
    }
}

impl Window {
    /// The start is rounded down, the more the longer ago it is, as AWS documents; periods are counted from there, not from
    /// midnight (the documentation does not say so, it follows from its advice to align times with the period).
    pub(crate) fn new(start: f64, end: f64, period_s: u64, now_ms: u64) -> Result<Self, CloudWatchFault> {
        let (start_s, end_s) = (start.max(0.0) as u64, end.max(0.0).ceil() as u64);
        let age_s = (now_ms / 1_000).saturating_sub(start_s);
        let unit_s = match age_s {
            age if age > Tier::FiveMinutes.kept_seconds() => 3_600,
            age if age > Tier::Minute.kept_seconds() => 300,
            _ => period_s.min(60),
        };
        // Before that there is nothing.
        let start_s = start_s.max((now_ms / 1_000).saturating_sub(Tier::Hour.kept_seconds()));
        let start_s = start_s / unit_s * unit_s;
        let window = Window { start_s, end_s, period_s };
        if window.periods() > MAX_PERIODS {
            return Err(CloudWatchFault::Combination("The time range has too many periods.".to_owned()));
        }
        Ok(window)
    }

    pub(crate) fn periods(self) -> u64 {
        self.end_s.saturating_sub(self.start_s).div_ceil(self.period_s)
    }

    /// The longest tier that divides both the period and the start.
    fn tier(self) -> Tier {
        let fits = |tier: &Tier| {
            self.period_s.is_multiple_of(tier.seconds()) && self.start_s.is_multiple_of(tier.seconds())
        };
        Tier::ALL.into_iter().rev().find(fits).unwrap_or(Tier::Second)
    }

    pub(crate) async fn read(
        self,
        store: &dyn MetricStore,
        scope: &Scope,
        metric: Metric,
        unit: Option<String>,
    ) -> Result<Values, MetricStoreError> {
        let query = PointQuery { metric, unit, tier: self.tier(), from_s: self.start_s, until_s: self.end_s };
        let mut values = Values::new();
        for point in store.points(scope, query).await? {
            let start_s = point.start_s - (point.start_s - self.start_s) % self.period_s;
            values.entry((start_s, point.unit)).or_default().merge(&point.values);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const NOW_S: u64 = 20_000 * DAY;

    fn window(ago_s: u64, period_s: u64) -> Window {
        let start = (NOW_S - ago_s) as f64 + 0.5;
        Window::new(start, NOW_S as f64, period_s, NOW_S * 1_000).unwrap()
    }

    #[test]
    fn the_start_is_rounded_by_its_age_and_the_tier_follows() {
        let shown = |window: Window| (NOW_S - window.start_s, window.tier());
        assert_eq!(shown(window(95, 60)), (120, Tier::Minute));
        assert_eq!(shown(window(95, 10)), (100, Tier::Second));
        assert_eq!(shown(window(300, 300)), (300, Tier::FiveMinutes));
        assert_eq!(shown(window(360, 300)), (360, Tier::Minute));
        assert_eq!(shown(window(7_200, 7_200)), (7_200, Tier::Hour));
        assert_eq!(shown(window(20 * DAY + 61, 60)), (20 * DAY + 300, Tier::Minute));
        assert_eq!(shown(window(70 * DAY + 61, 3_600)), (70 * DAY + 3_600, Tier::Hour));
    }

    #[test]
    fn periods_are_those_of_aws() {
        for period in [1, 5, 10, 20, 30, 60, 120, 86_400] {
            assert!(check_period(period, "Period").is_ok(), "{period}");
        }
        for period in [-60, 0, 2, 59, 61] {
            assert!(check_period(period, "Period").is_err(), "{period}");
        }
    }
}
