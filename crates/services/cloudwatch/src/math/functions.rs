//! Functions of metric math, by AWS's names.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::Times;
use super::parse::Expression;
use super::{Reason, Series, Worth};

type Evaluate<'a> = dyn FnMut(&Expression) -> Result<Worth, Reason> + 'a;

/// The series of a value; a number has none.
pub(super) fn series(worth: Worth) -> Vec<Series> {
    match worth {
        Worth::Number(_) => Vec::new(),
        Worth::One(series) => vec![series],
        Worth::Many(series) => series,
    }
}

/// The same of every value.
pub(super) fn each(worth: Worth, change: impl Fn(f64) -> f64) -> Worth {
    each_known(worth, |value| Some(change(value)).filter(|value| value.is_finite()))
}

/// The same of every value; those that have none are left out.
pub(super) fn each_known(worth: Worth, change: impl Fn(f64) -> Option<f64>) -> Worth {
    match worth {
        Worth::Number(number) => change(number).map_or(Worth::Many(Vec::new()), Worth::Number),
        other => each_series(other, |series| {
            let known = |(at, value): (&u64, &f64)| Some((*at, change(*value)?));
            Series { points: series.points.iter().filter_map(known).collect(), ..series }
        }),
    }
}

fn each_series(worth: Worth, change: impl Fn(Series) -> Series) -> Worth {
    match worth {
        Worth::Number(number) => Worth::Number(number),
        Worth::One(series) => Worth::One(change(series)),
        Worth::Many(many) => Worth::Many(many.into_iter().map(change).collect()),
    }
}

/// Calls a function.
pub(super) fn call(
    name: &str,
    arguments: &[Expression],
    times: Times,
    evaluate: &mut Evaluate<'_>,
) -> Result<Worth, Reason> {
    let count = |wanted: usize| match arguments.len() == wanted {
        true => Ok(()),
        false => Err(format!("The function {name} takes {wanted} arguments and has {}", arguments.len())),
    };
    if name == "IF" {
        count(3)?;
        return condition(evaluate(&arguments[0])?, evaluate(&arguments[1])?, evaluate(&arguments[2])?);
    }
    if name == "FILL" {
        count(2)?;
        return fill(evaluate(&arguments[0])?, &arguments[1], times, evaluate);
    }
    if let Some(aggregate) = aggregate(name) {
        count(1)?;
        return Ok(match evaluate(&arguments[0])? {
            Worth::Number(number) => Worth::Number(aggregate(&[number])),
            Worth::One(series) if series.points.is_empty() => Worth::Many(Vec::new()),
            Worth::One(series) => Worth::Number(aggregate(&Vec::from_iter(series.points.into_values()))),
            Worth::Many(many) => Worth::One(across(name, &many, aggregate)),
        });
    }
    count(1)?;
    if !KNOWN.contains(&name) {
        return Err(format!("The function {name} is not available here yet"));
    }
    of_one(name, evaluate(&arguments[0])?, times)
}

/// Functions of one argument.
const KNOWN: &[&str] = &[
    "ABS",
    "CEIL",
    "DATAPOINT_COUNT",
    "DAY",
    "DIFF",
    "DIFF_TIME",
    "EPOCH",
    "FIRST",
    "FLOOR",
    "HOUR",
    "LAST",
    "LOG",
    "LOG10",
    "METRIC_COUNT",
    "MINUTE",
    "PERIOD",
    "RATE",
    "REMOVE_EMPTY",
    "RUNNING_SUM",
    "TIME_SERIES",
];

fn of_one(name: &str, worth: Worth, times: Times) -> Result<Worth, Reason> {
    let of_time = |of: fn(u64) -> u64| {
        each_series(worth.clone(), |series| {
            let points = series.points.keys().map(|at| (*at, of(*at) as f64)).collect();
            Series { points, ..series }
        })
    };
    let between = |of: fn((u64, f64), (u64, f64)) -> f64| {
        each_series(worth.clone(), |series| {
            let found = series.points.iter().zip(series.points.iter().skip(1));
            let of = |((at, value), (next, after)): ((&u64, &f64), (&u64, &f64))| {
                (*next, of((*at, *value), (*next, *after)))
            };
            let points = found.map(of).collect();
            Series { points, ..series }
        })
    };
    Ok(match name {
        "ABS" => each(worth, f64::abs),
        "CEIL" => each(worth, f64::ceil),
        "FLOOR" => each(worth, f64::floor),
        "LOG" => each(worth, f64::ln),
        "LOG10" => each(worth, f64::log10),
        "DIFF" => between(|(_, value), (_, after)| after - value),
        "DIFF_TIME" => between(|(at, _), (next, _)| (next - at) as f64),
        "RATE" => between(|(at, value), (next, after)| (after - value) / (next - at) as f64),
        "EPOCH" => of_time(|at| at),
        "MINUTE" => of_time(|at| at / 60 % 60),
        "HOUR" => of_time(|at| at / 3_600 % 24),
        // Monday is 1. The first day of 1970 was a Thursday.
        "DAY" => of_time(|at| (at / 86_400 + 3) % 7 + 1),
        "RUNNING_SUM" => each_series(worth, |series| {
            let mut sum = 0.0;
            let add = |(at, value): (&u64, &f64)| {
                sum += value;
                (*at, sum)
            };
            Series { points: series.points.iter().map(add).collect(), ..series }
        }),
        "TIME_SERIES" => match worth {
            Worth::Number(number) => {
                let empty = Series { period_s: times.period_s, ..Series::default() };
                times.check_fill(std::slice::from_ref(&empty))?;
                let points = times.of(times.period_s).map(|at| (at, number)).collect();
                Worth::One(Series { points, ..empty })
            }
            other => other,
        },
        "REMOVE_EMPTY" => {
            Worth::Many(series(worth).into_iter().filter(|series| !series.points.is_empty()).collect())
        }
        "METRIC_COUNT" => Worth::Number(series(worth).len() as f64),
        "FIRST" | "LAST" => {
            let mut many = series(worth);
            let found = if name == "FIRST" { many.into_iter().next() } else { many.pop() };
            found.map_or(Worth::Many(Vec::new()), Worth::One)
        }
        _ => match worth {
            Worth::One(series) if name == "PERIOD" => Worth::Number(series.period_s as f64),
            Worth::One(series) => Worth::Number(series.points.len() as f64),
            _ => return Err(format!("The function {name} takes one time series")),
        },
    })
}

