"""Layers: packages that functions share, and what a function sees of them at /opt."""

import io
import json
import signal
import urllib.request
import zipfile

from conftest import ROLE, package
from test_functions import refused

INVALID = (400, "InvalidParameterValueException")


def publish(server, name, files, modes=None, **more):
    answer = server.lambda_.publish_layer_version(
        LayerName=name, Content={"ZipFile": package(files, modes)}, **more
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return answer


def configure(server, name, **more):
    server.lambda_.update_function_configuration(FunctionName=name, **more)
    server.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def test_a_layer_is_published_listed_downloaded_and_deleted(server):
    client = server.lambda_
    first = publish(server, "lifecycle", {"a.txt": "1"}, CompatibleRuntimes=["python3.12"], LicenseInfo="MIT")
    second = publish(server, "lifecycle", {"a.txt": "2"}, CompatibleRuntimes=["nodejs22.x"], Description="d")
    assert (first["Version"], second["Version"]) == (1, 2)
    assert first["LayerVersionArn"] == "arn:aws:lambda:us-east-1:123456789012:layer:lifecycle:1"
    assert "LicenseInfo" not in second and first["Description"] == ""
    for answer, text in [(first, "1"), (second, "2")]:
        got = client.get_layer_version_by_arn(Arn=answer["LayerVersionArn"])
        zipped = urllib.request.urlopen(got["Content"]["Location"]).read()
        assert len(zipped) == got["Content"]["CodeSize"]
        assert zipfile.ZipFile(io.BytesIO(zipped)).read("a.txt").decode() == text

    def latest(**filters):
        found = client.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1}, **filters)
        layers = [layer for page in found for layer in page["Layers"] if layer["LayerName"] == "lifecycle"]
        return [layer["LatestMatchingVersion"]["Version"] for layer in layers]

    assert latest() == [2]
    assert latest(CompatibleRuntime="python3.12") == [1]
    assert latest(CompatibleRuntime="ruby3.4") == latest(CompatibleArchitecture="arm64") == []
    pages = client.get_paginator("list_layer_versions").paginate(LayerName="lifecycle", PaginationConfig={"PageSize": 1})
    assert [version["Version"] for page in pages for version in page["LayerVersions"]] == [2, 1]
    for version in (1, 2, 2, 77):
        client.delete_layer_version(LayerName="lifecycle", VersionNumber=version)
    assert latest() == []
    assert refused(client.get_layer_version, LayerName="lifecycle", VersionNumber=2)[:2] == (404, "ResourceNotFoundException")
    # Numbers go on, though nothing is left.
    assert publish(server, "lifecycle", {"a.txt": "1"})["Version"] == 3


def test_hostile_layers_are_refused_and_use_no_number(server):
    client = server.lambda_
    evil = package({"../outside": "x"})
    assert refused(client.publish_layer_version, LayerName="hostile", Content={"ZipFile": evil})[:2] == INVALID
    assert refused(client.publish_layer_version, LayerName="hostile", Content={})[:2] == INVALID
    assert client.list_layer_versions(LayerName="hostile")["LayerVersions"] == []
    assert publish(server, "hostile", {"a": ""})["Version"] == 1


PATHS = """
import os, subprocess, sys
import from_top, from_site
def handler(event, context):
    return {
        "top": from_top.VALUE, "site": from_site.VALUE, "tool": subprocess.check_output(["layer-tool"], text=True),
        "file": open("/opt/file").read(), "lib": "/opt/lib" in os.environ["LD_LIBRARY_PATH"].split(":"),
        "opt": sorted(os.listdir("/opt")),
    }
"""


def test_python_finds_modules_programs_and_files_of_layers_and_the_later_layer_wins(server):
    one = publish(server, "one", {
        "python/from_top.py": "VALUE = 'one'", "python/lib/python3.12/site-packages/from_site.py": "VALUE = 'site'",
        "bin/layer-tool": "#!/bin/sh\nprintf tool-one", "file": "one", "lib/libnothing.so": "",
    }, {"bin/layer-tool": 0o755})["LayerVersionArn"]
    two = publish(server, "two", {"file": "two", "python/from_top.py": "VALUE = 'two'"})["LayerVersionArn"]
    answer = server.create("layered", PATHS, Layers=[one, two])
    assert [layer["Arn"] for layer in answer["Layers"]] == [one, two]
    expected = {"site": "site", "tool": "tool-one", "lib": True, "opt": ["bin", "file", "lib", "python"]}
    assert server.invoke("layered")["Json"] == {**expected, "top": "two", "file": "two"}
    configure(server, "layered", Layers=[two, one])
    assert server.invoke("layered")["Json"] == {**expected, "top": "one", "file": "one"}
    # Other members leave the layers as they are; an empty list takes them away.
    configure(server, "layered", Timeout=5)
    assert [layer["Arn"] for layer in server.lambda_.get_function_configuration(FunctionName="layered")["Layers"]] == [two, one]
    configure(server, "layered", Layers=[])
    assert "Layers" not in server.lambda_.get_function_configuration(FunctionName="layered")
    assert "from_top" in server.invoke("layered")["Json"]["errorMessage"]


