//! Publish, to a topic.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sns::operations::Publish;
use lambent_wire::sns::operations::publish::{PublishInput, PublishResponse};

use crate::notification::sequence_number;
use crate::{Sns, SnsFault, message};

impl Handle<Publish> for Sns {
    type Fault = SnsFault;

    async fn handle(&self, context: Context, input: PublishInput) -> Result<PublishResponse, SnsFault> {
        if input.phone_number.is_some() {
            return Err(SnsFault::reason("PhoneNumber", "no SMS can be sent from here"));
        }
        let Some(arn) = input.topic_arn.clone().or_else(|| input.target_arn.clone()) else {
            return Err(SnsFault::reason("TopicArn or TargetArn", "no value for required parameter"));
        };
        if input.message.is_empty() {
            return Err(SnsFault::Parameter("Empty message".into()));
        }
        let topic = self.topic(&context.scope, &arn)?;
        let now_ms = self.now_ms();
        let mut checked = message::check(&topic, input, "", now_ms)?;
        checked.message.trace = context.trace;
        if checked.bytes > message::MAX_BYTES {
            return Err(SnsFault::Parameter("Message too long".into()));
        }
        let published = self.publish(&topic, vec![checked], now_ms).await?.remove(0);
        Ok(PublishResponse {
            message_id: Some(published.uuid),
            sequence_number: topic.is_fifo().then(|| sequence_number(published.sequence)),
        })
    }
}
