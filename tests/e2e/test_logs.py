"""CloudWatch Logs as its users see it."""

import time


def put(logs, group, stream, *messages, at_ms):
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": at_ms + index, "message": message} for index, message in enumerate(messages)]
    if events:
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_streams_are_paged_by_name_and_by_their_latest_event(server):
    logs = server.logs
    logs.create_log_group(logGroupName="paged")
    now_ms = int(time.time() * 1000)
    times = {"a": now_ms - 1000, "b": now_ms - 3000, "c": now_ms - 2000, "other": now_ms - 4000}
    for name, at_ms in times.items():
        put(logs, "paged", name, "x", at_ms=at_ms)

    def pages(**query):
        found = logs.get_paginator("describe_log_streams").paginate(logGroupName="paged", PaginationConfig={"PageSize": 3}, **query)
        return [[stream["logStreamName"] for stream in page["logStreams"]] for page in found]

    assert pages() == [["a", "b", "c"], ["other"]]
    assert pages(descending=True) == [["other", "c", "b"], ["a"]]
    assert pages(logStreamNamePrefix="o") == [["other"]]
    assert pages(orderBy="LastEventTime") == [["other", "b", "c"], ["a"]]
    # How `aws logs tail` and consoles look for what is new.
    assert pages(orderBy="LastEventTime", descending=True) == [["a", "c", "b"], ["other"]]


def test_events_are_found_by_their_fields(server):
    logs = server.logs
    logs.create_log_group(logGroupName="fields")
    lines = [
        '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534',
        '10.0.0.1 - frank [10/Oct/2000:13:25:16 -0700] "GET /other.html HTTP/1.0" 200 900',
        "START nothing",
    ]
    put(logs, "fields", "s", *lines, at_ms=int(time.time() * 1000) - 5000)

    def found(pattern):
        events = logs.filter_log_events(logGroupName="fields", filterPattern=pattern)["events"]
        return [lines.index(event["message"]) for event in events]

    assert found("[ip, user, ..., status_code=4*, bytes>1000]") == [0]
    assert found("[ip=10.*||ip=127.*, user, username=frank, ...]") == [0, 1]
    assert found("[..., request=*other*, status_code!=404, bytes<=900]") == [1]
    assert found("[word=START, rest]") == [2]
