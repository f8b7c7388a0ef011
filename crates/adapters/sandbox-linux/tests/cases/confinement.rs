use std::time::Duration;

use lambent_ports::sandbox::{Exit, Mount, Process, SandboxHost, SandboxSpec};
use lambent_ports::suites::sandbox::{Subject, in_time, run};
use lambent_sandbox_linux::{LauncherClient, LauncherOptions};

use super::{Host, deaths, processes_with, sh, shell};

pub async fn the_tree_is_read_only_and_the_host_is_out_of_sight(host: Host) {
    let code = host.dir.path().join("code");
    std::fs::create_dir(&code).unwrap();
    std::fs::write(code.join("hello"), "from the host").unwrap();
    let mut spec = Subject::spec("tree");
    spec.mounts.push(Mount { host: code.clone(), guest: "/var/task".into() });
    let sandbox = host.client.create(spec).await.unwrap();
    assert_eq!(sh(&*sandbox, "cat hello").await.1, "from the host");
    let places =
        "/ /var/task /var/runtime /usr /usr/bin /usr/local /etc /dev /proc/sys/kernel /opt /root /run /mnt";
    let (_, written) =
        sh(&*sandbox, &format!("for d in {places}; do touch $d/x 2>/dev/null && echo $d; done")).await;
    assert_eq!(written, "");
    let (_, error) = sh(&*sandbox, "touch /var/task/x 2>&1").await;
    assert!(error.contains("Read-only file system"), "{error}");
    assert!(!code.join("x").exists());
    let (_, listed) =
        sh(&*sandbox, "ls /; ls /home /sys /usr/local /boot /etc/ssl/private 2>/dev/null").await;
    for absent in ["home", "sys", "boot", "srv", "work"] {
        assert!(!listed.lines().any(|line| line == absent), "{listed}");
    }
    let outside = host.dir.path().display().to_string();
    assert_eq!(sh(&*sandbox, &format!("test -e {outside}")).await.0, Exit::Code(1));
    let (_, groups) = sh(&*sandbox, "cat /proc/self/cgroup").await;
    assert!(!groups.contains("lambent"), "{groups}");
    assert_eq!(sh(&*sandbox, "echo fine > /dev/stdout; echo too > /dev/stderr").await.1, "fine\ntoo\n");
    assert_eq!(
        sh(&*sandbox, "id -un; id -u; id -g; hostname; pwd").await.1,
        "sbx_user1051\n993\n990\nlocalhost\n/var/task\n"
    );
}

pub async fn code_is_mounted_where_it_belongs_and_not_through_links(host: Host) {
    let code = host.dir.path().join("linked");
    std::fs::create_dir(&code).unwrap();
    // A function whose package has a link to where it would like to have something mounted.
    let victim = host.dir.path().join("victim");
    std::fs::create_dir(&victim).unwrap();
    std::os::unix::fs::symlink(&victim, code.join("layers")).unwrap();
    let mount = |guest: &str| Mount { host: code.clone(), guest: guest.into() };
    let with = |name: &str, mounts: Vec<Mount>| SandboxSpec { mounts, ..Subject::spec(name) };
    let through = with("links", vec![mount("/var/task"), mount("/var/task/layers/made")]);
    let error = host.client.create(through).await.err().unwrap().to_string();
    assert!(error.contains("/var/task/layers/made"), "{error}");
    assert!(std::fs::read_dir(&victim).unwrap().next().is_none(), "nothing was made on the host");
    let file = host.dir.path().join("one-file");
    std::fs::write(&file, "alone").unwrap();
    let single = Mount { host: file, guest: "/var/lang/bin/one".into() };
    let sandbox = host.client.create(with("places", vec![mount("/opt/a/b"), single])).await.unwrap();
    assert_eq!(sh(&*sandbox, "ls /opt/a/b; cat /var/lang/bin/one").await.1, "layers\nalone");
    let absent = with("absent", vec![Mount { host: "/nowhere".into(), guest: "/opt".into() }]);
    assert!(host.client.create(absent).await.is_err());
}

