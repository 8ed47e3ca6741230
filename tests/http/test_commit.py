"""Commits to one table (rest.md 3.5, 4.4-4.7, 9)."""
import os
import threading
import unittest

from tests.harness import (ASSERT_CREATE, BAD_REQUEST, FirnTest, add_snapshot, append, assert_ref,
                           assert_uuid, field, local_path, now_ms, read_metadata, schema,
                           set_properties, set_ref, snapshot, warehouse_files)


class Commit(FirnTest):
    def test_append(self):
        ns, name, made = self.fresh_table()
        base = made["metadata"]
        updates, requirements = append(base)
        snap = updates[0]["snapshot"]
        reply = self.assert_status(200, self.client.commit(ns, name, updates, requirements))
        metadata = reply.json["metadata"]
        self.assertEqual(metadata, read_metadata(reply.json["metadata-location"]))
        self.assertRegex(os.path.basename(reply.json["metadata-location"]), "^00001-")
        self.assertEqual([snap], metadata["snapshots"])
        self.assertEqual(snap["snapshot-id"], metadata["current-snapshot-id"])
        self.assertEqual({"main": {"snapshot-id": snap["snapshot-id"], "type": "branch"}},
                         metadata["refs"])
        self.assertEqual(1, metadata["last-sequence-number"])
        self.assertEqual([{"timestamp-ms": snap["timestamp-ms"],
                           "snapshot-id": snap["snapshot-id"]}], metadata["snapshot-log"])
        self.assertEqual([{"timestamp-ms": base["last-updated-ms"],
                           "metadata-file": made["metadata-location"]}], metadata["metadata-log"])
        self.assertGreaterEqual(metadata["last-updated-ms"], base["last-updated-ms"])
        self.assertEqual(base["table-uuid"], metadata["table-uuid"])
        self.assertTrue(os.path.exists(local_path(made["metadata-location"])))
        loaded = self.client.load_table(ns, name)
        self.assertEqual(reply.json["metadata-location"], loaded.json["metadata-location"])
        self.assertEqual(metadata, loaded.json["metadata"])
        self.assertEqual(reply.header("ETag"), loaded.header("ETag"))

    def test_chain(self):
        ns, name, made = self.fresh_table()
        metadata, ids = made["metadata"], []
        for i in range(10):
            updates, requirements = append(metadata)
            ids.append(updates[0]["snapshot"]["snapshot-id"])
            metadata = self.assert_commits(ns, name, updates, requirements)["metadata"]
        self.assertEqual(ids, [s["snapshot-id"] for s in metadata["snapshots"]])
        self.assertEqual(ids, [s["snapshot-id"] for s in metadata["snapshot-log"]])
        self.assertEqual(10, len(metadata["metadata-log"]))
        self.assertEqual(10, metadata["last-sequence-number"])

    def test_large_numbers_are_exact(self):
        ns, name, made = self.fresh_table()
        big = 2**63 - 1
        snap = snapshot(made["metadata"], snapshot_id=big)
        metadata = self.assert_commits(ns, name, [add_snapshot(snap), set_ref(big)])["metadata"]
        self.assertEqual(big, metadata["current-snapshot-id"])
        self.assertEqual(big, self.load(ns, name)["metadata"]["snapshots"][0]["snapshot-id"])

    def test_nothing_to_do_keeps_the_location(self):
        ns, name, made = self.fresh_table()
        current = self.load(ns, name)
        metadata = current["metadata"]
        cases = {
            "no updates": [],
            "same location": [{"action": "set-location", "location": metadata["location"]}],
            "same uuid": [{"action": "assign-uuid", "uuid": metadata["table-uuid"]}],
            "same version": [{"action": "upgrade-format-version", "format-version": 2}],
            "same schema": [{"action": "set-current-schema", "schema-id": 0}],
            "same spec": [{"action": "set-default-spec", "spec-id": 0}],
            "same order": [{"action": "set-default-sort-order", "sort-order-id": 0}],
            "known schema": [{"action": "add-schema", "schema": metadata["schemas"][0]}],
            "empty properties": [{"action": "set-properties", "updates": {}}],
            "no removals": [{"action": "remove-properties", "removals": []}],
            "absent ref": [{"action": "remove-snapshot-ref", "ref-name": "none"}],
            "absent snapshots": [{"action": "remove-snapshots", "snapshot-ids": [1, 2]}],
            "absent statistics": [{"action": "remove-statistics", "snapshot-id": 5}],
        }
        files = warehouse_files(self.server)
        for what, updates in cases.items():
            with self.subTest(what):
                done = self.assert_commits(ns, name, updates, [assert_uuid(metadata)])
                self.assertEqual(current["metadata-location"], done["metadata-location"])
                self.assertEqual(metadata, done["metadata"])
        self.assertEqual(files, warehouse_files(self.server))

    def test_lists_may_be_absent(self):
        ns, name, made = self.fresh_table()
        for body in ({}, {"updates": []}, {"requirements": []}):
            reply = self.assert_status(200, self.client.post(self.client.table_path(ns, name), body))
            self.assertEqual(made["metadata-location"], reply.json["metadata-location"])

    def test_identifier_of_the_body_is_ignored(self):
        ns, name, _ = self.fresh_table()
        self.assert_status(200, self.client.post(self.client.table_path(ns, name), {
            "identifier": {"namespace": ["other", "place"], "name": "x"},
            "requirements": [], "updates": [set_properties(a="b")]}))
        self.assertEqual("b", self.load(ns, name)["metadata"]["properties"]["a"])

    def test_equal_properties_are_still_a_change(self):
        ns, name, _ = self.fresh_table(properties={"a": "b"})
        before = self.load(ns, name)["metadata-location"]
        done = self.assert_commits(ns, name, [set_properties(a="b")])
        self.assertNotEqual(before, done["metadata-location"])

    def test_properties(self):
        ns, name, _ = self.fresh_table(properties={"a": "1", "b": "2"})
        metadata = self.assert_commits(ns, name, [
            set_properties(c="3", a="x"),
            {"action": "remove-properties", "removals": ["b", "missing"]}])["metadata"]
        self.assertEqual({"a": "x", "c": "3"},
                         {k: v for k, v in metadata["properties"].items() if k in "abc"})

    def test_legacy_names_of_property_updates(self):
        ns, name, _ = self.fresh_table(properties={"a": "1"})
        metadata = self.assert_commits(ns, name, [
            {"action": "set-properties", "updated": {"b": "2"}},
            {"action": "remove-properties", "removed": ["a"]}])["metadata"]
        self.assertEqual("2", metadata["properties"]["b"])
        self.assertNotIn("a", metadata["properties"])

    def test_names_of_updates_and_requirements_ignore_case(self):
        ns, name, made = self.fresh_table()
        metadata = self.assert_commits(
            ns, name, [{"action": "SET-Properties", "updates": {"a": "b"}}],
            [{"type": "Assert-Table-UUID", "uuid": made["metadata"]["table-uuid"].upper()}])
        self.assertEqual("b", metadata["metadata"]["properties"]["a"])

    def test_missing_table(self):
        ns = self.fresh_namespace()
        self.assert_error(self.client.commit(ns, "t", [set_properties(a="b")]), 404,
                          "NoSuchTableException", f"Table does not exist: {ns}.t")
        self.assert_error(self.client.commit("missing", "t", [set_properties(a="b")]), 404,
                          "NoSuchTableException", "Table does not exist: missing.t")

    def test_metadata_log_is_bounded(self):
        ns, name, _ = self.fresh_table()
        locations = [self.load(ns, name)["metadata-location"]]
        for i in range(3):
            locations.append(self.assert_commits(ns, name, [set_properties(i=str(i))])
                             ["metadata-location"])
        done = self.assert_commits(ns, name, [
            {"action": "set-properties", "updates": {"write.metadata.previous-versions-max": "2"}}])
        self.assertEqual(locations[-2:],
                         [e["metadata-file"] for e in done["metadata"]["metadata-log"]])

    def test_old_files_stay_readable(self):
        """A reader that loaded a moment ago must still find what it was told of."""
        ns, name, made = self.fresh_table()
        states = [self.load(ns, name)]
        for i in range(4):
            self.assert_commits(ns, name, [set_properties(i=str(i))])
            states.append(self.load(ns, name))
        for state in states:
            self.assertEqual(state["metadata"], read_metadata(state["metadata-location"]))

    def test_survives_kill(self):
        ns, name, _ = self.fresh_table()
        done = self.assert_commits(ns, name, [set_properties(a="b")])
        self.server.kill()
        self.server.start()
        loaded = self.load(ns, name)
        self.assertEqual(done["metadata-location"], loaded["metadata-location"])
        self.assertEqual(done["metadata"], loaded["metadata"])

    def test_last_updated_never_goes_back(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        updates[0]["snapshot"]["timestamp-ms"] = now_ms() + 30000
        ahead = self.assert_commits(ns, name, updates, requirements)["metadata"]
        after = self.assert_commits(ns, name, [set_properties(a="b")])["metadata"]
        self.assertGreaterEqual(after["last-updated-ms"], ahead["last-updated-ms"])


class Requirements(FirnTest):
    def setUp(self):
        super().setUp()
        self.ns, self.name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        self.metadata = self.assert_commits(self.ns, self.name, updates, requirements)["metadata"]
        self.current = self.metadata["current-snapshot-id"]

    def refused(self, requirement, message):
        before = self.load(self.ns, self.name)
        reply = self.client.commit(self.ns, self.name, [set_properties(a="b")], [requirement])
        self.assert_error(reply, 409, "CommitFailedException", message)
        self.assertEqual(before, self.load(self.ns, self.name))

    def test_that_hold(self):
        metadata = self.metadata
        self.assert_commits(self.ns, self.name, [set_properties(a="b")], [
            assert_uuid(metadata), assert_ref(self.current), assert_ref(None, "absent"),
            {"type": "assert-ref-snapshot-id", "ref": "absent"},
            {"type": "assert-last-assigned-field-id", "last-assigned-field-id": 2},
            {"type": "assert-current-schema-id", "current-schema-id": 0},
            {"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 999},
            {"type": "assert-default-spec-id", "default-spec-id": 0},
            {"type": "assert-default-sort-order-id", "default-sort-order-id": 0}])

    def test_create(self):
        self.refused(ASSERT_CREATE, "Requirement failed: table already exists")

    def test_uuid(self):
        self.refused({"type": "assert-table-uuid", "uuid": "2cc52516-5e73-41f2-b139-545d41a4e151"},
                     "Requirement failed: UUID does not match")

    def test_ref_must_not_exist(self):
        self.refused(assert_ref(None), "Requirement failed: branch main was created concurrently")
        self.refused({"type": "assert-ref-snapshot-id", "ref": "main"},
                     "Requirement failed: branch main was created concurrently")

    def test_ref_moved(self):
        self.refused(assert_ref(17), "Requirement failed: branch main has changed: "
                     f"expected id 17 != {self.current}")

    def test_ref_missing(self):
        self.refused(assert_ref(17, "other"),
                     "Requirement failed: branch or tag other is missing, expected 17")

    def test_tag_is_called_a_tag(self):
        self.assert_commits(self.ns, self.name, [set_ref(self.current, "v1", "tag")])
        self.refused(assert_ref(17, "v1"), "Requirement failed: tag v1 has changed")

    def test_field_id(self):
        self.refused({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 5},
                     "Requirement failed: last assigned field id changed")

    def test_schema_id(self):
        self.refused({"type": "assert-current-schema-id", "current-schema-id": 1},
                     "Requirement failed: current schema changed: expected id 1 != 0")

    def test_partition_id(self):
        self.refused({"type": "assert-last-assigned-partition-id",
                      "last-assigned-partition-id": 1000},
                     "Requirement failed: last assigned partition id changed")

    def test_spec_id(self):
        self.refused({"type": "assert-default-spec-id", "default-spec-id": 1},
                     "Requirement failed: default partition spec changed")

    def test_order_id(self):
        self.refused({"type": "assert-default-sort-order-id", "default-sort-order-id": 1},
                     "Requirement failed: default sort order changed")

    def test_first_failure_is_told(self):
        reply = self.client.commit(self.ns, self.name, [set_properties(a="b")], [
            assert_uuid(self.metadata), assert_ref(17),
            {"type": "assert-default-spec-id", "default-spec-id": 1}])
        self.assert_error(reply, 409, "CommitFailedException",
                          "Requirement failed: branch main has changed")

    def test_no_file_is_left_by_a_refused_commit(self):
        before = warehouse_files(self.server)
        self.refused(assert_ref(17), "Requirement failed")
        self.assertEqual(before, warehouse_files(self.server))


class Updates(FirnTest):
    def setUp(self):
        super().setUp()
        self.ns, self.name, made = self.fresh_table()
        self.metadata = made["metadata"]

    def commit(self, *updates):
        self.metadata = self.assert_commits(self.ns, self.name, updates)["metadata"]
        return self.metadata

    def refused(self, *updates, status=400, type=BAD_REQUEST, message=""):
        before = self.load(self.ns, self.name)
        self.assert_error(self.client.commit(self.ns, self.name, updates), status, type, message)
        self.assertEqual(before, self.load(self.ns, self.name))

    def append(self):
        updates, _ = append(self.metadata)
        self.commit(*updates)
        return updates[0]["snapshot"]["snapshot-id"]

    def test_schema_evolution(self):
        wider = schema(*self.metadata["schemas"][0]["fields"], field(3, "more", "int"))
        metadata = self.commit({"action": "add-schema", "schema": wider},
                               {"action": "set-current-schema", "schema-id": -1})
        self.assertEqual((1, 3), (metadata["current-schema-id"], metadata["last-column-id"]))
        self.assertEqual([0, 1], [s["schema-id"] for s in metadata["schemas"]])
        back = self.commit({"action": "set-current-schema", "schema-id": 0})
        self.assertEqual(0, back["current-schema-id"])
        again = self.commit({"action": "add-schema", "schema": wider},
                            {"action": "set-current-schema", "schema-id": -1})
        self.assertEqual((1, 2), (again["current-schema-id"], len(again["schemas"])))

    def test_schemas_refused(self):
        self.refused({"action": "set-current-schema", "schema-id": 7})
        self.refused({"action": "set-current-schema", "schema-id": -1})
        self.refused({"action": "add-schema", "schema": schema(field(1, "v", "variant"))})

    def test_spec_evolution(self):
        spec = {"spec-id": 4, "fields": [{"source-id": 1, "field-id": 1000, "name": "b",
                                          "transform": "bucket[4]"}]}
        metadata = self.commit({"action": "add-spec", "spec": spec},
                               {"action": "set-default-spec", "spec-id": -1})
        self.assertEqual((1, 1000), (metadata["default-spec-id"], metadata["last-partition-id"]))
        self.refused({"action": "set-default-spec", "spec-id": 9})
        self.refused({"action": "add-spec", "spec": {"spec-id": 5, "fields": [
            {"source-id": 99, "field-id": 1001, "name": "x", "transform": "identity"}]}})
        self.refused({"action": "remove-partition-specs", "spec-ids": [1]})
        self.assertEqual([1], [s["spec-id"] for s in self.commit(
            {"action": "remove-partition-specs", "spec-ids": [0]})["partition-specs"]])

    def test_dropping_a_partition_column_is_refused(self):
        self.commit({"action": "add-spec", "spec": {"spec-id": 1, "fields": [
            {"source-id": 2, "field-id": 1000, "name": "data", "transform": "identity"}]}},
            {"action": "set-default-spec", "spec-id": -1})
        self.refused({"action": "add-schema", "schema": schema(field(1, "id", "long", True))},
                     {"action": "set-current-schema", "schema-id": -1})

    def test_order_evolution(self):
        order = {"order-id": 5, "fields": [{"source-id": 1, "transform": "identity",
                                            "direction": "asc", "null-order": "nulls-first"}]}
        metadata = self.commit({"action": "add-sort-order", "sort-order": order},
                               {"action": "set-default-sort-order", "sort-order-id": -1})
        self.assertEqual(1, metadata["default-sort-order-id"])
        self.refused({"action": "set-default-sort-order", "sort-order-id": 9})
        self.refused({"action": "add-sort-order", "sort-order": dict(order, **{"order-id": 0})})
        self.refused({"action": "add-sort-order", "sort-order": {"order-id": 1, "fields": []}})

    def test_upgrade(self):
        metadata = self.commit({"action": "upgrade-format-version", "format-version": 3})
        self.assertEqual((3, 0), (metadata["format-version"], metadata["next-row-id"]))
        self.refused({"action": "upgrade-format-version", "format-version": 2})
        self.refused({"action": "upgrade-format-version", "format-version": 4})

    def test_another_uuid_is_refused(self):
        self.refused({"action": "assign-uuid", "uuid": "2cc52516-5e73-41f2-b139-545d41a4e151"})

    def test_branches_and_tags(self):
        first, second = self.append(), self.append()
        metadata = self.commit(set_ref(first, "b", **{"min-snapshots-to-keep": 3}),
                               set_ref(first, "v1", "tag", **{"max-ref-age-ms": 1000}))
        self.assertEqual({"type": "branch", "snapshot-id": first, "min-snapshots-to-keep": 3},
                         metadata["refs"]["b"])
        self.assertEqual({"type": "tag", "snapshot-id": first, "max-ref-age-ms": 1000},
                         metadata["refs"]["v1"])
        self.assertEqual({"type": "branch", "snapshot-id": second},
                         self.commit(set_ref(second, "b"))["refs"]["b"])
        self.assertNotIn("v1", self.commit(
            {"action": "remove-snapshot-ref", "ref-name": "v1"})["refs"])

    def test_refs_refused(self):
        first = self.append()
        for ref in (set_ref(4711), set_ref(4711, "b"), set_ref(first, "main", "tag"),
                    set_ref(first, "b", "twig"), set_ref(first, "b", **{"max-ref-age-ms": 0}),
                    set_ref(first, "v", "tag", **{"min-snapshots-to-keep": 1}),
                    set_ref(first, "v", "tag", **{"max-snapshot-age-ms": 1})):
            with self.subTest(ref):
                self.refused(ref)

    def test_rollback_and_its_log(self):
        first, second = self.append(), self.append()
        metadata = self.commit(set_ref(first))
        self.assertEqual(first, metadata["current-snapshot-id"])
        self.assertEqual([first, second, first],
                         [e["snapshot-id"] for e in metadata["snapshot-log"]])

    def test_expiry_and_its_log(self):
        ids = [self.append() for _ in range(4)]
        metadata = self.commit({"action": "remove-snapshots", "snapshot-ids": [ids[1]]})
        self.assertEqual([ids[0], ids[2], ids[3]],
                         [s["snapshot-id"] for s in metadata["snapshots"]])
        self.assertEqual([ids[2], ids[3]], [e["snapshot-id"] for e in metadata["snapshot-log"]])
        metadata = self.commit({"action": "remove-snapshots", "snapshot-ids": [ids[3]]})
        self.assertEqual((-1, {}, []), (metadata["current-snapshot-id"], metadata["refs"],
                                        metadata["snapshot-log"]))
        self.assertEqual(4, metadata["last-sequence-number"])

    def test_intermediate_snapshots_leave_no_log(self):
        one = snapshot(self.metadata)
        two = snapshot(self.metadata, parent=one["snapshot-id"], sequence=2)
        metadata = self.commit(add_snapshot(one), set_ref(one["snapshot-id"]),
                               add_snapshot(two), set_ref(two["snapshot-id"]))
        self.assertEqual([two["snapshot-id"]],
                         [e["snapshot-id"] for e in metadata["snapshot-log"]])

    def test_replace_keeps_history(self):
        first = self.append()
        fresh = snapshot(self.metadata, parent=None)
        metadata = self.commit({"action": "remove-snapshot-ref", "ref-name": "main"},
                               add_snapshot(fresh), set_ref(fresh["snapshot-id"]))
        self.assertEqual([first, fresh["snapshot-id"]],
                         [e["snapshot-id"] for e in metadata["snapshot-log"]])
        self.assertEqual(2, len(metadata["snapshots"]))

    def test_stale_sequence_number_is_a_conflict(self):
        self.append()
        stale = snapshot(self.metadata, sequence=1)
        self.refused(add_snapshot(stale), status=409, type="CommitFailedException",
                     message="Validation failed, please retry: ")

    def test_same_snapshot_id_twice(self):
        first = self.append()
        again = snapshot(self.metadata, snapshot_id=first)
        self.refused(add_snapshot(again))

    def test_clock_of_a_client_far_ahead(self):
        snap = snapshot(self.metadata)
        snap["timestamp-ms"] = now_ms() + 3600 * 1000
        reply = self.client.commit(self.ns, self.name, [add_snapshot(snap), set_ref(
            snap["snapshot-id"])])
        # the new log entry fixes last-updated-ms; either it follows or the commit is refused,
        # but a table that other readers reject must not come out of it
        if reply.status == 200:
            metadata = reply.json["metadata"]
            self.assertGreaterEqual(metadata["last-updated-ms"] + 60000,
                                    metadata["snapshot-log"][-1]["timestamp-ms"])
        else:
            self.assert_error(reply, 400, BAD_REQUEST)

    def test_statistics(self):
        first = self.append()
        stats = {"snapshot-id": first, "statistics-path": self.metadata["location"] + "/s.puffin",
                 "file-size-in-bytes": 10, "file-footer-size-in-bytes": 5, "blob-metadata": []}
        metadata = self.commit({"action": "set-statistics", "statistics": stats})
        self.assertEqual([stats], metadata["statistics"])
        bigger = dict(stats, **{"file-size-in-bytes": 20})
        self.assertEqual([bigger], self.commit(
            {"action": "set-statistics", "snapshot-id": first, "statistics": bigger})["statistics"])
        self.assertEqual([], self.commit({"action": "remove-statistics",
                                          "snapshot-id": first})["statistics"])
        part = {"snapshot-id": first, "statistics-path": self.metadata["location"] + "/p.parquet",
                "file-size-in-bytes": 10}
        self.assertEqual([part], self.commit({"action": "set-partition-statistics",
                                              "partition-statistics": part})["partition-statistics"])
        self.commit({"action": "set-statistics", "statistics": stats})
        second = self.append()
        metadata = self.commit({"action": "remove-snapshots", "snapshot-ids": [first]})
        self.assertEqual(([], []), (metadata["statistics"], metadata["partition-statistics"]))
        self.assertEqual(second, metadata["current-snapshot-id"])

    def test_encryption_keys(self):
        key = {"key-id": "k1", "encrypted-key-metadata": "c2VjcmV0"}
        metadata = self.commit({"action": "add-encryption-key", "encryption-key": key})
        self.assertEqual("k1", metadata["encryption-keys"][0]["key-id"])
        metadata = self.commit({"action": "remove-encryption-key", "key-id": "k1"})
        self.assertEqual([], metadata.get("encryption-keys", []))

    def test_version_3_rows(self):
        self.commit({"action": "upgrade-format-version", "format-version": 3})
        updates, _ = append(self.metadata, records=10)
        self.assertEqual(10, self.commit(*updates)["next-row-id"])
        missing = snapshot(self.metadata)
        del missing["first-row-id"]
        self.refused(add_snapshot(missing))
        stale = snapshot(self.metadata)
        stale["first-row-id"] = 3
        self.refused(add_snapshot(stale), status=409, type="CommitFailedException",
                     message="Validation failed, please retry: ")

    def test_all_or_nothing_within_a_commit(self):
        self.refused(set_properties(a="b"), {"action": "set-current-schema", "schema-id": 9})
        self.assertNotIn("a", self.load(self.ns, self.name)["metadata"]["properties"])

    def test_unknown_names_are_400(self):
        self.refused({"action": "no-such-update"})
        self.refused({"action": "add-view-version", "view-version": {}})
        for requirement in ({"type": "assert-nothing"}, {"type": "assert-view-uuid", "uuid": "x"}):
            self.assert_error(self.client.commit(self.ns, self.name, [set_properties(a="b")],
                                                 [requirement]), 400, BAD_REQUEST)


class Concurrent(FirnTest):
    """Many writers on one table; each keeps its own connection."""

    def run_threads(self, count, work):
        failures = []

        def guarded(i):
            client = self.server.client()
            try:
                work(i, client)
            except BaseException as e:  # a thread must not lose its failure
                failures.append(e)
            finally:
                client.close()

        threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failures:
            raise failures[0]

    def test_property_commits_never_conflict(self):
        ns, name, _ = self.fresh_table()

        def work(i, client):
            for j in range(25):
                reply = client.commit(ns, name, [set_properties(**{f"w{i}": str(j),
                                                                   f"w{i}_{j}": "x"})])
                self.assert_status(200, reply)
                self.assertEqual(str(j), reply.json["metadata"]["properties"][f"w{i}"])

        self.run_threads(8, work)
        properties = self.load(ns, name)["metadata"]["properties"]
        for i in range(8):
            for j in range(25):
                self.assertEqual("x", properties[f"w{i}_{j}"])

    def test_appends_with_retry_all_arrive_once(self):
        ns, name, _ = self.fresh_table()
        ids = [[] for _ in range(6)]

        def work(i, client):
            for _ in range(10):
                while True:
                    metadata = client.load_table(ns, name).json["metadata"]
                    updates, requirements = append(metadata)
                    reply = client.commit(ns, name, updates, requirements)
                    if reply.status == 200:
                        ids[i].append(updates[0]["snapshot"]["snapshot-id"])
                        break
                    self.assert_error(reply, 409, "CommitFailedException")

        self.run_threads(6, work)
        metadata = self.load(ns, name)["metadata"]
        found = [s["snapshot-id"] for s in metadata["snapshots"]]
        self.assertEqual(sorted(sum(ids, [])), sorted(found))
        self.assertEqual(found, [e["snapshot-id"] for e in metadata["snapshot-log"]])
        self.assertEqual(list(range(1, 61)),
                         [s["sequence-number"] for s in metadata["snapshots"]])

    def test_one_of_many_equal_appends_wins(self):
        ns, name, made = self.fresh_table()
        winners = []

        def work(i, client):
            updates, requirements = append(made["metadata"])
            reply = client.commit(ns, name, updates, requirements)
            if reply.status == 200:
                winners.append(updates[0]["snapshot"]["snapshot-id"])
            else:
                self.assert_error(reply, 409, "CommitFailedException")

        self.run_threads(12, work)
        self.assertEqual(1, len(winners))
        self.assertEqual(winners[0], self.load(ns, name)["metadata"]["current-snapshot-id"])

    def test_one_of_many_creates_wins(self):
        ns = self.fresh_namespace()
        results = []
        self.run_threads(12, lambda i, client: results.append(client.create_table(ns, "t")))
        self.assertEqual([200] + [409] * 11, sorted(r.status for r in results))
        winner = next(r for r in results if r.status == 200)
        self.assertEqual(winner.json["metadata-location"],
                         self.load(ns, "t")["metadata-location"])

    def test_a_load_never_goes_back(self):
        ns, name, _ = self.fresh_table()
        done = threading.Event()

        def work(i, client):
            if i == 0:
                try:
                    for j in range(150):
                        reply = self.assert_status(200, client.commit(
                            ns, name, [set_properties(n=str(j))]))
                        seen = client.load_table(ns, name).json["metadata"]["properties"]["n"]
                        self.assertGreaterEqual(int(seen), j, "a load missed an acknowledged commit")
                finally:
                    done.set()
            else:
                last = -1
                while not done.is_set():
                    seen = client.load_table(ns, name).json["metadata"]["properties"]
                    seen = int(seen.get("n", -1))
                    self.assertGreaterEqual(seen, last)
                    last = seen

        self.run_threads(4, work)

    def test_drop_and_commit_race(self):
        for _ in range(20):
            ns, name, _ = self.fresh_table()
            replies = {}

            def work(i, client):
                if i == 0:
                    replies["drop"] = client.drop_table(ns, name)
                else:
                    replies["commit"] = client.commit(ns, name, [set_properties(a="b")])

            self.run_threads(2, work)
            self.assertEqual(204, replies["drop"].status)
            self.assertIn(replies["commit"].status, (200, 404))
            self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")

    def test_unregister_returns_the_last_commit(self):
        for _ in range(20):
            ns, name, made = self.fresh_table()
            replies = {}

            def work(i, client):
                if i == 0:
                    replies["out"] = client.post(client.table_path(ns, name, "/unregister"))
                else:
                    replies["commit"] = client.commit(ns, name, [set_properties(a="b")])

            self.run_threads(2, work)
            self.assert_status(200, replies["out"])
            expected = replies["commit"].json if replies["commit"].status == 200 else made
            self.assertEqual(expected["metadata-location"],
                             replies["out"].json["metadata-location"])

    def test_parent_and_child_locations_race(self):
        """reliability.md L03: of two tables one inside the other, at most one is made."""
        ns, _, other = self.fresh_table()
        root = other["metadata"]["location"].rsplit("/", 1)[0]
        for _ in range(10):
            place = f"{root}/{self.fresh_name()}"
            replies = []
            self.run_threads(2, lambda i, client: replies.append(client.create_table(
                ns, self.fresh_name(), location=place + ("/inner" if i else ""))))
            self.assertEqual(1, sum(r.status == 200 for r in replies), replies)


if __name__ == "__main__":
    unittest.main()
