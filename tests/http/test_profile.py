"""firn serve --profile fixture: the world that the suites of PyIceberg, iceberg-go, iceberg-rust and
iceberg-cpp, and DuckDB's fixture have written into them (contract/clients.md 2.0), on other ports."""
import base64
import http.client
import os
import shutil
import tempfile
import unittest

from tests.harness import Server
from tests.stores.store import S3, free_ports


class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.mkdtemp(prefix="firn-test-")
        [cls.port] = free_ports(1)
        cls.server = Server(os.path.join(cls.temp, "data"), args=[
            "--profile", "fixture", "--also-listen", f"127.0.0.1:{cls.port}",
            "--namespace-separator", "."])
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.close()
            shutil.rmtree(cls.temp, True)

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def token(self, body, **headers):
        return self.client.request("POST", "/v1/oauth/tokens", body, {
            "Content-Type": "application/x-www-form-urlencoded", **headers})

    def test_configuration_without_a_warehouse(self):
        reply = self.client.get("/v1/config")
        self.assertEqual(200, reply.status)
        self.assertEqual("warehouse", reply.json["overrides"]["prefix"])
        self.assertIn("namespace-separator", str(reply.json))

    def test_tokens_by_form_and_by_header(self):
        basic = base64.b64encode(b"admin:password").decode()
        form = b"grant_type=client_credentials&client_id=admin&client_secret=password&scope=catalog"
        for reply in (self.token(form),
                      self.token(b"grant_type=client_credentials", Authorization="Basic " + basic)):
            self.assertEqual(200, reply.status, repr(reply))
            self.assertEqual("bearer", reply.json["token_type"])
            headers = {"Authorization": "Bearer " + reply.json["access_token"]}
            self.assertEqual(200, self.client.get("/v1/namespaces", headers=headers).status)
        wrong = self.token(form.replace(b"password", b"passwort"))
        self.assertEqual((401, "invalid_client"), (wrong.status, wrong.json["error"]))

    def test_files_at_the_other_port_with_the_keys_that_suites_know(self):
        self.client.create_namespace("profile")
        made = self.client.create_table("profile", "t", location="s3://warehouse/profile/t")
        self.assertEqual(200, made.status, repr(made))
        location = made.json["metadata-location"]
        self.assertRegex(location, r"^s3://warehouse/profile/t/metadata/00000-[0-9a-f-]{36}\.metadata\.json$")
        s3 = S3(f"http://127.0.0.1:{self.port}", "admin", "password")
        key = location[len("s3://warehouse/"):]
        status, _, body = s3.get(key, bucket="warehouse")
        self.assertEqual(200, status, body)
        self.assertIn(made.json["metadata"]["table-uuid"].encode(), body)
        self.assertEqual(200, s3.put("profile/t/data/x", b"1", bucket="warehouse")[0])
        self.assertEqual(200, s3.request("HEAD", "/warehouse")[0])
        wrong = S3(f"http://127.0.0.1:{self.port}", "admin", "passwort")
        self.assertEqual(403, wrong.get(key, bucket="warehouse")[0])

    def test_the_catalog_answers_there_too(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/v1/config")
        self.assertEqual(200, connection.getresponse().status)
        connection.close()

    def test_it_does_not_go_with_authentication(self):
        for args in (["--auth", "required"], ["--also-listen", "0.0.0.0:0"], ["--also-listen", "x"]):
            server = Server(os.path.join(self.temp, "other"), args=["--profile", "fixture", *args])
            self.addCleanup(server.close)
            server.spawn()
            self.assertFalse(server.wait_ready(), args)

    def test_without_the_profile_there_is_no_such_client(self):
        server = Server(os.path.join(self.temp, "plain"))
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        reply = client.request(
            "POST", "/v1/oauth/tokens",
            b"grant_type=client_credentials&client_id=admin&client_secret=password",
            {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(401, reply.status)
        server.stop()
