//! GetMetricData: metrics and expressions over them.

use std::collections::{BTreeMap, HashMap, HashSet};

use lambent_api_kit::{Context, Handle};
use lambent_domain::{Distribution, Scope};
use lambent_wire::cloudwatch::operations::GetMetricData;
use lambent_wire::cloudwatch::operations::get_metric_data::{
    GetMetricDataInput, GetMetricDataOutput, MetricDataResult,
};
use lambent_wire::cloudwatch::types::{MetricDataQuery, MetricStat};

use crate::math::{Expression, Reason, Series, Times, Worth, evaluate, parse};
use crate::statistic::Statistic;
use crate::window::{Window, check_period};
use crate::{CloudWatch, CloudWatchFault, checks, token};

/// Documented limits.
const MAX_QUERIES: usize = 500;
const MAX_DATAPOINTS: usize = 100_800;
/// Most data points of all results together: what paging has to go over again for every page.
const MAX_RESULT: usize = 10 * MAX_DATAPOINTS;
/// Expressions that refer to one another in a row: each takes room on the stack.
const MAX_CHAIN: usize = 16;
const DEFAULT_PERIOD_S: u64 = 300;
const TOKEN: &str = "datapoints";

/// What a query is, with everything checked.
enum Asked {
    Metric(MetricStat, Statistic),
    Expression(Expression),
}

struct Query {
    id: String,
    label: Option<String>,
    shown: bool,
    period_s: u64,
    asked: Asked,
}

impl Handle<GetMetricData> for CloudWatch {
    type Fault = CloudWatchFault;

    async fn handle(
        &self,
        context: Context,
        input: GetMetricDataInput,
    ) -> Result<GetMetricDataOutput, CloudWatchFault> {
        if input.start_time >= input.end_time {
            return Err(CloudWatchFault::Validation(
                "The parameter StartTime must be less than the parameter EndTime.".to_owned(),
            ));
        }
        let most = match input.max_datapoints {
            None => MAX_DATAPOINTS,
            Some(most) => usize::try_from(most)
                .ok()
                .filter(|most| (1..=MAX_DATAPOINTS).contains(most))
                .ok_or_else(|| CloudWatchFault::Validation(value_text(most, "MaxDatapoints")))?,
        };
        let place = token::read(TOKEN, input.next_token.as_deref())? as usize;
        let queries = checked(input.metric_data_queries, &context.scope)?;
        self.settle().await;
        let results = self.results(&context, &queries, input.start_time, input.end_time).await?;
        let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
        let shown = queries.iter().zip(results).filter(|(query, _)| query.shown);
        let series = shown.flat_map(|(query, series)| series.into_iter().map(move |series| (query, series)));
        Ok(page(series.collect(), ascending, place, most))
    }
}

fn value_text(value: impl std::fmt::Display, parameter: &str) -> String {
    format!("The value {value} for parameter {parameter} is invalid.")
}

fn checked(queries: Vec<MetricDataQuery>, scope: &Scope) -> Result<Vec<Query>, CloudWatchFault> {
    if queries.is_empty() || queries.len() > MAX_QUERIES {
        let text = format!("The collection MetricDataQueries must have from 1 to {MAX_QUERIES} items.");
        return Err(CloudWatchFault::Validation(text));
    }
    let mut ids = HashSet::new();
    let mut all = Vec::with_capacity(queries.len());
    for (query, number) in queries.into_iter().zip(1..) {
        if !ids.insert(query.id.clone()) {
            let text = "The values for parameter id in MetricDataQueries are not unique.".to_owned();
            return Err(CloudWatchFault::Validation(text));
        }
        all.push(checked_query(query, &format!("MetricDataQueries.member.{number}"), scope)?);
    }
    Ok(all)
}

