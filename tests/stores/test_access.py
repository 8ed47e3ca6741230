"""Warehouses on a store, by access: what clients are given, that it works there, and, with a store
that enforces it, that it does not work elsewhere. The store's own secrets never come out."""
import http.client
import os
import shutil
import tempfile
import unittest
import urllib.parse
import uuid

from tests.harness import Server, run_firn
from tests.stores.store import BUCKET, REGION, S3

ENDPOINT = os.environ.get("FIRN_TEST_S3_ENDPOINT")
ACCESS_KEY = os.environ.get("FIRN_TEST_S3_ACCESS_KEY")
SECRET_KEY = os.environ.get("FIRN_TEST_S3_SECRET_KEY")
ROLE = os.environ.get("FIRN_TEST_S3_ROLE")
ENFORCES = os.environ.get("FIRN_TEST_S3") == "radosgw"

HEADER = "X-Iceberg-Access-Delegation"
KEYS = {"s3.access-key-id", "s3.secret-access-key", "s3.session-token",
        "s3.session-token-expires-at-ms"}
SIGNER = {"s3.signer", "py-io-impl", "s3.signer.uri", "s3.signer.endpoint", "signer.uri",
          "signer.endpoint"}
ENABLED = "s3.remote-signing-enabled"
CANARY = "canary-5e55-token"


@unittest.skipUnless(ENDPOINT, "no store: tests/stores/moto.py COMMAND runs this with one")
class AccessTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.mkdtemp(prefix="firn-test-")
        cls.server = Server(os.path.join(cls.temp, "data"))
        cls.server.start()
        cls.prefix = f"access/{uuid.uuid4()}"
        cls.secret = os.path.join(cls.temp, "secret")
        with open(cls.secret, "w", encoding="utf-8") as out:
            out.write(SECRET_KEY + "\n")
        cls.bodies = []

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.close()
            shutil.rmtree(cls.temp, True)

    def options(self, *more):
        return ["--endpoint", ENDPOINT, "--region", REGION, "--access-key-id", ACCESS_KEY,
                "--secret-access-key-file", self.secret, "--role-arn", ROLE, *more]

    def warehouse(self, access, *more):
        """A client of a new warehouse, and its name."""
        name = f"{access}-{uuid.uuid4().hex[:8]}"
        skip = [] if ENFORCES or access != "vend" else ["--skip-scope-check"]
        status, out, err = run_firn(
            "warehouse", "create", name, "--data", self.server.data, "--location",
            f"s3://{BUCKET}/{self.prefix}/{name}", "--access", access, *self.options(*skip, *more))
        self.assertEqual(0, status, err)
        self.assertNotIn(SECRET_KEY, out + err)
        client = self.server.client(prefix=name)
        self.addCleanup(client.close)
        self.assertEqual(200, client.create_namespace("ns").status)
        return client, name

    def table(self, client, name="t"):
        made = client.create_table("ns", name)
        self.assertEqual(200, made.status, repr(made))
        return made.json

    def load(self, client, name="t", header=None, **headers):
        if header is not None:
            headers[HEADER] = header
        reply = client.get(f"{client.prefix}/namespaces/ns/tables/{name}", headers=headers)
        self.assertNotIn(SECRET_KEY.encode(), reply.body)
        return reply

    def s3_of(self, config):
        self.assertEqual(ENDPOINT, config["s3.endpoint"])
        self.assertEqual({REGION}, {config["s3.region"], config["client.region"]})
        return S3(ENDPOINT, config["s3.access-key-id"], config["s3.secret-access-key"],
                  config["s3.session-token"])

    @staticmethod
    def key(location):
        return location[len(f"s3://{BUCKET}/"):]


