"""Several tables at once, all or nothing (rest.md 10)."""
import threading
import unittest

from tests.harness import (ASSERT_CREATE, BAD_REQUEST, FirnTest, append, assert_ref, assert_uuid,
                           create_updates, ident, set_properties, warehouse_files)


class Transactions(FirnTest):
    def setUp(self):
        super().setUp()
        self.ns, self.a, one = self.fresh_table()
        _, self.b, two = self.fresh_table(self.ns)
        self.one, self.two = one["metadata"], two["metadata"]

    def locations(self):
        return [self.load(self.ns, name)["metadata-location"] for name in (self.a, self.b)]

    def refused(self, changes, status, type, message=""):
        before, files = self.locations(), warehouse_files(self.server)
        self.assert_error(self.client.transaction(changes), status, type, message)
        self.assertEqual(before, self.locations())
        return files

    def test_both(self):
        updates_a, require_a = append(self.one)
        updates_b, require_b = append(self.two)
        reply = self.client.transaction([(self.ns, self.a, updates_a, require_a),
                                         (self.ns, self.b, updates_b, require_b)])
        self.assert_status(204, reply)
        self.assertIsNone(reply.header("ETag"))
        for name, updates in ((self.a, updates_a), (self.b, updates_b)):
            self.assertEqual(updates[0]["snapshot"]["snapshot-id"],
                             self.load(self.ns, name)["metadata"]["current-snapshot-id"])

    def test_one_table(self):
        self.assert_status(204, self.client.transaction(
            [(self.ns, self.a, [set_properties(x="1")])]))
        self.assertEqual("1", self.load(self.ns, self.a)["metadata"]["properties"]["x"])

    def test_second_requirement_fails(self):
        updates, requirements = append(self.one)
        self.refused([(self.ns, self.a, updates, requirements),
                      (self.ns, self.b, [set_properties(x="1")],
                       [{"type": "assert-current-schema-id", "current-schema-id": 1}])],
                     409, "CommitFailedException",
                     "Requirement failed: current schema changed: expected id 1 != 0")
        self.assertEqual([], self.load(self.ns, self.a)["metadata"]["snapshots"])

    def test_second_update_fails(self):
        self.refused([(self.ns, self.a, [set_properties(x="1")]),
                      (self.ns, self.b, [{"action": "set-current-schema", "schema-id": 9}])],
                     400, BAD_REQUEST)

    def test_missing_table(self):
        for where in ((self.ns, "missing"), ("missing", "t")):
            self.refused([(self.ns, self.a, [set_properties(x="1")]),
                          (*where, [set_properties(x="1")])], 404, "NoSuchTableException")

    def test_same_table_twice(self):
        self.refused([(self.ns, self.a, [set_properties(x="1")]),
                      (self.ns, self.a, [set_properties(y="1")])], 400, BAD_REQUEST,
                     f"Invalid transaction: table {self.ns}.{self.a} is in it twice")

    def test_a_change_without_effect_is_skipped(self):
        before = self.locations()
        self.assert_status(204, self.client.transaction(
            [(self.ns, self.a, []), (self.ns, self.b, [set_properties(x="1")])]))
        after = self.locations()
        self.assertEqual(before[0], after[0])
        self.assertNotEqual(before[1], after[1])

    def test_create_inside(self):
        staged = self.client.create_table(self.ns, "made", stage_create=True).json["metadata"]
        self.assert_status(204, self.client.transaction([
            (self.ns, "made", create_updates(staged), [ASSERT_CREATE]),
            (self.ns, self.a, [set_properties(x="1")], [assert_uuid(self.one)])]))
        self.assertEqual(staged["table-uuid"], self.load(self.ns, "made")["metadata"]["table-uuid"])
        self.assertEqual("1", self.load(self.ns, self.a)["metadata"]["properties"]["x"])

    def test_create_inside_of_a_refused_one(self):
        staged = self.client.create_table(self.ns, "made", stage_create=True).json["metadata"]
        self.refused([(self.ns, "made", create_updates(staged), [ASSERT_CREATE]),
                      (self.ns, self.a, [set_properties(x="1")], [assert_ref(4711)])],
                     409, "CommitFailedException", "Requirement failed")
        self.assert_error(self.client.load_table(self.ns, "made"), 404, "NoSuchTableException")

    def test_create_of_an_existing_table(self):
        self.refused([(self.ns, self.a, create_updates(self.two), [ASSERT_CREATE]),
                      (self.ns, self.b, [set_properties(x="1")])],
                     409, "CommitFailedException", "Requirement failed: table already exists")

    def test_across_namespaces(self):
        other, name, made = self.fresh_table()
        self.assert_status(204, self.client.transaction([
            (self.ns, self.a, [set_properties(x="1")]),
            (other, name, [set_properties(x="2")], [assert_uuid(made["metadata"])])]))
        self.assertEqual("2", self.load(other, name)["metadata"]["properties"]["x"])

    def test_bodies_refused(self):
        good = {"identifier": ident(self.ns, self.a), "requirements": [],
                "updates": [set_properties(x="1")]}
        for body in ({}, {"table-changes": []}, {"table-changes": {}}, {"table-changes": None},
                     {"table-changes": [1]}, {"table-changes": [{"updates": []}]},
                     {"table-changes": [good, {k: good[k] for k in ("requirements", "updates")}]},
                     {"table-changes": [dict(good, identifier={"namespace": [self.ns]})]},
                     {"table-changes": [dict(good, identifier={"name": self.a})]}):
            with self.subTest(body):
                before = self.locations()
                self.assert_error(self.client.post("/v1/transactions/commit", body), 400,
                                  BAD_REQUEST)
                self.assertEqual(before, self.locations())

    def test_survives_kill(self):
        self.assert_status(204, self.client.transaction([
            (self.ns, self.a, [set_properties(x="1")]), (self.ns, self.b, [set_properties(x="1")])]))
        self.server.kill()
        self.server.start()
        for name in (self.a, self.b):
            self.assertEqual("1", self.load(self.ns, name)["metadata"]["properties"]["x"])

    def test_opposite_orders_and_single_commits_at_once(self):
        """Nobody waits for ever, nothing is half done."""
        failures = []

        def work(i):
            client = self.server.client()
            try:
                for j in range(20):
                    mark = f"m{i}_{j}"
                    pair = [(self.ns, self.a, [set_properties(**{mark: "x"})]),
                            (self.ns, self.b, [set_properties(**{mark: "x"})])]
                    if i == 2:
                        reply = client.commit(*pair[0][:2], pair[0][2])
                        self.assertEqual(200, reply.status, repr(reply))
                    else:
                        reply = client.transaction(pair if i == 0 else pair[::-1])
                        self.assertEqual(204, reply.status, repr(reply))
            except BaseException as e:
                failures.append(e)
            finally:
                client.close()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([], failures)
        marks = [{k for k in self.load(self.ns, name)["metadata"]["properties"]
                  if k.startswith("m")} for name in (self.a, self.b)]
        self.assertEqual(60, len(marks[0]))
        self.assertEqual({m for m in marks[0] if not m.startswith("m2")}, marks[1])


if __name__ == "__main__":
    unittest.main()
