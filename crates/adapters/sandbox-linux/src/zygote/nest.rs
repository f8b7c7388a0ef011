//! What a zygote runs in: a read-only tree with the runtime and no network, apart from host and sandboxes, with the rights
//! that its children need to enter their sandboxes and no others. No function's code or secrets ever come here.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use lambent_ports::sandbox::ZYGOTE_FD_ENV;

use crate::cgroups::{self, Dirs};
use crate::protocol::Kind;
use crate::seccomp::Filters;
use crate::setup::{OTHER_LIMITS, RUNTIME_API, die_with_parent};
use crate::supervisor::{FIRST_OWN_FD, PARKED_FD, TELEMETRY_FD};
use crate::{sys, tree};

/// Not the pid namespace: from inside one, no sandbox's could be entered.
pub(crate) const NAMESPACES: libc::c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// `SETGID`, `SETUID`, `SETPCAP`, `SYS_CHROOT`, `SYS_ADMIN`: to enter namespaces and to become a sandbox's user.
const CAPABILITIES: [libc::c_ulong; 5] = [6, 7, 8, 18, 21];
const TMP_MB: u32 = 1;

/// A zygote of this kind.
pub(crate) struct Nest<'a>(pub(crate) &'a Kind);

impl Nest<'_> {
    /// What a fresh child of the launcher does for the rest of its life.
    pub(crate) fn run(
        &self,
        root: &Path,
        groups: &Dirs,
        filters: &Filters,
        socket: &OwnedFd,
        output: &impl AsFd,
    ) -> ! {
        let Err(error) = self.become_zygote(root, groups, filters, socket, output);
        // Standard error is the output by then, or the launcher's own.
        complain!("{error}");
        sys::exit_now(1)
    }

    fn become_zygote(
        &self,
        root: &Path,
        groups: &Dirs,
        filters: &Filters,
        socket: &OwnedFd,
        output: &impl AsFd,
    ) -> io::Result<std::convert::Infallible> {
        die_with_parent()?;
        cgroups::join(groups)?;
        // Children keep it, as an executed runtime has it.
        let _ = std::fs::write("/proc/self/oom_score_adj", "500");
        tree::build_without_processes(root, std::net::Ipv4Addr::LOCALHOST, None)?;
        tree::mount_tmp(root, None, TMP_MB)?;
        tree::mount_all(root, &self.0.mounts)?;
        tree::enter(root)?;
        let _ = rustix::system::sethostname(b"localhost");
        let (argv, env) = self.command()?;
        arrange(socket, output)?;
        sys::set_limit(libc::RLIMIT_NOFILE, self.0.open_files)?;
        for (_, resource, soft, hard) in OTHER_LIMITS {
            sys::set_limits_where_possible(resource, soft, hard)?;
        }
        sys::keep_capabilities(&CAPABILITIES)?;
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
        filters.apply_to_zygote()?;
        sys::default_signals();
        Err(sys::execve(&argv, &env))
    }

    /// As a process that waits is started, but for what it is told to be.
    fn command(&self) -> io::Result<(Vec<CString>, Vec<CString>)> {
        let mut env = self.0.env.clone();
        env.push(("AWS_LAMBDA_RUNTIME_API".into(), RUNTIME_API.to_string()));
        env.push((ZYGOTE_FD_ENV.into(), PARKED_FD.to_string()));
        env.extend(self.0.telemetry_env.iter().map(|name| (name.clone(), TELEMETRY_FD.to_string())));
        let env = env.into_iter().map(|(name, value)| CString::new(format!("{name}={value}")));
        let argv = self.0.argv.iter().map(|argument| CString::new(argument.as_str()));
        Ok((argv.collect::<Result<_, _>>()?, env.collect::<Result<_, _>>()?))
    }
}

fn arrange(socket: &OwnedFd, output: &impl AsFd) -> io::Result<()> {
    let above = |fd: &dyn AsFd| rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), FIRST_OWN_FD);
    let (socket, output) = (above(&socket)?, above(&output)?);
    let null = above(&std::fs::File::open("/dev/null")?)?;
    sys::duplicate_to(null.as_raw_fd(), 0)?;
    sys::duplicate_to(output.as_raw_fd(), 1)?;
    sys::duplicate_to(output.as_raw_fd(), 2)?;
    sys::duplicate_to(socket.as_raw_fd(), PARKED_FD)
}
