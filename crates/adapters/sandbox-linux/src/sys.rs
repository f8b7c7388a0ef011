//! System calls that no safe wrapper has, each with the reason why its use is sound.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// The last error, or the value.
fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// What [`clone_process`] returns: in the parent the child, in the child nothing.
pub(crate) enum Cloned {
    Child,
    Parent { pid: libc::pid_t, pidfd: OwnedFd },
}

/// Forks into new namespaces, with a pidfd. The caller must have one thread only: the child goes on with a copy of all
/// state, and locks that another thread held would stay locked in it.
pub(crate) fn clone_process(flags: libc::c_int) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut arguments = libc::clone_args {
        flags: (flags | libc::CLONE_PIDFD) as u64,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: without CLONE_VM and with no stack given, clone3 behaves like fork: the child has its own copy of memory.
    // `arguments` and `pidfd` outlive the call. The process has one thread (see above).
    let pid = checked(unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: the kernel has put a new descriptor there that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent { pid: pid as libc::pid_t, pidfd })
}

/// Forks. `None` in the child. The same precondition as [`clone_process`].
pub(crate) fn fork() -> io::Result<Option<libc::pid_t>> {
    // SAFETY: the process has one thread.
    let pid = checked(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok((pid != 0).then_some(pid as libc::pid_t))
}

/// Ends the process at once: no destructors of state that belongs to the parent.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: always sound; it does not return.
    unsafe { libc::_exit(status) }
}

pub(crate) fn mount(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
    data: Option<&str>,
) -> io::Result<()> {
    let source = source.map(c_path).transpose()?;
    let target = c_path(target)?;
    let kind = kind.map(CString::new).transpose()?;
    let data = data.map(CString::new).transpose()?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    // SAFETY: every pointer is null or to a C string that outlives the call.
    checked(libc::c_long::from(unsafe {
        libc::mount(pointer(&source), target.as_ptr(), pointer(&kind), flags, pointer(&data).cast())
    }))?;
    Ok(())
}

/// Makes `root` the root and lets the old one go.
pub(crate) fn pivot_root(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    // SAFETY: both arguments are C strings. `.` twice stacks the old root over the new one, to be detached next.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // SAFETY: as above.
    checked(libc::c_long::from(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) }))?;
    std::env::set_current_dir("/")
}

/// Moves this process into another mount namespace; its root and working directory are that namespace's root then.
pub(crate) fn enter_mount_namespace(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: a plain system call on a live descriptor. It fails if the process has more than one thread.
    checked(libc::c_long::from(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNS) }))?;
    Ok(())
}

/// Makes a directory this process's root and working directory.
pub(crate) fn change_root(root: &OwnedFd) -> io::Result<()> {
    rustix::process::fchdir(root)?;
    // SAFETY: a C string.
    checked(libc::c_long::from(unsafe { libc::chroot(c".".as_ptr()) }))?;
    Ok(())
}

/// The layout that `mount_setattr` takes.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace_fd: u64,
}

/// A copy of the mount at `path`, cut off there, read-only and attached nowhere yet. Linux 5.12 or later.
pub(crate) fn detached_read_only(path: &Path) -> io::Result<OwnedFd> {
    const READ_ONLY_NOSUID_NODEV: u64 = 0x1 | 0x2 | 0x4;
    const OPEN_TREE_CLONE: libc::c_uint = 1;
    let path = c_path(path)?;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as libc::c_uint;
    // SAFETY: the path is a C string that outlives the call; the descriptor is new and owned by nobody else.
    let tree = unsafe {
        let tree = checked(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags))?;
        OwnedFd::from_raw_fd(tree as RawFd)
    };
    let attributes = MountAttributes {
        set: READ_ONLY_NOSUID_NODEV,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        user_namespace_fd: 0,
    };
    // SAFETY: an empty path with AT_EMPTY_PATH means the descriptor; the structure and its size outlive the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    })?;
    Ok(tree)
}

/// Attaches a tree where `point` is, which may be a mount point already.
pub(crate) fn attach_tree(tree: &OwnedFd, point: &OwnedFd) -> io::Result<()> {
    const EMPTY_PATHS: libc::c_uint = 0x4 | 0x40;
    let (tree, point) = (tree.as_raw_fd(), point.as_raw_fd());
    // SAFETY: empty paths mean the descriptors themselves.
    checked(unsafe {
        libc::syscall(libc::SYS_move_mount, tree, c"".as_ptr(), point, c"".as_ptr(), EMPTY_PATHS)
    })?;
    Ok(())
}

pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    let target = c_path(target)?;
    // SAFETY: a C string that outlives the call.
    checked(libc::c_long::from(unsafe { libc::umount2(target.as_ptr(), 0) }))?;
    Ok(())
}

/// Version of Landlock's interface, if the kernel has it switched on.
pub(crate) fn landlock_abi() -> Option<i32> {
    const CREATE_RULESET_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no structure and makes nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<()>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(version).ok().filter(|version| *version > 0)
}

pub(crate) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: changes only what this single-threaded process belongs to.
    checked(libc::c_long::from(unsafe { libc::unshare(flags) }))?;
    Ok(())
}

pub(crate) fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take plain numbers.
    checked(libc::c_long::from(unsafe { libc::prctl(option, argument, 0, 0, 0) }))?;
    Ok(())
}

pub(crate) fn set_ids(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: plain numbers; an empty list has no elements to point to.
    unsafe {
        // Not allowed where setgroups is denied for an unprivileged mapping: there are no groups to drop then either.
        let _ = libc::setgroups(0, std::ptr::null());
        checked(libc::c_long::from(libc::setresgid(gid, gid, gid)))?;
        checked(libc::c_long::from(libc::setresuid(uid, uid, uid)))?;
    }
    Ok(())
}

/// Keeps these capabilities at most, through the next exec too.
pub(crate) fn keep_capabilities(kept: &[libc::c_ulong]) -> io::Result<()> {
    for capability in (0..=LAST_POSSIBLE_CAPABILITY).filter(|capability| !kept.contains(capability)) {
        // As below.
        if prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    let word = |half: usize| {
        kept.iter().filter(|bit| **bit as usize / 32 == half).fold(0u32, |set, bit| set | 1 << (bit % 32))
    };
    let (low, high) = (word(0), word(1));
    set_capabilities(&[low, low, 0, high, high, 0])
}

pub(crate) const CAP_SYS_ADMIN: u32 = 21;

/// Effective and permitted: this one.
pub(crate) fn set_only_capability(capability: u32) -> io::Result<()> {
    set_capabilities(&[1 << capability, 1 << capability, 0, 0, 0, 0])
}

/// Effective, permitted and inheritable ones, the low half of each, then the high half of each.
fn set_capabilities(sets: &[u32; 6]) -> io::Result<()> {
    let header: [u32; 2] = [0x2008_0522, 0];
    // SAFETY: version 3 of the interface takes this header and two times three words, which outlive the call.
    checked(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })?;
    Ok(())
}

const LAST_POSSIBLE_CAPABILITY: libc::c_ulong = 63;

/// Gives up every capability, in every set. A change of user alone does not, where the user before it was not root.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    for capability in 0..=LAST_POSSIBLE_CAPABILITY {
        // Beyond the last one that the kernel knows this fails: there is nothing to drop.
        if prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    set_capabilities(&[0; 6])
}

pub(crate) fn set_limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    set_limits(resource, value, value)
}

/// Like [`set_limit`], with a hard limit of its own, and where that is more than this process may give: what there is.
pub(crate) fn set_limits_where_possible(
    resource: libc::__rlimit_resource_t,
    soft: u64,
    hard: u64,
) -> io::Result<()> {
    match set_limits(resource, soft, hard) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mut present = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the structure outlives the call.
            checked(libc::c_long::from(unsafe { libc::getrlimit(resource, &raw mut present) }))?;
            let hard = hard.min(present.rlim_max);
            set_limits(resource, soft.min(hard), hard)
        }
        other => other,
    }
}

fn set_limits(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the structure outlives the call.
    checked(libc::c_long::from(unsafe { libc::setrlimit(resource, &raw const limit) }))?;
    Ok(())
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) {
    // SAFETY: only called where no live owner of a descriptor from `first` on is left in this process: at the very start
    // of a launcher, and in a fresh child (see `close_all_but`).
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Closes every descriptor except the standard three and `kept`.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut kept: Vec<u32> = kept.iter().filter(|fd| **fd > 2).map(|fd| *fd as u32).collect();
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept {
        if fd > first {
            // SAFETY: only called in a fresh child whose copy of the parent's state is never dropped: the owners of these
            // descriptors are in the parent.
            unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        }
        first = fd + 1;
    }
    close_from(first);
}

