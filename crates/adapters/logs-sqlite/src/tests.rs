use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_domain::{AccountId, Region, Scope};
use lambent_kit::clock::TestClock;
use lambent_ports::log_store::{
    EventQuery, LogStore, LogStoreError, Position, StreamOrder, StreamPlace, StreamQuery,
};
use lambent_ports::logs::LogEvent;

use crate::{LogsOptions, LogsSqlite};

fn scope() -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse("us-east-1").unwrap() }
}

fn store(dir: &tempfile::TempDir, clock: &Arc<TestClock>, max_bytes: u64) -> Arc<LogsSqlite> {
    LogsSqlite::open(dir.path(), LogsOptions { max_bytes }, Arc::clone(clock) as _).unwrap()
}

fn event(timestamp_ms: u64, message: &str) -> LogEvent {
    LogEvent { timestamp_ms, message: message.into() }
}

async fn messages(store: &LogsSqlite, query: EventQuery) -> Vec<String> {
    let events = store.events(&scope(), "g", EventQuery { limit: 100, ..query }).await.unwrap();
    events.into_iter().map(|event| event.message).collect()
}

#[tokio::test]
async fn groups_and_streams_come_and_go() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(TestClock::at(5)));
    let store = store(&dir, &clock, 1 << 30);
    let home = scope();
    store.create_group(&home, "g", BTreeMap::from([("k".into(), "v".into())])).await.unwrap();
    assert_eq!(store.create_group(&home, "g", BTreeMap::new()).await, Err(LogStoreError::GroupExists));
    assert_eq!(store.create_stream(&home, "none", "s").await, Err(LogStoreError::GroupMissing));
    store.create_stream(&home, "g", "s").await.unwrap();
    assert_eq!(store.create_stream(&home, "g", "s").await, Err(LogStoreError::StreamExists));
    store.set_retention(&home, "g", Some(7)).await.unwrap();
    let group = store.group(&home, "g").await.unwrap();
    assert_eq!((group.created_ms, group.retention_days, group.tags["k"].as_str()), (5, Some(7), "v"));
    store.append(&home, "g", "s", vec![event(1, "abc")], false).await.unwrap();
    let missing = store.append(&home, "g", "t", vec![event(1, "abc")], false).await;
    assert_eq!(missing, Err(LogStoreError::StreamMissing));
    assert_eq!(store.group(&home, "g").await.unwrap().stored_bytes, 3);
    let stream = store.stream(&home, "g", "s").await.unwrap();
    assert_eq!(store.stream(&home, "g", "t").await, Err(LogStoreError::StreamMissing));
    assert_eq!(
        (stream.first_event_ms, stream.last_event_ms, stream.last_ingestion_ms),
        (Some(1), Some(1), Some(5))
    );
    store.delete_stream(&home, "g", "s").await.unwrap();
    assert_eq!(store.group(&home, "g").await.unwrap().stored_bytes, 0);
    store.delete_group(&home, "g").await.unwrap();
    assert_eq!(store.delete_group(&home, "g").await, Err(LogStoreError::GroupMissing));
}

#[tokio::test]
async fn events_are_in_order_and_there_after_a_restart() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(TestClock::at(50)));
    let home = scope();
    let first = store(&dir, &clock, 1 << 30);
    first.append(&home, "g", "a", vec![event(10, "1"), event(30, "4")], true).await.unwrap();
    first.append(&home, "g", "b", vec![event(20, "2"), event(20, "3")], true).await.unwrap();
    drop(first);
    let store = store(&dir, &clock, 1 << 30);
    assert_eq!(messages(&store, EventQuery::default()).await, ["1", "2", "3", "4"]);
    let backwards = EventQuery { backwards: true, ..Default::default() };
    assert_eq!(messages(&store, backwards).await, ["4", "3", "2", "1"]);
    let some = EventQuery { start_ms: Some(20), end_ms: Some(30), ..Default::default() };
    assert_eq!(messages(&store, some).await, ["2", "3"]);
    let stream = EventQuery { streams: Some(vec!["a".into()]), ..Default::default() };
    assert_eq!(messages(&store, stream).await, ["1", "4"]);
    let all = store.events(&home, "g", EventQuery { limit: 2, ..Default::default() }).await.unwrap();
    let beyond = Position { timestamp_ms: all[1].timestamp_ms, id: all[1].id };
    let rest = EventQuery { beyond: Some(beyond), ..Default::default() };
    assert_eq!(messages(&store, rest).await, ["3", "4"]);
}

