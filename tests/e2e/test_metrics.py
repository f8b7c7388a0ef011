"""CloudWatch metrics as their users see them: over each protocol that clients speak, and what Lambda and SQS tell there."""

import datetime
import gzip
import json
import os
import shutil
import subprocess
import threading
import time

import boto3
import botocore.exceptions
import pytest
import requests
from conftest import ROOT, wait_for

MINUTE = 60


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def dimensions(**values):
    return [{"Name": name, "Value": value} for name, value in values.items()]


def around(now=None):
    """Times with now between them, whole minutes apart."""
    now = time.time() if now is None else now
    start = int(now) // MINUTE * MINUTE - 10 * MINUTE
    return {"StartTime": start, "EndTime": start + 20 * MINUTE}


def statistics(cloudwatch, namespace, name, period=1200, statistics=("SampleCount", "Average", "Sum", "Minimum", "Maximum"), **more):
    """The only data point of the last minutes."""
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=name, Period=period, Statistics=list(statistics), **{**around(), **more}
    )
    assert answer["Label"] == name
    return answer["Datapoints"][0] if answer["Datapoints"] else None


#: Protocols, each with a region in which nobody else's metrics are.
PROTOCOLS = {"json": "eu-west-1", "smithy-rpc-v2-cbor": "eu-west-2", "query": "eu-west-3"}


@pytest.fixture(params=list(PROTOCOLS))
def cloudwatch(server, request):
    """boto3, which speaks JSON, made to speak what other SDKs do."""
    session = boto3.session.Session()
    model = session._session.get_component("data_loader").load_service_model("cloudwatch", "service-2")
    model["metadata"]["protocols"] = [request.param]
    client = server.client("cloudwatch", session=session, region_name=PROTOCOLS[request.param])
    assert client.meta.service_model.resolved_protocol == request.param
    return client


def test_what_was_put_comes_back_in_every_statistic(cloudwatch):
    values = [{"MetricName": "m", "Value": value, "Unit": "Seconds"} for value in (1.0, 2.0)]
    counted = {"MetricName": "m", "Values": [3.0, 10.0], "Counts": [5.0, 2.0], "Unit": "Seconds"}
    cloudwatch.put_metric_data(Namespace="Every", MetricData=[*values, counted])
    found = statistics(cloudwatch, "Every", "m")
    assert {key: found[key] for key in ("SampleCount", "Average", "Sum", "Minimum", "Maximum", "Unit")} == {
        "SampleCount": 9.0, "Average": 38.0 / 9, "Sum": 38.0, "Minimum": 1.0, "Maximum": 10.0, "Unit": "Seconds",
    }
    extended = ["p50", "p99.9", "tm50", "TC(2:)", "PR(:3)"]
    found = cloudwatch.get_metric_statistics(
        Namespace="Every", MetricName="m", Period=1200, ExtendedStatistics=extended, **around()
    )["Datapoints"][0]["ExtendedStatistics"]
    assert found["p50"] == 3.0 and found["p99.9"] == 10.0 and found["TC(2:)"] == 7.0
    assert found["PR(:3)"] == pytest.approx(700 / 9) and found["tm50"] == pytest.approx((1 + 2 + 3 * 2.5) / 4.5)
    # Of a set nothing is known between its bounds.
    a_set = {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}
    cloudwatch.put_metric_data(Namespace="Every", MetricData=[{"MetricName": "set", "StatisticValues": a_set}])
    found = statistics(cloudwatch, "Every", "set", ExtendedStatistics=["p50"])
    assert found["Average"] == 2.5 and found["Unit"] == "None" and "ExtendedStatistics" not in found


