"""Asynchronous invocation: accepted on disk, handled, tried again, told of; also over a kill."""

import collections
import concurrent.futures
import json
import random
import signal
import threading
import time
import urllib.request

import botocore.exceptions
import pytest
from conftest import Server, wait_for
from test_functions import refused

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
ECHO = "def handler(event, context):\n    print('got', event)\n    return event\n"
#: Prints the record as it came.
HEARD = "import json\ndef handler(event, context):\n    print('heard ' + json.dumps(event, separators=(',', ':')))\n"
FAILING = "def handler(event, context):\n    print('tried', context.aws_request_id)\n    raise ValueError('on purpose')\n"
#: Retries after 0.2 and 0.4 s.
QUICK = ("--async-retry-base-ms", "200")


@pytest.fixture(scope="module")
def quick(workplace):
    directory = workplace / "quick"
    directory.mkdir()
    server = Server(directory, *QUICK).start()
    yield server
    assert server.stop() == 0


def send(server, name, event, **more):
    return server.lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **more)


def figures(server):
    page = urllib.request.urlopen(server.url + "/_lambent/metrics").read().decode()
    return {line.split()[0]: float(line.split()[1]) for line in page.splitlines() if not line.startswith("#")}


def heard(server, name, count=1):
    """Records that a destination got."""
    def read():
        found = [line[6:] for line in server.messages(name, "heard ") if line.startswith("heard ")]
        return found if len(found) >= count else None
    return [json.loads(line) for line in wait_for(read, "%d records at %s" % (count, name))]


def configure(server, name, **config):
    destinations = {kind: {"Destination": FUNCTION + to} for kind, to in config.pop("to", {}).items()}
    server.lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destinations, **config)


def test_an_event_is_accepted_with_nothing_to_say_and_handled_under_its_id(quick):
    quick.create("accepted", ECHO)
    answer = send(quick, "accepted", {"n": 1})
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer and "FunctionError" not in answer
    request_id = answer["ResponseMetadata"]["RequestId"]
    log = quick.messages("accepted")
    assert "START RequestId: %s Version: $LATEST\n" % request_id in log
    assert "got {'n': 1}\n" in log


def test_what_cant_be_an_event_is_refused_before_it_is_accepted(quick):
    quick.create("checked", ECHO)
    client = quick.lambda_
    assert refused(client.invoke, FunctionName="nobody", InvocationType="Event", Payload=b"{}")[:2] == (404, "ResourceNotFoundException")
    assert refused(client.invoke, FunctionName="checked", InvocationType="Event", Payload=b"{")[:2] == (400, "InvalidRequestContentException")
    status, code, message = refused(client.invoke, FunctionName="checked", InvocationType="Event", Payload=b'"' + b"x" * 1048575 + b'"')
    assert (status, message) == (413, "Request must be smaller than 1048576 bytes for the InvokeFunction operation")
    largest = client.invoke(FunctionName="checked", InvocationType="Event", Payload=b'"' + b"x" * 1048574 + b'"')
    assert largest["StatusCode"] == 202
    assert refused(client.invoke_async, FunctionName="checked", InvokeArgs=b'"' + b"x" * 262143 + b'"')[0] == 413
    assert client.invoke_async(FunctionName="checked", InvokeArgs=b'{"old":1}')["Status"] == 202
    quick.messages("checked", "got {'old': 1}")


