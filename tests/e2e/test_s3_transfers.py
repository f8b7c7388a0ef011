"""Large transfers, and whom S3 tells: `aws s3 sync`, boto3's transfers, forms, topics and buses; and how objects go by themselves."""

import base64
import datetime
import hashlib
import io
import json
import threading
import time

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from conftest import wait_for
from moved_clock import MovedClock

MIB = 1024 * 1024
LARGE_MIB = 256


class Noise(io.RawIOBase):
    """So many bytes that hold nothing twice, never in memory; what has been read is hashed."""

    def __init__(self, size):
        self.left, self.hash, self.block, self.lock = size, hashlib.sha256(), hashlib.sha256(b"noise").digest() * (MIB // 32), threading.Lock()
        self.number = 0

    def readable(self):
        return True

    def read(self, size=-1):
        with self.lock:
            size = min(self.left, size if size >= 0 else self.left)
            parts = []
            while sum(map(len, parts)) < size:
                self.number += 1
                parts.append((b"%016d" % self.number) + self.block[16:])
            data = b"".join(parts)[:size]
            self.left -= size
            self.hash.update(data)
            return data


@pytest.fixture
def s3(server):
    return server.client("s3")


def test_a_large_object_is_whole_up_down_and_as_a_copy(own_server):
    server = own_server.start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="large")
    source = Noise(LARGE_MIB * MIB)
    config = TransferConfig(multipart_chunksize=16 * MIB, max_concurrency=4)
    s3.upload_fileobj(source, "large", "object", Config=config)
    assert s3.head_object(Bucket="large", Key="object")["ContentLength"] == LARGE_MIB * MIB
    back = hashlib.sha256()
    for chunk in s3.get_object(Bucket="large", Key="object")["Body"].iter_chunks(MIB):
        back.update(chunk)
    assert back.digest() == source.hash.digest()
    s3.copy({"Bucket": "large", "Key": "object"}, "large", "copy", Config=config)
    copied = hashlib.sha256()
    for chunk in s3.get_object(Bucket="large", Key="copy")["Body"].iter_chunks(MIB):
        copied.update(chunk)
    assert copied.digest() == back.digest()


def test_a_slow_client_does_not_make_the_server_read_ahead(own_server):
    """A server that held what its client has not read yet would grow by the object."""
    server = own_server.start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="slow")
    s3.upload_fileobj(Noise(LARGE_MIB * MIB), "slow", "object")

    def held():
        with open("/proc/%d/smaps_rollup" % server.process.pid) as rollup:
            return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss_Anon:"))

    before, most = held(), 0
    body = s3.get_object(Bucket="slow", Key="object")["Body"]
    for number, _ in enumerate(body.iter_chunks(MIB)):
        if number % 16 == 0:
            time.sleep(0.05)
            most = max(most, held())
    assert most - before < LARGE_MIB * MIB // 3


