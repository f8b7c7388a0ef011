//! The thread that reads every environment's output and writes batches to the sink.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lambent_kit::clock::Clock;
use lambent_ports::logs::{LogBatch, LogEvent};
use lambent_ports::sandbox::Sandbox;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::frames::{Piece, Splitter};
use super::pipe::Source;
use super::{Command, LogTarget, Shared, Sink};
use crate::metrics::{InvokeMetrics, add};
use lambent_domain::limits::LOG_TAIL_BYTES;

/// Bytes read from a pipe at once: what a pipe holds.
const READ_BYTES: usize = 65_536;
/// A batch goes to the sink when it is this large …
const BATCH_BYTES: usize = 262_144;
/// … or has this many events …
const BATCH_EVENTS: usize = 5_000;
/// … or its oldest event is this old.
const BATCH_DELAY: Duration = Duration::from_millis(50);

struct Opened {
    shared: Arc<Shared>,
    target: LogTarget,
    sandbox: Weak<dyn Sandbox>,
}

enum Order {
    Open(Box<Opened>),
    /// Write what there is, close, and say when it is done.
    Finish(oneshot::Sender<()>),
}

/// Handle of the pipeline's thread.
pub struct LogPipeline {
    orders: mpsc::UnboundedSender<Order>,
}

impl LogPipeline {
    /// Starts the thread. It ends when the handle is dropped and every log is closed.
    pub fn start(sink: Sink, clock: Arc<dyn Clock>, metrics: Arc<InvokeMetrics>) -> io::Result<Arc<Self>> {
        let (orders, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("log-pipeline".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, serve(received, sink, clock, metrics));
        })?;
        Ok(Arc::new(LogPipeline { orders }))
    }

    pub(super) fn open(&self, shared: Arc<Shared>, target: LogTarget, sandbox: Weak<dyn Sandbox>) {
        // The thread outlives every handle; if it is gone the process is ending.
        let _ = self.orders.send(Order::Open(Box::new(Opened { shared, target, sandbox })));
    }

    /// Waits until every log whose environment is gone has been written. Call after the shards have ended.
    pub async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.orders.send(Order::Finish(done)).is_ok() {
            let _ = finished.await;
        }
    }
}

async fn serve(
    mut orders: mpsc::UnboundedReceiver<Order>,
    sink: Sink,
    clock: Arc<dyn Clock>,
    metrics: Arc<InvokeMetrics>,
) {
    let mut tasks = tokio::task::JoinSet::new();
    // One buffer for all: reads don't await.
    let buffer: Buffer = Rc::new(RefCell::new(vec![0; READ_BYTES].into_boxed_slice()));
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Open(opened)) => {
                    let Opened { shared, target, sandbox } = *opened;
                    let writer = Writer {
                        target,
                        sandbox,
                        sink: Arc::clone(&sink),
                        clock: Arc::clone(&clock),
                        metrics: Arc::clone(&metrics),
                        buffer: Rc::clone(&buffer),
                        output: Output::default(),
                        batch: Batch::default(),
                        max_memory_mb: None,
                        tail: Vec::new(),
                    };
                    tasks.spawn_local(follow(shared, writer));
                }
                Some(Order::Finish(done)) => {
                    while tasks.join_next().await.is_some() {}
                    let _ = done.send(());
                }
                None => break,
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

type Buffer = Rc<RefCell<Box<[u8]>>>;

