# Tries to get out. Every attempt must fail; those that succeed are printed.
import ctypes, errno, os, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
launcher = os.environ["LAUNCHER"]
succeeded = []


def attempt(name, call):
    try:
        result = call()
    except Exception:
        return
    if result not in (None, False, -1):
        succeeded.append("%s: %r" % (name, result))


def raw(number, *args):
    result = libc.syscall(number, *args)
    return -1 if result < 0 else "returned %d" % result


def reads(path):
    def call():
        with open(path, "rb") as file:
            return file.read(64) or None
    return call


def writes(path, text="1"):
    def call():
        with open(path, "w") as file:
            file.write(text)
        return "written"
    return call


# Other processes
# The supervisor is the first process of its namespace: the kernel drops what would kill it. Being here shows that.
for number in (9, 15, 19):
    try:
        os.kill(1, number)
    except OSError:
        pass
attempt("see the launcher", lambda: os.path.exists("/proc/%s/cmdline" % launcher) and int(launcher) > 64)
attempt("supervisor's memory", reads("/proc/1/mem"))
attempt("supervisor's environment", reads("/proc/1/environ"))
attempt("supervisor's descriptors", lambda: os.listdir("/proc/1/fd"))
attempt("supervisor's root", lambda: os.listdir("/proc/1/root"))
attempt("supervisor's map", reads("/proc/1/maps"))
attempt("supervisor's working directory", lambda: os.readlink("/proc/1/cwd"))
attempt("other processes", lambda: [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid())] or None)
attempt("ptrace", lambda: raw(101, 16, 1, 0, 0))
attempt("process_vm_readv", lambda: raw(310, 1, 0, 0, 0, 0, 0))
attempt("pidfd_getfd", lambda: raw(438, 3, 3, 0))

# Descriptors that were not given
for fd in range(3, 256):
    try:
        os.fstat(fd)
    except OSError:
        continue
    succeeded.append("descriptor %d is open: %s" % (fd, os.readlink("/proc/self/fd/%d" % fd)))

# Host files
for path in ["/etc/shadow", "/var/lib/dpkg/status", "/var/log", "/home", "/boot", "/sys/kernel", "/sys/fs/cgroup/memory", "/dev/sda", "/dev/vda", "/dev/mem", "/dev/kmsg", "/dev/loop0"]:
    attempt("host path " + path, lambda path=path: os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)))
attempt("kcore", reads("/proc/kcore"))
for name in ["keys", "kallsyms", "kmsg", "interrupts", "sched_debug", "timer_list", "latency_stats"]:
    attempt("/proc/" + name, reads("/proc/" + name))
for name in ["sys", "bus", "fs", "irq"]:
    attempt("a writable /proc/" + name, lambda name=name: os.path.exists("/proc/" + name) and os.statvfs("/proc/" + name).f_flag & os.ST_RDONLY == 0)

