"""Functions called with messages of queues: boto3 and the JavaScript SDK, real queues, real functions."""

import concurrent.futures
import datetime
import json
import os
import shutil
import signal
import subprocess
import threading

import botocore.exceptions
import pytest
import requests
from conftest import ROLE, RUNTIMES, wait_for

ECHO = """
import json

def handler(event, context):
    print("GOT " + json.dumps(event))
"""

#: Fails on what says so, as often as it says; the message's receive count tells which attempt it is.
PARTLY = """
import json

def handler(event, context):
    print("GOT " + json.dumps(event))
    def fails(record):
        return json.loads(record["body"])["fails"] >= int(record["attributes"]["ApproximateReceiveCount"])
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"] if fails(record)]}
"""

FAILING = """
import json

def handler(event, context):
    print("GOT " + json.dumps(event))
    raise ValueError("no")
"""


class Mapped:
    """A queue, a function, and the mapping between them."""

    def __init__(self, server, name, source=ECHO, queue=None, function=None, fifo=False, **mapping):
        self.server, self.name = server, name
        self.lambda_, self.sqs = server.lambda_, server.client("sqs")
        attributes = {"FifoQueue": "true", **(queue or {})} if fifo else (queue or {})
        self.url = self.sqs.create_queue(QueueName=name + (".fifo" if fifo else ""), Attributes=attributes)["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        server.create(name, source, **(function or {}))
        self.created = self.lambda_.create_event_source_mapping(EventSourceArn=self.arn, FunctionName=name, **mapping)
        self.uuid = self.created["UUID"]

    def get(self):
        return self.lambda_.get_event_source_mapping(UUID=self.uuid)

    def until(self, state):
        return wait_for(lambda: self.get()["State"] == state and self.get(), "the mapping is " + state)

    def send(self, *bodies, **more):
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(index), "MessageBody": body, **{key: value(start + index) for key, value in more.items()}}
                for index, body in enumerate(bodies[start:start + 10])
            ]
            answer = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            assert not answer.get("Failed")

    def events(self):
        """What the function was called with."""
        try:
            pages = self.server.logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/" + self.name)
            messages = [event["message"] for page in pages for event in page["events"]]
        except botocore.exceptions.ClientError:
            return []
        return [json.loads(message[4:]) for message in messages if message.startswith("GOT ")]

    def bodies(self):
        return [record["body"] for event in self.events() for record in event["Records"]]

    def until_bodies(self, *expected):
        return wait_for(lambda: sorted(self.bodies()) == sorted(expected) and self.events(), "the function gets %s, not %s" % (expected, self.bodies()))

    def counts(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return [int(attributes[name]) for name in names]

    def until_empty(self):
        wait_for(lambda: self.counts() == [0, 0, 0], "the queue is empty")


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_message_reaches_its_function_whole_and_is_deleted(server):
    mapped = Mapped(server, "whole-message")
    assert (mapped.created["State"], mapped.created["BatchSize"]) == ("Creating", 10)
    assert "LastProcessingResult" not in mapped.until("Enabled")
    sent = mapped.sqs.send_message(
        QueueUrl=mapped.url, MessageBody="hällo\n",
        MessageAttributes={
            "Author": {"DataType": "String", "StringValue": "Grisham"},
            "Bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
            "Weeks": {"DataType": "Number", "StringValue": "6"},
        },
    )
    record = mapped.until_bodies("hällo\n")[0]["Records"][0]
    assert list(record) == [
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfMessageAttributes", "md5OfBody",
        "eventSource", "eventSourceARN", "awsRegion",
    ]
    assert list(record["attributes"]) == ["ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"]
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageId"] == sent["MessageId"]
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", mapped.arn, "us-east-1")
    value = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"] == {
        "Author": {"stringValue": "Grisham", "dataType": "String", **value},
        "Bytes": {"binaryValue": "AAE=", "dataType": "Binary", **value},
        "Weeks": {"stringValue": "6", "dataType": "Number", **value},
    }
    mapped.until_empty()


