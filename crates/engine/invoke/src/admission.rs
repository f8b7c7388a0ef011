//! Concurrency permits. A permit is a guard: dropped on every way out. Where it comes from is [`lambent_scale::permit`]'s.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use lambent_domain::fault::ThrottleReason;
use lambent_domain::{Function, FunctionKey, RevisionId, Scope};
use lambent_ports::meter::{Drawn, Ticket};
use lambent_scale::{Claims, PermitSource, permit};

use crate::metered::Metered;

/// The concurrency of this shard.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Of each account and region.
    limit: u32,
    running: RefCell<HashMap<Source, u32>>,
}

/// What a permit is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Provisioned(RevisionId),
    Reserved(FunctionKey),
    Unreserved(Scope),
}

/// One concurrent execution.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Rc<Admission>,
    source: Source,
    metered: Option<Metered>,
}

impl Admission {
    pub(crate) fn new(limit: u32) -> Rc<Self> {
        Rc::new(Admission { limit, running: RefCell::default() })
    }

    /// A permit for a deployment of `function`, or why there is none. `provisioned` is how much of it is kept
    /// initialised; `claimed` is what functions have claimed of the scope.
    pub(crate) fn acquire(
        self: &Rc<Self>,
        function: &Function,
        deployment: RevisionId,
        provisioned: u32,
        claimed: u64,
    ) -> Result<Permit, ThrottleReason> {
        let running = self.running.borrow();
        let count = |source: &Source| running.get(source).copied().map_or(0, u64::from);
        let own = Source::Provisioned(deployment);
        let (reserved, all) =
            (Source::Reserved(function.key.clone()), Source::Unreserved(function.key.scope.clone()));
        let claims = Claims {
            provisioned: provisioned.into(),
            provisioned_running: if provisioned > 0 { count(&own) } else { 0 },
            reserved: function
                .reserved_concurrency
                .map(|reserved| reserved.saturating_sub(function.provisioned_concurrency()).into()),
            reserved_running: function.reserved_concurrency.map_or(0, |_| count(&reserved)),
            unreserved: u64::from(self.limit).saturating_sub(claimed),
            unreserved_running: count(&all),
        };
        drop(running);
        let source = match permit(&claims)? {
            PermitSource::Provisioned => own,
            PermitSource::Reserved => reserved,
            PermitSource::Unreserved => all,
        };
        *self.running.borrow_mut().entry(source.clone()).or_default() += 1;
        Ok(Permit { admission: Rc::clone(self), source, metered: None })
    }

    pub(crate) fn running(&self) -> u32 {
        self.running.borrow().values().sum()
    }
}

impl Permit {
    /// Where it is from. `provisioned` is how much is kept initialised of what it was asked for.
    pub(crate) fn drawn(&self, provisioned: u32) -> Drawn {
        match self.source {
            Source::Provisioned(_) => Drawn::Provisioned { of: provisioned },
            Source::Reserved(_) if provisioned > 0 => Drawn::Spillover { unreserved: false },
            Source::Unreserved(_) if provisioned > 0 => Drawn::Spillover { unreserved: true },
            Source::Reserved(_) => Drawn::Reserved,
            Source::Unreserved(_) => Drawn::Unreserved,
        }
    }

    /// Is measured from now on.
    pub(crate) fn meter(&mut self, metered: Metered) {
        self.metered = Some(metered);
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.metered.as_ref().map_or(Ticket::NONE, Metered::ticket)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.admission.running.borrow_mut();
        if let Some(count) = running.get_mut(&self.source) {
            *count -= 1;
            // Sources of functions that are gone must not stay; the scope's own is kept, it is used again.
            if *count == 0 && !matches!(self.source, Source::Unreserved(_)) {
                running.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lambent_domain::scaling::Provisioned;
    use lambent_domain::{Qualifier, TimestampMs};
    use lambent_ports::suites::store as suite;

    use super::*;

    fn acquire(
        admission: &Rc<Admission>,
        function: &Function,
        provisioned: u32,
        claimed: u64,
    ) -> Result<Permit, ThrottleReason> {
        admission.acquire(function, suite::revision(9), provisioned, claimed)
    }

    #[test]
    fn the_limit_holds_and_a_dropped_permit_comes_back() {
        let (admission, function) = (Admission::new(2), suite::function("f"));
        let first = acquire(&admission, &function, 0, 0).unwrap();
        let _second = acquire(&admission, &function, 0, 0).unwrap();
        let refused = acquire(&admission, &function, 0, 0).unwrap_err();
        assert_eq!(refused, ThrottleReason::ConcurrentInvocationLimitExceeded);
        drop(first);
        assert_eq!(admission.running(), 1);
        assert!(acquire(&admission, &function, 0, 0).is_ok());
        assert!(
            acquire(&admission, &function, 0, 1).is_err(),
            "one of the two is claimed by another function"
        );
    }

    #[test]
    fn what_is_reserved_is_only_for_one_function() {
        let (admission, other) = (Admission::new(3), suite::function("other"));
        let mut function = suite::function("f");
        function.reserved_concurrency = Some(1);
        let _own = acquire(&admission, &function, 0, 1).unwrap();
        let refused = acquire(&admission, &function, 0, 1).unwrap_err();
        assert_eq!(refused, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
        let _others =
            (acquire(&admission, &other, 0, 1).unwrap(), acquire(&admission, &other, 0, 1).unwrap());
        assert!(acquire(&admission, &other, 0, 1).is_err());
        function.reserved_concurrency = Some(0);
        assert!(
            acquire(&Admission::new(9), &function, 0, 0).is_err(),
            "0 is a switch to turn a function off"
        );
    }

    #[test]
    fn provisioned_concurrency_comes_first_and_lies_within_what_is_reserved() {
        let admission = Admission::new(10);
        let mut function = suite::function("f");
        function.reserved_concurrency = Some(2);
        let provisioned = Provisioned { requested: 2, modified: TimestampMs(0) };
        function.provisioned.insert(Qualifier::Version(1), provisioned);
        let first = acquire(&admission, &function, 2, 2).unwrap();
        let _second = acquire(&admission, &function, 2, 2).unwrap();
        assert!(acquire(&admission, &function, 2, 2).is_err());
        assert!(acquire(&admission, &function, 0, 2).is_err(), "nothing is left for $LATEST (recorded)");
        drop(first);
        assert!(acquire(&admission, &function, 2, 2).is_ok());
    }
}
