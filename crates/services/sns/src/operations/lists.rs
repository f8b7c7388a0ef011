//! ListTopics, ListSubscriptions and ListSubscriptionsByTopic: a hundred at a time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_api_kit::{Context, Handle};
use lambent_ports::topic_store::{Confirmation, SubscriptionRecord, TopicRecord};
use lambent_wire::sns::operations::list_subscriptions::{ListSubscriptionsInput, ListSubscriptionsResponse};
use lambent_wire::sns::operations::list_subscriptions_by_topic::{
    ListSubscriptionsByTopicInput, ListSubscriptionsByTopicResponse,
};
use lambent_wire::sns::operations::list_topics::{ListTopicsInput, ListTopicsResponse, Topic};
use lambent_wire::sns::operations::{ListSubscriptions, ListSubscriptionsByTopic, ListTopics};
use lambent_wire::sns::types::Subscription;

use crate::{Sns, SnsFault, arn};

/// AWS documentation.
const PAGE: usize = 100;

/// The key that a page ended with.
fn after(token: Option<String>) -> Result<String, SnsFault> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(String::new()) };
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| SnsFault::Parameter("NextToken".into()))
}

/// A page of what is found behind a key, and the next token.
fn page<T>(mut found: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let token = found.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    (found, token)
}

fn shown(topic: &TopicRecord, subscription: &SubscriptionRecord) -> Subscription {
    let arn = match subscription.confirmation {
        Confirmation::Pending { .. } => "PendingConfirmation".to_owned(),
        _ => arn::of_subscription(topic, subscription),
    };
    Subscription {
        subscription_arn: Some(arn),
        owner: Some(subscription.owner.clone()),
        protocol: Some(subscription.protocol.clone()),
        endpoint: Some(subscription.endpoint.clone()),
        topic_arn: Some(arn::of_topic(topic)),
    }
}

impl Handle<ListTopics> for Sns {
    type Fault = SnsFault;

    async fn handle(&self, context: Context, input: ListTopicsInput) -> Result<ListTopicsResponse, SnsFault> {
        let found = self.store().topics(&context.scope, &after(input.next_token)?);
        let (found, next_token) = page(found, |topic| topic.name.clone());
        let topics = found.iter().map(|topic| Topic { topic_arn: Some(arn::of_topic(topic)) });
        Ok(ListTopicsResponse { topics: Some(topics.collect()), next_token })
    }
}

impl Handle<ListSubscriptions> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListSubscriptionsInput,
    ) -> Result<ListSubscriptionsResponse, SnsFault> {
        let after = after(input.next_token)?;
        let key = |topic: &TopicRecord, id: &str| format!("{}:{id}", topic.name);
        let mut found = Vec::new();
        for topic in self.store().topics(&context.scope, "") {
            let of_topic = self.subscriptions(&topic).into_iter().map(|one| (topic.clone(), one));
            found.extend(of_topic.filter(|(topic, one)| key(topic, &one.id) > after));
        }
        found.sort_by_key(|(topic, one)| key(topic, &one.id));
        let (found, next_token) = page(found, |(topic, one)| key(topic, &one.id));
        let subscriptions = found.iter().map(|(topic, one)| shown(topic, one)).collect();
        Ok(ListSubscriptionsResponse { subscriptions: Some(subscriptions), next_token })
    }
}

impl Handle<ListSubscriptionsByTopic> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListSubscriptionsByTopicInput,
    ) -> Result<ListSubscriptionsByTopicResponse, SnsFault> {
        let topic = self.topic(&context.scope, &input.topic_arn)?;
        let after = after(input.next_token)?;
        let mut found = self.subscriptions(&topic);
        found.retain(|one| one.id > after);
        let (found, next_token) = page(found, |one| one.id.clone());
        let subscriptions = found.iter().map(|one| shown(&topic, one)).collect();
        Ok(ListSubscriptionsByTopicResponse { subscriptions: Some(subscriptions), next_token })
    }
}
