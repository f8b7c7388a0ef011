//! The in-memory function table: an immutable snapshot that invokes read without a lock, replaced as the store changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use lambent_domain::{Deployment, FunctionKey, State};
use lambent_ports::store::{Change, ChangeListener};
use tokio::sync::mpsc::UnboundedSender;

/// What an invoke needs to know of a function.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) state: State,
    pub(crate) deployment: Option<Arc<Deployment>>,
}

type Functions = HashMap<FunctionKey, Arc<Entry>>;

/// Follows a store's changes; see [`ChangeListener`]: a change is here before its write is acknowledged.
#[derive(Default)]
pub struct FunctionTable {
    functions: ArcSwap<Functions>,
    /// Shards that want to hear of changes, so that they retire environments of old deployments. Sending never waits:
    /// the queue holds one small key per change of the control plane, which is rate-limited by the store's disk.
    shards: Mutex<Vec<UnboundedSender<FunctionKey>>>,
}

impl FunctionTable {
    pub(crate) fn lookup(&self, key: &FunctionKey) -> Option<Arc<Entry>> {
        self.functions.load().get(key).cloned()
    }

    pub(crate) fn notify(&self, shard: UnboundedSender<FunctionKey>) {
        self.lock_shards().push(shard);
    }

    fn lock_shards(&self) -> std::sync::MutexGuard<'_, Vec<UnboundedSender<FunctionKey>>> {
        self.shards.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ChangeListener for FunctionTable {
    fn changed(&self, change: &Change) {
        let key = match change {
            Change::Put(function) => &function.key,
            Change::Deleted(key) => key,
        };
        self.functions.rcu(|functions| {
            let mut next = Functions::clone(functions);
            match change {
                Change::Put(function) => {
                    let entry =
                        Entry { state: function.state.clone(), deployment: function.deployed.clone() };
                    next.insert(key.clone(), Arc::new(entry));
                }
                Change::Deleted(_) => {
                    next.remove(key);
                }
            }
            next
        });
        self.lock_shards().retain(|shard| shard.send(key.clone()).is_ok());
    }
}
