//! Which subscriptions something is on its way to, and how much of it is being delivered.

use std::collections::BTreeMap;

use lambent_ports::topic_store::Lane;

/// Deliveries at the same time, of all subscriptions and of one: an endpoint that hangs doesn't hold the others up.
const MAX_RUNNING: usize = 128;
const MAX_RUNNING_OF_ONE: usize = 32;

#[derive(Debug, Default)]
struct Waiting {
    due_ms: u64,
    /// Its endpoint must be left in peace until then.
    not_before_ms: u64,
    running: Vec<u64>,
}

/// In memory only; the store has what it is about.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    lanes: BTreeMap<Lane, Waiting>,
    running: usize,
}

impl Backlog {
    /// Something is due for a subscription.
    pub(crate) fn due(&mut self, lane: Lane, due_ms: u64) {
        let waiting = self.lanes.entry(lane).or_insert(Waiting { due_ms, ..Default::default() });
        waiting.due_ms = waiting.due_ms.min(due_ms);
    }

    /// Subscriptions whose turn it is, each with what is being delivered to it and with how many more may be. Nothing is due of
    /// them any more, until somebody says so.
    pub(crate) fn turns(&mut self, now_ms: u64) -> Vec<(Lane, Vec<u64>, usize)> {
        let mut room = MAX_RUNNING - self.running;
        let mut turns = Vec::new();
        for (lane, waiting) in &mut self.lanes {
            let more = MAX_RUNNING_OF_ONE.saturating_sub(waiting.running.len()).min(room);
            if waiting.due_ms.max(waiting.not_before_ms) <= now_ms && more > 0 {
                waiting.due_ms = u64::MAX;
                room -= more;
                turns.push((lane.clone(), waiting.running.clone(), more));
            }
        }
        turns
    }

    pub(crate) fn began(&mut self, lane: &Lane, delivery: u64) {
        if let Some(waiting) = self.lanes.get_mut(lane) {
            waiting.running.push(delivery);
            self.running += 1;
        }
    }

    /// There may be more at `due_ms`.
    pub(crate) fn ended(&mut self, lane: &Lane, delivery: u64, due_ms: u64) {
        if let Some(waiting) = self.lanes.get_mut(lane) {
            let before = waiting.running.len();
            waiting.running.retain(|running| *running != delivery);
            self.running -= before - waiting.running.len();
            waiting.due_ms = waiting.due_ms.min(due_ms);
        }
    }

    /// Leaves an endpoint in peace for a while.
    pub(crate) fn pause(&mut self, lane: &Lane, until_ms: u64) {
        if let Some(waiting) = self.lanes.get_mut(lane) {
            waiting.not_before_ms = until_ms;
        }
    }

    /// Forgets those that nothing is on its way to.
    pub(crate) fn forget_idle(&mut self) {
        self.lanes.retain(|_, waiting| waiting.due_ms < u64::MAX || !waiting.running.is_empty());
    }

    /// When somebody's turn is. Nobody's is while there is no room: the end of a delivery makes some.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        if self.running >= MAX_RUNNING {
            return None;
        }
        let with_room = self.lanes.values().filter(|waiting| waiting.running.len() < MAX_RUNNING_OF_ONE);
        let due = with_room.filter(|waiting| waiting.due_ms < u64::MAX);
        due.map(|waiting| waiting.due_ms.max(waiting.not_before_ms)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambent_ports::topic_store::TopicId;

    fn lane(name: &str) -> Lane {
        Lane { topic: TopicId(1), subscription: name.into() }
    }

    #[test]
    fn one_that_hangs_leaves_room_for_others() {
        let mut backlog = Backlog::default();
        backlog.due(lane("hangs"), 5);
        assert_eq!(backlog.turns(4), []);
        assert_eq!(backlog.turns(5), [(lane("hangs"), vec![], MAX_RUNNING_OF_ONE)]);
        for id in 0..MAX_RUNNING_OF_ONE as u64 {
            backlog.began(&lane("hangs"), id);
        }
        backlog.due(lane("hangs"), 5);
        assert_eq!((backlog.turns(9), backlog.next_due_ms()), (vec![], None));
        backlog.due(lane("other"), 7);
        assert_eq!(backlog.next_due_ms(), Some(7));
        assert_eq!(backlog.turns(9).len(), 1);
        backlog.ended(&lane("hangs"), 3, 20);
        assert_eq!(backlog.turns(9)[0].2, 1);
        backlog.forget_idle();
        assert_eq!(backlog.lanes.len(), 1, "the one that has something running");
    }

    #[test]
    fn one_that_is_paused_is_left_in_peace() {
        let mut backlog = Backlog::default();
        backlog.due(lane("slow"), 5);
        backlog.pause(&lane("slow"), 1_005);
        assert_eq!((backlog.turns(1_004), backlog.next_due_ms()), (vec![], Some(1_005)));
        assert_eq!(backlog.turns(1_005).len(), 1);
    }
}
