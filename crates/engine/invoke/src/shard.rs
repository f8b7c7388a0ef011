//! One shard: a thread with its idle environments, waiting requests and timers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use lambent_domain::{Deployment, Function, FunctionKey, RevisionId};
use lambent_kit::clock::Clock;
use lambent_kit::random::Random;
use lambent_ports::access::Sessions;
use lambent_ports::code::CodeStore;
use lambent_ports::meter::Meter;
use lambent_ports::runtime_api::RuntimeFront;
use lambent_ports::runtimes::RuntimeCatalog;
use lambent_ports::sandbox::{ParkedCount, ProcessorTime, SandboxHost};
use lambent_ports::service_door::ServiceDoor;
use lambent_scale::{ScalingRate, Turns};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::environment::Environment;
use crate::log::{LogPipeline, Logs};
use crate::memory::MemoryAccount;
use crate::metrics::InvokeMetrics;
use crate::parking::Parking;
use crate::pool::Pool;
use crate::provisioned::ProvisionedBoard;
use crate::table::FunctionTable;

/// The first look after something has become idle or waits.
const FIRST_LOOK: Duration = Duration::from_millis(250);

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Concurrent executions of the account; above it invokes get 429.
    pub account_concurrency: u32,
    /// Sandboxes being started at the same time. More than a few per core only makes each slower, and their inits
    /// run into the init phase's limit.
    pub concurrent_starts: usize,
    /// More are started while processors are idle.
    pub starts_may_grow: bool,
    /// Memory of all environments, MiB; without it, what is free when the shard is made.
    pub memory_mb: Option<u64>,
    /// Requests that may wait for memory at the same time.
    pub memory_queue: usize,
    /// Environments that a function may gain in ten seconds; 0 is any number.
    pub scaling_rate: u32,
    /// How long an environment may stay idle before it is destroyed.
    pub keep_alive: Duration,
    /// How long an environment stays idle before its processes are stopped from running.
    pub freeze_after: Duration,
    /// How many processes of each runtime wait for an environment to start.
    pub parked: ParkedCount,
}

/// What a shard is built of.
pub struct ShardParts {
    /// What can be invoked.
    pub table: Arc<FunctionTable>,
    /// Where sandboxes come from.
    pub sandboxes: Arc<dyn SandboxHost>,
    /// How runtimes are started.
    pub runtimes: Arc<dyn RuntimeCatalog>,
    /// Where unpacked code is.
    pub code: Arc<dyn CodeStore>,
    /// Serves the Runtime API of each environment.
    pub front: Rc<dyn RuntimeFront>,
    /// Answers functions' requests to AWS services.
    pub door: Rc<dyn ServiceDoor>,
    /// Where logs go.
    pub log: Arc<LogPipeline>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Ids and names.
    pub random: Arc<dyn Random>,
    /// Counters.
    pub metrics: Arc<InvokeMetrics>,
    /// Figures of functions.
    pub meter: Arc<dyn Meter>,
    /// Where it is noted what is provisioned.
    pub board: Arc<ProvisionedBoard>,
    /// Makes credentials of functions' roles; without it they are for show.
    pub sessions: Option<Arc<dyn Sessions>>,
    /// Settings.
    pub options: Options,
}

