"""A function asks this server's services from inside its sandbox, with SDKs as they are."""

import json

import pytest

#: Sends, receives and deletes; says whom the server takes it for.
PYTHON = """
import os, boto3
def handler(event, context):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=event["queue"])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="from python")
    message = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    itself = boto3.client("lambda").get_function_configuration(FunctionName=context.function_name)["FunctionArn"]
    return {"body": message["Body"], "url": url, "sees itself": itself == context.invoked_function_arn}
"""

NODE = """
import { SQSClient, GetQueueUrlCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
export const handler = async (event) => {
  const sqs = new SQSClient();
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: event.queue }));
  const { MessageId } = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "from node" }));
  return { MessageId };
};
"""

INVOKES = """
import boto3, json
def handler(event, context):
    reply = boto3.client("lambda").invoke(FunctionName=event["next"], Payload=json.dumps({"queue": event["queue"]}))
    return json.loads(reply["Payload"].read())
"""


def invoke(server, name, event):
    answer = server.lambda_.invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


@pytest.fixture(scope="module")
def queue(server):
    return server.client("sqs").create_queue(QueueName="inside")["QueueUrl"]


def test_python_finds_the_services_without_a_line_of_its_own(server, queue):
    server.create("inside-python", PYTHON, Timeout=30)
    seen = invoke(server, "inside-python", {"queue": "inside"})
    assert (seen["body"], seen["sees itself"]) == ("from python", True)
    assert seen["url"].startswith("http://169.254.100.1:4566/")


def test_node_does_too(server, queue):
    server.create("inside-node", {"index.mjs": NODE}, runtime="nodejs22.x", handler="index.handler", Timeout=30)
    sent = invoke(server, "inside-node", {"queue": "inside"})
    sqs = server.client("sqs")
    [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert (message["Body"], message["MessageId"]) == ("from node", sent["MessageId"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_a_function_invokes_another(server, queue):
    server.create("inside-called", PYTHON, Timeout=30)
    server.create("inside-caller", INVOKES, Timeout=30)
    assert invoke(server, "inside-caller", {"next": "inside-called", "queue": "inside"})["body"] == "from python"


def test_its_own_endpoint_is_kept(server):
    code = "import os\ndef handler(event, context):\n    return os.environ['AWS_ENDPOINT_URL']\n"
    server.create("inside-own", code, Environment={"Variables": {"AWS_ENDPOINT_URL": "http://192.0.2.1:1"}})
    assert invoke(server, "inside-own", {}) == "http://192.0.2.1:1"


OPERATORS = """
import os, urllib.error, urllib.request
def handler(event, context):
    try:
        return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + event["path"], timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
"""


def test_no_function_reads_the_figures_of_the_others(server):
    server.create("inside-figures", OPERATORS, Timeout=30)
    assert invoke(server, "inside-figures", {"path": "/_lambent/health"}) == 200
    assert invoke(server, "inside-figures", {"path": "/_lambent/metrics"}) == 404
