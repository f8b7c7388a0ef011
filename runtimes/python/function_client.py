"""The Python runtime client: fetches events from the Runtime API, calls the handler, posts what it returns.

Behaves as AWS's own client does, in error bodies, log lines and context. Runs on Python 3.8 and later, with nothing but the
standard library. A response and the next poll are written in one go: one wake-up of the server instead of two.

A cold start waits for every import here: what only errors or logging need is imported by them. `json` and `logging` alone
would take as long again as the interpreter's own start.
"""

import os
import sys
import time

try:
    import _json
except ImportError:
    # An interpreter without the compiled part of `json`.
    _json = None
import _socket
from _frozen_importlib import _gcd_import as import_module
from _frozen_importlib_external import PathFinder

FIND = PathFinder.find_spec
#: Before a function can put another in its place.
clock = time.monotonic_ns
#: The runtime's own directory.
OWN = os.path.dirname(os.path.abspath(__file__))
OLD_ERRORS = sys.version_info < (3, 9)
NBSP = "\u00a0"


class Fault(Exception):
    """A failure of the runtime's own kinds."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


class LogSink:
    """Where log entries go: framed, so that one of many lines stays one event; else as lines."""

    LEVELS = {"DEBUG": 0x0B, "INFO": 0x0F, "WARNING": 0x13, "ERROR": 0x17, "CRITICAL": 0x1B}

    def __init__(self):
        fd = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
        self.fd = int(fd) if fd else None
        self.json = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"

    def write(self, message, level="INFO"):
        sys.stdout.flush()
        sys.stderr.flush()
        data = message.encode("utf-8", "replace")
        if self.fd is None:
            os.write(1, data.replace(b"\n", b"\r", data.count(b"\n") - 1))
            return
        kind = 0xA55A0000 | (self.LEVELS.get(level, 0x0F) - (1 if self.json else 0))
        stamp = time.time_ns() // 1000
        frame = kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + stamp.to_bytes(8, "big") + data
        while frame:
            frame = frame[os.write(self.fd, frame):]


def plain_frames(trace):
    """Frames without the columns that newer Pythons underline: AWS's traces have none."""
    import traceback

    return [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(trace)]


def format_frames(frames):
    import traceback

    return traceback.format_list(frames)


def format_trace(trace):
    return format_frames(plain_frames(trace))


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self, fields):
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")


class Client:
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext:
    __slots__ = ["custom", "env", "client"]

    def __init__(self, fields):
        self.custom = fields.get("custom")
        self.env = fields.get("env")
        self.client = None
        if fields.get("client"):
            self.client = Client()
            for name in Client.__slots__:
                setattr(self.client, name, fields["client"].get(name))


class Described:
    """What the environment says of the function, read anew for each context as AWS's client does, and decoded when it has changed."""

    NAMES = (
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    )
    ENCODED = tuple(os.fsencode(name) for name in NAMES)
    raw = values = None

    @classmethod
    def read(cls):
        data = getattr(os.environ, "_data", None)
        if type(data) is not dict:
            return tuple(map(os.environ.get, cls.NAMES))
        raw = tuple(map(data.get, cls.ENCODED))
        if raw != cls.raw:
            cls.raw, cls.values = raw, tuple(map(os.environ.get, cls.NAMES))
        return cls.values


class LambdaContext:
    """What handlers get as their second argument."""

    def __init__(self, headers, request_id, deadline_ms, sink):
        self.aws_request_id = request_id
        (
            self.log_group_name, self.log_stream_name, self.function_name, self.memory_limit_in_mb, self.function_version,
        ) = Described.read()
        self.invoked_function_arn = headers.get(b"lambda-runtime-invoked-function-arn", b"").decode()
        self.tenant_id = (headers.get(b"lambda-runtime-aws-tenant-id") or b"").decode() or None
        self.client_context = None
        self._epoch_deadline_time_in_ms = deadline_ms
        self._sink = sink
        context = headers.get(b"lambda-runtime-client-context")
        if context:
            try:
                self.client_context = ClientContext(loads(context))
            except Exception as error:
                raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse Client Context JSON: %s" % error)
        identity = headers.get(b"lambda-runtime-cognito-identity")
        self.identity = CognitoIdentity(loads(identity) if identity else {})

    def get_remaining_time_in_millis(self):
        return max(0, int(self._epoch_deadline_time_in_ms - time.time() * 1000))

    def log(self, message):
        self._sink.write(message if isinstance(message, str) else str(message))

    def __repr__(self):
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in names)


