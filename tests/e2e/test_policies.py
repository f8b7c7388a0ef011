"""Resource policies, a permission at a time and as whole documents."""

import json
import urllib.parse

import pytest
import requests
from test_functions import HELLO, refused

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
NOTHING = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
STALE = (
    412, "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id",
)


def policy(client, name, **more):
    answer = client.get_policy(FunctionName=name, **more)
    return json.loads(answer["Policy"]), answer["RevisionId"]


def sids(document):
    return [statement["Sid"] for statement in document["Statement"]]


def allow(client, name, sid, principal="s3.amazonaws.com", **more):
    arguments = dict(FunctionName=name, StatementId=sid, Action="lambda:InvokeFunction", Principal=principal)
    return client.add_permission(**{**arguments, **more})


def document(arn, **members):
    statement = {
        "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "lambda:InvokeFunction", "Resource": arn
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **members}]})


def test_every_part_of_a_function_has_a_policy_of_its_own(server):
    server.create("policied", HELLO)
    client = server.lambda_
    version = client.publish_version(FunctionName="policied")["Version"]
    client.create_alias(FunctionName="policied", Name="live", FunctionVersion=version)
    before = client.get_function_configuration(FunctionName="policied")["RevisionId"]
    answer = allow(client, "policied", "of-function", SourceArn="arn:aws:s3:::b", SourceAccount="123456789012")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["Statement"] == (
        '{"Sid":"of-function","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",'
        '"Resource":"%spolicied","Condition":{"StringEquals":{"AWS:SourceAccount":"123456789012"},'
        '"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}' % FUNCTION
    )
    allow(client, "policied", "of-version", Qualifier=version)
    allow(client, FUNCTION + "policied:live", "of-alias", principal="*")
    shown, revision = policy(client, "policied")
    assert shown == {"Version": "2012-10-17", "Id": "default", "Statement": [json.loads(answer["Statement"])]}
    of_version, _ = policy(client, "policied:" + version)
    of_alias, _ = policy(client, "policied", Qualifier="live")
    assert (sids(of_version), sids(of_alias)) == (["of-version"], ["of-alias"])
    assert of_version["Statement"][0]["Resource"] == FUNCTION + "policied:" + version
    assert of_alias["Statement"][0]["Resource"] == FUNCTION + "policied:live"
    assert client.get_function_configuration(FunctionName="policied")["RevisionId"] == before
    # Whoever read a policy that has changed since changes nothing.
    allow(client, "policied", "second", RevisionId=revision)
    assert refused(allow, client=client, name="policied", sid="third", RevisionId=revision) == STALE
    assert refused(client.remove_permission, FunctionName="policied", StatementId="second", RevisionId=revision) == STALE
    assert sids(policy(client, "policied")[0]) == ["of-function", "second"]
    client.remove_permission(FunctionName="policied", StatementId="of-function", RevisionId=policy(client, "policied")[1])
    client.remove_permission(FunctionName="policied", StatementId="second")
    assert refused(client.get_policy, FunctionName="policied") == NOTHING
    client.delete_alias(FunctionName="policied", Name="live")
    client.create_alias(FunctionName="policied", Name="live", FunctionVersion=version)
    assert refused(client.get_policy, FunctionName="policied", Qualifier="live") == NOTHING
    assert sids(policy(client, "policied", Qualifier=version)[0]) == ["of-version"]


def test_a_policy_that_is_refused_or_too_long_leaves_what_was(server):
    server.create("long", HELLO)
    client = server.lambda_
    arn = "arn:aws:s3:::" + "b" * 900
    added = 0
    while True:
        try:
            allow(client, "long", "s%d" % added, SourceArn=arn)
        except client.exceptions.PolicyLengthExceededException as error:
            assert error.response["Error"]["Message"] == "The final policy size is bigger than the limit (20480)."
            break
        added += 1
    shown = client.get_policy(FunctionName="long")
    assert len(sids(json.loads(shown["Policy"]))) == added == 18
    assert 20480 - len(shown["Policy"]) < 1200
    text = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
    assert refused(allow, client=client, name="long", sid="u", FunctionUrlAuthType="NONE")[2] == text
    assert refused(allow, client=client, name="long", sid="s0")[:2] == (409, "ResourceConflictException")
    assert client.get_policy(FunctionName="long")["RevisionId"] == shown["RevisionId"]


