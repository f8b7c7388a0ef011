"""Settings of asynchronous invocation: kept, shown, checked."""

import datetime

from test_functions import HELLO, refused

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"


def settings(answer):
    """Without what changes from call to call."""
    assert isinstance(answer["LastModified"], datetime.datetime)
    return {key: value for key, value in answer.items() if key not in ("LastModified", "ResponseMetadata")}


def test_a_put_replaces_an_update_adds_and_a_refusal_changes_nothing(server):
    server.create("events", HELLO)
    client = server.lambda_
    shown = {"FunctionArn": FUNCTION + "events:$LATEST", "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}}
    put = client.put_function_event_invoke_config(FunctionName="events", MaximumRetryAttempts=0)
    assert settings(put) == {**shown, "MaximumRetryAttempts": 0}
    failure = {"OnFailure": {"Destination": QUEUE}}
    client.update_function_event_invoke_config(FunctionName="events", DestinationConfig=failure)
    updated = client.update_function_event_invoke_config(FunctionName="events", MaximumEventAgeInSeconds=60)
    expected = {
        **shown, "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}},
    }
    assert settings(updated) == expected
    before = client.get_function_event_invoke_config(FunctionName="events")
    for wrong in [
        {"DestinationConfig": {"OnSuccess": {"Destination": FUNCTION + "events"}}},
        {"DestinationConfig": {"OnSuccess": {"Destination": FUNCTION + "nobody"}}, "MaximumRetryAttempts": 1},
        {"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:s3:::b"}}},
        {"MaximumRetryAttempts": 3},
        {"MaximumEventAgeInSeconds": 59},
        {},
    ]:
        assert refused(client.put_function_event_invoke_config, FunctionName="events", **wrong)[0] == 400
    after = client.get_function_event_invoke_config(FunctionName="events")
    assert (settings(after), after["LastModified"]) == (expected, before["LastModified"])
    client.update_function_event_invoke_config(FunctionName="events", DestinationConfig={"OnFailure": {"Destination": ""}})
    assert settings(client.get_function_event_invoke_config(FunctionName="events"))["DestinationConfig"] == shown["DestinationConfig"]


def test_lists_are_paged_and_deleting_an_alias_takes_its_settings_along(server):
    server.create("paged-events", HELLO)
    client = server.lambda_
    client.publish_version(FunctionName="paged-events")
    client.create_alias(FunctionName="paged-events", Name="live", FunctionVersion="1")
    for qualifier in ("live", "1", "$LATEST"):
        client.put_function_event_invoke_config(FunctionName="paged-events", Qualifier=qualifier, MaximumRetryAttempts=1)
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName="paged-events", PaginationConfig={"PageSize": 1}
    )
    arns = [[config["FunctionArn"] for config in page["FunctionEventInvokeConfigs"]] for page in pages]
    assert arns == [[FUNCTION + "paged-events:" + qualifier] for qualifier in ("$LATEST", "1", "live")]
    client.delete_alias(FunctionName="paged-events", Name="live")
    client.create_alias(FunctionName="paged-events", Name="live", FunctionVersion="1")
    text = "The function %spaged-events:live doesn't have an EventInvokeConfig" % FUNCTION
    assert refused(client.get_function_event_invoke_config, FunctionName="paged-events", Qualifier="live")[2] == text


def test_settings_are_there_after_a_restart_and_gone_with_their_function(own_server):
    own_server.start()
    own_server.create("kept", HELLO)
    own_server.create("heard", HELLO)
    own_server.lambda_.put_function_event_invoke_config(
        FunctionName="kept", MaximumEventAgeInSeconds=90, DestinationConfig={"OnSuccess": {"Destination": FUNCTION + "heard"}}
    )
    before = own_server.lambda_.get_function_event_invoke_config(FunctionName="kept")
    own_server.stop()
    own_server.start()
    after = own_server.lambda_.get_function_event_invoke_config(FunctionName="kept")
    assert (settings(after), after["LastModified"]) == (settings(before), before["LastModified"])
    assert after["DestinationConfig"] == {"OnSuccess": {"Destination": FUNCTION + "heard"}, "OnFailure": {}}
    own_server.lambda_.delete_function(FunctionName="kept")
    own_server.create("kept", HELLO)
    assert refused(own_server.lambda_.get_function_event_invoke_config, FunctionName="kept")[0] == 404
