//! Blank sandboxes: made ahead, so that a function's own costs a message. Namespaces, control groups, network and file
//! tree take 5 to 10 ms of work, and joining a version 1 group after idleness 13 ms of waiting; none of it depends on
//! the function.

use std::collections::{HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::cgroups::{self, Cgroups, Dirs};
use crate::egress::{self, Egress, Gateway, Link};
use crate::inside::Inside;
use crate::protocol::{CreateSandbox, FromSupervisor, MAX_MESSAGE_BYTES, ToSupervisor, receive, send};
use crate::seccomp::Filters;
use crate::setup::{Attached, Attachment, SANDBOX_GID, SANDBOX_UID, Shell, counts_processes};
use crate::supervisor::Supervisor;
use crate::sys::{self, Cloned};
use crate::tmp_disk::{TmpDisk, TmpDisks};
use crate::zygote::{self, Nest};

/// How many wait. Each holds a process and a few mounts, about 0.3 MB; a burst that takes more waits for its own.
const BLANKS: usize = 8;
/// Size of a blank sandbox's `/tmp`: what most functions have.
pub(crate) const BLANK_TMP_MB: u32 = 512;
/// First of the host's users and groups that sandboxes run as: far above what systems hand out.
pub(crate) const FIRST_HOST_ID: u32 = 1_879_048_192;
/// How many there are.
const HOST_IDS: u32 = 65_536;
/// Launchers side by side begin this far apart, so that their sandboxes don't share users.
const LAUNCHER_HOST_IDS: u32 = 1_024;

/// A sandbox's process and what goes when it has ended.
pub(crate) struct Running {
    pub(crate) pidfd: OwnedFd,
    pub(crate) cgroups: Dirs,
    /// A sandbox's own user.
    host_id: Option<u32>,
}

impl Running {
    pub(crate) fn limit(&self, spec: &CreateSandbox) -> Result<(), String> {
        cgroups::limit(&self.cgroups, spec.memory_mb, spec.processes)
            .map_err(|error| format!("limits: {error}"))
    }

    /// Kills it and everything in it. Frozen processes would not die, and many with a small share of a CPU not for minutes.
    pub(crate) fn kill(&self) {
        self.cgroups.iter().for_each(|(_, dir)| cgroups::let_die(dir));
        sys::kill_by_pidfd(&self.pidfd);
    }
}

/// What a blank sandbox is given away for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Function,
    /// A process that waits for its function: `joined` where it comes from outside, `at_once` where somebody waits for it.
    Park {
        joined: bool,
        at_once: bool,
    },
}

/// Waits for its function; `control` is for the server then.
pub(crate) struct Blank {
    pub(crate) running: Running,
    control: OwnedFd,
}

pub(crate) struct Shells {
    root: PathBuf,
    trust: Option<PathBuf>,
    cgroups: Cgroups,
    filters: Filters,
    disks: Option<TmpDisks>,
    gateway: Option<Gateway>,
    is_root: bool,
    made: u64,
    next_host_id: u32,
    host_ids_in_use: HashSet<u32>,
    pub(crate) blanks: VecDeque<Blank>,
    /// Off after a blank sandbox has failed, until one is asked for: what fails once mostly fails again at once.
    refill: bool,
}

impl Shells {
    /// Looks at what the host can do. What it can't is said in sentences.
    pub(crate) fn open(
        state_dir: &Path,
        cgroups: Cgroups,
        is_root: bool,
        egress: Egress,
        trust: Option<PathBuf>,
    ) -> Result<(Self, Vec<String>), String> {
        let root = state_dir.join("root");
        std::fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        let mut degraded: Vec<String> = cgroups.lacking().into_iter().collect();
        let mut disks = TmpDisks::new(state_dir);
        let probed = if is_root { disks.probe() } else { Err("loop devices need root".to_owned()) };
        if let Err(reason) = &probed {
            degraded.push(format!("/tmp is kept in memory and counts as the function's memory: {reason}"));
        }
        let filters = Filters::compile()?;
        let (gateway, lacking) = egress::open(egress, is_root, &filters)?;
        degraded.extend(lacking);
        let shells = Shells {
            root,
            trust,
            cgroups,
            filters,
            gateway,
            disks: probed.is_ok().then_some(disks),
            is_root,
            made: 0,
            next_host_id: std::process::id() % (HOST_IDS / LAUNCHER_HOST_IDS) * LAUNCHER_HOST_IDS,
            host_ids_in_use: HashSet::new(),
            blanks: VecDeque::new(),
            refill: true,
        };
        Ok((shells, degraded))
    }

