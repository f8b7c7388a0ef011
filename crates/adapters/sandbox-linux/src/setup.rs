//! From a bare process in new namespaces to a confined one. First to a *blank* sandbox, which waits in the launcher's
//! pool with all that costs time behind it; then, with a function's limits and mounts, to that function's. The order
//! matters: each step needs rights that a later one gives up.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketType, socket};

use crate::cgroups::{self, Dirs};
use crate::egress::{self, Link};
use crate::inside::Inside;
use crate::names::Names;
use crate::seccomp::Filters;
use crate::{inside, landlock, sys, tree};

/// Where the Runtime API is, inside: AWS's own address.
pub(crate) const RUNTIME_API: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 100, 1), 9001);
/// Where AWS services are, inside.
pub(crate) const SERVICES: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 100, 1), 4566);
/// Where they are under AWS's own names: for TLS.
const SECURE: SocketAddrV4 = SocketAddrV4::new(*SERVICES.ip(), 443);
/// The user and group that functions see themselves as.
pub(crate) const SANDBOX_UID: u32 = 993;
pub(crate) const SANDBOX_GID: u32 = 990;
/// From this kernel on, RLIMIT_NPROC counts per user namespace; before, a user's processes everywhere.
const NAMESPACED_PROCESS_LIMIT: (u32, u32) = (5, 14);

/// Soft and hard limits that are the same for every function (recorded). Whoever starts the server has others, and the
/// function is to see none of them. A core goes where the function may write, so it costs the function alone.
pub(crate) const OTHER_LIMITS: [(&str, libc::__rlimit_resource_t, u64, u64); 8] = [
    ("core limit", libc::RLIMIT_CORE, 10 << 30, 10 << 30),
    ("locked memory limit", libc::RLIMIT_MEMLOCK, 64 << 10, 64 << 10),
    ("stack limit", libc::RLIMIT_STACK, 8 << 20, libc::RLIM_INFINITY),
    ("address space limit", libc::RLIMIT_AS, libc::RLIM_INFINITY, libc::RLIM_INFINITY),
    ("data limit", libc::RLIMIT_DATA, libc::RLIM_INFINITY, libc::RLIM_INFINITY),
    ("resident set limit", libc::RLIMIT_RSS, libc::RLIM_INFINITY, libc::RLIM_INFINITY),
    ("file size limit", libc::RLIMIT_FSIZE, libc::RLIM_INFINITY, libc::RLIM_INFINITY),
    ("processor time limit", libc::RLIMIT_CPU, libc::RLIM_INFINITY, libc::RLIM_INFINITY),
];

/// What a blank sandbox is made of.
pub(crate) struct Shell<'a> {
    pub(crate) cgroups: &'a Dirs,
    /// An empty directory to build the tree on.
    pub(crate) root: &'a Path,
    /// Device for `/tmp`; without it `/tmp` is in memory.
    pub(crate) tmp_device: Option<&'a Path>,
    pub(crate) tmp_mb: u32,
    /// The host's user and group that this sandbox runs as. `None` when the launcher is no root: the own one.
    pub(crate) host_ids: Option<(u32, u32)>,
    /// Its way out, if it has one.
    pub(crate) link: Option<Link>,
    pub(crate) filters: &'a Filters,
    /// A directory of the certificates that functions trust.
    pub(crate) trust: Option<&'a Path>,
}

/// What makes it a function's.
pub(crate) struct Attachment<'a> {
    pub(crate) mounts: &'a [(PathBuf, PathBuf)],
    pub(crate) memory_mb: u32,
    pub(crate) tmp_mb: u32,
    pub(crate) tmp_device: Option<&'a Path>,
    pub(crate) processes: u64,
    pub(crate) open_files: u64,
    /// More will be mounted from outside: who does it needs the mount namespace.
    pub(crate) mounted_late: bool,
    /// A process will come in from outside.
    pub(crate) joined: bool,
}

/// What a function reaches the server by, inside its sandbox's own network.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) runtime: OwnedFd,
    pub(crate) services: OwnedFd,
    pub(crate) secure: OwnedFd,
}

impl Listeners {
    /// As they come with a message.
    pub(crate) fn take(fds: &mut impl Iterator<Item = OwnedFd>) -> Option<Self> {
        Some(Listeners { runtime: fds.next()?, services: fds.next()?, secure: fds.next()? })
    }

    /// As they go with a message.
    pub(crate) fn into_fds(self) -> [OwnedFd; 3] {
        [self.runtime, self.services, self.secure]
    }
}

/// What a finished sandbox is reached by.
pub(crate) struct Attached {
    pub(crate) listeners: Listeners,
    pub(crate) mount_namespace: Option<OwnedFd>,
    /// Where nobody outside answers.
    pub(crate) names: Option<Names>,
    pub(crate) inside: Option<Inside>,
}

/// A sandbox that waits for its function.
pub(crate) struct Blank<'a> {
    shell: Shell<'a>,
    listeners: Listeners,
    names: Option<Names>,
}

/// A failed step, by name.
type Step<T> = Result<T, String>;

fn step<T>(name: &str, result: io::Result<T>) -> Step<T> {
    result.map_err(|error| format!("{name}: {error}"))
}