def test_a_batch_is_gathered_until_it_is_full(server):
    mapped = Mapped(server, "full-batch", BatchSize=25, MaximumBatchingWindowInSeconds=300)
    mapped.until("Enabled")
    mapped.send(*["m%d" % number for number in range(25)])
    events = mapped.until_bodies(*["m%d" % number for number in range(25)])
    assert [len(event["Records"]) for event in events] == [25]
    assert events[0]["Records"][0]["md5OfMessageAttributes"] is None
    mapped.until_empty()


def test_what_fails_comes_back_and_ends_as_a_dead_letter(server):
    sqs = server.client("sqs")
    dead = sqs.create_queue(QueueName="mapped-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    mapped = Mapped(
        server, "failing-batch", FAILING, queue={"VisibilityTimeout": "2", "RedrivePolicy": redrive}, function={"Timeout": 2},
    )
    mapped.send("poison")
    found = wait_for(lambda: sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5).get("Messages"), "a dead letter")
    assert found[0]["Body"] == "poison"
    counts = [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in mapped.until_bodies("poison", "poison")]
    assert counts == ["1", "2"]
    assert mapped.get()["LastProcessingResult"] == "PROBLEM: Function call failed"


def test_reported_failures_alone_come_back_in_the_order_of_their_group(server):
    mapped = Mapped(
        server, "partly", PARTLY, fifo=True, queue={"VisibilityTimeout": "3"}, function={"Timeout": 3},
        FunctionResponseTypes=["ReportBatchItemFailures"], Enabled=False,
    )
    assert mapped.created["State"] == "Disabled"
    bodies = [json.dumps({"n": number, "fails": fails}) for number, fails in enumerate([0, 1, 1, 2])]
    mapped.send(*bodies, MessageGroupId=lambda _: "g", MessageDeduplicationId=str)
    assert mapped.lambda_.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)["State"] == "Enabling"
    expected = [[0, 1, 2, 3], [1, 2, 3], [3]]

    def seen():
        return [[json.loads(record["body"])["n"] for record in event["Records"]] for event in mapped.events()]

    wait_for(lambda: seen() == expected, "the failed ones come again: %s" % seen())
    assert list(mapped.events()[0]["Records"][0]["attributes"]) == [
        "ApproximateReceiveCount", "SentTimestamp", "SequenceNumber", "MessageGroupId", "SenderId", "MessageDeduplicationId",
        "ApproximateFirstReceiveTimestamp",
    ]
    mapped.until_empty()


def test_what_no_filter_lets_through_is_deleted(server):
    pattern = json.dumps({"body": {"kind": ["order"], "total": [{"numeric": [">", 100]}]}})
    mapped = Mapped(server, "filtered", FilterCriteria={"Filters": [{"Pattern": pattern}, {"Pattern": '{"body":["plain"]}'}]})
    mapped.until("Enabled")
    passing = ['{"kind": "order", "total": 101}', "plain"]
    mapped.send('{"kind": "order", "total": 99}', passing[0], "other", passing[1], '{"kind": "order"}')
    mapped.until_bodies(*passing)
    mapped.until_empty()
    assert sorted(mapped.bodies()) == sorted(passing)
    removed = mapped.lambda_.update_event_source_mapping(UUID=mapped.uuid, FilterCriteria={})
    assert (removed["State"], "FilterCriteria" in removed) == ("Updating", False)
    mapped.until("Enabled")
    mapped.send("other")
    mapped.until_bodies("other", *passing)


