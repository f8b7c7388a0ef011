//! What every [`SandboxHost`] does: the life of a sandbox and of the processes in it. How well it confines them is for
//! the tests of those that do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::sandbox::{
    Exit, NotParked, PARKED_FD_ENV, ParkedCount, ParkedKind, Process, ProcessOutput, Sandbox, SandboxError,
    SandboxHost, SandboxSpec, StartTier,
};

/// Longest that any single wait of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
const KILLED: Exit = Exit::Signal { signal: 9, out_of_memory: false };
/// Such as the runtime gets: the name of its framed-log descriptor's variable.
pub const TELEMETRY_ENV: &str = "_LAMBDA_TELEMETRY_LOG_FD";

/// What the suite has run inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Prints its environment, `NAME=value` and a line feed each, in the order given, and exits with 0.
    PrintEnvironment,
    /// Exits with this status.
    Exit(i32),
    /// Ends by this signal.
    Signal(i32),
    /// Prints `up` and a line feed, then runs until it is killed.
    Wait,
    /// Writes `kept` into a file in `/tmp`, and exits with 0.
    WriteTmp,
    /// Prints that file, if it is there, and exits with 0.
    ReadTmp,
    /// Prints `before`, writes `framed` to the descriptor named by [`TELEMETRY_ENV`], prints `after`; each with a line
    /// feed; exits with 0.
    PrintAndFrame,
    /// Connects to the Runtime API (`AWS_LAMBDA_RUNTIME_API`), sends `ping`, prints what comes back until the end.
    CallRuntimeApi,
    /// Prints its variables `A` and `B`, a line feed after each, and exits with 0. Where it is parked, it waits for them.
    Become,
    /// Can't be executed: there is no such file.
    Missing,
}

/// How a host under test runs the programs.
pub trait Programs: Send + Sync {
    /// The program as a process; its `env` and `telemetry_env` are the suite's to set.
    fn process(&self, program: Program) -> Process;
}

/// The programs as commands of an ordinary Linux system.
pub struct ShellPrograms;

impl Programs for ShellPrograms {
    fn process(&self, program: Program) -> Process {
        let call = "import os, socket\n\
            host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')\n\
            s = socket.create_connection((host, int(port)))\n\
            s.sendall(b'ping')\n\
            print(s.makefile().read(), end='')";
        let become_ = format!(
            "import json, os\n\
            env = dict(os.environ)\n\
            if '{PARKED_FD_ENV}' in env:\n\
            \x20   fd = int(env['{PARKED_FD_ENV}'])\n\
            \x20   os.write(fd, b'r')\n\
            \x20   env = dict(json.loads(b''.join(iter(lambda: os.read(fd, 65536), b'')))['env'])\n\
            print(env.get('A'), env.get('B'), sep='\\n')"
        );
        let argv = match program {
            Program::PrintEnvironment => vec!["/usr/bin/env".into()],
            Program::Missing => vec!["/var/task/bootstrap".into()],
            Program::CallRuntimeApi => vec!["/usr/bin/python3".into(), "-c".into(), call.into()],
            Program::Become => vec!["/usr/bin/python3".into(), "-c".into(), become_],
            Program::Exit(status) => shell(&format!("exit {status}")),
            Program::Signal(signal) => shell(&format!("kill -{signal} $$")),
            Program::Wait => shell("echo up; exec sleep 3600"),
            Program::WriteTmp => shell("printf kept > /tmp/file"),
            Program::ReadTmp => shell("cat /tmp/file 2>/dev/null; exit 0"),
            Program::PrintAndFrame => {
                shell(&format!("echo before; eval \"echo framed >&${TELEMETRY_ENV}\"; echo after"))
            }
        };
        Process { argv, env: Vec::new(), cwd: "/".into(), telemetry_env: None }
    }
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

/// What is tested, and by what means.
#[derive(Clone)]
pub struct Subject {
    /// The host.
    pub host: Arc<dyn SandboxHost>,
    /// The programs, in its terms.
    pub programs: Arc<dyn Programs>,
    /// Whether it can freeze sandboxes; where it can't, nothing happens.
    pub freezes: bool,
}

impl Subject {
    /// A small sandbox whose id begins with `name`.
    pub fn spec(name: &str) -> SandboxSpec {
        let id = format!("{name}{}", std::process::id());
        SandboxSpec {
            id,
            mounts: Vec::new(),
            memory_mb: 128,
            tmp_mb: 512,
            processes: 64,
            open_files: 256,
            parked: None,
        }
    }

