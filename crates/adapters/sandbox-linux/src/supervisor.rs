//! The first process of a sandbox: starts the runtime on command, reaps, reports, kills. It has no rights beyond the
//! function's own; the function can't reach it.

use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use lambent_ports::sandbox::PARKED_FD_ENV;
use rustix::event::{PollFd, PollFlags, poll};

use crate::names::Names;
use crate::protocol::{FromSupervisor, ToSupervisor, receive, send};
use crate::sys;

/// How long the kernel gets to collect descriptors that are under way to nobody, and how often is looked.
const COLLECTED_WITHIN: Duration = Duration::from_secs(5);
const COLLECTED_AGAIN: Duration = Duration::from_millis(2);

/// Descriptor that a runtime finds its framed log under.
pub(crate) const TELEMETRY_FD: i32 = 3;
/// Descriptor that a parked process waits at: above those that it will open by itself.
pub(crate) const PARKED_FD: i32 = 9;
/// Where descriptors go that must not be in a runtime's way.
pub(crate) const FIRST_OWN_FD: i32 = 10;

pub(crate) struct Supervisor {
    server: OwnedFd,
    names: Option<Names>,
    main: Option<libc::pid_t>,
    parked: Option<Parked>,
}

/// A process that waits for what it is to become.
struct Parked {
    argv: Vec<String>,
    /// Unknown as long as one that comes from outside has not said it.
    pid: Option<libc::pid_t>,
    socket: UnixStream,
    output: OwnedFd,
    telemetry: bool,
    ready: bool,
}

/// What a started process is reached by.
struct Started {
    pid: libc::pid_t,
    output: OwnedFd,
}