def test_node_finds_modules_of_layers(server):
    layer = publish(server, "node", {"nodejs/node_modules/shared/index.js": "module.exports = 'from the layer'"})
    source = {"app.js": "exports.handler = async () => require('shared')"}
    server.create("node-layered", source, runtime="nodejs22.x", Layers=[layer["LayerVersionArn"]])
    assert server.invoke("node-layered")["Json"] == "from the layer"


BOOTSTRAP = """#!/bin/sh
while :; do
  headers=$(mktemp)
  event=$(python3 /var/task/turn.py "$headers") || exit 1
done
"""

TURN = """
import os, urllib.request
base = "http://%s/2018-06-01/runtime/invocation/" % os.environ["AWS_LAMBDA_RUNTIME_API"]
event = urllib.request.urlopen(base + "next")
body = b'"' + open("/opt/greeting", "rb").read() + b'"'
urllib.request.urlopen(base + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", body)
"""


def test_a_bootstrap_may_come_from_a_layer(server):
    layer = publish(server, "bootstrap", {"bootstrap": BOOTSTRAP, "greeting": "hello"}, {"bootstrap": 0o755})
    server.create("from-layer", {"turn.py": TURN}, runtime="provided.al2023", Layers=[layer["LayerVersionArn"]])
    assert server.invoke("from-layer")["Json"] == "hello"


def test_what_functions_may_not_reference_changes_nothing(server):
    client = server.lambda_
    arns = [publish(server, "many-%d" % number, {"a": ""})["LayerVersionArn"] for number in range(6)]
    again = publish(server, "many-0", {"a": ""})["LayerVersionArn"]
    server.create("refusing", "def handler(event, context): pass", Layers=arns[:5])
    before = client.get_function_configuration(FunctionName="refusing")
    for layers, words in [
        (arns, "Cannot reference more than 5 layers."),
        ([arns[0], again], "are versions of the same layer."),
        ([arns[0][:-1] + "9"], "does not exist."),
        ([arns[0].replace("us-east-1", "eu-west-1")], "expected to be in region us-east-1."),
    ]:
        status, code, text = refused(client.update_function_configuration, FunctionName="refusing", Layers=layers)
        assert (status, code) == INVALID and text.endswith(words), text
        create = dict(FunctionName="never", Runtime="python3.12", Handler="a.b", Role=ROLE, Code={"ZipFile": package({"a.py": ""})})
        assert refused(client.create_function, Layers=layers, **create) == (status, code, text)
    assert client.get_function_configuration(FunctionName="refusing") | {"ResponseMetadata": 0} == before | {"ResponseMetadata": 0}
    assert refused(client.get_function, FunctionName="never")[0] == 404


