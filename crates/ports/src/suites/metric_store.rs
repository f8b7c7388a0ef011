//! What every [`MetricStore`] does.

use std::collections::BTreeMap;

use lambent_domain::{AccountId, Distribution, Region, Scope};

use crate::metric_store::{Datum, Metric, MetricQuery, MetricStore, Point, PointQuery, Tier};

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// A scope of its own per region name.
pub fn scope(region: &str) -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse(region).unwrap() }
}

/// A metric of one dimension.
pub fn metric(name: &str) -> Metric {
    let dimensions = BTreeMap::from([("D".to_owned(), "v".to_owned())]);
    Metric { namespace: "N".into(), name: name.into(), dimensions }
}

/// One value.
pub fn datum(name: &str, time_ms: u64, value: f64) -> Datum {
    let values = Distribution::one(value);
    Datum { metric: metric(name), unit: "Count".into(), time_ms, by_second: false, values }
}

/// Every point.
pub fn query(name: &str, tier: Tier) -> PointQuery {
    PointQuery { metric: metric(name), unit: None, tier, from_s: 0, until_s: u64::MAX }
}

/// Start, unit, count and sum.
fn shown(points: &[Point]) -> Vec<(u64, &str, f64, f64)> {
    let show = |point: &Point| (point.start_s, point.values.count(), point.values.sum());
    points.iter().map(|point| (show(point).0, point.unit.as_str(), show(point).1, show(point).2)).collect()
}

/// Runs everything on an empty store.
pub async fn all(store: &dyn MetricStore) {
    values_are_added_up_in_every_tier(store).await;
    units_scopes_and_dimensions_stay_apart(store).await;
    metrics_are_found_by_what_they_have(store).await;
    each_tier_is_kept_for_its_time(store).await;
}

async fn values_are_added_up_in_every_tier(store: &dyn MetricStore) {
    let scope = scope("sum-1");
    let second = Datum { by_second: true, ..datum("m", 61_500, 4.0) };
    let data = vec![datum("m", 60_000, 1.0), datum("m", 119_999, 2.0), datum("m", 301_000, 3.0), second];
    store.add(&scope, data, 400_000).await.unwrap();
    let points = async |tier| store.points(&scope, query("m", tier)).await.unwrap();
    assert_eq!(shown(&points(Tier::Second).await), [(61, "Count", 1.0, 4.0)]);
    assert_eq!(shown(&points(Tier::Minute).await), [(60, "Count", 3.0, 7.0), (300, "Count", 1.0, 3.0)]);
    assert_eq!(shown(&points(Tier::FiveMinutes).await), [(0, "Count", 3.0, 7.0), (300, "Count", 1.0, 3.0)]);
    let hours = points(Tier::Hour).await;
    assert_eq!(shown(&hours), [(0, "Count", 4.0, 10.0)]);
    assert_eq!((hours[0].values.minimum(), hours[0].values.maximum()), (1.0, 4.0));
    assert_eq!(hours[0].values.bins().unwrap().1.len(), 4);
    let part = PointQuery { from_s: 60, until_s: 300, ..query("m", Tier::Minute) };
    assert_eq!(store.points(&scope, part).await.unwrap().len(), 1);
}

async fn units_scopes_and_dimensions_stay_apart(store: &dyn MetricStore) {
    let here = scope("apart-1");
    let bytes = Datum { unit: "Bytes".into(), ..datum("m", 1_000, 2.0) };
    let mut other = datum("m", 1_000, 3.0);
    other.metric.dimensions.clear();
    store.add(&here, vec![datum("m", 1_000, 1.0), bytes, other.clone()], 1_000).await.unwrap();
    store.add(&scope("apart-2"), vec![datum("m", 1_000, 4.0)], 1_000).await.unwrap();
    let found = store.points(&here, query("m", Tier::Minute)).await.unwrap();
    assert_eq!(shown(&found), [(0, "Bytes", 1.0, 2.0), (0, "Count", 1.0, 1.0)]);
    let counts = PointQuery { unit: Some("Count".into()), ..query("m", Tier::Minute) };
    assert_eq!(store.points(&here, counts).await.unwrap().len(), 1);
    let without = PointQuery { metric: other.metric, ..query("m", Tier::Minute) };
    assert_eq!(shown(&store.points(&here, without).await.unwrap()), [(0, "Count", 1.0, 3.0)]);
    assert_eq!(store.points(&here, query("none", Tier::Minute)).await.unwrap(), []);
}

