"""SNS as its users see it: topics, subscribers of every kind, filters, signatures, retries, and nothing lost."""

import base64
import datetime
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.parse

import botocore.exceptions
import pytest
import requests
from conftest import ROOT, RUNTIMES, wait_for

ACCOUNT = "123456789012"


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def sqs(server):
    return server.client("sqs")


def queue_arn(name):
    return "arn:aws:sqs:us-east-1:%s:%s" % (ACCOUNT, name)


def make_queue(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def make_topic(sns, name, **attributes):
    return sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]


def subscribe(sns, topic, queue, **attributes):
    return sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(queue), Attributes=attributes)["SubscriptionArn"]


def receive(sqs, url, count=1):
    """As many messages as there are to be, in the order in which they come; each is deleted."""
    found = []

    def enough():
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
        return len(found) >= count

    wait_for(enough, "%d messages in %s" % (count, url))
    return found


def is_empty(sqs, url):
    return "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)


def verify(envelope):
    """Checks a signature as AWS documents it, with OpenSSL."""
    url = next(envelope[name] for name in ("SigningCertURL", "SigningCertUrl") if name in envelope)
    keys = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join("%s\n%s\n" % (key, envelope[key]) for key in keys if envelope.get(key) is not None)
    algorithm = {"1": "-sha1", "2": "-sha256"}[envelope["SignatureVersion"]]
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "signature").write_bytes(base64.b64decode(envelope["Signature"]))
        run = lambda *command, given: subprocess.run(["openssl", *command], input=given, capture_output=True, check=True, cwd=directory).stdout
        (directory / "key").write_bytes(run("x509", "-pubkey", "-noout", given=requests.get(url).content))
        said = run("dgst", algorithm, "-verify", "key", "-signature", "signature", given=text.encode())
    assert said == b"Verified OK\n"


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_queue_gets_a_signed_envelope(sns, sqs, version):
    name = "envelope-" + version
    url, topic = make_queue(sqs, name), make_topic(sns, name, SignatureVersion=version)
    subscription = subscribe(sns, topic, name)
    attributes = {"attr1": {"DataType": "Number", "StringValue": "99.12"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"}}
    published = sns.publish(TopicArn=topic, Message="hällo\n<&>", Subject="about", MessageAttributes=attributes)["MessageId"]
    body = receive(sqs, url)[0]["Body"]
    assert body.startswith('{\n  "Type" : "Notification",\n  "MessageId" : "')
    envelope = json.loads(body)
    verify(envelope)
    assert list(envelope) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
        "UnsubscribeURL", "MessageAttributes",
    ]
    assert (envelope["MessageId"], envelope["Message"], envelope["TopicArn"]) == (published, "hällo\n<&>", topic)
    assert envelope["UnsubscribeURL"].endswith("/?Action=Unsubscribe&SubscriptionArn=" + subscription)
    assert envelope["MessageAttributes"] == {"attr1": {"Type": "Number", "Value": "99.12"}, "bytes": {"Type": "Binary", "Value": "AgME"}}
    # The link is followed by whoever reads it.
    assert requests.get(envelope["UnsubscribeURL"]).status_code == 200
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_raw_messages_have_their_attributes_as_the_queues_own(sns, sqs):
    url, topic = make_queue(sqs, "raw"), make_topic(sns, "raw")
    subscribe(sns, topic, "raw", RawMessageDelivery="true")
    attributes = {"store": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"}, "n": {"DataType": "Number", "StringValue": "1"}}
    sns.publish(TopicArn=topic, Message="plain", MessageAttributes=attributes, MessageGroupId="fair")
    message = receive(sqs, url)[0]
    assert (message["Body"], message["MessageAttributes"]) == ("plain", attributes)
    assert message["Attributes"]["MessageGroupId"] == "fair"
    structured = json.dumps({"default": "for all", "sqs": "for queues"})
    sns.publish(TopicArn=topic, Message=structured, MessageStructure="json")
    assert receive(sqs, url)[0]["Body"] == "for queues"


def test_filters_let_through_what_they_name(sns, sqs):
    topic = make_topic(sns, "filtered")
    by_attribute, by_body = make_queue(sqs, "by-attribute"), make_queue(sqs, "by-body")
    numeric = json.dumps({"attr1": [{"numeric": [">", 0, "<=", 100]}]})
    arn = subscribe(sns, topic, "by-attribute", FilterPolicy=numeric, RawMessageDelivery="true")
    nested = json.dumps({"object": {"key": [{"prefix": "auto-"}, "hardcodedvalue"]}})
    subscribe(sns, topic, "by-body", FilterPolicy=nested, FilterPolicyScope="MessageBody", RawMessageDelivery="true")
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (shown["FilterPolicy"], shown["FilterPolicyScope"]) == (numeric, "MessageAttributes")

    def publish(message, number):
        value = {"attr1": {"DataType": "Number", "StringValue": str(number)}}
        sns.publish(TopicArn=topic, Message=message, MessageAttributes=value)

    publish("not json", 111)
    publish(json.dumps({"object": {"key": "test-auto"}}), 99)
    publish(json.dumps({"object": {"key": "auto-test"}}), 0)
    assert json.loads(receive(sqs, by_attribute)[0]["Body"]) == {"object": {"key": "test-auto"}}
    assert json.loads(receive(sqs, by_body)[0]["Body"]) == {"object": {"key": "auto-test"}}
    assert is_empty(sqs, by_attribute) and is_empty(sqs, by_body)
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue="{}")
    sns.publish(TopicArn=topic, Message="anything")
    assert receive(sqs, by_attribute)[0]["Body"] == "anything"


def test_groups_keep_their_order_and_duplicates_go_nowhere(sns, sqs):
    url = make_queue(sqs, "ordered.fifo", FifoQueue="true")
    topic = make_topic(sns, "ordered.fifo", FifoTopic="true")
    subscribe(sns, topic, "ordered.fifo", RawMessageDelivery="true")
    assert refusal(sns.publish, TopicArn=topic, Message="x") == (
        "InvalidParameter", "Invalid parameter: The MessageGroupId parameter is required for FIFO topics",
    )
    assert refusal(sns.publish, TopicArn=topic, Message="x", MessageGroupId="g")[1].startswith(
        "Invalid parameter: The topic should either have ContentBasedDeduplication enabled"
    )
    sns.set_topic_attributes(TopicArn=topic, AttributeName="ContentBasedDeduplication", AttributeValue="true")
    sent = {"a": [], "b": []}
    for number in range(20):
        group = "ab"[number % 2]
        answer = sns.publish(TopicArn=topic, Message=str(number), MessageGroupId=group)
        sent[group].append((answer["SequenceNumber"], str(number)))
    again = sns.publish(TopicArn=topic, Message="0", MessageGroupId="a")
    assert again["SequenceNumber"] == sent["a"][0][0]
    assert len(again["SequenceNumber"]) == 20
    received = receive(sqs, url, 20)
    for group in "ab":
        of_group = [message["Body"] for message in received if message["Attributes"]["MessageGroupId"] == group]
        assert of_group == [body for _, body in sent[group]]
    assert is_empty(sqs, url)


def test_a_batch_fails_entry_by_entry(sns, sqs):
    url, topic = make_queue(sqs, "batch"), make_topic(sns, "batch")
    subscribe(sns, topic, "batch", RawMessageDelivery="true")
    entries = [{"Id": "1", "Message": "one"}, {"Id": "2", "Message": "two", "Subject": ""}, {"Id": "3", "Message": "three"}]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["1", "3"]
    assert answer["Failed"] == [{"Id": "2", "Code": "InvalidParameter", "Message": "Invalid parameter: Subject", "SenderFault": True}]
    assert sorted(message["Body"] for message in receive(sqs, url, 2)) == ["one", "three"]
    publish = lambda entries: refusal(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=entries)
    assert publish([{"Id": str(number), "Message": "x"} for number in range(11)])[0] == "TooManyEntriesInBatchRequest"
    assert publish([{"Id": "1", "Message": "x"}, {"Id": "1", "Message": "y"}])[0] == "BatchEntryIdsNotDistinct"
    assert publish([{"Id": "a", "Message": "x" * 200_000}, {"Id": "b", "Message": "x" * 100_000}]) == (
        "BatchRequestTooLong", "The length of all the messages put together is more than the limit.",
    )


def test_refusals_are_those_of_aws(sns):
    topic = make_topic(sns, "refusing")
    nowhere = topic + "-not"
    assert refusal(sns.publish, TopicArn=nowhere, Message="x") == ("NotFound", "Topic does not exist")
    assert refusal(sns.get_topic_attributes, TopicArn="nonsense") == (
        "InvalidParameter", "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
    )
    assert refusal(sns.publish, TopicArn=topic, Message="") == ("InvalidParameter", "Invalid parameter: Empty message")
    sns.publish(TopicArn=topic, Message="x" * 262_144)
    assert refusal(sns.publish, TopicArn=topic, Message="x" * 262_145) == ("InvalidParameter", "Invalid parameter: Message too long")
    assert refusal(sns.publish, PhoneNumber="+123123123", Message="x")[1] == (
        "Invalid parameter: PhoneNumber Reason: no SMS can be sent from here"
    )
    subscribing = lambda protocol, endpoint, **more: refusal(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint, **more)
    assert subscribing("test-protocol", "x")[1] == "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"
    assert subscribing("sqs", "http://x/q")[1] == "Invalid parameter: SQS endpoint ARN"
    for protocol, endpoint in [("email", "a@b.c"), ("sms", "+123123123"), ("application", "arn:x")]:
        assert subscribing(protocol, endpoint)[1].startswith("Invalid parameter: Protocol Reason: no message can be sent by " + protocol)
    wrong = {"RawMessageDelivery": "wrongvalue"}
    assert subscribing("sqs", queue_arn("q"), Attributes=wrong)[1] == (
        "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false."
    )
    complex_ = {"FilterPolicy": json.dumps({"a": list(range(151))})}
    assert subscribing("sqs", queue_arn("q"), Attributes=complex_)[1] == (
        "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy is too complex"
    )
    assert refusal(sns.put_data_protection_policy, ResourceArn=topic, DataProtectionPolicy="{}")[0] == "UnsupportedOperation"
    assert refusal(sns.set_topic_attributes, TopicArn=topic, AttributeName="FifoTopic", AttributeValue="false")[1] == "Invalid parameter: AttributeName"


def test_what_is_set_is_kept_and_shown(sns, own_server):
    own_server.start()
    sns = own_server.client("sns")
    topic = sns.create_topic(Name="kept", Attributes={"DisplayName": "Name"}, Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    assert refusal(sns.create_topic, Name="kept", Attributes={"DisplayName": "Other"})[1] == (
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    )
    sns.add_permission(TopicArn=topic, Label="test", AWSAccountId=["210987654321"], ActionName=["Publish"])
    arn = subscribe(sns, topic, "q", RawMessageDelivery="true")
    assert subscribe(sns, topic, "q") == arn
    assert refusal(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("q"), Attributes={"RawMessageDelivery": "false"})[1] == (
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    )
    own_server.stop(signal.SIGKILL)
    own_server.start()
    sns = own_server.client("sns")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"], attributes["Owner"]) == ("Name", "1", ACCOUNT)
    statements = json.loads(attributes["Policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["__default_statement_ID", "test"]
    assert statements[1]["Action"] == "SNS:Publish"
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "k", "Value": "v"}]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"] == {
        "ConfirmationWasAuthenticated": "true", "Endpoint": queue_arn("q"), "Owner": ACCOUNT, "PendingConfirmation": "false", "Protocol": "sqs",
        "RawMessageDelivery": "true", "SubscriptionArn": arn, "SubscriptionPrincipal": "arn:aws:iam::%s:root" % ACCOUNT, "TopicArn": topic,
    }
    assert [found["TopicArn"] for found in sns.list_topics()["Topics"]] == [topic]
    assert [found["SubscriptionArn"] for found in sns.list_subscriptions()["Subscriptions"]] == [arn]
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_what_a_queue_can_not_take_goes_to_the_dead_letters(sns, sqs):
    dead, topic = make_queue(sqs, "dead-letters"), make_topic(sns, "undeliverable")
    redrive = json.dumps({"deadLetterTargetArn": queue_arn("dead-letters")})
    subscribe(sns, topic, "never-made", RedrivePolicy=redrive)
    published = sns.publish(TopicArn=topic, Message="lost?")["MessageId"]
    envelope = json.loads(receive(sqs, dead)[0]["Body"])
    assert (envelope["MessageId"], envelope["Message"]) == (published, "lost?")


def test_a_function_gets_the_event_of_aws(server, sns):
    server.create("told-by-sns", "import json\ndef handler(event, context):\n    print('EVENT', json.dumps(event))\n")
    topic = make_topic(sns, "functions")
    endpoint = "arn:aws:lambda:us-east-1:%s:function:told-by-sns" % ACCOUNT
    server.lambda_.add_permission(
        FunctionName="told-by-sns", StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic
    )
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=endpoint)["SubscriptionArn"]
    published = sns.publish(TopicArn=topic, Message="Hello world.", MessageAttributes={"a": {"DataType": "String", "StringValue": "v"}})
    line = next(line for line in server.messages("told-by-sns", "EVENT") if line.startswith("EVENT"))
    event = json.loads(line[len("EVENT "):])
    record = event["Records"][0]
    assert list(event) == ["Records"] and list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", subscription)
    message = record["Sns"]
    verify(message)
    assert list(message) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertUrl", "UnsubscribeUrl",
        "MessageAttributes",
    ]
    assert message["Subject"] is None and message["MessageAttributes"] == {"a": {"Type": "String", "Value": "v"}}
    assert message["MessageId"] == published["MessageId"]


