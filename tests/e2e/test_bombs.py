"""Functions that use up what they can: they are stopped or get an error, work again, and others don't notice."""

import pathlib
import threading

import pytest
from conftest import wait_for

BOMB = """
import errno, os, sys, threading, time

def handler(event, context):
    what = event["what"]
    if what == "fine":
        return len([name for name in os.listdir("/proc") if name.isdigit()])
    if what == "fork":
        while True:
            try: os.fork()
            except OSError: pass
    if what == "threads":
        while True:
            try: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            except RuntimeError: pass
    if what == "memory":
        kept = []
        while True: kept.append(bytearray(16 << 20))
    if what == "children's memory":
        for _ in range(4):
            if os.fork() == 0:
                kept = []
                while True: kept.append(bytearray(1 << 20))
        time.sleep(600)
    if what == "disk":
        with open("/tmp/big", "wb") as file:
            while True: file.write(bytes(1 << 20))
    if what == "inodes":
        number = 0
        while True:
            open("/tmp/%d" % number, "w").close()
            number += 1
    if what == "descriptors":
        kept = []
        while True: kept.append(os.pipe())
    if what == "log":
        line = b"x" * 999 + b"\\n"
        while True: os.write(1, line)
    if what == "framed":
        import logging
        while True: logging.getLogger().error("y" * 999)
"""

#: What is said of it: the error's type.
ENDS = {
    "fork": "Sandbox.Timedout", "threads": "Sandbox.Timedout", "memory": "Runtime.OutOfMemory",
    "children's memory": "Sandbox.Timedout", "disk": "OSError", "inodes": "OSError", "descriptors": "OSError",
    "log": "Sandbox.Timedout", "framed": "Sandbox.Timedout",
}


def memory_of(pid):
    """Resident memory in MiB."""
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) >> 10


def disk_of(directory):
    """What is on disk there, in MiB."""
    return sum(path.stat().st_blocks * 512 for path in pathlib.Path(directory).rglob("*") if path.is_file()) >> 20


@pytest.mark.parametrize("what", ENDS)
def test_a_bomb_harms_nobody_else(server, what):
    name = "bomb-" + "".join(filter(str.isalpha, what))
    server.create(name, BOMB, Timeout=8, MemorySize=256)
    server.create(name + "-beside", "def handler(event, context):\n    open('/tmp/x', 'w').close()\n    return event\n", Timeout=60)
    assert server.invoke(name, {"what": "fine"})["Json"] <= 3
    answer = {}
    bomb = threading.Thread(target=lambda: answer.update(server.invoke(name, {"what": what})))
    bomb.start()
    count = 0
    while bomb.is_alive():
        assert server.invoke(name + "-beside", count)["Json"] == count
        count += 1
    assert answer["Json"]["errorType"] == ENDS[what], answer["Json"]
    # Nothing of it is left in its sandbox, or it has got another.
    after = server.invoke(name, {"what": "fine"})
    assert "FunctionError" not in after, after["Json"]
    if ENDS[what] != "OSError":
        assert after["Json"] <= 3


def test_what_is_printed_without_end_is_kept_within_bounds(own_server):
    own_server.options = ("--logs-max-mb", "16")
    server = own_server.start()
    server.create("loud", BOMB, Timeout=20, MemorySize=1769)
    server.invoke("loud", {"what": "fine"})
    before, most = memory_of(server.process.pid), 0
    answer = {}
    bomb = threading.Thread(target=lambda: answer.update(server.invoke("loud", {"what": "log"})))
    bomb.start()
    while bomb.is_alive():
        most = max(most, memory_of(server.process.pid))
        bomb.join(0.05)
    assert answer["Json"]["errorType"] == "Sandbox.Timedout"
    server.invoke("loud", {"what": "fine"})
    assert most - before < 64, "MiB of memory: from %d to %d" % (before, most)
    # Beyond the limit the oldest are dropped, in portions, and the database keeps a journal beside itself.
    wait_for(lambda: disk_of(server.directory) < 16 + 128, "the disk is kept: %d MiB" % disk_of(server.directory))
