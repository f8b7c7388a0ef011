//! What expressions are worth.

use std::collections::BTreeMap;

use super::parse::{Expression, Operator};
use super::{MAX_MADE, MAX_SERIES, Reason, Series, Worth, functions};

/// When results may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start_s: u64,
    pub(crate) end_s: u64,
    /// Between the points of what has no period of its own.
    pub(crate) period_s: u64,
}

impl Times {
    /// Every beginning of a period.
    pub(super) fn of(self, period_s: u64) -> impl Iterator<Item = u64> {
        (self.start_s..self.end_s).step_by(period_s.max(1) as usize)
    }

    /// Refuses to fill so many series.
    pub(super) fn check_fill(self, series: &[Series]) -> Result<(), Reason> {
        let periods = |series: &Series| self.end_s.saturating_sub(self.start_s) / series.period_s.max(1);
        let made: u64 = series.iter().map(periods).sum();
        let fits = made <= MAX_MADE as u64;
        fits.then_some(()).ok_or_else(|| "The time range has too many periods".to_owned())
    }
}

/// Evaluates. `named` finds the value of another query; `metrics` are all that are metrics and not expressions.
pub(crate) fn evaluate(
    expression: &Expression,
    times: Times,
    named: &mut dyn FnMut(&str) -> Result<Worth, Reason>,
    metrics: &[Series],
) -> Result<Worth, Reason> {
    let mut all = |inner: &Expression| evaluate(inner, times, named, metrics);
    Ok(match expression {
        Expression::Number(number) => Worth::Number(*number),
        Expression::Name(name) => named(name)?,
        Expression::Text(text) => return Err(format!("The text \"{text}\" has no value")),
        Expression::List(items) => {
            let mut many = Vec::new();
            for item in items {
                many.extend(functions::series(all(item)?));
                if many.len() > MAX_SERIES {
                    return Err(format!("An array has more than {MAX_SERIES} time series"));
                }
            }
            Worth::Many(many)
        }
        Expression::Negated(inner) => functions::each(all(inner)?, |value| -value),
        Expression::Binary(operator, left, right) => binary(*operator, all(left)?, all(right)?)?,
        Expression::Call(name, _) if name == "METRICS" => Worth::Many(metrics.to_vec()),
        Expression::Call(name, arguments) => functions::call(name, arguments, times, &mut all)?,
    })
}

fn binary(operator: Operator, left: Worth, right: Worth) -> Result<Worth, Reason> {
    let one = |left: f64, right: f64| calculated(operator, left, right);
    Ok(match (left, right) {
        (Worth::Number(left), Worth::Number(right)) => {
            Worth::Number(one(left, right).ok_or("A number is divided by zero")?)
        }
        (Worth::One(left), Worth::One(right)) => Worth::One(joined(left, &right, one)),
        (Worth::Many(left), Worth::Many(right)) => {
            if left.len() != right.len() {
                return Err("Arrays of different lengths can't be combined".to_owned());
            }
            Worth::Many(left.into_iter().zip(&right).map(|(left, right)| joined(left, right, one)).collect())
        }
        (Worth::Many(many), Worth::One(right)) => {
            Worth::Many(many.into_iter().map(|left| joined(left, &right, one)).collect())
        }
        (Worth::One(left), Worth::Many(many)) => {
            let swapped = |right: f64, left: f64| one(left, right);
            Worth::Many(many.into_iter().map(|right| joined(right, &left, swapped)).collect())
        }
        (series, Worth::Number(right)) => functions::each_known(series, |left| one(left, right)),
        (Worth::Number(left), series) => functions::each_known(series, |right| one(left, right)),
    })
}

/// Where both have a value.
fn joined(left: Series, right: &Series, one: impl Fn(f64, f64) -> Option<f64>) -> Series {
    let both = |(at, value): (&u64, &f64)| Some((*at, one(*value, *right.points.get(at)?)?));
    let points: BTreeMap<u64, f64> = left.points.iter().filter_map(both).collect();
    Series { points, ..left }
}

/// `None` where there is no number: what is divided by zero has no data point, as on AWS.
fn calculated(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let truth = |is_true: bool| if is_true { 1.0 } else { 0.0 };
    let value = match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Equal => truth(left == right),
        Operator::Unequal => truth(left != right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Less => truth(left < right),
        Operator::Greater => truth(left > right),
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Over => left / right,
        Operator::Power => left.powf(right),
    };
    value.is_finite().then_some(value)
}
