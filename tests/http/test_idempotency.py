"""Repeats of a request: with an Idempotency-Key, and byte-identical ones without (rest.md 7,
reliability.md F19-F26)."""
import os
import shutil
import tempfile
import threading
import unittest
import uuid

from tests.harness import (ASSERT_CREATE, BAD_REQUEST, FirnTest, Server, append, create_updates,
                           idempotency_key, key_header, set_properties, set_ref, snapshot,
                           add_snapshot, warehouse_files)


class Keys(FirnTest):
    def test_create_namespace(self):
        name, headers = self.fresh_name(), key_header()
        first = self.assert_status(200, self.client.create_namespace(name, {"a": "b"},
                                                                     headers=headers))
        again = self.assert_status(200, self.client.create_namespace(name, {"a": "b"},
                                                                     headers=headers))
        self.assertEqual(first.json, again.json)
        self.assert_error(self.client.create_namespace(name, {"a": "b"}), 409,
                          "AlreadyExistsException")

    def test_drop_namespace(self):
        ns, headers = self.fresh_namespace(), key_header()
        for _ in range(2):
            self.assert_status(204, self.client.drop_namespace(ns, headers=headers))
        self.assert_error(self.client.drop_namespace(ns), 404, "NoSuchNamespaceException")

    def test_update_namespace(self):
        ns, headers = self.fresh_namespace(old="1"), key_header()
        body = {"removals": ["old", "none"], "updates": {"new": "2"}}
        path = self.client.ns_path(ns, "/properties")
        first = self.assert_status(200, self.client.post(path, body, headers=headers))
        self.assertEqual(["old"], first.json["removed"])
        again = self.assert_status(200, self.client.post(path, body, headers=headers))
        self.assertEqual(first.json, again.json)

    def test_create_table(self):
        ns, headers = self.fresh_namespace(), key_header()
        first = self.assert_status(200, self.client.create_table(ns, "t", headers=headers))
        files = warehouse_files(self.server)
        again = self.assert_status(200, self.client.create_table(ns, "t", headers=headers))
        self.assertEqual(first.json, again.json)
        self.assertEqual(first.header("ETag"), again.header("ETag"))
        self.assertEqual(files, warehouse_files(self.server))

    def test_drop_table(self):
        ns, name, _ = self.fresh_table()
        headers = key_header()
        self.assert_status(204, self.client.drop_table(ns, name, headers=headers))
        self.fresh_table(ns, name)  # its successor must not fall to the repeat
        self.assert_status(204, self.client.drop_table(ns, name, headers=headers))
        self.load(ns, name)

    def test_commit(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        headers = key_header()
        first = self.assert_status(200, self.client.commit(ns, name, updates, requirements,
                                                           headers=headers))
        again = self.assert_status(200, self.client.commit(ns, name, updates, requirements,
                                                           headers=headers))
        self.assertEqual(first.json, again.json)
        self.assertEqual(first.header("ETag"), again.header("ETag"))
        self.assertEqual(1, len(self.load(ns, name)["metadata"]["snapshots"]))

    def test_property_commit_runs_once(self):
        """Without the key each would be a change of its own."""
        ns, name, _ = self.fresh_table()
        headers = key_header()
        locations = {self.assert_commits(ns, name, [set_properties(a="b")], headers=headers)
                     ["metadata-location"] for _ in range(3)}
        self.assertEqual(1, len(locations))
        other = self.assert_commits(ns, name, [set_properties(a="b")], headers=key_header())
        self.assertNotIn(other["metadata-location"], locations)

    def test_repeat_after_later_commits(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        headers = key_header()
        first = self.assert_status(200, self.client.commit(ns, name, updates, requirements,
                                                           headers=headers)).json
        for i in range(3):
            self.assert_commits(ns, name, [set_properties(i=str(i))])
        again = self.assert_status(200, self.client.commit(ns, name, updates, requirements,
                                                           headers=headers)).json
        self.assertIn(updates[0]["snapshot"]["snapshot-id"],
                      [s["snapshot-id"] for s in again["metadata"]["snapshots"]])
        self.assertEqual(first["metadata"]["table-uuid"], again["metadata"]["table-uuid"])
        self.assertEqual(1, len(self.load(ns, name)["metadata"]["snapshots"]))

    def test_rename(self):
        ns, name, _ = self.fresh_table()
        headers = key_header()
        for _ in range(2):
            self.assert_status(204, self.client.rename((ns, name), (ns, "new"), headers=headers))
        self.assert_error(self.client.rename((ns, name), (ns, "new")), 404, "NoSuchTableException")

    def test_register_and_unregister(self):
        ns, name, _ = self.fresh_table()
        headers, path = key_header(), self.client.table_path(ns, name, "/unregister")
        first = self.assert_status(200, self.client.post(path, headers=headers))
        again = self.assert_status(200, self.client.post(path, headers=headers))
        self.assertEqual(first.json["metadata-location"], again.json["metadata-location"])
        headers = key_header()
        for _ in range(2):
            reply = self.assert_status(200, self.client.register(
                ns, name, first.json["metadata-location"], headers=headers))
            self.assertEqual(first.json["metadata"], reply.json["metadata"])

    def test_transaction(self):
        ns, a, one = self.fresh_table()
        _, b, two = self.fresh_table(ns)
        changes = [(ns, a, *append(one["metadata"])), (ns, b, *append(two["metadata"]))]
        headers = key_header()
        for _ in range(2):
            self.assert_status(204, self.client.transaction(changes, headers=headers))
        for name in (a, b):
            self.assertEqual(1, len(self.load(ns, name)["metadata"]["snapshots"]))

    def test_commit_of_a_staged_table(self):
        ns = self.fresh_namespace()
        staged = self.client.create_table(ns, "t", stage_create=True).json["metadata"]
        headers = key_header()
        first, again = (self.assert_status(200, self.client.commit(
            ns, "t", create_updates(staged), [ASSERT_CREATE], headers=headers)) for _ in range(2))
        self.assertEqual(first.json["metadata-location"], again.json["metadata-location"])

    def test_mismatch(self):
        """A key of one request never answers another (F23)."""
        ns, name, _ = self.fresh_table()
        headers = key_header()
        self.assert_commits(ns, name, [set_properties(a="secret-answer")], headers=headers)
        others = [
            lambda: self.client.commit(ns, name, [set_properties(a="c")], headers=headers),
            lambda: self.client.commit(ns, "other", [set_properties(a="secret-answer")],
                                       headers=headers),
            lambda: self.client.create_namespace(self.fresh_name(), headers=headers),
            lambda: self.client.drop_table(ns, name, headers=headers),
        ]
        for other in others:
            reply = other()
            self.assert_error(reply, 422, "UnprocessableEntityException")
            self.assertNotIn(b"secret-answer", reply.body)
        self.assertEqual("secret-answer", self.load(ns, name)["metadata"]["properties"]["a"])

    def test_refusals_are_replayed(self):
        ns, name, _ = self.fresh_table()
        headers = key_header()
        self.assert_error(self.client.create_table(ns, name, headers=headers), 409,
                          "AlreadyExistsException")
        self.assert_status(204, self.client.drop_table(ns, name))
        self.assert_error(self.client.create_table(ns, name, headers=headers), 409,
                          "AlreadyExistsException", f"Table already exists: {ns}.{name}")
        self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")

    def test_404_is_replayed(self):
        ns, headers = self.fresh_namespace(), key_header()
        self.assert_error(self.client.drop_table(ns, "t", headers=headers), 404,
                          "NoSuchTableException")
        self.fresh_table(ns, "t")
        self.assert_error(self.client.drop_table(ns, "t", headers=headers), 404,
                          "NoSuchTableException")
        self.load(ns, "t")

    def test_failed_requirement_is_replayed(self):
        ns, name, made = self.fresh_table()
        snap = snapshot(made["metadata"])
        stale = [{"type": "assert-ref-snapshot-id", "ref": "b", "snapshot-id": snap["snapshot-id"]}]
        headers = key_header()
        self.assert_error(self.client.commit(ns, name, [set_properties(a="b")], stale,
                                             headers=headers), 409, "CommitFailedException")
        self.assert_commits(ns, name, [add_snapshot(snap), set_ref(snap["snapshot-id"], "b")])
        self.assert_error(self.client.commit(ns, name, [set_properties(a="b")], stale,
                                             headers=headers), 409, "CommitFailedException")

    def test_repeats_after_restart_and_kill(self):
        ns, name, _ = self.fresh_table()
        commit_key, create_key, refused_key = key_header(), key_header(), key_header()
        done = self.assert_commits(ns, name, [set_properties(a="b")], headers=commit_key)
        made = self.assert_status(200, self.client.create_table(ns, "t", headers=create_key)).json
        self.assertEqual(409, self.client.create_table(ns, "t", headers=refused_key).status)
        for end in (self.server.stop, self.server.kill):
            end()
            self.server.start()
            again = self.assert_commits(ns, name, [set_properties(a="b")], headers=commit_key)
            self.assertEqual(done["metadata-location"], again["metadata-location"])
            self.assertEqual(made["metadata-location"], self.assert_status(
                200, self.client.create_table(ns, "t", headers=create_key)).json["metadata-location"])
            self.assert_error(self.client.create_table(ns, "t", headers=refused_key), 409,
                              "AlreadyExistsException")

    def test_concurrent_duplicates_have_one_effect(self):
        ns, name, _ = self.fresh_table()
        headers, replies = key_header(), []

        def send():
            client = self.server.client()
            replies.append(client.commit(ns, name, [set_properties(a="b")], headers=headers))
            client.close()

        threads = [threading.Thread(target=send) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([200] * 12, [r.status for r in replies])
        self.assertEqual(1, len({r.json["metadata-location"] for r in replies}))
        self.assertEqual(1, len(self.load(ns, name)["metadata"]["metadata-log"]))

    def test_repeat_when_the_metadata_file_is_gone(self):
        """What was applied must never sound like a refusal: the client would delete its files."""
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        headers, create_key = key_header(), key_header()
        first = self.assert_commits(ns, name, updates, requirements, headers=headers)
        later = self.assert_commits(ns, name, [set_properties(a="b")])
        created = self.assert_status(200, self.client.create_table(ns, "u", headers=create_key))
        for location in (first["metadata-location"], created.json["metadata-location"]):
            os.unlink(location[len("file://"):])
        again = self.assert_commits(ns, name, updates, requirements, headers=headers)
        self.assertEqual(later["metadata-location"], again["metadata-location"])
        self.assert_error(self.client.create_table(ns, "u", headers=create_key), 500,
                          "CommitStateUnknownException")
        self.assert_status(204, self.client.drop_table(ns, name))
        self.fresh_table(ns, name)  # a successor is not what was committed to
        self.assert_error(self.client.commit(ns, name, updates, requirements, headers=headers), 500,
                          "CommitStateUnknownException")

    def test_shapes_of_keys(self):
        for key in ("plain", "1", "x" * 36, "2cc52516-5e73-41f2-b139-545d41a4e15",
                    "2cc52516-5e73-41f2-b139-545d41a4e1511", "2cc52516_5e73_41f2_b139_545d41a4e151",
                    "gcc52516-5e73-41f2-b139-545d41a4e151", "{2cc52516-5e73-41f2-b139-545d41a4e151"):
            with self.subTest(key):
                name = self.fresh_name()
                self.assert_error(self.client.create_namespace(name, headers=key_header(key)), 400,
                                  BAD_REQUEST)
                self.assert_status(404, self.client.head(self.client.ns_path(name)))
        for key in (str(uuid.uuid1()), str(uuid.uuid4()),
                    "01997a4e-3a60-7c11-9d0f-" + uuid.uuid4().hex[:12],
                    str(uuid.uuid4()).upper()):
            self.assert_status(200, self.client.create_namespace(self.fresh_name(),
                                                                 headers=key_header(key)))

    def test_reads_ignore_it(self):
        ns, name, _ = self.fresh_table()
        headers = key_header()
        self.assert_commits(ns, name, [set_properties(a="b")], headers=headers)
        self.assert_status(200, self.client.load_table(ns, name, headers=headers))
        self.assert_status(200, self.client.load_table(ns, name, headers=key_header("nonsense")))

    def test_same_key_in_two_warehouses_is_a_mismatch(self):
        # the path is part of what the key is bound to
        headers, name = key_header(), self.fresh_name()
        self.assert_status(200, self.client.create_namespace(name, headers=headers))
        self.client.prefix = "/v1/default"
        reply = self.client.create_namespace(name, headers=headers)
        self.assertIn(reply.status, (200, 422))


class Implicit(FirnTest):
    """A client that lost the answer and sends the same bytes again, without a key."""

    def test_append_again(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        first = self.assert_commits(ns, name, updates, requirements)
        again = self.assert_commits(ns, name, updates, requirements)
        self.assertIn(updates[0]["snapshot"]["snapshot-id"],
                      [s["snapshot-id"] for s in again["metadata"]["snapshots"]])
        self.assertEqual(first["metadata-location"], again["metadata-location"])
        self.assertEqual(1, len(self.load(ns, name)["metadata"]["snapshots"]))

    def test_after_other_commits_restart_and_kill(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        self.assert_commits(ns, name, updates, requirements)
        later, conditions = append(self.load(ns, name)["metadata"])
        self.assert_commits(ns, name, later, conditions)
        for end in (self.server.stop, self.server.kill):
            end()
            self.server.start()
            self.assert_commits(ns, name, updates, requirements)
            self.assertEqual(2, len(self.load(ns, name)["metadata"]["snapshots"]))

    def test_other_bytes_are_another_request(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        self.assert_commits(ns, name, updates, requirements)
        updates[0]["snapshot"]["summary"]["added-records"] = "2"
        self.assert_error(self.client.commit(ns, name, updates, requirements), 409,
                          "CommitFailedException", "Requirement failed: branch main")

    def test_a_successor_under_the_same_name_is_another_table(self):
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        self.assert_commits(ns, name, updates, requirements)
        self.assert_status(204, self.client.drop_table(ns, name))
        self.fresh_table(ns, name)
        self.assert_error(self.client.commit(ns, name, updates, requirements), 409,
                          "CommitFailedException", "Requirement failed: UUID does not match")

    def test_property_commits_are_not_taken_for_repeats(self):
        ns, name, _ = self.fresh_table()
        locations = {self.assert_commits(ns, name, [set_properties(a="b")])["metadata-location"]
                     for _ in range(3)}
        self.assertEqual(3, len(locations))


    def test_after_a_rename_it_is_not_called_missing(self):
        """404 would make the client delete the files of a commit that is live under another name."""
        ns, name, made = self.fresh_table()
        updates, requirements = append(made["metadata"])
        self.assert_commits(ns, name, updates, requirements)
        self.assert_status(204, self.client.rename((ns, name), (ns, "new")))
        self.assert_error(self.client.commit(ns, name, updates, requirements), 500,
                          "CommitStateUnknownException")
        updates, requirements = append(made["metadata"])
        self.assert_error(self.client.commit(ns, name, updates, requirements), 404,
                          "NoSuchTableException")


class UnknownOutcome(unittest.TestCase):
    """The program dies between the durable commit and the answer (F19): whoever asks again with the
    same request learns that it was done."""

    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.server = Server(os.path.join(self.temp, "data"))
        self.addCleanup(self.server.close)

    def crash_in_commit(self, failpoint, headers):
        self.server.start()
        client = self.server.client()
        client.create_namespace("ns")
        made = client.create_table("ns", "t").json
        self.server.stop()
        updates, requirements = append(made["metadata"])
        self.server.program = None
        self.server.set_failpoints(f"{failpoint}=crash")
        self.server.start()
        with self.assertRaises(Exception):
            self.server.client().commit("ns", "t", updates, requirements, headers=headers)
        self.assertEqual(137, self.server.wait_exit(), "the failpoint was not passed")
        self.server.set_failpoints(None)
        self.server.start()
        client = self.server.client()
        loaded = client.load_table("ns", "t").json["metadata"]["snapshots"]
        again = client.commit("ns", "t", updates, requirements, headers=headers)
        self.assertEqual(200, again.status, repr(again))
        snapshots = client.load_table("ns", "t").json["metadata"]["snapshots"]
        self.assertEqual([updates[0]["snapshot"]["snapshot-id"]],
                         [s["snapshot-id"] for s in snapshots])
        self.server.stop()
        return len(loaded)


    def crash_in_create(self, failpoint, headers):
        self.server.start()
        self.server.client().create_namespace("ns")
        self.server.stop()
        self.server.program = None
        self.server.set_failpoints(f"{failpoint}=crash")
        self.server.start()
        with self.assertRaises(Exception):
            self.server.client().create_table("ns", "t", headers=headers)
        self.assertEqual(137, self.server.wait_exit(), "the failpoint was not passed")
        self.server.set_failpoints(None)
        self.server.start()
        client = self.server.client()
        landed = client.load_table("ns", "t").status == 200
        again = client.create_table("ns", "t", headers=headers)
        self.assertEqual(409 if landed and headers is None else 200, again.status, repr(again))
        self.assertEqual(200, client.load_table("ns", "t").status)
        self.server.stop()
        return landed


# Before the rows are durable nothing happened; after, everything did; the repeat settles both.
COMMIT_FAILPOINTS = {  # name: snapshots found after the crash
    "commit_before_put": 0,
    "commit_after_put": 0,
    "metastore_before_begin": 0,
    "metastore_after_change": 0,
    "metastore_before_commit": 0,
    "metastore_after_commit": 1,
    "commit_before_reply": 1,
}


def _add_cases():
    for failpoint, landed in COMMIT_FAILPOINTS.items():
        for what in ("with_key", "without_key"):
            def test(self, failpoint=failpoint, landed=landed, what=what):
                headers = key_header(idempotency_key()) if what == "with_key" else None
                self.assertEqual(landed, self.crash_in_commit(failpoint, headers))
            setattr(UnknownOutcome, f"test_{failpoint}_{what}", test)

            def test(self, failpoint=failpoint, landed=landed, what=what):
                headers = key_header(idempotency_key()) if what == "with_key" else None
                create = failpoint.replace("commit_", "create_") if "put" in failpoint else failpoint
                self.assertEqual(landed == 1, self.crash_in_create(create, headers))
            if failpoint != "commit_before_reply":
                setattr(UnknownOutcome, f"test_create_{failpoint}_{what}", test)


_add_cases()

if __name__ == "__main__":
    unittest.main()
