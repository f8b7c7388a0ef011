"""What a case writes in braces: names of its own, ARNs, packages, values of earlier answers.

`{function}`, `{function:2}`, `{layer}`   names that no other case has
`{arn:function}`, `{arn:layer:2}`          the ARNs of such names
`{account}`, `{region}`, `{role}`          where the case runs: every case has an account of its own
`{zip:echo}`                               the bytes of packages/echo as a zip (alone in its string)
`{base64:echo}`, `{sha256:echo}`           the same for raw requests, and its CodeSha256
`{size:echo}`, `{size:echo*2}`             its CodeSize, and a multiple of it
`{zeros:9999}`                             the bytes of a zip of one file of so many zeros (alone in its string)
`{hex:00ff}`                               bytes (alone in its string)
`{repeat:x:4096}`                          4096 times "x"
`{host:url}`                               the host of a captured URL
`{anything else}`                          a captured value
"""

import base64
import hashlib
import io
import pathlib
import re
import urllib.parse
import uuid
import zipfile

PACKAGES = pathlib.Path(__file__).parent / "packages"
#: A placeholder begins with a lower-case letter, so neither JSON in strings nor `\d{12}` in patterns looks like one.
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_-]*(?::[^{}]*)?)\}")
NAMED = ("function", "layer", "name")


class Uncaptured(Exception):
    """What is neither a placeholder nor a value that a step has captured."""


def package(name):
    """The zip of a directory below packages/, the same bytes every time."""
    root = PACKAGES / name
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert files, "no package %s" % name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            info = zipfile.ZipInfo(str(path.relative_to(root)), (2025, 1, 1, 0, 0, 0))
            info.external_attr = ((path.stat().st_mode & 0o755) | 0o100000) << 16
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def zeros(size):
    """A small zip that grows: one file of `size` zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("zeros", "w") as file:
        block = bytes(1 << 20)
        for start in range(0, size, len(block)):
            file.write(block[:size - start])
    return buffer.getvalue()


class Values:
    """The values of one run of one case."""

    def __init__(self, account, region):
        self.account = account
        self.region = region
        self.suffix = uuid.uuid4().hex[:8]
        self.captured = {}

    def fill(self, value):
        """`value` with its placeholders replaced, whatever it is made of."""
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        whole = PLACEHOLDER.fullmatch(value)
        if whole:
            return self.one(whole[1])
        return PLACEHOLDER.sub(lambda found: str(self.one(found[1])), value)

    def one(self, text):
        if text in self.captured:
            return self.captured[text]
        word, _, rest = text.partition(":")
        if word in NAMED:
            return "-".join(filter(None, [word, rest, self.suffix]))
        if word == "arn":
            kind, name = rest.partition(":")[0], self.one(rest)
            return "arn:aws:lambda:%s:%s:%s:%s" % (self.region, self.account, kind, name)
        simple = {
            "account": self.account, "region": self.region, "role": "arn:aws:iam::%s:role/lambda-role" % self.account,
        }
        if text in simple:
            return simple[text]
        if word == "host":
            return urllib.parse.urlsplit(self.one(rest)).netloc
        return self.made(word, rest, text)

    @staticmethod
    def made(word, rest, text):
        if word == "zip":
            return package(rest)
        if word == "base64":
            return base64.b64encode(package(rest)).decode()
        if word == "sha256":
            return base64.b64encode(hashlib.sha256(package(rest)).digest()).decode()
        if word == "size":
            name, _, times = rest.partition("*")
            return len(package(name)) * int(times or 1)
        if word == "zeros":
            return zeros(int(rest))
        if word == "hex":
            return bytes.fromhex(rest)
        if word == "repeat":
            what, _, times = rest.rpartition(":")
            return what * int(times)
        raise Uncaptured(text)
