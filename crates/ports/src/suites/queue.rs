//! What every queue does: it behaves as a simple model in memory does, whatever is done to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::queue::{Claimed, Counts, NewMessage, Queue, QueueError, Receipt, Wanted};

/// Queues that [`behaves_as_the_model`] may ask for.
const CASES: u32 = 96;
const QUEUES: [&str; 3] = ["a", "ab", "b/c"];

/// The reference: everything in memory, nothing clever.
#[derive(Default)]
pub struct MemoryQueue(Mutex<Messages>);

#[derive(Default)]
struct Messages {
    last: u64,
    by_id: BTreeMap<u64, Message>,
}

#[derive(Clone)]
struct Message {
    queue: String,
    body: Bytes,
    attributes: Bytes,
    enqueued_ms: u64,
    due_ms: u64,
    epoch: u64,
    leased: bool,
}

impl Messages {
    fn insert(&mut self, queue: &str, new: NewMessage, now_ms: u64) {
        self.last += 1;
        let message = Message {
            queue: queue.to_owned(),
            body: new.body,
            attributes: new.attributes,
            enqueued_ms: now_ms,
            due_ms: new.visible_at_ms,
            epoch: 0,
            leased: false,
        };
        self.by_id.insert(self.last, message);
    }

    fn held(&mut self, queue: &str, receipt: Receipt) -> Result<&mut Message, QueueError> {
        let held = |message: &&mut Message| {
            message.queue == queue && message.leased && message.epoch == receipt.epoch
        };
        self.by_id.get_mut(&receipt.message).filter(held).ok_or(QueueError::Stale)
    }

    fn of<'a>(&'a self, queue: &'a str) -> impl Iterator<Item = (&'a u64, &'a Message)> {
        self.by_id.iter().filter(move |(_, message)| message.queue == queue)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn enqueue(&self, queue: &str, message: NewMessage, now_ms: u64) -> Result<(), QueueError> {
        self.0.lock().unwrap().insert(queue, message, now_ms);
        Ok(())
    }

    async fn claim(&self, queue: &str, wanted: Wanted, now_ms: u64) -> Result<Vec<Claimed>, QueueError> {
        let mut messages = self.0.lock().unwrap();
        let mut due: Vec<(u64, u64)> = messages
            .of(queue)
            .filter(|(_, message)| message.due_ms <= now_ms)
            .map(|(id, message)| (message.due_ms, *id))
            .collect();
        due.sort_unstable();
        let (mut claimed, mut bytes): (Vec<Claimed>, usize) = (Vec::new(), 0);
        for (_, id) in due.into_iter().take(wanted.messages) {
            let message = messages.by_id.get_mut(&id).unwrap();
            bytes += message.body.len();
            if !claimed.is_empty() && bytes > wanted.bytes {
                break;
            }
            message.epoch += 1;
            message.leased = true;
            message.due_ms = now_ms + wanted.lease_ms;
            claimed.push(Claimed {
                receipt: Receipt { message: id, epoch: message.epoch },
                body: message.body.clone(),
                attributes: message.attributes.clone(),
                enqueued_ms: message.enqueued_ms,
            });
        }
        Ok(claimed)
    }

    async fn settle(
        &self,
        queue: &str,
        receipt: Receipt,
        then: Vec<(String, NewMessage)>,
        now_ms: u64,
    ) -> Result<(), QueueError> {
        let mut messages = self.0.lock().unwrap();
        messages.held(queue, receipt)?;
        messages.by_id.remove(&receipt.message);
        for (queue, message) in then {
            messages.insert(&queue, message, now_ms);
        }
        Ok(())
    }

    async fn release(
        &self,
        queue: &str,
        receipt: Receipt,
        visible_at_ms: u64,
        attributes: Bytes,
    ) -> Result<(), QueueError> {
        let mut messages = self.0.lock().unwrap();
        let message = messages.held(queue, receipt)?;
        (message.leased, message.due_ms, message.attributes) = (false, visible_at_ms, attributes);
        Ok(())
    }

    async fn extend(&self, queue: &str, receipt: Receipt, until_ms: u64) -> Result<(), QueueError> {
        self.0.lock().unwrap().held(queue, receipt)?.due_ms = until_ms;
        Ok(())
    }