/// The state that everything on the thread shares.
pub struct Shard {
    pub(crate) table: Arc<FunctionTable>,
    pub(crate) sandboxes: Arc<dyn SandboxHost>,
    pub(crate) runtimes: Arc<dyn RuntimeCatalog>,
    pub(crate) code: Arc<dyn CodeStore>,
    pub(crate) front: Rc<dyn RuntimeFront>,
    pub(crate) door: Rc<dyn ServiceDoor>,
    pub(crate) logs: Logs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) metrics: Arc<InvokeMetrics>,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) board: Arc<ProvisionedBoard>,
    pub(crate) sessions: Option<Arc<dyn Sessions>>,
    pub(crate) options: Options,
    pub(crate) admission: Rc<Admission>,
    pub(crate) memory: MemoryAccount,
    /// The shard's times are counted from here.
    pub(crate) began: Instant,
    /// Environments being started.
    pub(crate) starting: Cell<usize>,
    /// At most.
    pub(crate) turns: Cell<Turns>,
    /// At the last look while anybody waited.
    pub(crate) processors: Cell<Option<ProcessorTime>>,
    /// Those that may want environments.
    pub(crate) wanting: RefCell<Vec<Rc<Pool>>>,
    /// A decision is on its way.
    pub(crate) scheduling: Cell<bool>,
    /// What each function has used of its scaling rate.
    pub(crate) rates: RefCell<HashMap<FunctionKey, ScalingRate>>,
    /// Under the worth of what is used now ([`lambent_scale::Worth`]).
    pub(crate) floor: Cell<f64>,
    parking: Parking,
    /// Of every deployment that environments were started for, by the deployment's id.
    pub(crate) pools: RefCell<HashMap<RevisionId, Rc<Pool>>>,
    /// Which pools a function has.
    pools_of: RefCell<HashMap<FunctionKey, Vec<RevisionId>>>,
    /// Environments that are alive, for the sweep; dead ones are forgotten by it.
    pub(crate) environments: RefCell<Vec<Weak<Environment>>>,
    sweeping: Cell<bool>,
}

impl Shard {
    /// Builds a shard. Must be called on its thread, inside a `LocalSet`: it follows the function table from there.
    pub fn new(parts: ShardParts) -> Rc<Self> {
        let (sender, changed) = mpsc::unbounded_channel();
        parts.table.notify(sender);
        let memory = MemoryAccount::new(&*parts.sandboxes, parts.options.memory_mb);
        let shard = Rc::new(Shard {
            table: parts.table,
            sandboxes: parts.sandboxes,
            runtimes: parts.runtimes,
            code: parts.code,
            front: parts.front,
            door: parts.door,
            logs: Logs::new(parts.log),
            clock: parts.clock,
            random: parts.random,
            metrics: parts.metrics,
            meter: parts.meter,
            board: parts.board,
            sessions: parts.sessions,
            admission: Admission::new(parts.options.account_concurrency),
            memory,
            began: Instant::now(),
            starting: Cell::new(0),
            turns: Cell::new(Turns::new(parts.options.concurrent_starts)),
            processors: Cell::new(None),
            wanting: RefCell::default(),
            scheduling: Cell::new(false),
            rates: RefCell::default(),
            floor: Cell::new(0.0),
            parking: Parking::new(parts.options.parked),
            options: parts.options,
            pools: RefCell::default(),
            pools_of: RefCell::default(),
            environments: RefCell::default(),
            sweeping: Cell::new(false),
        });
        for key in shard.table.keys() {
            shard.changed(&key);
        }
        tokio::task::spawn_local(follow_changes(Rc::downgrade(&shard), changed));
        shard
    }

