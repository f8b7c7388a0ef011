//! SQS: standard and FIFO queues, over both protocols that clients use.

mod access;
mod attributes;
mod batch;
mod checksum;
mod deduplication;
mod fault;
mod figures;
mod message;
mod moving;
mod name;
mod operations;
mod policy;
mod receipt;
mod redrive;
mod request;
mod waiting;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_api_kit::{Entry, Registry};
use lambent_domain::Scope;
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::api::{ApiRequest, ApiService};
use lambent_ports::message_store::{MessageStore, MessageStoreError, QueueRecord};
use lambent_ports::meter::Meter;
use lambent_wire::sqs;
use lambent_wire::sqs::operations as op;
use tokio::sync::{Notify, watch};

use attributes::Settings;
pub use fault::SqsFault;
use figures::Figures;
use waiting::Waiting;

/// The state that operations are handled on.
pub struct Sqs {
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    waiting: Waiting,
    figures: Figures,
    /// A move task has been started.
    moves: Notify,
}

/// Every operation.
pub const REGISTRY: Registry<Sqs, SqsFault> = Registry {
    protocol: sqs::PROTOCOL,
    target_prefix: sqs::TARGET_PREFIX,
    routes: sqs::ROUTES,
    operations: OPERATIONS,
    not_yet: &[],
};

const OPERATIONS: &[Entry<Sqs, SqsFault>] = &[
    Entry::of::<op::AddPermission>(),
    Entry::of::<op::CancelMessageMoveTask>(),
    Entry::of::<op::ChangeMessageVisibility>(),
    Entry::of::<op::ChangeMessageVisibilityBatch>(),
    Entry::of::<op::CreateQueue>(),
    Entry::of::<op::DeleteMessage>(),
    Entry::of::<op::DeleteMessageBatch>(),
    Entry::of::<op::DeleteQueue>(),
    Entry::of::<op::GetQueueAttributes>(),
    Entry::of::<op::GetQueueUrl>(),
    Entry::of::<op::ListDeadLetterSourceQueues>(),
    Entry::of::<op::ListMessageMoveTasks>(),
    Entry::of::<op::ListQueueTags>(),
    Entry::of::<op::ListQueues>(),
    Entry::of::<op::PurgeQueue>(),
    Entry::of::<op::ReceiveMessage>(),
    Entry::of::<op::RemovePermission>(),
    Entry::of::<op::SendMessage>(),
    Entry::of::<op::SendMessageBatch>(),
    Entry::of::<op::SetQueueAttributes>(),
    Entry::of::<op::StartMessageMoveTask>(),
    Entry::of::<op::TagQueue>(),
    Entry::of::<op::UntagQueue>(),
];

impl Sqs {
    /// Builds it. Receives that wait return when `stop` turns true.
    pub fn new(
        store: Arc<dyn MessageStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        meter: Arc<dyn Meter>,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (waiting, figures) = (Waiting::new(stop), Figures::new(meter));
        Arc::new(Sqs { store, clock, random, waiting, figures, moves: Notify::new() })
    }

    /// Drops a part of what is of no use any more; whether there is more.
    pub async fn sweep(&self) -> Result<bool, MessageStoreError> {
        let queues = self.store.all_queues();
        let retention_ms: Vec<_> =
            queues.iter().map(|queue| (queue.id, Settings::of(queue).retention_ms())).collect();
        self.store.sweep(&retention_ms, self.clock.now_ms()).await
    }

    /// The queue of a URL.
    fn queue(&self, scope: &Scope, url: &str) -> Result<Arc<QueueRecord>, SqsFault> {
        let (scope, name) = name::from_url(scope, url).ok_or(SqsFault::QueueMissing)?;
        self.store.queue(&scope, &name).ok_or(SqsFault::QueueMissing)
    }

    /// Replaces a queue by what `change` makes of it, however many others change it at the same time.
    async fn change(
        &self,
        scope: &Scope,
        url: &str,
        change: impl Fn(&mut QueueRecord) -> Result<(), SqsFault> + Send,
    ) -> Result<(), SqsFault> {
        loop {
            let mut queue = QueueRecord::clone(&*self.queue(scope, url)?);
            change(&mut queue)?;
            match self.store.replace_queue(queue).await {
                Err(MessageStoreError::QueueChanged) => tokio::task::yield_now().await,
                changed => return changed.map(drop).map_err(SqsFault::from),
            }
        }
    }
}

/// SQS as a service.
pub struct SqsService(pub Arc<Sqs>);

#[async_trait]
impl ApiService for SqsService {
    fn signing_name(&self) -> &'static str {
        "sqs"
    }

    async fn call(&self, request: ApiRequest) -> http::Response<Bytes> {
        match request::prepare(request) {
            Ok(request) => REGISTRY.answer(Arc::clone(&self.0), request).await,
            Err(answer) => *answer,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_of_the_model_is_listed_once() {
        lambent_api_kit::assert_complete(&super::REGISTRY, &[], lambent_wire::sqs::OPERATIONS);
    }
}
