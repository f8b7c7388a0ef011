//! How long sandboxes take here: `cargo run --release -p lambent-sandbox-linux --example latency [count] [idle_ms]`.
//!
//! Sandboxes are made one after another, with a pause between them: what is slow only after a pause (attaching to
//! version 1 cgroups, an emptied pool) shows only so.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use std::time::{Duration, Instant};

use lambent_ports::sandbox::{Exit, Process, SandboxHost, SandboxSpec};
use lambent_sandbox_linux::{LauncherClient, LauncherOptions, launcher_main};

fn main() {
    launcher_main();
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let (count, idle_ms) = (arguments.next().unwrap_or(100), arguments.next().unwrap_or(100));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(count, Duration::from_millis(idle_ms)));
}

async fn measure(count: u64, idle: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let options = LauncherOptions {
        executable: std::env::current_exe().unwrap(),
        state_dir: dir.path().join("sandboxes"),
        egress: lambent_sandbox_linux::Egress::Auto,
        trust: None,
    };
    let begun = Instant::now();
    let client = LauncherClient::spawn(&options).unwrap();
    println!("launcher up in {:.1} ms; lacks: {:?}", ms(begun), client.degraded());
    let (mut create, mut start, mut end, mut destroy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        tokio::time::sleep(idle).await;
        let begun = Instant::now();
        let sandbox = client.create(spec(number)).await.unwrap();
        create.push(ms(begun));
        let process =
            Process { argv: vec!["/bin/true".into()], env: Vec::new(), cwd: "/".into(), telemetry_env: None };
        let begun = Instant::now();
        let output = sandbox.start(process).await.unwrap();
        start.push(ms(begun));
        assert_eq!(sandbox.exited().await, Exit::Code(0));
        end.push(ms(begun));
        drop(output);
        let begun = Instant::now();
        sandbox.destroy().await;
        destroy.push(ms(begun));
    }
    for (name, times) in [("create", create), ("start", start), ("start to exit", end), ("destroy", destroy)]
    {
        show(name, times);
    }
}

fn spec(number: u64) -> SandboxSpec {
    let id = format!("latency{number}x{}", std::process::id());
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

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn show(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{name:>14}: p50 {:.2}  p90 {:.2}  p99 {:.2} ms", at(0.5), at(0.9), at(0.99));
}
