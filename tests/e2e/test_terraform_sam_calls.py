"""The calls of Terraform, of CloudFormation's handlers (SAM, CDK) and of the Serverless Framework, in their order.

Terraform's are plain HTTP, as its provider sends them: ARNs with raw colons, `MaxItems=10000`, a GET after every write. What
each call must answer is what the tool needs to go on.
"""

import base64
import json
import urllib.error
import urllib.request

import pytest
from conftest import ROLE, package, wait_for

CODE = base64.b64encode(package({"app.py": "def handler(event, context):\n    return event\n"})).decode()
OTHER = base64.b64encode(package({"app.py": "def handler(event, context):\n    return 'other'\n"})).decode()
ACCOUNT = "123456789012"
ARN = "arn:aws:lambda:us-east-1:%s:function:%%s" % ACCOUNT
#: What is known to fail, and why; a test that passes has to come off.
PENDING = {
    "aws_lambda_event_source_mapping": "event sources are not available yet",
}


class Calls:
    """Requests as they stand; the answer's body is JSON."""

    def __init__(self, server):
        self.url = server.url.rstrip("/")

    def __call__(self, line, body=None, status=200):
        method, path = line.split(" ", 1)
        headers = {
            "Content-Type": "application/json", "User-Agent": "APN/1.0 HashiCorp/1.0 Terraform/1.9.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0",
        }
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                code, text, kind = response.status, response.read(), None
        except urllib.error.HTTPError as error:
            code, text, kind = error.code, error.read(), error.headers.get("x-amzn-ErrorType")
        assert code == status, "%s: %s %s" % (line, code, text)
        answer = json.loads(text) if text else {}
        if kind:
            answer["kind"] = kind
        return answer

    def until(self, line, member, value):
        return wait_for(lambda: (lambda answer: answer if member(answer) == value else None)(self(line)), "%s: %s" % (line, value))


@pytest.fixture
def calls(server):
    return Calls(server)


def create(calls, name, **more):
    body = {
        "FunctionName": name, "Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": CODE},
        "Architectures": ["x86_64"], "MemorySize": 128, "PackageType": "Zip", "Publish": False, "Timeout": 3, **more,
    }
    calls("POST /2015-03-31/functions", body, 201)
    return calls.until("GET /2015-03-31/functions/" + name, lambda answer: answer["Configuration"]["State"], "Active")


def aws_lambda_function(calls, name):
    create(calls, name, Tags={"k": "v"}, Environment={"Variables": {"KEY": "1"}})

    def read():
        answer = calls("GET /2015-03-31/functions/" + name)
        versions = calls("GET /2015-03-31/functions/%s/versions?MaxItems=10000" % name)["Versions"]
        signing = calls("GET /2020-06-30/functions/%s/code-signing-config" % name)
        assert versions[-1]["Version"] == "$LATEST" and signing.get("CodeSigningConfigArn", "") == ""
        return answer

    assert read()["Tags"] == {"k": "v"}
    calls("PUT /2015-03-31/functions/%s/configuration" % name, {"Timeout": 9, "Environment": {"Variables": {"KEY": "2"}}})
    successful = lambda answer: answer["Configuration"]["LastUpdateStatus"]  # noqa: E731
    calls.until("GET /2015-03-31/functions/" + name, successful, "Successful")
    calls("PUT /2015-03-31/functions/%s/code" % name, {"ZipFile": OTHER, "Architectures": ["x86_64"], "DryRun": False, "Publish": False})
    calls.until("GET /2015-03-31/functions/" + name, successful, "Successful")
    calls("POST /2017-03-31/tags/" + ARN % name, {"Tags": {"new": "1"}}, 204)
    calls("DELETE /2017-03-31/tags/%s?tagKeys=k" % (ARN % name), status=204)
    calls("PUT /2017-10-31/functions/%s/concurrency" % name, {"ReservedConcurrentExecutions": 5})
    now = read()
    assert (now["Configuration"]["Timeout"], now["Tags"], now["Concurrency"]) == (9, {"new": "1"}, {"ReservedConcurrentExecutions": 5})
    calls("DELETE /2017-10-31/functions/%s/concurrency" % name, status=204)
    calls("DELETE /2015-03-31/functions/" + name, status=204)
    assert calls("GET /2015-03-31/functions/" + name, status=404)["kind"] == "ResourceNotFoundException"


