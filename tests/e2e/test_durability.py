"""Restarts, kills, and servers beside each other."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import botocore.exceptions
import pytest
from conftest import BINARY, ROLE, RUNTIMES, Server, leftovers, package, wait_for

HELLO = "def handler(event, context):\n    return {'hello': event}\n"


def test_everything_is_there_after_a_restart(own_server):
    own_server.start()
    own_server.create("kept", HELLO, Environment={"Variables": {"KEY": "secret-value"}}, Tags={"a": "b"})
    own_server.invoke("kept")
    own_server.messages("kept")
    before = own_server.lambda_.get_function(FunctionName="kept")
    assert own_server.stop() == 0
    for path in own_server.directory.iterdir():
        assert not path.is_file() or b"secret-value" not in path.read_bytes(), path
    own_server.start()
    after = own_server.lambda_.get_function(FunctionName="kept")
    assert after["Configuration"] == before["Configuration"] and after["Tags"] == {"a": "b"}
    assert own_server.invoke("kept", 2)["Json"] == {"hello": 2}
    assert any(message.startswith("REPORT") for message in own_server.messages("kept"))


def test_nothing_acknowledged_is_lost_and_nothing_is_left_by_kill_9(own_server):
    before = set(leftovers())
    own_server.start()
    own_server.create("busy", "import time\ndef handler(event, context):\n    time.sleep(30)\n", Timeout=60)
    acknowledged, enough = [], threading.Event()

    def invoke():
        try:
            own_server.invoke("busy")
        except botocore.exceptions.BotoCoreError:
            pass

    def create(worker):
        client = own_server.lambda_
        for number in range(1000):
            name = "created-%d-%d" % (worker, number)
            try:
                client.create_function(FunctionName=name, Runtime="python3.12", Handler="a.b", Role=ROLE, Code={"ZipFile": package({"a.py": name})})
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return
            acknowledged.append(name)
            if len(acknowledged) >= 30:
                enough.set()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        for _ in range(4):
            pool.submit(invoke)
        for worker in range(4):
            pool.submit(create, worker)
        assert enough.wait(60)
        own_server.stop(signal.SIGKILL)
    wait_for(lambda: not set(leftovers()) - before, "nothing is left: %s" % (set(leftovers()) - before))
    own_server.start()
    client = own_server.lambda_
    for name in acknowledged:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    assert not [name for name in os.listdir(own_server.directory / "code" / "incoming")]
    assert own_server.invoke("busy:$LATEST", InvocationType="DryRun")["StatusCode"] == 204


def test_two_servers_side_by_side_and_never_two_on_one_directory(own_server, workplace):
    own_server.start()
    directory = workplace / "second"
    directory.mkdir()
    other = Server(directory, "--region", "eu-central-1", "--account-id", "210987654321").start()
    try:
        own_server.create("one", HELLO)
        other.create("two", HELLO)
        assert [one["FunctionName"] for one in own_server.lambda_.list_functions()["Functions"]] == ["one"]
        assert other.lambda_.list_functions()["Functions"][0]["FunctionArn"].startswith("arn:aws:lambda:us-east-1:210987654321:")
        assert other.invoke("two", 1)["Json"] == {"hello": 1}
        done = subprocess.run(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", own_server.directory], capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "LAMBENT_RUNTIMES_DIR": str(RUNTIMES)}, timeout=60,
        )
        assert done.returncode == 1
        assert "is in use by another server (process %d)" % own_server.process.pid in done.stderr
    finally:
        assert other.stop() == 0


def test_a_stop_lets_running_invokes_finish(own_server):
    own_server.start()
    own_server.create("finishing", "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(2)\n    return 'finished'\n", Timeout=10)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(own_server.invoke, "finishing")
        own_server.messages("finishing", "begun")
        own_server.process.send_signal(signal.SIGTERM)
        assert running.result(60)["Json"] == "finished"
    assert own_server.stop() == 0


def test_a_stop_does_not_wait_longer_than_its_grace(workplace):
    directory = workplace / "hasty"
    directory.mkdir()
    server = Server(directory, "--grace-s", "0").start()
    server.create("endless", "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(50)\n", Timeout=60)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.invoke, "endless")
        server.messages("endless", "begun")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 20
        assert isinstance(running.exception(60), botocore.exceptions.BotoCoreError)


def test_health_metrics_and_the_command_line(server):
    import urllib.request
    assert json.load(urllib.request.urlopen(server.url + "/_lambent/health")) == {"status": "ok"}
    server.create("counted", HELLO)
    server.invoke("counted")
    metrics = urllib.request.urlopen(server.url + "/_lambent/metrics").read().decode()
    assert "# TYPE lambent_invocations counter" in metrics and metrics.endswith("# EOF\n")

    def run(*arguments):
        return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, "LAMBENT_RUNTIMES_DIR": str(RUNTIMES)})

    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4566" in run("env").stdout
    assert "python3.12" in run("runtime", "list").stdout and "cgroups" in run("doctor").stdout
    assert "complete" in run("completions", "bash").stdout
    refused = run("serve", "--listen", "0.0.0.0:0")
    assert refused.returncode == 1 and "loopback" in refused.stderr


def test_an_ordinary_user_can_run_a_server(workplace):
    """Without root: user namespaces, the limits that are left, and nothing left behind."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv to become somebody else")
    nobody = 65534
    directory = workplace / "ordinary"
    directory.mkdir()
    binary = workplace / "lambent"
    shutil.copy(BINARY, binary)
    binary.chmod(0o755)
    os.chown(directory, nobody, nobody)
    workplace.chmod(0o711)
    prefix = ["setpriv", "--reuid", str(nobody), "--regid", str(nobody), "--clear-groups"]
    probe = subprocess.run([*prefix, "unshare", "-Ur", "true"], capture_output=True)
    if probe.returncode != 0 or subprocess.run([*prefix, "test", "-r", RUNTIMES], capture_output=True).returncode != 0:
        pytest.skip("this host has no unprivileged user namespaces, or the runtimes can't be read")
    server = Server(directory, prefix=prefix, env={"PATH": "/usr/bin:/bin", "HOME": "/"})
    pathlib.Path(str(directory) + ".log").touch()
    server.start(binary)
    try:
        bootstrap = """#!/usr/bin/env python3
import json, os, urllib.request
base = "http://%s/2018-06-01/runtime/invocation/" % os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    event = urllib.request.urlopen(base + "next")
    body = json.dumps({"uid": os.getuid(), "home": os.path.exists("/root") and os.listdir("/root")}).encode()
    url = base + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).read()
"""
        server.create("ordinary", {"bootstrap": bootstrap}, runtime="provided.al2023", modes={"bootstrap": 0o755}, MemorySize=512, Timeout=10)
        assert server.invoke("ordinary")["Json"] == {"uid": 993, "home": []}
        assert "not enforced" in server.said()
        assert any(message.startswith("REPORT") for message in server.messages("ordinary"))
    finally:
        assert server.stop() == 0