def test_a_disabled_mapping_leaves_its_messages_alone(server):
    mapped = Mapped(server, "switched")
    mapped.until("Enabled")
    mapped.send("before")
    mapped.until_bodies("before")
    assert mapped.lambda_.update_event_source_mapping(UUID=mapped.uuid, Enabled=False)["State"] == "Disabling"
    mapped.until("Disabled")
    mapped.send("meanwhile")
    assert mapped.lambda_.update_event_source_mapping(UUID=mapped.uuid, BatchSize=1)["State"] == "Updating"
    assert mapped.until("Disabled")["BatchSize"] == 1
    assert mapped.counts()[0] == 1
    mapped.lambda_.update_event_source_mapping(UUID=mapped.uuid, Enabled=True)
    mapped.until_bodies("before", "meanwhile")
    assert mapped.lambda_.delete_event_source_mapping(UUID=mapped.uuid)["State"] == "Deleting"
    gone = ("ResourceNotFoundException", "The resource you requested does not exist.")
    wait_for(lambda: mapped.uuid not in [one["UUID"] for one in mapped.lambda_.list_event_source_mappings()["EventSourceMappings"]], "it is gone")
    assert refusal(mapped.lambda_.get_event_source_mapping, UUID=mapped.uuid) == gone
    mapped.send("after")
    assert mapped.counts()[0] == 1


def test_a_function_without_room_gets_its_messages_later(server):
    mapped = Mapped(server, "no-room", queue={"VisibilityTimeout": "3"}, function={"Timeout": 1})
    mapped.lambda_.put_function_concurrency(FunctionName="no-room", ReservedConcurrentExecutions=0)
    mapped.send("patient")
    wait_for(lambda: "PROBLEM" in mapped.get().get("LastProcessingResult", ""), "the mapping says what is wrong")
    assert mapped.events() == []
    mapped.lambda_.delete_function_concurrency(FunctionName="no-room")
    mapped.until_bodies("patient")
    mapped.until_empty()


def test_a_queue_and_a_function_may_go_and_come_back(server):
    mapped = Mapped(server, "coming-back", function={"Timeout": 1})
    mapped.until("Enabled")
    mapped.lambda_.delete_function(FunctionName="coming-back")
    mapped.send("waiting")
    wait_for(lambda: mapped.get().get("LastProcessingResult") == "PROBLEM: Function not found", "the mapping says what is wrong")
    server.create("coming-back", ECHO, Timeout=1)
    mapped.until_bodies("waiting")
    mapped.sqs.delete_queue(QueueUrl=mapped.url)
    missing = "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."
    wait_for(lambda: missing in mapped.get().get("LastProcessingResult", ""), "the mapping says what is wrong")
    mapped.sqs.create_queue(QueueName="coming-back")
    mapped.send("again")
    mapped.until_bodies("again", "waiting")
    wait_for(lambda: "LastProcessingResult" not in mapped.get(), "all is well")