def test_times_periods_units_and_dimensions_keep_values_apart(cloudwatch):
    base = int(time.time()) // 300 * 300 - 600

    def datum(offset, value, **more):
        return {"MetricName": "m", "Timestamp": base + offset, "Value": value, **more}

    data = [datum(0, 1), datum(59, 2), datum(60, 3), datum(301, 4), datum(0, 100, Unit="Bytes")]
    data += [datum(0, 1000, Dimensions=dimensions(D="v")), datum(7, 5, StorageResolution=1), datum(8, 6, StorageResolution=1)]
    cloudwatch.put_metric_data(Namespace="Apart", MetricData=data)

    def points(period, **more):
        answer = cloudwatch.get_metric_statistics(
            Namespace="Apart", MetricName="m", StartTime=base, EndTime=base + 600, Period=period, Statistics=["Sum"],
            **{"Unit": "None", **more},
        )
        return {int(point["Timestamp"].timestamp()) - base: point["Sum"] for point in answer["Datapoints"]}

    assert points(60) == {0: 14, 60: 3, 300: 4}
    assert points(300) == {0: 17, 300: 4}
    assert points(600) == {0: 21}
    assert points(60, Unit="Bytes") == {0: 100}
    assert points(60, Dimensions=dimensions(D="v")) == {0: 1000}
    assert points(60, Dimensions=dimensions(D="w")) == {}
    fine = cloudwatch.get_metric_statistics(
        Namespace="Apart", MetricName="m", StartTime=base, EndTime=base + 60, Period=1, Statistics=["Sum"]
    )["Datapoints"]
    assert sorted((int(point["Timestamp"].timestamp()) - base, point["Sum"]) for point in fine) == [(7, 5), (8, 6)]


def test_metric_data_is_calculated_paged_and_in_either_order(cloudwatch):
    base = int(time.time()) // MINUTE * MINUTE - 5 * MINUTE
    times = {"StartTime": base, "EndTime": base + 5 * MINUTE}
    errors = [{"MetricName": "errors", "Timestamp": base + minute * MINUTE, "Value": minute} for minute in range(4)]
    all_ = [{"MetricName": "all", "Timestamp": base + minute * MINUTE, "Value": 10} for minute in range(4)]
    cloudwatch.put_metric_data(Namespace="Math", MetricData=errors + all_)

    def metric(id, name, **more):
        stat = {"Metric": {"Namespace": "Math", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": id, "MetricStat": stat, **more}

    queries = [
        metric("errors", "errors", ReturnData=False), metric("all", "all"),
        {"Id": "rate", "Expression": "100 * errors / all", "Label": "error rate"},
        {"Id": "filled", "Expression": "FILL(errors, -1)"},
        {"Id": "sum", "Expression": "SUM(METRICS())"},
    ]
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **times)
    results = {result["Id"]: result for result in answer["MetricDataResults"]}
    assert list(results) == ["all", "rate", "filled", "sum"]
    assert results["rate"]["Values"] == [0, 10, 20, 30] and results["rate"]["Label"] == "error rate"
    assert results["filled"]["Values"] == [0, 1, 2, 3, -1] and results["sum"]["Values"] == [10, 11, 12, 13]
    assert [int(at.timestamp()) - base for at in results["all"]["Timestamps"]] == [0, 60, 120, 180]
    assert {result["StatusCode"] for result in results.values()} == {"Complete"}
    # The latest first, in pages.
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries[:3], MaxDatapoints=3, **times
    )
    values = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            values.setdefault(result["Id"], []).extend(result["Values"])
    assert values == {"all": [10, 10, 10, 10], "rate": [30, 20, 10, 0]}

    def wrong(*queries, **more):
        return refusal(cloudwatch.get_metric_data, MetricDataQueries=list(queries), **{**times, **more})

    assert wrong({"Id": "e", "Expression": "f + 1"})[1] == "Error in expression 'e': there is no query with the id f."
    assert "refers to itself" in wrong({"Id": "e", "Expression": "g"}, {"Id": "g", "Expression": "e"})[1]
    assert "FORTUNE is not available" in wrong({"Id": "e", "Expression": "FORTUNE(1)"})[1]
    assert wrong({"Id": "E", "Expression": "1"})[0] == "ValidationError"
    assert "not unique" in wrong(metric("a", "all"), metric("a", "all"))[1]
    assert "mutually exclusive" in wrong({**metric("a", "all"), "Period": 60})[1]
    assert wrong({"Id": "e", "Expression": "SELECT AVG(m) FROM Math"})[0] == "NotImplemented"
    assert wrong(metric("a", "all"), NextToken="forged")[0] == "InvalidNextToken"
    # Each refers twice to the one before: 2^60 without remembering.
    chain = [metric("e0", "all")] + [{"Id": "e%d" % n, "Expression": "e%d + e%d" % (n - 1, n - 1)} for n in range(1, 14)]
    answer = cloudwatch.get_metric_data(MetricDataQueries=chain, **times)
    assert answer["MetricDataResults"][-1]["Values"] == [10 * 2**13] * 4


