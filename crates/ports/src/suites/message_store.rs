//! What every [`MessageStore`] does.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use lambent_domain::{AccountId, Region, Scope};

use crate::message_store::{
    DeadLetters, Deduplication, MessageCounts, MessageStore, MessageStoreError, MoveId, MoveState, MoveTask,
    MoveTo, Moved, NewMessage, NewMove, QueueId, QueueRecord, Receipt, Receive, Redeemed, Taken, Unmovable,
};

const MINUTE_MS: u64 = 60_000;

/// A scope of its own per region name.
pub fn scope(region: &str) -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse(region).unwrap() }
}

/// A message that can be received at once.
pub fn message(body: &str) -> NewMessage {
    NewMessage {
        uuid: format!("uuid-{body}"),
        body: body.into(),
        attributes: Bytes::from_static(b"{}"),
        due_ms: 0,
        group: None,
        deduplication: None,
    }
}

fn in_group(group: &str, body: &str) -> NewMessage {
    NewMessage { group: Some(group.into()), ..message(body) }
}

/// Up to ten messages, until a time.
pub fn until(until_ms: u64) -> Receive {
    Receive { max: 10, until_ms, sent_after_ms: 0, max_in_flight: 1_000, dead_letters: None }
}

fn bodies(taken: &Taken) -> Vec<&str> {
    taken.messages.iter().map(|message| message.body.as_str()).collect()
}

fn receipts(taken: &Taken) -> Vec<Receipt> {
    taken.messages.iter().map(|message| message.receipt).collect()
}

async fn make(store: &dyn MessageStore, name: &str) -> QueueId {
    let none = BTreeMap::new;
    store.create_queue(&scope("us-east-1"), name, none(), none(), 1).await.unwrap().id
}

async fn send(store: &dyn MessageStore, queue: QueueId, messages: Vec<NewMessage>, now_ms: u64) {
    store.send(queue, messages, now_ms).await.unwrap();
}

/// Runs everything on an empty store.
pub async fn all(store: &dyn MessageStore) {
    queues_have_names_and_revisions(store).await;
    messages_are_leased_given_back_and_deleted(store).await;
    a_lease_of_no_length_gives_each_message_once(store).await;
    delays_and_retention(store).await;
    what_is_received_too_often_goes_to_the_dead_letters(store).await;
    groups_keep_their_order(store).await;
    duplicates_go_nowhere(store).await;
    purged_and_deleted_queues_are_swept(store).await;
    messages_move_back(store).await;
    groups_move_in_their_order(store).await;
    too_many_in_flight(store).await;
}

async fn queues_have_names_and_revisions(store: &dyn MessageStore) {
    let (here, there) = (scope("us-east-1"), scope("eu-west-1"));
    let attributes = BTreeMap::from([("DelaySeconds".to_owned(), "1".to_owned())]);
    let made = store.create_queue(&here, "named", attributes, BTreeMap::new(), 7).await.unwrap();
    assert_eq!(store.queue(&here, "named"), Some(made.clone()));
    assert_eq!(store.queue(&there, "named"), None);
    let again = store.create_queue(&here, "named", BTreeMap::new(), BTreeMap::new(), 8).await;
    assert_eq!(again, Err(MessageStoreError::QueueExists(made.clone())));
    let changed = QueueRecord {
        tags: BTreeMap::from([("k".into(), "v".into())]),
        modified_ms: 9,
        ..QueueRecord::clone(&made)
    };
    let replaced = store.replace_queue(changed.clone()).await.unwrap();
    assert_eq!((replaced.tags.len(), replaced.modified_ms), (1, 9));
    assert!(replaced.revision > made.revision);
    assert_eq!(store.queue(&here, "named"), Some(replaced));
    assert_eq!(store.replace_queue(changed).await, Err(MessageStoreError::QueueChanged));
    store.create_queue(&here, "named-2", BTreeMap::new(), BTreeMap::new(), 8).await.unwrap();
    store.create_queue(&there, "a", BTreeMap::new(), BTreeMap::new(), 8).await.unwrap();
    let names = |scope: &Scope, after: &str| -> Vec<String> {
        store.queues(scope, after).iter().map(|queue| queue.name.clone()).collect()
    };
    assert_eq!(names(&here, ""), ["named", "named-2"]);
    assert_eq!(names(&here, "named"), ["named-2"]);
    assert_eq!(names(&there, ""), ["a"]);
    assert_eq!(store.all_queues().len(), 3);
    store.delete_queue(made.id).await.unwrap();
    assert_eq!(store.queue(&here, "named"), None);
    assert_eq!(store.delete_queue(made.id).await, Err(MessageStoreError::QueueGone));
    assert_eq!(store.send(made.id, vec![message("x")], 9).await, Err(MessageStoreError::QueueGone));
    let new = store.create_queue(&here, "named", BTreeMap::new(), BTreeMap::new(), 10).await.unwrap();
    assert_ne!(new.id, made.id);
}

