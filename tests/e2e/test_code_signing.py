"""Code signing: whose packages may be deployed to a function, and what is said of the others."""

import concurrent.futures
import json
import subprocess

import botocore.exceptions
import pytest
from conftest import BINARY, ROLE, package
from test_functions import refused

PROFILE = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/release/abcdef0123"
OTHER = PROFILE.replace("release", "nobody")
RUNTIME = dict(Runtime="python3.12", Handler="app.handler", Role=ROLE)
MISSING = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0"
UNTRUSTED = (400, "CodeVerificationFailedException")
BROKEN = (400, "InvalidCodeSignatureException")


def config(client, policy="Enforce", publishers=(PROFILE,), **more):
    answer = client.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": list(publishers)},
        CodeSigningPolicies={"UntrustedArtifactOnDeployment": policy}, **more,
    )
    return answer["CodeSigningConfig"]["CodeSigningConfigArn"]


def code(value):
    return package({"app.py": "def handler(event, context): return %r" % value})


def updated(client, name):
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


@pytest.fixture
def publisher(own_server, tmp_path):
    """A server that knows a profile's key, and a way to sign with it."""
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run(["openssl", "genpkey", *curve, "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    (tmp_path / "profiles.toml").write_text('"%s" = "public.pem"\n' % PROFILE)
    own_server.options = ("--signing-profiles", str(tmp_path / "profiles.toml"))

    def sign(zipped, arn=PROFILE):
        (tmp_path / "app.zip").write_bytes(zipped)
        command = [BINARY, "sign", tmp_path / "app.zip", "--key", private, "--profile-version-arn", arn]
        subprocess.run(command, check=True, capture_output=True)
        return (tmp_path / "app.zip").read_bytes()

    return own_server.start(), sign


def test_only_what_an_allowed_publisher_has_signed_is_deployed(publisher):
    server, sign = publisher
    client = server.lambda_
    arn = config(client)
    create = dict(FunctionName="guarded", CodeSigningConfigArn=arn, **RUNTIME)
    text = "Check the provided signature for unsigned."
    status, error, said = refused(client.create_function, Code={"ZipFile": code(1)}, **create)
    assert (status, error) == UNTRUSTED and said.endswith(text)
    assert refused(client.get_function, FunctionName="guarded")[0] == 404
    answer = client.create_function(Code={"ZipFile": sign(code(1))}, **create)
    assert answer["SigningProfileVersionArn"] == PROFILE
    client.get_waiter("function_active_v2").wait(FunctionName="guarded", WaiterConfig={"Delay": 1})
    assert server.invoke("guarded")["Json"] == 1

    # Another file under the same signature, and a profile that nobody has a key for.
    signed = sign(package({"app.py": "", "twin.py": ""}))
    assert refused(client.update_function_code, FunctionName="guarded", ZipFile=signed.replace(b"twin.py", b"evil.py"))[:2] == BROKEN
    assert refused(client.update_function_code, FunctionName="guarded", ZipFile=sign(code(2), OTHER))[:2] == UNTRUSTED
    assert refused(client.update_function_code, FunctionName="guarded", ZipFile=code(2), DryRun=True)[:2] == UNTRUSTED
    assert server.invoke("guarded")["Json"] == 1
    client.update_function_code(FunctionName="guarded", ZipFile=sign(code(2)))
    updated(client, "guarded")
    assert server.invoke("guarded")["Json"] == 2

    # Layers count too.
    def layer(zipped):
        return client.publish_layer_version(LayerName="l", Content={"ZipFile": zipped})

    plain, good = layer(package({"a": ""})), layer(sign(package({"a": ""})))
    assert good["Content"]["SigningProfileVersionArn"] == PROFILE and "SigningProfileVersionArn" not in plain["Content"]
    update = dict(FunctionName="guarded")
    assert refused(client.update_function_configuration, Layers=[plain["LayerVersionArn"]], **update)[:2] == UNTRUSTED
    shown = client.update_function_configuration(Layers=[good["LayerVersionArn"]], **update)
    assert shown["Layers"][0]["SigningProfileVersionArn"] == PROFILE
    updated(client, "guarded")

    # Kept over a restart; without the profile's key nothing can be verified any more.
    server.stop()
    server.options = ()
    server.start()
    client = server.lambda_
    kept = client.get_function_configuration(FunctionName="guarded")
    assert (kept["SigningProfileVersionArn"], kept["Layers"][0]["SigningProfileVersionArn"]) == (PROFILE, PROFILE)
    assert refused(client.update_function_code, FunctionName="guarded", ZipFile=sign(code(3)))[:2] == UNTRUSTED
    client.delete_function_code_signing_config(FunctionName="guarded")
    client.update_function_code(FunctionName="guarded", ZipFile=code(3))
    updated(client, "guarded")
    assert server.invoke("guarded")["Json"] == 3
    assert "SigningProfileVersionArn" not in client.get_function_configuration(FunctionName="guarded")


def test_with_warn_untrusted_code_is_deployed_and_noted_but_never_broken_code(publisher):
    server, sign = publisher
    client = server.lambda_
    arn = config(client, "Warn")
    create = dict(FunctionName="warned", CodeSigningConfigArn=arn, **RUNTIME)
    signed = sign(package({"app.py": "", "twin.py": ""}))
    assert refused(client.create_function, Code={"ZipFile": signed.replace(b"twin.py", b"evil.py")}, **create)[:2] == BROKEN
    client.create_function(Code={"ZipFile": code(1)}, **create)
    assert "no allowed publisher has signed it" in server.said()
    client.get_waiter("function_active_v2").wait(FunctionName="warned", WaiterConfig={"Delay": 1})
    # From Warn to Enforce: what is there stays, what comes is checked.
    client.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )
    assert server.invoke("warned")["Json"] == 1
    assert refused(client.update_function_code, FunctionName="warned", ZipFile=code(2))[:2] == UNTRUSTED
    client.update_function_configuration(FunctionName="warned", Timeout=4)
    updated(client, "warned")


def test_a_key_that_can_not_be_used_is_said_at_the_start(own_server, tmp_path):
    (tmp_path / "profiles.toml").write_text('"%s" = "missing.pem"\n' % PROFILE)
    command = [BINARY, "serve", "--data-dir", own_server.directory, "--listen", "127.0.0.1:0", "--signing-profiles", tmp_path / "profiles.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "missing.pem" in done.stderr


def test_configurations_are_listed_changed_tagged_and_not_deleted_while_in_use(server, tmp_path):
    client = server.lambda_
    arn = config(client, "Warn", Description="first", Tags={"team": "a"})
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "a"}
    client.tag_resource(Resource=arn, Tags={"stage": "b"})
    client.untag_resource(Resource=arn, TagKeys=["team"])
    assert client.list_tags(Resource=arn)["Tags"] == {"stage": "b"}
    changed = client.update_code_signing_config(CodeSigningConfigArn=arn, Description="second")["CodeSigningConfig"]
    assert (changed["Description"], changed["AllowedPublishers"]["SigningProfileVersionArns"]) == ("second", [PROFILE])
    found = client.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 1})
    assert changed in [one for page in found for one in page["CodeSigningConfigs"]]

    names = ["signed-%d" % number for number in range(3)]
    for name in names:
        server.create(name, "def handler(event, context): return 1", CodeSigningConfigArn=arn)
        assert client.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    pages = client.get_paginator("list_functions_by_code_signing_config").paginate(CodeSigningConfigArn=arn, PaginationConfig={"PageSize": 2})
    assert [one.split(":")[-1] for page in pages for one in page["FunctionArns"]] == names
    assert refused(client.delete_code_signing_config, CodeSigningConfigArn=arn)[:2] == (409, "ResourceConflictException")
    for name in names[:2]:
        client.delete_function_code_signing_config(FunctionName=name)
    client.delete_function(FunctionName=names[2])
    assert client.get_function_code_signing_config(FunctionName=names[0])["CodeSigningConfigArn"] == ""
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    text = "The Lambda code signing configuration %s can not be found." % arn
    assert refused(client.get_code_signing_config, CodeSigningConfigArn=arn) == (404, "ResourceNotFoundException", text)
    gone = "The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s." % arn
    put = dict(FunctionName=names[0], CodeSigningConfigArn=arn)
    assert refused(client.put_function_code_signing_config, **put) == (404, "CodeSigningConfigNotFoundException", gone)
    create = dict(FunctionName="never-signed", Code={"ZipFile": code(1)}, CodeSigningConfigArn=arn, **RUNTIME)
    assert refused(client.create_function, **create)[:2] == (404, "CodeSigningConfigNotFoundException")
    for name in names[:2]:
        client.delete_function(FunctionName=name)


