"""Where asynchronous invokes are told of: topics, event buses and buckets, of this server and of another."""

import json
import re

import botocore.exceptions
import pytest
from conftest import Server, wait_for

ARN = "arn:aws:%s:us-east-1:123456789012:%s"
#: Fails when it is told to.
SOURCE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("on purpose")
    return {"did": event["n"]}
"""


@pytest.fixture(scope="module")
def quick(workplace):
    directory = workplace / "destinations"
    directory.mkdir()
    server = Server(directory, "--async-retry-base-ms", "50").start()
    yield server
    assert server.stop() == 0


def make(server, name, **destinations):
    server.create(name, SOURCE)
    config = {kind: {"Destination": arn} for kind, arn in destinations.items()}
    server.lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=config)


def queue(server, name):
    return server.client("sqs").create_queue(QueueName=name)["QueueUrl"]


def receive(server, url):
    """The next message's body, as what it says."""
    sqs = server.client("sqs")
    found = wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), "a message at " + url)[0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
    return json.loads(found["Body"])


def send(server, name, event):
    return server.invoke(name, event, InvocationType="Event")["ResponseMetadata"]["RequestId"]


def topic_with_queue(server, name):
    url, sns = queue(server, name), server.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN % ("sqs", name))
    return topic, url


def check(record, request_id, name, failed):
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["functionArn"] == ARN % ("lambda", "function:" + name + ":$LATEST")
    assert record["requestContext"]["condition"] == ("RetriesExhausted" if failed else "Success")
    assert record["requestContext"]["approximateInvokeCount"] == 1
    if failed:
        assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        assert record["responsePayload"]["errorMessage"] == "on purpose"
    else:
        assert record["responsePayload"] == {"did": record["requestPayload"]["n"]}


def test_a_topic_is_told_of_success_and_of_failure(quick):
    topic, url = topic_with_queue(quick, "told-by-topic")
    make(quick, "tells-topic", OnSuccess=topic, OnFailure=topic)
    for event in ({"n": 1}, {"fail": True}):
        request_id = send(quick, "tells-topic", event)
        envelope = receive(quick, url)
        record = json.loads(envelope["Message"])
        assert record["requestPayload"] == event and envelope["TopicArn"] == topic
        check(record, request_id, "tells-topic", "fail" in event)


def test_a_bus_is_told_of_success_and_of_failure(quick):
    url, events = queue(quick, "told-by-bus"), quick.client("events")
    bus = events.create_event_bus(Name="told")["EventBusArn"]
    events.put_rule(Name="told", EventBusName="told", EventPattern=json.dumps({"source": ["lambda"]}))
    events.put_targets(Rule="told", EventBusName="told", Targets=[{"Id": "q", "Arn": ARN % ("sqs", "told-by-bus")}])
    make(quick, "tells-bus", OnSuccess=bus, OnFailure=bus)
    for event, word in (({"n": 2}, "Success"), ({"fail": True}, "Failure")):
        request_id = send(quick, "tells-bus", event)
        found = receive(quick, url)
        assert (found["source"], found["detail-type"]) == ("lambda", "Lambda Function Invocation Result - " + word)
        assert found["resources"] == [bus, ARN % ("lambda", "function:tells-bus:$LATEST")]
        check(found["detail"], request_id, "tells-bus", word == "Failure")


def test_a_bucket_gets_the_record_of_a_failure(quick):
    s3 = quick.client("s3")
    s3.create_bucket(Bucket="told-bucket")
    make(quick, "tells-bucket", OnFailure="arn:aws:s3:::told-bucket")
    send(quick, "tells-bucket", {"n": 3})
    request_id = send(quick, "tells-bucket", {"fail": True})
    found = wait_for(lambda: s3.list_objects_v2(Bucket="told-bucket").get("Contents"), "an object")
    assert len(found) == 1
    key = found[0]["Key"]
    assert re.fullmatch(r"aws/lambda/async/tells-bucket/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}", key), key
    answer = s3.get_object(Bucket="told-bucket", Key=key)
    assert answer["ContentType"] == "application/json"
    check(json.loads(answer["Body"].read()), request_id, "tells-bucket", True)


