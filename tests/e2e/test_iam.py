"""IAM as its users see it: boto3 and the AWS CLI, identities and policies, simulations, refusals, and nothing lost."""

import json
import os
import signal

import botocore.exceptions
import pytest
from conftest import ROOT, wait_for

ACCOUNT = "123456789012"


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    answer = raised.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **rest):
    return document({"Effect": "Allow", "Action": action, "Resource": resource, **rest})


TRUST = document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})


@pytest.fixture
def iam(server):
    """In an account of each test's own."""
    iam.account = getattr(iam, "account", 700000000000) + 1
    client = server.client("iam", account=str(iam.account))
    client.account = str(iam.account)
    return client


def test_a_role_lives_with_its_policies(iam):
    made = iam.create_role(RoleName="Exec", Path="/jobs/", AssumeRolePolicyDocument=TRUST, Description="runs", MaxSessionDuration=7200)["Role"]
    assert made["Arn"] == "arn:aws:iam::%s:role/jobs/Exec" % iam.account
    assert made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21
    assert refusal(iam.create_role, RoleName="EXEC", AssumeRolePolicyDocument=TRUST) == ("EntityAlreadyExists", "Role with name EXEC already exists.", 409)
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="Exec", PolicyArn=basic)
    iam.attach_role_policy(RoleName="Exec", PolicyArn=basic)
    attached = iam.list_attached_role_policies(RoleName="Exec")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": basic}]
    iam.put_role_policy(RoleName="Exec", PolicyName="own", PolicyDocument=allow("s3:GetObject"))
    inline = iam.get_role_policy(RoleName="exec", PolicyName="own")
    assert inline["RoleName"] == "Exec" and inline["PolicyDocument"] == json.loads(allow("s3:GetObject"))
    role = iam.get_role(RoleName="exec")["Role"]
    assert (role["Description"], role["MaxSessionDuration"], role["RoleLastUsed"]) == ("runs", 7200, {})
    other = document({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
    iam.update_assume_role_policy(RoleName="Exec", PolicyDocument=other)
    assert iam.get_role(RoleName="Exec")["Role"]["AssumeRolePolicyDocument"] == json.loads(other)
    assert refusal(iam.delete_role, RoleName="Exec")[:2] == ("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    iam.detach_role_policy(RoleName="Exec", PolicyArn=basic)
    assert refusal(iam.delete_role, RoleName="Exec")[:2] == ("DeleteConflict", "Cannot delete entity, must delete policies first.")
    iam.delete_role_policy(RoleName="Exec", PolicyName="own")
    iam.delete_role(RoleName="Exec")
    assert refusal(iam.get_role, RoleName="Exec") == ("NoSuchEntity", "The role with name Exec cannot be found.", 404)


def test_a_policy_has_versions(iam):
    policy = iam.create_policy(PolicyName="Read", PolicyDocument=allow("s3:Get*"), Tags=[{"Key": "team", "Value": "red"}])["Policy"]
    arn = policy["Arn"]
    assert (policy["DefaultVersionId"], policy["AttachmentCount"], policy["IsAttachable"]) == ("v1", 0, True)
    for number in range(2, 6):
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:Get%d" % number), SetAsDefault=number == 3)["PolicyVersion"]
        assert (version["VersionId"], version["IsDefaultVersion"]) == ("v%d" % number, number == 3)
    assert refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=allow("s3:*"))[0] == "LimitExceeded"
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v3")[:2] == ("DeleteConflict", "Cannot delete the default version of a policy.")
    assert refusal(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
    shown = iam.get_policy_version(PolicyArn=arn, VersionId="v3")["PolicyVersion"]
    assert shown["Document"] == json.loads(allow("s3:Get3")) and shown["IsDefaultVersion"]
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [group["GroupName"] for group in entities["PolicyGroups"]] == ["readers"] and not entities["PolicyRoles"]
    assert refusal(iam.delete_policy, PolicyArn=arn)[1] == "Cannot delete a policy attached to entities."
    iam.detach_group_policy(GroupName="readers", PolicyArn=arn)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    assert refusal(iam.get_policy, PolicyArn=arn)[1] == "Policy %s was not found." % arn


def test_a_user_has_groups_keys_and_a_boundary(iam):
    iam.create_user(UserName="Ana", Tags=[{"Key": "team", "Value": "red"}])
    keys = [iam.create_access_key(UserName="Ana")["AccessKey"] for _ in range(2)]
    assert all(key["AccessKeyId"].startswith("AKIA") and len(key["SecretAccessKey"]) == 40 for key in keys)
    assert refusal(iam.create_access_key, UserName="Ana")[:2] == ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    iam.update_access_key(UserName="Ana", AccessKeyId=keys[0]["AccessKeyId"], Status="Inactive")
    listed = iam.list_access_keys(UserName="Ana")["AccessKeyMetadata"]
    assert [key["Status"] for key in listed] == ["Inactive", "Active"]
    used = iam.get_access_key_last_used(AccessKeyId=keys[1]["AccessKeyId"])
    assert used["UserName"] == "Ana" and used["AccessKeyLastUsed"]["ServiceName"] == "N/A"
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName="Ana")
    assert [user["UserName"] for user in iam.get_group(GroupName="devs")["Users"]] == ["Ana"]
    iam.update_group(GroupName="devs", NewGroupName="developers")
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="Ana")["Groups"]] == ["developers"]
    power = "arn:aws:iam::aws:policy/PowerUserAccess"
    iam.put_user_permissions_boundary(UserName="Ana", PermissionsBoundary=power)
    assert iam.get_user(UserName="Ana")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == power
    iam.tag_user(UserName="Ana", Tags=[{"Key": "TEAM", "Value": "blue"}])
    assert iam.list_user_tags(UserName="Ana")["Tags"] == [{"Key": "TEAM", "Value": "blue"}]
    assert refusal(iam.delete_user, UserName="Ana")[1] == "Cannot delete entity, must delete access keys first."
    for key in keys:
        iam.delete_access_key(UserName="Ana", AccessKeyId=key["AccessKeyId"])
    assert refusal(iam.delete_user, UserName="Ana")[1] == "Cannot delete entity, must remove users from group first."
    iam.remove_user_from_group(GroupName="developers", UserName="Ana")
    iam.update_user(UserName="Ana", NewUserName="Anna")
    iam.delete_user(UserName="Anna")
    assert refusal(iam.get_user, UserName="Anna")[1] == "The user with name Anna cannot be found."


