"""Loops of functions through queues, topics, buckets and each other are stopped after sixteen rounds, as AWS stops them.

The functions use AWS's SDKs as they are: those send on where a request has come from.
"""

import datetime
import json

import pytest
from conftest import Server, wait_for

ARN = "arn:aws:%s:us-east-1:123456789012:%s"
ROUNDS = 16

COMMON = """
import boto3, json, os
def handler(event, context):
    print("ROUND " + os.environ["_X_AMZN_TRACE_ID"])
"""
#: Sends its message on to the queue that it came from, with a number one higher.
THROUGH_QUEUE = COMMON + """
    for record in event["Records"]:
        number = int(record["body"])
        if number < int(os.environ["LAST"]):
            sqs = boto3.client("sqs")
            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=context.function_name)["QueueUrl"], MessageBody=str(number + 1))
"""
THROUGH_TOPIC = COMMON + """
    boto3.client("sns").publish(TopicArn=event["Records"][0]["Sns"]["TopicArn"], Message="again")
"""
THROUGH_BUCKET = COMMON + """
    bucket = event["Records"][0]["s3"]["bucket"]["name"]
    boto3.client("s3").put_object(Bucket=bucket, Key=context.aws_request_id, Body=b"again")
"""
THROUGH_ITSELF = COMMON + """
    boto3.client("lambda").invoke(FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps(event))
"""
THROUGH_NODE = """
import { LambdaClient, InvokeCommand } from "@aws-sdk/client-lambda";
const lambda = new LambdaClient();
export const handler = async (event, context) => {
  console.log("ROUND " + process.env._X_AMZN_TRACE_ID);
  const { FunctionError } = await lambda.send(new InvokeCommand({ FunctionName: context.functionName, Payload: JSON.stringify({}) }));
  return FunctionError ?? null;
};
"""


@pytest.fixture(scope="module")
def quick(workplace):
    directory = workplace / "recursion"
    directory.mkdir()
    server = Server(directory, "--async-retry-base-ms", "50").start()
    yield server
    assert server.stop() == 0


def rounds(server, name, count=ROUNDS):
    """The traces that the function has had, in order, once there are so many."""
    def read():
        messages = server.messages(name, "ROUND ")
        return [message[message.index("ROUND ") + 6:].strip() for message in messages if "ROUND " in message]
    return wait_for(lambda: len(read()) >= count and read(), "%d rounds of %s" % (count, name))


def dropped(server, name):
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    points = server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="RecursiveInvocationsDropped", Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=now - hour, EndTime=now + hour, Period=60, Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def lineage(trace):
    return dict(field.split("=", 1) for field in trace.split(";"))["Lineage"].split(":")


def queue(server, name, **attributes):
    return server.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def received(server, url):
    def receive():
        return server.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1, AttributeNames=["All"], MessageAttributeNames=["All"]).get("Messages")
    return wait_for(receive, "a message at " + url)[0]


def looped_queue(server, name, last, loops="Terminate"):
    dead = queue(server, name + "-dead")
    redrive = json.dumps({"deadLetterTargetArn": ARN % ("sqs", name + "-dead"), "maxReceiveCount": 1})
    url = queue(server, name, RedrivePolicy=redrive, VisibilityTimeout="3")
    server.create(name, THROUGH_QUEUE, Environment={"Variables": {"LAST": str(last)}})
    server.lambda_.put_function_recursion_config(FunctionName=name, RecursiveLoop=loops)
    server.lambda_.create_event_source_mapping(EventSourceArn=ARN % ("sqs", name), FunctionName=name)
    server.client("sqs").send_message(QueueUrl=url, MessageBody="1")
    return dead


def test_a_loop_through_a_queue_ends_in_its_dead_letters(quick):
    dead = looped_queue(quick, "looped-queue", 1_000)
    letter = received(quick, dead)
    assert letter["Body"] == str(ROUNDS + 1)
    assert letter["Attributes"]["AWSTraceHeader"].startswith("Root=1-")
    seen = rounds(quick, "looped-queue")
    assert [int(lineage(trace)[0]) for trace in seen] == list(range(1, ROUNDS + 1))
    assert [int(lineage(trace)[2]) for trace in seen] == list(range(ROUNDS))
    assert len({lineage(trace)[1] for trace in seen}) == 1
    assert dropped(quick, "looped-queue") >= 1


