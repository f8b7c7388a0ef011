//! Processes that wait in confined sandboxes for a function: how many, and how one is given away.
//!
//! Booting an interpreter takes tens of milliseconds of processor time; where a zygote can fork, a few. It happens when
//! nothing else is asked for, one at a time and with next to no weight; or at once, for a function that found none and a
//! zygote that can. A sandbox that has been given away is never taken back.

mod demand;
mod waiting;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use lambent_ports::sandbox::NotParked;

use crate::late_mounts::Outside;
use crate::protocol::{CreateSandbox, Kind};
use crate::setup::Listeners;
use crate::shells::{BLANK_TMP_MB, Running, Shells};
use crate::zygote::Maker;

use demand::Demand;
use waiting::Waiting;

/// How long one may take to get ready. Others wait for it; on a busy machine it comes last.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A kind and those of it that wait.
struct Kept {
    kind: Kind,
    waiting: VecDeque<Waiting>,
    demand: Demand,
    /// Off after one has failed, until one is asked for.
    refill: bool,
    maker: Maker,
    /// Who waits for one that is being made.
    asked: VecDeque<CreateSandbox>,
}

/// One that is a function's now.
pub(crate) struct Given {
    pub(crate) running: Running,
    pub(crate) control: OwnedFd,
    pub(crate) listeners: Listeners,
    pub(crate) mounting_us: u64,
    /// Made for it.
    pub(crate) forked: bool,
}

/// What becomes of a wish for one.
pub(crate) enum Outcome {
    Given(Given),
    /// It is being made: [`ParkedPool::served`].
    Later,
    /// There is none for this.
    None(CreateSandbox, NotParked),
}

pub(crate) struct ParkedPool {
    kinds: Vec<Kept>,
    /// `None` before it is needed, and where the kernel can't.
    outside: Option<Outside>,
    /// How many zygotes there may be: what they make takes a processor for a while.
    zygotes: usize,
}

impl ParkedPool {
    pub(crate) fn new() -> Self {
        let zygotes = std::thread::available_parallelism().map_or(1, Into::into);
        ParkedPool { kinds: Vec::new(), outside: None, zygotes }
    }

    /// Keeps these kinds; returns what is to be ended.
    pub(crate) fn keep(&mut self, kinds: Vec<Kind>, floor: u32, ceiling: u32) -> Vec<Running> {
        if self.outside.is_none() && !kinds.is_empty() {
            match Outside::open() {
                Ok(outside) => self.outside = Some(outside),
                Err(error) => {
                    complain!("lambent: no processes are parked: {error}");
                    return Vec::new();
                }
            }
        }
        let (now, mut before) = (Instant::now(), std::mem::take(&mut self.kinds));
        for kind in kinds {
            let same = before.iter().position(|kept| kept.kind == kind && kept.demand.ceiling == ceiling);
            self.kinds.push(match same {
                Some(place) => before.swap_remove(place),
                None => Kept::new(kind, Demand::new(floor, ceiling.max(floor), now)),
            });
        }
        before.into_iter().flat_map(Kept::into_all).collect()
    }

    fn next_to_fill(&self) -> Option<usize> {
        // One at a time.
        if self.kinds.iter().flat_map(|kept| &kept.waiting).any(|waiting| !waiting.ready) {
            return None;
        }
        let short = |kept: &&Kept| {
            kept.refill && kept.waiting.len() < kept.demand.wanted as usize && !kept.maker.is_starting()
        };
        let scarcest = self.kinds.iter().filter(short).min_by_key(|kept| kept.waiting.len())?;
        self.kinds.iter().position(|kept| std::ptr::eq(kept, scarcest))
    }

    pub(crate) fn wants_more(&self) -> bool {
        self.next_to_fill().is_some()
    }

    /// Whether the next to be started is of a kind of which none waits.
    pub(crate) fn lacks_one(&self) -> bool {
        self.next_to_fill()
            .and_then(|place| self.kinds.get(place))
            .is_some_and(|kept| kept.waiting.is_empty())
    }

    /// Starts the next one, or what makes it.
    pub(crate) fn fill(&mut self, shells: &mut Shells, dead: &mut Vec<Running>) {
        let Some(place) = self.next_to_fill() else { return };
        if self.kinds[place].kind.forks && self.kinds[place].maker.is_none() && self.room_for_zygote(dead) {
            let kept = &mut self.kinds[place];
            return kept.maker.start(&kept.kind, shells);
        }
        self.kinds[place].start(false, shells, dead);
    }

