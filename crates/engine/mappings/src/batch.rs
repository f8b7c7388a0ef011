//! One batch, from its first invoke to the messages that are deleted.
//!
//! A function that fails leaves its messages to their visibility timeout, as on AWS. What is throttled is tried again while
//! the messages are surely still its own, and is left to the timeout then.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Response;
use lambent_domain::trace_header::Lineage;
use lambent_ports::aws_client::{Principal, ServiceRequest};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use crate::Parts;
use crate::gathering::Batch;
use crate::metrics::{Figure, add, subtract};
use crate::poller::Settings;
use crate::queue::Queue;
use crate::record::{Record, event};
use crate::response::{Failures, failures};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// As AWS says it.
pub(crate) const CALL_FAILED: &str = "PROBLEM: Function call failed";

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The function dealt with it, or with a part of it.
    Done,
    /// The function failed.
    Failed,
    /// All of it has come through the function too often.
    Loop,
    /// There was no room for it, or no function.
    NotRun(String),
}

/// How an invoke ended.
enum Answer {
    Payload(Bytes),
    FunctionError,
    /// It is part of a loop.
    Loop,
    /// May be better later.
    Refused(String),
    /// Won't be.
    Impossible(String),
}

/// Counts a batch as running for as long as it is there.
struct Running<'a> {
    parts: &'a Parts,
    bytes: usize,
}

impl<'a> Running<'a> {
    fn new(parts: &'a Parts, bytes: usize) -> Self {
        add(&parts.metrics.running, 1);
        parts.held_bytes.fetch_add(bytes, Ordering::SeqCst);
        Running { parts, bytes }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        subtract(&self.parts.metrics.running, 1);
        self.parts.held_bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        self.parts.room.notify_waiters();
    }
}

/// Sees a batch through.
pub(crate) async fn run(
    parts: Arc<Parts>,
    settings: Arc<Settings>,
    queue: Queue,
    batch: Batch,
    hold: Duration,
    backing_off: watch::Sender<usize>,
    stop: watch::Receiver<bool>,
) -> Ended {
    let _running = Running::new(&parts, batch.bytes);
    let invoking =
        Invoking { parts: &parts, settings: &settings, until: batch.since + hold, backing_off, stop };
    let all = batch.records.len();
    let count = |figure, by| parts.count(&settings, figure, by);
    let (records, said) = match invoking.without_loops(batch.records).await {
        Ok(answered) => answered,
        Err(ended) => {
            if ended == Ended::Failed {
                count(Figure::Invoked, all);
            }
            count(Figure::FailedInvoke, all);
            return ended;
        }
    };
    count(Figure::Invoked, records.len());
    let failed = if settings.reports_item_failures {
        failures(&said, records.iter().map(|record| record.message_id.as_str()))
    } else {
        Failures::Of(HashSet::new())
    };
    let Failures::Of(failed) = failed else {
        count(Figure::FailedInvoke, all);
        return Ended::Failed;
    };
    let done = |record: &Record| !failed.contains(&record.message_id);
    let done: Vec<String> = records.into_iter().filter(done).map(|record| record.receipt_handle).collect();
    count(Figure::FailedInvoke, all - done.len());
    count(Figure::Deleted, queue.delete(done).await);
    Ended::Done
}

struct Invoking<'a> {
    parts: &'a Parts,
    settings: &'a Settings,
    /// Until when the messages are surely nobody else's, with the time that the function may take.
    until: Instant,
    backing_off: watch::Sender<usize>,
    stop: watch::Receiver<bool>,
}

impl Invoking<'_> {
    /// Has the function called with all of them, or, when some have come through it too often, with the others. What is
    /// left out is left to its visibility timeout, and to the queue's dead letters (AWS documentation).
    async fn without_loops(mut self, mut records: Vec<Record>) -> Result<(Vec<Record>, Bytes), Ended> {
        let settings = self.settings;
        let is_loop = |record: &Record| record.lineage.is_loop(&settings.function);
        // Nothing may go past a message of its group.
        let in_order = settings.source_arn.ends_with(".fifo");
        loop {
            // The one that would be refused, if there is one.
            let deepest = records.iter().max_by_key(|record| (is_loop(record), record.lineage.rounds()));
            let lineage = deepest.map(|record| record.lineage.clone()).unwrap_or_default();
            match self.answer(Bytes::from(event(&records)), &lineage).await {
                Err(Ended::Loop) if !in_order && records.iter().any(is_loop) => {
                    records.retain(|record| !is_loop(record));
                    if records.is_empty() {
                        return Err(Ended::Loop);
                    }
                }
                answer => return answer.map(|said| (records, said)),
            }
        }
    }

    async fn answer(&mut self, payload: Bytes, lineage: &Lineage) -> Result<Bytes, Ended> {
        let mut pause = FIRST_PAUSE;
        let mut waiting = None;
        loop {
            let why = match self.once(payload.clone(), lineage).await {
                Answer::Payload(said) => return Ok(said),
                Answer::FunctionError => return Err(Ended::Failed),
                Answer::Loop => return Err(Ended::Loop),
                Answer::Impossible(why) => return Err(Ended::NotRun(why)),
                Answer::Refused(why) => why,
            };
            // While one waits no other is begun.
            waiting.get_or_insert_with(|| Waiting::new(self.backing_off.clone()));
            if Instant::now() + pause > self.until {
                return Err(Ended::NotRun(why));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => return Err(Ended::NotRun(why)),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, payload: Bytes, lineage: &Lineage) -> Answer {
        let settings = self.settings;
        let principal =
            Principal::Service { name: "lambda.amazonaws.com", source_arn: settings.source_arn.clone() };
        let scope = settings.key.scope.clone();
        let mut request =
            ServiceRequest::invoke(&settings.function_arn, "RequestResponse", scope, principal, payload);
        if !lineage.is_none() {
            request = request.with_header("x-amzn-trace-id", &format!("Lineage={lineage}"));
        }
        let answer = match self.parts.client.call(request).await {
            Ok(answer) => answer,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        let status = answer.status();
        let is_error = answer.headers().contains_key("x-amz-function-error");
        match status.as_u16() {
            200 if is_error => Answer::FunctionError,
            200 => Answer::Payload(answer.into_body()),
            // A function that is being made, replaced, or has no room.
            409 | 429 | 500..=599 => Answer::Refused(format!("PROBLEM: Function call failed: {status}")),
            400 if is_recursion(&answer) => Answer::Loop,
            _ => Answer::Impossible(format!("PROBLEM: Function call failed: {status}")),
        }
    }
}

/// Lambda has stopped a loop.
fn is_recursion(answer: &Response<Bytes>) -> bool {
    let kind = answer.headers().get("x-amzn-errortype").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("RecursiveInvocationException"))
}

/// One more batch waits for room, for as long as this is there.
struct Waiting(watch::Sender<usize>);

impl Waiting {
    fn new(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Waiting(count)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
