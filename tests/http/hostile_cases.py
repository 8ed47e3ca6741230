"""Hostile requests made from the description, each with the one status that is right for it.

The statuses follow from rules, which stand beside the generators; none was ever read off a server.
Where the description leaves a choice the contract decides: rest.md 1.1 to 1.9 and 3, reliability.md
3.9 and 3.10. The same seed makes the same cases. Of long lists of like values each operation gets a
share, so that all of them are used somewhere; with FIRN_HOSTILE=all, all of them everywhere."""
import copy
import json
import os
import random
import re

from tests.openapi.description import Description

SEED = 20240607
NS, TABLE, VIEW, FUNCTION, WAREHOUSE = "bad", "t", "v", "f", "default"
UUID = "2cc52516-5e73-41f2-b139-545d41a4e151"
TOKENS = {  # filled in when a server runs
    "@table-metadata@": lambda test: test.table_location, "@view-metadata@": lambda test: test.view_location}


class Case:
    def __init__(self, label, method, path, status, body=None, headers=None, reply_headers=None):
        self.label, self.method, self.path, self.status = label, method, path, status
        self.body, self.headers = body, headers or {}
        self.reply_headers = reply_headers or {}  # name → value, or None: must not be that request's


# ---- good requests, to be spoiled -------------------------------------------------------------

SCHEMA = {"type": "struct", "schema-id": 0, "identifier-field-ids": [1], "fields": [
    {"id": 1, "name": "id", "type": "long", "required": True, "doc": "d"},
    {"id": 2, "name": "l", "required": False, "type": {
        "type": "list", "element-id": 3, "element": "string", "element-required": False}},
    {"id": 4, "name": "m", "required": False, "type": {
        "type": "map", "key-id": 5, "key": "string", "value-id": 6, "value": "int",
        "value-required": False}},
    {"id": 7, "name": "s", "required": False, "type": {"type": "struct", "fields": [
        {"id": 8, "name": "x", "type": "int", "required": False}]}}]}
SPEC = {"spec-id": 0, "fields": [
    {"source-id": 1, "field-id": 1000, "transform": "bucket[16]", "name": "id_bucket"}]}
