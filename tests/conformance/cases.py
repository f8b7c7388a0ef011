"""The cases and the list of those that are pending."""

import json
import pathlib

HERE = pathlib.Path(__file__).parent


def load():
    """All cases, each with `file` and `id`."""
    found = []
    for path in sorted((HERE / "cases").glob("*.json")):
        for case in json.loads(path.read_text())["cases"]:
            found.append({**case, "file": path.stem, "id": "%s: %s" % (path.stem, case["name"])})
    return found


def pending():
    """`{case id: {step or None: reason}}` of pending.txt; None stands for the whole case.

    A line is `file: name of the case | reason`, or `file: name of the case | step | reason` where only that step's answer
    differs.
    """
    listed = {}
    for line in (HERE / "pending.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        case, *step, reason = [part.strip() for part in line.split(" | ")]
        listed.setdefault(case, {})[step[0] if step else None] = reason
    return listed
