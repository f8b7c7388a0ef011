//! Ways out, in a network of the test's own: a host in a network namespace, and in another everything beyond it. The
//! machine's own network is not touched, and nothing leaves it.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use lambent_ports::sandbox::{Exit, Process, Sandbox, SandboxHost};
use lambent_ports::suites::sandbox::{Subject, in_time, run};
use lambent_sandbox_linux::{Egress, LauncherClient, LauncherOptions};
use rustix::net::{AddressFamily, Ipv4Addr, SocketAddrV4, SocketType};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncBufReadExt;

use super::{Host, confinement, eventually, shell};

/// Makes the test program the host of one of [`SCENES`].
pub const HOST_ARGUMENT: &str = "__host";
const AROUND: &str = include_str!("outside.py");
/// User of the resolver's process.
const RESOLVER: &str = "1879048191";

/// In the host's namespaces: its way to the outside, and a resolver that only itself can reach.
const SET_UP: &str = "set -eu
ip link set lo up
ip addr add 169.254.169.254/32 dev lo
ip link add near type veth peer name far
ip link set far netns $OUTSIDE
ip addr add 192.0.2.1/24 dev near
ip link set near up
ip route add default via 192.0.2.254
echo 'nameserver 127.0.0.53' > $DIR/resolv.conf
mount --bind $DIR/resolv.conf $(readlink -f /etc/resolv.conf)
echo 1 > /proc/sys/net/ipv4/ip_forward";

/// Tries to reach each argument, `name=host:port`, and prints what came of it; then, through the resolver's address, a
/// question by connection.
const REACH: &str = r#"
import json, socket, struct, sys
def reach(target):
    host, port = target.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b"".join(iter(lambda: connection.recv(4096), b""))
            return data.split(b"\r\n\r\n", 1)[-1].decode()
    except OSError as error:
        return None
found = {}
for argument in sys.argv[1:]:
    name, target = argument.split("=", 1)
    if target.startswith("/"):
        with socket.create_connection(("203.0.113.10", 80), 5) as connection:
            connection.sendall(b"GET %s HTTP/1.0\r\n\r\n" % target.encode())
            found[name] = b"".join(iter(lambda: connection.recv(4096), b"")).split(b"\r\n\r\n", 1)[-1].decode()
    elif name.startswith("by connection"):
        asked = b"\x02s3\x09amazonaws\x03com" if name.endswith("AWS's") else b"\x04some\x04name"
        question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + asked + b"\x00\x00\x01\x00\x01"
        with socket.create_connection((target, 53), 5) as connection:
            connection.sendall(struct.pack(">H", len(question)) + question)
            found[name] = socket.inet_ntoa(connection.recv(512)[-4:])
    elif ":" not in target:
        found[name] = socket.gethostbyname(target)
    else:
        found[name] = reach(target)
print(json.dumps(found))
"#;

/// Waits for a connection; prints the sandbox's address first.
const LISTEN: &str = r#"
import socket
server = socket.create_server(("0.0.0.0", 7000))
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    probe.connect(("203.0.113.10", 9))
    print(probe.getsockname()[0], flush=True)
except OSError:
    print("unconnected", flush=True)
while True:
    connection = server.accept()[0]
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nanother sandbox")
    connection.close()
"#;

fn python(script: &str, arguments: &[&str]) -> Process {
    let argv =
        ["/usr/bin/python3", "-c", script].iter().chain(arguments).map(|&word| word.to_owned()).collect();
    Process { argv, ..shell("") }
}

async fn reach(sandbox: &dyn Sandbox, targets: &[&str]) -> serde_json::Value {
    let (exit, output) = run(sandbox, python(REACH, targets)).await;
    assert_eq!(exit, Exit::Code(0), "{output}");
    serde_json::from_str(&output).unwrap()
}

type Lines = tokio::io::Lines<tokio::io::BufReader<tokio::net::unix::pipe::Receiver>>;

/// A sandbox that listens, its address, and its output.
async fn listening(client: &LauncherClient, name: &str) -> (Box<dyn Sandbox>, String, Lines) {
    let sandbox = in_time(client.create(Subject::spec(name))).await.unwrap();
    let output = in_time(sandbox.start(python(LISTEN, &[]))).await.unwrap().output;
    let pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(output).unwrap();
    let mut lines = tokio::io::BufReader::new(pipe).lines();
    let address = in_time(lines.next_line()).await.unwrap().unwrap();
    (sandbox, address, lines)
}

fn spawn(dir: &str, egress: Egress) -> Result<LauncherClient, String> {
    let options = LauncherOptions {
        executable: std::env::current_exe().unwrap(),
        state_dir: format!("{dir}/{egress:?}").into(),
        egress,
        trust: None,
    };
    LauncherClient::spawn(&options).map_err(|error| error.to_string())
}

fn interfaces() -> Vec<String> {
    let listed = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    let names = listed.lines().filter_map(|line| line.trim_start().split_once(':'));
    names.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("lambent")).collect()
}

