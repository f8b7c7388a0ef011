//! The first process of a sandbox: starts the runtime on command, reaps, reports, kills. It has no rights beyond the
//! function's own; the function can't reach it.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};

use crate::protocol::{FromSupervisor, MAX_MESSAGE_BYTES, ToSupervisor, receive, send};
use crate::sys;

/// Descriptor that a runtime finds its framed log under.
const TELEMETRY_FD: i32 = 3;
/// Where descriptors go that must not be in a runtime's way.
const FIRST_OWN_FD: i32 = 10;

pub(crate) struct Supervisor {
    server: OwnedFd,
    main: Option<libc::pid_t>,
}

impl Supervisor {
    pub(crate) fn new(server: OwnedFd) -> Self {
        Supervisor { server, main: None }
    }

    /// Serves until the server's end of the socket closes; the kernel then ends everything else in here.
    pub(crate) fn run(mut self) -> ! {
        let status = match self.serve() {
            Ok(()) => 0,
            Err(_) => 1,
        };
        sys::exit_now(status)
    }

    fn serve(&mut self) -> std::io::Result<()> {
        let children = sys::child_signals()?;
        let mut buffer = vec![0; MAX_MESSAGE_BYTES];
        loop {
            let mut ready = [PollFd::new(&self.server, PollFlags::IN), PollFd::new(&children, PollFlags::IN)];
            match poll(&mut ready, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let (asked, child) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            if child {
                let mut signals = [0; 1024];
                let _ = rustix::io::read(&children, &mut signals);
                self.reap(false)?;
            }
            if asked {
                match receive::<ToSupervisor>(self.server.as_fd(), &mut buffer)? {
                    None => return Ok(()),
                    Some((ToSupervisor::Stop, _)) => {
                        sys::kill_all();
                        self.reap(true)?;
                        self.tell(&FromSupervisor::Stopped, &[])?;
                    }
                    Some((start, _)) => self.start(start)?,
                }
            }
        }
    }

    fn tell(&self, message: &FromSupervisor, fds: &[OwnedFd]) -> std::io::Result<()> {
        send(self.server.as_fd(), message, fds)
    }

    fn reap(&mut self, all: bool) -> std::io::Result<()> {
        while let Some(ended) = sys::reap(all) {
            if self.main == Some(ended.pid) {
                self.main = None;
                self.tell(&FromSupervisor::Exited { code: ended.code, signal: ended.signal }, &[])?;
            }
        }
        Ok(())
    }

    fn start(&mut self, start: ToSupervisor) -> std::io::Result<()> {
        let ToSupervisor::Start { argv, mut env, cwd, telemetry_env } = start else {
            return Ok(());
        };
        if self.main.is_some() {
            return self.tell(&FromSupervisor::Busy, &[]);
        }
        if let Some(name) = telemetry_env.clone() {
            env.push((name, TELEMETRY_FD.to_string()));
        }
        let (output, output_write) = std::io::pipe()?;
        // Closed by a successful exec; otherwise it carries errno.
        let (mut failure, failure_write) = std::io::pipe()?;
        match sys::fork()? {
            None => {
                // Out of the way of the numbers that the runtime gets.
                let moved = rustix::io::fcntl_dupfd_cloexec(&failure_write, FIRST_OWN_FD);
                let errno = exec(&argv, &env, &cwd, &output_write, telemetry_env.is_some());
                if let Ok(failure) = moved {
                    let _ = rustix::io::write(&failure, &errno.to_ne_bytes());
                }
                sys::exit_now(127);
            }
            Some(pid) => {
                drop((output_write, failure_write));
                let mut errno = [0; 4];
                if failure.read_exact(&mut errno).is_ok() {
                    while let Some(ended) = sys::reap(true) {
                        if ended.pid == pid {
                            break;
                        }
                    }
                    return self.tell(&FromSupervisor::ExecFailed { errno: i32::from_ne_bytes(errno) }, &[]);
                }
                self.main = Some(pid);
                self.tell(&FromSupervisor::Started, &[output.into()])
            }
        }
    }
}

/// Becomes the runtime; returns errno. Every descriptor but those made here closes on exec.
fn exec(argv: &[String], env: &[(String, String)], cwd: &str, output: &impl AsFd, telemetry: bool) -> i32 {
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
    let texts = |texts: Vec<String>| texts.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
    let pairs = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (Ok(argv), Ok(env)) = (texts(argv.to_vec()), texts(pairs)) else {
        return libc::EINVAL;
    };
    // The kernel's out-of-memory killer should take the runtime, not the supervisor; only visible while dumpable.
    let _ = sys::prctl(libc::PR_SET_DUMPABLE, 1);
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    let prepare = || -> std::io::Result<()> {
        rustix::process::setsid()?;
        let output = rustix::io::fcntl_dupfd_cloexec(output, FIRST_OWN_FD)?;
        let null = std::fs::File::open("/dev/null")?;
        let null = rustix::io::fcntl_dupfd_cloexec(&null, FIRST_OWN_FD)?;
        sys::duplicate_to(null.as_raw_fd(), 0)?;
        sys::duplicate_to(output.as_raw_fd(), 1)?;
        sys::duplicate_to(output.as_raw_fd(), 2)?;
        if telemetry {
            sys::duplicate_to(output.as_raw_fd(), TELEMETRY_FD)?;
        }
        std::env::set_current_dir(cwd)
    };
    if let Err(error) = prepare() {
        return errno(error);
    }
    sys::default_signals();
    errno(sys::execve(&argv, &env))
}