def test_dead_letters_of_functions_reach_topics(own_server):
    own_server.options = ("--async-retry-base-ms", "1")
    own_server.start()
    sns, sqs = own_server.client("sns"), own_server.client("sqs")
    url, topic = make_queue(sqs, "told"), make_topic(sns, "dead-letters")
    subscribe(sns, topic, "told")
    source = "def handler(event, context):\n    raise Exception('Test exception (this is intentional)')\n"
    own_server.create("fails", source, DeadLetterConfig={"TargetArn": topic})
    own_server.invoke("fails", {"raise_error": 1}, InvocationType="Event")
    envelope = json.loads(receive(sqs, url)[0]["Body"])
    assert json.loads(envelope["Message"]) == {"raise_error": 1}
    attributes = envelope["MessageAttributes"]
    assert attributes["ErrorCode"] == {"Type": "Number", "Value": "200"}
    assert attributes["ErrorMessage"] == {"Type": "String", "Value": "Test exception (this is intentional)"}


class Endpoint:
    """An HTTP endpoint that notes what it gets and answers what it is told to."""

    def __init__(self):
        self.requests, self.answers = [], []
        self.before_answer = lambda: None
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                status = endpoint.answers.pop(0) if endpoint.answers else 200
                endpoint.before_answer()
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
                endpoint.requests.append((dict(self.headers), body))

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/sns-endpoint" % self.server.server_port

    def wait(self, count):
        wait_for(lambda: len(self.requests) >= count, "%d requests" % count)
        headers, body = self.requests[count - 1]
        return {name.lower(): value for name, value in headers.items()}, body

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def test_an_http_endpoint_confirms_and_is_told(sns, endpoint):
    topic = make_topic(sns, "http")
    pending = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    assert pending["SubscriptionArn"] == "pending confirmation"
    headers, body = endpoint.wait(1)
    asked = json.loads(body)
    verify(asked)
    assert list(asked) == [
        "Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
    ]
    assert (headers["x-amz-sns-message-type"], headers["content-type"]) == ("SubscriptionConfirmation", "text/plain; charset=UTF-8")
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent" and headers["x-amz-sns-topic-arn"] == topic
    sns.publish(TopicArn=topic, Message="too early")
    assert refusal(sns.confirm_subscription, TopicArn=topic, Token="randomtoken") == ("InvalidParameter", "Invalid token")
    assert refusal(sns.confirm_subscription, TopicArn=topic, Token="2336412f37ff")[1] == "Invalid parameter: Token"
    assert [found["SubscriptionArn"] for found in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]] == ["PendingConfirmation"]
    confirmed = requests.get(asked["SubscribeURL"])
    assert confirmed.status_code == 200 and "<ConfirmSubscriptionResult><SubscriptionArn>" in confirmed.text
    published = sns.publish(TopicArn=topic, Message="now")["MessageId"]
    headers, body = endpoint.wait(2)
    verify(json.loads(body))
    assert (json.loads(body)["Message"], headers["x-amz-sns-message-id"]) == ("now", published)
    arn = headers["x-amz-sns-subscription-arn"]
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")
    csv = json.dumps({"requestPolicy": {"headerContentType": "text/csv"}})
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue=csv)
    sns.publish(TopicArn=topic, Message="a,b")
    headers, body = endpoint.wait(3)
    assert (body, headers["x-amz-sns-rawdelivery"], headers["content-type"]) == ("a,b", "true", "text/csv")