def test_lists_come_in_pages(iam):
    for number in range(5):
        iam.create_user(UserName="user-%d" % number, Path="/five/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/five/", PaginationConfig={"PageSize": 2}))
    assert [len(page["Users"]) for page in pages] == [2, 2, 1]
    details = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2})
    assert sum(len(page["UserDetailList"]) for page in details) == 5
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 5


def test_wrong_documents_are_refused_in_awss_words(iam):
    def text(**arguments):
        code, text, status = refusal(iam.create_policy, PolicyName="p", **arguments)
        assert (code, status) == ("MalformedPolicyDocument", 400)
        return text

    assert text(PolicyDocument="{") == "This policy contains invalid Json"
    assert text(PolicyDocument="{}") == "Syntax errors in policy."
    assert text(PolicyDocument=document({"Effect": "Allow", "Resource": "*"})) == "Policy statement must contain actions."
    assert text(PolicyDocument=document({"Effect": "Allow", "Action": "s3:*"})) == "Policy statement must contain resources."
    nobody = document({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:user/nobody" % iam.account}, "Action": "sts:AssumeRole"})
    code, said, _ = refusal(iam.create_role, RoleName="r", AssumeRolePolicyDocument=nobody)
    assert (code, said) == ("MalformedPolicyDocument", 'Invalid principal in policy: "AWS":"arn:aws:iam::%s:user/nobody"' % iam.account)
    assert refusal(iam.create_role, RoleName="a role", AssumeRolePolicyDocument=TRUST) == (
        "ValidationError",
        "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+",
        400,
    )
    assert refusal(iam.get_policy, PolicyArn="not-an-arn-at-all-but-long")[1] == "Invalid ARN:  Could not be parsed!"
    unknown = "arn:aws:iam::aws:policy/NoSuchPolicyOfAws"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert refusal(iam.attach_role_policy, RoleName="r", PolicyArn=unknown)[:2] == ("NoSuchEntity", "Policy %s does not exist or is not attachable." % unknown)
    assert refusal(iam.get_credential_report)[::2] == ("NotImplemented", 501)


def decisions(answer):
    return {(one["EvalActionName"], one["EvalResourceName"]): one["EvalDecision"] for one in answer["EvaluationResults"]}


def test_a_principals_policies_are_simulated(iam):
    role = iam.create_role(RoleName="sim", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="sim", PolicyArn="arn:aws:iam::aws:policy/AWSLambdaExecute")
    iam.put_role_policy(RoleName="sim", PolicyName="no", PolicyDocument=document({"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::private/*"}))
    answer = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["s3:GetObject", "s3:DeleteObject"], ResourceArns=["arn:aws:s3:::public/a", "arn:aws:s3:::private/a"]
    )
    assert decisions(answer) == {
        ("s3:GetObject", "arn:aws:s3:::public/a"): "allowed",
        ("s3:GetObject", "arn:aws:s3:::private/a"): "explicitDeny",
        ("s3:DeleteObject", "arn:aws:s3:::public/a"): "implicitDeny",
        ("s3:DeleteObject", "arn:aws:s3:::private/a"): "explicitDeny",
    }
    assert [one["SourcePolicyId"] for one in answer["EvaluationResults"][0]["MatchedStatements"]] == ["AWSLambdaExecute"]
    iam.put_role_permissions_boundary(RoleName="sim", PermissionsBoundary="arn:aws:iam::aws:policy/CloudWatchLogsFullAccess")
    bounded = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["s3:GetObject"], ResourceArns=["arn:aws:s3:::public/a"])
    result = bounded["EvaluationResults"][0]
    assert result["EvalDecision"] == "implicitDeny" and result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert refusal(iam.simulate_principal_policy, PolicySourceArn=role.replace("sim", "none"), ActionNames=["s3:GetObject"])[0] == "NoSuchEntity"