pub async fn layers_are_at_opt_and_without_them_it_is_empty(host: Host) {
    let layers = host.dir.path().join("merged");
    std::fs::create_dir_all(layers.join("bin")).unwrap();
    let tool = layers.join("bin/tool");
    std::fs::write(&tool, "#!/bin/sh\necho from a layer\n").unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("bin/tool", layers.join("current")).unwrap();
    let mut spec = Subject::spec("layers");
    spec.mounts.push(Mount { host: layers.clone(), guest: "/opt".into() });
    let with = host.client.create(spec).await.unwrap();
    // A script, a compiled program, and through a link.
    std::fs::copy("/bin/true", layers.join("bin/compiled")).unwrap();
    let script = "PATH=$PATH:/opt/bin; tool && /opt/current && /opt/bin/compiled && echo all";
    assert_eq!(sh(&*with, script).await.1, "from a layer\nfrom a layer\nall\n");
    let (exit, error) = sh(&*with, "echo x > /opt/bin/tool").await;
    assert!(exit != Exit::Code(0), "{error}");
    let (_, error) = sh(&*with, "touch /opt/x 2>&1; rm -f /opt/bin/tool 2>&1").await;
    assert_eq!(error.matches("Read-only file system").count(), 2, "{error}");
    assert!(!layers.join("x").exists() && tool.exists());
    let without = host.sandbox("bare").await;
    assert_eq!(sh(&*without, "ls -A /opt && stat -c %F /opt").await.1, "directory\n");
}

pub async fn a_full_tmp_is_an_error_and_no_memory(host: Host) {
    let sandbox = host.sandbox("tmp").await;
    if !host.has_tmp_on_disk() {
        println!("    /tmp is in memory here: only its size is checked");
        let (_, size) = sh(&*sandbox, "df -m /tmp | tail -1 | awk '{print $2}'").await;
        assert_eq!(size.trim(), "512");
        return;
    }
    // Four times the memory that the function has.
    let (exit, output) = sh(&*sandbox, "dd if=/dev/zero of=/tmp/big bs=1M count=600 2>&1; echo after").await;
    assert_eq!(exit, Exit::Code(0));
    assert!(output.contains("No space left on device") && output.contains("after"), "{output}");
    let (_, again) = sh(&*sandbox, "rm /tmp/big && echo room > /tmp/small && cat /tmp/small").await;
    assert_eq!(again, "room\n");
}

pub async fn tmp_has_the_size_that_was_asked_for(host: Host) {
    let spec = SandboxSpec { tmp_mb: 1_024, ..Subject::spec("size") };
    let sandbox = host.client.create(spec).await.unwrap();
    let (_, size) = sh(&*sandbox, "df -m /tmp | tail -1 | awk '{print $2}'").await;
    assert!((950..=1_024).contains(&size.trim().parse::<u32>().unwrap()), "{size}");
    let (_, found) = sh(
        &*sandbox,
        "touch /tmp/x && ls -A /tmp; mkdir /tmp/d && mv /tmp/x /tmp/d && ls /tmp/d; stat -c %a /tmp",
    )
    .await;
    assert_eq!(found, "x\nx\n1777\n");
}

pub async fn memory_is_limited(host: Host) {
    if !host.has_cgroups() {
        return println!("    no control groups here: {:?}", host.client.degraded());
    }
    let sandbox = host.sandbox("memory").await;
    let (exit, _) = sh(&*sandbox, "exec python3 -c 'x = bytearray(300 << 20)'").await;
    assert_eq!(exit, Exit::Signal { signal: 9, out_of_memory: true });
    let peak = sandbox.usage().max_memory_bytes;
    assert!((100 << 20..=128 << 20).contains(&peak), "{peak}");
    // The next process is not blamed for it.
    let (exit, _) = sh(&*sandbox, "kill -9 $$").await;
    assert_eq!(exit, Exit::Signal { signal: 9, out_of_memory: false });
    // What is in /dev/shm is memory, too.
    let (exit, _) = sh(&*sandbox, "exec dd if=/dev/zero of=/dev/shm/x bs=1M count=200").await;
    assert_ne!(exit, Exit::Code(0));
}

