//! DeleteTopic, with its subscriptions and what is on its way to them. One that is not there is no error.

use lambent_api_kit::{Context, Handle};
use lambent_ports::topic_store::TopicStoreError;
use lambent_wire::sns::operations::DeleteTopic;
use lambent_wire::sns::operations::delete_topic::{DeleteTopicInput, DeleteTopicResponse};

use crate::fault::TOPIC_MISSING;
use crate::{Sns, SnsFault};

impl Handle<DeleteTopic> for Sns {
    type Fault = SnsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteTopicInput,
    ) -> Result<DeleteTopicResponse, SnsFault> {
        let topic = match self.topic(&context.scope, &input.topic_arn) {
            Err(fault) if fault == TOPIC_MISSING => return Ok(DeleteTopicResponse::default()),
            found => found?,
        };
        match self.store().delete_topic(topic.id).await {
            Ok(()) | Err(TopicStoreError::TopicGone) => Ok(DeleteTopicResponse::default()),
            Err(error) => Err(error.into()),
        }
    }
}