class Direct(AccessTest):
    def test_the_place_alone(self):
        client, name = self.warehouse("direct")
        made = self.table(client)
        for header in (None, "vended-credentials", "remote-signing", "both, of, them"):
            reply = self.load(client, header=header)
            config = reply.json["config"]
            self.assertEqual((ENDPOINT, REGION, "true"), (
                config["s3.endpoint"], config["client.region"], config["s3.path-style-access"]))
            self.assertEqual(set(), set(config) & (KEYS | SIGNER | {ENABLED}))
            self.assertNotIn("storage-credentials", reply.json)
            self.assertNotIn("remote-signing-config", reply.json)
            self.assertIsNone(reply.header("Cache-Control"))
        self.assertEqual(made["metadata"], reply.json["metadata"])
        tag = reply.header("ETag")
        self.assertEqual(304, self.load(client, **{"If-None-Match": tag}).status)
        credentials = client.get(f"/v1/{name}/namespaces/ns/tables/t/credentials")
        self.assertEqual({"storage-credentials": []}, credentials.json)

    def test_it_survives_a_restart_and_shows_no_secret(self):
        client, name = self.warehouse("direct", "--session-token-file", self.write(CANARY)) \
            if not ENFORCES else self.warehouse("direct")
        made = self.table(client)
        self.server.restart()
        again = self.server.client(prefix=name)
        self.assertEqual(made["metadata"], self.load(again).json["metadata"])
        shown = again.get(f"/management/v1/warehouses/{name}")
        self.assertIn("secret-access-key", shown.json["secrets"])
        self.assertEqual(ACCESS_KEY, shown.json["storage"]["access-key-id"])
        listed = again.get("/management/v1/warehouses")
        history = again.get(f"/management/v1/warehouses/{name}/history")
        metrics = again.get("/metrics")
        status, out, err = run_firn("warehouse", "show", name, "--data", self.server.data)
        self.assertEqual(0, status, err)
        self.assertIn("secret-access-key\t***", out)
        database = b""  # and its log
        for file in os.listdir(self.server.data):
            if not file.startswith("metastore.db"):
                continue
            with open(os.path.join(self.server.data, file), "rb") as data:
                database += data.read()
        self.assertIn(ACCESS_KEY.encode(), database)
        for text in (shown.body, listed.body, history.body, metrics.body, out.encode(),
                     self.server.output_bytes(), database):
            self.assertNotIn(SECRET_KEY.encode(), text)
            self.assertNotIn(CANARY.encode(), text)

    def write(self, text):
        path = os.path.join(self.temp, "token")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text + "\n")
        return path


class Probe(AccessTest):
    def create(self, *args):
        name = f"w-{uuid.uuid4().hex[:8]}"
        status, out, err = run_firn("warehouse", "create", name, "--data", self.server.data, *args)
        self.assertNotIn(SECRET_KEY, out + err)
        return status, err

    def test_a_place_that_does_not_work_is_no_warehouse(self):
        place = f"s3://{BUCKET}/{self.prefix}/probe"
        self.assertEqual(1, self.create("--location", f"s3://no-such-{uuid.uuid4()}/x",
                                        *self.options())[0])
        self.assertEqual(1, self.create("--location", place, "--endpoint", "ftp://x")[0])
        if ENFORCES:  # moto lets everybody in
            wrong = os.path.join(self.temp, "wrong")
            with open(wrong, "w", encoding="utf-8") as out:
                out.write("not-" + SECRET_KEY + "\n")
            options = [wrong if o == self.secret else o for o in self.options()]
            self.assertEqual(1, self.create("--location", place, *options)[0])
        s3 = S3(ENDPOINT, ACCESS_KEY, SECRET_KEY)
        self.assertEqual([], s3.keys(self.prefix + "/probe"))
        self.assertEqual(0, self.create("--location", place, *self.options())[0])
        self.assertEqual([], s3.keys(self.prefix + "/probe"))

    @unittest.skipIf(ENFORCES, "this store confines keys")
    def test_keys_that_are_not_confined_are_noticed(self):
        place = f"s3://{BUCKET}/{self.prefix}/unconfined"
        status, err = self.create("--location", place, "--access", "vend", *self.options())
        self.assertEqual(1, status)
        self.assertIn("does not confine keys", err)
        s3 = S3(ENDPOINT, ACCESS_KEY, SECRET_KEY)
        self.assertEqual([], s3.keys(self.prefix + "/unconfined"))