def test_boto3_transfers_files_and_reads_them_in_parts(s3, tmp_path):
    s3.create_bucket(Bucket="transfers")
    content = Noise(20 * MIB).read()
    (tmp_path / "up").write_bytes(content)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_file(str(tmp_path / "up"), "transfers", "a/b", ExtraArgs={"ContentType": "text/x"}, Config=config)
    assert s3.head_object(Bucket="transfers", Key="a/b")["ETag"].endswith('-4"')
    s3.download_file("transfers", "a/b", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == content
    assert s3.head_object(Bucket="transfers", Key="a/b")["ContentType"] == "text/x"


@pytest.mark.parametrize("version", [1, 2])
def test_sync(server, s3, tmp_path, version):
    bucket = "sync-%d" % version
    s3.create_bucket(Bucket=bucket)
    here = tmp_path / "here"
    for name in ["a.txt", "sub/b.txt", "sub/deep/ü c.txt", "large"]:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    (here / "large").write_bytes(b"1" * (9 * MIB))

    def sync(*words):
        return server.cli("s3", "sync", *words, "--no-progress", version=version).stdout.splitlines()

    assert len(sync(str(here), "s3://%s/in" % bucket)) == 4
    assert sync(str(here), "s3://%s/in" % bucket) == []
    (here / "a.txt").write_text("changed")
    (here / "sub/b.txt").unlink()
    assert sorted(line.split(":")[0] for line in sync(str(here), "s3://%s/in" % bucket, "--delete")) == ["delete", "upload"]
    back = tmp_path / "back"
    assert len(sync("s3://%s/in" % bucket, str(back))) == 3
    assert (back / "a.txt").read_text() == "changed" and (back / "sub/deep/ü c.txt").read_text() == "sub/deep/ü c.txt"
    assert len(sync("s3://%s/in" % bucket, "s3://%s/other" % bucket)) == 3
    listed = [line["Key"] for line in s3.list_objects_v2(Bucket=bucket, Prefix="other/")["Contents"]]
    assert listed == ["other/a.txt", "other/large", "other/sub/deep/ü c.txt"]


def queue(server, name):
    url = server.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, "arn:aws:sqs:us-east-1:123456789012:" + name


def received(server, url):
    sqs = server.client("sqs")
    [message] = wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages"), "a message")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])


def test_a_topic_is_told(server, s3):
    sns = server.client("sns")
    url, target = queue(server, "s3-by-topic")
    topic = sns.create_topic(Name="s3-tells")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target)
    s3.create_bucket(Bucket="tells-a-topic")
    wanted = {"TopicConfigurations": [{"Id": "t", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="tells-a-topic", NotificationConfiguration=wanted)
    assert json.loads(received(server, url)["Message"])["Event"] == "s3:TestEvent"
    s3.put_object(Bucket="tells-a-topic", Key="a b", Body=b"1234")
    envelope = received(server, url)
    assert envelope["Subject"] == "Amazon S3 Notification" and envelope["TopicArn"] == topic
    [record] = json.loads(envelope["Message"])["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("ObjectCreated:Put", "a+b", 4)


def test_a_bus_is_told_of_everything_and_a_rule_sends_it_to_a_topic(server, s3):
    sns, events = server.client("sns"), server.client("events")
    url, target = queue(server, "s3-by-bus")
    topic = sns.create_topic(Name="s3-by-bus")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target, Attributes={"RawMessageDelivery": "true"})
    s3.create_bucket(Bucket="tells-a-bus")
    events.put_rule(Name="s3-by-bus", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["tells-a-bus"]}}}))
    events.put_targets(Rule="s3-by-bus", Targets=[{"Id": "1", "Arn": topic}])
    s3.put_bucket_notification_configuration(Bucket="tells-a-bus", NotificationConfiguration={"EventBridgeConfiguration": {}})
    etag = s3.put_object(Bucket="tells-a-bus", Key="a b", Body=b"1234")["ETag"].strip('"')
    created = received(server, url)
    # Recorded: keys are not encoded here.
    assert (created["detail-type"], created["resources"]) == ("Object Created", ["arn:aws:s3:::tells-a-bus"])
    detail = created["detail"]
    assert (detail["version"], detail["reason"], detail["bucket"]) == ("0", "PutObject", {"name": "tells-a-bus"})
    assert {name: detail["object"][name] for name in ["key", "size", "etag"]} == {"key": "a b", "size": 4, "etag": etag}
    assert {"request-id", "requester", "source-ip-address"} < set(detail) and detail["object"]["sequencer"]
    s3.delete_object(Bucket="tells-a-bus", Key="a b")
    deleted = received(server, url)
    assert (deleted["detail-type"], deleted["detail"]["reason"], deleted["detail"]["deletion-type"]) == ("Object Deleted", "DeleteObject", "Permanently Deleted")


def code(answer):
    return answer.status_code, answer.text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in answer.text else None


