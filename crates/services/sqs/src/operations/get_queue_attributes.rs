//! GetQueueAttributes. What was never set and has no default is absent.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::GetQueueAttributes;
use lambent_wire::sqs::operations::get_queue_attributes::{
    GetQueueAttributesRequest, GetQueueAttributesResult,
};

use crate::attributes::{Asked, effective};
use crate::{Sqs, SqsFault, name};

impl Handle<GetQueueAttributes> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: GetQueueAttributesRequest,
    ) -> Result<GetQueueAttributesResult, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let names = input.attribute_names.unwrap_or_default();
        let asked = Asked::of(&names)?;
        let mut all = effective(&queue);
        all.insert("QueueArn".into(), name::arn(&queue));
        all.insert("CreatedTimestamp".into(), (queue.created_ms / 1_000).to_string());
        all.insert("LastModifiedTimestamp".into(), (queue.modified_ms / 1_000).to_string());
        let (visible, in_flight, delayed) = (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        );
        // Counting is not free.
        if [visible, in_flight, delayed].iter().any(|name| asked.wants(name)) {
            let counts = self.store.counts(queue.id, self.clock.now_ms()).await?;
            let counted =
                [(visible, counts.visible), (in_flight, counts.in_flight), (delayed, counts.delayed)];
            all.extend(counted.map(|(name, count)| (name.to_owned(), count.to_string())));
        }
        all.retain(|name, _| asked.wants(name));
        Ok(GetQueueAttributesResult { attributes: (!all.is_empty()).then_some(all) })
    }
}