def test_metrics_are_listed_with_what_they_have(cloudwatch):
    names = ["m%03d" % number for number in range(600)]
    for part in (names[:300], names[300:]):
        data = [{"MetricName": name, "Value": 1, "Dimensions": dimensions(Stage="a", Number=name)} for name in part]
        cloudwatch.put_metric_data(Namespace="List", MetricData=data)
    old = time.time() - 13 * 86_400
    data = [{"MetricName": "old", "Value": 1, "Timestamp": old, "Dimensions": dimensions(Stage="b")}]
    cloudwatch.put_metric_data(Namespace="List", MetricData=data)

    def listed(**more):
        pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="List", **more)
        return [metric["MetricName"] for page in pages for metric in page["Metrics"]]

    assert listed() == [*names, "old"]
    assert listed(MetricName="m007") == ["m007"]
    assert listed(Dimensions=[{"Name": "Stage", "Value": "b"}]) == ["old"]
    assert listed(Dimensions=[{"Name": "Number"}], RecentlyActive="PT3H") == names
    assert listed(OwningAccount="999999999999") == []
    found = cloudwatch.list_metrics(Namespace="List", MetricName="m001", IncludeLinkedAccounts=True)
    assert found["OwningAccounts"] == ["123456789012"]
    expected = {"Namespace": "List", "MetricName": "m001", "Dimensions": dimensions(Number="m001", Stage="a")}
    assert found["Metrics"] == [expected]


def test_refusals_have_awss_codes_and_texts(cloudwatch):
    def put(**datum):
        return refusal(cloudwatch.put_metric_data, Namespace="Refused", MetricData=[{"MetricName": "m", **datum}])

    exclusive = "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both."
    assert put(Value=1.5, Values=[1.0, 10.0]) == ("InvalidParameterCombination", exclusive)
    sizes = "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."
    assert put(Values=[1.0], Counts=[1.0, 2.0]) == ("InvalidParameterValue", sizes)
    many = "The collection MetricData.member.1.Values must not have a size greater than 150."
    assert put(Values=[float(value) for value in range(151)]) == ("InvalidParameterValue", many)
    assert put()[0] == "MissingParameter"
    assert put(Value=1e200)[0] == "InvalidParameterValue"
    assert put(Value=1, StorageResolution=30)[0] == "InvalidParameterValue"
    assert put(Value=1, Timestamp=time.time() - 15 * 86_400)[1].endswith("must specify a time within the past two weeks.")
    assert put(Value=1, Timestamp=time.time() + 3 * 3_600)[0] == "InvalidParameterValue"
    assert put(Value=1, Unit="Parsecs")[0] == "ValidationError"
    reserved = refusal(cloudwatch.put_metric_data, Namespace="AWS/Own", MetricData=[{"MetricName": "m", "Value": 1}])
    assert reserved == ("InvalidParameterValue", "The value AWS/Own for parameter Namespace is invalid.")

    def get(**more):
        asked = {"Namespace": "N", "MetricName": "m", "Period": 60, "Statistics": ["Sum"], **around(), **more}
        return refusal(cloudwatch.get_metric_statistics, **{key: value for key, value in asked.items() if value is not None})

    now = time.time()
    backwards = "The parameter StartTime must be less than the parameter EndTime."
    assert get(StartTime=now, EndTime=now) == ("InvalidParameterValue", backwards)
    far = "You have requested up to 2,000 datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
    start = int(now) // 60 * 60 - 120_000
    assert get(StartTime=start, EndTime=start + 120_000) == ("InvalidParameterCombination", far)
    assert get(Statistics=None) == ("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    assert get(Period=61)[0] == "InvalidParameterValue"
    assert get(MetricName=None) == ("MissingParameter", "The parameter MetricName is required.")
    assert get(Statistics=None, ExtendedStatistics=["p101"])[0] == "InvalidParameterValue"
    assert refusal(cloudwatch.put_metric_alarm, AlarmName="a", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold")[0] == "NotImplemented"


def test_nothing_put_is_lost_by_a_kill(own_server):
    own_server.start()
    own_server.client("cloudwatch").put_metric_data(Namespace="Kept", MetricData=[{"MetricName": "m", "Value": 3}])
    own_server.stop(9)
    own_server.start()
    assert statistics(own_server.client("cloudwatch"), "Kept", "m")["Sum"] == 3


def test_compressed_bodies_are_read(server, cloudwatch):
    # boto3 compresses from 10 KB on.
    data = [{"MetricName": "m", "Value": 1, "Dimensions": dimensions(D="a rather long value %d" % number)} for number in range(400)]
    sent = []
    cloudwatch.meta.events.register("before-send", lambda request, **_: sent.append(request.headers.get("Content-Encoding")))
    cloudwatch.put_metric_data(Namespace="Packed", MetricData=data)
    assert sent == [b"gzip"] or sent == ["gzip"]
    assert len(list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="Packed"))[0]["Metrics"]) == 400
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData", "Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * (64 << 20))
    answer = requests.post(server.url, data=bomb, headers=headers)
    assert answer.status_code == 400 and answer.json()["message"] == "The body is too large"
    assert requests.post(server.url, data=b"{}", headers=headers).status_code == 400