def aws_lambda_alias(calls, name):
    create(calls, name)
    calls("POST /2015-03-31/functions/%s/versions" % name, {}, 201)
    path = "/2015-03-31/functions/%s/aliases" % name
    calls("POST " + path, {"Name": "live", "FunctionVersion": "1", "Description": "", "RoutingConfig": {}}, 201)
    # Refreshes and updates name the function by its ARN.
    by_arn = "/2015-03-31/functions/%s/aliases/live" % (ARN % name)
    assert calls("GET " + by_arn)["AliasArn"] == ARN % name + ":live"
    calls("PUT " + by_arn, {"FunctionVersion": "$LATEST", "Description": "x", "RoutingConfig": {}})
    assert calls("GET " + by_arn)["FunctionVersion"] == "$LATEST"
    calls("DELETE " + by_arn, status=204)
    assert calls("GET " + by_arn, status=404)["kind"] == "ResourceNotFoundException"


def aws_lambda_permission(calls, name):
    create(calls, name)
    path = "/2015-03-31/functions/%s/policy" % name
    body = {
        "StatementId": "AllowExecutionFromS3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::bucket",
    }
    calls("POST " + path, body, 201)
    for _ in range(2):
        statements = json.loads(calls("GET " + path)["Policy"])["Statement"]
        assert [one["Sid"] for one in statements] == ["AllowExecutionFromS3"]
        assert statements[0]["Resource"] == ARN % name
    calls("DELETE %s/AllowExecutionFromS3" % path, status=204)
    assert calls("GET " + path, status=404)["kind"] == "ResourceNotFoundException"


def aws_lambda_layer_version(calls, name):
    path = "/2018-10-31/layers/%s/versions" % name
    body = {"Content": {"ZipFile": CODE}, "Description": "", "CompatibleRuntimes": ["python3.12"], "LicenseInfo": ""}
    made = calls("POST " + path, body, 201)
    assert calls("GET %s/1" % path)["LayerVersionArn"] == made["LayerVersionArn"]
    calls("DELETE %s/1" % path, status=204)
    assert calls("GET %s/1" % path, status=404)["kind"] == "ResourceNotFoundException"


def aws_lambda_function_url(calls, name):
    create(calls, name)
    path = "/2021-10-31/functions/%s/url" % name
    calls("POST " + path, {"AuthType": "NONE", "InvokeMode": "BUFFERED"}, 201)
    permission = {
        "StatementId": "FunctionURLAllowPublicAccess", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE",
    }
    calls("POST /2015-03-31/functions/%s/policy" % name, permission, 201)
    assert calls("GET " + path)["AuthType"] == "NONE"
    calls("PUT " + path, {"AuthType": "AWS_IAM"})
    assert calls("GET " + path)["AuthType"] == "AWS_IAM"
    calls("DELETE " + path, status=204)
    assert calls("GET " + path, status=404)["kind"] == "ResourceNotFoundException"


def aws_lambda_function_event_invoke_config(calls, name):
    create(calls, name)
    path = "/2019-09-25/functions/%s/event-invoke-config" % name
    calls("PUT " + path, {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0})
    assert calls("GET " + path)["MaximumRetryAttempts"] == 0
    calls("DELETE " + path, status=204)
    assert calls("GET " + path, status=404)["kind"] == "ResourceNotFoundException"


def aws_lambda_event_source_mapping(calls, name):
    create(calls, name)
    path = "/2015-03-31/event-source-mappings"
    queue = "arn:aws:sqs:us-east-1:%s:%s" % (ACCOUNT, name)
    made = calls("POST " + path, {"FunctionName": name, "EventSourceArn": queue, "Enabled": True, "BatchSize": 10}, 202)
    one = "%s/%s" % (path, made["UUID"])
    calls.until("GET " + one, lambda answer: answer["State"], "Enabled")
    assert calls("GET /2017-03-31/tags/" + made["EventSourceMappingArn"])["Tags"] == {}
    assert calls("DELETE " + one, status=202)["State"] == "Deleting"

    def gone():
        try:
            return calls("GET " + one, status=404)["kind"] == "ResourceNotFoundException"
        except AssertionError:
            return False

    wait_for(gone, "the mapping is gone")


