//! Values of a metric within some time: how many, their sum, their bounds, and where between them they lie.
//!
//! Of up to [`EXACT`] different values each is known. Beyond that they are put into bins whose bounds grow by a hundredth, and
//! by more when there are too many of these, so that a distribution has a greatest size whatever is added.

/// Different values that are kept as they are.
pub const EXACT: usize = 64;
/// Most bins.
const MAX_BINS: usize = 256;
/// Bounds of the finest bins grow by this.
const FINEST: f64 = 1.01;

/// A value, or the middle of a bin, and how often it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The value.
    pub value: f64,
    /// How often; need not be whole.
    pub count: f64,
}

/// Values of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
    spread: Spread,
}

/// Where the values lie.
#[derive(Clone, Debug, PartialEq)]
enum Spread {
    /// Ordered by value. At level 0 each is a value; at higher ones bounds of bins grow by the finest growth, doubled for each.
    Bins { level: u8, bins: Vec<Bin> },
    /// Only bounds and sum of some of them were given, or one is negative: no percentiles, as on AWS.
    Unknown,
}

impl Default for Spread {
    fn default() -> Self {
        Spread::Bins { level: 0, bins: Vec::new() }
    }
}

impl Distribution {
    /// One value.
    pub fn one(value: f64) -> Self {
        let mut one = Distribution::default();
        one.add(value, 1.0);
        one
    }

    /// What a statistic set says. `count` is above zero, `minimum` not above `maximum`.
    pub fn of_set(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        let same = minimum == maximum || count == 1.0;
        let spread = match same && minimum >= 0.0 {
            true => Spread::Bins { level: 0, bins: vec![Bin { value: minimum, count }] },
            false => Spread::Unknown,
        };
        Distribution { count, sum, minimum, maximum, spread }
    }

    /// What was stored; `bins` are those of [`Self::bins`].
    pub fn of_parts(set: [f64; 4], level: u8, bins: Option<Vec<Bin>>) -> Self {
        let [count, sum, minimum, maximum] = set;
        let spread = bins.map_or(Spread::Unknown, |bins| Spread::Bins { level, bins });
        Distribution { count, sum, minimum, maximum, spread }
    }

    /// Adds a value that came `count` times.
    pub fn add(&mut self, value: f64, count: f64) {
        self.add_set(count, value * count, value, value);
        match &mut self.spread {
            Spread::Bins { level, bins } if value >= 0.0 => {
                insert(bins, Bin { value: binned(value, *level), count });
                shrink(level, bins);
            }
            spread => *spread = Spread::Unknown,
        }
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Distribution) {
        if other.count == 0.0 {
            return;
        }
        self.add_set(other.count, other.sum, other.minimum, other.maximum);
        match (&mut self.spread, &other.spread) {
            (Spread::Bins { level, bins }, Spread::Bins { level: others, bins: added }) => {
                if others > level {
                    *level = *others;
                    *bins = coarsened(bins, *level);
                }
                for bin in added {
                    insert(bins, Bin { value: binned(bin.value, *level), count: bin.count });
                }
                shrink(level, bins);
            }
            (spread, _) => *spread = Spread::Unknown,
        }
    }

    fn add_set(&mut self, count: f64, sum: f64, minimum: f64, maximum: f64) {
        let first = self.count == 0.0;
        self.minimum = if first { minimum } else { self.minimum.min(minimum) };
        self.maximum = if first { maximum } else { self.maximum.max(maximum) };
        self.count += count;
        self.sum += sum;
    }

    /// How many.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The smallest.
    pub fn minimum(&self) -> f64 {
        self.minimum
    }

    /// The greatest.
    pub fn maximum(&self) -> f64 {
        self.maximum
    }

    /// Their mean.
    pub fn average(&self) -> f64 {
        if self.count == 0.0 { 0.0 } else { self.sum / self.count }
    }

    /// Values in order, where they are known, and the level of their bins.
    pub fn bins(&self) -> Option<(u8, &[Bin])> {
        match &self.spread {
            Spread::Bins { level, bins } => Some((*level, bins)),
            Spread::Unknown => None,
        }
    }
}

fn growth(level: u8) -> f64 {
    let grown = (FINEST.ln() * 2f64.powi(i32::from(level) - 1)).exp();
    // Beyond all numbers: one bin holds them all.
    if grown.is_finite() { grown } else { f64::MAX }
}

