"""SQS as its users see it: boto3 with its checksums, both CLIs, the JavaScript SDK, and the older query protocol."""

import concurrent.futures
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree

import botocore.exceptions
import pytest
import requests
from conftest import ROOT, RUNTIMES, wait_for

NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


def make(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes={key: str(value) for key, value in attributes.items()})["QueueUrl"]


def bodies(answer):
    return [message["Body"] for message in answer.get("Messages", [])]


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def sqs(server):
    return server.client("sqs")


def test_a_message_comes_back_with_everything_it_was_sent_with(sqs):
    url = make(sqs, "whole")
    attributes = {
        "Text": {"DataType": "String", "StringValue": "hällo <&>"},
        "Number": {"DataType": "Number.int", "StringValue": "12"},
        "Bytes": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-3152b799-8954dae64eda91bc9a23a7e8"}}
    # boto3 compares the checksums of body and attributes with its own.
    sent = sqs.send_message(QueueUrl=url, MessageBody="line\r\n\tü <&>", MessageAttributes=attributes, MessageSystemAttributes=trace)
    # The same text for the query protocol's XML.
    form = {"Action": "ReceiveMessage", "Version": "2012-11-05", "QueueUrl": url, "VisibilityTimeout": 0, "MessageAttributeName.1": "All", "AttributeName.1": "All"}
    answer = xml.etree.ElementTree.fromstring(requests.post(url, data=form).content)
    message = answer.find(NAMESPACE + "ReceiveMessageResult").find(NAMESPACE + "Message")
    assert message.find(NAMESPACE + "Body").text == "line\r\n\tü <&>"
    received = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])["Messages"][0]
    assert (received["MessageId"], received["Body"]) == (sent["MessageId"], "line\r\n\tü <&>")
    assert received["MessageAttributes"] == attributes
    assert received["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert received["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert received["Attributes"]["ApproximateReceiveCount"] == "2"
    assert abs(int(received["Attributes"]["SentTimestamp"]) - time.time() * 1000) < 60_000
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])


