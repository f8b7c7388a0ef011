//! What becomes of an environment between requests.

use std::rc::Rc;

use lambent_scale::Worth;
use tokio::time::Instant;

use super::{Environment, Phase};

impl Environment {
    pub(crate) fn mark_idle(&self) {
        self.state.borrow_mut().idle_since = Some(Instant::now());
        if let Some(shard) = self.shard.upgrade() {
            self.worth.set(Worth { floor: shard.floor.get(), ..self.worth.get() });
        }
    }

    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.state.borrow().idle_since
    }

    /// It has another request.
    pub(super) fn used(&self) {
        let worth = self.worth.get();
        self.worth.set(Worth { uses: worth.uses.saturating_add(1), ..worth });
    }

    pub(crate) fn worth(&self) -> Worth {
        self.worth.get()
    }

    /// Lets an idle environment go.
    pub(crate) fn discard_idle(&self) {
        self.pool.forget(self);
    }

    /// Frozen, its memory is that of an idle one: it is measured at this moment, and not while a request waits.
    pub(crate) fn freeze(&self) {
        let mut state = self.state.borrow_mut();
        if !state.frozen && state.phase == Phase::Ready {
            state.frozen = true;
            self.sandbox.freeze();
            drop(state);
            self.measure();
        }
    }

    pub(super) fn thaw(&self) {
        if std::mem::take(&mut self.state.borrow_mut().frozen) {
            self.sandbox.thaw();
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.state.borrow().frozen
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state.borrow().lost
    }

    /// Has its memory charged as it is.
    pub(crate) fn measure(&self) {
        self.place.recharge(self.pool.seen(self.sandbox.held_memory()));
    }

    pub(crate) fn charge_mb(&self) -> u64 {
        self.place.charge_mb()
    }

    /// A runtime that answered but did not come back for more by its deadline is killed, as on a timeout.
    pub(crate) fn stop_if_hung(self: &Rc<Self>, now: Instant) {
        let hung = {
            let state = self.state.borrow();
            state.phase == Phase::Responded && state.back_by.is_some_and(|back_by| back_by <= now)
        };
        if hung {
            self.stopped();
            self.recycle();
        }
    }
}
