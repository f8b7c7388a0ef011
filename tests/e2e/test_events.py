"""EventBridge as its users see it: rules that send events to functions, queues and other buses, and what happens when these don't take them."""

import datetime
import json
import signal
import time

import botocore.exceptions
import pytest
from conftest import ROLE, wait_for

ACCOUNT = "123456789012"
ECHO = "def handler(event, context):\n    import json\n    print('GOT ' + json.dumps(event))\n"


def arn(service, resource):
    return "arn:aws:%s:us-east-1:%s:%s" % (service, ACCOUNT, resource)


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def queue(server, name):
    url = server.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, arn("sqs", name)


def receive(server, url, count=1, attributes=False):
    """So many messages; each is deleted."""
    sqs, found = server.client("sqs"), []

    def more():
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"])
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message if attributes else message["Body"])
        return len(found) >= count
    wait_for(more, "%d messages" % count)
    assert len(found) == count, found
    return found


def rule(events, name, pattern, *targets, **more):
    events.put_rule(Name=name, EventPattern=json.dumps(pattern), **more)
    bus = {key: value for key, value in more.items() if key == "EventBusName"}
    events.put_targets(Rule=name, Targets=[{"Id": str(number), **target} for number, target in enumerate(targets)], **bus)


def put(events, source="shop", detail=None, **more):
    entry = {"Source": source, "DetailType": "order", "Detail": json.dumps(detail if detail is not None else {"id": 7}), **more}
    answer = events.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0, answer
    return answer["Entries"][0]["EventId"]


@pytest.fixture
def events(server):
    return server.client("events")


def test_an_event_reaches_a_function_and_a_queue_with_awss_envelope(server, events):
    server.create("on-order", ECHO)
    url, target = queue(server, "orders")
    rule(events, "orders", {"source": ["shop"], "detail": {"id": [{"numeric": [">", 5]}]}}, {"Arn": arn("lambda", "function:on-order")}, {"Arn": target})
    put(events, detail={"id": 3})
    when = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
    event_id = put(events, detail={"id": 7, "price": 1.50}, Time=when, Resources=["r"])
    expected = {
        "version": "0", "id": event_id, "detail-type": "order", "source": "shop", "account": ACCOUNT, "time": "2024-05-06T07:08:09Z",
        "region": "us-east-1", "resources": ["r"], "detail": {"id": 7, "price": 1.5},
    }
    assert json.loads(receive(server, url)[0]) == expected
    line = next(line for line in server.messages("on-order", "GOT") if "GOT" in line)
    assert json.loads(line.split("GOT ", 1)[1]) == expected


def test_targets_get_what_their_input_says(server, events):
    url, target = queue(server, "inputs")
    transformer = {"InputPathsMap": {"id": "$.detail.id", "all": "$.detail"}, "InputTemplate": '{"order": <id>, "text": "no. <id>", "all": <all>, "rule": "<aws.events.rule-name>"}'}
    rule(
        events, "inputs", {"source": ["inputs"]}, {"Arn": target, "Input": '{"constant": true}'}, {"Arn": target, "InputPath": "$.detail"},
        {"Arn": target, "InputTransformer": transformer},
    )
    put(events, "inputs")
    bodies = sorted(receive(server, url, 3))
    assert [json.loads(body) for body in bodies] == [
        {"constant": True}, {"id": 7}, {"order": 7, "text": "no. 7", "all": {"id": 7}, "rule": "inputs"},
    ]
    shown = events.list_targets_by_rule(Rule="inputs")["Targets"]
    assert shown[2] == {"Id": "2", "Arn": target, "InputTransformer": transformer}


def test_buses_hand_events_on_once(server, events):
    url, target = queue(server, "other")
    for name in ("near", "far"):
        events.create_event_bus(Name=name)
    rule(events, "there", {"source": ["hop"]}, {"Arn": arn("events", "event-bus/far"), "RoleArn": ROLE}, EventBusName="near")
    rule(events, "here", {"source": ["hop"]}, {"Arn": target}, {"Arn": arn("events", "event-bus/near"), "RoleArn": ROLE}, EventBusName="far")
    first = put(events, "hop", EventBusName="near")
    # Of a circle, a second event would find more than itself behind the first one.
    put(events, "hop", {"id": 8}, EventBusName="near")
    bodies = [json.loads(body) for body in receive(server, url, 2)]
    put(events, "hop", {"id": 9}, EventBusName="near")
    bodies += [json.loads(body) for body in receive(server, url)]
    assert sorted(body["detail"]["id"] for body in bodies) == [7, 8, 9]
    body = next(body for body in bodies if body["detail"] == {"id": 7})
    assert (body["source"], body["id"] == first, body["detail"]) == ("hop", False, {"id": 7})
    assert refusal(events.delete_event_bus, Name="far") == ("ValidationException", "Event bus can't be deleted since it has rules.")