fn checked_query(query: MetricDataQuery, at: &str, scope: &Scope) -> Result<Query, CloudWatchFault> {
    let refused = |text: String| Err(CloudWatchFault::Validation(text));
    let not_yet = |what: &str, reason: &str| {
        Err(CloudWatchFault::NotYet { operation: what.to_owned(), reason: reason.to_owned() })
    };
    let is_id = query.id.starts_with(|first: char| first.is_ascii_lowercase())
        && query.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_id {
        return refused(format!(
            "The value for parameter {at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        ));
    }
    if query.account_id.is_some_and(|account| account != scope.account.to_string()) {
        return not_yet("A query of another account", "accounts are not linked with each other");
    }
    if query.label.as_deref().is_some_and(|label| label.contains("${")) {
        return not_yet("A label with ${…} in it", "give it a text, or none");
    }
    let exclusive = |one: &str, other: &str| {
        refused(format!(
            "The parameters {at}.{one} and {at}.{other} are mutually exclusive and you have specified both."
        ))
    };
    let (asked, period_s) = match (query.metric_stat, query.expression) {
        (Some(_), Some(_)) => return exclusive("Expression", "MetricStat"),
        (None, None) => {
            return refused(format!("The parameter {at} must have either Expression or MetricStat."));
        }
        (Some(_), None) if query.period.is_some() => return exclusive("Period", "MetricStat"),
        (Some(stat), None) => {
            let Some(statistic) = Statistic::parse(&stat.stat) else {
                return refused(format!(
                    "The value {} for parameter {at}.MetricStat.Stat is not supported.",
                    stat.stat
                ));
            };
            let period_s = validated(check_period(stat.period, &format!("{at}.MetricStat.Period")))?;
            (Asked::Metric(stat, statistic), period_s)
        }
        (None, Some(text)) if text.trim_start().to_ascii_uppercase().starts_with("SELECT ") => {
            return not_yet("A Metrics Insights query", "name the metrics, which ListMetrics finds");
        }
        (None, Some(text)) => match parse(&text) {
            Ok(expression) => {
                let period = query.period.map(|period| check_period(period, &format!("{at}.Period")));
                (Asked::Expression(expression), period.map_or(Ok(0), validated)?)
            }
            Err(reason) => return refused(in_expression(&query.id, &reason)),
        },
    };
    let shown = query.return_data.unwrap_or(true);
    Ok(Query { id: query.id, label: query.label, shown, period_s, asked })
}

fn validated(period_s: Result<u64, CloudWatchFault>) -> Result<u64, CloudWatchFault> {
    period_s.map_err(|fault| match fault {
        CloudWatchFault::Value(text) => CloudWatchFault::Validation(text),
        other => other,
    })
}

fn in_expression(id: &str, reason: &str) -> String {
    format!("Error in expression '{id}': {reason}.")
}

impl CloudWatch {
    /// The series of each query.
    async fn results(
        &self,
        context: &Context,
        queries: &[Query],
        start: f64,
        end: f64,
    ) -> Result<Vec<Vec<Series>>, CloudWatchFault> {
        let now_ms = self.clock.now_ms();
        let mut metrics = HashMap::new();
        let mut all_metrics = Vec::new();
        let several = queries.iter().filter(|query| matches!(query.asked, Asked::Metric(..))).count() > 1;
        for query in queries {
            let Asked::Metric(stat, statistic) = &query.asked else { continue };
            let window = Window::new(start, end, query.period_s, now_ms)?;
            let series = self.metric(context, stat, *statistic, window, several).await?;
            all_metrics.push(series.clone());
            metrics.insert(query.id.as_str(), series);
        }
        // Of expressions that don't say: the shortest of the metrics.
        let shortest = all_metrics.iter().map(|series| series.period_s).min().unwrap_or(DEFAULT_PERIOD_S);
        let times = |query: &Query| {
            let period_s = if query.period_s == 0 { shortest } else { query.period_s };
            let window = Window::new(start, end, period_s, now_ms)?;
            Ok(Times { start_s: window.start_s, end_s: window.end_s, period_s })
        };
        let times = queries.iter().map(times).collect::<Result<Vec<_>, CloudWatchFault>>()?;
        let evaluation =
            Evaluation { queries, times, metrics: &metrics, all: &all_metrics, done: HashMap::new() };
        evaluation.results()
    }

    async fn metric(
        &self,
        context: &Context,
        stat: &MetricStat,
        statistic: Statistic,
        window: Window,
        several: bool,
    ) -> Result<Series, CloudWatchFault> {
        let asked = stat.metric.clone();
        let (namespace, name) = (asked.namespace.unwrap_or_default(), asked.metric_name.unwrap_or_default());
        let metric = checks::metric(namespace, name, asked.dimensions, "")?;
        let dimensions: Vec<&str> = metric.dimensions.values().map(String::as_str).collect();
        // AWS makes labels of what tells metrics apart (judgement: dimensions, then the name).
        let label = match several && !dimensions.is_empty() {
            true => format!("{} {}", dimensions.join(" "), metric.name),
            false => metric.name.clone(),
        };
        let values = window.read(&*self.store, &context.scope, metric, stat.unit.clone()).await?;
        // Without a unit, values of all of them count together, as documented.
        let mut by_time: BTreeMap<u64, Distribution> = BTreeMap::new();
        for ((start_s, _), values) in values {
            by_time.entry(start_s).or_default().merge(&values);
        }
        let points =
            by_time.into_iter().filter_map(|(at, values)| Some((at, statistic.of(&values)?))).collect();
        Ok(Series { label, period_s: window.period_s, points })
    }
}

struct Evaluation<'a> {
    queries: &'a [Query],
    times: Vec<Times>,
    metrics: &'a HashMap<&'a str, Series>,
    all: &'a [Series],
    /// Each is evaluated once, however often it is named.
    done: HashMap<usize, Worth>,
}

impl Evaluation<'_> {
    fn results(mut self) -> Result<Vec<Vec<Series>>, CloudWatchFault> {
        let (mut results, mut points) = (Vec::with_capacity(self.queries.len()), 0);
        for (index, query) in self.queries.iter().enumerate() {
            let refused = |reason: &str| CloudWatchFault::Validation(in_expression(&query.id, reason));
            let worth = self.query(index, &mut Vec::new()).map_err(|reason| refused(&reason))?;
            let series = match worth {
                Worth::One(series) => vec![series],
                Worth::Many(many) => many,
                Worth::Number(_) if !query.shown => Vec::new(),
                Worth::Number(_) => {
                    return Err(refused("it is a number and not a time series; TIME_SERIES makes one of it"));
                }
            };
            points += series.iter().map(|series| series.points.len()).sum::<usize>();
            if points > MAX_RESULT {
                return Err(refused("the results have too many data points"));
            }
            results.push(series);
        }
        Ok(results)
    }

    /// `asking` are the queries that wait for this one.
    fn query(&mut self, index: usize, asking: &mut Vec<usize>) -> Result<Worth, Reason> {
        let query = &self.queries[index];
        let expression = match &query.asked {
            Asked::Metric(..) => {
                return Ok(Worth::One(self.metrics.get(query.id.as_str()).cloned().unwrap_or_default()));
            }
            Asked::Expression(expression) => expression,
        };
        if let Some(done) = self.done.get(&index) {
            return Ok(done.clone());
        }
        if asking.contains(&index) {
            return Err("it refers to itself".to_owned());
        }
        if asking.len() == MAX_CHAIN {
            return Err("it refers to too many others in a row".to_owned());
        }
        asking.push(index);
        let (times, all) = (self.times[index], self.all);
        let mut named = |id: &str| {
            let found = self.queries.iter().position(|query| query.id == id);
            self.query(found.ok_or_else(|| format!("there is no query with the id {id}"))?, asking)
        };
        let worth = match evaluate(expression, times, &mut named, all)? {
            Worth::One(series) => Worth::One(Series { label: query.id.clone(), ..series }),
            other => other,
        };
        asking.pop();
        self.done.insert(index, worth.clone());
        Ok(worth)
    }
}