    async fn sandbox(&self, name: &str) -> Box<dyn Sandbox> {
        in_time(self.host.create(Self::spec(name))).await.unwrap()
    }

    fn process(&self, program: Program) -> Process {
        self.programs.process(program)
    }

    async fn run(&self, sandbox: &dyn Sandbox, program: Program) -> (Exit, String) {
        run(sandbox, self.process(program)).await
    }

    /// Starts [`Program::Wait`] and waits until it is up.
    async fn start_waiting(&self, sandbox: &dyn Sandbox) -> pipe::Receiver {
        let started = in_time(sandbox.start(self.process(Program::Wait))).await.unwrap();
        let mut output = receiver(started);
        let mut up = [0; 3];
        in_time(output.read_exact(&mut up)).await.unwrap();
        assert_eq!(&up, b"up\n");
        output
    }
}

/// Waits, but not for ever.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

fn receiver(output: ProcessOutput) -> pipe::Receiver {
    pipe::Receiver::from_owned_fd(output.output).unwrap()
}

/// Runs a process to its end; its exit and everything it has printed.
pub async fn run(sandbox: &dyn Sandbox, process: Process) -> (Exit, String) {
    let output = in_time(sandbox.start(process)).await.unwrap();
    read_to_exit(sandbox, output).await
}

/// Reads until the process has ended; its exit and everything it has printed.
pub async fn read_to_exit(sandbox: &dyn Sandbox, output: ProcessOutput) -> (Exit, String) {
    let mut output = receiver(output);
    let (mut text, mut buffer, mut open) = (Vec::new(), [0; 4096], true);
    let exited = sandbox.exited();
    tokio::pin!(exited);
    // While it runs, too: a process that prints much would wait for a reader. Not to the end of the pipe: children may
    // hold it open.
    let exit = loop {
        tokio::select! {
            read = output.read(&mut buffer), if open => match read {
                Ok(count @ 1..) => text.extend_from_slice(&buffer[..count]),
                _ => open = false,
            },
            exit = in_time(&mut exited) => break exit,
        }
    };
    // What it wrote before it ended is in the pipe.
    let mut rest = std::fs::File::from(output.into_nonblocking_fd().unwrap());
    while let Ok(count @ 1..) = std::io::Read::read(&mut rest, &mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    (exit, String::from_utf8_lossy(&text).into_owned())
}

/// Runs everything; on a current-thread runtime, as the invoke path does.
pub async fn all(subject: &Subject) {
    a_process_runs_with_exactly_its_environment(subject).await;
    exits_are_told_apart_and_remembered(subject).await;
    what_can_not_be_executed_is_named(subject).await;
    there_is_one_process_at_a_time(subject).await;
    stopping_ends_the_process_and_keeps_tmp(subject).await;
    an_answer_that_nobody_waits_for_confuses_nobody(subject).await;
    printed_and_framed_output_keep_their_order(subject).await;
    the_runtime_api_is_heard_from_inside(subject).await;
    sandboxes_are_apart(subject).await;
    an_id_is_free_again_after_its_sandbox(subject).await;
    a_parked_process_becomes_what_is_started(subject).await;
    if subject.freezes {
        a_frozen_sandbox_does_nothing(subject).await;
        a_frozen_sandbox_can_be_stopped_and_destroyed(subject).await;
    }
}

async fn a_process_runs_with_exactly_its_environment(subject: &Subject) {
    let sandbox = subject.sandbox("env").await;
    let env = vec![("B".into(), "2 = 2".into()), ("A".into(), String::new())];
    let process = Process { env, ..subject.process(Program::PrintEnvironment) };
    assert_eq!(run(&*sandbox, process).await, (Exit::Code(0), "B=2 = 2\nA=\n".into()));
    sandbox.destroy().await;
}

async fn exits_are_told_apart_and_remembered(subject: &Subject) {
    let sandbox = subject.sandbox("exit").await;
    for status in [0, 7, 255] {
        assert_eq!(subject.run(&*sandbox, Program::Exit(status)).await.0, Exit::Code(status));
        assert_eq!(in_time(sandbox.exited()).await, Exit::Code(status));
    }
    for signal in [11, 9] {
        let exit = Exit::Signal { signal, out_of_memory: false };
        assert_eq!(subject.run(&*sandbox, Program::Signal(signal)).await.0, exit);
    }
}

async fn what_can_not_be_executed_is_named(subject: &Subject) {
    let sandbox = subject.sandbox("exec").await;
    let process = subject.process(Program::Missing);
    let missing = process.argv[0].clone();
    match in_time(sandbox.start(process)).await {
        Err(SandboxError::Exec { path, reason }) => {
            assert_eq!((path, reason.as_str()), (missing, "no such file or directory"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(subject.run(&*sandbox, Program::Exit(0)).await.0, Exit::Code(0));
}

async fn there_is_one_process_at_a_time(subject: &Subject) {
    let sandbox = subject.sandbox("one").await;
    let _output = subject.start_waiting(&*sandbox).await;
    let second = in_time(sandbox.start(subject.process(Program::Exit(0)))).await;
    assert!(matches!(second, Err(SandboxError::Host(_))), "{second:?}");
    in_time(sandbox.stop()).await.unwrap();
    assert_eq!(subject.run(&*sandbox, Program::Exit(3)).await.0, Exit::Code(3));
}

async fn stopping_ends_the_process_and_keeps_tmp(subject: &Subject) {
    let sandbox = subject.sandbox("stop").await;
    assert_eq!(subject.run(&*sandbox, Program::WriteTmp).await.0, Exit::Code(0));
    let mut output = subject.start_waiting(&*sandbox).await;
    in_time(sandbox.stop()).await.unwrap();
    assert_eq!(in_time(sandbox.exited()).await, KILLED);
    // Nobody holds the other end any more.
    assert_eq!(in_time(output.read(&mut [0; 8])).await.unwrap(), 0);
    in_time(sandbox.stop()).await.unwrap();
    assert_eq!(subject.run(&*sandbox, Program::ReadTmp).await, (Exit::Code(0), "kept".into()));
}

async fn an_answer_that_nobody_waits_for_confuses_nobody(subject: &Subject) {
    let sandbox = subject.sandbox("late").await;
    for _ in 0..20 {
        {
            let start = sandbox.start(subject.process(Program::Wait));
            tokio::pin!(start);
            // Asked, and given up at once: as by a time limit.
            let _ = tokio::time::timeout(Duration::ZERO, start).await;
        }
        in_time(sandbox.stop()).await.unwrap();
    }
    assert_eq!(subject.run(&*sandbox, Program::Exit(5)).await.0, Exit::Code(5));
}

async fn printed_and_framed_output_keep_their_order(subject: &Subject) {
    let sandbox = subject.sandbox("frames").await;
    let process = Process { telemetry_env: Some(TELEMETRY_ENV), ..subject.process(Program::PrintAndFrame) };
    let (exit, output) = run(&*sandbox, process).await;
    assert_eq!((exit, output.as_str()), (Exit::Code(0), "before\nframed\nafter\n"));
}

async fn the_runtime_api_is_heard_from_inside(subject: &Subject) {
    let sandbox = subject.sandbox("api").await;
    let listener = std::net::TcpListener::from(sandbox.take_runtime_listener().unwrap());
    assert!(sandbox.take_runtime_listener().is_none());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    // The second time after everything inside was killed: the listener stays.
    for answer in ["first", "second"] {
        let address = sandbox.runtime_api_address().to_owned();
        let env = vec![("AWS_LAMBDA_RUNTIME_API".into(), address)];
        let process = Process { env, ..subject.process(Program::CallRuntimeApi) };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut ping = [0; 4];
            stream.read_exact(&mut ping).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
            ping
        };
        let (ran, ping) = in_time(async { tokio::join!(run(&*sandbox, process), serve) }).await;
        assert_eq!((ran, &ping), ((Exit::Code(0), answer.to_owned()), b"ping"));
        in_time(sandbox.stop()).await.unwrap();
    }
}

async fn sandboxes_are_apart(subject: &Subject) {
    let (one, two) = (subject.sandbox("one").await, subject.sandbox("two").await);
    assert_eq!(subject.run(&*one, Program::WriteTmp).await.0, Exit::Code(0));
    assert_eq!(subject.run(&*two, Program::ReadTmp).await, (Exit::Code(0), String::new()));
    let _output = subject.start_waiting(&*one).await;
    in_time(two.stop()).await.unwrap();
    two.destroy().await;
    let second = in_time(one.start(subject.process(Program::Exit(0)))).await;
    assert!(second.is_err(), "its process was not the other's to stop");
}

async fn an_id_is_free_again_after_its_sandbox(subject: &Subject) {
    let first = subject.sandbox("again").await;
    assert!(in_time(subject.host.create(Subject::spec("again"))).await.is_err());
    assert_eq!(subject.run(&*first, Program::WriteTmp).await.0, Exit::Code(0));
    in_time(first.destroy()).await;
    let second = subject.sandbox("again").await;
    assert_eq!(subject.run(&*second, Program::ReadTmp).await, (Exit::Code(0), String::new()));
}

async fn a_parked_process_becomes_what_is_started(subject: &Subject) {
    let process = |a: &str, b: &str| {
        let env = vec![("A".into(), a.into()), ("B".into(), b.into())];
        Process { env, ..subject.process(Program::Become) }
    };
    let spec = Subject::spec("parked");
    let kind = ParkedKind {
        name: "become".into(),
        mounts: Vec::new(),
        argv: process("", "").argv,
        env: vec![("A".into(), "of nobody".into())],
        telemetry_env: None,
        processes: spec.processes,
        open_files: spec.open_files,
        forks: false,
    };
    let count = ParkedCount { floor: 1, ceiling: 2 };
    subject.host.keep_parked(vec![kind.clone()], count);
    let start = async |spec: SandboxSpec, process: Process| {
        let sandbox = in_time(subject.host.create(spec)).await.unwrap();
        let output = in_time(sandbox.start(process)).await.unwrap();
        (output.tier, read_to_exit(&*sandbox, output).await, sandbox)
    };
    let parked = SandboxSpec { parked: Some(kind.name.clone()), ..spec.clone() };
    // They are made when there is time for it; until then processes are executed, and what they do is the same.
    let waited = async {
        loop {
            let (tier, ran, sandbox) = start(parked.clone(), process("1", "=2")).await;
            assert_eq!(ran, (Exit::Code(0), "1\n=2\n".into()), "{tier:?}");
            if tier == StartTier::Parked {
                return sandbox;
            }
            in_time(sandbox.destroy()).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let sandbox = in_time(waited).await;
    assert_eq!(sandbox.not_parked(), None);
    let again = in_time(sandbox.start(process("3", "4"))).await.unwrap();
    assert_eq!(again.tier, StartTier::Exec, "it was parked once");
    assert_eq!(read_to_exit(&*sandbox, again).await, (Exit::Code(0), "3\n4\n".into()));
    in_time(sandbox.destroy()).await;
    let others = [
        (SandboxSpec { parked: None, ..parked.clone() }, None),
        (SandboxSpec { parked: Some("unknown".into()), ..parked.clone() }, Some(NotParked::NoneKept)),
        (SandboxSpec { open_files: spec.open_files + 1, ..parked.clone() }, Some(NotParked::Limits)),
    ];
    for (other, why) in others {
        let asked = other.parked.is_some();
        let (tier, ran, sandbox) = start(other, process("5", "6")).await;
        assert_eq!((tier, ran), (StartTier::Exec, (Exit::Code(0), "5\n6\n".into())));
        assert!(!asked || sandbox.not_parked() == why, "{why:?}");
        in_time(sandbox.destroy()).await;
    }
    let other = Process { argv: subject.process(Program::Exit(7)).argv, ..process("", "") };
    let (tier, (exit, _), sandbox) = start(parked.clone(), other).await;
    assert_eq!((tier, exit), (StartTier::Exec, Exit::Code(7)), "another process than the one that waited");
    in_time(sandbox.destroy()).await;
    subject.host.keep_parked(Vec::new(), count);
    let (tier, _, sandbox) = start(parked, process("", "")).await;
    assert_eq!(
        (tier, sandbox.not_parked()),
        (StartTier::Exec, Some(NotParked::NoneKept)),
        "none are kept any more"
    );
    in_time(sandbox.destroy()).await;
}

async fn a_frozen_sandbox_does_nothing(subject: &Subject) {
    let sandbox = subject.sandbox("frozen").await;
    sandbox.freeze();
    let start = sandbox.start(subject.process(Program::Exit(3)));
    tokio::pin!(start);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut start).await.is_err());
    sandbox.thaw();
    in_time(start).await.unwrap();
    assert_eq!(in_time(sandbox.exited()).await, Exit::Code(3));
}

async fn a_frozen_sandbox_can_be_stopped_and_destroyed(subject: &Subject) {
    let sandbox = subject.sandbox("cold").await;
    let _output = subject.start_waiting(&*sandbox).await;
    sandbox.freeze();
    in_time(sandbox.stop()).await.unwrap();
    assert_eq!(in_time(sandbox.exited()).await, KILLED);
    let _output = subject.start_waiting(&*sandbox).await;
    sandbox.freeze();
    in_time(sandbox.destroy()).await;
}
