use std::io::{Read, Write};
use std::sync::Arc;

use lambent_ports::sandbox::{Exit, Process, SandboxHost};
use lambent_ports::suites::sandbox::{Program, Programs, Subject, all, in_time};

use crate::{FakeHost, FakeProcess};

/// The suite's programs as paths; a program's number is its argument.
struct FakePrograms;

impl Programs for FakePrograms {
    fn process(&self, program: Program) -> Process {
        let (path, argument) = match program {
            Program::PrintEnvironment => ("/env", 0),
            Program::Exit(status) => ("/exit", status),
            Program::Signal(signal) => ("/signal", signal),
            Program::Wait => ("/wait", 0),
            Program::WriteTmp => ("/write", 0),
            Program::ReadTmp => ("/read", 0),
            Program::PrintAndFrame => ("/frame", 0),
            Program::CallRuntimeApi => ("/call", 0),
            Program::Become => ("/become", 0),
            Program::Missing => ("/missing", 0),
        };
        let argv = vec![path.to_owned(), argument.to_string()];
        Process { argv, env: Vec::new(), cwd: "/".into(), telemetry_env: None }
    }
}

fn number(process: &FakeProcess) -> i32 {
    process.argv()[1].parse().unwrap()
}

fn host() -> FakeHost {
    FakeHost::new()
        .with("/env", |process| {
            for (name, value) in process.env() {
                process.print(&format!("{name}={value}\n")).unwrap();
            }
            Exit::Code(0)
        })
        .with("/exit", |process| Exit::Code(number(process)))
        .with("/signal", |process| Exit::Signal { signal: number(process), out_of_memory: false })
        .with("/wait", |process| {
            let _ = process.print("up\n");
            process.hang()
        })
        .with("/write", |process| {
            process.tmp().lock().unwrap().insert("file".into(), b"kept".to_vec());
            Exit::Code(0)
        })
        .with("/read", |process| {
            if let Some(kept) = process.tmp().lock().unwrap().get("file") {
                process.print(&String::from_utf8_lossy(kept)).unwrap();
            }
            Exit::Code(0)
        })
        .with("/frame", |process| {
            process.print("before\n").unwrap();
            process.write_frame(b"framed\n").unwrap().unwrap();
            process.print("after\n").unwrap();
            Exit::Code(0)
        })
        .with("/become", |process| {
            let [a, b] = ["A", "B"].map(|name| process.var(name).unwrap());
            process.print(&format!("{a}\n{b}\n")).unwrap();
            Exit::Code(0)
        })
        .with("/call", |process| {
            let mut stream = process.connect().unwrap();
            stream.write_all(b"ping").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            process.print(&answer).unwrap();
            Exit::Code(0)
        })
}

#[tokio::test]
async fn it_passes_the_suite() {
    let subject = Subject { host: Arc::new(host()), programs: Arc::new(FakePrograms), freezes: true };
    all(&subject).await;
}

#[tokio::test]
async fn a_killed_process_that_waits_for_an_event_ends() {
    let (ended, told) = std::sync::mpsc::channel();
    let ended = std::sync::Mutex::new(ended);
    let host = FakeHost::new().with("/next", move |process| {
        let mut stream = process.connect().unwrap();
        process.print("up\n").unwrap();
        let read = stream.read(&mut [0; 8]);
        ended.lock().unwrap().send(read.is_ok_and(|count| count > 0)).unwrap();
        Exit::Code(0)
    });
    let sandbox = host.create(Subject::spec("next")).await.unwrap();
    let process = Process { argv: vec!["/next".into()], ..FakePrograms.process(Program::Wait) };
    let output = sandbox.start(process).await.unwrap();
    let mut output = tokio::net::unix::pipe::Receiver::from_owned_fd(output.output).unwrap();
    in_time(tokio::io::AsyncReadExt::read_exact(&mut output, &mut [0; 3])).await.unwrap();
    sandbox.stop().await.unwrap();
    assert_eq!(in_time(sandbox.exited()).await, Exit::Signal { signal: 9, out_of_memory: false });
    assert!(
        !told.recv_timeout(lambent_ports::suites::sandbox::PATIENCE).unwrap(),
        "there was nothing to read"
    );
}

#[tokio::test]
async fn what_was_asked_is_seen_and_what_is_ordered_happens() {
    let host = host();
    let sandbox = host.create(Subject::spec("seen")).await.unwrap();
    let id = host.sandboxes()[0].spec.id.clone();
    sandbox.throttle(true);
    sandbox.freeze();
    assert!(host.sandboxes()[0].throttled && host.sandboxes()[0].frozen);
    sandbox.thaw();
    host.set_max_memory(&id, 5);
    assert_eq!(sandbox.usage().max_memory_bytes, 5);
    let _output = sandbox.start(FakePrograms.process(Program::Wait)).await.unwrap();
    assert!(!host.sandboxes()[0].throttled, "an init is not slowed down");
    host.run_out_of_memory(&id);
    assert_eq!(in_time(sandbox.exited()).await, Exit::Signal { signal: 9, out_of_memory: true });
    host.lose(&id);
    assert!(sandbox.start(FakePrograms.process(Program::Wait)).await.is_err());
    host.refuse_to_create(Some("no more"));
    assert!(host.create(Subject::spec("refused")).await.is_err());
    assert_eq!((host.created(), host.sandboxes().len()), (1, 0));
}