/// Results from the data point that comes at `place`, `most` of them.
fn page(series: Vec<(&Query, Series)>, ascending: bool, place: usize, most: usize) -> GetMetricDataOutput {
    let total: usize = series.iter().map(|(_, series)| series.points.len()).sum();
    let (mut skipped, mut left) = (place, most);
    let mut results = Vec::new();
    for (query, series) in series {
        let points: Vec<(u64, f64)> = match ascending {
            true => series.points.into_iter().collect(),
            false => series.points.into_iter().rev().collect(),
        };
        let here = skipped.min(points.len());
        skipped -= here;
        // What was whole on an earlier page does not come again, and what is empty comes on the first.
        if here == points.len() && place > 0 {
            continue;
        }
        let shown = left.min(points.len() - here);
        left -= shown;
        let is_whole = here + shown == points.len();
        let points = &points[here..here + shown];
        results.push(MetricDataResult {
            id: Some(query.id.clone()),
            label: Some(query.label.clone().unwrap_or(series.label)),
            timestamps: Some(points.iter().map(|(at, _)| *at as f64).collect()),
            values: Some(points.iter().map(|(_, value)| *value).collect()),
            status_code: Some(if is_whole { "Complete" } else { "PartialData" }.to_owned()),
            messages: None,
        });
    }
    let next = place + most;
    GetMetricDataOutput {
        metric_data_results: Some(results),
        next_token: (next < total).then(|| token::write(TOKEN, next as u64)),
        messages: Some(Vec::new()),
    }
}
