//! What a function can use up is its own: it gets an error or is killed, the sandbox can be used again, and others don't
//! notice. (Memory, disk, processes: see `confinement`.)

use lambent_ports::sandbox::{Exit, Process};
use lambent_ports::suites::sandbox::{in_time, run};

use super::{Host, sh, shell};

fn python(script: &str) -> Process {
    Process { argv: vec!["/usr/bin/python3".into(), "-c".into(), script.into()], ..shell("") }
}

/// Runs a bomb beside another sandbox; both work afterwards.
async fn explode(host: &Host, name: &str, script: &str) -> (Exit, String) {
    let (sandbox, bystander) = (host.sandbox(name).await, host.sandbox(&format!("{name}beside")).await);
    let beside = async {
        for _ in 0..5 {
            let found = sh(
                &*bystander,
                "echo x > /tmp/x && cat /tmp/x && echo y > /dev/shm/y && exec 3</dev/null && (echo z)",
            )
            .await;
            assert_eq!(found, (Exit::Code(0), "x\nz\n".into()));
        }
    };
    let (outcome, ()) = tokio::join!(run(&*sandbox, python(script)), beside);
    in_time(sandbox.stop()).await.unwrap();
    assert_eq!(sh(&*sandbox, "echo again").await, (Exit::Code(0), "again\n".into()), "{outcome:?}");
    in_time(sandbox.destroy()).await;
    in_time(bystander.destroy()).await;
    outcome
}

pub async fn files_without_number_fill_only_the_own_tmp(host: Host) {
    for place in ["/tmp", "/dev/shm"] {
        let script = format!(
            "import errno\n\
            count = 0\n\
            try:\n\
            \x20   while count < 200_000:\n\
            \x20       open('{place}/%d' % count, 'w').close()\n\
            \x20       count += 1\n\
            except OSError as error: print(error.errno == errno.ENOSPC)"
        );
        assert_eq!(explode(&host, "inodes", &script).await, (Exit::Code(0), "True\n".into()), "{place}");
    }
}

pub async fn descriptors_without_number_are_an_error(host: Host) {
    let script = "import errno, os, socket\n\
        kept = []\n\
        for make in [lambda: os.pipe(), lambda: socket.socketpair(), lambda: os.memfd_create('x'), lambda: os.open('/tmp', os.O_RDONLY)]:\n\
        \x20   try:\n\
        \x20       while True: kept.append(make())\n\
        \x20   except OSError as error: print(error.errno == errno.EMFILE)";
    assert_eq!(explode(&host, "descriptors", script).await, (Exit::Code(0), "True\n".repeat(4)));
    // On their way between two sockets they count for the host's user, which ordinary users' sandboxes share.
    if rustix::process::geteuid().is_root() {
        let script = "import errno, socket\n\
            near, far = socket.socketpair()\n\
            near.setblocking(False)\n\
            try:\n\
            \x20   for _ in range(100_000): socket.send_fds(near, [b'x'], [far.fileno()] * 8)\n\
            except OSError as error: print(error.errno in (errno.ETOOMANYREFS, errno.EAGAIN))";
        assert_eq!(explode(&host, "flying", script).await, (Exit::Code(0), "True\n".into()));
    }
}

pub async fn threads_without_number_are_an_error(host: Host) {
    let script = "import threading, time\n\
        held = threading.Event()\n\
        try:\n\
        \x20   for _ in range(5_000): threading.Thread(target=held.wait, daemon=True).start()\n\
        except RuntimeError: print('no more')";
    assert_eq!(explode(&host, "threads", script).await, (Exit::Code(0), "no more\n".into()));
}

/// Processes that start processes, which nobody waits for.
pub async fn a_bomb_of_generations_ends_with_its_sandbox(host: Host) {
    let sandbox = host.sandbox("generations").await;
    let script = "import os\n\
        os.write(1, b'going\\n')\n\
        while True:\n\
        \x20   try: os.fork()\n\
        \x20   except OSError: pass";
    let output = in_time(sandbox.start(python(script))).await.unwrap().output;
    let bystander = host.sandbox("beside").await;
    for _ in 0..3 {
        assert_eq!(sh(&*bystander, "(echo still here)").await.1, "still here\n");
    }
    drop(output);
    in_time(sandbox.stop()).await.unwrap();
    // Without a process more that may be there already or not.
    assert_eq!(sh(&*sandbox, "set -- /proc/[0-9]*; echo $#").await.1, "2\n", "the supervisor and sh");
}

pub async fn shared_memory_in_every_form_is_limited(host: Host) {
    if !host.has_cgroups() {
        return println!("    no control groups here: {:?}", host.client.degraded());
    }
    let segments = "import ctypes\n\
        libc = ctypes.CDLL(None)\n\
        libc.shmat.restype = ctypes.c_void_p\n\
        for _ in range(40):\n\
        \x20   at = libc.shmat(libc.shmget(0, 8 << 20, 0o1600), None, 0)\n\
        \x20   ctypes.memset(ctypes.c_void_p(at), 1, 8 << 20)\n\
        print('all of it')";
    let files = "import os\n\
        kept = [os.memfd_create('x') for _ in range(40)]\n\
        for fd in kept: os.write(fd, bytes(8 << 20))\n\
        print('all of it')";
    for script in [segments, files] {
        let (exit, output) = explode(&host, "shared", script).await;
        assert_eq!((exit, output.as_str()), (Exit::Signal { signal: 9, out_of_memory: true }, ""));
    }
}