def test_refusals_are_those_of_aws(sqs):
    url = make(sqs, "refusing")
    missing = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    assert refusal(sqs.get_queue_url, QueueName="nowhere") == missing
    assert refusal(sqs.send_message, QueueUrl=url + "-not", MessageBody="x") == missing
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="") == ("MissingParameter", "The request must contain the parameter MessageBody.")
    assert refusal(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11) == (
        "InvalidParameterValue", "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
    )
    assert refusal(sqs.create_queue, QueueName="refusing", Attributes={"DelaySeconds": "7"}) == (
        "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute DelaySeconds",
    )
    assert make(sqs, "refusing", DelaySeconds=0) == url
    assert refusal(sqs.create_queue, QueueName="other", Attributes={"FifoQueue": "false"}) == ("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    assert refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "true"}) == ("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    many = [{"Id": str(number), "MessageBody": "x"} for number in range(20)]
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=many) == (
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 20.",
    )
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=[]) == (
        "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request.",
    )
    assert refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle="garbage")[0] == "ReceiptHandleIsInvalid"
    empty = {"ErrorDetails": {"DataType": "String", "StringValue": ""}}
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x", MessageAttributes=empty) == (
        "InvalidParameterValue", "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
    )
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_576)
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x" * 1_048_577) == (
        "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
    )
    big = [{"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)]
    assert refusal(sqs.send_message_batch, QueueUrl=url, Entries=big) == (
        "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes.",
    )


def test_attributes_tags_and_permissions_are_kept(sqs):
    url = make(sqs, "attributes", VisibilityTimeout=20, MessageRetentionPeriod=604800)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    times = {attributes.pop("CreatedTimestamp"), attributes.pop("LastModifiedTimestamp")}
    assert all(abs(int(one) - time.time()) < 60 for one in times)
    assert attributes == {
        "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
        "DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "604800",
        "QueueArn": "arn:aws:sqs:us-east-1:123456789012:attributes", "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true", "VisibilityTimeout": "20",
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "testKeyId", "KmsDataKeyReusePeriodSeconds": "6000", "VisibilityTimeout": ""})
    named = ["KmsMasterKeyId", "SqsManagedSseEnabled", "VisibilityTimeout", "Policy"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=named)["Attributes"] == {
        "KmsMasterKeyId": "testKeyId", "SqsManagedSseEnabled": "false", "VisibilityTimeout": "30",
    }
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    assert refusal(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Nonsense"])[0] == "InvalidAttributeName"

    sqs.tag_queue(QueueUrl=url, Tags={"tag1": "value1", "tag2": "value2", "tag3": ""})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"tag1": "value1", "tag2": "value2", "tag3": ""}
    sqs.untag_queue(QueueUrl=url, TagKeys=["tag1", "tag3"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"tag2": "value2"}
    sqs.untag_queue(QueueUrl=url, TagKeys=["tag2"])
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)

    def permission(label, *accounts):
        sqs.add_permission(QueueUrl=url, Label=label, AWSAccountIds=list(accounts), Actions=["ReceiveMessage"])

    permission("one", "668614515564", "111111111111")
    permission("two", "111111111111")
    assert refusal(sqs.add_permission, QueueUrl=url, Label="one", AWSAccountIds=["111111111111"], Actions=["SendMessage"]) == (
        "InvalidParameterValue", "Value one for parameter Label is invalid. Reason: Already exists.",
    )
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    arn = "arn:aws:sqs:us-east-1:123456789012:attributes"
    assert policy["Version"] == "2008-10-17" and policy["Id"] == arn + "/SQSDefaultPolicy"
    assert policy["Statement"][0] == {
        "Sid": "one", "Effect": "Allow", "Action": "SQS:ReceiveMessage", "Resource": arn,
        "Principal": {"AWS": ["arn:aws:iam::668614515564:root", "arn:aws:iam::111111111111:root"]},
    }
    assert policy["Statement"][1]["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    sqs.remove_permission(QueueUrl=url, Label="one")
    sqs.remove_permission(QueueUrl=url, Label="two")
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    assert refusal(sqs.remove_permission, QueueUrl=url, Label="two") == (
        "InvalidParameterValue", "Value two for parameter Label is invalid. Reason: can't find label.",
    )


def test_queues_are_listed_in_pages_purged_and_deleted(server):
    sqs = server.client("sqs", account="210987654321")
    urls = [make(sqs, "page-%d" % number) for number in range(5)]
    make(sqs, "unpaged")
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix="page-", PaginationConfig={"PageSize": 2})
    assert [page["QueueUrls"] for page in pages] == [urls[:2], urls[2:4], urls[4:]]
    assert len(sqs.list_queues()["QueueUrls"]) == 6
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="none")
    assert server.client("sqs").get_queue_url(QueueName="page-0", QueueOwnerAWSAccountId="210987654321")["QueueUrl"] == urls[0]
    for number in range(3):
        sqs.send_message(QueueUrl=urls[0], MessageBody=str(number))
    sqs.purge_queue(QueueUrl=urls[0])
    assert "Messages" not in sqs.receive_message(QueueUrl=urls[0])
    assert refusal(sqs.purge_queue, QueueUrl=urls[0])[0] == "AWS.SimpleQueueService.PurgeQueueInProgress"
    sqs.send_message(QueueUrl=urls[1], MessageBody="gone")
    sqs.delete_queue(QueueUrl=urls[1])
    assert refusal(sqs.receive_message, QueueUrl=urls[1])[0] == "AWS.SimpleQueueService.NonExistentQueue"
    assert make(sqs, "page-1") == urls[1]
    assert "Messages" not in sqs.receive_message(QueueUrl=urls[1])


