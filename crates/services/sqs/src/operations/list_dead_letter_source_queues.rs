//! ListDeadLetterSourceQueues: queues whose redrive policy names this one.

use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::ListDeadLetterSourceQueues;
use lambent_wire::sqs::operations::list_dead_letter_source_queues::{
    ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult,
};

use super::list_queues::{after, page};
use crate::redrive::RedrivePolicy;
use crate::{Sqs, SqsFault, name};

impl Handle<ListDeadLetterSourceQueues> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: ListDeadLetterSourceQueuesRequest,
    ) -> Result<ListDeadLetterSourceQueuesResult, SqsFault> {
        let arn = name::arn(&*self.queue(&context.scope, &input.queue_url)?);
        let mut found = self.store.queues(&context.scope, &after(input.next_token.as_deref())?);
        found.retain(|queue| RedrivePolicy::of(queue).is_some_and(|policy| policy.target_arn == arn));
        let (found, next_token) = page(found, input.max_results, |queue| &queue.name)?;
        let queue_urls = found.iter().map(|queue| name::url(&context.base_url, queue)).collect();
        Ok(ListDeadLetterSourceQueuesResult { queue_urls, next_token })
    }
}
