//! Figures of invokes as AWS's metrics: which there are, by which dimensions, in which units.

use std::collections::{BTreeMap, HashMap};

use lambent_domain::{Distribution, FunctionKey, Qualifier, Scope};
use lambent_ports::metric_store::{Datum, Metric};

use super::MINUTE_MS;
use super::invokes::{Counts, OfWay, TakenInvokes};

const NAMESPACE: &str = "AWS/Lambda";

type Dimensions = BTreeMap<String, String>;

/// Sums by scope and metric, with unit and minute.
#[derive(Default)]
struct Sums(HashMap<Scope, HashMap<(Metric, &'static str, u64), Distribution>>);

impl Sums {
    fn add(&mut self, scope: &Scope, at: (&str, &'static str, u64), of: &Dimensions, values: &Distribution) {
        if values.count() == 0.0 {
            return;
        }
        let (name, unit, minute) = at;
        let (namespace, name, dimensions) = (NAMESPACE.to_owned(), name.to_owned(), of.clone());
        let metric = Metric { namespace, name, dimensions };
        let of_scope = self.0.entry(scope.clone()).or_default();
        of_scope.entry((metric, unit, minute)).or_default().merge(values);
    }
}

/// The data of what was gathered.
pub(super) fn data(taken: TakenInvokes) -> HashMap<Scope, Vec<Datum>> {
    let mut sums = Sums::default();
    for way in &taken.ways {
        let scope = &way.function.scope;
        let by = dimensions(way);
        for (minute, counts) in &way.minutes {
            for (name, unit, values) in figures(counts) {
                by.iter().for_each(|of| sums.add(scope, (name, unit, *minute), of, &values));
            }
        }
        concurrency(&mut sums, way, &by);
    }
    for (key, running) in &taken.functions {
        for (minute, most) in running {
            let at = ("ConcurrentExecutions", "Count", *minute);
            sums.add(&key.scope, at, &of_function(key), &one(*most));
        }
    }
    for account in &taken.accounts {
        let mut most = |name, minutes: &[(u64, u64)], more: u64| {
            for (minute, most) in minutes {
                sums.add(&account.scope, (name, "Count", *minute), &Dimensions::new(), &one(most + more));
            }
        };
        most("ConcurrentExecutions", &account.running, 0);
        most("UnreservedConcurrentExecutions", &account.unreserved, 0);
        most("ClaimedAccountConcurrency", &account.unreserved, account.claimed);
    }
    let datum = |((metric, unit, minute), values): ((Metric, &'static str, u64), Distribution)| Datum {
        metric,
        unit: unit.to_owned(),
        time_ms: minute * MINUTE_MS,
        by_second: false,
        values,
    };
    sums.0.into_iter().map(|(scope, sums)| (scope, sums.into_iter().map(datum).collect())).collect()
}

/// What is counted for each invoke. Where nothing failed there is a zero for each that did not, so that the mean of errors
/// is their share, as on AWS.
pub(super) fn figures(counts: &Counts) -> [(&'static str, &'static str, Distribution); 6] {
    let of_invokes = |some: u64| {
        let mut values = times(0.0, counts.invocations.saturating_sub(some));
        values.merge(&times(1.0, some));
        values
    };
    [
        ("Invocations", "Count", times(1.0, counts.invocations)),
        ("Errors", "Count", of_invokes(counts.errors)),
        ("Throttles", "Count", {
            let mut values = times(0.0, counts.invocations);
            values.merge(&times(1.0, counts.throttles));
            values
        }),
        ("Duration", "Milliseconds", counts.duration_ms.clone()),
        ("ProvisionedConcurrencyInvocations", "Count", times(1.0, counts.on_provisioned)),
        ("ProvisionedConcurrencySpilloverInvocations", "Count", times(1.0, counts.spilled)),
    ]
}

/// How many of a way ran at the same time. Its sums over a function and an account are no peaks of theirs: those are
/// gathered by themselves.
fn concurrency(sums: &mut Sums, way: &OfWay, by: &[Dimensions]) {
    let scope = &way.function.scope;
    let of_way: Vec<&Dimensions> = by.iter().filter(|of| of.contains_key("Resource")).collect();
    for (minute, most) in &way.running {
        let at = ("ConcurrentExecutions", "Count", *minute);
        of_way.iter().for_each(|of| sums.add(scope, at, of, &one(*most)));
    }
    for (minute, most) in &way.provisioned {
        let share = *most as f64 / f64::from(way.provisioned_of.max(1));
        let executions = ("ProvisionedConcurrentExecutions", "Count", *minute);
        // AWS documents no unit for it: a share of one.
        let utilization = ("ProvisionedConcurrencyUtilization", "Count", *minute);
        for of in by.iter().filter(|of| !of.is_empty()) {
            sums.add(scope, executions, of, &one(*most));
            sums.add(scope, utilization, of, &Distribution::one(share));
        }
    }
}

/// None, the function, the function with what was named, and for an alias with weights also with the version that it drew.
fn dimensions(way: &OfWay) -> Vec<Dimensions> {
    let function = of_function(&way.function);
    let resource = match &way.named.qualifier {
        None | Some(Qualifier::Latest) => way.function.name.to_string(),
        Some(qualifier) => format!("{}:{qualifier}", way.function.name),
    };
    let with = |dimensions: &Dimensions, name: &str, value: String| {
        let mut more = dimensions.clone();
        more.insert(name.to_owned(), value);
        more
    };
    let resource = with(&function, "Resource", resource);
    let mut all = vec![Dimensions::new(), function, resource];
    if let Some(version) = way.named.drawn_version {
        all.push(with(&all[2], "ExecutedVersion", version.to_string()));
    }
    all
}

fn of_function(key: &FunctionKey) -> Dimensions {
    [("FunctionName".to_owned(), key.name.to_string())].into()
}

fn times(value: f64, count: u64) -> Distribution {
    let mut values = Distribution::default();
    if count > 0 {
        values.add(value, count as f64);
    }
    values
}

fn one(count: u64) -> Distribution {
    Distribution::one(count as f64)
}
