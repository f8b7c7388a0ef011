//! One execution environment: a sandbox, the process in it, and what that process does at its Runtime API.
//!
//! ```text
//! Stopped ──boot──▶ Starting ──next──▶ Ready ──begin──▶ Busy ──response/error──▶ Responded ──next──▶ Ready
//!    ▲                 │                  │               │                          │
//!    └────init error───┴──────exit────────┴─exit/timeout──┴────────exit/hang─────────┘
//! ```
//! After a timeout or a crash every process is killed; the sandbox stays, and with it `/tmp` (recorded): the next
//! invoke boots again within its own time.

mod credentials;
mod events;
mod idle;
mod parts;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lambent_domain::{Fault, limits};
use lambent_ports::meter;
use lambent_ports::runtime_api::{RuntimeChannel, RuntimeEvent};
use lambent_ports::runtimes::{Command, ResolvedRuntime};
use lambent_ports::sandbox::{Exit, NotParked, Process, Sandbox, SandboxError};
use lambent_ports::service_door::{DoorListeners, OpenDoor};
use lambent_scale::Worth;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::failure::{Failure, ReportStatus};
use crate::log::{EnvironmentLog, InitPhase, Report};
use crate::memory::Place;
use crate::metrics::{add, subtract};
use crate::phases::Phase as StartPhase;
use crate::pool::Pool;
use crate::process_env::{InitializationType, ProcessEnv};
use crate::run::{Ended, Flight};
use crate::shard::Shard;
use events::Events;
pub(crate) use parts::on_host;
use parts::{command, internal, log_target, resident, spec, unpacked, wrapper};

/// Where runtimes for `provided*` look, as AWS names them in its error.
const NO_BOOTSTRAP: &str = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";

/// Where a runtime finds the number of its framed log's descriptor.
pub(crate) const TELEMETRY_ENV: &str = "_LAMBDA_TELEMETRY_LOG_FD";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Stopped,
    Starting,
    Ready,
    Busy,
    Responded,
}

/// With the first poll comes how long ago the handler was there, where the runtime tells.
type Booted = Result<Option<Duration>, Failure>;

struct State {
    phase: Phase,
    /// Counts boots: what an earlier process did or how it ended is ignored.
    epoch: u64,
    /// Processes may still be there.
    dirty: bool,
    booting: Option<oneshot::Sender<Booted>>,
    flight: Option<Flight>,
    /// Duration of a successful init that no REPORT has shown yet, ms.
    unreported_init_ms: Option<f64>,
    /// Until when the runtime may take to come back for more after its response.
    back_by: Option<Instant>,
    idle_since: Option<Instant>,
    frozen: bool,
    /// The sandbox itself is gone: nothing can be started here any more.
    lost: bool,
    /// The task that waits for the process's end; it holds the sandbox, so it must not outlive the environment.
    exit_watch: Option<AbortHandle>,
}

pub(crate) struct Environment {
    pub(crate) pool: Rc<Pool>,
    pub(crate) shard: Weak<Shard>,
    sandbox: Arc<dyn Sandbox>,
    channel: RefCell<Option<Rc<dyn RuntimeChannel>>>,
    /// Open for as long as the environment is there.
    door: RefCell<Option<OpenDoor>>,
    log: EnvironmentLog,
    process: Result<Process, &'static str>,
    /// Its process is no interpreter, but the function's own bootstrap.
    native: bool,
    /// Why the next process will not be one that waited.
    not_parked: Cell<Option<NotParked>>,
    state: RefCell<State>,
    place: Place,
    worth: Cell<Worth>,
    /// Until when its process's credentials hold, where credentials count.
    credentials_until_ms: Cell<Option<u64>>,
}