    /// Makes room for one more zygote, if there is none and one can be spared.
    fn room_for_zygote(&mut self, dead: &mut Vec<Running>) -> bool {
        if self.kinds.iter().filter(|kept| kept.maker.is_some()).count() < self.zygotes {
            return true;
        }
        let idle = self.kinds.iter_mut().filter(|kept| kept.asked.is_empty() && kept.unready() == 0);
        let spared = idle.filter(|kept| kept.maker.spare_since().is_some());
        let Some(kept) = spared.min_by_key(|kept| kept.maker.spare_since()) else { return false };
        dead.extend(kept.maker.give_up());
        true
    }

    /// When there may be too many, or one that does not get ready.
    pub(crate) fn eases_in(&self) -> Option<Duration> {
        let now = Instant::now();
        let unready = |kept: &Kept| {
            let begun = kept.waiting.iter().find(|waiting| !waiting.ready)?.begun;
            Some(READY_WITHIN.saturating_sub(now.duration_since(begun)))
        };
        let soonest = |kept: &Kept| {
            kept.demand.eases_in(now).into_iter().chain(unready(kept)).chain(kept.maker.eases_in()).min()
        };
        self.kinds.iter().filter_map(soonest).min()
    }

    /// Returns those that are too many by now, or have not got ready in time.
    pub(crate) fn ease(&mut self) -> Vec<Running> {
        let (now, mut surplus) = (Instant::now(), Vec::new());
        for kept in &mut self.kinds {
            kept.demand.ease(now);
            let late =
                |waiting: &Waiting| !waiting.ready && now.duration_since(waiting.begun) >= READY_WITHIN;
            if let Some(place) = kept.waiting.iter().position(late) {
                kept.refill = false;
                complain!("lambent: no {} is parked: it does not get ready", kept.kind.name);
                surplus.extend(kept.waiting.remove(place).map(|waiting| waiting.running));
            }
            while kept.waiting.len() > kept.demand.wanted as usize + kept.asked.len() {
                surplus.extend(kept.waiting.pop_front().map(|waiting| waiting.running));
            }
            // Whoever is being made has it to the end.
            if kept.unready() == 0 {
                surplus.extend(kept.maker.ease(&kept.kind.name));
            }
        }
        surplus
    }

    /// The sockets of all that wait, then those of zygotes, in an order that stays while nothing changes.
    pub(crate) fn sockets(&self) -> Vec<&OwnedFd> {
        let waiting = self.kinds.iter().flat_map(|kept| &kept.waiting).map(|waiting| &waiting.control);
        waiting.chain(self.kinds.iter().filter_map(|kept| kept.maker.socket())).collect()
    }

    /// Reads what these have said, by their places among [`ParkedPool::sockets`]; returns those that have failed.
    pub(crate) fn hear(&mut self, places: &[usize]) -> Vec<Running> {
        let (mut place, mut failed) = (0, Vec::new());
        for kept in &mut self.kinds {
            for mut waiting in std::mem::take(&mut kept.waiting) {
                let heard = places.contains(&place);
                place += 1;
                match if heard { waiting.hear(&mut kept.maker) } else { Ok(()) } {
                    Ok(()) => {
                        if heard && waiting.ready {
                            kept.maker.succeeded();
                        }
                        kept.waiting.push_back(waiting);
                    }
                    Err(reason) => {
                        kept.refill = false;
                        if waiting.forked {
                            failed.extend(kept.maker.failed());
                        }
                        complain!("lambent: no {} is parked: {reason}", kept.kind.name);
                        failed.push(waiting.running);
                    }
                }
            }
        }
        for kept in self.kinds.iter_mut().filter(|kept| kept.maker.is_some()) {
            if places.contains(&place) {
                failed.extend(kept.maker.hear(&kept.kind.name));
            }
            place += 1;
        }
        failed
    }

