//! The launcher process: one thread, a poll loop, no async.

use std::collections::HashMap;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::cgroups::{self, Cgroups};
use crate::protocol::{
    CreateSandbox, FromLauncher, FromSupervisor, MAX_MESSAGE_BYTES, ToLauncher, receive, send,
};
use crate::seccomp::Filters;
use crate::setup::Setup;
use crate::supervisor::Supervisor;
use crate::sys::{self, Cloned};
use crate::tmp_disk::TmpDisks;

/// The server's socket, in a launcher.
pub(crate) const SERVER_FD: i32 = 3;
/// First of the host's users and groups that sandboxes run as: far above what systems hand out.
const FIRST_HOST_ID: u32 = 1_879_048_192;
/// How many users there are; a sandbox gets the next one, and one is used again long after its last sandbox has gone.
const HOST_IDS: u32 = 65_536;
/// While a dead sandbox's cgroups can't be removed yet: how long until the next try.
const REMOVE_AGAIN_MS: i64 = 10;

struct Child {
    pidfd: OwnedFd,
    cgroups: Vec<(String, PathBuf)>,
}

struct Launcher {
    server: OwnedFd,
    root: PathBuf,
    cgroups: Cgroups,
    filters: Filters,
    disks: Option<TmpDisks>,
    is_root: bool,
    next_host_id: u32,
    children: HashMap<String, Child>,
    /// Dead, with directories that the kernel has not let go of yet.
    leaving: Vec<(String, Vec<(String, PathBuf)>)>,
}

/// Runs the launcher if the arguments say so, and never returns then. To be called first thing in `main`, before there
/// are threads: `<binary> __launcher <state dir>` with the server's socket as descriptor 3.
pub fn launcher_main() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_none_or(|first| first != crate::LAUNCHER_ARGUMENT)
    {
        return;
    }
    let Some(state_dir) = arguments.next().map(PathBuf::from) else {
        sys::exit_now(2)
    };
    // Whatever else the server was started with is not for sandboxes.
    sys::close_from(SERVER_FD as u32 + 1);
    // SAFETY: the server has put its socket there, and nobody else in this process owns it.
    let server = unsafe { OwnedFd::from_raw_fd(SERVER_FD) };
    let status = match Launcher::start(server, &state_dir) {
        Ok(launcher) => launcher.run(),
        Err(reason) => {
            eprintln!("lambent: the launcher can't start: {reason}");
            1
        }
    };
    sys::exit_now(status)
}

