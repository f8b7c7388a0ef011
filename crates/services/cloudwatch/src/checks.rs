//! What parameters have to be like.

use lambent_domain::Distribution;
use lambent_ports::metric_store::Metric;
use lambent_wire::cloudwatch::types::Dimension;

use crate::CloudWatchFault;

/// Values are within ±2^360, as documented.
const GREATEST: f64 = 2.348_542_582_773_833_2e108;

/// A metric; `at` is where its dimensions stand, such as `MetricData.member.1.`.
pub(crate) fn metric(
    namespace: String,
    name: String,
    dimensions: Option<Vec<Dimension>>,
    at: &str,
) -> Result<Metric, CloudWatchFault> {
    text(&namespace, "Namespace")?;
    text(&name, &format!("{at}MetricName"))?;
    let mut by_name = std::collections::BTreeMap::new();
    for (index, Dimension { name, value }) in dimensions.unwrap_or_default().into_iter().enumerate() {
        let at = format!("{at}Dimensions.member.{}", index + 1);
        text(&name, &format!("{at}.Name"))?;
        text(&value, &format!("{at}.Value"))?;
        if name.starts_with(':') {
            return Err(CloudWatchFault::value(name, format!("{at}.Name")));
        }
        if by_name.insert(name.clone(), value).is_some() {
            let text = format!("The parameter {at}.Name has the value {name}, which another dimension has.");
            return Err(CloudWatchFault::Value(text));
        }
    }
    Ok(Metric { namespace, name, dimensions: by_name })
}

/// Visible ASCII in it, and nothing but ASCII without control characters.
fn text(text: &str, parameter: &str) -> Result<(), CloudWatchFault> {
    let fits = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !text.trim().is_empty();
    fits.then_some(()).ok_or_else(|| CloudWatchFault::value(text, parameter))
}

/// A number within what a metric can have.
pub(crate) fn number(number: f64, parameter: &str) -> Result<f64, CloudWatchFault> {
    let fits = number.is_finite() && number.abs() <= GREATEST;
    fits.then_some(number).ok_or_else(|| CloudWatchFault::value(number, parameter))
}

/// Values with their counts.
pub(crate) fn values(
    values: Vec<f64>,
    counts: Option<Vec<f64>>,
    at: &str,
) -> Result<Distribution, CloudWatchFault> {
    let counts = counts.unwrap_or_else(|| vec![1.0; values.len()]);
    if counts.len() != values.len() {
        let text = format!("The parameters {at}.Values and {at}.Counts must be of the same size.");
        return Err(CloudWatchFault::Value(text));
    }
    let mut all = Distribution::default();
    for (index, (value, count)) in values.into_iter().zip(counts).enumerate() {
        number(value, &format!("{at}.Values.member.{}", index + 1))?;
        let parameter = format!("{at}.Counts.member.{}", index + 1);
        if number(count, &parameter)? <= 0.0 {
            return Err(CloudWatchFault::value(count, parameter));
        }
        all.add(value, count);
    }
    Ok(all)
}
