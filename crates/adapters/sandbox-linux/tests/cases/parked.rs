use std::time::Duration;

use lambent_ports::sandbox::{
    Exit, Mount, PARKED_FD_ENV, ParkedCount, ParkedKind, Process, ProcessOutput, Sandbox, SandboxHost,
    SandboxSpec, StartTier,
};
use lambent_ports::suites::sandbox::{Subject, in_time, read_to_exit};

use super::{Host, eventually, groups_of, processes_with, sh, wait_for_end};

const COUNT: ParkedCount = ParkedCount { floor: 1, ceiling: 1 };

/// Waits, then does what the variable `CODE` says.
fn waiting(marker: &str) -> Process {
    let become_ = format!(
        "import json, os\n\
        fd = int(os.environ['{PARKED_FD_ENV}'])\n\
        os.write(fd, b'r')\n\
        told = json.loads(b''.join(iter(lambda: os.read(fd, 65536), b'')))\n\
        os.close(fd)\n\
        os.environ.clear()\n\
        os.environ.update(told['env'])\n\
        os.chdir(told['cwd'])\n\
        exec(os.environ.pop('CODE'))"
    );
    let argv = vec!["/usr/bin/python3".into(), "-c".into(), become_, marker.into()];
    Process { argv, env: Vec::new(), cwd: "/var/task".into(), telemetry_env: None }
}

fn kind(marker: &str, argv: Vec<String>) -> ParkedKind {
    let spec = Subject::spec("");
    ParkedKind {
        name: marker.into(),
        mounts: Vec::new(),
        argv,
        env: Vec::new(),
        telemetry_env: None,
        processes: spec.processes,
        open_files: spec.open_files,
        forks: false,
    }
}

