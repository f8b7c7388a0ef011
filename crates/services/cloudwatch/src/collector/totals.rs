//! Sums of functions' figures since the server's start, by AWS's names: what somebody sees who scrapes the metrics page
//! instead of asking CloudWatch.

use std::collections::{BTreeMap, BTreeSet};

use lambent_domain::Scope;
use lambent_ports::metric_store::Metric;

/// Functions with lines of their own. Whoever scrapes keeps a series for each line.
const MAX_FUNCTIONS: usize = 1_000;

/// A function, or none for all those that found no room.
pub type Of = Option<(Scope, String)>;

/// By metric and unit, then by function.
pub type Sums = BTreeMap<(String, String), BTreeMap<Of, f64>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    known: BTreeSet<(Scope, String)>,
    sums: Sums,
}

impl Totals {
    /// Adds a function's figure. How many there are of something is no sum, and is left out.
    pub(super) fn add(&mut self, scope: &Scope, function: &str, metric: &str, unit: &str, sum: f64) {
        if metric.ends_with("Executions") || metric.ends_with("Utilization") {
            return;
        }
        let of = (scope.clone(), function.to_owned());
        let has_room = self.known.len() < MAX_FUNCTIONS || self.known.contains(&of);
        let of = has_room.then_some(of);
        self.known.extend(of.clone());
        let of_metric = self.sums.entry((metric.to_owned(), unit.to_owned())).or_default();
        *of_metric.entry(of).or_default() += sum;
    }

    /// Adds a figure, if it is one of a function.
    pub(super) fn add_metric(&mut self, scope: &Scope, metric: &Metric, unit: &str, sum: f64) {
        let function = metric.dimensions.get("FunctionName").filter(|_| metric.dimensions.len() == 1);
        if let Some(function) = function.filter(|_| metric.namespace == "AWS/Lambda") {
            self.add(scope, function, &metric.name, unit, sum);
        }
    }

    pub(super) fn sums(self) -> Sums {
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use lambent_domain::{AccountId, Region};

    use super::*;

    #[test]
    fn those_beyond_a_thousand_share_a_line() {
        let region = Region::parse("us-east-1").unwrap();
        let scope = Scope { account: AccountId::parse("123456789012").unwrap(), region };
        let mut totals = Totals::default();
        for round in 0..2 {
            for number in 0..MAX_FUNCTIONS + 5 {
                totals.add(&scope, &format!("f{number}"), "Invocations", "Count", 1.0 + f64::from(round));
                totals.add(&scope, &format!("f{number}"), "ConcurrentExecutions", "Count", 1.0);
            }
        }
        let sums = totals.sums();
        assert_eq!(sums.len(), 1);
        let invocations = &sums[&("Invocations".to_owned(), "Count".to_owned())];
        assert_eq!(invocations.len(), MAX_FUNCTIONS + 1);
        assert_eq!((invocations[&None], invocations[&Some((scope, "f7".into()))]), (15.0, 3.0));
    }
}
