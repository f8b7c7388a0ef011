#!/usr/bin/env python3
"""The control plane: rates, and what a large table costs; beside floors of the same run. Standard library only.

    benches/control.py <lambent binary>
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from bench import HERE, ROLE, Connection, Server, package

CONNECTIONS, GETS, CREATES, TABLE = 8, 60_000, 2_000, 10_000


def load(tool, *arguments):
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=True)
    rate, median, late = map(float, done.stdout.split())
    return rate, median, late


def row(what, figures, promise=""):
    print("%-46s %9.0f/s %9.3f %9.3f  %s" % (what, *figures, promise), flush=True)


def request(directory, name, method, path, body=b""):
    file = os.path.join(directory, name)
    head = "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (method, path, len(body))
    pathlib.Path(file).write_bytes(head.encode() + body)
    return file


def fsync_floor(directory):
    """Files of one kilobyte, written and synced one after the other."""
    count, began = 300, time.perf_counter()
    for number in range(count):
        with open(os.path.join(directory, "floor-%d" % number), "wb") as file:
            file.write(b"x" * 1024)
            file.flush()
            os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    return count / seconds, seconds / count * 1000, 0


def pages(connection):
    marker, names = "", []
    while True:
        answer = connection.call("GET", "/2015-03-31/functions?MaxItems=50" + ("&Marker=" + marker if marker else ""))
        names += [function["FunctionName"] for function in answer["Functions"]]
        marker = answer.get("NextMarker")
        if not marker:
            return names


def main():
    binary = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="lambent-bench-")
    try:
        tool = os.path.join(directory, "load")
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", tool, str(HERE / "load.rs")], check=True)
        print("%-46s %11s %9s %9s  %s" % ("%d connections" % CONNECTIONS, "rate", "median", "p99 ms", "promise"))
        row("floor: bare server, 1.2 KB answers", load(tool, "echo", CONNECTIONS, GETS))
        row("floor: 1 KB file written and synced", fsync_floor(directory))
        data = os.path.join(directory, "data")
        server = Server(binary, data)
        try:
            address = "%s:%d" % server.address
            connection = Connection(*server.address)
            body = {"FunctionName": "created-NNNNNNNN", "Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE,
                    "Code": {"ZipFile": package("app.py", "# " + "x" * 800 + "\ndef handler(event, context):\n    return event\n")}}
            create = request(directory, "create", "POST", "/2015-03-31/functions", json.dumps(body).encode())
            small = server.memory_mb()
            row("CreateFunction, 1 KB zip, on disk", load(tool, address, 16, CREATES, create, 0), ">= 300/s")
            load(tool, address, 16, TABLE - CREATES, create, CREATES)
            get = request(directory, "get", "GET", "/2015-03-31/functions/created-00000042")
            row("GetFunction of %d functions" % TABLE, load(tool, address, CONNECTIONS, GETS, get), ">= 10000/s")
            began = time.perf_counter()
            names = pages(connection)
            seconds = time.perf_counter() - began
            assert len(names) == TABLE and len(set(names)) == TABLE, len(names)
            print("%-46s %9.2f s  %24s" % ("ListFunctions of all, page by page", seconds, "<= 1 s"), flush=True)
            print("%-46s %9.1f MB %24s" % ("memory for %d functions" % TABLE, server.memory_mb() - small, "<= 100 MB"), flush=True)
        finally:
            server.stop()
        server = Server(binary, data)
        print("%-46s %9.0f ms %24s" % ("start with %d functions" % TABLE, server.started_ms, "<= 1000 ms"), flush=True)
        print("%-46s %9.1f MB" % ("memory after that start (PSS)", server.memory_mb()), flush=True)
        server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
