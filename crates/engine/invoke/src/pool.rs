//! The environments of one deployment: the most recently used idle one first, and whoever waits for one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use lambent_domain::{Deployment, Fault, FunctionKey};
use tokio::sync::oneshot;

use crate::environment::Environment;
use crate::metrics::add;
use crate::shard::Shard;

type Arrival = Result<Rc<Environment>, Fault>;

pub(crate) struct Pool {
    pub(crate) key: FunctionKey,
    pub(crate) deployment: Arc<Deployment>,
    shard: Weak<Shard>,
    /// A stack: the last one in is the warmest and goes out first.
    idle: RefCell<Vec<Rc<Environment>>>,
    waiters: RefCell<VecDeque<oneshot::Sender<Arrival>>>,
    starting: Cell<usize>,
    retired: Cell<bool>,
}

impl Pool {
    pub(crate) fn new(shard: &Rc<Shard>, key: FunctionKey, deployment: Arc<Deployment>) -> Rc<Self> {
        Rc::new(Pool {
            key,
            deployment,
            shard: Rc::downgrade(shard),
            idle: RefCell::default(),
            waiters: RefCell::default(),
            starting: Cell::new(0),
            retired: Cell::new(false),
        })
    }

    pub(crate) fn take_idle(&self) -> Option<Rc<Environment>> {
        self.idle.borrow_mut().pop()
    }

    /// Whatever becomes free first: one that is being started for this request, or one that another request gives back.
    pub(crate) async fn wait(self: &Rc<Self>) -> Arrival {
        let (sender, arrival) = oneshot::channel();
        self.waiters.borrow_mut().push_back(sender);
        let waiting = self.waiters.borrow().iter().filter(|waiter| !waiter.is_closed()).count();
        if self.starting.get() < waiting {
            self.start_one();
        }
        arrival.await.unwrap_or_else(|_| Err(Fault::Internal("the server is stopping".into())))
    }

    fn start_one(self: &Rc<Self>) {
        self.starting.set(self.starting.get() + 1);
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let arrival = pool.start().await;
            pool.starting.set(pool.starting.get() - 1);
            match arrival {
                Some(Ok(environment)) => pool.release(environment),
                Some(Err(fault)) => pool.fail_one(fault),
                None => {}
            }
        });
    }

    /// `None` when nobody waits any more by the time it is this start's turn.
    async fn start(self: &Rc<Self>) -> Option<Arrival> {
        let shard = self.shard.upgrade()?;
        let _turn = shard.starts.acquire().await.ok()?;
        if !self.is_awaited() {
            return None;
        }
        let started = Environment::start(&shard, self).await;
        if started.is_err() {
            add(&shard.metrics.start_failures, 1);
        }
        Some(started)
    }

    fn is_awaited(&self) -> bool {
        let mut waiters = self.waiters.borrow_mut();
        waiters.retain(|waiter| !waiter.is_closed());
        !waiters.is_empty()
    }

    /// Gives an environment to who waits longest, or keeps it, or lets it go when the deployment is no longer current.
    pub(crate) fn release(&self, environment: Rc<Environment>) {
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

    /// No new requests come here; what is idle goes now.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        let idle = self.idle.take();
        drop(idle);
    }
}
