//! PutMetricData. Answered when it is on disk; what is read a moment later has it in it.

use lambent_api_kit::{Context, Handle};
use lambent_domain::Distribution;
use lambent_ports::metric_store::Datum;
use lambent_wire::cloudwatch::operations::PutMetricData;
use lambent_wire::cloudwatch::operations::put_metric_data::{
    MetricDatum, PutMetricDataInput, PutMetricDataResponse, StatisticSet,
};

use crate::{CloudWatch, CloudWatchFault, checks};

/// Documented limits.
const MAX_DATA: usize = 1_000;
const MAX_VALUES: usize = 150;
const MAX_AGE_MS: u64 = 14 * 86_400_000;
const MAX_AHEAD_MS: u64 = 2 * 3_600_000;

impl Handle<PutMetricData> for CloudWatch {
    type Fault = CloudWatchFault;

    async fn handle(
        &self,
        context: Context,
        input: PutMetricDataInput,
    ) -> Result<PutMetricDataResponse, CloudWatchFault> {
        let data = input.metric_data.unwrap_or_default();
        if input.entity_metric_data.is_some_and(|data| !data.is_empty()) {
            return Err(CloudWatchFault::NotYet {
                operation: "EntityMetricData".to_owned(),
                reason: "metrics are kept without the entities that they belong to; use MetricData"
                    .to_owned(),
            });
        }
        if data.is_empty() {
            return Err(CloudWatchFault::Missing("The parameter MetricData is required.".to_owned()));
        }
        if data.len() > MAX_DATA {
            return Err(too_many("MetricData", MAX_DATA));
        }
        if input.namespace.starts_with("AWS/") {
            return Err(CloudWatchFault::value(input.namespace, "Namespace"));
        }
        let now_ms = self.clock.now_ms();
        let numbered = data.into_iter().zip(1..);
        let data = numbered
            .map(|(datum, number)| {
                parsed(&input.namespace, datum, &format!("MetricData.member.{number}"), now_ms)
            })
            .collect::<Result<_, _>>()?;
        self.store.add(&context.scope, data, now_ms).await?;
        Ok(PutMetricDataResponse {})
    }
}

fn too_many(what: &str, most: usize) -> CloudWatchFault {
    CloudWatchFault::Value(format!("The collection {what} must not have a size greater than {most}."))
}

fn parsed(namespace: &str, datum: MetricDatum, at: &str, now_ms: u64) -> Result<Datum, CloudWatchFault> {
    let metric =
        checks::metric(namespace.to_owned(), datum.metric_name, datum.dimensions, &format!("{at}."))?;
    let by_second = match datum.storage_resolution {
        None | Some(60) => false,
        Some(1) => true,
        Some(other) => return Err(CloudWatchFault::value(other, format!("{at}.StorageResolution"))),
    };
    let time_ms = datum.timestamp.map_or(Ok(now_ms), |seconds| time(seconds, at, now_ms))?;
    let values = values(datum.value, datum.values, datum.counts, datum.statistic_values, at)?;
    Ok(Datum { metric, unit: datum.unit.unwrap_or_else(|| "None".to_owned()), time_ms, by_second, values })
}

fn time(seconds: f64, at: &str, now_ms: u64) -> Result<u64, CloudWatchFault> {
    let time_ms = (seconds * 1_000.0).round().max(0.0) as u64;
    let refused =
        |text: &str| Err(CloudWatchFault::Value(format!("The parameter {at}.Timestamp must {text}.")));
    if time_ms < now_ms.saturating_sub(MAX_AGE_MS) {
        return refused("specify a time within the past two weeks");
    }
    if time_ms > now_ms + MAX_AHEAD_MS {
        return refused("specify a time no more than two hours in the future");
    }
    Ok(time_ms)
}

fn values(
    value: Option<f64>,
    values: Option<Vec<f64>>,
    counts: Option<Vec<f64>>,
    set: Option<StatisticSet>,
    at: &str,
) -> Result<Distribution, CloudWatchFault> {
    let both = |one: &str, other: &str| {
        Err(CloudWatchFault::Combination(format!(
            "The parameters {at}.{one} and {at}.{other} are mutually exclusive and you have specified both."
        )))
    };
    let values = values.filter(|values| !values.is_empty());
    match (value, values, set) {
        (Some(_), Some(_), _) => both("Value", "Values"),
        (Some(_), _, Some(_)) => both("Value", "StatisticValues"),
        (_, Some(_), Some(_)) => both("Values", "StatisticValues"),
        (Some(value), None, None) => Ok(Distribution::one(checks::number(value, &format!("{at}.Value"))?)),
        (None, Some(values), None) if values.len() > MAX_VALUES => {
            Err(too_many(&format!("{at}.Values"), MAX_VALUES))
        }
        (None, Some(values), None) => checks::values(values, counts, at),
        (None, None, Some(set)) => of_set(set, &format!("{at}.StatisticValues")),
        (None, None, None) => Err(CloudWatchFault::Missing(format!(
            "At least one of the parameters {at}.Value, {at}.Values or {at}.StatisticValues must be specified."
        ))),
    }
}

fn of_set(set: StatisticSet, at: &str) -> Result<Distribution, CloudWatchFault> {
    let number = |number: f64, name: &str| checks::number(number, &format!("{at}.{name}"));
    let (count, sum) = (number(set.sample_count, "SampleCount")?, number(set.sum, "Sum")?);
    let (minimum, maximum) = (number(set.minimum, "Minimum")?, number(set.maximum, "Maximum")?);
    if count <= 0.0 {
        return Err(CloudWatchFault::Value(format!(
            "The parameter {at}.SampleCount must be greater than 0."
        )));
    }
    if maximum < minimum {
        let text = format!("The parameter {at}.Maximum must be greater than {at}.Minimum.");
        return Err(CloudWatchFault::Value(text));
    }
    Ok(Distribution::of_set(count, sum, minimum, maximum))
}
