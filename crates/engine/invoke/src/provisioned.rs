//! What the shard knows of provisioned environments, for whoever shows it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use lambent_domain::RevisionId;
use lambent_ports::invoke::{ProvisionedState, ProvisionedView};

/// Written by the shard, read by the control plane.
#[derive(Debug, Default)]
pub struct ProvisionedBoard {
    states: Mutex<HashMap<RevisionId, Noted>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    wanted: usize,
    state: ProvisionedState,
}

impl ProvisionedBoard {
    /// How many a deployment has of those that are wanted. A failure is kept until another number is wanted.
    pub(crate) fn note(
        &self,
        deployment: RevisionId,
        wanted: usize,
        count: usize,
        failure: Option<&'static str>,
    ) {
        let mut states = self.lock();
        let noted = states.entry(deployment).or_default();
        if noted.wanted != wanted {
            *noted = Noted { wanted, ..Noted::default() };
        }
        noted.state.environments = count as u32;
        noted.state.failure = failure.or(noted.state.failure);
    }

    pub(crate) fn has_failed(&self, deployment: RevisionId) -> bool {
        self.lock().get(&deployment).is_some_and(|noted| noted.state.failure.is_some())
    }

    pub(crate) fn forget(&self, deployment: RevisionId) {
        self.lock().remove(&deployment);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RevisionId, Noted>> {
        self.states.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ProvisionedView for ProvisionedBoard {
    fn provisioned(&self, deployment: RevisionId) -> ProvisionedState {
        self.lock().get(&deployment).map(|noted| noted.state).unwrap_or_default()
    }
}