    pub(crate) fn wants_more(&self) -> bool {
        self.refill && self.blanks.len() < BLANKS
    }

    /// Makes one for the pool.
    pub(crate) fn fill(&mut self) {
        match self.make(BLANK_TMP_MB) {
            Ok(blank) => self.blanks.push_back(blank),
            Err(reason) => {
                self.refill = false;
                complain!("lambent: no sandboxes are made ahead: {reason}");
            }
        }
    }

    /// A blank sandbox that has ended by itself says why.
    pub(crate) fn failed(&mut self, blank: Blank) -> Dirs {
        self.refill = false;
        let heard = receive::<FromSupervisor>(&blank.control);
        if let Ok(Some((FromSupervisor::SetupFailed { reason }, _))) = heard {
            complain!("lambent: no sandboxes are made ahead: {reason}");
        }
        self.ended(blank.running)
    }

    /// Its groups are left to be removed.
    pub(crate) fn ended(&mut self, running: Running) -> Dirs {
        if let Some(id) = running.host_id {
            self.host_ids_in_use.remove(&id);
        }
        running.cgroups
    }

    /// Gives a sandbox to a function: returns the process and the server's end of its socket. It goes on by itself, and
    /// reports to that end. The sandboxes whose processes turned out to be dead come back too.
    pub(crate) fn attach(
        &mut self,
        spec: &CreateSandbox,
        purpose: Purpose,
        dead: &mut Vec<Running>,
    ) -> Result<(Running, OwnedFd), String> {
        self.refill = true;
        // In order of age: the oldest is the most likely to be ready.
        while let Some(blank) = self.blanks.pop_front() {
            match self.give(&blank, spec, purpose) {
                Ok(()) => return Ok((blank.running, blank.control)),
                Err(_) => dead.push(blank.running),
            }
        }
        let blank = self.make(if self.disks.is_some() { BLANK_TMP_MB } else { spec.tmp_mb })?;
        match self.give(&blank, spec, purpose) {
            Ok(()) => Ok((blank.running, blank.control)),
            Err(reason) => {
                blank.running.kill();
                dead.push(blank.running);
                Err(reason)
            }
        }
    }

    fn give(&mut self, blank: &Blank, spec: &CreateSandbox, purpose: Purpose) -> Result<(), String> {
        match purpose {
            Purpose::Function => blank.running.limit(spec)?,
            // Limits come with a function.
            Purpose::Park { at_once: false, .. } => cgroups::step_back(&blank.running.cgroups),
            Purpose::Park { at_once: true, .. } => {}
        }
        let disk = match &mut self.disks {
            Some(disks) if spec.tmp_mb != BLANK_TMP_MB => Some(new_disk(disks, spec.tmp_mb)?),
            _ => None,
        };
        let (device, open) = disk.map(|disk| (disk.device, disk.open)).unzip();
        let attach = ToSupervisor::Attach {
            mounts: spec.mounts.clone(),
            memory_mb: spec.memory_mb,
            tmp_mb: spec.tmp_mb,
            processes: spec.processes,
            open_files: spec.open_files,
            tmp_device: device,
            mounted_late: matches!(purpose, Purpose::Park { .. }),
            joined: matches!(purpose, Purpose::Park { joined: true, .. }),
        };
        let open: Vec<OwnedFd> = open.into_iter().collect();
        send(&blank.control, &attach, &open).map_err(|error| format!("a new sandbox: {error}"))
    }

