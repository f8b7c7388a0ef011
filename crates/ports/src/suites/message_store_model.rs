//! Every [`MessageStore`] behaves as a simple model in memory does, whatever is done to it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::message_store::scope;
use crate::message_store::{
    DeadLetters, Deduplication, MessageCounts, MessageStore, MessageStoreError, MoveState, MoveTo,
    NewMessage, NewMove, QueueId, Receipt, Receive, Received, Redeemed, Sent, Taken, Unmovable,
};

/// Runs of [`behaves_as_the_model`].
const CASES: u32 = 64;
/// The second half takes the dead letters of the first.
const QUEUES: [&str; 4] = ["work", "work.fifo", "dead", "dead.fifo"];
const GROUPS: u8 = 2;

fn is_fifo(queue: usize) -> bool {
    QUEUES[queue].ends_with(".fifo")
}

fn dead_letters_of(queue: usize) -> usize {
    queue % 2 + 2
}

fn arn(queue: usize) -> String {
    format!("arn:{}", QUEUES[queue])
}

#[derive(Clone)]
struct Message {
    queue: usize,
    new: NewMessage,
    due_ms: u64,
    leased: bool,
    epoch: u64,
    receives: u32,
    first_received_ms: Option<u64>,
    sent_ms: u64,
    source: Option<String>,
}

impl Message {
    fn in_flight(&self, now_ms: u64) -> bool {
        self.leased && self.due_ms > now_ms
    }
}

/// The reference: every message of every queue in one map, nothing clever.
#[derive(Default)]
struct Model {
    last: u64,
    by_id: BTreeMap<u64, Message>,
    /// By queue, id and group: until when, and what was answered.
    duplicates: BTreeMap<(usize, String, String), (u64, Sent)>,
}

impl Model {
    fn of(&self, queue: usize) -> impl Iterator<Item = (u64, &Message)> {
        self.by_id
            .iter()
            .filter(move |(_, message)| message.queue == queue)
            .map(|(id, message)| (*id, message))
    }

    fn send(&mut self, queue: usize, new: NewMessage, now_ms: u64) -> Sent {
        let group = new.group.clone().unwrap_or_default();
        if let Some(Deduplication { id, per_group, .. }) = &new.deduplication {
            let first = self.duplicates.iter().find(|((of, known, in_group), (until_ms, _))| {
                *of == queue && known == id && *until_ms > now_ms && (!per_group || *in_group == group)
            });
            if let Some((_, (_, sent))) = first {
                return Sent { duplicate: true, ..sent.clone() };
            }
        }
        let sent = Sent { uuid: new.uuid.clone(), sequence: self.last + 1, duplicate: false };
        if let Some(Deduplication { id, until_ms, .. }) = &new.deduplication {
            self.duplicates.insert((queue, id.clone(), group), (*until_ms, sent.clone()));
        }
        self.insert(queue, new, now_ms);
        sent
    }

    /// In the order in which they are given out.
    fn due(&self, queue: usize, now_ms: u64, wanted: usize) -> Vec<u64> {
        let mut due: Vec<(u64, u64)> = match is_fifo(queue) {
            false => self.of(queue).map(|(id, message)| (message.due_ms, id)).collect(),
            true => self.heads(queue).into_iter().map(|id| (self.by_id[&id].due_ms, id)).collect(),
        };
        due.retain(|(due_ms, _)| *due_ms <= now_ms);
        due.sort_unstable();
        if !is_fifo(queue) {
            return due.into_iter().take(wanted).map(|(_, id)| id).collect();
        }
        let Some((_, head)) = due.first() else { return Vec::new() };
        let group = &self.by_id[head].new.group;
        let of_group = self.of(queue).filter(|(_, message)| message.new.group == *group);
        let run = of_group.take(wanted).take_while(|(_, message)| message.due_ms <= now_ms);
        run.map(|(id, _)| id).collect()
    }

