//! Concurrency permits. A permit is a guard: dropped on every way out.

use std::cell::Cell;
use std::rc::Rc;

use lambent_domain::fault::ThrottleReason;

/// The account's concurrency on this shard.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: u32,
    running: Cell<u32>,
}

/// One of the account's concurrent executions.
#[derive(Debug)]
pub(crate) struct Permit(Rc<Admission>);

impl Admission {
    pub(crate) fn new(limit: u32) -> Rc<Self> {
        Rc::new(Admission { limit, running: Cell::new(0) })
    }

    /// A permit, or why there is none.
    pub(crate) fn acquire(self: &Rc<Self>) -> Result<Permit, ThrottleReason> {
        if self.running.get() >= self.limit {
            return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
        }
        self.running.set(self.running.get() + 1);
        Ok(Permit(Rc::clone(self)))
    }

    pub(crate) fn running(&self) -> u32 {
        self.running.get()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_a_dropped_permit_comes_back() {
        let admission = Admission::new(2);
        let first = admission.acquire().unwrap();
        let _second = admission.acquire().unwrap();
        assert_eq!(admission.acquire().unwrap_err(), ThrottleReason::ConcurrentInvocationLimitExceeded);
        drop(first);
        assert_eq!(admission.running(), 1);
        assert!(admission.acquire().is_ok());
    }
}
