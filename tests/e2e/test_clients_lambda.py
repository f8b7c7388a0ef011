"""Real clients of Lambda's control plane: every paginator and waiter of boto3, the AWS CLI, the JavaScript SDK."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import threading

import botocore.session
import botocore.waiter
import pytest
from conftest import ROOT, RUNTIMES, package, wait_for

ECHO = package({"app.py": "def handler(event, context):\n    return event\n"})
#: What is known to fail, and why; a test that passes has to come off.
PENDING = {
    "list_event_source_mappings": "event sources are not available yet",
    "get_durable_execution_history": "durable functions are not available yet",
    "get_durable_execution_state": "durable functions are not available yet",
    "cli event source mappings": "event sources are not available yet",
}
ACCOUNTS = itertools.count(400000000000)


def parameters(names, kind=""):
    for name in names:
        reason = PENDING.get((kind + " " + name).strip())
        yield pytest.param(name, marks=[pytest.mark.xfail(reason=reason, strict=True)] if reason else [])


class Account:
    """An account of its own, so that lists hold what a test has made and nothing else."""

    def __init__(self, server):
        self.id = str(next(ACCOUNTS))
        self.lambda_ = server.client("lambda", account=self.id)
        self.role = "arn:aws:iam::%s:role/any" % self.id

    def function(self, name="f", **more):
        arguments = {"Runtime": "python3.12", "Handler": "app.handler", "Role": self.role, "Code": {"ZipFile": ECHO}, **more}
        made = self.lambda_.create_function(FunctionName=name, **arguments)
        self.lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return made

    def update(self, text, name="f"):
        self.lambda_.update_function_configuration(FunctionName=name, Description=text)
        self.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


@pytest.fixture
def account(server):
    return Account(server)


# --- paginators: what each needs, and where its items are


def three_functions(account):
    for name in "abc":
        account.function(name)
    return {}, "Functions"


def three_versions(account):
    account.function()
    for number in range(2):
        account.update("version %d" % number)
        account.lambda_.publish_version(FunctionName="f")
    return {"FunctionName": "f"}, "Versions"


def three_aliases(account):
    three_versions(account)
    for name in "abc":
        account.lambda_.create_alias(FunctionName="f", Name=name, FunctionVersion="1")
    return {"FunctionName": "f"}, "Aliases"


def three_layers(account):
    for name in "abc":
        account.lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": ECHO})
    return {}, "Layers"


def three_layer_versions(account):
    for _ in range(3):
        account.lambda_.publish_layer_version(LayerName="l", Content={"ZipFile": ECHO})
    return {"LayerName": "l"}, "LayerVersions"


def three_event_invoke_configs(account):
    three_aliases(account)
    for qualifier in ("$LATEST", "1", "a"):
        account.lambda_.put_function_event_invoke_config(FunctionName="f", Qualifier=qualifier, MaximumRetryAttempts=1)
    return {"FunctionName": "f"}, "FunctionEventInvokeConfigs"


def three_provisioned(account):
    three_versions(account)
    account.update("version 2")
    for version in account.lambda_.publish_version(FunctionName="f")["Version"], "1", "2":
        account.lambda_.put_provisioned_concurrency_config(
            FunctionName="f", Qualifier=version, ProvisionedConcurrentExecutions=1
        )
    return {"FunctionName": "f"}, "ProvisionedConcurrencyConfigs"


def signing(account):
    profile = "arn:aws:signer:us-east-1:%s:/signing-profiles/test" % account.id
    made = account.lambda_.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [profile]})
    return made["CodeSigningConfig"]["CodeSigningConfigArn"]


def three_code_signing_configs(account):
    for _ in range(3):
        signing(account)
    return {}, "CodeSigningConfigs"


def three_signed_functions(account):
    arn = signing(account)
    for name in "abc":
        account.function(name)
        account.lambda_.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    return {"CodeSigningConfigArn": arn}, "FunctionArns"


def three_urls(account):
    three_aliases(account)
    for qualifier in "abc":
        account.lambda_.create_function_url_config(FunctionName="f", Qualifier=qualifier, AuthType="NONE")
    return {"FunctionName": "f"}, "FunctionUrlConfigs"


def three_mappings(account):
    account.function()
    for number in range(3):
        account.lambda_.create_event_source_mapping(
            FunctionName="f", EventSourceArn="arn:aws:sqs:us-east-1:%s:queue-%d" % (account.id, number), Enabled=False
        )
    return {"FunctionName": "f"}, "EventSourceMappings"


def none_of(key, **arguments):
    """A list that is empty here: the paginator has to come to its end at once."""
    def prepare(account):
        account.function()
        return {name: value.format(account=account.id) for name, value in arguments.items()}, key
    return prepare


EXECUTION = "arn:aws:lambda:us-east-1:{account}:function:f:1/durable-execution/e/11111111-2222-3333-4444-555555555555"
PAGINATORS = {
    "list_functions": three_functions,
    "list_versions_by_function": three_versions,
    "list_aliases": three_aliases,
    "list_layers": three_layers,
    "list_layer_versions": three_layer_versions,
    "list_function_event_invoke_configs": three_event_invoke_configs,
    "list_provisioned_concurrency_configs": three_provisioned,
    "list_code_signing_configs": three_code_signing_configs,
    "list_functions_by_code_signing_config": three_signed_functions,
    "list_function_url_configs": three_urls,
    "list_event_source_mappings": three_mappings,
    "list_capacity_providers": none_of("CapacityProviders"),
    "list_durable_executions_by_function": none_of("DurableExecutions", FunctionName="f"),
    "list_function_versions_by_capacity_provider": none_of("FunctionVersions", CapacityProviderName="none"),
    "get_durable_execution_history": none_of("Events", DurableExecutionArn=EXECUTION),
    "get_durable_execution_state": none_of("Operations", DurableExecutionArn=EXECUTION, CheckpointToken="none"),
}
#: Lists of something that has to exist first: what is asked for here doesn't, and the answer says so.
NOT_FOUND = {"list_function_versions_by_capacity_provider", "get_durable_execution_history", "get_durable_execution_state"}


@pytest.mark.parametrize("name", parameters(PAGINATORS))
def test_a_paginator_finds_everything_once_whatever_the_page(account, name):
    arguments, key = PAGINATORS[name](account)
    paginator = account.lambda_.get_paginator(name)
    if name in NOT_FOUND:
        with pytest.raises(account.lambda_.exceptions.ResourceNotFoundException):
            paginator.paginate(**arguments).build_full_result()
        return
    whole = paginator.paginate(**arguments).build_full_result()[key]
    pages = [page[key] for page in paginator.paginate(**arguments, PaginationConfig={"PageSize": 1})]
    assert all(len(page) <= 1 for page in pages)
    assert [item for page in pages for item in page] == whole
    assert len(whole) == (0 if PAGINATORS[name].__name__ == "prepare" else 3)


def test_every_paginator_of_boto3_has_a_test(account):
    loader = botocore.session.get_session().get_component("data_loader")
    modelled = loader.load_service_model("lambda", "paginators-1")["pagination"]
    methods = {operation: method for method, operation in account.lambda_.meta.method_to_api_mapping.items()}
    assert {methods[operation] for operation in modelled} == set(PAGINATORS)


# --- waiters


def wait(account, name, **arguments):
    account.lambda_.get_waiter(name).wait(**arguments, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def active(account, waiter):
    account.lambda_.create_function(
        FunctionName="f", Runtime="python3.12", Handler="app.handler", Role=account.role, Code={"ZipFile": ECHO}
    )
    wait(account, waiter, FunctionName="f")
    return account.lambda_.get_function_configuration(FunctionName="f")["State"] == "Active"


def updated(account, waiter):
    account.function()
    account.lambda_.update_function_configuration(FunctionName="f", Timeout=9)
    wait(account, waiter, FunctionName="f")
    return account.lambda_.get_function_configuration(FunctionName="f")["LastUpdateStatus"] == "Successful"


def exists(account, waiter):
    waiting = threading.Thread(target=wait, args=(account, waiter), kwargs={"FunctionName": "f"})
    waiting.start()
    account.function()
    waiting.join(60)
    return not waiting.is_alive()


def published(account, waiter):
    account.function()
    version = account.lambda_.publish_version(FunctionName="f")["Version"]
    wait(account, waiter, FunctionName="f", Qualifier=version)
    return account.lambda_.get_function_configuration(FunctionName="f", Qualifier=version)["State"] == "Active"


WAITERS = {
    "function_active": active, "function_active_v2": active, "function_updated": updated, "function_updated_v2": updated,
    "function_exists": exists, "published_version_active": published,
}


@pytest.mark.parametrize("name", parameters(WAITERS))
def test_a_waiter_comes_to_its_end(account, name):
    assert WAITERS[name](account, name)


def test_every_waiter_of_boto3_has_a_test(account):
    assert set(account.lambda_.waiter_names) == set(WAITERS)


# --- the AWS CLI, version 2: for each family its main calls, in order. `expect` are members of the JSON answer

CLI = {
    "functions": [
        ("create-function --function-name {f} --runtime python3.12 --handler app.handler --role {role} --zip-file fileb://{zip}", {"State": "Pending"}),
        ("wait function-active-v2 --function-name {f}", None),
        ("get-function-configuration --function-name {f}", {"State": "Active"}),
        ("update-function-configuration --function-name {f} --timeout 9 --environment Variables={{AB=b}}", {"Timeout": 9}),
        ("wait function-updated-v2 --function-name {f}", None),
        ("update-function-code --function-name {f} --zip-file fileb://{zip} --publish", {"Version": "1"}),
        ("wait function-updated-v2 --function-name {f}", None),
        ("tag-resource --resource {arn} --tags k=v", None),
        ("list-tags --resource {arn}", {"Tags": {"k": "v"}}),
        ("untag-resource --resource {arn} --tag-keys k", None),
        ("invoke --function-name {f} --cli-binary-format raw-in-base64-out --payload 1 --log-type Tail {out}", {"StatusCode": 200}),
        ("get-account-settings", None),
        ("delete-function --function-name {f}", None),
    ],
    "versions and aliases": [
        ("{create}", None),
        ("publish-version --function-name {f} --description first", {"Version": "1", "Description": "first"}),
        ("create-alias --function-name {f} --name live --function-version 1", {"Name": "live"}),
        ("update-alias --function-name {f} --name live --function-version $LATEST", {"FunctionVersion": "$LATEST"}),
        ("get-alias --function-name {f} --name live", {"FunctionVersion": "$LATEST"}),
        ("list-aliases --function-name {f} --query Aliases[0]", {"Name": "live"}),
        ("list-versions-by-function --function-name {f} --query Versions[1]", {"Version": "1"}),
        ("delete-alias --function-name {f} --name live", None),
        ("delete-function --function-name {f} --qualifier 1", None),
    ],
    "layers": [
        ("publish-layer-version --layer-name {f} --zip-file fileb://{zip} --compatible-runtimes python3.12", {"Version": 1}),
        ("get-layer-version --layer-name {f} --version-number 1", {"Version": 1}),
        ("get-layer-version-by-arn --arn {layer}:1", {"Version": 1}),
        ("add-layer-version-permission --layer-name {f} --version-number 1 --statement-id s --action lambda:GetLayerVersion --principal *", None),
        ("get-layer-version-policy --layer-name {f} --version-number 1", None),
        ("remove-layer-version-permission --layer-name {f} --version-number 1 --statement-id s", None),
        ("list-layers --query Layers[0]", {"LayerName": "{f}"}),
        ("list-layer-versions --layer-name {f} --query LayerVersions[0]", {"Version": 1}),
        ("delete-layer-version --layer-name {f} --version-number 1", None),
    ],
    "permissions": [
        ("{create}", None),
        ("add-permission --function-name {f} --statement-id s --action lambda:InvokeFunction --principal s3.amazonaws.com", None),
        ("get-policy --function-name {f}", None),
        ("remove-permission --function-name {f} --statement-id s", None),
    ],
    "concurrency": [
        ("{create}", None),
        ("put-function-concurrency --function-name {f} --reserved-concurrent-executions 3", {"ReservedConcurrentExecutions": 3}),
        ("get-function-concurrency --function-name {f}", {"ReservedConcurrentExecutions": 3}),
        ("publish-version --function-name {f}", {"Version": "1"}),
        ("put-provisioned-concurrency-config --function-name {f} --qualifier 1 --provisioned-concurrent-executions 1", {"Status": "IN_PROGRESS"}),
        ("get-provisioned-concurrency-config --function-name {f} --qualifier 1", {"RequestedProvisionedConcurrentExecutions": 1}),
        ("list-provisioned-concurrency-configs --function-name {f}", None),
        ("delete-provisioned-concurrency-config --function-name {f} --qualifier 1", None),
        ("delete-function-concurrency --function-name {f}", None),
    ],
    "asynchronous invocation": [
        ("{create}", None),
        ("put-function-event-invoke-config --function-name {f} --maximum-retry-attempts 0", {"MaximumRetryAttempts": 0}),
        ("update-function-event-invoke-config --function-name {f} --maximum-event-age-in-seconds 60", {"MaximumEventAgeInSeconds": 60}),
        ("get-function-event-invoke-config --function-name {f}", {"MaximumRetryAttempts": 0}),
        ("list-function-event-invoke-configs --function-name {f}", None),
        ("invoke --function-name {f} --invocation-type Event --cli-binary-format raw-in-base64-out --payload 1 {out}", {"StatusCode": 202}),
        ("delete-function-event-invoke-config --function-name {f}", None),
    ],
    "urls": [
        ("{create}", None),
        ("create-function-url-config --function-name {f} --auth-type NONE", {"AuthType": "NONE"}),
        ("update-function-url-config --function-name {f} --auth-type AWS_IAM --cors AllowOrigins=*", {"AuthType": "AWS_IAM"}),
        ("get-function-url-config --function-name {f}", {"AuthType": "AWS_IAM"}),
        ("list-function-url-configs --function-name {f}", None),
        ("delete-function-url-config --function-name {f}", None),
    ],
    "code signing": [
        ("{create}", None),
        ("get-function-code-signing-config --function-name {f}", {"FunctionName": "{f}"}),
        ("create-code-signing-config --allowed-publishers SigningProfileVersionArns=arn:aws:signer:us-east-1:123456789012:/signing-profiles/t", None),
        ("list-code-signing-configs", None),
    ],
    "recursion and runtimes": [
        ("{create}", None),
        ("put-function-recursion-config --function-name {f} --recursive-loop Allow", {"RecursiveLoop": "Allow"}),
        ("get-function-recursion-config --function-name {f}", {"RecursiveLoop": "Allow"}),
        ("put-runtime-management-config --function-name {f} --update-runtime-on FunctionUpdate", {"UpdateRuntimeOn": "FunctionUpdate"}),
        ("get-runtime-management-config --function-name {f}", {"UpdateRuntimeOn": "FunctionUpdate"}),
    ],
    "event source mappings": [
        ("{create}", None),
        ("create-event-source-mapping --function-name {f} --event-source-arn arn:aws:sqs:us-east-1:123456789012:{f} --no-enabled", None),
        ("list-event-source-mappings --function-name {f}", None),
    ],
}
CREATE = "create-function --function-name {f} --runtime python3.12 --handler app.handler --role {role} --zip-file fileb://{zip}"


@pytest.mark.parametrize("family", [pytest.param(*one.values, marks=one.marks, id=one.values[0].replace(" ", "-")) for one in parameters(CLI, "cli")])
def test_the_cli_speaks_to_every_family(server, tmp_path, family):
    cli = ROOT / ".cache/aws-cli-v2/usr/bin/aws"
    if not cli.exists():
        pytest.skip("version 2 of the AWS CLI is not there")
    known = cli_operations()
    zip_file = tmp_path / "code.zip"
    zip_file.write_bytes(ECHO)
    name = "cli-" + family.replace(" ", "-")
    words = {
        "f": name, "role": "arn:aws:iam::123456789012:role/any", "zip": str(zip_file), "out": str(tmp_path / "out"),
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:" + name, "layer": "arn:aws:lambda:us-east-1:123456789012:layer:" + name,
    }
    for line, expected in CLI[family]:
        steps = [CREATE, "wait function-active-v2 --function-name {f}"] if line == "{create}" else [line]
        for step in steps:
            arguments = step.format(**words).split(" ")
            if arguments[0] not in known:
                pytest.skip("this AWS CLI does not know %s" % arguments[0])
            answer = server.cli("lambda", *arguments, version=2).stdout
        for member, value in (expected or {}).items():
            value = value.format(**words) if isinstance(value, str) else value
            assert json.loads(answer)[member] == value, "%s: %s" % (line, answer)


def cli_operations():
    """The commands that this CLI knows: a distribution's package is older than the API."""
    found = (ROOT / ".cache/aws-cli-v2/usr/lib/python3/dist-packages/awscli/botocore/data/lambda").rglob("service-2.json*")
    path = sorted(found)[-1]
    if path.suffix == ".gz":
        import gzip
        text = gzip.decompress(path.read_bytes())
    else:
        text = path.read_bytes()
    names = json.loads(text)["operations"]
    return {"wait"} | {"".join("-" + letter.lower() if letter.isupper() else letter for letter in name).strip("-") for name in names}


