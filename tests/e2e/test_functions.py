"""The life of a function, as boto3, the AWS CLI and curl see it."""

import io
import json
import re
import subprocess
import urllib.request
import zipfile

import botocore.exceptions
import pytest
from conftest import ROLE, package, wait_for

HELLO = "def handler(event, context):\n    return {'hello': event}\n"


def refused(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_a_new_function_is_pending_then_active_and_shows_what_aws_shows(server):
    answer = server.create("shown", HELLO, wait=False)
    expected = {
        "FunctionName": "shown",
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:shown",
        "Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler", "Description": "", "Timeout": 3,
        "MemorySize": 128, "Version": "$LATEST", "TracingConfig": {"Mode": "PassThrough"}, "State": "Pending",
        "StateReason": "The function is being created.", "StateReasonCode": "Creating", "PackageType": "Zip",
        "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/shown"},
    }
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert {key: answer[key] for key in expected} == expected
    varying = {"CodeSha256", "CodeSize", "LastModified", "RevisionId", "RuntimeVersionConfig", "ResponseMetadata"}
    assert set(answer) == set(expected) | varying
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", answer["LastModified"])
    client = server.lambda_
    client.get_waiter("function_active_v2").wait(FunctionName="shown")
    now = client.get_function(FunctionName="shown")
    assert now["Configuration"]["State"] == "Active"
    assert now["Configuration"]["LastUpdateStatus"] == "Successful"
    assert now["Configuration"]["RevisionId"] != answer["RevisionId"]
    assert "Tags" not in now and "Environment" not in now["Configuration"]
    code = urllib.request.urlopen(now["Code"]["Location"]).read()
    assert zipfile.ZipFile(io.BytesIO(code)).read("app.py").decode() == HELLO
    pages = client.get_paginator("list_functions").paginate()
    listed = next(one for page in pages for one in page["Functions"] if one["FunctionName"] == "shown")
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & set(listed)


def test_update_delete_and_the_errors_on_the_way(server):
    client = server.lambda_
    server.create("changing", HELLO, Environment={"Variables": {"KEY": "1"}})
    status, code, text = refused(
        client.create_function, FunctionName="changing", Runtime="python3.12", Handler="a.b", Role=ROLE,
        Code={"ZipFile": package({"a.py": ""})},
    )
    assert (status, code, text) == (409, "ResourceConflictException", "Function already exist: changing")
    before = client.get_function_configuration(FunctionName="changing")
    answer = client.update_function_configuration(FunctionName="changing", Timeout=9, Description="new")
    assert answer["LastUpdateStatus"] == "InProgress" and answer["RevisionId"] != before["RevisionId"]
    client.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 1})
    after = client.get_function_configuration(FunctionName="changing")
    assert (after["Timeout"], after["Description"], after["Environment"]) == (9, "new", {"Variables": {"KEY": "1"}})
    other = package({"app.py": "def handler(event, context):\n    return 'second'\n"})
    stale = refused(client.update_function_code, FunctionName="changing", ZipFile=other, RevisionId=before["RevisionId"])
    assert stale[:2] == (412, "PreconditionFailedException")
    dry = client.update_function_code(FunctionName="changing", ZipFile=other, DryRun=True)
    assert dry["CodeSha256"] != after["CodeSha256"]
    assert client.get_function_configuration(FunctionName="changing")["CodeSha256"] == after["CodeSha256"]
    assert server.invoke("changing", 1)["Json"] == {"hello": 1}
    client.update_function_code(FunctionName="changing", ZipFile=other, RevisionId=after["RevisionId"])
    client.get_waiter("function_updated_v2").wait(FunctionName="changing", WaiterConfig={"Delay": 1})
    assert server.invoke("changing")["Json"] == "second"
    assert client.delete_function(FunctionName="changing")["ResponseMetadata"]["HTTPStatusCode"] == 204
    missing = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:changing"
    assert refused(client.get_function, FunctionName="changing") == (404, "ResourceNotFoundException", missing)
    assert refused(client.invoke, FunctionName="changing") == (404, "ResourceNotFoundException", missing + ":$LATEST")
    assert refused(client.delete_function, FunctionName="changing")[2] == missing


