//! What is set of topics and subscriptions, set and shown.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sns::operations::get_subscription_attributes::{
    GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse,
};
use lambent_wire::sns::operations::get_topic_attributes::{
    GetTopicAttributesInput, GetTopicAttributesResponse,
};
use lambent_wire::sns::operations::set_subscription_attributes::{
    SetSubscriptionAttributesInput, SetSubscriptionAttributesResponse,
};
use lambent_wire::sns::operations::set_topic_attributes::{
    SetTopicAttributesInput, SetTopicAttributesResponse,
};
use lambent_wire::sns::operations::{
    GetSubscriptionAttributes, GetTopicAttributes, SetSubscriptionAttributes, SetTopicAttributes,
};

use crate::{Sns, SnsFault, subscription, topic};

impl Handle<GetTopicAttributes> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetTopicAttributesInput,
    ) -> Result<GetTopicAttributesResponse, SnsFault> {
        let topic = self.topic(&context.scope, &input.topic_arn)?;
        let subscriptions = self.subscriptions(&topic);
        Ok(GetTopicAttributesResponse { attributes: Some(topic::shown(&topic, &subscriptions)) })
    }
}

impl Handle<SetTopicAttributes> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: SetTopicAttributesInput,
    ) -> Result<SetTopicAttributesResponse, SnsFault> {
        let (name, value) = (input.attribute_name, input.attribute_value.unwrap_or_default());
        let set = |topic: &mut lambent_ports::topic_store::TopicRecord| {
            let fifo = topic.is_fifo();
            topic::set(&mut topic.attributes, fifo, &name, &value)
        };
        self.change_topic(&context.scope, &input.topic_arn, set).await?;
        Ok(SetTopicAttributesResponse::default())
    }
}

impl Handle<GetSubscriptionAttributes> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        _context: Context,
        input: GetSubscriptionAttributesInput,
    ) -> Result<GetSubscriptionAttributesResponse, SnsFault> {
        let (topic, found) = self.live_subscription(&input.subscription_arn)?;
        Ok(GetSubscriptionAttributesResponse { attributes: Some(subscription::shown(&topic, &found)) })
    }
}

impl Handle<SetSubscriptionAttributes> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        _context: Context,
        input: SetSubscriptionAttributesInput,
    ) -> Result<SetSubscriptionAttributesResponse, SnsFault> {
        let value = input.attribute_value.unwrap_or_default();
        self.live_subscription(&input.subscription_arn)?;
        self.change_subscription(&input.subscription_arn, |topic, changed| {
            subscription::set(topic, changed, &input.attribute_name, &value).map_err(SnsFault::Parameter)?;
            subscription::check_filter(changed).map_err(SnsFault::Parameter)
        })
        .await?;
        Ok(SetSubscriptionAttributesResponse::default())
    }
}