    /// Invocations that have not been answered yet.
    pub fn running(&self) -> u32 {
        self.admission.running()
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn draw(&self) -> f64 {
        let [a, b, c, d, e, f, g, h, ..] = self.random.bytes16();
        (u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Lets every environment go. Sandboxes are destroyed in the background, logs are closed behind what was printed.
    pub fn close(&self) {
        self.pools_of.take();
        self.wanting.take();
        for (_, pool) in self.pools.take() {
            pool.retire();
        }
    }

    /// The pool of a function's deployment.
    pub(crate) fn pool(self: &Rc<Self>, key: &FunctionKey, deployment: &Arc<Deployment>) -> Rc<Pool> {
        if let Some(pool) = self.pools.borrow().get(&deployment.id) {
            return Rc::clone(pool);
        }
        let pool = Pool::new(self, key.clone(), Arc::clone(deployment));
        self.pools.borrow_mut().insert(deployment.id, Rc::clone(&pool));
        self.pools_of.borrow_mut().entry(key.clone()).or_default().push(deployment.id);
        // An invoke that looked the function up before it changed must not leave a pool that nobody retires.
        if !is_current(self.table.lookup(key).as_deref(), deployment) {
            self.changed(key);
        }
        pool
    }

    /// Pools of deployments that are no longer current are retired: their idle environments go, their busy ones when
    /// they are done. What is provisioned is started.
    fn changed(self: &Rc<Self>, key: &FunctionKey) {
        let function = self.table.lookup(key);
        let mut stale = Vec::new();
        if let Some(ids) = self.pools_of.borrow_mut().get_mut(key) {
            let mut pools = self.pools.borrow_mut();
            ids.retain(|id| {
                let current =
                    pools.get(id).is_some_and(|pool| is_current(function.as_deref(), &pool.deployment));
                if !current {
                    stale.extend(pools.remove(id));
                }
                current
            });
        }
        self.pools_of.borrow_mut().retain(|_, ids| !ids.is_empty());
        stale.iter().for_each(|pool| pool.retire());
        if let Some(function) = function {
            self.parking.prepare(&function, &*self.runtimes, &*self.sandboxes);
            self.provision(&function);
        }
    }

    fn provision(self: &Rc<Self>, function: &Function) {
        let counts = provisioned_by_deployment(function);
        let known = self.pools_of.borrow().get(&function.key).cloned().unwrap_or_default();
        for id in known.iter().filter(|id| !counts.iter().any(|(deployment, _)| deployment.id == **id)) {
            let pool = self.pools.borrow().get(id).cloned();
            pool.iter().for_each(|pool| pool.provision(0));
        }
        for (deployment, count) in counts {
            self.pool(&function.key, &deployment).provision(count);
        }
    }

    /// Has an idle environment looked after: frozen after a moment, destroyed after `keep_alive`.
    pub(crate) fn watch(self: &Rc<Self>, environment: &Rc<Environment>) {
        self.environments.borrow_mut().push(Rc::downgrade(environment));
        self.sweep_soon();
    }

    pub(crate) fn sweep_soon(self: &Rc<Self>) {
        if self.sweeping.replace(true) {
            return;
        }
        let shard = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            let mut pause = FIRST_LOOK;
            loop {
                tokio::time::sleep(pause).await;
                let Some(shard) = shard.upgrade() else { return };
                match shard.sweep() {
                    Some(again_ms) => pause = Duration::from_millis(again_ms),
                    None => return shard.sweeping.set(false),
                }
            }
        });
    }
}

/// Whether the function still runs this deployment.
fn is_current(function: Option<&Function>, deployment: &Deployment) -> bool {
    function
        .and_then(|function| function.version(deployment.version))
        .and_then(|version| version.deployed.as_ref())
        .is_some_and(|current| current.id == deployment.id)
}

/// How many environments are to be kept of which deployment. Several aliases may point at one.
pub(crate) fn provisioned_by_deployment(function: &Function) -> Vec<(Arc<Deployment>, usize)> {
    let mut counts: Vec<(Arc<Deployment>, usize)> = Vec::new();
    for (qualifier, provisioned) in &function.provisioned {
        let deployed = function.primary(Some(qualifier)).and_then(|version| version.deployed.as_ref());
        let Some(deployment) = deployed else { continue };
        let wanted = provisioned.requested as usize;
        match counts.iter_mut().find(|(known, _)| known.id == deployment.id) {
            Some((_, count)) => *count += wanted,
            None => counts.push((Arc::clone(deployment), wanted)),
        }
    }
    counts
}

async fn follow_changes(shard: Weak<Shard>, mut changed: mpsc::UnboundedReceiver<FunctionKey>) {
    while let Some(key) = changed.recv().await {
        let Some(shard) = shard.upgrade() else { return };
        shard.changed(&key);
    }
}
