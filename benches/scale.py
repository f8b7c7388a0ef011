#!/usr/bin/env python3
"""Scheduling and scale: bursts, throughput, neighbours, idleness; beside floors of the same run. Standard library only.

    benches/scale.py <lambent binary> [row ...]

Rows: warm, phases, fresh, burst, neighbour, idle. The server runs with options of its own where a row needs it.
"""

import json
import multiprocessing
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from bench import HERE, Connection, Server, create, echo, interpreter, package, row, timed
from control import load

ECHO = package("app.py", "def handler(event, context):\n    return event\n")
#: Says when it was called, and is not free again before all others are busy.
CLOCK = package("app.py", "import time\ndef handler(event, context):\n    now = time.time()\n    time.sleep(event['s'])\n    return now\n")
PARKED, FORKED = ('lambent_starts_total{tier="%s"}' % tier for tier in ("parked", "forked"))
NODE = package("index.js", "exports.handler = async (event) => event;\n")


def say(what, figure, promise=""):
    print("%-52s %s  %s" % (what, figure, promise), flush=True)


def figures(server):
    page = urllib.request.urlopen("http://%s:%d/_lambent/metrics" % server.address).read().decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if not line.startswith("#")}


def path(function):
    return "/2015-03-31/functions/%s/invocations" % function


def all_at_once(server, function, count, event):
    """Requests on connections of their own, sent together; statuses and bodies in the order of their arrival."""
    connections = [Connection(*server.address) for _ in range(count)]
    requests = [connection.request("POST", path(function), json.dumps(event).encode()) for connection in connections]
    poller = select.poll()
    by_fd = {connection.socket.fileno(): connection for connection in connections}
    began = time.time()
    for connection, request in zip(connections, requests):
        connection.socket.sendall(request)
        poller.register(connection.socket, select.POLLIN)
    answers = []
    while len(answers) < count:
        for fd, _ in poller.poll():
            poller.unregister(fd)
            answers.append(by_fd[fd].receive())
    for connection in connections:
        connection.socket.close()
    return began, answers


def native(connection):
    create(connection, "native", "provided.al2023", "any", package("bootstrap", echo(sys.argv[1]), 0o755))


def warm(server, directory):
    tool = os.path.join(directory, "load")
    subprocess.run(["rustc", "--edition", "2024", "-O", "-o", tool, str(HERE / "load.rs")], check=True)
    connection, address = Connection(*server.address), "%s:%d" % server.address
    native(connection)
    create(connection, "python", "python3.12", "app.handler", ECHO)
    functions = [("native", ">= 25000/s"), ("python", ">= 15000/s")]
    try:
        create(connection, "node", "nodejs20.x", "index.handler", NODE)
        functions.append(("node", ">= 15000/s"))
    except RuntimeError as error:
        say("node", error)
    rate, median, late = load(tool, "echo", 8, 60_000)
    say("floor: bare server, 8 connections", "%9.0f/s p50 %.3f p99 %.3f ms" % (rate, median, late))
    for name, promise in functions:
        file = os.path.join(directory, "request")
        head = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n" % path(name)
        pathlib.Path(file).write_bytes(head.encode() + b'{"n":1}')
        load(tool, address, 8, 2_000, file)
        rate, median, late = load(tool, address, 8, 40_000, file)
        say("warm throughput, 8 connections: %s" % name, "%9.0f/s p50 %.3f p99 %.3f ms" % (rate, median, late), promise)


def phase_times(before, after):
    for phase in ("admission", "attach", "mount", "environment", "import", "poll", "reply"):
        name = 'lambent_cold_start_phase_seconds_%s{phase="%s"' + "}"
        count = after[name % ("count", phase)] - before[name % ("count", phase)]
        spent = after[name % ("sum", phase)] - before[name % ("sum", phase)]
        say("  of which %s, mean" % phase, "%9.3f ms (%d)" % (spent / max(count, 1) * 1000, count))


def cold_starts(server, label, pause, count=40):
    connection = Connection(*server.address)
    names = ["cold-%s-%d" % (label.split()[0].strip(",:"), number) for number in range(count)]
    for name in names:
        create(connection, name, "python3.12", "app.handler", ECHO)
    time.sleep(1)
    before, times = figures(server), []
    for name in names:
        request = connection.request("POST", path(name), b"{}")
        if pause:
            time.sleep(pause)
        times += timed(1, lambda: connection.send(request))
    after = figures(server)
    row("cold python, %s" % label, times)
    say("  of them parked, forked", "%9d, %d of %d" % (after[PARKED] - before[PARKED], after[FORKED] - before[FORKED], count))
    phase_times(before, after)
    for name in names:
        connection.call("DELETE", "/2015-03-31/functions/%s" % name)


def phases(server, _):
    python = interpreter()
    row("floor: bare fork+exec of Python", timed(20, lambda: subprocess.run([python, "-c", "pass"])))
    cold_starts(server, "every 200 ms", 0.2)
    cold_starts(server, "back to back", 0)


