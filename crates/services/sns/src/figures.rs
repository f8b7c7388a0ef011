//! What topics tell of themselves in CloudWatch, by AWS's names and units.

use lambent_domain::Distribution;
use lambent_ports::metric_store::{Datum, Metric};
use lambent_ports::topic_store::TopicRecord;

use crate::Sns;

impl Sns {
    fn figure(&self, topic: &TopicRecord, name: &str, unit: &str, values: Distribution) {
        let metric = Metric {
            namespace: "AWS/SNS".to_owned(),
            name: name.to_owned(),
            dimensions: [("TopicName".to_owned(), topic.name.clone())].into(),
        };
        let datum = Datum { metric, unit: unit.to_owned(), time_ms: self.now_ms(), by_second: false, values };
        self.parts.meter.add(&topic.scope, datum);
    }

    fn count(&self, topic: &TopicRecord, name: &str, count: usize) {
        if count > 0 {
            self.figure(topic, name, "Count", Distribution::one(count as f64));
        }
    }

    /// Messages of these sizes were published, and so many deliveries of them were not wanted.
    pub(crate) fn published(&self, topic: &TopicRecord, bytes: &[usize], filtered_out: usize) {
        if bytes.is_empty() {
            return;
        }
        self.count(topic, "NumberOfMessagesPublished", bytes.len());
        let mut sizes = Distribution::default();
        bytes.iter().for_each(|size| sizes.add(*size as f64, 1.0));
        self.figure(topic, "PublishSize", "Bytes", sizes);
        self.count(topic, "NumberOfNotificationsFilteredOut", filtered_out);
    }

    /// Somebody has taken a notification: its endpoint, or the dead-letter queue.
    pub(crate) fn delivered(&self, topic: &TopicRecord, dead: bool) {
        let name = if dead { "NumberOfNotificationsRedrivenToDlq" } else { "NumberOfNotificationsDelivered" };
        self.count(topic, name, 1);
    }

    /// An attempt has failed. Of HTTP endpoints each one counts, of others the last one (AWS documentation).
    pub(crate) fn failed(&self, topic: &TopicRecord, protocol: &str, dead: bool, is_over: bool) {
        let http = matches!(protocol, "http" | "https");
        match (dead, is_over) {
            (true, true) => self.count(topic, "NumberOfNotificationsFailedToRedriveToDlq", 1),
            (false, _) if is_over || http => self.count(topic, "NumberOfNotificationsFailed", 1),
            _ => {}
        }
    }
}
