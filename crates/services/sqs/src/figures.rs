//! What queues tell of themselves in CloudWatch, by AWS's names and units. What is done is told as it is done; how much there
//! is, once a minute, of queues that somebody used within six hours, as AWS documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lambent_domain::Distribution;
use lambent_ports::message_store::{MessageStoreError, QueueId, QueueRecord};
use lambent_ports::meter::Meter;
use lambent_ports::metric_store::{Datum, Metric};

use crate::Sqs;

const ACTIVE_MS: u64 = 6 * 3_600_000;

/// Figures of queues on their way.
pub(crate) struct Figures {
    meter: Arc<dyn Meter>,
    /// When each queue was used last.
    used: Mutex<HashMap<QueueId, u64>>,
}

impl Figures {
    pub(crate) fn new(meter: Arc<dyn Meter>) -> Self {
        Figures { meter, used: Mutex::default() }
    }

    fn add(&self, queue: &QueueRecord, name: &str, unit: &str, values: Distribution, now_ms: u64) {
        let metric = Metric {
            namespace: "AWS/SQS".to_owned(),
            name: name.to_owned(),
            dimensions: [("QueueName".to_owned(), queue.name.clone())].into(),
        };
        let datum = Datum { metric, unit: unit.to_owned(), time_ms: now_ms, by_second: false, values };
        self.meter.add(&queue.scope, datum);
    }

    fn count(&self, queue: &QueueRecord, name: &str, count: usize, now_ms: u64) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.id, now_ms);
        self.add(queue, name, "Count", Distribution::one(count as f64), now_ms);
    }

    /// Messages of these sizes were sent.
    pub(crate) fn sent(&self, queue: &QueueRecord, bytes: &[usize], now_ms: u64) {
        if bytes.is_empty() {
            return;
        }
        self.count(queue, "NumberOfMessagesSent", bytes.len(), now_ms);
        let mut sizes = Distribution::default();
        bytes.iter().for_each(|size| sizes.add(*size as f64, 1.0));
        self.add(queue, "SentMessageSize", "Bytes", sizes, now_ms);
    }

    /// So many messages went out with an answer.
    pub(crate) fn received(&self, queue: &QueueRecord, count: usize, now_ms: u64) {
        match count {
            0 => self.count(queue, "NumberOfEmptyReceives", 1, now_ms),
            _ => self.count(queue, "NumberOfMessagesReceived", count, now_ms),
        }
    }

    /// So many were deleted.
    pub(crate) fn deleted(&self, queue: &QueueRecord, count: usize, now_ms: u64) {
        if count > 0 {
            self.count(queue, "NumberOfMessagesDeleted", count, now_ms);
        }
    }

    /// Queues that were used not long ago.
    fn active(&self, queues: Vec<Arc<QueueRecord>>, now_ms: u64) -> Vec<Arc<QueueRecord>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, used_ms| now_ms.saturating_sub(*used_ms) < ACTIVE_MS);
        queues.into_iter().filter(|queue| used.contains_key(&queue.id)).collect()
    }
}

impl Sqs {
    /// Tells how much there is in queues: for once a minute.
    pub async fn measure(&self) -> Result<(), MessageStoreError> {
        let now_ms = self.clock.now_ms();
        for queue in self.figures.active(self.store.all_queues(), now_ms) {
            let (counts, oldest_ms) = match (
                self.store.counts(queue.id, now_ms).await,
                self.store.oldest_sent_ms(queue.id).await,
            ) {
                // Deleted a moment ago.
                (Err(MessageStoreError::QueueGone), _) | (_, Err(MessageStoreError::QueueGone)) => continue,
                (counts, oldest_ms) => (counts?, oldest_ms?),
            };
            let age_s = oldest_ms.map_or(0, |sent_ms| now_ms.saturating_sub(sent_ms) / 1_000);
            for (name, unit, value) in [
                ("ApproximateNumberOfMessagesVisible", "Count", counts.visible),
                ("ApproximateNumberOfMessagesNotVisible", "Count", counts.in_flight),
                ("ApproximateNumberOfMessagesDelayed", "Count", counts.delayed),
                ("ApproximateAgeOfOldestMessage", "Seconds", age_s),
            ] {
                self.figures.add(&queue, name, unit, Distribution::one(value as f64), now_ms);
            }
        }
        Ok(())
    }
}
