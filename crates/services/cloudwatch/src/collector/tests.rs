use lambent_domain::{AccountId, FunctionName, Region};

use super::*;

fn function(name: &str) -> FunctionKey {
    let region = Region::parse("us-east-1").unwrap();
    let scope = Scope { account: AccountId::parse("123456789012").unwrap(), region };
    FunctionKey { scope, name: FunctionName::parse(name).unwrap() }
}

fn begun<'a>(
    function: &'a FunctionKey,
    qualifier: Option<&'a Qualifier>,
    drawn: Drawn,
    now_ms: u64,
) -> Begun<'a> {
    Begun { function, qualifier, drawn_version: None, drawn, claimed: 7, now_ms }
}

/// Name, dimensions and minute → count, sum and maximum.
fn shown(collector: &Collector, now_ms: u64) -> HashMap<(String, String, u64), (f64, f64, f64)> {
    let mut all = HashMap::new();
    for (_, data) in collector.take(now_ms) {
        for datum in data {
            let dimensions: Vec<&str> = datum.metric.dimensions.values().map(String::as_str).collect();
            let key = (datum.metric.name, dimensions.join(" "), datum.time_ms / MINUTE_MS);
            let values = datum.values;
            all.insert(key, (values.count(), values.sum(), values.maximum()));
        }
    }
    all
}

fn key(name: &str, of: &str, minute: u64) -> (String, String, u64) {
    (name.to_owned(), of.to_owned(), minute)
}

#[test]
fn an_invoke_counts_for_its_way_its_function_and_its_account_at_the_time_of_its_start() {
    let (collector, f) = (Collector::default(), function("f"));
    let prod = Qualifier::Alias("prod".into());
    let first = collector.begun(begun(&f, Some(&prod), Drawn::Unreserved, 60_000));
    let second = collector.begun(begun(&f, None, Drawn::Reserved, 60_001));
    collector.throttled(&f, None, 60_002);
    collector.ended(first, Ended { started_ms: 60_000, duration_us: 1_234, failed: true });
    collector.ended(second, Ended { started_ms: 60_001, duration_us: 2_000, failed: false });
    collector.released(first, Drawn::Unreserved);
    collector.released(second, Drawn::Reserved);
    let all = shown(&collector, 130_000);
    assert_eq!(all[&key("Invocations", "", 1)], (2.0, 2.0, 1.0));
    assert_eq!(all[&key("Invocations", "f", 1)], (2.0, 2.0, 1.0));
    assert_eq!(all[&key("Invocations", "f f:prod", 1)], (1.0, 1.0, 1.0));
    assert_eq!(all[&key("Invocations", "f f", 1)], (1.0, 1.0, 1.0));
    assert_eq!(all[&key("Errors", "f", 1)], (2.0, 1.0, 1.0), "a mean of a half");
    assert_eq!(all[&key("Errors", "f f", 1)], (1.0, 0.0, 0.0));
    assert_eq!(all[&key("Throttles", "f f", 1)], (2.0, 1.0, 1.0));
    assert_eq!(all[&key("Duration", "f", 1)], (2.0, 3.23, 2.0));
    assert_eq!(all[&key("ConcurrentExecutions", "f", 1)], (1.0, 2.0, 2.0));
    assert_eq!(all[&key("ConcurrentExecutions", "f f:prod", 1)], (1.0, 1.0, 1.0));
    assert_eq!(all[&key("ConcurrentExecutions", "", 1)], (1.0, 2.0, 2.0));
    assert_eq!(all[&key("UnreservedConcurrentExecutions", "", 1)], (1.0, 1.0, 1.0));
    assert_eq!(all[&key("ClaimedAccountConcurrency", "", 1)], (1.0, 8.0, 8.0));
    assert_eq!(shown(&collector, 200_000), HashMap::new(), "nothing is told twice");
    assert_eq!(collector.lock().invokes.take(9).ways.len(), 0);
}

#[test]
fn what_runs_for_minutes_counts_in_each() {
    let (collector, f) = (Collector::default(), function("f"));
    let ticket = collector.begun(begun(&f, None, Drawn::Unreserved, 0));
    for minute in 1..=3 {
        let all = shown(&collector, minute * MINUTE_MS);
        assert_eq!(all[&key("ConcurrentExecutions", "f", minute)].2, 1.0);
    }
    collector.ended(ticket, Ended { started_ms: 0, duration_us: 1, failed: false });
    collector.released(ticket, Drawn::Unreserved);
    let all = shown(&collector, 4 * MINUTE_MS);
    assert_eq!(all[&key("Invocations", "f", 0)].1, 1.0, "at its start");
    assert!(!all.contains_key(&key("ConcurrentExecutions", "f", 4)));
}

