//! What every [`TopicStore`] does.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lambent_domain::{AccountId, Region, Scope};

use crate::topic_store::{
    Again, Confirmation, Deduplication, Delivery, Farewell, Lane, NewNotification, SubscriptionRecord,
    TopicId, TopicRecord, TopicStore, TopicStoreError,
};

fn scope() -> Scope {
    Scope { account: AccountId::parse("123456789012").unwrap(), region: Region::parse("us-east-1").unwrap() }
}

/// Makes a topic.
pub async fn topic(store: &dyn TopicStore, name: &str) -> Arc<TopicRecord> {
    store.create_topic(&scope(), name, BTreeMap::new(), BTreeMap::new()).await.unwrap()
}

/// A subscription that can be added.
pub fn subscription(topic: TopicId, name: &str) -> SubscriptionRecord {
    SubscriptionRecord {
        id: name.into(),
        topic,
        protocol: "sqs".into(),
        endpoint: format!("queue-{name}"),
        owner: "123456789012".into(),
        principal: "arn:aws:iam::123456789012:root".into(),
        attributes: BTreeMap::new(),
        confirmation: Confirmation::Confirmed { authenticated: true },
        revision: 1,
    }
}

/// A message for some subscriptions.
pub fn message(content: &str, to: &[&str]) -> NewNotification {
    NewNotification {
        uuid: format!("uuid-{content}"),
        content: Bytes::copy_from_slice(content.as_bytes()),
        group: None,
        deduplication: None,
        to: to.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn lane(topic: TopicId, id: &str) -> Lane {
    Lane { topic, subscription: id.to_owned() }
}

fn contents(found: &[Delivery]) -> Vec<String> {
    found.iter().map(|one| String::from_utf8_lossy(&one.content).into_owned()).collect()
}

/// Runs everything on an empty store.
pub async fn all(store: &dyn TopicStore) {
    topics_have_names_and_revisions(store).await;
    an_endpoint_has_one_subscription(store).await;
    each_subscription_gets_its_own_delivery(store).await;
    groups_keep_their_order(store).await;
    duplicates_go_nowhere(store).await;
    what_is_dropped_takes_its_deliveries_along(store).await;
    what_nobody_confirms_is_forgotten(store).await;
    an_end_is_told_and_can_be_taken_back(store).await;
    the_first_signing_key_stays(store).await;
}

async fn topics_have_names_and_revisions(store: &dyn TopicStore) {
    let made = topic(store, "named").await;
    assert_eq!(store.topic(&scope(), "named"), Some(made.clone()));
    assert_eq!(store.topic_by_id(made.id), Some(made.clone()));
    let again = store.create_topic(&scope(), "named", BTreeMap::new(), BTreeMap::new()).await;
    assert_eq!(again, Err(TopicStoreError::TopicExists(made.clone())));
    let changed = TopicRecord { tags: BTreeMap::from([("k".into(), "v".into())]), ..(*made).clone() };
    let changed = store.replace_topic(changed).await.unwrap();
    assert!(changed.revision > made.revision);
    assert_eq!(store.replace_topic((*made).clone()).await, Err(TopicStoreError::Changed));
    let other = topic(store, "other").await;
    assert_eq!(store.topics(&scope(), "named"), std::slice::from_ref(&other));
    store.delete_topic(other.id).await.unwrap();
    assert_eq!(store.delete_topic(other.id).await, Err(TopicStoreError::TopicGone));
    assert_eq!(store.topic(&scope(), "other"), None);
    assert_ne!(topic(store, "other").await.id, other.id, "an id is never given again");
}

async fn an_endpoint_has_one_subscription(store: &dyn TopicStore) {
    let id = topic(store, "endpoints").await.id;
    let added = store.subscribe(subscription(id, "a"), None, 1).await.unwrap();
    let twice = SubscriptionRecord { id: "b".into(), ..subscription(id, "a") };
    let known = Err(TopicStoreError::SubscriptionExists(added.clone()));
    assert_eq!(store.subscribe(twice, None, 1).await, known);
    assert_eq!(store.subscriptions(id), std::slice::from_ref(&added));
    let confirmation = Confirmation::Pending { token: "t".into(), since_ms: 1 };
    let changed = SubscriptionRecord { confirmation, ..(*added).clone() };
    let changed = store.replace_subscription(changed).await.unwrap();
    assert_eq!(store.subscription(id, "a"), Some(changed));
    assert_eq!(store.replace_subscription((*added).clone()).await, Err(TopicStoreError::Changed));
    store.unsubscribe(id, "a", None, 1).await.unwrap();
    assert_eq!(store.unsubscribe(id, "a", None, 1).await, Err(TopicStoreError::SubscriptionGone));
    assert_eq!(store.topic_by_id(id).unwrap().unsubscribed, 1);
    let nowhere = store.subscribe(subscription(TopicId(1 << 40), "a"), None, 1).await;
    assert_eq!(nowhere, Err(TopicStoreError::TopicGone));
}

async fn what_nobody_confirms_is_forgotten(store: &dyn TopicStore) {
    let id = topic(store, "unconfirmed").await.id;
    let pending = |name: &str, since_ms| SubscriptionRecord {
        confirmation: Confirmation::Pending { token: name.into(), since_ms },
        ..subscription(id, name)
    };
    store.subscribe(pending("a", 10), Some(message("first", &["a"])), 10).await.unwrap();
    let later = store.subscribe(pending("b", 20), None, 20).await.unwrap();
    let confirmed = store.subscribe(subscription(id, "c"), None, 1).await.unwrap();
    assert_eq!(store.forget_unconfirmed(9).await, Ok(0));
    assert_eq!(store.forget_unconfirmed(10).await, Ok(1));
    assert_eq!(store.subscriptions(id), [later, confirmed]);
    assert_eq!(store.due(&lane(id, "a"), 10, 100).await.unwrap(), []);
    assert_eq!(store.topic_by_id(id).unwrap().unsubscribed, 0);
    store.delete_topic(id).await.unwrap();
}

async fn an_end_is_told_and_can_be_taken_back(store: &dyn TopicStore) {
    let id = topic(store, "ended").await.id;
    let farewell = |content: &str| Farewell { token: "t".into(), notification: message(content, &["a"]) };
    store.subscribe(subscription(id, "a"), None, 1).await.unwrap();
    store.publish(id, vec![message("1", &["a"])], 5).await.unwrap();
    store.unsubscribe(id, "a", Some(farewell("bye")), 10).await.unwrap();
    let ended = store.subscription(id, "a").unwrap();
    assert_eq!(ended.confirmation, Confirmation::Ended { token: "t".into(), since_ms: 10 });
    assert_eq!(contents(&store.due(&lane(id, "a"), 10, 10).await.unwrap()), ["bye"]);
    assert_eq!(store.topic_by_id(id).unwrap().unsubscribed, 1);
    let back = Confirmation::Confirmed { authenticated: false };
    let back = SubscriptionRecord { confirmation: back, ..(*ended).clone() };
    assert_eq!(store.replace_subscription(back).await.unwrap().id, "a");
    // Somebody else takes the place of one that has ended, and nobody takes that back.
    store.unsubscribe(id, "a", Some(farewell("bye again")), 20).await.unwrap();
    let new = SubscriptionRecord { id: "b".into(), ..subscription(id, "a") };
    let new = store.subscribe(new, None, 30).await.unwrap();
    assert_eq!(store.subscriptions(id), std::slice::from_ref(&new));
    assert_eq!(store.due(&lane(id, "a"), 10, 100).await.unwrap(), []);
    store.unsubscribe(id, "b", Some(farewell("bye")), 40).await.unwrap();
    assert_eq!(store.forget_unconfirmed(40).await, Ok(1));
    assert_eq!(store.subscriptions(id), []);
    store.delete_topic(id).await.unwrap();
}

async fn each_subscription_gets_its_own_delivery(store: &dyn TopicStore) {
    let id = topic(store, "fan-out").await.id;
    store.subscribe(subscription(id, "a"), None, 1).await.unwrap();
    store.subscribe(subscription(id, "b"), Some(message("first", &["b"])), 1).await.unwrap();
    let published = vec![message("1", &["a", "b"]), message("2", &["a"]), message("3", &[])];
    store.publish(id, published, 10).await.unwrap();
    assert_eq!(store.due(&lane(id, "a"), 10, 9).await.unwrap(), []);
    let found = store.due(&lane(id, "a"), 10, 10).await.unwrap();
    assert_eq!(contents(&found), ["1", "2"]);
    assert_eq!(contents(&store.due(&lane(id, "b"), 10, 10).await.unwrap()), ["first", "1"]);
    let again = Again { due_ms: 50, attempts: 1, dead: true };
    store.again(found[0].id, again).await.unwrap();
    let next = |running: Vec<u64>| async move { store.next_due_ms(&lane(id, "a"), &running).await.unwrap() };
    assert_eq!(next(vec![]).await, Some(10));
    assert_eq!(next(vec![found[1].id]).await, Some(50));
    store.settle(found[1].id, 20).await.unwrap();
    assert_eq!(store.due(&lane(id, "a"), 10, 49).await.unwrap(), []);
    let last = store.due(&lane(id, "a"), 10, 50).await.unwrap();
    assert_eq!((last[0].attempts, last[0].dead, contents(&last)), (1, true, vec!["1".to_owned()]));
    store.settle(last[0].id, 50).await.unwrap();
    assert_eq!(next(vec![]).await, None);
    assert_eq!(contents(&store.due(&lane(id, "b"), 10, 50).await.unwrap()), ["first", "1"]);
    let gone = store.publish(TopicId(1 << 40), vec![message("x", &[])], 10).await;
    assert_eq!(gone, Err(TopicStoreError::TopicGone));
}

async fn groups_keep_their_order(store: &dyn TopicStore) {
    let id = topic(store, "groups.fifo").await.id;
    store.subscribe(subscription(id, "a"), None, 1).await.unwrap();
    let grouped = |content: &str, group: &str| NewNotification {
        group: Some(group.into()),
        ..message(content, &["a"])
    };
    let messages = vec![grouped("1", "x"), grouped("2", "x"), grouped("3", "y")];
    let published = store.publish(id, messages, 10).await.unwrap();
    assert_eq!(published.iter().map(|one| one.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    let found = store.due(&lane(id, "a"), 10, 10).await.unwrap();
    assert_eq!(contents(&found), ["1", "3"], "the first of each group");
    store.again(found[0].id, Again { due_ms: 100, attempts: 1, dead: false }).await.unwrap();
    store.settle(found[1].id, 20).await.unwrap();
    assert_eq!(store.due(&lane(id, "a"), 10, 99).await.unwrap(), [], "one that waits holds its group back");
    store.settle(found[0].id, 100).await.unwrap();
    assert_eq!(contents(&store.due(&lane(id, "a"), 10, 100).await.unwrap()), ["2"]);
}

async fn duplicates_go_nowhere(store: &dyn TopicStore) {
    let id = topic(store, "duplicates.fifo").await.id;
    store.subscribe(subscription(id, "a"), None, 1).await.unwrap();
    let of = |content: &str, group: &str, per_group| NewNotification {
        group: Some(group.into()),
        deduplication: Some(Deduplication { id: "same".into(), per_group, until_ms: 300 }),
        ..message(content, &["a"])
    };
    let publish = |message: NewNotification, now_ms| async move {
        store.publish(id, vec![message], now_ms).await.unwrap().remove(0)
    };
    let first = publish(of("1", "x", false), 10).await;
    let second = publish(of("2", "y", false), 299).await;
    assert_eq!((second.uuid, second.sequence, second.duplicate), (first.uuid, first.sequence, true));
    assert!(!publish(of("3", "y", true), 299).await.duplicate, "another group");
    assert!(!publish(of("4", "x", false), 300).await.duplicate, "too long ago");
    assert_eq!(contents(&store.due(&lane(id, "a"), 10, 300).await.unwrap()), ["1", "3"]);
}

async fn what_is_dropped_takes_its_deliveries_along(store: &dyn TopicStore) {
    let id = topic(store, "dropped").await.id;
    for name in ["a", "b"] {
        store.subscribe(subscription(id, name), None, 1).await.unwrap();
    }
    store.publish(id, vec![message("1", &["a", "b"])], 10).await.unwrap();
    store.unsubscribe(id, "a", None, 1).await.unwrap();
    assert_eq!(store.due(&lane(id, "a"), 10, 10).await.unwrap(), []);
    let left = store.due(&lane(id, "b"), 10, 10).await.unwrap();
    assert_eq!(contents(&left), ["1"], "the other one's is still there");
    store.delete_topic(id).await.unwrap();
    assert_eq!(store.due(&lane(id, "b"), 10, 10).await.unwrap(), []);
    assert_eq!(store.subscriptions(id), []);
    store.settle(left[0].id, 20).await.unwrap();
}

async fn the_first_signing_key_stays(store: &dyn TopicStore) {
    assert_eq!(store.signing_key().await.unwrap(), None);
    let (first, second) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
    assert_eq!(store.keep_signing_key(first.clone()).await.unwrap(), first);
    assert_eq!(store.keep_signing_key(second).await.unwrap(), first);
    assert_eq!(store.signing_key().await.unwrap(), Some(first));
}
