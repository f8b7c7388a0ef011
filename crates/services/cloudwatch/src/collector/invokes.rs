//! Figures of invokes, by function and by how it was named.

use std::collections::{HashMap, HashSet};

use lambent_domain::{Distribution, FunctionKey, Qualifier, Scope};
use lambent_ports::meter::{Begun, Drawn, Ended, Ticket};

use super::peak::Peak;
use super::slab::Slab;

/// Ways in which functions were named, between two times that figures are taken.
const MAX_WAYS: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Invokes {
    accounts: HashMap<Scope, Account>,
    functions: HashMap<FunctionKey, OfFunction>,
    ways: Slab<Way>,
}

/// All functions of a scope.
#[derive(Debug, Default)]
struct Account {
    running: Peak,
    unreserved: Peak,
    /// What functions have for themselves, as it was said last.
    claimed: u64,
}

#[derive(Debug, Default)]
struct OfFunction {
    running: Peak,
    ways: Vec<u32>,
}

/// A way in which a function is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) qualifier: Option<Qualifier>,
    pub(super) drawn_version: Option<u64>,
}

#[derive(Debug)]
struct Way {
    function: FunctionKey,
    named: Named,
    /// The number of invokes that hold its ticket.
    held: u64,
    running: Peak,
    provisioned: Peak,
    provisioned_of: u32,
    minutes: Vec<(u64, Counts)>,
}

/// What happened in a minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) invocations: u64,
    pub(super) errors: u64,
    pub(super) throttles: u64,
    pub(super) on_provisioned: u64,
    pub(super) spilled: u64,
    pub(super) duration_ms: Distribution,
}

/// Figures of one way.
#[derive(Debug)]
pub(super) struct OfWay {
    pub(super) function: FunctionKey,
    pub(super) named: Named,
    pub(super) minutes: Vec<(u64, Counts)>,
    pub(super) running: Vec<(u64, u64)>,
    pub(super) provisioned: Vec<(u64, u64)>,
    pub(super) provisioned_of: u32,
}

/// Figures of a scope: by minute, how many ran in all, how many on what nobody has claimed, and what is claimed.
#[derive(Debug)]
pub(super) struct OfAccount {
    pub(super) scope: Scope,
    pub(super) running: Vec<(u64, u64)>,
    pub(super) unreserved: Vec<(u64, u64)>,
    pub(super) claimed: u64,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct TakenInvokes {
    pub(super) ways: Vec<OfWay>,
    pub(super) functions: Vec<(FunctionKey, Vec<(u64, u64)>)>,
    pub(super) accounts: Vec<OfAccount>,
}

impl Invokes {
    pub(super) fn begun(&mut self, begun: &Begun<'_>, minute: u64) -> Option<Ticket> {
        let named = (begun.qualifier, begun.drawn_version);
        let number = self.way(begun.function, named)?;
        let way = self.ways.get_mut(number)?;
        way.held += 1;
        way.running.change(1, minute);
        let counts = way.counts(minute);
        match begun.drawn {
            Drawn::Provisioned { of } => {
                counts.on_provisioned += 1;
                way.provisioned_of = of;
                way.provisioned.change(1, minute);
            }
            Drawn::Spillover { .. } => counts.spilled += 1,
            Drawn::Reserved | Drawn::Unreserved => {}
        }
        if let Some(function) = self.functions.get_mut(begun.function) {
            function.running.change(1, minute);
        }
        self.change_account(&begun.function.scope, |account| {
            account.running.change(1, minute);
            account.claimed = begun.claimed;
            if is_unreserved(begun.drawn) {
                account.unreserved.change(1, minute);
            }
        });
        Some(Ticket(number))
    }

    pub(super) fn ended(&mut self, ticket: Ticket, ended: &Ended, minute: u64) {
        let Some(way) = self.ways.get_mut(ticket.0) else { return };
        let counts = way.counts(minute);
        counts.invocations += 1;
        counts.errors += u64::from(ended.failed);
        // As REPORT shows it: to a hundredth, which also keeps equal what hardly differs.
        counts.duration_ms.add((ended.duration_us as f64 / 10.0).round() / 100.0, 1.0);
    }

