//! The environments of one deployment: the most recently used idle one first, whoever waits for one, and how many are
//! kept initialised whether or not anybody comes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use lambent_domain::{Deployment, Fault, FunctionKey};
use tokio::sync::oneshot;

use crate::environment::Environment;
use crate::metrics::add;
use crate::process_env::InitializationType;
use crate::shard::Shard;
use crate::trace::Sampler;

/// `StatusReason` of provisioned concurrency whose environments don't get through their init (`facts` 1.10).
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";

type Arrival = Result<Rc<Environment>, Fault>;

pub(crate) struct Pool {
    pub(crate) key: FunctionKey,
    pub(crate) deployment: Arc<Deployment>,
    shard: Weak<Shard>,
    /// A stack: the last one in is the warmest and goes out first.
    idle: RefCell<Vec<Rc<Environment>>>,
    /// Those that have answered and not yet asked for more. Nobody else holds them: without this a runtime that does not
    /// poll in the same breath, as AWS's own clients don't, would lose its environment.
    returning: RefCell<Vec<Rc<Environment>>>,
    waiters: RefCell<VecDeque<oneshot::Sender<Arrival>>>,
    starting: Cell<usize>,
    /// Environments that there are, idle or not.
    alive: Cell<usize>,
    /// How many of them are to be kept: provisioned concurrency.
    provisioned: Cell<usize>,
    /// Being started for that.
    provisioning: Cell<usize>,
    retired: Cell<bool>,
    pub(crate) sampler: Sampler,
}

impl Pool {
    pub(crate) fn new(shard: &Rc<Shard>, key: FunctionKey, deployment: Arc<Deployment>) -> Rc<Self> {
        Rc::new(Pool {
            key,
            deployment,
            shard: Rc::downgrade(shard),
            idle: RefCell::default(),
            returning: RefCell::default(),
            waiters: RefCell::default(),
            starting: Cell::new(0),
            alive: Cell::new(0),
            provisioned: Cell::new(0),
            provisioning: Cell::new(0),
            retired: Cell::new(false),
            sampler: Sampler::default(),
        })
    }

    pub(crate) fn take_idle(&self) -> Option<Rc<Environment>> {
        self.idle.borrow_mut().pop()
    }

    /// Whatever becomes free first: one that is being started for this request, or one that another request gives back.
    pub(crate) async fn wait(self: &Rc<Self>, trace_id: &str) -> Arrival {
        let (sender, arrival) = oneshot::channel();
        self.waiters.borrow_mut().push_back(sender);
        let waiting = self.waiters.borrow().iter().filter(|waiter| !waiter.is_closed()).count();
        if self.starting.get() < waiting {
            self.start_one(trace_id.to_owned());
        }
        arrival.await.unwrap_or_else(|_| Err(Fault::Internal("the server is stopping".into())))
    }

