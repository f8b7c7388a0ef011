//! The log of execution environments: what functions print and what the platform says of them, in order, to a
//! [`LogSink`], never on an invoke's time.
//!
//! The shard only queues commands and notes *where in the output* each belongs ([`Pipe::boundary`]); one pipeline
//! thread reads the pipes, splits lines, puts platform lines in their places and writes batches. A slow sink holds the
//! pipeline back, a full pipe holds the function back: a function can flood only itself.

mod frames;
mod lines;
mod pipe;
mod pipeline;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambent_domain::log_config::LogConfig;
use lambent_domain::{RequestId, Scope, VersionNumber};
use lambent_ports::logs::LogSink;
use lambent_ports::sandbox::Sandbox;
use tokio::sync::{Notify, oneshot};

pub(crate) use lines::{InitPhase, Report};
use pipe::Pipe;
pub use pipeline::LogPipeline;

/// How long queued platform lines may wait before the pipeline is woken for them. Waking another core costs more than
/// a warm invoke's own work, so it is done once for many invokes; output of the function wakes the pipeline by itself.
/// Who asks for the log's tail wakes it at once.
const WAKE_DELAY: Duration = Duration::from_millis(50);

/// Which stream an environment's log goes to, and in which format.
#[derive(Clone, Debug)]
pub(crate) struct LogTarget {
    pub(crate) scope: Scope,
    pub(crate) function_name: String,
    pub(crate) function_arn: String,
    /// The version that runs.
    pub(crate) version: VersionNumber,
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) config: LogConfig,
    pub(crate) memory_mb: u32,
    pub(crate) runtime_version: String,
    pub(crate) runtime_version_arn: String,
}

/// An entry of the queue between the shard and the pipeline.
enum Command {
    /// A new main process writes to this pipe from now on.
    Attach {
        pipe: Arc<Pipe>,
        /// Where the previous process's output ended.
        boundary: u64,
    },
    InitStart {
        at_ms: u64,
        phase: InitPhase,
    },
    InitReport {
        at_ms: u64,
        boundary: u64,
        phase: InitPhase,
        duration_ms: f64,
        status: crate::failure::ReportStatus,
    },
    Start {
        at_ms: u64,
        boundary: u64,
        request_id: RequestId,
    },
    /// A line of the platform's own, after everything printed so far.
    Platform {
        at_ms: u64,
        boundary: u64,
        text: String,
    },
    End {
        at_ms: u64,
        boundary: u64,
        report: Report,
        tail: Option<oneshot::Sender<Vec<u8>>>,
    },
    Close {
        boundary: u64,
    },
}

#[derive(Default)]
struct Queue {
    commands: VecDeque<Command>,
    pipe: Option<Arc<Pipe>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Notify,
    /// On the shard's list of logs to wake the pipeline for.
    dirty: AtomicBool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The shard's end of one environment's log.
pub(crate) struct EnvironmentLog {
    shared: Arc<Shared>,
    dirty: Rc<DirtyLogs>,
}

impl EnvironmentLog {
    fn push(&self, make: impl FnOnce(&Queue) -> Command) {
        let mut queue = self.shared.lock();
        let command = make(&queue);
        queue.commands.push_back(command);
        drop(queue);
        self.dirty.add(&self.shared);
    }

    pub(crate) fn attach(&self, output: OwnedFd) {
        let pipe = Arc::new(Pipe::new(output));
        let mut queue = self.shared.lock();
        let boundary = queue.boundary();
        queue.pipe = Some(Arc::clone(&pipe));
        queue.commands.push_back(Command::Attach { pipe, boundary });
        drop(queue);
        // The pipeline has to know the pipe before anything wakes it through the pipe.
        self.shared.wake.notify_one();
    }

    pub(crate) fn init_start(&self, at_ms: u64, phase: InitPhase) {
        self.push(|_| Command::InitStart { at_ms, phase });
    }

    pub(crate) fn init_report(
        &self,
        at_ms: u64,
        phase: InitPhase,
        duration_ms: f64,
        status: crate::failure::ReportStatus,
    ) {
        self.push(|queue| Command::InitReport {
            at_ms,
            boundary: queue.boundary(),
            phase,
            duration_ms,
            status,
        });
    }

    pub(crate) fn start(&self, at_ms: u64, request_id: RequestId) {
        self.push(|queue| Command::Start { at_ms, boundary: queue.boundary(), request_id });
    }

    pub(crate) fn platform(&self, at_ms: u64, text: String) {
        self.push(|queue| Command::Platform { at_ms, boundary: queue.boundary(), text });
    }

    pub(crate) fn end(&self, at_ms: u64, report: Report) {
        self.push(|queue| Command::End { at_ms, boundary: queue.boundary(), report, tail: None });
    }

    /// Like [`EnvironmentLog::end`]; answers with the last 4 KB of this invocation's log. Wakes the pipeline at once.
    pub(crate) fn end_with_tail(&self, at_ms: u64, report: Report) -> oneshot::Receiver<Vec<u8>> {
        let (tail, receiver) = oneshot::channel();
        self.push(|queue| Command::End { at_ms, boundary: queue.boundary(), report, tail: Some(tail) });
        self.shared.wake.notify_one();
        receiver
    }
}

impl Drop for EnvironmentLog {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        let boundary = queue.boundary();
        queue.commands.push_back(Command::Close { boundary });
        drop(queue);
        self.shared.wake.notify_one();
    }
}

impl Queue {
    /// How many bytes of output there had been by now.
    fn boundary(&self) -> u64 {
        self.pipe.as_ref().map_or(0, |pipe| pipe.boundary())
    }
}

/// Logs with queued commands that the pipeline has not been woken for. One per shard.
#[derive(Default)]
pub(crate) struct DirtyLogs {
    logs: RefCell<Vec<Arc<Shared>>>,
}

impl DirtyLogs {
    fn add(self: &Rc<Self>, log: &Arc<Shared>) {
        if log.dirty.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut logs = self.logs.borrow_mut();
        logs.push(Arc::clone(log));
        if logs.len() == 1 {
            let dirty = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(WAKE_DELAY).await;
                for log in dirty.logs.take() {
                    log.dirty.store(false, Ordering::Relaxed);
                    log.wake.notify_one();
                }
            });
        }
    }
}

/// Opens logs on a pipeline; lives on the shard.
pub(crate) struct Logs {
    pipeline: Arc<LogPipeline>,
    dirty: Rc<DirtyLogs>,
}

impl Logs {
    pub(crate) fn new(pipeline: Arc<LogPipeline>) -> Self {
        Logs { pipeline, dirty: Rc::default() }
    }

    /// A log for one environment. The pipeline asks the sandbox for its memory peak when it writes a REPORT.
    pub(crate) fn open(&self, target: LogTarget, sandbox: &Arc<dyn Sandbox>) -> EnvironmentLog {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), wake: Notify::new(), dirty: AtomicBool::new(false) });
        self.pipeline.open(Arc::clone(&shared), target, Arc::downgrade(sandbox));
        EnvironmentLog { shared, dirty: Rc::clone(&self.dirty) }
    }
}

/// What the pipeline writes to.
pub type Sink = Arc<dyn LogSink>;
