"""EventBridge Scheduler as its users see it. Times and zones are proven in its crate, on a clock of the tests' own; here, that the real thing fires."""

import json
import pathlib
import signal
import time

import pytest
from conftest import ROLE, wait_for
from test_events import ACCOUNT, ECHO, arn, queue, receive, refusal

OFF = {"Mode": "OFF"}


@pytest.fixture
def scheduler(server):
    return server.client("scheduler")


def test_a_schedule_is_shown_as_it_was_made_and_lists_find_it(scheduler):
    target = {"Arn": arn("lambda", "function:f"), "RoleArn": ROLE, "Input": '{"a": 1}'}
    made = scheduler.create_schedule(
        Name="shown", ScheduleExpression="cron(0 2 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin", Description="d", Target=target,
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, ActionAfterCompletion="DELETE", State="DISABLED",
    )
    assert made["ScheduleArn"] == arn("scheduler", "schedule/default/shown")
    found = scheduler.get_schedule(Name="shown")
    retries = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    expected = {
        "Arn": made["ScheduleArn"], "Name": "shown", "GroupName": "default", "ScheduleExpression": "cron(0 2 * * ? *)", "Description": "d",
        "ScheduleExpressionTimezone": "Europe/Berlin", "State": "DISABLED", "Target": {**target, "RetryPolicy": retries},
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, "ActionAfterCompletion": "DELETE",
    }
    assert {key: found[key] for key in expected} == expected
    # An update replaces everything.
    scheduler.update_schedule(Name="shown", ScheduleExpression="rate(1 hours)", Target=target, FlexibleTimeWindow=OFF, State="DISABLED")
    found = scheduler.get_schedule(Name="shown")
    assert (found["ScheduleExpressionTimezone"], found["ActionAfterCompletion"], "Description" in found) == ("UTC", "NONE", False)
    listed = scheduler.list_schedules(NamePrefix="sho")["Schedules"]
    assert [(one["Name"], one["Target"]) for one in listed] == [("shown", {"Arn": target["Arn"]})]
    scheduler.delete_schedule(Name="shown")
    assert refusal(scheduler.get_schedule, Name="shown") == ("ResourceNotFoundException", "Schedule shown does not exist.")