def test_a_form_stores_its_file_if_its_policy_allows_it(server, s3):
    url, target = queue(server, "s3-by-form")
    s3.create_bucket(Bucket="forms")
    wanted = {"QueueConfigurations": [{"QueueArn": target, "Events": ["s3:ObjectCreated:Post"]}]}
    s3.put_bucket_notification_configuration(Bucket="forms", NotificationConfiguration=wanted)
    assert received(server, url)["Event"] == "s3:TestEvent"
    conditions = [["starts-with", "$key", "in/"], {"Content-Type": "text/x"}, {"x-amz-meta-a": "b"}, ["content-length-range", 1, 40_000]]
    form = s3.generate_presigned_post(
        "forms", "in/${filename}", Fields={"Content-Type": "text/x", "x-amz-meta-a": "b"}, Conditions=conditions, ExpiresIn=60
    )
    content = Noise(30_000).read()
    answer = requests.post(form["url"], data=form["fields"], files={"file": ("ü a.txt", content)})
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    stored = s3.get_object(Bucket="forms", Key="in/ü a.txt")
    assert stored["Body"].read() == content and (stored["ContentType"], stored["Metadata"]) == ("text/x", {"a": "b"})
    assert answer.headers["etag"] == stored["ETag"] and answer.headers["location"].endswith("/forms/in/%C3%BC%20a.txt")
    [record] = received(server, url)["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Post", "in/%C3%BC+a.txt")
    post = lambda fields, body=b"x": requests.post(form["url"], data=fields, files={"file": ("f", body)}, allow_redirects=False)
    assert code(post({**form["fields"], "key": "out/f"})) == (403, "AccessDenied")
    assert code(post({**form["fields"], "x-amz-meta-c": "d"})) == (403, "AccessDenied")
    assert code(post(form["fields"], b"")) == (400, "EntityTooSmall")
    assert code(post(form["fields"], b"x" * 40_001)) == (400, "EntityTooLarge")
    missing = {name: value for name, value in form["fields"].items() if not name.endswith("signature")}
    assert code(post(missing)) == (400, "InvalidArgument")
    assert code(post({"key": "in/f"})) == (403, "AccessDenied")
    over = json.loads(base64.b64decode(form["fields"]["policy"])) | {"expiration": "2020-01-01T00:00:00Z"}
    assert "Policy expired." in post({**form["fields"], "policy": base64.b64encode(json.dumps(over).encode()).decode()}).text
    no_form = requests.post(form["url"], data=b"x", headers={"Content-Type": "text/plain"})
    assert code(no_form) == (412, "PreconditionFailed")
    assert [line["Key"] for line in s3.list_objects_v2(Bucket="forms")["Contents"]] == ["in/ü a.txt"]


def test_what_a_form_is_answered_with_is_its_own_wish(server, s3):
    s3.create_bucket(Bucket="form-answers")

    def post(**fields):
        form = s3.generate_presigned_post("form-answers", "k", Fields=fields, Conditions=[{name: value} for name, value in fields.items()])
        return requests.post(form["url"], data=form["fields"], files={"file": "content"}, allow_redirects=False)

    created = post(success_action_status="201")
    etag = s3.head_object(Bucket="form-answers", Key="k")["ETag"]
    assert created.status_code == 201 and "<Bucket>form-answers</Bucket><Key>k</Key><ETag>&quot;" in created.text and etag.strip('"') in created.text
    assert post(success_action_status="200").status_code == 200
    sent_on = post(success_action_redirect="http://127.0.0.1:1/done?a=b")
    assert sent_on.status_code == 303
    assert sent_on.headers["location"] == "http://127.0.0.1:1/done?a=b&bucket=form-answers&key=k&etag=%22" + etag.strip('"') + "%22"


def test_objects_go_when_their_time_has_come(own_server, tmp_path):
    moved, now = MovedClock(tmp_path), datetime.datetime.now(datetime.timezone.utc)
    server = own_server.start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="aging")
    rules = [{"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}]
    s3.put_bucket_lifecycle_configuration(Bucket="aging", LifecycleConfiguration={"Rules": rules})
    for key in ["logs/a", "kept"]:
        s3.put_object(Bucket="aging", Key=key, Body=b"x")

    def keys_after(days):
        server.stop()
        server.env = moved.to(now + datetime.timedelta(days=days))
        server.start()
        return lambda: [line["Key"] for line in server.client("s3").list_objects_v2(Bucket="aging")["Contents"]]

    assert keys_after(6)() == ["kept", "logs/a"]
    keys = keys_after(9)
    wait_for(lambda: keys() == ["kept"], "the log has gone")