def test_a_configuration_is_never_deleted_under_a_function_that_begins_to_use_it(server):
    client = server.lambda_
    server.create("contested", "def handler(event, context): return 1")

    def attempt(call, **arguments):
        try:
            call(**arguments)
            return True
        except botocore.exceptions.ClientError:
            return False

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            arn = config(client, "Warn")
            tries = [
                pool.submit(attempt, client.put_function_code_signing_config, FunctionName="contested", CodeSigningConfigArn=arn),
                pool.submit(attempt, client.delete_code_signing_config, CodeSigningConfigArn=arn),
            ]
            attached, deleted = [one.result() for one in tries]
            assert attached != deleted
            if attached:
                assert client.get_code_signing_config(CodeSigningConfigArn=arn)
                client.delete_function_code_signing_config(FunctionName="contested")
    client.delete_function(FunctionName="contested")


def test_the_aws_cli_manages_code_signing(server):
    made = server.cli(
        "lambda", "create-code-signing-config", "--allowed-publishers", "SigningProfileVersionArns=" + PROFILE,
        "--code-signing-policies", "UntrustedArtifactOnDeployment=Enforce",
    )
    arn = json.loads(made.stdout)["CodeSigningConfig"]["CodeSigningConfigArn"]
    listed = json.loads(server.cli("lambda", "list-code-signing-configs").stdout)["CodeSigningConfigs"]
    assert arn in [one["CodeSigningConfigArn"] for one in listed]
    server.cli("lambda", "delete-code-signing-config", "--code-signing-config-arn", arn)
    missing = server.cli("lambda", "get-code-signing-config", "--code-signing-config-arn", MISSING, check=False)
    assert "ResourceNotFoundException" in missing.stderr
