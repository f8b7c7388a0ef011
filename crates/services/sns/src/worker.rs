//! The loop: takes what is due, and begins deliveries.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use lambent_kit::crash;
use lambent_ports::topic_store::{
    Again, Confirmation, Delivery, Lane, SubscriptionRecord, TopicRecord, TopicStoreError,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::backlog::Backlog;
use crate::message::Message;
use crate::sending::Outcome;
use crate::{Sns, delivery_policy, subscription, token};

/// How long the loop sleeps at most: the wall clock may be set.
const MAX_SLEEP_MS: u64 = 60_000;
/// How long is waited when the store can't be read.
const AFTER_TROUBLE_MS: u64 = 1_000;

impl Sns {
    pub(crate) fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what was left and delivers until `stop` turns true. What is running then is cut off: it is due again at
    /// the next start.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while let Err(error) = self.take_up().await {
            tracing::error!(%error, "notifications that wait could not be read; trying again");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(AFTER_TROUBLE_MS)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        let mut running = JoinSet::new();
        let mut forget_ms = 0;
        loop {
            self.begin_due(&mut running).await;
            if self.now_ms() >= forget_ms {
                self.forget_unconfirmed().await;
                forget_ms = self.now_ms() + MAX_SLEEP_MS;
            }
            tokio::select! {
                () = self.until_due() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            while running.try_join_next().is_some() {}
        }
    }

    /// Drops what nobody has confirmed in time, and what nobody can bring back any more.
    pub(crate) async fn forget_unconfirmed(&self) {
        let since_ms = self.now_ms().saturating_sub(token::VALID_MS);
        match self.store().forget_unconfirmed(since_ms).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "subscriptions that were not confirmed are gone"),
            Err(error) => {
                tracing::warn!(%error, "subscriptions that were not confirmed could not be dropped")
            }
        }
    }

    async fn take_up(&self) -> Result<(), TopicStoreError> {
        for (lane, due_ms) in self.store().lanes().await? {
            self.backlog().due(lane, due_ms);
        }
        Ok(())
    }

    async fn begin_due(self: &Arc<Self>, running: &mut JoinSet<()>) {
        let now_ms = self.now_ms();
        let turns = self.backlog().turns(now_ms);
        for (lane, known, more) in turns {
            let throttle = self.throttle(&lane);
            let more = throttle.map_or(more, |rate| more.min(rate as usize));
            let (found, next_ms) = match self.look(&lane, &known, more, now_ms).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "notifications could not be read; trying again");
                    (Vec::new(), Some(now_ms + AFTER_TROUBLE_MS))
                }
            };
            let mut backlog = self.backlog();
            if throttle.is_some() && !found.is_empty() {
                // The next second's.
                backlog.pause(&lane, now_ms + 1_000);
            }
            for delivery in found {
                crash::edge("sns", "taken");
                backlog.began(&lane, delivery.id);
                let running_one =
                    Running { sns: Arc::clone(self), lane: lane.clone(), delivery: delivery.id };
                running.spawn(running_one.run(delivery));
            }
            if let Some(next_ms) = next_ms {
                backlog.due(lane, next_ms);
            }
        }
        self.backlog().forget_idle();
    }

    /// How many an HTTP endpoint gets in a second at most.
    fn throttle(&self, lane: &Lane) -> Option<u32> {
        let topic = self.store().topic_by_id(lane.topic)?;
        let subscription = self.store().subscription(lane.topic, &lane.subscription)?;
        let http = matches!(subscription.protocol.as_str(), "http" | "https");
        delivery_policy::of_delivery(&topic, &subscription).throttle.filter(|_| http)
    }

    /// What is due and not `known` to be running, and when something else is.
    async fn look(
        &self,
        lane: &Lane,
        known: &[u64],
        more: usize,
        now_ms: u64,
    ) -> Result<(Vec<Delivery>, Option<u64>), TopicStoreError> {
        let mut found = self.store().due(lane, known.len() + more, now_ms).await?;
        // Those that were running before the look may have been settled since, and must not begin anew.
        found.retain(|delivery| !known.contains(&delivery.id));
        found.truncate(more);
        let taken: Vec<u64> = known.iter().copied().chain(found.iter().map(|one| one.id)).collect();
        let next_ms = self.store().next_due_ms(lane, &taken).await?;
        Ok((found, next_ms))
    }

    async fn until_due(&self) {
        let changed = self.changed.notified();
        let due_ms = self.backlog().next_due_ms();
        let now_ms = self.now_ms();
        let wait_ms = due_ms.map_or(MAX_SLEEP_MS, |due_ms| due_ms.saturating_sub(now_ms).min(MAX_SLEEP_MS));
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms), changed).await;
    }

    /// Tries a delivery once; how it goes on, if it is not done with.
    async fn attempt(&self, lane: &Lane, delivery: &Delivery) -> Option<Again> {
        let topic = self.store().topic_by_id(lane.topic)?;
        let subscription = self.store().subscription(lane.topic, &lane.subscription)?;
        let message = match Message::read(&delivery.content) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, uuid = delivery.uuid, "a notification can't be read and is dropped");
                return None;
            }
        };
        let outcome = self.send(&topic, &subscription, delivery, &message).await;
        let is_notification = message.token.is_none();
        let Outcome::Failed { reason, hopeless } = outcome else {
            if is_notification {
                self.delivered(&topic, delivery.dead);
            }
            return None;
        };
        let next = self.next(&topic, &subscription, delivery, hopeless);
        if is_notification {
            let is_over = next.is_none_or(|again| again.dead != delivery.dead);
            self.failed(&topic, &subscription.protocol, delivery.dead, is_over);
        }
        match &next {
            Some(Again { attempts, .. }) => {
                tracing::debug!(reason, uuid = delivery.uuid, attempts, "a notification is tried again");
            }
            None => {
                let endpoint = &subscription.endpoint;
                tracing::warn!(reason, endpoint, uuid = delivery.uuid, "a notification was not delivered");
            }
        }
        next
    }

    /// Whether and when it is tried again, or goes to the dead-letter queue.
    fn next(
        &self,
        topic: &TopicRecord,
        subscription: &SubscriptionRecord,
        delivery: &Delivery,
        hopeless: bool,
    ) -> Option<Again> {
        let failed = delivery.attempts + 1;
        let policy = match subscription.protocol.as_str() {
            "http" | "https" if !delivery.dead => delivery_policy::of_delivery(topic, subscription).retry,
            _ => delivery_policy::MANAGED,
        };
        let delay_ms = policy.delay_ms(failed).filter(|_| !hopeless);
        if let Some(delay_ms) = delay_ms {
            return Some(Again { due_ms: self.now_ms() + delay_ms, attempts: failed, dead: delivery.dead });
        }
        // One that asks for a confirmation is of no use to anybody else.
        let is_confirmation = !matches!(subscription.confirmation, Confirmation::Confirmed { .. });
        let to_dead_letters = !delivery.dead
            && !is_confirmation
            && subscription::dead_letter_queue(topic, subscription).is_some();
        to_dead_letters.then(|| Again { due_ms: self.now_ms(), attempts: 0, dead: true })
    }
}

/// A delivery that is running.
struct Running {
    sns: Arc<Sns>,
    lane: Lane,
    delivery: u64,
}

impl Running {
    async fn run(self, delivery: Delivery) {
        let again = self.sns.attempt(&self.lane, &delivery).await;
        crash::edge("sns", "sent");
        let store = self.sns.store();
        // As often as it takes: what has been sent must not be sent anew because the disk is full.
        while let Err(error) = match again {
            Some(again) => store.again(delivery.id, again).await,
            None => store.settle(delivery.id, self.sns.now_ms()).await,
        } {
            tracing::error!(%error, uuid = delivery.uuid, "what came of a notification could not be written down; trying again");
            tokio::time::sleep(Duration::from_millis(AFTER_TROUBLE_MS)).await;
        }
    }
}

/// Also when it panics: the room comes back, and the lane is looked at again.
impl Drop for Running {
    fn drop(&mut self) {
        let now_ms = self.sns.now_ms();
        self.sns.backlog().ended(&self.lane, self.delivery, now_ms);
        self.sns.changed.notify_one();
    }
}
