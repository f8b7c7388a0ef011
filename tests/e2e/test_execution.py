"""What functions can do in their sandboxes, and what happens when they do what they should not."""

import base64
import concurrent.futures
import json
import re
import time

import pytest
from conftest import ROLE, package, wait_for


def test_the_log_is_awss_line_by_line(server):
    server.create("logged", """
import logging, sys
print("while starting")
def handler(event, context):
    print("one")
    logging.getLogger().error("two\\nlines")
    sys.stderr.write("three\\n")
    sys.stdout.write("no newline")
""")
    answer = server.invoke("logged", LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    messages = server.messages("logged")
    assert re.fullmatch(r"INIT_START Runtime Version: python:3\.12\.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n", messages[0])
    assert messages[1] == "while starting\n"
    assert messages[2] == "START RequestId: %s Version: $LATEST\n" % request_id
    assert messages[3] == "one\n"
    assert re.fullmatch(r"\[ERROR\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t%s\ttwo\nlines\n" % request_id, messages[4])
    assert messages[5] == "three\n" and messages[6] == "no newline"
    assert messages[7] == "END RequestId: %s\n" % request_id
    report = r"REPORT RequestId: %s\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n" % request_id
    assert re.fullmatch(report, messages[8])
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert tail.startswith("START RequestId") and "Init Duration" in tail and "while starting" not in tail
    streams = server.logs.describe_log_streams(logGroupName="/aws/lambda/logged")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[0]["logStreamName"])


