"""Gzip: of replies, by Accept-Encoding, and of metadata files, by name (rest.md 1.6, 4.10)."""
import gzip
import json
import os
import threading
import unittest

from tests.harness import (BAD_REQUEST, FirnTest, append, field, key_header, local_path,
                           read_metadata, schema, set_properties)

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


def wide(columns):
    return schema(*(field(i + 1, f"column_{i}", "string") for i in range(columns)))


class Replies(FirnTest):
    server_args = ("--log-level", "warn")

    def get(self, path, headers):
        return self.assert_status(200, self.client.get(path, headers=headers))

    def check(self, path, compressed=True):
        plain, packed = self.get(path, PLAIN), self.get(path, GZIP)
        self.assertIsNone(plain.header("Content-Encoding"))
        self.assertEqual(plain.wire, packed.body)
        self.assertEqual(plain.header("Content-Type"), packed.header("Content-Type"))
        self.assertEqual(plain.header("ETag"), packed.header("ETag"))
        self.assertEqual("gzip" if compressed else None, packed.header("Content-Encoding"))
        for reply in (plain, packed):
            self.assertEqual(str(len(reply.wire)), reply.header("Content-Length"))
            self.assertEqual("Accept-Encoding" if compressed else None, reply.header("Vary"))
        if compressed:
            self.assertLess(len(packed.wire), len(plain.wire))
        return plain, packed

    def test_tables(self):
        for columns in (20, 300, 3000):  # on the loop, and on a worker
            ns, name, _ = self.fresh_table(schema=wide(columns))
            path = self.client.table_path(ns, name)
            _, first = self.check(path)
            _, again = self.check(path)
            self.assertEqual(first.wire, again.wire)
            self.check(path + "?snapshots=refs", compressed=columns > 100)
            updates, requirements = append(first.json["metadata"])
            self.assert_commits(ns, name, updates, requirements)
            _, after = self.check(path)
            self.assertEqual(1, len(after.json["metadata"]["snapshots"]))

    def test_after_a_restart(self):
        ns, name, _ = self.fresh_table(schema=wide(1000))
        path = self.client.table_path(ns, name)
        before = self.get(path, GZIP)
        self.server.restart()
        self.assertEqual(before.body, self.get(path, GZIP).body)
        self.check(path)

    def test_small_replies_stay(self):
        ns = self.fresh_namespace()
        self.check(self.client.ns_path(ns), compressed=False)
        self.check("/health/live", compressed=False)
        self.assertIsNone(self.client.get("/v1/nothing/at/all", headers=GZIP)
                          .header("Content-Encoding"))

    def test_lists_and_metrics(self):
        ns = self.fresh_namespace()
        for i in range(60):
            self.assert_status(200, self.client.create_namespace([ns, "x" * 200 + str(i)]))
        self.check(f"/v1/namespaces?parent={ns}")
        reply = self.get("/metrics", GZIP)
        self.assertEqual("gzip", reply.header("Content-Encoding"))
        self.assertIn(b"firn_http_requests_total", reply.body)

    def test_preferences(self):
        ns, name, _ = self.fresh_table(schema=wide(300))
        path = self.client.table_path(ns, name)
        for value, packed in (("gzip, deflate", True), ("br, gzip;q=0.5", True), ("*", True),
                              ("gzip;q=0", False), ("deflate", False), ("identity", False),
                              ("gzip;q=0.5, identity", False), ("gzip;q=nan", False)):
            with self.subTest(value):
                reply = self.get(path, {"Accept-Encoding": value})
                self.assertEqual("gzip" if packed else None, reply.header("Content-Encoding"))
                self.assertEqual("Accept-Encoding", reply.header("Vary"))

    def test_not_modified_and_head(self):
        ns, name, _ = self.fresh_table(schema=wide(300))
        path = self.client.table_path(ns, name)
        tag = self.get(path, GZIP).header("ETag")
        for headers in (GZIP, PLAIN):
            reply = self.client.get(path, headers={**headers, "If-None-Match": tag})
            self.assert_status(304, reply)
            self.assertEqual((tag, "Accept-Encoding", None),
                             (reply.header("ETag"), reply.header("Vary"),
                              reply.header("Content-Encoding")))
            self.assert_status(204, self.client.head(path, headers=headers))

    def test_creates_and_replays(self):
        ns = self.fresh_namespace()
        headers = {**GZIP, **key_header()}
        made = self.assert_status(200, self.client.create_table(
            ns, "t", schema=wide(300), headers=headers))
        self.assertEqual("gzip", made.header("Content-Encoding"))
        again = self.client.create_table(ns, "t", schema=wide(300), headers=headers)
        self.assertEqual(made.body, self.assert_status(200, again).body)
        updates, requirements = append(made.json["metadata"])
        headers = {**GZIP, **key_header()}
        reply = self.assert_status(200, self.client.commit(ns, "t", updates, requirements,
                                                           headers=headers))
        self.assertEqual(reply.body,
                         self.client.commit(ns, "t", updates, requirements, headers=headers).body)

    def test_many_at_once_while_it_changes(self):
        ns, name, made = self.fresh_table(schema=wide(500))
        path, wrong = self.client.table_path(ns, name), []
        done = threading.Event()

        def read(headers):
            client = self.server.client()
            try:
                while not done.is_set():
                    reply = client.get(path, headers=headers)
                    if reply.status != 200 or reply.json["metadata"]["table-uuid"] != \
                            made["metadata"]["table-uuid"]:
                        wrong.append(reply)
            finally:
                client.close()

        threads = [threading.Thread(target=read, args=(h,)) for h in (GZIP, GZIP, GZIP, PLAIN)]
        for thread in threads:
            thread.start()
        for i in range(40):
            self.assert_commits(ns, name, [set_properties(n=str(i))])
        done.set()
        for thread in threads:
            thread.join()
        self.assertEqual([], wrong)
        self.assertEqual("39", self.get(path, GZIP).json["metadata"]["properties"]["n"])


