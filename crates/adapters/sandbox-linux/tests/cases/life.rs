use std::sync::Arc;
use std::time::{Duration, Instant};

use lambent_ports::sandbox::{Exit, SandboxHost};
use lambent_ports::suites::sandbox::{Subject, all, in_time};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Host, eventually, groups_of, loop_devices_of, sh, shell, subject};

pub async fn it_passes_the_suite(host: Host) {
    all(&subject(&host)).await;
}

pub async fn what_a_process_leaves_behind_is_killed_too(host: Host) {
    let sandbox = host.sandbox("orphans").await;
    let script = "(setsid sleep 600 &); (trap '' TERM HUP; sleep 600 &); echo up; exec sleep 600";
    let output = sandbox.start(shell(script)).await.unwrap().output;
    let output = tokio::net::unix::pipe::Receiver::from_owned_fd(output).unwrap();
    let mut lines = BufReader::new(output).lines();
    assert_eq!(in_time(lines.next_line()).await.unwrap().unwrap(), "up");
    in_time(sandbox.stop()).await.unwrap();
    // The end of the output: none of them holds it any more.
    assert_eq!(in_time(lines.next_line()).await.unwrap(), None);
    // Besides the supervisor: the shell and `ls`, `wc`, perhaps their subshell.
    let (_, count) = sh(&*sandbox, "ls -d /proc/[0-9]* | wc -l").await;
    assert!(count.trim().parse::<u32>().unwrap() <= 4, "{count}");
}

pub async fn the_launchers_end_is_told(host: Host) {
    let client = Arc::clone(&host.client);
    assert!(tokio::time::timeout(Duration::from_millis(50), client.closed()).await.is_err());
    let sandbox = host.sandbox("told").await;
    let launcher = rustix::process::Pid::from_raw(client.pid() as i32).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    in_time(client.closed()).await;
    assert_eq!(in_time(sandbox.exited()).await, Exit::SandboxGone);
    assert!(in_time(client.create(Subject::spec("late"))).await.is_err());
    assert!(in_time(sandbox.start(shell("exit 0"))).await.is_err());
    in_time(sandbox.destroy()).await;
}

pub async fn a_dropped_request_leaves_nothing(host: Host) {
    let spec = Subject::spec("dropped");
    for _ in 0..20 {
        let create = host.client.create(spec.clone());
        let _ = tokio::time::timeout(Duration::ZERO, create).await;
        // Its id is free as soon as it is gone.
        let begun = Instant::now();
        loop {
            match in_time(host.client.create(spec.clone())).await {
                Ok(sandbox) => break in_time(sandbox.destroy()).await,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error}"),
            }
        }
    }
}

pub async fn two_hundred_at_once_and_nothing_stays(host: Host) {
    let begun = Instant::now();
    let creates = (0..200).map(|number| {
        let client = Arc::clone(&host.client);
        let spec = Subject::spec(&format!("many{number}x"));
        tokio::task::spawn_local(async move { client.create(spec).await.unwrap() })
    });
    let mut sandboxes = Vec::new();
    for create in creates.collect::<Vec<_>>() {
        sandboxes.push(in_time(create).await.unwrap());
    }
    println!("    200 sandboxes in {:.2?}", begun.elapsed());
    for sandbox in &sandboxes {
        assert_eq!(sh(&**sandbox, "exit 5").await.0, Exit::Code(5));
    }
    // Some are waited for, some just dropped.
    for (number, sandbox) in sandboxes.into_iter().enumerate() {
        if number % 2 == 0 {
            in_time(sandbox.destroy()).await;
        }
    }
    let launcher = host.client.pid();
    let dir = host.close();
    assert_eq!(groups_of(launcher), Vec::<std::path::PathBuf>::new());
    let names: Vec<_> = std::fs::read_dir(dir.path().join("sandboxes"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, ["launcher.lock"]);
    eventually("loop devices are let go", || loop_devices_of(dir.path()).is_empty());
}
