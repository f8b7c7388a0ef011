"""The two examples of the documentation, by its own commands: nothing in the functions knows of this server."""

import datetime
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import BINARY, ROOT, wait_for
from moved_clock import MovedClock
from PIL import Image

BLOCKS = re.findall(r"^```sh (.*?)\n(.*?)^```", (ROOT / "docs/examples.md").read_text(), re.MULTILINE | re.DOTALL)


class Desk:
    """A directory in which the documentation's commands are run."""

    def __init__(self, server, directory):
        self.server, self.directory = server, directory
        shutil.copytree(ROOT / "examples", directory / "examples")
        programs = directory / "bin"
        programs.mkdir()
        (programs / "lambent").symlink_to(BINARY)
        (programs / "aws").write_text("#!/bin/sh\nexec %s -m awscli \"$@\"\n" % sys.executable)
        (programs / "aws").chmod(0o755)

    def run(self, name):
        """One block of the documentation; its output."""
        [text] = [text for title, text in BLOCKS if title == name]
        env = {
            **os.environ, "PATH": "%s:%s" % (self.directory / "bin", os.environ["PATH"]), "AWS_ENDPOINT_URL": self.server.url,
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PAGER": "",
        }
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.directory, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def desk(own_server, tmp_path):
    return Desk(own_server, tmp_path)


def photo(width=1600, height=1200):
    """A picture that does not compress to nothing."""
    noise = Image.effect_noise((width // 4, height // 4), 90).resize((width, height))
    buffer = io.BytesIO()
    Image.merge("RGB", [noise, noise.rotate(90).resize((width, height)), noise.rotate(180)]).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.mark.parametrize("how", ["trigger", "api"])
def test_an_upload_becomes_a_thumbnail(desk, how):
    desk.server.start()
    desk.run("image-processor")
    desk.run("image-processor " + how)
    (desk.directory / "photo.jpg").write_bytes(photo())
    said = desk.run("image-processor upload")
    assert "thumbnails/photo.jpg: 200 x 150" in said
    thumbnail = (desk.directory / "thumbnail.jpg").read_bytes()
    assert Image.open(io.BytesIO(thumbnail)).format == "JPEG" and Image.open(io.BytesIO(thumbnail)).size == (200, 150)
    assert len(thumbnail) * 10 < len((desk.directory / "photo.jpg").read_bytes())
    # Its own thumbnails are not below the prefix: it has run once.
    assert sum(message.startswith("REPORT") for message in desk.server.messages("imageProcessor")) == 1
    listed = subprocess.run([BINARY, "trigger", "list", "imageProcessor", "--url", desk.server.url], capture_output=True, text=True, check=True).stdout
    assert '"my-bucket"' in listed and "uploads/" in listed


def test_a_backup_runs_as_it_is(desk):
    desk.server.start()
    desk.run("nightly-backup")
    assert desk.run("nightly-backup now").endswith("backup content")


def test_two_o_clock_comes_and_is_made_up_for_once(desk, tmp_path):
    """The rule and the schedule, by a clock that is the test's own."""
    moved = MovedClock(tmp_path)
    server, today = desk.server, datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)

    def at(days, hours, minutes, seconds=0):
        then = today + datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        server.env = moved.to(then)
        server.start()
        return then

    def runs():
        return sum(message.startswith("REPORT") for message in server.messages("backup", until=""))

    at(1, 12, 0)
    desk.run("nightly-backup")
    desk.run("nightly-backup rule")
    desk.run("nightly-backup schedule")
    assert "Contents" not in server.client("s3").list_objects_v2(Bucket="backups")
    server.stop()
    at(2, 1, 59, 57)
    wait_for(lambda: runs() == 2, "both have called the function")
    stored = server.client("s3").get_object(Bucket="backups", Key="daily.sql")
    assert stored["Body"].read() == b"backup content"
    due = today + datetime.timedelta(days=2, hours=2)
    assert due <= stored["LastModified"] < due + datetime.timedelta(minutes=2)
    # Three nights without a server are made up for once, and the next is as ever.
    server.stop(signal.SIGKILL)
    at(5, 12, 0)
    wait_for(lambda: runs() == 4, "both have called the function once more")
    server.stop()
    at(6, 1, 59, 57)
    wait_for(lambda: runs() == 6, "both have called the function at two o'clock")


def test_a_minute_ahead_by_the_clock_on_the_wall(desk):
    server = desk.server.start()
    desk.run("nightly-backup")
    desk.run("nightly-backup rule")
    # The next minute that is far enough away for the rule to be there before it.
    due = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=75)).replace(second=0, microsecond=0)
    expression = due.strftime("cron(%-M %-H %-d %-m ? %Y)")
    server.cli("events", "put-rule", "--name", "nightly", "--schedule-expression", expression)
    end = time.monotonic() + 200
    while "Contents" not in server.client("s3").list_objects_v2(Bucket="backups"):
        assert time.monotonic() < end, "the rule's time has come"
        time.sleep(0.1)
    assert server.client("s3").head_object(Bucket="backups", Key="daily.sql")["LastModified"] >= due