def test_batches_fail_entry_by_entry(sqs):
    url = make(sqs, "batches")
    entries = [
        {"Id": "good", "MessageBody": "one", "MessageAttributes": {"A": {"DataType": "String", "StringValue": "b"}}},
        {"Id": "bad", "MessageBody": "two", "DelaySeconds": 901},
        {"Id": "late", "MessageBody": "three", "DelaySeconds": 900},
    ]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["good", "late"]
    assert [(one["Id"], one["Code"], one["SenderFault"]) for one in answer["Failed"]] == [("bad", "InvalidParameterValue", True)]
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible"]
    seen = lambda: [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"][name] for name in counts]
    assert seen() == ["1", "1", "0"]
    handle = sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
    assert seen() == ["0", "1", "1"]
    changes = [{"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 0}, {"Id": "b", "ReceiptHandle": "garbage", "VisibilityTimeout": 0}]
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=changes)
    assert [one["Id"] for one in answer["Successful"]] == ["a"]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [("b", "ReceiptHandleIsInvalid")]
    handle = sqs.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": handle}, {"Id": "b", "ReceiptHandle": "garbage"}])
    assert [one["Id"] for one in answer["Successful"]] == ["a"] and [one["Id"] for one in answer["Failed"]] == ["b"]
    assert seen() == ["0", "1", "0"]


def test_what_is_received_too_often_goes_to_the_dead_letter_queue(sqs):
    dead = make(sqs, "dead-after-receives", ReceiveMessageWaitTimeSeconds=20)
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    url = make(sqs, "alive", RedrivePolicy=redrive, VisibilityTimeout=0)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison", MessageAttributes={"MyAttribute": {"DataType": "String", "StringValue": "foobar"}})
    assert bodies(sqs.receive_message(QueueUrl=url)) == ["poison"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sqs.receive_message, QueueUrl=dead, MessageAttributeNames=["All"], AttributeNames=["All"])
        assert bodies(sqs.receive_message(QueueUrl=url)) == []
        message = waiting.result(60)["Messages"][0]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "poison")
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    assert message["Attributes"]["DeadLetterQueueSourceArn"].endswith(":alive")
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})})
    code, text = refusal(sqs.create_queue, QueueName="unwanted", Attributes={"RedrivePolicy": redrive})
    assert code == "InvalidParameterValue" and "for parameter RedrivePolicy is invalid." in text
    missing = json.dumps({"deadLetterTargetArn": arn + "-not", "maxReceiveCount": 1})
    code, text = refusal(sqs.create_queue, QueueName="unwanted", Attributes={"RedrivePolicy": missing})
    assert code == "InvalidParameterValue" and text.endswith("Reason: Dead letter target does not exist.")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])


def test_fifo_queues_keep_the_order_of_groups_and_send_nothing_twice(sqs):
    url = make(sqs, "order.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    send = lambda body, group="g", **more: sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)
    sent = [send("1"), send("2"), send("x", "h"), send("3")]
    again = send("1")
    assert (again["MessageId"], again["SequenceNumber"]) == (sent[0]["MessageId"], sent[0]["SequenceNumber"])
    numbers = [int(one["SequenceNumber"]) for one in sent]
    assert numbers == sorted(numbers) and all(len(one["SequenceNumber"]) == 20 for one in sent)
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, AttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in received] == ["1", "2"]
    attributes = received[0]["Attributes"]
    assert attributes["MessageGroupId"] == "g" and attributes["SequenceNumber"] == sent[0]["SequenceNumber"]
    assert len(attributes["MessageDeduplicationId"]) == 64
    assert bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)) == ["x"]
    assert bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)) == []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        for message in received:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert bodies(waiting.result(60)) == ["3"]
    assert refusal(sqs.send_message, QueueUrl=url, MessageBody="x") == ("MissingParameter", "The request must contain the parameter MessageGroupId.")
    assert refusal(send, body="x", DelaySeconds=2) == (
        "InvalidParameterValue", "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
    )
    assert refusal(send, body="x", MessageDeduplicationId="group 123") == (
        "InvalidParameterValue",
        "Value group 123 for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
    )
    plain = make(sqs, "plain.fifo", FifoQueue="true", VisibilityTimeout=1)
    assert refusal(sqs.send_message, QueueUrl=plain, MessageBody="x", MessageGroupId="g") == (
        "InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
    sqs.send_message(QueueUrl=plain, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    old = sqs.receive_message(QueueUrl=plain)["Messages"][0]["ReceiptHandle"]
    assert bodies(sqs.receive_message(QueueUrl=plain, WaitTimeSeconds=20)) == ["x"], "when the lease is over"
    assert refusal(sqs.delete_message, QueueUrl=plain, ReceiptHandle=old) == (
        "InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired." % old,
    )


def test_high_throughput_makes_duplicates_of_a_group_alone(sqs):
    high = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    url = make(sqs, "high.fifo", FifoQueue="true", ContentBasedDeduplication="true", **high)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(high))["Attributes"]
    assert attributes == high
    for group in ("a", "b", "a"):
        sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId=group)
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["MessageGroupId"])["Messages"]
    received += sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["MessageGroupId"]).get("Messages", [])
    assert sorted(message["Attributes"]["MessageGroupId"] for message in received) == ["a", "b"]
    code, _ = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"DeduplicationScope": "queue"})
    assert code == "InvalidAttributeValue"