    async fn reclaim(&self, queue: &str, now_ms: u64) -> Result<u64, QueueError> {
        let mut messages = self.0.lock().unwrap();
        let held = messages.by_id.values_mut().filter(|message| message.queue == queue && message.leased);
        Ok(held.map(|message| (message.leased, message.due_ms) = (false, now_ms)).count() as u64)
    }

    async fn purge(&self, queue: &str) -> Result<u64, QueueError> {
        let mut messages = self.0.lock().unwrap();
        let before = messages.by_id.len();
        messages.by_id.retain(|_, message| message.queue != queue);
        Ok((before - messages.by_id.len()) as u64)
    }

    async fn next_due_ms(&self, queue: &str) -> Result<Option<u64>, QueueError> {
        Ok(self.0.lock().unwrap().of(queue).map(|(_, message)| message.due_ms).min())
    }

    async fn queues(&self, prefix: &str) -> Result<Vec<String>, QueueError> {
        let messages = self.0.lock().unwrap();
        let mut names: Vec<_> = messages.by_id.values().map(|message| message.queue.clone()).collect();
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn counts(&self, queue: &str, now_ms: u64) -> Result<Counts, QueueError> {
        let mut counts = Counts::default();
        for (_, message) in self.0.lock().unwrap().of(queue) {
            match message {
                message if message.due_ms <= now_ms => counts.visible += 1,
                message if message.leased => counts.leased += 1,
                _ => counts.delayed += 1,
            }
        }
        Ok(counts)
    }
}

/// Something done to a queue; times are relative to now, receipts are picked from all that were ever given.
#[derive(Clone, Debug)]
enum Step {
    /// The wall clock may be set back.
    Clock(i64),
    /// Messages that come at the same time share a commit.
    Enqueue {
        queue: usize,
        messages: usize,
        size: usize,
        delay_ms: u64,
    },
    Claim {
        queue: usize,
        messages: usize,
        bytes: usize,
        lease_ms: u64,
    },
    Settle {
        receipt: prop::sample::Index,
        then: Option<usize>,
    },
    Release {
        receipt: prop::sample::Index,
        delay_ms: u64,
    },
    Extend {
        receipt: prop::sample::Index,
        delay_ms: u64,
    },
    Reclaim(usize),
    Purge(usize),
    /// The storage is closed and opened again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..QUEUES.len();
    let receipt = any::<prop::sample::Index>();
    prop_oneof![
        3 => (-20i64..60).prop_map(Step::Clock),
        6 => (queue.clone(), 1usize..4, 0usize..9_000, 0u64..40)
            .prop_map(|(queue, messages, size, delay_ms)| Step::Enqueue { queue, messages, size, delay_ms }),
        6 => (queue.clone(), 0usize..5, 0usize..12_000, 1u64..80)
            .prop_map(|(queue, messages, bytes, lease_ms)| Step::Claim { queue, messages, bytes, lease_ms }),
        4 => (receipt.clone(), prop::option::of(queue.clone()))
            .prop_map(|(receipt, then)| Step::Settle { receipt, then }),
        3 => (receipt.clone(), 0u64..60).prop_map(|(receipt, delay_ms)| Step::Release { receipt, delay_ms }),
        2 => (receipt, 0u64..60).prop_map(|(receipt, delay_ms)| Step::Extend { receipt, delay_ms }),
        1 => queue.clone().prop_map(Step::Reclaim),
        1 => queue.prop_map(Step::Purge),
        1 => Just(Step::Reopen),
    ]
}

struct Pair {
    model: MemoryQueue,
    queue: Arc<dyn Queue>,
    now_ms: u64,
    /// With the queue that each is of.
    receipts: Vec<(usize, Receipt)>,
    next: u8,
}

impl Pair {
    fn message(&mut self, size: usize, delay_ms: u64) -> NewMessage {
        self.next = self.next.wrapping_add(1);
        NewMessage {
            body: Bytes::from(vec![self.next; size]),
            attributes: Bytes::from(vec![self.next, 0, 255]),
            visible_at_ms: self.now_ms + delay_ms,
        }
    }

    fn picked(&self, index: &prop::sample::Index) -> (&'static str, Receipt) {
        // A receipt that nobody was given is as stale as any.
        let none = (0, Receipt { message: 77, epoch: 1 });
        let (queue, receipt) = if self.receipts.is_empty() { none } else { *index.get(&self.receipts) };
        (QUEUES[queue], receipt)
    }

