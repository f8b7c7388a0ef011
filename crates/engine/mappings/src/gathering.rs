//! A batch in the making: closed when it is full, when its window is over, or when one more message would be too much for
//! an invoke.

use lambent_domain::limits::MAX_SYNC_REQUEST_BYTES;
use tokio::time::{Duration, Instant};

use crate::record::{Record, cost, frame};

/// Messages for one invoke.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    /// When the first of them was received.
    pub(crate) since: Instant,
    /// Of the event.
    pub(crate) bytes: usize,
}

/// What a mapping says of its batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) size: usize,
    /// None means that what one receive brings is a batch.
    pub(crate) window: Option<Duration>,
}

/// The batch that is being gathered.
#[derive(Debug)]
pub(crate) struct Gathering {
    limits: Limits,
    open: Option<Batch>,
}

impl Gathering {
    pub(crate) fn new(limits: Limits) -> Self {
        Gathering { limits, open: None }
    }

    /// How many messages more it takes.
    pub(crate) fn wants(&self) -> usize {
        self.limits.size - self.open.as_ref().map_or(0, |batch| batch.records.len())
    }

    /// When the batch is closed whatever comes.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        Some(self.open.as_ref()?.since + self.limits.window.unwrap_or_default())
    }

    /// Takes what was received; gives the batches that are closed by it.
    pub(crate) fn take(&mut self, records: Vec<Record>, now: Instant) -> Vec<Batch> {
        let mut closed = Vec::new();
        for record in records {
            let bytes = cost(&record);
            if self.open.as_ref().is_some_and(|batch| batch.bytes + bytes > MAX_SYNC_REQUEST_BYTES) {
                closed.extend(self.open.take());
            }
            let batch =
                self.open.get_or_insert_with(|| Batch { records: Vec::new(), since: now, bytes: frame() });
            batch.records.push(record);
            batch.bytes += bytes;
            if batch.records.len() == self.limits.size {
                closed.extend(self.open.take());
            }
        }
        if self.limits.window.is_none() {
            closed.extend(self.open.take());
        }
        closed
    }

    /// The batch as it is.
    pub(crate) fn close(&mut self) -> Option<Batch> {
        self.open.take()
    }
}

#[cfg(test)]
mod tests {
    use lambent_domain::trace_header::Lineage;

    use super::*;

    fn records(count: usize, bytes: usize) -> Vec<Record> {
        let record = |_| Record {
            message_id: "m".into(),
            receipt_handle: "r".into(),
            text: "x".repeat(bytes),
            lineage: Lineage::default(),
        };
        (0..count).map(record).collect()
    }

    fn sizes(batches: &[Batch]) -> Vec<usize> {
        batches.iter().map(|batch| batch.records.len()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_window_a_receive_is_a_batch() {
        let mut gathering = Gathering::new(Limits { size: 10, window: None });
        assert_eq!(sizes(&gathering.take(records(3, 10), Instant::now())), [3]);
        assert_eq!((gathering.wants(), gathering.closes_at()), (10, None));
        assert!(gathering.take(Vec::new(), Instant::now()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_begins_with_the_first_message_and_ends_with_the_last_place() {
        let window = Duration::from_secs(3);
        let mut gathering = Gathering::new(Limits { size: 12, window: Some(window) });
        let begun = Instant::now();
        assert!(gathering.take(records(10, 10), begun).is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((gathering.wants(), gathering.closes_at()), (2, Some(begun + window)));
        assert_eq!(sizes(&gathering.take(records(5, 10), Instant::now())), [12]);
        assert_eq!(gathering.closes_at(), Some(Instant::now() + window));
        assert_eq!(gathering.close().unwrap().records.len(), 3);
        assert!(gathering.close().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_never_larger_than_an_invoke_takes() {
        let mut gathering = Gathering::new(Limits { size: 100, window: Some(Duration::from_secs(1)) });
        let mut batches = gathering.take(records(10, 1_048_576), Instant::now());
        batches.extend(gathering.close());
        assert_eq!(sizes(&batches), [5, 5]);
        assert!(batches.iter().all(|batch| batch.bytes <= MAX_SYNC_REQUEST_BYTES));
    }
}
