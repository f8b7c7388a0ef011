"""An S3 of the smallest kind: a bucket whose objects are the packages, read with GET. Code from S3 is taken from it."""

import http.server
import threading
import urllib.parse

from placeholders import package, zeros

BUCKET = "packages"


def content(key):
    """`echo.zip` is the package echo, `zeros/9.zip` a zip of nine zeros."""
    name = key.removesuffix(".zip")
    return zeros(int(name.removeprefix("zeros/"))) if name.startswith("zeros/") else package(name)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        bucket, _, key = urllib.parse.unquote(self.path.split("?")[0]).lstrip("/").partition("/")
        if bucket != BUCKET:
            return self.answer(404, error("NoSuchBucket", "The specified bucket does not exist"))
        try:
            found = content(key)
        except (AssertionError, ValueError):
            return self.answer(404, error("NoSuchKey", "The specified key does not exist."))
        self.answer(200, found)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"etag"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: the server under test has a log of its own."""


def error(code, message):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>' % (code, message)).encode()


class Bucket:
    """The server, on a free port until `stop`."""

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