    /// The first message of each group.
    fn heads(&self, queue: usize) -> Vec<u64> {
        let mut heads = BTreeMap::new();
        for (id, message) in self.of(queue) {
            heads.entry(message.new.group.clone()).or_insert(id);
        }
        heads.into_values().collect()
    }

    fn receive(&mut self, queue: usize, receive: &Receive, now_ms: u64) -> Result<Taken, MessageStoreError> {
        let in_flight = self.of(queue).filter(|(_, message)| message.in_flight(now_ms)).count() as u64;
        if in_flight >= receive.max_in_flight {
            return Err(MessageStoreError::TooManyInFlight);
        }
        let mut taken = Taken::default();
        while taken.messages.len() < receive.max {
            let due = self.due(queue, now_ms, receive.max - taken.messages.len());
            if due.is_empty() {
                break;
            }
            for id in due {
                self.take(id, queue, receive, now_ms, &mut taken);
            }
            if receive.until_ms <= now_ms {
                break;
            }
        }
        Ok(taken)
    }

    fn take(&mut self, id: u64, queue: usize, receive: &Receive, now_ms: u64, taken: &mut Taken) {
        let message = self.by_id.get_mut(&id).unwrap();
        let dead = receive.dead_letters.as_ref().filter(|dead| message.receives >= dead.max_receives);
        if message.sent_ms <= receive.sent_after_ms {
            self.by_id.remove(&id);
        } else if let Some(dead) = dead {
            message.source = Some(dead.source.clone());
            self.carry(id, dead_letters_of(queue), now_ms);
            taken.dead += 1;
        } else {
            message.due_ms = receive.until_ms;
            message.leased = receive.until_ms > now_ms;
            message.epoch += 1;
            message.receives += 1;
            let first_received_ms = *message.first_received_ms.get_or_insert(now_ms);
            taken.messages.push(Received {
                receipt: Receipt { message: id, epoch: message.epoch },
                uuid: message.new.uuid.clone(),
                body: message.new.body.clone(),
                attributes: message.new.attributes.clone(),
                sequence: id,
                sent_ms: message.sent_ms,
                first_received_ms,
                receives: message.receives,
                source: message.source.clone(),
            });
        }
    }

    fn carry(&mut self, id: u64, to: usize, now_ms: u64) {
        let message = self.by_id.get_mut(&id).unwrap();
        (message.queue, message.due_ms, message.leased) = (to, now_ms, false);
        message.epoch += 1;
        if message.new.group.is_some() {
            message.sent_ms = now_ms;
        }
    }

    /// The message that a receipt is good for.
    fn held(&mut self, queue: usize, receipt: Receipt, now_ms: u64) -> Result<&mut Message, Redeemed> {
        let message = self.by_id.get_mut(&receipt.message).filter(|message| message.queue == queue);
        let message = message.ok_or(Redeemed::Gone)?;
        let current = message.epoch == receipt.epoch;
        match is_fifo(queue) {
            true if !current || message.due_ms <= now_ms => Err(Redeemed::Expired),
            false if !current => Err(Redeemed::Gone),
            _ => Ok(message),
        }
    }

    fn delete(&mut self, queue: usize, receipt: Receipt, now_ms: u64) -> Redeemed {
        if let Err(refused) = self.held(queue, receipt, now_ms) {
            return refused;
        }
        self.by_id.remove(&receipt.message);
        Redeemed::Done
    }

    fn set_visibility(&mut self, queue: usize, receipt: Receipt, until_ms: u64, now_ms: u64) -> Redeemed {
        match self.held(queue, receipt, now_ms) {
            Err(refused) => refused,
            Ok(message) => {
                (message.due_ms, message.leased) = (until_ms, until_ms > now_ms);
                Redeemed::Done
            }
        }
    }

