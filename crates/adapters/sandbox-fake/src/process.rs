//! A process that is a thread: what its program sees, and how it is ended from outside.

use std::collections::BTreeMap;
use std::io::{self, PipeWriter, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use lambent_ports::sandbox::{Exit, Process};

/// The files in a sandbox's `/tmp`, by name. They outlive the processes.
pub type Tmp = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What a program sees of its sandbox.
pub struct FakeProcess {
    pub(crate) process: Process,
    pub(crate) runtime_api: SocketAddr,
    pub(crate) output: PipeWriter,
    pub(crate) tmp: Tmp,
    pub(crate) life: Arc<Life>,
}

impl FakeProcess {
    /// Arguments, the program's own path first.
    pub fn argv(&self) -> &[String] {
        &self.process.argv
    }

    /// The whole environment, in its order.
    pub fn env(&self) -> &[(String, String)] {
        &self.process.env
    }

    /// One variable.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.process.env.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Writes to standard output. An error once the process is killed or nobody reads.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.life.proceed()?;
        (&self.output).write_all(text.as_bytes())
    }

    /// Writes bytes to the descriptor for framed logs; `None` when the process was given none.
    pub fn write_frame(&self, bytes: &[u8]) -> Option<io::Result<()>> {
        self.process.telemetry_env?;
        Some(self.life.proceed().and_then(|()| (&self.output).write_all(bytes)))
    }

    /// A connection to the Runtime API. It breaks when the process is killed, so that a program which waits for the
    /// next event ends.
    pub fn connect(&self) -> io::Result<TcpStream> {
        self.life.proceed()?;
        let stream = TcpStream::connect(self.runtime_api)?;
        self.life.breaks_with(stream.try_clone()?)?;
        Ok(stream)
    }

    /// Files that stay from one process to the next.
    pub fn tmp(&self) -> &Tmp {
        &self.tmp
    }

    /// Blocks until the process is killed: a program that hangs.
    pub fn hang(&self) -> Exit {
        let mut state = lock(&self.life.state);
        while state.ended.is_none() {
            state = self.life.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        state.ended.unwrap_or(KILLED)
    }
}

/// How a killed process ends.
pub(crate) const KILLED: Exit = Exit::Signal { signal: 9, out_of_memory: false };

/// What ends a process from outside. A thread can't be killed: from then on whatever it asks of its sandbox fails, and
/// how it ends is of no interest.
pub(crate) struct Life {
    state: Mutex<State>,
    changed: Condvar,
    exit: tokio::sync::watch::Sender<Option<Exit>>,
}

#[derive(Default)]
struct State {
    ended: Option<Exit>,
    frozen: bool,
    streams: Vec<TcpStream>,
}

impl Life {
    pub(crate) fn new() -> Arc<Self> {
        let exit = tokio::sync::watch::Sender::new(None);
        Arc::new(Life { state: Mutex::default(), changed: Condvar::new(), exit })
    }

    /// The first end is the one that counts.
    pub(crate) fn end(&self, exit: Exit) {
        let mut state = lock(&self.state);
        if state.ended.is_some() {
            return;
        }
        state.ended = Some(exit);
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
        self.exit.send_replace(Some(exit));
    }

    pub(crate) fn freeze(&self, on: bool) {
        lock(&self.state).frozen = on;
        self.changed.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.state).ended.is_some()
    }

    pub(crate) async fn exited(&self) -> Exit {
        let mut exits = self.exit.subscribe();
        match exits.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::SandboxGone),
            Err(_) => Exit::SandboxGone,
        }
    }

    /// Goes on, when the sandbox is not frozen and the process not killed.
    pub(crate) fn proceed(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        while state.frozen && state.ended.is_none() {
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        match state.ended {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn breaks_with(&self, stream: TcpStream) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.ended.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.streams.push(stream);
        Ok(())
    }
}