def test_a_redrive_allow_policy_names_who_may(sqs):
    arn = "arn:aws:sqs:us-east-1:123456789012:"
    allow = {"redrivePermission": "byQueue", "sourceQueueArns": [arn + "allowed-source"]}
    make(sqs, "choosy-dead", RedriveAllowPolicy=json.dumps(allow))
    redrive = json.dumps({"deadLetterTargetArn": arn + "choosy-dead", "maxReceiveCount": 3})
    make(sqs, "allowed-source", RedrivePolicy=redrive)
    code, text = refusal(sqs.create_queue, QueueName="other-source", Attributes={"RedrivePolicy": redrive})
    assert code == "InvalidParameterValue" and "does not have permission to redrive" in text
    fifo = make(sqs, "choosy.fifo", FifoQueue="true")
    code, text = refusal(sqs.set_queue_attributes, QueueUrl=fifo, Attributes={"RedrivePolicy": redrive})
    assert code == "InvalidParameterValue" and text.endswith("Dead-letter queue must be same type of queue as the source.")


def test_a_wait_ends_with_the_message_and_at_its_time(sqs):
    url = make(sqs, "waited")
    receive = lambda **more: (sqs.receive_message(QueueUrl=url, **more), time.monotonic())
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        waiting = pool.submit(receive, WaitTimeSeconds=20)
        sqs.send_message(QueueUrl=url, MessageBody="soon")
        answer, _ = waiting.result(60)
        assert bodies(answer) == ["soon"]
        # Given back, it is the next one's.
        waiting = pool.submit(receive, WaitTimeSeconds=20)
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=answer["Messages"][0]["ReceiptHandle"], VisibilityTimeout=0)
        answer, _ = waiting.result(60)
        assert bodies(answer) == ["soon"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=answer["Messages"][0]["ReceiptHandle"])
        assert time.monotonic() - began < 20
        began = time.monotonic()
        waiting = [pool.submit(receive, WaitTimeSeconds=20) for _ in range(2)]
        sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=1)
        done, others = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
        answer, at = done.pop().result(60)
        assert bodies(answer) == ["late"] and 0.9 < at - began < 20
        sqs.send_message(QueueUrl=url, MessageBody="other")
        assert bodies(others.pop().result(60)[0]) == ["other"]
    answer, at = receive(WaitTimeSeconds=1)
    assert "Messages" not in answer


def cut_long_poll(server, url):
    """A client that begins to wait and goes away."""
    host = urllib.parse.urlparse(server.url)
    connection = socket.create_connection((host.hostname, host.port))
    body = urllib.parse.urlencode({"Action": "ReceiveMessage", "Version": "2012-11-05", "QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    head = "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % (host.netloc, len(body))
    connection.sendall(head.encode() + body)
    return connection


def test_waits_that_their_clients_cut_take_no_message_away(server, sqs):
    url = make(sqs, "cut", VisibilityTimeout=600)
    for number in range(20):
        cut = [cut_long_poll(server, url) for _ in range(5)]
        # Whatever was sent before them has been answered, so they are being served.
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        for connection in cut:
            connection.close()
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
        received = wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages"), "message %d comes" % number)
        assert [message["Body"] for message in received] == [str(number)]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])


def test_a_hundred_pollers_get_each_message_once(server, sqs):
    url = make(sqs, "polled")
    expected = {str(number) for number in range(1000)}
    got, done, lock = [], threading.Event(), threading.Lock()

    def poll(client):
        while not done.is_set():
            messages = client.receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=3).get("Messages", [])
            for message in messages:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            with lock:
                got.extend(message["Body"] for message in messages)
                if len(got) >= len(expected):
                    done.set()
        # Lets those go that wait.
        client.send_message(QueueUrl=url, MessageBody="end")

    with concurrent.futures.ThreadPoolExecutor(110) as pool:
        pollers = [pool.submit(poll, sqs) for _ in range(100)]
        bodies = sorted(expected, key=int)
        for at in range(0, len(bodies), 10):
            sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": body, "MessageBody": body} for body in bodies[at:at + 10]])
        assert done.wait(120)
        for poller in pollers:
            poller.result(60)
    assert sorted(body for body in got if body != "end") == sorted(expected)


def test_idle_waits_cost_nothing_and_do_not_hold_a_stop_up(own_server):
    own_server.start()
    sqs = own_server.client("sqs")
    url = make(sqs, "idle")

    def spent():
        with open("/proc/%d/stat" % own_server.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        waiting = [pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20) for _ in range(100)]
        def settled():
            before = spent()
            time.sleep(0.5)
            return spent() - before < 0.02
        wait_for(settled, "a hundred waits cost nothing")
        began = time.monotonic()
        assert own_server.stop() == 0
        assert time.monotonic() - began < 15
        for one in waiting:
            try:
                assert "Messages" not in one.result(60)
            except botocore.exceptions.BotoCoreError:
                pass


