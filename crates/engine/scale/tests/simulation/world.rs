//! A host in virtual time: requests come, environments start, run, crash and are let go. Who gets what is [`decide`]'s.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use lambent_domain::fault::ThrottleReason;
use lambent_scale::{
    Charge, Claims, CrashLoop, Idle, Limits, Memory, Observed, PermitSource, ScalingRate, StartFor, Wanting,
    Worth, decide, permit,
};

pub const TICK_MS: u64 = 250;

/// What a host is set to.
#[derive(Clone, Copy)]
pub struct Settings {
    pub limits: Limits,
    pub account_concurrency: u64,
    pub scaling_rate: u32,
    pub budget_mb: u64,
}

/// What a function is like.
#[derive(Clone, Copy)]
pub struct Kind {
    pub start_ms: u64,
    pub run_ms: u64,
    pub held_mb: u64,
    /// One request in so many ends its environment; 0 is none.
    pub crashes: u64,
    pub reserved: Option<u64>,
    pub provisioned: usize,
}

pub const QUICK: Kind =
    Kind { start_ms: 10, run_ms: 50, held_mb: 20, crashes: 0, reserved: None, provisioned: 0 };

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Answered { after_ms: u64 },
    Crashed,
    HungUp,
    Refused(ThrottleReason),
}

struct Function {
    kind: Kind,
    waiting: VecDeque<usize>,
    /// The last one was used last.
    idle: Vec<usize>,
    under_way: usize,
    provisioning: usize,
    environments: usize,
    charge: Charge,
    crashes: Option<CrashLoop>,
    rate: ScalingRate,
    reserved_running: u64,
    served: u64,
    pub starts: Vec<u64>,
}

struct Request {
    function: usize,
    since_ms: u64,
    source: PermitSource,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Phase {
    Starting,
    Running(usize),
    Idle { since_ms: u64 },
    Gone,
}

struct Environment {
    function: usize,
    phase: Phase,
    frozen: bool,
    charge_mb: u64,
    worth: Worth,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival { function: usize },
    HangUp { request: usize },
    Started { environment: usize, provisioned: bool },
    Done { environment: usize, request: usize },
    HostHas { mb: u64 },
    Tick,
}

pub struct World {
    settings: Settings,
    now_ms: u64,
    host_mb: u64,
    used_mb: u64,
    floor: f64,
    starting: usize,
    unreserved_running: u64,
    functions: Vec<Function>,
    requests: Vec<Request>,
    environments: Vec<Environment>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    ticking: bool,
    to_come: usize,
    pub evicted: usize,
    pub most_environments: usize,
}

impl World {
    pub fn new(settings: Settings, kinds: &[Kind]) -> Self {
        let function = |kind: &Kind| Function {
            kind: *kind,
            waiting: VecDeque::new(),
            idle: Vec::new(),
            under_way: 0,
            provisioning: 0,
            environments: 0,
            charge: Charge::new(1_769),
            crashes: None,
            rate: ScalingRate::default(),
            reserved_running: 0,
            served: 0,
            starts: Vec::new(),
        };
        World {
            settings,
            now_ms: 0,
            host_mb: 1 << 30,
            used_mb: 0,
            floor: 0.0,
            starting: 0,
            unreserved_running: 0,
            functions: kinds.iter().map(function).collect(),
            requests: Vec::new(),
            environments: Vec::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            ticking: false,
            to_come: 0,
            evicted: 0,
            most_environments: 0,
        }
    }

    pub fn arrives(&mut self, at_ms: u64, function: usize) {
        self.to_come += 1;
        self.at(at_ms, Event::Arrival { function });
    }

    pub fn host_has(&mut self, at_ms: u64, mb: u64) {
        self.at(at_ms, Event::HostHas { mb });
    }

    /// The `request`th request to arrive gives up.
    pub fn hangs_up(&mut self, at_ms: u64, request: usize) {
        self.at(at_ms, Event::HangUp { request });
    }