async fn metrics_are_found_by_what_they_have(store: &dyn MetricStore) {
    let scope = scope("find-1");
    let mut two = datum("b", 5_000, 1.0);
    two.metric.dimensions.insert("E.\"x".into(), "w".into());
    let elsewhere =
        Datum { metric: Metric { namespace: "O".into(), ..metric("a") }, ..datum("a", 9_000, 1.0) };
    store.add(&scope, vec![datum("a", 1_000, 1.0), two, elsewhere], 9_000).await.unwrap();
    let names = async |query: MetricQuery| {
        let found = store.metrics(&scope, MetricQuery { limit: 9, ..query }).await.unwrap();
        found
            .into_iter()
            .map(|(_, metric)| format!("{}/{}", metric.namespace, metric.name))
            .collect::<Vec<_>>()
    };
    let any = MetricQuery::default;
    assert_eq!(names(any()).await, ["N/a", "N/b", "O/a"]);
    assert_eq!(names(MetricQuery { namespace: Some("N".into()), ..any() }).await, ["N/a", "N/b"]);
    assert_eq!(names(MetricQuery { name: Some("a".into()), ..any() }).await, ["N/a", "O/a"]);
    assert_eq!(names(MetricQuery { since_ms: 5_000, ..any() }).await, ["N/b", "O/a"]);
    let with = |name: &str, value: Option<&str>| MetricQuery {
        dimensions: vec![(name.into(), value.map(str::to_owned))],
        ..MetricQuery::default()
    };
    assert_eq!(names(with("E.\"x", None)).await, ["N/b"]);
    assert_eq!(names(with("D", Some("v"))).await, ["N/a", "N/b", "O/a"]);
    assert_eq!(names(with("D", Some("w"))).await, [""; 0]);
    let first = store.metrics(&scope, MetricQuery { limit: 2, ..any() }).await.unwrap();
    let rest = MetricQuery { beyond: first[1].0, ..any() };
    assert_eq!((first.len(), names(rest).await), (2, vec!["O/a".to_owned()]));
}

async fn each_tier_is_kept_for_its_time(store: &dyn MetricStore) {
    let scope = scope("keep-1");
    let begin_ms = 1_000 * DAY_MS;
    let datum = Datum { by_second: true, ..datum("m", begin_ms, 1.0) };
    store.add(&scope, vec![datum.clone()], begin_ms).await.unwrap();
    let left = async |now_ms: u64| {
        while store.expire(now_ms).await.unwrap() {}
        let mut tiers = Vec::new();
        for tier in Tier::ALL {
            if !store.points(&scope, query("m", tier)).await.unwrap().is_empty() {
                tiers.push(tier);
            }
        }
        tiers
    };
    assert_eq!(left(begin_ms + 180 * MINUTE_MS).await, Tier::ALL);
    assert_eq!(left(begin_ms + 181 * MINUTE_MS).await, Tier::ALL[1..]);
    assert_eq!(left(begin_ms + 15 * DAY_MS).await, Tier::ALL[1..]);
    assert_eq!(left(begin_ms + 15 * DAY_MS + MINUTE_MS).await, Tier::ALL[2..]);
    assert_eq!(left(begin_ms + 63 * DAY_MS + MINUTE_MS).await, Tier::ALL[3..]);
    // Late: only what is kept for long enough takes it.
    store.add(&scope, vec![datum], begin_ms + 64 * DAY_MS).await.unwrap();
    assert_eq!(left(begin_ms + 455 * DAY_MS).await, Tier::ALL[3..]);
    assert_eq!(
        store.metrics(&scope, MetricQuery { limit: 9, ..MetricQuery::default() }).await.unwrap().len(),
        1
    );
    assert_eq!(left(begin_ms + 456 * DAY_MS).await, []);
    assert_eq!(store.metrics(&scope, MetricQuery { limit: 9, ..MetricQuery::default() }).await.unwrap(), []);
}
