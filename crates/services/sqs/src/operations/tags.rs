//! TagQueue, UntagQueue and ListQueueTags.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::list_queue_tags::{ListQueueTagsRequest, ListQueueTagsResult};
use lambent_wire::sqs::operations::tag_queue::{TagQueueRequest, TagQueueResponse};
use lambent_wire::sqs::operations::untag_queue::{UntagQueueRequest, UntagQueueResponse};
use lambent_wire::sqs::operations::{ListQueueTags, TagQueue, UntagQueue};

use crate::{Sqs, SqsFault};

/// Tags of one queue (AWS documentation).
const MAX_TAGS: usize = 50;

impl Handle<TagQueue> for Sqs {
    type Fault = SqsFault;

    async fn handle(&self, context: Context, input: TagQueueRequest) -> Result<TagQueueResponse, SqsFault> {
        self.change(&context.scope, &input.queue_url, |queue| {
            queue.tags.extend(input.tags.clone());
            match queue.tags.len() {
                count if count > MAX_TAGS => {
                    Err(SqsFault::Parameter(format!("Too many tags added for queue {}.", queue.name)))
                }
                _ => Ok(()),
            }
        })
        .await?;
        Ok(TagQueueResponse::default())
    }
}

impl Handle<UntagQueue> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: UntagQueueRequest,
    ) -> Result<UntagQueueResponse, SqsFault> {
        self.change(&context.scope, &input.queue_url, |queue| {
            queue.tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(UntagQueueResponse::default())
    }
}

impl Handle<ListQueueTags> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListQueueTagsRequest,
    ) -> Result<ListQueueTagsResult, SqsFault> {
        let tags = self.queue(&context.scope, &input.queue_url)?.tags.clone();
        Ok(ListQueueTagsResult { tags: (!tags.is_empty()).then_some(tags) })
    }
}
