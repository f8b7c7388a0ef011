//! Processes that a zygote has forked into sandboxes: with Python's own client, which is the one that can.

use std::path::Path;
use std::time::Duration;

use lambent_ports::sandbox::{
    Exit, Mount, ParkedCount, ParkedKind, Process, ProcessOutput, Sandbox, SandboxHost, SandboxSpec,
    StartTier,
};
use lambent_ports::suites::sandbox::{Subject, in_time, read_to_exit};

use super::{Host, eventually, processes_with, sh, wait_for_end};

const ONE: ParkedCount = ParkedCount { floor: 1, ceiling: 1 };
const CLIENT: [(&str, &str); 6] = [
    ("bootstrap.py", include_str!("../../../../../runtimes/python/bootstrap.py")),
    ("function_client.py", include_str!("../../../../../runtimes/python/function_client.py")),
    ("function_logging.py", include_str!("../../../../../runtimes/python/function_logging.py")),
    ("parking.py", include_str!("../../../../../runtimes/python/parking.py")),
    ("sdk_ahead.py", include_str!("../../../../../runtimes/python/sdk_ahead.py")),
    ("zygote.py", include_str!("../../../../../runtimes/python/zygote.py")),
];
/// A function ends with its module here: there is no server that it could ask for work.
const END: &str = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n";

fn dir(host: &Host, name: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
    let dir = host.dir.path().join(name);
    if !dir.exists() {
        std::fs::create_dir(&dir).unwrap();
    }
    files.iter().for_each(|(name, text)| std::fs::write(dir.join(name), text).unwrap());
    dir
}

fn mount(host: &Path, guest: &str) -> Mount {
    Mount { host: host.into(), guest: guest.into() }
}

fn kind(host: &Host, marker: &str) -> ParkedKind {
    let spec = Subject::spec("");
    ParkedKind {
        name: marker.into(),
        mounts: vec![mount(&dir(host, "runtime", &CLIENT), "/var/runtime")],
        argv: ["/usr/bin/python3", "/var/runtime/bootstrap.py", marker].map(str::to_owned).to_vec(),
        env: vec![("PYTHONPATH".into(), "/var/runtime".into())],
        telemetry_env: None,
        processes: spec.processes,
        open_files: spec.open_files,
        forks: true,
    }
}

