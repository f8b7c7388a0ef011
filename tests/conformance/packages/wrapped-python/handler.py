import os


def handler(event, context):
    return {"environment": {"WRAPPED": os.environ.get("WRAPPED"), "_HANDLER": os.environ["_HANDLER"]}}
