"""Function URLs as settings. Calling one is not possible yet, and says so."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest
from test_functions import HELLO, refused

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
NOTHING = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
CORS = {"AllowOrigins": ["*"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-a"], "ExposeHeaders": [], "AllowCredentials": False, "MaxAge": 0}


def shown(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def test_a_url_keeps_its_address_while_its_settings_change(server):
    server.create("web", HELLO)
    client = server.lambda_
    made = client.create_function_url_config(FunctionName="web", AuthType="NONE", Cors=CORS)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert re.fullmatch(r"https://[a-z0-9]{32}\.lambda-url\.us-east-1\.on\.aws/", made["FunctionUrl"])
    assert made["Cors"] == CORS and "InvokeMode" not in made and "LastModifiedTime" not in made
    got = shown(client.get_function_url_config(FunctionName="web"))
    assert got == {**shown(made), "InvokeMode": "BUFFERED", "LastModifiedTime": made["CreationTime"]}
    for wrong in [
        {"AuthType": "SOME"}, {"InvokeMode": "STREAM"}, {"Cors": {"MaxAge": 86401}}, {"Cors": {"AllowMethods": ["OPTIONS"]}},
    ]:
        assert refused(client.update_function_url_config, FunctionName="web", **wrong)[:2] == (400, "ValidationException")
    assert refused(client.create_function_url_config, FunctionName="web", AuthType="NONE")[:2] == (409, "ResourceConflictException")
    assert shown(client.get_function_url_config(FunctionName="web")) == got
    client.update_function_url_config(FunctionName="web", InvokeMode="RESPONSE_STREAM")
    updated = client.update_function_url_config(FunctionName="web", AuthType="AWS_IAM", Cors={"MaxAge": 5})
    assert "InvokeMode" not in updated and updated["Cors"] == {"MaxAge": 5}
    now = client.get_function_url_config(FunctionName="web")
    assert (now["FunctionUrl"], now["CreationTime"]) == (made["FunctionUrl"], made["CreationTime"])
    assert (now["AuthType"], now["InvokeMode"], now["LastModifiedTime"]) == ("AWS_IAM", "RESPONSE_STREAM", updated["LastModifiedTime"])
    client.update_function_url_config(FunctionName="web", Cors={})
    assert "Cors" not in client.get_function_url_config(FunctionName="web")


def test_aliases_have_urls_of_their_own_that_go_with_them(server):
    server.create("aliased-web", HELLO)
    client = server.lambda_
    client.publish_version(FunctionName="aliased-web")
    for alias in ("a", "b"):
        client.create_alias(FunctionName="aliased-web", Name=alias, FunctionVersion="1")
    urls = [client.create_function_url_config(FunctionName="aliased-web", AuthType="NONE")["FunctionUrl"]]
    urls += [client.create_function_url_config(FunctionName="aliased-web:" + alias, AuthType="NONE")["FunctionUrl"] for alias in "ab"]
    assert len(set(urls)) == 3
    pages = client.get_paginator("list_function_url_configs").paginate(FunctionName="aliased-web", PaginationConfig={"PageSize": 1})
    found = [config for page in pages for config in page["FunctionUrlConfigs"]]
    assert [config["FunctionUrl"] for config in found] == urls
    assert [config["FunctionArn"] for config in found] == [FUNCTION + "aliased-web" + end for end in ("", ":a", ":b")]
    client.delete_alias(FunctionName="aliased-web", Name="a")
    client.create_alias(FunctionName="aliased-web", Name="a", FunctionVersion="1")
    assert refused(client.get_function_url_config, FunctionName="aliased-web", Qualifier="a") == NOTHING
    client.delete_function_url_config(FunctionName="aliased-web")
    left = client.list_function_url_configs(FunctionName="aliased-web")["FunctionUrlConfigs"]
    assert [config["FunctionUrl"] for config in left] == urls[2:]


def test_a_call_says_that_urls_can_not_be_called_yet(server):
    server.create("called", HELLO)
    url = server.lambda_.create_function_url_config(FunctionName="called", AuthType="NONE")["FunctionUrl"]
    host = urllib.parse.urlparse(url).netloc
    for path, body in [("/", None), ("/2015-03-31/functions/called/invocations", b"{}")]:
        request = urllib.request.Request(server.url + path, body, {"Host": host})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 501
        message = json.loads(caught.value.read())["Message"]
        assert "a function URL can be configured and not called" in message


def test_urls_are_there_after_a_restart(own_server):
    own_server.start()
    own_server.create("kept", HELLO)
    own_server.lambda_.create_function_url_config(FunctionName="kept", AuthType="AWS_IAM", Cors=CORS, InvokeMode="RESPONSE_STREAM")
    before = shown(own_server.lambda_.get_function_url_config(FunctionName="kept"))
    own_server.stop()
    own_server.start()
    assert shown(own_server.lambda_.get_function_url_config(FunctionName="kept")) == before


def test_what_can_not_be_here_reads_as_absent(server):
    server.create("ordinary", HELLO)
    client = server.lambda_
    assert client.list_capacity_providers()["CapacityProviders"] == []
    missing = "Capacity provider not found: arn:aws:lambda:us-east-1:123456789012:capacity-provider:none"
    assert refused(client.get_capacity_provider, CapacityProviderName="none") == (404, "ResourceNotFoundException", missing)
    assert client.list_durable_executions_by_function(FunctionName="ordinary")["DurableExecutions"] == []
    assert refused(client.list_durable_executions_by_function, FunctionName="nobody")[0] == 404
    client.publish_version(FunctionName="ordinary")
    scaling = refused(client.get_function_scaling_config, FunctionName="ordinary", Qualifier="1")
    assert scaling[:2] == (400, "InvalidParameterValueException")
    assert refused(client.get_function_scaling_config, FunctionName="ordinary", Qualifier="2")[0] == 404
