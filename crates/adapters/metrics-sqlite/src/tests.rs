use lambent_domain::Distribution;
use lambent_ports::metric_store::Tier;
use lambent_ports::suites::metric_store as suite;

use super::*;

const ROOM: MetricsOptions = MetricsOptions { max_bytes: 1 << 30, max_metrics: 1_000 };

#[tokio::test]
async fn it_does_what_every_metric_store_does() {
    let dir = tempfile::tempdir().unwrap();
    suite::all(&*MetricsSqlite::open(dir.path(), ROOM).unwrap()).await;
}

#[tokio::test]
async fn points_are_there_when_it_is_opened_again_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let scope = suite::scope("us-east-1");
    let mut values = Distribution::default();
    (0..500).for_each(|value| values.add(f64::from(value) * 0.7, 1.5));
    let datum = Datum { values: values.clone(), ..suite::datum("m", 60_000, 1.0) };
    let first = MetricsSqlite::open(dir.path(), ROOM).unwrap();
    first.add(&scope, vec![datum], 60_000).await.unwrap();
    drop(first);
    let again = MetricsSqlite::open(dir.path(), ROOM).unwrap();
    let points = again.points(&scope, suite::query("m", Tier::Minute)).await.unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].values, values);
}

#[tokio::test]
async fn a_full_store_drops_what_is_oldest_and_shortest_and_takes_no_more_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let scope = suite::scope("us-east-1");
    let options = MetricsOptions { max_bytes: 400_000, max_metrics: 3 };
    let store = MetricsSqlite::open(dir.path(), options).unwrap();
    for minute in 0..6_000 {
        let name = format!("m{}", minute % 3);
        store.add(&scope, vec![suite::datum(&name, minute * 60_000, 1.0)], minute * 60_000).await.unwrap();
    }
    let size = std::fs::metadata(dir.path().join("metrics.sqlite")).unwrap().len();
    assert!(size < 800_000, "{size}");
    let minutes = store.points(&scope, suite::query("m2", Tier::Minute)).await.unwrap();
    let hours = store.points(&scope, suite::query("m2", Tier::Hour)).await.unwrap();
    assert_eq!(minutes.last().unwrap().start_s, 5_999 * 60, "the latest is there");
    assert!(minutes[0].start_s > 0, "the first is not");
    assert_eq!(hours.iter().map(|point| point.values.count()).sum::<f64>(), 2_000.0);
    let refused = store.add(&scope, vec![suite::datum("other", 1, 1.0)], 1).await;
    assert_eq!(refused, Err(MetricStoreError::TooManyMetrics));
}
