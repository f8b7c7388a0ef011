import os

AT_START = dict(os.environ)


def handler(event, context):
    return {"environment": AT_START}
