//! Which functions have events, and how many attempts each may begin: all that is in memory of a backlog.
//!
//! Every function has a lane of its own. The share of attempts is dealt out among lanes that are due, those that waited
//! the longest first, and no lane gets more than half of it: a function that is slow, or has a million events, leaves
//! room for the others.

use std::collections::HashMap;

use lambent_domain::FunctionKey;

/// Lanes, and what is running in them.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Attempts at the same time.
    share: usize,
    running: usize,
    lanes: HashMap<FunctionKey, Lane>,
    /// Counts up with every turn that a lane gets.
    turns: u64,
}

#[derive(Debug)]
struct Lane {
    /// When there may be something to claim; `u64::MAX` when nothing is known of.
    due_ms: u64,
    /// Nothing is claimed before: the function was throttled.
    paused_until_ms: u64,
    running: usize,
    last_turn: u64,
}

impl Lane {
    fn ready_ms(&self) -> u64 {
        self.due_ms.max(self.paused_until_ms)
    }
}

/// Permission to begin so many attempts of a function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) function: FunctionKey,
    pub(crate) attempts: usize,
}

impl Backlog {
    pub(crate) fn new(share: usize) -> Self {
        Backlog { share: share.max(1), running: 0, lanes: HashMap::new(), turns: 0 }
    }

    fn lane(&mut self, function: &FunctionKey) -> &mut Lane {
        let new = Lane { due_ms: u64::MAX, paused_until_ms: 0, running: 0, last_turn: 0 };
        self.lanes.entry(function.clone()).or_insert(new)
    }

    /// There is something to claim at `at_ms`.
    pub(crate) fn due(&mut self, function: &FunctionKey, at_ms: u64) {
        let lane = self.lane(function);
        lane.due_ms = lane.due_ms.min(at_ms);
    }

    /// The function has no room: nothing of it is claimed until `until_ms`.
    pub(crate) fn pause(&mut self, function: &FunctionKey, until_ms: u64) {
        self.lane(function).paused_until_ms = until_ms;
    }

    /// Deals out what is free. `limit` is how many attempts of a function can run at all. What a turn does not use is given
    /// back with [`Backlog::claimed`].
    pub(crate) fn turns(&mut self, now_ms: u64, limit: impl Fn(&FunctionKey) -> usize) -> Vec<Turn> {
        let half = self.share.div_ceil(2);
        let room =
            |function: &FunctionKey, lane: &Lane| limit(function).min(half).saturating_sub(lane.running);
        let ready = self.lanes.iter_mut().filter(|(_, lane)| lane.ready_ms() <= now_ms);
        let mut open: Vec<_> = ready
            .map(|(function, lane)| (room(function, lane), function, lane))
            .filter(|(room, ..)| *room > 0)
            .collect();
        open.sort_unstable_by_key(|(_, _, lane)| lane.last_turn);
        let (mut turns, mut lanes_left) = (Vec::new(), open.len());
        for (room, function, lane) in open {
            let free = self.share - self.running;
            if free == 0 {
                break;
            }
            let attempts = room.min(free.div_ceil(lanes_left));
            lanes_left -= 1;
            self.turns += 1;
            self.running += attempts;
            (lane.running, lane.last_turn, lane.due_ms) = (lane.running + attempts, self.turns, u64::MAX);
            turns.push(Turn { function: function.clone(), attempts });
        }
        turns
    }

    /// Of a turn's attempts so many are not used; the lane is due again at `due_ms`.
    pub(crate) fn claimed(&mut self, function: &FunctionKey, unused: usize, due_ms: Option<u64>) {
        self.running -= unused;
        let lane = self.lane(function);
        lane.running -= unused;
        lane.due_ms = lane.due_ms.min(due_ms.unwrap_or(u64::MAX));
        self.forget_if_empty(function);
    }

    /// An attempt is over.
    pub(crate) fn ended(&mut self, function: &FunctionKey) {
        self.running -= 1;
        self.lane(function).running -= 1;
        self.forget_if_empty(function);
    }

    fn forget_if_empty(&mut self, function: &FunctionKey) {
        let empty = self.lanes.get(function).is_some_and(|lane| lane.running == 0 && lane.due_ms == u64::MAX);
        if empty {
            self.lanes.remove(function);
        }
    }

    /// When the next lane is due that could get a turn; `None` when something has to end or to come in before.
    pub(crate) fn next_due_ms(&self, limit: impl Fn(&FunctionKey) -> usize) -> Option<u64> {
        if self.running >= self.share {
            return None;
        }
        let most = |function: &FunctionKey| limit(function).min(self.share.div_ceil(2));
        let open =
            self.lanes.iter().filter(|(function, lane)| lane.running == 0 || lane.running < most(function));
        open.map(|(_, lane)| lane.ready_ms()).filter(|due_ms| *due_ms < u64::MAX).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::key;

    fn all(_: &FunctionKey) -> usize {
        usize::MAX
    }

    fn dealt(backlog: &mut Backlog, now_ms: u64) -> Vec<(String, usize)> {
        let turns = backlog.turns(now_ms, all);
        let mut dealt: Vec<_> =
            turns.into_iter().map(|turn| (turn.function.name.to_string(), turn.attempts)).collect();
        dealt.sort();
        dealt
    }

    #[test]
    fn one_function_has_half_of_the_share_and_others_find_room() {
        let mut backlog = Backlog::new(8);
        backlog.due(&key("flood"), 0);
        assert_eq!(dealt(&mut backlog, 0), [("flood".into(), 4)]);
        backlog.claimed(&key("flood"), 0, Some(0));
        assert_eq!(dealt(&mut backlog, 0), []);
        assert_eq!(backlog.next_due_ms(all), None);
        backlog.due(&key("a"), 5);
        assert_eq!(dealt(&mut backlog, 4), []);
        assert_eq!(backlog.next_due_ms(all), Some(5));
        backlog.due(&key("b"), 5);
        assert_eq!(dealt(&mut backlog, 5), [("a".into(), 2), ("b".into(), 2)]);
        for name in ["a", "b"] {
            backlog.claimed(&key(name), 1, None);
            backlog.ended(&key(name));
        }
        assert_eq!(backlog.lanes.len(), 1, "lanes that are empty are forgotten");
    }

    #[test]
    fn who_waited_the_longest_comes_first() {
        let mut backlog = Backlog::new(1);
        backlog.due(&key("a"), 0);
        backlog.due(&key("b"), 0);
        let mut served = Vec::new();
        for _ in 0..4 {
            let turn = backlog.turns(0, all).remove(0);
            backlog.claimed(&turn.function, 0, Some(0));
            backlog.ended(&turn.function);
            served.push(turn.function.name.to_string());
        }
        assert_eq!((&served[..2], served[0] != served[1]), (&served[2..], true));
    }

    #[test]
    fn reserved_concurrency_and_a_pause_hold_a_lane_back() {
        let mut backlog = Backlog::new(8);
        backlog.due(&key("f"), 0);
        let turns = backlog.turns(0, |_| 1);
        assert_eq!(turns[0].attempts, 1);
        backlog.claimed(&key("f"), 0, Some(0));
        assert_eq!(backlog.turns(0, |_| 1), []);
        backlog.pause(&key("f"), 9);
        backlog.ended(&key("f"));
        assert_eq!(backlog.turns(8, |_| 1), []);
        assert_eq!(backlog.next_due_ms(|_| 1), Some(9));
        assert_eq!(backlog.turns(9, |_| 1).len(), 1);
    }
}
