use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use lambent_ports::suites::{message_store as suite, message_store_model};

use super::*;

#[tokio::test]
async fn it_does_what_every_message_store_does() {
    let dir = tempfile::tempdir().unwrap();
    suite::all(&*SqsSqlite::open(dir.path()).unwrap()).await;
}

#[test]
fn it_behaves_as_the_model() {
    let dirs: Mutex<HashMap<u32, tempfile::TempDir>> = Mutex::default();
    message_store_model::behaves_as_the_model(|case| {
        let mut dirs = dirs.lock().unwrap();
        let dir = dirs.entry(case).or_insert_with(|| tempfile::tempdir().unwrap());
        SqsSqlite::open(dir.path()).unwrap()
    });
}

#[tokio::test]
async fn queues_and_messages_are_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let scope = suite::scope("us-east-1");
    let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let first = SqsSqlite::open(dir.path()).unwrap();
    let made = first.create_queue(&scope, "q", BTreeMap::new(), tags, 5).await.unwrap();
    first.send(made.id, vec![suite::message("a"), suite::message("b")], 10).await.unwrap();
    let receive = Receive { max: 1, ..suite::until(100) };
    let taken = first.receive(made.id, receive, 20).await.unwrap();
    drop(first);
    let again = SqsSqlite::open(dir.path()).unwrap();
    assert_eq!(again.queue(&scope, "q"), Some(made.clone()));
    let rest = again.receive(made.id, suite::until(100), 20).await.unwrap();
    assert_eq!(rest.messages[0].body, "b");
    let receipts = vec![taken.messages[0].receipt];
    assert_eq!(again.delete(made.id, receipts, 21).await.unwrap(), [Redeemed::Done]);
}

/// What a receive reads is a few rows, whatever stands before them.
#[tokio::test]
async fn a_backlog_costs_a_receive_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqsSqlite::open(dir.path()).unwrap();
    let scope = suite::scope("us-east-1");
    for name in ["standard", "groups.fifo"] {
        let queue = store.create_queue(&scope, name, BTreeMap::new(), BTreeMap::new(), 5).await.unwrap();
        let group = |number: u32| queue.is_fifo().then(|| (number % 3).to_string());
        for part in 0..20 {
            let messages = (0..1_000)
                .map(|number| NewMessage { group: group(part * 1_000 + number), ..suite::message("m") });
            store.send(queue.id, messages.collect(), 10).await.unwrap();
        }
        let steps = store
            .write(move |db| {
                let receive = Receive { max: 10, ..suite::until(100) };
                messages::receive(db, queue.id, &receive, 20)?;
                let mut looked_at = 0;
                for text in [messages::DUE, fifo::DUE_GROUP, fifo::RUN] {
                    let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {text}")).map_err(storage)?;
                    let mut lines = plan.raw_query();
                    while let Some(line) = lines.next().map_err(storage)? {
                        let line: String = line.get(3).map_err(storage)?;
                        assert!(line.starts_with("SEARCH") && line.contains("USING"), "{text}: {line}");
                        looked_at += 1;
                    }
                }
                Ok(looked_at)
            })
            .await;
        assert!(steps.unwrap() >= 3);
    }
}
