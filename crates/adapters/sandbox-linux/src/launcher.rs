//! The launcher process: one thread, a poll loop, no async.

use std::collections::HashMap;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use lambent_ports::sandbox::NotParked;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cgroups::{self, Cgroups, Dirs};
use crate::egress::Egress;
use crate::parked::{Given, Outcome, ParkedPool};
use crate::protocol::{CreateSandbox, FromLauncher, ToLauncher, receive, send};
use crate::residue::Residue;
use crate::setup::Listeners;
use crate::shells::{Purpose, Running, Shells};
use crate::sys;

/// The server's socket, in a launcher.
pub(crate) const SERVER_FD: i32 = 3;
/// While a dead sandbox's cgroups can't be removed yet: how long until the next try.
const REMOVE_AGAIN_MS: i64 = 10;
/// How long nobody must have asked for anything before the pool is filled: a function that has just got its sandbox
/// needs the processor more.
const QUIET_MS: i64 = 3;
/// How long, before the next process is parked: it takes a processor for tens of milliseconds.
const PARK_QUIET_MS: i64 = 20;
/// Tries at removing the last groups before the launcher ends without them; its successor clears them.
const LAST_TRIES: usize = 500;

/// Dead, with directories that the kernel may not have let go of yet.
struct Leaving {
    /// Of whom the server is told. A blank sandbox has no name.
    id: Option<String>,
    cgroups: Dirs,
}

struct Launcher {
    server: OwnedFd,
    shells: Shells,
    parked: ParkedPool,
    children: HashMap<String, Running>,
    leaving: Vec<Leaving>,
    /// Held until the end.
    _residue: Residue,
}

/// What woke the launcher.
#[derive(Default)]
struct Woken {
    asked: bool,
    /// Nothing has happened for a while.
    quiet: bool,
    ended: Vec<String>,
    /// Places in the pool, last first.
    failed_blanks: Vec<usize>,
    /// Those of the parked that have said something.
    parked: Vec<usize>,
}

/// Runs the launcher if the arguments say so, and never returns then. To be called first thing in `main`, before there
/// are threads: `<binary> __launcher <state dir> <egress> [<trust dir>]` with the server's socket as descriptor 3.
pub fn launcher_main() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != crate::LAUNCHER_ARGUMENT) {
        return;
    }
    let Some(state_dir) = arguments.next().map(PathBuf::from) else { sys::exit_now(2) };
    let egress = arguments.next().and_then(|name| Egress::of_name(name.to_str()?));
    let Some(egress) = egress else { sys::exit_now(2) };
    let trust = arguments.next().map(PathBuf::from);
    // Whatever else the server was started with is not for sandboxes.
    sys::close_from(SERVER_FD as u32 + 1);
    // SAFETY: the server has put its socket there, and nobody else in this process owns it.
    let server = unsafe { OwnedFd::from_raw_fd(SERVER_FD) };
    let status = match Launcher::start(server, &state_dir, egress, trust) {
        Ok(launcher) => launcher.run(),
        Err(reason) => {
            complain!("lambent: the launcher can't start: {reason}");
            1
        }
    };
    sys::exit_now(status)
}

