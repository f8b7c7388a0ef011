//! What a decision is made from, and what it says.

use lambent_domain::fault::ThrottleReason;

use crate::worth::Worth;

/// What an operator has set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Environments being started at the same time.
    pub concurrent_starts: usize,
    /// How long an environment may be idle.
    pub keep_alive_ms: u64,
    /// How long an environment is idle before its processes are stopped from running.
    pub freeze_after_ms: u64,
    /// Requests that may wait for memory.
    pub memory_queue: usize,
    /// How long a request may wait for memory.
    pub memory_wait_ms: u64,
}

/// Everything that a decision depends on, besides the time and the limits.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Environments being started.
    pub starting: usize,
    /// Memory of environments.
    pub memory: Memory,
    /// Deployments that want more environments than are there or being started.
    pub wanting: Vec<Wanting>,
    /// What each function's scaling rate leaves, for [`Wanting::function`].
    pub rates: Vec<u64>,
    /// Idle environments. May be left out where only [`Observed::wanting`] has changed and memory suffices
    /// ([`Observed::needs_idle`]): who has a thousand of them need not show them for each start.
    pub idle: Vec<Idle>,
}

impl Observed {
    /// Whether idle environments may have to make room.
    pub fn needs_idle(&self, limits: &Limits) -> bool {
        let slots = limits.concurrent_starts.saturating_sub(self.starting) as u64;
        let largest = self.wanting.iter().map(|wanting| wanting.charge_mb).max().unwrap_or(0);
        self.memory.used_mb + slots * largest > self.memory.limit_mb()
    }
}

/// Memory of environments, MiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Charged for environments there are or that are being started.
    pub used_mb: u64,
    /// What environments may use in all, as it was set.
    pub budget_mb: u64,
    /// What this host can carry right now: what it carries and what is free beyond a reserve.
    pub host_mb: u64,
}

impl Memory {
    pub(crate) fn limit_mb(&self) -> u64 {
        self.budget_mb.min(self.host_mb)
    }

    /// One that is larger than the whole budget may run by itself.
    pub(crate) fn fits(&self, charge_mb: u64) -> bool {
        self.used_mb + charge_mb.min(self.budget_mb) <= self.limit_mb()
    }
}

/// A deployment that wants environments.
#[derive(Clone, Debug)]
pub struct Wanting {
    /// When each of its waiting requests came, the oldest first.
    pub waiting_since_ms: Vec<u64>,
    /// Environments being started for them.
    pub under_way: usize,
    /// Environments being started for provisioned concurrency.
    pub provisioning: usize,
    /// Further ones that are to be started for provisioned concurrency.
    pub unprovisioned: usize,
    /// All it has, those being started included.
    pub environments: usize,
    /// What another one is expected to take.
    pub charge_mb: u64,
    /// None is started before: it crashes again and again.
    pub not_before_ms: u64,
    /// Index of its function in [`Observed::rates`].
    pub function: usize,
}

/// An idle environment.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Since when.
    pub since_ms: u64,
    /// Its processes can't run.
    pub frozen: bool,
    /// It may go: it is not one of those that provisioned concurrency keeps.
    pub spare: bool,
    /// What it holds.
    pub charge_mb: u64,
    /// What is lost with it.
    pub worth: Worth,
}

/// What is to be done. Numbers are positions in what was observed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Idle environments that go.
    pub evict: Vec<usize>,
    /// The floor under the worth of what is used from now on ([`Worth::floor`]), when something had to make room.
    pub floor: Option<f64>,
    /// Idle environments that are frozen.
    pub freeze: Vec<usize>,
    /// Environments to be started, in this order.
    pub start: Vec<Start>,
    /// Requests that get 429.
    pub refuse: Vec<Refusal>,
    /// When it is to be asked again if nothing happens before.
    pub again_ms: Option<u64>,
}

/// An environment to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Of which deployment.
    pub wanting: usize,
    /// For whom.
    pub what_for: StartFor,
}

/// Who gets an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFor {
    /// This waiting request, unless another environment is free sooner.
    Request(usize),
    /// Whoever comes.
    Provisioned,
}

/// A request that gets 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of which deployment.
    pub wanting: usize,
    /// Which of its waiting requests.
    pub request: usize,
    /// As AWS says it.
    pub reason: ThrottleReason,
}
