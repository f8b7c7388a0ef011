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
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use async_trait::async_trait;
use lambent_domain::{EventSourceMapping, Function, FunctionKey, MappingKey};
use lambent_kit::clock::Clock;
use lambent_ports::aws_client::AwsClient;
use lambent_ports::event_sources::{EventSources, QueueFound, QueueRefused};
use lambent_ports::meter::Meter;
use lambent_ports::store::{Change, ChangeListener, Store};
use tokio::sync::{Notify, mpsc};

pub use metrics::{MappingMetrics, MappingSnapshot};

use queue::Queue;

/// What all pollers share.
pub(crate) struct Parts {
    store: Arc<dyn Store>,
    client: Arc<dyn AwsClient>,
    metrics: Arc<MappingMetrics>,
    meter: Arc<dyn Meter>,
    clock: Arc<dyn Clock>,
    /// What stands in a mapping's way.
    problems: Mutex<HashMap<MappingKey, String>>,
    /// Bytes of events that functions have.
    held_bytes: AtomicUsize,
    /// Some of them are free again.
    room: Notify,
    /// Functions as the store told of them: it tells before it shows.
    functions: RwLock<HashMap<FunctionKey, Arc<Function>>>,
    /// One of them has changed.
    function_changed: Notify,
}

impl Parts {
    fn problems(&self) -> MutexGuard<'_, HashMap<MappingKey, String>> {
        self.problems.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn function(&self, key: &FunctionKey) -> Option<Arc<Function>> {
        self.functions.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(key).cloned()
    }

    fn function_changed(&self, key: &FunctionKey, function: Option<Arc<Function>>) {
        let mut functions = self.functions.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        match function {
            Some(function) => drop(functions.insert(key.clone(), function)),
            None => drop(functions.remove(key)),
        }
        drop(functions);
        self.function_changed.notify_waiters();
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
    changed: mpsc::UnboundedSender<MappingChange>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<MappingChange>>>,
}

/// What the pollers have to know of.
#[derive(Clone, Debug)]
pub(crate) enum MappingChange {
    /// Created or replaced.
    Put(Arc<EventSourceMapping>),
    /// Gone.
    Deleted(MappingKey),
    /// To be looked at once more.
    Again(MappingKey),
}

impl Mappings {
    /// Builds them; nothing is polled yet.
    pub fn new(
        store: Arc<dyn Store>,
        client: Arc<dyn AwsClient>,
        metrics: Arc<MappingMetrics>,
        meter: Arc<dyn Meter>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let (changed, changes) = mpsc::unbounded_channel();
        let parts = Arc::new(Parts {
            store,
            client,
            metrics,
            meter,
            clock,
            problems: Mutex::default(),
            held_bytes: AtomicUsize::new(0),
            room: Notify::new(),
            functions: RwLock::default(),
            function_changed: Notify::new(),
        });
        Arc::new(Mappings { parts, changed, changes: Mutex::new(Some(changes)) })
    }
}

impl ChangeListener for Mappings {
    fn changed(&self, change: &Change) {
        // Sending never waits: one pointer per change of the control plane.
        match change {
            Change::MappingPut(mapping) => {
                let _ = self.changed.send(MappingChange::Put(Arc::clone(mapping)));
            }
            Change::MappingDeleted(key) => {
                let _ = self.changed.send(MappingChange::Deleted(key.clone()));
            }
            Change::Put(function) => {
                self.parts.function_changed(&function.key, Some(Arc::clone(function)));
            }
            Change::Deleted(key) => self.parts.function_changed(key, None),
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
