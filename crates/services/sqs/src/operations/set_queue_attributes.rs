//! SetQueueAttributes.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::SetQueueAttributes;
use lambent_wire::sqs::operations::set_queue_attributes::{
    SetQueueAttributesRequest, SetQueueAttributesResponse,
};

use crate::{Sqs, SqsFault, attributes};

impl Handle<SetQueueAttributes> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: SetQueueAttributesRequest,
    ) -> Result<SetQueueAttributesResponse, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let now_ms = self.clock.now_ms();
        self.change(&context.scope, &input.queue_url, |queue| {
            let fifo = queue.is_fifo();
            attributes::apply(&mut queue.attributes, fifo, input.attributes.clone())?;
            queue.modified_ms = now_ms;
            self.check_redrive(queue)
        })
        .await?;
        // Messages that were too old or too often received may be no longer, and the other way round.
        self.waiting.wake_all(queue.id);
        Ok(SetQueueAttributesResponse::default())
    }
}
