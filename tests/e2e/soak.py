"""Cold starts, warm invokes, crashes, timeouts and updates on a real server, all at once and for a while; in the end every
count is where it began. `make soak` runs it for minutes, `test_soak.py` for seconds."""

import collections
import json
import os
import pathlib
import random
import shutil
import subprocess

import tempfile
import threading
import time

from conftest import BINARY, Server, package, wait_for

#: Who else may run a server.
NOBODY = 65534
WORKERS = 6
SOURCE = """
import os, sys, time
STARTED = time.time_ns()
def handler(event, context):
    if event["what"] == "crash": os._exit(3)
    if event["what"] == "signal": os.kill(os.getpid(), 11)
    if event["what"] == "time": time.sleep(600)
    if event["what"] == "raise": raise ValueError("on purpose")
    if event["what"] == "child" and os.fork() == 0: time.sleep(600)
    open("/tmp/%d" % time.time_ns(), "wb").write(bytes(100_000))
    print("x" * 1000)
    return [event["number"], VERSION, STARTED]
"""


def descendants(pid):
    """Process ids below this one, itself included."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as stat:
                parents[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found


def launcher_of(server):
    for pid in descendants(server):
        try:
            if b"__launcher" in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes():
                return pid
        except OSError:
            pass
    raise AssertionError("the launcher runs")


def counts(server):
    """Everything that could leak, by name."""
    pid = server.process.pid
    launcher = launcher_of(pid)
    family = descendants(pid)
    namespaces = set()
    for process in family:
        for kind in ["mnt", "net", "pid", "ipc", "uts", "user", "cgroup"]:
            try:
                namespaces.add(os.readlink("/proc/%d/ns/%s" % (process, kind)))
            except OSError:
                pass
    def fds(process):
        return len(os.listdir("/proc/%d/fd" % process))
    groups = 0
    for base, directories, _ in os.walk("/sys/fs/cgroup"):
        if os.path.basename(base) == "lambent-%d" % launcher:
            groups += len(directories)
    loops = 0
    for device in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            loops += str(server.directory) in device.read_text()
        except OSError:
            pass
    with open("/proc/%d/mounts" % launcher) as mounts:
        mounted = sum(1 for _ in mounts)
    with open("/proc/%d/net/dev" % launcher) as devices:
        links = sum(line.strip().startswith("lambent") for line in devices)
    # Packages go when the server starts again: see `packages`.
    files = [path for path in server.directory.rglob("*") if path.is_file()]
    return {
        "processes": len(family), "namespaces": len(namespaces), "descriptors of the server": fds(pid),
        "descriptors of the launcher": fds(launcher), "cgroups": groups, "loop devices": loops, "mounts": mounted,
        "interfaces": links, "files": len(files) - len(packages(server)),
    }



def packages(server):
    """Files of functions' code; a server drops those that nothing refers to when it starts."""
    return [path for name in ["blobs", "code"] for path in (server.directory / name).rglob("*") if path.is_file()]


def memory_of(pid):
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) >> 10