async fn messages_are_leased_given_back_and_deleted(store: &dyn MessageStore) {
    let queue = make(store, "leases").await;
    send(store, queue, vec![message("a"), message("b"), message("c")], 10).await;
    let taken = store.receive(queue, Receive { max: 2, ..until(50) }, 20).await.unwrap();
    assert_eq!(bodies(&taken), ["a", "b"]);
    let a = &taken.messages[0];
    assert_eq!((a.uuid.as_str(), &a.attributes[..], a.receives), ("uuid-a", &b"{}"[..], 1));
    assert_eq!((a.sent_ms, a.first_received_ms, a.source.as_deref()), (10, 20, None));
    assert!(store.oldest_sent_ms(queue).await.unwrap().is_some_and(|sent_ms| sent_ms <= 20));
    let counted = store.counts(queue, 20).await.unwrap();
    assert_eq!(counted, MessageCounts { visible: 1, in_flight: 2, delayed: 0 });
    assert_eq!(store.next_due_ms(queue).await.unwrap(), Some(0));
    let [first_a, first_b] = receipts(&taken)[..] else { panic!("{taken:?}") };
    assert_eq!(bodies(&store.receive(queue, until(90), 49).await.unwrap()), ["c"]);
    assert_eq!(store.next_due_ms(queue).await.unwrap(), Some(50));
    // Each can be deleted until somebody else has it; the lease being over is not enough.
    assert_eq!(store.delete(queue, vec![first_a], 55).await.unwrap(), [Redeemed::Done]);
    assert_eq!(store.delete(queue, vec![first_a], 55).await.unwrap(), [Redeemed::Gone]);
    let taken = store.receive(queue, until(90), 55).await.unwrap();
    assert_eq!(
        (bodies(&taken), taken.messages[0].receives, taken.messages[0].first_received_ms),
        (vec!["b"], 2, 20)
    );
    let second_b = taken.messages[0].receipt;
    let outcomes = store.delete(queue, vec![first_b, first_a], 56).await.unwrap();
    assert_eq!(outcomes, [Redeemed::Gone, Redeemed::Gone]);
    assert_eq!(store.set_visibility(queue, vec![(first_b, 80)], 56).await.unwrap(), [Redeemed::Gone]);
    assert_eq!(store.set_visibility(queue, vec![(second_b, 200)], 56).await.unwrap(), [Redeemed::Done]);
    assert_eq!(bodies(&store.receive(queue, until(95), 92).await.unwrap()), ["c"]);
    assert_eq!(store.set_visibility(queue, vec![(second_b, 93)], 93).await.unwrap(), [Redeemed::Done]);
    assert_eq!(bodies(&store.receive(queue, until(95), 93).await.unwrap()), ["b"]);
    let other = make(store, "other").await;
    assert_eq!(store.delete(other, vec![second_b], 94).await.unwrap(), [Redeemed::Gone]);
}

async fn a_lease_of_no_length_gives_each_message_once(store: &dyn MessageStore) {
    for name in ["no-length", "no-length.fifo"] {
        let queue = make(store, name).await;
        let of = |body| if name.ends_with(".fifo") { in_group("g", body) } else { message(body) };
        send(store, queue, vec![of("a"), of("b")], 10).await;
        for round in 1..4 {
            let taken = store.receive(queue, until(20), 20).await.unwrap();
            assert_eq!(bodies(&taken), ["a", "b"]);
            assert!(taken.messages.iter().all(|message| message.receives == round));
        }
    }
}