def test_refusals_are_those_of_aws(server):
    mapped = Mapped(server, "refusing-mapping", function={"Timeout": 30}, Enabled=False, Tags={"a": "b"})
    create, again = mapped.lambda_.create_event_source_mapping, {"EventSourceArn": mapped.arn, "FunctionName": "refusing-mapping"}
    assert refusal(create, **again) == (
        "ResourceConflictException",
        'An event source mapping with SQS arn (" %s ") and function (" refusing-mapping ") already exists. Please update or delete the existing mapping with UUID %s'
        % (mapped.arn, mapped.uuid),
    )
    invalid = "InvalidParameterValueException"
    assert refusal(create, **{**again, "EventSourceArn": mapped.arn + "-not"}) == (
        invalid,
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
    )
    assert refusal(create, **{**again, "FunctionName": "nobody"}) == (invalid, "Function does not exist")
    mapped.sqs.set_queue_attributes(QueueUrl=mapped.url, Attributes={"VisibilityTimeout": "29"})
    mapped.lambda_.publish_version(FunctionName="refusing-mapping")
    assert refusal(create, **{**again, "FunctionName": "refusing-mapping:1"}) == (
        invalid, "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds",
    )
    update = mapped.lambda_.update_event_source_mapping
    assert refusal(update, UUID=mapped.uuid, FilterCriteria={"Filters": [{"Pattern": '{"body": "x"}'}]}) == (invalid, "Invalid filter pattern definition.")
    assert refusal(update, UUID=mapped.uuid, BatchSize=11)[0] == invalid
    key = {"KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}
    assert refusal(update, UUID=mapped.uuid, **key) == (invalid, "KMSKeyArn can't be obeyed here: filters are not encrypted with keys of KMS.")
    for refused in ({"MinimumPollers": 1}, {"MaximumPollers": 2001}, {"MinimumPollers": 9, "MaximumPollers": 8}, {"PollerGroupName": "p"}):
        assert refusal(update, UUID=mapped.uuid, ProvisionedPollerConfig=refused)[0] in (invalid, "ValidationException")
    arn = mapped.created["EventSourceMappingArn"]
    mapped.lambda_.tag_resource(Resource=arn, Tags={"c": "d"})
    mapped.lambda_.untag_resource(Resource=arn, TagKeys=["a"])
    assert mapped.lambda_.list_tags(Resource=arn)["Tags"] == {"c": "d"}


def test_provisioned_pollers_are_kept_shown_and_told_of(server):
    mapped = Mapped(server, "provisioned-pollers", ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 5})
    assert mapped.until("Enabled")["ProvisionedPollerConfig"] == {"MinimumPollers": 2, "MaximumPollers": 5}
    mapped.send("a")
    mapped.until_bodies("a")
    maximum = wait_for(lambda: metric(server, mapped.uuid, "ProvisionedPollers", "Maximum"), "the metric")
    assert maximum == 2
    update = mapped.lambda_.update_event_source_mapping
    assert refusal(update, UUID=mapped.uuid, ScalingConfig={"MaximumConcurrency": 5}) == (
        "InvalidParameterValueException", "ScalingConfig and ProvisionedPollerConfig can't be used together.",
    )
    assert update(UUID=mapped.uuid, ProvisionedPollerConfig={"MinimumPollers": 3})["ProvisionedPollerConfig"] == {"MinimumPollers": 3, "MaximumPollers": 200}
    mapped.until("Enabled")
    assert "ProvisionedPollerConfig" not in update(UUID=mapped.uuid, ProvisionedPollerConfig={})
    mapped.until("Enabled")
    assert update(UUID=mapped.uuid, ScalingConfig={"MaximumConcurrency": 5})["ScalingConfig"] == {"MaximumConcurrency": 5}
    mapped.until("Enabled")


def metric(server, uuid, name, statistic="Sum"):
    """A figure of a mapping, over the last hours."""
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    points = server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=name, Dimensions=[{"Name": "EventSourceMappingUUID", "Value": uuid}],
        StartTime=now - hour, EndTime=now + hour, Period=7200, Statistics=[statistic],
    )["Datapoints"]
    return max((point[statistic] for point in points), default=0)


def test_a_mapping_that_is_asked_to_counts_its_events(server):
    source = ECHO + "    assert json.loads(event['Records'][0]['body'])['n'] != 4\n"
    mapped = Mapped(
        server, "counts-events", source, queue={"VisibilityTimeout": "900"}, BatchSize=1, MetricsConfig={"Metrics": ["EventCount"]},
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"n": [1, 2, 4]}}'}]},
    )
    mapped.until("Enabled")
    silent = Mapped(server, "counts-nothing")
    silent.until("Enabled")
    silent.send("a")
    silent.until_empty()
    mapped.send(*(json.dumps({"n": n}) for n in (1, 2, 3, 4)))
    expected = {"PolledEventCount": 4, "FilteredOutEventCount": 1, "InvokedEventCount": 3, "FailedInvokeEventCount": 1, "DeletedEventCount": 2}
    wait_for(lambda: all(metric(server, mapped.uuid, name) >= count for name, count in expected.items()), "the figures")
    assert {name: metric(server, mapped.uuid, name) for name in expected} == expected
    assert metric(server, silent.uuid, "PolledEventCount") == 0


