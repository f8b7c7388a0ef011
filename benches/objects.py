#!/usr/bin/env python3
"""S3: small objects stored and read, a large one up and down, each of it on disk; beside floors of the same run. Standard library only.

    benches/objects.py <lambent binary>
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from bench import HERE, Server
from control import load, row
from events import sync_floor

CONNECTIONS, OBJECTS, SMALL, LARGE = 32, 20_000, 4_096, 1 << 30
CHUNK = 1 << 20


def file_of(directory, name, method, path, body=b""):
    file = os.path.join(directory, name)
    head = "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method, path, len(body))
    pathlib.Path(file).write_bytes(head.encode() + body)
    return file


def answered(connection):
    """The head of an answer, and what has come of its body."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(CHUNK)
        assert more, "the server hung up"
        read += more
    head, body = read.split(b"\r\n\r\n", 1)
    assert head.split()[1] == b"200", head
    return body


def put(address, path, file):
    began = time.perf_counter()
    with socket.create_connection(address) as connection:
        size = os.path.getsize(file) if file else 0
        connection.sendall(("PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (path, size)).encode())
        if file:
            with open(file, "rb") as body:
                connection.sendfile(body)
        answered(connection)
    return time.perf_counter() - began


def get(address, path, file):
    began = time.perf_counter()
    with socket.create_connection(address) as connection, open(file, "wb") as body:
        connection.sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path).encode())
        first = answered(connection)
        body.write(first)
        left, buffer = LARGE - len(first), memoryview(bytearray(CHUNK))
        while left:
            read = connection.recv_into(buffer)
            assert read, "the server hung up"
            body.write(buffer[:read])
            left -= read
        body.flush()
        os.fsync(body.fileno())
    return time.perf_counter() - began


def copy_floor(source, target):
    began = time.perf_counter()
    with open(source, "rb") as read, open(target, "wb") as written:
        shutil.copyfileobj(read, written, CHUNK)
        written.flush()
        os.fsync(written.fileno())
    return time.perf_counter() - began


def large(server, directory):
    source, target = os.path.join(directory, "large"), os.path.join(directory, "copy")
    with open(source, "wb") as file:
        for _ in range(LARGE // CHUNK):
            file.write(os.urandom(CHUNK))
        os.fsync(file.fileno())
    rate = lambda seconds: LARGE / seconds / 1e6
    floor = copy_floor(source, target)
    print("%-46s %9.0f MB/s" % ("floor: 1 GB copied and synced", rate(floor)), flush=True)
    os.unlink(target)
    seconds = put(server.address, "/bench/large", source)
    print("%-46s %9.0f MB/s %9.2f of the floor %11s" % ("1 GB up", rate(seconds), floor / seconds, ">= 0.7"), flush=True)
    os.unlink(source)
    seconds = get(server.address, "/bench/large", target)
    print("%-46s %9.0f MB/s %9.2f of the floor %11s" % ("1 GB down, written and synced", rate(seconds), floor / seconds, ">= 0.7"), flush=True)
    print("%-46s %9.1f MB" % ("memory then", server.memory_mb()), flush=True)
    os.unlink(target)


def main():
    binary, directory = os.path.abspath(sys.argv[1]), tempfile.mkdtemp(prefix="lambent-bench-")
    try:
        tool = os.path.join(directory, "load")
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", tool, str(HERE / "load.rs")], check=True)
        print("%-46s %11s %9s %9s  %s" % ("%d connections" % CONNECTIONS, "rate", "median", "p99 ms", "promise"))
        row("floor: bare server", load(tool, "echo", CONNECTIONS, OBJECTS))
        row("floor: 4 KB appended and synced", sync_floor(directory))
        server = Server(binary, os.path.join(directory, "data"))
        try:
            put(server.address, "/bench", None)
            at, body = "%s:%d" % server.address, os.urandom(SMALL)
            stored = file_of(directory, "put", "PUT", "/bench/NNNNNNNN", body.replace(b"NNNNNNNN", b"nnnnnnnn"))
            row("4 KB objects stored", load(tool, at, CONNECTIONS, OBJECTS, stored), ">= 1000/s")
            read = file_of(directory, "get", "GET", "/bench/NNNNNNNN")
            row("4 KB objects read", load(tool, at, CONNECTIONS, OBJECTS, read), ">= 5000/s")
            if shutil.disk_usage(directory).free < 4 * LARGE:
                print("no room for 1 GB: 4 GB have to be free")
            else:
                large(server, directory)
        finally:
            server.process.kill()
            server.process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