/// One environment's log, from its opening to its close.
async fn follow(shared: Arc<Shared>, mut writer: Writer) {
    let mut pipe: Option<Source> = None;
    let mut last_read = Read::Drained;
    loop {
        if let Some(source) = &pipe
            && last_read != Read::Ended
        {
            last_read = writer.read_some(source);
        }
        // Commands that were queued before this output was written are in the queue by now, so output is split only up
        // to where the next command says, and the rest after the last of them.
        let commands = std::mem::take(&mut shared.lock().commands);
        writer.max_memory_mb = None;
        for command in commands {
            let current = pipe.as_ref();
            match command {
                Command::Attach { pipe: next, boundary } => {
                    writer.read_to(boundary, current, None).await;
                    writer.output = Output::default();
                    pipe = Source::new(next).ok();
                    last_read = if pipe.is_some() { Read::More } else { Read::Ended };
                }
                Command::Close { boundary } => {
                    writer.read_to(boundary, current, None).await;
                    writer.flush().await;
                    return;
                }
                other => writer.platform(other, current).await,
            }
        }
        writer.split_front(usize::MAX, None);
        if writer.batch.is_due() {
            writer.flush().await;
        }
        if last_read == Read::More {
            tokio::task::yield_now().await;
            continue;
        }
        let deadline = writer.batch.oldest.map(|oldest| oldest + BATCH_DELAY);
        tokio::select! {
            biased;
            () = shared.wake.notified() => {}
            () = readable(pipe.as_ref()), if last_read != Read::Ended => {}
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                writer.flush().await;
            }
        }
    }
}

