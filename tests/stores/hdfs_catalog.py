"""A catalog whose default warehouse is on HDFS, as tests/stores/minidfs.py COMMAND starts it, behind a
proxy that can fail before the namenode."""
import os
import shutil
import tempfile
import unittest
import uuid

from tests.harness import Server, append, run_firn
from tests.stores.fault_proxy import FaultProxy

ENDPOINT = os.environ.get("FIRN_TEST_WEBHDFS")
LOCATION = os.environ.get("FIRN_TEST_HDFS")


@unittest.skipUnless(ENDPOINT, "no HDFS: tests/stores/minidfs.py COMMAND runs this with one")
class HdfsCatalog(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.proxy = FaultProxy(ENDPOINT)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.root = f"{LOCATION}/catalog/{uuid.uuid4()}"
        self.server = Server(os.path.join(self.temp, "data"), args=[
            "--warehouse-location", self.root, "--warehouse-endpoint", self.proxy.endpoint,
            "--warehouse-user", "root"])
        self.addCleanup(self.server.close)
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.assertEqual(200, self.client.create_namespace("ns").status)
        self.made = self.must(self.client.create_table("ns", "t")).json
        self.updates, self.requirements = append(self.made["metadata"])
        self.proxy.forget()

    def must(self, reply, status=200):
        self.assertEqual(status, reply.status, f"{reply!r}\n{self.server.output()}")
        return reply

    def commit(self):
        return self.client.commit("ns", "t", self.updates, self.requirements)

    def check_table(self, snapshots):
        for _ in range(2):
            loaded = self.must(self.client.load_table("ns", "t")).json
            self.assertEqual(snapshots, len(loaded["metadata"]["snapshots"]))
            self.assertTrue(loaded["metadata-location"].startswith(self.root + "/"))
            self.server.restart()

    def test_tables_live_there(self):
        self.must(self.commit())
        self.check_table(snapshots=1)

    def test_a_lost_reply_of_the_rename(self):
        self.proxy.fail("PUT", "op=RENAME", "cut_after", times=1)
        self.must(self.commit())
        self.assertTrue(self.proxy.seen("PUT", "op=RENAME"))
        self.check_table(snapshots=1)

    def test_a_namenode_that_is_away(self):
        """Nothing was done, the client may come again, and does."""
        for method in ("PUT", "GET", "DELETE"):
            self.proxy.fail(method, "op=", ("answer", 503))
        self.must(self.commit(), 503)
        self.proxy.heal()
        self.must(self.commit())
        self.check_table(snapshots=1)

    def test_warehouses_are_tried_when_they_are_made(self):
        def make(name, *more):
            return run_firn("warehouse", "create", name, "--data", self.server.data,
                            "--location", f"{self.root}-{name}", *more)

        status, _, err = make("good", "--endpoint", ENDPOINT, "--user", "root")
        self.assertEqual(0, status, err)
        status, _, err = make("theirs", "--endpoint", ENDPOINT, "--user", "mallory")
        self.assertNotEqual(0, status)
        self.assertIn("HDFS refuses the user", err)
        status, _, err = make("nowhere", "--endpoint", "http://127.0.0.1:1", "--user", "root")
        self.assertNotEqual(0, status)
        status, _, err = make("odd", "--endpoint", "127.0.0.1", "--user", "root")
        self.assertNotEqual(0, status)
        self.assertIn("endpoint of an hdfs: warehouse", err)


if __name__ == "__main__":
    unittest.main()