class Vend(AccessTest):
    def test_keys_reach_the_table_and_nothing_else(self):
        client, name = self.warehouse("vend")
        mine = self.table(client)["metadata"]
        other = self.table(client, "t2")["metadata"]
        for header in (None, "vended-credentials", "remote-signing, vended-credentials", "nothing"):
            answer = self.load(client, header=header).json
            [credential] = answer["storage-credentials"]
            self.assertEqual(credential["config"], answer["config"])
            self.assertLessEqual(KEYS, set(answer["config"]))
            self.assertEqual(mine["location"], credential["prefix"])
            self.assertNotIn(ENABLED, answer["config"])
            self.assertNotEqual(ACCESS_KEY, answer["config"]["s3.access-key-id"])
        s3, data = self.s3_of(answer["config"]), self.key(mine["location"]) + "/data/a.parquet"
        self.assertEqual(200, s3.put(data, b"rows")[0])
        self.assertEqual((200, b"rows"), s3.get(data)[::2])
        self.assertEqual([data], [k for k in s3.keys(self.key(mine["location"]) + "/data/")])
        if not ENFORCES:
            return
        for key in (self.key(other["location"]) + "/data/a", self.key(mine["location"]) + "x/a",
                    f"{self.prefix}/{name}/a"):
            self.assertEqual(403, s3.put(key, b"x")[0], key)
        self.assertEqual(403, s3.get(self.key(self.load(client, "t2").json["metadata-location"]))[0])
        self.assertEqual(403, s3.request("GET", "/" + BUCKET, {"list-type": "2"})[0])

    def test_refreshed_keys_work(self):
        client, name = self.warehouse("vend")
        made = self.table(client)
        path = "/" + made["config"]["client.refresh-credentials-endpoint"]
        [credential] = client.get(path).json["storage-credentials"]
        s3 = self.s3_of(credential["config"])
        self.assertEqual(200, s3.get(self.key(made["metadata-location"]))[0])
        endpoints = client.get(f"/v1/config?warehouse={name}").json["endpoints"]
        base = "/v1/{prefix}/namespaces/{namespace}/tables/{table}"
        self.assertLessEqual({f"GET {base}/credentials", f"POST {base}/sign"}, set(endpoints))

    def test_a_staged_table_is_written_before_it_is_there(self):
        client, _ = self.warehouse("vend")
        staged = client.create_table("ns", "staged", **{"stage-create": True})
        self.assertEqual(200, staged.status, repr(staged))
        s3 = self.s3_of(staged.json["config"])
        self.assertEqual(200, s3.put(self.key(staged.json["metadata"]["location"]) + "/data/x", b"1")[0])

    def test_only_signatures_when_only_those_are_asked_for(self):
        client, _ = self.warehouse("vend")
        self.table(client)
        answer = self.load(client, header="remote-signing").json
        self.assertEqual("true", answer["config"][ENABLED])
        self.assertEqual(set(), KEYS & set(answer["config"]))
        self.assertNotIn("storage-credentials", answer)

    def test_tags(self):
        client, _ = self.warehouse("vend")
        self.table(client)
        tags = {h: self.load(client, header=h).header("ETag") for h in (None, "remote-signing")}
        self.assertEqual(2, len(set(tags.values())))
        self.assertEqual(304, self.load(client, **{"If-None-Match": tags[None]}).status)
        self.assertEqual(200, self.load(client, **{"If-None-Match": tags["remote-signing"]}).status)


