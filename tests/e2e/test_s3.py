"""S3 as its users see it: boto3 with its checksums and transfers, the AWS CLI, plain HTTP with presigned URLs."""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import urllib.parse
import zlib

import botocore.exceptions
import pytest
import requests
from conftest import BINARY, ROLE, package, wait_for

MIB = 1024 * 1024


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(s3, request):
    name = "b-" + hashlib.sha1(request.node.nodeid.encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=name)
    return name


def keys(page):
    return [line["Key"] for line in page.get("Contents", [])]


def test_an_object_comes_back_as_it_was_stored(s3, bucket):
    body = os.urandom(3 * MIB + 17)
    put = s3.put_object(
        Bucket=bucket, Key="a b/ü+?.bin", Body=body, ContentType="image/x-thing", Metadata={"who": "me"},
        CacheControl="max-age=1", Tagging="k=v&w=x+y",
    )
    assert put["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    got = s3.get_object(Bucket=bucket, Key="a b/ü+?.bin", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("image/x-thing", {"who": "me"}, "max-age=1")
    assert got["TagCount"] == 2 and got["ChecksumCRC32"] == put["ChecksumCRC32"]
    head = s3.head_object(Bucket=bucket, Key="a b/ü+?.bin")
    assert head["ContentLength"] == len(body) and head["ETag"] == put["ETag"]
    s3.delete_object(Bucket=bucket, Key="a b/ü+?.bin")
    assert refusal(s3.get_object, Bucket=bucket, Key="a b/ü+?.bin") == ("NoSuchKey", 404)
    assert refusal(s3.head_object, Bucket=bucket, Key="x") == ("404", 404)


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 2 * MIB])
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256", None])
def test_sizes_around_the_bounds_and_checksums(s3, bucket, size, algorithm):
    body = os.urandom(size)
    more = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, **more)
    assert put["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == body
    if size > 10:
        part = s3.get_object(Bucket=bucket, Key="k", Range="bytes=3-9")
        assert part["Body"].read() == body[3:10] and part["ContentRange"] == "bytes 3-9/%d" % size
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_wrong_checksum_stores_nothing(s3, bucket):
    arguments = dict(Bucket=bucket, Key="k", Body=b"hello")
    assert refusal(s3.put_object, ChecksumCRC32="AAAAAA==", **arguments) == ("BadDigest", 400)
    assert refusal(s3.put_object, ContentMD5=base64.b64encode(b"0" * 16).decode(), **arguments) == ("BadDigest", 400)
    assert refusal(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


@pytest.mark.parametrize("framing", ["signed", "unsigned"])
def test_framed_bodies(server, s3, bucket, framing):
    """What SDKs send over TLS, and older ones in plain HTTP: chunks with signatures or trailers."""
    body = os.urandom(70_000)
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    chunks = [body[:65_536], body[65_536:], b""]
    sent = b""
    for chunk in chunks:
        signature = b";chunk-signature=" + b"0" * 64 if framing == "signed" else b""
        sent += b"%x%s\r\n" % (len(chunk), signature) + (chunk + b"\r\n" if chunk else b"")
    headers = {"x-amz-decoded-content-length": str(len(body)), "content-encoding": "aws-chunked"}
    if framing == "unsigned":
        sent += b"x-amz-checksum-crc32:%s\r\n" % checksum
        headers.update({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32"})
    else:
        headers["x-amz-content-sha256"] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    url = "%s/%s/framed" % (server.url, bucket)
    answer = requests.put(url, data=sent + b"\r\n", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    got = s3.get_object(Bucket=bucket, Key="framed")
    assert got["Body"].read() == body and "ContentEncoding" not in got
    if framing == "unsigned":
        wrong = sent.replace(checksum, b"AAAAAA==") + b"\r\n"
        assert requests.put(url + "2", data=wrong, headers=headers, timeout=30).status_code == 400


def test_listings_go_on_where_they_ended(s3, bucket):
    names = ["a/1", "a/2", "b", "c/d/1", "c/d/2", "c/e", "é", "z"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted(names, key=str.encode)
    found, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", MaxKeys=2, **token)
        found += keys(page) + [line["Prefix"] for line in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert sorted(found, key=str.encode) == ["a/", "b", "c/", "z", "é"]
    assert keys(s3.list_objects_v2(Bucket=bucket, Prefix="c/", Delimiter="/")) == ["c/e"]
    assert keys(s3.list_objects(Bucket=bucket, Marker="c/e")) == ["z", "é"]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="b", MaxKeys=1)) == ["c/d/1"]


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"0"') == ("PreconditionFailed", 412)
    assert refusal(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == ("NoSuchKey", 404)
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert refusal(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == ("PreconditionFailed", 412)
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    assert refusal(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == ("304", 304)
    assert refusal(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)


def test_only_one_of_many_writers_makes_a_new_object(server, s3, bucket):
    done = []

    def write(number):
        try:
            server.client("s3").put_object(Bucket=bucket, Key="once", Body=b"%d" % number, IfNoneMatch="*")
            done.append(number)
        except botocore.exceptions.ClientError:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(done) == 1
    assert s3.get_object(Bucket=bucket, Key="once")["Body"].read() == b"%d" % done[0]


def test_parts(s3, bucket):
    parts = [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(100)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="whole", ContentType="a/b")["UploadId"]
    etags = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key="whole", UploadId=upload, PartNumber=number, Body=part)
        etags.append({"PartNumber": number, "ETag": answer["ETag"]})
    listed = s3.list_parts(Bucket=bucket, Key="whole", UploadId=upload)
    assert [part["Size"] for part in listed["Parts"]] == [len(part) for part in parts]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["UploadId"] == upload
    order = {"Parts": etags[::-1]}
    assert refusal(s3.complete_multipart_upload, Bucket=bucket, Key="whole", UploadId=upload, MultipartUpload=order) == ("InvalidPartOrder", 400)
    done = s3.complete_multipart_upload(Bucket=bucket, Key="whole", UploadId=upload, MultipartUpload={"Parts": etags})
    md5s = b"".join(hashlib.md5(part).digest() for part in parts)
    assert done["ETag"] == '"%s-3"' % hashlib.md5(md5s).hexdigest()
    got = s3.get_object(Bucket=bucket, Key="whole")
    assert got["Body"].read() == b"".join(parts) and got["ContentType"] == "a/b"
    part = s3.get_object(Bucket=bucket, Key="whole", PartNumber=3)
    assert part["Body"].read() == parts[2] and part["PartsCount"] == 3
    across = s3.get_object(Bucket=bucket, Key="whole", Range="bytes=%d-%d" % (5 * MIB - 2, 5 * MIB + 1))
    assert across["Body"].read() == parts[0][-2:] + parts[1][:2]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert refusal(s3.list_parts, Bucket=bucket, Key="whole", UploadId=upload) == ("NoSuchUpload", 404)


def test_an_aborted_upload_and_a_copied_part(s3, bucket):
    source = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    names = dict(Bucket=bucket, Key="copy", UploadId=upload)
    first = s3.upload_part_copy(PartNumber=1, CopySource="%s/source" % bucket, CopySourceRange="bytes=0-%d" % (5 * MIB - 1), **names)
    second = s3.upload_part_copy(PartNumber=2, CopySource="%s/source" % bucket, CopySourceRange="bytes=%d-%d" % (5 * MIB, 6 * MIB - 1), **names)
    parts = [{"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]} for number, part in ((1, first), (2, second))]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **names)
    s3.delete_object(Bucket=bucket, Key="source")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == source
    upload = s3.create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="never", UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="never", UploadId=upload)
    assert refusal(s3.upload_part, Bucket=bucket, Key="never", UploadId=upload, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)


def test_copies(s3, bucket):
    body = os.urandom(MIB)
    s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"a": "1"}, ContentType="t/x", Tagging="t=1")
    copied = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    assert copied["CopyObjectResult"]["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
    s3.delete_object(Bucket=bucket, Key="from")
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"], got["TagCount"]) == (body, {"a": "1"}, "t/x", 1)
    assert refusal(s3.copy_object, Bucket=bucket, Key="to", CopySource="%s/to" % bucket) == ("InvalidRequest", 400)
    s3.copy_object(Bucket=bucket, Key="to", CopySource="%s/to" % bucket, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"b": "2"}


def test_versions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] and refusal(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId=marker["VersionId"]) == ("MethodNotAllowed", 405)
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [line["VersionId"] for line in listed["Versions"]] == [second, first, "null"]
    assert listed["DeleteMarkers"][0]["IsLatest"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    assert refusal(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    objects = [{"Key": "k", "VersionId": version} for version in (first, second, "null")]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})["Deleted"]) == 3
    s3.delete_bucket(Bucket=bucket)
    assert refusal(s3.head_bucket, Bucket=bucket) == ("404", 404)


def test_presigned_urls_hold_until_they_expire(server, s3, bucket):
    for version in ("s3", "s3v4"):
        client = server.client("s3", config={"signature_version": version})
        names = {"Bucket": bucket, "Key": "p"}
        put = client.generate_presigned_url("put_object", Params=names, ExpiresIn=60)
        assert requests.put(put, data=b"hello", timeout=30).status_code == 200
        get = client.generate_presigned_url("get_object", Params={**names, "ResponseContentType": "x/y"}, ExpiresIn=60)
        answer = requests.get(get, timeout=30)
        assert (answer.content, answer.headers["content-type"]) == (b"hello", "x/y")
        day = {"s3": r"Expires=\d+", "s3v4": r"X-Amz-Date=\d+T"}[version]
        over = re.sub(day, {"s3": "Expires=1000000000", "s3v4": "X-Amz-Date=20200101T"}[version], get)
        answer = requests.get(over, timeout=30)
        assert answer.status_code == 403 and "Request has expired" in answer.text


def test_a_bucket_in_the_host(server, bucket):
    port = urllib.parse.urlsplit(server.url).port
    for host in ("%s.s3.us-east-1.amazonaws.com" % bucket, "%s.localhost:%d" % (bucket, port)):
        assert requests.put(server.url + "/a/b", data=b"x", headers={"host": host}, timeout=30).status_code == 200
        assert requests.get(server.url + "/a/b", headers={"host": host}, timeout=30).content == b"x"
    assert requests.get("%s/%s/a/b" % (server.url, bucket), timeout=30).content == b"x"


def test_pages_of_other_origins(server, s3, bucket):
    url = "%s/%s/k" % (server.url, bucket)
    asks = {"origin": "https://page.example", "access-control-request-method": "PUT", "access-control-request-headers": "x-a"}
    assert "CORS is not enabled" in requests.options(url, headers=asks, timeout=30).text
    rule = {"AllowedMethods": ["PUT", "GET"], "AllowedOrigins": ["https://*.example"], "AllowedHeaders": ["*"], "ExposeHeaders": ["etag"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    answer = requests.options(url, headers=asks, timeout=30)
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://page.example"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    got = requests.get(url, headers={"origin": "https://page.example"}, timeout=30)
    assert got.headers["access-control-expose-headers"] == "etag"
    assert "access-control-allow-origin" not in requests.get(url, headers={"origin": "https://other"}, timeout=30).headers
    assert requests.options(url, headers={**asks, "origin": "https://other"}, timeout=30).status_code == 403


def test_what_is_not_there_is_refused(s3, bucket):
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms")[0] == "NotImplemented"
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read")[0] == "AccessControlListNotSupported"
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER")[0] == "NotImplemented"
    assert refusal(s3.put_object, Bucket="Not_A_Bucket", Key="k", Body=b"")[0] in ("InvalidBucketName", "NoSuchBucket")
    assert refusal(s3.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)
    assert refusal(s3.list_objects_v2, Bucket="no-such-bucket-here") == ("NoSuchBucket", 404)


def test_the_cli(server, tmp_path):
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/one.txt").write_text("one")
    (tmp_path / "tree/sub/two.txt").write_text("two")
    (tmp_path / "big").write_bytes(os.urandom(20 * MIB))
    server.cli("s3", "mb", "s3://cli-bucket")
    server.cli("s3", "sync", str(tmp_path / "tree"), "s3://cli-bucket/tree")
    server.cli("s3", "cp", str(tmp_path / "big"), "s3://cli-bucket/big")
    assert "one.txt" in server.cli("s3", "ls", "s3://cli-bucket/tree/").stdout
    server.cli("s3", "sync", "s3://cli-bucket/tree", str(tmp_path / "back"))
    assert (tmp_path / "back/sub/two.txt").read_text() == "two"
    server.cli("s3", "cp", "s3://cli-bucket/big", str(tmp_path / "big2"))
    assert (tmp_path / "big2").read_bytes() == (tmp_path / "big").read_bytes()
    server.cli("s3", "rm", "--recursive", "s3://cli-bucket/")
    server.cli("s3", "rb", "s3://cli-bucket")


def function_of(server, name):
    source = "def handler(event, context):\n    print('EVENT', __import__('json').dumps(event))\n"
    server.create(name, source)
    return server.lambda_.get_function(FunctionName=name)["Configuration"]["FunctionArn"]


def test_a_function_is_called_for_an_object(server, s3, bucket):
    arn = function_of(server, "s3-called")
    wanted = {"LambdaFunctionConfigurations": [{
        "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}},
    }]}
    put = lambda: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    with pytest.raises(botocore.exceptions.ClientError, match="Unable to validate the following destination configurations"):
        put()
    server.lambda_.add_permission(
        FunctionName="s3-called", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::" + bucket, SourceAccount="123456789012",
    )
    put()
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"][0]
    assert [rule["Name"] for rule in shown["Filter"]["Key"]["FilterRules"]] == ["Prefix", "Suffix"]
    s3.put_object(Bucket=bucket, Key="out/a.jpg", Body=b"x")
    etag = s3.put_object(Bucket=bucket, Key="in/a b+ü.jpg", Body=b"hello")["ETag"]
    messages = server.messages("s3-called", until="EVENT")
    events = [json.loads(line.split("EVENT", 1)[1]) for line in messages if "EVENT" in line]
    assert len(events) == 1
    [record] = events[0]["Records"]
    assert (record["eventVersion"], record["eventSource"], record["eventName"]) == ("2.1", "aws:s3", "ObjectCreated:Put")
    assert record["s3"]["configurationId"] == shown["Id"] and record["s3"]["bucket"]["name"] == bucket
    item = record["s3"]["object"]
    assert (item["key"], item["size"], item["eTag"]) == ("in/a+b%2B%C3%BC.jpg", 5, etag.strip('"'))
    assert len(item["sequencer"]) == 18


def lambent(server, *arguments):
    env = {**os.environ, "AWS_ENDPOINT_URL": server.url}
    done = subprocess.run([BINARY, *arguments], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_trigger_is_one_command(server, s3, bucket):
    function_of(server, "s3-triggered")
    trigger = {"bucket": bucket, "events": ["s3:ObjectCreated:*"], "prefix": "uploads/"}
    assert lambent(server, "trigger", "add", "s3-triggered", json.dumps(trigger))[0] == 0
    assert lambent(server, "trigger", "add", "s3-triggered", json.dumps({**trigger, "prefix": "uploads/more/"}))[0] == 1
    [shown] = json.loads(lambent(server, "trigger", "list", "s3-triggered")[1])
    assert {name: shown[name] for name in trigger} == trigger
    s3.put_object(Bucket=bucket, Key="uploads/photo.jpg", Body=b"x")
    server.messages("s3-triggered", until="uploads/photo.jpg")
    assert lambent(server, "trigger", "remove", "s3-triggered", bucket)[0] == 0
    assert json.loads(lambent(server, "trigger", "list", "s3-triggered")[1]) == []
    assert "LambdaFunctionConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    code, _, said = lambent(server, "trigger", "remove", "s3-triggered", bucket)
    assert code == 1 and "does not call" in said


def test_code_from_a_bucket_of_this_server(server, s3, bucket):
    code = package({"app.py": "def handler(event, context):\n    return 'from a bucket'\n"})
    s3.put_object(Bucket=bucket, Key="code/app.zip", Body=code)
    arguments = dict(FunctionName="from-bucket", Runtime="python3.12", Handler="app.handler", Role=ROLE)
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchKey"):
        server.lambda_.create_function(Code={"S3Bucket": bucket, "S3Key": "none"}, **arguments)
    server.lambda_.create_function(Code={"S3Bucket": bucket, "S3Key": "code/app.zip"}, **arguments)
    server.lambda_.get_waiter("function_active_v2").wait(FunctionName="from-bucket", WaiterConfig={"Delay": 1})
    assert server.invoke("from-bucket")["Json"] == "from a bucket"


def test_a_queue_is_told_of_everything(server, s3, bucket):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="told-" + bucket[:10])["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [{"Id": "q", "QueueArn": arn, "Events": events}]}
    )

    def next_event():
        def receive():
            return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages")
        [message] = wait_for(receive, "a message")
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    test = next_event()
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    created = next_event()["Records"][0]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert next_event()["Records"][0]["eventName"] == "ObjectTagging:Put"
    s3.delete_object(Bucket=bucket, Key="never-there")
    s3.delete_object(Bucket=bucket, Key="k")
    removed = next_event()["Records"][0]
    assert (created["eventName"], removed["eventName"]) == ("ObjectCreated:Put", "ObjectRemoved:Delete")
    assert "size" not in removed["s3"]["object"]
    assert created["s3"]["object"]["sequencer"] < removed["s3"]["object"]["sequencer"]
    gone = {"QueueConfigurations": [{"QueueArn": arn + "-none", "Events": events}]}
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=gone)
    assert raised.value.response["Error"]["ArgumentValue1"] == "The destination queue does not exist"


def test_what_was_acknowledged_survives_a_kill_whole_and_is_told(own_server):
    server = own_server.start()
    s3, sqs = server.client("s3"), server.client("sqs")
    s3.create_bucket(Bucket="crash")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.put_bucket_notification_configuration(
        Bucket="crash", NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    )
    stored, ended = {}, threading.Event()

    def write(number):
        client, count = server.client("s3"), 0
        while not ended.is_set():
            size = (100, 40_000, 3 * MIB)[count % 3]
            body, key, count = os.urandom(size), "%d/%d" % (number, count), count + 1
            try:
                client.put_object(Bucket="crash", Key=key, Body=body)
            except Exception:
                return
            stored[key] = hashlib.md5(body).hexdigest()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    wait_for(lambda: len(stored) > 30, "some objects")
    server.stop(signal.SIGKILL)
    ended.set()
    [thread.join() for thread in threads]
    server.start()
    s3, sqs = server.client("s3"), server.client("sqs")
    listed = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="crash"):
        for line in page.get("Contents", []):
            body = s3.get_object(Bucket="crash", Key=line["Key"])["Body"].read()
            listed[line["Key"]] = hashlib.md5(body).hexdigest()
            assert line["ETag"] == '"%s"' % listed[line["Key"]], "a half object is to be seen"
    assert stored.items() <= listed.items()
    large = sum(1 for line in s3.list_objects_v2(Bucket="crash")["Contents"] if line["Size"] > 16 * 1024)
    files = lambda: [path for path in (server.directory / "s3").rglob("*") if path.is_file()]
    wait_for(lambda: len(files()) == large, "files that nobody names are gone")
    told = set()

    def all_told():
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            told.update(urllib.parse.unquote_plus(record["s3"]["object"]["key"]) for record in json.loads(message["Body"]).get("Records", []))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return told >= stored.keys()

    wait_for(all_told, "every object that was acknowledged is told of")
