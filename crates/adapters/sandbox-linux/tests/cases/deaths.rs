//! However the launcher or the server dies, nothing stays. A test's own process plays the server where one is killed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lambent_ports::sandbox::{Exit, SandboxHost};
use lambent_ports::suites::sandbox::{Subject, in_time};
use lambent_sandbox_linux::{Egress, LauncherClient, LauncherOptions};
use rustix::process::{Pid, Signal, kill_process};

use super::{Host, eventually, groups_of, loop_devices_of, pidfd, processes_with, sh, shell, wait_for_end};

/// Makes the test program a server: see [`be_server`].
pub const SERVER_ARGUMENT: &str = "__server";
const SANDBOXES: usize = 4;

/// A word that only this run's processes have in their command line.
pub fn marker(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

fn sleeping(marker: &str) -> lambent_ports::sandbox::Process {
    shell(&format!("exec /bin/sh -c 'echo up; sleep 3600; true' {marker}"))
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

/// Starts a process with the marker, and waits until it runs.
pub async fn start(
    sandbox: &dyn lambent_ports::sandbox::Sandbox,
    marker: &str,
) -> tokio::net::unix::pipe::Receiver {
    let output = in_time(sandbox.start(sleeping(marker))).await.unwrap().output;
    let mut output = tokio::net::unix::pipe::Receiver::from_owned_fd(output).unwrap();
    in_time(tokio::io::AsyncReadExt::read_exact(&mut output, &mut [0; 3])).await.unwrap();
    output
}

/// A server with a few sandboxes, one of them frozen: prints its launcher's process id and waits to be killed.
/// `argument` is the state directory, a colon, and the processes' marker.
pub fn be_server(argument: &str) {
    let (state_dir, marker) = argument.rsplit_once(':').unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = LauncherOptions {
            executable: std::env::current_exe().unwrap(),
            state_dir: state_dir.into(),
            egress: Egress::None,
            trust: None,
        };
        let client = LauncherClient::spawn(&options).unwrap();
        let mut kept = Vec::new();
        for number in 0..SANDBOXES {
            let sandbox = client.create(Subject::spec(&format!("served{number}x"))).await.unwrap();
            let output = start(&*sandbox, marker).await;
            if number == 0 {
                sandbox.freeze();
            }
            kept.push((sandbox, output));
        }
        println!("{}", client.pid());
        std::future::pending::<()>().await;
    });
}

/// Killed at the latest when its test ends.
struct Server(Child);

impl Server {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn_server(state_dir: &std::path::Path, marker: &str) -> (Server, u32) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg(SERVER_ARGUMENT)
        .arg(format!("{}:{marker}", state_dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Server(server), line.trim().parse().unwrap())
}

pub async fn the_death_of_the_launcher_is_the_death_of_its_sandboxes(host: Host) {
    let marker = marker("orphan");
    let (running, frozen) = (host.sandbox("orphan").await, host.sandbox("frozen").await);
    let _outputs = (start(&*running, &marker).await, start(&*frozen, &marker).await);
    frozen.freeze();
    let processes = processes_with(&marker);
    assert!(processes.len() >= 2);
    let launcher = host.client.pid();
    kill(launcher);
    for sandbox in [&running, &frozen] {
        assert_eq!(in_time(sandbox.exited()).await, Exit::SandboxGone);
    }
    processes.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
    // What it left is swept by the next launcher with the same directory.
    let next = LauncherClient::spawn(&host.options).unwrap();
    assert_eq!(groups_of(launcher), Vec::<PathBuf>::new());
    let sandbox = next.create(Subject::spec("next")).await.unwrap();
    assert_eq!(sh(&*sandbox, "exit 4").await.0, Exit::Code(4));
}

pub async fn the_death_of_the_server_leaves_nothing(host: Host) {
    let (state_dir, marker) = (host.dir.path().join("killed"), marker("served"));
    let (mut server, launcher) = spawn_server(&state_dir, &marker);
    let launcher_end = pidfd(launcher).unwrap();
    let processes = processes_with(&marker);
    assert!(processes.len() >= SANDBOXES);
    server.kill();
    processes.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
    wait_for_end(&launcher_end);
    assert_eq!(groups_of(launcher), Vec::<PathBuf>::new());
    let left: Vec<_> =
        std::fs::read_dir(&state_dir).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["launcher.lock"]);
    eventually("loop devices are let go", || loop_devices_of(&state_dir).is_empty());
}

pub async fn the_death_of_both_is_cleared_by_the_next(host: Host) {
    let (state_dir, marker) = (host.dir.path().join("both"), marker("both"));
    let (mut server, launcher) = spawn_server(&state_dir, &marker);
    let processes = processes_with(&marker);
    assert!(processes.len() >= SANDBOXES);
    // The launcher must not live to see the server's end: it is stopped first.
    kill_process(Pid::from_raw(launcher as i32).unwrap(), Signal::STOP).unwrap();
    server.kill();
    kill(launcher);
    let options = LauncherOptions { state_dir: state_dir.clone(), ..host.options.clone() };
    let next = LauncherClient::spawn(&options).unwrap();
    processes.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
    assert_eq!(groups_of(launcher), Vec::<PathBuf>::new());
    drop(next);
    eventually("loop devices are let go", || loop_devices_of(&state_dir).is_empty());
}

pub async fn another_instance_is_left_alone(host: Host) {
    let marker = marker("alive");
    let sandbox = host.sandbox("alive").await;
    let _output = start(&*sandbox, &marker).await;
    let groups = groups_of(host.client.pid());
    let other = Host::new();
    assert_eq!(sh(&*other.sandbox("beside").await, "exit 6").await.0, Exit::Code(6));
    other.close();
    assert_eq!(groups_of(host.client.pid()), groups);
    assert!(!processes_with(&marker).is_empty());
    in_time(sandbox.stop()).await.unwrap();
    assert_eq!(sh(&*sandbox, "exit 7").await.0, Exit::Code(7));
}
