//! PurgeQueue, once a minute.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::PurgeQueue;
use lambent_wire::sqs::operations::purge_queue::{PurgeQueueRequest, PurgeQueueResponse};

use crate::{Sqs, SqsFault};

/// AWS documentation.
const PAUSE_MS: u64 = 60_000;

impl Handle<PurgeQueue> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: PurgeQueueRequest,
    ) -> Result<PurgeQueueResponse, SqsFault> {
        let queue = self.queue(&context.scope, &input.queue_url)?;
        let now_ms = self.clock.now_ms();
        if queue.purged_ms.is_some_and(|purged_ms| now_ms < purged_ms + PAUSE_MS) {
            return Err(SqsFault::PurgeInProgress(queue.name.clone()));
        }
        self.store.purge_queue(queue.id, now_ms).await?;
        Ok(PurgeQueueResponse::default())
    }
}