    /// To one queue, or each back to where it came from.
    fn move_messages(&mut self, from: usize, to: Option<usize>, uuids: &[String], now_ms: u64) -> MovedTo {
        let mut moved = MovedTo::default();
        while moved.went.len() < uuids.len() && !moved.stopped {
            let due = self.due(from, now_ms, uuids.len() - moved.went.len());
            if due.is_empty() {
                break;
            }
            for id in due {
                let source = self.by_id[&id].source.clone();
                let origin = (0..QUEUES.len()).find(|queue| source == Some(arn(*queue)));
                let Some(target) = to.or(origin) else {
                    moved.stopped = true;
                    break;
                };
                let old = self.by_id.remove(&id).unwrap();
                let uuid = uuids[moved.went.len()].clone();
                let new = NewMessage { uuid, due_ms: now_ms, deduplication: None, ..old.new };
                self.insert(target, new, now_ms);
                moved.went.push(target);
            }
        }
        moved
    }

    fn insert(&mut self, queue: usize, new: NewMessage, now_ms: u64) {
        self.last += 1;
        let message = Message {
            queue,
            due_ms: new.due_ms,
            new,
            leased: false,
            epoch: 0,
            receives: 0,
            first_received_ms: None,
            sent_ms: now_ms,
            source: None,
        };
        self.by_id.insert(self.last, message);
    }

    fn purge(&mut self, queue: usize) {
        self.by_id.retain(|_, message| message.queue != queue);
        self.duplicates.retain(|(of, ..), _| *of != queue);
    }

    fn sweep(&mut self, retention_ms: u64, now_ms: u64) {
        self.by_id.retain(|_, message| message.sent_ms > now_ms.saturating_sub(retention_ms));
        self.duplicates.retain(|_, (until_ms, _)| *until_ms > now_ms);
    }

    fn next_due_ms(&self, queue: usize) -> Option<u64> {
        match is_fifo(queue) {
            true => self.heads(queue).into_iter().map(|id| self.by_id[&id].due_ms).min(),
            false => self.of(queue).map(|(_, message)| message.due_ms).min(),
        }
    }

    fn counts(&self, queue: usize, now_ms: u64) -> MessageCounts {
        let mut counts = MessageCounts::default();
        for (_, message) in self.of(queue) {
            match message {
                message if message.due_ms <= now_ms => counts.visible += 1,
                message if message.leased => counts.in_flight += 1,
                _ => counts.delayed += 1,
            }
        }
        counts
    }
}

/// What became of a move.
#[derive(Default)]
struct MovedTo {
    went: Vec<usize>,
    /// At a message that came from nowhere.
    stopped: bool,
}