class Sign(AccessTest):
    def sign(self, client, method, url, path=None, headers=None, **fields):
        return client.post(path or f"{client.prefix}/namespaces/ns/tables/t/sign", {
            "region": REGION, "method": method, "uri": url, "headers": headers or {}, **fields})

    def send(self, signed, method, body=b""):
        url = urllib.parse.urlsplit(signed["uri"])
        connection = http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            connection.putrequest(method, url.path + ("?" + url.query if url.query else ""),
                                  skip_host=True, skip_accept_encoding=True)
            given = {name.lower(): values for name, values in signed["headers"].items()}
            given.setdefault("host", [url.netloc])
            given.setdefault("content-length", [str(len(body))])
            for name, values in given.items():
                connection.putheader(name, *values)
            connection.endheaders(body)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def url(self, location):
        return f"{ENDPOINT}/{BUCKET}/{self.key(location)}"

    def host(self):
        return {"Host": [urllib.parse.urlsplit(ENDPOINT).netloc]}

    def test_what_clients_of_every_age_read(self):
        client, name = self.warehouse("sign")
        made = self.table(client)
        base = f"http://{self.server.host}:{self.server.port}"
        for header in (None, "remote-signing", "vended-credentials,remote-signing"):
            answer = self.load(client, header=header).json
            config = answer["config"]
            self.assertLessEqual(SIGNER | {ENABLED}, set(config))
            self.assertEqual({base}, {config["s3.signer.uri"], config["signer.uri"]})
            self.assertEqual({f"v1/{name}/namespaces/ns/tables/t/sign"},
                             {config["s3.signer.endpoint"], config["signer.endpoint"]})
            self.assertEqual({"properties": {}, "headers": {}}, answer["remote-signing-config"])
            self.assertEqual(set(), KEYS & set(config))
            self.assertNotIn("storage-credentials", answer)
        config = self.load(client, header="vended-credentials").json["config"]
        self.assertLessEqual(SIGNER, set(config))  # PyIceberg asks so, and signs
        self.assertNotIn(ENABLED, config)          # iceberg-go asks so, and cannot
        self.assertEqual(made["metadata"], answer["metadata"])

    def test_signed_requests_work(self):
        client, _ = self.warehouse("sign")
        made = self.table(client)
        url = self.url(made["metadata"]["location"]) + "/data/a.parquet"
        for path in (None, "/v1/aws/s3/sign"):
            signed = self.sign(client, "PUT", url, path, self.host())
            self.assertEqual(200, signed.status, repr(signed))
            self.assertEqual("no-cache", signed.header("Cache-Control"))
            self.assertEqual(200, self.send(signed.json, "PUT", b"rows")[0])
            signed = self.sign(client, "GET", url, path, self.host())
            self.assertEqual("private", signed.header("Cache-Control"))
            self.assertEqual((200, b"rows"), self.send(signed.json, "GET"))
            self.assertNotIn(SECRET_KEY.encode(), signed.body)
        prefix = urllib.parse.quote(self.key(made["metadata"]["location"]) + "/", safe="")
        listing = f"{ENDPOINT}/{BUCKET}?list-type=2&prefix={prefix}"
        for path in (None, "/v1/aws/s3/sign"):
            signed = self.sign(client, "GET", listing, path, self.host())
            self.assertEqual(200, signed.status, repr(signed))
            status, body = self.send(signed.json, "GET")
            self.assertEqual(200, status, body)
            self.assertIn(b"a.parquet", body)

    def test_what_is_not_signed(self):
        client, _ = self.warehouse("sign")
        made = self.table(client)
        other = self.table(client, "t2")
        mine, foreign = self.url(made["metadata"]["location"]), self.url(other["metadata"]["location"])
        metadata = self.url(made["metadata-location"])
        refused = [("GET", foreign + "/data/a"), ("PUT", foreign + "/data/a"), ("GET", mine + "x/a"),
                   ("GET", mine + "/../a"), ("PUT", metadata), ("DELETE", metadata),
                   ("GET", f"{ENDPOINT}/{BUCKET}?list-type=2"), ("GET", f"{ENDPOINT}/{BUCKET}"),
                   ("PUT", mine + "/a?acl"), ("DELETE", f"{ENDPOINT}/{BUCKET}"),
                   ("GET", "http://evil.test/" + BUCKET + "/x")]
        for method, url in refused:
            with self.subTest((method, url)):
                reply = self.sign(client, method, url, None, self.host())
                self.assertIn(reply.status, (400, 403), repr(reply))
                self.assertNotIn("Authorization", reply.body.decode())
        copy = {**self.host(), "x-amz-copy-source": [f"{BUCKET}/{self.key(other['metadata-location'])}"]}
        self.assertEqual(403, self.sign(client, "PUT", mine + "/data/c", None, copy).status)
        self.assertEqual(200, self.sign(client, "GET", metadata, None, self.host()).status)
        self.assertEqual(404, self.sign(client, "GET", mine, f"{client.prefix}/namespaces/ns/tables/no/sign",
                                        self.host()).status)
        self.assertEqual(403, self.sign(client, "GET", f"{ENDPOINT}/{BUCKET}/nowhere/x",
                                        "/v1/aws/s3/sign", self.host()).status)

    def test_purge_by_the_client_after_the_drop(self):
        """Whoever dropped a table may still remove its files, and nobody may write there."""
        client, _ = self.warehouse("sign")
        made = self.table(client)
        metadata = self.url(made["metadata-location"])
        paths = (None, "/v1/aws/s3/sign")
        for path in paths:
            self.assertEqual(403, self.sign(client, "DELETE", metadata, path, self.host()).status)
        self.assertEqual(204, client.drop_table("ns", "t").status)
        for path in paths:
            refused = self.sign(client, "PUT", metadata, path, self.host())
            self.assertEqual(404 if path is None else 403, refused.status)
            signed = self.sign(client, "GET", metadata, path, self.host())
            self.assertEqual(200, signed.status, repr(signed))
            self.assertEqual(200, self.send(signed.json, "GET")[0])
            other = self.sign(client, "DELETE", metadata.replace("/t-", "/u-"), path, self.host())
            self.assertEqual(403, other.status)
        signed = self.sign(client, "DELETE", metadata, None, self.host())
        self.assertEqual(204, self.send(signed.json, "DELETE")[0])
        again = client.create_table("ns", "u", location=made["metadata"]["location"])
        self.assertEqual(400, again.status, "the place is reserved as long as keys for it may live")
        self.assertIn("reserved", again.error["message"])
        self.assertEqual(200, self.sign(client, "DELETE", metadata, None, self.host()).status)

    def test_multi_delete_needs_its_body(self):
        client, _ = self.warehouse("sign")
        made = self.table(client)
        other = self.table(client, "t2")
        url = f"{ENDPOINT}/{BUCKET}?delete"

        def body(*locations):
            keys = "".join(f"<Object><Key>{self.key(at)}/data/a</Key></Object>" for at in locations)
            return f"<Delete>{keys}</Delete>"
        mine, foreign = made["metadata"]["location"], other["metadata"]["location"]
        self.assertEqual(200, self.sign(client, "POST", url, None, self.host(), body=body(mine)).status)
        for bad in (body(mine, foreign), "<Delete", ""):
            self.assertIn(self.sign(client, "POST", url, None, self.host(), body=bad).status, (400, 403))
        self.assertIn(self.sign(client, "POST", url, None, self.host()).status, (400, 403))


