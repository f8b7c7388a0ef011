use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_ports::sandbox::{Exit, Process, Sandbox, SandboxError, SandboxHost, SandboxSpec};
use lambent_sandbox_linux::{LauncherClient, LauncherOptions};

/// Longest that any single wait of a test may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Host {
    client: LauncherClient,
    options: LauncherOptions,
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LauncherOptions {
            executable: std::env::current_exe().unwrap(),
            state_dir: dir.path().join("sandboxes"),
        };
        Host { client: LauncherClient::spawn(&options).unwrap(), options, dir }
    }

    fn spec(id: &str) -> SandboxSpec {
        let id = format!("{id}{}", std::process::id());
        SandboxSpec { id, mounts: Vec::new(), memory_mb: 128, tmp_mb: 512, processes: 64, open_files: 256 }
    }

    async fn sandbox(&self, id: &str) -> Box<dyn Sandbox> {
        self.client.create(Self::spec(id)).await.unwrap()
    }

    /// Limits are only enforced where there are cgroups.
    fn has_limits(&self) -> bool {
        !self.client.degraded().iter().any(|text| text.contains("not enforced"))
    }
}

fn shell(script: &str) -> Process {
    Process {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("MARK".into(), "42".into())],
        cwd: "/var/task".into(),
        telemetry_env: None,
    }
}

/// Runs a process to its end; its exit and all of its output.
async fn run(sandbox: &dyn Sandbox, process: Process) -> (Exit, String) {
    let output = sandbox.start(process).await.unwrap().output;
    let exit = tokio::time::timeout(PATIENCE, sandbox.exited()).await.expect("the process ends");
    let mut text = Vec::new();
    let mut pipe = std::fs::File::from(output);
    let mut buffer = [0; 4096];
    while let Ok(count) = pipe.read(&mut buffer) {
        if count == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..count]);
    }
    (exit, String::from_utf8_lossy(&text).into_owned())
}

async fn sh(sandbox: &dyn Sandbox, script: &str) -> (Exit, String) {
    run(sandbox, shell(script)).await
}

type Case = (&'static str, fn(Arc<Host>) -> std::pin::Pin<Box<dyn Future<Output = ()>>>);

macro_rules! cases {
    ($($name:ident,)*) => {
        const CASES: &[Case] = &[$((stringify!($name), |host| Box::pin($name(host))),)*];
    };
}

cases! {
    a_process_runs_with_exactly_its_environment,
    exits_are_told_apart,
    what_can_not_be_executed_is_named,
    the_tree_is_read_only_and_the_host_is_out_of_sight,
    stopping_kills_everything_and_keeps_tmp,
    a_full_tmp_is_an_error_and_no_memory,
    memory_is_limited,
    processes_and_files_are_limited,
    the_runtime_api_listens_inside,
    escapes_fail,
    a_frozen_sandbox_does_nothing,
    two_hundred_at_once_and_nothing_stays,
    the_death_of_the_launcher_is_the_death_of_its_sandboxes,
}

pub fn run_all() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in CASES.iter().filter(|(name, _)| name.contains(&filter)) {
        let case = *case;
        let thread = std::thread::Builder::new().name((*name).to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, case(Arc::new(Host::new())));
        });
        match thread.unwrap().join() {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Err(_) => {
                failed.push(*name);
                println!("test {name} ... FAILED");
            }
        }
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out\n",
        failed.len()
    );
    std::process::exit(i32::from(!failed.is_empty()));
}

async fn a_process_runs_with_exactly_its_environment(host: Arc<Host>) {
    let sandbox = host.sandbox("env").await;
    let env = Process { argv: vec!["/usr/bin/env".into()], ..shell("") };
    let (exit, output) = run(&*sandbox, env).await;
    assert_eq!((exit, output.as_str()), (Exit::Code(0), "PATH=/usr/bin:/bin\nMARK=42\n"));
    let (_, output) =
        sh(&*sandbox, "pwd; id -u; id -g; ls /proc/self/fd; cat /proc/self/stat | cut -d' ' -f1").await;
    assert!(output.starts_with("/var/task\n993\n990\n0\n1\n2\n3\n"), "{output}");
}

async fn exits_are_told_apart(host: Arc<Host>) {
    let sandbox = host.sandbox("exit").await;
    assert_eq!(sh(&*sandbox, "exit 7").await.0, Exit::Code(7));
    assert_eq!(sh(&*sandbox, "kill -SEGV $$").await.0, Exit::Signal { signal: 11, out_of_memory: false });
    assert_eq!(sh(&*sandbox, "kill -KILL $$").await.0, Exit::Signal { signal: 9, out_of_memory: false });
}

