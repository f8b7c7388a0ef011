//! SNS: standard and FIFO topics whose messages go to queues, functions and HTTP endpoints.
//!
//! A publish is answered when the message and a delivery for each subscription that wants it are on disk; the worker
//! then delivers, retries as AWS does, and gives up into the subscription's dead-letter queue.

mod arn;
mod backlog;
mod certificate;
mod delivery_policy;
mod fault;
mod figures;
mod filter;
mod jackson;
mod message;
mod not_yet;
mod notification;
mod operations;
mod policy;
mod publishing;
mod sending;
mod signing;
mod subscription;
mod token;
mod topic;
mod worker;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_domain::Scope;
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::aws_client::AwsClient;
use lambent_ports::http_post::HttpPost;
use lambent_ports::meter::Meter;
use lambent_ports::topic_store::{
    Confirmation, SubscriptionRecord, TopicRecord, TopicStore, TopicStoreError,
};
use lambent_wire::sns;
use lambent_wire::sns::operations as op;
use tokio::sync::{Notify, OnceCell};

use backlog::Backlog;
pub use fault::SnsFault;
use fault::{SUBSCRIPTION_MISSING, TOPIC_MISSING};
use signing::Signer;

/// What the service is built of.
pub struct SnsParts {
    /// Topics, subscriptions and deliveries.
    pub store: Arc<dyn TopicStore>,
    /// The way to queues and functions.
    pub aws: Arc<dyn AwsClient>,
    /// The way to HTTP endpoints.
    pub http: Arc<dyn HttpPost>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Takes topics' figures.
    pub meter: Arc<dyn Meter>,
    /// Ids and tokens.
    pub random: Arc<dyn Random>,
    /// `http://host:port` under which subscribers reach this server: for links in notifications.
    pub base_url: String,
}

/// The state that operations are handled on.
pub struct Sns {
    parts: SnsParts,
    backlog: Mutex<Backlog>,
    /// Something is due earlier than was known.
    changed: Notify,
    signer: OnceCell<Arc<Signer>>,
}

/// Every operation.
pub const REGISTRY: Registry<Sns, SnsFault> = Registry {
    protocol: sns::PROTOCOL,
    target_prefix: sns::TARGET_PREFIX,
    routes: sns::ROUTES,
    operations: OPERATIONS,
    not_yet: not_yet::NOT_YET,
};

const OPERATIONS: &[Entry<Sns, SnsFault>] = &[
    Entry::of::<op::AddPermission>(),
    Entry::of::<op::ConfirmSubscription>(),
    Entry::of::<op::CreateTopic>(),
    Entry::of::<op::DeleteTopic>(),
    Entry::of::<op::GetDataProtectionPolicy>(),
    Entry::of::<op::GetSubscriptionAttributes>(),
    Entry::of::<op::GetTopicAttributes>(),
    Entry::of::<op::ListPlatformApplications>(),
    Entry::of::<op::ListSubscriptions>(),
    Entry::of::<op::ListSubscriptionsByTopic>(),
    Entry::of::<op::ListTagsForResource>(),
    Entry::of::<op::ListTopics>(),
    Entry::of::<op::Publish>(),
    Entry::of::<op::PublishBatch>(),
    Entry::of::<op::RemovePermission>(),
    Entry::of::<op::SetSubscriptionAttributes>(),
    Entry::of::<op::SetTopicAttributes>(),
    Entry::of::<op::Subscribe>(),
    Entry::of::<op::TagResource>(),
    Entry::of::<op::Unsubscribe>(),
    Entry::of::<op::UntagResource>(),
];

impl Sns {
    /// Builds it; [`Sns::run`] delivers.
    pub fn new(parts: SnsParts) -> Arc<Self> {
        Arc::new(Sns { parts, backlog: Mutex::default(), changed: Notify::new(), signer: OnceCell::new() })
    }

    fn store(&self) -> &dyn TopicStore {
        &*self.parts.store
    }

    fn now_ms(&self) -> u64 {
        self.parts.clock.now_ms()
    }

    fn uuid(&self) -> String {
        lambent_domain::RequestId::from_random(self.parts.random.bytes16()).to_string()
    }

    /// The topic of an ARN.
    fn topic(&self, here: &Scope, arn: &str) -> Result<Arc<TopicRecord>, SnsFault> {
        let (scope, name) = arn::topic("TopicArn", here, arn)?;
        self.store().topic(&scope, &name).ok_or(TOPIC_MISSING)
    }

    /// The subscription of an ARN, and its topic.
    fn subscription(&self, arn: &str) -> Result<(Arc<TopicRecord>, Arc<SubscriptionRecord>), SnsFault> {
        let (scope, name, id) = arn::subscription(arn)?;
        let topic = self.store().topic(&scope, &name).ok_or(SUBSCRIPTION_MISSING)?;
        let found = self.store().subscription(topic.id, &id).ok_or(SUBSCRIPTION_MISSING)?;
        Ok((topic, found))
    }

    /// The same of what has not ended.
    fn live_subscription(&self, arn: &str) -> Result<(Arc<TopicRecord>, Arc<SubscriptionRecord>), SnsFault> {
        let found = self.subscription(arn)?;
        match found.1.confirmation {
            Confirmation::Ended { .. } => Err(SUBSCRIPTION_MISSING),
            _ => Ok(found),
        }
    }

    /// A topic's subscriptions that have not ended, by id.
    fn subscriptions(&self, topic: &TopicRecord) -> Vec<Arc<SubscriptionRecord>> {
        let mut found = self.store().subscriptions(topic.id);
        found.retain(|one| !matches!(one.confirmation, Confirmation::Ended { .. }));
        found
    }

    /// Replaces a topic by what `change` makes of it, however many others change it at the same time.
    async fn change_topic(
        &self,
        here: &Scope,
        arn: &str,
        change: impl Fn(&mut TopicRecord) -> Result<(), SnsFault> + Send,
    ) -> Result<(), SnsFault> {
        loop {
            let mut topic = TopicRecord::clone(&*self.topic(here, arn)?);
            change(&mut topic)?;
            match self.store().replace_topic(topic).await {
                Err(TopicStoreError::Changed) => tokio::task::yield_now().await,
                changed => return changed.map(drop).map_err(SnsFault::from),
            }
        }
    }

    /// The same for a subscription.
    async fn change_subscription(
        &self,
        arn: &str,
        change: impl Fn(&TopicRecord, &mut SubscriptionRecord) -> Result<(), SnsFault> + Send,
    ) -> Result<(), SnsFault> {
        loop {
            let (topic, found) = self.subscription(arn)?;
            let mut changed = SubscriptionRecord::clone(&found);
            change(&topic, &mut changed)?;
            match self.store().replace_subscription(changed).await {
                Err(TopicStoreError::Changed) => tokio::task::yield_now().await,
                changed => return changed.map(drop).map_err(SnsFault::from),
            }
        }
    }
}

/// SNS as a service.
pub struct SnsService(pub Arc<Sns>);

#[async_trait]
impl ApiService for SnsService {
    fn signing_name(&self) -> &'static str {
        "sns"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        if request.uri.path().ends_with(".pem") {
            return self.0.certificate(request.uri.path()).await;
        }
        REGISTRY.answer(Arc::clone(&self.0), request).await
    }
}

#[cfg(test)]
mod tests;
