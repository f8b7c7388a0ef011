"""Compares an answer with what a case expects, member by member; nothing may be missing and nothing may be there besides.

`<uuid>`, `<date>`, …      a part that differs from run to run, of the form that its word asks for
`<uuid:1>`                 the same, and one value throughout the case; `<uuid:2>` is another one
`<re>[a-z]+`               a string that the whole regular expression matches
a document where the answer has a string: the string is JSON and is compared as such
"""

import json
import re

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: What a word in angle brackets stands for; a word that isn't here stands for anything but nothing.
KINDS = {
    "uuid": UUID,
    "request-id": UUID,
    "date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:\+0000|\+00:00|Z)",
    "datetime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d:\d\d",
    "code-sha256": r"[A-Za-z0-9+/]{43}=|[0-9a-f]{64}",
    "location": r"https?://\S+",
    "layer-location": r"https?://\S+",
    "function-url": r"https?://\S+/",
    "resource": r"[^:/\"\s]+",
    "marker": r"\S+",
    "text": r"(?s:.*)",
}
NUMBERS = {"code-size", "number"}
TOKEN = re.compile(r"<([a-z][a-z0-9_-]*)(?::(\d+))?>")
ABSENT = object()


#: What this server adds to AWS's answers: where a function finds its services, and whom it trusts there.
OURS = {
    "Payload.environment.AWS_ENDPOINT_URL": "http://169.254.100.1:4566",
    "Payload.environment.AWS_CA_BUNDLE": "/etc/lambent/ca-bundle.pem",
    "Payload.environment.REQUESTS_CA_BUNDLE": "/etc/lambent/ca-bundle.pem",
    "Payload.environment.SSL_CERT_FILE": "/etc/lambent/ca-bundle.pem",
    "Payload.environment.NODE_EXTRA_CA_CERTS": "/etc/lambent/authority.pem",
}


class Matcher:
    """Keeps what `<word:n>` turned out to be, over all steps of a case."""

    def __init__(self):
        self.bound = {}

    def differences(self, expected, actual, at=""):
        """What differs, one sentence each. Bindings of a comparison that differs are forgotten."""
        before = dict(self.bound)
        found = list(self._compare(expected, actual, at))
        if found:
            self.bound = before
        return found

    def _compare(self, expected, actual, at):
        if isinstance(expected, (dict, list)) and isinstance(actual, str):
            try:
                actual = json.loads(actual)
            except ValueError:
                yield "%s: expected a JSON document, got %s" % (at or "answer", shown(actual))
                return
        if isinstance(expected, dict) and isinstance(actual, dict):
            yield from self._compare_members(expected, actual, at)
        elif isinstance(expected, list) and isinstance(actual, list):
            if len(expected) != len(actual):
                yield "%s: expected %d items, got %d: %s" % (at or "answer", len(expected), len(actual), shown(actual))
            for index, (one, other) in enumerate(zip(expected, actual)):
                yield from self._compare(one, other, "%s[%d]" % (at, index))
        elif isinstance(expected, str):
            yield from self._compare_text(expected, actual, at)
        elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
            yield "%s: expected %s, got %s" % (at or "answer", shown(expected), shown(actual))

    def _compare_members(self, expected, actual, at):
        for name in sorted(set(expected) | set(actual)):
            path = "%s.%s" % (at, name) if at else name
            if name not in actual:
                yield "%s: expected %s, is not there" % (path, shown(expected[name]))
            elif path in OURS and actual[name] == OURS[path]:
                continue
            elif name not in expected:
                yield "%s: should not be there, is %s" % (path, shown(actual[name]))
            else:
                yield from self._compare(expected[name], actual[name], path)

    def _compare_text(self, expected, actual, at):
        wrong = "%s: expected %s, got %s" % (at or "answer", shown(expected), shown(actual))
        whole = TOKEN.fullmatch(expected)
        if whole and whole[1] in NUMBERS:
            if isinstance(actual, bool) or not isinstance(actual, (int, float)):
                yield wrong
            return
        if not isinstance(actual, str):
            yield wrong
            return
        if expected.startswith("<re>"):
            if not re.fullmatch(expected[4:], actual):
                yield wrong
            return
        names, pattern = self._pattern(expected)
        found = re.fullmatch(pattern, actual)
        if not found:
            yield wrong
            return
        for group, (word, number) in names.items():
            yield from self._bind(word, number, found[group], at)

    def _pattern(self, expected):
        """A regular expression for `expected`, and which group is which numbered word."""
        names, parts, end = {}, [], 0
        for index, token in enumerate(TOKEN.finditer(expected)):
            parts.append(re.escape(expected[end:token.start()]))
            word, number = token[1], token[2]
            known = self.bound.get((word, number)) if number else None
            if known is not None:
                parts.append(re.escape(known))
            elif number:
                names["g%d" % index] = (word, number)
                parts.append("(?P<g%d>%s)" % (index, KINDS.get(word, r"(?s:.+?)")))
            else:
                parts.append("(?:%s)" % KINDS.get(word, r"(?s:.+?)"))
            end = token.end()
        parts.append(re.escape(expected[end:]))
        return names, "".join(parts)

    def _bind(self, word, number, value, at):
        known = self.bound.setdefault((word, number), value)
        if known != value:
            yield "%s: <%s:%s> was %s before, is %s now" % (at, word, number, shown(known), shown(value))
        for (other_word, other_number), other in self.bound.items():
            if other_word == word and other_number != number and other == value:
                yield "%s: <%s:%s> should differ from <%s:%s>, both are %s" % (at, word, number, word, other_number, shown(value))


def shown(value):
    """`value` in one line that stays readable."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 600 else "%s… (%d characters)" % (text[:600], len(text))
