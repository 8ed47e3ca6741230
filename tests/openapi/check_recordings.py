#!/usr/bin/env python3
"""Checks recorded requests and replies against the description.

    tests/openapi/check_recordings.py DIR [--partial]

DIR holds what the harness wrote with FIRN_RECORD=DIR. Wrong is a reply that is not as described, a
request that was accepted although the description forbids it, and an operation that was never
answered with a success or never with an error (--partial: that is not looked at). A line per
finding; at the end `N passed, N failed`, in which each operation, each kind of reply and each kind
of accepted request counts once."""
import base64
import collections
import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from tests.openapi.description import Description  # noqa: E402
from tests.openapi.schema import Schemas  # noqa: E402

SHOWN_OF_A_KIND = 3


def recordings(folder):
    for path in sorted(Path(folder).glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def bytes_of(text):
    return None if text is None else base64.b64decode(text)


def lower_words(body):
    """Commits compare the words of action and type without regard to case."""
    if isinstance(body, list):
        return [lower_words(item) for item in body]
    if not isinstance(body, dict):
        return body
    words = {"action", "type", "direction", "null-order"}
    return {name: value.lower() if name in words and isinstance(value, str) else lower_words(value)
            for name, value in body.items()}


class Check:
    def __init__(self):
        self.description = Description()
        self.requests = Schemas(self.description.document, null_is_absent=True)
        self.seen = collections.defaultdict(set)  # operation id → statuses
        self.groups = {}  # what counts once → is it good
        self.shown = collections.Counter()

    def note(self, group, problems, record):
        self.groups[group] = self.groups.get(group, True) and not problems
        for problem in problems:
            self.shown[group] += 1
            if self.shown[group] <= SHOWN_OF_A_KIND:
                print(f"{' '.join(map(str, group))}: {problem}\n"
                      f"    {record['method']} {record['path'][:300]}")

    def reply(self, record):
        operation = self.description.find(record["method"], record["path"])
        name = operation.id if operation else "no operation"
        self.seen[name].add(record["status"])
        problems = self.description.problems(record["method"], record["path"], record["status"],
                                             record["headers"], bytes_of(record["body"]))
        self.note(("reply", name, record["status"]), problems, record)
        if operation and operation.body and record["status"] < 300:
            self.request(operation, record)

    def request(self, operation, record):
        body = bytes_of(record["request_body"])
        if body is None:
            return  # too large to be recorded
        try:
            value = json.loads(body)
        except ValueError as e:
            self.note(("request", operation.id), [f"accepted, but not JSON: {e}"], record)
            return
        problems = self.requests.problems(lower_words(value), operation.body)
        self.note(("request", operation.id), [f"accepted, but {p}" for p in problems], record)

    def coverage(self):
        for name, operation in self.description.operations.items():
            record = {"method": operation.method, "path": operation.path}
            statuses = self.seen[name]
            self.note(("success", name), [] if any(s < 400 for s in statuses) else ["never"], record)
            self.note(("error", name), [] if any(s >= 400 for s in statuses) else ["never"], record)


def main():
    check, count = Check(), 0
    for record in recordings(sys.argv[1]):
        check.reply(record)
        count += 1
    if "--partial" not in sys.argv[2:]:
        check.coverage()
    failed = sum(1 for good in check.groups.values() if not good)
    print(f"{count} replies of {len([s for s in check.seen.values() if s])} operations")
    print(f"{len(check.groups) - failed} passed, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
