//! CreateQueue. One that is there already, with the same values of the attributes given, is the answer too.

use lambent_api_kit::{Context, Handle};
use lambent_ports::message_store::{MessageStoreError, QueueId, QueueRecord};
use lambent_wire::sqs::operations::CreateQueue;
use lambent_wire::sqs::operations::create_queue::{CreateQueueRequest, CreateQueueResult};

use crate::attributes::{self, Attributes};
use crate::{Sqs, SqsFault, name};

impl Handle<CreateQueue> for Sqs {
    type Fault = SqsFault;

    async fn handle(
        &self,
        context: Context,
        input: CreateQueueRequest,
    ) -> Result<CreateQueueResult, SqsFault> {
        let given = input.attributes.unwrap_or_default();
        let fifo = given.get("FifoQueue").is_some_and(|value| value == "true");
        name::parse(&input.queue_name, fifo)?;
        let set = attributes::for_new(fifo, given.clone())?;
        let tags = input.tags.unwrap_or_default();
        let now_ms = self.clock.now_ms();
        if let Some(known) = self.store.queue(&context.scope, &input.queue_name) {
            return same(&context, &known, &given);
        }
        self.check_redrive(&QueueRecord {
            id: QueueId(0),
            scope: context.scope.clone(),
            name: input.queue_name.clone(),
            attributes: set.clone(),
            tags: tags.clone(),
            created_ms: now_ms,
            modified_ms: now_ms,
            purged_ms: None,
            revision: 0,
        })?;
        match self.store.create_queue(&context.scope, &input.queue_name, set, tags, now_ms).await {
            Ok(made) => Ok(CreateQueueResult { queue_url: Some(name::url(&context.base_url, &made)) }),
            Err(MessageStoreError::QueueExists(known)) => same(&context, &known, &given),
            Err(error) => Err(error.into()),
        }
    }
}

/// The answer for a queue that was there before.
fn same(context: &Context, known: &QueueRecord, given: &Attributes) -> Result<CreateQueueResult, SqsFault> {
    let has = attributes::effective(known);
    let other =
        given.iter().find(|(name, value)| has.get(*name).map_or(!value.is_empty(), |has| has != *value));
    match other {
        Some((name, _)) => Err(SqsFault::QueueExists(name.clone())),
        None => Ok(CreateQueueResult { queue_url: Some(name::url(&context.base_url, known)) }),
    }
}