async fn delays_and_retention(store: &dyn MessageStore) {
    let queue = make(store, "delays").await;
    send(store, queue, vec![NewMessage { due_ms: 50, ..message("late") }, message("now")], 10).await;
    let counted = store.counts(queue, 10).await.unwrap();
    assert_eq!(counted, MessageCounts { visible: 1, in_flight: 0, delayed: 1 });
    assert_eq!(bodies(&store.receive(queue, until(100), 49).await.unwrap()), ["now"]);
    assert_eq!(bodies(&store.receive(queue, until(100), 50).await.unwrap()), ["late"]);
    send(store, queue, vec![message("young")], 120).await;
    let expired = Receive { sent_after_ms: 10, ..until(300) };
    assert_eq!(bodies(&store.receive(queue, expired, 200).await.unwrap()), ["young"]);
    assert_eq!(bodies(&store.receive(queue, until(400), 250).await.unwrap()), [""; 0]);
    while store.sweep(&[(queue, 80)], 200).await.unwrap() {}
    assert_eq!(store.counts(queue, 200).await.unwrap(), MessageCounts::default());
    assert_eq!(store.oldest_sent_ms(queue).await.unwrap(), None);
}

async fn what_is_received_too_often_goes_to_the_dead_letters(store: &dyn MessageStore) {
    for suffix in ["", ".fifo"] {
        let queue = make(store, &format!("alive{suffix}")).await;
        let dead = make(store, &format!("dead{suffix}")).await;
        let of = |body| if suffix.is_empty() { message(body) } else { in_group("g", body) };
        send(store, queue, vec![of("poison"), of("good")], 10).await;
        let policy = DeadLetters { queue: dead, max_receives: 2, source: "arn:alive".into() };
        let receive =
            |now_ms: u64| Receive { max: 1, dead_letters: Some(policy.clone()), ..until(now_ms + 1) };
        let first = store.receive(queue, Receive { max: 2, ..until(20) }, 20).await.unwrap();
        let good = first.messages[1].receipt;
        assert_eq!(bodies(&store.receive(queue, receive(20), 20).await.unwrap()), ["poison"], "{suffix}");
        let taken = store.receive(queue, Receive { max: 2, ..receive(30) }, 30).await.unwrap();
        assert_eq!((bodies(&taken), taken.dead), (vec!["good"], 1), "{suffix}");
        let outcome = store.delete(queue, vec![good], 30).await.unwrap();
        assert_ne!(outcome, [Redeemed::Done], "an older receipt");
        let taken = store.receive(dead, until(100), 31).await.unwrap();
        let found = &taken.messages[0];
        assert_eq!((found.body.as_str(), found.uuid.as_str()), ("poison", "uuid-poison"));
        assert_eq!((found.receives, found.first_received_ms), (3, 20));
        assert_eq!(found.source.as_deref(), Some("arn:alive"));
        assert_eq!(store.counts(queue, 200).await.unwrap().visible, 1);
    }
}

async fn groups_keep_their_order(store: &dyn MessageStore) {
    let queue = make(store, "groups.fifo").await;
    let messages = [("g", "1"), ("h", "x"), ("g", "2"), ("g", "3"), ("h", "y")];
    send(store, queue, messages.map(|(group, body)| in_group(group, body)).to_vec(), 10).await;
    let taken = store.receive(queue, Receive { max: 2, ..until(100) }, 20).await.unwrap();
    assert_eq!(bodies(&taken), ["1", "2"], "as many as possible of one group");
    let [one, two] = receipts(&taken)[..] else { panic!("{taken:?}") };
    assert_eq!(bodies(&store.receive(queue, until(90), 20).await.unwrap()), ["x", "y"]);
    assert!(store.receive(queue, until(90), 21).await.unwrap().messages.is_empty(), "3 is behind 2");
    assert_eq!(store.delete(queue, vec![one], 22).await.unwrap(), [Redeemed::Done]);
    assert!(store.receive(queue, until(90), 22).await.unwrap().messages.is_empty());
    assert_eq!(store.next_due_ms(queue).await.unwrap(), Some(90));
    // Given back, it is the head of its group again.
    assert_eq!(store.set_visibility(queue, vec![(two, 23)], 23).await.unwrap(), [Redeemed::Done]);
    let taken = store.receive(queue, Receive { max: 1, ..until(40) }, 23).await.unwrap();
    assert_eq!(bodies(&taken), ["2"]);
    let two = taken.messages[0].receipt;
    assert_eq!(store.delete(queue, vec![two], 41).await.unwrap(), [Redeemed::Expired]);
    assert_eq!(store.set_visibility(queue, vec![(two, 60)], 41).await.unwrap(), [Redeemed::Expired]);
    assert_eq!(bodies(&store.receive(queue, until(80), 41).await.unwrap()), ["2", "3"]);
}