    async fn step(&mut self, step: Step) {
        let now_ms = self.now_ms;
        match step {
            Step::Clock(by_ms) => self.now_ms = self.now_ms.saturating_add_signed(by_ms),
            Step::Reopen => {}
            Step::Enqueue { queue, messages, size, delay_ms } => {
                let group: Vec<_> = (0..messages).map(|_| self.message(size, delay_ms)).collect();
                for message in &group {
                    self.model.enqueue(QUEUES[queue], message.clone(), now_ms).await.unwrap();
                }
                let enqueue = |message| self.queue.enqueue(QUEUES[queue], message, now_ms);
                for enqueued in join_all(group.into_iter().map(enqueue)).await {
                    assert_eq!(enqueued, Ok(()));
                }
            }
            Step::Claim { queue, messages, bytes, lease_ms } => {
                let wanted = Wanted { messages, bytes, lease_ms };
                let expected = self.model.claim(QUEUES[queue], wanted, now_ms).await.unwrap();
                assert_eq!(self.queue.claim(QUEUES[queue], wanted, now_ms).await.unwrap(), expected);
                self.receipts.extend(expected.iter().map(|claimed| (queue, claimed.receipt)));
            }
            Step::Settle { receipt, then } => {
                let (queue, receipt) = self.picked(&receipt);
                let then: Vec<_> =
                    then.map(|to| (QUEUES[to].to_owned(), self.message(10, 5))).into_iter().collect();
                let expected = self.model.settle(queue, receipt, then.clone(), now_ms).await;
                assert_eq!(self.queue.settle(queue, receipt, then, now_ms).await, expected);
            }
            Step::Release { receipt, delay_ms } => {
                let (queue, receipt) = self.picked(&receipt);
                let (at, attributes) = (now_ms + delay_ms, Bytes::from(format!("released at {now_ms}")));
                let expected = self.model.release(queue, receipt, at, attributes.clone()).await;
                assert_eq!(self.queue.release(queue, receipt, at, attributes).await, expected);
            }
            Step::Extend { receipt, delay_ms } => {
                let (queue, receipt) = self.picked(&receipt);
                let expected = self.model.extend(queue, receipt, now_ms + delay_ms).await;
                assert_eq!(self.queue.extend(queue, receipt, now_ms + delay_ms).await, expected);
            }
            Step::Reclaim(queue) => {
                let expected = self.model.reclaim(QUEUES[queue], now_ms).await;
                assert_eq!(self.queue.reclaim(QUEUES[queue], now_ms).await, expected);
            }
            Step::Purge(queue) => {
                let expected = self.model.purge(QUEUES[queue]).await;
                assert_eq!(self.queue.purge(QUEUES[queue]).await, expected);
            }
        }
    }

    async fn looks_the_same(&self) {
        for queue in QUEUES {
            let expected = self.model.counts(queue, self.now_ms).await;
            assert_eq!(self.queue.counts(queue, self.now_ms).await, expected);
            assert_eq!(self.queue.next_due_ms(queue).await, self.model.next_due_ms(queue).await);
        }
        for prefix in ["", "a", "b/", "none"] {
            assert_eq!(self.queue.queues(prefix).await, self.model.queues(prefix).await);
        }
    }
}

/// Does random things to a queue and to the model. `open` is called with the number of the case, again and again with
/// the same one when the storage is to be opened anew: after the queue that it gave before has been dropped.
pub fn behaves_as_the_model(open: impl Fn(u32) -> Arc<dyn Queue>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let case = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..60);
    let result = runner.run(&steps, |steps| {
        case.set(case.get() + 1);
        let (model, queue) = (MemoryQueue::default(), open(case.get()));
        let mut pair = Pair { model, queue, now_ms: 1_000, receipts: Vec::new(), next: 0 };
        runtime.block_on(async {
            for step in steps {
                if let Step::Reopen = step {
                    pair.queue = Arc::new(MemoryQueue::default());
                    pair.queue = open(case.get());
                }
                pair.step(step).await;
                pair.looks_the_same().await;
            }
        });
        Ok(())
    });
    result.unwrap();
}