def test_custom_policies_are_simulated(iam):
    dated = document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2018-08-16T12:00:00Z"}}})

    def simulate(**arguments):
        return iam.simulate_custom_policy(PolicyInputList=[dated], ActionNames=["dynamodb:CreateBackup"], **arguments)["EvaluationResults"][0]

    later = [{"ContextKeyName": "aws:CurrentTime", "ContextKeyValues": ["2019-04-25T11:00:00Z"], "ContextKeyType": "date"}]
    allowed = simulate(ContextEntries=later)
    assert (allowed["EvalDecision"], allowed["EvalResourceName"], allowed["MissingContextValues"]) == ("allowed", "*", [])
    assert allowed["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
    assert simulate()["MissingContextValues"] == ["aws:CurrentTime"] and simulate()["EvalDecision"] == "implicitDeny"
    home = allow("s3:*", "arn:aws:s3:::home/${aws:username}/*", Condition={"Bool": {"aws:SecureTransport": "true"}})
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[home])["ContextKeyNames"]
    assert sorted(keys) == ["aws:SecureTransport", "aws:username"]


@pytest.mark.parametrize("version", [1, 2])
def test_both_cli_versions_manage_roles(server, tmp_path, version):
    if version == 2 and not (ROOT / ".cache/aws-cli-v2").exists():
        pytest.skip("version 2 of the AWS CLI is not installed")
    name = "cli-exec-%d" % version

    def aws(*arguments):
        output = server.cli("iam", *arguments, "--endpoint-url", server.url, version=version).stdout
        return json.loads(output) if output.strip() else None

    trust = tmp_path / "trust.json"
    trust.write_text(TRUST)
    made = aws("create-role", "--role-name", name, "--assume-role-policy-document", "file://%s" % trust)["Role"]
    assert made["Arn"] == "arn:aws:iam::%s:role/%s" % (ACCOUNT, name)
    policy = "arn:aws:iam::aws:policy/AWSLambdaExecute"
    aws("attach-role-policy", "--role-name", name, "--policy-arn", policy)
    attached = aws("list-attached-role-policies", "--role-name", name)
    assert [one["PolicyName"] for one in attached["AttachedPolicies"]] == ["AWSLambdaExecute"]
    names = [one["PolicyName"] for one in aws("list-policies", "--scope", "AWS", "--only-attached")["Policies"]]
    assert "AWSLambdaExecute" in names and "AdministratorAccess" not in names
    simulated = aws("simulate-principal-policy", "--policy-source-arn", made["Arn"], "--action-names", "s3:PutObject", "--resource-arns", "arn:aws:s3:::b/k")
    assert simulated["EvaluationResults"][0]["EvalDecision"] == "allowed"
    aws("detach-role-policy", "--role-name", name, "--policy-arn", policy)
    aws("delete-role", "--role-name", name)


def test_what_was_answered_is_there_after_a_kill(own_server):
    own_server.start()
    iam = own_server.client("iam")
    made = 0
    for made in range(1, 21):
        iam.create_user(UserName="user-%d" % made)
    key = iam.create_access_key(UserName="user-1")["AccessKey"]
    os.kill(own_server.process.pid, signal.SIGKILL)
    own_server.process.wait()
    own_server.start()
    iam = own_server.client("iam")
    wait_for(lambda: len(iam.list_users()["Users"]) == made, "every user that was made is there")
    assert iam.list_access_keys(UserName="user-1")["AccessKeyMetadata"][0]["AccessKeyId"] == key["AccessKeyId"]
