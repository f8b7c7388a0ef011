"""An interpreter that has imported and rehearsed what it can, and then forks: each child enters a confined sandbox, gives up
every right there, and goes on as if it had been started in it. This process has never seen anything of a function, and no
sandbox can reach it; a child's secrets come to it after it has been confined, from its sandbox's own supervisor.

What a child would have in common with its siblings is made anew in `freshen`. Two things can't be: the seed of `hash` and
the layout of memory. A zygote is replaced after some thousand children for that reason.
"""

import os
import sys

import _socket

#: Of the order that comes with an order's descriptors: how each namespace is entered, the user's last.
KINDS = (0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x00020000, 0x10000000)
#: The user and group that functions see themselves as.
USER, GROUP = 993, 990
RLIMIT_NPROC = 6
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 4, 22, 24
SECCOMP_MODE_FILTER = 2
CAPABILITIES = 64
CAPABILITY_VERSION_3 = 0x20080522
PR_GET_TID_ADDRESS = 40
TELEMETRY, PARKED = 3, 9
MESSAGE_BYTES, MOST_DESCRIPTORS = 1 << 17, 32


#: `long twice(int *thread_id)`. Clones with CLONE_VM, CLONE_VFORK and SIGCHLD, and returns what that returned; the child clones
#: with CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID and SIGCHLD, and ends with 1 if that failed; its child returns 0.
TWICE = {
    "x86_64": "4989fa b838000000 bf11410000 31f6 31d2 0f05 4885c0 7523"
    " b838000000 bf11002001 31f6 31d2 0f05 4885c0 740e 4889c7 48c1ef3f b83c000000 0f05 c3",
}