class RuntimeApi:
    """Blocking HTTP/1.1 over one connection."""

    BASE = b"/2018-06-01/runtime/"
    #: What a response is answered with, nearly always.
    ACCEPTED = (
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
        b'{"status":"OK"}\n'
    )

    def __init__(self, address):
        host, _, port = address.partition(":")
        self.host = address.encode()
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port or 80)))
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.next = b"GET " + self.BASE + b"invocation/next HTTP/1.1\r\nHost: " + self.host + b"\r\n\r\n"

    def receive(self):
        """One answer: its status, headers and body."""
        while True:
            if self.buffer.startswith(self.ACCEPTED):
                self.buffer = self.buffer[len(self.ACCEPTED):]
                return 202, {}, b""
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self.fill()
        lines = self.buffer[:end].split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        start = end + 4
        total = start + int(headers.get(b"content-length", 0))
        if len(self.buffer) < total:
            parts = [self.buffer]
            have = len(self.buffer)
            while have < total:
                part = self.socket.recv(1 << 20)
                if not part:
                    os._exit(1)
                parts.append(part)
                have += len(part)
            self.buffer = b"".join(parts)
        body = self.buffer[start:total]
        self.buffer = self.buffer[total:]
        return int(lines[0].split(b" ", 2)[1]), headers, body

    def fill(self):
        part = self.socket.recv(65536)
        if not part:
            # The platform has gone away; so does the runtime.
            os._exit(1)
        self.buffer += part

    def post(self, path, body, headers=b""):
        head = b"POST " + self.BASE + path + b" HTTP/1.1\r\nHost: " + self.host + b"\r\n" + headers
        return head + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


def encode_default(value):
    import decimal

    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


# Since 3.12 AWS's runtime leaves characters outside ASCII as they are.
ENSURE_ASCII = sys.version_info < (3, 12)


