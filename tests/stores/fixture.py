"""A catalog whose default warehouse is on the store that the environment names (tests/stores/*.py
COMMAND set it), behind a proxy that can fail."""
import os
import shutil
import tempfile
import unittest
import uuid

from tests.harness import Server, append, run_firn
from tests.stores.fault_proxy import FaultProxy
from tests.stores.store import BUCKET, S3

ENDPOINT = os.environ.get("FIRN_TEST_S3_ENDPOINT")
ACCESS_KEY = os.environ.get("FIRN_TEST_S3_ACCESS_KEY")
SECRET_KEY = os.environ.get("FIRN_TEST_S3_SECRET_KEY")


@unittest.skipUnless(ENDPOINT, "no store: tests/stores/moto.py COMMAND runs this with one")
class StoreTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.s3 = S3(ENDPOINT, ACCESS_KEY, SECRET_KEY)
        self.proxy = FaultProxy(ENDPOINT)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.prefix = f"faults/{uuid.uuid4()}"
        self.root = f"s3://{BUCKET}/{self.prefix}"
        secret = os.path.join(self.temp, "secret")
        with open(secret, "w", encoding="utf-8") as out:
            out.write(SECRET_KEY + "\n")
        self.data = os.path.join(self.temp, "data")
        self.server = Server(self.data, args=[
            "--warehouse-location", self.root, "--warehouse-endpoint", self.proxy.endpoint,
            "--warehouse-access-key-id", ACCESS_KEY, "--warehouse-secret-access-key-file", secret])
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

    def make_local_warehouse(self, name):
        """Another warehouse of the running server, on local disk."""
        root = os.path.join(self.temp, name)
        status, _, err = run_firn("warehouse", "create", name, "--data", self.data, "--location",
                                  "file://" + root)
        self.assertEqual(0, status, err)
        client = self.server.client(prefix=name)
        self.addCleanup(client.close)
        return client

    def metadata_keys(self):
        return [key for key in self.s3.keys(self.prefix + "/") if key.endswith(".metadata.json")]

    def key_of(self, location):
        self.assertTrue(location.startswith(f"s3://{BUCKET}/"), location)
        return location[len(f"s3://{BUCKET}/"):]

    def check_table(self, snapshots):
        """After a restart, too: what is loaded is what lies in the store."""
        for _ in range(2):
            loaded = self.must(self.client.load_table("ns", "t")).json
            self.assertEqual(snapshots, len(loaded["metadata"]["snapshots"]))
            status, _, body = self.s3.get(self.key_of(loaded["metadata-location"]))
            self.assertEqual(200, status)
            self.assertIn(loaded["metadata"]["table-uuid"].encode(), body)
            self.server.restart()
