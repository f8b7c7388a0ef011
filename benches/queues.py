#!/usr/bin/env python3
"""SQS and SNS: how fast messages are sent, and sent, received and deleted, and published, each of it on disk; beside floors of the same run.
Standard library only.

    benches/queues.py <lambent binary>
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from bench import HERE, Connection, Server, create, echo, package
from control import load, row
from events import sync_floor

ARN = "arn:aws:%s:us-east-1:123456789012:%s"
CONNECTIONS, SENDS, ROUNDS, BACKLOG, MAPPED = 16, 60_000, 20_000, 1_000_000, 1_000


def head(operation, length):
    return (
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.%s\r\n"
        "Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % (operation, length)
    ).encode()


def call(connection, operation, **body):
    body = json.dumps(body).encode()
    status, answer = connection.send(head(operation, len(body)) + body)
    assert status == 200, answer
    return json.loads(answer)


def rounds(server, url, count, latencies):
    """Sends, receives and deletes, one message after the other."""
    connection = Connection(*server.address)
    for _ in range(count):
        call(connection, "SendMessage", QueueUrl=url, MessageBody="x" * 200)
        began = time.perf_counter()
        messages = call(connection, "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        latencies.append((time.perf_counter() - began) * 1000)
        for message in messages:
            call(connection, "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def fill(server, url, count):
    connection = Connection(*server.address)
    entries = [{"Id": str(number), "MessageBody": "x" * 100} for number in range(10)]
    for _ in range(count // 10):
        call(connection, "SendMessageBatch", QueueUrl=url, Entries=entries)


def mapped(server, binary, count):
    """From before a message is sent until its warm function has run and the message is deleted, seen by asking again and again."""
    connection, watching = Connection(*server.address), Connection(*server.address)
    create(connection, "mapped", "provided.al2023", "any", package("bootstrap", echo(binary), 0o755))
    url = call(connection, "CreateQueue", QueueName="mapped")["QueueUrl"]
    arn = call(connection, "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = connection.call("POST", "/2015-03-31/event-source-mappings", {"EventSourceArn": arn, "FunctionName": "mapped"})
    while connection.call("GET", "/2015-03-31/event-source-mappings/" + mapping["UUID"])["State"] != "Enabled":
        time.sleep(0.002)

    def deleted():
        page = watching.send(watching.request("GET", "/_lambent/metrics"))[1].decode()
        return int(page.split("\nlambent_mapping_events_deleted_total ")[1].split()[0])

    latencies = []
    for number in range(count + 20):
        began = time.perf_counter()
        call(connection, "SendMessage", QueueUrl=url, MessageBody="x" * 200)
        while deleted() <= number:
            pass
        if number >= 20:
            latencies.append((time.perf_counter() - began) * 1000)
    return latencies


def form(**members):
    body = urllib.parse.urlencode({"Version": "2010-03-31", **members}).encode()
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head.encode() + body


def topic(connection, name, protocol, endpoint):
    """The ARN of a topic with one subscriber."""
    status, answer = connection.send(form(Action="CreateTopic", Name=name))
    assert status == 200, answer
    arn = answer.decode().split("<TopicArn>")[1].split("<")[0]
    status, answer = connection.send(form(Action="Subscribe", TopicArn=arn, Protocol=protocol, Endpoint=endpoint))
    assert status == 200, answer
    return arn


def published(server, count):
    """From before a message is published until it has been received from the queue that is subscribed, one after the other."""
    connection, receiving = Connection(*server.address), Connection(*server.address)
    url = call(connection, "CreateQueue", QueueName="published")["QueueUrl"]
    publish = form(Action="Publish", TopicArn=topic(connection, "to-queue", "sqs", ARN % ("sqs", "published")), Message="x" * 200)
    latencies = []
    for _ in range(count):
        began = time.perf_counter()
        assert connection.send(publish)[0] == 200
        messages = call(receiving, "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        latencies.append((time.perf_counter() - began) * 1000)
        call(receiving, "DeleteMessage", QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
    return latencies


def notified(server, binary, count):
    """From before a message is published until its warm function has been called, seen by asking again and again."""
    connection, watching = Connection(*server.address), Connection(*server.address)
    create(connection, "notified", "provided.al2023", "any", package("bootstrap", echo(binary), 0o755))
    publish = form(Action="Publish", TopicArn=topic(connection, "to-function", "lambda", ARN % ("lambda", "function:notified")), Message="x" * 200)

    def called():
        page = watching.send(watching.request("GET", "/_lambent/metrics"))[1].decode()
        return int(page.split("\nlambent_async_attempts_total ")[1].split()[0])

    latencies, first = [], called()
    for number in range(count + 20):
        began = time.perf_counter()
        assert connection.send(publish)[0] == 200
        while called() <= first + number:
            pass
        if number >= 20:
            latencies.append((time.perf_counter() - began) * 1000)
    return latencies


def together(target, *arguments):
    threads = [threading.Thread(target=target, args=arguments) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def quantiles(latencies):
    latencies.sort()
    return latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]


def main():
    binary = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="lambent-bench-")
    try:
        tool = os.path.join(directory, "load")
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", tool, str(HERE / "load.rs")], check=True)
        print("%-46s %11s %9s %9s  %s" % ("%d connections" % CONNECTIONS, "rate", "median", "p99 ms", "promise"))
        row("floor: bare server", load(tool, "echo", CONNECTIONS, SENDS))
        row("floor: 4 KB appended and synced", sync_floor(directory))
        server = Server(binary, os.path.join(directory, "data"))
        try:
            connection = Connection(*server.address)
            url = call(connection, "CreateQueue", QueueName="sent")["QueueUrl"]
            body = json.dumps({"QueueUrl": url, "MessageBody": "NNNNNNNN" + "x" * 192}).encode()
            message = os.path.join(directory, "message")
            pathlib.Path(message).write_bytes(head("SendMessage", len(body)) + body)
            row("messages sent", load(tool, "%s:%d" % server.address, CONNECTIONS, SENDS, message), ">= 5000/s")
            url, latencies = call(connection, "CreateQueue", QueueName="rounds")["QueueUrl"], []
            seconds = together(rounds, server, url, ROUNDS // CONNECTIONS, latencies)
            row("sent, received and deleted one by one", (len(latencies) / seconds, *quantiles(latencies)), ">= 2000/s")
            small = server.memory_mb()
            url = call(connection, "CreateQueue", QueueName="backlog", Attributes={"VisibilityTimeout": "43200"})["QueueUrl"]
            seconds = together(fill, server, url, BACKLOG // CONNECTIONS)
            print("%-46s %9.0f/s" % ("sent in batches of ten", BACKLOG / seconds), flush=True)
            print("%-46s %9.1f MB %26s" % ("memory for a backlog of %d" % BACKLOG, server.memory_mb() - small, "<= 100 MB"), flush=True)
            latencies = mapped(server, binary, MAPPED)
            row("sent, received, function called, deleted", (len(latencies) / sum(latencies) * 1000, *quantiles(latencies)), "p50 <= 10 ms")
            latencies = published(server, MAPPED)
            row("published, received from the topic's queue", (len(latencies) / sum(latencies) * 1000, *quantiles(latencies)))
            latencies = notified(server, binary, MAPPED)
            row("published, the topic's function called", (len(latencies) / sum(latencies) * 1000, *quantiles(latencies)))
            publish = os.path.join(directory, "publish")
            pathlib.Path(publish).write_bytes(form(Action="Publish", TopicArn=ARN % ("sns", "to-queue"), Message="x" * 200))
            row("messages published to a topic with a queue", load(tool, "%s:%d" % server.address, CONNECTIONS, SENDS // 4, publish))
            # An idle connection has been closed meanwhile.
            connection, latencies = Connection(*server.address), []
            for _ in range(1_000):
                began = time.perf_counter()
                call(connection, "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
                latencies.append((time.perf_counter() - began) * 1000)
            row("ten received of that backlog", (len(latencies) / sum(latencies) * 1000, *quantiles(latencies)), "<= 5 ms")
        finally:
            server.process.kill()
            server.process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