pub async fn a_cpu_share_holds(host: Host) {
    if !host.has_cgroups() {
        return;
    }
    // Sixteen of 128 MB make a bit more than one CPU: each gets 7 %.
    let sandbox = host.sandbox("cpu").await;
    let burn = "import time\nbegun = time.monotonic()\nwhile time.process_time() < 0.2: pass\nprint(time.monotonic() - begun)";
    let python = || Process { argv: vec!["/usr/bin/python3".into(), "-c".into(), burn.into()], ..shell("") };
    let output = in_time(sandbox.start(python())).await.unwrap();
    sandbox.throttle(true);
    let mut text = String::new();
    let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(output.output).unwrap();
    in_time(tokio::io::AsyncReadExt::read_to_string(&mut pipe, &mut text)).await.unwrap();
    // 0.2 s of work at 7.2 ms per 100 ms; what ran before the limit was set counts in its favour.
    let took: f64 = text.trim().parse().unwrap();
    assert!(took > 1.0, "{took} s");
}

pub async fn a_fork_bomb_stays_in_its_sandbox(host: Host) {
    let sandbox = host.sandbox("bomb").await;
    let marker = format!("bomb-{}", std::process::id());
    // Every child holds the pipe until it has become what its name says: the parent's read ends when all have.
    let script = format!(
        "import os
running, held = os.pipe()
n = 0
try:
    while True:
        if os.fork() == 0:
            os.execv('/bin/sleep', ['{marker}', '600'])
        n += 1
except OSError as e:
    os.close(held)
    os.read(running, 1)
    print(n, e.errno)"
    );
    let python = Process { argv: vec!["/usr/bin/python3".into(), "-c".into(), script], ..shell("") };
    let (exit, output) = run(&*sandbox, python).await;
    let numbers: Vec<u32> = output.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!((exit, numbers[1]), (Exit::Code(0), 11), "EAGAIN after {numbers:?}");
    assert!((50..64).contains(&numbers[0]), "{numbers:?}");
    assert_eq!(processes_with(&marker).len(), numbers[0] as usize);
    in_time(sandbox.stop()).await.unwrap();
    assert!(processes_with(&marker).is_empty());
    assert_eq!(sh(&*sandbox, "(exit 3)").await.0, Exit::Code(3));
}

pub async fn open_files_are_limited(host: Host) {
    let sandbox = host.sandbox("files").await;
    assert_eq!(sh(&*sandbox, "ulimit -n; ulimit -Hn").await.1, "256\n256\n");
}

/// Limits that every function has alike, whoever started the server; in the units of `/proc`.
pub async fn other_limits_are_the_recorded_ones(host: Host) {
    let sandbox = host.sandbox("others").await;
    let (_, limits) = sh(&*sandbox, "cat /proc/self/limits").await;
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    let found = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, soft, hard) in [
        ("Max core file size", "10737418240", "10737418240"),
        ("Max locked memory", "65536", "65536"),
        ("Max stack size", "8388608", "unlimited"),
        ("Max address space", "unlimited", "unlimited"),
        ("Max file size", "unlimited", "unlimited"),
    ] {
        // Not everybody can give more than there is.
        let present = &found(&own, name)[1];
        let is_less = |present: u64| hard.parse::<u64>().map_or(true, |hard| present < hard);
        if !present.parse::<u64>().is_ok_and(is_less) {
            assert_eq!(found(&limits, name), [soft, hard], "{name}");
        }
    }
}

