//! Metric math: arithmetic, comparisons and the usual functions over time series. Searches, Metrics Insights, anomaly bands and
//! functions that are not here are refused by name.

mod evaluate;
mod functions;
mod parse;

use std::collections::BTreeMap;

pub(crate) use evaluate::{Times, evaluate};
pub(crate) use parse::{Expression, parse};

/// Values by the beginning of their period.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) period_s: u64,
    pub(crate) points: BTreeMap<u64, f64>,
}

/// What an expression is worth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Worth {
    Number(f64),
    One(Series),
    Many(Vec<Series>),
}

/// Most series in a value, and most data points that a function makes of nothing: a short expression can't take all memory.
const MAX_SERIES: usize = 500;
const MAX_MADE: usize = 1_000_000;

/// Why an expression has no value; for the caller.
pub(crate) type Reason = String;

/// Whether an expression has a value where each name is a metric with a few points; why not otherwise.
pub fn check(text: &str) -> Result<(), String> {
    let times = Times { start_s: 0, end_s: 600, period_s: 60 };
    let points = (0..8).map(|minute| (minute * 60, minute as f64)).collect();
    let series = Series { label: "a".to_owned(), period_s: 60, points };
    let mut named = |_: &str| Ok(Worth::One(series.clone()));
    evaluate(&parse(text)?, times, &mut named, std::slice::from_ref(&series)).map(drop)
}

#[cfg(test)]
mod tests;