# Mounts and namespaces
attempt("mount", lambda: raw(165, b"none", b"/mnt", b"tmpfs", 0, 0))
attempt("umount", lambda: raw(166, b"/proc", 2))
attempt("chroot", lambda: raw(161, b"/tmp"))
attempt("pivot_root", lambda: raw(155, b"/tmp", b"/tmp"))
for name, flag in [("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000), ("ipc", 0x8000000), ("uts", 0x4000000)]:
    attempt("unshare " + name, lambda flag=flag: raw(272, flag))
    def cloned(flag=flag):
        pid = libc.syscall(56, flag | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        return -1 if pid < 0 else "pid %d" % pid
    attempt("clone " + name, cloned)
attempt("setns", lambda: raw(308, 0, 0))
attempt("open_by_handle_at", lambda: raw(304, 3, 0, 0))
attempt("fsopen", lambda: raw(430, b"tmpfs", 0))

def refused(name, number, *args):
    """Not merely failed: refused by the filter, before the kernel has looked at the arguments."""
    ctypes.set_errno(0)
    if libc.syscall(number, *args) != -1 or ctypes.get_errno() != errno.EPERM:
        succeeded.append("%s is not refused by the filter: errno %d" % (name, ctypes.get_errno()))


X32 = 0x40000000
for name, number in [("mount", X32 + 165), ("unshare", X32 + 272), ("ptrace", X32 + 521), ("ptrace, by its old number", 101),
                     ("process_vm_writev", 311), ("open_tree", 428), ("move_mount", 429), ("mount_setattr", 442),
                     ("open_tree_attr", 467), ("io_uring_enter", 426), ("kexec_load", 246), ("finit_module", 313),
                     ("fanotify_init", 300), ("quotactl", 179), ("swapon", 167), ("setdomainname", 171),
                     ("clock_settime", 227), ("acct", 163), ("name_to_handle_at", 303), ("iopl", 172)]:
    refused(name, number, 0, 0, 0, 0, 0)
for name, number in [("clone3", 435), ("memfd_secret", 447), ("set_mempolicy_home_node", 450), ("statmount", 457),
                     ("lsm_set_self_attr", 460), ("one that is not there yet", 999), ("migrate_pages", 256), ("_sysctl", 156)]:
    ctypes.set_errno(0)
    if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS:
        succeeded.append("%s is there" % name)
refused("terminal input", 16, 0, 0x5412, 0)
refused("personality without address randomisation", 135, 0x0040000)

# The kernel
attempt("bpf", lambda: raw(321, 0, 0, 0))
attempt("perf_event_open", lambda: raw(298, 0, 0, -1, -1, 0))
attempt("userfaultfd", lambda: raw(323, 0))
attempt("io_uring", lambda: raw(425, 8, 0))
attempt("keyring", lambda: raw(248, b"user", b"x", b"y", 1, -3))
attempt("keyctl", lambda: raw(250, 0, -3, 1))
attempt("request_key", lambda: raw(249, b"user", b"x", 0, 0))
attempt("reboot", lambda: raw(169, 0xFEE1DEAD, 672274793, 0, 0))
attempt("settimeofday", lambda: raw(164, 0, 0))
attempt("sethostname", lambda: raw(170, b"x", 1))
attempt("syslog", lambda: raw(103, 3, ctypes.create_string_buffer(64), 64))
attempt("init_module", lambda: raw(175, 0, 0, b""))
for kind in [0o60600, 0o20600]:
    refused("mknod", 133, b"/tmp/device", kind, 0x700)
    refused("mknodat", 259, -100, b"/tmp/device", kind, 0x700)
attempt("setuid root", lambda: os.setuid(0) or "uid 0")
attempt("oom_score_adj", writes("/proc/self/oom_score_adj", "-1000"))
for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/proc/sys/net/ipv4/ip_forward"]:
    attempt("write " + path, writes(path))
for path in ["/proc/1/oom_score_adj", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/mem"]:
    attempt("write " + path, writes(path))
for path in ["/etc/ssl/private", "/proc/acpi", "/proc/scsi"]:
    attempt("list " + path, lambda path=path: os.listdir(path) or None)
attempt("become another user", lambda: os.setresuid(0, 0, 0) or "root")
attempt("another group", lambda: os.setgroups([0]) or "group 0")
attempt("a set-user-id program", lambda: os.path.exists("/usr/bin/su") and os.statvfs("/usr").f_flag & os.ST_NOSUID == 0)
attempt("devices in /tmp", lambda: os.statvfs("/tmp").f_flag & os.ST_NODEV == 0)

# The network
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet socket", lambda: socket.socket(17, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("alg socket", lambda: socket.socket(38, socket.SOCK_SEQPACKET))
attempt("netfilter's netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))
attempt("the host's loopback", lambda: socket.create_connection(("127.0.0.1", int(os.environ["HOST_PORT"])), 2))
attempt("the metadata address", lambda: socket.create_connection(("169.254.169.254", 80), 2))
attempt("the internet", lambda: socket.create_connection(("1.1.1.1", 53), 2))
def abstract():
    names = [line.split()[-1] for line in open("/proc/net/unix").readlines()[1:]]
    return [name for name in names if name.startswith("@")] or None
attempt("the host's abstract sockets", abstract)
def interfaces():
    names = [name for _, name in socket.if_nameindex()]
    return [name for name in names if name != "lo" and not name.startswith(("tunl", "sit", "gre", "erspan", "ip", "ip6", "bond", "dummy"))] or None
if "EGRESS" not in os.environ:
    attempt("interfaces", interfaces)

with open("/proc/self/status") as status:
    for line in status:
        key, _, value = line.partition(":")
        if key.startswith("Cap") and int(value, 16):
            succeeded.append("capabilities: " + line.strip())
        if key == "NoNewPrivs" and value.strip() != "1":
            succeeded.append("no_new_privs is off")
        if key == "Seccomp" and value.strip() != "2":
            succeeded.append("seccomp is off")

print("\n".join(succeeded) if succeeded else "all attempts failed")
sys.exit(1 if succeeded else 0)
