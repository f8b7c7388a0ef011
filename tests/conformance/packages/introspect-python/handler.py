import os


def handler(event, context):
    members = ("aws_request_id", "function_name", "function_version", "invoked_function_arn", "log_group_name", "log_stream_name", "memory_limit_in_mb")
    said = {name: getattr(context, name) for name in members}
    said["remaining_time_in_millis"] = str(context.get_remaining_time_in_millis())
    return {"ctx": said, "environment": dict(os.environ), "packages": []}
