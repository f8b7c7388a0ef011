"""A server that dies again and again while clients write down what it has acknowledged: at random moments, and at each named edge
between a write and its sync, a sync and its answer, an attempt and its record. In the end everything that was acknowledged has
come to where it was to go, nothing is left in any store, and nothing has come more often than the server died on it.
`make crash` does this for minutes, `test_crash.py` once for each edge."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import tempfile
import threading
import time
import urllib.parse

from conftest import PATIENCE_S, ROOT, Server, wait_for

ACCOUNT = "arn:aws:%s:us-east-1:123456789012:%s"
#: Whoever commits groups of events: each of them before and after its sync.
STORES = ("queue-store", "sqs-store", "sns-store", "s3-store", "events-store", "scheduler-store")
EDGES = [store + "." + edge for store in STORES for edge in ("before-sync", "synced")] + [
    "delivery.claimed", "delivery.attempted", "delivery.buried", "delivery.told",
    "sns.taken", "sns.sent",
    "targets.accepted", "targets.taken", "targets.sent",
    "s3.written", "s3.kept", "s3.taken", "s3.told",
]
#: How often an edge is passed at most before it is the one.
MAX_PASSES = 8
CLIENTS = 4
#: Where what was acknowledged is to be seen: of functions that did it, in dead letters, of queues that were sent to, of all that tell.
SINKS = ("done", "dead", "sent", "told")
#: What must be empty when everything is over.
LEFT = {
    "queues": ("messages", "bodies"), "sqs": ("messages", "contents"), "sns": ("deliveries", "messages"),
    "events": ("messages", "bodies"), "scheduler": ("messages", "bodies"), "s3": ("notices",),
}
ID = re.compile(r"id-\d+-\d+-z")
WORKER = """
def handler(event, context):
    if 'fail' in event: raise ValueError('on purpose')
"""


def edges_in_the_code():
    """Every edge that is named in a file of the server."""
    found = set()
    for path in (ROOT / "crates").rglob("*.rs"):
        found |= {".".join(edge) for edge in re.findall(r'crash::edge\("([a-z0-9-]+)", "([a-z-]+)"\)', path.read_text())}
    return found


class Refused(Exception):
    """An answer that is none of success."""

    def __init__(self, status, told):
        super().__init__("%d %s" % (status, told))
        self.status = status


class TooLate(Exception):
    """Accepted, and nothing may come of it."""


class Caller:
    """One connection of one thread, to whichever server runs. Signatures are not looked at: `--auth off`."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.rpartition("/")[2], timeout=PATIENCE_S)

    def call(self, service, method, path, body=b"", **headers):
        credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=0" % service
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": credential, "X-Amz-Date": "20260101T000000Z", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        told = answer.read()
        if answer.status >= 300:
            raise Refused(answer.status, "%s %s: %s" % (method, path, told[:300]))
        return told

    def json(self, service, target, version="1.0", **body):
        content_type = "application/x-amz-json-" + version
        told = self.call(service, "POST", "/", json.dumps(body), X_Amz_Target=target, Content_Type=content_type)
        return json.loads(told or b"{}")

    def sqs(self, operation, queue, **body):
        return self.json("sqs", "AmazonSQS." + operation, QueueUrl="http://localhost/123456789012/" + queue, **body)


def invoke(caller, name, **event):
    path = "/2015-03-31/functions/worker/invocations"
    caller.call("lambda", "POST", path, json.dumps({"id": name, **event}), X_Amz_Invocation_Type="Event")


def publish(caller, name):
    form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": ACCOUNT % ("sns", "topic"), "Message": name}
    caller.call("sns", "POST", "/", urllib.parse.urlencode(form), Content_Type="application/x-www-form-urlencoded")


def put_event(caller, name):
    entry = {"Source": "crash", "DetailType": "happened", "Detail": json.dumps({"id": name})}
    answer = caller.json("events", "AWSEvents.PutEvents", "1.1", Entries=[entry])
    if answer["FailedEntryCount"]:
        raise Refused(int(answer["Entries"][0]["ErrorCode"] == "InternalFailure") * 500, answer)


def schedule(caller, name):
    """For a second that is still to come when the schedule has been accepted: none is missed otherwise."""
    at_s = int(time.time()) + 3
    body = {
        "ScheduleExpression": "at(%s)" % time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)),
        "FlexibleTimeWindow": {"Mode": "OFF"}, "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": ACCOUNT % ("sqs", "told"), "RoleArn": "arn:aws:iam::123456789012:role/any", "Input": json.dumps({"id": name})},
    }
    caller.call("scheduler", "POST", "/schedules/" + name, json.dumps(body), Content_Type="application/json")
    if time.time() >= at_s:
        raise TooLate()


def put_object(prefix, size):
    return lambda caller, name: caller.call("s3", "PUT", "/bucket/%s/%s" % (prefix, name), b"x" * size)


