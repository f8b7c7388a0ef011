//! The in-memory function table: what invokes see of the store, read without waiting for a writer.
//!
//! It is cut into small immutable maps. A change copies one of them, so that it costs the same with ten functions and
//! with ten thousand.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use lambent_domain::{Function, FunctionKey, Scope};
use lambent_ports::store::{Change, ChangeListener};
use tokio::sync::mpsc::UnboundedSender;

/// Maps that the table is cut into: at 10,000 functions a change copies about twenty entries.
const PARTS: usize = 512;

type Part = HashMap<FunctionKey, Arc<Function>>;

/// Follows a store's changes; see [`ChangeListener`]: a change is here before its write is acknowledged.
pub struct FunctionTable {
    parts: Vec<ArcSwap<Part>>,
    hasher: RandomState,
    /// What functions have taken away from each scope's unreserved concurrency.
    claimed: ArcSwap<HashMap<Scope, u64>>,
    /// Shards that want to hear of changes, so that they retire environments of old deployments. Sending never waits:
    /// the queue holds one small key per change of the control plane, which is rate-limited by the store's disk.
    shards: Mutex<Vec<UnboundedSender<FunctionKey>>>,
}

impl Default for FunctionTable {
    fn default() -> Self {
        FunctionTable {
            parts: (0..PARTS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            claimed: ArcSwap::default(),
            shards: Mutex::default(),
        }
    }
}

impl FunctionTable {
    pub(crate) fn lookup(&self, key: &FunctionKey) -> Option<Arc<Function>> {
        self.part(key).load().get(key).cloned()
    }

    /// Concurrency of a scope that functions have for themselves.
    pub(crate) fn claimed(&self, scope: &Scope) -> u64 {
        self.claimed.load().get(scope).copied().unwrap_or_default()
    }

    /// Every function.
    pub(crate) fn keys(&self) -> Vec<FunctionKey> {
        let keys = |part: &ArcSwap<Part>| part.load().keys().cloned().collect::<Vec<_>>();
        self.parts.iter().flat_map(keys).collect()
    }

    pub(crate) fn notify(&self, shard: UnboundedSender<FunctionKey>) {
        self.lock_shards().push(shard);
    }

    fn part(&self, key: &FunctionKey) -> &ArcSwap<Part> {
        &self.parts[self.hasher.hash_one(key) as usize % PARTS]
    }

    fn lock_shards(&self) -> std::sync::MutexGuard<'_, Vec<UnboundedSender<FunctionKey>>> {
        self.shards.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Only the store's writer calls this: nobody else changes the sums in between.
    fn claim(&self, scope: &Scope, before: u32, after: u32) {
        if before == after {
            return;
        }
        let mut claimed = HashMap::clone(&self.claimed.load());
        let sum = claimed.entry(scope.clone()).or_default();
        *sum = *sum - u64::from(before) + u64::from(after);
        self.claimed.store(Arc::new(claimed));
    }
}

impl ChangeListener for FunctionTable {
    fn changed(&self, change: &Change) {
        let (key, function) = match change {
            Change::Put(function) => (&function.key, Some(function)),
            Change::Deleted(key) => (key, None),
            Change::MappingPut(_) | Change::MappingDeleted(_) => return,
        };
        let part = self.part(key);
        let mut next = Part::clone(&part.load());
        let old = match function {
            Some(function) => next.insert(key.clone(), Arc::clone(function)),
            None => next.remove(key),
        };
        part.store(Arc::new(next));
        let claim =
            |function: Option<&Arc<Function>>| function.map_or(0, |function| function.claimed_concurrency());
        self.claim(&key.scope, claim(old.as_ref()), claim(function));
        self.lock_shards().retain(|shard| shard.send(key.clone()).is_ok());
    }
}