# --- the AWS SDK for JavaScript, version 3

SCRIPT = """
const sdk = require('@aws-sdk/client-lambda');
const client = new sdk.LambdaClient({});
const call = (name, input) => client.send(new sdk[name + 'Command'](input)).then(
  (answer) => { const { $metadata, ...rest } = answer; return { status: $metadata.httpStatusCode, ...rest }; },
  (error) => ({ error: error.name, status: error.$metadata.httpStatusCode }),
);
const [, , family, f, role, zip] = process.argv;
const code = { ZipFile: Buffer.from(zip, 'base64') };
const created = async () => {
  await call('CreateFunction', { FunctionName: f, Runtime: 'python3.12', Handler: 'app.handler', Role: role, Code: code });
  await sdk.waitUntilFunctionActiveV2({ client, maxWaitTime: 60, minDelay: 1 }, { FunctionName: f });
};
const families = {
  versions: async () => {
    await created();
    const seen = [];
    seen.push((await call('PublishVersion', { FunctionName: f })).Version);
    await sdk.waitUntilPublishedVersionActive({ client, maxWaitTime: 60, minDelay: 1 }, { FunctionName: f, Qualifier: '1' });
    for await (const page of sdk.paginateListVersionsByFunction({ client, pageSize: 1 }, { FunctionName: f })) {
      seen.push(page.Versions.map((one) => one.Version));
    }
    return seen;
  },
  aliases: async () => {
    await created();
    await call('PublishVersion', { FunctionName: f });
    const one = await call('CreateAlias', { FunctionName: f, Name: 'live', FunctionVersion: '1' });
    const two = await call('UpdateAlias', { FunctionName: f, Name: 'live', Description: 'x', RevisionId: one.RevisionId });
    const stale = await call('UpdateAlias', { FunctionName: f, Name: 'live', Description: 'y', RevisionId: one.RevisionId });
    const invoked = await call('Invoke', { FunctionName: f, Qualifier: 'live', Payload: '7' });
    await call('DeleteAlias', { FunctionName: f, Name: 'live' });
    const gone = await call('GetAlias', { FunctionName: f, Name: 'live' });
    return [one.status, two.Description, stale.error, invoked.ExecutedVersion, Buffer.from(invoked.Payload).toString(), gone.error];
  },
  layers: async () => {
    const one = await call('PublishLayerVersion', { LayerName: f, Content: code, CompatibleRuntimes: ['python3.12'] });
    const got = await call('GetLayerVersion', { LayerName: f, VersionNumber: 1 });
    const byArn = await call('GetLayerVersionByArn', { Arn: one.LayerVersionArn });
    const permission = await call('AddLayerVersionPermission', {
      LayerName: f, VersionNumber: 1, StatementId: 's', Action: 'lambda:GetLayerVersion', Principal: '*',
    });
    await call('DeleteLayerVersion', { LayerName: f, VersionNumber: 1 });
    const gone = await call('GetLayerVersion', { LayerName: f, VersionNumber: 1 });
    return [one.Version, got.Content.CodeSha256 === byArn.Content.CodeSha256, JSON.parse(permission.Statement).Sid, gone.error];
  },
  permissions: async () => {
    await created();
    const input = { FunctionName: f, StatementId: 's', Action: 'lambda:InvokeFunction', Principal: 's3.amazonaws.com' };
    const one = await call('AddPermission', input);
    const again = await call('AddPermission', input);
    const policy = await call('GetPolicy', { FunctionName: f });
    const removed = await call('RemovePermission', { FunctionName: f, StatementId: 's', RevisionId: policy.RevisionId });
    const gone = await call('GetPolicy', { FunctionName: f });
    return [JSON.parse(one.Statement).Principal.Service, again.error, JSON.parse(policy.Policy).Statement.length, removed.status, gone.error];
  },
};
families[family]().then((seen) => console.log(JSON.stringify(seen)));
"""
JAVASCRIPT = {
    "versions": ["1", ["$LATEST"], ["1"]],
    "aliases": [201, "x", "PreconditionFailedException", "1", "7", "ResourceNotFoundException"],
    "layers": [1, True, "s", "ResourceNotFoundException"],
    "permissions": ["s3.amazonaws.com", "ResourceConflictException", 1, 204, "ResourceNotFoundException"],
}


@pytest.mark.parametrize("family", parameters(JAVASCRIPT, "javascript"))
def test_the_javascript_sdk_speaks_to_versions_aliases_layers_and_permissions(server, family):
    if not shutil.which("node"):
        pytest.skip("node is not there")
    modules = next((RUNTIMES / "runtime").glob("aws-sdk-v3-*")) / "node_modules"
    env = {
        "PATH": os.environ["PATH"], "NODE_PATH": str(modules), "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }
    arguments = [family, "js-" + family, "arn:aws:iam::123456789012:role/any", base64.b64encode(ECHO).decode()]
    done = subprocess.run(["node", "-e", SCRIPT, "-", *arguments], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # The last page of a list may be an empty one.
    seen = [one for one in json.loads(done.stdout) if one != []]
    assert seen == JAVASCRIPT[family]


def test_an_invoke_right_after_a_waiter_is_never_refused(account):
    for number in range(20):
        name = "f%d" % number
        account.lambda_.create_function(
            FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=account.role, Code={"ZipFile": ECHO}
        )
        wait_for(lambda: account.lambda_.get_function(FunctionName=name)["Configuration"]["State"] == "Active", name + " is active")
        assert account.lambda_.invoke(FunctionName=name, Payload="1")["StatusCode"] == 200