#[test]
fn provisioned_concurrency_has_its_use_and_what_spilled_over() {
    let (collector, f) = (Collector::default(), function("f"));
    let one = Qualifier::Version(1);
    let of = Drawn::Provisioned { of: 4 };
    let tickets = [(); 3].map(|()| collector.begun(begun(&f, Some(&one), of, 0)));
    let spilled = Drawn::Spillover { unreserved: true };
    collector.begun(begun(&f, Some(&one), spilled, 0));
    collector.released(tickets[0], of);
    let all = shown(&collector, 1);
    assert_eq!(all[&key("ProvisionedConcurrencyInvocations", "f f:1", 0)].1, 3.0);
    assert_eq!(all[&key("ProvisionedConcurrencySpilloverInvocations", "f", 0)].1, 1.0);
    assert_eq!(all[&key("ProvisionedConcurrentExecutions", "f", 0)].2, 3.0);
    assert_eq!(all[&key("ProvisionedConcurrencyUtilization", "f f:1", 0)].2, 0.75);
    assert_eq!(all[&key("UnreservedConcurrentExecutions", "", 0)].2, 1.0);
}

#[test]
fn a_weighted_alias_tells_the_versions_it_drew() {
    let (collector, f) = (Collector::default(), function("f"));
    let prod = Qualifier::Alias("prod".into());
    for version in [1, 1, 2] {
        let drawn = Begun { drawn_version: Some(version), ..begun(&f, Some(&prod), Drawn::Unreserved, 0) };
        let ticket = collector.begun(drawn);
        collector.ended(ticket, Ended { started_ms: 0, duration_us: 1, failed: false });
        collector.released(ticket, Drawn::Unreserved);
    }
    let all = shown(&collector, 1);
    assert_eq!(all[&key("Invocations", "1 f f:prod", 0)].1, 2.0);
    assert_eq!(all[&key("Invocations", "2 f f:prod", 0)].1, 1.0);
    assert_eq!(all[&key("Invocations", "f f:prod", 0)].1, 3.0);
}

#[test]
fn other_figures_are_added_up_by_the_minute_and_do_not_grow_without_end() {
    let (collector, f) = (Collector::default(), function("f"));
    for ms in [0, 59_999, 60_000] {
        collector.add_of_function(&f, "AsyncEventAge", "Milliseconds", 5.0, ms);
    }
    let all = shown(&collector, 60_000);
    assert_eq!(all[&key("AsyncEventAge", "f", 0)], (2.0, 10.0, 5.0));
    assert_eq!(all[&key("AsyncEventAge", "f", 1)], (1.0, 5.0, 5.0));
    for number in 0..MAX_OTHERS + 10 {
        collector.add_of_function(&f, &format!("m{number}"), "Count", 1.0, 0);
    }
    assert_eq!((collector.dropped(), collector.take(0)[0].1.len()), (10, MAX_OTHERS));
}

#[test]
fn sums_since_the_start_are_the_same_before_and_after_they_are_taken() {
    let (collector, f) = (Collector::default(), function("f"));
    let invoke = |failed| {
        let ticket = collector.begun(begun(&f, None, Drawn::Unreserved, 0));
        collector.ended(ticket, Ended { started_ms: 0, duration_us: 1_500, failed });
        collector.released(ticket, Drawn::Unreserved);
    };
    invoke(false);
    invoke(true);
    collector.throttled(&f, None, 0);
    collector.add_of_function(&f, "AsyncEventsReceived", "Count", 1.0, 0);
    let sum = |sums: &Sums, name: &str, unit: &str| {
        sums[&(name.to_owned(), unit.to_owned())][&Some((f.scope.clone(), "f".to_owned()))]
    };
    let before = collector.totals();
    let figures = [("Invocations", 2.0), ("Errors", 1.0), ("Throttles", 1.0), ("AsyncEventsReceived", 1.0)];
    figures.iter().for_each(|(name, expected)| assert_eq!(sum(&before, name, "Count"), *expected, "{name}"));
    assert_eq!(sum(&before, "Duration", "Milliseconds"), 3.0);
    collector.take(1);
    assert_eq!(collector.totals(), before);
    invoke(false);
    assert_eq!(sum(&collector.totals(), "Invocations", "Count"), 3.0);
}