@pytest.mark.parametrize("version", [1, 2])
def test_both_cli_versions_speak_to_metrics(server, version):
    if version == 2 and not (ROOT / ".cache/aws-cli-v2/usr/bin/aws").exists():
        pytest.skip("version 2 is not there")
    namespace = "Cli%d" % version

    def cli(*arguments, check=True):
        done = server.cli("cloudwatch", *arguments, version=version, check=check)
        return done if not check else json.loads(done.stdout) if done.stdout.strip() else {}

    cli("put-metric-data", "--namespace", namespace, "--metric-name", "m", "--value", "4", "--unit", "Bytes", "--dimensions", "D=v")
    cli("put-metric-data", "--namespace", namespace, "--metric-name", "m", "--unit", "Bytes", "--dimensions", "D=v",
        "--statistic-values", "SampleCount=2,Sum=6,Minimum=2,Maximum=4")
    begin = around()["StartTime"]
    iso = [datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat() for at in (begin, begin + 20 * MINUTE)]
    times = ["--start-time", iso[0], "--end-time", iso[1]]
    answer = cli("get-metric-statistics", "--namespace", namespace, "--metric-name", "m", "--dimensions", "Name=D,Value=v",
                 "--period", "1200", "--statistics", "Sum", "Maximum", *times)
    point = answer["Datapoints"][0]
    assert (answer["Label"], point["Sum"], point["Maximum"], point["Unit"]) == ("m", 10.0, 4.0, "Bytes")
    # Version 1 shows what is on the wire: JSON has a number where the query protocol of version 2 has a date.
    at = point["Timestamp"] if version == 1 else datetime.datetime.fromisoformat(point["Timestamp"]).timestamp()
    assert at == begin
    stat = {"Metric": {"Namespace": namespace, "MetricName": "m", "Dimensions": dimensions(D="v")}, "Period": 1200, "Stat": "Average"}
    queries = json.dumps([{"Id": "a", "MetricStat": stat}, {"Id": "b", "Expression": "a * 2"}])
    results = cli("get-metric-data", "--metric-data-queries", queries, *times)["MetricDataResults"]
    assert [result["Values"] for result in results] == [[10.0 / 3], [20.0 / 3]]
    metrics = cli("list-metrics", "--namespace", namespace)["Metrics"]
    assert metrics == [{"Namespace": namespace, "MetricName": "m", "Dimensions": dimensions(D="v")}]
    failed = cli("get-metric-statistics", "--namespace", namespace, "--metric-name", "m", "--period", "61", "--statistics", "Sum", *times, check=False)
    assert "InvalidParameterValue" in failed.stderr


