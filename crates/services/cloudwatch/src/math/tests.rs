use super::*;

const TIMES: Times = Times { start_s: 0, end_s: 300, period_s: 60 };

fn series(label: &str, values: &[(u64, f64)]) -> Series {
    Series { label: label.into(), period_s: 60, points: values.iter().copied().collect() }
}

fn named(name: &str) -> Result<Worth, Reason> {
    match name {
        "a" => Ok(Worth::One(series("a", &[(0, 1.0), (60, 2.0), (180, 4.0)]))),
        "b" => Ok(Worth::One(series("b", &[(0, 10.0), (60, 0.0), (120, 30.0)]))),
        "none" => Ok(Worth::One(series("none", &[]))),
        _ => Err(format!("no {name}")),
    }
}

fn of(text: &str) -> Result<Worth, Reason> {
    let metrics: Vec<Series> =
        ["a", "b"].iter().flat_map(|name| functions::series(named(name).unwrap())).collect();
    evaluate(&parse(text)?, TIMES, &mut named, &metrics)
}

fn points(text: &str) -> Vec<(u64, f64)> {
    match of(text) {
        Ok(Worth::One(series)) => series.points.into_iter().collect(),
        other => panic!("{text}: {other:?}"),
    }
}

fn number(text: &str) -> f64 {
    match of(text) {
        Ok(Worth::Number(number)) => number,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn operators_bind_as_they_do_everywhere() {
    assert_eq!(number("1 + 2 * 3 ^ 2"), 19.0);
    assert_eq!(number("2 ^ 3 ^ 2"), 512.0);
    assert_eq!(number("(1 + 2) * -3"), -9.0);
    assert_eq!(number("7 - 2 - 1"), 4.0);
    assert_eq!(number("1 < 2 AND 2 < 1 OR 3 == 3"), 1.0);
    assert_eq!(number("1 >= 2 || 1 != 1"), 0.0);
    assert_eq!(number(".5 * 4"), 2.0);
}

#[test]
fn series_meet_where_both_have_values_and_a_division_by_zero_has_none() {
    assert_eq!(points("a + b"), [(0, 11.0), (60, 2.0)]);
    assert_eq!(points("a / b"), [(0, 0.1)]);
    assert_eq!(points("100 * a"), [(0, 100.0), (60, 200.0), (180, 400.0)]);
    assert_eq!(points("-a"), [(0, -1.0), (60, -2.0), (180, -4.0)]);
    assert_eq!(points("a > 1"), [(0, 0.0), (60, 1.0), (180, 1.0)]);
    assert_eq!(points("SUM(METRICS())"), [(0, 11.0), (60, 2.0), (120, 30.0), (180, 4.0)]);
    assert_eq!(points("MAX([a, b])"), [(0, 10.0), (60, 2.0), (120, 30.0), (180, 4.0)]);
    assert_eq!(points("AVG(METRICS() * 2)")[0], (0, 11.0));
}

#[test]
fn functions_do_what_aws_documents() {
    assert_eq!(number("SUM(a)"), 7.0);
    assert_eq!(number("MIN(b) + MAX(b)"), 30.0);
    assert_eq!(number("PERIOD(a)"), 60.0);
    assert_eq!(number("DATAPOINT_COUNT(a)"), 3.0);
    assert_eq!(number("METRIC_COUNT(METRICS())"), 2.0);
    assert_eq!(number("STDDEV(a)"), (14.0_f64 / 9.0).sqrt());
    assert_eq!(points("DIFF(a)"), [(60, 1.0), (180, 2.0)]);
    assert_eq!(points("RATE(a)"), [(60, 1.0 / 60.0), (180, 2.0 / 120.0)]);
    assert_eq!(points("RUNNING_SUM(a)"), [(0, 1.0), (60, 3.0), (180, 7.0)]);
    assert_eq!(points("FILL(a, 0)"), [(0, 1.0), (60, 2.0), (120, 0.0), (180, 4.0), (240, 0.0)]);
    assert_eq!(points("FILL(a, REPEAT)")[2..], [(120, 2.0), (180, 4.0), (240, 4.0)]);
    assert_eq!(points("FILL(a, LINEAR)")[2..], [(120, 3.0), (180, 4.0)]);
    assert_eq!(points("IF(a > 1, b, -1)"), [(0, -1.0), (60, 0.0)]);
    assert_eq!(points("IF(0, a, b)"), points("b"));
    assert_eq!(points("TIME_SERIES(3)").len(), 5);
    assert_eq!(points("MINUTE(a)"), [(0, 0.0), (60, 1.0), (180, 3.0)]);
    assert_eq!(points("DAY(a)")[0], (0, 4.0), "a Thursday");
    assert_eq!(points("100 * FILL(none, 1)").len(), 5);
    assert_eq!(points("abs(a - 2)"), [(0, 1.0), (60, 0.0), (180, 2.0)]);
    assert_eq!(of("REMOVE_EMPTY([none])"), Ok(Worth::Many(vec![])));
}

#[test]
fn what_is_not_understood_says_why() {
    for text in [
        "",
        "1 +",
        "(a",
        "[a",
        "\"x",
        "a b",
        "SUM(a",
        "SUM(a b)",
        "1.2.3",
        "@",
        "x",
        "\"x\"",
        "SUM()",
        "1 / 0",
        "FILL(1, 2)",
        "é",
    ] {
        assert!(of(text).is_err(), "{text}");
    }
    assert_eq!(of("SORT(METRICS())"), Err("The function SORT is not available here yet".into()));
    let deep = format!("{}1{}", "(".repeat(1_000), ")".repeat(1_000));
    assert_eq!(of(&deep), Err("The expression nests too deep".into()));
    assert!(of(&"-".repeat(2_000)).is_err());
}