ORDER = {"order-id": 1, "fields": [
    {"source-id": 1, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]}
SNAPSHOT = {"snapshot-id": 77, "parent-snapshot-id": 76, "sequence-number": 1, "timestamp-ms": 1,
            "manifest-list": "x", "summary": {"operation": "append"}, "schema-id": 0,
            "first-row-id": 0, "added-rows": 1, "key-id": "k", "manifests": ["m"]}
STATISTICS = {"snapshot-id": 1, "statistics-path": "x", "file-size-in-bytes": 1,
              "file-footer-size-in-bytes": 1, "key-metadata": "k", "blob-metadata": [
                  {"type": "t", "snapshot-id": 1, "sequence-number": 1, "fields": [1],
                   "properties": {"a": "b"}}]}
VERSION = {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {"engine": "x"},
           "default-catalog": "c", "default-namespace": [NS],
           "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "spark"}]}
FUNCTION_METADATA = {
    "function-uuid": UUID, "format-version": 1, "location": "", "secure": False, "doc": "d",
    "properties": {"a": "b"}, "definitions": [{
        "definition-id": "int", "specific-name": "f", "doc": "d", "function-type": "udf",
        "parameters": [{"name": "x", "type": "int", "doc": "d"}], "return-type": "int",
        "return-nullable": True, "current-version-id": 1, "versions": [{
            "version-id": 1, "timestamp-ms": 1, "deterministic": True, "on-null-input": "call",
            "representations": [{"type": "sql", "dialect": "spark", "sql": "x"}]}]}],
    "definition-log": [{"timestamp-ms": 1, "definition-versions": [
        {"definition-id": "int", "version-id": 1}]}]}

SPECIAL_VALUES = {  # members of updates and requirements that need more than their type
    "schema": SCHEMA, "spec": SPEC, "sort-order": ORDER, "snapshot": SNAPSHOT,
    "statistics": STATISTICS, "partition-statistics": {
        "snapshot-id": 1, "statistics-path": "x", "file-size-in-bytes": 1},
    "encryption-key": {"key-id": "k", "encrypted-key-metadata": "eA==", "encrypted-by-id": "o",
                       "properties": {"a": "b"}},
    "view-version": VERSION, "uuid": UUID, "type": "branch", "format-version": 2,
}
GOOD_UPDATE = {"action": "set-properties", "updates": {"a": "b"}}
NO_CHANGE = {"requirements": [], "updates": []}
CREATE_COMMIT = {"requirements": [{"type": "assert-create"}], "updates": [
    {"action": "assign-uuid", "uuid": UUID}, {"action": "add-schema", "schema": SCHEMA},
    {"action": "set-current-schema", "schema-id": -1}, {"action": "add-spec", "spec": SPEC},
    {"action": "set-default-spec", "spec-id": -1}, {"action": "add-sort-order", "sort-order": ORDER},
    {"action": "set-default-sort-order", "sort-order-id": -1}]}
IDENTIFIER = {"namespace": [NS], "name": TABLE}
FRESH = {"namespace": [NS], "name": "fresh"}

SIGN = {"region": "us-east-1", "uri": "http://127.0.0.1/b/k", "method": "GET", "headers": {},
        "properties": {}, "body": "x", "provider": "s3"}

EXAMPLES = {
    "createNamespace": {"namespace": ["fresh"], "properties": {"a": "b"}},
    "updateProperties": {"removals": ["a"], "updates": {"b": "c"}},
    "createTable": {"name": "fresh", "location": "", "schema": SCHEMA, "partition-spec": SPEC,
                    "write-order": ORDER, "stage-create": True, "properties": {"a": "b"}},
    "registerTable": {"name": "fresh", "metadata-location": "@table-metadata@", "overwrite": False},
    "updateTable": NO_CHANGE,
    "reportMetrics": {"report-type": "scan-report"},
    "renameTable": {"source": IDENTIFIER, "destination": FRESH},
    "commitTransaction": {"table-changes": [
        {"identifier": IDENTIFIER, "requirements": [], "updates": []}]},
    "createView": {"name": "fresh", "location": "", "schema": SCHEMA, "view-version": VERSION,
                   "properties": {"a": "b"}},
    "registerView": {"name": "fresh", "metadata-location": "@view-metadata@"},
    "replaceView": NO_CHANGE,
    "renameView": {"source": {"namespace": [NS], "name": VIEW}, "destination": FRESH},
    "createWarehouse": {"name": "fresh", "location": ""},
    "registerFunction": {"namespace": [NS], "name": "fresh", "metadata": FUNCTION_METADATA,
                         "overwrite": False},
    "createPrincipal": {"name": "fresh", "admin": False},
    "signRequest": SIGN,
    "signRequestByLocation": SIGN,
    "createGatewayKey": {"prefix": "x", "write": False, "expires-s": 60},
}
# Below what the others take; the largest body of an operation is its row's in server/routes.c
SMALL_BODY_BYTES = 256 << 10
SMALL_BODIES = ("createNamespace", "updateProperties", "registerTable", "renameTable",
                "registerView", "renameView", "createWarehouse", "createPrincipal", "createGatewayKey")
UNREAD_BODY_BYTES = 4096

# Members that only have to be of their type, because what they say is replaced (rest.md 5.2)
RENUMBERED = {"createView": ("view-version", "schema-id")}
SHARE = 10  # of a long list


def simple_value(schema):
    kind = schema.get("const") or schema.get("enum", [None])[0]
    if kind is not None:
        return kind
    return {"string": "x", "integer": 1, "boolean": True, "array": [], "object": {"a": "b"}}[
        schema["type"]]


def share(label, values):
    """Some of the values, others for other labels."""
    if os.environ.get("FIRN_HOSTILE") == "all" or len(values) <= SHARE:
        return values
    return random.Random(f"{SEED} {label}").sample(values, SHARE)


class Maker:
    def __init__(self):
        self.description = Description()
        self.schemas = self.description.schemas
        self.random = random.Random(SEED)
        self.operations = self.description.operations
        missing = {o.id for o in self.operations.values() if o.body} - set(EXAMPLES)
        assert not missing, f"no example of a body: {missing}"

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.schemas.resolve(schema["$ref"])
        return schema

    def fill(self, path, **segments):
        values = {"prefix": WAREHOUSE, "namespace": NS, "table": TABLE, "view": VIEW,
                  "warehouse": WAREHOUSE, "function": FUNCTION, "principal": "nobody", **segments}
        return re.sub(r"\{([a-z-]+)\}", lambda m: values[m.group(1)], path)

    def example(self, operation):
        return json.dumps(EXAMPLES[operation.id]).encode() if operation.body else None

    # ---- names in paths -----------------------------------------------------------------------

    # 400, whatever the operation: it cannot be decoded (rest.md 1.3)
    UNDECODABLE = ("%00", "a%00b", f"{NS}%00", "%", "a%", "%2", "a%2", "%zz", "%0g", "%u0041", "%ff",
                   "%80", "%c0%af", "%c0%80", "%ed%a0%80", "%f5%80%80%80", "%f0%9f%98", "%e0%80%af")
    # 404: a good name that nothing has. Nothing in it is structure, and nothing is decoded twice.
    STRANGERS = ("nobody", "%2F", "a%2Fb", f"{NS}%2Ftables%2F{TABLE}", "..%2F..%2Fetc%2Fpasswd", ".",
                 "..", "%2e", "%2e%2e", "%252F", "%2500", "%251F", "%2574", "%01", "%0A", "%0D%0A",
                 "%7F", "%C2%85", "+", "a+b", "a%20b", "%F0%9F%98%80", "e%CC%81", "%E2%80%AE", "'",
                 "%22", "*", "$%7Bx%7D", "%25s%25n", "a;b", "a:b", "a=b&c", "~", "%5C", "%3F", "%23",
                 NS.upper(), TABLE.upper(), f"{NS}.{TABLE}", f"%20{NS}", f"{NS}%20", "null", "0")
    # Names nothing can have: 404, like everything that is not there
    NEVER_NAMESPACES = ("%1F", "%1f", "a%1F", "%1Fa", "a%1F%1Fb", "%1F".join("a" * 33), "x" * 1025,
                        f"{NS}%1F", f"%1F{NS}")
    NEVER_NAMES = ("%1F", "a%1Fb", "x" * 1025, f"{TABLE}%1F")

    def path_cases(self):
        for operation in self.operations.values():
            for parameter in re.findall(r"\{([a-z-]+)\}", operation.path):
                yield from self.parameter_cases(operation, parameter)

    def parameter_cases(self, operation, parameter):
        never = {"namespace": self.NEVER_NAMESPACES, "table": self.NEVER_NAMES,
                 "view": self.NEVER_NAMES, "function": self.NEVER_NAMES}.get(parameter, ())
        label = f"{operation.id} {parameter}"
        for segment in share(label, self.UNDECODABLE):
            yield self.with_segment(operation, parameter, segment, 400)
        for segment in [*share(label, self.STRANGERS), *never]:
            yield self.with_segment(operation, parameter, segment, self.missing(operation, parameter))
        if operation.id == "updateTable" and parameter == "table":
            for segment in self.NEVER_NAMES:  # 400: the commit would make it
                case = self.with_segment(operation, parameter, segment, 400)
                case.body = json.dumps(CREATE_COMMIT).encode()
                yield case

    @staticmethod
    def missing(operation, parameter):
        """A report comes after its table may have gone (rest.md 11)."""
        gone_is_fine = operation.id == "reportMetrics" and parameter in ("namespace", "table")
        return 204 if gone_is_fine else 404

    def with_segment(self, operation, parameter, segment, status):
        path = self.fill(operation.path, **{parameter: segment})
        if operation.id == "listMetricsReports":
            path += f"?namespace={NS}&table={TABLE}"
        return Case(f"{operation.id} {parameter} {segment[:40]}", operation.method, path, status,
                    self.example(operation))

    # ---- paths that are none ------------------------------------------------------------------

    def nowhere_cases(self):
        """400 below /v1, where a 404 would be taken for a missing table, and 404 elsewhere; 400 for
        an empty segment, but for one at the end (rest.md 1.1, 1.3)."""
        for path in ("/v1", "/v1/", "/v1/nothing", f"/v1/{WAREHOUSE}", f"/v1/{WAREHOUSE}/nothing",
                     f"/v1/namespaces/{NS}/nothing", f"/v1/namespaces/{NS}/tables/{TABLE}/nothing",
                     f"/v1/namespaces/{NS}/tables/{TABLE}/metrics/x", "/v1/config/x", "/v1/tables",
                     "/v1/views", "/v1/transactions", "/v1/NAMESPACES", "/v1/config/namespaces",
                     f"/v1/a/b/namespaces/{NS}", f"/v1/{WAREHOUSE}%2Fnamespaces", "/v1/management/v1",
                     "//", "//v1/config", "/v1//config", "/v1/config//", "/v1/namespaces//tables",
                     f"/v1/namespaces/{NS}/tables//", "/" + "a/" * 40, "/metrics//"):
            yield Case(f"nowhere {path[:40]}", "GET", path, 400)
        for path in ("/", "/nothing", "/V1/config", "/v2/config", "/v1x/config", "/health",
                     "/health/live/x", "/metrics/x", "/openapi", "/openapi.yml", "/openapi.yaml/x",
                     "/management", "/management/v1", "/management/v1/nothing", "/index.html",
                     "/%76%31/config", "/.well-known/x", "/favicon.ico"):
            yield Case(f"nowhere {path}", "GET", path, 404)
        for path in ("/v1/config/", "/health/live/", "/v1/namespaces/", f"/v1/namespaces/{NS}/",
                     f"/v1/namespaces/{NS}/tables/{TABLE}/", f"/v1/{WAREHOUSE}/namespaces/{NS}/"):
            yield Case(f"slash at the end of {path}", "GET", path, 200)

    # ---- verbs --------------------------------------------------------------------------------

    VERBS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "BREW")

    def verb_cases(self):
        """405 and the verbs there are; one that HTTP does not know at all is no different."""
        for path in self.description.document["paths"]:
            there = [o.method for o in self.operations.values() if o.path == path]
            for verb in self.VERBS:
                if verb not in there:
                    yield Case(f"{verb} on {path}", verb, self.fill(path), 405,
                               reply_headers={"Allow": set(there)})

    # ---- query parameters ---------------------------------------------------------------------

    BAD_ESCAPES = ("%00", "a%00", "%", "%2", "%zz", "%ff", "%c0%af", "%ed%a0%80")
    BAD_INTEGERS = ("", "0", "-1", "-0", "1.0", "5.0", "1e3", "ten", "0x10", "1,000", "+1", "%2B1",
                    "%201", "1%20", "9223372036854775808", "-9223372036854775809",
                    "99999999999999999999", "9" * 400, "NaN", "true", "null", "[1]", "1%0A",
                    "%D9%A1")
    BAD_BOOLEANS = ("", "maybe", "1", "0", "yes", "truefalse", "%20true", "true%20", "null", "t")
    BAD_MODES = ("", "none", "al", "alll", "refs,all", "%20refs", "null", "0")

    def query_cases(self):
        for operation in self.operations.values():
            for parameter in operation.parameters:
                if parameter["in"] == "query":
                    for value, status in self.query_values(operation, parameter):
                        yield self.with_query(operation, parameter["name"], value, status)
            if operation.method == "GET":
                yield from self.general_query_cases(operation)

    def query_values(self, operation, parameter):
        """400: it cannot be decoded, is not of its type, or was never given (tokens)."""
        name, schema = parameter["name"], parameter["schema"]
        bad = list(self.BAD_ESCAPES)
        if schema["type"] == "integer":
            bad += self.BAD_INTEGERS
        elif name == "purgeRequested":
            bad += self.BAD_BOOLEANS
        elif name == "snapshots":
            bad += self.BAD_MODES
        elif name == "pageToken":
            bad += ["x", "garbage", "AAAA", "A" * 8000, "%7B%7D", "dA", "bmE=", "null", "-1", "%20"]
        elif name in ("namespace", "table", "name"):
            bad += [""]  # one without the other
        for value in bad:
            yield value, 400
        if name in ("parent", "warehouse"):  # names as in paths, of something that is not there
            for value in ("nobody", "%2F", "%2e%2e", "%1Fa" if name == "parent" else "%1F", "%2500",
                          "'%20OR%201=1", "%F0%9F%98%80", "x" * 1025):
                yield value, 404

    def with_query(self, operation, name, value, status):
        given = {"namespace": NS, "table": TABLE} if operation.id.startswith("list") and any(
            p["name"] == "namespace" and p["in"] == "query" for p in operation.parameters) else {}
        if operation.id == "dropFunction":
            given = {"namespace": NS, "name": FUNCTION}
        given = {key: text for key, text in given.items() if key != name}
        query = "&".join(f"{key}={text}" for key, text in {**given, name: value}.items())
        return Case(f"{operation.id} {name}={value[:40]}", operation.method,
                    f"{self.fill(operation.path)}?{query}", status, self.example(operation))

    def general_query_cases(self, operation):
        """What is not known is ignored, whatever it holds; of two the first counts (rest.md 1.4)."""
        path = self.fill(operation.path)
        needed = f"namespace={NS}&table={TABLE}&" if operation.id == "listMetricsReports" else ""
        for query in ("", "x=1", "x", "=", "&&", "x=%zz", "x=%00", "x=a?b", "PAGESIZE=0", "pagesize=0",
                      "x=" + "y" * 4000):
            yield Case(f"{operation.id} ?{query[:20]}", "GET", f"{path}?{needed}{query}", 200)
        names = [p["name"] for p in operation.parameters
                 if p["in"] == "query" and p["schema"]["type"] == "integer"]
        for name in names:
            yield Case(f"{operation.id} good {name} first", "GET",
                       f"{path}?{needed}{name}=1&{name}=0", 200)
            yield Case(f"{operation.id} bad {name} first", "GET",
                       f"{path}?{needed}{name}=0&{name}=1", 400)
            for good in ("1", "001", "9223372036854775807"):
                yield Case(f"{operation.id} {name}={good}", "GET", f"{path}?{needed}{name}={good}", 200)

    # ---- headers ------------------------------------------------------------------------------

    BAD_KEYS = ("", "garbage", "1", "null", UUID[:-1], UUID + "0", UUID.replace("-", ""),
                "{" + UUID + "}", "urn:uuid:" + UUID, UUID.replace("c", "g"), UUID.replace("-", "_"),
                f" {UUID[:-1]} ", f"{UUID},{UUID}", "a" * 5000, "'; DROP TABLE idempotency; --" + "x" * 7)
    BAD_CODINGS = ("br", "gzip", "deflate", "compress", "zstd", "x", "gzip, br", "identity, identity", "*")

    def header_cases(self):
        for operation in self.operations.values():
            yield from self.key_cases(operation)
            if operation.body:
                for coding in self.BAD_CODINGS:
                    yield self.with_header(operation, "Content-Encoding", coding, 400)
            if self.is_harmless(operation):
                yield from self.harmless_header_cases(operation)
            yield from self.large_header_cases(operation)
        yield from self.tag_cases()

    @staticmethod
    def is_harmless(operation):
        """Answered with a success and without a change, as it stands."""
        return operation.method in ("GET", "HEAD") or operation.id in ("updateTable", "replaceView")

    def with_header(self, operation, name, value, status, reply_headers=None):
        path = self.fill(operation.path)
        if operation.id == "listMetricsReports":
            path += f"?namespace={NS}&table={TABLE}"
        return Case(f"{operation.id} {name}: {value[:40]}", operation.method, path, status,
                    self.example(operation), {name: value}, reply_headers)

    @staticmethod
    def success(operation):
        return min(map(int, operation.responses))

    def key_cases(self, operation):
        """A key is a UUID (rest.md 7); where none is taken, nobody looks at it."""
        takes = any(p["name"] == "Idempotency-Key" for p in operation.parameters)
        if takes or self.is_harmless(operation):
            for key in share(f"{operation.id} keys", self.BAD_KEYS):
                yield self.with_header(operation, "Idempotency-Key", key,
                                       400 if takes else self.success(operation))

    def harmless_header_cases(self, operation):
        """rest.md 1.6: lenient about types, silent about what it does not know."""
        values = {
            "Content-Type": ("text/plain", "application/json; charset=utf-8", "x", "", "a/b/c",
                             "multipart/form-data", "application/x-www-form-urlencoded"),
            "Accept": ("*/*", "application/json", "application/*;q=0.1", ""),
            "Accept-Encoding": ("identity", "br", "x", "", "gzip;q=0", "gzip", "*", "gzip;q=x", ",,gzip"),
            "Authorization": ("Bearer None", "Basic eDp5", "x", "Bearer " + "x" * 4000, ""),
            "X-Iceberg-Access-Delegation": ("vended-credentials", "x,,y", "", "remote-signing, x"),
            "X-Client-Version": ("'; DROP", "x" * 4000), "User-Agent": ("", "%s%n", "x" * 4000),
            "Cookie": ("a=b; c",), "Range": ("bytes=0-1", "bytes=-99999999999999999999"),
            "If-Match": ('"x"', "*"), "If-Modified-Since": ("never",), "X-Forwarded-For": ("::1, x",),
            "X-HTTP-Method-Override": ("DELETE",), "Prefer": ("x",), "Upgrade": ("h2c",),
        }
        pairs = [(name, text) for name, texts in values.items() for text in texts]
        for name, text in share(f"{operation.id} headers", pairs):
            yield self.with_header(operation, name, text, self.success(operation))
        for request_id in ("a b", "", "x" * 129, "a/b", "a%00", "<script>", "a\"b"):
            yield self.with_header(operation, "X-Request-Id", request_id, self.success(operation),
                                   {"X-Request-Id": None})
        for request_id in ("a", "x" * 128, "A.b_c:d-9"):
            yield self.with_header(operation, "X-Request-Id", request_id, self.success(operation),
                                   {"X-Request-Id": request_id})

    def large_header_cases(self, operation):
        yield self.with_header(operation, "X-Large", "x" * 25000, 431)
        case = self.with_header(operation, "X-Many", "x", 431)
        case.headers = {f"X-{i}": "x" for i in range(101)}
        yield case
        case = self.with_header(operation, "X-Long", "x", 414)
        case.path += ("&" if "?" in case.path else "?") + "x" * 17000
        yield case

    def tag_cases(self):
        """rest.md 8: forgiving about weak marks and missing quotes, and about what is none."""
        load = self.operations["loadTable"]
        for value in ('"x"', "x", "W/", '"', '""', ",,,", "W/\"x\", \"y\"", "x" * 8000, "\"@etag@x\""):
            yield self.with_header(load, "If-None-Match", value, 200)
        for value in ("@etag@", "*"):
            yield self.with_header(load, "If-None-Match", value, 304)
        gone = self.with_header(load, "If-None-Match", "*", 404)
        gone.path = self.fill(load.path, table="nobody")
        yield gone

    # ---- bodies -------------------------------------------------------------------------------

    NOT_JSON = {
        "nothing": b"", "space": b" \n\t\r ", "cut": b'{"a":', "closed twice": b"{}}",
        "wrong bracket": b'{"a":[1}', "no value": b'{"a":}', "no colon": b'{"a" 1}',
        "single quotes": b"{'a':1}", "last comma": b'{"a":1,}', "first comma": b'{,"a":1}',
        "no quotes": b"{a:1}", "bare word": b"nul", "capitals": b'{"a":True}', "two texts": b"{}{}",
        "bytes behind": b"{} x", "NUL behind": b"{}\0", "byte order mark": b"\xef\xbb\xbf{}",
        "form": b"a=b&c=d", "XML": b"<a/>", "comment": b"{/* */}", "line comment": b"{}//x",
        "control": b'{"a":"\x01"}', "line end in text": b'{"a":"\n"}', "bad UTF-8": b'{"a":"\xff"}',
        "overlong UTF-8": b'{"a":"\xc0\x80"}', "surrogate bytes": b'{"a":"\xed\xa0\x80"}',
        "lone surrogate": rb'{"a":"\ud800"}', "swapped surrogates": rb'{"a":"\ude00\ud83d"}',
        "escaped NUL": rb'{"a":"\u0000"}', "escaped NUL in a key": rb'{"\u0000":1}',
        "unknown escape": rb'{"a":"\x41"}', "leading zero": b'{"a":01}', "plus": b'{"a":+1}',
        "point first": b'{"a":.5}', "point last": b'{"a":5.}', "hexadecimal": b'{"a":0x10}',
        "not a number": b'{"a":NaN}', "infinity": b'{"a":Infinity}', "minus": b'{"a":-}',
        "2^63": b'{"a":9223372036854775808}', "-2^63-1": b'{"a":-9223372036854775809}',
        "200 digits": b'{"a":' + b"9" * 200 + b"}", "twins": b'{"a":1,"a":1}',
        "twins, escaped": rb'{"a":1,"\u0061":2}', "twins inside": b'{"z":[{"b":{"a":1,"a":2}}]}',
        "65 deep": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "20000 deep": b"[" * 20000,
        "objects deep": b'{"a":' * 65 + b"1" + b"}" * 65, "UTF-16": '{"a":1}'.encode("utf-16"),
        "UTF-32": '{"a":1}'.encode("utf-32-be"), "gzip": bytes.fromhex("1f8b08000000000000ff"),
    }
    NOT_AN_OBJECT = {"array": b"[]", "array of objects": b"[{}]", "number": b"1", "text": b'"{}"',
                     "null": b"null", "true": b"true", "real": b"1.5"}
    TRUNCATIONS = 12

    def body_cases(self):
        """400: not JSON as rest.md 1.6 wants it, or no object; 413: more than is taken."""
        for operation in self.operations.values():
            path = self.fill(operation.path)
            if operation.id == "listMetricsReports":
                path += f"?namespace={NS}&table={TABLE}"
            if operation.body:
                yield from self.json_cases(operation, path)
            elif "requestBody" in operation.item:
                yield from self.form_cases(operation, path)
            elif operation.method != "HEAD":
                yield Case(f"{operation.id} large body", operation.method, path, 413,
                           b" " * (UNREAD_BODY_BYTES + 1))
                if operation.method == "GET":
                    for name in ("cut", "NUL behind", "bad UTF-8", "20000 deep"):
                        yield Case(f"{operation.id} body nobody reads, {name}", "GET", path, 200,
                                   self.NOT_JSON[name][:UNREAD_BODY_BYTES])

    FORM = {"Content-Type": "application/x-www-form-urlencoded"}
    CLIENT = "grant_type=client_credentials&client_id=a&client_secret=b"
    EXCHANGE = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
    TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
    BAD_FORMS = (  # 400: no form, or not what a grant needs (rest.md 12)
        "", "&", "=", "x", "{}", "grant_type", "grant_type=", "grant_type=password&username=a&password=b",
        "grant_type=refresh_token&refresh_token=x", "grant_type=implicit", "GRANT_TYPE=client_credentials",
        "grant_type=CLIENT_CREDENTIALS", "grant_type=client_credentials%00", "grant_type=%zz",
        "grant_type=%ff", "%zz=1&" + CLIENT, "%00=1&" + CLIENT, CLIENT + "&client_id=a",
        CLIENT + "&grant_type=client_credentials", CLIENT + "&scope=a++b", CLIENT + "&scope=%20a",
        CLIENT + "&scope=%22", CLIENT + "&scope=" + "a" * 300, CLIENT + "&scope=%C3%A4", EXCHANGE,
        EXCHANGE + "&subject_token=x", EXCHANGE + "&subject_token=x&subject_token_type=" + TOKEN_TYPE,
        EXCHANGE + "&subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:saml2",
        EXCHANGE + "&subject_token=firn_" + "A" * 4000 + "&subject_token_type=" + TOKEN_TYPE)
    # 401: no client. None sends a wrong secret, as some of those make others wait.
    NO_CLIENT = ("grant_type=client_credentials", "grant_type=client_credentials&client_id=a",
                 "grant_type=client_credentials&client_secret=b",
                 "grant_type=client_credentials&client_id=&client_secret=&audience=x")

    def form_cases(self, operation, path):
        def case(label, status, body, path=path, **headers):
            return Case(f"{operation.id} {label[:60]}", operation.method, path, status, body.encode(),
                        {**self.FORM, **headers})

        for form in self.BAD_FORMS:
            yield case(form, 400, form)
        for form in self.NO_CLIENT:
            yield case(form, 401, form)
        yield case("in the query", 400, "", path + "?" + self.CLIENT)
        yield case("secret in the query", 400, self.NO_CLIENT[1], path + "?client_secret=b")
        for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", "x"):
            yield Case(f"{operation.id} as {kind}", operation.method, path, 400, self.CLIENT.encode(),
                       {"Content-Type": kind})
        for basic in ("", "!!!", "YQ==", "YTpi", "YTpi" * 2000):  # other client, no colon, no base64
            form = self.CLIENT if basic != "YTpi" else self.CLIENT.replace("id=a", "id=c")
            yield case(f"Basic {basic[:20]}", 400, form, Authorization=f"Basic {basic}")

    def json_cases(self, operation, path):
        good = self.example(operation)
        texts = share(f"{operation.id} texts", list(self.NOT_JSON.items()))
        for name, text in [("nothing", b""), *texts, *self.NOT_AN_OBJECT.items()]:
            yield Case(f"{operation.id} {name}", operation.method, path, 400, text)
        for i in range(self.TRUNCATIONS):  # no beginning of an object is a whole text
            cut = self.random.randrange(1, len(good))
            yield Case(f"{operation.id} cut {i}", operation.method, path, 400, good[:cut])
        for i in range(self.TRUNCATIONS):  # a quote, bracket or control in the wrong place
            at, what = self.random.randrange(1, len(good)), self.random.choice([b"\x00", b"\x1f", b"\xff"])
            yield Case(f"{operation.id} spoiled {i}", operation.method, path, 400,
                       good[:at] + what + good[at:])
        for i, text in enumerate(self.with_twins(EXAMPLES[operation.id])):
            yield Case(f"{operation.id} twin {i}", operation.method, path, 400, text)
        if operation.id in SMALL_BODIES:
            yield Case(f"{operation.id} large body", operation.method, path, 413,
                       b" " * (SMALL_BODY_BYTES + 1 - len(good)) + good)

    def with_twins(self, example):
        """The text, with the first member of each of its objects twice."""
        def dump(value, at, spoil):
            if isinstance(value, list):
                return "[" + ",".join(dump(v, at + (i,), spoil) for i, v in enumerate(value)) + "]"
            if not isinstance(value, dict):
                return json.dumps(value)
            members = [f"{json.dumps(k)}:{dump(v, at + (k,), spoil)}" for k, v in value.items()]
            return "{" + ",".join(members + members[:1] if at == spoil else members) + "}"

        def objects(value, at=()):
            if isinstance(value, dict) and value:
                yield at
            items = value.items() if isinstance(value, dict) else \
                enumerate(value) if isinstance(value, list) else ()
            for key, item in items:
                yield from objects(item, at + (key,))

        for spoil in objects(example):
            yield dump(example, (), spoil).encode()

    # ---- members ------------------------------------------------------------------------------

    def field_cases(self):
        for operation in self.operations.values():
            if not operation.body:
                continue
            for at, new in self.changes(operation.body, EXAMPLES[operation.id], ()):
                if RENUMBERED.get(operation.id) != at or not isinstance(new, int):
                    yield self.field_case(operation, *spoil(EXAMPLES[operation.id], at, new))
            for wrap, schema, example in self.parts(operation):
                for at, new in self.changes(schema, example, ()):
                    label, text = spoil(example, at, new)
                    yield self.field_case(operation, label, wrap(text))

    def field_case(self, operation, label, text):
        """400: a member that is missing, or not of its type, or beyond its bounds (rest.md 3)."""
        return Case(f"{operation.id} {label}", operation.method, self.fill(operation.path), 400,
                    text.encode("utf-8", "surrogatepass"))

    def parts(self, operation):
        """Updates and requirements of commits, each as it would be were it good, behind one that is:
        nothing of that may stay."""
        body = self.resolve(operation.body)
        if operation.id == "commitTransaction":
            return
        for name in ("updates", "requirements"):
            if name not in body.get("properties", {}) or operation.id == "updateProperties":
                continue
            items = self.resolve(self.resolve(body["properties"][name])["items"])
            options = items["discriminator"]["mapping"].values() if "discriminator" in items else [None]
            for ref in options:
                schema = self.schemas.resolve(ref) if ref else items
                example = {member: self.example_value(member, rule)
                           for member, rule in schema["properties"].items()}
                spellings = [a["required"][0] for a in schema.get("anyOf", ())] or [None]
                for spelling in spellings:  # an older and a newer one
                    one = {k: v for k, v in example.items()
                           if k == spelling or k not in spellings}
                    yield (lambda text, name=name: self.wrapped(name, text)), schema, one

    def example_value(self, member, rule):
        rule = self.resolve(rule)
        if "const" in rule:
            return rule["const"]
        return copy.deepcopy(SPECIAL_VALUES[member]) if member in SPECIAL_VALUES \
            else simple_value(rule)

    @staticmethod
    def wrapped(name, text):
        good = json.dumps(GOOD_UPDATE)
        if name == "updates":
            return f'{{"requirements":[],"updates":[{good},{text}]}}'
        return f'{{"requirements":[{text}],"updates":[{good}]}}'

    # (path of a member, what to put there), for every way to spoil one member of the value
    def changes(self, schema, value, at):
        schema = self.choose(self.resolve(schema), value)
        if isinstance(value, dict) and "properties" in schema:
            yield from self.member_changes(schema, value, at)
        elif isinstance(value, list) and value and "items" in schema:
            for new in (None, *self.wrong(schema["items"])):
                yield at + (0,), new
            yield from self.changes(schema["items"], value[0], at + (0,))

    def member_changes(self, schema, value, at):
        either = [a["required"][0] for a in schema.get("anyOf", ())]  # one of them is needed
        present = [member for member in either if member in value]
        needed = list(schema.get("required", ())) + (present if len(present) == 1 else [])
        for member, rule in schema["properties"].items():
            if member in either and member not in value:
                continue  # not looked at beside the other
            for new in self.wrong(rule):
                yield at + (member,), new
            if member in needed:
                yield at + (member,), DROP
                yield at + (member,), None
            if member in value:
                yield from self.changes(rule, value[member], at + (member,))

    def choose(self, schema, value):
        if "discriminator" in schema and "mapping" in schema["discriminator"]:
            word = value.get(schema["discriminator"]["propertyName"])
            return self.schemas.resolve(schema["discriminator"]["mapping"][word])
        if "oneOf" in schema and "properties" not in schema:
            for option in map(self.resolve, schema["oneOf"]):
                if not self.schemas.problems(value, option):
                    return option
        return schema

    def wrong(self, schema):
        """Values that the schema forbids; null is left out, as it may mean absence."""
        schema = self.resolve(schema)
        if "oneOf" in schema and "type" not in schema:
            return (1, True, [], {}, "no-such", "")
        kind = schema.get("type")
        found = {"string": (1, 1.5, True, [], {}), "boolean": ("true", 1, 0, [], {}),
                 "integer": ("1", "", True, 1.5, 5.0, Raw("1E2"), Raw("-0.0"), 1e300, [], {}, 2**63,
                             -2**63 - 1, Raw("1e400")),
                 "array": (1, "x", True, {}), "object": (1, "x", True, [])}.get(kind, ())
        found = list(found)
        bounds = {"string": self.wrong_texts, "integer": self.wrong_numbers,
                  "array": self.wrong_arrays, "object": self.wrong_objects}
        if kind in bounds:
            found += bounds[kind](schema)
        return found

    @staticmethod
    def wrong_texts(schema):
        found = []
        if schema.get("minLength", 0) > 0 or "enum" in schema or "const" in schema:
            found.append("")
        if "enum" in schema or "const" in schema:
            found += ["no-such", "null"]
        if schema.get("maxLength", 0) in range(1, 65537):
            found.append("x" * (schema["maxLength"] + 1))
        if "\\u001f" in schema.get("pattern", ""):
            found += ["a\x1fb", "\x1f", Raw(r'"\u0000"'), "\U0001f600" * 257]  # 1024 bytes at most
        elif "A-Za-z0-9" in schema.get("pattern", ""):
            found += ["a b", ".a", "a/b", "..", "\u00e4", "a\nb", "%2e", "a\x7f"]
            said = re.search(r"none of the words [^:]*: (.*)\\.|None of (.*)\\.$",
                             schema.get("description", ""))
            found += (said.group(1) or said.group(2)).split(", ") if said else []
        if schema.get("format") == "uuid":
            found += ["x", UUID[:-1], UUID + "0"]
        return found

    @staticmethod
    def wrong_numbers(schema):
        found = [schema["minimum"] - 1] if "minimum" in schema else []
        if "maximum" in schema:
            found.append(schema["maximum"] + 1)
        if schema.get("format") == "int32":
            found += [2**31, -2**31 - 1, 2**32]
        return found

    def wrong_arrays(self, schema):
        items = self.resolve(schema.get("items", {}))
        found = [[]] if schema.get("minItems") else []
        if schema.get("maxItems") == 32:  # levels of a namespace
            found.append(["a"] * 33)
        kind = items.get("type")
        if kind is not None:
            found += [[None], [1.5], [[]] if kind != "array" else [1]]
            found += [["x"]] if kind in ("integer", "object") else [[1]]
        return found

    @staticmethod
    def wrong_objects(schema):
        more = schema.get("additionalProperties")
        if not isinstance(more, dict):
            return []
        found = [{"k": 1}, {"k": None}, {"k": True}, {"k": {}}, {"a": "b", "k": 1.5},
                 {"k": "x"} if more.get("type") == "array" else {"k": ["x"]}]
        if more.get("maxLength"):
            found += [{"k": "x" * (more["maxLength"] + 1)}, {"x" * (more["maxLength"] + 1): "v"}]
        if schema.get("maxProperties"):
            found.append({f"k{i}": "" for i in range(schema["maxProperties"] + 1)})
        return found


class Raw(str):
    """JSON text as it shall be sent."""


DROP = Raw("missing")


def shown(value):
    if isinstance(value, Raw):
        return f"is {value}"
    text = json.dumps(value)
    return f"is {text}" if len(text) < 60 else f"is {text[:40]}… of {len(text)}"


def spoil(example, at, new):
    """(label, text)"""
    return f"{'.'.join(map(str, at))} {shown(new)}", dump_with(example, at, new)


def dump_with(value, at, new):
    """JSON text of the value with the one member changed; DROP leaves it out."""
    if not at:
        return str(new) if isinstance(new, Raw) else json.dumps(new)
    step, rest = at[0], at[1:]
    if isinstance(value, list):
        return "[" + ",".join(dump_with(v, rest, new) if i == step else json.dumps(v)
                              for i, v in enumerate(value)) + "]"
    members = []
    for key in [*value, *([step] if step not in value else [])]:
        if key == step:
            if new is DROP and not rest:
                continue
            members.append(f"{json.dumps(key)}:{dump_with(value.get(key), rest, new)}")
        else:
            members.append(f"{json.dumps(key)}:{json.dumps(value[key])}")
    return "{" + ",".join(members) + "}"
