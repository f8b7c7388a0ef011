"""Versions, aliases, concurrency: what recordings don't say, and that invokes obey."""

import concurrent.futures
import signal

import botocore.exceptions
import pytest

from conftest import package, wait_for

WHO = """
import os, time
SAYS = "%s"
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return {"says": SAYS, "version": context.function_version, "arn": context.invoked_function_arn,
            "stream": context.log_stream_name, "env": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
"""


def refused(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


def update(server, name, says, **more):
    answer = server.lambda_.update_function_code(FunctionName=name, ZipFile=package({"app.py": WHO % says}), **more)
    server.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return answer


def test_versions_and_aliases_run_what_they_stand_for(server):
    client = server.lambda_
    server.create("versioned", WHO % "one")
    one = client.publish_version(FunctionName="versioned", Description="first")
    assert (one["Version"], one["State"], one["FunctionArn"].rsplit(":", 1)[1]) == ("1", "Active", "1")
    assert client.publish_version(FunctionName="versioned", Description="other")["Version"] == "1", "nothing has changed"
    two = update(server, "versioned", "two", Publish=True)
    assert (two["Version"], two["State"]) == ("2", "Pending")
    client.get_waiter("published_version_active").wait(FunctionName="versioned", Qualifier="2", WaiterConfig={"Delay": 1})
    update(server, "versioned", "latest")
    alias = client.create_alias(FunctionName="versioned", Name="live", FunctionVersion="1")
    said = {name: server.invoke("versioned", **more) for name, more in {
        "latest": {}, "1": {"Qualifier": "1"}, "2": {"Qualifier": "2"}, "live": {"Qualifier": "live"},
    }.items()}
    assert [said[name]["Json"]["says"] for name in ("latest", "1", "2", "live")] == ["latest", "one", "two", "one"]
    assert [said[name]["ExecutedVersion"] for name in ("latest", "1", "2", "live")] == ["$LATEST", "1", "2", "1"]
    live = said["live"]["Json"]
    assert (live["arn"], live["version"], live["env"]) == (alias["AliasArn"], "1", "1")
    assert "[1]" in live["stream"]
    client.update_alias(FunctionName="versioned", Name="live", FunctionVersion="2")
    assert server.invoke("versioned", Qualifier="live")["Json"]["says"] == "two"
    by_arn = server.invoke(alias["AliasArn"])
    assert by_arn["Json"]["says"] == "two"
    mismatch = refused(client.invoke, FunctionName=alias["AliasArn"], Qualifier="1")
    assert mismatch[2] == "The derived qualifier from the function name does not match the specified qualifier."
    in_use = refused(client.delete_function, FunctionName="versioned", Qualifier="2")
    assert in_use[:2] == (409, "ResourceConflictException") and "live" in in_use[2]
    client.delete_function(FunctionName="versioned", Qualifier="1")
    assert refused(client.invoke, FunctionName="versioned", Qualifier="1")[0] == 404
    update(server, "versioned", "third")
    assert client.publish_version(FunctionName="versioned")["Version"] == "3", "numbers are never used again"
    listed = client.list_versions_by_function(FunctionName="versioned")["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "2", "3"]


def test_a_weighted_alias_splits_its_requests(server):
    client = server.lambda_
    server.create("split", WHO % "a")
    client.publish_version(FunctionName="split")
    update(server, "split", "b")
    client.publish_version(FunctionName="split")
    client.create_alias(FunctionName="split", Name="both", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = [server.invoke("split", Qualifier="both")["ExecutedVersion"] for _ in range(60)]
    # Half of sixty: both sides are missed once in 2^59.
    assert set(seen) == {"1", "2"}
    assert client.update_alias(FunctionName="split", Name="both", RoutingConfig={}).get("RoutingConfig") is None
    assert {server.invoke("split", Qualifier="both")["ExecutedVersion"] for _ in range(10)} == {"1"}


def test_versions_and_aliases_are_there_after_kill_9(own_server):
    server = own_server.start()
    client = server.lambda_
    server.create("kept", WHO % "one", Environment={"Variables": {"KEY": "value"}})
    client.publish_version(FunctionName="kept")
    update(server, "kept", "two")
    client.create_alias(FunctionName="kept", Name="live", FunctionVersion="1", Description="kept")
    client.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=3)
    before = (client.get_function(FunctionName="kept", Qualifier="live")["Configuration"], client.get_alias(FunctionName="kept", Name="live"))
    server.stop(signal.SIGKILL)
    server.start()
    client = server.lambda_
    after = (client.get_function(FunctionName="kept", Qualifier="live")["Configuration"], client.get_alias(FunctionName="kept", Name="live"))
    for answer in (before[1], after[1]):
        answer.pop("ResponseMetadata")
    assert after == before
    assert client.get_function_concurrency(FunctionName="kept")["ReservedConcurrentExecutions"] == 3
    assert server.invoke("kept", Qualifier="live")["Json"]["says"] == "one"
    assert server.invoke("kept")["Json"]["says"] == "two"


def test_reserved_concurrency_is_a_limit_and_a_guarantee(server):
    client = server.lambda_
    server.create("reserved", WHO % "r")
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=1)
    assert client.get_function(FunctionName="reserved")["Concurrency"] == {"ReservedConcurrentExecutions": 1}
    settings = client.get_account_settings()["AccountLimit"]
    assert settings["ConcurrentExecutions"] - settings["UnreservedConcurrentExecutions"] >= 1
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.invoke, "reserved", {"sleep": 2.5})
        server.messages("reserved", "START")
        assert throttled(server, "reserved") == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert running.result()["Json"]["says"] == "r"
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    assert throttled(server, "reserved") == "ReservedFunctionConcurrentInvocationLimitExceeded"
    client.delete_function_concurrency(FunctionName="reserved")
    assert server.invoke("reserved")["Json"]["says"] == "r"
    too_many = refused(client.put_function_concurrency, FunctionName="reserved", ReservedConcurrentExecutions=901)
    assert too_many[2].endswith("UnreservedConcurrentExecution below its minimum value of [100].")


