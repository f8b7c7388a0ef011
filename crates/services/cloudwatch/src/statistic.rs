//! Statistics of values. Beyond the five of old there are percentiles and what stands between two bounds of the values.

use lambent_domain::Distribution;
use lambent_domain::distribution::Bin;

/// A statistic that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99.9`: a share of the values is not above it.
    Percentile(f64),
    /// Of the values between two bounds.
    Between(Kind, Bounds),
}

/// What is told of the values between bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `TM`: their mean.
    TrimmedMean,
    /// `WM`: the mean of all, with those outside put at the bounds.
    WinsorizedMean,
    /// `TC`: how many they are.
    TrimmedCount,
    /// `TS`: their sum.
    TrimmedSum,
    /// `PR`: their share of all, in percent.
    PercentileRank,
}

/// Two bounds, of which one may be open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bounds {
    /// Shares of all values, in order: above the first, up to the second.
    Percent(f64, f64),
    /// Values: above the first, up to the second.
    Absolute(f64, f64),
}

impl Statistic {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "SampleCount" => Statistic::SampleCount,
            "Average" => Statistic::Average,
            "Sum" => Statistic::Sum,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            _ => return Self::parse_extended(text),
        })
    }

    /// Those that stand in `ExtendedStatistics`.
    pub(crate) fn parse_extended(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("IQM") {
            return Some(Statistic::Between(Kind::TrimmedMean, Bounds::Percent(25.0, 75.0)));
        }
        let percent = |digits: &str| digits.parse().ok().filter(|share| (0.0..=100.0).contains(share));
        if let Some(digits) = text.strip_prefix('p') {
            return percent(digits).map(Statistic::Percentile);
        }
        let (name, rest) = text.split_at_checked(2)?;
        let kind = match name.to_ascii_uppercase().as_str() {
            "TM" => Kind::TrimmedMean,
            "WM" => Kind::WinsorizedMean,
            "TC" => Kind::TrimmedCount,
            "TS" => Kind::TrimmedSum,
            "PR" => Kind::PercentileRank,
            _ => return None,
        };
        let bounds = match rest.strip_prefix('(') {
            // `tm90`: the lowest 90 %.
            None => Bounds::Percent(0.0, percent(rest)?),
            Some(rest) => {
                let (from, to) = rest.strip_suffix(')')?.split_once(':')?;
                bounds(from, to)?
            }
        };
        let fits = kind != Kind::PercentileRank || matches!(bounds, Bounds::Absolute(..));
        fits.then_some(Statistic::Between(kind, bounds))
    }

    /// Its value; `None` where it is not known.
    pub(crate) fn of(self, values: &Distribution) -> Option<f64> {
        Some(match self {
            Statistic::SampleCount => values.count(),
            Statistic::Average => values.average(),
            Statistic::Sum => values.sum(),
            Statistic::Minimum => values.minimum(),
            Statistic::Maximum => values.maximum(),
            Statistic::Percentile(share) => percentile(values, share)?,
            Statistic::Between(kind, bounds) => between(values, kind, bounds)?,
        })
    }
}

fn bounds(from: &str, to: &str) -> Option<Bounds> {
    if from.is_empty() && to.is_empty() {
        return None;
    }
    let part = |text: &str, open: f64| match text {
        "" => Some(open),
        _ => text.parse::<f64>().ok().filter(|number| number.is_finite()),
    };
    let (low, high) = if from.ends_with('%') || to.ends_with('%') {
        let share = |text: &str, open| match (text.is_empty(), text.strip_suffix('%')) {
            (true, _) => Some(open),
            (_, digits) => part(digits?, open).filter(|share| (0.0..=100.0).contains(share)),
        };
        let (low, high) = (share(from, 0.0)?, share(to, 100.0)?);
        return (low < high).then_some(Bounds::Percent(low, high));
    } else {
        (part(from, f64::NEG_INFINITY)?, part(to, f64::INFINITY)?)
    };
    (low < high).then_some(Bounds::Absolute(low, high))
}

