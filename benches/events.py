#!/usr/bin/env python3
"""Asynchronous invocation: how fast events are accepted and delivered, each on disk; beside floors of the same run. Standard library only.

    benches/events.py <lambent binary>
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from bench import HERE, Connection, Server, create, echo, package
from control import load, request, row

CONNECTIONS, ACCEPTS, BACKLOG = 16, 60_000, 200_000


def sync_floor(directory):
    """What a commit costs at least: 4 KB appended to one file and synced."""
    count, times = 500, []
    with open(os.path.join(directory, "floor"), "wb") as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return count / sum(times) * 1000, times[count // 2], times[int(count * 0.99)]


def figures(server):
    page = urllib.request.urlopen("http://%s:%d/_lambent/metrics" % server.address).read().decode()
    return {line.split()[0]: float(line.split()[1]) for line in page.splitlines() if not line.startswith("#")}


def drained(server, until):
    """Waits for so many attempts, and that nothing runs."""
    while True:
        now = figures(server)
        if now["lambent_async_attempts_total"] >= until and now["lambent_async_running"] == 0:
            return now
        time.sleep(0.02)


def main():
    binary = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="lambent-bench-")
    try:
        tool = os.path.join(directory, "load")
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", tool, str(HERE / "load.rs")], check=True)
        print("%-46s %11s %9s %9s  %s" % ("%d connections" % CONNECTIONS, "rate", "median", "p99 ms", "promise"))
        row("floor: bare server", load(tool, "echo", CONNECTIONS, ACCEPTS))
        row("floor: 4 KB appended and synced", sync_floor(directory))
        server = Server(binary, os.path.join(directory, "data"))
        try:
            address = "%s:%d" % server.address
            connection = Connection(*server.address)
            create(connection, "native", "provided.al2023", "any", package("bootstrap", echo(binary), 0o755))
            path = "/2015-03-31/functions/native/invocations"
            head = "POST %s HTTP/1.1\r\nHost: localhost\r\nX-Amz-Invocation-Type: Event\r\nContent-Length: 16\r\n\r\n" % path
            event = os.path.join(directory, "event")
            pathlib.Path(event).write_bytes(head.encode() + b'{"n":"NNNNNNNN"}')
            load(tool, address, CONNECTIONS, 2_000, event)
            before = drained(server, 2_000)
            began = time.perf_counter()
            row("events accepted while they are delivered", load(tool, address, CONNECTIONS, ACCEPTS, event))
            after = drained(server, 2_000 + ACCEPTS)
            seconds = time.perf_counter() - began
            syncs = after["lambent_queue_commits_total"] - before["lambent_queue_commits_total"]
            print("%-46s %9.0f/s %29s" % ("events accepted and delivered, end to end", ACCEPTS / seconds, ">= 2000/s"), flush=True)
            print("%-46s %9.2f" % ("commits for each, delivery included", syncs / ACCEPTS), flush=True)
            # Nothing is delivered while the function may run once at a time and is busy.
            sleeper = "import time\ndef handler(event, context):\n    time.sleep(60)\n"
            create(connection, "sleeper", "python3.12", "app.handler", package("app.py", sleeper))
            connection.call("PUT", "/2017-10-31/functions/sleeper/concurrency", {"ReservedConcurrentExecutions": 1})
            pathlib.Path(event).write_bytes(head.replace("native", "sleeper").encode() + b'{"n":"NNNNNNNN"}')
            load(tool, address, CONNECTIONS, 1_000, event)
            small, commits = server.memory_mb(), figures(server)["lambent_queue_commits_total"]
            row("events accepted, alone", load(tool, address, CONNECTIONS, BACKLOG, event), ">= 5000/s")
            commits = figures(server)["lambent_queue_commits_total"] - commits
            print("%-46s %9.2f" % ("commits for each", commits / BACKLOG), flush=True)
            print("%-46s %9.1f MB" % ("memory for a backlog of %d" % BACKLOG, server.memory_mb() - small), flush=True)
        finally:
            server.process.kill()
            server.process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
