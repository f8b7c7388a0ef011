//! Where figures of what happens go: counts, durations, how many at the same time. Nobody waits for it, and it never
//! fails; what finds no room is counted and dropped.

use lambent_domain::{Distribution, FunctionKey, Qualifier, Scope};

use crate::metric_store::{Datum, Metric};

/// What an invoke's concurrency was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// What is provisioned of its version: so many in all.
    Provisioned {
        /// Provisioned of the version.
        of: u32,
    },
    /// Something is provisioned of its version, and it was taken.
    Spillover {
        /// From what nobody has claimed.
        unreserved: bool,
    },
    /// What the function has reserved.
    Reserved,
    /// What nobody has claimed.
    Unreserved,
}

/// An invoke that has its permit.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    /// Which function.
    pub function: &'a FunctionKey,
    /// As it was named.
    pub qualifier: Option<&'a Qualifier>,
    /// Where an alias with weights was named: the version that it drew.
    pub drawn_version: Option<u64>,
    /// Where its permit is from.
    pub drawn: Drawn,
    /// What functions of the scope have for themselves.
    pub claimed: u64,
    /// Now.
    pub now_ms: u64,
}

/// How a run in an environment ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// When it began: figures are of this moment, as on AWS.
    pub started_ms: u64,
    /// Within the function.
    pub duration_us: u64,
    /// It ended with a function error.
    pub failed: bool,
}

/// Stands for an invoke between its beginning and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u32);

impl Ticket {
    /// Of an invoke that is not measured.
    pub const NONE: Ticket = Ticket(u32::MAX);
}

/// Takes figures. Cheap enough for the invoke path.
pub trait Meter: Send + Sync {
    /// An invoke has got its permit. [`Meter::released`] takes the ticket back.
    fn begun(&self, begun: Begun<'_>) -> Ticket;

    /// Its run has ended.
    fn ended(&self, ticket: Ticket, ended: Ended);

    /// Its permit is given back.
    fn released(&self, ticket: Ticket, drawn: Drawn);

    /// An invoke got no permit.
    fn throttled(&self, function: &FunctionKey, qualifier: Option<&Qualifier>, now_ms: u64);

    /// Any other figure.
    fn add(&self, scope: &Scope, datum: Datum);

    /// A figure of a function, of one value, by the name and the unit that AWS has for it.
    fn add_of_function(&self, function: &FunctionKey, name: &str, unit: &str, value: f64, now_ms: u64) {
        let dimensions = [("FunctionName".to_owned(), function.name.to_string())].into();
        let metric = Metric { namespace: "AWS/Lambda".to_owned(), name: name.to_owned(), dimensions };
        let values = Distribution::one(value);
        let datum = Datum { metric, unit: unit.to_owned(), time_ms: now_ms, by_second: false, values };
        self.add(&function.scope, datum);
    }
}

/// Measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn begun(&self, _: Begun<'_>) -> Ticket {
        Ticket::NONE
    }
    fn ended(&self, _: Ticket, _: Ended) {}
    fn released(&self, _: Ticket, _: Drawn) {}
    fn throttled(&self, _: &FunctionKey, _: Option<&Qualifier>, _: u64) {}
    fn add(&self, _: &Scope, _: Datum) {}
}