#: What clients ask for, and where it must come to: over how many attempts, each of which a death may repeat.
ASKED = {
    "invoke": (invoke, {"done": 1}),
    "fail": (lambda caller, name: invoke(caller, name, fail=True), {"dead": 1}),
    "send": (lambda caller, name: caller.sqs("SendMessage", "sent", MessageBody=name), {"sent": 0}),
    "poison": (lambda caller, name: caller.sqs("SendMessage", "poisoned", MessageBody=name), {"dead": 0}),
    "publish": (publish, {"told": 1, "done": 2}),
    "event": (put_event, {"told": 1, "done": 2}),
    "schedule": (schedule, {"told": 1}),
    "small object": (put_object("queue", 100), {"told": 1}),
    "large object": (put_object("function", 40_000), {"done": 2}),
}


def beginning(prefix):
    return {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}


def prepare(server):
    """Everything that is asked for has somewhere to go."""
    sqs, sns, events = server.client("sqs"), server.client("sns"), server.client("events")
    for name in SINKS:
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})
    redrive = json.dumps({"deadLetterTargetArn": ACCOUNT % ("sqs", "dead"), "maxReceiveCount": 1})
    sqs.create_queue(QueueName="poisoned", Attributes={"VisibilityTimeout": "0", "RedrivePolicy": redrive})
    server.create("worker", WORKER, DeadLetterConfig={"TargetArn": ACCOUNT % ("sqs", "dead")})
    destinations = {"OnSuccess": {"Destination": ACCOUNT % ("sqs", "done")}}
    server.lambda_.put_function_event_invoke_config(FunctionName="worker", MaximumRetryAttempts=0, DestinationConfig=destinations)
    for number, service in enumerate(("sns", "events", "s3")):
        server.lambda_.add_permission(
            FunctionName="worker", StatementId=str(number), Action="lambda:InvokeFunction", Principal=service + ".amazonaws.com"
        )
    worker, told = ACCOUNT % ("lambda", "function:worker"), ACCOUNT % ("sqs", "told")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told, Attributes={"RawMessageDelivery": "true"})
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=worker)
    events.put_rule(Name="rule", EventPattern=json.dumps({"source": ["crash"]}))
    events.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": told}, {"Id": "function", "Arn": worker}])
    s3, created = server.client("s3"), ["s3:ObjectCreated:*"]
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": told, "Events": created, "Filter": beginning("queue/")}],
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": worker, "Events": created, "Filter": beginning("function/")}],
    })


class Life:
    """What is true from one start of the server to its death."""

    def __init__(self, url, number):
        self.url, self.number, self.over = url, number, threading.Event()


class Ledger:
    """What was acknowledged in which life, and what has come."""

    def __init__(self):
        self.lock = threading.Lock()
        #: Life in which each was acknowledged, and what it was.
        self.acknowledged = {}
        #: Ids of messages, by sink and id.
        self.came = {sink: collections.defaultdict(set) for sink in SINKS}
        #: Messages whose deletion was acknowledged.
        self.deleted = set()
        #: What was over before the last quiet time: it must not come again.
        self.closed = {}
        #: Whether attempts are repeated for other reasons than deaths.
        self.repeats = False
        self.wrong = []

    def acknowledge(self, name, life, kind):
        with self.lock:
            self.acknowledged[name] = (life, kind)

    def take(self, sink, message):
        """A message has been received."""
        with self.lock:
            if message["MessageId"] in self.deleted:
                self.wrong.append("%s came from %s after it had been deleted" % (message["Body"][:200], sink))
            for name in set(ID.findall(message["Body"])):
                self.came[sink][name].add(message["MessageId"])

    def missing(self):
        with self.lock:
            return [
                (sink, kind, name)
                for name, (_, kind) in self.acknowledged.items() for sink in ASKED[kind][1] if not self.came[sink][name]
            ]

    def close(self, life):
        """Everything is over: each attempt was repeated at most once for each death since. How much has come again."""
        with self.lock:
            for sink in SINKS:
                for name, messages in self.came[sink].items():
                    often = len(messages)
                    if (sink, name) in self.closed:
                        if often > self.closed[sink, name]:
                            self.wrong.append("%s came to %s although it was over" % (name, sink))
                    elif not self.repeats and name in self.acknowledged and often > self.most(name, sink, life):
                        self.wrong.append("%s came to %s %d times" % (name, sink, often))
                    self.closed[sink, name] = often
            return sum(often - 1 for often in self.closed.values())

    def most(self, name, sink, life):
        acknowledged, kind = self.acknowledged[name]
        return (1 + life - acknowledged) ** ASKED[kind][1].get(sink, 0)