impl Launcher {
    fn start(server: OwnedFd, state_dir: &Path) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        // A terminal's Ctrl-C is for the server: it wants its sandboxes until running invokes have finished.
        rustix::process::setsid().map_err(|errno| errno.to_string())?;
        rustix::io::fcntl_setfd(&server, rustix::io::FdFlags::CLOEXEC).map_err(|errno| errno.to_string())?;
        let is_root = rustix::process::geteuid().is_root();
        let mut degraded = Vec::new();
        if !is_root {
            own_namespaces().map_err(|error| format!("user namespaces: {error}"))?;
        }
        let root = state_dir.join("root");
        std::fs::create_dir_all(&root).map_err(text)?;
        let cgroups = Cgroups::open();
        cgroups.sweep();
        if let Cgroups::None { reason } = &cgroups {
            degraded.push(format!(
                "memory, CPU and process limits are not enforced: {reason}"
            ));
        }
        let mut disks = TmpDisks::new(state_dir);
        let disks = match if is_root {
            disks.probe()
        } else {
            Err("loop devices need root".to_owned())
        } {
            Ok(()) => Some(disks),
            Err(reason) => {
                degraded.push(format!(
                    "/tmp is kept in memory and counts as the function's memory: {reason}"
                ));
                None
            }
        };
        let filters = Filters::compile()?;
        send(&server, &FromLauncher::Hello { degraded }, &[]).map_err(text)?;
        Ok(Launcher {
            server,
            root,
            cgroups,
            filters,
            disks,
            is_root,
            next_host_id: 0,
            children: HashMap::new(),
            leaving: Vec::new(),
        })
    }

    fn run(mut self) -> i32 {
        let mut buffer = vec![0; MAX_MESSAGE_BYTES];
        loop {
            let (asked, ended) = self.wait();
            for id in ended {
                self.ended(&id);
            }
            self.remove_leaving();
            if !asked {
                continue;
            }
            match receive::<ToLauncher>(self.server.as_fd(), &mut buffer) {
                Ok(Some((ToLauncher::Create(spec), _))) => {
                    if let Err(reason) = self.create(&spec) {
                        self.tell(&FromLauncher::Failed { id: spec.id, reason }, &[]);
                    }
                }
                Ok(Some((ToLauncher::Destroy { id }, _))) => {
                    if let Some(child) = self.children.get(&id) {
                        sys::kill_by_pidfd(&child.pidfd);
                    }
                }
                Ok(None) | Err(_) => return self.end(),
            }
        }
    }

    /// Whether the server has something to say, and which sandboxes have ended.
    fn wait(&self) -> (bool, Vec<String>) {
        let ids: Vec<&String> = self.children.keys().collect();
        let mut ready = vec![PollFd::new(&self.server, PollFlags::IN)];
        ready.extend(
            ids.iter()
                .map(|id| PollFd::new(&self.children[*id].pidfd, PollFlags::IN)),
        );
        let again = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: REMOVE_AGAIN_MS * 1_000_000,
        };
        let timeout = (!self.leaving.is_empty()).then_some(&again);
        if poll(&mut ready, timeout).is_err() {
            return (false, Vec::new());
        }
        let ended = ids
            .into_iter()
            .zip(&ready[1..])
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        (!ready[0].revents().is_empty(), ended)
    }

    fn tell(&self, message: &FromLauncher, fds: &[OwnedFd]) {
        // A server that is gone is noticed at the next wait.
        let _ = send(&self.server, message, fds);
    }

    fn create(&mut self, spec: &CreateSandbox) -> Result<(), String> {
        let cgroups = self
            .cgroups
            .create(&spec.id, spec.memory_mb, spec.processes)
            .map_err(|error| format!("cgroups: {error}"))?;
        let result = self.spawn(spec, &cgroups);
        if result.is_err() {
            self.leaving.push((spec.id.clone(), cgroups));
        }
        result
    }

    fn spawn(&mut self, spec: &CreateSandbox, cgroups: &[(String, PathBuf)]) -> Result<(), String> {
        let disk = match &mut self.disks {
            Some(disks) => Some(
                disks
                    .create(spec.tmp_mb)
                    .map_err(|error| format!("/tmp: {error}"))?,
            ),
            None => None,
        };
        let (near, far) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|errno| format!("socket: {errno}"))?;
        for end in [&near, &far] {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(end, 4 * MAX_MESSAGE_BYTES);
        }
        let mut flags = libc::CLONE_NEWPID
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS;
        if !self.is_root {
            flags |= libc::CLONE_NEWUSER;
        }
        let (mapped, tell_mapped) = std::io::pipe().map_err(|error| format!("pipe: {error}"))?;
        match sys::clone_process(flags).map_err(|error| format!("clone: {error}"))? {
            Cloned::Child => {
                drop((near, tell_mapped));
                // Without users of its own the child can't make a file; if the launcher fails, this is the end.
                if !matches!(std::io::Read::read(&mut &mapped, &mut [0]), Ok(1)) {
                    sys::exit_now(1);
                }
                self.be_sandbox(
                    spec,
                    cgroups,
                    disk.as_ref().map(|disk| disk.device.as_path()),
                    far,
                )
            }
            Cloned::Parent { pid, pidfd } => {
                drop(far);
                if !self.is_root {
                    map_own_user(pid).map_err(|error| format!("user mapping: {error}"))?;
                }
                std::io::Write::write_all(&mut &tell_mapped, b"x")
                    .map_err(|error| format!("pipe: {error}"))?;
                self.next_host_id = (self.next_host_id + 1) % HOST_IDS;
                self.children.insert(
                    spec.id.clone(),
                    Child {
                        pidfd,
                        cgroups: cgroups.to_vec(),
                    },
                );
                let created = FromLauncher::Created {
                    id: spec.id.clone(),
                    cgroups: cgroups.to_vec(),
                };
                self.tell(&created, &[near]);
                // The child has the device open too: it frees itself when the child and its mounts are gone.
                drop(disk);
                Ok(())
            }
        }
    }

    fn be_sandbox(
        &self,
        spec: &CreateSandbox,
        cgroups: &[(String, PathBuf)],
        tmp_device: Option<&Path>,
        server: OwnedFd,
    ) -> ! {
        let host_id = FIRST_HOST_ID + self.next_host_id;
        let setup = Setup {
            spec,
            cgroups,
            root: &self.root,
            tmp_device,
            host_ids: self.is_root.then_some((host_id, host_id)),
            filters: &self.filters,
        };
        match setup.run() {
            Ok(listener) => {
                if send(&server, &FromSupervisor::Ready, &[listener]).is_err() {
                    sys::exit_now(1);
                }
                Supervisor::new(server).run()
            }
            Err(reason) => {
                let _ = send(&server, &FromSupervisor::SetupFailed { reason }, &[]);
                sys::exit_now(1)
            }
        }
    }

    fn ended(&mut self, id: &str) {
        if let Some(child) = self.children.remove(id) {
            drop(child.pidfd);
            while sys::reap(false).is_some() {}
            self.leaving.push((id.to_owned(), child.cgroups));
        }
    }

    fn remove_leaving(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        for (id, cgroups) in leaving {
            if cgroups::remove(&cgroups) {
                self.tell(&FromLauncher::Destroyed { id }, &[]);
            } else {
                self.leaving.push((id, cgroups));
            }
        }
    }

    /// The server is gone: nothing may stay.
    fn end(mut self) -> i32 {
        for child in self.children.values() {
            sys::kill_by_pidfd(&child.pidfd);
        }
        while sys::reap(true).is_some() {}
        let ids: Vec<String> = self.children.keys().cloned().collect();
        for id in ids {
            self.ended(&id);
        }
        for _ in 0..500 {
            self.remove_leaving();
            if self.leaving.is_empty() {
                break;
            }
            let _ = self.wait();
        }
        self.cgroups.close();
        let _ = std::fs::remove_dir(&self.root);
        0
    }
}

/// An ordinary user becomes root in namespaces of its own, and mounts there.
fn own_namespaces() -> std::io::Result<()> {
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))
}

/// The one user there is, under the sandbox's number and as the root that sets it up.
fn map_own_user(pid: libc::pid_t) -> std::io::Result<()> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    std::fs::write(proc.join("setgroups"), "deny")?;
    std::fs::write(
        proc.join("uid_map"),
        format!("{} 0 1\n", crate::setup::SANDBOX_UID),
    )?;
    std::fs::write(
        proc.join("gid_map"),
        format!("{} 0 1\n", crate::setup::SANDBOX_GID),
    )
}
