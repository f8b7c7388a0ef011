"""`logging` as AWS's client sets it up: one handler on the root logger, whose entries carry the request's id."""

import json
import logging
import os
import time


class RequestIdFilter(logging.Filter):
    def __init__(self, runtime):
        super().__init__()
        self.runtime = runtime

    def filter(self, record):
        record.aws_request_id = self.runtime.request_id or ""
        return True


class TextFormatter(logging.Formatter):
    converter = time.gmtime

    def __init__(self):
        super().__init__(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )

    def format(self, record):
        return super().format(record) + "\n"


class JsonFormatter(logging.Formatter):
    converter = time.gmtime
    STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}

    def __init__(self, format_trace):
        super().__init__()
        self.format_trace = format_trace

    def format(self, record):
        entry = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            kind, value, trace = record.exc_info
            entry["stackTrace"] = self.format_trace(trace)
            entry["errorType"] = kind.__name__ if kind else None
            entry["errorMessage"] = str(value)
            entry["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
        entry["requestId"] = record.aws_request_id
        for key, value in vars(record).items():
            if key not in self.STANDARD:
                entry[key] = value
        return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


class LogHandler(logging.Handler):
    def __init__(self, sink):
        super().__init__()
        self.sink = sink

    def emit(self, record):
        self.sink.write(self.format(record), record.levelname)


def set_up(runtime):
    handler = LogHandler(runtime.sink)
    handler.setFormatter(JsonFormatter(runtime.format_trace) if runtime.sink.json else TextFormatter())
    handler.addFilter(RequestIdFilter(runtime))
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL")
    if runtime.sink.json and level:
        names = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
        root.setLevel(names.get(level, level))