impl Environment {
    /// Makes a sandbox for the pool's deployment and boots the runtime in it, for a request with this trace if there is
    /// one. An init that fails is no fault: the environment comes back stopped, and the invoke that gets it tries again
    /// within its own time.
    pub(crate) async fn start(
        shard: &Rc<Shard>,
        pool: &Rc<Pool>,
        why: InitializationType,
        trace_id: Option<&str>,
        place: Place,
    ) -> Result<Rc<Self>, Fault> {
        let began = Instant::now();
        let runtime = shard
            .runtimes
            .resolve(&pool.deployment.configuration.runtime)
            .map_err(|unavailable| Fault::InvalidRuntime(unavailable.to_string()))?;
        let code = unpacked(&*shard.code, &pool.deployment).await?;
        let (spec, why_not_asked) = spec(shard, pool, &runtime, code);
        let command = command(&runtime.command, &spec.mounts, wrapper(&pool.deployment));
        let making = Instant::now();
        let sandbox: Arc<dyn Sandbox> = Arc::from(shard.sandboxes.create(spec).await.map_err(internal)?);
        let (made, mounting) = (making.elapsed(), sandbox.mounting());
        shard.metrics.phases.of(StartPhase::Attach).observe(made.saturating_sub(mounting));
        shard.metrics.phases.of(StartPhase::Mount).observe(mounting);
        let listener = sandbox
            .take_runtime_listener()
            .ok_or_else(|| Fault::Internal("the sandbox has no runtime listener".into()))?;
        add(&shard.metrics.cold_starts, 1);
        add(&shard.metrics.environments, 1);
        let not_parked = why_not_asked.or(sandbox.not_parked());
        let environment = Rc::new(Self::new(shard, place, sandbox, &runtime, command, why));
        environment.not_parked.set(not_parked);
        let events = Rc::new(Events(Rc::downgrade(&environment)));
        let channel = shard.front.serve(listener, events).map_err(internal)?;
        *environment.channel.borrow_mut() = Some(channel);
        if let Some(plain) = environment.sandbox.take_services_listener() {
            let listeners = DoorListeners { plain, secure: environment.sandbox.take_secure_listener() };
            let door = shard.door.open(listeners, resident(pool)).map_err(internal)?;
            *environment.door.borrow_mut() = Some(door);
        }
        if let Some(warning) = &runtime.warning {
            environment.log.platform(shard.clock.now_ms(), format!("LAMBENT_WARNING: {warning}\n"));
        }
        shard.watch(&environment);
        // An error is in the log, and shows again when the invoke boots again.
        let budget = Duration::from_millis(limits::INIT_PHASE_MS);
        let _ = environment.boot(InitPhase::Init, budget, trace_id).await;
        environment
            .worth
            .set(Worth { start_ms: began.elapsed().as_secs_f64() * 1_000.0, ..Worth::default() });
        Ok(environment)
    }

    fn new(
        shard: &Rc<Shard>,
        place: Place,
        sandbox: Arc<dyn Sandbox>,
        runtime: &ResolvedRuntime,
        command: Option<Vec<String>>,
        why: InitializationType,
    ) -> Self {
        let pool = place.pool();
        let target = log_target(shard, pool, runtime);
        let env = ProcessEnv {
            function: &pool.key,
            deployment: &pool.deployment,
            runtime,
            log_stream: &target.stream,
            runtime_api: sandbox.runtime_api_address(),
            services: sandbox.services_address(),
            initialization_type: why,
            random: &*shard.random,
        };
        let process = match command {
            Some(argv) => Ok(Process {
                argv,
                env: env.build(),
                cwd: "/var/task".into(),
                telemetry_env: runtime.framed_logs.then_some(TELEMETRY_ENV),
            }),
            None => Err(NO_BOOTSTRAP),
        };
        let log = shard.logs.open(target, &sandbox);
        Environment {
            pool: Rc::clone(pool),
            shard: Rc::downgrade(shard),
            sandbox,
            channel: RefCell::new(None),
            door: RefCell::new(None),
            log,
            process,
            native: matches!(runtime.command, Command::FirstOf(_)),
            not_parked: Cell::default(),
            state: RefCell::new(State {
                phase: Phase::Stopped,
                epoch: 0,
                dirty: false,
                booting: None,
                flight: None,
                unreported_init_ms: None,
                back_by: None,
                idle_since: None,
                frozen: false,
                lost: false,
                exit_watch: None,
            }),
            place,
            worth: Cell::default(),
            credentials_until_ms: Cell::default(),
        }
    }