/// The resolver's process, among a launcher's children.
fn resolver_of(launcher: u32) -> Option<Pid> {
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let has = |name: &str, value: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()).is_some_and(|found| found == value)
        };
        let found = has("PPid:", &launcher.to_string()) && has("Uid:", RESOLVER) && !has("State:", "Z");
        found.then(|| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))?
    })
}

async fn nat(dir: String) {
    let client = spawn(&dir, Egress::Nat).unwrap();
    assert_eq!(client.degraded(), Vec::<String>::new());
    let (_other, other, _lines) = listening(&client, "other").await;
    let sandbox = client.create(Subject::spec("nat")).await.unwrap();
    let gateway = "198.18.0.1";
    let asked = [
        "outside=203.0.113.10:80",
        "by name=some.name:80",
        &format!("by connection={gateway}"),
        &format!("by connection, AWS's={gateway}"),
        "AWS's=b.s3.eu-west-1.amazonaws.com",
        "somebody's on AWS=db.x.eu-west-1.rds.amazonaws.com",
        &format!("inwards=/reach/{other}/7000"),
        "the host's loopback=127.0.0.1:8080",
        "the host's loopback, version 6=::1:8080",
        "the host's resolver=127.0.0.53:53",
        "the host's address=192.0.2.1:8080",
        &format!("the host's end={gateway}:8080"),
        "metadata=169.254.169.254:80",
        "metadata, version 6=fd00:ec2::254:80",
        "link-local, version 6=fe80::1%eth0:80",
        &format!("another sandbox={other}:7000"),
    ];
    let found = reach(&*sandbox, &asked).await;
    let expected = serde_json::json!({
        "outside": "192.0.2.1", "by name": "192.0.2.1", "by connection": "203.0.113.99", "by connection, AWS's": "169.254.100.1", "AWS's": "169.254.100.1",
        "somebody's on AWS": "203.0.113.10", "inwards": "not reached",
        "the host's loopback": null, "the host's loopback, version 6": null, "the host's resolver": null,
        "the host's address": null, "the host's end": null, "metadata": null, "metadata, version 6": null,
        "link-local, version 6": null, "another sandbox": null,
    });
    assert_eq!(found, expected);
    // The resolver is confined, and replaced when it ends.
    let resolver = resolver_of(client.pid()).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{resolver}/status")).unwrap();
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{status}");
    }
    kill_process(resolver, Signal::KILL).unwrap();
    eventually("another resolver", || resolver_of(client.pid()).is_some_and(|found| found != resolver));
    assert_eq!(reach(&*sandbox, &["by name=some.name:80"]).await["by name"], "192.0.2.1");
    // A way out is no way up.
    let env =
        [("LAUNCHER", client.pid().to_string()), ("HOST_PORT", "8080".into()), ("EGRESS", "nat".into())];
    let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let (exit, output) = run(&*sandbox, Process { env, ..python(confinement::ESCAPES, &[]) }).await;
    assert_eq!((exit, output.lines().last()), (Exit::Code(0), Some("all attempts failed")), "{output}");
}

async fn host_mode(dir: String) {
    let client = spawn(&dir, Egress::Host).unwrap();
    let (_other, other, _lines) = listening(&client, "other").await;
    let sandbox = client.create(Subject::spec("host")).await.unwrap();
    let asked = [
        "outside=203.0.113.10:80",
        "the host's address=192.0.2.1:8080",
        "the host's loopback=127.0.0.1:8080",
        "the host's loopback, version 6=::1:8080",
        "metadata=169.254.169.254:80",
        &format!("another sandbox={other}:7000"),
    ];
    let found = reach(&*sandbox, &asked).await;
    let own = found["the host's address"].as_str().unwrap();
    assert!(own.starts_with("198.18.0."), "the sandbox's own address: {own}");
    let expected = serde_json::json!({
        "outside": "192.0.2.1", "the host's address": own, "the host's loopback": null,
        "the host's loopback, version 6": null, "metadata": null, "another sandbox": null,
    });
    assert_eq!(found, expected);
}

async fn remains(dir: String) {
    // Two at the same time have networks of their own, and can't reach each other's sandboxes.
    let (first, second) = (spawn(&dir, Egress::Nat).unwrap(), spawn(&dir, Egress::Host).unwrap());
    let (sandbox, address, lines) = listening(&first, "first").await;
    let (other, other_address, other_lines) = listening(&second, "second").await;
    assert!(address.starts_with("198.18.") && other_address.starts_with("198.18."), "{other_address}");
    let network = |address: &str| address.split('.').nth(2).unwrap().parse::<u32>().unwrap() / 16;
    assert_eq!((network(&address), network(&other_address)), (0, 1));
    let third = second.create(Subject::spec("third")).await.unwrap();
    let found = reach(&*third, &[&format!("first={address}:7000"), "outside=203.0.113.10:80"]).await;
    assert_eq!(found, serde_json::json!({"first": null, "outside": "192.0.2.1"}));
    assert!(!interfaces().is_empty());
    // One is ended as it should be, the other is killed.
    let killed = Pid::from_raw(first.pid() as i32).unwrap();
    drop((third, other, other_lines));
    drop(second);
    kill_process(killed, Signal::KILL).unwrap();
    in_time(sandbox.exited()).await;
    drop((sandbox, lines, first));
    eventually("interfaces go with their sandboxes", || interfaces().is_empty());
    // The tables are gone with their launchers, or the next one would have another network.
    for _ in 0..3 {
        let next = spawn(&dir, Egress::Nat).unwrap();
        let (sandbox, address, _lines) = listening(&next, "next").await;
        assert_eq!(network(&address), 0);
        drop(sandbox);
        drop(next);
        eventually("interfaces go with their sandboxes", || interfaces().is_empty());
    }
}

