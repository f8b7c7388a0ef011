//! GetMetricStatistics: what AWS documents of times, periods and the number of data points, in its words.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Distribution;
use lambent_wire::cloudwatch::operations::GetMetricStatistics;
use lambent_wire::cloudwatch::operations::get_metric_statistics::{
    Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput,
};

use crate::statistic::Statistic;
use crate::window::{Window, check_period};
use crate::{CloudWatch, CloudWatchFault, checks};

const MAX_DATAPOINTS: u64 = 1_440;

impl Handle<GetMetricStatistics> for CloudWatch {
    type Fault = CloudWatchFault;

    async fn handle(
        &self,
        context: Context,
        input: GetMetricStatisticsInput,
    ) -> Result<GetMetricStatisticsOutput, CloudWatchFault> {
        let metric = checks::metric(input.namespace, input.metric_name, input.dimensions, "")?;
        let period_s = check_period(input.period, "Period")?;
        let plain = input.statistics.unwrap_or_default();
        let extended = input.extended_statistics.unwrap_or_default();
        if plain.is_empty() && extended.is_empty() {
            let text = "Must specify either Statistics or ExtendedStatistics".to_owned();
            return Err(CloudWatchFault::Combination(text));
        }
        if input.start_time >= input.end_time {
            let text = "The parameter StartTime must be less than the parameter EndTime.".to_owned();
            return Err(CloudWatchFault::Value(text));
        }
        let extended = extended
            .into_iter()
            .zip(1..)
            .map(|(text, number)| {
                let refused = || CloudWatchFault::value(&text, format!("ExtendedStatistics.member.{number}"));
                let statistic = Statistic::parse_extended(&text).ok_or_else(refused)?;
                Ok((text, statistic))
            })
            .collect::<Result<Vec<_>, CloudWatchFault>>()?;
        let window = Window::new(input.start_time, input.end_time, period_s, self.clock.now_ms())?;
        if window.periods() > MAX_DATAPOINTS {
            return Err(CloudWatchFault::Combination(format!(
                "You have requested up to {} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
                with_commas(window.periods())
            )));
        }
        self.settle().await;
        let label = metric.name.clone();
        let values = window.read(&*self.store, &context.scope, metric, input.unit).await?;
        let datapoints = values
            .into_iter()
            .map(|((start_s, unit), values)| datapoint(start_s, unit, &values, &plain, &extended))
            .collect();
        Ok(GetMetricStatisticsOutput { label: Some(label), datapoints: Some(datapoints) })
    }
}

fn datapoint(
    start_s: u64,
    unit: String,
    values: &Distribution,
    plain: &[String],
    extended: &[(String, Statistic)],
) -> Datapoint {
    let asked = |name: &str, value: f64| plain.iter().any(|asked| asked == name).then_some(value);
    let extended: std::collections::BTreeMap<String, f64> =
        extended.iter().filter_map(|(text, statistic)| Some((text.clone(), statistic.of(values)?))).collect();
    Datapoint {
        timestamp: Some(start_s as f64),
        sample_count: asked("SampleCount", values.count()),
        average: asked("Average", values.average()),
        sum: asked("Sum", values.sum()),
        minimum: asked("Minimum", values.minimum()),
        maximum: asked("Maximum", values.maximum()),
        unit: Some(unit),
        extended_statistics: (!extended.is_empty()).then_some(extended),
    }
}

/// `16,666`.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        assert_eq!(
            [1, 999, 1_000, 16_666, 1_234_567].map(with_commas),
            ["1", "999", "1,000", "16,666", "1,234,567"]
        );
    }
}
