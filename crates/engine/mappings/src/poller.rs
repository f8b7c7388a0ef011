//! The poller of one mapping: receives while there is room, gathers batches, and has them run.
//!
//! A receive is never given up half-way while the mapping is polled: on another machine its messages would be leased and
//! lost to their timeout. A window that ends meanwhile closes its batch, and the receive goes on for the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lambent_domain::{EventSourceMapping, FunctionKey, MappingKey, Pollers, Qualifier};
use lambent_event_pattern::Pattern;
use lambent_ports::event_sources::QueueRefused;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Duration, Instant};

use crate::Parts;
use crate::batch::{self, CALL_FAILED, Ended};
use crate::gathering::{Batch, Gathering, Limits};
use crate::metrics::{Figure, add};
use crate::queue::{LONG_POLL, MAX_AT_ONCE, Message, Queue, problem};
use crate::record::{Form, Record};
use crate::width::Width;

/// Receives at the same time while the queue has more than is asked for.
const MOST_RECEIVES: usize = 4;
/// Events that all mappings together may have in memory.
const MAX_HELD_BYTES: usize = 256 * 1_024 * 1_024;
/// How long a queue's settings are taken to be what they were.
const SETTINGS_AGE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// AWS documentation: with a window messages stay invisible for it, the function's timeout, and this.
const WINDOW_MARGIN_S: u64 = 30;

/// What of a mapping polling depends on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) key: MappingKey,
    pub(crate) source_arn: String,
    pub(crate) function: FunctionKey,
    pub(crate) qualifier: Option<Qualifier>,
    pub(crate) function_arn: String,
    pub(crate) batch_size: usize,
    pub(crate) window_s: u64,
    pub(crate) filters: Vec<Pattern>,
    pub(crate) reports_item_failures: bool,
    pub(crate) maximum_concurrency: Option<u32>,
    pub(crate) provisioned_pollers: Option<Pollers>,
    pub(crate) counts_events: bool,
}

impl Settings {
    /// None when a stored pattern is no pattern any more: then nothing must be passed on.
    pub(crate) fn of(mapping: &EventSourceMapping) -> Option<Self> {
        let filters = mapping.filters.iter().map(|pattern| Pattern::compile(pattern).ok());
        let function_arn = match &mapping.qualifier {
            Some(qualifier) => mapping.function.qualified_arn(&qualifier.to_string()),
            None => mapping.function.arn(),
        };
        Some(Settings {
            key: mapping.key.clone(),
            source_arn: mapping.source_arn.clone(),
            function: mapping.function.clone(),
            qualifier: mapping.qualifier.clone(),
            function_arn,
            batch_size: mapping.batch_size as usize,
            window_s: mapping.batching_window_s.into(),
            filters: filters.collect::<Option<_>>()?,
            reports_item_failures: mapping.reports_item_failures,
            maximum_concurrency: mapping.maximum_concurrency,
            provisioned_pollers: mapping.provisioned_pollers,
            counts_events: mapping.counts_events,
        })
    }

    fn window(&self) -> Option<Duration> {
        (self.window_s > 0).then(|| Duration::from_secs(self.window_s))
    }

    fn form(&self) -> Form {
        Form {
            source_arn: self.source_arn.clone(),
            region: self.source_arn.split(':').nth(3).unwrap_or_default().to_owned(),
            null_checksum: self.window_s > 0 || !self.filters.is_empty(),
        }
    }
}

/// What one receive brought, and how many messages it had asked for.
struct Got {
    asked: usize,
    result: Result<(Source, Vec<Message>), QueueRefused>,
}

/// What the function says of its queue.
#[derive(Clone, Debug, PartialEq)]
struct Called {
    role: String,
    timeout_s: u64,
}

/// The queue as it was found.
#[derive(Clone)]
struct Source {
    queue: Queue,
    called: Called,
    visibility_timeout_s: u64,
    looked: Instant,
}

impl Source {
    async fn find(parts: &Parts, settings: &Settings, called: Called) -> Result<Self, QueueRefused> {
        let queue = Queue::new(Arc::clone(&parts.client), &settings.source_arn, &called.role);
        let no_queue = || QueueRefused::Unreachable(format!("{} names no queue", settings.source_arn));
        let queue = queue.ok_or_else(no_queue)?;
        let visibility_timeout_s = queue.look().await?.visibility_timeout_s;
        Ok(Source { queue, called, visibility_timeout_s, looked: Instant::now() })
    }

    /// For how long messages are invisible; the second says whether that is more than the queue itself would have it.
    fn visible_s(&self, window_s: u64) -> (u64, bool) {
        let needed = window_s + self.called.timeout_s + WINDOW_MARGIN_S;
        match window_s > 0 && needed > self.visibility_timeout_s {
            true => (needed, true),
            false => (self.visibility_timeout_s, false),
        }
    }
}