def test_waiting_for_messages_costs_nothing(own_server):
    own_server.start()
    mapped = [Mapped(own_server, "idle%d" % number) for number in range(20)]
    for one in mapped:
        one.until("Enabled")

    def received():
        page = requests.get(own_server.url + "/_lambent/metrics").text
        return int(next(line.split()[1] for line in page.splitlines() if line.startswith("lambent_mapping_receives_total ")))

    def cpu_ticks():
        with open("/proc/%d/stat" % own_server.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    wait_for(lambda: received() >= 20, "each of them waits")
    before, ticks = received(), cpu_ticks()
    assert threading.Event().wait(3) is False
    # A wait lasts 20 seconds: hardly any ends within three.
    assert received() - before <= 20
    assert cpu_ticks() - ticks < 30
    assert own_server.stop() == 0


def test_every_message_is_dealt_with_though_the_server_is_killed(own_server):
    own_server.start()
    mapped = Mapped(own_server, "killed-mapping", queue={"VisibilityTimeout": "5"}, function={"Timeout": 1}, BatchSize=3)
    sqs, acknowledged, lock = mapped.sqs, set(), threading.Lock()

    def send(worker):
        for number in range(100):
            body = "%d-%d" % (worker, number)
            try:
                sqs.send_message(QueueUrl=mapped.url, MessageBody=body)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return
            with lock:
                acknowledged.add(body)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for worker in range(4):
            pool.submit(send, worker)
        wait_for(lambda: mapped.bodies(), "the function runs")
        own_server.stop(signal.SIGKILL)
    before = set()
    own_server.start()
    mapped.server, mapped.lambda_, mapped.sqs = own_server, own_server.lambda_, own_server.client("sqs")
    mapped.url = mapped.sqs.get_queue_url(QueueName="killed-mapping")["QueueUrl"]
    assert mapped.get()["State"] == "Enabled"
    mapped.until_empty()
    # Logs of the last moments before a kill may be lost: what was deleted had been dealt with.
    before |= set(mapped.bodies())
    assert len(acknowledged) >= 10 and len(before) >= 10
    mapped.send("afterwards")
    wait_for(lambda: "afterwards" in mapped.bodies(), "it goes on")
    assert own_server.stop() == 0


SCRIPT = """
const { SQSClient, CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand } = require("@aws-sdk/client-sqs");
const { LambdaClient, CreateEventSourceMappingCommand, GetEventSourceMappingCommand, ListEventSourceMappingsCommand } = require("@aws-sdk/client-lambda");
(async () => {
  const sqs = new SQSClient({}), lambda = new LambdaClient({});
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "mapped-js" }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  const mapping = await lambda.send(new CreateEventSourceMappingCommand({
    EventSourceArn: Attributes.QueueArn, FunctionName: "mapped-js", ScalingConfig: { MaximumConcurrency: 2 },
  }));
  let state = mapping.State;
  while (state === "Creating") {
    state = (await lambda.send(new GetEventSourceMappingCommand({ UUID: mapping.UUID }))).State;
  }
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "from js" }));
  const listed = await lambda.send(new ListEventSourceMappingsCommand({ FunctionName: "mapped-js" }));
  console.log(JSON.stringify([mapping.State, state, listed.EventSourceMappings[0].ScalingConfig, mapping.LastModified instanceof Date]));
})();
"""


def test_the_javascript_sdk_maps_queues(server):
    if not shutil.which("node"):
        pytest.skip("node is not there")
    server.create("mapped-js", ECHO)
    modules = next((RUNTIMES / "runtime").glob("aws-sdk-v3-*")) / "node_modules"
    env = {
        "PATH": os.environ["PATH"], "NODE_PATH": str(modules), "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(["node", "-e", SCRIPT], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["Creating", "Enabled", {"MaximumConcurrency": 2}, True]
    mapped = Mapped.__new__(Mapped)
    mapped.server, mapped.name = server, "mapped-js"
    mapped.until_bodies("from js")
