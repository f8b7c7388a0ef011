#!/usr/bin/env python3
"""Times of invokes and starts, beside floors measured in the same run. Standard library only.

    benches/bench.py <lambent binary>

The machines are noisy: compare lines of one run with each other, not runs with runs.
"""

import base64
import datetime
import hashlib
import hmac
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROLE = "arn:aws:iam::123456789012:role/any"
WARM, COLD, STARTS = 3000, 30, 10


class Connection:
    """One keep-alive connection, every request signed with Signature Version 4."""

    def __init__(self, host, port):
        self.host = "%s:%d" % (host, port)
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        key = ("AWS4" + "test").encode()
        self.day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")
        for part in (self.day, "us-east-1", "lambda", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self.key = key

    def request(self, method, path, body=b""):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        canonical = "%s\n%s\n\nhost:%s\nx-amz-date:%s\n\nhost;x-amz-date\n%s" % (method, path, self.host, now, digest)
        scope = "%s/us-east-1/lambda/aws4_request" % self.day
        text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (now, scope, hashlib.sha256(canonical.encode()).hexdigest())
        signature = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        head = (
            "%s %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nContent-Length: %d\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=test/%s, SignedHeaders=host;x-amz-date, Signature=%s\r\n\r\n"
        ) % (method, path, self.host, now, len(body), scope, signature)
        return head.encode() + body

    def send(self, request):
        self.socket.sendall(request)
        return self.receive()

    def receive(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(rest) < length:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("closed")
            rest += part
        self.buffer = rest[length:]
        return int(head.split(b" ", 2)[1]), rest[:length]

    def fill(self):
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed")
        self.buffer += part

    def call(self, method, path, body=None):
        status, answer = self.send(self.request(method, path, json.dumps(body).encode() if body is not None else b""))
        if status >= 300:
            raise RuntimeError("%s %s: %d %s" % (method, path, status, answer[:300]))
        return json.loads(answer) if answer else None


def timed(count, call):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return times


ROWS = []


def row(what, times, promise=""):
    times = sorted(times)
    middle, late = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
    ROWS.append((what, middle, late, len(times), promise))
    print("%-46s %9.3f %9.3f %6d  %s" % ROWS[-1], flush=True)
    return middle


def echo_floor():
    """A bare server in a process of its own: what loopback and two wake-ups cost."""
    source = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\n"
        "c, _ = s.accept()\nc.setsockopt(6, 1, 1)\nwhile True:\n    d = c.recv(65536)\n    if not d: break\n    c.sendall(d)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    try:
        connection = socket.create_connection(("127.0.0.1", int(server.stdout.readline())))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def once():
            connection.sendall(b"x" * 300)
            connection.recv(65536)

        timed(300, once)
        row("floor: loopback echo", timed(WARM, once))
    finally:
        server.kill()
        server.wait()


def echo(binary):
    """The example of the runtime client in Rust, linked statically; built with the server."""
    return (pathlib.Path(binary).parent / "examples/echo").read_bytes()


def package(name, text, mode=0o644):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (mode | 0o100000) << 16
        archive.writestr(info, text)
    return base64.b64encode(buffer.getvalue()).decode()


def create(connection, name, runtime, handler, code):
    body = {"FunctionName": name, "Runtime": runtime, "Handler": handler, "Role": ROLE, "Code": {"ZipFile": code}, "MemorySize": 1769, "Timeout": 10}
    connection.call("POST", "/2015-03-31/functions", body)
    while connection.call("GET", "/2015-03-31/functions/%s/configuration" % name)["State"] != "Active":
        time.sleep(0.002)


class Server:
    def __init__(self, binary, directory, *options):
        self.directory = pathlib.Path(directory)
        endpoint = self.directory / "endpoint"
        if endpoint.exists():
            endpoint.unlink()
        began = time.perf_counter()
        command = [binary, "serve", "--data-dir", directory, "--listen", "127.0.0.1:0", "--log-level", "warn", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not endpoint.exists() or not endpoint.read_text().endswith("\n"):
            time.sleep(0.0005)
            if self.process.poll() is not None:
                raise RuntimeError("the server did not start")
        self.started_ms = (time.perf_counter() - began) * 1000
        host, port = endpoint.read_text().strip().rpartition("/")[2].rsplit(":", 1)
        self.address = host, int(port)

    def memory_mb(self):
        with open("/proc/%d/smaps_rollup" % self.process.pid) as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("Pss:"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def warm(connection, name, promise):
    request = lambda: connection.send(connection.request("POST", "/2015-03-31/functions/%s/invocations" % name, b'{"n":1}'))
    timed(300, request)
    # Signing in Python is not part of what is measured.
    requests = [connection.request("POST", "/2015-03-31/functions/%s/invocations" % name, b'{"n":1}') for _ in range(WARM)]
    queue = iter(requests)
    row("warm invoke: %s" % name, timed(WARM, lambda: connection.send(next(queue))), promise)


def parked_starts(server):
    connection = Connection(*server.address)
    _, page = connection.send(b"GET /_lambent/metrics HTTP/1.1\r\nHost: bench\r\n\r\n")
    return next(int(line.split()[1]) for line in page.decode().splitlines() if line.startswith('lambent_starts_total{tier="parked"}'))


def cold(connection, name, runtime, handler, code, promise):
    """Each from a function of its own, already deployed, one every 200 ms: after idleness."""
    times = []
    for number in range(COLD):
        function = "cold-%d-%s" % (number, name.split(",")[0].replace(" ", "-"))
        create(connection, function, runtime, handler, code)
        time.sleep(0.2)
        request = connection.request("POST", "/2015-03-31/functions/%s/invocations" % function, b"{}")
        times += timed(1, lambda: connection.send(request))
        connection.call("DELETE", "/2015-03-31/functions/%s" % function)
    return row("cold invoke: %s" % name, times, promise)


def interpreter():
    """A Python 3.12 as the server would find it; a version manager's wrapper script is none."""
    homes = [pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"]
    candidates = [path / "bin/python3.12" for home in homes if home.is_dir() for path in sorted(home.glob("3.12*"))]
    for candidate in [*candidates, pathlib.Path("/usr/bin/python3.12"), pathlib.Path("/usr/local/bin/python3.12")]:
        if candidate.exists():
            return str(candidate)
    return sys.executable


def main():
    binary = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="lambent-bench-")
    print("%-46s %9s %9s %6s  %s" % ("milliseconds", "median", "p99", "count", "promise"))
    try:
        echo_floor()
        python = interpreter()
        row("floor: fork+exec of /bin/true", timed(100, lambda: subprocess.run(["/bin/true"])))
        bare = row("floor: bare start of Python", timed(COLD, lambda: subprocess.run([python, "-c", "pass"])))
        starts = []
        for _ in range(STARTS):
            server = Server(binary, directory)
            starts.append(server.started_ms)
            server.stop()
        row("server start to listening", starts, "<= 100")
        server = Server(binary, directory)
        try:
            time.sleep(1)
            print("%-46s %9.1f MB                  <= 30 MB" % ("idle memory of the server (PSS)", server.memory_mb()), flush=True)
            connection = Connection(*server.address)
            code = package("app.py", "def handler(event, context):\n    return event\n")
            create(connection, "python", "python3.12", "app.handler", code)
            warm(connection, "python", "p50 <= 0.3, p99 <= 2")
            bootstrap = package("bootstrap", echo(binary), 0o755)
            create(connection, "native", "provided.al2023", "any", bootstrap)
            warm(connection, "native", "p50 <= 0.2")
            cold(connection, "native", "provided.al2023", "any", bootstrap, "p50 <= 10")
            before = parked_starts(server)
            cold(connection, "python, parked", "python3.12", "app.handler", code, "p50 <= 3")
            print("%-46s %9d of %d" % ("  of them from a parked interpreter", parked_starts(server) - before, COLD), flush=True)
            imported = package("app.py", "import boto3\ndef handler(event, context):\n    return event\n")
            cold(connection, "boto3, imported", "python3.12", "app.handler", imported, "p50 <= 3.5")
            made = package("app.py", "import boto3\nboto3.client('s3')\ndef handler(event, context):\n    return event\n")
            cold(connection, "boto3 client, made at import", "python3.12", "app.handler", made, "p50 <= 18")
        finally:
            server.stop()
        server = Server(binary, directory, "--parked-max", "0")
        try:
            promise = "p50 <= %.1f (25 above a bare start)" % (bare + 25)
            cold(Connection(*server.address), "python, none parked", "python3.12", "app.handler", code, promise)
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
