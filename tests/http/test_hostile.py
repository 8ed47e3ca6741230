"""Hostile requests, made from the description (tests/http/hostile_cases.py). Of each: the one right
status, an error as described and of a type of base/error_kinds.h, nothing changed, and the connection
still good. Beside them tests/http/test_bad_input.py has what no description can tell."""
import collections
import re
import unittest

from tests.harness import FirnTest, state_of
from tests.http.hostile_cases import (EXAMPLES, FUNCTION, FUNCTION_METADATA, NS, SCHEMA, TABLE, TOKENS,
                                      VERSION, VIEW, Maker)
from tests.openapi.description import error_types

WHOLE_STATE_EVERY = 50  # cases; between them the history tells
MAKER = Maker()
ERROR_TYPES = error_types()


class Hostile(FirnTest):
    """One server, one fixture; the cases are added to subclasses as test methods."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.server.client()
        assert client.create_namespace(NS, {"p": "q"}).status == 200
        made = client.create_table(NS, TABLE)
        assert made.status == 200, repr(made)
        cls.table_location, cls.etag = made.json["metadata-location"], made.header("ETag").strip('"')
        body = {"name": VIEW, "schema": SCHEMA, "view-version": VERSION, "properties": {}}
        made = client.post(f"/v1/namespaces/{NS}/views", body)
        assert made.status == 200, repr(made)
        cls.view_location = made.json["metadata-location"]
        made = client.post("/management/v1/warehouses/default/functions", {
            "namespace": [NS], "name": FUNCTION, "metadata": FUNCTION_METADATA})
        assert made.status == 200, repr(made)
        cls.before, cls.count = cls.whole_state(client), 0
        cls.quick_before = cls.quick_state(client)
        client.close()

    @classmethod
    def tearDownClass(cls):
        client = cls.server.client()
        try:
            assert cls.whole_state(client) == cls.before, "something changed"
        finally:
            client.close()
            super().tearDownClass()

    @classmethod
    def whole_state(cls, client):
        state = state_of(cls.server, client)
        state["warehouses"] = client.get("/management/v1/warehouses").json
        state["views"] = client.get(f"/v1/namespaces/{NS}/views").json
        state["functions"] = client.get(f"/v1/namespaces/{NS}/functions").json
        return state

    @classmethod
    def quick_state(cls, client):
        """Every change leaves a row of history."""
        rows = client.management("/history?limit=1").json["history"]
        return rows[0]["sequence"], len(client.get("/management/v1/warehouses").json["warehouses"])

    def check_nothing_happened(self):
        self.assert_status(200, self.client.get("/health/live"))  # the connection serves on
        after = self.quick_state(self.client)
        type(self).count += 1
        if after != self.quick_before:
            type(self).quick_before = after  # one case's fault is not the next one's
            type(self).before = self.whole_state(self.client)
            self.fail("it changed something")
        if self.count % WHOLE_STATE_EVERY == 0:
            self.assertEqual(self.before, self.whole_state(self.client))

    def check_headers(self, case, reply):
        for name, wanted in case.reply_headers.items():
            got = reply.header(name)
            if wanted is None:
                self.assertNotEqual(case.headers[name], got, repr(reply))
            elif isinstance(wanted, set):
                self.assertEqual(wanted, set((got or "").split(", ")), repr(reply))
            else:
                self.assertEqual(wanted, got, repr(reply))

    def check(self, case):
        body, headers = case.body, dict(case.headers)
        for token, value in TOKENS.items():
            if body is not None:
                body = body.replace(token.encode(), value(self).encode())
        headers = {k: v.replace("@etag@", self.etag) for k, v in headers.items()}
        reply = self.client.request(case.method, case.path, body, headers)
        try:
            if reply.status != case.status:
                self.fail(f"expected {case.status}: {reply!r}\n    for {(body or b'')[:400]!r}")
            problems = MAKER.description.problems(case.method, case.path, reply.status,
                                                  reply.headers, reply.body)
            self.assertEqual([], problems, repr(reply))
            if case.status >= 400 and reply.body and isinstance(reply.json["error"], dict):
                self.assertEqual(case.status, reply.error["code"])
                self.assertIn(case.status, ERROR_TYPES[reply.error["type"]])
            self.check_headers(case, reply)
        finally:
            self.check_nothing_happened()


def cases(cls, generated):
    """Adds a test method per case to the class."""
    for i, case in enumerate(generated):
        label = re.sub(r"[^0-9A-Za-z]+", "_", case.label)[:80]

        def test(self, case=case):
            self.check(case)
        test.__doc__ = f"{case.label}: {case.method} {case.path[:100]} is {case.status}"
        setattr(cls, f"test_{i:04}_{label}", test)


class Names(Hostile):
    pass


class Paths(Hostile):
    pass


class Queries(Hostile):
    pass


class Headers(Hostile):
    pass


class Bodies(Hostile):
    pass


class Members(Hostile):
    pass


GROUPS = {Names: list(MAKER.path_cases()),
          Paths: [*MAKER.nowhere_cases(), *MAKER.verb_cases()],
          Queries: list(MAKER.query_cases()), Headers: list(MAKER.header_cases()),
          Bodies: list(MAKER.body_cases()), Members: list(MAKER.field_cases())}
for _class, _cases in GROUPS.items():
    cases(_class, _cases)
del _class  # or its tests would be found twice


class Generator(unittest.TestCase):
    """The cases themselves."""

    def test_there_are_many(self):
        count = sum(map(len, GROUPS.values()))
        self.assertGreater(count, 1000)
        by_operation = collections.Counter(
            case.label.split(" ")[0] for group in GROUPS.values() for case in group)
        for operation in MAKER.operations:
            self.assertGreater(by_operation[operation], 5, operation)

    def test_they_are_the_same_every_time(self):
        again = Maker()
        self.assertEqual([(c.label, c.body) for c in GROUPS[Bodies]],
                         [(c.label, c.body) for c in again.body_cases()])


class Examples(FirnTest):
    """What is spoiled was good: the examples are accepted as they stand."""

    def test_they_are_accepted(self):
        client = self.client
        self.assert_status(200, client.create_namespace(NS, {"p": "q"}))
        table = client.create_table(NS, TABLE)
        view = client.post(f"/v1/namespaces/{NS}/views",
                           {"name": VIEW, "schema": SCHEMA, "view-version": VERSION})
        self.assert_status(200, view)
        texts = {"@table-metadata@": table.json["metadata-location"],
                 "@view-metadata@": view.json["metadata-location"]}
        # at last what takes the fixture away: a file is registered when its name is gone
        order = sorted(EXAMPLES, key=lambda name: name.startswith(("rename", "register"))
                       + name.startswith("register"))
        for name in order:
            operation = MAKER.operations[name]
            body = MAKER.example(operation)
            for token, text in texts.items():
                body = body.replace(token.encode(), text.encode())
            with self.subTest(name):
                reply = client.request(operation.method, MAKER.fill(operation.path), body)
                self.assertEqual(MAKER.success(operation), reply.status, repr(reply))
                client.drop_table(NS, "fresh")
                client.delete(f"/v1/namespaces/{NS}/views/fresh")


# Hostile itself has no cases
del Hostile

if __name__ == "__main__":
    unittest.main()