def zeros(megabytes):
    """A package that unpacks to this much, and is small."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(megabytes << 20))
        archive.writestr("app.py", "def handler(event, context): return 1\n")
    return buffer.getvalue()


def test_code_and_layers_together_stay_within_250_mb(server):
    client = server.lambda_
    large = client.publish_layer_version(LayerName="large", Content={"ZipFile": zeros(200)})["LayerVersionArn"]
    limit = "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is "
    create = dict(Runtime="python3.12", Handler="app.handler", Role=ROLE)
    over = dict(FunctionName="heavy", Code={"ZipFile": zeros(51)}, Layers=[large])
    assert refused(client.create_function, **over, **create)[2].startswith(limit)
    client.create_function(FunctionName="heavy", Code={"ZipFile": zeros(51)}, **create)
    client.get_waiter("function_active_v2").wait(FunctionName="heavy", WaiterConfig={"Delay": 1})
    assert refused(client.update_function_configuration, FunctionName="heavy", Layers=[large])[2].startswith(limit)
    client.update_function_code(FunctionName="heavy", ZipFile=zeros(1))
    client.get_waiter("function_updated_v2").wait(FunctionName="heavy", WaiterConfig={"Delay": 1})
    configure(server, "heavy", Layers=[large])
    for dry in (True, False):
        assert refused(client.update_function_code, FunctionName="heavy", ZipFile=zeros(51), DryRun=dry)[2].startswith(limit)
    assert server.invoke("heavy")["Json"] == 1


def test_a_policy_lets_other_accounts_use_a_layer(server):
    arn = publish(server, "shared", {"python/shared.py": "VALUE = 7"})["LayerVersionArn"]
    owner = server.lambda_
    other = server.client("lambda", account="210987654321")
    create = dict(FunctionName="guest", Runtime="python3.12", Handler="app.handler", Role=ROLE.replace("123456789012", "210987654321"), Layers=[arn])
    code = {"ZipFile": package({"app.py": "import shared\ndef handler(event, context): return shared.VALUE"})}
    denied = (403, "AccessDeniedException", "User: arn:aws:iam::210987654321:root is not authorized to perform: lambda:GetLayerVersion on resource: %s because no resource-based policy allows the lambda:GetLayerVersion action" % arn)
    assert refused(other.create_function, Code=code, **create) == denied
    assert refused(other.get_layer_version_by_arn, Arn=arn) == denied
    named = dict(LayerName="shared", VersionNumber=1)
    permission = dict(Action="lambda:GetLayerVersion", **named)
    wrong = refused(owner.add_layer_version_permission, StatementId="a", Principal="*", RevisionId="0" * 8, **permission)
    assert wrong[:2] == (412, "PreconditionFailedException")
    assert refused(owner.get_layer_version_policy, **named)[2] == "No policy is associated with the given resource."
    # An organization is nobody here.
    owner.add_layer_version_permission(StatementId="org", Principal="*", OrganizationId="o-0123456789", **permission)
    assert refused(other.get_layer_version_by_arn, Arn=arn) == denied
    added = owner.add_layer_version_permission(StatementId="guest", Principal="210987654321", **permission)
    policy = owner.get_layer_version_policy(**named)
    assert json.loads(policy["Policy"])["Statement"][1] == json.loads(added["Statement"])
    assert policy["RevisionId"] == added["RevisionId"]
    assert other.get_layer_version_by_arn(Arn=arn)["Version"] == 1
    assert refused(other.delete_layer_version, LayerName=arn[:-2], VersionNumber=1)[:2] == denied[:2]
    other.create_function(Code=code, **create)
    other.get_waiter("function_active_v2").wait(FunctionName="guest", WaiterConfig={"Delay": 1})
    # Taken back: functions that have the layer keep it.
    owner.remove_layer_version_permission(StatementId="guest", RevisionId=policy["RevisionId"], **named)
    owner.remove_layer_version_permission(StatementId="org", **named)
    assert refused(owner.get_layer_version_policy, **named)[2] == "No policy is associated with the given resource."
    assert refused(other.get_layer_version_by_arn, Arn=arn) == denied
    assert json.loads(other.invoke(FunctionName="guest")["Payload"].read()) == 7
    other.delete_function(FunctionName="guest")


def test_a_deleted_layer_version_works_on_in_functions_that_have_it(own_server):
    server = own_server.start()
    layer = publish(server, "gone", {"python/kept.py": "VALUE = 'kept'"})
    other = publish(server, "beside", {"python/beside.py": ""})["LayerVersionArn"]
    arn = layer["LayerVersionArn"]
    server.create("keeper", "import kept\ndef handler(event, context): return kept.VALUE", Layers=[arn, other])
    server.lambda_.publish_version(FunctionName="keeper")
    server.lambda_.delete_layer_version(LayerName="gone", VersionNumber=1)
    configure(server, "keeper", Layers=[other])
    server.lambda_.delete_layer_version(LayerName="beside", VersionNumber=1)
    server.stop(signal.SIGKILL)
    server.start()
    assert server.invoke("keeper", Qualifier="1")["Json"] == "kept"
    shown = server.lambda_.get_function_configuration(FunctionName="keeper", Qualifier="1")
    assert [one["Arn"] for one in shown["Layers"]] == [arn, other]
    assert refused(server.lambda_.update_function_configuration, FunctionName="keeper", Layers=[arn]) == (*INVALID, "Layer version %s does not exist." % arn)
    assert publish(server, "gone", {"a": ""})["Version"] == 2


def test_the_aws_cli_publishes_and_uses_layers(server, tmp_path):
    (tmp_path / "layer.zip").write_bytes(package({"python/cli.py": "VALUE = 'cli'"}))
    (tmp_path / "app.zip").write_bytes(package({"app.py": "import cli\ndef handler(event, context): return cli.VALUE"}))
    published = server.cli(
        "lambda", "publish-layer-version", "--layer-name", "cli", "--zip-file", "fileb://%s/layer.zip" % tmp_path,
        "--compatible-runtimes", "python3.12", "python3.13", "--compatible-architectures", "x86_64",
    )
    arn = json.loads(published.stdout)["LayerVersionArn"]
    server.cli(
        "lambda", "create-function", "--function-name", "cli-layered", "--runtime", "python3.12", "--handler", "app.handler",
        "--role", ROLE, "--zip-file", "fileb://%s/app.zip" % tmp_path, "--layers", arn,
    )
    server.cli("lambda", "wait", "function-active-v2", "--function-name", "cli-layered")
    assert server.invoke("cli-layered")["Json"] == "cli"
    granted = server.cli(
        "lambda", "add-layer-version-permission", "--layer-name", "cli", "--version-number", "1", "--statement-id", "all",
        "--action", "lambda:GetLayerVersion", "--principal", "*",
    )
    assert json.loads(json.loads(granted.stdout)["Statement"])["Principal"] == "*"