class Libc:
    """Calls that Python has no functions for. The interpreter's lock is kept throughout: nothing else runs here."""

    def __init__(self, told):
        known = set(sys.modules)
        import ctypes

        self.ctypes = ctypes
        self.calls = ctypes.PyDLL(None, use_errno=True)
        self.restrict_self = told["landlock_restrict_self"]
        self.filters = [self.filter(program) for program in told["filters"]]
        self.no_capabilities = (ctypes.c_uint32 * 6)()
        self.capability_header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        self.before, self.parent, self.child = (
            getattr(ctypes.pythonapi, "PyOS_" + name) for name in ("BeforeFork", "AfterFork_Parent", "AfterFork_Child")
        )
        self.twice, self.thread_id = self.machine_code()
        self.imported = set(sys.modules) - known

    def filter(self, program):
        """`struct sock_fprog`, and what it points to."""
        ctypes = self.ctypes

        class Instruction(ctypes.Structure):
            _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]

        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction))]

        instructions = (Instruction * len(program))(*map(tuple, program))
        return ctypes.byref(Program(len(program), instructions))

    def must(self, what, name, *arguments):
        if getattr(self.calls, name)(*arguments) != 0:
            number = self.ctypes.get_errno()
            raise OSError(number, "%s: %s" % (what, os.strerror(number)))

    def fork(self):
        """Whether this is the child: a child of the sandbox's first process, which adopts what an ended parent leaves.
        Handlers of the interpreter's run in it and here, not in the process between."""
        self.before()
        between = self.twice(self.thread_id) if self.twice else self.fork_twice()
        if between == 0:
            self.child()
            return True
        self.parent()
        if between < 0 or os.waitpid(between, 0)[1] != 0:
            raise OSError("no process could be made")
        return False

    def fork_twice(self):
        between = self.calls.fork()
        if between == 0:
            child = self.calls.fork()
            if child:
                self.calls._exit(child < 0)
        return between

    def machine_code(self):
        """The same without a second copy of this process's memory: the one between borrows it (`vfork`), for two system calls.
        No compiler lets a function return twice on one stack, so that it is spelled out."""
        code = TWICE.get(os.uname().machine)
        address = self.ctypes.c_void_p()
        if not code or sys.byteorder != "little" or self.calls.prctl(PR_GET_TID_ADDRESS, self.ctypes.byref(address), 0, 0, 0) != 0:
            return None, None
        import mmap

        try:
            self.code = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE)
            self.code.write(bytes.fromhex(code))
            start = self.ctypes.addressof(self.ctypes.c_char.from_buffer(self.code))
            self.must("executable memory", "mprotect", self.ctypes.c_void_p(start), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
        except OSError:
            return None, None
        return self.ctypes.PYFUNCTYPE(self.ctypes.c_long, self.ctypes.c_void_p)(start), address

    def limit_processes(self, number):
        self.must("process limit", "setrlimit", RLIMIT_NPROC, (self.ctypes.c_uint64 * 2)(number, number))

    def drop_capabilities(self):
        for capability in range(CAPABILITIES):
            # Beyond the last one that the kernel knows this fails: there is nothing to drop.
            if self.calls.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                break
        self.must("capabilities", "capset", self.capability_header, self.no_capabilities)

    def confine(self, ruleset):
        if ruleset is not None:
            self.must("landlock", "syscall", self.restrict_self, ruleset, 0)
        for program in self.filters:
            self.must("seccomp", "prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)

    def forget(self):
        """A function that imports what this has imported gets its own. What is forgotten stays where it is: to free it would be to write to it,
        and to have it copied."""
        keep, of = self.ctypes.pythonapi.Py_IncRef, self.ctypes.py_object
        for kept in [self, sys.modules[__name__]]:
            keep(of(kept))
        for name in self.imported:
            keep(of(sys.modules.pop(name)))


class Order:
    """What a child is to be."""

    def __init__(self, told, fds):
        self.told = told
        self.fds = fds
        self.output, self.parked = fds[:2]
        self.namespaces = fds[2 : 2 + len(KINDS)]
        rest = fds[2 + len(KINDS) :]
        self.ruleset = rest.pop(0) if told["ruleset"] else None
        self.groups = rest


def serve(fd, client):
    """Returns in each child: the descriptor that it waits at, and whether nobody waits for it yet."""
    control = _socket.socket(fileno=fd)
    libc = Libc(client.loads(control.recv(MESSAGE_BYTES)))
    if "_ssl" in sys.modules:
        # What its first use sets up are two megabytes, that children would each set up for themselves.
        sys.modules["_ssl"].RAND_bytes(1)
    control.send(b'"Ready"')
    while True:
        order = receive(control, client)
        if order is None:
            os._exit(0)
        try:
            if be_child(order, control, libc):
                return PARKED, order.told["rehearse"]
        except Exception as error:
            control.send(client.dumps({"Failed": {"reason": str(error)}}).encode())
        for received in order.fds:
            os.close(received)


def receive(control, client):
    room = _socket.CMSG_SPACE(MOST_DESCRIPTORS * 4)
    message, ancillary, _, _ = control.recvmsg(MESSAGE_BYTES, room)
    if not message:
        return None
    fds = [int.from_bytes(data[at : at + 4], sys.byteorder) for _, _, data in ancillary for at in range(0, len(data) - 3, 4)]
    return Order(client.loads(message), fds)


def be_child(order, control, libc):
    # From here on processes are made there; which a process is in itself does not change.
    libc.must("pid namespace", "setns", order.namespaces[0], KINDS[0])
    if not libc.fork():
        return False
    try:
        enter(order, libc)
        freshen()
        libc.forget()
        # Another socket has its number by now.
        control.detach()
        return True
    except BaseException as error:
        control.send(('{"Failed": {"reason": "a child: %s"}}' % str(error).replace('"', "'").replace("\\", "/")).encode())
        os._exit(1)


def enter(order, libc):
    """As the supervisor's own steps are ordered (`setup.rs`): each needs rights that a later one gives up."""
    os.setsid()
    for group in order.groups:
        os.write(group, b"0")
    for namespace, kind in list(zip(order.namespaces, KINDS))[1:-1]:
        libc.must("namespace %x" % kind, "setns", namespace, kind)
    if order.told["processes"] is not None:
        libc.limit_processes(order.told["processes"])
    try:
        os.setgroups([])
    except OSError:
        # Denied to an ordinary user, who has none to drop then.
        pass
    libc.must("user namespace", "setns", order.namespaces[-1], KINDS[-1])
    os.setresgid(GROUP, GROUP, GROUP)
    os.setresuid(USER, USER, USER)
    libc.drop_capabilities()
    # As after an exec: it has nothing to hide from itself.
    libc.must("dumpable", "prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    libc.confine(order.ruleset)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    for fd in (1, 2) + ((TELEMETRY,) if order.told["telemetry"] else ()):
        os.dup2(order.output, fd)
    # What failed is not told any more: its socket is this one's from here on.
    os.dup2(order.parked, PARKED)
    os.closerange(TELEMETRY + 1 if order.told["telemetry"] else TELEMETRY, PARKED)
    os.closerange(PARKED + 1, max(order.fds + [null]) + 1)


def freshen():
    """Whatever was drawn at random or noted about the process while it was another."""
    modules = sys.modules
    if "_ssl" in modules:
        # OpenSSL notices a fork by the number of the process, which may be the same in another namespace.
        modules["_ssl"].RAND_add(os.urandom(32), 32.0)
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "tempfile" in modules:
        # It notices a fork by the number, too.
        modules["tempfile"]._name_sequence = None
    if "threading" in modules:
        main = modules["threading"].main_thread()
        if hasattr(main, "_set_native_id"):
            main._set_native_id()
