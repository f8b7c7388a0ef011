"""`--auth enforce`: who may do what, with real clients; and what no signature lets through."""

import configparser
import datetime
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

from conftest import BINARY, Server, package, wait_for

ACCOUNT = "123456789012"
LAMBDA_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Keys:
    """An access key, and clients that sign with it."""

    def __init__(self, server, access_key_id, secret_access_key, session_token=None):
        self.server, self.id, self.secret, self.token = server, access_key_id, secret_access_key, session_token

    def client(self, service, **config):
        options = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=120, **config)
        return boto3.client(
            service, endpoint_url=self.server.url, region_name="us-east-1", aws_access_key_id=self.id,
            aws_secret_access_key=self.secret, aws_session_token=self.token, config=options,
        )

    @property
    def credentials(self):
        return botocore.credentials.Credentials(self.id, self.secret, self.token)


def root_of(server):
    """The account's own key, as the AWS CLI reads it."""
    path = server.directory / "root-credentials"
    assert path.stat().st_mode & 0o777 == 0o600
    parser = configparser.ConfigParser()
    parser.read(path)
    return Keys(server, parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"])


def refused(call, *codes):
    """The error of a call that has to be refused with one of these codes."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    error = caught.value.response
    assert error["Error"]["Code"] in codes, error
    return error["Error"]["Message"]


@pytest.fixture(scope="module")
def guarded(workplace):
    directory = workplace / "guarded"
    directory.mkdir()
    server = Server(directory, "--auth", "enforce").start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def root(guarded):
    return root_of(guarded)


def user(root, name, *statements):
    """A user who may do what the statements say."""
    iam = root.client("iam")
    iam.create_user(UserName=name)
    if statements:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(root.server, key["AccessKeyId"], key["SecretAccessKey"])


def role(root, name, *statements, trust=LAMBDA_TRUST):
    """A role that may do what the statements say; its ARN."""
    iam = root.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if statements:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    return arn


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


# --- The account's own key, and keys of others

def test_the_accounts_own_key_may_do_everything(root):
    identity = root.client("sts").get_caller_identity()
    assert (identity["Arn"], identity["Account"], identity["UserId"]) == ("arn:aws:iam::%s:root" % ACCOUNT, ACCOUNT, ACCOUNT)
    assert root.client("lambda").list_functions()["Functions"] == []
    assert root.client("logs").describe_log_groups()["logGroups"] == []
    root.client("sqs").create_queue(QueueName="auth-root")
    root.client("sns").create_topic(Name="auth-root")
    root.client("events").put_rule(Name="auth-root", ScheduleExpression="rate(1 day)")
    root.client("scheduler").list_schedules()
    root.client("cloudwatch").list_metrics()
    root.client("s3").create_bucket(Bucket="auth-root")


def test_the_accounts_own_key_is_printed_for_a_shell_and_nowhere_else(guarded, root):
    command = [str(BINARY), "credentials", "--data-dir", str(guarded.directory)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n" % (root.id, root.secret)
    assert root.secret not in guarded.said() and "root-credentials" in guarded.said()
    env = {**os.environ, "AWS_SHARED_CREDENTIALS_FILE": str(guarded.directory / "root-credentials"), "AWS_REGION": "us-east-1"}
    cli = [sys.executable, "-m", "awscli", "--endpoint-url", guarded.url, "--region", "us-east-1", "sts", "get-caller-identity"]
    env = {name: value for name, value in env.items() if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    assert json.loads(subprocess.run(cli, env=env, capture_output=True, check=True).stdout)["Arn"].endswith(":root")


UNKNOWN = {
    "lambda": ("list_functions", "UnrecognizedClientException"), "logs": ("describe_log_groups", "UnrecognizedClientException"),
    "events": ("list_rules", "UnrecognizedClientException"), "scheduler": ("list_schedules", "UnrecognizedClientException"),
    "sts": ("get_caller_identity", "InvalidClientTokenId"), "sns": ("list_topics", "InvalidClientTokenId"),
    "iam": ("list_users", "InvalidClientTokenId"), "sqs": ("list_queues", "InvalidClientTokenId"),
    "cloudwatch": ("list_metrics", "InvalidClientTokenId"), "s3": ("list_buckets", "InvalidAccessKeyId"),
}


@pytest.mark.parametrize("service", sorted(UNKNOWN))
def test_a_key_that_is_not_known_is_refused_in_the_services_words(guarded, service):
    operation, code = UNKNOWN[service]
    client = Keys(guarded, "AKIAAAAAAAAAAAAAAAAA", "secret").client(service)
    message = refused(getattr(client, operation), code)
    assert message == {
        "InvalidAccessKeyId": "The AWS Access Key Id you provided does not exist in our records.",
    }.get(code, "The security token included in the request is invalid.")


FORGED = {
    "lambda": ("list_functions", "InvalidSignatureException"), "logs": ("describe_log_groups", "InvalidSignatureException"),
    "sts": ("get_caller_identity", "SignatureDoesNotMatch"), "sqs": ("list_queues", "SignatureDoesNotMatch"),
    "s3": ("list_buckets", "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("service", sorted(FORGED))
def test_a_signature_by_another_secret_is_refused(guarded, root, service):
    operation, code = FORGED[service]
    message = refused(getattr(Keys(guarded, root.id, root.secret[:-1] + "x").client(service), operation), code)
    assert message.startswith("The request signature we calculated does not match the signature you provided.")


# --- Requests by hand

def request(server, method, target, headers, body=b""):
    """Status and body of what is sent exactly so."""
    host = urllib.parse.urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, target, body, {"Host": host, **headers})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def signed(keys, service, method, target, body=b"", at=None, headers=None):
    """Headers of a request signed at some time."""
    url = keys.server.url + target
    prepared = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=dict(headers or {}))
    signer = botocore.auth.SigV4Auth(keys.credentials, service, "us-east-1")
    if at is None:
        signer.add_auth(prepared)
    else:
        prepared.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        if keys.token:
            prepared.headers["X-Amz-Security-Token"] = keys.token
        prepared.headers["X-Amz-Date"] = prepared.context["timestamp"]
        canonical = signer.canonical_request(prepared)
        signature = signer.signature(signer.string_to_sign(prepared, canonical), prepared)
        signer._inject_signature_to_request(prepared, signature)
    return dict(prepared.headers.items())


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def test_a_request_is_what_was_signed_and_nothing_else(guarded, root):
    target = "/2015-03-31/functions/"
    headers = signed(root, "lambda", "GET", target)
    assert request(guarded, "GET", target, headers)[0] == 200
    # Within its time a request may come again, as on AWS: what must not happen twice has a token of its own.
    assert request(guarded, "GET", target, headers)[0] == 200
    for changed in [
        ("GET", target + "?MaxItems=1", headers, b""),
        ("POST", target, headers, b""),
        ("GET", target, headers, b"{}"),
        ("GET", target, {**headers, "Host": "localhost"}, b""),
    ]:
        status, body = request(guarded, *changed)
        assert status == 403 and "The request signature we calculated does not match" in body, (changed, body)
    forged = headers["Authorization"]
    for authorization in (forged[:-1], forged[:-64], forged[: len(forged) // 2], "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512 x=y"):
        status, body = request(guarded, "GET", target, {**headers, "Authorization": authorization})
        assert status == 403 and body.startswith('{"message":"'), (authorization, body)
    flipped = forged[:-1] + ("0" if forged[-1] != "0" else "1")
    assert request(guarded, "GET", target, {**headers, "Authorization": flipped})[0] == 403


def test_what_says_more_than_was_signed_is_refused(guarded, root):
    headers = signed(root, "logs", "POST", "/", b"{}")
    target = {"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}
    status, body = request(guarded, "POST", "/", {**headers, **target}, b"{}")
    assert status == 400 and "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization." in body, body


def test_nobody_is_who_an_unsigned_header_says(guarded, root):
    bob = user(root, "auth-bob", allow("iam:CreateAccessKey", "arn:aws:iam::%s:user/auth-bob" % ACCOUNT))
    alice = user(root, "auth-alice")
    target = "/?Action=CreateAccessKey&Version=2010-05-08"
    prepared = botocore.awsrequest.AWSRequest(method="GET", url=guarded.url + target)
    botocore.auth.SigV4QueryAuth(bob.credentials, "iam", "us-east-1").add_auth(prepared)
    parts = urllib.parse.urlsplit(prepared.url)
    query = parts.path + "?" + parts.query
    for service in ("iam", "sts", "s3"):
        claimed = {"Authorization": "Bearer Credential=%s/%s/us-east-1/%s/aws4_request" % (alice.id, now().strftime("%Y%m%d"), service)}
        status, body = request(guarded, "GET", query, claimed)
        assert alice.id not in body and "auth-alice" not in body and (status == 200) == (service == "iam"), body
    assert len(root.client("iam").list_access_keys(UserName="auth-alice")["AccessKeyMetadata"]) == 1
    status, body = request(guarded, "GET", "/2015-03-31/functions/", {"Authorization": "Bearer Credential=%s/20260101/us-east-1/lambda/aws4_request" % root.id})
    assert status == 403 and "Missing Authentication Token" in body


@pytest.mark.parametrize("service, minutes", [("sts", 5), ("s3", 15)])
def test_a_clock_may_be_off_by_minutes_and_no_more(guarded, root, service, minutes):
    target = "/?Action=GetCallerIdentity&Version=2011-06-15" if service == "sts" else "/"
    extra = {"X-Amz-Content-SHA256": hashlib.sha256(b"").hexdigest()} if service == "s3" else {}
    for off in (-minutes - 1, -minutes + 1, minutes - 1, minutes + 1):
        at = now() + datetime.timedelta(minutes=off)
        status, body = request(guarded, "GET", target, signed(root, service, "GET", target, at=at, headers=extra))
        if abs(off) < minutes:
            assert status == 200, (off, body)
        elif service == "s3":
            assert status == 403 and "<Code>RequestTimeTooSkewed</Code>" in body, (off, body)
        else:
            word = "Signature expired: " if off < 0 else "Signature not yet current: "
            assert status == 403 and word in body and "5 min.)" in body and "<Code>SignatureDoesNotMatch</Code>" in body, (off, body)


def test_without_a_signature_nobody_gets_anything(guarded, root):
    root.client("s3").create_bucket(Bucket="auth-anonymous")
    root.client("s3").put_object(Bucket="auth-anonymous", Key="k", Body=b"secret")
    url = root.client("sqs").create_queue(QueueName="auth-anonymous")["QueueUrl"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    target = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.DescribeLogGroups"}
    for expected, asked in [
        ("Missing Authentication Token", ("GET", "/2015-03-31/functions/", {})),
        ("MissingAuthenticationToken", ("POST", "/", form, b"Action=GetCallerIdentity&Version=2011-06-15")),
        ("MissingAuthenticationTokenException", ("POST", "/", target, b"{}")),
        ("AccessDenied", ("GET", "/auth-anonymous/k", {})),
        ("AccessDenied", ("GET", "/auth-anonymous", {})),
        ("AccessDenied", ("PUT", "/auth-anonymous/other", {}, b"x")),
    ]:
        status, body = request(guarded, *asked)
        assert status in (400, 403) and "secret" not in body, (asked, body)
        assert expected in body, (asked, body)
    path = urllib.parse.urlsplit(url).path
    status, body = request(guarded, "POST", path, form, b"Action=ReceiveMessage&Version=2012-11-05")
    assert status == 403, body
    status, body = request(guarded, "POST", "/2015-03-31/functions/f/invocations", {}, b"{}")
    assert status == 403 and "Missing Authentication Token" in body, body


def test_a_presigned_url_is_for_one_thing_and_some_time(guarded, root):
    s3 = root.client("s3", signature_version="s3v4", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="auth-presigned")
    s3.put_object(Bucket="auth-presigned", Key="a b/ü", Body=b"hello")

    def get(url, method="GET", body=None):
        parts = urllib.parse.urlsplit(url)
        return request(guarded, method, parts.path + "?" + parts.query, {}, body or b"")

    for client in (s3, root.client("s3", s3={"addressing_style": "path"})):
        url = client.generate_presigned_url("get_object", {"Bucket": "auth-presigned", "Key": "a b/ü"}, ExpiresIn=600)
        assert get(url) == (200, "hello")
        assert get(url.replace("/a%20b", "/A%20b"))[0] == 403
        assert get(url, "DELETE")[0] == 403
        put = client.generate_presigned_url("put_object", {"Bucket": "auth-presigned", "Key": "put"}, ExpiresIn=600)
        assert get(put, "PUT", b"put")[0] == 200
        assert s3.get_object(Bucket="auth-presigned", Key="put")["Body"].read() == b"put"
        with pytest.raises(botocore.exceptions.ClientError):
            Keys(guarded, root.id, "wrong").client("s3").head_object(Bucket="auth-presigned", Key="put")
    url = s3.generate_presigned_url("get_object", {"Bucket": "auth-presigned", "Key": "a b/ü"}, ExpiresIn=600)
    status, body = get(url.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"))
    assert status == 403 and "SignatureDoesNotMatch" in body
    status, body = get(url.replace("X-Amz-Expires=600", "X-Amz-Expires=604801"))
    assert status == 400 and "must be less than a week" in body
    status, body = get(url.split("&X-Amz-Signature")[0])
    assert status == 400 and "AuthorizationQueryParametersError" in body
    past = now() - datetime.timedelta(seconds=700)
    status, body = get(url.replace(re_date(url), past.strftime("%Y%m%dT%H%M%SZ")))
    assert status in (400, 403) and ("Request has expired" in body or "incorrect date" in body)


def re_date(url):
    return urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Date"][0]


def chunked(keys, bucket, key, pieces, trailer=None):
    """Headers and body of an upload in signed chunks."""
    at = now().strftime("%Y%m%dT%H%M%SZ")
    scope = "%s/us-east-1/s3/aws4_request" % at[:8]
    signing = ("AWS4" + keys.secret).encode()
    for part in (at[:8], "us-east-1", "s3", "aws4_request"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {
        "Content-Encoding": "aws-chunked", "X-Amz-Content-SHA256": mode, "X-Amz-Date": at,
        "X-Amz-Decoded-Content-Length": str(sum(map(len, pieces))),
    }
    if trailer:
        headers["X-Amz-Trailer"] = trailer[0]
    host = urllib.parse.urlsplit(keys.server.url).netloc
    names = sorted(["host", *(name.lower() for name in headers)])
    values = {"host": host, **{name.lower(): value for name, value in headers.items()}}
    canonical = "\n".join(["PUT", "/%s/%s" % (bucket, key), "", *("%s:%s" % (name, values[name]) for name in names), "", ";".join(names), mode])

    def sign(*lines):
        return hmac.new(signing, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    previous = sign("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest())
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (keys.id, scope, ";".join(names), previous)
    empty, chunks = hashlib.sha256(b"").hexdigest(), []
    for piece in [*pieces, b""]:
        previous = sign("AWS4-HMAC-SHA256-PAYLOAD", at, scope, previous, empty, hashlib.sha256(piece).hexdigest())
        chunks.append((piece, previous))
    framed = [b"%x;chunk-signature=%s\r\n%s%s" % (len(piece), signature.encode(), piece, b"\r\n" if piece else b"") for piece, signature in chunks]
    end = b"\r\n"
    if trailer:
        line = "%s:%s\n" % trailer
        signature = sign("AWS4-HMAC-SHA256-TRAILER", at, scope, previous, hashlib.sha256(line.encode()).hexdigest())
        end = ("%s:%s\r\nx-amz-trailer-signature:%s\r\n\r\n" % (*trailer, signature)).encode()
    return headers, framed, end


def test_each_chunk_of_an_upload_is_signed(guarded, root):
    s3 = root.client("s3")
    s3.create_bucket(Bucket="auth-chunks")
    pieces = [b"a" * 65536, b"b" * 1000]

    def put(key, framed, end, headers):
        return request(guarded, "PUT", "/auth-chunks/" + key, headers, b"".join(framed) + end)

    def there(key):
        return [found["Key"] for found in s3.list_objects_v2(Bucket="auth-chunks", Prefix=key).get("Contents", [])] == [key]

    headers, framed, end = chunked(root, "auth-chunks", "right", pieces)
    assert put("right", framed, end, headers) == (200, "")
    assert s3.get_object(Bucket="auth-chunks", Key="right")["Body"].read() == b"".join(pieces)
    checksum = ("x-amz-checksum-crc32", "DUoRhQ==")
    headers, framed, end = chunked(root, "auth-chunks", "trailer", [b"hello world"], checksum)
    assert put("trailer", framed, end, headers) == (200, "")
    wrong = {}
    headers, framed, end = chunked(root, "auth-chunks", "content", pieces)
    wrong["content"] = (headers, [framed[0], framed[1].replace(b"bb", b"bc", 1), framed[2]], end)
    headers, framed, end = chunked(root, "auth-chunks", "last", pieces)
    wrong["last"] = (headers, [*framed[:2], framed[2].replace(b"=", b"=0", 1)[:-1]], end)
    headers, framed, end = chunked(root, "auth-chunks", "unsigned", pieces)
    wrong["unsigned"] = (headers, [framed[0], b"3e8\r\n" + pieces[1] + b"\r\n", framed[2]], end)
    headers, framed, end = chunked(root, "auth-chunks", "order", [b"a" * 10, b"b" * 10])
    wrong["order"] = (headers, [framed[1], framed[0], framed[2]], end)
    headers, framed, end = chunked(root, "auth-chunks", "trailer2", [b"hello world"], checksum)
    wrong["trailer2"] = (headers, framed, end.replace(b"DUoRhQ==", b"AAAAAA=="))
    headers, framed, end = chunked(root, "auth-chunks", "cut", [b"hello world"], checksum)
    wrong["cut"] = (headers, framed, b"\r\n")
    for key, (headers, framed, end) in wrong.items():
        status, body = put(key, framed, end, headers)
        assert status == 403 and "SignatureDoesNotMatch" in body, (key, status, body)
        assert not there(key)


def test_a_body_that_is_not_the_signed_one_is_not_stored(guarded, root):
    root.client("s3").create_bucket(Bucket="auth-bodies")
    promised = {"X-Amz-Content-SHA256": hashlib.sha256(b"promised").hexdigest()}
    headers = signed(root, "s3", "PUT", "/auth-bodies/k", b"promised", headers=promised)
    status, body = request(guarded, "PUT", "/auth-bodies/k", headers, b"replaced")
    assert status == 400 and "XAmzContentSHA256Mismatch" in body
    headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    assert request(guarded, "PUT", "/auth-bodies/k", headers, b"replaced")[0] == 403
    assert "Contents" not in root.client("s3").list_objects_v2(Bucket="auth-bodies")
    # boto3 sends what it stores in chunks with a checksum behind them; both have to come through.
    root.client("s3").put_object(Bucket="auth-bodies", Key="k", Body=b"x" * 100_000)
    assert root.client("s3").head_object(Bucket="auth-bodies", Key="k")["ContentLength"] == 100_000


# --- Users and policies

def test_what_a_user_may_do(root):
    """A call of each service that a policy allows, and one beside it."""
    s3, sqs, sns = root.client("s3"), root.client("sqs"), root.client("sns")
    s3.create_bucket(Bucket="auth-mine")
    s3.put_object(Bucket="auth-mine", Key="in/k", Body=b"1")
    s3.put_object(Bucket="auth-mine", Key="out/k", Body=b"1")
    mine, other = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("auth-mine", "auth-other"))
    topic, other_topic = (sns.create_topic(Name=name)["TopicArn"] for name in ("auth-mine", "auth-other"))
    root.client("logs").create_log_group(logGroupName="/auth/mine")
    arn = "arn:aws:%s:us-east-1:" + ACCOUNT + ":%s"
    keys = user(
        root, "auth-matrix",
        allow("s3:GetObject", "arn:aws:s3:::auth-mine/in/*"),
        allow("s3:ListBucket", "arn:aws:s3:::auth-mine", Condition={"StringLike": {"s3:prefix": "in/*"}}),
        allow(["sqs:SendMessage", "sqs:GetQueueUrl"], arn % ("sqs", "auth-mine")),
        allow("sns:Publish", arn % ("sns", "auth-mine")),
        allow("events:PutEvents", arn % ("events", "event-bus/default"), Condition={"StringEquals": {"events:source": "auth"}}),
        allow("logs:Describe*"), allow("logs:CreateLogStream", arn % ("logs", "log-group:/auth/mine:*")),
        allow("lambda:ListFunctions"), allow("lambda:GetFunction", arn % ("lambda", "function:auth-*")),
        allow("iam:GetUser", "arn:aws:iam::%s:user/${aws:username}" % ACCOUNT),
        allow("cloudwatch:PutMetricData", Condition={"StringEquals": {"cloudwatch:namespace": "auth"}}),
        deny("sqs:SendMessage", arn % ("sqs", "auth-denied")),
    )
    me = "arn:aws:iam::%s:user/auth-matrix" % ACCOUNT
    identity = keys.client("sts").get_caller_identity()
    assert identity["Arn"] == me and identity["UserId"].startswith("AIDA")

    s3, sqs, sns = keys.client("s3"), keys.client("sqs"), keys.client("sns")
    events, logs, lambda_ = keys.client("events"), keys.client("logs"), keys.client("lambda")
    assert s3.get_object(Bucket="auth-mine", Key="in/k")["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket="auth-mine", Prefix="in/")["KeyCount"] == 1
    sqs.send_message(QueueUrl=mine, MessageBody="m")
    assert sqs.get_queue_url(QueueName="auth-mine")["QueueUrl"] == mine
    sns.publish(TopicArn=topic, Message="m")
    events.put_events(Entries=[{"Source": "auth", "DetailType": "t", "Detail": "{}"}])
    logs.describe_log_groups()
    logs.create_log_stream(logGroupName="/auth/mine", logStreamName="s")
    lambda_.list_functions()
    refused(lambda: lambda_.get_function(FunctionName="auth-none"), "ResourceNotFoundException")
    keys.client("iam").get_user(UserName="auth-matrix")
    keys.client("cloudwatch").put_metric_data(Namespace="auth", MetricData=[{"MetricName": "m", "Value": 1}])

    says = "User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action"
    message = refused(lambda: s3.get_object(Bucket="auth-mine", Key="out/k"), "AccessDenied")
    assert message == says % (me, "s3:GetObject", '"arn:aws:s3:::auth-mine/out/k"', "s3:GetObject")
    refused(lambda: s3.list_objects_v2(Bucket="auth-mine"), "AccessDenied")
    refused(lambda: s3.list_objects_v2(Bucket="auth-mine", Prefix="out/"), "AccessDenied")
    refused(lambda: s3.put_object(Bucket="auth-mine", Key="in/k", Body=b"2"), "AccessDenied")
    refused(lambda: s3.get_object(Bucket="auth-mine", Key="in/none"), "AccessDenied")
    errors = s3.delete_objects(Bucket="auth-mine", Delete={"Objects": [{"Key": "in/k"}]})["Errors"]
    assert [(error["Key"], error["Code"]) for error in errors] == [("in/k", "AccessDenied")]
    refused(lambda: s3.copy_object(Bucket="auth-mine", Key="in/copy", CopySource="auth-mine/out/k"), "AccessDenied")
    refused(lambda: s3.list_buckets(), "AccessDenied")
    message = refused(lambda: sqs.send_message(QueueUrl=other, MessageBody="m"), "AccessDenied")
    assert message == says % (me, "sqs:sendmessage", arn % ("sqs", "auth-other"), "sqs:sendmessage")
    refused(lambda: sqs.receive_message(QueueUrl=mine), "AccessDenied")
    refused(lambda: sqs.send_message_batch(QueueUrl=other, Entries=[{"Id": "1", "MessageBody": "m"}]), "AccessDenied")
    message = refused(lambda: sns.publish(TopicArn=other_topic, Message="m"), "AuthorizationError")
    assert message == says % (me, "SNS:Publish", other_topic, "SNS:Publish")
    refused(lambda: events.put_events(Entries=[{"Source": "x", "DetailType": "t", "Detail": "{}"}]), "AccessDeniedException")
    refused(lambda: logs.create_log_group(logGroupName="/auth/mine2"), "AccessDeniedException")
    refused(lambda: logs.create_log_stream(logGroupName="/auth/mine2", logStreamName="s"), "AccessDeniedException")
    message = refused(lambda: lambda_.delete_function(FunctionName="auth-none"), "AccessDeniedException")
    assert message == says % (me, "lambda:DeleteFunction", arn % ("lambda", "function:auth-none"), "lambda:DeleteFunction")
    refused(lambda: lambda_.get_function(FunctionName="another"), "AccessDeniedException")
    refused(lambda: lambda_.invoke(FunctionName="auth-none", Payload=b"{}"), "AccessDeniedException")
    refused(lambda: keys.client("iam").list_users(), "AccessDenied")
    refused(lambda: keys.client("iam").get_user(UserName="somebody"), "AccessDenied")
    refused(lambda: keys.client("scheduler").list_schedules(), "AccessDeniedException")
    refused(lambda: keys.client("cloudwatch").put_metric_data(Namespace="x", MetricData=[{"MetricName": "m", "Value": 1}]), "AccessDenied")

    # A change counts with the next request.
    root.client("iam").put_user_policy(
        UserName="auth-matrix", PolicyName="no", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny("sqs:*")]})
    )
    message = refused(lambda: sqs.send_message(QueueUrl=mine, MessageBody="m"), "AccessDenied")
    assert message.endswith("with an explicit deny in an identity-based policy")
    root.client("iam").update_access_key(UserName="auth-matrix", AccessKeyId=keys.id, Status="Inactive")
    refused(lambda: keys.client("sts").get_caller_identity(), "InvalidClientTokenId")


def test_resource_policies_let_others_in(guarded, root):
    keys = user(root, "auth-outsider")
    me = "arn:aws:iam::%s:user/auth-outsider" % ACCOUNT
    s3, sqs = root.client("s3"), root.client("sqs")
    s3.create_bucket(Bucket="auth-shared")
    s3.put_object(Bucket="auth-shared", Key="k", Body=b"shared")
    statement = {"Effect": "Allow", "Principal": {"AWS": me}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::auth-shared/*"}
    refused(lambda: keys.client("s3").get_object(Bucket="auth-shared", Key="k"), "AccessDenied")
    s3.put_bucket_policy(Bucket="auth-shared", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert keys.client("s3").get_object(Bucket="auth-shared", Key="k")["Body"].read() == b"shared"
    refused(lambda: keys.client("s3").put_object(Bucket="auth-shared", Key="k", Body=b""), "AccessDenied")

    # Everybody is let in only when public access is not blocked, as it is at first.
    statement = {**statement, "Principal": "*"}
    s3.put_bucket_policy(Bucket="auth-shared", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert request(guarded, "GET", "/auth-shared/k", {})[0] == 403
    s3.delete_public_access_block(Bucket="auth-shared")
    assert request(guarded, "GET", "/auth-shared/k", {}) == (200, "shared")
    assert request(guarded, "PUT", "/auth-shared/k", {}, b"x")[0] == 403
    denying = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::auth-shared/k"}
    s3.put_bucket_policy(Bucket="auth-shared", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denying]}))
    message = refused(lambda: s3.get_object(Bucket="auth-shared", Key="k"), "AccessDenied")
    assert message.endswith("with an explicit deny in a resource-based policy"), message

    url = sqs.create_queue(QueueName="auth-shared")["QueueUrl"]
    refused(lambda: keys.client("sqs").send_message(QueueUrl=url, MessageBody="m"), "AccessDenied")
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": me}, "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:%s:auth-shared" % ACCOUNT}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    keys.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    refused(lambda: keys.client("sqs").receive_message(QueueUrl=url), "AccessDenied")


def test_a_boundary_and_a_session_policy_only_take_away(root):
    iam = root.client("iam")
    boundary = iam.create_policy(
        PolicyName="auth-boundary", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:List*"), allow("sts:*")]})
    )["Policy"]["Arn"]
    keys = user(root, "auth-bounded", allow("*"))
    keys.client("sns").list_topics()
    iam.put_user_permissions_boundary(UserName="auth-bounded", PermissionsBoundary=boundary)
    keys.client("sqs").list_queues()
    message = refused(lambda: keys.client("sns").list_topics(), "AuthorizationError")
    assert message.endswith("because no permissions boundary allows the SNS:ListTopics action")

    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    arn = role(root, "auth-session", allow("sqs:*"), allow("sns:*"), trust=trust)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:ListQueues"), allow("logs:*")]})
    within = assume(keys, arn, "job", Policy=policy)
    within.client("sqs").list_queues()
    message = refused(lambda: within.client("sns").list_topics(), "AuthorizationError")
    assert message.endswith("because no session policy allows the SNS:ListTopics action")
    refused(lambda: within.client("logs").describe_log_groups(), "AccessDeniedException")
    refused(lambda: assume(keys, arn, "job", Policy='{"Version": "2012-10-17"}'), "MalformedPolicyDocument")


# --- Roles and sessions

def assume(keys, arn, session, **more):
    credentials = keys.client("sts").assume_role(RoleArn=arn, RoleSessionName=session, **more)["Credentials"]
    return Keys(keys.server, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])


def test_a_role_is_assumed_by_whom_it_trusts(root):
    keys, other = user(root, "auth-assumer"), user(root, "auth-stranger", allow("sts:AssumeRole"))
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:user/auth-assumer" % ACCOUNT}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}]}
    arn = role(root, "auth-trusting", allow("sqs:ListQueues"), allow("sts:AssumeRole"), trust=trust)
    says = "User: arn:aws:iam::%s:user/%s is not authorized to perform: sts:AssumeRole on resource: %s"
    assert refused(lambda: assume(other, arn, "job", ExternalId="secret"), "AccessDenied") == says % (ACCOUNT, "auth-stranger", arn)
    assert refused(lambda: assume(keys, arn, "job"), "AccessDenied") == says % (ACCOUNT, "auth-assumer", arn)
    # Whether a role is there is not told.
    nowhere = arn.replace("auth-trusting", "auth-none")
    assert refused(lambda: assume(keys, nowhere, "job"), "AccessDenied") == says % (ACCOUNT, "auth-assumer", nowhere)
    assert refused(lambda: assume(root, arn, "job", ExternalId="secret"), "AccessDenied")
    answer = keys.client("sts").assume_role(RoleArn=arn, RoleSessionName="me@work", ExternalId="secret", DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::%s:assumed-role/auth-trusting/me@work" % ACCOUNT
    assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA") and answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":me@work")
    left = answer["Credentials"]["Expiration"] - now()
    assert datetime.timedelta(seconds=800) < left <= datetime.timedelta(seconds=900)
    session = assume(keys, arn, "me@work", ExternalId="secret")
    assert session.id.startswith("ASIA")
    assert session.client("sts").get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    session.client("sqs").list_queues()
    refused(lambda: session.client("sns").list_topics(), "AuthorizationError")
    message = refused(lambda: assume(keys, arn, "job", ExternalId="secret", DurationSeconds=7200), "ValidationError")
    assert message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."

    # From one role to the next: for an hour at most.
    onward = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}]}
    second = role(root, "auth-second", trust=onward)
    root.client("iam").update_role(RoleName="auth-second", MaxSessionDuration=7200)
    message = refused(lambda: assume(session, second, "job", DurationSeconds=3601), "ValidationError")
    assert "1 hour session limit for roles assumed by role chaining" in message
    assert assume(session, second, "job", DurationSeconds=3600).client("sts").get_caller_identity()["Arn"].endswith("/auth-second/job")

    # Tokens are of their keys.
    for forged in (Keys(root.server, session.id, session.secret), Keys(root.server, session.id, session.secret, session.token[:-4] + "AAAA"),
                   Keys(root.server, keys.id, keys.secret, session.token), Keys(root.server, session.id, "x", session.token)):
        refused(lambda: forged.client("sts").get_caller_identity(), "InvalidClientTokenId", "SignatureDoesNotMatch")
    # A role that is made anew is another one.
    iam = root.client("iam")
    iam.delete_role_policy(RoleName="auth-trusting", PolicyName="own")
    iam.delete_role(RoleName="auth-trusting")
    role(root, "auth-trusting", allow("*"), trust=trust)
    refused(lambda: session.client("sqs").list_queues(), "AccessDenied")


def test_tags_of_sessions_are_checked(root):
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
    arn = role(root, "auth-tagged", allow("sqs:ListQueues", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}}), trust=trust)
    keys = user(root, "auth-tagger", allow("sts:*"))
    assume(keys, arn, "job", Tags=[{"Key": "team", "Value": "blue"}]).client("sqs").list_queues()
    red = assume(keys, arn, "job", Tags=[{"Key": "team", "Value": "red"}])
    refused(lambda: red.client("sqs").list_queues(), "AccessDenied")
    message = refused(lambda: assume(keys, arn, "job", Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]), "InvalidParameterValue")
    assert message == "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    message = refused(lambda: assume(keys, arn, "job", Tags=[{"Key": "a", "Value": ""}], TransitiveTagKeys=["b"]), "InvalidParameterValue")
    assert message == "The specified transitive tag key must be included in the requested tags."


def test_a_users_own_temporary_credentials(root):
    keys = user(root, "auth-temporary", allow("*"))
    issued = keys.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    temporary = Keys(root.server, issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    assert temporary.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::%s:user/auth-temporary" % ACCOUNT
    temporary.client("sqs").list_queues()
    refused(lambda: temporary.client("iam").list_users(), "InvalidClientTokenId")
    refused(lambda: temporary.client("sts").get_session_token(), "AccessDenied")
    assert keys.client("sts").get_access_key_info(AccessKeyId=keys.id)["Account"] == ACCOUNT


def test_credentials_outlive_the_server(own_server):
    own_server.options = ("--auth", "enforce")
    own_server.start()
    root = root_of(own_server)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    arn = role(root, "auth-lasting", trust=trust)
    session = assume(user(root, "auth-lasting", allow("sts:AssumeRole")), arn, "job")
    own_server.stop()
    own_server.start()
    assert root_of(own_server).id == root.id
    assert session.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/auth-lasting/job")
    assert (own_server.directory / "keys/sessions.key").stat().st_mode & 0o777 == 0o600
    # What is sealed with a key that is gone is void.
    own_server.stop()
    (own_server.directory / "keys/sessions.key").unlink()
    own_server.start()
    refused(lambda: session.client("sts").get_caller_identity(), "InvalidClientTokenId")


# --- Functions

HANDLER = """
import boto3, json, os
from botocore.exceptions import ClientError

def attempt(call, **arguments):
    try:
        call(**arguments)
        return "done"
    except ClientError as error:
        return error.response["Error"]["Code"]

def handler(event, context):
    own = {}
    if event.get("keys"):
        own = dict(zip(("aws_access_key_id", "aws_secret_access_key"), event["keys"]))
    client = lambda name: boto3.client(name, **own)
    return {
        "arn": client("sts").get_caller_identity()["Arn"],
        "mine": attempt(client("sqs").send_message, QueueUrl=event["mine"], MessageBody="m"),
        "other": attempt(client("sqs").send_message, QueueUrl=event["other"], MessageBody="m"),
        "users": attempt(client("iam").list_users),
        "put": attempt(client("s3").put_object, Bucket="auth-function", Key="k", Body=b"k"),
        "get": attempt(client("s3").get_object, Bucket="auth-function", Key="k"),
        "invoke": attempt(client("lambda").invoke, FunctionName="auth-another", Payload=b"{}"),
        "unsigned": unsigned(event),
    }

def unsigned(event):
    import urllib.request, urllib.error
    try:
        return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/auth-function/k").status
    except urllib.error.HTTPError as error:
        return error.code
"""


def create(keys, name, role_arn, source=HANDLER, **more):
    lambda_ = keys.client("lambda")
    lambda_.create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=role_arn, Code={"ZipFile": package({"app.py": source})}, Timeout=30, **more
    )
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def invoke(keys, name, event):
    answer = keys.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def test_a_function_needs_a_role_that_trusts_lambda_and_may_be_passed(root):
    cannot = "The role defined for the function cannot be assumed by Lambda."
    for arn in ("arn:aws:iam::%s:role/auth-not-there" % ACCOUNT,
                role(root, "auth-untrusting", trust={"Version": "2012-10-17", "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})):
        assert refused(lambda: create(root, "auth-roleless", arn), "InvalidParameterValueException") == cannot
    good, strong = role(root, "auth-good"), role(root, "auth-strong", allow("*"))
    keys = user(
        root, "auth-creator", allow("lambda:*"), allow("iam:PassRole", good, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
    )
    message = refused(lambda: create(keys, "auth-passed", strong), "AccessDeniedException")
    assert message == (
        "User: arn:aws:iam::%s:user/auth-creator is not authorized to perform: iam:PassRole on resource: %s because no identity-based policy allows the iam:PassRole action" % (ACCOUNT, strong))
    create(keys, "auth-passed", good)
    refused(lambda: keys.client("lambda").update_function_configuration(FunctionName="auth-passed", Role=strong), "AccessDeniedException")
    gone = "arn:aws:iam::%s:role/auth-not-there" % ACCOUNT
    assert refused(
        lambda: root.client("lambda").update_function_configuration(FunctionName="auth-passed", Role=gone), "InvalidParameterValueException") == cannot
    refused(lambda: keys.client("scheduler").create_schedule(
        Name="auth", ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": "arn:aws:lambda:us-east-1:%s:function:auth-passed" % ACCOUNT, "RoleArn": strong}),
        "AccessDeniedException")


def test_a_function_may_do_what_its_role_may(root):
    sqs = root.client("sqs")
    root.client("s3").create_bucket(Bucket="auth-function")
    mine, other = (sqs.create_queue(QueueName="auth-function-" + name)["QueueUrl"] for name in ("mine", "other"))
    arn = role(root, "auth-function", allow("sqs:SendMessage", "arn:aws:sqs:us-east-1:%s:auth-function-mine" % ACCOUNT), allow("s3:PutObject", "arn:aws:s3:::auth-function/*"))
    create(root, "auth-function", arn)
    create(root, "auth-another", arn, "def handler(event, context):\n    return 1\n")
    event = {"mine": mine, "other": other}
    assert invoke(root, "auth-function", event) == {
        "arn": "arn:aws:sts::%s:assumed-role/auth-function/auth-function" % ACCOUNT, "mine": "done", "other": "AccessDenied", "users": "AccessDenied",
        "put": "done", "get": "AccessDenied", "invoke": "AccessDeniedException", "unsigned": 403,
    }
    # Whoever has other credentials is another.
    keys = user(root, "auth-inside", allow("sqs:SendMessage", "arn:aws:sqs:us-east-1:%s:auth-function-other" % ACCOUNT))
    answer = invoke(root, "auth-function", {**event, "keys": [keys.id, keys.secret]})
    assert answer["arn"] == "arn:aws:iam::%s:user/auth-inside" % ACCOUNT
    assert (answer["mine"], answer["other"], answer["put"]) == ("AccessDenied", "done", "AccessDenied")
    # What the role is allowed later, the function may do at once, and no longer when it is taken away.
    iam = root.client("iam")
    iam.put_role_policy(RoleName="auth-function", PolicyName="more", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("lambda:InvokeFunction")]}))
    assert invoke(root, "auth-function", event)["invoke"] == "done"
    iam.delete_role_policy(RoleName="auth-function", PolicyName="own")
    assert invoke(root, "auth-function", event)["mine"] == "AccessDenied"


def test_a_function_is_called_by_whom_its_policy_names(root):
    name = "auth-called"
    create(root, name, role(root, "auth-called"), "def handler(event, context):\n    print(event)\n    return 'called'\n")
    arn = "arn:aws:lambda:us-east-1:%s:function:%s" % (ACCOUNT, name)
    lambda_ = root.client("lambda")
    keys = user(root, "auth-caller")
    refused(lambda: invoke(keys, name, {}), "AccessDeniedException")
    lambda_.add_permission(FunctionName=name, StatementId="user", Action="lambda:InvokeFunction", Principal="arn:aws:iam::%s:user/auth-caller" % ACCOUNT)
    assert invoke(keys, name, {}) == "called"
    lambda_.remove_permission(FunctionName=name, StatementId="user")
    refused(lambda: invoke(keys, name, {}), "AccessDeniedException")
    # The permission of one alias is none of the function's.
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lambda_.add_permission(FunctionName=name, Qualifier="live", StatementId="user", Action="lambda:InvokeFunction", Principal="arn:aws:iam::%s:user/auth-caller" % ACCOUNT)
    assert invoke(keys, name + ":live", {}) == "called"
    refused(lambda: invoke(keys, name, {}), "AccessDeniedException")
    message = refused(lambda: invoke(keys, name + ":1", {}), "AccessDeniedException")
    assert "lambda:InvokeFunction on resource: %s:1 because no identity-based policy allows" % arn in message

    # A topic calls it only when its policy lets SNS in, for this topic.
    sns, sqs = root.client("sns"), root.client("sqs")
    topic = sns.create_topic(Name="auth-calls")["TopicArn"]
    dead = sqs.create_queue(QueueName="auth-dead")["QueueUrl"]
    queue_arn = "arn:aws:sqs:us-east-1:%s:auth-dead" % ACCOUNT
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]}
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn})})
    sns.publish(TopicArn=topic, Message="refused")
    wait_for(lambda: sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages"), "a call that is not permitted is a dead letter")
    lambda_.add_permission(FunctionName=name, StatementId="topic", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic)
    sns.publish(TopicArn=topic, Message="permitted")
    printed = lambda: "".join(found["message"] for found in events_of(root, "/aws/lambda/" + name))
    wait_for(lambda: "permitted" in printed(), "the topic calls the function")
    assert "refused" not in printed()


def test_a_mapping_polls_with_the_functions_role(root):
    sqs, lambda_, iam = root.client("sqs"), root.client("lambda"), root.client("iam")
    url = sqs.create_queue(QueueName="auth-polled", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    queue = "arn:aws:sqs:us-east-1:%s:auth-polled" % ACCOUNT
    arn = role(root, "auth-polling")
    create(root, "auth-polling", arn, "def handler(event, context):\n    return {}\n")
    make = lambda: lambda_.create_event_source_mapping(EventSourceArn=queue, FunctionName="auth-polling", BatchSize=1)
    message = refused(make, "InvalidParameterValueException")
    assert message == "The function execution role does not have permissions to call ReceiveMessage on SQS"
    iam.attach_role_policy(RoleName="auth-polling", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole")
    make()
    sqs.send_message(QueueUrl=url, MessageBody="m")
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    empty = lambda: set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"].values()) == {"0"}
    wait_for(empty, "the message is dealt with")


def test_destinations_are_reached_with_the_functions_role(root):
    sqs, lambda_, iam = root.client("sqs"), root.client("lambda"), root.client("iam")
    url = sqs.create_queue(QueueName="auth-destination")["QueueUrl"]
    queue, function = "arn:aws:sqs:us-east-1:%s:auth-destination" % ACCOUNT, "arn:aws:lambda:us-east-1:%s:function:auth-destination-to" % ACCOUNT
    arn = role(root, "auth-destination")
    create(root, "auth-destination", arn, "def handler(event, context):\n    return event\n")
    create(root, "auth-destination-to", arn, "def handler(event, context):\n    print('was told')\n")
    for destination in (queue, function):
        lambda_.put_function_event_invoke_config(FunctionName="auth-destination", DestinationConfig={"OnSuccess": {"Destination": destination}})
        before = failures(root.server)
        lambda_.invoke(FunctionName="auth-destination", InvocationType="Event", Payload=b"{}")
        wait_for(lambda: failures(root.server) > before, "what the role may not do is not done")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    policy = {"Version": "2012-10-17", "Statement": [allow("sqs:SendMessage", queue), allow("lambda:InvokeFunction", function)]}
    iam.put_role_policy(RoleName="auth-destination", PolicyName="p", PolicyDocument=json.dumps(policy))
    lambda_.invoke(FunctionName="auth-destination", InvocationType="Event", Payload=b"{}")
    told = lambda: [found["message"] for found in events_of(root, "/aws/lambda/auth-destination-to") if "was told" in found["message"]]
    assert len(wait_for(told, "the function is told")) == 1
    lambda_.put_function_event_invoke_config(FunctionName="auth-destination", DestinationConfig={"OnSuccess": {"Destination": queue}})
    lambda_.invoke(FunctionName="auth-destination", InvocationType="Event", Payload=b"{}")
    wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), "the queue is told")


def failures(server):
    """Records that could not be sent."""
    status, body = request(server, "GET", "/_lambent/metrics", {})
    assert status == 200
    return sum(float(line.split()[-1]) for line in body.splitlines() if "destination_delivery_failures" in line and not line.startswith("#"))


def events_of(root, group):
    logs = root.client("logs")
    try:
        return logs.filter_log_events(logGroupName=group)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []


def test_code_in_s3_is_read_on_the_authority_of_who_names_it(root):
    s3 = root.client("s3")
    s3.create_bucket(Bucket="auth-code")
    s3.put_object(Bucket="auth-code", Key="app.zip", Body=package({"app.py": "def handler(event, context):\n    return 1\n"}))
    arn = role(root, "auth-code")
    keys = user(root, "auth-coder", allow("lambda:*"), allow("iam:PassRole"))
    make = lambda keys: keys.client("lambda").create_function(
        FunctionName="auth-code", Runtime="python3.12", Handler="app.handler", Role=arn, Code={"S3Bucket": "auth-code", "S3Key": "app.zip"})
    message = refused(lambda: make(keys), "InvalidParameterValueException", "AccessDeniedException")
    assert "s3:GetObject" in message or "AccessDenied" in message or "Access Denied" in message, message
    make(root)
