//! The loop: claims what is due, as much as there is room for, and begins attempts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lambent_domain::FunctionKey;
use lambent_kit::crash;
use lambent_ports::queue::{QueueError, Wanted};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Delivery;
use crate::backlog::Turn;
use crate::stored::{PREFIX, function_of, queue_name};

/// How long an attempt may take before its event is given to another one: the longest function, its start, and waiting
/// for both.
pub(crate) const LEASE_MS: u64 = 20 * 60 * 1_000;
/// Bytes of events that one claim may take into memory.
const MAX_CLAIM_BYTES: usize = 8 * 1_024 * 1_024;
/// How long the loop sleeps at most: the wall clock may be set.
const MAX_SLEEP_MS: u64 = 60_000;
/// How long is waited when the queue can't be read.
pub(crate) const AFTER_TROUBLE_MS: u64 = 1_000;

impl Delivery {
    /// Takes up what was left and works until `stop` turns true; then the attempts that are running end. Dropping the future
    /// cuts them off: their events are due again at the next start.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while let Err(error) = self.take_up().await {
            tracing::error!(%error, "events that wait could not be read; trying again");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(AFTER_TROUBLE_MS)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        let mut attempts = JoinSet::new();
        loop {
            self.begin_due(&mut attempts).await;
            tokio::select! {
                () = self.until_due() => {}
                Some(ended) = attempts.join_next() => log_panic(ended),
                _ = stop.wait_for(|stop| *stop) => break,
            }
            while let Some(ended) = attempts.try_join_next() {
                log_panic(ended);
            }
        }
        while let Some(ended) = attempts.join_next().await {
            log_panic(ended);
        }
    }

    /// Nobody has a claim when a server starts: what the last one had is due.
    pub(crate) async fn take_up(&self) -> Result<(), QueueError> {
        let now_ms = self.parts.clock.now_ms();
        for name in self.parts.queue.queues(PREFIX).await? {
            let Some(function) = function_of(&name) else { continue };
            let interrupted = self.parts.queue.reclaim(&name, now_ms).await?;
            if interrupted > 0 {
                tracing::info!(function = %function.arn(), interrupted, "events are tried again that a stop interrupted");
            }
            self.backlog().due(&function, now_ms);
        }
        Ok(())
    }

    /// Claims for every function that is due and has room, and begins an attempt with each event.
    pub(crate) async fn begin_due(self: &Arc<Self>, attempts: &mut JoinSet<()>) {
        let now_ms = self.parts.clock.now_ms();
        let turns = self.backlog().turns(now_ms, |function| self.limit(function));
        for (function, claimed) in join_all(turns.into_iter().map(|turn| self.claim(turn, now_ms))).await {
            for claimed in claimed {
                crash::edge("delivery", "claimed");
                let (delivery, function) = (Arc::clone(self), function.clone());
                attempts.spawn(async move {
                    // A guard: the room comes back also when an attempt panics.
                    let _room = Room { delivery: &delivery, function: &function };
                    delivery.attempt(&function, claimed).await;
                });
            }
        }
    }

    async fn claim(&self, turn: Turn, now_ms: u64) -> (FunctionKey, Vec<lambent_ports::queue::Claimed>) {
        let Turn { function, attempts } = turn;
        let name = queue_name(&function);
        let wanted = Wanted { messages: attempts, bytes: MAX_CLAIM_BYTES, lease_ms: LEASE_MS };
        let claimed = self.parts.queue.claim(&name, wanted, now_ms).await;
        let (claimed, due_ms) = match claimed {
            // There may be more.
            Ok(claimed) if claimed.len() == attempts => (Ok(claimed), Ok(Some(now_ms))),
            Ok(claimed) => (Ok(claimed), self.parts.queue.next_due_ms(&name).await),
            Err(error) => (Err(error), Ok(Some(now_ms + AFTER_TROUBLE_MS))),
        };
        let due_ms = due_ms.unwrap_or(Some(now_ms + AFTER_TROUBLE_MS));
        let claimed = claimed.unwrap_or_else(|error| {
            tracing::error!(%error, function = %function.arn(), "events could not be claimed; trying again");
            Vec::new()
        });
        self.backlog().claimed(&function, attempts - claimed.len(), due_ms);
        (function, claimed)
    }

    /// More attempts would only be throttled. A function that is switched off or gone has events to be dropped.
    fn limit(&self, function: &FunctionKey) -> usize {
        let reserved = self.parts.store.function(function).and_then(|function| function.reserved_concurrency);
        reserved.filter(|reserved| *reserved > 0).map_or(usize::MAX, |reserved| reserved as usize)
    }

    async fn until_due(&self) {
        let changed = self.changed.notified();
        let due_ms = self.backlog().next_due_ms(|function| self.limit(function));
        match due_ms {
            None => changed.await,
            Some(due_ms) => {
                let wait_ms = due_ms.saturating_sub(self.parts.clock.now_ms()).min(MAX_SLEEP_MS);
                let _ = tokio::time::timeout(Duration::from_millis(wait_ms), changed).await;
            }
        }
    }
}

/// The room of one attempt in its function's lane.
struct Room<'a> {
    delivery: &'a Delivery,
    function: &'a FunctionKey,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.delivery.backlog().ended(self.function);
        self.delivery.changed.notify_one();
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an attempt was lost; its event is tried again when its lease is over");
    }
}