pub(crate) struct Poller {
    parts: Arc<Parts>,
    settings: Arc<Settings>,
    form: Form,
    began: Instant,
    width: Width,
    gathering: Gathering,
    receiving: FuturesUnordered<BoxFuture<'static, Got>>,
    /// Closed, and waiting for room.
    closed: Vec<Batch>,
    batches: JoinSet<Ended>,
    /// Messages that no filter let through, on their way out.
    deletions: JoinSet<()>,
    /// Batches that wait for room with the function.
    backing_off: watch::Sender<usize>,
    were_backing_off: usize,
    /// The queue has more than was asked for.
    flowing: bool,
    source: Option<Source>,
    /// The function is not there, or the queue can't be read.
    stuck: bool,
    paused_until: Option<Instant>,
    pause: Duration,
}

impl Poller {
    pub(crate) fn new(parts: Arc<Parts>, settings: Settings) -> Self {
        let limits = Limits { size: settings.batch_size, window: settings.window() };
        Poller {
            form: settings.form(),
            began: Instant::now(),
            width: Width::new(settings.maximum_concurrency, settings.provisioned_pollers, Duration::ZERO),
            gathering: Gathering::new(limits),
            receiving: FuturesUnordered::new(),
            closed: Vec::new(),
            batches: JoinSet::new(),
            deletions: JoinSet::new(),
            backing_off: watch::Sender::new(0),
            were_backing_off: 0,
            flowing: false,
            source: None,
            stuck: false,
            paused_until: None,
            pause: FIRST_PAUSE,
            settings: Arc::new(settings),
            parts,
        }
    }