SCRIPT = """
const { CloudWatchClient, ...cw } = require('@aws-sdk/client-cloudwatch');
const { SmithyRpcV2CborProtocol } = require('@smithy/core/cbor');
(async () => {
  const client = new CloudWatchClient(process.argv[1] === 'cbor' ? { protocol: SmithyRpcV2CborProtocol } : {});
  const seen = [];
  client.middlewareStack.add((next) => (args) => { seen.push(args.request.path, args.request.headers['smithy-protocol'], args.request.headers['content-encoding']); return next(args); }, { step: 'finalizeRequest', priority: 'low' });
  const now = new Date();
  const MetricData = [{ MetricName: 'm', Values: [1, 2.5], Counts: [2, 1], Timestamp: now, Unit: 'Count', Dimensions: [{ Name: 'D', Value: 'v' }] }];
  await client.send(new cw.PutMetricDataCommand({ Namespace: 'Js', MetricData }));
  const protocol = seen[1];
  // With CBOR this SDK announces the length that a body had before it was compressed.
  const many = [...Array(protocol ? 10 : 500).keys()].map((n) => ({ MetricName: 'many', Value: n, Timestamp: now, Dimensions: [{ Name: 'D', Value: 'a rather long value ' + n }] }));
  seen.length = 0;
  await client.send(new cw.PutMetricDataCommand({ Namespace: 'Js', MetricData: many }));
  const encoding = seen[2];
  const times = { StartTime: new Date(now.getTime() - 600000), EndTime: new Date(now.getTime() + 600000) };
  const Dimensions = [{ Name: 'D', Value: 'v' }];
  const { Datapoints } = await client.send(new cw.GetMetricStatisticsCommand({ ...times, Namespace: 'Js', MetricName: 'm', Dimensions, Period: 3600, Statistics: ['Sum', 'SampleCount'], ExtendedStatistics: ['p50'] }));
  const stat = { Metric: { Namespace: 'Js', MetricName: 'm', Dimensions }, Period: 3600, Stat: 'Average' };
  const { MetricDataResults } = await client.send(new cw.GetMetricDataCommand({ ...times, MetricDataQueries: [{ Id: 'a', MetricStat: stat }] }));
  const { Metrics } = await client.send(new cw.ListMetricsCommand({ Namespace: 'Js', MetricName: 'm' }));
  const error = await client.send(new cw.GetMetricStatisticsCommand({ ...times, Namespace: 'Js', MetricName: 'm', Period: 61, Statistics: ['Sum'] })).catch((error) => error);
  console.log(JSON.stringify({ protocol, encoding, point: Datapoints[0], isDate: Datapoints[0].Timestamp instanceof Date, values: MetricDataResults[0].Values, at: MetricDataResults[0].Timestamps[0] instanceof Date, metrics: Metrics.length, error: [error.name, error.message] }));
})();
"""


