//! The host and its sandboxes.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lambent_ports::sandbox::{
    Exit, HostMemory, NotParked, ParkedCount, ParkedKind, Process, ProcessOutput, ProcessorTime, Sandbox,
    SandboxError, SandboxHost, SandboxSpec, SandboxUsage, StartTier,
};
use tokio::sync::watch;

use crate::process::{FakeProcess, KILLED, Life, Tmp, lock};

type Program = Arc<dyn Fn(&FakeProcess) -> Exit + Send + Sync>;

/// Makes sandboxes whose processes are closures.
#[derive(Clone, Default)]
pub struct FakeHost {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    programs: Mutex<HashMap<String, Program>>,
    sandboxes: Mutex<BTreeMap<String, Arc<Shared>>>,
    refusal: Mutex<Option<String>>,
    created: Mutex<usize>,
    /// There are always as many as are asked for, unless none are to be kept.
    parked: Mutex<Vec<ParkedKind>>,
    memory: Mutex<Option<HostMemory>>,
    processors: Mutex<Option<ProcessorTime>>,
    /// What each sandbox holds, of which nothing else has been said.
    held_bytes: Mutex<u64>,
}

/// What a test can know about a sandbox.
#[derive(Clone, Debug)]
pub struct FakeState {
    /// As asked for.
    pub spec: SandboxSpec,
    /// Frozen now.
    pub frozen: bool,
    /// Held to its share of a CPU now.
    pub throttled: bool,
    /// How many processes have been started in it.
    pub starts: usize,
    /// How often everything in it has been killed.
    pub stops: usize,
}

struct Shared {
    state: Mutex<FakeState>,
    frozen: watch::Sender<bool>,
    main: Mutex<Option<Arc<Life>>>,
    max_memory_bytes: Mutex<u64>,
    tmp: Tmp,
    /// Arguments of the process that waits.
    parked: Mutex<Option<Vec<String>>>,
    not_parked: Option<NotParked>,
    gone: watch::Sender<bool>,
}

struct FakeSandbox {
    host: Arc<Inner>,
    shared: Arc<Shared>,
    listener: Mutex<Option<TcpListener>>,
    services: Mutex<Option<TcpListener>>,
    services_text: String,
    address: SocketAddr,
    address_text: String,
}

impl FakeHost {
    /// A host without programs: nothing can be executed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `path` (a process's first argument) run `program`, on a thread of its own. What it returns is how the
    /// process ends, unless it has been killed before.
    pub fn with(self, path: &str, program: impl Fn(&FakeProcess) -> Exit + Send + Sync + 'static) -> Self {
        lock(&self.inner.programs).insert(path.to_owned(), Arc::new(program));
        self
    }

    /// From now on creating fails with this reason; `None` mends it.
    pub fn refuse_to_create(&self, reason: Option<&str>) {
        *lock(&self.inner.refusal) = reason.map(str::to_owned);
    }

    /// How many sandboxes have been made in all.
    pub fn created(&self) -> usize {
        *lock(&self.inner.created)
    }

    /// The kinds of processes that wait.
    pub fn parked(&self) -> Vec<ParkedKind> {
        lock(&self.inner.parked).clone()
    }

    /// The sandboxes there are, by id.
    pub fn sandboxes(&self) -> Vec<FakeState> {
        lock(&self.inner.sandboxes).values().map(|shared| lock(&shared.state).clone()).collect()
    }

    /// Kills the main process as the kernel does when memory runs out.
    pub fn run_out_of_memory(&self, id: &str) {
        if let Some(life) = self.shared(id).and_then(|shared| lock(&shared.main).clone()) {
            life.end(Exit::Signal { signal: 9, out_of_memory: true });
        }
    }

    /// What the host says that it has; nothing until then.
    pub fn set_memory(&self, memory: HostMemory) {
        *lock(&self.inner.memory) = Some(memory);
    }

    /// What its processors have done; nothing until then.
    pub fn set_processor_time(&self, time: ProcessorTime) {
        *lock(&self.inner.processors) = Some(time);
    }

    /// What each sandbox says that it holds.
    pub fn set_held_memory(&self, bytes: u64) {
        *lock(&self.inner.held_bytes) = bytes;
    }