    /// Polls until `stop` turns true; then what functions have comes to its end, and nothing else is begun.
    pub(crate) async fn run(mut self, stop: watch::Receiver<bool>) {
        let parts = Arc::clone(&self.parts);
        let mut stopping = stop.clone();
        let mut backing_off = self.backing_off.subscribe();
        loop {
            let (room, functions) = (parts.room.notified(), parts.function_changed.notified());
            tokio::pin!(room, functions);
            room.as_mut().enable();
            functions.as_mut().enable();
            let waits_for_function = !self.fill(&stop);
            let (closes_at, grows_at) = (self.gathering.closes_at(), self.grows_at());
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => break,
                Some(ended) = self.batches.join_next() => self.ended(ended),
                Some(got) = self.receiving.next() => self.received(got),
                () = until(closes_at) => self.closed.extend(self.gathering.close()),
                () = until(self.paused_until) => self.paused_until = None,
                () = until(grows_at) => self.width.saturated(self.began.elapsed()),
                _ = backing_off.changed() => self.throttled(),
                () = &mut room => {}
                () = &mut functions, if waits_for_function => {}
                Some(_) = self.deletions.join_next() => {}
            }
        }
        // Only now: SQS takes back what a client does not wait for any more.
        self.receiving.clear();
        self.closed.extend(self.gathering.close());
        while let Some(batch) = self.closed.pop() {
            self.begin(batch, &stop);
        }
        while self.batches.join_next().await.is_some() {}
        while self.deletions.join_next().await.is_some() {}
    }

    /// Begins batches and receives, as many as there is room for. False when the function is not there.
    fn fill(&mut self, stop: &watch::Receiver<bool>) -> bool {
        while self.may_begin() && !self.closed.is_empty() {
            let batch = self.closed.remove(0);
            self.begin(batch, stop);
        }
        let Some(called) = self.called() else {
            self.stuck("PROBLEM: Function not found".into());
            return false;
        };
        while self.may_receive() {
            let asked = self.gathering.wants().min(MAX_AT_ONCE);
            let wait = match self.gathering.closes_at() {
                Some(at) => at.saturating_duration_since(Instant::now()),
                None => LONG_POLL,
            };
            let known = self
                .source
                .clone()
                .filter(|source| source.called == called && source.looked.elapsed() < SETTINGS_AGE);
            let (parts, settings) = (Arc::clone(&self.parts), Arc::clone(&self.settings));
            let called = called.clone();
            add(&parts.metrics.receives, 1);
            self.receiving.push(Box::pin(async move {
                let result = receive(&parts, &settings, known, called, asked, wait).await;
                Got { asked, result }
            }));
        }
        true
    }

    fn may_begin(&self) -> bool {
        self.batches.len() < self.width.get() && *self.backing_off.borrow() == 0
    }

    fn may_receive(&self) -> bool {
        let most = if self.flowing { MOST_RECEIVES } else { 1 };
        let taken = self.batches.len() + self.closed.len() + self.receiving.len();
        self.paused_until.is_none()
            && *self.backing_off.borrow() == 0
            && self.receiving.len() < most
            && taken < self.width.get()
            && self.parts.held_bytes.load(Ordering::SeqCst) < MAX_HELD_BYTES
    }

    fn called(&self) -> Option<Called> {
        let function = self.parts.function(&self.settings.function)?;
        let configuration = &function.primary(self.settings.qualifier.as_ref())?.configuration;
        Some(Called { role: configuration.role.clone(), timeout_s: configuration.timeout_s.into() })
    }

    fn received(&mut self, got: Got) {
        let (source, messages) = match got.result {
            Ok(received) => received,
            Err(refused) => return self.refused(&refused),
        };
        if std::mem::take(&mut self.stuck) {
            self.parts.problem(&self.settings.key, None);
        }
        self.source = Some(source);
        self.pause = FIRST_PAUSE;
        self.flowing = messages.len() == got.asked;
        if messages.is_empty() && self.batches.is_empty() {
            self.width.idle(self.began.elapsed());
        }
        self.parts.count(&self.settings, Figure::Polled, messages.len());
        if self.settings.provisioned_pollers.is_some() {
            self.parts.tell(&self.settings, "ProvisionedPollers", self.width.pollers().into());
        }
        let records = self.filtered(messages);
        self.closed.extend(self.gathering.take(records, Instant::now()));
    }

    /// What is to be passed on; the rest is deleted, as on AWS.
    fn filtered(&mut self, messages: Vec<Message>) -> Vec<Record> {
        let filters = &self.settings.filters;
        let (pass, out): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| self.form.passes(filters, message));
        if let (false, Some(source)) = (out.is_empty(), &self.source) {
            self.parts.count(&self.settings, Figure::FilteredOut, out.len());
            let queue = source.queue.clone();
            let receipts = out.into_iter().map(|message| message.receipt_handle).collect();
            self.deletions.spawn(async move {
                let _ = queue.delete(receipts).await;
            });
        }
        pass.into_iter().map(|message| self.form.record(message)).collect()
    }

    fn begin(&mut self, batch: Batch, stop: &watch::Receiver<bool>) {
        let Some(source) = &self.source else { return };
        let (visible_s, _) = source.visible_s(self.settings.window_s);
        if batch.since.elapsed() >= Duration::from_secs(visible_s) {
            // Waited for room for too long: somebody has them again by now.
            return;
        }
        // What begins later than this may not be over when somebody else gets the messages.
        let hold = Duration::from_secs(visible_s.saturating_sub(source.called.timeout_s));
        let (parts, settings) = (Arc::clone(&self.parts), Arc::clone(&self.settings));
        let (backing_off, stop) = (self.backing_off.clone(), stop.clone());
        let queue = source.queue.clone();
        self.batches.spawn(batch::run(parts, settings, queue, batch, hold, backing_off, stop));
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) {
        let problem = match ended {
            Ok(Ended::Done) => None,
            Ok(Ended::Failed | Ended::Loop) => Some(CALL_FAILED.to_owned()),
            Ok(Ended::NotRun(why)) => {
                self.width.refused(self.began.elapsed());
                Some(why)
            }
            Err(error) => {
                tracing::error!(%error, "a batch was lost; its messages come back when their visibility timeout is over");
                Some(CALL_FAILED.to_owned())
            }
        };
        self.parts.problem(&self.settings.key, problem);
    }

    fn refused(&mut self, refused: &QueueRefused) {
        self.stuck(problem(refused));
        self.source = None;
        self.flowing = false;
        self.paused_until = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn stuck(&mut self, problem: String) {
        self.stuck = true;
        self.parts.problem(&self.settings.key, Some(problem));
    }

    fn throttled(&mut self) {
        let before = std::mem::replace(&mut self.were_backing_off, *self.backing_off.borrow());
        if self.were_backing_off > before {
            self.width.throttled(self.began.elapsed());
        }
    }

    /// All room is in use and there is more to do: when there will be more room.
    fn grows_at(&self) -> Option<Instant> {
        let full = self.batches.len() + self.closed.len() >= self.width.get();
        let more = self.flowing || !self.closed.is_empty();
        let at = self.width.grows_at().filter(|_| full && more && *self.backing_off.borrow() == 0)?;
        Some(self.began + at)
    }
}

async fn receive(
    parts: &Parts,
    settings: &Settings,
    known: Option<Source>,
    called: Called,
    asked: usize,
    wait: Duration,
) -> Result<(Source, Vec<Message>), QueueRefused> {
    let source = match known {
        Some(source) => source,
        None => Source::find(parts, settings, called).await?,
    };
    let (visible_s, longer) = source.visible_s(settings.window_s);
    let messages = source.queue.receive(asked, wait, longer.then_some(visible_s)).await?;
    Ok((source, messages))
}

/// Never, when there is no time.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