@pytest.mark.parametrize("protocol", ["cbor", "json"])
def test_the_javascript_sdk_speaks_to_metrics_in_both_its_protocols(server, protocol):
    modules = ROOT / ".cache/aws-sdk-js/node_modules"
    if not shutil.which("node") or not (modules / "@aws-sdk/client-cloudwatch").exists():
        pytest.skip("node or the client is not there")
    env = {
        "PATH": os.environ["PATH"], "NODE_PATH": str(modules), "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-west-1" if protocol == "cbor" else "us-west-2",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(["node", "-e", SCRIPT, protocol], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.get("protocol") == ("rpc-v2-cbor" if protocol == "cbor" else None)
    assert found.get("encoding") == (None if protocol == "cbor" else "gzip")
    assert found["isDate"] and found["at"] and found["values"] == [1.5] and found["metrics"] == 1
    point = found["point"]
    assert (point["Sum"], point["SampleCount"], point["Unit"], point["ExtendedStatistics"]) == (4.5, 3, "Count", {"p50": 1})
    assert found["error"][1].startswith("The parameter Period must be a value in the set")
    assert found["error"][0] in ("InvalidParameterValueException", "InvalidParameterValue")


FAILING = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("told to")
    return "done"
"""


def totals(cloudwatch, namespace, period=1200):
    """Name and dimension values of every metric, with the sum of its values."""
    found = {}
    for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace):
        for metric in page["Metrics"]:
            values = " ".join(one["Value"] for one in metric["Dimensions"])
            point = statistics(cloudwatch, namespace, metric["MetricName"], period, Dimensions=metric["Dimensions"])
            found[metric["MetricName"], values] = point
    return found


def test_functions_tell_what_aws_lambda_tells(own_server):
    server = own_server
    server.options = ("--async-retry-base-ms", "50")
    server.start()
    server.create("f", FAILING)
    version = server.lambda_.publish_version(FunctionName="f")["Version"]
    server.lambda_.create_alias(FunctionName="f", Name="live", FunctionVersion=version)
    server.invoke("f")
    server.invoke("f", {"fail": True})
    server.invoke("f", Qualifier="live")
    server.lambda_.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(server.lambda_.exceptions.TooManyRequestsException):
        server.invoke("f")
    server.lambda_.delete_function_concurrency(FunctionName="f")
    cloudwatch = server.client("cloudwatch")
    found = totals(cloudwatch, "AWS/Lambda")
    assert found["Invocations", ""]["Sum"] == found["Invocations", "f"]["Sum"] == 3
    assert found["Invocations", "f f"]["Sum"] == 2 and found["Invocations", "f f:live"]["Sum"] == 1
    assert found["Errors", "f"]["Sum"] == 1 and found["Errors", "f"]["Average"] == pytest.approx(1 / 3)
    assert found["Throttles", "f"]["Sum"] == 1 and found["Errors", "f f:live"]["Sum"] == 0
    duration = found["Duration", "f"]
    assert duration["SampleCount"] == 3 and duration["Unit"] == "Milliseconds" and 0 < duration["Minimum"] <= duration["Maximum"]
    assert found["ConcurrentExecutions", "f"]["Maximum"] == 1 == found["UnreservedConcurrentExecutions", ""]["Maximum"]
    # An event that fails each of its three attempts.
    server.lambda_.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps({"fail": True}))
    wait_for(lambda: ("AsyncEventsDropped", "f") in totals(cloudwatch, "AWS/Lambda"), "the event is dropped")
    found = totals(cloudwatch, "AWS/Lambda")
    assert found["AsyncEventsReceived", "f"]["Sum"] == 1 == found["AsyncEventsDropped", "f"]["Sum"]
    assert found["AsyncEventAge", "f"]["SampleCount"] == 3 and found["AsyncEventAge", "f"]["Unit"] == "Milliseconds"
    assert found["Invocations", "f"]["Sum"] == 6 and found["Errors", "f"]["Sum"] == 4
    # The metrics page has the same, summed since the start.
    page = requests.get(server.url + "/_lambent/metrics").text
    line = 'lambent_function_%%s_total{account="%s",region="us-east-1",function="f"} %%d\n' % "123456789012"
    for name, count in (("invocations", 6), ("errors", 4), ("throttles", 1), ("async_events_received", 1), ("async_events_dropped", 1)):
        assert line % (name, count) in page, name
    assert "lambent_function_duration_milliseconds_total" in page and "concurrent_executions_total" not in page
    # What was gathered and not yet written is written when the server is told to stop.
    assert server.stop() == 0
    server.start()
    assert totals(server.client("cloudwatch"), "AWS/Lambda")["Invocations", "f"]["Sum"] == 6


def test_what_cannot_be_told_is_counted(own_server):
    """The queues for dead letters and for records are gone by the time that they are needed."""
    server = own_server
    server.start()
    sqs = server.client("sqs")
    gone = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("letters", "records")}
    arn = "arn:aws:sqs:us-east-1:123456789012:"
    server.create("f", FAILING, DeadLetterConfig={"TargetArn": arn + "letters"})
    server.lambda_.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn + "records"}}
    )
    for url in gone.values():
        sqs.delete_queue(QueueUrl=url)
    server.lambda_.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps({"fail": True}))
    cloudwatch = server.client("cloudwatch")
    wanted = {("DeadLetterErrors", "f"), ("DestinationDeliveryFailures", "f")}
    wait_for(lambda: wanted <= set(totals(cloudwatch, "AWS/Lambda")), "both failures are counted")
    found = totals(cloudwatch, "AWS/Lambda")
    assert [found[name]["Sum"] for name in sorted(wanted)] == [1, 1]


def test_provisioned_environments_tell_who_used_them_and_who_did_not(own_server):
    server = own_server
    server.start()
    server.create("provided-for", "import time\n\n\ndef handler(event, context):\n    time.sleep(event.get('s', 0))\n")
    version = server.lambda_.publish_version(FunctionName="provided-for")["Version"]
    server.lambda_.put_provisioned_concurrency_config(FunctionName="provided-for", Qualifier=version, ProvisionedConcurrentExecutions=1)
    status = lambda: server.lambda_.get_provisioned_concurrency_config(FunctionName="provided-for", Qualifier=version)["Status"]
    wait_for(lambda: status() == "READY", "an environment is provisioned")
    both = [threading.Thread(target=server.invoke, args=("provided-for", {"s": 2}), kwargs={"Qualifier": version}) for _ in range(2)]
    [one.start() for one in both]
    [one.join() for one in both]
    found, resource = totals(server.client("cloudwatch"), "AWS/Lambda"), "provided-for provided-for:" + version
    assert found["ProvisionedConcurrencyInvocations", resource]["Sum"] == 1
    assert found["ProvisionedConcurrencySpilloverInvocations", resource]["Sum"] == 1
    assert found["ProvisionedConcurrentExecutions", resource]["Maximum"] == 1
    assert found["ProvisionedConcurrencyUtilization", resource]["Maximum"] == 1


def test_queues_tell_what_aws_sqs_tells(server):
    sqs, cloudwatch = server.client("sqs"), server.client("cloudwatch")
    url = sqs.create_queue(QueueName="measured")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="four")
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x" * 10, "DelaySeconds": 900 * (n == 2)} for n in range(3)])
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, VisibilityTimeout=900)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
    empty = sqs.create_queue(QueueName="measured-empty")["QueueUrl"]
    sqs.receive_message(QueueUrl=empty)

    def point(name, queue="measured", **more):
        return statistics(cloudwatch, "AWS/SQS", name, Dimensions=dimensions(QueueName=queue), **more)

    assert point("NumberOfMessagesSent")["Sum"] == 4
    sizes = point("SentMessageSize")
    assert (sizes["SampleCount"], sizes["Sum"], sizes["Unit"]) == (4, 34, "Bytes")
    assert point("NumberOfMessagesReceived")["Sum"] == len(received)
    assert point("NumberOfMessagesDeleted")["Sum"] == 1
    assert point("NumberOfEmptyReceives", "measured-empty")["Sum"] == 1
    # How much there is, is told once a minute, and may have been told half-way through the above.
    def most(name):
        return (point(name) or {}).get("Maximum", -1)

    left = len(received) - 1
    end = time.monotonic() + 90
    while most("ApproximateNumberOfMessagesDelayed") < 1 or most("ApproximateNumberOfMessagesNotVisible") < left:
        assert time.monotonic() < end, "nothing was told"
        time.sleep(0.5)
    assert 3 - len(received) <= most("ApproximateNumberOfMessagesVisible") <= 3
    assert most("ApproximateNumberOfMessagesNotVisible") in (left, left + 1)
    assert most("ApproximateNumberOfMessagesDelayed") == 1
    assert point("ApproximateAgeOfOldestMessage")["Unit"] == "Seconds"


EMBEDDED = """
import json, time
def handler(event, context):
    print(json.dumps({
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{
            "Namespace": "Embedded", "Dimensions": [["Function"], []],
            "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Orders", "Unit": "Count"}],
        }]},
        "Function": context.function_name, "Latency": [1.5, 2.5], "Orders": 3, "text": "anything",
    }))
