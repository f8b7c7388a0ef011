import logging

logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    print("Lambda log message - print function")
    logging.info("Lambda log message - logging module")
    members = (
        "aws_request_id", "client_context", "function_name", "function_version", "invoked_function_arn", "log_group_name",
        "log_stream_name", "memory_limit_in_mb",
    )
    return {"event": event, "context": {name: getattr(context, name) for name in members}}