def test_a_function_may_be_allowed_to_loop(quick):
    dead = looped_queue(quick, "allowed-queue", ROUNDS + 6, "Allow")
    assert len(rounds(quick, "allowed-queue", ROUNDS + 6)) == ROUNDS + 6
    assert dropped(quick, "allowed-queue") == 0
    assert "Messages" not in quick.client("sqs").receive_message(QueueUrl=dead)


def test_a_loop_through_a_topic_ends_in_the_functions_dead_letters_and_destination(quick):
    dead, told = queue(quick, "looped-topic-dead"), queue(quick, "looped-topic-told")
    quick.create("looped-topic", THROUGH_TOPIC, DeadLetterConfig={"TargetArn": ARN % ("sqs", "looped-topic-dead")})
    quick.lambda_.put_function_event_invoke_config(
        FunctionName="looped-topic", DestinationConfig={"OnFailure": {"Destination": ARN % ("sqs", "looped-topic-told")}},
    )
    sns = quick.client("sns")
    topic = sns.create_topic(Name="looped-topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN % ("lambda", "function:looped-topic"))
    sns.publish(TopicArn=topic, Message="first")
    letter = received(quick, dead)
    assert json.loads(letter["Body"])["Records"][0]["Sns"]["Message"] == "again"
    record = json.loads(received(quick, told)["Body"])
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "again" and "responseContext" not in record
    assert len(rounds(quick, "looped-topic")) == ROUNDS
    assert dropped(quick, "looped-topic") == 1


def test_a_loop_through_a_bucket_is_stopped(quick):
    told = queue(quick, "looped-bucket-told")
    quick.create("looped-bucket", THROUGH_BUCKET)
    quick.lambda_.put_function_event_invoke_config(
        FunctionName="looped-bucket", DestinationConfig={"OnFailure": {"Destination": ARN % ("sqs", "looped-bucket-told")}},
    )
    s3 = quick.client("s3")
    s3.create_bucket(Bucket="looped-bucket")
    quick.lambda_.add_permission(FunctionName="looped-bucket", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::looped-bucket")
    s3.put_bucket_notification_configuration(Bucket="looped-bucket", NotificationConfiguration={
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": ARN % ("lambda", "function:looped-bucket"), "Events": ["s3:ObjectCreated:*"]}],
    })
    s3.put_object(Bucket="looped-bucket", Key="first", Body=b"x")
    received(quick, told)
    assert len(rounds(quick, "looped-bucket")) == ROUNDS
    assert s3.list_objects_v2(Bucket="looped-bucket")["KeyCount"] == ROUNDS + 1


def test_a_function_that_calls_itself_is_stopped(quick):
    told = queue(quick, "calls-itself-told")
    quick.create("calls-itself", THROUGH_ITSELF)
    quick.lambda_.put_function_event_invoke_config(
        FunctionName="calls-itself", DestinationConfig={"OnFailure": {"Destination": ARN % ("sqs", "calls-itself-told")}},
    )
    quick.lambda_.invoke(FunctionName="calls-itself", InvocationType="Event", Payload=b"{}")
    received(quick, told)
    assert len(rounds(quick, "calls-itself")) == ROUNDS


def test_a_waiting_caller_gets_the_exception(quick):
    quick.create("waits-for-itself", {"index.mjs": THROUGH_NODE}, runtime="nodejs22.x", handler="index.handler", Timeout=60)
    quick.invoke("waits-for-itself")
    quick.messages("waits-for-itself", "RecursiveInvocationException")
    assert len(rounds(quick, "waits-for-itself")) == ROUNDS
    page = quick.client("lambda").get_function_recursion_config(FunctionName="waits-for-itself")
    assert page["RecursiveLoop"] == "Terminate"