    /// Starts a zygote: a process beside the sandboxes that `nest` makes of a child of this one. Returns what it says, too.
    pub(crate) fn start_zygote(
        &mut self,
        nest: Nest,
        socket: OwnedFd,
    ) -> Result<(Running, std::io::PipeReader), String> {
        self.made += 1;
        let cgroups =
            self.cgroups.create(&format!("z{}", self.made)).map_err(|error| format!("cgroups: {error}"))?;
        let (output, output_write) = std::io::pipe().map_err(|error| format!("pipe: {error}"))?;
        match sys::clone_process(zygote::NAMESPACES) {
            Err(error) => {
                cgroups::remove(&cgroups);
                Err(format!("clone: {error}"))
            }
            Ok(Cloned::Child) => {
                sys::close_all_but(&[socket.as_raw_fd(), output_write.as_raw_fd()]);
                nest.run(&self.root, &cgroups, &self.filters, &socket, &output_write)
            }
            Ok(Cloned::Parent { pidfd, .. }) => Ok((Running { pidfd, cgroups, host_id: None }, output)),
        }
    }

    /// The limit of processes that one who comes into a sandbox sets itself.
    pub(crate) fn process_limit(&self, processes: u64) -> Option<u64> {
        counts_processes(self.is_root).then_some(processes)
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    fn make(&mut self, tmp_mb: u32) -> Result<Blank, String> {
        self.made += 1;
        let cgroups =
            self.cgroups.create(&format!("s{}", self.made)).map_err(|error| format!("cgroups: {error}"))?;
        let host_id = self.free_host_id();
        match self.spawn(tmp_mb, &cgroups, host_id) {
            Ok((pidfd, control)) => {
                self.host_ids_in_use.insert(host_id);
                Ok(Blank { running: Running { pidfd, cgroups, host_id: Some(host_id) }, control })
            }
            Err(reason) => {
                cgroups::remove(&cgroups);
                Err(reason)
            }
        }
    }

    fn free_host_id(&mut self) -> u32 {
        loop {
            self.next_host_id = (self.next_host_id + 1) % HOST_IDS;
            let id = FIRST_HOST_ID + self.next_host_id;
            // There are fewer processes than users.
            if !self.host_ids_in_use.contains(&id) {
                return id;
            }
        }
    }

    fn spawn(&mut self, tmp_mb: u32, cgroups: &Dirs, host_id: u32) -> Result<(OwnedFd, OwnedFd), String> {
        let disk = match &mut self.disks {
            Some(disks) => Some(new_disk(disks, tmp_mb)?),
            None => None,
        };
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
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
                let (device, open) = disk.map(|disk| (disk.device, disk.open)).unzip();
                let kept =
                    [Some(far.as_raw_fd()), Some(mapped.as_raw_fd()), open.as_ref().map(AsRawFd::as_raw_fd)];
                sys::close_all_but(&kept.into_iter().flatten().collect::<Vec<_>>());
                // Without users of its own the child can't make a file; if the launcher fails, this is the end.
                let Ok(link) = receive_link(&mapped) else { sys::exit_now(1) };
                drop(mapped);
                let shell = Shell {
                    cgroups,
                    root: &self.root,
                    tmp_device: device.as_deref(),
                    tmp_mb,
                    link,
                    host_ids: self.is_root.then_some((host_id, host_id)),
                    filters: &self.filters,
                    trust: self.trust.as_deref(),
                };
                be_sandbox(shell, far, open)
            }
            Cloned::Parent { pid, pidfd } => {
                // Returning early closes the pipe, which ends the child.
                if !self.is_root {
                    map_own_user(pid).map_err(|error| format!("user mapping: {error}"))?;
                }
                let link = match &mut self.gateway {
                    Some(gateway) => Some(gateway.connect(pid)?),
                    None => None,
                };
                send_link(&tell_mapped, link).map_err(|error| format!("pipe: {error}"))?;
                // The child has the device open too: it frees itself when the child and its mounts are gone.
                Ok((pidfd, near))
            }
        }
    }

    /// Becomes readable when the resolver has ended.
    pub(crate) fn resolver(&self) -> Option<&OwnedFd> {
        self.gateway.as_ref().and_then(Gateway::resolver)
    }

    /// One of the launcher's own children has ended.
    pub(crate) fn child_ended(&mut self, pid: libc::pid_t) {
        if let Some(gateway) = &mut self.gateway {
            gateway.ended(pid, &self.filters);
        }
    }

    /// Sandboxes are dead: nobody needs a way out.
    pub(crate) fn disconnect(&mut self) {
        self.gateway = None;
    }

    /// Nothing is left in here.
    pub(crate) fn close(self) {
        self.cgroups.close();
        let _ = std::fs::remove_dir(&self.root);
    }
}

