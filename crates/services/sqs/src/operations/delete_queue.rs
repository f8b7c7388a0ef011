//! DeleteQueue. The name can be used again at once; AWS makes one wait for a minute.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::DeleteQueue;
use lambent_wire::sqs::operations::delete_queue::{DeleteQueueRequest, DeleteQueueResponse};

use crate::{Sqs, SqsFault};

impl Handle<DeleteQueue> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: DeleteQueueRequest,
    ) -> Result<DeleteQueueResponse, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        self.store.delete_queue(queue.id).await?;
        // Whoever waits there is told.
        self.waiting.wake_all(queue.id);
        Ok(DeleteQueueResponse::default())
    }
}