/// A parked process that has become a function's with this code.
async fn parked(
    host: &Host,
    marker: &str,
    mounts: Vec<Mount>,
    code: &str,
    mut env: Vec<(String, String)>,
) -> (Box<dyn Sandbox>, ProcessOutput) {
    let process = waiting(marker);
    host.client.keep_parked(vec![kind(marker, process.argv.clone())], COUNT);
    env.push(("CODE".into(), code.into()));
    let spec = SandboxSpec { mounts, parked: Some(marker.into()), ..Subject::spec(marker) };
    in_time(async {
        loop {
            let sandbox = host.client.create(spec.clone()).await.unwrap();
            let output = sandbox.start(Process { env: env.clone(), ..process.clone() }).await.unwrap();
            if output.tier == StartTier::Parked {
                return (sandbox, output);
            }
            sandbox.destroy().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

async fn run(host: &Host, marker: &str, mounts: Vec<Mount>, code: &str) -> (Exit, String) {
    let (sandbox, output) = parked(host, marker, mounts, code, Vec::new()).await;
    read_to_exit(&*sandbox, output).await
}

pub async fn code_comes_late_and_is_read_only(host: Host) {
    let (code, layers) = (host.dir.path().join("code"), host.dir.path().join("merged"));
    for (dir, file) in [(&code, "hello"), (&layers, "tool")] {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join(file), "from the host").unwrap();
    }
    let mount = |host: &std::path::Path, guest: &str| Mount { host: host.into(), guest: guest.into() };
    let mounts = vec![mount(&code, "/var/task"), mount(&layers, "/opt")];
    let look = "import errno\n\
        print(os.getcwd(), os.listdir('.'), open('hello').read(), os.listdir('/opt'))\n\
        for place in ('/var/task', '/opt', '/', '/var/runtime', '/etc'):\n\
        \x20   try: open(place + '/x', 'w'); print('written', place)\n\
        \x20   except OSError as error: assert error.errno in (errno.EROFS, errno.EACCES), error\n\
        print(os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize >> 20)\n\
        open('/tmp/mine', 'w').close()\n\
        print(sum(line.split()[1] in ('/var/task', '/opt') for line in open('/proc/self/mounts')))";
    let (sandbox, output) = parked(&host, "late", mounts, look, Vec::new()).await;
    let seen = read_to_exit(&*sandbox, output).await;
    let expected = "/var/task ['hello'] from the host ['tool']\n128\n2\n";
    assert_eq!(seen, (Exit::Code(0), expected.into()));
    assert!(!code.join("x").exists() && !layers.join("x").exists());
    // The next one, executed, finds the same.
    assert_eq!(sh(&*sandbox, "cat hello; ls /opt /tmp").await.1, "from the host/opt:\ntool\n\n/tmp:\nmine\n");
    in_time(sandbox.destroy()).await;
    // And the next parked one nothing of it.
    let (exit, output) =
        run(&host, "late", Vec::new(), "print(os.listdir('/tmp'), os.listdir('.'), os.listdir('/opt'))")
            .await;
    assert_eq!((exit, output.as_str()), (Exit::Code(0), "[] [] []\n"));
}

pub async fn code_that_can_not_be_mounted_late_is_mounted_before(host: Host) {
    let code = host.dir.path().join("code");
    std::fs::create_dir(&code).unwrap();
    let mounts = vec![Mount { host: code, guest: "/opt/a/b".into() }];
    // One waits; there is no such directory in its tree.
    drop(parked(&host, "made", Vec::new(), "", Vec::new()).await);
    eventually("another waits", || !processes_with("made").is_empty());
    let spec = SandboxSpec { mounts, parked: Some("made".into()), ..Subject::spec("before") };
    let sandbox = in_time(host.client.create(spec)).await.unwrap();
    assert_eq!(sh(&*sandbox, "ls -d /opt/a/b").await.1, "/opt/a/b\n");
}

pub async fn the_limits_of_its_function_hold_for_a_parked_process(host: Host) {
    if !host.has_cgroups() {
        return println!("    no control groups here: {:?}", host.client.degraded());
    }
    let (sandbox, output) = parked(&host, "limits", Vec::new(), "x = bytearray(300 << 20)", Vec::new()).await;
    let (exit, _) = read_to_exit(&*sandbox, output).await;
    assert_eq!(exit, Exit::Signal { signal: 9, out_of_memory: true });
}

pub async fn escapes_fail_for_a_parked_process(host: Host) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let env = vec![
        ("LAUNCHER".to_owned(), host.client.pid().to_string()),
        ("HOST_PORT".to_owned(), listener.local_addr().unwrap().port().to_string()),
    ];
    let (sandbox, output) = parked(&host, "escape", Vec::new(), super::confinement::ESCAPES, env).await;
    let (exit, output) = read_to_exit(&*sandbox, output).await;
    assert_eq!((exit, output.lines().last()), (Exit::Code(0), Some("all attempts failed")), "{output}");
}

pub async fn what_waits_goes_when_it_is_not_wanted_and_with_its_launcher(host: Host) {
    let marker = format!("goes-{}", std::process::id());
    host.client.keep_parked(vec![kind(&marker, waiting(&marker).argv)], ParkedCount { floor: 3, ceiling: 3 });
    eventually("three wait", || processes_with(&marker).len() == 3);
    let all = processes_with(&marker);
    host.client.keep_parked(Vec::new(), COUNT);
    all.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
    host.client.keep_parked(vec![kind(&marker, waiting(&marker).argv)], COUNT);
    eventually("one waits", || processes_with(&marker).len() == 1);
    let all = processes_with(&marker);
    let launcher = host.client.pid();
    let dir = host.close();
    all.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
    assert_eq!(groups_of(launcher), Vec::<std::path::PathBuf>::new());
    drop(dir);
}

pub async fn the_launchers_death_is_the_death_of_what_waits(host: Host) {
    let marker = format!("dies-{}", std::process::id());
    host.client.keep_parked(vec![kind(&marker, waiting(&marker).argv)], COUNT);
    eventually("one waits", || processes_with(&marker).len() == 1);
    let all = processes_with(&marker);
    let launcher = rustix::process::Pid::from_raw(host.client.pid() as i32).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    all.iter().for_each(|(_, pidfd)| wait_for_end(pidfd));
}

pub async fn what_can_not_wait_harms_nobody(host: Host) {
    // The first ends by itself, the second can't be executed, the third never says that it is ready.
    let shell = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    for (name, argv) in
        [("false", shell("exit 1")), ("none", vec!["/none".into()]), ("mute", shell("sleep 600"))]
    {
        host.client.keep_parked(vec![kind(name, argv)], COUNT);
        for number in 0..3 {
            let spec =
                SandboxSpec { parked: Some(name.into()), ..Subject::spec(&format!("{name}{number}x")) };
            let sandbox = in_time(host.client.create(spec)).await.unwrap();
            assert_eq!(sh(&*sandbox, "echo fine").await.1, "fine\n");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}