fn aggregate(name: &str) -> Option<fn(&[f64]) -> f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Some(match name {
        "SUM" => |values| values.iter().sum(),
        "AVG" => mean,
        "MIN" => |values| values.iter().copied().fold(f64::INFINITY, f64::min),
        "MAX" => |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "STDDEV" => |values| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / values.len() as f64).sqrt()
        },
        _ => return None,
    })
}

/// Of many series at each time at which one of them has a value.
fn across(name: &str, many: &[Series], aggregate: fn(&[f64]) -> f64) -> Series {
    let times: BTreeSet<u64> = many.iter().flat_map(|series| series.points.keys().copied()).collect();
    let values = |at: &u64| Vec::from_iter(many.iter().filter_map(|series| series.points.get(at).copied()));
    let points = times.iter().map(|at| (*at, aggregate(&values(at)))).collect();
    let period_s = many.iter().map(|series| series.period_s).max().unwrap_or_default();
    Series { label: name.to_owned(), period_s, points }
}

/// One of two, by what a condition says at each time.
fn condition(condition: Worth, then: Worth, otherwise: Worth) -> Result<Worth, Reason> {
    let condition = match condition {
        Worth::Number(number) => return Ok(if number != 0.0 { then } else { otherwise }),
        Worth::One(series) => series,
        Worth::Many(_) => return Err("The condition of IF is one time series or a number".to_owned()),
    };
    let value = |of: &Worth, at: &u64| match of {
        Worth::Number(number) => Ok(Some(*number)),
        Worth::One(series) => Ok(series.points.get(at).copied()),
        Worth::Many(_) => Err("The values of IF are time series or numbers".to_owned()),
    };
    let mut points = BTreeMap::new();
    for (at, truth) in &condition.points {
        let chosen = if *truth != 0.0 { value(&then, at)? } else { value(&otherwise, at)? };
        points.extend(chosen.map(|chosen| (*at, chosen)));
    }
    Ok(Worth::One(Series { points, ..condition }))
}

fn fill(worth: Worth, with: &Expression, times: Times, evaluate: &mut Evaluate<'_>) -> Result<Worth, Reason> {
    let filling = match with {
        Expression::Name(word) if word.eq_ignore_ascii_case("REPEAT") => Filling::Repeat,
        Expression::Name(word) if word.eq_ignore_ascii_case("LINEAR") => Filling::Linear,
        other => Filling::With(evaluate(other)?),
    };
    let many = match worth {
        Worth::Number(_) => return Err("The function FILL takes time series".to_owned()),
        other => other,
    };
    times.check_fill(match &many {
        Worth::Number(_) => &[],
        Worth::One(series) => std::slice::from_ref(series),
        Worth::Many(many) => many,
    })?;
    Ok(each_series(many, |series| {
        let missing = times.of(series.period_s).filter(|at| !series.points.contains_key(at));
        let found: Vec<(u64, f64)> =
            missing.filter_map(|at| Some((at, filling.at(at, &series.points)?))).collect();
        let mut series = series;
        series.points.extend(found);
        series
    }))
}

enum Filling {
    Repeat,
    Linear,
    With(Worth),
}

impl Filling {
    fn at(&self, at: u64, points: &BTreeMap<u64, f64>) -> Option<f64> {
        let before = || points.range(..at).next_back();
        match self {
            Filling::With(Worth::Number(number)) => Some(*number),
            Filling::With(Worth::One(series)) => series.points.get(&at).copied(),
            Filling::With(Worth::Many(_)) => None,
            Filling::Repeat => before().map(|(_, value)| *value),
            Filling::Linear => {
                let ((from, low), (to, high)) = (before()?, points.range(at..).next()?);
                Some(low + (high - low) * (at - from) as f64 / (to - from) as f64)
            }
        }
    }
}