    /// Starts the runtime and waits for its first poll, at most `budget`. The function can see the trace while it is
    /// imported (recorded); with each request the runtime then sets that request's own.
    pub(crate) async fn boot(
        self: &Rc<Self>,
        phase: InitPhase,
        budget: Duration,
        trace_id: Option<&str>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        self.clean_up().await;
        self.log.init_start(self.now_ms(), phase);
        let result = match tokio::time::timeout(budget, self.run_init(trace_id)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::TimedOut { timeout_s: budget.as_secs_f64() }),
        };
        let duration_ms = began.elapsed().as_secs_f64() * 1_000.0;
        if result.is_ok() {
            // As on AWS, an init may use what CPU is free; what follows gets the memory's share.
            self.sandbox.throttle(true);
        }
        match &result {
            Ok(()) if phase == InitPhase::Init => {
                self.state.borrow_mut().unreported_init_ms = Some(duration_ms);
            }
            Ok(()) => {}
            Err(failure) => {
                self.stopped();
                self.pool.crashed();
                let status = match failure {
                    Failure::TimedOut { .. } => ReportStatus::Timeout,
                    other => ReportStatus::Error(other.error_type().to_owned()),
                };
                self.log.init_report(self.now_ms(), phase, duration_ms, status);
                self.clean_up().await;
            }
        }
        result
    }

    async fn run_init(self: &Rc<Self>, trace_id: Option<&str>) -> Result<(), Failure> {
        let mut process = self.process.clone().map_err(|reason| Failure::InvalidEntrypoint(reason.into()))?;
        self.give_credentials(&mut process.env);
        process.env.extend(trace_id.map(|trace_id| ("_X_AMZN_TRACE_ID".into(), trace_id.into())));
        let (booted, first_poll) = oneshot::channel();
        let epoch = {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Starting;
            state.dirty = true;
            state.epoch += 1;
            state.booting = Some(booted);
            state.epoch
        };
        let began = Instant::now();
        let output = match self.sandbox.start(process).await {
            Ok(output) => output,
            Err(error @ SandboxError::Exec { .. }) => {
                return Err(Failure::InvalidEntrypoint(error.to_string()));
            }
            Err(error) => {
                tracing::error!(function = %self.pool.key.name, %error, "a runtime could not be started");
                return Err(Failure::Exited(Exit::SandboxGone));
            }
        };
        if let Some(shard) = self.shard.upgrade() {
            let then = if self.native { NotParked::Runtime } else { NotParked::Restart };
            // Executed although one had been given: it was of no use.
            let why_not = self.not_parked.replace(Some(then)).or(Some(NotParked::Lost));
            shard.metrics.tiers.started(output.tier, self.native, why_not);
            shard.metrics.phases.of(StartPhase::Environment).observe(began.elapsed());
        }
        self.log.attach(output.output);
        self.watch_exit(epoch);
        let began = Instant::now();
        let polled = first_poll.await.unwrap_or(Err(Failure::Exited(Exit::SandboxGone)));
        let (took, had_handler) = (began.elapsed(), polled?);
        if let Some(shard) = self.shard.upgrade() {
            let polling = had_handler.map(|ago| ago.min(took));
            shard.metrics.phases.of(StartPhase::Import).observe(took - polling.unwrap_or_default());
            polling.iter().for_each(|time| shard.metrics.phases.of(StartPhase::Poll).observe(*time));
        }
        Ok(())
    }

    fn watch_exit(self: &Rc<Self>, epoch: u64) {
        let (environment, sandbox) = (Rc::downgrade(self), Arc::clone(&self.sandbox));
        let watch = tokio::task::spawn_local(async move {
            let exit = sandbox.exited().await;
            if let Some(environment) = environment.upgrade() {
                environment.process_ended(epoch, exit);
            }
        });
        if let Some(previous) = self.state.borrow_mut().exit_watch.replace(watch.abort_handle()) {
            previous.abort();
        }
    }

    /// Kills what an earlier process left behind.
    async fn clean_up(&self) {
        if !std::mem::take(&mut self.state.borrow_mut().dirty) {
            return;
        }
        self.thaw();
        if let Err(error) = self.sandbox.stop().await {
            // An idle one, or the host's: nobody but the log can be told.
            tracing::warn!(function = %self.pool.key.name, %error, "a sandbox is gone");
            self.state.borrow_mut().lost = true;
        }
        if let Some(channel) = &*self.channel.borrow() {
            channel.reset();
        }
    }

    /// Marks the process as gone or to be killed.
    fn stopped(&self) {
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Stopped;
        state.dirty = true;
        state.booting = None;
        state.back_by = None;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state.borrow().phase == Phase::Stopped
    }

    /// Takes on an invocation whose START is logged now. Its event is delivered at once, or with the next poll.
    pub(crate) fn begin(&self, mut flight: Flight, event: Option<RuntimeEvent>) {
        self.thaw();
        self.log.start(flight.started_ms, flight.request_id);
        self.used();
        let channel = self.channel.borrow().clone();
        let mut state = self.state.borrow_mut();
        flight.init_ms = state.unreported_init_ms.take();
        state.idle_since = None;
        let Some(event) = event else {
            state.flight = Some(flight);
            return;
        };
        state.phase = Phase::Busy;
        flight.undelivered = Some(event);
        state.flight = Some(flight);
        drop(state);
        if let Some(channel) = channel {
            self.deliver(&*channel);
        }
    }

    fn deliver(&self, channel: &dyn RuntimeChannel) {
        let event = self.state.borrow_mut().flight.as_mut().and_then(|flight| flight.undelivered.take());
        let Some(event) = event else { return };
        if !channel.deliver(&event)
            && let Some(flight) = &mut self.state.borrow_mut().flight
        {
            flight.undelivered = Some(event);
        }
    }

    /// Ends the invocation: log lines in their places, the answer to who waits for it, the environment to its pool.
    pub(crate) fn end(self: &Rc<Self>, result: Result<Bytes, Failure>) {
        let Some(flight) = self.state.borrow_mut().flight.take() else {
            return;
        };
        let duration = flight.started.elapsed();
        let at_ms = self.now_ms();
        let mut status = ReportStatus::Success;
        if let Err(failure) = &result {
            status = failure.status();
            let time = lambent_kit::utc::rfc3339_ms(at_ms);
            if let Some(line) = failure.log_line(&flight.request_id, &time) {
                self.log.platform(at_ms, line);
            }
        }
        let report = Report {
            request_id: flight.request_id,
            duration_ms: duration.as_secs_f64() * 1_000.0,
            init_ms: flight.init_ms,
            status,
            traced: flight.traced,
        };
        let tail = if flight.log_tail {
            Some(self.log.end_with_tail(at_ms, report))
        } else {
            self.log.end(at_ms, report);
            None
        };
        if let Some(shard) = self.shard.upgrade() {
            add(&shard.metrics.duration_us, duration.as_micros() as u64);
            add(&shard.metrics.errors, u64::from(result.is_err()));
            let ended = meter::Ended {
                started_ms: flight.started_ms,
                duration_us: duration.as_micros() as u64,
                failed: result.is_err(),
            };
            shard.meter.ended(flight.ticket, ended);
            if flight.init_ms.is_some() {
                shard.metrics.phases.of(StartPhase::Reply).observe(duration);
            }
        }
        let alive = !matches!(
            result,
            Err(Failure::Exited(_) | Failure::TimedOut { .. } | Failure::InvalidEntrypoint(_))
        ) && !self.is_stopped();
        // A boot that failed has been counted.
        match &result {
            _ if self.is_stopped() => {}
            Err(Failure::Exited(_)) => self.pool.crashed(),
            Ok(_) | Err(Failure::Reported { .. } | Failure::ResponseTooLarge) => self.pool.answered(),
            Err(Failure::TimedOut { .. } | Failure::InvalidEntrypoint(_)) => {}
        }
        // A dropped receiver means that the client has hung up.
        let _ = flight.outcome.send(Ended { result, tail });
        if alive {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Responded;
            state.back_by = Some(flight.deadline);
            drop(state);
            self.pool.expect_back(Rc::clone(self));
        } else {
            self.stopped();
            self.recycle();
        }
    }

    /// Kills what is left and gives the environment back, stopped. Where environments are provisioned, a new one takes its
    /// place: the next request must not wait for a boot.
    fn recycle(self: &Rc<Self>) {
        let environment = Rc::clone(self);
        tokio::task::spawn_local(async move {
            environment.clean_up().await;
            if !environment.pool.replaces() {
                environment.pool.release(Rc::clone(&environment));
            }
        });
    }

    fn process_ended(self: &Rc<Self>, epoch: u64, exit: Exit) {
        let (phase, current) = {
            let state = self.state.borrow();
            (state.phase, state.epoch)
        };
        if epoch != current {
            return;
        }
        match phase {
            Phase::Starting => self.boot_failed(Failure::Exited(exit)),
            Phase::Busy => self.end(Err(Failure::Exited(exit))),
            Phase::Ready => {
                self.stopped();
                if exit == Exit::SandboxGone || self.pool.replaces() {
                    self.pool.forget(self);
                }
            }
            Phase::Responded => {
                self.stopped();
                self.recycle();
            }
            Phase::Stopped => {}
        }
    }

    fn boot_failed(&self, failure: Failure) {
        let booting = self.state.borrow_mut().booting.take();
        if let Some(booting) = booting {
            let _ = booting.send(Err(failure));
        }
    }

    fn now_ms(&self) -> u64 {
        self.shard.upgrade().map_or(0, |shard| shard.clock.now_ms())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.thaw();
        if let Some(watch) = self.state.borrow_mut().exit_watch.take() {
            watch.abort();
        }
        if let Some(shard) = self.shard.upgrade() {
            subtract(&shard.metrics.environments, 1);
        }
    }
}