    /// What [`Sandbox::usage`] reports.
    pub fn set_max_memory(&self, id: &str, bytes: u64) {
        if let Some(shared) = self.shared(id) {
            *lock(&shared.max_memory_bytes) = bytes;
        }
    }

    /// The sandbox vanishes under its owner, as when its host process dies.
    pub fn lose(&self, id: &str) {
        if let Some(shared) = lock(&self.inner.sandboxes).remove(id) {
            shared.lose();
        }
    }

    fn shared(&self, id: &str) -> Option<Arc<Shared>> {
        lock(&self.inner.sandboxes).get(id).cloned()
    }
}

#[async_trait]
impl SandboxHost for FakeHost {
    async fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        if let Some(reason) = lock(&self.inner.refusal).clone() {
            return Err(SandboxError::Host(reason));
        }
        let host = |error: std::io::Error| SandboxError::Host(error.to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(host)?;
        listener.set_nonblocking(true).map_err(host)?;
        let address = listener.local_addr().map_err(host)?;
        let services = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(host)?;
        services.set_nonblocking(true).map_err(host)?;
        let services_text = services.local_addr().map_err(host)?.to_string();
        let id = spec.id.clone();
        let (parked, not_parked) = self.inner.parked_for(&spec);
        let state = FakeState { spec, frozen: false, throttled: false, starts: 0, stops: 0 };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            frozen: watch::Sender::new(false),
            main: Mutex::default(),
            max_memory_bytes: Mutex::default(),
            tmp: Tmp::default(),
            parked: Mutex::new(parked),
            not_parked,
            gone: watch::Sender::new(false),
        });
        let mut sandboxes = lock(&self.inner.sandboxes);
        if sandboxes.contains_key(&id) {
            return Err(SandboxError::Host(format!("there is a sandbox {id} already")));
        }
        sandboxes.insert(id, Arc::clone(&shared));
        *lock(&self.inner.created) += 1;
        Ok(Box::new(FakeSandbox {
            host: Arc::clone(&self.inner),
            shared,
            listener: Mutex::new(Some(listener)),
            services: Mutex::new(Some(services)),
            services_text,
            address,
            address_text: address.to_string(),
        }))
    }

    fn memory(&self) -> Option<HostMemory> {
        *lock(&self.inner.memory)
    }

    fn processor_time(&self) -> Option<ProcessorTime> {
        *lock(&self.inner.processors)
    }

    fn keep_parked(&self, kinds: Vec<ParkedKind>, count: ParkedCount) {
        *lock(&self.inner.parked) = if count.ceiling == 0 { Vec::new() } else { kinds };
    }
}

impl Inner {
    fn parked_for(&self, spec: &SandboxSpec) -> (Option<Vec<String>>, Option<NotParked>) {
        let kinds = lock(&self.parked);
        let kind = kinds.iter().find(|kind| Some(&kind.name) == spec.parked.as_ref());
        let Some(kind) = kind.filter(|kind| spec.mounts.starts_with(&kind.mounts)) else {
            return (None, Some(NotParked::NoneKept));
        };
        if (spec.processes, spec.open_files) != (kind.processes, kind.open_files) {
            return (None, Some(NotParked::Limits));
        }
        (Some(kind.argv.clone()), None)
    }
}

impl Shared {
    fn freeze(&self, on: bool) {
        lock(&self.state).frozen = on;
        if let Some(main) = &*lock(&self.main) {
            main.freeze(on);
        }
        self.frozen.send_replace(on);
    }

    fn end_main(&self, exit: Exit) {
        if let Some(main) = &*lock(&self.main) {
            main.end(exit);
        }
    }

    fn lose(&self) {
        self.gone.send_replace(true);
        self.end_main(Exit::SandboxGone);
    }

    fn check(&self) -> Result<(), SandboxError> {
        match *self.gone.borrow() {
            true => Err(SandboxError::Host("the sandbox is gone".into())),
            false => Ok(()),
        }
    }
}