def test_what_is_no_destination_is_refused(quick):
    quick.create("tells-nobody", SOURCE)
    put = quick.lambda_.put_function_event_invoke_config
    for kind, arn in (
        ("OnSuccess", "arn:aws:s3:::told-bucket"), ("OnSuccess", ARN % ("sqs", "q.fifo")), ("OnFailure", ARN % ("sns", "t.fifo")),
        ("OnFailure", ARN % ("kinesis", "stream/s")),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as raised:
            put(FunctionName="tells-nobody", DestinationConfig={kind: {"Destination": arn}})
        error = raised.value.response["Error"]
        assert error["Code"] == "InvalidParameterValueException" and "destination=%s) " % arn in error["Message"].replace(",", " ").replace(")", ") ")


@pytest.fixture
def elsewhere(workplace, request):
    directory = workplace / ("elsewhere-" + request.node.name[:40])
    directory.mkdir()
    server = Server(directory).start()
    yield server
    assert server.stop() == 0


def test_another_servers_services_are_told(own_server, elsewhere):
    own_server.options = ("--async-retry-base-ms", "50", "--service-endpoints", ",".join("%s=%s" % (name, elsewhere.url) for name in ("sns", "s3", "events")))
    own_server.start()
    topic, url = topic_with_queue(elsewhere, "far")
    elsewhere.client("s3").create_bucket(Bucket="far-bucket")
    make(own_server, "far-topic", OnSuccess=topic)
    request_id = send(own_server, "far-topic", {"n": 4})
    check(json.loads(receive(elsewhere, url)["Message"]), request_id, "far-topic", False)
    own_server.create("far-dead", SOURCE, DeadLetterConfig={"TargetArn": topic})
    own_server.lambda_.put_function_event_invoke_config(
        FunctionName="far-dead", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::far-bucket"}},
    )
    request_id = send(own_server, "far-dead", {"fail": True})
    envelope = receive(elsewhere, url)
    assert json.loads(envelope["Message"]) == {"fail": True}
    assert envelope["MessageAttributes"]["RequestID"] == {"Type": "String", "Value": request_id}
    s3 = elsewhere.client("s3")
    key = wait_for(lambda: s3.list_objects_v2(Bucket="far-bucket").get("Contents"), "an object")[0]["Key"]
    check(json.loads(s3.get_object(Bucket="far-bucket", Key=key)["Body"].read()), request_id, "far-dead", True)


def test_a_mapping_polls_the_queue_of_another_server(own_server, elsewhere):
    own_server.options = ("--service-endpoints", "sqs=" + elsewhere.url)
    own_server.start()
    sqs = elsewhere.client("sqs")
    redrive = json.dumps({"deadLetterTargetArn": ARN % ("sqs", "far-dead"), "maxReceiveCount": 1})
    dead = queue(elsewhere, "far-dead")
    url = sqs.create_queue(QueueName="far-source", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "3"})["QueueUrl"]
    own_server.create("far-mapped", "def handler(event, context):\n    for record in event['Records']:\n        print('GOT', record['body'])\n        assert record['body'] != 'poison'\n")
    own_server.lambda_.create_event_source_mapping(EventSourceArn=ARN % ("sqs", "far-source"), FunctionName="far-mapped", BatchSize=1)
    for body in ("one", "two", "poison"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    for body in ("one", "two", "poison"):
        own_server.messages("far-mapped", "GOT " + body)
    found = wait_for(lambda: sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages"), "the dead letter")
    assert [message["Body"] for message in found] == ["poison"]
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    wait_for(lambda: set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"].values()) == {"0"}, "the queue is empty")
