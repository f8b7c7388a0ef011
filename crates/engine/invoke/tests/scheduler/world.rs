//! A shard with everything around it. Time stands still until a test moves it.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lambent_domain::{CodeRef, CodeSha256, Fault, Function, RequestId, RuntimeId};
use lambent_invoke::log::LogPipeline;
use lambent_invoke::{FunctionTable, InvokeMetrics, Invoker, Options, Shard, ShardParts};
use lambent_kit::clock::TestClock;
use lambent_kit::random::Random;
use lambent_ports::code::{CodeError, CodeStore};
use lambent_ports::invoke::{Invocation, Invoke, InvokeReply};
use lambent_ports::logs::{LogBatch, LogSink, LogSinkError};
use lambent_ports::runtimes::{
    Command, ParkedUnless, ResolvedRuntime, RuntimeCatalog, RuntimeStatus, RuntimeUnavailable,
};
use lambent_ports::sandbox::ParkedCount;
use lambent_ports::service_door::{DoorListeners, OpenDoor, Resident, ServiceDoor};
use lambent_ports::store::{Change, ChangeListener};
use lambent_sandbox_fake::FakeHost;
use tokio::task::{JoinHandle, LocalSet};

use crate::function::{function, key};
use crate::runtime::{Front, Runtime};

pub const KEEP_ALIVE: Duration = Duration::from_secs(60);
pub const FREEZE_AFTER: Duration = Duration::from_secs(1);
pub type Answer = Result<InvokeReply, Fault>;

pub struct World {
    pub host: FakeHost,
    pub shard: Rc<Shard>,
    pub metrics: Arc<InvokeMetrics>,
    table: Arc<FunctionTable>,
    front: Rc<Front>,
    log: Arc<LogPipeline>,
    sink: Arc<Sink>,
    next: Cell<u8>,
}

/// Runs a test in a world with one function, `f`, and this much concurrency.
pub async fn in_world<T>(concurrency: u32, test: impl AsyncFnOnce(&World) -> T) -> T {
    in_world_with(|options| options.account_concurrency = concurrency, test).await
}

/// The same with other settings.
pub async fn in_world_with<T>(set: impl FnOnce(&mut Options), test: impl AsyncFnOnce(&World) -> T) -> T {
    let mut options = Options {
        account_concurrency: 1_000,
        concurrent_starts: 4,
        starts_may_grow: false,
        memory_mb: None,
        memory_queue: 2,
        scaling_rate: 0,
        keep_alive: KEEP_ALIVE,
        freeze_after: FREEZE_AFTER,
        parked: ParkedCount { floor: 1, ceiling: 1 },
    };
    set(&mut options);
    let local = LocalSet::new();
    local
        .run_until(async {
            let world = World::new(options);
            world.put(&function("f", 1));
            let result = test(&world).await;
            world.end().await;
            result
        })
        .await
}

/// Nobody asks.
struct NoServices;

impl ServiceDoor for NoServices {
    fn open(&self, _listeners: DoorListeners, _resident: Resident) -> std::io::Result<OpenDoor> {
        Ok(OpenDoor::new(|| {}))
    }
}

impl World {
    fn new(options: Options) -> Self {
        let host = FakeHost::new().with("/runtime", lambent_sandbox_fake::FakeProcess::hang);
        let front = Rc::new(Front { host: host.clone(), runtimes: RefCell::default() });
        let (table, metrics) = (Arc::new(FunctionTable::default()), Arc::new(InvokeMetrics::default()));
        let sink = Arc::new(Sink::default());
        let clock = Arc::new(TestClock::at(1_700_000_000_000));
        let log = LogPipeline::start(Arc::clone(&sink) as _, Arc::clone(&clock) as _, Arc::clone(&metrics));
        let log = log.unwrap();
        let shard = Shard::new(ShardParts {
            table: Arc::clone(&table),
            sandboxes: Arc::new(host.clone()),
            runtimes: Arc::new(OneRuntime),
            code: Arc::new(NoCode),
            front: Rc::clone(&front) as _,
            door: Rc::new(NoServices),
            log: Arc::clone(&log),
            clock,
            random: Arc::new(Counter(AtomicU64::new(1))),
            metrics: Arc::clone(&metrics),
            meter: Arc::new(lambent_ports::meter::NoMeter),
            board: Arc::default(),
            sessions: None,
            options,
        });
        World { host, shard, metrics, table, front, log, sink, next: Cell::new(1) }
    }

    /// Processes that had been waiting, and that were executed.
    pub fn starts(&self) -> [u64; 2] {
        let of = |tier| self.metrics.tiers().counts().find(|(name, _)| *name == tier).unwrap().1;
        ["parked", "executed"].map(of)
    }

    /// Why processes had not been waiting.
    pub fn why_not_parked(&self) -> Vec<(&'static str, u64)> {
        self.metrics.tiers().reasons().filter(|(_, count)| *count > 0).collect()
    }

    /// Creates or updates a function.
    pub fn put(&self, function: &Arc<Function>) {
        self.table.changed(&Change::Put(Arc::clone(function)));
    }

