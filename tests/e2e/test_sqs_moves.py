"""Move tasks of SQS: dead letters go back to where they came from, or on, also over a kill of the server."""

import json
import signal
import time

import botocore.exceptions
import pytest
from conftest import wait_for

ARN = "arn:aws:sqs:us-east-1:123456789012:"


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def make(sqs, name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes={key: str(value) for key, value in attributes.items()})["QueueUrl"]


def pair(sqs, name, suffix="", **more):
    """A dead-letter queue, and a queue whose messages go there after one receive."""
    dead = make(sqs, name + "-dead" + suffix, **more)
    redrive = json.dumps({"deadLetterTargetArn": ARN + name + "-dead" + suffix, "maxReceiveCount": 1})
    return dead, make(sqs, name + suffix, RedrivePolicy=redrive, VisibilityTimeout=0, **more)


def drain(sqs, url):
    found = []
    while True:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=60).get("Messages")
        if not messages:
            return found
        found += messages


def kill_letters(sqs, url, texts, **more):
    """Sends messages and receives each twice: the second time they are dead."""
    for text in texts:
        sqs.send_message(QueueUrl=url, MessageBody=text, **more)
    for _ in range(2):
        while sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages"):
            pass


def tasks(sqs, name, count=1):
    return sqs.list_message_move_tasks(SourceArn=ARN + name, MaxResults=count).get("Results", [])


def ended(sqs, name):
    return wait_for(lambda: [task for task in tasks(sqs, name) if task["Status"] != "RUNNING"], "the task ends")[0]


@pytest.fixture
def sqs(server):
    return server.client("sqs")


def test_dead_letters_go_back_to_where_they_came_from(sqs):
    dead, first = pair(sqs, "back-a")
    redrive = json.dumps({"deadLetterTargetArn": ARN + "back-a-dead", "maxReceiveCount": 1})
    second = make(sqs, "back-b", RedrivePolicy=redrive, VisibilityTimeout=0)
    kill_letters(sqs, first, ["one", "two"])
    kill_letters(sqs, second, ["three"])
    before = {message["Body"]: message for message in drain(sqs, dead)}
    assert set(before) == {"one", "two", "three"}
    for message in before.values():
        sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert sqs.start_message_move_task(SourceArn=ARN + "back-a-dead")["TaskHandle"]
    task = ended(sqs, "back-a-dead")
    began = task.pop("StartedTimestamp")
    assert abs(began / 1000 - time.time()) < 60
    assert task == {
        "Status": "COMPLETED", "SourceArn": ARN + "back-a-dead", "ApproximateNumberOfMessagesMoved": 3, "ApproximateNumberOfMessagesToMove": 3,
    }
    back = drain(sqs, first)
    assert sorted(message["Body"] for message in back) == ["one", "two"]
    assert [message["Body"] for message in drain(sqs, second)] == ["three"]
    assert drain(sqs, dead) == []
    # They are new messages.
    assert all(message["MessageId"] != before[message["Body"]]["MessageId"] for message in back)
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in back} == {"1"}
    assert all("DeadLetterQueueSourceArn" not in message["Attributes"] for message in back)


def test_a_wait_gets_what_is_moved_and_the_task_can_be_slowed_down_and_cancelled(sqs):
    dead, _ = pair(sqs, "slow")
    other = make(sqs, "slow-other")
    for number in range(20):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number))
    asked = {"SourceArn": ARN + "slow-dead", "DestinationArn": ARN + "slow-other", "MaxNumberOfMessagesPerSecond": 2}
    began = time.monotonic()
    handle = sqs.start_message_move_task(**asked)["TaskHandle"]
    assert refusal(sqs.start_message_move_task, **asked) == (
        "InvalidParameterValue", "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    )
    assert sqs.receive_message(QueueUrl=other, WaitTimeSeconds=20)["Messages"][0]["Body"] == "0"
    wait_for(lambda: tasks(sqs, "slow-dead")[0]["ApproximateNumberOfMessagesMoved"] >= 3, "three are moved")
    running = tasks(sqs, "slow-dead")[0]
    assert (running["Status"], running["TaskHandle"], running["MaxNumberOfMessagesPerSecond"]) == ("RUNNING", handle, 2)
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    # The first at once, then one each half second.
    assert 3 <= moved <= 1 + 2 * (time.monotonic() - began)
    task = ended(sqs, "slow-dead")
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]) == ("CANCELLED", moved, 20)
    assert "TaskHandle" not in task
    assert refusal(sqs.cancel_message_move_task, TaskHandle=handle) == ("ResourceNotFoundException", "Task does not exist.")
    attributes = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == str(20 - moved)
    # The rest goes as fast as it can, and both tasks are listed, the newest first.
    sqs.start_message_move_task(SourceArn=asked["SourceArn"], DestinationArn=asked["DestinationArn"])
    assert ended(sqs, "slow-dead")["ApproximateNumberOfMessagesMoved"] == 20 - moved
    assert [task["Status"] for task in tasks(sqs, "slow-dead", 10)] == ["COMPLETED", "CANCELLED"]