def test_a_log_group_gets_a_line(server, events):
    server.logs.create_log_group(logGroupName="/aws/events/lines")
    rule(events, "lines", {"source": ["lines"]}, {"Arn": arn("logs", "log-group:/aws/events/lines")})
    put(events, "lines")
    found = wait_for(lambda: server.logs.filter_log_events(logGroupName="/aws/events/lines")["events"], "a line")
    assert json.loads(found[0]["message"])["detail"] == {"id": 7}


def test_a_bus_is_a_destination_of_asynchronous_invokes(server, events):
    server.create("succeeds", "def handler(event, context):\n    return {'did': event['n']}\n")
    url, target = queue(server, "results")
    bus = arn("events", "event-bus/default")
    server.lambda_.put_function_event_invoke_config(FunctionName="succeeds", DestinationConfig={"OnSuccess": {"Destination": bus}})
    rule(events, "results", {"source": ["lambda"], "detail": {"responsePayload": {"did": [5]}}}, {"Arn": target})
    server.invoke("succeeds", {"n": 5}, InvocationType="Event")
    event = json.loads(receive(server, url)[0])
    function = arn("lambda", "function:succeeds:$LATEST")
    assert (event["detail-type"], event["resources"]) == ("Lambda Function Invocation Result - Success", [bus, function])
    assert (event["detail"]["requestPayload"], event["detail"]["responsePayload"]) == ({"n": 5}, {"did": 5})