async fn duplicates_go_nowhere(store: &dyn MessageStore) {
    let queue = make(store, "duplicates.fifo").await;
    let of = |group: &str, body: &str, per_group: bool, now_ms: u64| NewMessage {
        deduplication: Some(Deduplication { id: "same".into(), per_group, until_ms: now_ms + 5 * MINUTE_MS }),
        ..in_group(group, body)
    };
    let sent = store.send(queue, vec![of("g", "1", false, 10), of("h", "2", false, 10)], 10).await.unwrap();
    assert!(!sent[0].duplicate && sent[1].duplicate);
    assert_eq!((&sent[1].uuid, sent[1].sequence), (&sent[0].uuid, sent[0].sequence));
    let taken = store.receive(queue, until(100), 20).await.unwrap();
    assert_eq!(bodies(&taken), ["1"]);
    store.delete(queue, receipts(&taken), 21).await.unwrap();
    // That the first is deleted does not help.
    let late = 10 + 5 * MINUTE_MS;
    let sent = store.send(queue, vec![of("g", "3", false, 30)], late - 1).await.unwrap();
    assert!(sent[0].duplicate);
    let other_group = store.send(queue, vec![of("h", "4", true, late - 1)], late - 1).await.unwrap();
    assert!(!other_group[0].duplicate);
    let after = store.send(queue, vec![of("g", "5", true, late)], late).await.unwrap();
    assert!(!after[0].duplicate && after[0].sequence > sent[0].sequence);
    while store.sweep(&[], late + 5 * MINUTE_MS).await.unwrap() {}
    assert_eq!(store.counts(queue, late).await.unwrap().visible, 2);
}

async fn purged_and_deleted_queues_are_swept(store: &dyn MessageStore) {
    let purged = make(store, "purged.fifo").await;
    send(store, purged, (0..1_200).map(|number| in_group("g", &number.to_string())).collect(), 10).await;
    let taken = store.receive(purged, until(100), 20).await.unwrap();
    store.purge_queue(purged, 30).await.unwrap();
    assert_eq!(store.queue(&scope("us-east-1"), "purged.fifo").unwrap().purged_ms, Some(30));
    assert_eq!(store.counts(purged, 200).await.unwrap(), MessageCounts::default());
    assert_eq!(store.delete(purged, vec![receipts(&taken)[0]], 31).await.unwrap(), [Redeemed::Gone]);
    send(store, purged, vec![in_group("g", "new")], 40).await;
    let mut parts = 0;
    while store.sweep(&[], 50).await.unwrap() {
        parts += 1;
    }
    assert!(parts >= 2, "{parts}");
    assert_eq!(bodies(&store.receive(purged, until(100), 50).await.unwrap()), ["new"]);
}

