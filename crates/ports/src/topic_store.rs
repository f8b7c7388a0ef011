//! What SNS keeps: topics, their subscriptions, and what is on its way to them. A publish puts the message and one
//! delivery for each subscription that wants it down in one commit, together with what is known of duplicates, which is why
//! all of them live behind one port.
//!
//! Time is an argument of every call. What was answered is on disk. Deliveries are claimed in memory only: after a restart
//! each of them is due again.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::Scope;

/// Names a topic for good: a topic of the same name made after it was deleted is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub u64);

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// Never given again.
    pub id: TopicId,
    /// Whose it is.
    pub scope: Scope,
    /// Ends in `.fifo` where its messages are in groups.
    pub name: String,
    /// As set, defaults left out.
    pub attributes: BTreeMap<String, String>,
    /// As set.
    pub tags: BTreeMap<String, String>,
    /// Subscriptions that it had and has no more.
    pub unsubscribed: u64,
    /// Greater after every change.
    pub revision: u64,
}

impl TopicRecord {
    /// Whether its messages are in groups, and in order within each.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// Whether an endpoint has agreed to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Not yet.
    Pending {
        /// Whoever knows it may confirm.
        token: String,
        /// When it was asked.
        since_ms: u64,
    },
    /// It has.
    Confirmed {
        /// By somebody whom we know.
        authenticated: bool,
    },
    /// It had, and was unsubscribed: it is told so, and nobody else sees it any more.
    Ended {
        /// Whoever knows it may take that back.
        token: String,
        /// When it was unsubscribed.
        since_ms: u64,
    },
}

/// What an endpoint is told that is unsubscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// For [`Confirmation::Ended`].
    pub token: String,
    /// The message.
    pub notification: NewNotification,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRecord {
    /// A UUID.
    pub id: String,
    /// What it is a subscription to.
    pub topic: TopicId,
    /// `sqs`.
    pub protocol: String,
    /// An ARN or a URL. A topic has one subscription for each.
    pub endpoint: String,
    /// The account that subscribed.
    pub owner: String,
    /// ARN of who subscribed.
    pub principal: String,
    /// As set, defaults left out.
    pub attributes: BTreeMap<String, String>,
    /// Whether it gets anything.
    pub confirmation: Confirmation,
    /// Greater after every change.
    pub revision: u64,
}

/// A message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotification {
    /// For the caller: a UUID.
    pub uuid: String,
    /// What it consists of; given back as it is.
    pub content: Bytes,
    /// The group whose order it keeps; only in FIFO topics.
    pub group: Option<String>,
    /// Makes a second one of the same kind go nowhere.
    pub deduplication: Option<Deduplication>,
    /// Ids of the subscriptions that get it.
    pub to: Vec<String>,
}

/// What makes two messages the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// Given by the sender, or made from the message.
    pub id: String,
    /// Counts within its group only.
    pub per_group: bool,
    /// Another is refused until then.
    pub until_ms: u64,
}

/// A message has been published, or had been before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Of the message; of the first one when this is its duplicate.
    pub uuid: String,
    /// Counts up in the order of publishing, in FIFO topics.
    pub sequence: u64,
    /// Nothing was added: it is a duplicate.
    pub duplicate: bool,
}

/// The subscription that deliveries wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Its topic.
    pub topic: TopicId,
    /// Its id.
    pub subscription: String,
}

/// A message on its way to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Counts up in the order of publishing.
    pub id: u64,
    /// As published.
    pub uuid: String,
    /// As published.
    pub content: Bytes,
    /// See [`Published`].
    pub sequence: u64,
    /// Attempts that failed.
    pub attempts: u32,
    /// The endpoint has been given up; it is on its way to the dead-letter queue.
    pub dead: bool,
}

/// How a delivery goes on whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Not before.
    pub due_ms: u64,
    /// Attempts that failed.
    pub attempts: u32,
    /// See [`Delivery`].
    pub dead: bool,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicStoreError {
    /// The topic is not there, or no longer.
    #[error("the topic is gone")]
    TopicGone,
    /// There is one of this name.
    #[error("the topic exists")]
    TopicExists(Arc<TopicRecord>),
    /// The endpoint has a subscription.
    #[error("the subscription exists")]
    SubscriptionExists(Arc<SubscriptionRecord>),
    /// The subscription is not there, or no longer.
    #[error("the subscription is gone")]
    SubscriptionGone,
    /// Somebody changed the record in between.
    #[error("the record has changed")]
    Changed,
    /// The storage failed; for the log. What was to be done may have happened.
    #[error("topic store: {0}")]
    Storage(String),
}