def test_what_a_target_never_takes_is_a_dead_letter(server, events):
    url, dead = queue(server, "dead")
    missing = arn("lambda", "function:not-there")
    rule(events, "dead", {"source": ["dead"]}, {"Arn": missing, "DeadLetterConfig": {"Arn": dead}, "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}})
    event_id = put(events, "dead")
    message = receive(server, url, attributes=True)[0]
    assert json.loads(message["Body"])["id"] == event_id
    told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert told.pop("ERROR_MESSAGE").startswith("Function not found")
    assert told == {"RULE_ARN": arn("events", "rule/dead"), "TARGET_ARN": missing, "ERROR_CODE": "NO_RESOURCE", "RETRY_ATTEMPTS": "0"}


def test_refusals_are_those_of_aws_and_change_nothing(server, events):
    url, target = queue(server, "refused")
    assert refusal(events.put_rule, Name="r") == ("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
    assert refusal(events.put_rule, Name="r", ScheduleExpression="rate(1 minutes)") == ("ValidationException", "Parameter ScheduleExpression is not valid.")
    code, text = refusal(events.put_rule, Name="r", EventPattern='{"source": "x"}')
    assert (code, text.startswith("Event pattern is not valid. Reason: ")) == ("InvalidEventPatternException", True)
    assert refusal(events.describe_rule, Name="r") == ("ResourceNotFoundException", "Rule r does not exist on EventBus default.")
    rule(events, "refused", {"source": ["refused"]}, {"Arn": target})
    code, text = refusal(events.put_targets, Rule="refused", Targets=[{"Id": "s", "Arn": arn("states", "stateMachine:s")}])
    assert (code, "targets of states are not available here" in text) == ("ValidationException", True)
    code, text = refusal(events.put_targets, Rule="refused", Targets=[{"Id": "k", "Arn": target, "KinesisParameters": {"PartitionKeyPath": "$"}}])
    assert (code, text) == ("ValidationException", "Parameter(s) KinesisParameters not valid for target: k.")
    assert [found["Id"] for found in events.list_targets_by_rule(Rule="refused")["Targets"]] == ["0"]
    answer = events.put_events(Entries=[{"Source": "aws.s3", "DetailType": "d", "Detail": "{}"}, {"Source": "s", "DetailType": "d", "Detail": "{}"}])
    assert (answer["FailedEntryCount"], answer["Entries"][0]["ErrorCode"], "EventId" in answer["Entries"][1]) == (1, "NotAuthorizedForSource", True)


def test_an_archive_is_replayed_to_the_rules_that_are_named(server, events):
    url, target = queue(server, "replayed")
    events.create_event_bus(Name="kept")
    source = arn("events", "event-bus/kept")
    events.create_archive(ArchiveName="kept", EventSourceArn=source, EventPattern='{"source": ["keep"]}', RetentionDays=1)
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=5)
    sent = [put(events, "keep", {"n": number}, EventBusName="kept") for number in range(3)]
    put(events, "other", EventBusName="kept")
    archive = events.describe_archive(ArchiveName="kept")
    assert (archive["EventCount"], archive["State"], archive["SizeBytes"] > 0) == (3, "ENABLED", True)
    rule(events, "again", {"source": ["keep"]}, {"Arn": target}, EventBusName="kept")
    rule(events, "not-again", {"source": ["keep"]}, {"Arn": target}, EventBusName="kept")
    destination = {"Arn": source, "FilterArns": [arn("events", "rule/kept/again")]}
    end = begin + datetime.timedelta(minutes=1)
    events.start_replay(ReplayName="first", EventSourceArn=archive["ArchiveArn"], EventStartTime=begin, EventEndTime=end, Destination=destination)
    bodies = [json.loads(body) for body in receive(server, url, 3)]
    assert [body["detail"]["n"] for body in sorted(bodies, key=lambda body: body["detail"]["n"])] == [0, 1, 2]
    assert {body["replay-name"] for body in bodies} == {"first"} and not {body["id"] for body in bodies} & set(sent)
    wait_for(lambda: events.describe_replay(ReplayName="first")["State"] == "COMPLETED", "the replay is over")
    assert events.describe_archive(ArchiveName="kept")["EventCount"] == 3
    assert refusal(events.cancel_replay, ReplayName="first")[0] == "IllegalStatusException"


def test_a_scheduled_rule_calls_a_function_with_awss_event(server, events):
    """The one test that waits for the clock: a rule a minute or two ahead."""
    server.create("nightly", ECHO)
    now = datetime.datetime.now(datetime.timezone.utc)
    due = (now + datetime.timedelta(seconds=5)).replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
    schedule = "cron(%d %d %d %d ? %d)" % (due.minute, due.hour, due.day, due.month, due.year)
    rule_arn = events.put_rule(Name="nightly", ScheduleExpression=schedule)["RuleArn"]
    server.lambda_.add_permission(FunctionName="nightly", StatementId="events", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rule_arn)
    events.put_targets(Rule="nightly", Targets=[{"Id": "f", "Arn": arn("lambda", "function:nightly")}])
    time.sleep(max(0, (due - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
    line = next(line for line in server.messages("nightly", "GOT") if "GOT" in line)
    event = json.loads(line.split("GOT ", 1)[1])
    event_id = event.pop("id")
    assert event == {
        "version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "account": ACCOUNT, "time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1", "resources": [rule_arn], "detail": {},
    }
    assert len(event_id) == 36


def test_what_was_accepted_is_delivered_after_a_kill(own_server):
    server = own_server.start()
    url, target = queue(server, "durable")
    events = server.client("events")
    rule(events, "durable", {"source": ["durable"]}, *[{"Arn": target}] * 5)
    sent = [put(events, "durable", {"n": number}) for number in range(40)]
    server.stop(signal.SIGKILL)
    server.start()
    sqs, found = server.client("sqs"), {}

    def all_there():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            event = json.loads(message["Body"])["id"]
            found[event] = found.get(event, 0) + 1
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return set(found) == set(sent) and all(count >= 5 for count in found.values())
    wait_for(all_there, "every event for every target")
    assert [known["Name"] for known in server.client("events").list_rules()["Rules"]] == ["durable"]


def test_both_cli_versions_make_rules(server):
    for version in (1, 2):
        name = "cli-%d" % version
        made = json.loads(server.cli("events", "put-rule", "--name", name, "--schedule-expression", "cron(0 2 * * ? *)", version=version).stdout)
        assert made == {"RuleArn": arn("events", "rule/" + name)}
        target = "Id=1,Arn=" + arn("lambda", "function:backup")
        put_targets = json.loads(server.cli("events", "put-targets", "--rule", name, "--targets", target, version=version).stdout)
        assert put_targets == {"FailedEntryCount": 0, "FailedEntries": []}
        listed = json.loads(server.cli("events", "list-rules", "--name-prefix", name, version=version).stdout)["Rules"]
        assert listed == [{"Name": name, "Arn": made["RuleArn"], "State": "ENABLED", "ScheduleExpression": "cron(0 2 * * ? *)", "EventBusName": "default"}]