async fn what_can_not_be_executed_is_named(host: Arc<Host>) {
    let sandbox = host.sandbox("exec").await;
    let missing = Process { argv: vec!["/var/task/bootstrap".into()], ..shell("") };
    match sandbox.start(missing).await {
        Err(SandboxError::Exec { path, reason }) => {
            assert_eq!(
                (path.as_str(), reason.as_str()),
                ("/var/task/bootstrap", "no such file or directory")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sh(&*sandbox, "exit 0").await.0, Exit::Code(0));
}

async fn the_tree_is_read_only_and_the_host_is_out_of_sight(host: Arc<Host>) {
    let code = host.dir.path().join("code");
    std::fs::create_dir(&code).unwrap();
    std::fs::write(code.join("hello"), "from the host").unwrap();
    let mut spec = Host::spec("tree");
    spec.mounts.push(lambent_ports::sandbox::Mount { host: code.clone(), guest: "/var/task".into() });
    let sandbox = host.client.create(spec).await.unwrap();
    assert_eq!(sh(&*sandbox, "cat hello").await.1, "from the host");
    let script = "for d in / /var/task /usr/bin /etc /dev /proc/sys/kernel /opt; do touch $d/x 2>/dev/null && echo $d; done; \
                  ls / | tr '\\n' ' '; ls /usr/local /sys /home 2>/dev/null; ps -e 2>/dev/null | wc -l";
    let (_, output) = sh(&*sandbox, script).await;
    assert!(!output.contains("/var/task\n") && !output.contains("/etc\n"), "{output}");
    let shown = host.dir.path().display().to_string();
    let (exit, _) = sh(&*sandbox, &format!("test -e {shown}")).await;
    assert_eq!(exit, Exit::Code(1));
    let (_, processes) = sh(&*sandbox, "ls -d /proc/[0-9]* | wc -l").await;
    assert!(processes.trim().parse::<u32>().unwrap() <= 4, "{processes}");
    assert!(!code.join("x").exists());
}

async fn stopping_kills_everything_and_keeps_tmp(host: Arc<Host>) {
    let sandbox = host.sandbox("stop").await;
    let output =
        sandbox.start(shell("echo kept > /tmp/f; (setsid sleep 600 &); echo up; sleep 600")).await.unwrap();
    let output = tokio::net::unix::pipe::Receiver::from_owned_fd(output.output).unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(output));
    assert_eq!(tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap(), "up");
    sandbox.stop().await.unwrap();
    assert_eq!(sandbox.exited().await, Exit::Signal { signal: 9, out_of_memory: false });
    let (_, found) = sh(&*sandbox, "cat /tmp/f; ls -d /proc/[0-9]* | wc -l").await;
    assert!(found.starts_with("kept\n"), "{found}");
    assert!(found.lines().last().unwrap().trim().parse::<u32>().unwrap() <= 4, "{found}");
}

async fn a_full_tmp_is_an_error_and_no_memory(host: Arc<Host>) {
    let sandbox = host.sandbox("tmp").await;
    let on_disk = !host.client.degraded().iter().any(|text| text.contains("/tmp is kept in memory"));
    if !on_disk {
        println!("    /tmp is in memory here: only its size is checked");
    }
    let (exit, output) = sh(&*sandbox, "dd if=/dev/zero of=/tmp/big bs=1M count=600 2>&1; echo after").await;
    if on_disk {
        assert!(output.contains("No space left on device") && output.contains("after"), "{output}");
        assert_eq!(exit, Exit::Code(0));
        let (_, size) = sh(&*sandbox, "df -m /tmp | tail -1 | awk '{print $2}'").await;
        assert!((480..=512).contains(&size.trim().parse::<u32>().unwrap()), "{size}");
    }
}

async fn memory_is_limited(host: Arc<Host>) {
    if !host.has_limits() {
        return println!("    no cgroups here: {:?}", host.client.degraded());
    }
    let sandbox = host.sandbox("memory").await;
    let (exit, _) = sh(&*sandbox, "exec python3 -c 'x = bytearray(300 << 20)'").await;
    assert_eq!(exit, Exit::Signal { signal: 9, out_of_memory: true });
    assert!(sandbox.usage().max_memory_bytes > 100 << 20);
    assert_eq!(sh(&*sandbox, "exit 0").await.0, Exit::Code(0));
}

async fn processes_and_files_are_limited(host: Arc<Host>) {
    let sandbox = host.sandbox("counts").await;
    let (_, output) = sh(&*sandbox, "ulimit -n").await;
    assert_eq!(output.trim(), "256");
    if !host.has_limits() {
        return;
    }
    let (_, output) =
        sh(&*sandbox, "for i in $(seq 100); do sleep 30 & done 2>&1; echo; echo survived").await;
    assert!(output.contains("fork") || output.contains("survived"), "{output}");
    let script = "n=0; for d in /proc/[0-9]*; do n=$((n+1)); done; echo $n";
    sandbox.stop().await.unwrap();
    let (_, count) = sh(&*sandbox, script).await;
    assert!(count.trim().parse::<u32>().unwrap() <= 4, "{count}");
}

async fn the_runtime_api_listens_inside(host: Arc<Host>) {
    let sandbox = host.sandbox("api").await;
    assert_eq!(sandbox.runtime_api_address(), "169.254.100.1:9001");
    let listener = std::net::TcpListener::from(sandbox.take_runtime_listener().unwrap());
    assert!(sandbox.take_runtime_listener().is_none());
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let process = Process {
        argv: ["/usr/bin/python3", "-c", "import socket; s = socket.create_connection(('169.254.100.1', 9001)); s.sendall(b'hi'); print(s.recv(9).decode())"].map(str::to_owned).to_vec(),
        ..shell("")
    };
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hi = [0; 2];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hi).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"hello").await.unwrap();
    };
    let ((_, output), ()) = tokio::join!(run(&*sandbox, process), serve);
    assert_eq!(output, "hello\n");
}

