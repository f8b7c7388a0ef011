//! What [`lambent_scale::decide`] sees of a shard, and what is done about what it says.

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use lambent_domain::Fault;
use lambent_scale::{Decision, Idle, Limits, Observed, decide};
use tokio::time::Instant;

use crate::environment::Environment;
use crate::metrics::{add, set};
use crate::pool::Pool;
use crate::shard::Shard;

/// How much is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something may want an environment.
    Wanting,
    /// Idle environments, too.
    Everything,
}

impl Shard {
    /// Milliseconds since the shard was made.
    pub(crate) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Since the same moment.
    pub(crate) fn ms_at(&self, at: Instant) -> u64 {
        at.duration_since(self.began).as_millis() as u64
    }

    fn limits(&self) -> Limits {
        Limits {
            concurrent_starts: self.turns.get().count(),
            keep_alive_ms: self.options.keep_alive.as_millis() as u64,
            freeze_after_ms: self.options.freeze_after.as_millis() as u64,
            memory_queue: self.options.memory_queue,
            memory_wait_ms: lambent_domain::limits::MEMORY_WAIT_MS,
        }
    }

    /// A deployment wants environments from now on; until it does not, it is looked at.
    pub(crate) fn wants(&self, pool: &Rc<Pool>) {
        if !pool.listed.replace(true) {
            self.wanting.borrow_mut().push(Rc::clone(pool));
        }
    }

    /// Whether anybody waits for what may become free.
    pub(crate) fn is_wanting(&self) -> bool {
        !self.wanting.borrow().is_empty()
    }