/// The least value that the share of all values is not above. Bins have their middles, which can lie outside of what came.
fn percentile(values: &Distribution, share: f64) -> Option<f64> {
    let (_, bins) = values.bins()?;
    let wanted = values.count() * share / 100.0;
    let mut seen = 0.0;
    let found = bins.iter().find(|bin| {
        seen += bin.count;
        // Counts are sums: a hair's breadth of them is no value.
        seen >= wanted * (1.0 - 1e-12)
    });
    let value = found.or(bins.last())?.value;
    Some(value.clamp(values.minimum(), values.maximum()))
}

fn between(values: &Distribution, kind: Kind, bounds: Bounds) -> Option<f64> {
    let (_, bins) = values.bins()?;
    let inside = inside(values, bins, bounds);
    let count: f64 = inside.iter().map(|bin| bin.count).sum();
    let sum: f64 = inside.iter().map(|bin| bin.count * bin.value).sum();
    match kind {
        Kind::TrimmedCount => Some(count),
        Kind::TrimmedSum => Some(sum),
        Kind::PercentileRank => Some(100.0 * count / values.count()),
        Kind::TrimmedMean => (count > 0.0).then(|| sum / count),
        Kind::WinsorizedMean => {
            let (low, high) = (inside.first()?.value, inside.last()?.value);
            let moved: f64 = bins.iter().map(|bin| bin.count * bin.value.clamp(low, high)).sum();
            Some(moved / values.count())
        }
    }
}

/// The parts of bins between bounds.
fn inside(values: &Distribution, bins: &[Bin], bounds: Bounds) -> Vec<Bin> {
    match bounds {
        Bounds::Absolute(low, high) => {
            bins.iter().filter(|bin| bin.value > low && bin.value <= high).copied().collect()
        }
        Bounds::Percent(low, high) => {
            let (low, high) = (values.count() * low / 100.0, values.count() * high / 100.0);
            let mut seen = 0.0;
            let part = |bin: &Bin| {
                let (from, to) = (seen, seen + bin.count);
                seen = to;
                let count = to.min(high) - from.max(low);
                (count > 0.0).then_some(Bin { value: bin.value, count })
            };
            bins.iter().filter_map(part).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> Distribution {
        let mut values = Distribution::default();
        (1..=50).for_each(|value| values.add(f64::from(value) * 2.0, 2.0));
        values
    }

    fn of(text: &str) -> Option<f64> {
        Statistic::parse(text).unwrap_or_else(|| panic!("{text}")).of(&hundred())
    }

    #[test]
    fn every_statistic_of_exact_values() {
        let expected = [
            ("SampleCount", 100.0),
            ("Average", 51.0),
            ("Sum", 5_100.0),
            ("Minimum", 2.0),
            ("Maximum", 100.0),
            ("p0", 2.0),
            ("p50", 50.0),
            ("p99", 100.0),
            ("p99.9", 100.0),
            ("p100", 100.0),
            ("tm50", 26.0),
            ("TM(50%:100%)", 76.0),
            ("TM(:10)", 6.0),
            ("IQM", 51.0),
            ("tc90", 90.0),
            ("TS(98:)", 200.0),
            ("TC(10%:20%)", 10.0),
            ("PR(:50)", 50.0),
            ("wm50", 38.0),
        ];
        for (text, value) in expected {
            let found = of(text).unwrap();
            assert!((found - value).abs() < 0.6, "{text}: {found}");
        }
    }

    #[test]
    fn what_is_no_statistic_is_refused() {
        for text in [
            "",
            "p",
            "p101",
            "pp",
            "TM",
            "TM()",
            "TM(:)",
            "TM(5%:1%)",
            "TM(1:x)",
            "PR(1%:2%)",
            "pNaN",
            "median",
            "ü",
        ] {
            assert_eq!(Statistic::parse(text), None, "{text}");
        }
        assert_eq!(Statistic::parse_extended("Sum"), None);
    }

    #[test]
    fn nothing_is_known_between_the_bounds_of_a_set() {
        let set = Distribution::of_set(3.0, 9.0, 1.0, 6.0);
        assert_eq!(Statistic::Average.of(&set), Some(3.0));
        assert_eq!(Statistic::Percentile(50.0).of(&set), None);
    }
}