async fn readable(pipe: Option<&Source>) {
    match pipe {
        Some(pipe) => pipe.readable().await,
        None => std::future::pending().await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Nothing is waiting.
    Drained,
    /// There may be more.
    More,
    /// Every writer has closed its end.
    Ended,
}

/// What one process has written.
#[derive(Default)]
struct Output {
    /// Read but not yet split: it may belong behind a platform line that is still queued.
    unsplit: VecDeque<u8>,
    /// Bytes that have been split.
    split: u64,
    splitter: Splitter,
}

/// Events on their way to the sink.
#[derive(Default)]
struct Batch {
    events: Vec<LogEvent>,
    bytes: usize,
    oldest: Option<Instant>,
    /// Time of the last event of this log: batches are chronological, whatever the clocks do.
    last_ms: u64,
}

impl Batch {
    fn is_due(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.events.len() >= BATCH_EVENTS
    }

    fn push(&mut self, at_ms: u64, message: String) {
        self.last_ms = self.last_ms.max(at_ms);
        self.bytes += message.len() + 26;
        self.events.push(LogEvent { timestamp_ms: self.last_ms, message });
        self.oldest.get_or_insert_with(Instant::now);
    }
}

/// Turns output and commands into events and batches.
struct Writer {
    target: LogTarget,
    sandbox: Weak<dyn Sandbox>,
    sink: Sink,
    clock: Arc<dyn Clock>,
    metrics: Arc<InvokeMetrics>,
    buffer: Buffer,
    output: Output,
    batch: Batch,
    /// The sandbox's peak, asked for once for all the REPORTs that were queued together: asking takes five system calls.
    max_memory_mb: Option<u64>,
    /// Text of the running invocation; at least its last 4 KB.
    tail: Vec<u8>,
}

impl Writer {
    /// Reads until nothing is waiting or a batch's worth has come.
    fn read_some(&mut self, pipe: &Source) -> Read {
        let mut buffer = self.buffer.borrow_mut();
        let mut total = 0;
        while total < BATCH_BYTES {
            match pipe.read(&mut buffer) {
                Ok(0) => return Read::Ended,
                Ok(count) => {
                    self.output.unsplit.extend(&buffer[..count]);
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Drained,
                Err(_) => return Read::Ended,
            }
        }
        Read::More
    }

    /// Splits output up to `boundary`, reading what has not been read yet; what is left of a line ends there.
    async fn read_to(&mut self, boundary: u64, pipe: Option<&Source>, latest_ms: Option<u64>) {
        while let Some(pipe) = pipe
            && self.output.split + (self.output.unsplit.len() as u64) < boundary
        {
            if self.read_some(pipe) != Read::More {
                break;
            }
            self.flush_if_due().await;
        }
        let wanted = boundary.saturating_sub(self.output.split);
        self.split_front(usize::try_from(wanted).unwrap_or(usize::MAX), latest_ms);
        let mut pieces = Vec::new();
        self.output.splitter.flush(&mut |piece| pieces.push(piece));
        self.take(pieces, latest_ms);
    }

    /// Splits up to `count` bytes of what has been read. Plain lines get the time of now, or `latest_ms` if that is
    /// earlier: they were printed before the platform line that they stand in front of.
    fn split_front(&mut self, count: usize, latest_ms: Option<u64>) {
        let count = count.min(self.output.unsplit.len());
        if count == 0 {
            return;
        }
        let bytes: Vec<u8> = self.output.unsplit.drain(..count).collect();
        self.output.split += count as u64;
        let mut pieces = Vec::new();
        self.output.splitter.push(&bytes, &mut |piece| pieces.push(piece));
        self.take(pieces, latest_ms);
    }

    fn take(&mut self, pieces: Vec<Piece>, latest_ms: Option<u64>) {
        let now_ms = latest_ms.unwrap_or(u64::MAX).min(self.clock.now_ms());
        for piece in pieces {
            let (bytes, at_ms) = match piece {
                Piece::Line(bytes) => (bytes, now_ms),
                // The frame's own time, unless the process made it up.
                Piece::Frame { time_us, message, .. } => {
                    let at_ms = time_us / 1_000;
                    (message, if now_ms.abs_diff(at_ms) < 60_000 { at_ms.min(now_ms) } else { now_ms })
                }
            };
            let message = String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            if self.target.keeps(&message) {
                self.event(at_ms, message);
            }
        }
    }

    fn event(&mut self, at_ms: u64, message: String) {
        self.tail.extend_from_slice(message.as_bytes());
        if self.tail.len() > 4 * LOG_TAIL_BYTES {
            self.tail.drain(..self.tail.len() - LOG_TAIL_BYTES);
        }
        self.batch.push(at_ms, message);
    }

    /// A command that stands for a platform line.
    async fn platform(&mut self, command: Command, pipe: Option<&Source>) {
        match command {
            Command::InitStart { at_ms, phase } => {
                if let Some(line) = self.target.init_start(at_ms, phase) {
                    self.event(at_ms, line);
                }
            }
            Command::InitReport { at_ms, boundary, phase, duration_ms, status } => {
                self.read_to(boundary, pipe, Some(at_ms)).await;
                let line = self.target.init_report(at_ms, phase, duration_ms, &status);
                self.event(at_ms, line);
            }
            Command::Start { at_ms, boundary, request_id } => {
                self.read_to(boundary, pipe, Some(at_ms)).await;
                // What the runtime printed between invocations is part of the log, and not of this one's tail.
                self.tail.clear();
                if let Some(line) = self.target.start(at_ms, &request_id) {
                    self.event(at_ms, line);
                }
            }
            Command::Platform { at_ms, boundary, text } => {
                self.read_to(boundary, pipe, Some(at_ms)).await;
                self.event(at_ms, text);
            }
            Command::End { at_ms, boundary, report, tail } => {
                self.read_to(boundary, pipe, Some(at_ms)).await;
                let max_memory_mb = self.max_memory_mb();
                for line in self.target.end(at_ms, &report, max_memory_mb) {
                    self.event(at_ms, line);
                }
                if let Some(tail) = tail {
                    let start = self.tail.len().saturating_sub(LOG_TAIL_BYTES);
                    let _ = tail.send(self.tail[start..].to_vec());
                }
                self.tail.clear();
            }
            Command::Attach { .. } | Command::Close { .. } => {}
        }
        self.flush_if_due().await;
    }

    fn max_memory_mb(&mut self) -> u64 {
        *self.max_memory_mb.get_or_insert_with(|| {
            let usage = self.sandbox.upgrade().map(|sandbox| sandbox.usage()).unwrap_or_default();
            usage.max_memory_bytes.div_ceil(1 << 20)
        })
    }

    async fn flush_if_due(&mut self) {
        if self.batch.is_due() {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        self.batch.oldest = None;
        self.batch.bytes = 0;
        let events = std::mem::take(&mut self.batch.events);
        if events.is_empty() {
            return;
        }
        let count = events.len() as u64;
        let batch = LogBatch {
            scope: self.target.scope.clone(),
            group: self.target.group.clone(),
            stream: self.target.stream.clone(),
            events,
        };
        match self.sink.write(batch).await {
            Ok(()) => add(&self.metrics.log_events, count),
            Err(error) => {
                add(&self.metrics.log_events_dropped, count);
                tracing::warn!(group = %self.target.group, count, %error, "log events were dropped");
            }
        }
    }
}
