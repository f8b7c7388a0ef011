"""Interpreters that were forked from a zygote, each into a sandbox of its own: as if freshly started."""

import pathlib
import subprocess
import time

import pytest
from conftest import ROOT, wait_for
from test_parked import DUMP

HERE = pathlib.Path(__file__).parent
CHILDREN = 10_000
VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]

#: How the interpreter that runs a function came to be, and what else a fork could have left behind.
FRESH = DUMP + """

looks = handler

def handler(event, context):
    import gc, multiprocessing, ssl, subprocess
    main = threading.main_thread()
    forked = b"_LAMBENT_ZYGOTE_FD=" in open("/proc/self/environ", "rb").read()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(threading.current_thread() is not main))
    thread.start()
    thread.join()
    seen = {
        "main thread": [threading.current_thread() is main, main.ident == threading.get_ident(), main.native_id == os.getpid()],
        "threads": answers,
        "children": subprocess.run(["/bin/sh", "-c", "echo $PPID"], capture_output=True, text=True).stdout.strip() == str(os.getpid()),
        "multiprocessing": [multiprocessing.current_process().name, multiprocessing.parent_process(), multiprocessing.active_children()],
        "collector": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
        "clocks": [time.process_time() < 5, time.localtime().tm_zone],
        "hidden": sorted(name for name in sys.modules if name in ("zygote", "ctypes", "_ctypes")),
        "ctypes": __import__("ctypes").CDLL(None).getpid() == os.getpid(),
        "wakeup": signal.set_wakeup_fd(-1),
        "group": open("/proc/self/cgroup").read(),
        "executable": os.readlink("/proc/self/exe"), "command": open("/proc/self/cmdline").read(), "name": open("/proc/self/comm").read(),
        "root": sorted(os.listdir("/")),
        "host": [os.uname().nodename, sorted(os.listdir("/sys")) if os.path.exists("/sys") else None],
        "processes": len([pid for pid in os.listdir("/proc") if pid.isdigit()]),
        "namespaces": all(os.readlink("/proc/self/ns/" + name) for name in ("pid", "net", "mnt", "user", "uts", "ipc")),
        "random": ssl.RAND_status(),
    }
    return {"forked": forked, "seen": seen, "as before": looks(event, context)}
"""


def forked(server, name, source, **options):
    """A new function's answer from a process that a zygote has made."""
    def asked():
        function = "%s-%d" % (name, time.monotonic_ns())
        server.create(function, source, **options)
        answer = server.invoke(function)
        assert "FunctionError" not in answer, answer["Json"]
        return answer["Json"] if answer["Json"]["forked"] else time.sleep(0.2)
    return wait_for(asked, "a zygote makes a process: " + server.said()[-1000:])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_forked_interpreter_is_a_fresh_one(own_server, version):
    own_server.start()
    options = {"runtime": "python" + version, "MemorySize": 256, "Environment": {"Variables": {"MINE": "1", "TZ": "Asia/Tokyo"}}}
    child = forked(own_server, "zygote-fresh", FRESH, **options)
    options["Environment"]["Variables"]["PYTHON_EXECUTED"] = "1"
    own_server.create("zygote-executed", FRESH, **options)
    executed = own_server.invoke("zygote-executed")["Json"]
    assert not executed["forked"]
    assert child["seen"] == executed["seen"]
    assert child["as before"] == executed["as before"]
    assert child["seen"]["main thread"] == [True, True, True] and child["seen"]["hidden"] == []


def test_no_value_comes_twice_in_ten_thousand_children():
    interpreter = pathlib.Path(__import__("sys").executable)
    command = [str(interpreter), str(HERE / "zygote_children.py"), str(ROOT / "runtimes/python"), str(CHILDREN)]
    if __import__("os").geteuid() != 0:
        command = ["unshare", "--user", "--map-root-user", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    children = [line.split() for line in done.stdout.splitlines()]
    assert len(children) == CHILDREN
    for number, values in enumerate(zip(*children)):
        assert len(set(values)) == CHILDREN, "value %d" % number