    /// Gives one to a function, if there is one for it. What has failed on the way is to be ended.
    pub(crate) fn give(&mut self, spec: CreateSandbox, failed: &mut Vec<Running>) -> Outcome {
        let kept = self.kinds.iter_mut().find(|kept| Some(&kept.kind.name) == spec.parked.as_ref());
        let (Some(kept), Some(outside)) = (kept, &self.outside) else {
            return Outcome::None(spec, NotParked::NoneKept);
        };
        kept.refill = true;
        if let Some(why) = kept.fits_not(&spec) {
            return Outcome::None(spec, why);
        }
        if let Some(place) = kept.waiting.iter().position(|waiting| waiting.ready)
            && let Some(waiting) = kept.waiting.remove(place)
        {
            return match kept.give(waiting, &spec, outside, failed) {
                Some(given) => Outcome::Given(given),
                None => Outcome::None(spec, NotParked::Lost),
            };
        }
        kept.demand.short(Instant::now());
        if !kept.maker.is_ready() {
            return Outcome::None(spec, NotParked::NoneWaiting);
        }
        kept.asked.push_back(spec);
        Outcome::Later
    }

    /// Serves those who wait for one that is being made, or says that nothing comes of it.
    pub(crate) fn served(
        &mut self,
        shells: &mut Shells,
        dead: &mut Vec<Running>,
    ) -> Vec<(CreateSandbox, Result<Given, NotParked>)> {
        let mut served = Vec::new();
        let Some(outside) = &self.outside else { return served };
        for kept in &mut self.kinds {
            while !kept.asked.is_empty()
                && let Some(place) = kept.waiting.iter().position(|waiting| waiting.ready)
                && let (Some(waiting), Some(spec)) = (kept.waiting.remove(place), kept.asked.pop_front())
            {
                let given = kept.give(waiting, &spec, outside, dead);
                let given = given.map(|given| Given { forked: true, ..given }).ok_or(NotParked::Lost);
                served.push((spec, given));
            }
            while kept.unready() < kept.asked.len() {
                // After one has failed nobody waits for another.
                if !kept.refill || !kept.maker.is_ready() || !kept.start(true, shells, dead) {
                    let nothing = Err(NotParked::NoneWaiting);
                    served.extend(kept.asked.pop_back().map(|spec| (spec, nothing)));
                }
            }
        }
        served
    }

    /// All that wait.
    pub(crate) fn drain(&mut self) -> Vec<Running> {
        std::mem::take(&mut self.kinds).into_iter().flat_map(Kept::into_all).collect()
    }
}

impl Kept {
    fn new(kind: Kind, demand: Demand) -> Self {
        Kept {
            kind,
            waiting: VecDeque::new(),
            demand,
            refill: true,
            maker: Maker::default(),
            asked: VecDeque::new(),
        }
    }

    fn into_all(mut self) -> Vec<Running> {
        let waiting = self.waiting.into_iter().map(|waiting| waiting.running);
        waiting.chain(self.maker.give_up()).collect()
    }

    fn unready(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.ready).count()
    }

    /// Begins to make one; for somebody who waits, `at_once`.
    fn start(&mut self, at_once: bool, shells: &mut Shells, dead: &mut Vec<Running>) -> bool {
        match waiting::start(&self.kind, self.maker.is_ready(), at_once, shells, dead) {
            Ok(waiting) => {
                self.waiting.push_back(waiting);
                true
            }
            Err(reason) => {
                self.refill = false;
                complain!("lambent: no {} is parked: {reason}", self.kind.name);
                false
            }
        }
    }

    /// Why a process of this kind can't be this function's, if so.
    fn fits_not(&self, spec: &CreateSandbox) -> Option<NotParked> {
        if !spec.mounts.starts_with(&self.kind.mounts) {
            return Some(NotParked::NoneKept);
        }
        let limits = (spec.tmp_mb, spec.processes, spec.open_files);
        let own = (BLANK_TMP_MB, self.kind.processes, self.kind.open_files);
        (limits != own).then_some(NotParked::Limits)
    }

    fn give(
        &self,
        waiting: Waiting,
        spec: &CreateSandbox,
        outside: &Outside,
        failed: &mut Vec<Running>,
    ) -> Option<Given> {
        let Waiting { running, control, fds, .. } = waiting;
        let (listeners, namespace) = fds?;
        let more = spec.mounts.strip_prefix(self.kind.mounts.as_slice())?;
        let limited = running.limit(spec);
        let began = Instant::now();
        let attached = limited.and_then(|()| {
            outside
                .mount(&namespace, &more.to_vec(), spec.memory_mb)
                .map_err(|error| format!("late mounts: {error}"))
        });
        match attached {
            Ok(()) => {
                let mounting_us = began.elapsed().as_micros() as u64;
                Some(Given { running, control, listeners, mounting_us, forked: false })
            }
            Err(reason) => {
                complain!("lambent: a parked sandbox is lost: {reason}");
                failed.push(running);
                None
            }
        }
    }
}