pub async fn descriptors_are_its_own(host: Host) {
    let others: Vec<_> = [host.sandbox("a").await, host.sandbox("b").await].into_iter().collect();
    let sandbox = host.sandbox("own").await;
    let (_, listed) = sh(&*sandbox, "ls /proc/self/fd").await;
    assert_eq!(listed, "0\n1\n2\n3\n", "the last is the listed directory's");
    // The supervisor's, seen from outside, which takes root.
    if rustix::process::geteuid().is_root() {
        let marker = deaths::marker("own");
        let _output = deaths::start(&*sandbox, &marker).await;
        let (pid, _) = processes_with(&marker).swap_remove(0);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
        let kinds = || -> Vec<String> {
            let fds = std::fs::read_dir(format!("/proc/{parent}/fd")).unwrap().flatten();
            fds.filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.to_string_lossy().into_owned()))
                .filter(|target| !target.ends_with("/null"))
                .map(|target| target.split(":[").next().unwrap_or_default().to_owned())
                .collect()
        };
        // The pipe that the process got is closed here a moment after it has started.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while kinds().len() > 3 && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        let kinds = kinds();
        let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
        assert_eq!(
            (count("socket"), count("anon_inode:[signalfd]") + count("anon_inode"), kinds.len()),
            // The server's, and where it answers about names.
            (2, 1, 3),
            "{kinds:?}"
        );
    }
    drop(others);
}

/// Prints the first address of each name, or why there is none.
pub const RESOLVE: &str = r#"
import socket, sys
for name in sys.argv[1:]:
    try:
        print({found[4][0] for found in socket.getaddrinfo(name, 443)})
    except socket.gaierror as error:
        print(socket.EAI_AGAIN == error.errno)
"#;

pub async fn awss_names_lead_inside_and_no_other_is_known(host: Host) {
    let trust = host.dir.path().join("trust");
    std::fs::create_dir(&trust).unwrap();
    std::fs::write(trust.join("ca-bundle.pem"), "whom to trust").unwrap();
    let own = LauncherOptions {
        state_dir: host.dir.path().join("trusting"),
        trust: Some(trust),
        ..host.options.clone()
    };
    let client = LauncherClient::spawn(&own).unwrap();
    let sandbox = client.create(Subject::spec("names")).await.unwrap();
    let names = ["b.s3.eu-west-1.amazonaws.com", "SQS.us-east-1.amazonaws.com", "example.com"];
    let argv =
        ["/usr/bin/python3", "-c", RESOLVE].iter().chain(&names).map(|&word| word.to_owned()).collect();
    let (exit, output) = run(&*sandbox, Process { argv, ..shell("") }).await;
    assert_eq!((exit, &*output), (Exit::Code(0), "{'169.254.100.1'}\n{'169.254.100.1'}\nTrue\n"));
    // Where AWS's hosts have it, and where this host does.
    let places: Vec<_> = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"]
        .into_iter()
        .filter(|place| place.starts_with("/etc/pki") || std::path::Path::new(place).exists())
        .chain(["/etc/lambent/ca-bundle.pem"])
        .collect();
    let (_, found) = sh(&*sandbox, &format!("cat {}", places.join(" "))).await;
    assert_eq!(found, "whom to trust".repeat(places.len()));
    let (exit, said) = sh(&*sandbox, "echo x > /etc/lambent/ca-bundle.pem").await;
    assert!(matches!(exit, Exit::Code(1 | 2)) && said.contains("Read-only"), "{said}");
}

pub const ESCAPES: &str = include_str!("escapes.py");

pub async fn escapes_fail(host: Host) {
    let sandbox = host.sandbox("escape").await;
    let process = Process {
        argv: vec!["/usr/bin/python3".into(), "-c".into(), ESCAPES.into()],
        env: vec![("LAUNCHER".into(), host.client.pid().to_string())],
        ..shell("")
    };
    // A server on the host's loopback that must not be reached.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let process = Process {
        env: [process.env.clone(), vec![("HOST_PORT".into(), port.to_string())]].concat(),
        ..process
    };
    let (exit, output) =
        tokio::time::timeout(Duration::from_secs(60), run(&*sandbox, process)).await.unwrap();
    assert_eq!((exit, output.lines().last()), (Exit::Code(0), Some("all attempts failed")), "{output}");
}