    /// An invoke of a function, under way. Its payload and its number are the same; aborting it is hanging up.
    pub fn invoke(&self, name: &str) -> Call {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let payload = Bytes::from(format!("\"{name} {number}\""));
        let invocation = Invocation {
            function: key(name),
            qualifier: None,
            payload: payload.clone(),
            client_context: None,
            log_tail: false,
            request_id: RequestId::from_random([number; 16]),
            trace_id: String::new(),
        };
        let invoker = Invoker::new(Rc::clone(&self.shard));
        Call { payload, task: tokio::task::spawn_local(async move { invoker.invoke(invocation).await }) }
    }

    /// Runtimes in the order in which their sandboxes were made.
    pub fn runtime(&self, index: usize) -> Rc<Runtime> {
        Rc::clone(&self.front.runtimes.borrow()[index])
    }

    pub fn runtimes(&self) -> Vec<Rc<Runtime>> {
        self.front.runtimes.borrow().clone()
    }

    /// Invokes, and boots the sandbox that is made for it: a runtime that works on something.
    pub async fn cold(&self, name: &str) -> (Call, Rc<Runtime>) {
        let call = self.invoke(name);
        settle().await;
        let runtime = self.runtimes().pop().expect("a sandbox was made");
        runtime.poll().unwrap();
        settle().await;
        assert_eq!(runtime.payload(), Some(call.payload.clone()));
        (call, runtime)
    }

    /// Sandboxes there are now.
    pub fn sandboxes(&self) -> usize {
        self.host.sandboxes().len()
    }

    /// Lets everything go: nothing is left of it, and everything that was logged has been written.
    async fn end(&self) {
        self.shard.close();
        settle().await;
        self.log.finish().await;
        assert_eq!(self.shard.running(), 0, "permits that did not come back");
        let metrics = self.metrics.snapshot();
        assert_eq!((metrics.concurrent_executions, metrics.environments), (0, 0));
        assert_eq!(self.sandboxes(), 0, "sandboxes that nobody let go");
        let lines = self.sink.0.lock().unwrap();
        let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!(count("START "), count("REPORT "), "every START has its REPORT");
    }
}

/// An invoke under way.
pub struct Call {
    pub payload: Bytes,
    pub task: JoinHandle<Answer>,
}

impl Call {
    /// The function's own answer.
    pub async fn answered(self) {
        let reply = self.task.await.unwrap().unwrap();
        assert_eq!((reply.failed, reply.payload), (false, self.payload));
    }

    /// The error that was given as answer.
    pub async fn failed(self) -> String {
        let reply = self.task.await.unwrap().unwrap();
        assert!(reply.failed, "{reply:?}");
        String::from_utf8(reply.payload.to_vec()).unwrap()
    }

    pub async fn refused(self) -> Fault {
        self.task.await.unwrap().unwrap_err()
    }
}

/// Everything that can happen without time passing has happened.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Time passes, and what is due happens.
pub async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    settle().await;
}

/// Every text is another.
struct Counter(AtomicU64);

impl Random for Counter {
    fn bytes16(&self) -> [u8; 16] {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }
}

#[derive(Default)]
struct Sink(Mutex<Vec<String>>);

#[async_trait]
impl LogSink for Sink {
    async fn write(&self, batch: LogBatch) -> Result<(), LogSinkError> {
        self.0.lock().unwrap().extend(batch.events.into_iter().map(|event| event.message));
        Ok(())
    }
}

struct OneRuntime;

const UNLESS: ParkedUnless = ParkedUnless { variables: &["EARLY_*"], paths: &[] };

impl RuntimeCatalog for OneRuntime {
    fn resolve(&self, id: &RuntimeId) -> Result<Arc<ResolvedRuntime>, RuntimeUnavailable> {
        Ok(Arc::new(ResolvedRuntime {
            id: id.clone(),
            mounts: Vec::new(),
            command: Command::Run(vec!["/runtime".into()]),
            env: Vec::new(),
            execution_env: None,
            version: "test.v1".into(),
            version_hash: "0".repeat(64),
            framed_logs: false,
            parked: Some(UNLESS),
            forks: false,
            warning: None,
        }))
    }

    fn creatable(&self) -> &[RuntimeId] {
        &[]
    }

    fn status(&self) -> Vec<RuntimeStatus> {
        Vec::new()
    }
}

/// Code is of no interest to processes that are closures.
struct NoCode;

#[async_trait]
impl CodeStore for NoCode {
    async fn check(&self, _: Bytes) -> Result<CodeRef, CodeError> {
        Err(CodeError::Empty)
    }

    async fn put(&self, _: Bytes) -> Result<CodeRef, CodeError> {
        Err(CodeError::Empty)
    }

    async fn zip(&self, _: CodeSha256) -> Result<Option<Bytes>, CodeError> {
        Ok(None)
    }

    async fn unpacked(&self, _: CodeSha256) -> Result<PathBuf, CodeError> {
        Ok("/".into())
    }

    async fn merged(&self, _: &[CodeSha256]) -> Result<PathBuf, CodeError> {
        Ok("/".into())
    }

    async fn sweep(&self, _: &[CodeSha256], _: &[Vec<CodeSha256>]) -> Result<(), CodeError> {
        Ok(())
    }
}