"""


def test_log_lines_in_the_embedded_format_make_metrics(server):
    server.create("embedded", EMBEDDED)
    server.invoke("embedded")
    server.invoke("embedded")
    cloudwatch = server.client("cloudwatch")
    wait_for(lambda: (statistics(cloudwatch, "Embedded", "Orders") or {}).get("Sum") == 6, "both lines count")
    latency = statistics(cloudwatch, "Embedded", "Latency", Dimensions=dimensions(Function="embedded"), ExtendedStatistics=["p99"])
    assert (latency["SampleCount"], latency["Sum"], latency["Unit"]) == (4, 8, "Milliseconds")
    assert latency["ExtendedStatistics"] == {"p99": 2.5}
    # By a user's own PutLogEvents, too.
    logs = server.logs
    logs.create_log_group(logGroupName="own")
    logs.create_log_stream(logGroupName="own", logStreamName="s")
    now = int(time.time() * 1000)
    about = {"Timestamp": now, "CloudWatchMetrics": [{"Namespace": "Embedded", "Dimensions": [[]], "Metrics": [{"Name": "Own"}]}]}
    logs.put_log_events(logGroupName="own", logStreamName="s", logEvents=[{"timestamp": now, "message": json.dumps({"_aws": about, "Own": 7})}])
    assert statistics(cloudwatch, "Embedded", "Own")["Sum"] == 7