    fn at(&mut self, at_ms: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at_ms, self.sequence, event)));
    }

    /// Until nothing happens any more: everything that was idle is gone then. Returns how each request ended.
    pub fn run(&mut self) -> Vec<(usize, End)> {
        self.tick_soon();
        while let Some(Reverse((at_ms, _, event))) = self.events.pop() {
            self.now_ms = at_ms;
            self.happens(event);
            self.check();
        }
        assert_eq!((self.used_mb, self.starting, self.unreserved_running), (0, 0, 0), "nothing is held");
        assert!(
            self.functions
                .iter()
                .all(|function| function.environments == 0 && function.reserved_running == 0)
        );
        let end = |request: &Request| (request.function, request.end.expect("every request has an end"));
        self.requests.iter().map(end).collect()
    }

    pub fn started(&self, function: usize) -> usize {
        self.functions[function].starts.len()
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrival { function } => self.arrival(function),
            Event::HangUp { request } => self.hang_up(request),
            Event::Started { environment, provisioned } => {
                let function = &mut self.functions[self.environments[environment].function];
                let count = if provisioned { &mut function.provisioning } else { &mut function.under_way };
                *count -= 1;
                self.starting -= 1;
                self.measure(environment);
                self.release(environment);
            }
            Event::Done { environment, request } => self.done(environment, request),
            Event::HostHas { mb } => self.host_mb = mb,
            Event::Tick => self.ticking = false,
        }
        self.decide();
    }

    fn arrival(&mut self, function: usize) {
        self.to_come -= 1;
        let known = &self.functions[function];
        let claims = Claims {
            reserved: known.kind.reserved,
            reserved_running: known.reserved_running,
            unreserved: self.settings.account_concurrency,
            unreserved_running: self.unreserved_running,
            ..Claims::default()
        };
        let request = self.requests.len();
        let source = permit(&claims);
        self.requests.push(Request {
            function,
            since_ms: self.now_ms,
            source: source.unwrap_or(PermitSource::Unreserved),
            end: None,
        });
        match source {
            Ok(PermitSource::Reserved) => self.functions[function].reserved_running += 1,
            Ok(_) => self.unreserved_running += 1,
            Err(reason) => {
                self.requests[request].end = Some(End::Refused(reason));
                return;
            }
        }
        match self.functions[function].idle.pop() {
            Some(environment) => self.give(environment, request),
            None => self.functions[function].waiting.push_back(request),
        }
    }

    fn hang_up(&mut self, request: usize) {
        let Some(function) = self.requests.get(request).map(|request| request.function) else { return };
        let waiting = &mut self.functions[function].waiting;
        if let Some(place) = waiting.iter().position(|waiting| *waiting == request) {
            waiting.remove(place);
            self.end(request, End::HungUp);
        }
    }

    fn give(&mut self, environment: usize, request: usize) {
        let kind = self.functions[self.environments[environment].function].kind;
        let given = &mut self.environments[environment];
        assert!(matches!(given.phase, Phase::Starting | Phase::Idle { .. }), "it has one request already");
        assert_eq!(given.function, self.requests[request].function);
        given.phase = Phase::Running(request);
        given.frozen = false;
        given.worth.uses += 1;
        self.at(self.now_ms + kind.run_ms, Event::Done { environment, request });
    }

    fn done(&mut self, environment: usize, request: usize) {
        assert_eq!(self.environments[environment].phase, Phase::Running(request));
        let function = &mut self.functions[self.environments[environment].function];
        function.served += 1;
        if function.kind.crashes > 0 && function.served.is_multiple_of(function.kind.crashes) {
            function.crashes.get_or_insert_default().crashed(self.now_ms);
            self.end(request, End::Crashed);
            self.gone(environment);
        } else {
            function.crashes = None;
            let after_ms = self.now_ms - self.requests[request].since_ms;
            self.end(request, End::Answered { after_ms });
            self.environments[environment].phase = Phase::Idle { since_ms: self.now_ms };
            self.release(environment);
        }
    }

    fn end(&mut self, request: usize, end: End) {
        let ended = &mut self.requests[request];
        assert_eq!(ended.end, None, "answered twice");
        ended.end = Some(end);
        match ended.source {
            PermitSource::Reserved => self.functions[ended.function].reserved_running -= 1,
            _ => self.unreserved_running -= 1,
        }
    }

    fn release(&mut self, environment: usize) {
        let function = &mut self.functions[self.environments[environment].function];
        if let Some(request) = function.waiting.pop_front() {
            return self.give(environment, request);
        }
        function.idle.push(environment);
        let idle = &mut self.environments[environment];
        idle.phase = Phase::Idle { since_ms: self.now_ms };
        idle.worth.floor = self.floor;
        self.tick_soon();
    }

    fn measure(&mut self, environment: usize) {
        let seen = &mut self.environments[environment];
        let function = &mut self.functions[seen.function];
        let charge_mb = function.charge.seen(function.kind.held_mb << 20);
        self.used_mb = self.used_mb - seen.charge_mb + charge_mb;
        seen.charge_mb = charge_mb;
    }

    fn gone(&mut self, environment: usize) {
        let gone = &mut self.environments[environment];
        gone.phase = Phase::Gone;
        self.used_mb -= gone.charge_mb;
        let function = &mut self.functions[gone.function];
        function.environments -= 1;
        function.idle.retain(|idle| *idle != environment);
    }

    fn tick_soon(&mut self) {
        if !std::mem::replace(&mut self.ticking, true) {
            self.at(self.now_ms + TICK_MS, Event::Tick);
        }
    }

    fn observe(&self) -> (Observed, Vec<usize>, Vec<usize>) {
        let memory =
            Memory { used_mb: self.used_mb, budget_mb: self.settings.budget_mb, host_mb: self.host_mb };
        let mut observed = Observed { starting: self.starting, memory, ..Observed::default() };
        let (mut wanting, mut idle) = (Vec::new(), Vec::new());
        for (index, function) in self.functions.iter().enumerate() {
            // Once the last request has come nothing is provisioned any more: everything can end.
            let provisioned = if self.to_come > 0 { function.kind.provisioned } else { 0 };
            let spare = function.environments.saturating_sub(provisioned);
            for (place, environment) in function.idle.iter().enumerate() {
                let known = &self.environments[*environment];
                let Phase::Idle { since_ms } = known.phase else {
                    panic!("{:?} among the idle", known.phase)
                };
                idle.push(*environment);
                observed.idle.push(Idle {
                    since_ms,
                    frozen: known.frozen,
                    spare: place < spare,
                    charge_mb: known.charge_mb,
                    worth: known.worth,
                });
            }
            let unprovisioned = provisioned.saturating_sub(function.environments);
            if function.waiting.len() > function.under_way || unprovisioned > 0 {
                wanting.push(index);
                observed.rates.push(function.rate.left(self.now_ms, self.settings.scaling_rate));
                observed.wanting.push(Wanting {
                    waiting_since_ms: function
                        .waiting
                        .iter()
                        .map(|one| self.requests[*one].since_ms)
                        .collect(),
                    under_way: function.under_way,
                    provisioning: function.provisioning,
                    unprovisioned,
                    environments: function.environments,
                    charge_mb: function.charge.expected_mb(),
                    not_before_ms: function.crashes.map_or(0, |crashes| crashes.not_before_ms()),
                    function: observed.rates.len() - 1,
                });
            }
        }
        (observed, wanting, idle)
    }

    fn decide(&mut self) {
        let (observed, wanting, idle) = self.observe();
        let decision = decide(self.now_ms, &self.settings.limits, &observed);
        assert_eq!(decision, decide(self.now_ms, &self.settings.limits, &observed), "it is a function");
        self.floor = decision.floor.unwrap_or(self.floor);
        self.evicted += decision.floor.map_or(0, |_| decision.evict.len());
        for index in &decision.evict {
            assert!(observed.idle[*index].spare);
            self.gone(idle[*index]);
        }
        for index in &decision.freeze {
            self.environments[idle[*index]].frozen = true;
        }
        let mut refused: Vec<_> = decision.refuse.clone();
        refused.sort_by_key(|refusal| Reverse(refusal.request));
        for refusal in refused {
            let waiting = &mut self.functions[wanting[refusal.wanting]].waiting;
            let request = waiting.remove(refusal.request).expect("one that waits");
            self.end(request, End::Refused(refusal.reason));
        }
        for start in &decision.start {
            self.start(wanting[start.wanting], start.what_for);
        }
        if decision.again_ms.is_some() || !self.functions.iter().all(|function| function.waiting.is_empty()) {
            self.tick_soon();
        }
    }

    fn start(&mut self, index: usize, what_for: StartFor) {
        let function = &mut self.functions[index];
        match what_for {
            StartFor::Provisioned => function.provisioning += 1,
            StartFor::Request(request) => {
                assert!(request < function.waiting.len());
                function.under_way += 1;
                function.rate.spend(self.now_ms, self.settings.scaling_rate);
                function.starts.push(self.now_ms);
            }
        }
        assert!(function.crashes.is_none_or(|crashes| crashes.not_before_ms() <= self.now_ms));
        function.environments += 1;
        let charge_mb = function.charge.expected_mb();
        let start_ms = function.kind.start_ms;
        let worth = Worth { start_ms: start_ms as f64, ..Worth::default() };
        self.used_mb += charge_mb;
        self.starting += 1;
        let environment = self.environments.len();
        let phase = Phase::Starting;
        self.environments.push(Environment { function: index, phase, frozen: false, charge_mb, worth });
        let provisioned = what_for == StartFor::Provisioned;
        self.at(self.now_ms + start_ms, Event::Started { environment, provisioned });
    }

    /// What holds at every moment.
    fn check(&mut self) {
        // It looks at everything: in the large worlds that is too much for every moment.
        if self.requests.len() > 1_000 && !self.sequence.is_multiple_of(64) {
            return;
        }
        let limits = self.settings.limits;
        assert!(self.starting <= limits.concurrent_starts);
        let running: u64 = self.functions.iter().map(|function| function.reserved_running).sum();
        assert!(self.unreserved_running <= self.settings.account_concurrency);
        let unanswered = self.requests.iter().filter(|request| request.end.is_none()).count();
        assert_eq!(unanswered as u64, running + self.unreserved_running, "a permit for each and no more");
        let alive = self.environments.iter().filter(|one| one.phase != Phase::Gone).count();
        self.most_environments = self.most_environments.max(alive);
        // What was started for less than it turned out to hold, or on a host that had more then, may be too much; then
        // nothing that could go is left.
        if alive > 1 && self.used_mb > self.settings.budget_mb.min(self.host_mb) {
            let (observed, _, _) = self.observe();
            assert!(!observed.idle.iter().any(|idle| idle.spare), "idle ones go first");
        }
        for function in &self.functions {
            assert!(function.kind.reserved.is_none_or(|reserved| function.reserved_running <= reserved));
            let rate = self.settings.scaling_rate as usize;
            let recent = function.starts.iter().rev().take_while(|at| **at + 10_000 > self.now_ms).count();
            assert!(rate == 0 || recent <= 2 * rate, "at once, and what was refilled meanwhile");
        }
    }
}
