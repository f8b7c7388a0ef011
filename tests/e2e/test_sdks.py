"""Any SDK is at home in a sandbox: under AWS's own names it finds this server, whether it knows `AWS_ENDPOINT_URL` or not."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROLE
from packages import wheels, with_wheels

#: Current SDKs are told to look away from `AWS_ENDPOINT_URL`.
BY_NAME = {"Variables": {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}}

PYTHON = """
import boto3, botocore.exceptions
def handler(event, context):
    s3 = boto3.client("s3")
    s3.put_object(Bucket="sdks-bucket", Key=event["key"], Body=b"of " + boto3.__version__.encode())
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="sdks")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=event["key"])
    try:
        boto3.client("dynamodb").list_tables()
    except botocore.exceptions.ClientError as error:
        absent = [error.response["Error"]["Code"], error.response["Error"]["Message"]]
    others = {}
    for service, operation in {"rds": "describe_db_instances", "ec2": "describe_regions", "route53": "list_hosted_zones", "batch": "describe_job_queues"}.items():
        try:
            getattr(boto3.client(service), operation)()
        except botocore.exceptions.ClientError as error:
            others[service] = error.response["Error"]["Code"]
    return {
        "body": s3.get_object(Bucket="sdks-bucket", Key=event["key"])["Body"].read().decode(), "version": boto3.__version__,
        "endpoint": s3.meta.endpoint_url, "queue": sqs.meta.endpoint_url, "absent": absent, "others": others,
    }
