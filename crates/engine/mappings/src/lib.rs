//! Event source mappings of SQS queues: a poller for each that is enabled, and the life of the others.
//!
//! Queues and functions are reached over the wire alone. At least once: a message is deleted after its function has dealt
//! with it, so what a crash interrupts comes back when its visibility timeout is over.

mod batch;
mod gathering;
mod life;
mod metrics;
mod poller;
mod queue;
mod record;
mod response;
mod width;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use lambent_domain::MappingKey;
use lambent_ports::aws_client::AwsClient;
use lambent_ports::event_sources::{EventSources, QueueFound, QueueRefused};
use lambent_ports::store::{Change, ChangeListener, Store};
use tokio::sync::{Notify, mpsc};

pub use metrics::{MappingMetrics, MappingSnapshot};

use queue::Queue;

/// What all pollers share.
pub(crate) struct Parts {
    store: Arc<dyn Store>,
    client: Arc<dyn AwsClient>,
    metrics: Arc<MappingMetrics>,
    /// What stands in a mapping's way.
    problems: Mutex<HashMap<MappingKey, String>>,
    /// Bytes of events that functions have.
    held_bytes: AtomicUsize,
    /// Some of them are free again.
    room: Notify,
    /// A function has changed.
    functions: Notify,
}

impl Parts {
    fn problems(&self) -> MutexGuard<'_, HashMap<MappingKey, String>> {
        self.problems.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn problem(&self, mapping: &MappingKey, problem: Option<String>) {
        match problem {
            Some(problem) => drop(self.problems().insert(mapping.clone(), problem)),
            None => drop(self.problems().remove(mapping)),
        }
    }
}

/// The pollers. Subscribe it to the store, then [`Mappings::run`] it.
pub struct Mappings {
    parts: Arc<Parts>,
    changed: mpsc::UnboundedSender<MappingKey>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<MappingKey>>>,
}

impl Mappings {
    /// Builds them; nothing is polled yet.
    pub fn new(store: Arc<dyn Store>, client: Arc<dyn AwsClient>, metrics: Arc<MappingMetrics>) -> Arc<Self> {
        let (changed, changes) = mpsc::unbounded_channel();
        let parts = Arc::new(Parts {
            store,
            client,
            metrics,
            problems: Mutex::default(),
            held_bytes: AtomicUsize::new(0),
            room: Notify::new(),
            functions: Notify::new(),
        });
        Arc::new(Mappings { parts, changed, changes: Mutex::new(Some(changes)) })
    }
}

impl ChangeListener for Mappings {
    fn changed(&self, change: &Change) {
        // Sending never waits: one small key per change of the control plane.
        match change {
            Change::MappingPut(mapping) => drop(self.changed.send(mapping.key.clone())),
            Change::MappingDeleted(key) => drop(self.changed.send(key.clone())),
            Change::Put(_) | Change::Deleted(_) => self.parts.functions.notify_waiters(),
        }
    }
}

#[async_trait]
impl EventSources for Mappings {
    async fn queue(&self, arn: &str, role: &str) -> Result<QueueFound, QueueRefused> {
        let queue = Queue::new(Arc::clone(&self.parts.client), arn, role);
        queue.ok_or_else(|| QueueRefused::Unreachable(format!("{arn} names no queue")))?.look().await
    }

    fn problem(&self, mapping: &MappingKey) -> Option<String> {
        self.parts.problems().get(mapping).cloned()
    }
}

#[cfg(test)]
mod tests;