def resource_policy(server, method, arn, revision=None, **body):
    """The operations on whole documents, which boto3's model does not have yet."""
    url = "%s/2026-07-09/resource-policy/%s" % (server.url, urllib.parse.quote(arn, safe=""))
    if revision:
        url += "?RevisionId=" + revision
    answer = requests.request(method, url, json=body or None, timeout=60)
    return answer.status_code, answer.headers.get("x-amzn-ErrorType"), answer.json() if answer.content else None


def test_whole_documents_replace_permissions_and_are_replaced_by_nothing_public(server):
    server.create("documented", HELLO)
    client, arn = server.lambda_, FUNCTION + "documented"
    allow(client, "documented", "first")
    _, revision = policy(client, "documented")
    given = document(arn, Sid="mine", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}})
    status, _, put = resource_policy(server, "PUT", arn, Policy=given, RevisionId=revision)
    assert status == 200 and json.loads(put["Policy"]) == json.loads(given)
    assert policy(client, "documented") == (json.loads(given), put["RevisionId"])
    assert resource_policy(server, "GET", arn) == (200, None, put)
    for wrong, code in [
        (document(arn, Principal="*"), "PublicPolicyException"),
        ("{", "InvalidParameterValueException"),
        (document(arn + ":1"), "InvalidParameterValueException"),
        (document(arn, Effect="Perhaps"), "InvalidParameterValueException"),
        (document(arn, Acton="lambda:*"), "InvalidParameterValueException"),
        ("x" * 20481, "ValidationException"),
    ]:
        assert resource_policy(server, "PUT", arn, Policy=wrong)[:2] == (400, code), wrong
    assert resource_policy(server, "PUT", arn, Policy=given, RevisionId=revision)[:2] == STALE[:2]
    assert resource_policy(server, "DELETE", arn, revision)[:2] == STALE[:2]
    assert policy(client, "documented") == (json.loads(given), put["RevisionId"])
    allow(client, "documented", "added")
    assert sids(policy(client, "documented")[0]) == ["mine", "added"]
    narrowed = document(arn, Principal="*", Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::b"}})
    assert resource_policy(server, "PUT", arn, Policy=narrowed)[0] == 200
    assert resource_policy(server, "DELETE", arn, policy(client, "documented")[1]) == (204, None, None)
    assert resource_policy(server, "GET", arn)[:2] == NOTHING[:2]
    assert refused(client.get_policy, FunctionName="documented") == NOTHING
    missing = resource_policy(server, "PUT", FUNCTION + "nobody", Policy=document(FUNCTION + "nobody"))
    assert missing[2]["Message"] == "Function not found: %snobody" % FUNCTION


def test_policies_are_there_after_a_restart(own_server):
    own_server.start()
    own_server.create("kept", HELLO)
    allow(own_server.lambda_, "kept", "s3")
    version = own_server.lambda_.publish_version(FunctionName="kept")["Version"]
    arn = FUNCTION + "kept:" + version
    assert resource_policy(own_server, "PUT", arn, Policy=document(arn))[0] == 200
    before = [own_server.lambda_.get_policy(FunctionName="kept", **more) for more in ({}, {"Qualifier": version})]
    own_server.stop()
    own_server.start()
    after = [own_server.lambda_.get_policy(FunctionName="kept", **more) for more in ({}, {"Qualifier": version})]
    for one, other in zip(before, after):
        assert (one["Policy"], one["RevisionId"]) == (other["Policy"], other["RevisionId"])


@pytest.mark.parametrize("version", [1, 2])
def test_permissions_work_from_the_command_line(server, version):
    name = "cli-policy-%d" % version
    server.create(name, HELLO)
    add = ["lambda", "add-permission", "--function-name", name, "--statement-id", "all", "--action", "lambda:InvokeFunction"]
    server.cli(*add, "--principal", "210987654321", version=version)
    shown = json.loads(server.cli("lambda", "get-policy", "--function-name", name, version=version).stdout)
    statement = json.loads(shown["Policy"])["Statement"][0]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::210987654321:root"}
    remove = ["lambda", "remove-permission", "--function-name", name, "--statement-id", "all"]
    server.cli(*remove, "--revision-id", shown["RevisionId"], version=version)
    gone = server.cli("lambda", "get-policy", "--function-name", name, version=version, check=False)
    assert "The resource you requested does not exist." in gone.stderr