impl Supervisor {
    pub(crate) fn new(server: OwnedFd, names: Option<Names>) -> Self {
        Supervisor { server, names, main: None, parked: None }
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
        loop {
            let mut ready =
                vec![PollFd::new(&self.server, PollFlags::IN), PollFd::new(&children, PollFlags::IN)];
            let names = self.names.as_ref();
            ready.extend(names.map(|names| PollFd::new(&names.socket, PollFlags::IN)));
            let unready = self.parked.iter().filter(|parked| !parked.ready);
            ready.extend(unready.map(|parked| PollFd::new(&parked.socket, PollFlags::IN)));
            match poll(&mut ready, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let (asked, child) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            let looked_up = names.filter(|_| !ready[2].revents().is_empty());
            let parked = ready.get(2 + usize::from(names.is_some()));
            let said = parked.is_some_and(|parked| !parked.revents().is_empty());
            if let Some(names) = looked_up {
                names.answer_all();
            }
            if child {
                let mut signals = [0; 1024];
                let _ = rustix::io::read(&children, &mut signals);
                self.reap(false)?;
            }
            if said {
                self.hear_parked()?;
            }
            if asked {
                match receive::<ToSupervisor>(self.server.as_fd())? {
                    None => return Ok(()),
                    Some((ToSupervisor::Stop, _)) => {
                        sys::kill_all();
                        self.parked = None;
                        self.reap(true)?;
                        self.tell(&FromSupervisor::Stopped, &[])?;
                    }
                    Some((start, fds)) => self.start(start, fds)?,
                }
            }
        }
    }

    /// Descriptors on their way count for the user that the function is, too. What it had under way between sockets of its
    /// own is collected after its processes have ended, and the kernel begins with that when a socket is closed.
    fn tell(&self, message: &FromSupervisor, fds: &[OwnedFd]) -> std::io::Result<()> {
        let until = Instant::now() + COLLECTED_WITHIN;
        loop {
            match send(self.server.as_fd(), message, fds) {
                Err(error) if error.raw_os_error() == Some(libc::ETOOMANYREFS) && Instant::now() < until => {
                    drop(UnixStream::pair()?);
                    std::thread::sleep(COLLECTED_AGAIN);
                }
                outcome => return outcome,
            }
        }
    }

    fn reap(&mut self, all: bool) -> std::io::Result<()> {
        while let Some(ended) = sys::reap(all) {
            if self.parked.as_ref().is_some_and(|parked| parked.pid == Some(ended.pid)) {
                self.parked = None;
                self.tell(&FromSupervisor::ParkedEnded, &[])?;
            }
            if self.main == Some(ended.pid) {
                self.main = None;
                self.tell(&FromSupervisor::Exited { code: ended.code, signal: ended.signal }, &[])?;
            }
        }
        Ok(())
    }

    fn start(&mut self, asked: ToSupervisor, fds: Vec<OwnedFd>) -> std::io::Result<()> {
        match asked {
            ToSupervisor::Adopt { argv, telemetry } => self.adopt(argv, telemetry, fds),
            ToSupervisor::Park { argv, env, telemetry_env } => self.park(argv, env, telemetry_env),
            ToSupervisor::Start { .. } if self.main.is_some() => self.tell(&FromSupervisor::Busy, &[]),
            ToSupervisor::Start { argv, env, cwd, telemetry_env } => {
                if let Some(started) = self.resume(&argv, &env, &cwd, telemetry_env.as_deref()) {
                    self.main = Some(started.pid);
                    return self.tell(&FromSupervisor::Started { parked: true }, &[started.output]);
                }
                let run = Run { argv, env, cwd, telemetry_env };
                match run.start(None)? {
                    Ok(started) => {
                        self.main = Some(started.pid);
                        self.tell(&FromSupervisor::Started { parked: false }, &[started.output])
                    }
                    Err(errno) => self.tell(&FromSupervisor::ExecFailed { errno }, &[]),
                }
            }
            ToSupervisor::Attach { .. } | ToSupervisor::Stop => Ok(()),
        }
    }

    fn park(
        &mut self,
        argv: Vec<String>,
        mut env: Vec<(String, String)>,
        telemetry_env: Option<String>,
    ) -> std::io::Result<()> {
        env.push((PARKED_FD_ENV.into(), PARKED_FD.to_string()));
        let (socket, far) = UnixStream::pair()?;
        let telemetry = telemetry_env.is_some();
        let run = Run { argv: argv.clone(), env, cwd: "/".into(), telemetry_env };
        match run.start(Some(&far))? {
            Ok(Started { pid, output }) => {
                self.parked = Some(Parked { argv, pid: Some(pid), socket, output, telemetry, ready: false });
                Ok(())
            }
            Err(errno) => self.tell(&FromSupervisor::ExecFailed { errno }, &[]),
        }
    }

    /// Waits for a process that comes in from outside.
    fn adopt(&mut self, argv: Vec<String>, telemetry: bool, fds: Vec<OwnedFd>) -> std::io::Result<()> {
        let mut fds = fds.into_iter();
        let Some((socket, output)) = fds.next().zip(fds.next()) else {
            return self.tell(&FromSupervisor::ParkedEnded, &[]);
        };
        self.parked =
            Some(Parked { argv, pid: None, socket: socket.into(), output, telemetry, ready: false });
        Ok(())
    }

    fn hear_parked(&mut self) -> std::io::Result<()> {
        let Some(parked) = &mut self.parked else { return Ok(()) };
        let mut said = [0; 1 + size_of::<libc::pid_t>()];
        let length = parked.socket.read(&mut said).unwrap_or(0);
        if length == said.len() {
            // By one from outside: it has become a child of this process, and this is its number here.
            parked.pid = Some(libc::pid_t::from_ne_bytes([said[1], said[2], said[3], said[4]]));
        }
        match (length, parked.pid) {
            (1.., Some(_)) => {
                parked.ready = true;
                self.tell(&FromSupervisor::Parked, &[])
            }
            // Closed: of no use any more, if it has not ended anyway.
            (_, Some(pid)) => {
                sys::kill(pid);
                parked.ready = true;
                Ok(())
            }
            (_, None) => {
                self.parked = None;
                self.tell(&FromSupervisor::ParkedEnded, &[])
            }
        }
    }

    /// Makes the parked process what is to be started. `None` where that can't be: there is none.
    fn resume(
        &mut self,
        argv: &[String],
        env: &[(String, String)],
        cwd: &str,
        telemetry_env: Option<&str>,
    ) -> Option<Started> {
        let parked = self.parked.take()?;
        let telemetry = telemetry_env.map(|name| (name.to_owned(), TELEMETRY_FD.to_string()));
        let env: Vec<&(String, String)> = env.iter().chain(&telemetry).collect();
        let fits = parked.ready && parked.argv == argv && parked.telemetry == telemetry.is_some();
        let message = serde_json::to_vec(&Becoming { argv, env, cwd }).ok()?;
        if fits && (&parked.socket).write_all(&message).is_ok() {
            // Dropping the socket ends the message.
            return Some(Started { pid: parked.pid?, output: parked.output });
        }
        // It would hold the runtime's socket and be counted.
        if let Some(pid) = parked.pid {
            sys::kill(pid);
        }
        None
    }
}

/// What a parked process is told.
#[derive(serde::Serialize)]
struct Becoming<'a> {
    argv: &'a [String],
    env: Vec<&'a (String, String)>,
    cwd: &'a str,
}

