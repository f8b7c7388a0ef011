use lambent_ports::suites::topic_store as suite;

use super::*;

#[tokio::test]
async fn it_does_what_every_topic_store_does() {
    let dir = tempfile::tempdir().unwrap();
    suite::all(&*SnsSqlite::open(dir.path()).unwrap()).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = SnsSqlite::open(dir.path()).unwrap();
    let topic = suite::topic(&*first, "t.fifo").await;
    let one = first.subscribe(suite::subscription(topic.id, "a"), None, 1).await.unwrap();
    let message = NewNotification { group: Some("g".into()), ..suite::message("m", &[&one.id]) };
    first.publish(topic.id, vec![message.clone(), message], 10).await.unwrap();
    first.keep_signing_key(Bytes::from_static(b"key")).await.unwrap();
    drop(first);
    let again = SnsSqlite::open(dir.path()).unwrap();
    assert_eq!(again.topic(&topic.scope, "t.fifo"), Some(topic.clone()));
    assert_eq!(again.subscriptions(topic.id), std::slice::from_ref(&one));
    let lane = Lane { topic: topic.id, subscription: one.id.clone() };
    assert_eq!(again.lanes().await.unwrap(), [(lane.clone(), 10)]);
    assert_eq!(again.due(&lane, 10, 10).await.unwrap().len(), 1, "the group's first one");
    assert_eq!(again.signing_key().await.unwrap(), Some(Bytes::from_static(b"key")));
}

/// What a claim reads is a few rows, whatever stands before them.
#[tokio::test]
async fn a_backlog_costs_a_claim_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = SnsSqlite::open(dir.path()).unwrap();
    let plan = store.read(|db| {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", deliveries::DUE)).map_err(storage)?;
        let mut lines = plan.raw_query();
        let mut told = Vec::new();
        while let Some(line) = lines.next().map_err(storage)? {
            told.push(line.get::<_, String>(3).map_err(storage)?);
        }
        Ok(told)
    });
    let plan = plan.await.unwrap();
    assert!(plan.iter().all(|line| line.starts_with("SEARCH") && line.contains("USING")), "{plan:?}");
    assert!(plan[0].contains("deliveries_due"), "{plan:?}");
}