/// Starts a function whose module is `code`.
async fn start(
    host: &Host,
    kind: &ParkedKind,
    code: &str,
    env: &[(&str, String)],
) -> (Box<dyn Sandbox>, ProcessOutput) {
    let code = dir(host, "code", &[("app.py", &format!("{code}{END}"))]);
    let mounts = kind.mounts.iter().cloned().chain([mount(&code, "/var/task")]).collect();
    let spec = SandboxSpec { mounts, parked: Some(kind.name.clone()), ..Subject::spec(&kind.name) };
    let sandbox = in_time(host.client.create(spec)).await.unwrap();
    let own = [
        ("PATH", "/usr/bin:/bin".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("_HANDLER", "app.handler".to_owned()),
        ("PYTHONPATH", "/var/runtime".to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", sandbox.runtime_api_address().to_owned()),
    ];
    let env = own.iter().chain(env).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let process = Process { argv: kind.argv.clone(), env, cwd: "/var/task".into(), telemetry_env: None };
    let output = in_time(sandbox.start(process)).await.unwrap();
    (sandbox, output)
}

/// What a function printed that a zygote's child ran.
async fn forked(host: &Host, marker: &str, code: &str, env: &[(&str, String)]) -> (Exit, String) {
    let kind = kind(host, marker);
    host.client.keep_parked(vec![kind.clone()], ONE);
    let forked = format!(
        "print(b'_LAMBENT_ZYGOTE_FD=' in open('/proc/self/environ', 'rb').read(), flush=True)\n{code}"
    );
    in_time(async {
        loop {
            let (sandbox, output) = start(host, &kind, &forked, env).await;
            let waited = output.tier != StartTier::Exec;
            let (exit, printed) = read_to_exit(&*sandbox, output).await;
            sandbox.destroy().await;
            if let Some(printed) = printed.strip_prefix("True\n") {
                assert!(waited);
                return (exit, printed.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

pub async fn a_forked_process_is_confined_as_an_executed_one(host: Host) {
    let look = "import os\n\
        names = ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')\n\
        print(*[line.strip() for line in open('/proc/self/status') if line.split(':')[0] in names], sep='\\n')\n\
        print(open('/proc/self/limits').read(), open('/proc/self/uid_map').read().split()[::2], os.listdir('/'), os.getppid())\n\
        print(os.listdir('/tmp'), open('/proc/self/cgroup').read())\n\
        fds = [fd for fd in os.listdir('/proc/self/fd') if os.path.lexists('/proc/self/fd/' + fd)]\n\
        print(sorted((int(fd), os.readlink('/proc/self/fd/' + fd).split('[')[0]) for fd in fds))";
    let (exit, printed) = forked(&host, "confined", look, &[]).await;
    assert_eq!(exit, Exit::Code(0), "{printed}");
    let kind = ParkedKind { forks: false, name: "executed".into(), ..kind(&host, "confined") };
    let (sandbox, output) = start(&host, &kind, look, &[]).await;
    assert_eq!(output.tier, StartTier::Exec);
    assert_eq!(read_to_exit(&*sandbox, output).await.1, printed);
    assert!(printed.contains("Seccomp:\t2") && printed.contains("CapBnd:\t0000000000000000"), "{printed}");
}

pub async fn escapes_fail_for_a_forked_process(host: Host) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let env = [
        ("LAUNCHER", host.client.pid().to_string()),
        ("HOST_PORT", listener.local_addr().unwrap().port().to_string()),
    ];
    // The client's own connection to the Runtime API is not one.
    let attempts = format!("import os\nos.close(3)\n{}", super::confinement::ESCAPES);
    let (exit, printed) = forked(&host, "escaping", &attempts, &env).await;
    assert_eq!((exit, printed.lines().last()), (Exit::Code(0), Some("all attempts failed")), "{printed}");
}

pub async fn memory_is_limited_for_a_forked_process(host: Host) {
    if !host.has_cgroups() {
        return println!("    no control groups here: {:?}", host.client.degraded());
    }
    let (exit, _) = forked(&host, "bounded", "x = bytearray(300 << 20)", &[]).await;
    assert_eq!(exit, Exit::Signal { signal: 9, out_of_memory: true });
}

/// Those of a marker's processes that are the launcher's own children, and no sandbox's.
fn zygotes(host: &Host, marker: &str) -> Vec<(u32, std::os::fd::OwnedFd)> {
    let launcher = format!("PPid:\t{}", host.client.pid());
    let is_child = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == launcher)
    };
    processes_with(marker).into_iter().filter(|(pid, _)| is_child(*pid)).collect()
}

pub async fn a_zygote_has_few_rights_and_sees_no_function(host: Host) {
    let marker = format!("few-rights-{}", std::process::id());
    forked(&host, &marker, "print('hidden-word')", &[("SECRET", "hidden-word".into())]).await;
    let zygotes = zygotes(&host, &marker);
    assert_eq!(zygotes.len(), 1);
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", zygotes[0].0)).unwrap();
    let status = read("status");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Threads:\t1"] {
        assert!(status.lines().any(|found| found == line), "{line}: {status}");
    }
    // SETGID, SETUID, SETPCAP, SYS_CHROOT, SYS_ADMIN.
    assert!(status.contains("CapBnd:\t00000000002401c0"), "{status}");
    assert!(!read("mountinfo").contains("/var/task ") && !read("mountinfo").contains(" /proc "));
    assert!(!read("net/dev").contains("eth0"));
}

pub async fn the_death_of_a_zygote_harms_nobody(host: Host) {
    let marker = format!("dying-{}", std::process::id());
    let kind = kind(&host, &marker);
    forked(&host, &marker, "print(1)", &[]).await;
    for (pid, pidfd) in zygotes(&host, &marker) {
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        wait_for_end(&pidfd);
    }
    for _ in 0..3 {
        let (sandbox, output) = start(&host, &kind, "print(2)", &[]).await;
        assert_eq!(read_to_exit(&*sandbox, output).await, (Exit::Code(0), "2\n".into()));
        assert_eq!(sh(&*sandbox, "echo fine").await.1, "fine\n");
        in_time(sandbox.destroy()).await;
    }
}

pub async fn zygotes_go_with_their_launcher_and_when_they_are_not_wanted(host: Host) {
    let marker = format!("going-{}", std::process::id());
    let kinds = vec![kind(&host, &marker)];
    host.client.keep_parked(kinds.clone(), ONE);
    eventually("one waits", || processes_with(&marker).len() == 2);
    let all = processes_with(&marker);
    host.client.keep_parked(Vec::new(), ONE);
    all.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
    host.client.keep_parked(kinds, ONE);
    eventually("one waits again", || processes_with(&marker).len() == 2);
    let all = processes_with(&marker);
    let launcher = rustix::process::Pid::from_raw(host.client.pid() as i32).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    all.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
}
