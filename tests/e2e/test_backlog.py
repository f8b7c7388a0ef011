"""A backlog of events is on disk: it costs no memory, and callers that wait do not wait for it."""

import concurrent.futures
import contextlib
import json
import sqlite3
import time

from conftest import wait_for
from crash import Caller
from test_async import figures

STORED, SENT, CLIENTS = 180_000, 20_000, 16
STORED_EVENT, SENT_EVENT = json.dumps({"filling": "x" * 200}), json.dumps({"filling": "x" * 2_000})
#: Pages of the database that are kept in memory, and room for chance. The events of either kind are 40 MB.
MAX_GROWTH_MB = 20
SLOW = "import time\ndef handler(event, context):\n    time.sleep(1)\n"
ECHO = "def handler(event, context):\n    return event\n"


def resident_mb(server):
    with open("/proc/%d/status" % server.process.pid) as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1]) / 1024


def store_events(directory, name, count):
    """As many events as an afternoon of requests would leave, in the server's own form."""
    attributes = json.dumps({
        "version": 1, "request_id": "00000000-0000-4000-8000-000000000000", "trace_id": "Root=1-2-3",
        "accepted_ms": int(time.time() * 1000), "attempts": 0, "refusals": 0, "hops": 0,
    }).encode()
    now_ms, body = int(time.time() * 1000), STORED_EVENT.encode()
    with contextlib.closing(sqlite3.connect(directory / "queues.sqlite")) as database, database:
        database.execute("INSERT INTO queues (name) VALUES (?)", ("lambda/123456789012/us-east-1/" + name,))
        queue = database.execute("SELECT max(id) FROM queues").fetchone()[0]
        rows = ((queue, now_ms, now_ms, len(body), attributes) for _ in range(count))
        database.executemany("INSERT INTO messages (queue, due_ms, enqueued_ms, size, attributes) VALUES (?, ?, ?, ?, ?)", rows)
        database.execute("INSERT INTO bodies (id, body) SELECT id, ? FROM messages WHERE queue = ?", (body, queue))


def waiting(directory):
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % (directory / "queues.sqlite"), uri=True)) as database:
        return database.execute("SELECT count(*) FROM messages").fetchone()[0]


def flood(server, count):
    def send(share):
        caller = Caller(server.url)
        for _ in range(share):
            caller.call("lambda", "POST", "/2015-03-31/functions/slow/invocations", SENT_EVENT, X_Amz_Invocation_Type="Event")
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, [count // CLIENTS] * CLIENTS))


def test_two_hundred_thousand_events_cost_no_memory_and_nobody_waits_for_them(own_server):
    # The async share is half of it; callers have the rest.
    own_server.options = ("--account-concurrency", "110")
    own_server.start()
    own_server.create("slow", SLOW, Timeout=30)
    own_server.create("asked", ECHO)
    own_server.lambda_.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=2)
    own_server.lambda_.put_function_event_invoke_config(FunctionName="slow", MaximumRetryAttempts=0)
    own_server.invoke("asked", 0)
    empty = resident_mb(own_server)
    assert own_server.stop() == 0
    store_events(own_server.directory, "slow", STORED)
    own_server.start()
    wait_for(lambda: figures(own_server)["lambent_async_running"] == 2, "the backlog is being worked off")
    own_server.invoke("asked", 0)
    flood(own_server, 2_000)
    before = resident_mb(own_server)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flooding, answered = pool.submit(flood, own_server, SENT), 0
        while not flooding.done():
            assert own_server.invoke("asked", answered)["Json"] == answered
            answered += 1
        flooding.result()
    grown = (before - empty, resident_mb(own_server) - before)
    assert answered >= 10, "callers got through while events came in"
    assert max(grown) < MAX_GROWTH_MB, "%.1f MB more for %d events, %.1f for %d" % (grown[0], STORED, grown[1], SENT)
    assert waiting(own_server.directory) > STORED + SENT, "nothing was dropped, and little was done yet"
    assert figures(own_server)["lambent_async_running"] == 2
