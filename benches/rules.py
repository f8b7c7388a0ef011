#!/usr/bin/env python3
"""EventBridge: from PutEvents to the target, and what ten thousand rules cost an event; beside floors of the same run. Standard library only.

    benches/rules.py <lambent binary>
"""

import json
import os
import shutil
import sys
import tempfile
import threading
import time

from bench import Connection, Server, create, package
from control import row
from events import sync_floor
from queues import quantiles

ROUNDS, RULES, WRITERS = 500, 10_000, 16
ACCOUNT = "123456789012"
HANDLER = "import time\ndef handler(event, context):\n    print('WAITED %.6f' % (time.time() - event['detail']['sent']))\n"


def call(connection, target, content_type="application/x-amz-json-1.1", **body):
    body = json.dumps(body).encode()
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (target, content_type, len(body))
    status, answer = connection.send(head.encode() + body)
    assert status == 200, answer
    return json.loads(answer)


def put(connection, detail, source="bench", bus="default"):
    entry = {"Source": source, "DetailType": "order", "Detail": json.dumps(detail), "EventBusName": bus}
    answer = call(connection, "AWSEvents.PutEvents", Entries=[entry])
    assert answer["FailedEntryCount"] == 0, answer


def rule(connection, name, pattern, target=None, **more):
    call(connection, "AWSEvents.PutRule", Name=name, EventPattern=json.dumps(pattern), **more)
    if target:
        call(connection, "AWSEvents.PutTargets", Rule=name, Targets=[{"Id": "t", "Arn": target}], **more)


def figures(times):
    return (len(times) / sum(times) * 1000, *quantiles(times))


def to_a_queue(server, connection):
    """Until the message is with a client that waits for it."""
    sqs = "application/x-amz-json-1.0"
    url = call(connection, "AmazonSQS.CreateQueue", sqs, QueueName="q")["QueueUrl"]
    rule(connection, "to-queue", {"source": ["to-queue"]}, "arn:aws:sqs:us-east-1:%s:q" % ACCOUNT)
    waiting, times = Connection(*server.address), []
    for number in range(ROUNDS):
        began = time.perf_counter()
        put(connection, {"n": number}, "to-queue")
        message = call(waiting, "AmazonSQS.ReceiveMessage", sqs, QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]
        times.append((time.perf_counter() - began) * 1000)
        call(waiting, "AmazonSQS.DeleteMessage", sqs, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return figures(times)


def to_a_function(connection):
    """Until its handler runs, told by the function itself."""
    create(connection, "late", "python3.12", "app.handler", package("app.py", HANDLER))
    rule(connection, "to-function", {"source": ["to-function"]}, "arn:aws:lambda:us-east-1:%s:function:late" % ACCOUNT)
    for number in range(ROUNDS + 20):
        put(connection, {"sent": time.time()}, "to-function")
        time.sleep(0.01)
    end, lines = time.monotonic() + 60, []
    while len(lines) < ROUNDS and time.monotonic() < end:
        lines, token = [], None
        while True:
            more = {"nextToken": token} if token else {}
            page = call(connection, "Logs_20140328.FilterLogEvents", logGroupName="/aws/lambda/late", filterPattern="WAITED", **more)
            lines += [float(event["message"].split("WAITED ")[1]) * 1000 for event in page["events"]]
            token = page.get("nextToken")
            if not token:
                break
        time.sleep(0.1)
    # The first ones start the environment.
    return figures(lines[20:])


def pattern(number):
    kinds = [
        {"source": ["shop-%d" % number]},
        {"source": ["bench"], "detail": {"customer": ["c-%d" % number]}},
        {"detail-type": ["order"], "detail": {"city": [{"prefix": "town-%d-" % number}], "price": [{"numeric": [">", number]}]}},
        {"source": ["bench"], "detail": {"items": {"sku": [{"anything-but": ["x", "y"]}], "shelf": ["s-%d" % number]}}},
    ]
    return kinds[number % len(kinds)]


def with_many_rules(server, connection):
    """An event that none of them matches: nothing is stored, the whole time is matching and the way there and back."""
    for bus in ("few", "many"):
        call(connection, "AWSEvents.CreateEventBus", Name=bus)

    def write(first):
        own = Connection(*server.address)
        for number in range(first, RULES, WRITERS):
            rule(own, "r-%d" % number, pattern(number), EventBusName="many")
    writers = [threading.Thread(target=write, args=(first,)) for first in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    connection = Connection(*server.address)
    event = {"customer": "nobody", "city": "nowhere", "price": 7, "items": [{"sku": "z", "shelf": "t"}, {"sku": "w", "shelf": "u"}]}
    found = {}
    for bus in ("few", "many", "few", "many"):
        times = found.setdefault(bus, [])
        for _ in range(ROUNDS):
            began = time.perf_counter()
            put(connection, event, bus=bus)
            times.append((time.perf_counter() - began) * 1000)
    return found


def main():
    binary = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="lambent-bench-")
    try:
        print("%-46s %11s %9s %9s  %s" % ("one connection", "rate", "median", "p99 ms", "promise"))
        row("floor: 4 KB appended and synced", sync_floor(directory))
        server = Server(binary, os.path.join(directory, "data"))
        try:
            connection = Connection(*server.address)
            row("PutEvents until a queue's client has it", to_a_queue(server, connection), "<= 10 ms")
            row("PutEvents until a warm function runs", to_a_function(connection), "<= 10 ms")
            found = with_many_rules(server, connection)
            few, many = figures(found["few"]), figures(found["many"])
            row("PutEvents, no rule on its bus", few)
            row("PutEvents, %d rules on its bus" % RULES, many)
            print("%-46s %21.3f ms %19s" % ("what %d rules cost an event" % RULES, many[1] - few[1], "<= 1 ms"), flush=True)
        finally:
            server.process.kill()
            server.process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