def test_an_endpoint_is_told_of_its_end_and_may_come_back(sns, endpoint):
    topic = make_topic(sns, "http-farewell")
    arn = confirmed(sns, endpoint, topic)
    sns.unsubscribe(SubscriptionArn=arn)
    headers, body = endpoint.wait(2)
    told = json.loads(body)
    verify(told)
    assert list(told) == [
        "Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
    ]
    assert told["Type"] == headers["x-amz-sns-message-type"] == "UnsubscribeConfirmation"
    assert headers["x-amz-sns-subscription-arn"] == arn
    assert told["Message"] == (
        "You have chosen to deactivate subscription %s.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message." % arn
    )
    # Nobody sees it any more, and it gets nothing.
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert refusal(sns.get_subscription_attributes, SubscriptionArn=arn)[0] == "NotFound"
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["SubscriptionsConfirmed"], attributes["SubscriptionsPending"], attributes["SubscriptionsDeleted"]) == ("0", "0", "1")
    sns.unsubscribe(SubscriptionArn=arn)
    sns.publish(TopicArn=topic, Message="unheard")
    assert requests.get(told["SubscribeURL"]).status_code == 200
    sns.publish(TopicArn=topic, Message="heard")
    assert json.loads(endpoint.wait(3)[1])["Message"] == "heard"
    assert [found["SubscriptionArn"] for found in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]] == [arn]
    # Whoever subscribes anew after the end has a subscription of its own.
    sns.unsubscribe(SubscriptionArn=arn)
    endpoint.wait(4)
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    asked = json.loads(endpoint.wait(5)[1])
    assert asked["Type"] == "SubscriptionConfirmation"
    assert sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"] != arn