class Default(unittest.TestCase):
    @unittest.skipUnless(ENDPOINT, "no store: tests/stores/moto.py COMMAND runs this with one")
    def test_kept_options_and_given_ones(self):
        """Kept when the warehouse is made; given again, the given ones count."""
        temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, temp, True)
        secret = os.path.join(temp, "secret")
        with open(secret, "w", encoding="utf-8") as out:
            out.write(SECRET_KEY + "\n")
        data = os.path.join(temp, "data")
        place = f"s3://{BUCKET}/access/{uuid.uuid4()}"
        options = ["--warehouse-location", place, "--warehouse-endpoint", ENDPOINT,
                   "--warehouse-access-key-id", ACCESS_KEY, "--warehouse-secret-access-key-file", secret]
        for args, kept in ((options, True), ([], True), (options + ["--warehouse-region", "eu-1"], False)):
            server = Server(data, args=args)
            self.addCleanup(server.close)
            server.start()
            client = server.client()
            client.create_namespace("ns")
            made = client.create_table("ns", f"t{uuid.uuid4().hex[:8]}")
            self.assertEqual(200, made.status, repr(made))
            self.assertEqual("us-east-1" if kept else "eu-1", made.json["config"]["client.region"])
            server.stop()
        printed = run_firn("serve", *options, "--print-options")[1]
        self.assertNotIn(SECRET_KEY, printed)
        os.unlink(os.path.join(data, "secret.key"))
        server = Server(data)
        self.addCleanup(server.close)
        server.spawn()
        self.assertFalse(server.wait_ready())
        self.assertIn("The secrets of warehouse default cannot be read", server.output())


if __name__ == "__main__":
    unittest.main()
