//! The life of mappings: who is polled, and what is under way comes to its end.

use std::collections::HashMap;
use std::sync::Arc;

use lambent_domain::{EventSourceMapping, MappingKey, MappingState};
use lambent_ports::store::{RecordKey, StoreError, Write};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Duration;

use crate::poller::{Poller, Settings};
use crate::{MappingChange, Mappings};

/// How long after trouble a mapping is looked at again.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// The pollers of one mapping.
#[derive(Default)]
struct Slot {
    current: Option<Current>,
    /// Those that have been stopped and still have batches with functions.
    ending: usize,
}

struct Current {
    task: Id,
    settings: Settings,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Life {
    /// Every mapping as the store told of it: it tells before it shows.
    mappings: HashMap<MappingKey, Arc<EventSourceMapping>>,
    slots: HashMap<MappingKey, Slot>,
    pollers: JoinSet<()>,
    /// Whose pollers they are.
    owners: HashMap<Id, MappingKey>,
}

impl Mappings {
    /// Polls until `stop` turns true; then what functions have comes to its end. The future is to be run once.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let changes = self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let Some(mut changes) = changes else { return };
        let mut life = Life::default();
        loop {
            let key = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(change) = changes.recv() => Some(life.changed(change)),
                Some(ended) = life.pollers.join_next_with_id() => life.ended(ended),
            };
            if let Some(key) = key {
                self.look(&mut life, key).await;
            }
        }
        life.slots.clear();
        while life.pollers.join_next().await.is_some() {}
    }

    /// Brings a mapping one step nearer to what its record says.
    async fn look(self: &Arc<Self>, life: &mut Life, key: MappingKey) {
        let Some(mapping) = life.mappings.get(&key).cloned() else {
            life.stop(&key);
            self.parts.problem(&key, None);
            return;
        };
        if mapping.state.polls() {
            self.poll(life, &mapping);
        } else {
            life.stop(&key);
            if life.slots.get(&key).is_some_and(|slot| slot.ending > 0) {
                return;
            }
        }
        if let Err(error) = self.settle(&mapping).await {
            tracing::error!(%error, mapping = key.uuid, "a mapping's state could not be written; trying again");
            self.look_later(key);
        }
    }

    fn poll(&self, life: &mut Life, mapping: &EventSourceMapping) {
        let Some(settings) = Settings::of(mapping) else {
            let text = "PROBLEM: Invalid filter pattern definition.";
            self.parts.problem(&mapping.key, Some(text.into()));
            return life.stop(&mapping.key);
        };
        let slot = life.slots.entry(mapping.key.clone()).or_default();
        if slot.current.as_ref().is_some_and(|current| current.settings == settings) {
            return;
        }
        life.stop(&mapping.key);
        let (stop, stopped) = watch::channel(false);
        let poller = Poller::new(Arc::clone(&self.parts), settings.clone());
        let task = life.pollers.spawn(poller.run(stopped)).id();
        life.owners.insert(task, mapping.key.clone());
        let slot = life.slots.entry(mapping.key.clone()).or_default();
        slot.current = Some(Current { task, settings, stop });
    }

    /// Writes the state that follows. When the record is another one by now, that one's change is on its way here.
    async fn settle(&self, mapping: &EventSourceMapping) -> Result<(), StoreError> {
        let write = match (mapping.state, mapping.state.next()) {
            (MappingState::Deleting, _) => {
                Write::Delete(RecordKey::Mapping(mapping.key.clone()), mapping.epoch)
            }
            (_, Some(state)) => Write::from(EventSourceMapping { state, ..mapping.clone() }),
            (_, None) => return Ok(()),
        };
        match self.parts.store.commit(vec![write]).await {
            Ok(()) | Err(StoreError::Changed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn look_later(self: &Arc<Self>, key: MappingKey) {
        let changed = self.changed.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AFTER_TROUBLE).await;
            let _ = changed.send(MappingChange::Again(key));
        });
    }
}

impl Life {
    /// Takes a change in; says which mapping it is of.
    fn changed(&mut self, change: MappingChange) -> MappingKey {
        match change {
            MappingChange::Put(mapping) => {
                let key = mapping.key.clone();
                self.mappings.insert(key.clone(), mapping);
                key
            }
            MappingChange::Deleted(key) => {
                self.mappings.remove(&key);
                key
            }
            MappingChange::Again(key) => key,
        }
    }

    /// Tells a mapping's poller to come to its end.
    fn stop(&mut self, key: &MappingKey) {
        if let Some(slot) = self.slots.get_mut(key)
            && let Some(current) = slot.current.take()
        {
            current.stop.send_replace(true);
            slot.ending += 1;
        }
    }

    /// Whose poller has ended.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) -> Option<MappingKey> {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a poller was lost; it is started again");
                error.id()
            }
        };
        let key = self.owners.remove(&id)?;
        let slot = self.slots.get_mut(&key)?;
        match &slot.current {
            Some(current) if current.task == id => slot.current = None,
            _ => slot.ending = slot.ending.saturating_sub(1),
        }
        if slot.current.is_none() && slot.ending == 0 {
            self.slots.remove(&key);
        }
        Some(key)
    }
}