/// A process to be executed.
struct Run {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    cwd: String,
    telemetry_env: Option<String>,
}

impl Run {
    /// Forks and executes; errno when that failed in the child.
    fn start(mut self, parked: Option<&UnixStream>) -> std::io::Result<Result<Started, i32>> {
        let telemetry = self.telemetry_env.is_some();
        if let Some(name) = self.telemetry_env.take() {
            self.env.push((name, TELEMETRY_FD.to_string()));
        }
        let (output, output_write) = std::io::pipe()?;
        // Closed by a successful exec; otherwise it carries errno.
        let (mut failure, failure_write) = std::io::pipe()?;
        match sys::fork()? {
            None => {
                // Out of the way of the numbers that the runtime gets.
                let moved = rustix::io::fcntl_dupfd_cloexec(&failure_write, FIRST_OWN_FD);
                let errno = self.exec(&output_write, telemetry, parked);
                if let Ok(failure) = moved {
                    let _ = rustix::io::write(&failure, &errno.to_ne_bytes());
                }
                sys::exit_now(127);
            }
            Some(pid) => {
                drop((output_write, failure_write));
                let mut errno = [0; 4];
                if failure.read_exact(&mut errno).is_err() {
                    return Ok(Ok(Started { pid, output: output.into() }));
                }
                while let Some(ended) = sys::reap(true) {
                    if ended.pid == pid {
                        break;
                    }
                }
                Ok(Err(i32::from_ne_bytes(errno)))
            }
        }
    }

    /// Becomes the runtime; returns errno. Every descriptor but those made here closes on exec.
    fn exec(&self, output: &impl AsFd, telemetry: bool, parked: Option<&UnixStream>) -> i32 {
        let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
        let texts = |texts: Vec<String>| texts.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
        let pairs = self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (Ok(argv), Ok(env)) = (texts(self.argv.clone()), texts(pairs)) else {
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
            let parked =
                parked.map(|socket| rustix::io::fcntl_dupfd_cloexec(socket, FIRST_OWN_FD)).transpose()?;
            if telemetry {
                sys::duplicate_to(output.as_raw_fd(), TELEMETRY_FD)?;
            }
            if let Some(socket) = parked {
                sys::duplicate_to(socket.as_raw_fd(), PARKED_FD)?;
            }
            std::env::set_current_dir(&self.cwd)
        };
        if let Err(error) = prepare() {
            return errno(error);
        }
        sys::default_signals();
        errno(sys::execve(&argv, &env))
    }
}
