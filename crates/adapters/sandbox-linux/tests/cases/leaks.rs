//! Nothing of one sandbox is found in another: beside it, and after it.

use lambent_ports::sandbox::{Exit, Process, Sandbox, SandboxHost};
use lambent_ports::suites::sandbox::{Subject, in_time, run};
use tokio::io::AsyncBufReadExt;

use super::{Host, deaths, eventually, processes_with, shell};

const SECRETS: &str = include_str!("secrets.py");
/// First of the host's users that sandboxes run as.
const FIRST_HOST_ID: u32 = 1_879_048_192;

fn secrets(what: &str) -> Process {
    Process { argv: ["/usr/bin/python3", "-c", SECRETS, what].map(str::to_owned).to_vec(), ..shell("") }
}

async fn found(sandbox: &dyn Sandbox) -> String {
    let (exit, output) = run(sandbox, secrets("look")).await;
    assert_eq!(exit, Exit::Code(0), "{output}");
    output.trim().to_owned()
}

pub async fn nothing_of_one_sandbox_is_found_in_another(host: Host) {
    let beside = host.sandbox("beside").await;
    let planted = host.sandbox("planted").await;
    let output = in_time(planted.start(secrets("plant"))).await.unwrap().output;
    let pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(output).unwrap();
    let mut lines = tokio::io::BufReader::new(pipe).lines();
    let own = in_time(lines.next_line()).await.unwrap().unwrap_or_default();
    let own: Vec<&str> = own.split(" | ").collect();
    // It finds there what it has planted: looking works. The host's name can't be changed, and there may be no queues.
    assert!(own.len() >= 13, "{own:?}: {:?}", lines.into_inner().buffer());
    assert_eq!(found(&*beside).await, "");
    assert_eq!(found(&*host.sandbox("later").await).await, "");
    in_time(planted.destroy()).await;
    // As many as would get what was the first's: its number, its groups, its addresses.
    for number in 0..16 {
        let sandbox = host.client.create(Subject::spec(&format!("after{number}x"))).await.unwrap();
        assert_eq!(found(&*sandbox).await, "");
        in_time(sandbox.destroy()).await;
    }
    assert_eq!(found(&*beside).await, "");
}

/// Seen from outside, where nothing can be pretended.
pub async fn a_process_has_no_rights_and_as_root_a_user_of_its_own(host: Host) {
    let marker = deaths::marker("rights");
    let sandboxes = [host.sandbox("one").await, host.sandbox("two").await];
    let mut outputs = Vec::new();
    for sandbox in &sandboxes {
        outputs.push(deaths::start(&**sandbox, &marker).await);
    }
    eventually("both run", || processes_with(&marker).len() >= 2);
    let mut users = Vec::new();
    for (pid, _) in processes_with(&marker) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(value(set), ["0000000000000000"], "{set}");
        }
        assert_eq!((value("NoNewPrivs:"), value("Seccomp:")), (vec!["1".to_owned()], vec!["2".to_owned()]));
        // Real, effective, saved, of files: one and the same.
        let mut own = value("Uid:");
        assert_eq!(own, value("Gid:"));
        own.dedup();
        users.push(own.iter().map(|user| user.parse::<u32>().unwrap()).collect::<Vec<_>>());
        // What the namespaces are not: the host's.
        for kind in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"] {
            let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
            assert!(of(&pid.to_string()).is_none_or(|namespace| Some(namespace) != of("self")), "{kind}");
        }
    }
    users.sort();
    users.dedup();
    if rustix::process::geteuid().is_root() {
        assert_eq!(users.len(), 2, "{users:?}");
        assert!(users.iter().all(|own| own.len() == 1 && own[0] >= FIRST_HOST_ID), "{users:?}");
    } else {
        assert_eq!(users, [[rustix::process::geteuid().as_raw()]]);
    }
}
