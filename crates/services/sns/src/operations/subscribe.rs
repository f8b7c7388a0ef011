//! Subscribe. Queues and functions are confirmed at once; HTTP endpoints are asked. An endpoint that is subscribed is
//! returned, unless something else is said of it.

use std::collections::BTreeMap;

use lambent_api_kit::{Context, Handle};
use lambent_domain::names::partition;
use lambent_ports::topic_store::{
    Confirmation, NewNotification, SubscriptionRecord, TopicRecord, TopicStoreError,
};
use lambent_wire::sns::operations::Subscribe;
use lambent_wire::sns::operations::subscribe::{SubscribeInput, SubscribeResponse};

use crate::message::Message;
use crate::{Sns, SnsFault, arn, subscription, token};

/// Instead of an ARN, of what is not confirmed (recorded).
const PENDING: &str = "pending confirmation";

impl Handle<Subscribe> for Sns {
    type Fault = SnsFault;

    async fn handle(&self, context: Context, input: SubscribeInput) -> Result<SubscribeResponse, SnsFault> {
        let topic = self.topic(&context.scope, &input.topic_arn)?;
        let endpoint = input.endpoint.unwrap_or_default();
        subscription::check_endpoint(&topic, &input.protocol, &endpoint)?;
        let confirmation = match input.protocol.as_str() {
            "http" | "https" => {
                Confirmation::Pending { token: token::new(&*self.parts.random), since_ms: self.now_ms() }
            }
            _ => Confirmation::Confirmed { authenticated: true },
        };
        let account = &context.caller.account;
        let mut new = SubscriptionRecord {
            id: self.uuid(),
            topic: topic.id,
            protocol: input.protocol,
            endpoint,
            owner: account.to_string(),
            principal: format!("arn:{}:iam::{account}:root", partition(&topic.scope.region)),
            attributes: BTreeMap::new(),
            confirmation,
            revision: 1,
        };
        for (name, value) in input.attributes.unwrap_or_default() {
            subscription::set(&topic, &mut new, &name, &value).map_err(of_attributes)?;
        }
        subscription::check_filter(&new).map_err(of_attributes)?;
        let subscribed = self.subscribe(&topic, new).await?;
        let pending = matches!(subscribed.confirmation, Confirmation::Pending { .. });
        let shown = match pending && input.return_subscription_arn != Some(true) {
            true => PENDING.to_owned(),
            false => arn::of_subscription(&topic, &subscribed),
        };
        Ok(SubscribeResponse { subscription_arn: Some(shown) })
    }
}

fn of_attributes(text: String) -> SnsFault {
    SnsFault::reason("Attributes", text)
}

impl Sns {
    async fn subscribe(
        &self,
        topic: &TopicRecord,
        new: SubscriptionRecord,
    ) -> Result<std::sync::Arc<SubscriptionRecord>, SnsFault> {
        let now_ms = self.now_ms();
        let first = self.confirmation(topic, &new, now_ms)?;
        let attributes = new.attributes.clone();
        match self.store().subscribe(new, first, now_ms).await {
            Ok(added) => {
                self.is_due(topic, vec![added.id.clone()], now_ms);
                Ok(added)
            }
            Err(TopicStoreError::SubscriptionExists(known)) => {
                // What is said of it has to be true of it; what is not said does not count (recorded).
                let has = subscription::shown(topic, &known);
                if attributes.iter().any(|(name, value)| has.get(name) != Some(value)) {
                    let text = "Subscription already exists with different attributes";
                    return Err(SnsFault::reason("Attributes", text));
                }
                // Whoever asks again has missed the message.
                if let Some(again) = self.confirmation(topic, &known, now_ms)? {
                    self.store().publish(topic.id, vec![again], now_ms).await?;
                    self.is_due(topic, vec![known.id.clone()], now_ms);
                }
                Ok(known)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What asks an endpoint for its confirmation.
    fn confirmation(
        &self,
        topic: &TopicRecord,
        subscription: &SubscriptionRecord,
        now_ms: u64,
    ) -> Result<Option<NewNotification>, SnsFault> {
        let Confirmation::Pending { token, .. } = &subscription.confirmation else { return Ok(None) };
        let message = Message::confirmation(&arn::of_topic(topic), token, now_ms);
        Ok(Some(NewNotification {
            uuid: self.uuid(),
            content: message.stored()?,
            group: None,
            deduplication: None,
            to: vec![subscription.id.clone()],
        }))
    }
}
