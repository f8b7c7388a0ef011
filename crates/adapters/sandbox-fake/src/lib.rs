//! Sandboxes that confine nothing, for tests of what schedules them: a process is a thread that runs a closure of the
//! test's, the Runtime API a real socket on loopback, the output a real pipe. What was asked of a sandbox can be looked
//! up, and it can be told to fail.
//!
//! It passes the port's suite, as real ones do.

mod host;
mod process;

pub use host::{FakeHost, FakeState};
pub use process::{FakeProcess, Tmp};

#[cfg(test)]
mod tests;
