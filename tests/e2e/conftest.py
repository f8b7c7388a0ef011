"""A real server, real clients. Every server has a directory of its own and a free port."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("LAMBENT_BINARY", ROOT / "target/debug/lambent"))
RUNTIMES = pathlib.Path(os.environ.get("LAMBENT_RUNTIMES_DIR", ROOT / ".cache/runtimes"))
ROLE = "arn:aws:iam::123456789012:role/any"
#: Longest wait for anything that is about to happen.
PATIENCE_S = 60


def wait_for(condition, what):
    """Polls until `condition()` is true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError("did not happen: %s" % what)


def package(files, modes=None):
    """A zip of name → text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((modes or {}).get(name, 0o644) | 0o100000) << 16
            archive.writestr(info, text)
    return buffer.getvalue()


class Server:
    def __init__(self, directory, *options, env=None, prefix=()):
        #: A command that runs the server, such as one that changes the user.
        self.prefix = prefix
        self.directory = pathlib.Path(directory)
        self.options = options
        self.env = env or {}
        self.process = None
        self.url = None

    @property
    def seen(self):
        """The data directory from here."""
        return self.directory

    def start(self, binary=BINARY):
        endpoint = self.directory / "endpoint"
        if endpoint.exists():
            endpoint.unlink()
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LAMBENT_RUNTIMES_DIR": str(RUNTIMES), **self.env}
        command = [*self.prefix, str(binary), "serve", "--data-dir", str(self.directory), "--listen", "127.0.0.1:0", *self.options]
        self.log = open(str(self.directory) + ".log", "ab")
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log)
        endpoint = self.seen / "endpoint"
        wait_for(lambda: endpoint.exists() or self.process.poll() is not None, "the server starts")
        assert self.process.poll() is None, self.said()
        self.url = endpoint.read_text().strip()
        return self

    def said(self):
        return pathlib.Path(str(self.directory) + ".log").read_text()

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
        return self.process.returncode if self.process else None

    def client(self, service, **options):
        config = botocore.config.Config(
            retries={"max_attempts": 0}, read_timeout=120, max_pool_connections=300, parameter_validation=False, **options.pop("config", {})
        )
        return options.pop("session", boto3).client(
            service, endpoint_url=self.url, region_name=options.pop("region_name", "us-east-1"),
            aws_access_key_id=options.pop("account", "test"), aws_secret_access_key="test", config=config, **options,
        )

    @property
    def lambda_(self):
        return self.client("lambda")

    @property
    def logs(self):
        return self.client("logs")

    def create(self, name, source, runtime="python3.12", handler="app.handler", wait=True, **more):
        files = source if isinstance(source, dict) else {"app.py": source}
        modes = more.pop("modes", None)
        code = {"ZipFile": package(files, modes)}
        answer = self.lambda_.create_function(
            FunctionName=name, Runtime=runtime, Handler=handler, Role=ROLE, Code=code, **more
        )
        if wait:
            self.lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return answer

    def invoke(self, name, event=None, **more):
        answer = self.lambda_.invoke(FunctionName=name, Payload=json.dumps(event if event is not None else {}), **more)
        answer["Body"] = answer["Payload"].read()
        if answer["Body"]:
            answer["Json"] = json.loads(answer["Body"])
        return answer

    def messages(self, name, until=None):
        """The function's log, once `until` is in it."""
        def read():
            try:
                pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + name)
                found = [event["message"] for page in pages for event in page["events"]]
            except self.logs.exceptions.ResourceNotFoundException:
                return None
            if until is None:
                return found if any(message.startswith("REPORT") for message in found) else None
            return found if any(until in message for message in found) else None
        return wait_for(read, "%r in the log" % (until or "REPORT"))

    def cli(self, *arguments, version=1, check=True):
        env = {
            **os.environ, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PAGER": "",
        }
        command = [sys.executable, "-m", "awscli"]
        if version == 2:
            base = ROOT / ".cache/aws-cli-v2"
            env["PYTHONPATH"] = "%s:%s" % (base / "usr/lib/python3/dist-packages", base / "python")
            command = [shutil.which("python3"), str(base / "usr/bin/aws"), "--endpoint-url", self.url]
        done = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE_S)
        if check:
            assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="session")
def workplace():
    """A directory that sandboxes of any user can be kept in."""
    directory = tempfile.mkdtemp(prefix="lambent-e2e-")
    yield pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def server(workplace):
    """The server that most tests share."""
    directory = workplace / "shared"
    directory.mkdir()
    server = Server(directory).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def own_server(workplace, request):
    """A server of the test's own; it may be stopped, killed and started again."""
    directory = workplace / request.node.name.replace("/", "_")[:60]
    directory.mkdir()
    server = Server(directory)
    yield server
    server.stop()


def leftovers():
    """What sandboxes could leave behind: cgroups, mounts, loop devices, processes."""
    found = []
    for base, directories, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(base, name) for name in directories if name.startswith("lambent-")]
    with open("/proc/self/mounts") as mounts:
        found += [line for line in mounts if "lambent" in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                command = file.read()
        except OSError:
            continue
        if b"__launcher" in command or b"/var/runtime" in command or b"/var/task/bootstrap" in command:
            found.append("process %s: %s" % (pid, command.replace(b"\0", b" ").decode(errors="replace")))
    return found


@pytest.fixture(scope="session", autouse=True)
def nothing_stays():
    """After the last server has ended, nothing is left of its sandboxes."""
    before = set(leftovers())
    yield
    wait_for(lambda: not set(leftovers()) - before, "everything is gone: %s" % (set(leftovers()) - before))