def test_a_failure_is_tried_again_under_the_same_id_and_told_to_its_destination(quick):
    quick.create("failing", FAILING)
    quick.create("hears-failure", HEARD)
    configure(quick, "failing", to={"OnFailure": "hears-failure"})
    before = figures(quick)
    request_id = send(quick, "failing", {"n": 7})["ResponseMetadata"]["RequestId"]
    [record] = heard(quick, "hears-failure")
    assert list(record) == ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"]
    assert record["requestContext"] == {
        "requestId": request_id, "functionArn": FUNCTION + "failing:$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == {"n": 7}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "on purpose" and record["responsePayload"]["requestId"] == request_id
    log = [line for line in quick.messages("failing", "REPORT") if line.startswith("tried")]
    assert log == ["tried %s\n" % request_id] * 3
    after = figures(quick)
    assert after["lambent_async_events_dropped_total"] == before["lambent_async_events_dropped_total"] + 1
    assert after["lambent_async_events_received_total"] == before["lambent_async_events_received_total"] + 2


def test_success_goes_to_its_own_destination_with_the_settings_of_the_alias(quick):
    quick.create("succeeding", ECHO)
    quick.create("hears-success", HEARD)
    client = quick.lambda_
    client.publish_version(FunctionName="succeeding")
    client.create_alias(FunctionName="succeeding", Name="live", FunctionVersion="1")
    client.put_function_event_invoke_config(
        FunctionName="succeeding", Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": FUNCTION + "hears-success"}}
    )
    send(quick, "succeeding", "not told")
    send(quick, "succeeding", "told", Qualifier="live")
    [record] = heard(quick, "hears-success")
    assert (record["requestPayload"], record["responsePayload"]) == ("told", "told")
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    assert record["requestContext"]["functionArn"] == FUNCTION + "succeeding:live"
    assert record["requestContext"]["condition"] == "Success"


def test_a_function_that_is_switched_off_is_not_run_and_its_event_told_of(quick):
    quick.create("switched-off", ECHO)
    quick.create("hears-off", HEARD)
    configure(quick, "switched-off", to={"OnFailure": "hears-off"})
    quick.lambda_.put_function_concurrency(FunctionName="switched-off", ReservedConcurrentExecutions=0)
    assert send(quick, "switched-off", {})["StatusCode"] == 202
    [record] = heard(quick, "hears-off")
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record and "responsePayload" not in record


def test_what_cant_be_told_is_counted_and_said(quick):
    queue = "arn:aws:sqs:us-east-1:123456789012:q"
    quick.create("unheard", FAILING, DeadLetterConfig={"TargetArn": queue})
    quick.lambda_.put_function_event_invoke_config(
        FunctionName="unheard", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": queue}}
    )
    before = figures(quick)
    send(quick, "unheard", {})
    wait_for(lambda: figures(quick)["lambent_destination_delivery_failures_total"] > before["lambent_destination_delivery_failures_total"], "counted")
    assert figures(quick)["lambent_dead_letter_errors_total"] == before["lambent_dead_letter_errors_total"] + 1
    assert "QueueDoesNotExist" in quick.said()
    of_function = [line for line in figures(quick) if line.startswith("lambent_function_") and 'function="unheard"' in line]
    assert {line.split("{")[0] for line in of_function} >= {
        "lambent_function_dead_letter_errors_total", "lambent_function_destination_delivery_failures_total", "lambent_function_async_events_dropped_total",
    }


def received(server, queue):
    """The one message of a queue, with all that comes along."""
    sqs = server.client("sqs")
    def read():
        return sqs.receive_message(
            QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], WaitTimeSeconds=5
        ).get("Messages")
    [message] = wait_for(read, "a message in " + queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return message


def test_what_failed_goes_to_the_dead_letter_queue_as_it_came(quick):
    queue = quick.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    quick.create("dying", FAILING, DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"})
    quick.lambda_.put_function_event_invoke_config(FunctionName="dying", MaximumRetryAttempts=0)
    request_id = send(quick, "dying", {"n": 1})["ResponseMetadata"]["RequestId"]
    message = received(quick, queue)
    assert json.loads(message["Body"]) == {"n": 1}
    attributes = {name: (value["DataType"], value["StringValue"]) for name, value in message["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": ("String", request_id), "ErrorCode": ("Number", "200"), "ErrorMessage": ("String", "on purpose"),
    }
    assert message["Attributes"]["AWSTraceHeader"].startswith("Root=1-")


def test_a_queue_is_told_of_success_and_of_failure(quick):
    queue = quick.client("sqs").create_queue(QueueName="told")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:told"
    for name, code in (("well", ECHO), ("ill", FAILING)):
        quick.create(name, code)
        quick.lambda_.put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=0,
            DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
        )
        send(quick, name, {"for": name})
        record = json.loads(received(quick, queue)["Body"])
        assert record["requestPayload"] == {"for": name}
        assert record["requestContext"]["condition"] == ("Success" if name == "well" else "RetriesExhausted")


def test_new_code_and_a_deleted_function_are_seen_by_what_waits(own_server):
    own_server.options = ("--async-retry-base-ms", "3000")
    own_server.start()
    own_server.create("mended", FAILING)
    own_server.create("deleted", FAILING)
    send(own_server, "mended", "again")
    send(own_server, "deleted", "never")
    own_server.messages("mended", "tried")
    own_server.messages("deleted", "tried")
    from conftest import package
    own_server.lambda_.update_function_code(FunctionName="mended", ZipFile=package({"app.py": ECHO}))
    own_server.lambda_.delete_function(FunctionName="deleted")
    own_server.messages("mended", "got again")
    wait_for(lambda: figures(own_server)["lambent_async_events_dropped_total"] == 1, "the event of the deleted function is dropped")


def test_a_flood_of_events_does_not_starve_callers_that_wait(own_server):
    own_server.options = ("--account-concurrency", "110")
    own_server.start()
    own_server.create("slow", "import time\ndef handler(event, context):\n    time.sleep(0.5)\n", Timeout=30)
    own_server.create("asked", ECHO)
    own_server.invoke("asked")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: send(own_server, "slow", number), range(400)))
        wait_for(lambda: figures(own_server)["lambent_async_running"] > 10, "the flood is being worked off")
        times = []
        for number in range(20):
            began = time.monotonic()
            assert own_server.invoke("asked", number)["Json"] == number
            times.append(time.monotonic() - began)
    assert figures(own_server)["lambent_async_running"] > 0, "the flood lasted longer than the callers"
    assert sorted(times)[10] < 0.5, times


