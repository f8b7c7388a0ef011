//! One process that waits in a confined sandbox, from its making on.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use crate::inside::Inside;
use crate::protocol::{CreateSandbox, FromSupervisor, Kind, ToSupervisor, receive, send};
use crate::setup::{Listeners, RUNTIME_API};
use crate::shells::{BLANK_TMP_MB, Purpose, Running, Shells};
use crate::zygote::{Maker, Wanted};

pub(super) struct Waiting {
    pub(super) running: Running,
    pub(super) begun: Instant,
    pub(super) control: OwnedFd,
    /// The listeners and the mount namespace, as soon as the sandbox is made.
    pub(super) fds: Option<(Listeners, OwnedFd)>,
    /// Until the zygote has been asked for the process.
    unborn: Option<Unborn>,
    pub(super) ready: bool,
    /// By a zygote, into its sandbox.
    pub(super) forked: bool,
}

/// What a process will be reached by, and what it will need.
struct Unborn {
    output: OwnedFd,
    socket: OwnedFd,
    processes: Option<u64>,
    telemetry: bool,
    at_once: bool,
}

/// Begins to make one: by forking if `forked`, and before anything else if somebody waits for it (`at_once`).
pub(super) fn start(
    kind: &Kind,
    forked: bool,
    at_once: bool,
    shells: &mut Shells,
    dead: &mut Vec<Running>,
) -> Result<Waiting, String> {
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
    let (running, control) = shells.attach(&spec, Purpose::Park { joined: forked, at_once }, dead)?;
    let unborn = match forked {
        true => adopt(kind, &control, at_once, shells).map(Some),
        false => execute(kind, &control).map(|()| None),
    };
    match unborn {
        Ok(unborn) => {
            Ok(Waiting { running, begun: Instant::now(), control, fds: None, unborn, ready: false, forked })
        }
        Err(error) => {
            running.kill();
            dead.push(running);
            Err(format!("a new sandbox: {error}"))
        }
    }
}

fn execute(kind: &Kind, control: &OwnedFd) -> std::io::Result<()> {
    let mut env = kind.env.clone();
    env.push(("AWS_LAMBDA_RUNTIME_API".into(), RUNTIME_API.to_string()));
    let park = ToSupervisor::Park { argv: kind.argv.clone(), env, telemetry_env: kind.telemetry_env.clone() };
    send(control, &park, &[])
}

fn adopt(kind: &Kind, control: &OwnedFd, at_once: bool, shells: &Shells) -> std::io::Result<Unborn> {
    let (near, socket) = UnixStream::pair()?;
    let (output, output_write) = std::io::pipe()?;
    let telemetry = kind.telemetry_env.is_some();
    let adopt = ToSupervisor::Adopt { argv: kind.argv.clone(), telemetry };
    send(control, &adopt, &[near.into(), output.into()])?;
    let processes = shells.process_limit(kind.processes);
    Ok(Unborn { output: output_write.into(), socket: socket.into(), processes, telemetry, at_once })
}

impl Waiting {
    /// Hears what its supervisor says.
    pub(super) fn hear(&mut self, maker: &mut Maker) -> Result<(), String> {
        let heard = receive::<FromSupervisor>(self.control.as_fd());
        match heard.map_err(|error| error.to_string())? {
            Some((FromSupervisor::Ready, fds)) => self.made(fds, maker),
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

    /// The sandbox is there.
    fn made(&mut self, fds: Vec<OwnedFd>, maker: &mut Maker) -> Result<(), String> {
        let lacking = || "the sandbox came without its descriptors".to_owned();
        let mut fds = fds.into_iter();
        self.fds = Some(Listeners::take(&mut fds).zip(fds.next()).ok_or_else(lacking)?);
        let Some(unborn) = self.unborn.take() else { return Ok(()) };
        let inside = Inside::take(&mut fds).ok_or_else(lacking)?;
        let Unborn { output, socket, processes, telemetry, at_once } = unborn;
        let group = |(_, dir): &(String, std::path::PathBuf)| {
            File::options().write(true).open(dir.join("cgroup.procs")).map(OwnedFd::from)
        };
        let groups: Vec<OwnedFd> = self
            .running
            .cgroups
            .iter()
            .map(group)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("cgroups: {error}"))?;
        let wanted = Wanted {
            inside: &inside,
            groups: &groups,
            output,
            socket,
            processes,
            telemetry,
            rehearse: !at_once,
        };
        maker.fork(wanted).map_err(|error| format!("zygote: {error}"))
    }
}