def test_acknowledged_messages_are_there_after_a_kill_and_a_restart(own_server):
    own_server.start()
    sqs = own_server.client("sqs")
    url = make(sqs, "killed")
    name = url.rsplit("/", 1)[1]
    acknowledged, enough, lock = set(), threading.Event(), threading.Lock()

    def send(worker):
        for number in range(100_000):
            body = "%d-%d" % (worker, number)
            try:
                sqs.send_message(QueueUrl=url, MessageBody=body)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return
            with lock:
                acknowledged.add(body)
                if len(acknowledged) >= 300:
                    enough.set()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for worker in range(8):
            pool.submit(send, worker)
        assert enough.wait(60)
        own_server.stop(signal.SIGKILL)

    def drain():
        sqs = own_server.client("sqs")
        url, found = sqs.get_queue_url(QueueName=name)["QueueUrl"], set()
        while True:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1000).get("Messages")
            if not messages:
                return found
            found |= {message["Body"] for message in messages}

    own_server.start()
    assert not acknowledged - drain()
    # In flight before the stop, in flight after it.
    assert own_server.stop() == 0
    own_server.start()
    assert not drain()


def test_the_query_protocol_works_at_the_queues_own_url(server, sqs):
    url = make(sqs, "older")

    def call(action, at=url, method="POST", **form):
        form = {"Action": action, "Version": "2012-11-05", **form}
        answer = requests.request(method, at, **({"data": form} if method == "POST" else {"params": form}))
        return answer.status_code, xml.etree.ElementTree.fromstring(answer.content)

    def texts(answer, *path):
        return [found.text for found in answer.findall("/".join(NAMESPACE + part for part in path))]

    status, answer = call("SendMessage", MessageBody="hi & <you>", **{
        "MessageAttribute.1.Name": "A", "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "b",
    })
    assert status == 200 and len(texts(answer, "SendMessageResult", "MessageId")[0]) == 36
    assert len(texts(answer, "ResponseMetadata", "RequestId")[0]) == 36
    entries = {"SendMessageBatchRequestEntry.%d.%s" % (number, key): value for number in (1, 2) for key, value in (("Id", "e%d" % number), ("MessageBody", str(number)))}
    _, answer = call("SendMessageBatch", **entries)
    assert texts(answer, "SendMessageBatchResult", "SendMessageBatchResultEntry", "Id") == ["e1", "e2"]
    _, answer = call("ReceiveMessage", method="GET", MaxNumberOfMessages=10, **{"MessageAttributeName.1": "All", "AttributeName.1": "SenderId"})
    assert texts(answer, "ReceiveMessageResult", "Message", "Body") == ["hi & <you>", "1", "2"]
    assert texts(answer, "ReceiveMessageResult", "Message", "MessageAttribute", "Value", "StringValue") == ["b"]
    assert texts(answer, "ReceiveMessageResult", "Message", "Attribute", "Name") == ["SenderId"] * 3
    handles = texts(answer, "ReceiveMessageResult", "Message", "ReceiptHandle")
    status, _ = call("DeleteMessage", ReceiptHandle=handles[0])
    assert status == 200
    _, answer = call("GetQueueAttributes", **{"AttributeName.1": "QueueArn"})
    assert texts(answer, "GetQueueAttributesResult", "Attribute", "Value") == ["arn:aws:sqs:us-east-1:123456789012:older"]
    # Unsigned, at no queue's path.
    _, answer = call("CreateQueue", at=server.url, QueueName="made-by-form", **{"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "5", "Tag.1.Key": "k", "Tag.1.Value": "v"})
    made = texts(answer, "CreateQueueResult", "QueueUrl")[0]
    assert sqs.list_queue_tags(QueueUrl=made)["Tags"] == {"k": "v"}
    assert sqs.get_queue_attributes(QueueUrl=made, AttributeNames=["DelaySeconds"])["Attributes"] == {"DelaySeconds": "5"}
    status, answer = call("ReceiveMessage", at=url + "-not")
    assert status == 400 and texts(answer, "Error", "Code") == ["AWS.SimpleQueueService.NonExistentQueue"]
    assert texts(answer, "Error", "Message") == ["The specified queue does not exist for this wsdl version."]
    assert requests.get(url).status_code == 404
    # JSON at the queue's path, as PHP's SDK sends it.
    headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
    assert requests.post(url, json={"QueueUrl": url}, headers=headers).json() == {}


@pytest.mark.parametrize("version", [1, 2])
def test_both_cli_versions_speak_to_queues(server, version):
    if version == 2 and not (ROOT / ".cache/aws-cli-v2/usr/bin/aws").exists():
        pytest.skip("version 2 is not there")
    name = "queue-of-cli-%d" % version

    def cli(*arguments):
        # Version 1 sends queues elsewhere unless it is told so.
        output = server.cli("sqs", *arguments, "--endpoint-url", server.url, version=version).stdout
        return json.loads(output) if output.strip() else {}

    url = cli("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=7", "--tags", "a=b")["QueueUrl"]
    assert cli("get-queue-url", "--queue-name", name)["QueueUrl"] == url
    cli("send-message", "--queue-url", url, "--message-body", "hello")
    message = cli("receive-message", "--queue-url", url, "--wait-time-seconds", "1")["Messages"][0]
    assert message["Body"] == "hello"
    cli("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    attributes = cli("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert attributes["VisibilityTimeout"] == "7" and attributes["ApproximateNumberOfMessages"] == "0"
    assert cli("list-queue-tags", "--queue-url", url)["Tags"] == {"a": "b"}
    cli("delete-queue", "--queue-url", url)
    done = server.cli("sqs", "get-queue-url", "--queue-name", name, "--endpoint-url", server.url, version=version, check=False)
    assert "NonExistentQueue" in done.stderr


SCRIPT = """
const { SQSClient, ...sqs } = require('@aws-sdk/client-sqs');
(async () => {
  const client = new SQSClient({});
  const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName: 'js' }));
  const MessageAttributes = { A: { DataType: 'String', StringValue: 'b' }, B: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2, 3]) } };
  await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: 'one', MessageAttributes }));
  await client.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: 'a', MessageBody: 'two' }] }));
  const { Messages } = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, MessageAttributeNames: ['All'] }));
  const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: 'm' + index, ReceiptHandle }));
  const { Successful } = await client.send(new sqs.DeleteMessageBatchCommand({ QueueUrl, Entries }));
  const error = await client.send(new sqs.GetQueueUrlCommand({ QueueName: 'nowhere' })).catch((error) => error);
  console.log(JSON.stringify([Messages.map(({ Body }) => Body), [...Messages[0].MessageAttributes.B.BinaryValue], Successful.length, error.name]));
})();
"""


def test_the_javascript_sdk_speaks_to_queues(server):
    if not shutil.which("node"):
        pytest.skip("node is not there")
    modules = next((RUNTIMES / "runtime").glob("aws-sdk-v3-*")) / "node_modules"
    env = {
        "PATH": os.environ["PATH"], "NODE_PATH": str(modules), "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(["node", "-e", SCRIPT], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["one", "two"], [1, 2, 3], 2, "QueueDoesNotExist"]


def receive_and_drop(server, url):
    """A client that asks for messages and drops its connection while the answer is on its way."""
    connection = cut_long_poll(server, url)
    # Refused by the kernel from now on: the client has gone without reading.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(random.random() * 0.004)
    connection.close()


def test_connections_dropped_in_the_middle_of_a_receive_lose_nothing(server, sqs):
    """Whatever a client was about to get when its connection broke is somebody else's after its visibility timeout at the latest."""
    url = make(sqs, "dropped-connections", VisibilityTimeout=2)
    expected = {str(number) for number in range(200)}

    def drop():
        for _ in range(30):
            receive_and_drop(server, url)

    got = set()

    def all_have_come():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=600).get("Messages", []):
            got.add(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return got == expected

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        droppers = [pool.submit(drop) for _ in range(10)]
        bodies = sorted(expected, key=int)
        for at in range(0, len(bodies), 10):
            sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": body, "MessageBody": body} for body in bodies[at:at + 10]])
            all_have_come()
        for dropper in droppers:
            dropper.result(60)
    wait_for(all_have_come, "every message comes")
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_a_hundred_cut_waits_leave_nothing_leased(server, sqs):
    url = make(sqs, "hundred-cut", VisibilityTimeout=600)
    cut = [cut_long_poll(server, url) for _ in range(100)]
    sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    for connection in cut:
        connection.close()
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": str(number)} for number in range(10)])
    got = set()

    def all_have_come():
        got.update(bodies(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)))
        return len(got) == 10

    wait_for(all_have_come, "none of them is held by a client that has gone")