class SmallCache(Replies):
    """The same with a cache that holds hardly anything: copies come and go."""
    server_args = ("--log-level", "warn", "--table-cache-bytes", "100000")


class Files(FirnTest):
    CODEC = "write.metadata.compression-codec"

    def test_written_and_read_back(self):
        for codec in ("gzip", "GZIP"):
            ns, name, made = self.fresh_table(properties={self.CODEC: codec}, schema=wide(100))
            for i in range(3):
                reply = self.assert_commits(ns, name, [set_properties(n=str(i))])
            location = reply["metadata-location"]
            self.assertRegex(location, r"/00003-[0-9a-f-]{36}\.gz\.metadata\.json$")
            with open(local_path(location), "rb") as f:
                self.assertEqual(b"\x1f\x8b", f.read(2))
            self.assertEqual(reply["metadata"], read_metadata(location))
            self.server.restart()
            self.assertEqual(reply, self.load(ns, name))

    def test_switched_on_and_off(self):
        ns, name, made = self.fresh_table()
        for codec, tail in (("gzip", ".gz.metadata.json"), ("none", "0.metadata.json"),
                            ("gzip", ".gz.metadata.json")):
            reply = self.assert_commits(ns, name, [set_properties(**{self.CODEC: codec})])
            location = reply["metadata-location"]
            self.assertEqual(codec == "gzip", location.endswith(".gz.metadata.json"), location)
            self.assertEqual(reply["metadata"], read_metadata(location))
        self.assert_error(self.client.commit(ns, name, [set_properties(**{self.CODEC: "zstd"})]),
                          400, BAD_REQUEST)
        self.assert_error(self.client.create_table(ns, "x", properties={self.CODEC: "lz4"}), 400,
                          BAD_REQUEST)

    def as_file(self, data, name):
        """(ns, location) of a file with that content in the place of a table that was dropped."""
        ns, table, made = self.fresh_table()
        location = os.path.dirname(made["metadata-location"]) + "/" + name
        self.assert_status(204, self.client.drop_table(ns, table))
        content = data(json.dumps(made["metadata"]).encode())
        with open(local_path(location), "wb") as f:
            f.write(content)
        return ns, location, made["metadata"]

    def test_register(self):
        for name in ("00001-x.metadata.json.gz", "00001-x.gz.metadata.json"):
            ns, location, metadata = self.as_file(gzip.compress, name)
            reply = self.assert_status(200, self.client.register(ns, "t", location))
            self.assertEqual((location, metadata),
                             (reply.json["metadata-location"], reply.json["metadata"]))
            self.server.restart()
            self.assertEqual(metadata, self.load(ns, "t")["metadata"])
            after = self.assert_commits(ns, "t", [set_properties(a="b")])
            self.assertIn("/00002-", after["metadata-location"])
            self.assertEqual(after["metadata"], read_metadata(after["metadata-location"]))

    def test_the_name_decides(self):
        ns, location, _ = self.as_file(gzip.compress, "00001-x.metadata.json")
        self.assert_error(self.client.register(ns, "t", location), 400, BAD_REQUEST)
        ns, location, _ = self.as_file(lambda data: data, "00001-x.gz.metadata.json")
        self.assert_error(self.client.register(ns, "t", location), 400, BAD_REQUEST)

    def test_broken(self):
        for spoil in (lambda d: gzip.compress(d)[:-10], lambda d: gzip.compress(d)[:40],
                      lambda d: b"", lambda d: gzip.compress(d)[:30] + b"\xff" * 60,
                      lambda d: gzip.compress(gzip.compress(d)), lambda d: gzip.compress(b"")):
            ns, location, _ = self.as_file(spoil, "00001-x.gz.metadata.json")
            self.assert_error(self.client.register(ns, "t", location), 400, BAD_REQUEST)
            self.assert_error(self.client.load_table(ns, "t"), 404, "NoSuchTableException")

    def test_bombs(self):
        zeros = b" " * (64 << 20)
        for bomb in (lambda d: gzip.compress(zeros + d), lambda d: gzip.compress(d + zeros),
                     lambda d: gzip.compress(gzip.compress(zeros * 2))):
            ns, location, _ = self.as_file(bomb, "00001-x.metadata.json.gz")
            self.assert_error(self.client.register(ns, "t", location), 400, BAD_REQUEST)
        self.assert_status(200, self.client.get("/health/ready"))


if __name__ == "__main__":
    unittest.main()