class Crashing:
    """A server, its clients and their ledger. `pick` is the only source of chance."""

    def __init__(self, directory, pick):
        self.server = Server(directory, "--async-retry-base-ms", "200")
        self.pick, self.ledger, self.lives = pick, Ledger(), 0
        self.asking = 0
        #: Of the server's environment in each life.
        self.env = {}
        #: Whether the server may say that it could not.
        self.may_fail = False

    def prepare(self):
        """A life in which everything is made that is asked for later."""
        prepare(self.server.start())
        assert self.server.stop() == 0

    def live(self, edge=None):
        """Starts the server; None when it died before it listened."""
        self.lives += 1
        server = self.server
        server.env = {**self.env, "LAMBENT_CRASH_AT": edge} if edge else self.env
        try:
            server.start()
        except AssertionError:
            if server.process.poll() != -signal.SIGABRT:
                raise
            return None
        return Life(server.url, self.lives)

    @contextlib.contextmanager
    def clients(self, life, asking):
        """Asks, and receives from every sink, until the server is dead or the block is left."""
        threads = [threading.Thread(target=self.receive, args=(life, sink)) for sink in SINKS]
        threads.append(threading.Thread(target=self.receive, args=(life, "poisoned")))
        threads += [threading.Thread(target=self.ask, args=(life, self.pick.randrange(1 << 30))) for _ in range(CLIENTS if asking else 0)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            life.over.set()
            for thread in threads:
                thread.join()

    def ask(self, life, number):
        caller, kinds, number = Caller(life.url), list(ASKED), number
        while not life.over.is_set():
            kind = kinds[number % len(kinds)]
            number += 1
            with self.ledger.lock:
                self.asking += 1
                name = "id-%d-%d-z" % (life.number, self.asking)
            try:
                ASKED[kind][0](caller, name)
            except (OSError, http.client.HTTPException):
                return
            except TooLate:
                continue
            except Refused as refused:
                if self.may_fail and refused.status >= 500:
                    continue
                self.ledger.wrong.append(str(refused))
                return
            self.ledger.acknowledge(name, life.number, kind)

    def receive(self, life, sink):
        caller = Caller(life.url)
        while not life.over.is_set():
            try:
                messages = caller.sqs("ReceiveMessage", sink, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
                if sink == "poisoned":
                    continue
                for message in messages:
                    self.ledger.take(sink, message)
                    caller.sqs("DeleteMessage", sink, ReceiptHandle=message["ReceiptHandle"])
                    self.ledger.deleted.add(message["MessageId"])
            except (OSError, http.client.HTTPException):
                return
            except Refused as refused:
                if not (self.may_fail and refused.status >= 500):
                    self.ledger.wrong.append(str(refused))
                    return

    def die_at(self, edge):
        """One life until it reaches an edge."""
        life = self.live("%s:%d" % (edge, self.pick.randrange(1, MAX_PASSES + 1)))
        if life is not None:
            with self.clients(life, asking=True):
                wait_for(lambda: self.server.process.poll() is not None, "the server dies at " + edge)
        died = self.server.process.returncode
        assert died == -signal.SIGABRT, "%s: %s\n%s" % (edge, died, self.server.said()[-2_000:])

    def die_sometime(self):
        """One life until it is killed at a random moment."""
        life, before = self.live(), len(self.ledger.acknowledged)
        with self.clients(life, asking=True):
            enough = before + self.pick.randrange(5, 150)
            wait_for(lambda: len(self.ledger.acknowledged) >= enough, "so much is acknowledged")
            self.server.stop(signal.SIGKILL)

    def wait_for_the_end(self, over):
        try:
            wait_for(over, "the end")
        except AssertionError:
            raise AssertionError("still to come: %s; left: %s" % (self.ledger.missing()[:20], left(self.server.seen))) from None

    def settle(self):
        """One life without new work, until everything is over. How much has come more than once."""
        life = self.live()
        with self.clients(life, asking=False):
            self.wait_for_the_end(lambda: not self.ledger.missing() and not left(self.server.directory))
        assert self.server.stop() == 0
        again = self.ledger.close(self.lives)
        assert not self.ledger.wrong, "\n".join(self.ledger.wrong)
        return again


def left(directory):
    """Rows of stores whose work is over only when there are none."""
    rows = {}
    for name, tables in LEFT.items():
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % (directory / (name + ".sqlite")), uri=True)) as database:
            for table in tables:
                rows[name, table] = database.execute("SELECT count(*) FROM " + table).fetchone()[0]
    return {where: count for where, count in rows.items() if count}


def crash(directory, edges, random_deaths, pick):
    """Every edge once, random moments between them, and quiet twice. The ledger."""
    crashing = Crashing(directory, pick)
    deaths = [lambda edge=edge: crashing.die_at(edge) for edge in edges] + [crashing.die_sometime] * random_deaths
    pick.shuffle(deaths)
    try:
        crashing.prepare()
        for number, die in enumerate(deaths, 1):
            die()
            if number == len(deaths) // 2:
                crashing.settle()
        again = crashing.settle()
        # Nothing of what is over comes back by another start.
        crashing.die_sometime()
        again = crashing.settle()
    finally:
        crashing.server.stop(signal.SIGKILL)
    return crashing.ledger, again


def main():
    seconds, seed = float(os.environ["CRASH_SECONDS"]), random.randrange(1 << 32)
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        pick = random.Random(seed + rounds)
        with tempfile.TemporaryDirectory(prefix="lambent-crash-") as directory:
            data = pathlib.Path(directory) / "data"
            data.mkdir()
            ledger, again = crash(data, EDGES, 15, pick)
        print("seed %d: %d acknowledged, none lost, %d came again" % (seed + rounds, len(ledger.acknowledged), again), flush=True)
        rounds += 1


if __name__ == "__main__":
    main()