def test_bad_input_gets_aws_own_words(server):
    client = server.lambda_
    base = {"FunctionName": "bad", "Runtime": "python3.12", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": package({"a.py": ""})}}

    def create(**changes):
        return refused(client.create_function, **{**base, **changes})

    invalid = (400, "InvalidParameterValueException")
    assert create(Role="arn:aws:iam::1:role/x")[:2] == (400, "ValidationException")
    assert create(MemorySize=64)[2].endswith("at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128")
    assert create(Timeout=901)[2].endswith("Member must have value less than or equal to 900")
    assert create(FunctionName="x" * 65)[:2] == invalid
    assert create(Runtime="cobol")[2].startswith("Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, ")
    assert create(Runtime="python3.7")[2].startswith("The runtime parameter of python3.7 is no longer supported")
    assert create(Code={"ZipFile": b"nonsense"}) == (*invalid, "Could not unzip uploaded file. Please check your file, then try to upload again.")
    reserved = create(Environment={"Variables": {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1", "AWS_REGION": "x"}})
    assert reserved[:2] == invalid and reserved[2].endswith("Reserved keys used in this request: AWS_LAMBDA_FUNCTION_MEMORY_SIZE, AWS_REGION")
    assert "exceeded the 4KB limit. String measured: {\"BIG\":\"xxx" in create(Environment={"Variables": {"BIG": "x" * 4096}})[2]
    assert create(Layers=["arn:aws:lambda:us-east-1:123456789012:layer:l:1"])[:2] == invalid
    assert create(PublishTo="LATEST_PUBLISHED")[:2] == invalid
    levels = create(LoggingConfig={"LogFormat": "Text", "ApplicationLogLevel": "INFO"})
    assert levels[2].startswith('LogLevel is not supported when LogFormat is set to "Text".')
    assert refused(client.get_function, FunctionName="bad")[0] == 404
    server.create("not-refused", HELLO, Environment={"Variables": {"AWS_LAMBDA_FUNCTION_SECRET": "works"}})
    region = refused(client.get_function, FunctionName="arn:aws:lambda:eu-west-1:123456789012:function:x")
    assert region[2] == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    assert refused(client.invoke_with_response_stream, FunctionName="not-refused")[0] == 501


def test_hostile_packages_are_refused_and_nothing_is_stored(server):
    client = server.lambda_

    def link(target):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
        return buffer.getvalue()

    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (251 << 20))
    cases = {
        "traversal": package({"../evil": "x"}), "absolute": package({"/etc/evil": "x"}), "link-out": link("../../etc/passwd"),
        "link-absolute": link("/etc/passwd"), "no-zip": b"PK\3\4 nonsense", "bomb": bomb.getvalue(),
    }
    for name, code in cases.items():
        status, kind, text = refused(
            client.create_function, FunctionName="hostile-" + name, Runtime="python3.12", Handler="a.b", Role=ROLE, Code={"ZipFile": code}
        )
        assert (status, kind) == (400, "InvalidParameterValueException"), name
        expected = "Unzipped size must be smaller than 262144000 bytes" if name == "bomb" else "Could not unzip uploaded file."
        assert text.startswith(expected), name
        assert refused(client.get_function, FunctionName="hostile-" + name)[0] == 404


def test_lists_are_paged_for_every_client(server):
    names = ["page-%02d" % number for number in range(12)]
    for name in names:
        server.create(name, HELLO, wait=False)
    found = [
        one["FunctionName"] for page in server.lambda_.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 5})
        for one in page["Functions"]
    ]
    assert [name for name in found if name.startswith("page-")] == names
    first = json.loads(server.cli("lambda", "list-functions", "--max-items", "10").stdout)
    assert len(first["Functions"]) == 10
    second = json.loads(server.cli("lambda", "list-functions", "--max-items", "10", "--starting-token", first["NextToken"]).stdout)
    assert {one["FunctionName"] for one in first["Functions"]}.isdisjoint(one["FunctionName"] for one in second["Functions"])
    assert refused(server.lambda_.list_functions, Marker="garbage")[0] == 400


def test_tags_and_account_settings(server):
    client = server.lambda_
    arn = server.create("tagged", HELLO, Tags={"a": "1"})["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"b": "2"})
    client.untag_resource(Resource=arn, TagKeys=["a"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert client.get_function(FunctionName="tagged")["Tags"] == {"b": "2"}
    many = refused(client.tag_resource, Resource=arn, Tags={str(number): "x" for number in range(51)})
    assert many[2] == "Number of tags exceeds resource tag limit."
    assert refused(client.tag_resource, Resource=arn, Tags={})[2] == "An error occurred and the request cannot be processed."
    assert refused(client.list_tags, Resource=arn + ":1")[2].startswith("Tags on function aliases and versions are not supported.")
    settings = client.get_account_settings()
    limit = settings["AccountLimit"]
    assert (limit["CodeSizeUnzipped"], limit["CodeSizeZipped"], limit["ConcurrentExecutions"]) == (262144000, 52428800, 1000)
    assert settings["AccountUsage"]["FunctionCount"] >= 1


def test_curl_with_no_signature_and_its_own_content_type(server):
    server.create("myFunction", HELLO)
    done = subprocess.run(
        ["curl", "-s", "-X", "POST", server.url + "/2015-03-31/functions/myFunction/invocations",
         "-H", "X-Amz-Invocation-Type: RequestResponse", "-d", '{"key": "value"}'],
        capture_output=True, text=True, check=True,
    )
    assert json.loads(done.stdout) == {"hello": {"key": "value"}}


def test_the_cli_creates_invokes_updates_and_deletes(server, tmp_path):
    (tmp_path / "f.zip").write_bytes(package({"app.py": HELLO}))
    zip_file = "fileb://%s" % (tmp_path / "f.zip")
    server.cli("lambda", "create-function", "--function-name", "by-cli", "--runtime", "python3.12", "--handler", "app.handler", "--role", ROLE, "--zip-file", zip_file)
    server.cli("lambda", "wait", "function-active-v2", "--function-name", "by-cli")
    out = tmp_path / "out.json"
    answer = json.loads(server.cli("lambda", "invoke", "--function-name", "by-cli", "--payload", '{"n": 1}', "--log-type", "Tail", str(out)).stdout)
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST" and answer["LogResult"]
    assert json.loads(out.read_text()) == {"hello": {"n": 1}}
    server.cli("lambda", "update-function-configuration", "--function-name", "by-cli", "--memory-size", "256")
    server.cli("lambda", "wait", "function-updated-v2", "--function-name", "by-cli")
    server.cli("lambda", "delete-function", "--function-name", "by-cli")
    assert "ResourceNotFoundException" in server.cli("lambda", "get-function", "--function-name", "by-cli", check=False).stderr
    assert json.loads(server.cli("sts", "get-caller-identity").stdout)["Account"] == "123456789012"


def test_functions_are_found_by_every_form_of_their_name(server):
    arn = server.create("pointed", HELLO)["FunctionArn"]
    for name in ["pointed", "pointed:$LATEST", "function:pointed", "123456789012:function:pointed", arn, arn + ":$LATEST"]:
        assert server.lambda_.get_function(FunctionName=name)["Configuration"]["FunctionName"] == "pointed"
        assert server.invoke(name, 1)["Json"] == {"hello": 1}
    other = server.client("lambda", region_name="eu-west-1")
    assert refused(other.get_function, FunctionName="pointed")[0] == 404
    mismatch = refused(server.lambda_.get_function, FunctionName="pointed:$LATEST", Qualifier="1")
    assert mismatch[2] == "The derived qualifier from the function name does not match the specified qualifier."


def test_logs_can_be_written_read_and_tailed(server):
    logs = server.logs
    logs.create_log_group(logGroupName="own", tags={"k": "v"})
    assert refused(logs.create_log_group, logGroupName="own")[1] == "ResourceAlreadyExistsException"
    logs.create_log_stream(logGroupName="own", logStreamName="s")
    import time
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": json.dumps({"level": "ERROR" if number % 2 else "INFO", "n": number})} for number in range(10)]
    logs.put_log_events(logGroupName="own", logStreamName="s", logEvents=events)
    found = logs.filter_log_events(logGroupName="own", filterPattern='{ $.level = "ERROR" && $.n > 4 }')["events"]
    assert [json.loads(event["message"])["n"] for event in found] == [5, 7, 9]
    page = logs.get_log_events(logGroupName="own", logStreamName="s", limit=4, startFromHead=True)
    rest = logs.get_log_events(logGroupName="own", logStreamName="s", nextToken=page["nextForwardToken"])
    assert len(page["events"]) == 4 and len(rest["events"]) == 6
    end = logs.get_log_events(logGroupName="own", logStreamName="s", nextToken=rest["nextForwardToken"])
    assert end["events"] == [] and end["nextForwardToken"] == rest["nextForwardToken"]
    logs.put_retention_policy(logGroupName="own", retentionInDays=7)
    group = logs.describe_log_groups(logGroupNamePrefix="own")["logGroups"][0]
    assert group["retentionInDays"] == 7 and group["arn"].endswith(":log-group:own:*")
    logs.delete_retention_policy(logGroupName="own")
    assert logs.describe_log_streams(logGroupName="own")["logStreams"][0]["logStreamName"] == "s"
    assert refused(logs.put_retention_policy, logGroupName="own", retentionInDays=2)[1] == "InvalidParameterException"
    logs.delete_log_stream(logGroupName="own", logStreamName="s")
    logs.delete_log_group(logGroupName="own")
    assert refused(logs.get_log_events, logGroupName="own", logStreamName="s")[2] == "The specified log group does not exist."


def test_the_cli_tails_a_functions_log(server):
    from conftest import ROOT
    if not (ROOT / ".cache/aws-cli-v2/usr/bin/aws").exists():
        pytest.skip("version 2 of the AWS CLI is not there")
    server.create("tailed", "def handler(event, context):\n    print('something to see')\n")
    server.invoke("tailed")
    server.messages("tailed", "something to see")
    shown = server.cli("logs", "tail", "/aws/lambda/tailed", "--since", "5m", version=2).stdout
    assert "something to see" in shown and "REPORT RequestId" in shown


def test_the_javascript_sdks_work_unchanged(server):
    import os
    import shutil
    from conftest import RUNTIMES
    if not shutil.which("node"):
        pytest.skip("node is not there")
    arn = server.create("by-js", HELLO)["FunctionArn"]
    third = """
const { LambdaClient, InvokeCommand, GetFunctionCommand, ListTagsCommand, TagResourceCommand } = require('@aws-sdk/client-lambda');
const client = new LambdaClient({});
(async () => {
  const answer = await client.send(new InvokeCommand({ FunctionName: process.argv[2], Payload: JSON.stringify({ n: 3 }) }));
  await client.send(new TagResourceCommand({ Resource: process.argv[2], Tags: { sdk: 'v3' } }));
  const tags = await client.send(new ListTagsCommand({ Resource: process.argv[2] }));
  let missing;
  try { await client.send(new GetFunctionCommand({ FunctionName: 'nowhere' })); } catch (error) { missing = error.name; }
  console.log(JSON.stringify([JSON.parse(Buffer.from(answer.Payload).toString()), tags.Tags, missing]));
})();
"""
    second = """
const AWS = require('aws-sdk');
const client = new AWS.Lambda({ endpoint: process.env.AWS_ENDPOINT_URL, region: 'us-east-1' });
client.invoke({ FunctionName: process.argv[2], Payload: JSON.stringify({ n: 3 }) }).promise()
  .then((answer) => client.getFunction({ FunctionName: 'nowhere' }).promise().then(null, (error) => console.log(JSON.stringify([JSON.parse(answer.Payload), error.code]))));
"""
    def run(script, sdk):
        modules = next((RUNTIMES / "runtime").glob(sdk + "-*")) / "node_modules"
        env = {
            "PATH": os.environ["PATH"], "NODE_PATH": str(modules), "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1",
        }
        done = subprocess.run(["node", "-e", script, "-", arn], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    assert run(third, "aws-sdk-v3") == [{"hello": {"n": 3}}, {"sdk": "v3"}, "ResourceNotFoundException"]
    assert run(second, "aws-sdk-v2") == [{"hello": {"n": 3}}, "ResourceNotFoundException"]