def throttled(server, name):
    try:
        server.invoke(name)
    except server.lambda_.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        return error.response["Reason"]
    return None


def test_provisioned_environments_are_there_before_anybody_asks(server):
    client = server.lambda_
    server.create("provisioned", WHO % "p")
    client.publish_version(FunctionName="provisioned")
    put = client.put_provisioned_concurrency_config(FunctionName="provisioned", Qualifier="1", ProvisionedConcurrentExecutions=2)
    assert put["Status"] == "IN_PROGRESS"

    def config():
        return client.get_provisioned_concurrency_config(FunctionName="provisioned", Qualifier="1")

    ready = wait_for(lambda: config() if config()["Status"] == "READY" else None, "both are ready")
    assert (ready["AllocatedProvisionedConcurrentExecutions"], ready["AvailableProvisionedConcurrentExecutions"]) == (2, 2)
    assert server.invoke("provisioned", Qualifier="1")["Json"]["type"] == "provisioned-concurrency"
    assert server.invoke("provisioned")["Json"]["type"] == "on-demand"
    listed = client.list_provisioned_concurrency_configs(FunctionName="provisioned")["ProvisionedConcurrencyConfigs"]
    assert [item["FunctionArn"].rsplit(":", 1)[1] for item in listed] == ["1"]
    client.create_alias(FunctionName="provisioned", Name="a", FunctionVersion="1")
    taken = refused(client.put_provisioned_concurrency_config, FunctionName="provisioned", Qualifier="a", ProvisionedConcurrentExecutions=1)
    assert taken[:2] == (409, "ResourceConflictException")
    client.delete_provisioned_concurrency_config(FunctionName="provisioned", Qualifier="1")
    gone = refused(client.get_provisioned_concurrency_config, FunctionName="provisioned", Qualifier="1")
    assert gone == (404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")


def test_an_init_that_fails_fails_its_provisioning(server):
    client = server.lambda_
    server.create("unprovisionable", "raise RuntimeError('no')\n")
    client.publish_version(FunctionName="unprovisionable")
    client.put_provisioned_concurrency_config(FunctionName="unprovisionable", Qualifier="1", ProvisionedConcurrentExecutions=1)

    def config():
        return client.get_provisioned_concurrency_config(FunctionName="unprovisionable", Qualifier="1")

    failed = wait_for(lambda: config() if config()["Status"] == "FAILED" else None, "it fails")
    assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"


def test_updates_that_race_never_lose_one_another(server):
    client = server.lambda_
    server.create("raced", WHO % "x")
    client.publish_version(FunctionName="raced")

    def alias(number):
        client.create_alias(FunctionName="raced", Name="alias%d" % number, FunctionVersion="1")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(alias, range(40)))
    found = [item["Name"] for page in client.get_paginator("list_aliases").paginate(FunctionName="raced", PaginationConfig={"PageSize": 7}) for item in page["Aliases"]]
    assert found == sorted("alias%d" % number for number in range(40))
    revision = client.get_alias(FunctionName="raced", Name="alias0")["RevisionId"]

    def guarded(number):
        try:
            client.update_alias(FunctionName="raced", Name="alias0", Description=str(number), RevisionId=revision)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailedException"
            return None
        return str(number)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        won = [number for number in pool.map(guarded, range(20)) if number]
    assert [client.get_alias(FunctionName="raced", Name="alias0")["Description"]] == won


def test_the_cli_publishes_and_routes(server):
    server.create("cli-versions", WHO % "c")
    for version in (1, 2):
        published = server.cli("lambda", "publish-version", "--function-name", "cli-versions", "--query", "Version", "--output", "text", version=version)
        assert published.stdout.strip() == "1"
        listed = server.cli("lambda", "list-versions-by-function", "--function-name", "cli-versions", "--max-items", "1", version=version)
        assert "NextToken" in listed.stdout
    server.cli("lambda", "create-alias", "--function-name", "cli-versions", "--name", "prod", "--function-version", "1")
    server.cli("lambda", "wait", "function-active-v2", "--function-name", "cli-versions:prod")
    assert server.invoke("cli-versions:prod")["ExecutedVersion"] == "1"