impl Launcher {
    fn start(
        server: OwnedFd,
        state_dir: &Path,
        egress: Egress,
        trust: Option<PathBuf>,
    ) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        // A terminal's Ctrl-C is for the server: it wants its sandboxes until running invokes have finished.
        rustix::process::setsid().map_err(|errno| errno.to_string())?;
        rustix::io::fcntl_setfd(&server, rustix::io::FdFlags::CLOEXEC).map_err(|errno| errno.to_string())?;
        let mut residue = Residue::lock(state_dir).map_err(text)?;
        let left = residue.sweep().map_err(text)?;
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            own_namespaces().map_err(|error| format!("user namespaces: {error}"))?;
        }
        let cgroups = Cgroups::open();
        cgroups.sweep();
        // What could not be cleared stays on the list.
        let mut dirs = cgroups.own_dirs();
        dirs.extend(left);
        residue.record(&dirs).map_err(text)?;
        let (shells, degraded) = Shells::open(state_dir, cgroups, is_root, egress, trust)?;
        send(&server, &FromLauncher::Hello { degraded }, &[]).map_err(text)?;
        Ok(Launcher {
            server,
            shells,
            parked: ParkedPool::new(),
            children: HashMap::new(),
            leaving: Vec::new(),
            _residue: residue,
        })
    }

    fn run(mut self) -> i32 {
        let mut filling = false;
        loop {
            let woken = self.wait(filling);
            filling = woken.quiet;
            for id in woken.ended {
                self.ended(id);
            }
            for place in woken.failed_blanks {
                if let Some(blank) = self.shells.blanks.remove(place) {
                    let cgroups = self.shells.failed(blank);
                    self.leaving.push(Leaving { id: None, cgroups });
                }
            }
            let failed = self.parked.hear(&woken.parked);
            self.leave(failed);
            self.serve();
            let surplus = self.parked.ease();
            self.leave(surplus);
            while let Some(ended) = sys::reap(false) {
                self.shells.child_ended(ended.pid);
            }
            self.remove_leaving();
            if woken.quiet {
                self.fill();
            }
            if !woken.asked {
                continue;
            }
            match receive::<ToLauncher>(self.server.as_fd()) {
                Ok(Some((ToLauncher::Create(spec), _))) => self.create(spec),
                Ok(Some((ToLauncher::Destroy { id }, _))) => self.destroy(id),
                Ok(Some((ToLauncher::KeepParked { kinds, floor, ceiling }, _))) => {
                    let gone = self.parked.keep(kinds, floor, ceiling);
                    self.leave(gone);
                }
                Ok(None) | Err(_) => return self.end(),
            }
        }
    }

    /// Waits for something to do; while the pool is being filled, only looks.
    fn wait(&self, filling: bool) -> Woken {
        let ids: Vec<&String> = self.children.keys().collect();
        let blanks = &self.shells.blanks;
        let mut fds = vec![PollFd::new(&self.server, PollFlags::IN)];
        fds.extend(ids.iter().map(|id| PollFd::new(&self.children[*id].pidfd, PollFlags::IN)));
        fds.extend(blanks.iter().map(|blank| PollFd::new(&blank.running.pidfd, PollFlags::IN)));
        let parked = self.parked.sockets();
        fds.extend(parked.iter().map(|socket| PollFd::new(*socket, PollFlags::IN)));
        // Only to wake up: it is reaped with the others.
        fds.extend(self.shells.resolver().map(|resolver| PollFd::new(resolver, PollFlags::IN)));
        let wakings = [
            (!self.leaving.is_empty()).then_some(REMOVE_AGAIN_MS),
            self.shells.wants_more().then_some(if filling { 0 } else { QUIET_MS }),
            self.parked.wants_more().then_some(PARK_QUIET_MS),
            self.parked.eases_in().map(|left| left.as_millis() as i64 + 1),
        ];
        let timeout = wakings.into_iter().flatten().min();
        let timeout = timeout.map(|ms| Timespec { tv_sec: ms / 1_000, tv_nsec: ms % 1_000 * 1_000_000 });
        let mut woken = Woken::default();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => woken.quiet = true,
            Ok(_) => {}
            Err(_) => return woken,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (children, others) = ready[1..].split_at(ids.len());
        let (of_blanks, others) = others.split_at(blanks.len());
        let of_parked = &others[..parked.len()];
        woken.asked = ready[0];
        woken.ended =
            ids.iter().zip(children).filter(|(_, ready)| **ready).map(|(id, _)| (*id).clone()).collect();
        woken.failed_blanks = (0..of_blanks.len()).rev().filter(|place| of_blanks[*place]).collect();
        woken.parked = (0..of_parked.len()).filter(|place| of_parked[*place]).collect();
        woken
    }

    fn tell(&self, message: &FromLauncher, fds: &[OwnedFd]) {
        // A server that is gone is noticed at the next wait.
        let _ = send(&self.server, message, fds);
    }

    fn create(&mut self, spec: CreateSandbox) {
        if self.children.contains_key(&spec.id) {
            let reason = format!("there is a sandbox {} already", spec.id);
            return self.tell(&FromLauncher::Failed { id: spec.id, reason }, &[]);
        }
        let (id, mut dead) = (spec.id.clone(), Vec::new());
        match self.parked.give(spec, &mut dead) {
            Outcome::Given(given) => self.given(id, given),
            Outcome::Later => self.serve(),
            Outcome::None(spec, why) => self.attach(spec, why),
        }
        self.leave(dead);
    }

    /// Sees to those who wait for a process that is being made.
    fn serve(&mut self) {
        let mut dead = Vec::new();
        for (spec, given) in self.parked.served(&mut self.shells, &mut dead) {
            match given {
                Ok(given) => self.given(spec.id, given),
                Err(why) => self.attach(spec, why),
            }
        }
        self.leave(dead);
    }

    fn given(&mut self, id: String, given: Given) {
        let Given { running, control, listeners, mounting_us, forked } = given;
        let fds = fds_of(control, listeners);
        let cgroups = running.cgroups.clone();
        let why = forked.then_some(NotParked::NoneWaiting);
        let created =
            FromLauncher::Created { id: id.clone(), cgroups, mounting_us, not_parked: why.map(name), forked };
        self.children.insert(id, running);
        self.tell(&created, &fds);
    }

    fn attach(&mut self, spec: CreateSandbox, why: NotParked) {
        let mut dead = Vec::new();
        match self.shells.attach(&spec, Purpose::Function, &mut dead) {
            Ok((running, control)) => {
                let (id, cgroups) = (spec.id, running.cgroups.clone());
                self.children.insert(id.clone(), running);
                let not_parked = Some(name(why));
                let created =
                    FromLauncher::Created { id, cgroups, mounting_us: 0, not_parked, forked: false };
                self.tell(&created, &[control]);
            }
            Err(reason) => self.tell(&FromLauncher::Failed { id: spec.id, reason }, &[]),
        }
        self.leave(dead);
    }

    fn fill(&mut self) {
        // Under a steady stream of starts the blank ones are never all there; a kind of which none waits comes before.
        let parks_first = self.parked.lacks_one() && !self.shells.blanks.is_empty();
        if self.shells.wants_more() && !parks_first {
            self.shells.fill();
        } else if self.parked.wants_more() {
            let mut dead = Vec::new();
            self.parked.fill(&mut self.shells, &mut dead);
            self.leave(dead);
        }
    }

    /// Ends sandboxes that are nobody's.
    fn leave(&mut self, all: Vec<Running>) {
        for running in all {
            running.kill();
            let cgroups = self.shells.ended(running);
            self.leaving.push(Leaving { id: None, cgroups });
        }
    }

    fn destroy(&self, id: String) {
        match self.children.get(&id) {
            Some(child) => child.kill(),
            // Ended by itself: told already, or as soon as its groups are removed.
            None if self.leaving.iter().any(|leaving| leaving.id.as_ref() == Some(&id)) => {}
            None => self.tell(&FromLauncher::Destroyed { id }, &[]),
        }
    }

    fn ended(&mut self, id: String) {
        if let Some(running) = self.children.remove(&id) {
            let cgroups = self.shells.ended(running);
            self.leaving.push(Leaving { id: Some(id), cgroups });
        }
    }

    fn remove_leaving(&mut self) {
        for leaving in std::mem::take(&mut self.leaving) {
            if !cgroups::remove(&leaving.cgroups) {
                self.leaving.push(leaving);
            } else if let Some(id) = leaving.id {
                self.tell(&FromLauncher::Destroyed { id }, &[]);
            }
        }
    }

    /// The server is gone: nothing may stay.
    fn end(mut self) -> i32 {
        let blanks = std::mem::take(&mut self.shells.blanks).into_iter().map(|blank| blank.running);
        let children = self.children.drain().map(|(_, running)| running);
        let all: Vec<Running> = children.chain(blanks).chain(self.parked.drain()).collect();
        all.iter().for_each(Running::kill);
        self.shells.disconnect();
        while sys::reap(true).is_some() {}
        for running in all {
            let cgroups = self.shells.ended(running);
            self.leaving.push(Leaving { id: None, cgroups });
        }
        for _ in 0..LAST_TRIES {
            self.remove_leaving();
            if self.leaving.is_empty() {
                break;
            }
            let soon = Timespec { tv_sec: 0, tv_nsec: REMOVE_AGAIN_MS * 1_000_000 };
            let _ = poll(&mut [], Some(&soon));
        }
        self.shells.close();
        0
    }
}

/// As it is told.
fn name(why: NotParked) -> String {
    NotParked::ALL.iter().find(|(one, _)| *one == why).map_or("", |(_, name)| name).to_owned()
}

fn fds_of(control: OwnedFd, listeners: Listeners) -> Vec<OwnedFd> {
    std::iter::once(control).chain(listeners.into_fds()).collect()
}

/// An ordinary user becomes root in namespaces of its own, and mounts there.
fn own_namespaces() -> std::io::Result<()> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))
}