"""

NODE_2 = """
const AWS = require('aws-sdk');
exports.handler = async (event) => {
  const s3 = new AWS.S3(), sqs = new AWS.SQS();
  await s3.putObject({ Bucket: 'sdks-bucket', Key: event.key, Body: 'of 2' }).promise();
  const { QueueUrl } = await sqs.getQueueUrl({ QueueName: 'sdks' }).promise();
  await sqs.sendMessage({ QueueUrl, MessageBody: event.key }).promise();
  const absent = await new AWS.DynamoDB({ maxRetries: 0 }).listTables().promise().catch((error) => [error.code, error.message]);
  const body = (await s3.getObject({ Bucket: 'sdks-bucket', Key: event.key }).promise()).Body.toString();
  return { body, endpoint: s3.endpoint.href, queue: QueueUrl, absent };
};
"""

NODE_3 = """
delete process.env.AWS_ENDPOINT_URL;
const { S3Client, PutObjectCommand, GetObjectCommand } = require('@aws-sdk/client-s3');
const { SQSClient, GetQueueUrlCommand, SendMessageCommand } = require('@aws-sdk/client-sqs');
const { DynamoDBClient, ListTablesCommand } = require('@aws-sdk/client-dynamodb');
exports.handler = async (event) => {
  const s3 = new S3Client(), sqs = new SQSClient();
  await s3.send(new PutObjectCommand({ Bucket: 'sdks-bucket', Key: event.key, Body: 'of 3' }));
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: 'sdks' }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: event.key }));
  const absent = await new DynamoDBClient({ maxAttempts: 1 }).send(new ListTablesCommand()).catch((error) => [error.name, error.message]);
  const got = await s3.send(new GetObjectCommand({ Bucket: 'sdks-bucket', Key: event.key }));
  return { body: await got.Body.transformToString(), endpoint: 'https://s3.us-east-1.amazonaws.com/', queue: QueueUrl, absent };
};
"""

AWS_CLI = """
import os, subprocess, sys
def handler(event, context):
    env = {**os.environ, "PYTHONPATH": "/var/task"}
    def aws(*words):
        done = subprocess.run([sys.executable, "-m", "awscli", *words], env=env, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip()
    open("/tmp/file", "w").write("of the cli")
    said = aws("s3", "cp", "/tmp/file", "s3://sdks-bucket/" + event["key"], "--no-progress")
    aws("s3", "cp", "s3://sdks-bucket/" + event["key"], "/tmp/back", "--no-progress")
    account = aws("sts", "get-caller-identity", "--query", "Account", "--output", "text")
    return {"said": said, "body": open("/tmp/back").read(), "account": account, "absent": aws("dynamodb", "list-tables")}
"""

PLAIN = """
import os, subprocess, urllib.request
ASK = "https://sqs.eu-west-1.amazonaws.com/?Action=ListQueues&Version=2012-11-05"
def handler(event, context):
    curl = subprocess.run(["curl", "-sS", ASK], capture_output=True, text=True) if os.path.exists("/usr/bin/curl") else None
    refused = []
    for host in ["https://example.amazonaws.com.example.org", "https://169.254.100.1"]:
        try:
            urllib.request.urlopen(host, timeout=10)
        except OSError as error:
            refused.append(type(error).__name__)
    return {"curl": curl and curl.stdout + curl.stderr, "urllib": urllib.request.urlopen(ASK).read().decode(), "refused": refused}
"""


@pytest.fixture(scope="module")
def place(server):
    """A bucket and a queue."""
    server.client("s3").create_bucket(Bucket="sdks-bucket")
    server.client("sqs").create_queue(QueueName="sdks")
    return server


def create(server, name, code, runtime, **more):
    server.lambda_.create_function(
        FunctionName=name, Runtime=runtime, Handler="app.handler", Role=ROLE, Timeout=60, MemorySize=512, Code={"ZipFile": code}, **more
    )
    server.lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def ask(server, name):
    answer = server.invoke(name, {"key": name})
    assert "FunctionError" not in answer, answer["Json"]
    return answer["Json"]


def arrived(server, name):
    """The object, and the message."""
    assert server.client("s3").get_object(Bucket="sdks-bucket", Key=name)["Body"].read().startswith(b"of ")
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName="sdks")["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert message["Body"] == name


def is_absent(code, message):
    assert code == "NotImplementedException" and "no service dynamodb" in message and "--service-endpoints dynamodb=" in message


@pytest.mark.parametrize("runtime", ["python3.8", "python3.12"])
def test_boto3(place, runtime):
    name = "sdks-" + runtime.replace(".", "-")
    place.create(name, PYTHON, runtime=runtime, Timeout=60, MemorySize=512, Environment=BY_NAME)
    found = ask(place, name)
    assert found["endpoint"].endswith("amazonaws.com") and found["queue"].endswith("amazonaws.com"), found
    is_absent(*found["absent"])
    # In each service's own protocol, or boto3 would not have found a code.
    assert found["others"] == {name: "NotImplementedException" for name in ["rds", "ec2", "route53", "batch"]}
    arrived(place, name)


def test_a_boto3_that_does_not_know_the_variable(place):
    old = wheels(
        "3.11", "boto3==1.26.165", "botocore==1.29.165", "s3transfer==0.6.2", "jmespath==1.0.1", "python-dateutil==2.9.0.post0",
        "six==1.17.0", "urllib3==1.26.20",
    )
    create(place, "sdks-old", with_wheels({"app.py": PYTHON}, old), "python3.11")
    found = ask(place, "sdks-old")
    assert found["version"] == "1.26.165" and found["body"] == "of 1.26.165"
    is_absent(*found["absent"])
    arrived(place, "sdks-old")


@pytest.mark.parametrize("source, runtime", [(NODE_2, "nodejs14.x"), (NODE_2, "nodejs16.x"), (NODE_3, "nodejs18.x"), (NODE_3, "nodejs22.x")])
def test_javascript(place, source, runtime):
    name = "sdks-" + runtime.replace(".", "-")
    place.create(name, {"app.js": source}, runtime=runtime, Timeout=60, MemorySize=512)
    found = ask(place, name)
    assert ".amazonaws.com/" in found["endpoint"] and ".amazonaws.com/" in found["queue"], found
    is_absent(*found["absent"])
    arrived(place, name)


def test_the_aws_cli_inside_a_function(place):
    cli = wheels(
        "3.11", "awscli==1.32.117", "botocore==1.34.117", "s3transfer==0.10.1", "jmespath==1.0.1", "python-dateutil==2.9.0.post0",
        "six==1.17.0", "urllib3==1.26.20", "docutils==0.16", "colorama==0.4.4", "rsa==4.7.2", "pyasn1==0.6.1", "PyYAML==6.0.2",
    )
    create(place, "sdks-cli", with_wheels({"app.py": AWS_CLI}, cli), "python3.11", Environment=BY_NAME)
    found = ask(place, "sdks-cli")
    assert found["body"] == "of the cli" and "upload:" in found["said"], found
    assert found["account"] == "123456789012"
    assert "NotImplementedException" in found["absent"] and "no service dynamodb" in found["absent"]


def test_plain_http_by_name_in_the_region_of_the_name(place):
    place.client("sqs", region_name="eu-west-1").create_queue(QueueName="sdks-of-the-region")
    place.create("sdks-plain", PLAIN, Timeout=30)
    found = ask(place, "sdks-plain")
    for how in ["curl", "urllib"]:
        if found[how] is None:
            continue
        assert "https://sqs.eu-west-1.amazonaws.com/123456789012/sdks-of-the-region" in found[how], found[how]
    # Names that are not AWS's lead nowhere, and an address is no name.
    assert found["refused"] == ["URLError", "URLError"]


def test_a_functions_own_certificates_stay(place):
    code = "import os\ndef handler(event, context):\n    return [os.environ['REQUESTS_CA_BUNDLE'], os.environ['AWS_CA_BUNDLE']]\n"
    place.create("sdks-own", code, Environment={"Variables": {"REQUESTS_CA_BUNDLE": "/var/task/own.pem"}})
    assert ask(place, "sdks-own") == ["/var/task/own.pem", "/etc/lambent/ca-bundle.pem"]


def test_what_is_not_here_is_sent_on(own_server, workplace):
    """Another server of ours takes the place of whatever answers elsewhere."""
    # Its signature is for another host; whoever answers there looks at the region, or has credentials of its own.
    received = workplace / "received.json"
    elsewhere = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(received)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        port = int(elsewhere.stdout.readline())
        own_server.options = ("--service-endpoints", "dynamodb=http://127.0.0.1:%d/base" % port)
        server = own_server.start()
        code = "import boto3\ndef handler(event, context):\n    return boto3.client('dynamodb', region_name='eu-west-1').list_tables()['TableNames']\n"
        server.create("sent-on", code, Timeout=30)
        assert server.invoke("sent-on")["Json"] == ["there"]
        assert server.client("dynamodb").list_tables()["TableNames"] == ["there"]
        first, second = [json.loads(line) for line in received.read_text().splitlines()]
        assert first["path"] == "/base/" and first["headers"]["x-amz-target"] == "DynamoDB_20120810.ListTables"
        assert first["headers"]["host"] == "127.0.0.1:%d" % port
        assert "/eu-west-1/dynamodb/aws4_request" in first["headers"]["authorization"]
        assert "Credential=test/" in second["headers"]["authorization"]
        elsewhere.kill()
        elsewhere.wait()
        with pytest.raises(server.client("dynamodb").exceptions.ClientError) as refused:
            server.client("dynamodb").list_tables()
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert "dynamodb at 127.0.0.1:%d" % port in refused.value.response["Error"]["Message"]
    finally:
        elsewhere.kill()
        elsewhere.wait()


#: A service elsewhere: notes what comes, and has one table.
ELSEWHERE = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with open(sys.argv[1], "a") as file:
            file.write(json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}) + "\\n")
        answer = json.dumps({"TableNames": ["there"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1])
server.serve_forever()
"""