/// The middle of a value's bin.
fn binned(value: f64, level: u8) -> f64 {
    if level == 0 || value == 0.0 {
        return value;
    }
    let base = growth(level).ln();
    ((value.ln() / base).round() * base).exp()
}

fn insert(bins: &mut Vec<Bin>, bin: Bin) {
    match bins.binary_search_by(|known| known.value.total_cmp(&bin.value)) {
        Ok(at) => bins[at].count += bin.count,
        Err(at) => bins.insert(at, bin),
    }
}

fn coarsened(bins: &[Bin], level: u8) -> Vec<Bin> {
    let mut wider: Vec<Bin> = Vec::with_capacity(bins.len());
    for bin in bins {
        let value = binned(bin.value, level);
        match wider.last_mut() {
            Some(last) if last.value == value => last.count += bin.count,
            _ => wider.push(Bin { value, count: bin.count }),
        }
    }
    wider
}

fn shrink(level: &mut u8, bins: &mut Vec<Bin>) {
    while bins.len() > if *level == 0 { EXACT } else { MAX_BINS } {
        *level += 1;
        *bins = coarsened(bins, *level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Distribution {
        let mut all = Distribution::default();
        values.into_iter().for_each(|value| all.add(value, 1.0));
        all
    }

    fn counted(distribution: &Distribution) -> f64 {
        distribution.bins().unwrap().1.iter().map(|bin| bin.count).sum()
    }

    #[test]
    fn few_values_are_known_exactly() {
        let some = of([3.0, 1.0, 3.0, 0.0]);
        let value = |value, count| Bin { value, count };
        assert_eq!(some.bins(), Some((0, &[value(0.0, 1.0), value(1.0, 1.0), value(3.0, 2.0)][..])));
        assert_eq!((some.count(), some.sum(), some.minimum(), some.maximum()), (4.0, 7.0, 0.0, 3.0));
        assert_eq!(some.average(), 1.75);
    }

    #[test]
    fn many_values_are_known_to_a_hundredth_and_take_a_bounded_room() {
        let many = of((1..=10_000).map(f64::from));
        let (_, bins) = many.bins().unwrap();
        assert!(bins.len() <= MAX_BINS, "{}", bins.len());
        assert_eq!(counted(&many), 10_000.0);
        let mut seen = 0.0;
        for bin in bins {
            seen += bin.count;
            assert!((bin.value / seen - 1.0).abs() < 0.06 || seen < 50.0, "{} at {seen}", bin.value);
        }
    }

    #[test]
    fn the_widest_values_fit() {
        let widest = of((-1_190..1_190).map(|power| 2f64.powf(f64::from(power) * 0.3)));
        let (_, bins) = widest.bins().unwrap();
        assert!(bins.len() <= MAX_BINS && bins.windows(2).all(|pair| pair[0].value < pair[1].value));
        assert_eq!(counted(&widest), 2_380.0);
    }

    #[test]
    fn merged_in_any_order_it_is_the_same() {
        let (low, high) = (of((1..=300).map(f64::from)), of((200..=900).map(f64::from)));
        let (mut one, mut other) = (low.clone(), high.clone());
        one.merge(&high);
        other.merge(&low);
        assert_eq!((one.count(), one.sum()), (1_001.0, low.sum() + high.sum()));
        assert_eq!((one.minimum(), one.maximum()), (1.0, 900.0));
        assert_eq!(one, other);
        one.merge(&Distribution::default());
        assert_eq!(one, other);
    }

    #[test]
    fn sets_and_negative_values_leave_no_percentiles_and_single_values_do() {
        let mut some = of([1.0]);
        some.merge(&Distribution::of_set(2.0, 10.0, 5.0, 5.0));
        some.merge(&Distribution::of_set(1.0, 4.0, 4.0, 4.0));
        assert_eq!(some.bins().unwrap().1.len(), 3);
        some.merge(&Distribution::of_set(2.0, 3.0, 1.0, 2.0));
        assert_eq!((some.bins(), some.count(), some.sum()), (None, 6.0, 18.0));
        assert_eq!(of([-1.0, 2.0]).bins(), None);
    }
}
