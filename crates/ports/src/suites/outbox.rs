//! What every outbox does.

use bytes::Bytes;

use crate::outbox::{Change, Entry, JournalSize, Message, MessageId, Outbox, Page, Record, Waiting};

/// A record to try with.
pub fn record(kind: &str, key: &str, body: &'static str) -> Record {
    Record { kind: kind.into(), key: key.into(), body: Bytes::from_static(body.as_bytes()) }
}

/// A message to try with.
pub fn send(due_ms: u64, body: &'static str) -> Change {
    Change::Send { due_ms, body: Bytes::from_static(body.as_bytes()) }
}

fn append(journal: &str, at_ms: u64, body: &'static str) -> Change {
    Change::Append { journal: journal.into(), at_ms, body: Bytes::from_static(body.as_bytes()) }
}

/// All of it, on an empty outbox.
pub async fn all(outbox: &dyn Outbox) {
    records(outbox).await;
    messages(outbox).await;
    journals(outbox).await;
}

async fn records(outbox: &dyn Outbox) {
    let (a, b) = (record("rule", "b/a", "1"), record("rule", "a/b", "2"));
    let bus = record("bus", "b/a", "3");
    let puts = [&a, &b, &bus].into_iter().cloned().map(Change::Put).collect();
    assert_eq!(outbox.commit(puts).await.unwrap(), []);
    assert_eq!(outbox.records().await.unwrap(), [bus.clone(), b.clone(), a]);
    let newer = record("rule", "b/a", "");
    let changes = vec![
        Change::Put(newer.clone()),
        Change::Delete { kind: "rule".into(), key: "a/b".into() },
        Change::Delete { kind: "rule".into(), key: "never".into() },
    ];
    outbox.commit(changes).await.unwrap();
    assert_eq!(outbox.records().await.unwrap(), [bus, newer]);
}

async fn messages(outbox: &dyn Outbox) {
    let ids = outbox.commit(vec![send(20, "first"), Change::Put(record("x", "y", "z")), send(10, "second")]);
    let ids = ids.await.unwrap();
    let [first, second] = ids[..] else { panic!("{ids:?}") };
    assert!(first < second, "ids count up");
    let waits = |id, due_ms| Waiting { id, due_ms };
    assert_eq!(outbox.waiting().await.unwrap(), [waits(first, 20), waits(second, 10)]);
    let message = Message { body: Bytes::from_static(b"first"), note: Bytes::new() };
    assert_eq!(outbox.message(first).await.unwrap(), Some(message.clone()));
    let note = Bytes::from_static(b"once");
    let changes = vec![Change::PutOff { id: first, due_ms: 99, note: note.clone() }, Change::Done(second)];
    outbox.commit(changes).await.unwrap();
    assert_eq!(outbox.waiting().await.unwrap(), [waits(first, 99)]);
    assert_eq!(outbox.message(first).await.unwrap(), Some(Message { note, ..message }));
    assert_eq!(outbox.message(second).await.unwrap(), None);
    // Neither brings a message back that is done with.
    let late = vec![Change::PutOff { id: second, due_ms: 1, note: Bytes::new() }, Change::Done(second)];
    outbox.commit(late).await.unwrap();
    outbox.commit(vec![Change::Done(first)]).await.unwrap();
    assert_eq!(outbox.waiting().await.unwrap(), []);
    let next = outbox.commit(vec![send(1, "third")]).await.unwrap();
    assert!(next[0] > second, "ids are never given again");
    outbox.commit(vec![Change::Done(next[0]), Change::Done(MessageId(u64::MAX >> 1))]).await.unwrap();
}

async fn journals(outbox: &dyn Outbox) {
    let changes =
        vec![append("a", 30, "c"), append("a", 10, "a"), append("b", 15, "other"), append("a", 10, "bb")];
    outbox.commit(changes).await.unwrap();
    let page = Page { from_ms: 0, until_ms: u64::MAX >> 1, after: None, entries: 2 };
    let first = outbox.journal("a", page).await.unwrap();
    let text = |entries: &[Entry]| -> Vec<String> {
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect()
    };
    assert_eq!(text(&first), ["a", "bb"]);
    let after = first.last().map(|entry| (entry.at_ms, entry.number));
    assert_eq!(text(&outbox.journal("a", Page { after, ..page }).await.unwrap()), ["c"]);
    assert_eq!(text(&outbox.journal("a", Page { from_ms: 11, entries: 9, ..page }).await.unwrap()), ["c"]);
    assert_eq!(
        text(&outbox.journal("a", Page { until_ms: 30, entries: 9, ..page }).await.unwrap()),
        ["a", "bb"]
    );
    assert_eq!(outbox.journal_size("a").await.unwrap(), JournalSize { entries: 3, bytes: 4 });
    let trim = |before_ms| Change::Trim { journal: "a".into(), before_ms };
    outbox.commit(vec![trim(30)]).await.unwrap();
    assert_eq!(outbox.journal_size("a").await.unwrap(), JournalSize { entries: 1, bytes: 1 });
    outbox.commit(vec![trim(u64::MAX)]).await.unwrap();
    assert_eq!(outbox.journal_size("a").await.unwrap(), JournalSize::default());
    assert_eq!(outbox.journal_size("b").await.unwrap(), JournalSize { entries: 1, bytes: 5 });
}
