"""What users see when something beneath fails: definite refusals, unknown outcomes, full disks, and
a program that is on its way out (reliability.md 2.2, 2.3)."""
import os
import resource
import shutil
import signal
import tempfile
import threading
import unittest

from tests.harness import (Server, append, key_header, read_metadata, set_properties,
                           warehouse_files)

FAIL_STOP = 70


class FailureTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.server = Server(os.path.join(self.temp, "data"))
        self.addCleanup(self.server.close)
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.assertEqual(200, self.client.create_namespace("ns").status)
        self.made = self.client.create_table("ns", "t").json
        self.updates, self.requirements = append(self.made["metadata"])

    def restart_with(self, failpoints):
        self.server.stop()
        self.server.program = None
        self.server.set_failpoints(failpoints)
        self.server.start()

    def commit(self, headers=None):
        return self.client.commit("ns", "t", self.updates, self.requirements, headers=headers)

    def snapshots(self):
        loaded = self.client.load_table("ns", "t")
        self.assertEqual(200, loaded.status, repr(loaded))
        self.assertEqual(loaded.json["metadata"], read_metadata(loaded.json["metadata-location"]))
        return [s["snapshot-id"] for s in loaded.json["metadata"]["snapshots"]]

    def assert_definite(self, reply):
        """Nothing was done, and trying again is the right thing."""
        self.assertEqual(503, reply.status, repr(reply))
        self.assertEqual("ServiceUnavailableException", reply.error["type"])
        self.assertGreaterEqual(int(reply.header("Retry-After")), 1)

    def assert_unknown(self, reply):
        self.assertEqual(500, reply.status, repr(reply))
        self.assertEqual("CommitStateUnknownException", reply.error["type"])
        self.assertIsNone(reply.header("Retry-After"))


class Definite(FailureTest):
    """The failure is known to have come before the point of no return."""

    def check_commit(self, failpoint):
        self.restart_with(f"{failpoint}=error@1")
        for headers in (key_header(),):
            reply = self.commit(headers)
            self.assert_definite(reply)
            self.assertEqual([], self.snapshots())
            self.assertEqual(1, len(self.client.history("ns", "t")))
            again = self.commit(headers)  # a 503 is not kept under the key
            self.assertEqual(200, again.status, repr(again))
        self.assertEqual([self.updates[0]["snapshot"]["snapshot-id"]], self.snapshots())
        self.server.stop()

    def test_commit_whose_file_cannot_be_written(self):
        self.check_commit("commit_before_put")

    def test_commit_for_which_the_disk_is_full(self):
        self.check_commit("metastore_before_commit")

    def test_commit_that_finds_the_store_busy(self):
        """Tried again inside, or refused; never half done."""
        self.restart_with("metastore_before_begin=error@1")
        reply = self.commit()
        if reply.status != 200:
            self.assert_definite(reply)
            self.assertEqual([], self.snapshots())
            self.assertEqual(200, self.commit().status)
        self.assertEqual(1, len(self.snapshots()))
        self.server.stop()

    def test_create_whose_file_cannot_be_written(self):
        self.restart_with("create_before_put=error@1")
        headers = key_header()
        before = warehouse_files(self.server)
        self.assert_definite(self.client.create_table("ns", "u", headers=headers))
        self.assertEqual(404, self.client.load_table("ns", "u").status)
        self.assertEqual(before, warehouse_files(self.server))
        self.assertEqual(200, self.client.create_table("ns", "u", headers=headers).status)
        self.server.stop()

    def test_transaction_whose_file_cannot_be_written(self):
        other = self.client.create_table("ns", "u").json["metadata"]
        self.restart_with("commit_before_put=error@1")
        changes = [("ns", "t", self.updates, self.requirements), ("ns", "u", *append(other))]
        self.assert_definite(self.client.transaction(changes))
        for name in ("t", "u"):
            self.assertEqual([], self.client.load_table("ns", name).json["metadata"]["snapshots"])
        self.assertEqual(204, self.client.transaction(changes).status)
        self.server.stop()

    def test_every_other_mutation_for_which_the_disk_is_full(self):
        self.restart_with("metastore_before_commit=error")
        for what, send in {
            "create namespace": lambda: self.client.create_namespace("x"),
            "properties": lambda: self.client.post("/v1/namespaces/ns/properties",
                                                   {"updates": {"a": "b"}}),
            "create": lambda: self.client.create_table("ns", "x"),
            "rename": lambda: self.client.rename(("ns", "t"), ("ns", "x")),
            "drop": lambda: self.client.drop_table("ns", "t"),
            "unregister": lambda: self.client.post("/v1/namespaces/ns/tables/t/unregister"),
            "warehouse": lambda: self.client.post("/management/v1/warehouses", {"name": "x"}),
        }.items():
            with self.subTest(what):
                self.assert_definite(send())
        self.assertEqual(200, self.client.load_table("ns", "t").status)
        self.assertEqual(404, self.client.load_namespace("x").status)
        self.server.stop()