def test_topics_tell_what_aws_sns_tells(server, sns, sqs, endpoint):
    topic = make_topic(sns, "measured-topic")
    wanting = {"FilterPolicy": json.dumps({"kind": ["wanted"]})}
    for name, attributes in (("measured-all", {}), ("measured-some", wanting)):
        make_queue(sqs, name)
        subscribe(sns, topic, name, **attributes)
    dead = make_queue(sqs, "measured-dead")
    lost = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn("measured-dead")})}
    subscribe(sns, topic, "measured-missing", **lost)
    sns.publish(TopicArn=topic, Message="12345", MessageAttributes={"kind": {"DataType": "String", "StringValue": "wanted"}})
    sns.publish(TopicArn=topic, Message="123")
    assert len(receive(sqs, dead, 2)) == 2
    policy = json.dumps({"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1}})
    http = make_topic(sns, "measured-http")
    confirmed(sns, endpoint, http, DeliveryPolicy=policy)
    endpoint.answers = [500, 500]
    sns.publish(TopicArn=http, Message="refused")
    endpoint.wait(3)
    cloudwatch, now, hour = server.client("cloudwatch"), datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(hours=1)

    def point(name, topic="measured-topic"):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SNS", MetricName=name, Dimensions=[{"Name": "TopicName", "Value": topic}],
            StartTime=now - hour, EndTime=now + hour, Period=7200, Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return points[0] if points else {"Sum": 0}

    expected = {
        "NumberOfMessagesPublished": 2, "NumberOfNotificationsDelivered": 3, "NumberOfNotificationsFilteredOut": 1,
        "NumberOfNotificationsFailed": 2, "NumberOfNotificationsRedrivenToDlq": 2,
    }
    wait_for(lambda: all(point(name)["Sum"] >= count for name, count in expected.items()), "the figures")
    assert {name: point(name)["Sum"] for name in expected} == expected
    size = point("PublishSize")
    assert (size["SampleCount"], size["Unit"]) == (2, "Bytes") and size["Sum"] >= 8
    # Of an HTTP endpoint each attempt counts.
    wait_for(lambda: point("NumberOfNotificationsFailed", "measured-http")["Sum"] == 2, "both attempts")


def confirmed(sns, endpoint, topic, **attributes):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=attributes)
    token = json.loads(endpoint.wait(1)[1])["Token"]
    return sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"]


def test_an_endpoint_that_fails_is_tried_again_and_then_given_up(sns, sqs, endpoint):
    topic, dead = make_topic(sns, "http-retries"), make_queue(sqs, "http-dead")
    policy = json.dumps({"healthyRetryPolicy": {"numRetries": 3, "numNoDelayRetries": 3}})
    redrive = json.dumps({"deadLetterTargetArn": queue_arn("http-dead")})
    confirmed(sns, endpoint, topic, DeliveryPolicy=policy, RedrivePolicy=redrive)
    endpoint.answers = [500, 503]
    sns.publish(TopicArn=topic, Message="third time")
    assert json.loads(endpoint.wait(4)[1])["Message"] == "third time"
    endpoint.answers = [500, 500, 500, 500]
    sns.publish(TopicArn=topic, Message="never")
    assert json.loads(receive(sqs, dead)[0]["Body"])["Message"] == "never"
    assert len(endpoint.requests) == 8
    # What the endpoint refuses is not tried again.
    endpoint.answers = [403]
    sns.publish(TopicArn=topic, Message="refused")
    assert json.loads(receive(sqs, dead)[0]["Body"])["Message"] == "refused"
    assert len(endpoint.requests) == 9


def test_what_was_accepted_is_delivered_after_the_server_was_killed(own_server, endpoint):
    own_server.start()
    sns = own_server.client("sns")
    topic = make_topic(sns, "killed")
    slow = json.dumps({"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 1, "maxDelayTarget": 1}})
    confirmed(sns, endpoint, topic, DeliveryPolicy=slow, RawMessageDelivery="true")
    endpoint.answers = [500] * 10
    for number in range(10):
        sns.publish(TopicArn=topic, Message=str(number))
    wait_for(lambda: not endpoint.answers, "each was tried")
    own_server.stop(signal.SIGKILL)
    before = len(endpoint.requests)
    own_server.start()
    told = lambda: {body for _, body in endpoint.requests[before:]}
    wait_for(lambda: told() >= {str(number) for number in range(10)}, "all are delivered")


@pytest.mark.parametrize("version", [1, 2])
def test_both_cli_versions_speak_to_topics(server, sqs, version):
    if version == 2 and not (ROOT / ".cache/aws-cli-v2").exists():
        pytest.skip("version 2 of the AWS CLI is not installed")
    name = "cli-%d" % version
    url = make_queue(sqs, name)

    def cli(*arguments):
        output = server.cli("sns", *arguments, "--endpoint-url", server.url, version=version).stdout
        return json.loads(output) if output else None

    topic = cli("create-topic", "--name", name, "--attributes", "DisplayName=Name", "--tags", "Key=a,Value=b")["TopicArn"]
    policy = json.dumps({"a": ["x"]})
    subscription = cli(
        "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue_arn(name),
        "--attributes", json.dumps({"FilterPolicy": policy, "RawMessageDelivery": "true"}),
    )["SubscriptionArn"]
    cli("publish", "--topic-arn", topic, "--message", "hello", "--message-attributes", json.dumps({"a": {"DataType": "String", "StringValue": "x"}}))
    assert receive(sqs, url)[0]["Body"] == "hello"
    assert cli("get-subscription-attributes", "--subscription-arn", subscription)["Attributes"]["FilterPolicy"] == policy
    assert cli("get-topic-attributes", "--topic-arn", topic)["Attributes"]["DisplayName"] == "Name"
    assert topic in [found["TopicArn"] for found in cli("list-topics")["Topics"]]
    cli("unsubscribe", "--subscription-arn", subscription)
    cli("delete-topic", "--topic-arn", topic)


JAVASCRIPT = """
const { SNSClient, ...sns } = require('@aws-sdk/client-sns');
const client = new SNSClient({ endpoint: process.argv[2], region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
const call = (name, input) => client.send(new sns[name + 'Command'](input));
(async () => {
  const { TopicArn } = await call('CreateTopic', { Name: 'javascript', Tags: [{ Key: 'k', Value: 'v' }] });
  const { SubscriptionArn } = await call('Subscribe', { TopicArn, Protocol: 'sqs', Endpoint: process.argv[3], Attributes: { RawMessageDelivery: 'true' } });
  const MessageAttributes = { t: { DataType: 'String', StringValue: 'x' }, b: { DataType: 'Binary', BinaryValue: Buffer.from([1, 2]) } };
  await call('Publish', { TopicArn, Message: 'from JavaScript', MessageAttributes });
  const batch = await call('PublishBatch', { TopicArn, PublishBatchRequestEntries: [{ Id: 'a', Message: 'batched' }] });
  const { Attributes } = await call('GetTopicAttributes', { TopicArn });
  const { Tags } = await call('ListTagsForResource', { ResourceArn: TopicArn });
  const error = await call('Publish', { TopicArn: TopicArn + '-not', Message: 'x' }).catch((error) => error.name);
  console.log(JSON.stringify({ batch: batch.Successful.map((one) => one.Id), owner: Attributes.Owner, tags: Tags, error, SubscriptionArn }));
})();
"""


def test_the_javascript_sdk_speaks_to_topics(server, sqs, tmp_path):
    if not shutil.which("node"):
        pytest.skip("node is not there")
    modules = next((RUNTIMES / "runtime").glob("aws-sdk-v3-*")) / "node_modules"
    if not (modules / "@aws-sdk/client-sns").exists():
        pytest.skip("the SDK here has no client for SNS")
    url = make_queue(sqs, "javascript-topic")
    script = tmp_path / "script.js"
    script.write_text(JAVASCRIPT)
    done = subprocess.run(
        ["node", str(script), server.url, queue_arn("javascript-topic")], env={"NODE_PATH": str(modules), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["batch"], told["owner"], told["error"]) == (["a"], ACCOUNT, "NotFoundException")
    assert told["tags"] == [{"Key": "k", "Value": "v"}]
    messages = {message["Body"]: message for message in receive(sqs, url, 2)}
    assert set(messages) == {"from JavaScript", "batched"}
    assert messages["from JavaScript"]["MessageAttributes"]["b"]["BinaryValue"] == b"\x01\x02"


def test_forms_without_a_signature_are_known_by_their_version(server, sns):
    topic = make_topic(sns, "unsigned")
    form = urllib.parse.urlencode({"Action": "GetTopicAttributes", "Version": "2010-03-31", "TopicArn": topic})
    answer = requests.post(server.url, data=form, headers={"content-type": "application/x-www-form-urlencoded"})
    assert "<entry><key>Owner</key><value>%s</value></entry>" % ACCOUNT in answer.text
    assert 'xmlns="http://sns.amazonaws.com/doc/2010-03-31/"' in answer.text
