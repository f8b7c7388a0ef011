"""Fails in the way that the event names."""

import ctypes
import sys


def handler(event, context):
    how = event.get("how")
    if how == "exit":
        sys.exit(0)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "big":
        return "x" * event["size"]
    raise Exception("Test exception (this is intentional)")