/// Something done to a store. Receipts are picked from all that were ever given: late ones, and those of messages that
/// have gone elsewhere.
#[derive(Clone, Debug)]
enum Step {
    /// The wall clock may be set back.
    Clock(i64),
    Send {
        queue: usize,
        messages: usize,
        delay_ms: u64,
        group: u8,
        /// An id, and whether it counts within its group only.
        deduplication: Option<(u8, bool)>,
    },
    Receive {
        queue: usize,
        max: usize,
        lease_ms: u64,
        max_in_flight: u64,
        retention_ms: u64,
        max_receives: Option<u32>,
    },
    Delete(Vec<Index>),
    SetVisibility(Index, u64),
    /// From dead letters, to one queue or back to where they came from.
    Move {
        fifo: bool,
        back: bool,
        max: usize,
    },
    Purge(usize),
    Sweep(u64),
    /// The storage is closed and opened again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..QUEUES.len();
    let receipt = any::<Index>();
    let deduplication = prop::option::of((0u8..3, any::<bool>()));
    prop_oneof![
        3 => (-20i64..60).prop_map(Step::Clock),
        8 => (queue.clone(), 1usize..4, prop::sample::select(vec![0u64, 0, 30]), 0..GROUPS, deduplication).prop_map(
            |(queue, messages, delay_ms, group, deduplication)| {
                Step::Send { queue, messages, delay_ms, group, deduplication }
            }
        ),
        10 => (queue.clone(), 1usize..6, 0u64..60, 1u64..8, 50u64..2_000, prop::option::of(1u32..3)).prop_map(
            |(queue, max, lease_ms, max_in_flight, retention_ms, max_receives)| {
                Step::Receive { queue, max, lease_ms, max_in_flight, retention_ms, max_receives }
            }
        ),
        4 => prop::collection::vec(receipt.clone(), 1..4).prop_map(Step::Delete),
        4 => (receipt, 0u64..60).prop_map(|(receipt, lease_ms)| Step::SetVisibility(receipt, lease_ms)),
        2 => (any::<bool>(), any::<bool>(), 1usize..4).prop_map(|(fifo, back, max)| Step::Move { fifo, back, max }),
        1 => queue.prop_map(Step::Purge),
        1 => (100u64..2_000).prop_map(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

struct Pair {
    model: Model,
    store: Arc<dyn MessageStore>,
    ids: Vec<QueueId>,
    now_ms: u64,
    /// With the queue that each is of.
    receipts: Vec<(usize, Receipt)>,
    next: u64,
}

impl Pair {
    async fn new(store: Arc<dyn MessageStore>) -> Self {
        let (mut ids, none) = (Vec::new(), BTreeMap::new);
        for name in QUEUES {
            ids.push(store.create_queue(&scope("us-east-1"), name, none(), none(), 1).await.unwrap().id);
        }
        Pair { model: Model::default(), store, ids, now_ms: 10_000, receipts: Vec::new(), next: 0 }
    }

    fn message(
        &mut self,
        queue: usize,
        delay_ms: u64,
        group: u8,
        deduplication: Option<(u8, bool)>,
    ) -> NewMessage {
        self.next += 1;
        NewMessage {
            uuid: format!("uuid-{}", self.next),
            body: "x".repeat(self.next as usize % 5_000),
            attributes: Bytes::from(self.next.to_string()),
            due_ms: self.now_ms + delay_ms,
            group: is_fifo(queue).then(|| group.to_string()),
            deduplication: deduplication.filter(|_| is_fifo(queue)).map(|(id, per_group)| Deduplication {
                id: id.to_string(),
                per_group,
                until_ms: self.now_ms + 100,
            }),
        }
    }

    fn picked(&self, index: &Index) -> (usize, Receipt) {
        // A receipt that nobody was given is worth nothing.
        let none = (0, Receipt { message: 77_777, epoch: 1 });
        if self.receipts.is_empty() { none } else { *index.get(&self.receipts) }
    }

    async fn step(&mut self, step: Step) {
        let now_ms = self.now_ms;
        match step {
            Step::Clock(by_ms) => self.now_ms = self.now_ms.saturating_add_signed(by_ms),
            Step::Reopen => {}
            Step::Send { queue, messages, delay_ms, group, deduplication } => {
                let new: Vec<_> =
                    (0..messages).map(|_| self.message(queue, delay_ms, group, deduplication)).collect();
                let expected: Vec<_> =
                    new.iter().map(|new| self.model.send(queue, new.clone(), now_ms)).collect();
                assert_eq!(self.store.send(self.ids[queue], new, now_ms).await, Ok(expected));
            }
            Step::Receive { queue, max, lease_ms, max_in_flight, retention_ms, max_receives } => {
                let dead_letters = max_receives.filter(|_| queue < 2).map(|max_receives| DeadLetters {
                    queue: self.ids[dead_letters_of(queue)],
                    max_receives,
                    source: arn(queue),
                });
                let (until_ms, sent_after_ms) = (now_ms + lease_ms, now_ms.saturating_sub(retention_ms));
                let receive = Receive { max, until_ms, sent_after_ms, max_in_flight, dead_letters };
                let expected = self.model.receive(queue, &receive, now_ms);
                assert_eq!(self.store.receive(self.ids[queue], receive, now_ms).await, expected);
                let taken = expected.unwrap_or_default();
                self.receipts.extend(taken.messages.iter().map(|message| (queue, message.receipt)));
            }
            Step::Delete(picked) => {
                let (queue, _) = self.picked(&picked[0]);
                let receipts: Vec<_> = picked.iter().map(|one| self.picked(one).1).collect();
                let expected: Vec<_> =
                    receipts.iter().map(|one| self.model.delete(queue, *one, now_ms)).collect();
                assert_eq!(self.store.delete(self.ids[queue], receipts, now_ms).await, Ok(expected));
            }
            Step::SetVisibility(picked, lease_ms) => {
                let (queue, receipt) = self.picked(&picked);
                let expected = self.model.set_visibility(queue, receipt, now_ms + lease_ms, now_ms);
                let changes = vec![(receipt, now_ms + lease_ms)];
                let changed = self.store.set_visibility(self.ids[queue], changes, now_ms).await;
                assert_eq!(changed, Ok(vec![expected]));
            }
            Step::Move { fifo, back, max } => {
                let (from, to) = (2 + usize::from(fifo), usize::from(fifo));
                self.next += 1;
                let uuids: Vec<_> = (0..max).map(|number| format!("moved-{}-{number}", self.next)).collect();
                let expected = self.model.move_messages(from, (!back).then_some(to), &uuids, now_ms);
                let target = match back {
                    true => MoveTo::Origins((0..2).map(|queue| (arn(queue), self.ids[queue])).collect()),
                    false => MoveTo::Queue(self.ids[to]),
                };
                let asked = NewMove {
                    uuid: format!("task-{}", self.next),
                    queue: self.ids[from],
                    destination: None,
                    max_per_second: None,
                    to_move: 0,
                    started_ms: now_ms,
                };
                let task = self.store.create_move(asked).await.unwrap();
                let moved = self.store.move_messages(task.id, target, uuids, now_ms).await.unwrap();
                let went: Vec<_> = expected.went.into_iter().map(|queue| self.ids[queue]).collect();
                let stopped = expected.stopped.then_some(Unmovable::NoOrigin);
                assert_eq!((moved.went, moved.stopped), (went, stopped));
                self.store.end_move(task.id, MoveState::Completed).await.unwrap();
            }
            Step::Purge(queue) => {
                self.model.purge(queue);
                self.store.purge_queue(self.ids[queue], now_ms).await.unwrap();
            }
            Step::Sweep(retention_ms) => {
                self.model.sweep(retention_ms, now_ms);
                let retention: Vec<_> = self.ids.iter().map(|id| (*id, retention_ms)).collect();
                while self.store.sweep(&retention, now_ms).await.unwrap() {}
            }
        }
    }

    async fn looks_the_same(&self) {
        for (queue, id) in self.ids.iter().enumerate() {
            let expected = self.model.counts(queue, self.now_ms);
            assert_eq!(self.store.counts(*id, self.now_ms).await, Ok(expected));
            assert_eq!(self.store.next_due_ms(*id).await, Ok(self.model.next_due_ms(queue)));
            let oldest_ms = self.model.of(queue).map(|(_, message)| message.sent_ms).min();
            assert_eq!(self.store.oldest_sent_ms(*id).await, Ok(oldest_ms));
        }
    }
}

/// Does random things to a store and to the model. `open` is called with the number of the case, again with the same one
/// when the storage is to be opened anew: after the store that it gave before has been dropped.
pub fn behaves_as_the_model(open: impl Fn(u32) -> Arc<dyn MessageStore>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let case = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&prop::collection::vec(step(), 1..80), |steps| {
        case.set(case.get() + 1);
        runtime.block_on(async {
            let mut pair = Pair::new(open(case.get())).await;
            for step in steps {
                if let Step::Reopen = step {
                    let Pair { model, store, ids, now_ms, receipts, next } = pair;
                    drop(store);
                    pair = Pair { model, store: open(case.get()), ids, now_ms, receipts, next };
                }
                pair.step(step).await;
                pair.looks_the_same().await;
            }
        });
        Ok(())
    });
    result.unwrap();
}
