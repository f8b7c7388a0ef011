"""Disks that fail, are full, hang or lose power: an error for whoever asks, never a promise that is not kept."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile

import crash
import pytest
from conftest import ROOT, Server, wait_for
from power import Disk
from test_async import figures
from test_sns import Endpoint, confirmed

EIO, ENOSPC = 5, 28
#: Lives of a server whose power fails.
POWER_FAILURES = 6


@pytest.fixture(scope="module")
def faulty_disk(workplace):
    """The library, compiled."""
    library = workplace / "faulty_disk.so"
    source = ROOT / "tests/e2e/faulty_disk.c"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-fPIC", "-shared", "-o", library, source, "-ldl", "-lpthread"], check=True)
    library.chmod(0o755)
    return library


class Faults:
    """Faults that a server's disk has at the moment."""

    def __init__(self, directory, library):
        self.file, self.record = directory / "faults", directory / "record"
        self.env = {"LD_PRELOAD": str(library), "FAULTY_DISK": str(self.file)}

    def have(self, *lines):
        new = self.file.with_suffix(".new")
        new.write_text("".join(line + "\n" for line in lines))
        new.rename(self.file)


@pytest.fixture
def disk(workplace, faulty_disk):
    """A server, prepared and settled, on a disk that can be told to fail."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="disk-", dir=workplace))
    (directory / "data").mkdir()
    crashing, faults = crash.Crashing(directory / "data", random.Random()), Faults(directory, faulty_disk)
    crashing.env, crashing.ledger.repeats = faults.env, True
    try:
        crashing.prepare()
        yield crashing, faults
    finally:
        crashing.server.stop(signal.SIGKILL)


def ask(crashing, life, kind, caller=None):
    """Asks for one thing; the status of the refusal, or None when it was acknowledged."""
    crashing.asking += 1
    name = "id-%d-%d-z" % (life.number, crashing.asking)
    try:
        crash.ASKED[kind][0](caller or crash.Caller(life.url), name)
    except crash.TooLate:
        return None
    except crash.Refused as refused:
        return refused.status
    crashing.ledger.acknowledge(name, life.number, kind)
    return None


@pytest.mark.parametrize("fault", ["sync %d 100 .sqlite" % EIO, "write %d 100 .sqlite" % ENOSPC, "write %d 100 .sqlite" % EIO])
def test_a_disk_that_fails_is_an_error_and_everything_works_when_it_does(disk, fault):
    crashing, faults = disk
    life = crashing.live()
    assert [ask(crashing, life, kind) for kind in crash.ASKED] == [None] * len(crash.ASKED)
    for _ in range(2):
        faults.have(fault)
        refusals = {kind: ask(crashing, life, kind) for kind in crash.ASKED}
        assert all(status is not None and status >= 500 for status in refusals.values()), refusals
        faults.have()
        assert {kind: ask(crashing, life, kind) for kind in crash.ASKED} == dict.fromkeys(crash.ASKED)
    assert crashing.server.stop() == 0
    crashing.settle()


def test_nothing_is_acknowledged_while_a_sync_hangs_and_callers_that_wait_do_not_notice(disk):
    crashing, faults = disk
    life = crashing.live()
    crashing.server.invoke("worker", {"warm": True})
    faults.have("hang 0 0 queues.sqlite")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        hanging = [pool.submit(ask, crashing, life, "invoke") for _ in range(8)]
        for _ in range(3):
            assert crashing.server.invoke("worker", {})["StatusCode"] == 200
            assert ask(crashing, life, "send") is None
        assert not any(asked.done() for asked in hanging)
        faults.have()
        assert [asked.result() for asked in hanging] == [None] * 8
    assert crashing.server.stop() == 0
    crashing.settle()


def test_what_a_function_has_done_is_not_done_again_because_the_disk_failed(disk):
    crashing, faults = disk
    life = crashing.live()
    crashing.server.create("worker-of-its-own", "import time\ndef handler(event, context):\n    time.sleep(1)\n")
    crashing.server.lambda_.put_function_event_invoke_config(
        FunctionName="worker-of-its-own", DestinationConfig={"OnSuccess": {"Destination": crash.ACCOUNT % ("sqs", "done")}}
    )
    crashing.server.invoke("worker-of-its-own", {"id": "id-0-0-z"}, InvocationType="Event")
    wait_for(lambda: figures(crashing.server)["lambent_async_running"] == 1, "it runs")
    faults.have("write %d 100 queues.sqlite" % ENOSPC)
    wait_for(lambda: "was not recorded; trying again" in crashing.server.said(), "its end can't be written")
    faults.have()
    wait_for(lambda: ("queues", "messages") not in crash.left(crashing.server.directory), "its end is written")
    with crashing.clients(life, asking=False):
        wait_for(lambda: crashing.ledger.came["done"]["id-0-0-z"], "it was told of")
        wait_for(lambda: not crash.left(crashing.server.directory), "nothing is left")
    assert len(crashing.ledger.came["done"]["id-0-0-z"]) == 1
    assert figures(crashing.server)["lambent_async_attempts_total"] == 1


def test_a_notification_that_was_sent_is_not_sent_again_because_the_disk_failed(disk):
    crashing, faults = disk
    life = crashing.live()
    sns = crashing.server.client("sns")
    topic = sns.create_topic(Name="told-once")["TopicArn"]
    with contextlib.closing(Endpoint()) as endpoint:
        confirmed(sns, endpoint, topic)
        endpoint.before_answer = lambda: faults.have("write %d 100 sns.sqlite" % ENOSPC)
        sns.publish(TopicArn=topic, Message="once")
        wait_for(lambda: "could not be written down; trying again" in crashing.server.said(), "its end can't be written")
        faults.have()
        with crashing.clients(life, asking=False):
            crashing.wait_for_the_end(lambda: not crash.left(crashing.server.directory))
        assert [json.loads(body)["Type"] for _, body in endpoint.requests] == ["SubscriptionConfirmation", "Notification"]


def test_what_was_acknowledged_after_a_failed_sync_and_a_restart_survives_the_power(disk):
    """The page cache has what the failed sync dropped, and the next server reads it there: nothing that it acknowledges may stand
    on that."""
    crashing, faults = disk
    crashing.env = {**faults.env, "FAULTY_DISK_RECORD": str(faults.record)}
    disk = Disk(crashing.server.directory, faults.record, crashing.pick)
    life = crashing.live()
    assert ask(crashing, life, "send") is None
    faults.have("sync %d 100 sqs.sqlite" % EIO)
    assert ask(crashing, life, "send") >= 500
    crashing.server.stop(signal.SIGKILL)
    faults.have()
    life = crashing.live()
    assert [ask(crashing, life, "send") for _ in range(3)] == [None] * 3
    crashing.server.stop(signal.SIGKILL)
    disk.fail()
    assert disk.failed > 0
    crashing.settle()


def test_what_was_acknowledged_is_there_when_the_power_fails_though_syncs_fail(disk):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    crashing, faults = disk
    crashing.pick = pick = random.Random(seed)
    crashing.env, crashing.may_fail = {**faults.env, "FAULTY_DISK_RECORD": str(faults.record)}, True
    power = Disk(crashing.server.directory, faults.record, pick)
    for number in range(POWER_FAILURES):
        life, before = crashing.live(), len(crashing.ledger.acknowledged)
        with crashing.clients(life, asking=True):
            wait_for(lambda: len(crashing.ledger.acknowledged) >= before + 10, "something is acknowledged")
            faults.have("sync %d %d .sqlite" % (EIO, pick.choice((0, 10, 30))))
            enough = len(crashing.ledger.acknowledged) + pick.randrange(5, 80)
            wait_for(lambda: len(crashing.ledger.acknowledged) >= enough, "so much is acknowledged")
            crashing.server.stop(signal.SIGKILL)
        faults.have()
        # A kill leaves what is in the page cache; after it the power may fail, or not yet.
        if number % 2:
            power.fail()
        else:
            power.look()
    assert power.failed > 0
    crashing.env, crashing.may_fail = {}, False
    crashing.settle()


class OnSmallDisk(Server):
    """A server whose data directory is a small file system of its own, in a mount namespace of its own."""

    def __init__(self, directory, megabytes):
        mount = 'mount -t tmpfs -o size=%dm lambent-small "$0" && exec "$@"' % megabytes
        own = [] if os.getuid() == 0 else ["--map-root-user"]
        super().__init__(directory, prefix=["unshare", "--mount", *own, "sh", "-c", mount, str(directory)])

    @property
    def seen(self):
        return pathlib.Path("/proc/%d/root%s" % (self.process.pid, self.directory)) if self.process else self.directory


def test_a_full_disk_is_an_error_and_everything_works_when_there_is_room_again(workplace):
    if subprocess.run(["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]), "true"], capture_output=True).returncode:
        pytest.skip("this host has no mount namespaces for us")
    directory = workplace / "small"
    directory.mkdir()
    crashing = crash.Crashing(directory, random.Random())
    server = crashing.server = OnSmallDisk(directory, 48)
    try:
        crash.prepare(server.start())
        life = crash.Life(server.url, 1)
        crashing.lives = 1
        filler = server.seen / "filler"
        for _ in range(2):
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4_096))
            refusals, callers = {}, crash.Caller(life.url)
            # What fits into the space that files have already is taken; then nothing is.
            for kind in crash.ASKED:
                wait_for(lambda: refusals.setdefault(kind, ask(crashing, life, kind, callers)) or refusals.pop(kind), "%s is refused" % kind)
            assert all(status >= 500 for status in refusals.values()), refusals
            filler.unlink()
            assert {kind: ask(crashing, life, kind, callers) for kind in crash.ASKED} == dict.fromkeys(crash.ASKED)
        with crashing.clients(life, asking=False):
            crashing.wait_for_the_end(lambda: not crashing.ledger.missing())
        assert not crashing.ledger.wrong
    finally:
        assert server.stop() == 0
