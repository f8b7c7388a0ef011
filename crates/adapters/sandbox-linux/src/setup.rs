//! From a bare process in new namespaces to a confined one: file tree, network, identity, privileges. The order
//! matters: each step needs rights that a later one gives up.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketType, socket};

use crate::cgroups;
use crate::protocol::CreateSandbox;
use crate::seccomp::Filters;
use crate::sys;

/// Where the Runtime API is, inside: AWS's own address.
pub(crate) const RUNTIME_API: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 100, 1), 9001);
/// The user and group that functions see themselves as.
pub(crate) const SANDBOX_UID: u32 = 993;
pub(crate) const SANDBOX_GID: u32 = 990;

/// What a sandbox's first process is given.
pub(crate) struct Setup<'a> {
    pub(crate) spec: &'a CreateSandbox,
    pub(crate) cgroups: &'a [(String, PathBuf)],
    /// An empty directory to build the tree on.
    pub(crate) root: &'a Path,
    /// Device for `/tmp`; without it `/tmp` is in memory.
    pub(crate) tmp_device: Option<&'a Path>,
    /// The host's user and group that this sandbox runs as. `None` when the launcher is no root: the own one.
    pub(crate) host_ids: Option<(u32, u32)>,
    pub(crate) filters: &'a Filters,
}

/// A failed step, by name.
type Step<T> = Result<T, String>;

fn step<T>(name: &str, result: io::Result<T>) -> Step<T> {
    result.map_err(|error| format!("{name}: {error}"))
}

impl Setup<'_> {
    /// Does everything; returns the Runtime API's listener. The process is confined afterwards.
    pub(crate) fn run(&self) -> Step<OwnedFd> {
        step("join cgroups", cgroups::join(self.cgroups))?;
        let listener = step("network", network())?;
        step("root tree", self.root_tree())?;
        let _ = rustix::system::sethostname(b"localhost");
        self.drop_privileges()?;
        Ok(listener)
    }

    fn root_tree(&self) -> io::Result<()> {
        let root = self.root;
        // Nothing that is mounted here shows on the host.
        sys::mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE, None)?;
        sys::mount(
            Some(Path::new("tmpfs")),
            root,
            Some("tmpfs"),
            libc::MS_NOSUID,
            Some("mode=755,size=4m"),
        )?;
        for dir in [
            "dev",
            "proc",
            "tmp",
            "etc",
            "var/task",
            "var/runtime",
            "var/lang",
            "opt",
            "run",
            "mnt",
            "root",
        ] {
            std::fs::create_dir_all(root.join(dir))?;
        }
        base_system(root)?;
        etc(root)?;
        devices(root, self.spec.memory_mb)?;
        self.tmp(&root.join("tmp"))?;
        for (host, guest) in &self.spec.mounts {
            bind_read_only(host, &root.join(guest.strip_prefix("/").unwrap_or(guest)))?;
        }
        procfs(&root.join("proc"))?;
        sys::pivot_root(root)?;
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
        sys::mount(None, Path::new("/"), None, flags, None)
    }

    fn tmp(&self, target: &Path) -> io::Result<()> {
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        match self.tmp_device {
            Some(device) => {
                sys::mount(
                    Some(device),
                    target,
                    Some("ext4"),
                    flags,
                    Some("noinit_itable,nobarrier"),
                )?;
                let _ = std::fs::remove_dir(target.join("lost+found"));
            }
            None => {
                let data = format!("mode=1777,size={}m", self.spec.tmp_mb);
                sys::mount(
                    Some(Path::new("tmpfs")),
                    target,
                    Some("tmpfs"),
                    flags,
                    Some(&data),
                )?;
            }
        }
        std::fs::set_permissions(target, std::os::unix::fs::PermissionsExt::from_mode(0o1777))
    }

    /// Own user namespace, unprivileged user, no capabilities, no way back, seccomp. In this order: mapping users needs
    /// rights outside, and the filter forbids what comes before it.
    fn drop_privileges(&self) -> Step<()> {
        step(
            "open files limit",
            sys::set_limit(libc::RLIMIT_NOFILE, self.spec.open_files),
        )?;
        step("core limit", sys::set_limit(libc::RLIMIT_CORE, 0))?;
        if let Some((uid, gid)) = self.host_ids {
            // The user is this sandbox's own, so the count is too.
            step(
                "process limit",
                sys::set_limit(libc::RLIMIT_NPROC, self.spec.processes),
            )?;
            step("user namespace", enter_user_namespace(uid, gid))?;
        }
        step("change user", sys::set_ids(SANDBOX_UID, SANDBOX_GID))?;
        step("capabilities", sys::drop_capabilities())?;
        step("no_new_privs", sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1))?;
        // The function has the same user: it must not look into this process.
        step("dumpable", sys::prctl(libc::PR_SET_DUMPABLE, 0))?;
        // Changing users cleared it.
        step(
            "parent death",
            sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong),
        )?;
        step("seccomp", self.filters.apply())
    }
}

