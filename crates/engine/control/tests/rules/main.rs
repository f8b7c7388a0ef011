//! The control plane as a whole, at the wire, on the real store and the real packages: against a model of AWS's rules,
//! and under contention.

mod contention;
mod play;
mod reference;
mod script;
mod sequences;
mod world;
