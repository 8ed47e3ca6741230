"""A real PyIceberg with a credential against a firn that wants tokens."""
import os
import shutil
import tempfile
import time
import unittest

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import OAuthError, RESTError, UnauthorizedError

from tests.harness import Server, run_firn

LIFETIME_S = 3


class Auth(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        data = os.path.join(self.temp, "data")
        status, out, err = run_firn("principal", "create", "user", "--data", data)
        self.assertEqual(0, status, err)
        _, self.id, self.secret = out.rstrip("\n").split("\t")
        self.server = Server(data, args=("--auth", "required",
                                         "--token-lifetime-s", str(LIFETIME_S)))
        self.addCleanup(self.server.close)
        self.server.start()

    def connect(self, **properties):
        return load_catalog("test", type="rest", uri=self.server.url, **properties)

    def check_a_day(self, catalog):
        catalog.create_namespace("ns")
        rows = pa.table({"id": [1, 2, 3]})
        table = catalog.create_table("ns.t", schema=rows.schema)
        table.append(rows)
        time.sleep(LIFETIME_S + 0.5)  # the token is over: the client fetches another by itself
        table.append(rows)
        self.assertEqual(6, len(catalog.load_table("ns.t").scan().to_arrow()))
        self.server.stop()

    def test_credential(self):
        self.check_a_day(self.connect(credential=f"{self.id}:{self.secret}"))

    def test_oauth2_manager(self):
        self.check_a_day(self.connect(auth={"type": "oauth2", "oauth2": {
            "client_id": self.id, "client_secret": self.secret, "scope": "catalog",
            "token_url": f"{self.server.url}/v1/oauth/tokens"}}))

    def test_refusals(self):
        with self.assertRaises((UnauthorizedError, RESTError)):
            self.connect().list_namespaces()
        with self.assertRaises(OAuthError):
            self.connect(credential=f"{self.id}:wrong")
        with self.assertRaises((UnauthorizedError, RESTError)):
            self.connect(token="firn_wrong").list_namespaces()
        self.server.stop()


if __name__ == "__main__":
    unittest.main()