def fresh(server, _):
    """Functions take turns; there is room for few environments, so that each start ends another one."""
    functions, threads, seconds = 100, 8, 8
    connection = Connection(*server.address)
    names = ["fresh-%d" % number for number in range(functions)]
    for name in names:
        create(connection, name, "python3.12", "app.handler", ECHO)
    # From then on it is known what each of them holds.
    for name in names:
        connection.send(connection.request("POST", path(name), b"{}"))
    stop, failed, done = time.perf_counter() + seconds, [], []

    def ask(offset):
        mine, at = Connection(*server.address), offset * functions // threads
        while time.perf_counter() < stop:
            status, answer = mine.send(mine.request("POST", path(names[at % functions]), b"{}"))
            (done if status == 200 else failed).append(answer)
            at += 1

    before = figures(server)
    workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    after = figures(server)
    starts = after["lambent_cold_starts_total"] - before["lambent_cold_starts_total"]
    say("fresh Python sandboxes, with their ends", "%9.0f/s (%d of %d requests cold, %d refused)" % (
        starts / seconds, starts, len(done) + len(failed), len(failed)), ">= 250/s, none refused")
    say("  of them parked, forked", "%9d, %d" % (after[PARKED] - before[PARKED], after[FORKED] - before[FORKED]))
    phase_times(before, after)


def burst(server, _):
    connection = Connection(*server.address)
    create(connection, "burst", "python3.12", "app.handler", CLOCK)
    count = 1000
    began, answers = all_at_once(server, "burst", count, {"s": 8})
    failed = [answer for status, answer in answers if status != 200]
    calls = sorted(float(answer) - began for status, answer in answers if status == 200)
    environments = figures(server)["lambent_environments"]
    say("0 -> %d at once: the last handler is called after" % count, "%9.2f s (half of them after %.2f s)" % (calls[-1], calls[len(calls) // 2]), "<= 6 s")
    say("  failed, environments", "%9d, %d" % (len(failed), environments), "none failed")
    if failed:
        say("  first failure", failed[0][:200])
    memory(server, environments, "at the peak")


def descendants(pid):
    children = {}
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(pathlib.Path("/proc/%s/stat" % other).read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(other))
    found, new = [], [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


def proportional_mb(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total / 1024


def memory(server, environments, when):
    pids = descendants(server.process.pid)
    total = proportional_mb(pids)
    say("memory of environments %s (PSS, supervisors included)" % when, "%9.1f MB, %.2f for each" % (total, total / max(environments, 1)))


def neighbour(server, _):
    connection = Connection(*server.address)
    create(connection, "quiet", "python3.12", "app.handler", ECHO)
    create(connection, "noisy", "python3.12", "app.handler", CLOCK)
    request = connection.request("POST", path("quiet"), b'{"n":1}')
    timed(200, lambda: connection.send(request))
    row("warm, alone", timed(2000, lambda: connection.send(request)))
    # A process of its own: this one measures.
    outcome, times = multiprocessing.Queue(), []
    loud = multiprocessing.Process(target=lambda: outcome.put([status for status, _ in all_at_once(server, "noisy", 200, {"s": 2})[1]]))
    loud.start()
    while loud.is_alive() and outcome.empty():
        times += timed(1, lambda: connection.send(request))
    statuses = outcome.get()
    loud.join()
    row("warm, while another function goes 0 -> 200", times, "p99 <= 3")
    say("  failed of the 200", "%9d" % sum(status != 200 for status in statuses))


def processor_ns(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        total += int(pathlib.Path("/proc/%d/task/%s/schedstat" % (pid, task)).read_text().split()[0])
    return total


def idle(server, _):
    connection = Connection(*server.address)
    create(connection, "idle", "python3.12", "app.handler", CLOCK)
    time.sleep(2)
    before = proportional_mb(descendants(server.process.pid))
    all_at_once(server, "idle", 200, {"s": 9})
    time.sleep(5)
    pids = descendants(server.process.pid)
    environments = figures(server)["lambent_environments"]
    after = proportional_mb(pids)
    say("an idle environment (PSS, supervisor included)", "%9.2f MB (%d of them)" % ((after - before) / max(environments, 1), environments), "<= 3 MB")
    watched = {"server": [server.process.pid], "launcher": [pid for pid in pids if is_launcher(pid)]}
    watched["environments"] = [pid for pid in pids if pid not in watched["launcher"]]
    began, spent = time.perf_counter(), {}
    for name, of in watched.items():
        spent[name] = {pid: processor_ns(pid) for pid in of}
    time.sleep(60)
    seconds = time.perf_counter() - began
    for name, of in watched.items():
        used = 0
        for pid in of:
            try:
                used += processor_ns(pid) - spent[name][pid]
            except OSError:
                continue
        promise = "<= 0.1 %" if name == "server" else ""
        say("processor over a minute with %d idle: %s" % (environments, name), "%9.3f %%" % (used / seconds / 1e7), promise)


def is_launcher(pid):
    try:
        return b"__launcher" in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
    except OSError:
        return False


#: What is measured, and the options that it needs.
WHAT = {
    "warm": (warm, []),
    "phases": (phases, []),
    "neighbour": (neighbour, []),
    "fresh": (fresh, ["--environments-max-mb", "160"]),
    "idle": (idle, []),
    "burst": (burst, []),
}


def main():
    binary, wanted = sys.argv[1], sys.argv[2:] or list(WHAT)
    for name in wanted:
        what, options = WHAT[name]
        directory = tempfile.mkdtemp(prefix="lambent-bench-")
        try:
            server = Server(binary, os.path.join(directory, "data"), *options)
            try:
                what(server, directory)
            finally:
                server.stop()
        finally:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
