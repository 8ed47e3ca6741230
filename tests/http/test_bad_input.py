"""Hostile input, as tables of cases. Each case: the right refusal, nothing changed (names, pointers,
history, files), nothing told that the sender did not know, and the connection still good.

The cases come from rest.md 1.3-1.6 and 3, reliability.md 3.1, 3.9 and 3.10."""
import contextlib
import copy
import json
import os
import unittest

from tests.harness import (BAD_REQUEST, SCHEMA, FirnTest, append, assert_uuid, field, ident,
                           local_path, raw_bodies, raw_exchange, raw_statuses, set_properties,
                           set_ref, snapshot, state_of)

NS, TABLE, OTHER, CANARY = "bad", "t", "other", "canary-9a7f31"
BASE = f"/v1/namespaces/{NS}"
T = f"{BASE}/tables/{TABLE}"
LEAKS = (b"sqlite", b"SQLITE", b"SELECT ", b"INSERT ", b"UPDATE ", b"UNIQUE constraint", b".c:", b"errno", b"Traceback",
         CANARY.encode())


class Hostile(FirnTest):
    """One server, one fixture; the cases are added to subclasses as test methods."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.server.client()
        assert client.create_namespace(NS, {"p": CANARY}).status == 200
        for name in (TABLE, OTHER):
            reply = client.create_table(NS, name, properties={"p": CANARY})
            assert reply.status == 200, repr(reply)
            cls.made = reply.json
            updates, requirements = append(reply.json["metadata"])
            reply = client.commit(NS, name, updates, requirements)
            assert reply.status == 200, repr(reply)
            setattr(cls, name, reply.json)
        cls.before = cls.state(client)
        client.close()

    @classmethod
    def state(cls, client):
        state = state_of(cls.server, client)
        state["history"] = len(client.history())
        return state

    def check_nothing_happened(self, refusal=b"", sent=b""):
        """`refusal`: the body of the error that was answered."""
        for leak in LEAKS:
            self.assertNotIn(leak, refusal)
        if self.server.data.encode() not in sent:
            self.assertNotIn(self.server.data.encode(), refusal)
        # the same connection serves the next request
        self.assert_status(200, self.client.get("/v1/config"))
        after = self.state(self.client)
        if after != self.before:
            changed = {k for k in set(after) | set(self.before)
                       if after.get(k) != self.before.get(k)}
            self.client.drop_table(NS, "fresh")  # one case's fault is not the next one's
            self.client.drop_namespace("fresh")
            type(self).before = self.state(self.client)
            self.fail(f"it changed {changed}")

    def refused(self, method, path, body=None, headers=None, status=400, type=BAD_REQUEST):
        if callable(body):
            body = body(self)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        reply = self.client.request(method, path, body, headers)
        if reply.status not in (status if isinstance(status, tuple) else (status,)):
            with contextlib.suppress(AssertionError):
                self.check_nothing_happened()
            self.fail(f"expected {status}: {reply!r} for {(body or b'')[:300]!r}")
        if method != "HEAD":
            self.assertIn(reply.error["type"], (type,) if isinstance(type, str) else type,
                          repr(reply))
        self.check_nothing_happened(reply.body, (body or b"") + path.encode())


def cases(cls, table):
    """Adds a test method per (label, method, path, body[, options]) to the class."""
    for i, (label, method, path, body, *options) in enumerate(table):
        name = f"test_{i:03}_" + "".join(c if c.isalnum() else "_" for c in label)[:80]
        assert not hasattr(cls, name), name

        def test(self, method=method, path=path, body=body, options=options):
            self.refused(method, path, body, **(options[0] if options else {}))
        test.__doc__ = f"{label}: {method} {path[:80]}"
        setattr(cls, name, test)
    return cls


# ---- bodies -----------------------------------------------------------------------------------

POSTS = {
    "namespace": "/v1/namespaces",
    "properties": BASE + "/properties",
    "table": BASE + "/tables",
    "register": BASE + "/register",
    "commit": T,
    "metrics": T + "/metrics",
    "rename": "/v1/tables/rename",
    "transaction": "/v1/transactions/commit",
    "warehouse": "/management/v1/warehouses",
}

NOT_JSON = {
    "cut": b'{"a":', "closed twice": b"{}}", "wrong bracket": b'{"a":[1}', "no value": b'{"a":}',
    "single quotes": b"{'a':1}", "last comma": b'{"a":1,}', "bare word": b"nul", "two texts": b"{}{}",
    "bytes after": b"{} x", "byte order mark": b"\xef\xbb\xbf{}", "control": b'{"a":"\x01"}',
    "bad utf-8": b'{"a":"\xff"}', "overlong utf-8": b'{"a":"\xc0\x80"}',
    "surrogate bytes": b'{"a":"\xed\xa0\x80"}', "lone surrogate": rb'{"a":"\ud800"}',
    "escaped nul": rb'{"a":"\u0000"}', "raw nul": b'{"a":"\x00"}', "leading zero": b'{"a":01}',
    "plus": b'{"a":+1}', "not a number": b'{"a":NaN}', "beyond int64": b'{"a":9223372036854775808}',
    "far beyond int64": b'{"a":' + b"9" * 100000 + b"}", "comment": b"{/* */}",
    "duplicate key": b'{"a":1,"a":1}', "duplicate key, escaped": rb'{"a":1,"\u0061":2}',
    "duplicate key inside": b'{"z":[{"b":{"a":1,"a":2}}]}',
    "65 deep": b'{"a":' + b"[" * 65 + b"]" * 65 + b"}",
    "100000 deep": b"[" * 100000, "100000 objects deep": b'{"a":' * 100000,
    "space": b" \n\t", "utf-16": '{"a":1}'.encode("utf-16"),
}

NOT_AN_OBJECT = {"array": "[]", "array of objects": "[{}]", "number": "1", "text": '"x"',
                 "null": "null", "true": "true", "empty": ""}


class Malformed(Hostile):
    pass


SIZE_OR_FORM = {"status": (400, 413)}  # small bodies have a smaller ceiling

cases(Malformed, [(f"{what} to {name}", "POST", path, text, SIZE_OR_FORM)
                  for name, path in POSTS.items()
                  for what, text in {**NOT_JSON, **NOT_AN_OBJECT}.items()])


# ---- types of fields --------------------------------------------------------------------------

def replaced(value, path, new):
    """A copy of a body with the value at the path exchanged; DROP removes it."""
    value = copy.deepcopy(value)
    at = value
    for step in path[:-1]:
        at = at[step]
    if new is DROP:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


DROP = object()
TEXT = (1, True, [], {}, 1.5)            # wrong where a text is due
NAME = TEXT + ("", None)                 # … and a name
NUMBER = ("1", True, [], {}, 1.5, 1e300)  # wrong where an integer is due
OBJECT = (1, "x", True, [], [1])
ARRAY = (1, "x", True, {}, {"a": 1})
FLAG = ("true", 1, 0, [], {})
STRINGS = OBJECT + ({"k": 1}, {"k": None}, {"k": True}, {"k": {}}, {"k": ["x"]})

NAMESPACE_BODY = {"namespace": ["fresh"], "properties": {"a": "b"}}
PROPERTIES_BODY = {"removals": ["a"], "updates": {"b": "c"}}
CREATE_BODY = {
    "name": "fresh", "schema": SCHEMA, "stage-create": False, "properties": {"a": "b"},
    "partition-spec": {"spec-id": 0, "fields": [
        {"source-id": 1, "field-id": 1000, "transform": "identity", "name": "id"}]},
    "write-order": {"order-id": 1, "fields": [
        {"source-id": 1, "transform": "identity", "direction": "asc",
         "null-order": "nulls-first"}]}}
REGISTER_BODY = {"name": "fresh", "metadata-location": "file:///x/metadata/1.metadata.json",
                 "overwrite": False}
RENAME_BODY = {"source": ident(NS, TABLE), "destination": ident(NS, "fresh")}
REPORT_BODY = {"report-type": "scan-report"}
TRANSACTION_BODY = {"table-changes": [
    {"identifier": ident(NS, TABLE), "requirements": [], "updates": [set_properties(a="b")]}]}

LISTS_OF_LEVELS = ARRAY + ([], [""], [1], [None], [["a"]], ["a", ""], ["a", 2], ["a\x1fb"], None)

WRONG_FIELDS = [
    ("namespace", NAMESPACE_BODY, ("namespace",), LISTS_OF_LEVELS + (DROP,)),
    ("namespace", NAMESPACE_BODY, ("properties",), STRINGS),
    ("properties", PROPERTIES_BODY, ("removals",), ARRAY + ([1], [None], [{}])),
    ("properties", PROPERTIES_BODY, ("updates",), STRINGS),
    ("table", CREATE_BODY, ("name",), NAME + (DROP,)),
    ("table", CREATE_BODY, ("schema",), OBJECT + ({}, {"type": "struct"}, None, DROP)),
    ("table", CREATE_BODY, ("schema", "type"), TEXT + ("list", DROP)),
    ("table", CREATE_BODY, ("schema", "fields"), ARRAY + ([1], [[]], [{}], [None], DROP)),
    ("table", CREATE_BODY, ("schema", "fields", 0, "id"), NUMBER + (DROP,)),
    ("table", CREATE_BODY, ("schema", "fields", 0, "name"), TEXT + (DROP, None)),
    ("table", CREATE_BODY, ("schema", "fields", 0, "type"),
     (1, True, [], {}, "", "strange", "decimal(0)", "decimal(39,0)", "fixed[-1]", "fixed[x]",
      {"type": "map"}, {"type": "list", "element": "int"}, {"type": "set"}, DROP)),
    ("table", CREATE_BODY, ("schema", "fields", 0, "required"), FLAG + (DROP,)),
    ("table", CREATE_BODY, ("schema", "identifier-field-ids"), ARRAY + (["1"], [1.5], [99])),
    ("table", CREATE_BODY, ("stage-create",), FLAG),
    ("table", CREATE_BODY, ("properties",), STRINGS),
    ("table", CREATE_BODY, ("location",), TEXT),
    ("table", CREATE_BODY, ("partition-spec",), OBJECT),
    ("table", CREATE_BODY, ("partition-spec", "fields"), ARRAY + ([1], [{}])),
    ("table", CREATE_BODY, ("partition-spec", "fields", 0, "source-id"), NUMBER + (99, -1, DROP)),
    ("table", CREATE_BODY, ("partition-spec", "fields", 0, "transform"), TEXT + (DROP,)),
    ("table", CREATE_BODY, ("partition-spec", "fields", 0, "name"), TEXT + ("", DROP)),
    ("table", CREATE_BODY, ("write-order",), OBJECT),
    ("table", CREATE_BODY, ("write-order", "fields"), ARRAY + ([1], [{}])),
    ("table", CREATE_BODY, ("write-order", "fields", 0, "source-id"), NUMBER + (99, DROP)),
    ("table", CREATE_BODY, ("write-order", "fields", 0, "direction"), TEXT + ("up", DROP)),
    ("table", CREATE_BODY, ("write-order", "fields", 0, "null-order"), TEXT + ("mid", DROP)),
    ("register", REGISTER_BODY, ("name",), NAME + (DROP,)),
    ("register", REGISTER_BODY, ("metadata-location",), NAME + (DROP,)),
    ("register", REGISTER_BODY, ("overwrite",), FLAG),
    ("rename", RENAME_BODY, ("source",), OBJECT + (None, {}, DROP)),
    ("rename", RENAME_BODY, ("destination",), OBJECT + (None, {}, DROP)),
    ("rename", RENAME_BODY, ("source", "namespace"), LISTS_OF_LEVELS + (DROP,)),
    ("rename", RENAME_BODY, ("source", "name"), NAME + (DROP,)),
    ("rename", RENAME_BODY, ("destination", "namespace"), LISTS_OF_LEVELS + (DROP,)),
    ("rename", RENAME_BODY, ("destination", "name"), NAME + (DROP,)),
    ("metrics", REPORT_BODY, ("report-type",), TEXT + (None, DROP)),
    ("transaction", TRANSACTION_BODY, ("table-changes",), ARRAY + ([], [1], [{}], None, DROP)),
    ("transaction", TRANSACTION_BODY, ("table-changes", 0, "identifier"), OBJECT + (None, {}, DROP)),
    ("transaction", TRANSACTION_BODY, ("table-changes", 0, "requirements"), ARRAY + ([1], [{}])),
    ("transaction", TRANSACTION_BODY, ("table-changes", 0, "updates"), ARRAY + ([1], [{}], [[]])),
]


class FieldTypes(Hostile):
    pass


def _field_label(path, new):
    return ".".join(map(str, path)) + " is " + ("missing" if new is DROP else repr(new))


cases(FieldTypes, [(f"{endpoint} {_field_label(path, new)}", "POST", POSTS[endpoint],
                    replaced({**body, path[0]: body.get(path[0])}, path, new))
                   for endpoint, body, path, wrong in WRONG_FIELDS for new in wrong])


# ---- commits ----------------------------------------------------------------------------------

SNAPSHOT = {"snapshot-id": 77, "parent-snapshot-id": 1, "sequence-number": 2, "timestamp-ms": 1,
            "manifest-list": "x", "summary": {"operation": "append"}, "schema-id": 0}
STATISTICS = {"snapshot-id": 1, "statistics-path": "x", "file-size-in-bytes": 1,
              "file-footer-size-in-bytes": 1, "blob-metadata": []}

WRONG_UPDATES = [
    ({"action": "assign-uuid", "uuid": "x"}, ("uuid",), TEXT + ("", "not-a-uuid", None, DROP)),
    ({"action": "upgrade-format-version", "format-version": 2}, ("format-version",),
     NUMBER + (0, 1, 4, -1, None, DROP)),
    ({"action": "add-schema", "schema": SCHEMA}, ("schema",), OBJECT + ({}, None, DROP)),
    ({"action": "add-schema", "schema": SCHEMA}, ("schema", "fields"), ARRAY + ([1], [{}], DROP)),
    ({"action": "set-current-schema", "schema-id": 0}, ("schema-id",),
     NUMBER + (-1, -2, 99, 2**31, None, DROP)),
    ({"action": "add-spec", "spec": {"spec-id": 1, "fields": []}}, ("spec",), OBJECT + (None, DROP)),
    ({"action": "add-spec", "spec": {"spec-id": 1, "fields": []}}, ("spec", "fields"),
     ARRAY + ([1], [{}], DROP)),
    ({"action": "set-default-spec", "spec-id": 0}, ("spec-id",), NUMBER + (-1, 99, None, DROP)),
    ({"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": []}}, ("sort-order",),
     OBJECT + (None, DROP)),
    ({"action": "set-default-sort-order", "sort-order-id": 0}, ("sort-order-id",),
     NUMBER + (-1, 99, None, DROP)),
    ({"action": "add-snapshot", "snapshot": SNAPSHOT}, ("snapshot",), OBJECT + ({}, None, DROP)),
    ({"action": "add-snapshot", "snapshot": SNAPSHOT}, ("snapshot", "snapshot-id"),
     NUMBER + (None, DROP)),
    ({"action": "add-snapshot", "snapshot": SNAPSHOT}, ("snapshot", "sequence-number"), NUMBER),
    ({"action": "add-snapshot", "snapshot": SNAPSHOT}, ("snapshot", "timestamp-ms"),
     NUMBER + (None, DROP)),
    ({"action": "add-snapshot", "snapshot": SNAPSHOT}, ("snapshot", "manifest-list"), TEXT + (DROP,)),
    ({"action": "add-snapshot", "snapshot": SNAPSHOT}, ("snapshot", "summary"), STRINGS),
    ({"action": "set-snapshot-ref", "ref-name": "b", "type": "branch", "snapshot-id": 1},
     ("ref-name",), TEXT + (None, DROP)),
    ({"action": "set-snapshot-ref", "ref-name": "b", "type": "branch", "snapshot-id": 1},
     ("type",), TEXT + ("twig", "", None, DROP)),
    ({"action": "set-snapshot-ref", "ref-name": "b", "type": "branch", "snapshot-id": 1},
     ("snapshot-id",), NUMBER + (4711, -1, None, DROP)),
    ({"action": "remove-snapshot-ref", "ref-name": "b"}, ("ref-name",), TEXT + (None, DROP)),
    ({"action": "remove-snapshots", "snapshot-ids": []}, ("snapshot-ids",),
     ARRAY + (["1"], [1.5], [None], None, DROP)),
    ({"action": "set-location", "location": "x"}, ("location",), TEXT + ("", None, DROP)),
    ({"action": "set-properties", "updates": {"a": "b"}}, ("updates",), STRINGS + (None, DROP)),
    ({"action": "remove-properties", "removals": ["a"]}, ("removals",),
     ARRAY + ([1], [None], None, DROP)),
    ({"action": "set-statistics", "statistics": STATISTICS}, ("statistics",),
     OBJECT + ({}, None, DROP)),
    ({"action": "set-statistics", "statistics": STATISTICS}, ("statistics", "snapshot-id"),
     NUMBER + (DROP,)),
    ({"action": "remove-statistics", "snapshot-id": 1}, ("snapshot-id",), NUMBER + (None, DROP)),
    ({"action": "set-partition-statistics", "partition-statistics": STATISTICS},
     ("partition-statistics",), OBJECT + ({}, None, DROP)),
    ({"action": "remove-partition-statistics", "snapshot-id": 1}, ("snapshot-id",),
     NUMBER + (None, DROP)),
    ({"action": "remove-partition-specs", "spec-ids": []}, ("spec-ids",),
     ARRAY + (["1"], [0], None, DROP)),
    ({"action": "remove-schemas", "schema-ids": []}, ("schema-ids",), ARRAY + (["1"], [0], None, DROP)),
    ({"action": "add-encryption-key", "encryption-key": {"key-id": "k"}}, ("encryption-key",),
     OBJECT + ({}, None, DROP)),
    ({"action": "remove-encryption-key", "key-id": "k"}, ("key-id",), TEXT + (None, DROP)),
    ({"action": "set-properties", "updates": {"a": "b"}}, ("action",),
     TEXT + ("", "no-such", "set_properties", "add-view-version", "set-current-view-version", None,
             DROP)),
]

WRONG_REQUIREMENTS = [
    ({"type": "assert-table-uuid", "uuid": "x"}, ("type",),
     TEXT + ("", "no-such", "assert-view-uuid", "asserttableuuid", None, DROP)),
    ({"type": "assert-table-uuid", "uuid": "x"}, ("uuid",), TEXT + (None, DROP)),
    ({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}, ("ref",),
     TEXT + (None, DROP)),
    ({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 1}, ("snapshot-id",), NUMBER),
    ({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 1},
     ("last-assigned-field-id",), NUMBER + (None, DROP)),
    ({"type": "assert-current-schema-id", "current-schema-id": 0}, ("current-schema-id",),
     NUMBER + (None, DROP)),
    ({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 1},
     ("last-assigned-partition-id",), NUMBER + (None, DROP)),
    ({"type": "assert-default-spec-id", "default-spec-id": 0}, ("default-spec-id",),
     NUMBER + (None, DROP)),
    ({"type": "assert-default-sort-order-id", "default-sort-order-id": 0},
     ("default-sort-order-id",), NUMBER + (None, DROP)),
]


class Commits(Hostile):
    pass


def _in_a_commit(update):
    """Behind an update that would work: nothing of it may stay."""
    return {"requirements": [], "updates": [set_properties(a="b"), update]}


cases(Commits, [(f"{update['action']} {_field_label(path, new)}", "POST", T,
                 _in_a_commit(replaced(update, path, new)))
                for update, path, wrong in WRONG_UPDATES for new in wrong]
      + [(f"requirement {requirement['type']} {_field_label(path, new)}", "POST", T,
          {"requirements": [replaced(requirement, path, new)], "updates": [set_properties(a="b")]})
         for requirement, path, wrong in WRONG_REQUIREMENTS for new in wrong]
      + [(f"{key} is {value!r}", "POST", T, {"requirements": [], "updates": [set_properties(a="b")],
                                             key: value})
         for key in ("requirements", "updates") for value in ARRAY + ([1], [None], ["x"], [[]])]
      + [("too many updates", "POST", T,
          {"updates": [{"action": "remove-snapshot-ref", "ref-name": "x"}] * 10001}),
         ("too many requirements", "POST", T,
          {"requirements": [{"type": "assert-default-spec-id", "default-spec-id": 0}] * 1001,
           "updates": [set_properties(a="b")]}),
         ("too many tables", "POST", "/v1/transactions/commit",
          {"table-changes": [{"identifier": ident(NS, f"t{i}"), "updates": []}
                             for i in range(257)]}),
         ("too many properties", "POST", T,
          {"updates": [{"action": "set-properties", "updates": {f"k{i}": "" for i in range(5001)}}]}),
         ("a property too long", "POST", T,
          {"updates": [{"action": "set-properties", "updates": {"k": "x" * 65537}}]}),
         ("a schema too deep", "POST", T, {"updates": [{"action": "add-schema", "schema": {
             "type": "struct", "fields": [field(1, "a", json.loads(
                 '{"type":"list","element-required":true,"element-id":2,"element":' * 61
                 + '"int"' + "}" * 61))]}}]}),
         ("real in a snapshot id", "POST", T, '{"updates":[{"action":"remove-snapshots",'
          '"snapshot-ids":[5.0]}]}'),
         ("huge real", "POST", T, '{"updates":[{"action":"set-current-schema","schema-id":1e400}]}'),
         ("minus zero real", "POST", T,
          '{"updates":[{"action":"set-current-schema","schema-id":-0.0}]}'),
         ("2^63", "POST", T, '{"updates":[{"action":"remove-snapshots",'
          '"snapshot-ids":[9223372036854775808]}]}'),
         ("-2^63-1", "POST", T, '{"updates":[{"action":"remove-snapshots",'
          '"snapshot-ids":[-9223372036854775809]}]}'),
         ("sequence number at its end, without a place to go", "POST", T, lambda test: {
             "updates": [{"action": "add-snapshot", "snapshot": dict(
                 snapshot(test.t["metadata"]), **{"sequence-number": -1})}]}, {"status": (400, 409),
             "type": BAD_REQUEST + ("CommitFailedException",)}),
         ("column id beyond its end", "POST", T, {"updates": [{"action": "add-schema", "schema": {
             "type": "struct", "fields": [field(2**31, "x", "int")]}}]}),
         ("duplicate snapshot", "POST", T, lambda test: {"updates": [
             {"action": "add-snapshot", "snapshot": dict(snapshot(test.t["metadata"]), **{
                 "snapshot-id": test.t["metadata"]["current-snapshot-id"]})}]}),
         ("assert-create with company", "POST", BASE + "/tables/fresh", lambda test: {
             "requirements": [{"type": "assert-create"}, assert_uuid(test.t["metadata"])],
             "updates": [set_properties(a="b")]}),
         ("a create without schema", "POST", BASE + "/tables/fresh", {
             "requirements": [{"type": "assert-create"}], "updates": [set_properties(a="b")]}),
         ("ref to a snapshot of nobody", "POST", T, {"updates": [set_ref(4711, "x")]}),
         ("same table twice", "POST", "/v1/transactions/commit",
          {"table-changes": [TRANSACTION_BODY["table-changes"][0]] * 2}),
         ("view requirement", "POST", T, {"requirements": [
             {"type": "assert-view-uuid", "uuid": "2cc52516-5e73-41f2-b139-545d41a4e151"}],
             "updates": [set_properties(a="b")]})])


# ---- names, paths, parameters -----------------------------------------------------------------

class Names(Hostile):
    pass


NOBODY = {"status": 404, "type": ("NoSuchTableException", "NoSuchNamespaceException",
                                  "NoSuchWarehouseException")}
LOST = {"status": (400, 404), "type": BAD_REQUEST + NOBODY["type"]}  # a bad name or just a missing one
LONG = "x" * 1025

cases(Names, [
    ("NUL in a namespace", "GET", "/v1/namespaces/a%00b", None),
    ("NUL alone", "GET", "/v1/namespaces/%00", None),
    ("NUL behind a good name", "GET", f"/v1/namespaces/{NS}%00", None),
    ("NUL in a table", "GET", f"{BASE}/tables/t%00", None),
    ("NUL in a table that is dropped", "DELETE", f"{T}%00", None),
    ("NUL in a table that is committed to", "POST", f"{T}%00", {"updates": []}),
    ("NUL in a prefix", "GET", "/v1/default%00/namespaces", None, LOST),
    ("NUL in a warehouse", "GET", "/v1/config?warehouse=default%00", None, LOST),
    ("NUL in a parent", "GET", "/v1/namespaces?parent=bad%00", None, LOST),
    ("bad UTF-8 in a namespace", "GET", "/v1/namespaces/%ff", None),
    ("overlong UTF-8 in a namespace", "GET", "/v1/namespaces/%c0%af", None),
    ("surrogate in a table", "GET", f"{BASE}/tables/%ed%a0%80", None),
    ("bad escape", "GET", "/v1/namespaces/%zz", None),
    ("cut escape", "GET", "/v1/namespaces/a%2", None),
    ("lone percent", "GET", f"{BASE}/tables/%", None),
    ("empty level", "GET", "/v1/namespaces/a%1F%1Fb", None, LOST),
    ("only separators", "GET", "/v1/namespaces/%1F", None, LOST),
    ("double slash", "GET", "/v1//namespaces", None),
    ("double slash before a table", "GET", f"{BASE}/tables//t", None),
    ("dots in a path", "GET", f"{BASE}/tables/../tables/t", None, LOST),
    ("encoded dots", "GET", f"{BASE}/tables/%2e%2e", None, NOBODY),
    ("encoded slash", "GET", f"{BASE}/tables/..%2F..%2Fetc%2Fpasswd", None, NOBODY),
    ("encoded slash does not split", "DELETE", f"/v1/namespaces/{NS}%2Ftables%2Ft", None, NOBODY),
    ("encoded twice", "GET", f"{BASE}/tables/%2574", None, NOBODY),
    ("case of a namespace", "GET", f"/v1/namespaces/{NS.upper()}/tables/{TABLE}", None, NOBODY),
    ("case of a table", "DELETE", f"{BASE}/tables/T", None, NOBODY),
    ("table too long", "GET", f"{BASE}/tables/{LONG}", None, LOST),
    ("namespace too long", "GET", f"/v1/namespaces/{LONG}", None, LOST),
    ("create of a namespace too long", "POST", "/v1/namespaces", {"namespace": [LONG]}),
    ("create of a namespace too deep", "POST", "/v1/namespaces", {"namespace": ["a"] * 33}),
    ("create of a table too long", "POST", BASE + "/tables", dict(CREATE_BODY, name=LONG)),
    ("create with the separator", "POST", BASE + "/tables", dict(CREATE_BODY, name="a\x1fb")),
    ("rename to a name too long", "POST", "/v1/tables/rename",
     dict(RENAME_BODY, destination=ident(NS, LONG))),
    ("register under a name too long", "POST", BASE + "/register", dict(REGISTER_BODY, name=LONG)),
    ("create in a bad namespace", "POST", "/v1/namespaces/%00/tables", CREATE_BODY),
    ("path beyond its ceiling", "GET", "/v1/namespaces/" + "x" * 18000, None, {"status": 414}),
    ("query beyond its ceiling", "GET", "/v1/config?x=" + "x" * 18000, None, {"status": 414}),
    ("header beyond its ceiling", "GET", "/v1/config", None, {"headers": {"X-A": "x" * 25000},
                                                              "status": 431}),
    ("many headers", "GET", "/v1/config", None,
     {"headers": {f"X-{i}": "x" for i in range(150)}, "status": (400, 431)}),
    ("garbage page token", "GET", "/v1/namespaces?pageToken=garbage", None),
    ("page token of another kind", "GET", f"{BASE}/tables?pageToken=AAAA", None),
    ("binary page token", "GET", "/v1/namespaces?pageToken=%00%ff", None),
    ("long page token", "GET", "/v1/namespaces?pageToken=" + "A" * 8000, None),
    ("page token with quotes", "GET", "/v1/namespaces?pageToken=';DROP TABLE x--".replace(" ", "+"),
     None),
    ("page size zero", "GET", f"{BASE}/tables?pageSize=0", None),
    ("page size negative", "GET", f"{BASE}/tables?pageSize=-5", None),
    ("page size text", "GET", f"{BASE}/tables?pageSize=ten", None),
    ("page size real", "GET", f"{BASE}/tables?pageSize=1.0", None),
    ("page size beyond int64", "GET", f"{BASE}/tables?pageSize=99999999999999999999", None),
    ("page size with a sign", "GET", f"{BASE}/tables?pageSize=%2B1", None),
    ("snapshots none", "GET", f"{T}?snapshots=none", None),
    ("snapshots NUL", "GET", f"{T}?snapshots=all%00", None),
    ("purge maybe", "DELETE", f"{T}?purgeRequested=maybe", None),
    ("purge empty", "DELETE", f"{T}?purgeRequested=", None),
    ("purge NUL", "DELETE", f"{T}?purgeRequested=true%00", None),
    ("idempotency key garbage", "DELETE", T, None, {"headers": {"Idempotency-Key": "garbage"}}),
    ("idempotency key empty", "DELETE", T, None, {"headers": {"Idempotency-Key": ""}}),
    ("idempotency key quotes", "DELETE", T, None,
     {"headers": {"Idempotency-Key": "';DROP TABLE idempotency;--aaaaaaaaaa"}}),
    ("idempotency key long", "DELETE", T, None, {"headers": {"Idempotency-Key": "a" * 5000}}),
    ("unknown encoding of the body", "POST", T, {"updates": []},
     {"headers": {"Content-Encoding": "br"}, "status": (400, 415)}),
    ("gzip that is none", "POST", T, "{}", {"headers": {"Content-Encoding": "gzip"},
                                            "status": (400, 415)}),
    ("unknown prefix", "DELETE", f"/v1/nope/namespaces/{NS}/tables/{TABLE}", None, NOBODY),
    ("prefix with dots", "DELETE", f"/v1/../namespaces/{NS}/tables/{TABLE}", None, LOST),
    ("prefix encoded", "DELETE", f"/v1/%2e%2e/namespaces/{NS}/tables/{TABLE}", None, LOST),
    ("unknown warehouse in management", "GET", "/management/v1/warehouses/nope/history", None, NOBODY),
    ("dots as warehouse in management", "DELETE", "/management/v1/warehouses/%2e%2e", None, LOST),
    ("default warehouse dropped", "DELETE", "/management/v1/warehouses/default", None),
    ("verb PUT", "PUT", T, {}, {"status": 405, "type": "MethodNotAllowedException"}),
    ("verb PATCH", "PATCH", T, {}, {"status": 405, "type": "MethodNotAllowedException"}),
    ("verb TRACE", "TRACE", T, None, {"status": (400, 405, 501),
                                      "type": BAD_REQUEST + ("MethodNotAllowedException",)}),
    ("verb of nobody", "BREW", T, None, {"status": (400, 405, 501),
                                         "type": BAD_REQUEST + ("MethodNotAllowedException",)}),
    ("verb DELETE on a list", "DELETE", f"{BASE}/tables", None,
     {"status": 405, "type": "MethodNotAllowedException"}),
    ("verb POST on a namespace", "POST", BASE, {},
     {"status": 405, "type": "MethodNotAllowedException"}),
])


# ---- locations --------------------------------------------------------------------------------

class Locations(Hostile):
    """reliability.md 3.1, L01-L07: every place a client may name, against the table of bad ones."""


def _places(test):
    """Bad locations for a new table. The warehouse's root, the tables' and foreign ones."""
    other = test.other["metadata"]["location"]
    root = other.rsplit("/", 2)[0]
    return {
        "root of the file system": "file:///", "etc": "file:///etc/firn", "proc": "file:///proc/self",
        "temp": "file:///tmp/firn-outside", "bare": "/tmp/firn-outside", "relative": "some/where",
        "up": root + "/../outside/t", "up at the end": root + "/a/..", "dot": root + "/./t",
        "up to a neighbour": root + "-evil/t", "empty segment": root + "//t",
        "encoded dots": root + "/%2e%2e/t", "encoded dots, upper case": root + "/%2E%2E/t",
        "encoded slash": root + "/a%2fb", "encoded backslash": root + "/a%5cb",
        "encoded NUL": root + "/a%00b", "backslash": root + "/a\\b", "query": root + "/a?b",
        "fragment": root + "/a#b", "newline": root + "/a\nb", "tab": root + "/a\tb",
        "delete": root + "/a\x7fb", "the data directory": "file://" + test.server.data,
        "the warehouse itself": root, "host": root.replace("file:///", "file://evil/"),
        "user": "file://user@localhost/t", "s3": "s3://bucket/t", "s3a": "s3a://bucket/t",
        "http": "http://169.254.169.254/latest/meta-data", "https": "https://example.org/t",
        "ftp": "ftp://example.org/t", "hdfs": "hdfs://nn:8020/t", "jar": "jar:file:///x!/t",
        "data": "data:text/plain,x", "javascript": "javascript:alert(1)", "no scheme": "://x/t",
        "only scheme": "file:", "unknown scheme": "nope://x/t", "too long": root + "/" + "x" * 3000,
        "another table": other, "inside another table": other + "/data/t",
        "metadata of another table": other + "/metadata", "slash behind another table": other + "/",
        "parent of tables": other.rsplit("/", 1)[0],
    }


BAD_PLACES = (  # the keys of _places, needed before a server runs
    "root of the file system", "etc", "proc", "temp", "bare", "relative", "up", "up at the end", "dot",
    "up to a neighbour", "empty segment", "encoded dots", "encoded dots, upper case", "encoded slash",
    "encoded backslash", "encoded NUL", "backslash", "query", "fragment", "newline", "tab", "delete",
    "the data directory", "the warehouse itself", "host", "user", "s3", "s3a", "http", "https", "ftp",
    "hdfs", "jar", "data", "javascript", "no scheme", "only scheme", "unknown scheme", "too long",
    "another table", "inside another table", "metadata of another table",
    "slash behind another table", "parent of tables")

# A file may lie beside the tables, as long as it is in the warehouse and in no other table
BAD_FOLDERS = tuple(p for p in BAD_PLACES if p not in ("the warehouse itself", "parent of tables"))

FORBIDDEN = {"status": (400, 403, 409), "type": BAD_REQUEST + ("ForbiddenException",
                                                               "AlreadyExistsException")}



def _located(where, make, places=BAD_PLACES):
    """A case per bad place: `make(test, location)` is the body."""
    return [(f"{where[0]} {name}", "POST", where[1],
             lambda test, name=name: make(test, _places(test)[name]), FORBIDDEN)
            for name in places]


def _create_commit(test, location):
    return {"requirements": [{"type": "assert-create"}], "updates": [
        {"action": "assign-uuid", "uuid": "2cc52516-5e73-41f2-b139-545d41a4e151"},
        {"action": "add-schema", "schema": SCHEMA}, {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": []}},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": location}]}


def _snapshot_elsewhere(test, location):
    snap = snapshot(test.t["metadata"])
    snap["manifest-list"] = location + "/snap.avro"
    return {"updates": [{"action": "add-snapshot", "snapshot": snap}]}


def _statistics_elsewhere(test, location):
    return {"updates": [{"action": "set-statistics", "statistics": dict(STATISTICS, **{
        "snapshot-id": test.t["metadata"]["current-snapshot-id"],
        "statistics-path": location + "/s.puffin"})}]}



cases(Locations,
      _located(("create at", BASE + "/tables"), lambda test, place: dict(CREATE_BODY, location=place))
      + _located(("stage at", BASE + "/tables"), lambda test, place: dict(
          CREATE_BODY, **{"location": place, "stage-create": True}))
      + _located(("create commit at", BASE + "/tables/fresh"), _create_commit)
      + _located(("set-location", T), lambda test, place: {
          "updates": [{"action": "set-location", "location": place}]})
      + _located(("write.metadata.path", T), lambda test, place: {
          "updates": [{"action": "set-properties", "updates": {"write.metadata.path": place}}]})
      + _located(("write.data.path", T), lambda test, place: {
          "updates": [{"action": "set-properties", "updates": {"write.data.path": place}}]})
      + _located(("write.metadata.path at create", BASE + "/tables"), lambda test, place: dict(
          CREATE_BODY, properties={"write.metadata.path": place}))
      + _located(("manifest list", T), _snapshot_elsewhere, BAD_FOLDERS)
      + _located(("statistics", T), _statistics_elsewhere, BAD_FOLDERS)
      + _located(("partition statistics", T), lambda test, place: {"updates": [
          {"action": "set-partition-statistics", "partition-statistics": {
              "snapshot-id": test.t["metadata"]["current-snapshot-id"],
              "statistics-path": place + "/p.parquet", "file-size-in-bytes": 1}}]}, BAD_FOLDERS)
      + [(f"transaction set-location {name}", "POST", "/v1/transactions/commit",
          lambda test, name=name: {"table-changes": [
              {"identifier": ident(NS, TABLE), "updates": [
                  {"action": "set-location", "location": _places(test)[name]}]}]}, FORBIDDEN)
         for name in ("etc", "up", "another table", "inside another table", "s3")])


class Register(Hostile):
    """reliability.md L06: metadata files that somebody else wrote."""

    FILES = {"status": (400, 403, 404, 409),
             "type": BAD_REQUEST + ("ForbiddenException", "NotFoundException",
                                    "AlreadyExistsException")}

    def place(self, name, document=None, content=None):
        """A file in the metadata folder of `t`; removed after the test, whatever comes."""
        folder = os.path.dirname(local_path(self.t["metadata-location"]))
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(content if content is not None else json.dumps(document).encode())
        self.addCleanup(os.remove, path)
        type(self).before = self.state(self.client)
        self.addCleanup(self.forget)
        return os.path.dirname(self.t["metadata-location"]) + "/" + name

    def forget(self):
        type(self).before = None

    def setUp(self):
        super().setUp()
        if type(self).before is None:
            type(self).before = self.state(self.client)

    def refuse_location(self, location):
        self.refused("POST", BASE + "/register", {"name": "fresh", "metadata-location": location},
                     **self.FILES)

    def test_places(self):
        for name, place in _places(self).items():
            if name in ("another table", "slash behind another table", "inside another table",
                        "metadata of another table", "parent of tables", "the warehouse itself"):
                continue  # nothing is there, or it is a directory: below
            for end in ("", "/1.metadata.json"):
                with self.subTest(name + end):
                    self.refuse_location(place + end)

    def test_directories_and_special_files(self):
        for location in (self.t["metadata"]["location"],
                         os.path.dirname(self.t["metadata-location"]),
                         "file:///etc/passwd", "file:///dev/zero", "file:///dev/stdin",
                         "file:///proc/self/environ", "file:///proc/self/fd/3", "/etc/passwd"):
            with self.subTest(location):
                self.refuse_location(location)

    def test_a_directory_named_like_a_file(self):
        folder = local_path(self.t["metadata"]["location"]) + "/metadata/d.metadata.json"
        os.mkdir(folder)
        self.addCleanup(os.rmdir, folder)
        self.refuse_location(self.t["metadata"]["location"] + "/metadata/d.metadata.json")

    def test_a_pipe_does_not_hang_it(self):
        path = local_path(self.t["metadata"]["location"]) + "/metadata/p.metadata.json"
        os.mkfifo(path)
        try:
            reply = self.client.register(NS, "fresh",
                                         self.t["metadata"]["location"] + "/metadata/p.metadata.json")
            self.assertIn(reply.status, self.FILES["status"], repr(reply))
        finally:
            os.remove(path)
        self.check_nothing_happened(reply.body, self.server.data.encode())

    def test_symlinks(self):
        """L11: neither the file nor a folder on the way may be a link out of the warehouse."""
        outside = self.server.data + "-outside"
        os.mkdir(outside)
        self.addCleanup(os.rmdir, outside)
        document = dict(self.t["metadata"], location=self.t["metadata"]["location"] + "x")
        target = os.path.join(outside, "1.metadata.json")
        with open(target, "w") as f:
            json.dump(document, f)
        self.addCleanup(os.remove, target)
        folder = local_path(self.t["metadata"]["location"])
        for link, to, end in ((folder + "/metadata/link.metadata.json", target, ""),
                              (folder + "/metadata/dir", outside, "/1.metadata.json")):
            os.symlink(to, link)
            try:
                with self.subTest(link):
                    reply = self.client.register(NS, "fresh", "file://" + link + end)
                    self.assertIn(reply.status, self.FILES["status"], repr(reply))
                    self.assertEqual(404, self.client.load_table(NS, "fresh").status)
            finally:
                os.remove(link)
        self.check_nothing_happened(reply.body, self.server.data.encode())

    def test_a_table_does_not_write_through_a_symlink(self):
        reply = self.client.create_table(NS, "victim")
        self.assert_status(200, reply)
        folder = local_path(reply.json["metadata"]["location"]) + "/metadata"
        outside = self.server.data + "-outside2"
        os.rename(folder, folder + ".away")
        os.mkdir(outside)
        os.symlink(outside, folder)
        answer = self.client.commit(NS, "victim", [set_properties(a="b")])
        written = os.listdir(outside)
        os.remove(folder)
        os.rename(folder + ".away", folder)
        for name in written:
            os.remove(os.path.join(outside, name))
        os.rmdir(outside)
        self.assertEqual([], written)
        self.assertNotEqual(200, answer.status)
        self.assert_status(204, self.client.drop_table(NS, "victim"))
        self.forget()

    def test_documents(self):
        """Files inside of the warehouse that point to other places, or lie."""
        good = dict(self.t["metadata"])
        root = good["location"].rsplit("/", 2)[0]
        fresh = dict(good, location=f"{root}/registered/x",
                     **{"table-uuid": "2cc52516-5e73-41f2-b139-545d41a4e151"})
        snap = dict(good["snapshots"][0])
        cases = {
            "location outside": dict(fresh, location="file:///etc"),
            "location with dots": dict(fresh, location=root + "/../x"),
            "location of another scheme": dict(fresh, location="s3://bucket/x"),
            "location of another table": dict(fresh, location=self.other["metadata"]["location"]),
            "location inside of another table": dict(
                fresh, location=self.other["metadata"]["location"] + "/data"),
            "location is the parent of tables": dict(
                fresh, location=self.other["metadata"]["location"].rsplit("/", 1)[0]),
            "manifest list outside": dict(fresh, snapshots=[
                dict(snap, **{"manifest-list": "file:///etc/passwd"})]),
            "manifest list by http": dict(fresh, snapshots=[
                dict(snap, **{"manifest-list": "http://169.254.169.254/x"})]),
            "metadata path outside": dict(fresh, properties={"write.metadata.path": "file:///etc"}),
            "main is not current": dict(fresh, refs={"main": {"type": "branch", "snapshot-id": 1}}),
            "sequence behind": dict(fresh, **{"last-sequence-number": 0}),
            "log out of order": dict(fresh, **{"snapshot-log": [
                {"timestamp-ms": good["last-updated-ms"] + 3600000,
                 "snapshot-id": snap["snapshot-id"]},
                {"timestamp-ms": 1, "snapshot-id": snap["snapshot-id"]}]}),
        }
        for i, (what, document) in enumerate(cases.items()):
            with self.subTest(what):
                self.refuse_location(self.place(f"2000{i}-x.metadata.json", document))
                self.doCleanups()
                self.setUp()

    def test_gzip_bomb(self):
        import gzip
        bomb = gzip.compress(b'{"a":"' + b" " * (64 << 20) + b'"}')
        self.refuse_location(self.place("30000-x.gz.metadata.json", content=bomb))

    def test_gzip_cut(self):
        import gzip
        cut = gzip.compress(json.dumps(self.t["metadata"]).encode())[:-20]
        self.refuse_location(self.place("30001-x.gz.metadata.json", content=cut))


# ---- sizes ------------------------------------------------------------------------------------

class Sizes(Hostile):
    """Bodies at and beyond their limits; memory stays bounded and others are served."""

    def rss_kb(self):
        with open(f"/proc/{self.server.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    LARGEST = 64 << 20

    def post_head(self, length):
        return (f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {length}\r\n\r\n").encode()

    def test_largest(self):
        """Read whole, found to be nothing."""
        reply = self.client.request("POST", T, b" " * self.LARGEST)
        self.assert_error(reply, 400, BAD_REQUEST)
        self.check_nothing_happened(reply.body)

    def test_one_byte_more(self):
        before = self.rss_kb()
        received = b""
        try:
            received, _ = raw_exchange(self.server, self.post_head(self.LARGEST + 1)
                                       + b" " * (self.LARGEST + 1), replies=1)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: the reply may be lost with it
        if received:
            self.assertEqual([413], raw_statuses(received)[:1])
        self.assertLess(self.rss_kb() - before, 32 << 10)
        self.check_nothing_happened(received)

    def test_one_byte_more_is_refused_by_its_length(self):
        """The refusal comes before the body."""
        received, _ = raw_exchange(self.server, self.post_head(self.LARGEST + 1), replies=1)
        self.assertEqual([413], raw_statuses(received))
        self.assertEqual(413, json.loads(raw_bodies(received)[0])["error"]["code"])
        self.check_nothing_happened(received)

    def test_one_byte_more_in_chunks(self):
        """No length tells it beforehand."""
        chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        received = b""
        try:
            received, _ = raw_exchange(self.server, (
                f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
                + chunk * 64 + b"1\r\n \r\n0\r\n\r\n", replies=1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if received:
            self.assertEqual([413], raw_statuses(received)[:1])
        self.check_nothing_happened(received)

    def test_beyond_any_integer(self):
        for length in ("99999999999999999999999999", "-1", "0x10", "1,1", "1 1", "+5", "", "abc"):
            with self.subTest(length):
                received, closed = raw_exchange(self.server, (
                    f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
                    "{}").encode(), half_close=True)
                statuses = raw_statuses(received)
                if statuses:  # a reply, or the connection just ends
                    self.assertIn(statuses[0], (400, 413))
                    self.assertEqual(1, len(statuses))
                self.assertTrue(closed)
        self.check_nothing_happened()

    def test_namespace_bodies_are_small(self):
        body = json.dumps({"namespace": ["fresh"], "properties": {"k": "x" * (1 << 20)}})
        self.refused("POST", "/v1/namespaces", body, status=(400, 413))

    def test_bombs(self):
        """Shapes that cost a parser the most memory per byte, one after the other."""
        size = 4 << 20
        for what, body in {
            "objects": b"[" + b"{}," * (size // 3) + b"{}]",
            "arrays": b'{"updates":[' + b"[]," * (size // 3) + b"[]]}",
            "texts": b'{"updates":[' + b'"",' * (size // 3) + b'""]}',
            "updates": b'{"updates":[' + b'{},' * (size // 3) + b'{}]}',
            "numbers": b'{"a":[' + b"1," * (size // 2) + b"1]}",
            "long text": b'{"updates":[{"action":"' + b"x" * size + b'"}]}',
            "long key": b'{"' + b"x" * size + b'":1,"updates":1}',
        }.items():
            with self.subTest(what):
                reply = self.client.request("POST", T, body)
                if what == "numbers":  # a member that nobody knows is ignored
                    self.assertIn(reply.status, (200, 400, 413))
                else:
                    self.assertIn(reply.status, (400, 413), repr(reply))
                self.check_nothing_happened(reply.body if reply.status >= 400 else b"")

    def test_shorter_than_promised(self):
        received, _ = raw_exchange(self.server, (
            f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
            '{"updates":[]}').encode(), half_close=True)
        for status in raw_statuses(received):
            self.assertEqual(400, status)
        self.check_nothing_happened(received)

    def test_the_body_of_a_get(self):
        for length in (2, 5000):
            reply = self.client.request("GET", "/v1/config", b"x" * length)
            self.assertIn(reply.status, (200, 400, 413))
            self.check_nothing_happened()

    def test_half_a_request_and_gone(self):
        """F01: the client dies in the middle of the body."""
        import socket
        body = json.dumps({"updates": [set_properties(gone="x")]}).encode()
        head = (f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        for cut in (10, len(head) - 2, len(head), len(head) + 1, len(head) + len(body) - 1):
            s = socket.create_connection((self.server.host, self.server.port))
            s.sendall((head + body)[:cut])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        self.check_nothing_happened()


# ---- raw HTTP ---------------------------------------------------------------------------------

SMUGGLED = "GET /v1/namespaces/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
COMMIT_TEXT = '{"updates":[]}'

RAW = {  # label: (bytes, statuses that are right for the first reply)
    "length and chunks": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        f"0\r\n\r\n{SMUGGLED}", (400,)),
    "chunks and length": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n"
        f"0\r\n\r\n{SMUGGLED}", (400,)),
    "two lengths": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: {2 + len(SMUGGLED)}"
        f"\r\n\r\n{{}}{SMUGGLED}", (400,)),
    "two equal lengths": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{SMUGGLED}",
        (400,)),
    "unknown coding": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
        (400, 501)),
    "two codings": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
        (400, 501)),
    "chunked twice": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity"
        f"\r\n\r\n0\r\n\r\n{SMUGGLED}", (400, 501)),
    "space before the colon": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}", (400,)),
    "space before the colon of length": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n{{}}{SMUGGLED}", (400,)),
    "two hosts": ("GET /v1/config HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", (400,)),
    "no host": ("GET /v1/config HTTP/1.1\r\n\r\n", (400,)),
    "absolute form": ("GET http://evil/v1/config HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404)),
    "authority form": ("CONNECT evil:80 HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405, 501)),
    "asterisk form": ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404, 405)),
    "no slash": ("GET v1/config HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404)),
    "lower case verb": ("get /v1/config HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405, 501)),
    "bare LF smuggle": (
        f"GET /v1/config HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc{SMUGGLED}", (400,)),
    "folded header": ("GET /v1/config HTTP/1.1\r\nHost: x\r\nX-A: a\r\n  b\r\n\r\n", (400,)),
    "NUL in a header": ("GET /v1/config HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", (400,)),
    "NUL in the path": ("GET /v1/config\x00/x HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "path far too long": (f"GET /{'x' * 200000} HTTP/1.1\r\nHost: x\r\n\r\n", (400, 414)),
    "header far too long": (
        f"GET /v1/config HTTP/1.1\r\nHost: x\r\nX-A: {'x' * 200000}\r\n\r\n", (431,)),
    "a thousand headers": ("GET /v1/config HTTP/1.1\r\nHost: x\r\n" + "".join(
        f"X-{i}: {'x' * 40}\r\n" for i in range(1000)) + "\r\n", (431,)),
    "control in the path": ("GET /v1/con\x01fig HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "high bytes in the path": ("GET /v1/namespaces/\xff HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "space in the path": ("GET /v1/config x HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "version 1.9": ("GET /v1/config HTTP/1.9\r\nHost: x\r\n\r\n", (400, 505)),
    "version 2.0": ("GET /v1/config HTTP/2.0\r\nHost: x\r\n\r\n", (400, 505)),
    "version 0.9": ("GET /v1/config\r\n\r\n", (400, 505)),
    "no version": ("GET /v1/config HTTP\r\nHost: x\r\n\r\n", (400, 505)),
    "header without colon": ("GET /v1/config HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", (400,)),
    "header without name": ("GET /v1/config HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n", (400,)),
    "space in a header's name": ("GET /v1/config HTTP/1.1\r\nHost: x\r\nX A: v\r\n\r\n", (400,)),
    "chunk size garbage": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n",
        (400,)),
    "chunk size negative": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{{}}\r\n0\r\n\r\n",
        (400,)),
    "chunk size beyond any integer": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n", (400, 413)),
    "chunk without its end": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}XX0\r\n\r\n",
        (400,)),
    "garbage": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "A" * 200 + "\r\n\r\n", (400, 405, 501)),
    "garbage after a request": (
        f"POST {T} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}\x00\x01\x02\r\n\r\n", (200,)),
}


class RawHttp(Hostile):
    """reliability.md 3.9. What is refused must also end the connection: a second request hidden in
    it is never answered."""
    # Who closed only one half and was answered may be noticed by this and nothing else.
    server_args = ("--idle-timeout-ms", "4000")


def _raw_case(label, data, statuses):
    def test(self):
        data_bytes = data.encode("latin-1")
        received, closed = raw_exchange(self.server, data_bytes, half_close=True)
        found = raw_statuses(received)
        if found:
            self.assertIn(found[0], statuses, received[:500])
            if found[0] >= 400:
                self.assertEqual(1, len(found), f"a second answer: {received[:1500]!r}")
        else:
            self.assertNotIn(200, statuses)
        self.assertTrue(closed, "the connection stayed open")
        self.assertNotIn(b"smuggled", received, "the hidden request was answered")
        self.check_nothing_happened(received if 200 not in found else b"")
    return test


for _i, (_label, (_data, _statuses)) in enumerate(RAW.items()):
    setattr(RawHttp, f"test_{_i:02}_" + "".join(c if c.isalnum() else "_" for c in _label),
            _raw_case(_label, _data, _statuses))


def _add_good_raw_cases():
    def pipelined(self):
        one = b"GET /v1/config HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /v1/config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        received, closed = raw_exchange(self.server, one * 3 + last)
        self.assertEqual([200] * 4, raw_statuses(received))
        self.assertTrue(closed)

    def chunked(self):
        body = "".join(f"{len(p):x}\r\n{p}\r\n" for p in ('{"upd', 'ates":', "[]}")) + "0\r\n\r\n"
        received, _ = raw_exchange(self.server, (
            f"POST {T} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            + body).encode())
        self.assertEqual([200], raw_statuses(received))

    def byte_by_byte(self):
        import socket
        data = (f"POST {T} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Content-Length: {len(COMMIT_TEXT)}\r\n\r\n{COMMIT_TEXT}").encode()
        with socket.create_connection((self.server.host, self.server.port), timeout=60) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                s.sendall(data[i:i + 1])
            received = b""
            while part := s.recv(65536):
                received += part
        self.assertEqual([200], raw_statuses(received))

    def expect_continue(self):
        received, _ = raw_exchange(self.server, (
            f"POST {T} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(COMMIT_TEXT)}\r\n\r\n{COMMIT_TEXT}").encode())
        self.assertIn(200, raw_statuses(received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")))

    def no_body_after_204_and_304(self):
        tag = self.client.load_table(NS, TABLE).header("ETag")
        last = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        for request, status in ((f"HEAD {T} HTTP/1.1\r\nHost: x\r\n\r\n", 204),
                                (f"HEAD {T}x HTTP/1.1\r\nHost: x\r\n\r\n", 404),
                                (f"GET {T} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n", 304)):
            received, _ = raw_exchange(self.server, request.encode() + last)
            head, _, rest = received.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(f"HTTP/1.1 {status} ".encode()), received[:300])
            self.assertTrue(rest.startswith(b"HTTP/1.1 200 "), received[:600])

    for test in (pipelined, chunked, byte_by_byte, expect_continue, no_body_after_204_and_304):
        setattr(RawHttp, "test_good_" + test.__name__, test)


_add_good_raw_cases()
# Hostile itself has no cases
del Hostile

if __name__ == "__main__":
    unittest.main()
