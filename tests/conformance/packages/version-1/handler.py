def handler(event, context):
    return {"invoked_arn": context.invoked_function_arn, "version_from_ctx": context.function_version, "version_id": "version1"}
