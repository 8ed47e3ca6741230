"""Metrics reports of engines (rest.md 11) and the history of mutations."""
import unittest

from tests.harness import (BAD_REQUEST, FirnTest, append, key_header, set_properties)

SCAN = {"report-type": "scan-report", "table-name": "cat.ns.t", "snapshot-id": 8247239847,
        "filter": True, "schema-id": 0, "projected-field-ids": [1], "projected-field-names": ["id"],
        "metrics": {"total-planning-duration": {"count": 1, "time-unit": "nanoseconds",
                                                "total-duration": 2644235116},
                    "result-data-files": {"unit": "count", "value": 9007199254740993}}}
COMMIT = {"report-type": "commit-report", "table-name": "cat.ns.t", "snapshot-id": -1,
          "sequence-number": 3, "operation": "append", "metrics": {}}


class Reports(FirnTest):
    def report(self, ns, name, body):
        return self.client.post(self.client.table_path(ns, name, "/metrics"), body)

    def test_kept_as_sent_newest_first(self):
        ns, name, _ = self.fresh_table()
        for body in (SCAN, COMMIT):
            self.assert_status(204, self.report(ns, name, body))
        reports = self.client.metrics_reports(ns, name)
        self.assertEqual([COMMIT, SCAN], [r["report"] for r in reports])

    def test_kept_over_a_kill(self):
        ns, name, _ = self.fresh_table()
        self.assert_status(204, self.report(ns, name, SCAN))
        self.server.kill()
        self.server.start()
        self.assertEqual([SCAN], [r["report"] for r in self.client.metrics_reports(ns, name)])

    def test_of_one_table_only(self):
        ns, name, _ = self.fresh_table()
        _, other, _ = self.fresh_table(ns)
        self.assert_status(204, self.report(ns, name, SCAN))
        self.assertEqual([], self.client.metrics_reports(ns, other))

    def test_spelling_of_the_type(self):
        ns, name, _ = self.fresh_table()
        for kind in ("SCAN_REPORT", "scanReport", "Commit-Report", "something-new"):
            self.assert_status(204, self.report(ns, name, {"report-type": kind}))

    def test_never_fails_for_a_missing_table(self):
        ns = self.fresh_namespace()
        for where in (ns, "missing"):
            reply = self.report(where, "gone", SCAN)
            self.assertIn(reply.status, (204, 404))
            if reply.status == 404:
                self.assert_error(reply, 404, "NoSuchTableException")

    def test_malformed(self):
        ns, name, _ = self.fresh_table()
        for body in ("", "x", "[]", "1", "null", "{}", '{"report-type":1}', '{"report-type":null}'):
            with self.subTest(body):
                self.assert_error(self.report(ns, name, body), 400, BAD_REQUEST)
        self.assertEqual([], self.client.metrics_reports(ns, name))

    def test_pages(self):
        ns, name, _ = self.fresh_table()
        for i in range(7):
            self.assert_status(204, self.report(ns, name, dict(SCAN, **{"snapshot-id": i})))
        self.assertEqual(list(range(6, -1, -1)),
                         [r["report"]["snapshot-id"]
                          for r in self.client.metrics_reports(ns, name, limit=3)])


class History(FirnTest):
    def test_rows_of_a_table(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        one = self.assert_commits(ns, name, updates, requirements)
        two = self.assert_commits(ns, name, [set_properties(a="b")])
        rows = self.client.history(ns, name)
        self.assertEqual(["createTable", "updateTable", "updateTable"],
                         [r["operation"] for r in rows])
        self.assertEqual([made["metadata-location"], one["metadata-location"],
                          two["metadata-location"]], [r["metadata-location"] for r in rows])
        self.assertEqual([None, made["metadata-location"], one["metadata-location"]],
                         [r["previous-metadata-location"] for r in rows])
        self.assertEqual([1, 2, 3], [r["version"] for r in rows])
        self.assertEqual(sorted(r["sequence"] for r in rows), [r["sequence"] for r in rows])
        self.assertEqual(3, len({r["commit-id"] for r in rows}))
        for row in rows:
            self.assertTrue(row["principal"])

    def test_refused_changes_leave_none(self):
        ns, name, _ = self.fresh_table()
        before = self.client.history()
        self.assertEqual(409, self.client.create_table(ns, name).status)
        self.assertEqual(404, self.client.drop_table(ns, "missing").status)
        self.assertEqual(409, self.client.commit(ns, name, [set_properties(a="b")], [
            {"type": "assert-default-spec-id", "default-spec-id": 4}]).status)
        self.assertEqual(before, self.client.history())

    def test_a_replay_leaves_none(self):
        ns, name, _ = self.fresh_table()
        headers = key_header()
        for _ in range(3):
            self.assert_commits(ns, name, [set_properties(a="b")], headers=headers)
        self.assertEqual(2, len(self.client.history(ns, name)))

    def test_every_mutation_is_there(self):
        ns, name, made = self.fresh_table()
        self.assert_status(200, self.client.post(self.client.ns_path(ns, "/properties"),
                                                 {"updates": {"a": "b"}}))
        self.assert_status(204, self.client.rename((ns, name), (ns, "new")))
        self.assert_status(204, self.client.transaction([(ns, "new", [set_properties(a="b")])]))
        self.assert_status(204, self.client.drop_table(ns, "new"))
        self.assert_status(200, self.client.register(ns, "new", made["metadata-location"]))
        self.assert_status(200, self.client.post(self.client.table_path(ns, "new", "/unregister")))
        self.assert_status(204, self.client.drop_namespace(ns))
        rows = [r for r in self.client.history() if r["namespace"][:1] == [ns]]
        self.assertEqual(["createNamespace", "createTable", "updateProperties", "renameTable",
                          "commitTransaction", "dropTable", "registerTable", "unregisterTable",
                          "dropNamespace"], [r["operation"] for r in rows])

    def test_pages(self):
        ns, name, _ = self.fresh_table()
        for i in range(6):
            self.assert_commits(ns, name, [set_properties(i=str(i))])
        self.assertEqual(self.client.history(ns, name), self.client.history(ns, name, limit=2))

    def test_survives_a_restart(self):
        ns, name, _ = self.fresh_table()
        self.assert_commits(ns, name, [set_properties(a="b")])
        before = self.client.history(ns, name)
        self.server.restart()
        self.assertEqual(before, self.client.history(ns, name))

    def test_unknown_warehouse(self):
        self.assert_error(self.client.management("/history", "nope"), 404,
                          "NoSuchWarehouseException")


if __name__ == "__main__":
    unittest.main()