def test_what_can_not_be_moved_ends_the_task_and_stays(sqs):
    dead, _ = pair(sqs, "stuck")
    sqs.send_message(QueueUrl=dead, MessageBody="from nowhere")
    sqs.start_message_move_task(SourceArn=ARN + "stuck-dead")
    task = ended(sqs, "stuck-dead")
    assert (task["Status"], task["FailureReason"], task["ApproximateNumberOfMessagesMoved"]) == ("FAILED", "CouldNotDetermineMessageSource", 0)
    assert [message["Body"] for message in drain(sqs, dead)] == ["from nowhere"]


def test_groups_go_back_in_their_order(sqs):
    dead, url = pair(sqs, "moving", ".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    other = make(sqs, "moving-on.fifo", FifoQueue="true")
    for number in range(30):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number), MessageGroupId=str(number % 3))
    assert refusal(sqs.start_message_move_task, SourceArn=ARN + "moving-dead.fifo", DestinationArn=make(sqs, "moving-plain") and ARN + "moving-plain")[0] == (
        "InvalidParameterValue"
    )
    sqs.start_message_move_task(SourceArn=ARN + "moving-dead.fifo", DestinationArn=ARN + "moving-on.fifo")
    assert ended(sqs, "moving-dead.fifo")["ApproximateNumberOfMessagesMoved"] == 30
    came = {}
    for message in drain(sqs, other):
        came.setdefault(message["Attributes"]["MessageGroupId"], []).append(int(message["Body"]))
    assert came == {str(group): list(range(group, 30, 3)) for group in range(3)}
    assert url


def test_a_task_goes_on_after_the_server_was_killed(own_server):
    own_server.start()
    sqs = own_server.client("sqs")
    dead, _ = pair(sqs, "killed")
    make(sqs, "killed-other")
    entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
    for _ in range(10):
        sqs.send_message_batch(QueueUrl=dead, Entries=entries)
    sqs.start_message_move_task(SourceArn=ARN + "killed-dead", DestinationArn=ARN + "killed-other", MaxNumberOfMessagesPerSecond=30)
    wait_for(lambda: tasks(sqs, "killed-dead")[0]["ApproximateNumberOfMessagesMoved"] >= 5, "some are moved")
    own_server.stop(signal.SIGKILL)
    own_server.start()
    sqs = own_server.client("sqs")
    before = tasks(sqs, "killed-dead")[0]
    assert 5 <= before["ApproximateNumberOfMessagesMoved"]
    task = ended(sqs, "killed-dead")
    # Counted in the commits that moved them: exact.
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 100)
    found = drain(sqs, sqs.get_queue_url(QueueName="killed-other")["QueueUrl"])
    assert sorted(message["Body"] for message in found) == sorted(str(number) for number in list(range(10)) * 10)


def test_the_cli_moves_messages(server, sqs):
    """Version 1: the packaged version 2 is older than these operations."""
    _, url = pair(sqs, "moved-by-cli")
    kill_letters(sqs, url, ["x"])

    def cli(*arguments):
        done = server.cli("sqs", *arguments, "--endpoint-url", server.url)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    assert cli("start-message-move-task", "--source-arn", ARN + "moved-by-cli-dead")["TaskHandle"]
    ended(sqs, "moved-by-cli-dead")
    assert cli("list-message-move-tasks", "--source-arn", ARN + "moved-by-cli-dead")["Results"][0]["Status"] == "COMPLETED"
    done = server.cli("sqs", "cancel-message-move-task", "--task-handle", "x", "--endpoint-url", server.url, check=False)
    assert "Value for parameter TaskHandle is invalid." in done.stderr
