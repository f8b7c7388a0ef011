"""A client that has started before anybody knew for which function: it does what it can ahead, waits, and becomes what
it is told to be. A function must not be able to tell, except by the clock.

What is imported here is what AWS's client has imported before a handler, too: no function can replace it there either.
What that brings along beyond those names is unloaded again where the function has a module of that name.
"""

import os
import sys
import time

PRELOADED = (
    "base64 collections concurrent.futures datetime decimal enum functools hashlib json logging random re socket string"
    " traceback types uuid"
).split()

#: A handler's module in small: what a first import and a first call touch, is in memory from now on.
SOURCE = """
import json
import os
import sys

def handler(event, context):
    return {"name": os.environ.get("PATH"), "event": event, "id": context.aws_request_id}
"""


def wait(fd, client):
    """Returns the connection to the Runtime API, the names that were imported ahead, and the SDK if it was, as soon as this
    process is a function's; its directory and environment are that function's then."""
    before = set(sys.modules)
    api = client.RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    prepare(client)
    os.write(fd, b"r")
    sdk = sys.modules["sdk_ahead"].warm(client.StandardFirst.NAMES, fd)
    ahead = imported_since(before)
    become(told(fd, client))
    return api, ahead, sdk


def multiply(fd, client):
    """The same in each child of this process, which only makes children."""
    before = set(sys.modules)
    prepare(client)
    sdk = sys.modules["sdk_ahead"].warm(client.StandardFirst.NAMES)
    # Whatever is looked at in a child is copied for it: a look at an object writes to it.
    ahead = imported_since(before)
    import gc

    import zygote

    gc.collect()
    # What is there by now stays: a collection in a child would otherwise write to all of it, and have it copied.
    gc.freeze()
    fd, leisurely = zygote.serve(fd, client)
    api = client.RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if leisurely:
        # What it touches is copied now, not later.
        rehearse(client)
    os.write(fd, b"r" + os.getpid().to_bytes(4, sys.byteorder))
    del sys.modules["zygote"]
    become(told(fd, client))
    return api, ahead, sdk


def prepare(client):
    for name in PRELOADED:
        __import__(name)
    __import__("function_logging")
    __import__("sdk_ahead")
    rehearse(client)
    # The working directory's finder, as long as it was another one's.
    sys.path_importer_cache.pop(os.getcwd(), None)
    import gc

    gc.collect()


def imported_since(before):
    """Top-level names."""
    return {name.partition(".")[0] for name in sys.modules} - before


def told(fd, client):
    """Waits for what this process is to become."""
    message = b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    if not message:
        os._exit(0)
    os.close(fd)
    return client.loads(message)


def rehearse(client):
    import _socket

    near, far = _socket.socketpair()
    api = client.RuntimeApi.__new__(client.RuntimeApi)
    api.socket, api.buffer, api.host = near, b"", b"rehearsal"
    far.sendall(
        b"HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 1\r\n"
        b'content-length: 19\r\n\r\n{"a": [1, 2.5, ""]}'
    )
    runtime = client.Runtime.__new__(client.Runtime)
    runtime.api, runtime.request_id, runtime.sink = api, "1", None
    _, headers, payload = api.receive()
    what, body, extra = runtime.call(imported(client, runtime), headers, payload)
    near.sendall(api.post(what, body, extra))
    far.recv(1 << 16)
    near.close()
    far.close()
    changed = {"REHEARSAL_%d" % number: "x" * 40 for number in range(8)}
    os.environ.update(changed)
    for name in changed:
        del os.environ[name]


def imported(client, runtime):
    """A handler, found and compiled as a function's is."""
    directory = "/dev/shm/rehearsal"
    os.mkdir(directory)
    with open(directory + "/rehearsed.py", "w") as file:
        file.write(SOURCE)
    kept = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, client.StandardFirst(runtime))
    os.environ.update(LAMBDA_TASK_ROOT=directory, _HANDLER="rehearsed.handler")
    client.set_search_path(directory)
    unload_replaced(set(), set(), [directory])
    handler = runtime.find_handler()
    del os.environ["LAMBDA_TASK_ROOT"], os.environ["_HANDLER"], sys.meta_path[0], sys.modules["rehearsed"]
    sys.path[:], sys.dont_write_bytecode = kept
    for path in [path for path in sys.path_importer_cache if path.startswith(directory)]:
        del sys.path_importer_cache[path]
    os.unlink(directory + "/rehearsed.py")
    os.rmdir(directory)
    return handler


def become(told):
    for name in (__name__, "sdk_ahead"):
        del sys.modules[name]
    os.chdir(told["cwd"])
    zone = os.environ.get("TZ")
    os.environ.clear()
    os.environ.update(told["env"])
    if os.environ.get("TZ") != zone:
        time.tzset()
    logging = sys.modules["logging"]
    # Records count their milliseconds from here.
    logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()


def unload_replaced(ahead, known, directories):
    """Forgets what was imported ahead where the function has its own."""
    for directory in directories:
        try:
            names = {entry.partition(".")[0] for entry in os.listdir(directory)}
        except OSError:
            continue
        for name in (names & ahead) - known:
            for loaded in [loaded for loaded in sys.modules if loaded == name or loaded.startswith(name + ".")]:
                del sys.modules[loaded]