def test_the_environment_is_awss_name_by_name(server):
    server.create("env", "import os\ndef handler(event, context):\n    return dict(os.environ)\n", Environment={"Variables": {"MINE": "yes", "TZ": "Europe/Berlin"}})
    env = server.invoke("env")["Json"]
    assert re.fullmatch("ASIA[A-Z2-7]{16}", env.pop("AWS_ACCESS_KEY_ID"))
    assert env.pop("AWS_SECRET_ACCESS_KEY") and env.pop("AWS_SESSION_TOKEN") and env.pop("_X_AMZN_TRACE_ID").startswith("Root=1-")
    # What AWS does not set: the way to this server's services, and whom to trust under AWS's names.
    assert env.pop("AWS_ENDPOINT_URL") == "http://169.254.100.1:4566"
    trusted = [env.pop(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")]
    assert trusted == ["/etc/lambent/ca-bundle.pem"] * 3
    stream = env.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    assert "[$LATEST]" in stream
    assert env == {
        "_HANDLER": "app.handler", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12", "AWS_LAMBDA_FUNCTION_NAME": "env",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/env", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000", "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000", "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8", "TZ": "Europe/Berlin", "MINE": "yes",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        "PYTHONPATH": "/var/runtime", "LC_CTYPE": "C.UTF-8", "PWD": "/var/task", "SHLVL": "0",
    }
    assert "yes" not in server.said()


FAILURES = """
import ctypes, os, sys, time
def handler(event, context):
    what = event["what"]
    if what == "raise": raise ValueError("no good")
    if what == "exit": sys.exit(1)
    if what == "exit0": sys.exit(0)
    if what == "segfault": ctypes.string_at(0)
    if what == "sleep": time.sleep(60)
    if what == "memory": bytearray(400 << 20)
    if what == "large": return "x" * (6 * 1024 * 1024 + 100)
    if what == "unserialisable": return object()
    if what == "write":
        with open("/tmp/kept", "w") as file: file.write("still here")
        return "written"
    if what == "read": return open("/tmp/kept").read()
    if what == "children":
        if os.fork() == 0:
            time.sleep(600)
        return "left a child"
    if what == "count": return len([name for name in os.listdir("/proc") if name.isdigit()])
    return "fine"
"""


def test_every_way_to_fail_has_awss_answer_and_the_next_invoke_works(server):
    server.create("failing", FAILURES, Timeout=8, MemorySize=192)

    def fails(what):
        answer = server.invoke("failing", {"what": what})
        assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled", answer
        assert server.invoke("failing", {"what": "fine"})["Json"] == "fine"
        return answer["Json"], answer["ResponseMetadata"]["RequestId"]

    body, request_id = fails("raise")
    assert body["errorMessage"] == "no good" and body["errorType"] == "ValueError" and body["requestId"] == request_id
    assert body["stackTrace"] == ['  File "/var/task/app.py", line 5, in handler\n    if what == "raise": raise ValueError("no good")\n']
    body, request_id = fails("exit")
    assert body == {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: %s Error: Runtime exited with error: exit status 1" % request_id}
    body, request_id = fails("exit0")
    assert body["errorMessage"] == "RequestId: %s Error: Runtime exited without providing a reason" % request_id
    assert fails("segfault")[0]["errorMessage"].endswith("signal: segmentation fault")
    body, request_id = fails("sleep")
    assert body == {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: %s Error: Task timed out after 8.00 seconds" % request_id}
    body, _ = fails("memory")
    assert body["errorType"] == "Runtime.OutOfMemory" and body["errorMessage"].endswith("signal: killed")
    assert fails("large")[0] == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).", "errorType": "Function.ResponseSizeTooLarge",
    }
    assert fails("unserialisable")[0]["errorType"] == "Runtime.MarshalError"
    server.invoke("failing", {"what": "write"})
    fails("sleep")
    assert server.invoke("failing", {"what": "read"})["Json"] == "still here"
    assert server.invoke("failing", {"what": "children"})["Json"] == "left a child"
    fails("exit")
    assert server.invoke("failing", {"what": "count"})["Json"] <= 3
    text = "".join(server.messages("failing", "Status: timeout"))
    assert "Task timed out after 8.00 seconds" in text and "Status: error\tError Type: Runtime.ExitError" in text
    assert "[ERROR] ValueError: no good\nTraceback (most recent call last):\n\u00a0\u00a0File \"/var/task/app.py\", line 5" in text


@pytest.mark.parametrize("source, handler, kind, text", [
    ("def other(event, context): pass", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
    ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
    ("", "missing.handler", "Runtime.ImportModuleError", "Unable to import module 'missing': No module named 'missing'"),
    ("", "nodots", "Runtime.MalformedHandlerName", "Bad handler 'nodots': not enough values to unpack (expected 2, got 1)"),
    ("raise RuntimeError('at import')", "app.handler", "RuntimeError", "at import"),
])
def test_an_init_that_fails_says_why(server, source, handler, kind, text):
    name = "init-" + kind.replace(".", "-")
    server.create(name, source, handler=handler)
    answer = server.invoke(name)
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Json"]["errorType"] == kind and answer["Json"]["errorMessage"].startswith(text)
    assert answer["Json"]["requestId"] == ""
    log = "".join(server.messages(name))
    assert "Phase: init\tStatus: error" in log and "Phase: invoke\tStatus: error" in log


def test_an_init_may_take_long_but_not_for_ever(server):
    server.create("slow", "import time\ntime.sleep(12)\ndef handler(event, context):\n    return 1\n", Timeout=1)
    began = time.monotonic()
    answer = server.invoke("slow")
    assert answer["Json"]["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert 10 < time.monotonic() - began < 40
    log = "".join(server.messages("slow", "Phase: invoke"))
    assert re.search(r"INIT_REPORT Init Duration: 1\d{4}\.\d\d ms\tPhase: init\tStatus: timeout\n", log)


def test_payload_limits(server):
    server.create("sizes", "def handler(event, context):\n    return event\n", MemorySize=512, Timeout=30)
    text = "x" * (6 * 1024 * 1024 - 2)
    assert server.invoke("sizes", text)["Json"] == text
    with pytest.raises(server.lambda_.exceptions.ClientError) as caught:
        server.invoke("sizes", text + "x")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert answer["Error"]["Message"] == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    with pytest.raises(server.lambda_.exceptions.InvalidRequestContentException) as caught:
        server.lambda_.invoke(FunctionName="sizes", Payload=b"{not json")
    assert caught.value.response["Error"]["Message"].startswith("Could not parse request body into json: Could not parse payload into json: ")
    assert server.lambda_.invoke(FunctionName="sizes", InvocationType="DryRun")["StatusCode"] == 204
    assert server.lambda_.invoke(FunctionName="sizes", InvocationType="Event")["StatusCode"] == 202


def test_the_context_has_every_member(server):
    server.create("context", """
def handler(event, context):
    return {
        "name": context.function_name, "version": context.function_version, "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb, "id": context.aws_request_id, "group": context.log_group_name,
        "left": context.get_remaining_time_in_millis(), "custom": context.client_context.custom, "identity": context.identity.cognito_identity_id,
    }
""", Timeout=5)
    custom = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer = server.invoke("context", ClientContext=custom)
    left = answer["Json"].pop("left")
    assert 3000 < left <= 5000
    assert answer["Json"] == {
        "name": "context", "version": "$LATEST", "arn": "arn:aws:lambda:us-east-1:123456789012:function:context", "memory": "128",
        "id": answer["ResponseMetadata"]["RequestId"], "group": "/aws/lambda/context", "custom": {"k": "v"}, "identity": None,
    }


def test_limits_on_disk_files_and_processes(server):
    server.create("limits", """
import errno, os, resource
def handler(event, context):
    result = {}
    try:
        with open("/tmp/big", "wb") as file:
            for _ in range(600): file.write(bytes(1 << 20))
    except OSError as error:
        result["disk"] = errno.errorcode[error.errno]
    os.unlink("/tmp/big")
    files = []
    try:
        while True: files.append(open("/dev/null"))
    except OSError as error:
        result["files"] = errno.errorcode[error.errno]
    for file in files: file.close()
    children = []
    try:
        while len(children) < 2000:
            pid = os.fork()
            if pid == 0:
                os.execv("/bin/sleep", ["sleep", "100"])
            children.append(pid)
    except OSError as error:
        result["processes"] = errno.errorcode[error.errno]
    for pid in children: os.kill(pid, 9)
    for path in ["/var/task/x", "/usr/x", "/etc/x", "/x", "/var/runtime/x"]:
        try:
            open(path, "w")
            result[path] = "written"
        except OSError as error:
            result[path] = errno.errorcode[error.errno]
    return result
""", Timeout=120, MemorySize=1024)
    read_only = {path: "EROFS" for path in ["/var/task/x", "/usr/x", "/etc/x", "/x", "/var/runtime/x"]}
    assert server.invoke("limits")["Json"] == {"disk": "ENOSPC", "files": "EMFILE", "processes": "EAGAIN", **read_only}


def test_two_hundred_at_once(server):
    server.create("many", "import time\ndef handler(event, context):\n    time.sleep(0.2)\n    return event\n", Timeout=60)
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        client = server.lambda_
        def call(number):
            return json.loads(client.invoke(FunctionName="many", Payload=json.dumps(number))["Payload"].read())
        assert sorted(pool.map(call, range(200))) == list(range(200))


def test_a_flood_of_logs_harms_nobody(server):
    server.create("flood", """
def handler(event, context):
    line = "x" * 999 + "\\n"
    import sys
    for _ in range(100_000): sys.stdout.write(line)
    return "done"
""", Timeout=120, MemorySize=1024)
    server.create("bystander", "def handler(event, context):\n    return 1\n")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flood = pool.submit(server.invoke, "flood")
        while not flood.done():
            assert server.invoke("bystander")["Json"] == 1
        assert flood.result()["Json"] == "done"
    with open("/proc/%d/status" % server.process.pid) as status:
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
    assert peak < 400_000, "the server's memory went up to %d kB" % peak


def test_a_custom_runtime_is_a_bootstrap(server):
    bootstrap = """#!/usr/bin/env python3
import json, os, urllib.request
base = "http://%s/2018-06-01/runtime/invocation/" % os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    event = urllib.request.urlopen(base + "next")
    body = json.dumps({"got": json.load(event), "env": os.environ.get("AWS_EXECUTION_ENV")}).encode()
    url = base + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).read()
"""
    server.create("custom", {"bootstrap": bootstrap}, runtime="provided.al2023", modes={"bootstrap": 0o755})
    for number in range(3):
        assert server.invoke("custom", number)["Json"] == {"got": number, "env": None}
    server.create("no-bootstrap", {"other": ""}, runtime="provided.al2")
    answer = server.invoke("no-bootstrap")
    assert answer["Json"]["errorType"] == "Runtime.InvalidEntrypoint"
    assert "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]" in answer["Json"]["errorMessage"]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_every_python_runs_with_boto3(server, version):
    name = "python-" + version.replace(".", "-")
    server.create(name, "import boto3, sys\ndef handler(event, context):\n    return [list(sys.version_info[:2]), boto3.client('s3').meta.region_name]\n", runtime="python" + version, Timeout=30, MemorySize=512)
    found, region = server.invoke(name)["Json"]
    assert region == "us-east-1"
    if found != [int(part) for part in version.split(".")]:
        assert any("runs this function instead" in message for message in server.messages(name))


def test_a_functions_own_files_do_not_stand_in_for_the_standard_library(server):
    # The client imports these only when they are needed: by then the function's own directory comes first.
    files = {name: "raise RuntimeError('not the standard one')" for name in ["json.py", "logging.py", "traceback.py", "function_logging.py"]}
    files["bootstrap.py"] = """
import json, logging, own
def handler(event, context):
    logging.getLogger().setLevel("INFO")
    logging.info("with its id")
    if event.get("fail"):
        raise ValueError(own.TEXT)
    return json.loads("[1]")
"""
    files["own.py"] = "TEXT = 'own'"
    server.create("shadows", files, handler="bootstrap.handler")
    answer = server.invoke("shadows")
    assert answer["Json"] == [1]
    failed = server.invoke("shadows", {"fail": True})["Json"]
    assert failed["errorMessage"] == "own" and 'File "/var/task/bootstrap.py", line 7, in handler' in failed["stackTrace"][0]
    request_id = answer["ResponseMetadata"]["RequestId"]
    lines = server.messages("shadows", "[ERROR] ValueError")
    assert any(re.fullmatch(r"\[INFO\]\t\S+Z\t%s\twith its id\n" % request_id, line) for line in lines)


NODE = """
exports.handler = async (event, context) => {
  console.log('hello', event.n);
  if (event.fail) throw new TypeError('no good');
  return { version: process.versions.node.split('.')[0], id: context.awsRequestId, left: context.getRemainingTimeInMillis() > 0 };
};
"""


@pytest.mark.parametrize("version", ["14", "16", "18", "20", "22", "24"])
def test_every_node_runs_with_its_sdk(server, version):
    name = "nodejs-" + version
    sdk = "require('aws-sdk')" if int(version) <= 16 else "require('@aws-sdk/client-s3')"
    server.create(name, {"app.js": sdk + ";\n" + NODE}, runtime="nodejs%s.x" % version, Timeout=30, MemorySize=512)
    answer = server.invoke(name, {"n": 1})
    assert answer["Json"]["version"] == version and answer["Json"]["left"]
    assert answer["Json"]["id"] == answer["ResponseMetadata"]["RequestId"]
    failed = server.invoke(name, {"fail": True})["Json"]
    assert failed["errorType"] == "TypeError" and failed["errorMessage"] == "no good" and failed["trace"][0] == "TypeError: no good"
    text = "".join(server.messages(name, "Invoke Error"))
    assert re.search(r"Z\t[0-9a-f-]{36}\tINFO\thello 1\n", text) and re.search(r"\tERROR\tInvoke Error \t\{\"errorType\":\"TypeError\"", text)


@pytest.mark.parametrize("version", ["14", "16", "18", "20", "22", "24"])
def test_es_modules_import_the_sdk_and_their_own_packages_first(server, version):
    sdk, imported, method = "@aws-sdk/client-s3", "import { S3Client as Client } from '@aws-sdk/client-s3';", "send"
    if int(version) <= 16:
        sdk, imported, method = "aws-sdk", "import AWS from 'aws-sdk'; const Client = AWS.S3;", "putObject"
    code = imported + "\nexport const handler = async () => typeof new Client({ region: 'eu-west-1' }).%s;" % method
    runtime = "nodejs%s.x" % version
    server.create("esm-sdk-" + version, {"app.mjs": code}, runtime=runtime, Timeout=30, MemorySize=512)
    assert server.invoke("esm-sdk-" + version)["Json"] == "function"
    own = {
        "app.mjs": "import found from '%s';\nexport const handler = async () => found;" % sdk,
        "node_modules/%s/package.json" % sdk: '{"main": "index.js"}',
        "node_modules/%s/index.js" % sdk: "module.exports = 'own';",
    }
    server.create("esm-own-" + version, own, runtime=runtime, Timeout=30)
    assert server.invoke("esm-own-" + version)["Json"] == "own"
    where = "exports.handler = async () => require.resolve('%s');" % sdk
    server.create("cjs-where-" + version, {"app.js": where}, runtime=runtime, Timeout=30)
    # `require` goes by NODE_PATH as on AWS, so that layers come first.
    assert server.invoke("cjs-where-" + version)["Json"].startswith("/var/runtime/node_modules/")


def test_node_handlers_of_every_kind(server):
    def run(name, files, handler="app.handler", event=None):
        server.create(name, files, runtime="nodejs20.x", handler=handler, Timeout=10)
        return server.invoke(name, event)
    assert run("node-callback", {"app.js": "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, 'later'), 20); };"})["Json"] == "later"
    assert run("node-esm", {"app.mjs": "const value = await Promise.resolve(7);\nexport const handler = async () => value;"})["Json"] == 7
    assert run("node-type-module", {"package.json": '{"type": "module"}', "app.js": "export const handler = async () => 'module';"})["Json"] == "module"
    assert run("node-nothing", {"app.js": "exports.handler = () => {};"})["Json"] is None
    waits = "exports.handler = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); callback(null, 'at once'); };"
    assert run("node-does-not-wait", {"app.js": waits})["Json"] == "at once"
    crash = run("node-uncaught", {"app.js": "exports.handler = () => new Promise(() => { setTimeout(() => { throw new Error('late'); }, 10); });"})
    assert crash["Json"]["errorMessage"] == "late"
    assert run("node-missing", {"app.js": "exports.other = 1;"})["Json"]["errorType"] == "Runtime.HandlerNotFound"
    assert run("node-syntax", {"app.js": "exports.handler = ("})["Json"]["errorType"] == "Runtime.UserCodeSyntaxError"
    assert run("node-import", {"app.js": "require('nowhere')"})["Json"]["errorType"] == "Runtime.ImportModuleError"
    rejected = run("node-rejection", {"app.js": "exports.handler = async () => { Promise.reject(new Error('forgotten')); await new Promise((done) => setTimeout(done, 50)); };"})
    assert rejected["Json"]["errorType"] == "Runtime.UnhandledPromiseRejection"


def test_json_logging_has_levels_and_platform_records(server):
    server.create("json-log", """
import logging
def handler(event, context):
    logging.getLogger().info("quiet")
    logging.getLogger().error("loud", extra={"order": 7})
""", LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "INFO", "LogGroup": "/custom/group"})
    server.invoke("json-log")
    logs = server.logs
    def found():
        try:
            events = logs.filter_log_events(logGroupName="/custom/group")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        entries = [json.loads(event["message"]) for event in events]
        return entries if any(entry.get("type") == "platform.report" for entry in entries) else None
    entries = wait_for(found, "the report")
    assert [entry["type"] for entry in entries if "type" in entry] == ["platform.initStart", "platform.start", "platform.report"]
    own = [entry for entry in entries if "level" in entry]
    assert [(entry["message"], entry["order"], entry["level"]) for entry in own] == [("loud", 7, "ERROR")]
    stream = logs.describe_log_streams(logGroupName="/custom/group")["logStreams"][0]["logStreamName"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/json-log\[\$LATEST\][0-9a-f]{32}", stream)


def test_awss_own_python_client_works_when_a_function_brings_it(server):
    import pathlib
    import subprocess
    import sys
    import sysconfig
    system = subprocess.run(["/usr/bin/python3", "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True).stdout.strip()
    if system != str(sys.version_info[:2]):
        pytest.skip("the installed awslambdaric is for another Python than /usr/bin/python3")
    site = pathlib.Path(sysconfig.get_paths()["platlib"])
    files = {"app.py": "calls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n    print('by awslambdaric')\n    return {'got': event, 'id': context.aws_request_id, 'calls': calls}\n"}
    for name in ["awslambdaric", "simplejson", "snapshot_restore_py"]:
        files.update({str(path.relative_to(site)): path.read_bytes() for path in (site / name).rglob("*") if path.is_file() and "__pycache__" not in str(path)})
    files.update({path.name: path.read_bytes() for path in site.glob("runtime_client*.so")})
    files["bootstrap"] = "#!/bin/sh\nexec /usr/bin/python3 -m awslambdaric app.handler\n"
    server.create("ric", files, runtime="provided.al2023", modes={"bootstrap": 0o755}, Timeout=10, MemorySize=512)
    for number in range(3):
        answer = server.invoke("ric", number)
        # It asks for more only when its response has been accepted, and finds its environment still there.
        assert answer["Json"] == {"got": number, "id": answer["ResponseMetadata"]["RequestId"], "calls": number + 1}
    assert "by awslambdaric\n" in server.messages("ric", "by awslambdaric")


def test_awss_own_rust_client_works(server):
    import subprocess
    from conftest import ROOT
    manifest = ROOT / "tests/functions/rust-native/Cargo.toml"
    target = ROOT / "target/functions"
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--manifest-path", str(manifest), "--target-dir", str(target)], check=True)
    files = {"bootstrap": (target / "debug/bootstrap").read_bytes()}
    server.create("rust", files, runtime="provided.al2023", modes={"bootstrap": 0o755}, Timeout=10)
    # It polls on one connection and answers on another: responses are matched by request id.
    for number in range(5):
        answer = server.invoke("rust", number)
        assert answer["Json"] == {"got": number, "id": answer["ResponseMetadata"]["RequestId"]}
    failed = server.invoke("rust", "fail")
    assert failed["FunctionError"] == "Unhandled" and failed["Json"]["errorMessage"] == "told to"
