//! The decision.

use std::collections::VecDeque;

use lambent_domain::fault::ThrottleReason;

use crate::observed::{Decision, Limits, Memory, Observed, Refusal, Start, StartFor, Wanting};

/// What is to be done now. The same observation at the same time gives the same decision.
///
/// - Whoever has the fewest environments is started first, then whoever waits longest: a function that wants hundreds
///   takes its turns beside one that wants its first. Of the starts at a time, one deployment has three quarters at most:
///   inits that hang must not keep everybody else out.
/// - Where memory does not suffice, idle environments make room, those of the least [`worth`](crate::Worth) first. If all
///   of them would not be enough, requests wait, in a queue with a bound and for a time with a bound. Nobody overtakes
///   there: small environments could keep a large one out for ever.
/// - Requests beyond a function's scaling rate are refused at once, as on AWS, the latest first.
pub fn decide(now_ms: u64, limits: &Limits, observed: &Observed) -> Decision {
    let mut pass = Pass::new(now_ms, limits, observed);
    pass.end_what_was_idle_too_long();
    pass.relieve();
    pass.refuse_beyond_rate();
    if !pass.start() {
        pass.refuse_beyond_queue();
    }
    pass.freeze();
    pass.decision
}

/// What is left to do for one deployment.
struct Left<'a> {
    wanting: &'a Wanting,
    /// Requests that have not been refused: the first so many.
    waiting: usize,
    under_way: usize,
    /// For requests and for provisioned concurrency.
    starting: usize,
    unprovisioned: usize,
    environments: usize,
}

impl Left<'_> {
    /// Requests that nothing is being started for.
    fn unserved(&self) -> usize {
        self.waiting.saturating_sub(self.under_way)
    }

    fn next(&self) -> Option<StartFor> {
        match (self.unserved(), self.unprovisioned) {
            (0, 0) => None,
            (0, _) => Some(StartFor::Provisioned),
            _ => Some(StartFor::Request(self.under_way)),
        }
    }

    /// The smallest goes first.
    fn turn(&self) -> (usize, u64) {
        let since = self.wanting.waiting_since_ms.get(self.under_way).filter(|_| self.unserved() > 0);
        (self.environments, since.copied().unwrap_or(u64::MAX))
    }
}

struct Pass<'a> {
    now_ms: u64,
    limits: &'a Limits,
    observed: &'a Observed,
    memory: Memory,
    starting: usize,
    rates: Vec<u64>,
    left: Vec<Left<'a>>,
    gone: Vec<bool>,
    /// Idle environments that may go, the least worth first; filled in when it is needed.
    candidates: Option<VecDeque<usize>>,
    decision: Decision,
}