/// Tells a new sandbox that it may go on, and how it is connected: the addresses of the host's end, of its own and of the
/// resolver, of zeros where there is none.
fn send_link(mut pipe: &std::io::PipeWriter, link: Option<Link>) -> std::io::Result<()> {
    let resolver = |link: &Link| link.resolver().unwrap_or(Ipv4Addr::UNSPECIFIED);
    let addresses =
        link.map(|link| [link.gateway, link.own, resolver(&link)].map(|address| address.octets()));
    std::io::Write::write_all(&mut pipe, addresses.unwrap_or_default().as_flattened())
}

fn receive_link(mut pipe: &std::io::PipeReader) -> std::io::Result<Option<Link>> {
    let mut addresses = [[0; 4]; 3];
    std::io::Read::read_exact(&mut pipe, addresses.as_flattened_mut())?;
    let [gateway, own, resolver] = addresses.map(Ipv4Addr::from);
    let resolves = !resolver.is_unspecified();
    Ok((!own.is_unspecified()).then_some(Link { gateway, own, resolves }))
}

fn new_disk(disks: &mut TmpDisks, size_mb: u32) -> Result<TmpDisk, String> {
    disks.create(size_mb).map_err(|error| format!("/tmp: {error}"))
}

/// The one user there is, under the sandbox's number and as the root that sets it up.
fn map_own_user(pid: libc::pid_t) -> std::io::Result<()> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    std::fs::write(proc.join("setgroups"), "deny")?;
    std::fs::write(proc.join("uid_map"), format!("{SANDBOX_UID} 0 1\n"))?;
    std::fs::write(proc.join("gid_map"), format!("{SANDBOX_GID} 0 1\n"))
}

/// What a fresh child does for the rest of its life.
fn be_sandbox(shell: Shell, server: OwnedFd, tmp_open: Option<OwnedFd>) -> ! {
    // The server's terminal is not for sandboxes; what goes wrong is told over the socket.
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = sys::duplicate_to(null.as_raw_fd(), 2);
    }
    let attached = match become_a_functions(shell, &server, tmp_open) {
        Ok(Some(attached)) => attached,
        // The launcher is gone.
        Ok(None) => sys::exit_now(0),
        Err(reason) => {
            let _ = send(&server, &FromSupervisor::SetupFailed { reason }, &[]);
            sys::exit_now(1)
        }
    };
    let names = attached.names;
    let mut fds = Vec::from(attached.listeners.into_fds());
    fds.extend(attached.mount_namespace);
    fds.extend(attached.inside.into_iter().flat_map(Inside::into_fds));
    if send(&server, &FromSupervisor::Ready, &fds).is_err() {
        sys::exit_now(1);
    }
    drop(fds);
    Supervisor::new(server, names).run()
}

fn become_a_functions(
    shell: Shell,
    server: &OwnedFd,
    tmp_open: Option<OwnedFd>,
) -> Result<Option<Attached>, String> {
    let blank = shell.prepare()?;
    // Mounted by now, which keeps the device.
    drop(tmp_open);
    let asked = receive::<ToSupervisor>(server.as_fd());
    let Some((asked, device_open)) = asked.map_err(|error| format!("attach: {error}"))? else {
        return Ok(None);
    };
    let ToSupervisor::Attach {
        mounts,
        memory_mb,
        tmp_mb,
        tmp_device,
        processes,
        open_files,
        mounted_late,
        joined,
    } = asked
    else {
        return Err("attach: another message came first".into());
    };
    let attachment = Attachment {
        mounts: &mounts,
        memory_mb,
        tmp_mb,
        tmp_device: tmp_device.as_deref(),
        processes,
        open_files,
        mounted_late,
        joined,
    };
    let attached = blank.attach(&attachment)?;
    drop(device_open);
    Ok(Some(attached))
}