impl<'a> Shell<'a> {
    pub(crate) fn prepare(self) -> Step<Blank<'a>> {
        step("parent death", die_with_parent())?;
        step("join cgroups", cgroups::join(self.cgroups))?;
        // The path of the host's group is not the function's business. Not every kernel has it, and nothing rests on it.
        let _ = sys::unshare(libc::CLONE_NEWCGROUP);
        let listeners = step("network", network())?;
        if let Some(Link { gateway, own, .. }) = self.link {
            step("way out", egress::set_up_inside(gateway, own))?;
        }
        let (resolver, names) = match self.link.and_then(|link| link.resolver()) {
            Some(resolver) => (resolver, None),
            None => (*SERVICES.ip(), Some(step("names", Names::open(*SERVICES.ip()))?)),
        };
        step("root tree", tree::build(self.root, resolver, self.trust))?;
        step("/tmp", tree::mount_tmp(self.root, self.tmp_device, self.tmp_mb))?;
        let _ = rustix::system::sethostname(b"localhost");
        Ok(Blank { shell: self, listeners, names })
    }
}

impl Blank<'_> {
    /// The process is confined afterwards.
    pub(crate) fn attach(self, attachment: &Attachment) -> Step<Attached> {
        let root = self.shell.root;
        if attachment.tmp_mb != self.shell.tmp_mb {
            step("/tmp", tree::replace_tmp(root, attachment.tmp_device, attachment.tmp_mb))?;
        }
        step("/dev/shm", tree::resize_shm(root, attachment.memory_mb))?;
        step("mount", tree::mount_all(root, attachment.mounts))?;
        step("enter the root", tree::enter(root))?;
        // While it can be opened: later only by itself, and nothing should have it inside.
        let mount_namespace = match attachment.mounted_late {
            true => Some(step("mount namespace", std::fs::File::open("/proc/self/ns/mnt"))?.into()),
            false => None,
        };
        let namespaces = match attachment.joined {
            true => Some(step("namespaces", inside::open())?),
            false => None,
        };
        let inside = drop_privileges(attachment, &self.shell, namespaces)?;
        Ok(Attached { listeners: self.listeners, mount_namespace, names: self.names, inside })
    }
}

/// Own user namespace, unprivileged user, no capabilities, no way back, Landlock, seccomp. In this order: the
/// filters forbid what comes before them.
fn drop_privileges(
    attachment: &Attachment,
    shell: &Shell,
    mut namespaces: Option<Vec<OwnedFd>>,
) -> Step<Option<Inside>> {
    step("open files limit", sys::set_limit(libc::RLIMIT_NOFILE, attachment.open_files))?;
    for (name, resource, soft, hard) in OTHER_LIMITS {
        step(name, sys::set_limits_where_possible(resource, soft, hard))?;
    }
    // Besides the cgroup's, and instead of it where there is none. As root the user is this sandbox's own, so the count
    // is too, on any kernel.
    if counts_processes(shell.host_ids.is_some()) {
        step("process limit", sys::set_limit(libc::RLIMIT_NPROC, attachment.processes))?;
    }
    if let Some(ids) = shell.host_ids {
        step("user namespace", enter_user_namespace(ids))?;
    }
    if let Some(namespaces) = &mut namespaces {
        namespaces.push(step("own user namespace", inside::open_last())?);
    }
    step("change user", sys::set_ids(SANDBOX_UID, SANDBOX_GID))?;
    step("capabilities", sys::drop_capabilities())?;
    step("no_new_privs", sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1))?;
    // The function has the same user: it must not look into this process.
    step("dumpable", sys::prctl(libc::PR_SET_DUMPABLE, 0))?;
    // Changing users cleared it.
    step("parent death", die_with_parent())?;
    let ruleset = step("landlock", landlock::apply())?;
    step("seccomp", shell.filters.apply())?;
    Ok(namespaces.map(|namespaces| Inside::new(namespaces, ruleset)))
}

/// Whether a limit of processes would count a sandbox's own alone.
pub(crate) fn counts_processes(own_user: bool) -> bool {
    own_user || kernel_version() >= NAMESPACED_PROCESS_LIMIT
}

pub(crate) fn die_with_parent() -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)
}

/// Major and minor.
pub(crate) fn kernel_version() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers =
        release.split(|letter: char| !letter.is_ascii_digit()).map_while(|text| text.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Becomes the sandbox's user in a user namespace of its own. Whoever makes one may map the user that he is, and no other:
/// hence the change before.
fn enter_user_namespace((uid, gid): (u32, u32)) -> io::Result<()> {
    sys::prctl(libc::PR_SET_KEEPCAPS, 1)?;
    sys::set_ids(uid, gid)?;
    // Not every host lets a user without it make a user namespace.
    sys::set_only_capability(sys::CAP_SYS_ADMIN)?;
    // What is in `/proc/self` is root's otherwise.
    sys::prctl(libc::PR_SET_DUMPABLE, 1)?;
    sys::unshare(libc::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{SANDBOX_UID} {uid} 1\n"))?;
    std::fs::write("/proc/self/gid_map", format!("{SANDBOX_GID} {gid} 1\n"))
}

/// Loopback with the Runtime API's address, and the listeners.
fn network() -> io::Result<Listeners> {
    let control = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    sys::loopback_up(&control)?;
    sys::loopback_alias(&control, RUNTIME_API.ip().octets())?;
    let listener = |address| -> io::Result<OwnedFd> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener.into())
    };
    Ok(Listeners {
        runtime: listener(RUNTIME_API)?,
        services: listener(SERVICES)?,
        secure: listener(SECURE)?,
    })
}