    pub(super) fn released(&mut self, ticket: Ticket, drawn: Drawn) {
        let Some(way) = self.ways.get_mut(ticket.0) else { return };
        // In the minute of the last change: a count that goes down makes no new peak.
        way.held = way.held.saturating_sub(1);
        way.running.change(-1, 0);
        if let Drawn::Provisioned { .. } = drawn {
            way.provisioned.change(-1, 0);
        }
        if let Some(function) = self.functions.get_mut(&way.function) {
            function.running.change(-1, 0);
        }
        if let Some(account) = self.accounts.get_mut(&way.function.scope) {
            account.running.change(-1, 0);
            if is_unreserved(drawn) {
                account.unreserved.change(-1, 0);
            }
        }
    }

    /// Whether there was room.
    pub(super) fn throttled(
        &mut self,
        function: &FunctionKey,
        qualifier: Option<&Qualifier>,
        minute: u64,
    ) -> bool {
        let way = self.way(function, (qualifier, None));
        let Some(way) = way.and_then(|number| self.ways.get_mut(number)) else { return false };
        way.counts(minute).throttles += 1;
        true
    }

    /// Looked up before it is made, rather than cloned for each invoke.
    fn change_account(&mut self, scope: &Scope, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.accounts.get_mut(scope) {
            return change(account);
        }
        change(self.accounts.entry(scope.clone()).or_default());
    }

    fn way(&mut self, function: &FunctionKey, named: (Option<&Qualifier>, Option<u64>)) -> Option<u32> {
        if let Some(known) = self.functions.get(function) {
            let is_it = |number: &&u32| {
                let way = self.ways.get(**number);
                way.is_some_and(|way| (way.named.qualifier.as_ref(), way.named.drawn_version) == named)
            };
            if let Some(number) = known.ways.iter().find(is_it) {
                return Some(*number);
            }
        }
        if self.ways.len() >= MAX_WAYS {
            return None;
        }
        let number = self.ways.insert(Way {
            function: function.clone(),
            named: Named { qualifier: named.0.cloned(), drawn_version: named.1 },
            held: 0,
            running: Peak::default(),
            provisioned: Peak::default(),
            provisioned_of: 0,
            minutes: Vec::new(),
        });
        self.functions.entry(function.clone()).or_default().ways.push(number);
        Some(number)
    }

    /// What was gathered and not taken yet.
    pub(super) fn untaken(&self) -> impl Iterator<Item = (&FunctionKey, &Counts)> {
        self.ways.iter().flat_map(|way| way.minutes.iter().map(|(_, counts)| (&way.function, counts)))
    }

    /// What was gathered. What nothing more is known of is forgotten.
    pub(super) fn take(&mut self, minute: u64) -> TakenInvokes {
        let mut taken = TakenInvokes::default();
        let mut idle = HashSet::new();
        for (number, way) in self.ways.iter_mut() {
            let of = OfWay {
                function: way.function.clone(),
                named: way.named.clone(),
                minutes: std::mem::take(&mut way.minutes),
                running: way.running.take(minute),
                provisioned: way.provisioned.take(minute),
                provisioned_of: way.provisioned_of,
            };
            if of.minutes.is_empty() && of.running.is_empty() && way.held == 0 {
                idle.insert(number);
            } else {
                taken.ways.push(of);
            }
        }
        for (key, function) in &mut self.functions {
            let running = function.running.take(minute);
            if !running.is_empty() {
                taken.functions.push((key.clone(), running));
            }
            function.ways.retain(|number| !idle.contains(number));
        }
        idle.into_iter().for_each(|number| self.ways.remove(number));
        self.functions.retain(|_, function| !function.ways.is_empty());
        for (scope, account) in &mut self.accounts {
            let (running, unreserved) = (account.running.take(minute), account.unreserved.take(minute));
            let scope = scope.clone();
            taken.accounts.push(OfAccount { scope, running, unreserved, claimed: account.claimed });
        }
        self.accounts.retain(|_, account| !account.running.is_idle());
        taken
    }
}

impl Way {
    /// Those of a minute, which is nearly always the last one.
    fn counts(&mut self, minute: u64) -> &mut Counts {
        let at = self.minutes.iter().rposition(|(known, _)| *known == minute).unwrap_or_else(|| {
            self.minutes.push((minute, Counts::default()));
            self.minutes.len() - 1
        });
        &mut self.minutes[at].1
    }
}

fn is_unreserved(drawn: Drawn) -> bool {
    matches!(drawn, Drawn::Unreserved | Drawn::Spillover { unreserved: true })
}
