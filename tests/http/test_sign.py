"""Signatures for single requests, over HTTP: what is answered, and to whom. That stores take them is
tested by the suite s3."""
import re

from tests.harness import BAD_REQUEST, FirnTest
from tests.http.played_store import PlayedStore

SECRET = "canary-s1gn-5ecret"


class Sign(FirnTest):
    @classmethod
    def setUpClass(cls):
        cls.store = PlayedStore()
        cls.store.__enter__()
        cls.addClassCleanup(cls.store.__exit__)
        super().setUpClass()
        client = cls.server.client()
        for access in ("sign", "direct"):
            reply = client.post("/management/v1/warehouses", {
                "name": access, "location": f"s3://bucket/{access}", "access": access,
                "storage": {"endpoint": cls.store.endpoint, "access-key-id": "AK",
                            "secret-access-key": SECRET}})
            assert reply.status == 200 and SECRET.encode() not in reply.body, reply
        client.close()

    def setUp(self):
        super().setUp()
        self.client = self.server.client(prefix="sign")
        self.addCleanup(self.client.close)
        self.ns, self.name, self.made = self.fresh_table()
        self.path = f"/v1/sign/namespaces/{self.ns}/tables/{self.name}/sign"

    def url(self, location):
        return location.replace("s3://", self.store.endpoint + "/")

    def sign(self, method, url, path=None, headers=None, **fields):
        reply = self.client.post(path or self.path, {
            "region": "us-east-1", "method": method, "uri": url, "headers": headers or {}, **fields})
        self.assertNotIn(SECRET.encode(), reply.body)
        return reply

    def test_probing_leaves_nothing_behind(self):
        self.assertEqual([], [name for name in self.store.files if "probe" in name])

    def test_both_paths(self):
        url = self.url(self.made["metadata"]["location"]) + "/data/a.parquet"
        headers = {"Host": [self.store.endpoint[7:]], "Content-Type": ["x/y"],
                   "amz-sdk-invocation-id": ["not signed"]}
        for path in (self.path, "/v1/aws/s3/sign"):
            for method, cache in (("GET", "private"), ("HEAD", "private"), ("PUT", "no-cache"),
                                  ("DELETE", "no-cache")):
                with self.subTest((path, method)):
                    reply = self.assert_status(200, self.sign(method, url, path, headers))
                    self.assertEqual(cache, reply.header("Cache-Control"))
                    answer = {name.lower(): values for name, values in reply.json["headers"].items()}
                    [authorization] = answer["authorization"]
                    self.assertRegex(authorization, "^AWS4-HMAC-SHA256 Credential=AK/[0-9]{8}/us-east-1/s3/")
                    signed = re.search("SignedHeaders=([^,]*)", authorization).group(1).split(";")
                    self.assertIn("host", signed)
                    self.assertNotIn("amz-sdk-invocation-id", signed)
                    self.assertIn("x-amz-date", answer)
                    self.assertEqual(url, reply.json["uri"])

    def test_only_what_is_the_tables(self):
        _, _, other = self.fresh_table(self.ns)
        mine, foreign = (self.url(t["metadata"]["location"]) for t in (self.made, other))
        for method, url in (("GET", foreign + "/data/a"), ("GET", mine + "x"), ("PUT", mine + "/a?acl"),
                            ("GET", mine.replace("bucket", "tekcub") + "/a"),
                            ("PUT", self.url(self.made["metadata-location"])),
                            ("DELETE", self.url(self.made["metadata-location"]))):
            with self.subTest((method, url)):
                self.assert_error(self.sign(method, url), (403), "ForbiddenException")
        self.assert_status(200, self.sign("GET", self.url(self.made["metadata-location"])))
        self.assert_error(self.sign("GET", mine + "/a", self.path[:-len("/sign")] + "x/sign"), 404,
                          "NoSuchTableException")

    def test_old_metadata_is_guarded_as_well(self):
        first = self.made["metadata-location"]
        self.assert_commits(self.ns, self.name, [
            {"action": "set-properties", "updates": {"a": "b"}}])
        for path in (self.path, "/v1/aws/s3/sign"):
            self.assert_error(self.sign("DELETE", self.url(first), path), 403, "ForbiddenException")

    def test_requests_that_are_none(self):
        url = self.url(self.made["metadata"]["location"]) + "/a"
        for change in ({"headers": {"a\r\nb": ["x"]}}, {"headers": {"a": ["x\ny"]}},
                       {"uri": url + "%00"}, {"uri": url + "%zz"}):
            with self.subTest(change):
                body = {"region": "us-east-1", "method": "GET", "uri": url, "headers": {}, **change}
                reply = self.client.post(self.path, body)
                self.assertIn(reply.status, (400, 403), repr(reply))
        self.assert_error(self.client.post(self.path, []), 400, BAD_REQUEST)

    def test_a_warehouse_that_does_not_sign(self):
        client = self.server.client(prefix="direct")
        client.create_namespace("n")
        name = self.fresh_name("t")
        made = self.assert_status(200, client.create_table("n", name)).json
        url = self.url(made["metadata"]["location"]) + "/a"
        for path in (f"/v1/direct/namespaces/n/tables/{name}/sign", "/v1/aws/s3/sign"):
            self.assert_error(self.sign("GET", url, path), 406, "UnsupportedOperationException")
        client.close()

    def test_nothing_secret_is_told_anywhere(self):
        for path in ("/management/v1/warehouses", "/management/v1/warehouses/sign", "/metrics",
                     "/management/v1/warehouses/sign/history", self.path.replace("/sign", "", 1)):
            self.assertNotIn(SECRET.encode(), self.client.get(path).body, path)
        self.assertNotIn(SECRET, self.server.output())
