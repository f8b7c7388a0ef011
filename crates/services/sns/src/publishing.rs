//! From a checked message to deliveries on disk.

use std::sync::Arc;

use lambent_ports::topic_store::{Lane, NewNotification, Published, SubscriptionRecord, TopicRecord};

use crate::message::Checked;
use crate::{Sns, SnsFault, subscription};

impl Sns {
    /// Publishes to every subscription that wants it. What is answered is on disk.
    pub(crate) async fn publish(
        &self,
        topic: &TopicRecord,
        messages: Vec<Checked>,
        now_ms: u64,
    ) -> Result<Vec<Published>, SnsFault> {
        let subscriptions = self.store().subscriptions(topic.id);
        let bytes: Vec<usize> = messages.iter().map(|message| message.bytes).collect();
        let notifications: Result<Vec<_>, SnsFault> =
            messages.into_iter().map(|message| self.notification(topic, &subscriptions, message)).collect();
        let notifications = notifications?;
        let mut told: Vec<String> = notifications.iter().flat_map(|one| one.to.clone()).collect();
        told.sort_unstable();
        told.dedup();
        let confirmed = subscriptions.iter().filter(|one| subscription::is_confirmed(one)).count();
        let wanted: usize = notifications.iter().map(|one| one.to.len()).sum();
        let published = self.store().publish(topic.id, notifications, now_ms).await?;
        self.published(topic, &bytes, confirmed * bytes.len() - wanted);
        self.is_due(topic, told, now_ms);
        Ok(published)
    }

    fn notification(
        &self,
        topic: &TopicRecord,
        subscriptions: &[Arc<SubscriptionRecord>],
        checked: Checked,
    ) -> Result<NewNotification, SnsFault> {
        let Checked { message, deduplication, .. } = checked;
        let wanted = subscriptions.iter().filter(|one| subscription::wants(one, &message));
        Ok(NewNotification {
            uuid: self.uuid(),
            content: message.stored()?,
            group: message.group.clone().filter(|_| topic.is_fifo()),
            deduplication,
            to: wanted.map(|one| one.id.clone()).collect(),
        })
    }

    /// Tells the worker.
    pub(crate) fn is_due(&self, topic: &TopicRecord, subscriptions: Vec<String>, now_ms: u64) {
        if subscriptions.is_empty() {
            return;
        }
        let mut backlog = self.backlog();
        for subscription in subscriptions {
            backlog.due(Lane { topic: topic.id, subscription }, now_ms);
        }
        drop(backlog);
        self.changed.notify_one();
    }
}
