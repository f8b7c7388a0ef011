//! Figures on their way to the store: gathered in memory by the minute, so that an invoke costs a few additions and the store
//! a few rows a minute.
//!
//! What is here when the server is killed is lost. Everything is bounded: what finds no room is counted and dropped.

mod invokes;
mod peak;
mod shown;
mod slab;
mod totals;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lambent_domain::{Distribution, FunctionKey, Qualifier, Scope};
use lambent_ports::meter::{Begun, Drawn, Ended, Meter, Ticket};
use lambent_ports::metric_store::{Datum, Metric};

use invokes::Invokes;
use totals::Totals;
pub use totals::{Of, Sums};

const MINUTE_MS: u64 = 60_000;
/// Metrics with figures of one length of time that are not about invokes, between two times they are taken.
const MAX_OTHERS: usize = 20_000;

/// Takes figures from everywhere.
#[derive(Debug, Default)]
pub struct Collector {
    state: Mutex<State>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    invokes: Invokes,
    others: HashMap<Other, Distribution>,
    /// Of what has been taken.
    totals: Totals,
}

impl State {
    /// With what has not been taken.
    fn summed(&self) -> Totals {
        let mut totals = self.totals.clone();
        for (function, counts) in self.invokes.untaken() {
            for (name, unit, values) in shown::figures(counts) {
                totals.add(&function.scope, function.name.as_str(), name, unit, values.sum());
            }
        }
        for (other, values) in &self.others {
            totals.add_metric(&other.scope, &other.metric, &other.unit, values.sum());
        }
        totals
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Other {
    scope: Scope,
    metric: Metric,
    unit: String,
    by_second: bool,
    start_ms: u64,
}

impl Collector {
    /// Everything since it was taken last.
    pub fn take(&self, now_ms: u64) -> Vec<(Scope, Vec<Datum>)> {
        let (invokes, others) = {
            let mut state = self.lock();
            state.totals = state.summed();
            (state.invokes.take(now_ms / MINUTE_MS), std::mem::take(&mut state.others))
        };
        let mut taken: HashMap<Scope, Vec<Datum>> = shown::data(invokes);
        for (other, values) in others {
            let Other { scope, metric, unit, by_second, start_ms } = other;
            let datum = Datum { metric, unit, time_ms: start_ms, by_second, values };
            taken.entry(scope).or_default().push(datum);
        }
        taken.into_iter().collect()
    }

    /// Sums of functions' figures since the start, those included that have not been taken yet.
    pub fn totals(&self) -> Sums {
        self.lock().summed().sums()
    }

    /// Figures that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A thread that panicked while it held this left figures that are at worst incomplete.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Meter for Collector {
    fn begun(&self, begun: Begun<'_>) -> Ticket {
        let ticket = self.lock().invokes.begun(&begun, begun.now_ms / MINUTE_MS);
        ticket.unwrap_or_else(|| {
            self.drop_one();
            Ticket::NONE
        })
    }

    fn ended(&self, ticket: Ticket, ended: Ended) {
        self.lock().invokes.ended(ticket, &ended, ended.started_ms / MINUTE_MS);
    }

    fn released(&self, ticket: Ticket, drawn: Drawn) {
        self.lock().invokes.released(ticket, drawn);
    }

    fn throttled(&self, function: &FunctionKey, qualifier: Option<&Qualifier>, now_ms: u64) {
        if !self.lock().invokes.throttled(function, qualifier, now_ms / MINUTE_MS) {
            self.drop_one();
        }
    }

    fn add(&self, scope: &Scope, datum: Datum) {
        let length_ms = if datum.by_second { 1_000 } else { MINUTE_MS };
        let other = Other {
            scope: scope.clone(),
            metric: datum.metric,
            unit: datum.unit,
            by_second: datum.by_second,
            start_ms: datum.time_ms / length_ms * length_ms,
        };
        let mut state = self.lock();
        if state.others.len() >= MAX_OTHERS && !state.others.contains_key(&other) {
            return self.drop_one();
        }
        state.others.entry(other).or_default().merge(&datum.values);
    }
}

#[cfg(test)]
mod tests;
