//! Who changes a record next. Of several changes that are decided on one state only one can be committed: without
//! turns, whoever is unlucky often enough would have to be refused. Turns are in the order of asking.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lambent_ports::store::RecordKey;
use tokio::sync::OwnedMutexGuard;

/// A turn lasts until this is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// The queue of each record that is being changed.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<RecordKey, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for what was asked for before. Held for one commit, never while packages are worked on.
    pub(crate) async fn take(&self, key: RecordKey) -> Turn {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            Arc::clone(queues.entry(key).or_default())
        };
        queue.lock_owned().await
    }
}
