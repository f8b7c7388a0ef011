"""The control planes answer as AWS's do: cases/*.json against the real binary, one test a case.

A case that pending.txt lists must fail; when it passes, its line has to go.
"""

import contextlib
import importlib.util
import itertools
import pathlib
import shutil
import tempfile

import boto3
import botocore.config
import cases
import pytest
from bucket import Bucket
from running import Difference, Run, step_name

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = cases.load()
PENDING = cases.pending()


def end_to_end():
    """The end-to-end tests' server; loaded by its path, because every directory has a `conftest`."""
    spec = importlib.util.spec_from_file_location("end_to_end", ROOT / "tests/e2e/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


E2E = end_to_end()


class Clients:
    """Clients of one server, made once for each account and region."""

    session = boto3.session.Session()

    def __init__(self, server):
        self.server = server
        self.made = {}

    def __call__(self, service, account, region):
        key = (service, account, region)
        if key not in self.made:
            self.made[key] = self.session.client(
                service, endpoint_url=self.server.url, region_name=region, aws_access_key_id=account,
                aws_secret_access_key="test", config=botocore.config.Config(
                    retries={"max_attempts": 0}, read_timeout=60, parameter_validation=False, inject_host_prefix=False,
                ),
            )
        return self.made[key]

    def url(self, path):
        return self.server.url.rstrip("/") + path


@contextlib.contextmanager
def running_servers():
    """Servers by their options: most cases share the one without any."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="lambent-conformance-"))
    bucket = Bucket()
    started = {}

    def server(options):
        if options not in started:
            own = directory / ("server-%d" % len(started))
            own.mkdir()
            started[options] = Clients(E2E.Server(own, "--s3-endpoint", bucket.url, *options).start())
        return started[options]

    try:
        yield server
    finally:
        codes = [clients.server.stop() for clients in started.values()]
        bucket.stop()
        shutil.rmtree(directory, ignore_errors=True)
    assert not any(codes), codes


@pytest.fixture(scope="module")
def servers():
    with running_servers() as server:
        yield server


#: Access keys that are account numbers choose the account; every case gets one, so that lists and limits are its own.
ACCOUNTS = itertools.count(200000000000)


def parameters():
    for case in CASES:
        reason = PENDING.get(case["id"], {}).get(None)
        marks = [pytest.mark.xfail(reason="take it off pending.txt once it passes: " + reason, strict=True)] if reason else []
        yield pytest.param(case, id=case["id"], marks=marks)


@pytest.mark.parametrize("case", parameters())
def test_case(case, servers):
    pending = {step for step in PENDING.get(case["id"], {}) if step}
    run = Run(case, servers(tuple(case.get("server", ()))), str(next(ACCOUNTS)))
    try:
        differing = run.everything(pending)
    except Difference as difference:
        failure = str(difference)
    else:
        failure = None
    # Outside of the handler, so that pytest shows the difference and nothing else.
    if failure:
        pytest.fail(failure, pytrace=False)
    passed = pending - differing
    assert not passed, "pending.txt lists what passes now; take it off: %s" % ", ".join(sorted(passed))


def test_pending_names_cases_and_steps_that_exist():
    known = {case["id"]: {None} | {step_name(step, index) for index, step in enumerate(case["steps"], 1)} for case in CASES}
    unknown = [(case, step) for case, steps in PENDING.items() for step in steps if step not in known.get(case, ())]
    assert not unknown


def test_no_two_cases_have_one_name():
    ids = [case["id"] for case in CASES]
    assert len(ids) == len(set(ids))


def unknown_members(shape, value, at):
    """Members that a case writes and the model doesn't have: mistakes of the case, which no answer would show."""
    if shape is None:
        yield from (at + "." + name for name in value)
    elif shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                yield from unknown_members(shape.members[name], item, "%s.%s" % (at, name))
            else:
                yield "%s.%s" % (at, name)
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from unknown_members(shape.member, item, at)


def test_cases_write_members_that_the_model_has():
    clients, unknown = {}, []
    for case in CASES:
        for index, step in enumerate(case.get("setup", []) + case["steps"], 1):
            if "call" not in step:
                continue
            service = step.get("service", "lambda")
            if service not in clients:
                clients[service] = Clients.session.client(service, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
            client = clients[service]
            operations = client.meta.method_to_api_mapping
            model = client.meta.service_model.operation_model(operations[step["call"]])
            at = "%s, step %d" % (case["id"], index)
            unknown += unknown_members(model.input_shape, step.get("args", {}), at + " args")
            for expected in filter(None, [step.get("expect"), step.get("or")]):
                if "Error" not in expected:
                    answer = {name: value for name, value in expected.items() if name != "ResponseMetadata"}
                    unknown += unknown_members(model.output_shape, answer, at + " expect")
    assert not unknown
