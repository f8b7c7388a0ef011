//! The environments of one deployment: the most recently used idle one first, whoever waits for one, and how many are
//! kept initialised whether or not anybody comes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use lambent_domain::fault::ThrottleReason;
use lambent_domain::{Deployment, Fault, FunctionKey};
use lambent_scale::{Charge, CrashLoop, Refusal, StartFor, Wanting};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::environment::Environment;
use crate::metrics::add;
use crate::phases::Phase;
use crate::process_env::InitializationType;
use crate::shard::Shard;
use crate::start::Start;
use crate::trace::Sampler;

type Arrival = Result<Rc<Environment>, Fault>;

/// A request that found no idle environment.
pub(crate) struct Waiter {
    sender: oneshot::Sender<Arrival>,
    since: Instant,
    trace_id: String,
}

impl Waiter {
    /// What it was, when it has hung up.
    pub(crate) fn give(self, arrival: Arrival) -> Option<Arrival> {
        self.sender.send(arrival).err()
    }
}

pub(crate) struct Pool {
    pub(crate) key: FunctionKey,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) shard: Weak<Shard>,
    /// A stack: the last one in is the warmest and goes out first.
    idle: RefCell<Vec<Rc<Environment>>>,
    /// Those that have answered and not yet asked for more. Nobody else holds them: without this a runtime that does not
    /// poll in the same breath, as AWS's own clients don't, would lose its environment.
    returning: RefCell<Vec<Rc<Environment>>>,
    waiters: RefCell<VecDeque<Waiter>>,
    /// Environments that there are or that are being started.
    pub(crate) environments: Cell<usize>,
    /// Of these, being started for requests.
    pub(crate) under_way: Cell<usize>,
    /// Of these, being started for provisioned concurrency.
    pub(crate) provisioning: Cell<usize>,
    /// How many are to be kept: provisioned concurrency.
    provisioned: Cell<usize>,
    retired: Cell<bool>,
    /// Among those that the shard looks at when it decides.
    pub(crate) listed: Cell<bool>,
    charge: Cell<Charge>,
    /// Since the last answer.
    crashes: Cell<Option<CrashLoop>>,
    pub(crate) sampler: Sampler,
}

impl Pool {
    pub(crate) fn new(shard: &Rc<Shard>, key: FunctionKey, deployment: Arc<Deployment>) -> Rc<Self> {
        let charge = Charge::new(deployment.configuration.memory_mb);
        Rc::new(Pool {
            key,
            deployment,
            shard: Rc::downgrade(shard),
            idle: RefCell::default(),
            returning: RefCell::default(),
            waiters: RefCell::default(),
            environments: Cell::new(0),
            under_way: Cell::new(0),
            provisioning: Cell::new(0),
            provisioned: Cell::new(0),
            retired: Cell::new(false),
            listed: Cell::new(false),
            charge: Cell::new(charge),
            crashes: Cell::new(None),
            sampler: Sampler::default(),
        })
    }

    pub(crate) fn take_idle(&self) -> Option<Rc<Environment>> {
        let mut idle = self.idle.borrow_mut();
        // One after the other: what is dropped may want to know what is idle.
        while let Some(environment) = idle.pop() {
            if !environment.is_worn() {
                return Some(environment);
            }
            drop(idle);
            drop(environment);
            idle = self.idle.borrow_mut();
        }
        None
    }

