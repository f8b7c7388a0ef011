"""What functions find around them: variables, limits, wrappers, traces. Expectations are recorded answers of AWS."""

import re

import pytest
from conftest import package

PYTHONS = ["python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14"]
NODES = ["nodejs16.x", "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x"]
DUMP = {
    "python": {"app.py": "import os\ndef handler(event, context):\n    return dict(os.environ)\n"},
    "nodejs": {"app.js": "exports.handler = async () => ({ ...process.env });"},
    "provided": {"bootstrap": """#!/usr/bin/env python3
import json, os, urllib.request
env = dict(os.environ)
# The interpreter's own doing.
env.pop("LC_CTYPE", None)
base = "http://%s/2018-06-01/runtime/invocation/" % env["AWS_LAMBDA_RUNTIME_API"]
while True:
    event = urllib.request.urlopen(base + "next")
    url = base + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(env).encode(), method="POST")).read()
"""},
}


def expected(runtime):
    """The names and values that don't come from the function's configuration."""
    env = {
        "LANG": "en_US.UTF-8", "TZ": ":UTC", "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
    if runtime == "provided.al2":
        env["PATH"] = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
        env["LD_LIBRARY_PATH"] = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
    if not runtime.startswith("provided"):
        env.update({"AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime, "PWD": "/var/task", "SHLVL": "0"})
    if runtime.startswith("python"):
        env["PYTHONPATH"] = "/var/runtime"
    if runtime in ("python3.12", "python3.13", "python3.14"):
        env["LC_CTYPE"] = "C.UTF-8"
    if runtime.startswith("nodejs"):
        major = runtime[6:8]
        env["NODE_PATH"] = "/opt/nodejs/node%s/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task" % major
    if runtime in ("nodejs16.x", "nodejs18.x"):
        env["NODE_EXTRA_CA_CERTS"] = "/var/runtime/ca-cert.pem"
    return env


@pytest.mark.parametrize("runtime", [*PYTHONS, *NODES, "provided.al2", "provided.al2023"])
def test_every_runtime_has_awss_variables_and_no_others(server, runtime):
    name = "env-" + runtime.replace(".", "-")
    family = re.match("[a-z]+", runtime).group()
    server.create(name, DUMP[family], runtime=runtime, modes={"bootstrap": 0o755}, Timeout=30, MemorySize=512)
    env = server.invoke(name)["Json"]
    secret = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    own = {key for key in env if key.startswith(("AWS_LAMBDA_", "AWS_XRAY_", "_AWS_XRAY_"))} | {"_HANDLER", "AWS_REGION", "AWS_DEFAULT_REGION"}
    # What AWS does not set: the way to this server's services, and whom to trust under AWS's names.
    assert env.pop("AWS_ENDPOINT_URL") == "http://169.254.100.1:4566"
    trusted = [env.pop(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")]
    assert trusted == ["/etc/lambent/ca-bundle.pem"] * 3
    if runtime.startswith("nodejs") and runtime not in ("nodejs16.x", "nodejs18.x"):
        assert env.pop("NODE_EXTRA_CA_CERTS") == "/etc/lambent/authority.pem"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0", env.pop("_X_AMZN_TRACE_ID"))
    assert {key: value for key, value in env.items() if key not in secret | own} == expected(runtime)


def test_a_functions_own_locale_stays(server):
    server.create("locale", DUMP["python"], runtime="python3.9", Timeout=30, Environment={"Variables": {"LC_CTYPE": "C.UTF-8"}})
    assert server.invoke("locale")["Json"]["LC_CTYPE"] == "C.UTF-8"


@pytest.mark.parametrize("runtime", ["nodejs18.x", "nodejs24.x"])
def test_amazons_certificate_authorities_are_where_functions_look_for_them(server, runtime):
    code = """
const { X509Certificate } = require('crypto');
exports.handler = async () => require('fs').readFileSync('/var/runtime/ca-cert.pem', 'utf8')
  .split(/(?=-----BEGIN)/).slice(1).map((text) => new X509Certificate(text).subject.split('\\n').pop());
"""
    name = "ca-" + runtime.replace(".", "-")
    server.create(name, {"app.js": code}, runtime=runtime, Timeout=10)
    assert {"CN=Amazon Root CA %d" % number for number in [1, 2, 3, 4]} < set(server.invoke(name)["Json"])


def test_the_trace_is_known_while_the_function_is_imported(server):
    server.create("at-import", "import os\nat_import = os.environ['_X_AMZN_TRACE_ID']\ndef handler(event, context):\n    return [at_import, os.environ['_X_AMZN_TRACE_ID']]\n")
    first = server.invoke("at-import")
    at_import, in_handler = first["Json"]
    assert at_import == in_handler == first["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"]
    again, in_handler = server.invoke("at-import")["Json"]
    assert again == at_import and in_handler != at_import


def test_limits_are_the_recorded_ones(server):
    server.create("ulimits", """
import resource
def handler(event, context):
    return {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
""")
    found = server.invoke("ulimits")["Json"]
    recorded = {
        "RLIMIT_AS": [-1, -1], "RLIMIT_CORE": [10737418240, 10737418240], "RLIMIT_CPU": [-1, -1], "RLIMIT_DATA": [-1, -1],
        "RLIMIT_FSIZE": [-1, -1], "RLIMIT_MEMLOCK": [65536, 65536], "RLIMIT_NOFILE": [1024, 1024], "RLIMIT_RSS": [-1, -1],
        "RLIMIT_STACK": [8388608, -1],
    }
    assert {name: found[name] for name in recorded} == recorded
    assert found["RLIMIT_NPROC"] == [1024, 1024]


def test_an_init_that_raises_has_awss_trace(server):
    server.create("init-trace", "raise Exception('Runtime startup fails')", runtime="python3.13")
    body = server.invoke("init-trace")["Json"]
    assert body["errorType"] == "Exception" and body["errorMessage"] == "Runtime startup fails"
    where = [re.match(r'  File "(?:<frozen )?([^">]+)>?", line \d+, in (\S+)\n', entry).groups() for entry in body["stackTrace"]]
    assert where[0][0].endswith("/importlib/__init__.py") and where[0][1] == "import_module"
    assert "    return _bootstrap._gcd_import(name[level:], package, level)\n" in body["stackTrace"][0]
    assert where[1:] == [
        ("importlib._bootstrap", "_gcd_import"), ("importlib._bootstrap", "_find_and_load"), ("importlib._bootstrap", "_find_and_load_unlocked"),
        ("importlib._bootstrap", "_load_unlocked"), ("importlib._bootstrap_external", "exec_module"),
        ("importlib._bootstrap", "_call_with_frames_removed"), ("/var/task/app.py", "<module>"),
    ]
    assert body["stackTrace"][-1] == '  File "/var/task/app.py", line 1, in <module>\n    raise Exception(\'Runtime startup fails\')\n'


# --- AWS_LAMBDA_EXEC_WRAPPER ------------------------------------------------------------------------------------------

WRAPPERS = {
    "python": """#!/bin/bash
# As in AWS's documentation: options go before the last argument.
args=("$@")
extra=("-X" "importtime")
export WRAPPED="$*"
exec "${args[@]:0:$#-1}" "${extra[@]}" "${args[@]: -1}"
""",
    "nodejs": """#!/bin/sh
export WRAPPED="$*"
exec "$1" --no-deprecation "$2"
""",
}
WRAPPED = {
    "python": {"app.py": "import os, sys\ndef handler(event, context):\n    return [os.environ['WRAPPED'], os.environ['SHLVL'], 'importtime' in sys._xoptions]\n"},
    "nodejs": {"app.js": "exports.handler = async () => [process.env.WRAPPED, process.env.SHLVL, process.noDeprecation === true];"},
}


@pytest.mark.parametrize("runtime", ["python3.8", "python3.12", "nodejs20.x"])
def test_a_wrapper_starts_the_runtime(server, runtime):
    family = re.match("[a-z]+", runtime).group()
    files = {**WRAPPED[family], "environment_wrapper": WRAPPERS[family]}
    name = "wrapped-" + runtime.replace(".", "-")
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/environment_wrapper"}
    server.create(name, files, runtime=runtime, modes={"environment_wrapper": 0o755}, Timeout=30, Environment={"Variables": variables})
    command, level, option = server.invoke(name)["Json"]
    assert re.fullmatch({"python": r"/\S+/python3\.\d+ /var/runtime/bootstrap\.py", "nodejs": r"/var/lang/bin/node /var/runtime/bootstrap\.js"}[family], command)
    assert (level, option) == ("0", True)


@pytest.mark.parametrize("runtime", ["python3.12", "nodejs20.x"])
@pytest.mark.parametrize("wrapper, status, says", [
    ("/var/task/missing", 127, "/var/task/missing: does not exist"),
    ("/var/task", 127, "/var/task: does not exist"),
    ("/var/task/not_executable", 126, "/var/task/not_executable: is not an executable"),
])
def test_a_wrapper_that_can_not_run_ends_the_init(server, runtime, wrapper, status, says):
    family = re.match("[a-z]+", runtime).group()
    name = "wrapper-%s-%s" % (family, wrapper.strip("/").replace("/", "-"))
    files = {**WRAPPED[family], "not_executable": WRAPPERS[family]}
    server.create(name, files, runtime=runtime, Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": wrapper}})
    answer = server.invoke(name)
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Json"] == {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: %s Error: Runtime exited with error: exit status %d" % (request_id, status)}
    assert says + "\n" in server.messages(name)


def test_custom_runtimes_and_empty_wrappers_are_started_as_ever(server):
    variables = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/missing"}}
    server.create("custom-wrapper", DUMP["provided"], runtime="provided.al2023", modes={"bootstrap": 0o755}, Environment=variables)
    assert server.invoke("custom-wrapper")["Json"]["AWS_LAMBDA_EXEC_WRAPPER"] == "/var/task/missing"
    server.create("empty-wrapper", DUMP["python"], Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": ""}})
    assert server.invoke("empty-wrapper")["Json"]["AWS_LAMBDA_EXEC_WRAPPER"] == ""


# --- Traces -----------------------------------------------------------------------------------------------------------

TRACE = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"
ROOT = "1-67891233-abcdef012345678912345678"
#: Which functions the chain of requests has come through; here it has just begun.
LINEAGE = ";Lineage=1:[0-9a-f]{8}:0"


def traced(server, name, header=None):
    """What the function sees, and what the client is told, of one invoke with this trace header."""
    client = server.lambda_
    if header:
        client.meta.events.register("before-send.lambda.Invoke", lambda request, **_: request.headers.__setitem__("X-Amzn-Trace-Id", header))
    answer = client.invoke(FunctionName=name, LogType="Tail")
    seen = answer["Payload"].read().decode().strip('"')
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"] == seen
    return seen


def xray_lines(server, name, count):
    def reports():
        return [message for message in server.messages(name) if message.startswith("REPORT")]
    from conftest import wait_for
    return wait_for(lambda: len(reports()) == count and reports(), "%d reports" % count)


def test_active_tracing_samples_and_says_so_in_the_log(server):
    server.create("traced", TRACE, TracingConfig={"Mode": "Active"})
    first = traced(server, "traced")
    assert ";Sampled=1;" in first, "the first request of its second"
    others = [traced(server, "traced") for _ in range(20)]
    assert any(";Sampled=0;" in seen for seen in others), "not every request is sampled"
    given = "Root=%s;Parent=53995c3f42cd8ad8;Sampled=" % ROOT
    assert re.fullmatch(re.escape(given + "0") + LINEAGE, traced(server, "traced", given + "0")), "the caller has decided"
    sampled = traced(server, "traced", given + "1")
    segment = re.fullmatch(r"Root=%s;Parent=([0-9a-f]{16});Sampled=1" % ROOT + LINEAGE, sampled).group(1)
    assert segment != "53995c3f42cd8ad8", "the function has a segment of its own"
    reports = xray_lines(server, "traced", 23)
    assert [report for report in reports if ROOT in report] == [reports[-1]]
    assert re.fullmatch(r"REPORT RequestId: [^\n]+\t\nXRAY TraceId: %s\tSegmentId: %s\tSampled: true\t\n" % (ROOT, segment), reports[-1])
    sampled = [seen for seen in [first, *others] if ";Sampled=1;" in seen]
    assert len([report for report in reports if "XRAY TraceId" in report]) == len(sampled) + 1


def test_without_active_tracing_nothing_is_sampled_and_the_callers_header_is_passed_on(server):
    server.create("passed", TRACE)
    assert ";Sampled=0;" in traced(server, "passed")
    given = "Root=%s;Parent=53995c3f42cd8ad8;Sampled=1" % ROOT
    assert re.fullmatch(re.escape(given) + LINEAGE, traced(server, "passed", given))
    assert re.fullmatch(r"Root=%s;Parent=[0-9a-f]{16};Sampled=0" % ROOT + LINEAGE, traced(server, "passed", "Root=" + ROOT))
    assert not any("XRAY" in report for report in xray_lines(server, "passed", 3))


# --- Layers -----------------------------------------------------------------------------------------------------------

def layer(server, name, files, modes=None):
    return server.lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": package(files, modes)})["LayerVersionArn"]


def module(directory, name, value):
    """An ES module package that says where it is from."""
    where = "%s/%s" % (directory, name)
    return {where + "/package.json": '{"type": "module", "exports": "./index.js"}', where + "/index.js": "export default '%s';" % value}


def test_a_wrapper_may_come_from_a_layer(server):
    arn = layer(server, "wrapper", {"wrapper": WRAPPERS["python"]}, {"wrapper": 0o755})
    server.create("layer-wrapped", WRAPPED["python"], Layers=[arn], Timeout=30, Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}})
    assert server.invoke("layer-wrapped")["Json"][2] is True


@pytest.mark.parametrize("major", ["18", "20", "22", "24"])
def test_es_modules_import_packages_of_layers_before_the_sdk_and_behind_their_own(server, major):
    sdk = "@aws-sdk/client-s3"
    files = {
        **module("nodejs/node%s/node_modules" % major, "versioned", "versioned layer"),
        **module("nodejs/node%s/node_modules" % major, "both", "versioned layer"),
        **module("nodejs/node_modules", "both", "layer"),
        **module("nodejs/node_modules", "plain", "layer"),
        **module("nodejs/node_modules", "own", "layer"),
        **module("nodejs/node_modules", sdk, "layer"),
        **module("nodejs/node_modules", "importing", "layer"),
    }
    files["nodejs/node_modules/importing/index.js"] = "import versioned from 'plain'; import { SQSClient } from '@aws-sdk/client-sqs'; export default versioned + ' ' + typeof SQSClient;"
    arn = layer(server, "esm-" + major, files)
    code = """
import { SQSClient } from '@aws-sdk/client-sqs';
import { readFileSync } from 'fs';
import versioned from 'versioned'; import both from 'both'; import plain from 'plain'; import own from 'own'; import s3 from '%s'; import importing from 'importing';
const missing = await import('nowhere').catch((error) => error.code);
const unexported = await import('own/other').catch((error) => error.code);
export const handler = async () => ({ versioned, both, plain, own, s3, importing, missing, unexported, sqs: typeof SQSClient, fs: typeof readFileSync });
""" % sdk
    runtime = "nodejs%s.x" % major
    server.create("esm-layer-" + major, {"app.mjs": code, **module("node_modules", "own", "own")}, runtime=runtime, Layers=[arn], Timeout=30, MemorySize=512)
    assert server.invoke("esm-layer-" + major)["Json"] == {
        "versioned": "versioned layer", "both": "versioned layer", "plain": "layer", "own": "own", "s3": "layer", "importing": "layer function",
        "missing": "ERR_MODULE_NOT_FOUND", "unexported": "ERR_PACKAGE_PATH_NOT_EXPORTED", "sqs": "function", "fs": "function",
    }
    required = "exports.handler = async () => [(await import('plain')).default, require.resolve('@aws-sdk/client-sqs')];"
    server.create("cjs-layer-" + major, {"app.js": required}, runtime=runtime, Layers=[arn], Timeout=30, MemorySize=512)
    plain, resolved = server.invoke("cjs-layer-" + major)["Json"]
    assert plain == "layer" and resolved.startswith("/var/runtime/node_modules/")
