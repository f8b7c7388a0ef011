//! The loop: begins an attempt with everything that is due, and notes how it ended.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lambent_kit::clock::Clock;
use lambent_kit::crash;
use lambent_kit::random::Random;
use lambent_ports::aws_client::{AwsClient, ServiceRequest};
use lambent_ports::outbox::{Change, Message, MessageId, Outbox, OutboxError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::decide::{Exhausted, Next, next};
use crate::dispatch::{Call, DeadLetter, Dispatch};
use crate::failure::Failure;
use crate::request::{requests, send_message};

/// Attempts at the same time.
const MAX_RUNNING: usize = 64;
/// How long a target may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of messages that are kept in memory until their first attempt; others are read from the disk for it.
const MAX_FRESH_BYTES: usize = 8 * 1_024 * 1_024;
/// How long the loop sleeps at most while something waits: the wall clock may be set.
const MAX_SLEEP_MS: u64 = 60_000;
/// How long is waited when the storage fails.
const AFTER_TROUBLE_MS: u64 = 1_000;

/// What a sender is built of.
pub struct SenderParts {
    /// Where messages wait.
    pub outbox: Arc<dyn Outbox>,
    /// The way to targets.
    pub client: Arc<dyn AwsClient>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// What spreads attempts.
    pub random: Arc<dyn Random>,
}

/// Sends what its outbox has.
pub struct Sender {
    parts: SenderParts,
    board: Mutex<Board>,
    changed: Notify,
}

/// What waits: ids with their times, however many; a few of them whole.
#[derive(Default)]
struct Board {
    due: BTreeSet<(u64, MessageId)>,
    fresh: HashMap<MessageId, Bytes>,
    fresh_bytes: usize,
}

impl Board {
    fn add(&mut self, due_ms: u64, id: MessageId, body: Option<Bytes>) {
        self.due.insert((due_ms, id));
        if let Some(body) = body.filter(|body| self.fresh_bytes + body.len() <= MAX_FRESH_BYTES) {
            self.fresh_bytes += body.len();
            self.fresh.insert(id, body);
        }
    }

    fn take_due(&mut self, now_ms: u64) -> Option<(MessageId, Option<Bytes>)> {
        let first = *self.due.first().filter(|(due_ms, _)| *due_ms <= now_ms)?;
        self.due.remove(&first);
        let fresh = self.fresh.remove(&first.1);
        self.fresh_bytes -= fresh.as_ref().map_or(0, Bytes::len);
        Some((first.1, fresh))
    }
}

/// What is noted of a message that was put off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Note {
    /// Attempts that failed.
    failed: u32,
    /// It is over, and its dead letter could not be sent yet.
    over: Option<Over>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Over {
    failure: Failure,
    exhausted: Option<Exhausted>,
    /// Attempts at the dead letter that failed.
    failed: u32,
}

impl Sender {
    /// Builds it; [`Sender::run`] works off what there is.
    pub fn new(parts: SenderParts) -> Arc<Self> {
        Arc::new(Sender { parts, board: Mutex::default(), changed: Notify::new() })
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits changes and takes up what they send. In a task of its own: who gives up waiting leaves nothing on the disk
    /// that nobody looks at.
    pub async fn commit(self: &Arc<Self>, changes: Vec<Change>) -> Result<(), OutboxError> {
        let sender = Arc::clone(self);
        let committing = tokio::spawn(async move { sender.commit_here(changes).await });
        committing
            .await
            .unwrap_or_else(|error| Err(OutboxError { message: error.to_string(), may_have_happened: true }))
    }

    async fn commit_here(&self, changes: Vec<Change>) -> Result<(), OutboxError> {
        let sends: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Send { due_ms, body } => Some((*due_ms, body.clone())),
                _ => None,
            })
            .collect();
        let ids = self.parts.outbox.commit(changes).await?;
        crash::edge("targets", "accepted");
        if !ids.is_empty() {
            let mut board = self.board();
            for ((due_ms, body), id) in sends.into_iter().zip(ids) {
                board.add(due_ms, id, Some(body));
            }
            drop(board);
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes up what an earlier server left.
    pub async fn take_up(&self) -> Result<(), OutboxError> {
        let waiting = self.parts.outbox.waiting().await?;
        let mut board = self.board();
        for message in waiting {
            board.add(message.due_ms, message.id, None);
        }
        Ok(())
    }

    /// Sends what is due until `stop` turns true; then the attempts that are running end.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut attempts = JoinSet::new();
        loop {
            self.begin_due(&mut attempts);
            let pause_ms = self.pause_ms(attempts.len());
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep(pause_ms) => {}
                Some(ended) = attempts.join_next() => log_panic(ended),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        while let Some(ended) = attempts.join_next().await {
            log_panic(ended);
        }
    }

    /// One attempt with each message that is due now; returns when they have ended.
    pub async fn turn(self: &Arc<Self>) {
        let mut attempts = JoinSet::new();
        self.begin_due(&mut attempts);
        while let Some(ended) = attempts.join_next().await {
            log_panic(ended);
        }
    }

    /// When the first message is due.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.board().due.first().map(|(due_ms, _)| *due_ms)
    }

    fn begin_due(self: &Arc<Self>, attempts: &mut JoinSet<()>) {
        let now_ms = self.parts.clock.now_ms();
        while attempts.len() < MAX_RUNNING {
            let Some((id, fresh)) = self.board().take_due(now_ms) else { break };
            crash::edge("targets", "taken");
            let sender = Arc::clone(self);
            attempts.spawn(async move { sender.attempt(id, fresh).await });
        }
    }

    /// `None` when only a change can bring something to do.
    fn pause_ms(&self, running: usize) -> Option<u64> {
        let due_ms = self.next_due_ms().filter(|_| running < MAX_RUNNING)?;
        Some(due_ms.saturating_sub(self.parts.clock.now_ms()).min(MAX_SLEEP_MS))
    }

    async fn attempt(&self, id: MessageId, fresh: Option<Bytes>) {
        let read = match fresh {
            Some(body) => Ok(Some(Message { body, note: Bytes::new() })),
            None => self.parts.outbox.message(id).await,
        };
        let settled = match read {
            Ok(Some(message)) => self.settled(id, &message).await,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "a message could not be read");
                self.again_after_trouble(id);
                return;
            }
        };
        crash::edge("targets", "sent");
        let again = match &settled {
            Change::PutOff { due_ms, .. } => Some(*due_ms),
            _ => None,
        };
        // As often as it takes: what has been sent must not be sent anew because the disk is full.
        while let Err(error) = self.parts.outbox.commit(vec![settled.clone()]).await {
            tracing::error!(%error, "what came of a message could not be noted; trying again");
            tokio::time::sleep(Duration::from_millis(AFTER_TROUBLE_MS)).await;
        }
        if let Some(due_ms) = again {
            self.board().add(due_ms, id, None);
        }
    }

    fn again_after_trouble(&self, id: MessageId) {
        let due_ms = self.parts.clock.now_ms() + AFTER_TROUBLE_MS;
        self.board().add(due_ms, id, None);
    }

    /// Tries, and says what is to be noted.
    async fn settled(&self, id: MessageId, message: &Message) -> Change {
        let Ok(dispatch) = serde_json::from_slice::<Dispatch>(&message.body) else {
            tracing::error!(id = id.0, "a message is not of a form that this version knows; it is dropped");
            return Change::Done(id);
        };
        let mut note: Note = serde_json::from_slice(&message.note).unwrap_or_default();
        if note.over.is_none() {
            let Err(failure) = self.send(&dispatch).await else { return Change::Done(id) };
            note.failed += 1;
            let now_ms = self.parts.clock.now_ms();
            let retries = dispatch.retries;
            match next(retries, dispatch.accepted_ms, note.failed, failure.transient, now_ms, self.spread()) {
                Next::Again { due_ms } => return put_off(id, due_ms, &note),
                Next::Over(exhausted) => note.over = Some(Over { failure, exhausted, failed: 0 }),
            }
        }
        self.bury(id, &dispatch, note).await
    }

    async fn send(&self, dispatch: &Dispatch) -> Result<(), Failure> {
        if let Call::Broken { code, message } = &dispatch.call {
            return Err(Failure::new(code, message.clone(), false));
        }
        let requests = requests(dispatch);
        let mut requests = requests
            .ok_or_else(|| Failure::new("INVALID_PARAMETER", "the target can't be called".into(), false))?;
        let last = requests.pop();
        for before in requests {
            // Its failure shows in the one that counts.
            let _ = self.call(before).await;
        }
        match last {
            Some(request) => self.call(request).await,
            None => Ok(()),
        }
    }

    async fn call(&self, request: ServiceRequest) -> Result<(), Failure> {
        match tokio::time::timeout(PATIENCE, self.parts.client.call(request)).await {
            Ok(Ok(answer)) => Failure::of(&answer),
            Ok(Err(unreachable)) => Err(Failure::unreachable(unreachable.to_string())),
            Err(_) => Err(Failure::timeout()),
        }
    }

    /// Into its dead-letter queue with it. What that does not take either is tried again as long as a message may become
    /// old, and dropped with a word in the log when that is no use.
    async fn bury(&self, id: MessageId, dispatch: &Dispatch, mut note: Note) -> Change {
        let Some(over) = note.over.as_mut() else { return Change::Done(id) };
        let Some(letter) = &dispatch.dead_letter else {
            let Failure { code, message, .. } = &over.failure;
            tracing::warn!(
                target = dispatch.target,
                code,
                message,
                "an event was dropped; there is no dead-letter queue"
            );
            return Change::Done(id);
        };
        let body = dead_letter(letter, dispatch, over, note.failed);
        // The sender's own authority, also where a role calls the target (AWS documentation).
        let request = send_message(&letter.queue, body, dispatch.authority.principal());
        let failure = match request {
            Some(request) => self.call(request).await.err(),
            None => Some(Failure::new(
                "INVALID_PARAMETER",
                "the dead-letter queue has no valid ARN".into(),
                false,
            )),
        };
        let Some(failure) = failure else { return Change::Done(id) };
        over.failed += 1;
        let (failed, now_ms) = (over.failed, self.parts.clock.now_ms());
        match next(
            crate::Retries::default(),
            dispatch.accepted_ms,
            failed,
            failure.transient,
            now_ms,
            self.spread(),
        ) {
            Next::Again { due_ms } => put_off(id, due_ms, &note),
            Next::Over(_) => {
                let message = failure.message;
                tracing::warn!(
                    target = dispatch.target,
                    queue = letter.queue,
                    message,
                    "an event was dropped; its dead-letter queue did not take it"
                );
                Change::Done(id)
            }
        }
    }

    fn spread(&self) -> u64 {
        let [a, b, c, d, ..] = self.parts.random.bytes16();
        u64::from(u32::from_le_bytes([a, b, c, d]))
    }
}

