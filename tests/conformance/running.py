"""Runs the steps of a case against a server and tells what differed."""

import datetime
import json
import re
import time
import urllib.error
import urllib.request

import botocore.eventstream
import botocore.exceptions
import botocore.response
from matching import UUID, Matcher, shown
from placeholders import Uncaptured, Values

#: Longest wait of a step; a server that needs it is broken.
PATIENCE_S = 60
POLL_S = 0.03


class Difference(Exception):
    """A step's answer isn't what the case expects."""


class Run:
    """One run of one case: its values, its clients, what it has seen so far."""

    def __init__(self, case, clients, account):
        self.case = case
        self.clients = clients
        self.values = Values(account, case.get("region", "us-east-1"))
        self.matcher = Matcher()

    def everything(self, pending=()):
        """Runs all steps. `pending` are the steps that are known to differ; the names of those that do are returned."""
        differing = set()
        for index, step in enumerate(self.case.get("setup", []), 1):
            self.one(step, "setup %d" % index)
        for index, step in enumerate(self.case["steps"], 1):
            name = step_name(step, index)
            try:
                self.one(step, "step %d" % index)
            except Uncaptured as unknown:
                raise Difference("step %d needs %s, which no earlier step has captured" % (index, unknown)) from None
            except Difference:
                if name not in pending:
                    raise
                differing.add(name)
        return differing

    def one(self, step, where):
        args = self.values.fill(step.get("args", {}))
        if "wait" in step:
            return self.wait(step, args, where)
        if "until" in step:
            return self.until(step, args, where)
        answer = self.answer(step, args)
        uncaptured = self.capture(step, answer)
        if "expect" in step:
            self.check(step, args, answer, where)
        elif "Error" in answer or answer.get("status", 200) >= 400:
            raise Difference("%s, %s was refused: %s" % (where, said(step, args), shown(answer)))
        if uncaptured:
            raise Difference("%s, %s: the answer has no %s: %s" % (where, said(step, args), ", ".join(uncaptured), shown(answer)))

    def check(self, step, args, answer, where):
        for name, key in step.get("sort", {}).items():
            answer[name] = sorted(answer.get(name, []), key=lambda item: item[key])
        expectations = [step["expect"]] + ([step["or"]] if "or" in step else [])
        found = []
        for expected in expectations:
            found = self.matcher.differences(self.values.fill(expected), answer)
            if not found:
                return
        raise Difference("%s, %s:\n  %s" % (where, said(step, args), "\n  ".join(told(step["expect"], answer) or found)))

    def capture(self, step, answer):
        """Keeps values for later steps; which of them the answer doesn't have is returned."""
        missing = []
        for name, path in step.get("capture", {}).items():
            value = member(answer, path)
            if value is None:
                missing.append(path)
            else:
                self.values.captured[name] = value
        return missing

    def client(self, step):
        region = self.values.fill(step.get("region", self.values.region))
        account = self.values.fill(step.get("account", self.values.account))
        return self.clients(step.get("service", "lambda"), account, region)

    def wait(self, step, args, where):
        waiter = self.client(step).get_waiter(step["wait"])
        try:
            waiter.wait(**args, WaiterConfig={"Delay": POLL_S, "MaxAttempts": int(PATIENCE_S / POLL_S)})
        except botocore.exceptions.WaiterError as error:
            raise Difference("%s, %s: %s" % (where, said(step, args), error)) from None

    def until(self, step, args, where):
        """Asks again and again until the answer has the members of `until`."""
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = self.answer(step, args)
            if all(member(answer, name) == value for name, value in self.values.fill(step["until"]).items()):
                return
            if time.monotonic() > end:
                raise Difference("%s, %s never became %s: %s" % (where, said(step, args), step["until"], shown(answer)))
            time.sleep(POLL_S)

    def answer(self, step, args):
        if "http" in step:
            return self.raw(step)
        client = self.client(step)
        if "paginate" in step:
            pages = client.get_paginator(step["call"]).paginate(**args, PaginationConfig=step["paginate"])
            return plain(pages.build_full_result())
        try:
            answer = getattr(client, step["call"])(**args)
        except botocore.exceptions.ClientError as error:
            answer = error.response
        return readable(answer, step)

    def raw(self, step):
        """A request as it stands, for what boto3 would not send."""
        method, path = self.values.fill(step["http"]).split(" ", 1)
        body = self.values.fill(step.get("body"))
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        headers = {
            "Content-Type": "application/json",
            "Authorization": "AWS4-HMAC-SHA256 Credential=%s/20250101/%s/lambda/aws4_request, SignedHeaders=host, Signature=0"
            % (self.values.account, self.values.region),
            **self.values.fill(step.get("headers", {})),
        }
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(self.clients.url(path), data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return raw_answer(response.status, response.headers, response.read(), step)
        except urllib.error.HTTPError as error:
            return raw_answer(error.code, error.headers, error.read(), step)


def member(value, path):
    """What is at `Member.0.Member` of an answer; None where nothing is."""
    try:
        for part in path.split("."):
            value = value[int(part) if isinstance(value, list) else part]
    except (KeyError, IndexError, TypeError):
        return None
    return value


def raw_answer(status, headers, body, step):
    answer = {"status": status}
    wanted = {name.lower() for name in step.get("expect", {}).get("headers", {})}
    if wanted:
        answer["headers"] = {name.lower(): value for name, value in headers.items() if name.lower() in wanted}
    try:
        answer["body"] = json.loads(body) if body else ""
    except ValueError:
        answer["body"] = body.decode(errors="replace")
    return answer


def readable(answer, step):
    """An SDK's answer as the recordings have it: plain data, and of the metadata only the status."""
    metadata = answer.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    if not re.fullmatch(UUID, headers.get("x-amzn-requestid", "")):
        raise Difference("%s: no x-amzn-RequestId: %s" % (step["call"], headers))
    # Services that speak JSON 1.1 name the error in the body alone.
    named = step.get("service", "lambda") in ("lambda", "scheduler")
    if named and "Error" in answer and headers.get("x-amzn-errortype", "").split(":")[0] != answer["Error"].get("Code"):
        raise Difference("%s: x-amzn-ErrorType does not name %s: %s" % (step["call"], answer["Error"].get("Code"), headers))
    plain_answer = {name: plain(value) for name, value in answer.items()}
    plain_answer["ResponseMetadata"] = {"HTTPStatusCode": metadata.get("HTTPStatusCode")}
    if "headers" in step:
        plain_answer["ResponseMetadata"]["HTTPHeaders"] = {name: headers.get(name) for name in step["headers"]}
    return plain_answer


def plain(value):
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, botocore.eventstream.EventStream)):
        return [plain(item) for item in value]
    if isinstance(value, botocore.response.StreamingBody):
        return plain(value.read())
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode(errors="backslashreplace")
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value


def step_name(step, index):
    """How pending.txt calls a step: as its recording does, or by its number."""
    return step.get("records") or "step %d" % index


def told(expected, answer):
    """Where one is an error and the other is not, or another one, that is all there is to say."""
    wanted, got = expected.get("Error"), answer.get("Error")
    if wanted == got or (wanted and got and wanted.get("Code") == got.get("Code")):
        return []
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return ["expected %s" % shown(wanted or expected), "got      %s" % shown({"status": status, **(got or answer)})]


def said(step, args):
    what = step.get("call") or step.get("wait") or step.get("http")
    return "%s %s" % (what, shown(without_bytes(args)))


def without_bytes(value):
    if isinstance(value, dict):
        return {name: without_bytes(item) for name, item in value.items()}
    return "(%d bytes)" % len(value) if isinstance(value, bytes) else value
