//! Processes that wait in confined sandboxes for a function: how many, and how one is given away.
//!
//! Booting an interpreter takes tens of milliseconds of processor time. It happens when nothing else is asked for, one
//! at a time and with next to no weight. A sandbox that has been given away is never taken back.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lambent_ports::sandbox::NotParked;

use crate::late_mounts::Outside;
use crate::protocol::{CreateSandbox, FromSupervisor, Kind, MAX_MESSAGE_BYTES, ToSupervisor, receive, send};
use crate::setup::{Listeners, RUNTIME_API};
use crate::shells::{BLANK_TMP_MB, Running, Shells};

/// How long more than the floor are kept after they were last too few.
const EASE_AFTER: Duration = Duration::from_secs(60);

/// How long one may take to get ready. Others wait for it; on a busy machine it comes last.
const READY_WITHIN: Duration = Duration::from_secs(60);

struct Waiting {
    running: Running,
    begun: Instant,
    control: OwnedFd,
    /// The listeners and the mount namespace, as soon as the sandbox is made.
    fds: Option<(Listeners, OwnedFd)>,
    ready: bool,
}

/// A kind and those of it that wait.
struct Kept {
    kind: Kind,
    waiting: VecDeque<Waiting>,
    demand: Demand,
    /// Off after one has failed, until one is asked for.
    refill: bool,
}

/// How many are wanted: more after too few, fewer after a while.
#[derive(Debug)]
struct Demand {
    floor: u32,
    ceiling: u32,
    wanted: u32,
    last_short: Instant,
}

impl Demand {
    fn new(floor: u32, ceiling: u32, now: Instant) -> Self {
        Demand { floor, ceiling, wanted: floor, last_short: now }
    }

    /// One was asked for and there was none.
    fn short(&mut self, now: Instant) {
        self.wanted = (self.wanted * 2).max(1).min(self.ceiling);
        self.last_short = now;
    }

    fn ease(&mut self, now: Instant) {
        if self.eases_in(now).is_some_and(|left| left.is_zero()) {
            self.wanted = (self.wanted / 2).max(self.floor);
            self.last_short = now;
        }
    }

    fn eases_in(&self, now: Instant) -> Option<Duration> {
        (self.wanted > self.floor).then(|| EASE_AFTER.saturating_sub(now.duration_since(self.last_short)))
    }
}

/// One that is a function's now.
pub(crate) struct Given {
    pub(crate) running: Running,
    pub(crate) control: OwnedFd,
    pub(crate) listeners: Listeners,
    pub(crate) mounting_us: u64,
}

pub(crate) struct ParkedPool {
    kinds: Vec<Kept>,
    /// `None` before it is needed, and where the kernel can't.
    outside: Option<Outside>,
}

impl ParkedPool {
    pub(crate) fn new() -> Self {
        ParkedPool { kinds: Vec::new(), outside: None }
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
            let demand = Demand::new(floor, ceiling.max(floor), now);
            let same = before.iter().position(|kept| kept.kind == kind && kept.demand.ceiling == ceiling);
            self.kinds.push(match same {
                Some(place) => before.swap_remove(place),
                None => Kept { kind, waiting: VecDeque::new(), demand, refill: true },
            });
        }
        before.into_iter().flat_map(|kept| kept.waiting).map(|waiting| waiting.running).collect()
    }

    fn next_to_fill(&self) -> Option<usize> {
        // One at a time.
        if self.kinds.iter().flat_map(|kept| &kept.waiting).any(|waiting| !waiting.ready) {
            return None;
        }
        let short = |kept: &&Kept| kept.refill && kept.waiting.len() < kept.demand.wanted as usize;
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

    /// Starts the next one.
    pub(crate) fn fill(&mut self, shells: &mut Shells, dead: &mut Vec<Running>) {
        let Some(kept) = self.next_to_fill().and_then(|place| self.kinds.get_mut(place)) else {
            return;
        };
        match start(&kept.kind, shells, dead) {
            Ok(waiting) => kept.waiting.push_back(waiting),
            Err(reason) => {
                kept.refill = false;
                complain!("lambent: no {} is parked: {reason}", kept.kind.name);
            }
        }
    }

    /// When there may be too many, or one that does not get ready.
    pub(crate) fn eases_in(&self) -> Option<Duration> {
        let now = Instant::now();
        let unready = |kept: &Kept| {
            let begun = kept.waiting.iter().find(|waiting| !waiting.ready)?.begun;
            Some(READY_WITHIN.saturating_sub(now.duration_since(begun)))
        };
        let soonest = |kept: &Kept| kept.demand.eases_in(now).into_iter().chain(unready(kept)).min();
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
            while kept.waiting.len() > kept.demand.wanted as usize {
                surplus.extend(kept.waiting.pop_front().map(|waiting| waiting.running));
            }
        }
        surplus
    }

    /// The sockets of all that wait, in an order that stays while nothing changes.
    pub(crate) fn sockets(&self) -> Vec<&OwnedFd> {
        self.kinds.iter().flat_map(|kept| &kept.waiting).map(|waiting| &waiting.control).collect()
    }

    /// Reads what these have said, by their places among [`ParkedPool::sockets`]; returns those that have failed.
    pub(crate) fn hear(&mut self, places: &[usize]) -> Vec<Running> {
        let (mut place, mut failed) = (0, Vec::new());
        for kept in &mut self.kinds {
            for mut waiting in std::mem::take(&mut kept.waiting) {
                let outcome = if places.contains(&place) { waiting.hear() } else { Ok(()) };
                place += 1;
                match outcome {
                    Ok(()) => kept.waiting.push_back(waiting),
                    Err(reason) => {
                        kept.refill = false;
                        complain!("lambent: no {} is parked: {reason}", kept.kind.name);
                        failed.push(waiting.running);
                    }
                }
            }
        }
        failed
    }

    /// Gives one to a function, if there is one for it. What has failed on the way is to be ended.
    pub(crate) fn give(
        &mut self,
        spec: &CreateSandbox,
        failed: &mut Vec<Running>,
    ) -> Result<Given, NotParked> {
        let kept = self.kinds.iter_mut().find(|kept| Some(&kept.kind.name) == spec.parked.as_ref());
        let (Some(kept), Some(outside)) = (kept, &self.outside) else { return Err(NotParked::NoneKept) };
        kept.refill = true;
        let more = spec.mounts.strip_prefix(kept.kind.mounts.as_slice()).ok_or(NotParked::NoneKept)?;
        let limits = (spec.tmp_mb, spec.processes, spec.open_files);
        if limits != (BLANK_TMP_MB, kept.kind.processes, kept.kind.open_files) {
            return Err(NotParked::Limits);
        }
        let Some(place) = kept.waiting.iter().position(|waiting| waiting.ready) else {
            kept.demand.short(Instant::now());
            return Err(NotParked::NoneWaiting);
        };
        let taken =
            kept.waiting.remove(place).and_then(|taken| Some((taken.running, taken.control, taken.fds?)));
        let Some((running, control, (listeners, namespace))) = taken else { return Err(NotParked::Lost) };
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
                Ok(Given { running, control, listeners, mounting_us })
            }
            Err(reason) => {
                complain!("lambent: a parked sandbox is lost: {reason}");
                failed.push(running);
                Err(NotParked::Lost)
            }
        }
    }

    /// All that wait.
    pub(crate) fn drain(&mut self) -> Vec<Running> {
        let kinds = std::mem::take(&mut self.kinds);
        kinds.into_iter().flat_map(|kept| kept.waiting).map(|waiting| waiting.running).collect()
    }
}