    /// Whatever becomes free first: one that is being started for this request, or one that another request gives back.
    pub(crate) async fn wait(self: &Rc<Self>, trace_id: &str) -> Arrival {
        let stopping = || Fault::Internal("the server is stopping".into());
        let arrival = {
            let shard = self.shard.upgrade().ok_or_else(stopping)?;
            let (sender, arrival) = oneshot::channel();
            let waiter = Waiter { sender, since: Instant::now(), trace_id: trace_id.to_owned() };
            self.waiters.borrow_mut().push_back(waiter);
            shard.wants(self);
            shard.schedule(crate::schedule::Look::Wanting);
            shard.sweep_soon();
            arrival
        };
        arrival.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Whether it is of interest to a decision.
    pub(crate) fn wants_more(&self) -> bool {
        self.waiters.borrow_mut().retain(|waiter| !waiter.sender.is_closed());
        self.waiters.borrow().len() > self.under_way.get() || self.unprovisioned() > 0
    }

    pub(crate) fn observe(&self, shard: &Shard, function: usize) -> Wanting {
        let since = |waiter: &Waiter| shard.ms_at(waiter.since);
        Wanting {
            waiting_since_ms: self.waiters.borrow().iter().map(since).collect(),
            under_way: self.under_way.get(),
            provisioning: self.provisioning.get(),
            unprovisioned: self.unprovisioned(),
            environments: self.environments.get(),
            charge_mb: self.expected_charge_mb(),
            not_before_ms: self.not_before_ms(),
            function,
        }
    }

    /// Why an environment is started, and the trace of the request that it is started for.
    pub(crate) fn start_for(&self, what_for: StartFor) -> (InitializationType, Option<String>) {
        match what_for {
            StartFor::Provisioned => (InitializationType::ProvisionedConcurrency, None),
            StartFor::Request(index) => {
                let waiters = self.waiters.borrow();
                let waiter = waiters.get(index);
                if let (Some(shard), Some(waiter)) = (self.shard.upgrade(), waiter) {
                    shard.metrics.phases.of(Phase::Admission).observe(waiter.since.elapsed());
                }
                let trace_id = waiter.map(|waiter| waiter.trace_id.clone());
                (InitializationType::OnDemand, Some(trace_id.unwrap_or_default()))
            }
        }
    }

    pub(crate) fn start(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        why: InitializationType,
        trace_id: Option<String>,
    ) {
        Start::begin(shard, self, why).run(trace_id);
    }

    /// Takes those that are refused out of the queue.
    pub(crate) fn take_waiters(&self, refused: &[&Refusal]) -> Vec<(Waiter, ThrottleReason)> {
        let mut waiters = self.waiters.borrow_mut();
        let mut latest_first = refused.to_vec();
        latest_first.sort_by_key(|refusal| std::cmp::Reverse(refusal.request));
        latest_first
            .into_iter()
            .filter_map(|refusal| Some((waiters.remove(refusal.request)?, refusal.reason)))
            .collect()
    }

    /// Keeps this many environments from now on: starts what is missing; what is too many goes when it is idle for long.
    pub(crate) fn provision(self: &Rc<Self>, count: usize) {
        if self.provisioned.replace(count) != count {
            self.note_provisioned(None);
            self.provision_missing();
        }
    }

    fn provision_missing(self: &Rc<Self>) {
        if let Some(shard) = self.shard.upgrade().filter(|_| self.unprovisioned() > 0) {
            shard.wants(self);
            shard.schedule_soon();
            shard.sweep_soon();
        }
    }

    /// To be started, and not yet begun. None after a failure: it stays until something else is asked for.
    fn unprovisioned(&self) -> usize {
        let missing = self.provisioned.get().saturating_sub(self.environments.get());
        if missing == 0 || self.retired.get() {
            return 0;
        }
        let failed = self.shard.upgrade().is_none_or(|shard| shard.board.has_failed(self.deployment.id));
        if failed { 0 } else { missing }
    }

    /// Tells whoever shows it how many there are. A failure stays until something else is asked for.
    pub(crate) fn note_provisioned(&self, failure: Option<&'static str>) {
        if self.provisioned.get() == 0 && failure.is_none() {
            return;
        }
        if let Some(shard) = self.shard.upgrade() {
            let under_way = self.under_way.get() + self.provisioning.get();
            let count = self.environments.get().saturating_sub(under_way).min(self.provisioned.get());
            shard.board.note(self.deployment.id, self.provisioned.get(), count, failure);
        }
    }

    /// An environment is gone; one that was provisioned is replaced, and its memory may be what somebody waits for.
    pub(crate) fn environment_gone(self: &Rc<Self>) {
        if self.provisioned.get() > 0 && !self.retired.get() {
            self.note_provisioned(None);
            self.provision_missing();
        }
        if let Some(shard) = self.shard.upgrade() {
            shard.schedule_soon();
        }
    }

    /// How many may go without leaving fewer than are provisioned.
    pub(crate) fn spare(&self) -> usize {
        self.environments.get().saturating_sub(self.provisioned.get())
    }

    /// Whether one whose processes have ended is to be replaced at once, and not when the next request comes.
    pub(crate) fn replaces(&self) -> bool {
        self.provisioned.get() > 0 && self.spare() == 0 && !self.retired.get()
    }

    /// The idle ones, those that were used least recently first.
    pub(crate) fn idle(&self) -> Vec<Rc<Environment>> {
        self.idle.borrow().clone()
    }

    /// Keeps an environment that has answered, until it is released or its deployment is no longer current.
    pub(crate) fn expect_back(&self, environment: Rc<Environment>) {
        if !self.retired.get() {
            self.returning.borrow_mut().push(environment);
        }
    }

    /// Gives an environment to who waits longest, or keeps it, or lets it go when the deployment is no longer current.
    pub(crate) fn release(self: &Rc<Self>, environment: Rc<Environment>) {
        self.returning.borrow_mut().retain(|returning| !Rc::ptr_eq(returning, &environment));
        if environment.is_lost() {
            return self.lost(environment);
        }
        if environment.is_worn() {
            drop(environment);
            if let Some(shard) = self.shard.upgrade() {
                shard.wants(self);
                shard.schedule_soon();
            }
            return;
        }
        let mut arrival = Ok(environment);
        while let Some(waiter) = self.next_waiter() {
            match waiter.give(arrival) {
                None => return,
                Some(back) => arrival = back,
            }
        }
        if let Ok(environment) = arrival
            && !self.retired.get()
        {
            environment.mark_idle();
            self.idle.borrow_mut().push(environment);
            if let Some(shard) = self.shard.upgrade() {
                shard.sweep_soon();
                // It may make room for another.
                shard.schedule_soon();
            }
        }
    }

    /// Its sandbox has gone under it. Whoever it was meant for gets another.
    fn lost(self: &Rc<Self>, environment: Rc<Environment>) {
        drop(environment);
        if let Some(shard) = self.shard.upgrade() {
            add(&shard.metrics.start_failures, 1);
            shard.wants(self);
            shard.schedule_soon();
        }
    }

    fn next_waiter(&self) -> Option<Waiter> {
        self.waiters.borrow_mut().pop_front()
    }

    pub(crate) fn fail_one(&self, fault: Fault) {
        let mut arrival = Err(fault);
        while let Some(waiter) = self.next_waiter() {
            match waiter.give(arrival) {
                None => return,
                Some(back) => arrival = back,
            }
        }
    }

    /// Takes an idle environment out of the stack.
    pub(crate) fn forget(&self, environment: &Environment) {
        let mut idle = self.idle.borrow_mut();
        let place = idle.iter().position(|idle| std::ptr::eq(Rc::as_ptr(idle), environment));
        let taken = place.map(|place| idle.remove(place));
        // Its end may look at the stack.
        drop(idle);
        drop(taken);
    }

    /// No new requests come here; what is idle goes now, and what has answered.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        if self.provisioned.replace(0) > 0
            && let Some(shard) = self.shard.upgrade()
        {
            shard.board.forget(self.deployment.id);
        }
        let done = (self.idle.take(), self.returning.take());
        drop(done);
    }

    /// What the next environment is charged for memory.
    pub(crate) fn expected_charge_mb(&self) -> u64 {
        self.charge.get().expected_mb()
    }

    /// One of its environments holds this much; returns what it is charged.
    pub(crate) fn seen(&self, bytes: u64) -> u64 {
        let mut charge = self.charge.get();
        let charged = charge.seen(bytes);
        self.charge.set(charge);
        charged
    }

    /// A process of the deployment has ended by itself, or did not get through its init.
    pub(crate) fn crashed(&self) {
        if let Some(shard) = self.shard.upgrade() {
            let mut crashes = self.crashes.get().unwrap_or_default();
            crashes.crashed(shard.now_ms());
            self.crashes.set(Some(crashes));
        }
    }

    /// It works.
    pub(crate) fn answered(&self) {
        self.crashes.set(None);
    }

    /// Waits until it may be started again.
    pub(crate) async fn crash_loop_over(&self) {
        let wait_ms =
            self.shard.upgrade().map_or(0, |shard| self.not_before_ms().saturating_sub(shard.now_ms()));
        if wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// When it may be started again.
    pub(crate) fn not_before_ms(&self) -> u64 {
        self.crashes.get().map_or(0, |crashes| crashes.not_before_ms())
    }
}