class Unknown(FailureTest):
    """The COMMIT was sent and its fate is not known: 500 of one type, and the program stops, because
    only a recovery can tell (F14)."""

    def check(self, failpoint, headers):
        self.restart_with(f"{failpoint}=error@1")
        self.assert_unknown(self.commit(headers))
        self.assertEqual(FAIL_STOP, self.server.wait_exit())
        self.server.set_failpoints(None)
        self.server.start()
        for _ in range(2):
            self.assertEqual(200, self.commit(headers).status)
            self.assertEqual([self.updates[0]["snapshot"]["snapshot-id"]], self.snapshots())
        self.server.stop()

    def test_commit_that_did_not_arrive_with_key(self):
        self.check("metastore_commit_io_error", key_header())

    def test_commit_that_did_not_arrive_without_key(self):
        self.check("metastore_commit_io_error", None)

    def test_commit_that_arrived_with_key(self):
        self.check("metastore_after_commit", key_header())

    def test_commit_that_arrived_without_key(self):
        self.check("metastore_after_commit", None)

    def test_create(self):
        self.restart_with("metastore_after_commit=error@1")
        headers = key_header()
        self.assert_unknown(self.client.create_table("ns", "u", headers=headers))
        self.assertEqual(FAIL_STOP, self.server.wait_exit())
        self.server.set_failpoints(None)
        self.server.start()
        again = self.client.create_table("ns", "u", headers=headers)
        self.assertEqual(200, again.status, repr(again))
        self.assertEqual(again.json["metadata"], read_metadata(again.json["metadata-location"]))
        self.server.stop()


class Waiting(FailureTest):
    def test_duplicates_of_what_still_runs_wait_for_it(self):
        """F22: none is a conflict, all get the first one's answer."""
        self.restart_with("commit_after_put=sleep:1500@1")
        headers, replies = key_header(), []

        def send():
            client = self.server.client()
            replies.append(client.commit("ns", "t", [set_properties(a="b")], headers=headers))
            client.close()

        threads = [threading.Thread(target=send) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([200] * 20, [r.status for r in replies], replies)
        self.assertEqual(1, len({r.json["metadata-location"] for r in replies}))
        self.assertEqual(2, len(self.client.history("ns", "t")))
        self.server.stop()

    def test_loads_do_not_wait_for_a_commit(self):
        """They show what was true before it."""
        self.restart_with("commit_after_put=sleep:1500@1")
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.server.client().commit(
            "ns", "t", self.updates, self.requirements)))
        thread.start()
        while not any("/00001-" in path for path in warehouse_files(self.server)):
            self.assertTrue(thread.is_alive())
            thread.join(0.01)
        self.assertEqual([], self.snapshots())
        self.assertEqual([], replies)
        thread.join()
        self.assertEqual(200, replies[0].status)
        self.assertEqual(1, len(self.snapshots()))
        self.server.stop()


class DiskFull(FailureTest):
    """F15: files cannot grow any more. Reads go on, writes are refused and nothing is lost."""

    def test_full_and_then_not(self):
        acknowledged = []
        pid = self.server.process.pid
        largest = max(size for size, _ in warehouse_files(self.server).values())
        database = os.path.getsize(os.path.join(self.server.data, "metastore.db-wal"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE,
                         (max(largest, database) + 20000, resource.RLIM_INFINITY))
        refused = 0
        for i in range(400):
            reply = self.client.commit("ns", "t", [set_properties(**{f"k{i}": "x" * 200})])
            if reply.status == 200:
                acknowledged.append(f"k{i}")
                continue
            self.assert_definite(reply)
            refused += 1
            if refused == 3:
                break
        self.assertEqual(3, refused, "the limit was never felt")
        self.assertEqual(200, self.client.load_table("ns", "t").status)
        self.assertEqual(200, self.client.get("/health/live").status)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        reply = self.client.commit("ns", "t", [set_properties(after="x")])
        self.assertEqual(200, reply.status, repr(reply))
        acknowledged.append("after")
        self.server.kill()
        self.server.start()
        properties = self.client.load_table("ns", "t").json["metadata"]["properties"]
        self.assertLessEqual(set(acknowledged), set(properties))
        self.server.stop()


class Draining(FailureTest):
    def test_not_ready_but_serving(self):
        """Between SIGTERM and the end a load balancer has time to look elsewhere."""
        self.server.stop()
        self.server.args = ["--drain-delay-ms", "60000"]
        self.server.start()
        self.assertEqual(200, self.client.get("/health/ready").status)
        self.server.process.send_signal(signal.SIGTERM)
        while self.client.get("/health/ready").status == 200:
            pass
        reply = self.client.get("/health/ready")
        self.assertEqual(503, reply.status)
        self.assertEqual(200, self.client.get("/health/live").status)
        self.assertEqual(200, self.commit().status)
        self.server.process.send_signal(signal.SIGTERM)  # a second one ends the delay
        self.assertEqual(0, self.server.wait_exit())


del FailureTest
if __name__ == "__main__":
    unittest.main()
