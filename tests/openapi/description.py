"""openapi/firn.json as a table of operations, and the check of one reply against it."""
import json
import re
from pathlib import Path

from tests.openapi.schema import Schemas

ROOT = Path(__file__).resolve().parent.parent.parent
METHODS = ("get", "head", "post", "put", "delete", "options", "patch", "trace")
# Behind the first words of a path under /v1 lies one of the default warehouse; the second ones are
# never the name of a warehouse.
WITHOUT_PREFIX = ("namespaces", "tables", "views", "transactions")
NEVER_A_PREFIX = ("config", "oauth", "aws", "management")
# Headers that belong to HTTP and not to an operation
PLAIN_HEADERS = {"Date", "Content-Length", "Content-Type", "Connection",
                 "Content-Encoding", "Vary"}


def object_without_twins(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a member twice")
    return dict(pairs)


class Operation:
    def __init__(self, document, method, path, item):
        self.method, self.path = method.upper(), path
        self.item = item[method]
        self.id = self.item["operationId"]
        self.responses = self.item["responses"]
        schemas = Schemas(document)
        self.parameters = [schemas.resolve(p["$ref"]) if "$ref" in p else p for p in
                           item.get("parameters", []) + self.item.get("parameters", [])]
        body = self.item.get("requestBody", {}).get("content", {}).get("application/json")
        self.body = body and body["schema"]
        self.segments = path.strip("/").split("/")

    def matches(self, segments):
        return len(segments) == len(self.segments) and all(
            segment and segment not in NEVER_A_PREFIX if pattern == "{prefix}"
            else pattern[0] == "{" or pattern == segment
            for segment, pattern in zip(segments, self.segments))


class Description:
    def __init__(self, document=None):
        self.document = document or json.loads((ROOT / "openapi" / "firn.json").read_text())
        self.schemas = Schemas(self.document)
        self.operations = {}
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    operation = Operation(self.document, method, path, item)
                    assert operation.id not in self.operations, operation.id
                    self.operations[operation.id] = operation

    def find(self, method, target):
        """The operation of a request, or None. The path is split and not decoded."""
        segments = target.partition("?")[0].split("/")[1:]
        if len(segments) > 1 and segments[-1] == "":
            segments.pop()
        if "" in segments:
            return None
        if len(segments) > 1 and segments[0] == "v1" and segments[1] in WITHOUT_PREFIX:
            segments.insert(1, "default")
        for operation in self.operations.values():
            if operation.method == method and operation.matches(segments):
                return operation
        return None

    def response(self, operation, status):
        """As described, with its references followed; None when that status is not."""
        rows = self.document["x-no-operation"] if operation is None else operation.responses
        found = rows.get(str(status))
        return self.schemas.resolve(found["$ref"]) if found and "$ref" in found else found

    # ---- replies ------------------------------------------------------------------------------

    def problems(self, method, target, status, headers, body):
        """What is wrong with a reply. `headers`: pairs; `body`: bytes, or None when not recorded."""
        operation = self.find(method, target)
        response = self.response(operation, status)
        if response is None:
            return [f"status {status} is not described"]
        return (self.header_problems(response, headers, method == "HEAD" and operation is None)
                + ([] if body is None else self.body_problems(
                    response, status, headers, body, method)))

    def header_problems(self, response, headers, is_headless):
        found = []
        described = {name: self.schemas.resolve(h["$ref"]) if "$ref" in h else h
                     for name, h in response.get("headers", {}).items()}
        names = [name for name, _ in headers]
        for name, header in described.items():
            if header.get("required") and name not in names:
                found.append(f"header {name} is missing")
        for name, value in headers:
            if names.count(name) > 1:
                found.append(f"header {name} came twice")
            if name in described:
                found += self.schemas.problems(value, described[name]["schema"], f"header {name}")
            elif name not in PLAIN_HEADERS:
                found.append(f"header {name} is not described")
        kind, kinds = dict(headers).get("Content-Type"), list(response.get("content", {}))
        if kinds and not is_headless and kind not in kinds:
            found.append(f"Content-Type is {kind}, described is {kinds}")
        if not kinds and kind is not None:
            found.append(f"Content-Type {kind} where no body is described")
        return found

    def body_problems(self, response, status, headers, body, method):
        content = response.get("content")
        if not content or method == "HEAD":
            return [f"a body where none is described: {body[:100]!r}"] if body else []
        kind = dict(headers).get("Content-Type")
        if kind not in content:
            return []  # told already
        try:
            value = body.decode("utf-8")
            if kind == "application/json":
                value = json.loads(value, object_pairs_hook=object_without_twins)
        except ValueError as e:
            return [f"the body cannot be read: {e}"]
        found = self.schemas.problems(value, content[kind]["schema"])
        error = value["error"] if status >= 400 and not found else None
        if isinstance(error, dict) and error["code"] != status:  # OAuth's has no code
            found.append(f"code {error['code']} is not the status {status}")
        return found


def error_types():
    """{type: statuses} of base/error_kinds.h, the one table of them."""
    text = (ROOT / "base" / "error_kinds.h").read_text()
    types = {}
    for status, name in re.findall(r'X\(ERR_\w+,\s*(\d+),\s*"(\w+)"', text):
        types.setdefault(name, set()).add(int(status))
    assert types
    return types