impl Waiting {
    fn hear(&mut self) -> Result<(), String> {
        let heard = receive::<FromSupervisor>(self.control.as_fd(), &mut vec![0; MAX_MESSAGE_BYTES]);
        match heard.map_err(|error| error.to_string())? {
            Some((FromSupervisor::Ready, fds)) => {
                let mut fds = fds.into_iter();
                self.fds = Listeners::take(&mut fds).zip(fds.next());
                self.fds
                    .as_ref()
                    .map(drop)
                    .ok_or_else(|| "the sandbox came without its descriptors".to_owned())
            }
            Some((FromSupervisor::Parked, _)) => {
                self.ready = true;
                Ok(())
            }
            Some((FromSupervisor::SetupFailed { reason }, _)) => Err(reason),
            Some((FromSupervisor::ExecFailed { errno }, _)) => {
                Err(std::io::Error::from_raw_os_error(errno).to_string())
            }
            Some((FromSupervisor::ParkedEnded, _)) => Err("the process has ended".into()),
            Some((other, _)) => Err(format!("unexpected message {other:?}")),
            None => Err("the sandbox has ended".into()),
        }
    }
}

fn start(kind: &Kind, shells: &mut Shells, dead: &mut Vec<Running>) -> Result<Waiting, String> {
    let spec = CreateSandbox {
        id: String::new(),
        mounts: kind.mounts.clone(),
        // Of no effect before the function's own.
        memory_mb: 1,
        tmp_mb: BLANK_TMP_MB,
        processes: kind.processes,
        open_files: kind.open_files,
        parked: None,
    };
    let (running, control) = shells.attach(&spec, true, dead)?;
    let mut env = kind.env.clone();
    env.push(("AWS_LAMBDA_RUNTIME_API".into(), RUNTIME_API.to_string()));
    let park = ToSupervisor::Park { argv: kind.argv.clone(), env, telemetry_env: kind.telemetry_env.clone() };
    match send(&control, &park, &[]) {
        Ok(()) => Ok(Waiting { running, begun: Instant::now(), control, fds: None, ready: false }),
        Err(error) => {
            running.kill();
            dead.push(running);
            Err(format!("a new sandbox: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_grows_when_there_were_too_few_and_eases_after_a_while() {
        let begun = Instant::now();
        let mut demand = Demand::new(2, 6, begun);
        assert_eq!((demand.wanted, demand.eases_in(begun)), (2, None));
        demand.short(begun);
        assert_eq!(demand.wanted, 4);
        demand.short(begun);
        demand.short(begun);
        assert_eq!(demand.wanted, 6, "never above the ceiling");
        let later = begun + EASE_AFTER;
        demand.ease(later - Duration::from_millis(1));
        assert_eq!(demand.wanted, 6);
        demand.ease(later);
        assert_eq!((demand.wanted, demand.eases_in(later)), (3, Some(EASE_AFTER)));
        demand.ease(later + EASE_AFTER);
        assert_eq!((demand.wanted, demand.eases_in(later + EASE_AFTER)), (2, None));
        let mut none = Demand::new(0, 0, begun);
        none.short(begun);
        assert_eq!(none.wanted, 0);
    }
}