def test_groups_hold_schedules_and_take_them_along(scheduler):
    group = scheduler.create_schedule_group(Name="team", Tags=[{"Key": "k", "Value": "v"}])["ScheduleGroupArn"]
    target = {"Arn": arn("sqs", "any"), "RoleArn": ROLE}
    schedule = {"ScheduleExpression": "rate(1 day)", "Target": target, "FlexibleTimeWindow": OFF, "State": "DISABLED"}
    scheduler.create_schedule(Name="one", GroupName="team", **schedule)
    assert refusal(scheduler.create_schedule, Name="one", GroupName="team", **schedule) == ("ConflictException", "Schedule one already exists.")
    assert refusal(scheduler.create_schedule, Name="one", GroupName="none", **schedule) == ("ResourceNotFoundException", "Schedule group none does not exist.")
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "k", "Value": "v"}]
    assert {one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"]} >= {"default", "team"}
    scheduler.delete_schedule_group(Name="team")
    assert scheduler.list_schedules(GroupName="team")["Schedules"] == []
    assert refusal(scheduler.get_schedule_group, Name="team")[0] == "ResourceNotFoundException"


def test_targets_of_every_kind_are_called_at_once_by_a_rate(server, scheduler):
    """A rate without a start begins when the schedule is made."""
    server.create("scheduled", ECHO)
    url, target = queue(server, "scheduled")
    bus_url, bus_target = queue(server, "scheduled-by-bus")
    events = server.client("events")
    events.put_rule(Name="scheduled", EventPattern='{"source": ["my.schedule"]}')
    events.put_targets(Rule="scheduled", Targets=[{"Id": "q", "Arn": bus_target}])
    send = {"QueueUrl": url, "MessageBody": "by api"}
    targets = {
        "function": {"Arn": arn("lambda", "function:scheduled")},
        "queue": {"Arn": target, "Input": "at <aws.scheduler.schedule-arn>"},
        "bus": {"Arn": arn("events", "event-bus/default"), "Input": '{"n": 1}', "EventBridgeParameters": {"DetailType": "t", "Source": "my.schedule"}},
        "api": {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Input": json.dumps(send)},
    }
    for name, one in targets.items():
        scheduler.create_schedule(Name="to-" + name, ScheduleExpression="rate(1 day)", Target={**one, "RoleArn": ROLE}, FlexibleTimeWindow=OFF)
    line = next(line for line in server.messages("scheduled", "GOT") if "GOT" in line)
    event = json.loads(line.split("GOT ", 1)[1])
    assert (event["source"], event["detail-type"], event["resources"], event["detail"]) == (
        "aws.scheduler", "Scheduled Event", [arn("scheduler", "schedule/default/to-function")], "{}",
    )
    assert sorted(receive(server, url, 2)) == ["at " + arn("scheduler", "schedule/default/to-queue"), "by api"]
    event = json.loads(receive(server, bus_url)[0])
    assert (event["source"], event["detail-type"], event["detail"]) == ("my.schedule", "t", {"n": 1})


def test_a_target_that_is_missing_leaves_a_dead_letter(server, scheduler):
    url, dead = queue(server, "scheduler-dead")
    missing = arn("sqs", "not-there")
    target = {"Arn": missing, "RoleArn": ROLE, "Input": "payload", "DeadLetterConfig": {"Arn": dead}}
    made = scheduler.create_schedule(Name="dead", ScheduleExpression="rate(1 day)", Target=target, FlexibleTimeWindow=OFF)
    message = receive(server, url, attributes=True)[0]
    told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert message["Body"] == "payload"
    assert (told["ERROR_CODE"], told["SCHEDULE_ARN"], told["TARGET_ARN"], told["RETRY_ATTEMPTS"]) == (
        "AWS.SimpleQueueService.NonExistentQueue", made["ScheduleArn"], missing, "0",
    )


def test_refusals_are_those_of_aws(scheduler):
    target = {"Arn": arn("sqs", "any"), "RoleArn": ROLE}
    for expression in ("cron(0 1 * * * *)", "rate(10 years)", "at(2021-12-31T23:59:59Z)", " rate(10 minutes)"):
        refused = refusal(scheduler.create_schedule, Name="bad", ScheduleExpression=expression, Target=target, FlexibleTimeWindow=OFF)
        assert refused == ("ValidationException", "Invalid Schedule Expression %s." % expression)
    other = {**target, "Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances", "Input": "{}"}
    code, text = refusal(scheduler.create_schedule, Name="bad", ScheduleExpression="rate(1 day)", Target=other, FlexibleTimeWindow=OFF)
    assert (code, "can't be a target here" in text) == ("ValidationException", True)
    assert refusal(scheduler.get_schedule, Name="bad")[0] == "ResourceNotFoundException"


def test_schedules_are_there_after_a_kill(own_server):
    server = own_server.start()
    target = {"Arn": arn("sqs", "any"), "RoleArn": ROLE}
    for number in range(20):
        server.client("scheduler").create_schedule(Name="s%02d" % number, ScheduleExpression="rate(9 days)", Target=target, FlexibleTimeWindow=OFF, State="DISABLED")
    server.stop(signal.SIGKILL)
    server.start()
    pages = server.client("scheduler").get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 7})
    assert [one["Name"] for page in pages for one in page["Schedules"]] == ["s%02d" % number for number in range(20)]


def sleeps(server):
    """How often the threads that schedules live on have gone to sleep: what a tick would add to."""
    tasks = pathlib.Path("/proc/%d/task" % server.process.pid).iterdir()
    ours = [task for task in tasks if (task / "comm").read_text().strip() in ("control", "events-store", "scheduler-store")]
    return sum(int((task / "status").read_text().split("voluntary_ctxt_switches:")[1].split()[0]) for task in ours)


def test_idle_schedules_do_not_wake_the_server(own_server):
    server = own_server.start()
    scheduler, events = server.client("scheduler"), server.client("events")
    target = {"Arn": arn("sqs", "any"), "RoleArn": ROLE}

    def slept():
        before = sleeps(server)
        time.sleep(3)
        return sleeps(server) - before
    without = slept()
    for number in range(50):
        scheduler.create_schedule(Name="s%d" % number, ScheduleExpression="cron(0 0 1 1 ? 2199)", Target=target, FlexibleTimeWindow=OFF)
        events.put_rule(Name="r%d" % number, ScheduleExpression="cron(0 0 1 1 ? 2199)")
    # A tick of 100 ms would be 30 more.
    assert slept() <= without + 20


def test_both_cli_versions_make_schedules(server):
    for version in (1, 2):
        name = "cli-%d" % version
        target = json.dumps({"Arn": arn("lambda", "function:backup"), "RoleArn": ROLE})
        made = json.loads(server.cli(
            "scheduler", "create-schedule", "--name", name, "--schedule-expression", "cron(0 2 * * ? *)", "--flexible-time-window", "Mode=OFF",
            "--target", target, version=version,
        ).stdout)
        assert made == {"ScheduleArn": "arn:aws:scheduler:us-east-1:%s:schedule/default/%s" % (ACCOUNT, name)}
