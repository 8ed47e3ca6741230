"""What answers that carry a table tell of reaching its files: by the warehouse's access, what the
client asks for, who asks, and when."""
import base64
import os
import shutil
import tempfile
import time
import unittest

from tests.harness import BAD_REQUEST, FirnTest, Server, run_firn, set_properties
from tests.stores.store import S3

KEYS = {"s3.access-key-id", "s3.secret-access-key", "s3.session-token",
        "s3.session-token-expires-at-ms"}
PLACE = {"s3.endpoint", "s3.path-style-access", "s3.region", "client.region"}
HEADER = "X-Iceberg-Access-Delegation"


class GatewayTest(FirnTest):
    """A warehouse behind the gateway."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.temp = tempfile.mkdtemp(prefix="firn-test-")
        client = cls.server.client()
        reply = client.post("/management/v1/warehouses", {
            "name": "lake", "location": "file://" + cls.temp + "/lake", "access": "gateway"})
        assert reply.status == 200, reply
        client.close()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.temp, True)

    def setUp(self):
        super().setUp()
        self.plain = self.client
        self.client = self.server.client(prefix="lake")
        self.addCleanup(self.client.close)

    def check_keys(self, answer, ns, name):
        config = answer["config"]
        self.assertLessEqual(KEYS | PLACE, set(config))
        self.assertTrue(all(isinstance(v, str) and v for v in config.values()), config)
        self.assertEqual("true", config["s3.path-style-access"])
        self.assertEqual(f"http://{self.server.host}:{self.server.port}", config["s3.endpoint"])
        self.assertEqual(f"v1/lake/namespaces/{ns}/tables/{name}/credentials",
                         config["client.refresh-credentials-endpoint"])
        [credential] = answer["storage-credentials"]
        self.assertEqual(answer["metadata"]["location"], credential["prefix"])
        self.assertEqual(config, credential["config"])
        self.assertNotIn("remote-signing-config", answer)
        return config


class Gateway(GatewayTest):
    def test_create_load_register_and_staged_create_carry_keys(self):
        ns = self.fresh_namespace()
        created = self.assert_status(200, self.client.create_table(ns, "t"))
        self.check_keys(created.json, ns, "t")
        loaded = self.assert_status(200, self.client.load_table(ns, "t"))
        self.check_keys(loaded.json, ns, "t")
        refs = self.assert_status(200, self.client.get(
            f"/v1/lake/namespaces/{ns}/tables/t?snapshots=refs"))
        self.check_keys(refs.json, ns, "t")
        staged = self.assert_status(200, self.client.create_table(ns, "s", **{"stage-create": True}))
        self.check_keys(staged.json, ns, "s")
        self.assertIsNone(staged.header("ETag"))
        self.assertNotIn("metadata-location", staged.json)
        self.assert_status(204, self.client.drop_table(ns, "t"))
        registered = self.assert_status(200, self.client.post(
            f"/v1/lake/namespaces/{ns}/register",
            {"name": "t", "metadata-location": created.json["metadata-location"]}))
        self.check_keys(registered.json, ns, "t")
        self.assertEqual(created.json["metadata"], registered.json["metadata"])
        for reply in (created, loaded, refs, staged, registered):
            self.assertEqual("no-store", reply.header("Cache-Control"))

    def test_a_commit_carries_none(self):
        ns, name, _ = self.fresh_table()
        answer = self.assert_commits(ns, name, [set_properties(a="b")])
        self.assertNotIn("s3.secret-access-key", str(answer))

    def test_whatever_is_asked_for(self):
        ns, name, _ = self.fresh_table()
        path = f"/v1/lake/namespaces/{ns}/tables/{name}"
        for value in ("vended-credentials", "remote-signing", "remote-signing,vended-credentials",
                      " VENDED-credentials , teleportation", "teleportation", "", ",,", "a" * 3000):
            with self.subTest(value):
                reply = self.assert_status(200, self.client.get(path, headers={HEADER: value}))
                self.check_keys(reply.json, ns, name)

    def test_credentials_are_as_those_of_a_load(self):
        ns, name, _ = self.fresh_table()
        path = f"/v1/lake/namespaces/{ns}/tables/{name}"
        reply = self.assert_status(200, self.client.get(path + "/credentials"))
        self.assertEqual("no-store", reply.header("Cache-Control"))
        [credential] = reply.json["storage-credentials"]
        loaded = self.client.get(path).json
        self.assertEqual(set(loaded["config"]), set(credential["config"]))
        self.assertEqual(loaded["metadata"]["location"], credential["prefix"])
        self.assert_error(self.client.get(path + "x/credentials"), 404, "NoSuchTableException")

    def test_names_are_encoded_in_the_refresh_path(self):
        self.assert_status(200, self.client.create_namespace(["a b", "c/d"]))
        made = self.assert_status(200, self.client.post(
            "/v1/lake/namespaces/a%20b%1Fc%2Fd/tables",
            {"name": "t+ü", "schema": {"type": "struct", "fields": []}}))
        path = made.json["config"]["client.refresh-credentials-endpoint"]
        self.assertEqual("v1/lake/namespaces/a%20b%1Fc%2Fd/tables/t%2B%C3%BC/credentials", path)
        self.assert_status(200, self.client.get("/" + path))

    def test_tags(self):
        ns, name, _ = self.fresh_table()
        path = f"/v1/lake/namespaces/{ns}/tables/{name}"
        tag = self.client.get(path).header("ETag")
        again = self.client.get(path, headers={"If-None-Match": tag})
        self.assertEqual((304, b""), (again.status, again.body))
        self.assertEqual(tag, again.header("ETag"))
        refs = self.client.get(path + "?snapshots=refs", headers={"If-None-Match": tag})
        self.assertEqual(200, refs.status)
        other_host = self.client.get(path, headers={"If-None-Match": tag, "Host": "firn.test"})
        self.assertEqual(200, other_host.status, "the endpoint in it would be another")
        self.assertEqual("http://firn.test", other_host.json["config"]["s3.endpoint"])
        self.assert_commits(ns, name, [set_properties(a="b")])
        self.assertEqual(200, self.client.get(path, headers={"If-None-Match": tag}).status)

    def test_answers_with_keys_are_not_compressed(self):
        ns, name, _ = self.fresh_table(properties={f"p{i}": "x" * 100 for i in range(200)})
        path = f"/v1/lake/namespaces/{ns}/tables/{name}"
        for _ in range(2):
            reply = self.client.get(path, headers={"Accept-Encoding": "gzip"})
            self.assertIsNone(reply.header("Content-Encoding"))
            self.check_keys(reply.json, ns, name)

    def test_a_host_that_is_none(self):
        ns, name, _ = self.fresh_table()
        path = f"/v1/lake/namespaces/{ns}/tables/{name}"
        for host in ("a/b", "u@h", "a b", "h?x", "%41"):
            with self.subTest(host):
                reply = self.client.get(path, headers={"Host": host})
                self.assert_error(reply, 400, BAD_REQUEST)

    def test_only_what_works_is_advertised(self):
        of = {w: set(self.plain.get(f"/v1/config?warehouse={w}").json["endpoints"])
              for w in ("lake", "default")}
        path = "/v1/{prefix}/namespaces/{namespace}/tables/{table}"
        self.assertEqual({"GET " + path + "/credentials"}, of["lake"] - of["default"])
        self.assertEqual(set(), of["default"] - of["lake"])
        self.assertNotIn("POST " + path + "/sign", of["lake"])

    def test_an_idempotent_repeat_carries_keys_of_its_own(self):
        ns = self.fresh_namespace()
        headers = {"Idempotency-Key": "01990000-0000-7000-8000-00000000f123"}
        body = {"name": "t", "schema": {"type": "struct", "fields": []}}
        first, second = (self.assert_status(200, self.client.post(
            f"/v1/lake/namespaces/{ns}/tables", body, headers=headers)) for _ in range(2))
        self.assertEqual(first.json["metadata"], second.json["metadata"])
        self.check_keys(second.json, ns, "t")

    def test_nothing_is_vended_for_a_place_that_is_refused(self):
        ns, name, made = self.fresh_table()
        location = made["metadata"]["location"]
        for place in (location, location + "/inner", "s3://lake", "s3://other/x", "file:///etc"):
            for staged in (False, True):
                with self.subTest((place, staged)):
                    reply = self.client.create_table(ns, self.fresh_name("t"), location=place,
                                                     **{"stage-create": staged})
                    self.assert_error(reply, 400, BAD_REQUEST)
                    self.assertNotIn(b"secret-access-key", reply.body)

    def test_signing_is_not_for_this_warehouse(self):
        ns, name, _ = self.fresh_table()
        sign = {"region": "us-east-1", "uri": "http://h/lake/x", "method": "GET", "headers": {}}
        self.assert_error(self.client.post(f"/v1/lake/namespaces/{ns}/tables/{name}/sign", sign), 406,
                          "UnsupportedOperationException")
        self.assert_error(self.client.post(f"/v1/lake/namespaces/{ns}/tables/{name}x/sign", sign), 404,
                          "NoSuchTableException")


class Direct(FirnTest):
    def test_local_files_need_nothing(self):
        ns, name, made = self.fresh_table()
        path = f"/v1/namespaces/{ns}/tables/{name}"
        reply = self.client.get(path, headers={HEADER: "vended-credentials"})
        self.assertEqual(({}, False), (reply.json["config"], "storage-credentials" in reply.json))
        self.assertIsNone(reply.header("Cache-Control"))
        self.assertEqual({"storage-credentials": []}, self.client.get(path + "/credentials").json)

    def test_sign_requests_that_are_none(self):
        ns, name, _ = self.fresh_table()
        good = {"region": "r", "uri": "http://h/b/k", "method": "GET", "headers": {"a": ["b"]}}
        path = f"/v1/namespaces/{ns}/tables/{name}/sign"
        self.assert_error(self.client.post(path, good), 406, "UnsupportedOperationException")
        for change in ({"region": ""}, {"uri": 1}, {"method": None}, {"headers": []},
                       {"headers": {"a": "b"}}, {"headers": {"a": [1]}}, {"body": 1},
                       {"headers": {"a": ["b"] * 101}}, {"provider": "gcs"}, {"provider": 1}):
            with self.subTest(change):
                self.assert_error(self.client.post(path, {**good, **change}), 400, BAD_REQUEST)

    def test_sign_by_location_knows_tables_alone(self):
        good = {"region": "r", "uri": "http://h/b/k", "method": "GET", "headers": {}}
        self.assert_error(self.client.post("/v1/aws/s3/sign", good), 403, "ForbiddenException")
        self.assert_error(self.client.post("/v1/aws/s3/sign", {**good, "uri": "b/k"}), 400, BAD_REQUEST)


class PublicUri(unittest.TestCase):
    def test_it_is_told_instead_of_the_host(self):
        temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, temp, True)
        server = Server(os.path.join(temp, "data"),
                        args=["--public-uri", "https://lake.example/", "--warehouse-name", "lake",
                              "--warehouse-location", "file://" + temp + "/lake",
                              "--warehouse-access", "gateway"])
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        client.create_namespace("n")
        made = client.create_table("n", "t")
        self.assertEqual(200, made.status, repr(made))
        self.assertEqual("https://lake.example", made.json["config"]["s3.endpoint"])
        self.assertTrue(made.json["metadata"]["location"].startswith("s3://lake/n/t-"))
        server.stop()
        for uri in ("lake.example", "ftp://x", "http://", "http:///x", "http://a b"):
            refused = Server(server.data, args=["--public-uri", uri])
            self.addCleanup(refused.close)
            refused.spawn()
            self.assertFalse(refused.wait_ready(), uri)


class Roles(unittest.TestCase):
    """With tokens: keys end with the token, and nobody is told what another was."""

    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.server = Server(os.path.join(self.temp, "data"), args=[
            "--auth", "required", "--token-lifetime-s", "600", "--warehouse-name", "lake",
            "--warehouse-location", "file://" + self.temp + "/lake", "--warehouse-access", "gateway"])
        self.addCleanup(self.server.close)
        self.secrets = {}
        for name, args in (("root", ["--admin"]), ("alice", []), ("bob", [])):
            status, out, err = run_firn("principal", "create", name, *args, "--data", self.server.data)
            self.assertEqual(0, status, err)
            self.secrets[name] = out.split()[1:3]
        self.server.start()

    def client(self, name):
        client = self.server.client()
        self.addCleanup(client.close)
        if name is None:
            return client
        basic = base64.b64encode(":".join(self.secrets[name]).encode()).decode()
        reply = client.request("POST", "/v1/oauth/tokens", b"grant_type=client_credentials", {
            "Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + basic})
        self.assertEqual(200, reply.status, repr(reply))
        client.headers = {**(client.headers or {}),
                          "Authorization": "Bearer " + reply.json["access_token"]}
        return client

    def test_matrix(self):
        root = self.client("root")
        self.assertEqual(200, root.create_namespace("n").status)
        made = root.create_table("n", "t").json
        path = "/v1/lake/namespaces/n/tables/t"
        secrets, tags = set(), {}
        for name in ("root", "alice", "bob"):
            client = self.client(name)
            for route in (path, path + "/credentials"):
                reply = client.get(route)
                self.assertEqual(200, reply.status, repr(reply))
                [credential] = reply.json["storage-credentials"]
                secrets.add(credential["config"]["s3.secret-access-key"])
            tags[name] = client.get(path).header("ETag")
        self.assertEqual(3, len(set(tags.values())), "a tag that two principals share")
        alice = self.client("alice")
        self.assertEqual(200, alice.get(path, headers={"If-None-Match": tags["bob"]}).status)
        nobody = self.client(None)
        for method, route in (("GET", path), ("GET", path + "/credentials"), ("POST", path + "/sign"),
                              ("POST", "/v1/aws/s3/sign"),
                              ("POST", "/management/v1/warehouses/lake/keys")):
            reply = nobody.request(method, route, b"{}" if method == "POST" else None)
            self.assertEqual(401, reply.status, repr(reply))
            for secret in secrets:
                self.assertNotIn(secret.encode(), reply.body)
        self.assertEqual(403, alice.post("/management/v1/warehouses/lake/keys", {}).status)
        self.assertEqual(made["metadata"]["location"], credential["prefix"])
        log = self.server.output()
        metrics = root.get("/metrics").body.decode()
        for secret in secrets:
            self.assertNotIn(secret, log)
            self.assertNotIn(secret, metrics)

    def test_keys_end_with_the_token(self):
        root = self.client("root")
        root.create_namespace("n")
        config = root.create_table("n", "t").json["config"]
        left = int(config["s3.session-token-expires-at-ms"]) / 1000 - time.time()
        self.assertLessEqual(left, 600)  # the token's, though keys would live an hour

    def test_a_dropped_principal_gets_no_more(self):
        root = self.client("root")
        root.create_namespace("n")
        root.create_table("n", "t")
        alice = self.client("alice")
        path = "/v1/lake/namespaces/n/tables/t"
        tag = alice.get(path).header("ETag")
        status, _, err = run_firn("principal", "drop", "bob", "--data", self.server.data,
                                  "--credential-file", self.credential_file("root"))
        self.assertEqual(0, status, err)
        status, _, err = run_firn("principal", "drop", "alice", "--data", self.server.data,
                                  "--credential-file", self.credential_file("root"))
        self.assertEqual(0, status, err)
        for headers in ({}, {"If-None-Match": tag}):
            self.assertEqual(401, alice.get(path, headers=headers).status)
        self.assertEqual(401, alice.get(path + "/credentials").status)

    def credential_file(self, name):
        path = os.path.join(self.temp, name)
        with open(path, "w") as out:
            out.write(":".join(self.secrets[name]) + "\n")
        return path


class Keys(GatewayTest):
    """firn key create, and the same over HTTP."""

    def lines(self, *args):
        status, out, err = run_firn("key", "create", "--warehouse", "lake", *args, "--data",
                                    self.server.data)
        self.assertEqual(0, status, err)
        return dict(line.split("=", 1) for line in out.splitlines())

    def test_lines(self):
        made = self.lines("--prefix", "ns/t", "--write", "--expires", "30m")
        self.assertEqual({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}, set(made))
        self.assertTrue(made["AWS_ACCESS_KEY_ID"].startswith("FIRN"))
        self.assertNotIn(made["AWS_SECRET_ACCESS_KEY"], self.server.output())
        self.assertNotIn(made["AWS_SESSION_TOKEN"], self.server.output())

    def test_over_http(self):
        reply = self.assert_status(200, self.plain.post("/management/v1/warehouses/lake/keys", {
            "prefix": "s3://lake/ns/", "expires-s": 60}))
        self.assertEqual("no-store", reply.header("Cache-Control"))
        self.assertEqual({"access-key-id", "secret-access-key", "session-token", "expires-at-ms"},
                         set(reply.json))
        for body in ({"prefix": "a/../b"}, {"prefix": 1}, {"write": "yes"}, {"expires-s": 0},
                     {"expires-s": 2592001}, {"expires-s": "1"}, {"prefix": "a\u0001b"}):
            with self.subTest(body):
                self.assert_error(self.plain.post("/management/v1/warehouses/lake/keys", body), 400,
                                  BAD_REQUEST)
        self.assert_error(self.plain.post("/management/v1/warehouses/default/keys", {}), 400,
                          BAD_REQUEST)
        self.assert_error(self.plain.post("/management/v1/warehouses/nope/keys", {}), 404,
                          "NoSuchWarehouseException")

    def test_what_is_not_understood(self):
        for args in ((), ("--warehouse", "lake", "--expires", "12"), ("--warehouse", "lake", "x"),
                     ("--warehouse", "lake", "--expires", "31d"), ("--warehouse", "default"),
                     ("--warehouse", "lake", "--expires", "-1h"), ("--warehouse", "nope")):
            with self.subTest(args):
                status, out, err = run_firn("key", "create", *args, "--data", self.server.data)
                self.assertIn(status, (1, 2), (out, err))
                self.assertEqual("", out)
                self.assertTrue(err.startswith("firn: "), err)


class ThroughTheGateway(GatewayTest):
    """Keys that an answer carried, used at the endpoint that it told."""

    def s3(self, config):
        return S3(config["s3.endpoint"], config["s3.access-key-id"], config["s3.secret-access-key"],
                  config["s3.session-token"], region=config["s3.region"])

    def key(self, location):
        self.assertTrue(location.startswith("s3://lake/"), location)
        return location[len("s3://lake/"):]

    def test_keys_reach_the_table_and_nothing_else(self):
        ns, name, made = self.fresh_table()
        _, _, other = self.fresh_table(ns)
        mine, foreign = (self.key(t["metadata"]["location"]) for t in (made, other))
        s3 = self.s3(self.load(ns, name)["config"])
        status, _, body = s3.get(self.key(made["metadata-location"]), bucket="lake")
        self.assertEqual(200, status, body)
        self.assertIn(made["metadata"]["table-uuid"].encode(), body)
        self.assertEqual(200, s3.put(mine + "/data/a", b"rows", bucket="lake")[0])
        self.assertEqual((200, b"rows"), s3.get(mine + "/data/a", bucket="lake")[::2])
        with open(f"{self.temp}/lake/{mine}/data/a", "rb") as file:
            self.assertEqual(b"rows", file.read())
        self.assertEqual([mine + "/data/a"], s3.keys(mine + "/data/", bucket="lake"))
        for key in (foreign + "/data/a", mine + "x/a", "a", self.key(other["metadata-location"])):
            with self.subTest(key):
                self.assertEqual(403, s3.get(key, bucket="lake")[0])
                self.assertEqual(403, s3.put(key, b"x", bucket="lake")[0])
        listed = s3.keys("", bucket="lake")  # what it may see of the bucket, and not a name more
        self.assertTrue(listed and all(key.startswith(mine + "/") for key in listed), listed)
        self.assertEqual(403, s3.request("GET", "/lake", {"list-type": "2", "prefix": foreign + "/"})[0])

    def test_a_place_of_a_property_is_in_the_keys(self):
        ns = self.fresh_namespace()
        elsewhere = f"s3://lake/elsewhere/{ns}"
        _, name, made = self.fresh_table(ns, properties={"write.data.path": elsewhere + "/"})
        s3 = self.s3(made["config"])
        self.assertEqual(200, s3.put(self.key(elsewhere) + "/f", b"x", bucket="lake")[0])
        self.assertEqual(403, s3.put(self.key(elsewhere) + "-not/f", b"x", bucket="lake")[0])

    def test_keys_of_a_staged_table(self):
        staged = self.assert_status(200, self.client.create_table(
            self.fresh_namespace(), "t", **{"stage-create": True})).json
        key = self.key(staged["metadata"]["location"]) + "/data/a"
        self.assertEqual(200, self.s3(staged["config"]).put(key, b"x", bucket="lake")[0])

    def test_keys_outlive_a_drop_for_their_time(self):
        ns, name, made = self.fresh_table()
        self.assert_status(204, self.client.drop_table(ns, name))
        s3 = self.s3(made["config"])
        self.assertEqual(200, s3.get(self.key(made["metadata-location"]), bucket="lake")[0])

    def test_keys_of_the_command_line(self):
        ns, name, made = self.fresh_table()
        key = self.key(made["metadata"]["location"])
        for args, may_write in ((("--prefix", ns), False), (("--prefix", ns, "--write"), True)):
            status, out, err = run_firn("key", "create", "--warehouse", "lake", *args, "--data",
                                        self.server.data)
            self.assertEqual(0, status, err)
            lines = dict(line.split("=", 1) for line in out.splitlines())
            s3 = S3(made["config"]["s3.endpoint"], lines["AWS_ACCESS_KEY_ID"],
                    lines["AWS_SECRET_ACCESS_KEY"], lines["AWS_SESSION_TOKEN"])
            self.assertEqual(200, s3.get(self.key(made["metadata-location"]), bucket="lake")[0])
            self.assertEqual(200 if may_write else 403, s3.put(key + "/data/k", b"x", bucket="lake")[0])
            self.assertEqual(403, s3.get("other/" + key, bucket="lake")[0])