def cloudformation_function(calls, name):
    """CloudFormation's handler of AWS::Lambda::Function, for SAM and CDK."""
    create(calls, name, Tags={"aws:cloudformation:stack-name": "s"})
    calls("PUT /2017-10-31/functions/%s/concurrency" % name, {"ReservedConcurrentExecutions": 2})
    calls("GET /2015-03-31/functions/" + name)
    assert calls("GET /2024-08-31/functions/%s/recursion-config" % name) == {"RecursiveLoop": "Terminate"}
    assert calls("GET /2021-07-20/functions/%s/runtime-management-config" % name)["UpdateRuntimeOn"] == "Auto"
    calls("POST /2017-03-31/tags/" + ARN % name, {"Tags": {"k": "v"}}, 204)
    assert calls("GET /2020-06-30/functions/%s/code-signing-config" % name).get("CodeSigningConfigArn", "") == ""


def cdk_hotswap(calls, name):
    """`cdk deploy --hotswap` and `cdk watch`."""
    create(calls, name)
    calls("POST /2015-03-31/functions/%s/versions" % name, {}, 201)
    calls("POST /2015-03-31/functions/%s/aliases" % name, {"Name": "live", "FunctionVersion": "1"}, 201)
    calls("PUT /2015-03-31/functions/%s/code" % name, {"ZipFile": OTHER})
    calls.until("GET /2015-03-31/functions/%s/configuration" % name, lambda answer: answer["LastUpdateStatus"], "Successful")
    version = calls("POST /2015-03-31/functions/%s/versions" % name, {}, 201)["Version"]
    calls("PUT /2015-03-31/functions/%s/aliases/live" % name, {"FunctionVersion": version})
    assert calls("POST /2015-03-31/functions/%s/invocations?Qualifier=live" % name, 1) == "other"


def serverless_deploy_function(calls, name):
    """`sls deploy function`, `sls invoke`."""
    create(calls, name)
    calls("GET /2015-03-31/functions/" + name)
    calls("GET /2015-03-31/functions/%s/versions" % name)
    calls("PUT /2015-03-31/functions/%s/code" % name, {"ZipFile": OTHER})
    calls.until("GET /2015-03-31/functions/" + name, lambda answer: answer["Configuration"]["LastUpdateStatus"], "Successful")
    calls("PUT /2015-03-31/functions/%s/configuration" % name, {"Handler": "app.handler", "MemorySize": 256})
    calls.until("GET /2015-03-31/functions/" + name, lambda answer: answer["Configuration"]["LastUpdateStatus"], "Successful")
    assert calls("POST /2015-03-31/functions/%s/invocations" % name, 1) == "other"


SEQUENCES = {
    "aws_lambda_function": aws_lambda_function,
    "aws_lambda_alias": aws_lambda_alias,
    "aws_lambda_permission": aws_lambda_permission,
    "aws_lambda_layer_version": aws_lambda_layer_version,
    "aws_lambda_function_url": aws_lambda_function_url,
    "aws_lambda_function_event_invoke_config": aws_lambda_function_event_invoke_config,
    "aws_lambda_event_source_mapping": aws_lambda_event_source_mapping,
    "AWS::Lambda::Function": cloudformation_function,
    "cdk hotswap": cdk_hotswap,
    "sls deploy function": serverless_deploy_function,
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.xfail(reason=PENDING[name], strict=True)] if name in PENDING else []) for name in SEQUENCES],
)
def test_a_tools_calls_are_answered_in_their_order(calls, name):
    SEQUENCES[name](calls, "tool-" + "".join(letter if letter.isalnum() else "-" for letter in name.lower()))


def test_the_sam_cli_syncs_invokes_and_reads_logs(server):
    """`sam sync --code`, `sam remote invoke`, `sam logs`."""
    name = "tool-sam"
    server.create(name, "def handler(event, context):\n    print('sam was here')\n    return event\n")
    client = server.lambda_
    client.get_function(FunctionName=name)
    client.update_function_code(FunctionName=name, ZipFile=base64.b64decode(OTHER))
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    answer = client.invoke(FunctionName=name, Payload="{}", LogType="Tail", InvocationType="RequestResponse")
    assert json.loads(answer["Payload"].read()) == "other"
    assert base64.b64decode(answer["LogResult"]).startswith(b"START RequestId: ")
    server.messages(name)
    assert server.logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/" + name)["logGroups"]
    assert server.logs.filter_log_events(logGroupName="/aws/lambda/" + name, filterPattern="REPORT")["events"]