async fn messages_move_back(store: &dyn MessageStore) {
    let (dead, a, b) = (make(store, "moved").await, make(store, "move-a").await, make(store, "move-b").await);
    for (queue, arn) in [(a, "arn:a"), (b, "arn:b")] {
        send(store, queue, vec![message(arn)], 10).await;
        store.receive(queue, until(11), 10).await.unwrap();
        let policy = DeadLetters { queue: dead, max_receives: 1, source: arn.into() };
        let taken =
            store.receive(queue, Receive { dead_letters: Some(policy), ..until(12) }, 11).await.unwrap();
        assert_eq!(taken.dead, 1);
    }
    let origins = || MoveTo::Origins(BTreeMap::from([("arn:a".to_owned(), a), ("arn:b".to_owned(), b)]));
    let uuids = || (0..10).map(|number| format!("new-{number}")).collect::<Vec<_>>();
    let asked = NewMove {
        uuid: "task".into(),
        queue: dead,
        destination: None,
        max_per_second: Some(7),
        to_move: 2,
        started_ms: 20,
    };
    let task = store.create_move(asked.clone()).await.unwrap();
    assert_eq!(task, MoveTask { id: task.id, asked: asked.clone(), moved: 0, state: MoveState::Running });
    assert_eq!(store.create_move(asked.clone()).await, Err(MessageStoreError::MoveRuns));
    let own = NewMessage { due_ms: 12, ..message("own") };
    send(store, dead, vec![own], 12).await;
    let moved = store.move_messages(task.id, origins(), uuids(), 20).await.unwrap();
    assert_eq!(moved.went.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([a, b]));
    assert_eq!(moved.stopped, Some(Unmovable::NoOrigin));
    let taken = store.receive(a, until(30), 20).await.unwrap();
    assert_eq!((bodies(&taken), taken.messages[0].receives), (vec!["arn:a"], 1));
    assert_eq!((taken.messages[0].source.clone(), taken.messages[0].sent_ms), (None, 20));
    assert!(taken.messages[0].uuid.starts_with("new-"), "{}", taken.messages[0].uuid);
    let failed = MoveState::Failed("why".into());
    let ended = store.end_move(task.id, failed.clone()).await.unwrap().unwrap();
    assert_eq!((ended.moved, &ended.state), (2, &failed));
    // An end is for good, and what has ended moves nothing.
    assert_eq!(store.end_move(task.id, MoveState::Completed).await.unwrap(), Some(ended.clone()));
    assert_eq!(store.move_messages(task.id, MoveTo::Queue(b), uuids(), 21).await.unwrap(), Moved::default());
    assert_eq!(store.end_move(MoveId(u64::MAX >> 1), MoveState::Completed).await.unwrap(), None);
    let again = store.create_move(NewMove { uuid: "next".into(), ..asked }).await.unwrap();
    assert_eq!(store.running_moves().await.unwrap(), std::slice::from_ref(&again));
    assert_eq!(store.moves(dead, 10).await.unwrap(), [again.clone(), ended]);
    assert_eq!(store.moves(dead, 1).await.unwrap().len(), 1);
    let moved = store.move_messages(again.id, MoveTo::Queue(b), uuids(), 21).await.unwrap();
    assert_eq!((moved.went, moved.stopped), (vec![b], None));
    assert_eq!(bodies(&store.receive(b, until(30), 21).await.unwrap()), ["arn:b", "own"]);
    store.delete_queue(dead).await.unwrap();
    assert_eq!(store.running_moves().await.unwrap(), []);
    let gone = store.move_messages(again.id, MoveTo::Queue(b), uuids(), 22).await.unwrap();
    assert_eq!(gone, Moved::default());
}

async fn groups_move_in_their_order(store: &dyn MessageStore) {
    let (dead, to) = (make(store, "moved.fifo").await, make(store, "move-to.fifo").await);
    let sent = [("g", "1"), ("h", "2"), ("g", "3"), ("g", "4")];
    send(store, dead, sent.map(|(group, body)| in_group(group, body)).to_vec(), 10).await;
    send(store, to, vec![in_group("g", "before")], 11).await;
    // What is behind a message in flight waits for it.
    let held = store.receive(dead, Receive { max: 2, ..until(50) }, 12).await.unwrap();
    assert_eq!(bodies(&held), ["1", "3"]);
    let asked = NewMove {
        uuid: "task".into(),
        queue: dead,
        destination: None,
        max_per_second: None,
        to_move: 4,
        started_ms: 20,
    };
    let task = store.create_move(asked).await.unwrap();
    let uuids = || (0..10).map(|number| format!("fifo-{number}")).collect::<Vec<_>>();
    let moved = store.move_messages(task.id, MoveTo::Queue(to), uuids(), 20).await.unwrap();
    assert_eq!(moved.went.len(), 1);
    let moved = store.move_messages(task.id, MoveTo::Queue(to), uuids(), 60).await.unwrap();
    assert_eq!(moved.went.len(), 3);
    let mut received = Vec::new();
    loop {
        let taken = store.receive(to, until(100), 60).await.unwrap();
        if taken.messages.is_empty() {
            break;
        }
        received.extend(taken.messages);
    }
    let in_order: Vec<_> = received.iter().map(|one| one.body.as_str()).filter(|body| *body != "2").collect();
    assert_eq!(in_order, ["before", "1", "3", "4"]);
    store.delete_queue(dead).await.unwrap();
}

async fn too_many_in_flight(store: &dyn MessageStore) {
    let queue = make(store, "flight").await;
    send(store, queue, (0..5).map(|number| message(&number.to_string())).collect(), 10).await;
    let two = || Receive { max: 2, max_in_flight: 3, ..until(100) };
    store.receive(queue, two(), 20).await.unwrap();
    store.receive(queue, two(), 20).await.unwrap();
    assert_eq!(store.receive(queue, two(), 20).await, Err(MessageStoreError::TooManyInFlight));
    assert_eq!(store.receive(queue, two(), 100).await.unwrap().messages.len(), 2);
}