/// Replaces descriptor `to` by a copy of `from` that survives exec.
pub(crate) fn duplicate_to(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: callers own both numbers; dup2 onto itself would leave close-on-exec set, which is cleared.
    unsafe {
        if from == to {
            checked(libc::c_long::from(libc::fcntl(to, libc::F_SETFD, 0)))?;
        } else {
            checked(libc::c_long::from(libc::dup2(from, to)))?;
        }
    }
    Ok(())
}

/// Executes. Returns only the error.
pub(crate) fn execve(argv: &[CString], env: &[CString]) -> io::Error {
    let terminated = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (terminated(argv), terminated(env));
    let Some(path) = argv.first() else {
        return io::Error::from_raw_os_error(libc::EINVAL);
    };
    // SAFETY: both arrays end with null and point to C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) pid: libc::pid_t,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

/// Reaps one child; `None` when none has ended (or, waiting, when there is none).
pub(crate) fn reap(wait: bool) -> Option<Ended> {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, if wait { 0 } else { libc::WNOHANG }) };
        if pid < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        if pid <= 0 {
            return None;
        }
        let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
        return Some(Ended { pid, code, signal });
    }
}

/// Kills every process that this one may kill, except itself: inside a pid namespace's first process, all of them.
pub(crate) fn kill_all() {
    // SAFETY: a plain system call. Only ever called by the first process of a pid namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Kills a child that has not been reaped.
pub(crate) fn kill(pid: libc::pid_t) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

pub(crate) fn kill_by_pidfd(pidfd: &OwnedFd) {
    // SAFETY: the descriptor is a pidfd; no signal information is given.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<()>(),
            0,
        )
    };
}

/// Blocks SIGCHLD and returns a descriptor that becomes readable with it.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before use; the descriptor is new and owned by nobody else.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        checked(libc::c_long::from(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const set,
            std::ptr::null_mut(),
        )))?;
        let fd = checked(libc::c_long::from(libc::signalfd(
            -1,
            &raw const set,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Unblocks every signal and gives each its default action back: for a process that is about to exec.
pub(crate) fn default_signals() {
    // SAFETY: the set is initialised by sigemptyset before use; handlers are set to the default.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// Turns the loopback interface of this network namespace on.
pub(crate) fn loopback_up(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: the request is zeroed and names the interface with a terminating null; it outlives the calls.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        checked(libc::c_long::from(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)))?;
    }
    Ok(())
}

/// Gives the loopback interface a second address, as alias `lo:1`: this one only, not the network around it.
pub(crate) fn loopback_alias(socket: &OwnedFd, address: [u8; 4]) -> io::Result<()> {
    alias_request(socket, libc::SIOCSIFADDR, address)?;
    alias_request(socket, libc::SIOCSIFNETMASK, [255; 4])
}

fn alias_request(socket: &OwnedFd, request_number: libc::Ioctl, address: [u8; 4]) -> io::Result<()> {
    // SAFETY: as in `loopback_up`; sockaddr_in fits into the request's sockaddr.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (slot, letter) in request.ifr_name.iter_mut().zip(b"lo:1") {
            *slot = *letter as libc::c_char;
        }
        let inet = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address) },
            sin_zero: [0; 8],
        };
        std::ptr::copy_nonoverlapping(
            (&raw const inet).cast::<u8>(),
            (&raw mut request.ifr_ifru.ifru_addr).cast::<u8>(),
            size_of::<libc::sockaddr_in>(),
        );
        checked(libc::c_long::from(libc::ioctl(socket.as_raw_fd(), request_number, &raw const request)))?;
    }
    Ok(())
}

/// An ioctl that takes a number or a pointer to plain data.
///
/// # Safety
/// `argument` must be what `request` expects: a number, or a pointer valid for the call.
pub(crate) unsafe fn ioctl(
    fd: &OwnedFd,
    request: libc::c_ulong,
    argument: libc::c_ulong,
) -> io::Result<libc::c_int> {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request as libc::Ioctl, argument) };
    checked(libc::c_long::from(result)).map(|value| value as libc::c_int)
}
