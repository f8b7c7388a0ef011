# Leaves a secret wherever a process can leave one (`plant`), or looks for it there (`look`, which prints what it finds).
import ctypes, errno, os, socket, sys, time

libc = ctypes.CDLL(None, use_errno=True)
libc.mq_open.restype = ctypes.c_int
WORD = b"a-planted-secret"
KEY = 0x5EC12E7
CREATE = 0o1000
places = {}


def place(name):
    def add(pair):
        places[name] = pair()
    return add


@place("/tmp")
def tmp():
    return (lambda: open("/tmp/secret", "wb").write(WORD)), (lambda: os.listdir("/tmp"))


@place("/dev/shm")
def shm():
    return (lambda: open("/dev/shm/secret", "wb").write(WORD)), (lambda: os.listdir("/dev/shm"))


@place("shared memory")
def segment():
    return (lambda: libc.shmget(KEY, 4096, CREATE | 0o666) >= 0), (lambda: libc.shmget(KEY, 4096, 0o666) >= 0)


@place("semaphores")
def semaphores():
    return (lambda: libc.semget(KEY, 1, CREATE | 0o666) >= 0), (lambda: libc.semget(KEY, 1, 0o666) >= 0)


@place("messages")
def messages():
    return (lambda: libc.msgget(KEY, CREATE | 0o666) >= 0), (lambda: libc.msgget(KEY, 0o666) >= 0)


@place("what the kernel lists of them")
def listed():
    def look():
        return any(len(open("/proc/sysvipc/" + kind).readlines()) > 1 for kind in ["shm", "sem", "msg"])
    return (lambda: True), look


@place("message queue")
def queue():
    def plant():
        # They are files that no path leads to: Landlock allows none of those.
        return libc.mq_open(b"/secret", os.O_RDWR | os.O_CREAT, 0o666, None) >= 0 or ctypes.get_errno() == errno.EACCES
    return plant, (lambda: libc.mq_open(b"/secret", os.O_RDWR) >= 0)


held = []


def listen(family, address):
    def plant():
        server = socket.socket(family)
        server.bind(address)
        server.listen()
        held.append(server)
        return True

    def look():
        client = socket.socket(family)
        client.settimeout(5)
        client.connect(address)
        return True
    return plant, look


place("abstract socket")(lambda: listen(socket.AF_UNIX, b"\0" + WORD))
place("a socket's file")(lambda: listen(socket.AF_UNIX, "/tmp/socket"))
place("port")(lambda: listen(socket.AF_INET, ("127.0.0.1", 7777)))


@place("list of sockets")
def sockets():
    return (lambda: True), (lambda: WORD in open("/proc/net/unix", "rb").read())


def of_processes(file):
    def look():
        found = False
        for pid in os.listdir("/proc"):
            if pid.isdigit() and int(pid) != os.getpid():
                try:
                    found = found or WORD in open("/proc/%s/%s" % (pid, file), "rb").read()
                except OSError:
                    pass
        return found
    return look


def child():
    if os.fork() == 0:
        os.execve("/bin/sleep", [WORD, "600"], {b"SECRET": WORD})
    # Its environment can be read a moment later than its command line.
    while not (of_processes("cmdline")() and of_processes("environ")()):
        time.sleep(0.001)
    return True


place("command line")(lambda: (child, of_processes("cmdline")))
place("environment")(lambda: ((lambda: True), of_processes("environ")))
place("own environment")(lambda: ((lambda: os.environ.update(SECRET="x") or True), (lambda: "SECRET" in os.environ)))


@place("host name")
def host_name():
    return (lambda: True), (lambda: socket.gethostname() != "localhost")


def looked(look):
    try:
        return bool(look())
    except OSError:
        return False


if sys.argv[1] == "plant":
    for name, (plant, _) in places.items():
        assert plant(), "%s: errno %d" % (name, ctypes.get_errno())
    # Kernel keys have no namespace that would tell sandboxes apart: nobody gets any.
    for number in [248, 249, 250]:
        assert libc.syscall(number, b"user", b"secret", WORD, len(WORD), -4) == -1 and ctypes.get_errno() == errno.EPERM
print(" | ".join(name for name, (_, look) in places.items() if looked(look)), flush=True)
if sys.argv[1] == "plant":
    time.sleep(3600)
