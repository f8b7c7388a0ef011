//! The memory account of a shard, and the place of one environment in it.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use lambent_ports::sandbox::SandboxHost;
use lambent_scale::{HostMemory, Memory};

use crate::pool::Pool;
use crate::shard::Shard;

/// Where a host can't tell what it has, only what was set bounds environments.
const UNBOUNDED_MB: u64 = 1 << 40;

/// What environments have been charged, against what there is.
pub(crate) struct MemoryAccount {
    used_mb: Cell<u64>,
    budget_mb: u64,
    host_mb: Cell<u64>,
}

impl MemoryAccount {
    /// `budget_mb` as it was set; without it, what is free now.
    pub(crate) fn new(host: &dyn SandboxHost, budget_mb: Option<u64>) -> Self {
        let now = on_host(host);
        let derived = || now.map_or(UNBOUNDED_MB, |memory| memory.budget_mb());
        let account = MemoryAccount {
            used_mb: Cell::new(0),
            budget_mb: budget_mb.unwrap_or_else(derived),
            host_mb: Cell::new(UNBOUNDED_MB),
        };
        account.look(host);
        account
    }

    /// Takes note of what the host has.
    pub(crate) fn look(&self, host: &dyn SandboxHost) {
        let carries = on_host(host).map_or(UNBOUNDED_MB, |memory| memory.carries_mb(self.used_mb.get()));
        self.host_mb.set(carries);
    }

    pub(crate) fn observed(&self) -> Memory {
        Memory { used_mb: self.used_mb.get(), budget_mb: self.budget_mb, host_mb: self.host_mb.get() }
    }
}

fn on_host(host: &dyn SandboxHost) -> Option<HostMemory> {
    let memory = host.memory()?;
    Some(HostMemory { total_mb: memory.total_bytes >> 20, available_mb: memory.available_bytes >> 20 })
}

/// What one environment takes of its deployment's and its host's, from the decision to start it until it is gone.
pub(crate) struct Place {
    shard: Weak<Shard>,
    pool: Rc<Pool>,
    charge_mb: Cell<u64>,
}

impl Place {
    pub(crate) fn take(shard: &Rc<Shard>, pool: &Rc<Pool>) -> Self {
        let charge_mb = pool.expected_charge_mb();
        let used = &shard.memory.used_mb;
        used.set(used.get() + charge_mb);
        pool.environments.set(pool.environments.get() + 1);
        Place { shard: Rc::downgrade(shard), pool: Rc::clone(pool), charge_mb: Cell::new(charge_mb) }
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    pub(crate) fn charge_mb(&self) -> u64 {
        self.charge_mb.get()
    }

    /// It has been seen to hold this.
    pub(crate) fn recharge(&self, charge_mb: u64) {
        let before = self.charge_mb.replace(charge_mb);
        if let Some(shard) = self.shard.upgrade() {
            let used = &shard.memory.used_mb;
            used.set(used.get() - before + charge_mb);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.recharge(0);
        self.pool.environments.set(self.pool.environments.get() - 1);
        self.pool.environment_gone();
    }
}