    /// Decides as soon as what runs now is done: for callers in the middle of a change.
    pub(crate) fn schedule_soon(self: &Rc<Self>) {
        if !self.is_wanting() || self.scheduling.replace(true) {
            return;
        }
        let shard = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            if let Some(shard) = shard.upgrade() {
                shard.scheduling.set(false);
                shard.schedule(Look::Wanting);
            }
        });
    }

    /// Decides and acts. Returns when it wants to be asked again.
    pub(crate) fn schedule(self: &Rc<Self>, look: Look) -> Option<u64> {
        let limits = self.limits();
        if look == Look::Wanting && self.starting.get() >= limits.concurrent_starts {
            return None;
        }
        let pools = self.wanting_pools();
        if look == Look::Wanting && pools.is_empty() {
            return None;
        }
        let now_ms = self.now_ms();
        let mut observed =
            Observed { starting: self.starting.get(), memory: self.memory.observed(), ..Observed::default() };
        self.observe_wanting(&pools, now_ms, &mut observed);
        let mut idle = Vec::new();
        if look == Look::Everything || observed.needs_idle(&limits) {
            idle = self.idle_environments();
            observed.idle =
                idle.iter().map(|(environment, spare)| environment.observe(self, *spare)).collect();
        }
        let decision = decide(now_ms, &limits, &observed);
        self.act(&decision, now_ms, &pools, &idle);
        let memory = self.memory.observed();
        set(&self.metrics.memory_used_mb, memory.used_mb);
        set(&self.metrics.memory_budget_mb, memory.budget_mb.min(memory.host_mb));
        decision.again_ms
    }

    fn wanting_pools(&self) -> Vec<Rc<Pool>> {
        let mut wanting = self.wanting.borrow_mut();
        wanting.retain(|pool| {
            let wants = pool.wants_more();
            pool.listed.set(wants);
            wants
        });
        wanting.clone()
    }

    fn observe_wanting(&self, pools: &[Rc<Pool>], now_ms: u64, observed: &mut Observed) {
        let rates = self.rates.borrow();
        let mut functions = HashMap::new();
        for pool in pools {
            let function = *functions.entry(&pool.key).or_insert_with(|| {
                let rate = rates.get(&pool.key).copied().unwrap_or_default();
                observed.rates.push(rate.left(now_ms, self.options.scaling_rate));
                observed.rates.len() - 1
            });
            observed.wanting.push(pool.observe(self, function));
        }
    }

    /// With whether each may go: the ones that are idle longest, as far as more are there than are provisioned.
    fn idle_environments(&self) -> Vec<(Rc<Environment>, bool)> {
        let mut idle = Vec::new();
        for pool in self.pools.borrow().values() {
            let spare = pool.spare();
            idle.extend(
                pool.idle().into_iter().enumerate().map(|(place, environment)| (environment, place < spare)),
            );
        }
        idle
    }

    fn act(
        self: &Rc<Self>,
        decision: &Decision,
        now_ms: u64,
        pools: &[Rc<Pool>],
        idle: &[(Rc<Environment>, bool)],
    ) {
        if let Some(floor) = decision.floor {
            self.floor.set(floor);
            add(&self.metrics.evictions, decision.evict.len() as u64);
        }
        for index in &decision.evict {
            idle[*index].0.discard_idle();
        }
        for index in &decision.freeze {
            idle[*index].0.freeze();
        }
        // Positions are those that were observed: what refers to them comes before what changes them.
        let starts: Vec<_> = decision
            .start
            .iter()
            .map(|start| (&pools[start.wanting], pools[start.wanting].start_for(start.what_for)))
            .collect();
        for (index, pool) in pools.iter().enumerate() {
            let refused: Vec<_> = decision.refuse.iter().filter(|refusal| refusal.wanting == index).collect();
            for waiter in pool.take_waiters(&refused) {
                let (waiter, reason) = waiter;
                add(&self.metrics.throttles, 1);
                waiter.give(Err(Fault::TooManyRequests(reason)));
            }
        }
        for (pool, (why, trace_id)) in starts {
            if trace_id.is_some() {
                let mut rates = self.rates.borrow_mut();
                rates.entry(pool.key.clone()).or_default().spend(now_ms, self.options.scaling_rate);
            }
            pool.start(self, why, trace_id);
        }
    }

    /// More turns while somebody waits for one and processors are idle.
    fn adjust_turns(&self) {
        if !self.options.starts_may_grow {
            return;
        }
        let mut turns = self.turns.get();
        let all_taken = self.is_wanting() && self.starting.get() > 0;
        let now = if all_taken { self.sandboxes.processor_time() } else { None };
        let before = self.processors.replace(now);
        let idle = now.zip(before).map_or(0.0, |(now, before)| now.idle_share_since(before));
        if !all_taken || before.is_some() {
            turns.adjust(idle, all_taken);
            self.turns.set(turns);
        }
    }

    /// Forgets what has no effect any more.
    pub(crate) fn forget_rates(&self) {
        let now_ms = self.now_ms();
        self.rates.borrow_mut().retain(|_, rate| !rate.is_fresh(now_ms, self.options.scaling_rate));
    }

    /// `false` when nothing needs another look soon.
    pub(crate) fn sweep(self: &Rc<Self>) -> Option<u64> {
        self.environments.borrow_mut().retain(|environment| environment.strong_count() > 0);
        let environments: Vec<_> = self.environments.borrow().iter().filter_map(Weak::upgrade).collect();
        let now = Instant::now();
        for environment in &environments {
            environment.stop_if_hung(now);
        }
        let rests = |environment: &Rc<Environment>| environment.is_frozen() || environment.is_stopped();
        let asleep = environments.iter().all(rests);
        let any = !environments.is_empty();
        drop(environments);
        self.memory.look(&*self.sandboxes);
        self.adjust_turns();
        let again_ms = self.schedule(Look::Everything);
        self.forget_rates();
        if !any && !self.is_wanting() {
            return None;
        }
        let most = if asleep && !self.is_wanting() { SLEEP_MS } else { SWEEP_MS };
        Some(again_ms.map_or(most, |at| at.saturating_sub(self.now_ms()).clamp(LEAST_MS, most)))
    }
}

/// How often environments are looked at while any may run. Nothing is looked at while there are none.
const SWEEP_MS: u64 = 250;
/// How often while all are frozen: then only time and the host's other processes change anything.
const SLEEP_MS: u64 = 1_000;
/// A look costs up to a millisecond when a thousand environments are idle.
const LEAST_MS: u64 = 20;

impl Environment {
    fn observe(&self, shard: &Shard, spare: bool) -> Idle {
        let since = self.idle_since().map_or(0, |since| shard.ms_at(since));
        Idle {
            since_ms: since,
            frozen: self.is_frozen() || self.is_stopped(),
            spare,
            charge_mb: self.charge_mb(),
            worth: self.worth(),
        }
    }
}