impl<'a> Pass<'a> {
    fn new(now_ms: u64, limits: &'a Limits, observed: &'a Observed) -> Self {
        let left = |wanting: &'a Wanting| Left {
            wanting,
            waiting: wanting.waiting_since_ms.len(),
            under_way: wanting.under_way,
            starting: wanting.under_way + wanting.provisioning,
            unprovisioned: wanting.unprovisioned,
            environments: wanting.environments,
        };
        Pass {
            now_ms,
            limits,
            observed,
            memory: observed.memory,
            starting: observed.starting,
            rates: observed.rates.clone(),
            left: observed.wanting.iter().map(left).collect(),
            gone: vec![false; observed.idle.len()],
            candidates: None,
            decision: Decision::default(),
        }
    }

    fn again(&mut self, at_ms: u64) {
        self.decision.again_ms = Some(self.decision.again_ms.map_or(at_ms, |earlier| earlier.min(at_ms)));
    }

    fn end_what_was_idle_too_long(&mut self) {
        for (index, idle) in self.observed.idle.iter().enumerate().filter(|(_, idle)| idle.spare) {
            let end_ms = idle.since_ms.saturating_add(self.limits.keep_alive_ms);
            if end_ms <= self.now_ms {
                self.evict(index);
            } else {
                self.again(end_ms);
            }
        }
    }

    fn evict(&mut self, index: usize) {
        self.gone[index] = true;
        self.memory.used_mb = self.memory.used_mb.saturating_sub(self.observed.idle[index].charge_mb);
        self.decision.evict.push(index);
    }

    /// The host has less than it had: others have taken it, or what runs has grown.
    fn relieve(&mut self) {
        while self.memory.used_mb > self.memory.limit_mb() && self.evict_least() {}
    }

    fn candidates(&mut self) -> &mut VecDeque<usize> {
        let (idle, gone) = (&self.observed.idle, &self.gone);
        self.candidates.get_or_insert_with(|| {
            let mut order: Vec<_> =
                (0..idle.len()).filter(|index| idle[*index].spare && !gone[*index]).collect();
            let credit = |index: &usize| idle[*index].worth.credit(idle[*index].charge_mb);
            order.sort_by(|a, b| {
                credit(a).total_cmp(&credit(b)).then(idle[*a].since_ms.cmp(&idle[*b].since_ms))
            });
            order.into()
        })
    }

    fn evict_least(&mut self) -> bool {
        let Some(index) = self.candidates().pop_front() else { return false };
        let idle = &self.observed.idle[index];
        self.decision.floor = Some(idle.worth.credit(idle.charge_mb));
        self.evict(index);
        true
    }

    /// Evicts only what is enough; nothing when all of it would not be.
    fn make_room(&mut self, charge_mb: u64) -> bool {
        if self.memory.fits(charge_mb) {
            return true;
        }
        let idle = &self.observed.idle;
        let could: u64 = self.candidates().iter().map(|index| idle[*index].charge_mb).sum();
        let emptied = Memory { used_mb: self.memory.used_mb.saturating_sub(could), ..self.memory };
        if !emptied.fits(charge_mb) {
            return false;
        }
        while !self.memory.fits(charge_mb) && self.evict_least() {}
        true
    }

    fn refuse_beyond_rate(&mut self) {
        let mut rates = self.rates.clone();
        for index in 0..self.left.len() {
            let left = &self.left[index];
            let (wanted, rate) = (left.unserved(), &mut rates[left.wanting.function]);
            let allowed = usize::try_from(*rate).unwrap_or(usize::MAX).min(wanted);
            *rate -= allowed as u64;
            for _ in allowed..wanted {
                self.refuse_latest(index, ThrottleReason::FunctionInvocationRateLimitExceeded);
            }
        }
    }

    fn refuse_latest(&mut self, index: usize, reason: ThrottleReason) {
        let left = &mut self.left[index];
        left.waiting -= 1;
        self.decision.refuse.push(Refusal { wanting: index, request: left.waiting, reason });
    }

    /// `false` when memory does not suffice for the next one.
    fn start(&mut self) -> bool {
        while self.starting < self.limits.concurrent_starts {
            let Some((index, what_for)) = self.next() else { return true };
            let charge_mb = self.left[index].wanting.charge_mb;
            if !self.make_room(charge_mb) {
                return false;
            }
            let left = &mut self.left[index];
            match what_for {
                StartFor::Request(_) => {
                    left.under_way += 1;
                    let rate = &mut self.rates[left.wanting.function];
                    *rate = rate.saturating_sub(1);
                }
                StartFor::Provisioned => left.unprovisioned -= 1,
            }
            left.starting += 1;
            left.environments += 1;
            self.memory.used_mb += charge_mb;
            self.starting += 1;
            self.decision.start.push(Start { wanting: index, what_for });
        }
        true
    }

    fn next(&mut self) -> Option<(usize, StartFor)> {
        let most = self.limits.concurrent_starts - self.limits.concurrent_starts / 4;
        let mut first: Option<(usize, StartFor)> = None;
        for index in 0..self.left.len() {
            let left = &self.left[index];
            let Some(what_for) = left.next() else { continue };
            if left.wanting.not_before_ms > self.now_ms {
                self.again(left.wanting.not_before_ms);
            } else if left.starting < most
                && first.is_none_or(|(other, _)| left.turn() < self.left[other].turn())
            {
                first = Some((index, what_for));
            }
        }
        first
    }

    /// AWS has no reason for a lack of memory; its clients know this one, wait and come again.
    fn refuse_beyond_queue(&mut self) {
        let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
        let mut queue = Vec::new();
        for (index, left) in self.left.iter().enumerate() {
            let requests = left.under_way..left.waiting;
            queue.extend(requests.map(|request| (left.wanting.waiting_since_ms[request], index, request)));
        }
        queue.sort_unstable();
        let mut kept = 0;
        for (since_ms, wanting, request) in queue {
            let until_ms = since_ms.saturating_add(self.limits.memory_wait_ms);
            if until_ms <= self.now_ms || kept >= self.limits.memory_queue {
                self.decision.refuse.push(Refusal { wanting, request, reason });
            } else {
                kept += 1;
                self.again(until_ms);
            }
        }
    }

    fn freeze(&mut self) {
        for (index, idle) in self.observed.idle.iter().enumerate() {
            if self.gone[index] || idle.frozen {
                continue;
            }
            let at_ms = idle.since_ms.saturating_add(self.limits.freeze_after_ms);
            if at_ms <= self.now_ms {
                self.decision.freeze.push(index);
            } else {
                self.again(at_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests;