class Scanning:
    """What `json.JSONDecoder` tells the scanner, with its defaults."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo = {}

    @staticmethod
    def parse_constant(name):
        return {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}[name]


def make_loads():
    """`json.loads` without importing `json`, for which compiled code has the work done anyway. What is not a plain
    document goes to `json.loads` itself: errors, whitespace around it, and byte order marks are its business."""
    scan = _json.make_scanner(Scanning)

    def loads(data):
        try:
            text = data.decode("utf-8", "surrogatepass")
            value, end = scan(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError):
            pass
        import json

        return json.loads(data)

    return loads


def make_dumps():
    """`json.JSONEncoder.encode` without importing `json`."""
    encode_text = _json.encode_basestring_ascii if ENSURE_ASCII else _json.encode_basestring

    def dumps(value):
        if isinstance(value, str):
            return encode_text(value)
        # Markers are for one document: they find what contains itself.
        return "".join(_json.make_encoder({}, encode_default, encode_text, None, ": ", ", ", False, False, True)(value, 0))

    return dumps


try:
    loads, dumps = make_loads(), make_dumps()
    if loads(b'{"a": [1.5, null]}') != {"a": [1.5, None]} or dumps({"a": [1.5, None]}) != '{"a": [1.5, null]}':
        raise ValueError("the compiled part of json is another one")
except Exception:
    import json

    loads = json.loads
    dumps = json.JSONEncoder(ensure_ascii=ENSURE_ASCII, default=encode_default).encode


def error_body(message, kind, trace, request_id):
    body = {"errorMessage": message, "errorType": kind}
    if not OLD_ERRORS:
        body["requestId"] = request_id or ""
    body["stackTrace"] = trace
    return body


def import_module_frame():
    """The frame of `importlib.import_module`, through which AWS's client imports a function: its traces begin with it
    (recorded). Imported for real it would take half a millisecond of every cold start."""
    import dis
    import importlib
    import linecache

    code = importlib.import_module.__code__
    line = max(line for _, line in dis.findlinestarts(code) if line)
    return code.co_filename, line, code.co_name, linecache.getline(code.co_filename, line).strip()


def user_trace(trace):
    frames = plain_frames(trace)
    while frames and frames[0][0] == __file__:
        del frames[0]
    if frames and frames[0][2] == import_module.__name__:
        frames.insert(0, import_module_frame())
    return format_frames(frames)


class StandardFirst:
    """Keeps the function's own files from taking the place of modules that AWS's client has imported before them, and
    sets `logging` up as soon as it is imported."""

    NAMES = frozenset(
        "__future__ base64 bisect collections concurrent contextlib copyreg datetime decimal dis email enum errno functools hashlib"
        " heapq http importlib inspect itertools json keyword linecache locale logging math numbers opcode operator random re"
        " reprlib select selectors signal site socket ssl string struct textwrap threading token tokenize traceback types"
        " urllib uuid warnings weakref".split()
    )

    def __init__(self, runtime, sdk=None):
        self.runtime = runtime
        #: Imported ahead, out of sight.
        self.sdk = sdk
        library = os.path.dirname(os.__file__)
        self.standard = [library, library + "/lib-dynload"]

    def find_spec(self, name, path=None, target=None):
        if name == "function_logging":
            return FIND(name, [OWN])
        if name not in self.NAMES:
            return self.sdk and self.sdk.find_spec(name)
        spec = FIND(name, self.standard)
        if name == "logging" and spec:
            self.set_up_after(spec.loader)
        return spec

    def set_up_after(self, loader):
        execute = loader.exec_module

        def exec_module(module):
            del loader.exec_module
            execute(module)
            import function_logging

            function_logging.set_up(self.runtime)

        loader.exec_module = exec_module


class Runtime:
    def __init__(self, api):
        self.request_id = None
        self.sink = LogSink()
        self.format_trace = format_trace
        self.api = api

    def log_error(self, body):
        if self.sink.json:
            entry = {
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "log_level": "ERROR",
                "errorMessage": body["errorMessage"],
                "errorType": body["errorType"],
                "requestId": body.get("requestId", ""),
                "stackTrace": body["stackTrace"],
            }
            self.sink.write(dumps(entry) + "\n", "ERROR")
            return
        lines = ["[ERROR]%s%s" % (
            " " + body["errorType"] if body["errorType"] else "",
            ": " + body["errorMessage"] if body["errorMessage"] else "",
        )]
        lines.append("Traceback (most recent call last):")
        for element in body["stackTrace"]:
            for line in element.splitlines():
                bare = line.lstrip(" ")
                lines.append(NBSP * (len(line) - len(bare)) + bare)
        self.sink.write("\n".join(lines) + "\n", "ERROR")

    def find_handler(self):
        handler = os.environ["_HANDLER"]
        try:
            module_name, name = handler.rsplit(".", 1)
        except ValueError as error:
            raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (handler, error))
        if module_name.split(".")[0] in sys.builtin_module_names:
            message = "Cannot use built-in module %s as a handler module" % module_name
            raise Fault("Runtime.BuiltInModuleConflict", message)
        try:
            # `importlib.import_module` without importing it. Other than an `import` statement it leaves the import system's
            # frames in a trace, as AWS's traces have them (recorded).
            module = import_module(module_name.replace("/", "."))
        except ImportError as error:
            raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
        except SyntaxError as error:
            trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
            message = "Syntax error in module '%s': %s" % (module_name, error)
            raise Fault("Runtime.UserCodeSyntaxError", message, trace)
        try:
            return getattr(module, name)
        except AttributeError:
            raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module_name))

    def initialise(self):
        """The handler; a failure is reported and ends the process."""
        try:
            return self.find_handler()
        except Fault as fault:
            body = error_body(fault.message, fault.kind, fault.trace, None)
        except Exception as error:
            body = error_body(str(error), type(error).__name__, user_trace(error.__traceback__), None)
        self.log_error(body)
        kind = body["errorType"].encode()
        headers = b"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + kind + b"\r\n"
        self.api.socket.sendall(self.api.post(b"init/error", dumps(body).encode(), headers))
        self.api.receive()
        sys.exit(1)

    def call(self, handler, headers, payload):
        """The path and body to post, with extra headers."""
        try:
            try:
                event = loads(payload)
            except Exception as error:
                raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
            deadline_ms = int(headers[b"lambda-runtime-deadline-ms"])
            context = LambdaContext(headers, self.request_id, deadline_ms, self.sink)
            result = handler(event, context)
            try:
                body = dumps(result)
            except Exception as error:
                raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)
            return b"response", body.encode("utf-8", "surrogatepass"), b"Content-Type: application/json\r\n"
        except Fault as fault:
            body = error_body(fault.message, fault.kind, fault.trace, self.request_id)
        except Exception as error:
            trace = user_trace(error.__traceback__)
            body = error_body(str(error), type(error).__name__, trace, self.request_id)
        self.log_error(body)
        kind = body["errorType"].encode("ascii", "replace")
        extra = b"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + kind + b"\r\n"
        return b"error", dumps(body).encode("utf-8", "replace"), extra

    def run(self):
        handler = self.initialise()
        api = self.api
        # For the server's figures: when the handler was there. Other servers don't mind.
        api.socket.sendall(api.next[:-2] + b"Lambent-Handler-At: %d\r\n\r\n" % clock())
        posted = False
        while True:
            if posted:
                status, _, body = api.receive()
                if status >= 400 and status != 413:
                    self.sink.write("The runtime API refused the response: %s\n" % body.decode(), "ERROR")
            status, headers, payload = api.receive()
            if status != 200:
                os._exit(1)
            request_id = headers[b"lambda-runtime-aws-request-id"]
            self.request_id = request_id.decode()
            trace_id = headers.get(b"lambda-runtime-trace-id")
            if trace_id:
                os.environ["_X_AMZN_TRACE_ID"] = trace_id.decode()
            else:
                os.environ.pop("_X_AMZN_TRACE_ID", None)
            what, body, extra = self.call(handler, headers, payload)
            sys.stdout.flush()
            sys.stderr.flush()
            api.socket.sendall(api.post(b"invocation/" + request_id + b"/" + what, body, extra) + api.next)
            posted = True


def set_search_path(layers="/opt/python"):
    """The function's own modules, then layers', then the SDK, then Python's. As on AWS, layers come last when the function
    sets PYTHONPATH itself, and their directories are site directories: with `.pth` files."""
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    directories = ["%s/lib/python%d.%d/site-packages" % ((layers,) + sys.version_info[:2]), layers]
    first = directories if os.environ.get("PYTHONPATH", OWN) == OWN else []
    sys.path[:] = [task] + first + [OWN] + [path for path in sys.path if path not in ("", OWN)]
    for directory in directories:
        if os.path.isdir(directory):
            import site

            site.addsitedir(directory)


def forget_coerced_locale():
    """Where the host has no en_US.UTF-8, the interpreter has set LC_CTYPE by itself. AWS's older images have that locale;
    for the newer ones LC_CTYPE is in the environment that this process was started with."""
    if "LC_CTYPE" in os.environ:
        try:
            with open("/proc/self/environ", "rb") as file:
                coerced = b"\0LC_CTYPE=" not in b"\0" + file.read()
        except FileNotFoundError:
            # A zygote sees no processes: its children's variables come later.
            coerced = False
        if coerced:
            del os.environ["LC_CTYPE"]


def main():
    # Lines go out whole and at once; what has no newline yet goes out with the response.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    sys.stderr.reconfigure(line_buffering=True)
    sys.argv = [""]
    forget_coerced_locale()
    # A function may have a module of this name.
    client = sys.modules.pop(__name__)
    waiting = os.environ.pop("_LAMBENT_PARKED_FD", None)
    zygote = os.environ.pop("_LAMBENT_ZYGOTE_FD", None)
    if waiting or zygote:
        import parking

        if zygote:
            api, ahead, sdk = parking.multiply(int(zygote), client)
        else:
            api, ahead, sdk = parking.wait(int(waiting), client)
    else:
        sdk = None
        api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    runtime = Runtime(api)
    # Before anything can be imported from elsewhere: a layer's `.pth` files may do so.
    first = StandardFirst(runtime, sdk)
    sys.meta_path.insert(0, first)
    if sdk:
        sdk.attach()
    if waiting or zygote:
        sys.modules["function_logging"].set_up(runtime)
    set_search_path()
    if waiting or zygote:
        parking.unload_replaced(ahead, first.NAMES, sys.path[: sys.path.index(OWN)])
    runtime.run()