/// Every page of a query, by names.
async fn pages(store: &LogsSqlite, query: &StreamQuery) -> Vec<Vec<String>> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = store.streams(&scope(), "g", query.clone()).await.unwrap();
        let Some(last) = page.last() else { return pages };
        query.beyond = Some(StreamPlace { last_event_ms: last.last_event_ms, name: last.name.clone() });
        pages.push(page.into_iter().map(|stream| stream.name).collect());
    }
}

#[tokio::test]
async fn streams_are_paged_in_both_orders_and_directions() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(TestClock::at(50)));
    let store = store(&dir, &clock, 1 << 30);
    let home = scope();
    store.create_group(&home, "g", BTreeMap::new()).await.unwrap();
    store.create_group(&home, "other", BTreeMap::new()).await.unwrap();
    store.create_stream(&home, "other", "a").await.unwrap();
    for (name, time) in [("a", Some(30)), ("b", Some(10)), ("b!", Some(10)), ("bé", None), ("c", Some(20))] {
        store.create_stream(&home, "g", name).await.unwrap();
        if let Some(time) = time {
            store.append(&home, "g", name, vec![event(time, "x")], false).await.unwrap();
        }
    }
    let by_name = StreamQuery { limit: 2, ..Default::default() };
    assert_eq!(pages(&store, &by_name).await, [vec!["a", "b"], vec!["b!", "bé"], vec!["c"]]);
    let backwards = StreamQuery { descending: true, ..by_name.clone() };
    assert_eq!(pages(&store, &backwards).await, [vec!["c", "bé"], vec!["b!", "b"], vec!["a"]]);
    let prefixed = StreamQuery { prefix: "b".into(), ..by_name.clone() };
    assert_eq!(pages(&store, &prefixed).await, [vec!["b", "b!"], vec!["bé"]]);
    let prefixed = StreamQuery { descending: true, ..prefixed };
    assert_eq!(pages(&store, &prefixed).await, [vec!["bé", "b!"], vec!["b"]]);
    let by_time = StreamQuery { order: StreamOrder::LastEvent, ..by_name };
    assert_eq!(pages(&store, &by_time).await, [vec!["bé", "b"], vec!["b!", "c"], vec!["a"]]);
    let latest = StreamQuery { descending: true, ..by_time };
    assert_eq!(pages(&store, &latest).await, [vec!["a", "c"], vec!["b!", "b"], vec!["bé"]]);
}

#[tokio::test]
async fn old_events_expire_and_a_full_store_drops_the_oldest() {
    const DAY: u64 = 86_400_000;
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(TestClock::at(10 * DAY)));
    let home = scope();
    let store = store(&dir, &clock, 1_000);
    store.append(&home, "g", "s", vec![event(DAY, "old"), event(9 * DAY, "new")], true).await.unwrap();
    store.set_retention(&home, "g", Some(3)).await.unwrap();
    store.expire().await.unwrap();
    assert_eq!(messages(&store, EventQuery::default()).await, ["new"]);
    let long = "x".repeat(600);
    store.append(&home, "g", "s", vec![event(9 * DAY, &long)], true).await.unwrap();
    assert_eq!(messages(&store, EventQuery::default()).await.len(), 2);
    store.append(&home, "g", "s", vec![event(9 * DAY, &long)], true).await.unwrap();
    assert!(store.group(&home, "g").await.unwrap().stored_bytes <= 1_000);
}