    fn start_one(self: &Rc<Self>, trace_id: String) {
        self.starting.set(self.starting.get() + 1);
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let arrival = pool.start(&trace_id).await;
            pool.starting.set(pool.starting.get() - 1);
            match arrival {
                Some(Ok(environment)) => pool.release(environment),
                Some(Err(fault)) => pool.fail_one(fault),
                None => {}
            }
        });
    }

    /// `None` when nobody waits any more by the time it is this start's turn.
    async fn start(self: &Rc<Self>, trace_id: &str) -> Option<Arrival> {
        let shard = self.shard.upgrade()?;
        let _turn = shard.starts.acquire().await.ok()?;
        if !self.is_awaited() {
            return None;
        }
        Some(self.start_environment(&shard, InitializationType::OnDemand, Some(trace_id)).await)
    }

    async fn start_environment(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        why: InitializationType,
        trace_id: Option<&str>,
    ) -> Arrival {
        let started = Environment::start(shard, self, why, trace_id).await;
        if started.is_err() {
            add(&shard.metrics.start_failures, 1);
        }
        started
    }

    /// Keeps this many environments from now on: starts what is missing; what is too many goes when it is idle for long.
    pub(crate) fn provision(self: &Rc<Self>, count: usize) {
        if self.provisioned.replace(count) != count {
            self.note_provisioned(None);
            self.provision_missing();
        }
    }

    fn provision_missing(self: &Rc<Self>) {
        let there = self.alive.get() + self.provisioning.get();
        for _ in there..self.provisioned.get() {
            self.provisioning.set(self.provisioning.get() + 1);
            let pool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                let started = pool.start_provisioned().await;
                pool.provisioning.set(pool.provisioning.get() - 1);
                match started {
                    Some(Ok(environment)) if environment.is_stopped() => {
                        pool.note_provisioned(Some(INIT_FAILURE))
                    }
                    Some(Ok(environment)) => pool.release(environment),
                    Some(Err(fault)) => {
                        tracing::error!(function = %pool.key.name, ?fault, "an environment could not be provisioned");
                        pool.note_provisioned(Some(INIT_FAILURE));
                    }
                    None => {}
                }
                pool.note_provisioned(None);
            });
        }
    }

    /// `None` when it is no longer wanted by the time it is this start's turn.
    async fn start_provisioned(self: &Rc<Self>) -> Option<Arrival> {
        let shard = self.shard.upgrade()?;
        let _turn = shard.starts.acquire().await.ok()?;
        if self.retired.get() || self.alive.get() >= self.provisioned.get() {
            return None;
        }
        Some(self.start_environment(&shard, InitializationType::ProvisionedConcurrency, None).await)
    }

    /// Tells whoever shows it how many there are. A failure stays until something else is asked for.
    fn note_provisioned(&self, failure: Option<&'static str>) {
        if let Some(shard) = self.shard.upgrade() {
            let count = self.alive.get().min(self.provisioned.get());
            shard.board.note(self.deployment.id, self.provisioned.get(), count, failure);
        }
    }

    pub(crate) fn environment_made(&self) {
        self.alive.set(self.alive.get() + 1);
    }

    /// An environment is gone; one that was provisioned is replaced.
    pub(crate) fn environment_gone(self: &Rc<Self>) {
        self.alive.set(self.alive.get() - 1);
        if self.provisioned.get() == 0 || self.retired.get() {
            return;
        }
        self.note_provisioned(None);
        let failed = self.shard.upgrade().is_none_or(|shard| shard.board.has_failed(self.deployment.id));
        if !failed {
            self.provision_missing();
        }
    }

    /// Whether an idle environment may go without leaving fewer than are provisioned.
    pub(crate) fn has_more_than_provisioned(&self) -> bool {
        self.alive.get() > self.provisioned.get()
    }

    fn is_awaited(&self) -> bool {
        let mut waiters = self.waiters.borrow_mut();
        waiters.retain(|waiter| !waiter.is_closed());
        !waiters.is_empty()
    }

    /// Keeps an environment that has answered, until it is released or its deployment is no longer current.
    pub(crate) fn expect_back(&self, environment: Rc<Environment>) {
        if !self.retired.get() {
            self.returning.borrow_mut().push(environment);
        }
    }

    /// Gives an environment to who waits longest, or keeps it, or lets it go when the deployment is no longer current.
    pub(crate) fn release(&self, environment: Rc<Environment>) {
        self.returning.borrow_mut().retain(|returning| !Rc::ptr_eq(returning, &environment));
        let mut arrival = Ok(environment);
        while let Some(waiter) = self.next_waiter() {
            match waiter.send(arrival) {
                Ok(()) => return,
                Err(back) => arrival = back,
            }
        }
        if let Ok(environment) = arrival
            && !self.retired.get()
        {
            environment.mark_idle();
            self.idle.borrow_mut().push(environment);
            if let Some(shard) = self.shard.upgrade() {
                shard.sweep_soon();
            }
        }
    }

    fn next_waiter(&self) -> Option<oneshot::Sender<Arrival>> {
        self.waiters.borrow_mut().pop_front()
    }

    fn fail_one(&self, fault: Fault) {
        let mut arrival = Err(fault);
        while let Some(waiter) = self.next_waiter() {
            match waiter.send(arrival) {
                Ok(()) => return,
                Err(back) => arrival = back,
            }
        }
    }

    /// Takes an idle environment out of the stack.
    pub(crate) fn forget(&self, environment: &Environment) {
        self.idle.borrow_mut().retain(|idle| !std::ptr::eq(Rc::as_ptr(idle), environment));
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
}