/// A helper that stays outside writes the mapping: from inside, only the own user could be mapped.
fn enter_user_namespace(uid: u32, gid: u32) -> io::Result<()> {
    let (inside_read, inside_write) = std::io::pipe()?;
    match sys::fork()? {
        None => {
            drop(inside_write);
            let mut byte = [0];
            let told = io::Read::read(&mut &inside_read, &mut byte).is_ok_and(|count| count == 1);
            // This process is the first of its pid namespace, and `/proc` shows that namespace.
            let mapped = told
                && std::fs::write("/proc/1/uid_map", format!("{SANDBOX_UID} {uid} 1\n")).is_ok()
                && std::fs::write("/proc/1/gid_map", format!("{SANDBOX_GID} {gid} 1\n")).is_ok();
            sys::exit_now(i32::from(!mapped));
        }
        Some(helper) => {
            drop(inside_read);
            sys::unshare(libc::CLONE_NEWUSER)?;
            io::Write::write_all(&mut &inside_write, b"x")?;
            match sys::reap(true) {
                Some(ended) if ended.pid == helper && ended.code == Some(0) => Ok(()),
                _ => Err(io::Error::other("users could not be mapped")),
            }
        }
    }
}

/// Loopback with the Runtime API's address, and its listener. There is no way out of this network.
fn network() -> io::Result<OwnedFd> {
    let control = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    sys::loopback_up(&control)?;
    sys::loopback_alias(&control, RUNTIME_API.ip().octets())?;
    let listener = TcpListener::bind(RUNTIME_API)?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

/// The host's programs and libraries, without what was installed locally.
fn base_system(root: &Path) -> io::Result<()> {
    bind_read_only(Path::new("/usr"), &root.join("usr"))?;
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let host = Path::new("/").join(name);
        match std::fs::read_link(&host) {
            Ok(target) => std::os::unix::fs::symlink(target, root.join(name))?,
            Err(_) if host.is_dir() => bind_read_only(&host, &root.join(name))?,
            Err(_) => {}
        }
    }
    for masked in ["usr/local", "usr/src", "usr/games"] {
        let target = root.join(masked);
        if target.is_dir() {
            let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
            sys::mount(
                Some(Path::new("tmpfs")),
                &target,
                Some("tmpfs"),
                flags,
                Some("mode=755,size=4k"),
            )?;
        }
    }
    Ok(())
}

fn etc(root: &Path) -> io::Result<()> {
    let write = |name: &str, text: &str| std::fs::write(root.join("etc").join(name), text);
    write(
        "passwd",
        "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    )?;
    write("group", "root:x:0:\nsbx_user1051:x:990:\n")?;
    write(
        "hosts",
        "127.0.0.1 localhost localhost.localdomain\n169.254.100.1 sandbox.localdomain sandbox\n",
    )?;
    write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
    write("resolv.conf", "")?;
    for name in [
        "ssl",
        "pki",
        "ca-certificates",
        "ld.so.cache",
        "alternatives",
        "localtime",
    ] {
        let host = Path::new("/etc").join(name);
        if host.exists() {
            bind_read_only(&host, &root.join("etc").join(name))?;
        }
    }
    Ok(())
}

fn devices(root: &Path, memory_mb: u32) -> io::Result<()> {
    let dev = root.join("dev");
    for name in ["null", "zero", "full", "random", "urandom"] {
        std::fs::write(dev.join(name), "")?;
        sys::mount(
            Some(&Path::new("/dev").join(name)),
            &dev.join(name),
            None,
            libc::MS_BIND,
            None,
        )?;
    }
    for (name, target) in [
        ("fd", "self/fd"),
        ("stdin", "self/fd/0"),
        ("stdout", "self/fd/1"),
        ("stderr", "self/fd/2"),
    ] {
        std::os::unix::fs::symlink(Path::new("/proc").join(target), dev.join(name))?;
    }
    let shm = dev.join("shm");
    std::fs::create_dir(&shm)?;
    let data = format!("mode=1777,size={memory_mb}m");
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(Some(Path::new("tmpfs")), &shm, Some("tmpfs"), flags, Some(&data))
}

fn procfs(target: &Path) -> io::Result<()> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(Some(Path::new("proc")), target, Some("proc"), flags, None)?;
    for name in ["sys", "sysrq-trigger", "irq", "bus", "fs"] {
        let path = target.join(name);
        if path.exists() {
            bind_read_only(&path, &path)?;
        }
    }
    for name in [
        "kcore",
        "keys",
        "timer_list",
        "sched_debug",
        "kallsyms",
        "kmsg",
        "acpi",
        "scsi",
    ] {
        let path = target.join(name);
        if path.is_dir() {
            let data = Some("mode=000,size=4k");
            sys::mount(
                Some(Path::new("tmpfs")),
                &path,
                Some("tmpfs"),
                libc::MS_RDONLY,
                data,
            )?;
        } else if path.exists() {
            sys::mount(Some(Path::new("/dev/null")), &path, None, libc::MS_BIND, None)?;
        }
    }
    Ok(())
}

/// Binds a file or directory, read-only; the mount point is made.
fn bind_read_only(host: &Path, target: &Path) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("{} on {}: {error}", host.display(), target.display()),
        )
    };
    if host.is_dir() {
        std::fs::create_dir_all(target).map_err(named)?;
    } else if !target.exists() {
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(named)?;
        }
        std::fs::write(target, "").map_err(named)?;
    }
    sys::mount(Some(host), target, None, libc::MS_BIND, None).map_err(named)?;
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(None, target, None, flags, None).map_err(named)
}