/// Topics, subscriptions and deliveries.
#[async_trait]
pub trait TopicStore: Send + Sync {
    /// The topic of a name.
    fn topic(&self, scope: &Scope, name: &str) -> Option<Arc<TopicRecord>>;

    /// The topic of an id.
    fn topic_by_id(&self, id: TopicId) -> Option<Arc<TopicRecord>>;

    /// Topics by name, those behind `after`.
    fn topics(&self, scope: &Scope, after: &str) -> Vec<Arc<TopicRecord>>;

    /// Makes a topic.
    async fn create_topic(
        &self,
        scope: &Scope,
        name: &str,
        attributes: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<TopicRecord>, TopicStoreError>;

    /// Puts the attributes and tags of `topic` in place of what is there, when that has its revision.
    async fn replace_topic(&self, topic: TopicRecord) -> Result<Arc<TopicRecord>, TopicStoreError>;

    /// Drops a topic with its subscriptions and what is on its way to them.
    async fn delete_topic(&self, id: TopicId) -> Result<(), TopicStoreError>;

    /// A topic's subscriptions, by id.
    fn subscriptions(&self, topic: TopicId) -> Vec<Arc<SubscriptionRecord>>;

    /// One of them.
    fn subscription(&self, topic: TopicId, id: &str) -> Option<Arc<SubscriptionRecord>>;

    /// Adds a subscription, and with it what is to be sent to it at once.
    async fn subscribe(
        &self,
        subscription: SubscriptionRecord,
        first: Option<NewNotification>,
        now_ms: u64,
    ) -> Result<Arc<SubscriptionRecord>, TopicStoreError>;

    /// Puts attributes and confirmation of `subscription` in place of what is there, when that has its revision.
    async fn replace_subscription(
        &self,
        subscription: SubscriptionRecord,
    ) -> Result<Arc<SubscriptionRecord>, TopicStoreError>;

    /// Drops a subscription with what is on its way to it. With a farewell it stays, ended, until that can't be taken
    /// back any more; a new subscription of its endpoint takes its place.
    async fn unsubscribe(
        &self,
        topic: TopicId,
        id: &str,
        farewell: Option<Farewell>,
        now_ms: u64,
    ) -> Result<(), TopicStoreError>;

    /// Drops subscriptions that have been waiting for their confirmation, or ended, since then or longer; how many.
    async fn forget_unconfirmed(&self, since_ms: u64) -> Result<usize, TopicStoreError>;

    /// Publishes messages: all of them or none.
    async fn publish(
        &self,
        topic: TopicId,
        messages: Vec<NewNotification>,
        now_ms: u64,
    ) -> Result<Vec<Published>, TopicStoreError>;

    /// Every subscription that something is on its way to, with when the first of it is due.
    async fn lanes(&self) -> Result<Vec<(Lane, u64)>, TopicStoreError>;

    /// Deliveries that are due, those first that have been due the longest. In FIFO topics only the first of each group is.
    async fn due(&self, lane: &Lane, max: usize, now_ms: u64) -> Result<Vec<Delivery>, TopicStoreError>;

    /// When the first delivery is due that is not among `running`.
    async fn next_due_ms(&self, lane: &Lane, running: &[u64]) -> Result<Option<u64>, TopicStoreError>;

    /// A delivery is done with; the next one of its group is due.
    async fn settle(&self, delivery: u64, now_ms: u64) -> Result<(), TopicStoreError>;

    /// A delivery is to be tried again.
    async fn again(&self, delivery: u64, again: Again) -> Result<(), TopicStoreError>;

    /// The key that notifications are signed with; nothing when there is none yet.
    async fn signing_key(&self) -> Result<Option<Bytes>, TopicStoreError>;

    /// Keeps a key unless there is one. Returns the one that is kept.
    async fn keep_signing_key(&self, key: Bytes) -> Result<Bytes, TopicStoreError>;
}