async fn sleep(pause_ms: Option<u64>) {
    match pause_ms {
        Some(pause_ms) => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
        None => std::future::pending().await,
    }
}

fn put_off(id: MessageId, due_ms: u64, note: &Note) -> Change {
    Change::PutOff { id, due_ms, note: serde_json::to_vec(note).map(Bytes::from).unwrap_or_default() }
}

fn dead_letter(letter: &DeadLetter, dispatch: &Dispatch, over: &Over, failed: u32) -> Value {
    let retries = failed.saturating_sub(1).to_string();
    let exhausted = over.exhausted.map(|exhausted| ("EXHAUSTED_RETRY_CONDITION", exhausted.as_str()));
    let told = [
        ("ERROR_CODE", over.failure.code_in(letter.codes)),
        ("ERROR_MESSAGE", over.failure.message.as_str()),
        ("RETRY_ATTEMPTS", &retries),
        ("TARGET_ARN", &dispatch.target),
    ];
    let own = letter.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all = told.into_iter().chain(exhausted).chain(own).filter(|(_, value)| !value.is_empty());
    let attributes: serde_json::Map<String, Value> = all
        .map(|(name, value)| (name.to_owned(), json!({ "DataType": "String", "StringValue": value })))
        .collect();
    json!({ "MessageBody": letter.body, "MessageAttributes": attributes })
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an attempt ended");
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