async fn lacking(dir: String) {
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
    for egress in [Egress::Nat, Egress::Host] {
        assert!(spawn(&dir, egress).is_err(), "what was asked for by name is not left out");
    }
    let client = spawn(&dir, Egress::Auto).unwrap();
    let said = client.degraded().join("\n");
    assert!(said.contains("functions reach no network") && said.contains("net.ipv4.ip_forward=1"), "{said}");
    let (_other, address, _lines) = listening(&client, "none").await;
    assert_eq!(address, "unconnected");
    drop(client);
    // Wanted, it is not complained about.
    let client = spawn(&dir, Egress::None).unwrap();
    assert!(!client.degraded().join("\n").contains("network"));
    // Where another program has taken the port, only names are missing.
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let taken = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    rustix::net::sockopt::set_ip_freebind(&taken, true).unwrap();
    rustix::net::bind(&taken, &SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), 53)).unwrap();
    let client = spawn(&dir, Egress::Auto).unwrap();
    assert!(client.degraded().join("\n").contains("functions can't resolve names"));
    let sandbox = client.create(Subject::spec("nameless")).await.unwrap();
    let found = reach(&*sandbox, &["outside=203.0.113.10:80", "AWS's=s3.amazonaws.com"]).await;
    assert_eq!(found, serde_json::json!({"outside": "192.0.2.1", "AWS's": "169.254.100.1"}));
    drop(taken);
}

/// Ends with the test.
struct Around(Child);

impl Drop for Around {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn around(role: &str, wrapper: &[&str]) -> Around {
    let command = [wrapper, &["/usr/bin/python3", "-c", AROUND, role]].concat();
    let child =
        Command::new(command[0]).args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    Around(child.unwrap())
}

fn hear(around: &mut Around, word: &str) {
    let mut line = String::new();
    // Unbuffered reading would take what comes later, too: there is one line at a time.
    BufReader::new(around.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), word);
}

/// In namespaces of its own: plays a scene. `argument` is the scene, a colon, and a directory.
pub fn be_host(argument: &str) {
    let (scene, dir) = argument.split_once(':').unwrap();
    let mut outside = around("outside", &["/usr/bin/unshare", "--net"]);
    hear(&mut outside, "up");
    let pid = outside.0.id().to_string();
    let set_up = Command::new("/bin/sh").args(["-c", SET_UP]).env("OUTSIDE", pid).env("DIR", dir).status();
    assert!(set_up.unwrap().success());
    outside.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    hear(&mut outside, "ready");
    let mut inside = around("inside", &[]);
    hear(&mut inside, "ready");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = dir.to_owned();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        match scene {
            "nat" => nat(dir).await,
            "host" => host_mode(dir).await,
            "remains" => remains(dir).await,
            _ => lacking(dir).await,
        }
    });
}

/// Starts this test program again, as a host with a network around it.
fn play(host: &Host, scene: &str) -> impl Future<Output = ()> {
    let dir = host.dir.path().join(scene);
    std::fs::create_dir(&dir).unwrap();
    async move {
        if !rustix::process::geteuid().is_root() {
            return println!("    for root only");
        }
        let output = Command::new("/usr/bin/unshare")
            .args(["--net", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .arg(HOST_ARGUMENT)
            .arg(format!("{scene}:{}", dir.display()))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{}{}", said[0], said[1]);
    }
}

pub async fn nat_reaches_the_outside_and_nothing_else(host: Host) {
    play(&host, "nat").await;
}

pub async fn host_mode_reaches_the_hosts_own_addresses_too(host: Host) {
    play(&host, "host").await;
}

pub async fn nothing_of_it_stays_and_launchers_keep_apart(host: Host) {
    play(&host, "remains").await;
}

pub async fn what_can_not_be_had_is_said(host: Host) {
    play(&host, "lacking").await;
    if !rustix::process::geteuid().is_root() {
        let client = spawn(&host.dir.path().display().to_string(), Egress::Auto).unwrap();
        let said = client.degraded().join("\n");
        assert!(said.contains("functions reach no network: an ordinary user"), "{said}");
    }
}