def test_a_stop_lets_attempts_finish_and_the_rest_waits_for_the_next_start(own_server):
    own_server.options = ("--async-retry-base-ms", "2000")
    own_server.start()
    own_server.create("slow", "import time\ndef handler(event, context):\n    print('begun', event)\n    time.sleep(1)\n    print('done', event)\n", Timeout=10)
    own_server.create("later", FAILING)
    send(own_server, "later", 1)
    own_server.messages("later", "tried")
    send(own_server, "slow", 1)
    own_server.messages("slow", "begun")
    assert own_server.stop() == 0
    own_server.start()
    log = own_server.messages("slow", "done")
    assert [line for line in log if line.startswith(("begun", "done"))] == ["begun 1\n", "done 1\n"], "finished before the stop, and only once"
    wait_for(lambda: len([line for line in own_server.messages("later", "tried") if line.startswith("tried")]) == 3, "the retries")


def test_nothing_accepted_is_lost_by_kill_9(own_server):
    """Random moments: while events come in, run, fail, wait for their retry, and are told of. The log of the server says which are
    over: functions' logs are written behind them, and a kill takes the last lines."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    moments = random.Random(seed)
    own_server.options = (*QUICK, "--log-level", "info,lambent_delivery=debug", "--log-format", "json")
    own_server.start()
    own_server.create("counting", "def handler(event, context):\n    if event['n'] % 3 == 0:\n        raise ValueError('every third')\n")
    own_server.create("told", "def handler(event, context):\n    pass\n")
    configure(own_server, "counting", to={"OnSuccess": "told", "OnFailure": "told"})
    acknowledged, lock = {}, threading.Lock()

    def flood(halt):
        client = own_server.lambda_
        while not halt.is_set():
            number = moments.randrange(1 << 30)
            try:
                answer = client.invoke(FunctionName="counting", InvocationType="Event", Payload=json.dumps({"n": number}))
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return
            with lock:
                acknowledged[answer["ResponseMetadata"]["RequestId"]] = number

    for _ in range(5):
        halt = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(flood, halt)
            target = len(acknowledged) + moments.randrange(5, 120)
            wait_for(lambda: len(acknowledged) >= target, "acknowledged")
            time.sleep(moments.random() * 0.3)
            own_server.stop(signal.SIGKILL)
            halt.set()
        own_server.start()

    def over(function):
        lines = [json.loads(line)["fields"] for line in own_server.said().splitlines() if "an event is over" in line]
        return collections.Counter((one["request_id"], one["condition"]) for one in lines if one["function"] == FUNCTION + function)

    def missing():
        ids = {request_id for request_id, _ in over("counting")}
        return set(acknowledged) - ids

    wait_for(lambda: not missing(), "all are over, seed %d" % seed)
    assert not missing(), "%d of %d lost, seed %d" % (len(missing()), len(acknowledged), seed)
    ends = over("counting")
    for (request_id, condition) in ends:
        if request_id in acknowledged:
            assert condition == ("RetriesExhausted" if acknowledged[request_id] % 3 == 0 else "Success")
    # Told of with the event's end, in one transaction: one record for each, and more only for what a kill caught between.
    wait_for(lambda: sum(over("told").values()) >= len(acknowledged), "all are told of")
    assert sum(ends.values()) - len(ends) <= 5 * 64, "delivered again is only what was running when the server was killed"


def test_dead_letters_reach_the_queues_of_another_server(own_server, workplace):
    directory = workplace / "elsewhere"
    directory.mkdir()
    elsewhere = Server(directory).start()
    queue = elsewhere.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    own_server.options = ("--service-endpoints", "sqs=" + elsewhere.url)
    own_server.start()
    own_server.create("dying", FAILING, DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"})
    own_server.lambda_.put_function_event_invoke_config(FunctionName="dying", MaximumRetryAttempts=0)
    send(own_server, "dying", {"far": True})
    assert json.loads(received(elsewhere, queue)["Body"]) == {"far": True}
    assert "QueueUrls" not in own_server.client("sqs").list_queues()
    assert elsewhere.stop() == 0