const ESCAPES: &str = include_str!("escapes.py");

async fn escapes_fail(host: Arc<Host>) {
    let sandbox = host.sandbox("escape").await;
    let process = Process {
        argv: vec!["/usr/bin/python3".into(), "-c".into(), ESCAPES.into()],
        env: vec![
            ("LAUNCHER".into(), host.client.pid().to_string()),
            ("ENFORCED".into(), host.has_limits().to_string()),
        ],
        ..shell("")
    };
    let (exit, output) = run(&*sandbox, process).await;
    assert_eq!((exit, output.lines().last()), (Exit::Code(0), Some("all attempts failed")), "{output}");
}

async fn a_frozen_sandbox_does_nothing(host: Arc<Host>) {
    if !host.has_limits() {
        return;
    }
    let sandbox = host.sandbox("frozen").await;
    sandbox.freeze();
    let started = sandbox.start(shell("exit 3"));
    assert!(tokio::time::timeout(Duration::from_millis(100), started).await.is_err());
    sandbox.thaw();
    assert_eq!(tokio::time::timeout(PATIENCE, sandbox.exited()).await.unwrap(), Exit::Code(3));
}

async fn two_hundred_at_once_and_nothing_stays(host: Arc<Host>) {
    let begun = Instant::now();
    let creates = (0..200).map(|number| {
        let host = Arc::clone(&host);
        tokio::task::spawn_local(async move { host.sandbox(&format!("many{number}x")).await })
    });
    let mut sandboxes = Vec::new();
    for create in creates.collect::<Vec<_>>() {
        sandboxes.push(create.await.unwrap());
    }
    println!("    200 sandboxes in {:.2?}", begun.elapsed());
    for sandbox in &sandboxes {
        assert_eq!(sh(&**sandbox, "exit 5").await.0, Exit::Code(5));
    }
    // Some are waited for, some just dropped.
    for (number, sandbox) in sandboxes.into_iter().enumerate() {
        if number % 2 == 0 {
            tokio::time::timeout(PATIENCE, sandbox.destroy()).await.unwrap();
        }
    }
    let launcher = host.client.pid();
    drop(Arc::into_inner(host).unwrap());
    assert_eq!(leftovers(launcher), Vec::<PathBuf>::new());
}

async fn the_death_of_the_launcher_is_the_death_of_its_sandboxes(host: Arc<Host>) {
    let sandbox = host.sandbox("orphan").await;
    let _output = sandbox.start(shell("exec sleep 600")).await.unwrap();
    let launcher = rustix::process::Pid::from_raw(host.client.pid() as i32).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, sandbox.exited()).await.unwrap(), Exit::SandboxGone);
    assert!(host.client.create(Host::spec("late")).await.is_err());
    // What it left is swept by the next launcher with the same directory.
    drop(sandbox);
    let (launcher, next) = (host.client.pid(), LauncherClient::spawn(&host.options).unwrap());
    assert_eq!(leftovers(launcher), Vec::<PathBuf>::new());
    assert_eq!(sh(&*next.create(Host::spec("next")).await.unwrap(), "exit 4").await.0, Exit::Code(4));
}

/// A launcher's control groups.
fn leftovers(launcher: u32) -> Vec<PathBuf> {
    fn below(dir: PathBuf, depth: u32, name: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy() == name {
                    found.push(entry.path());
                } else if depth > 0 {
                    below(entry.path(), depth - 1, name, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    below("/sys/fs/cgroup".into(), 4, &format!("lambent-{launcher}"), &mut found);
    found
}