impl FakeSandbox {
    fn run(
        &self,
        program: Program,
        process: Process,
        tier: StartTier,
    ) -> Result<ProcessOutput, SandboxError> {
        let host = |error: std::io::Error| SandboxError::Host(error.to_string());
        let mut main = lock(&self.shared.main);
        if main.as_ref().is_some_and(|main| !main.has_ended()) {
            return Err(SandboxError::Host("the previous process has not been stopped".into()));
        }
        let (output, write) = std::io::pipe().map_err(host)?;
        let life = Life::new();
        *main = Some(Arc::clone(&life));
        lock(&self.shared.state).starts += 1;
        let fake = FakeProcess {
            process,
            runtime_api: self.address,
            output: write,
            tmp: Arc::clone(&self.shared.tmp),
            life: Arc::clone(&life),
        };
        let run = move || {
            let exit = program(&fake);
            // As with a real one: the output ends before the exit is seen.
            drop(fake);
            life.end(exit);
        };
        std::thread::Builder::new().name("fake-process".into()).spawn(run).map_err(host)?;
        let output = OwnedFd::from(output);
        set_nonblocking(&output).map_err(host)?;
        Ok(ProcessOutput { output, tier })
    }
}

fn set_nonblocking(fd: &OwnedFd) -> std::io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

#[async_trait]
impl Sandbox for FakeSandbox {
    fn take_runtime_listener(&self) -> Option<OwnedFd> {
        lock(&self.listener).take().map(OwnedFd::from)
    }

    fn runtime_api_address(&self) -> &str {
        &self.address_text
    }

    fn take_services_listener(&self) -> Option<OwnedFd> {
        lock(&self.services).take().map(OwnedFd::from)
    }

    fn take_secure_listener(&self) -> Option<OwnedFd> {
        None
    }

    fn services_address(&self) -> &str {
        &self.services_text
    }

    fn mounting(&self) -> Duration {
        Duration::ZERO
    }

    fn not_parked(&self) -> Option<NotParked> {
        self.shared.not_parked
    }

    async fn start(&self, process: Process) -> Result<ProcessOutput, SandboxError> {
        self.throttle(false);
        // The sender is in `self.shared`: it can't be dropped while this waits.
        let _ = self.shared.frozen.subscribe().wait_for(|frozen| !*frozen).await;
        self.shared.check()?;
        let parked = lock(&self.shared.parked).take();
        let tier = if parked.as_ref() == Some(&process.argv) { StartTier::Parked } else { StartTier::Exec };
        let path = process.argv.first().cloned().unwrap_or_default();
        let program = lock(&self.host.programs).get(&path).cloned();
        match program {
            Some(program) => self.run(program, process, tier),
            None => Err(SandboxError::Exec { path, reason: "no such file or directory".into() }),
        }
    }

    async fn exited(&self) -> Exit {
        let main = lock(&self.shared.main).clone();
        match main {
            Some(main) => main.exited().await,
            None => {
                let _ = self.shared.gone.subscribe().wait_for(|gone| *gone).await;
                Exit::SandboxGone
            }
        }
    }

    async fn stop(&self) -> Result<(), SandboxError> {
        self.shared.check()?;
        self.shared.freeze(false);
        self.shared.end_main(KILLED);
        lock(&self.shared.state).stops += 1;
        Ok(())
    }

    fn throttle(&self, on: bool) {
        lock(&self.shared.state).throttled = on;
    }

    fn freeze(&self) {
        self.shared.freeze(true);
    }

    fn thaw(&self) {
        self.shared.freeze(false);
    }

    fn usage(&self) -> SandboxUsage {
        SandboxUsage { max_memory_bytes: *lock(&self.shared.max_memory_bytes) }
    }

    fn held_memory(&self) -> u64 {
        *lock(&self.host.held_bytes)
    }

    async fn destroy(self: Box<Self>) {}
}

impl Drop for FakeSandbox {
    fn drop(&mut self) {
        let id = lock(&self.shared.state).spec.id.clone();
        let mut sandboxes = lock(&self.host.sandboxes);
        // A lost one's id may have been given away again.
        if sandboxes.get(&id).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared)) {
            sandboxes.remove(&id);
        }
        drop(sandboxes);
        self.shared.lose();
    }
}