class Soak:
    def __init__(self, server, seconds, seed):
        self.server, self.seconds, self.seed = server, seconds, seed
        self.done = collections.Counter()
        self.failed = []

    def expect(self, client, name, version, what, number, error=None):
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"what": what, "number": number}))
        body = json.loads(answer["Payload"].read())
        if error:
            assert error in body["errorType"], body
        else:
            assert body[:2] == [number, version], body
        self.done[what] += 1

    def life(self, client, name, chance):
        """A function's life: made, called in every way, changed, deleted."""
        version = 0
        def code():
            return package({"app.py": "VERSION = %d\n%s" % (version, SOURCE)})
        runtime = chance.choice(["python3.12", "python3.11"])
        client.create_function(
            FunctionName=name, Runtime=runtime, Handler="app.handler", Timeout=1, MemorySize=chance.choice([128, 256]),
            Role="arn:aws:iam::123456789012:role/any", Code={"ZipFile": code()},
        )
        active = client.get_waiter("function_active_v2")
        active.wait(FunctionName=name, WaiterConfig={"Delay": 1})
        for number in range(chance.randrange(5, 25)):
            what = chance.choices(["warm", "crash", "signal", "raise", "child", "time", "update"], [50, 6, 3, 6, 6, 2, 6])[0]
            if what == "update":
                version += 1
                client.update_function_code(FunctionName=name, ZipFile=code())
                client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
                self.expect(client, name, version, "warm", number)
                self.done["update"] += 1
            else:
                error = {"crash": "Runtime.ExitError", "signal": "Runtime.ExitError", "raise": "ValueError", "time": "Sandbox.Timedout"}
                self.expect(client, name, version, what, number, error.get(what))
        client.delete_function(FunctionName=name)
        self.done["functions"] += 1

    def work(self, worker):
        chance = random.Random(self.seed * 1000 + worker)
        client = self.server.lambda_
        end, turn = time.monotonic() + self.seconds, 0
        try:
            while time.monotonic() < end:
                turn += 1
                self.life(client, "soak-%d-%d" % (worker, turn), chance)
        except Exception as error:
            self.failed.append("worker %d, turn %d, seed %d: %r" % (worker, turn, self.seed, error))
        finally:
            client.close()

    def run(self):
        workers = [threading.Thread(target=self.work, args=(worker,)) for worker in range(WORKERS)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        assert not self.failed, "\n".join(self.failed)
        return dict(self.done)


#: So many that an environment has gone before its function is called again.
COLD_FUNCTIONS = 64


def cold_starts(server, most, seconds):
    """Nearly every invoke in an environment of its own: the server keeps none that is idle."""
    client = server.lambda_
    names = ["cold-%d" % number for number in range(min(COLD_FUNCTIONS, most))]
    for name in names:
        client.create_function(
            FunctionName=name, Runtime="python3.12", Handler="app.handler", Timeout=30, MemorySize=128,
            Role="arn:aws:iam::123456789012:role/any", Code={"ZipFile": package({"app.py": "VERSION = 0\n" + SOURCE})},
        )
    for name in names:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    end, numbers, started, failed = time.monotonic() + seconds, iter(range(most)), [], []

    def work():
        own = server.lambda_
        try:
            while time.monotonic() < end:
                number = next(numbers, None)
                if number is None:
                    break
                answer = json.loads(own.invoke(FunctionName=names[number % len(names)], Payload=json.dumps({"what": "cold", "number": number}))["Payload"].read())
                assert answer[0] == number, answer
                started.append(answer[2])
        except Exception as error:
            failed.append(repr(error))
        finally:
            own.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    assert not failed, failed
    for name in names:
        client.delete_function(FunctionName=name)
    client.close()
    # Each has said when its interpreter has read the function.
    return len(set(started))


def settled(server, before, what):
    """Waits until every count is where it was."""
    def differences():
        now = counts(server)
        # Databases open a reader more when there is more to read, up to a few.
        spare = {"descriptors of the server": 6}
        return {name: (before[name], now[name]) for name in before if now[name] > before[name] + spare.get(name, 0)}
    try:
        wait_for(lambda: not differences(), what)
    except AssertionError:
        raise AssertionError("%s: %r" % (what, differences())) from None


def baseline(server):
    """When the pool of sandboxes is full, and what is opened at a first use has been."""
    Soak(server, 0.1, 0).run()
    # Metrics are written before somebody reads them; else a minute later.
    reader = server.client("cloudwatch")
    reader.list_metrics()
    reader.close()
    last = [None, 0]
    def steady():
        now = counts(server)
        last[1] = last[1] + 1 if now == last[0] else 0
        last[0] = now
        return last[1] >= 50
    wait_for(steady, "the counts are steady: %r" % last[0])
    return last[0]


def soak(directory, seconds, most_cold, prefix=(), binary=BINARY, env=None, say=lambda text: None, seed=None):
    seed = seed if seed is not None else random.randrange(10**6)
    for options, work in [
        (["--keep-alive-s", "5"], lambda server: Soak(server, seconds, seed).run()),
        (["--keep-alive-s", "0"], lambda server: {"cold starts": cold_starts(server, most_cold, seconds)}),
    ]:
        server = Server(directory, *options, env=env, prefix=prefix)
        server.start(binary)
        try:
            before, memory = baseline(server), memory_of(server.process.pid)
            say("before: %r, %d MiB" % (before, memory))
            done = work(server)
            say("done: %r (seed %d)" % (done, seed))
            settled(server, before, "everything is back at its beginning")
            grown = memory_of(server.process.pid) - memory
            say("after: %r, %+d MiB" % (counts(server), grown))
            assert grown < 64, "%d MiB more memory" % grown
            yield done
            family = descendants(server.process.pid)
            assert server.stop() == 0, server.said()
            server.start(binary)
            assert not packages(server), "code of deleted functions"
        finally:
            assert server.stop() == 0, server.said()
        wait_for(lambda: not [pid for pid in family if os.path.exists("/proc/%d" % pid)], "every process ends")


def as_ordinary_user(workplace):
    """What it takes to run a server as somebody else: command, binary, directory, environment. `None` where that can't be."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return None
    prefix = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    if subprocess.run([*prefix, "unshare", "-Ur", "true"], capture_output=True).returncode != 0:
        return None
    workplace.chmod(0o711)
    binary = workplace / "lambent-soak"
    shutil.copy(BINARY, binary)
    binary.chmod(0o755)
    directory = workplace / "soak-ordinary"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    return prefix, binary, directory, {"PATH": "/usr/bin:/bin", "HOME": "/"}


def main():
    seconds, most = float(os.environ.get("SOAK_SECONDS", 120)), int(os.environ.get("SOAK_COLD_STARTS", 10_000))
    workplace = pathlib.Path(tempfile.mkdtemp(prefix="lambent-soak-"))
    try:
        directory = workplace / "soak"
        directory.mkdir()
        print("as user %d, %d s and at most %d cold starts" % (os.getuid(), seconds, most), flush=True)
        for _ in soak(directory, seconds, most, say=lambda text: print("  " + text, flush=True)):
            pass
        ordinary = as_ordinary_user(workplace)
        if ordinary:
            print("as an ordinary user", flush=True)
            prefix, binary, directory, env = ordinary
            for _ in soak(directory, seconds / 4, most // 4, prefix, binary, env, say=lambda text: print("  " + text, flush=True)):
                pass
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    print("nothing has leaked")


if __name__ == "__main__":
    main()
