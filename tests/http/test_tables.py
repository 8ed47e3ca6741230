"""Tables as names: create, list, load, drop, rename, register, unregister (rest.md 3.2-3.6, 4.1, 8)."""
import json
import os
import unittest
import urllib.parse
import uuid

from tests.harness import (ASSERT_CREATE, BAD_REQUEST, SCHEMA, FirnTest, add_snapshot, append,
                           assert_uuid, create_updates, field, local_path, read_metadata, schema,
                           set_properties, set_ref, snapshot, warehouse_files)

PARTITIONED = {"spec-id": 7, "fields": [
    {"source-id": 1, "field-id": 5000, "transform": "bucket[16]", "name": "id_bucket"},
    {"source-id": 2, "field-id": 5001, "transform": "truncate[4]", "name": "data_trunc"}]}
ORDERED = {"order-id": 9, "fields": [
    {"source-id": 2, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}]}
NESTED = schema(
    field(10, "a", {"type": "struct", "fields": [field(20, "x", "int"), field(30, "y", "string")]},
          True),
    field(40, "b", {"type": "list", "element-id": 50, "element": "long", "element-required": True}),
    field(60, "c", {"type": "map", "key-id": 70, "key": "string", "value-id": 80,
                    "value": {"type": "struct", "fields": [field(90, "z", "date")]},
                    "value-required": False}),
    field(100, "d", "decimal(9, 2)", doc="with 🧊"),
    **{"identifier-field-ids": [100]})


class Create(FirnTest):
    def test_answer(self):
        ns = self.fresh_namespace()
        reply = self.client.create_table(ns, "t", properties={"owner": "me"})
        self.assert_status(200, reply)
        metadata = reply.json["metadata"]
        self.assertEqual(metadata, read_metadata(reply.json["metadata-location"]))
        self.assertRegex(os.path.basename(reply.json["metadata-location"]),
                         r"^00000-[0-9a-f-]{36}\.metadata\.json$")
        self.assertTrue(reply.json["metadata-location"].startswith(metadata["location"] + "/"))
        self.assertEqual(2, metadata["format-version"])
        self.assertEqual(str(uuid.UUID(metadata["table-uuid"])), metadata["table-uuid"])
        self.assertEqual("me", metadata["properties"]["owner"])
        self.assertEqual("zstd", metadata["properties"]["write.parquet.compression-codec"])
        self.assertEqual(-1, metadata["current-snapshot-id"])
        self.assertEqual(0, metadata["last-sequence-number"])
        self.assertEqual(0, metadata["current-schema-id"])
        self.assertEqual(2, metadata["last-column-id"])
        self.assertEqual([{"spec-id": 0, "fields": []}], metadata["partition-specs"])
        self.assertEqual(999, metadata["last-partition-id"])
        self.assertEqual([{"order-id": 0, "fields": []}], metadata["sort-orders"])
        for key in ("snapshots", "statistics", "partition-statistics", "snapshot-log",
                    "metadata-log"):
            self.assertEqual([], metadata[key], key)
        self.assertEqual({}, metadata["refs"])
        self.assertIsNotNone(reply.header("ETag"))

    def test_file_is_complete_before_the_answer(self):
        _, _, made = self.fresh_table()
        self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))

    def test_location_is_asked_for(self):
        ns, _, other = self.fresh_table()
        root = other["metadata"]["location"].rsplit("/", 2)[0]
        asked = f"{root}/somewhere/{self.fresh_name()}"
        reply = self.assert_status(200, self.client.create_table(ns, "placed", location=asked))
        self.assertEqual(asked, reply.json["metadata"]["location"])

    def test_trailing_slashes_of_a_location(self):
        ns, _, other = self.fresh_table()
        root = other["metadata"]["location"].rsplit("/", 2)[0]
        asked = f"{root}/slashed/{self.fresh_name()}"
        reply = self.client.create_table(ns, "slashed", location=asked + "/")
        self.assertEqual(asked, self.assert_status(200, reply).json["metadata"]["location"])

    def test_partitioned_and_sorted(self):
        ns, name, made = self.fresh_table(partition_spec=PARTITIONED, write_order=ORDERED)
        metadata = made["metadata"]
        spec = metadata["partition-specs"][0]
        self.assertEqual((0, 0), (spec["spec-id"], metadata["default-spec-id"]))
        self.assertEqual([(1000, 1, "bucket[16]", "id_bucket"), (1001, 2, "truncate[4]", "data_trunc")],
                         [(f["field-id"], f["source-id"], f["transform"], f["name"])
                          for f in spec["fields"]])
        self.assertEqual(1001, metadata["last-partition-id"])
        order = metadata["sort-orders"][0]
        self.assertEqual((1, 1), (order["order-id"], metadata["default-sort-order-id"]))
        self.assertEqual([(2, "identity", "desc", "nulls-last")],
                         [(f["source-id"], f["transform"], f["direction"], f["null-order"])
                          for f in order["fields"]])

    def test_fresh_column_ids(self):
        _, _, made = self.fresh_table(schema={**NESTED, "schema-id": 5,
                                              "fields": [*NESTED["fields"][:3],
                                                         {**NESTED["fields"][3], "required": True}]})
        metadata = made["metadata"]
        got = metadata["schemas"][0]
        a, b, c, d = got["fields"]
        self.assertEqual((0, [1, 2, 3, 4]), (got["schema-id"], [f["id"] for f in got["fields"]]))
        self.assertEqual([5, 6], [f["id"] for f in a["type"]["fields"]])
        self.assertEqual(7, b["type"]["element-id"])
        self.assertEqual((8, 9), (c["type"]["key-id"], c["type"]["value-id"]))
        self.assertEqual([10], [f["id"] for f in c["type"]["value"]["fields"]])
        self.assertEqual("with 🧊", d["doc"])
        self.assertEqual([4], got["identifier-field-ids"])
        self.assertEqual(10, metadata["last-column-id"])

    def test_source_ids_follow_the_fresh_ids(self):
        """The ids sent are those of the sent schema; the names decide."""
        _, _, made = self.fresh_table(
            schema=schema(field(17, "a", "int"), field(3, "b", "string")),
            partition_spec={"spec-id": 0, "fields": [
                {"source-id": 3, "field-id": 1000, "transform": "identity", "name": "b"}]},
            write_order={"order-id": 1, "fields": [
                {"source-id": 17, "transform": "identity", "direction": "asc",
                 "null-order": "nulls-first"}]})
        self.assertEqual(2, made["metadata"]["partition-specs"][0]["fields"][0]["source-id"])
        self.assertEqual(1, made["metadata"]["sort-orders"][0]["fields"][0]["source-id"])

    def test_format_versions(self):
        for version in (1, 2, 3):
            with self.subTest(version):
                _, _, made = self.fresh_table(properties={"format-version": str(version)})
                metadata = made["metadata"]
                self.assertEqual(version, metadata["format-version"])
                self.assertNotIn("format-version", metadata["properties"])
                if version == 1:
                    self.assertIn("schema", metadata)
                    self.assertEqual([], metadata["partition-spec"])
                    self.assertNotIn("last-sequence-number", metadata)
                if version == 3:
                    self.assertEqual(0, metadata["next-row-id"])
                    self.assertIsNone(metadata["current-snapshot-id"])

    def test_bad_format_versions(self):
        ns = self.fresh_namespace()
        for version in ("0", "4", "-1", "x", "", "2.0", "99999999999999999999"):
            with self.subTest(version):
                self.assert_error(self.client.create_table(
                    ns, "t", properties={"format-version": version}), 400, BAD_REQUEST)

    def test_reserved_properties_are_dropped(self):
        reserved = ["uuid", "snapshot-count", "current-snapshot-id", "current-snapshot-summary",
                    "current-snapshot-timestamp-ms", "current-schema", "default-partition-spec",
                    "default-sort-order"]
        _, _, made = self.fresh_table(properties={**{k: "1" for k in reserved}, "mine": "1"})
        self.assertEqual({"mine": "1", "write.parquet.compression-codec": "zstd"},
                         made["metadata"]["properties"])

    def test_codec_of_the_caller(self):
        _, _, made = self.fresh_table(properties={"write.parquet.compression-codec": "snappy"})
        self.assertEqual("snappy", made["metadata"]["properties"]["write.parquet.compression-codec"])

    def test_exists(self):
        ns, name, made = self.fresh_table()
        self.assert_error(self.client.create_table(ns, name), 409, "AlreadyExistsException",
                          f"Table already exists: {ns}.{name}")
        self.assertEqual(made["metadata"], self.load(ns, name)["metadata"])

    def test_missing_namespace(self):
        reply = self.client.create_table("non-existing", "t")
        self.assert_error(reply, 404, "NoSuchNamespaceException")
        self.assert_message_has(reply, "Namespace does not exist: non-existing")

    def test_a_refused_create_leaves_no_file(self):
        ns, name, _ = self.fresh_table()
        before = warehouse_files(self.server)
        self.assertEqual(409, self.client.create_table(ns, name).status)
        self.assertEqual(404, self.client.create_table("non-existing", name).status)
        self.assertEqual(400, self.client.create_table(ns, "bad", schema=schema(
            field(1, "x", "no_such_type"))).status)
        self.assertEqual(before, warehouse_files(self.server))

    def test_types_that_need_version_3(self):
        ns = self.fresh_namespace()
        for kind in ("variant", "timestamp_ns", "timestamptz_ns", "unknown", "geometry",
                     "geography"):
            with self.subTest(kind):
                columns = schema(field(1, "c", kind))
                reply = self.client.create_table(ns, "v2_" + kind, schema=columns)
                self.assert_error(reply, 400, BAD_REQUEST)
                self.assertRegex(reply.error["message"],
                                 kind + r"(\(.*\))? is not supported until v3")
                self.assert_status(200, self.client.create_table(
                    ns, "v3_" + kind, schema=columns, properties={"format-version": "3"}))

    def test_default_values_need_version_3(self):
        ns = self.fresh_namespace()
        columns = schema(field(1, "c", "int", True, **{"initial-default": 7, "write-default": 8}))
        self.assert_error(self.client.create_table(ns, "v2", schema=columns), 400, BAD_REQUEST)
        made = self.assert_status(200, self.client.create_table(
            ns, "v3", schema=columns, properties={"format-version": "3"})).json
        got = made["metadata"]["schemas"][0]["fields"][0]
        self.assertEqual((7, 8), (got["initial-default"], got["write-default"]))

    def test_bad_tables(self):
        """Schema, spec, order and property rules of rest.md 4.1-4.2, each 400."""
        ns = self.fresh_namespace()
        two = SCHEMA
        spec = lambda **f: {"partition_spec": {"spec-id": 0, "fields": [
            {"source-id": 1, "field-id": 1000, "transform": "identity", "name": "p", **f}]}}
        order = lambda **f: {"write_order": {"order-id": 1, "fields": [
            {"source-id": 1, "transform": "identity", "direction": "asc",
             "null-order": "nulls-first", **f}]}}
        cases = {
            "duplicate column": {"schema": schema(field(1, "a", "int"), field(2, "a", "int"))},
            "duplicate id": {"schema": schema(field(1, "a", "int"), field(1, "b", "int"))},
            "unknown type": {"schema": schema(field(1, "a", "strange"))},
            "decimal too wide": {"schema": schema(field(1, "a", "decimal(39, 2)"))},
            "not a struct": {"schema": {"type": "list", "element-id": 1, "element": "int",
                                        "element-required": True}},
            "identifier missing": {"schema": schema(field(1, "a", "int", True),
                                                    **{"identifier-field-ids": [2]})},
            "identifier optional": {"schema": schema(field(1, "a", "int"),
                                                     **{"identifier-field-ids": [1]})},
            "identifier double": {"schema": schema(field(1, "a", "double", True),
                                                   **{"identifier-field-ids": [1]})},
            "spec source": spec(**{"source-id": 99}),
            "spec name is a column": spec(name="data"),
            "spec bucket of zero": spec(transform="bucket[0]"),
            "spec transform not applicable": spec(transform="hour"),
            "spec empty name": spec(name=""),
            "order source": order(**{"source-id": 99}),
            "order direction": order(direction="sideways"),
            "order nulls": order(**{"null-order": "nulls-anywhere"}),
            "metrics of no column": {"properties": {"write.metadata.metrics.column.nope": "full"}},
            "retries": {"properties": {"commit.retry.num-retries": "-1"}},
            "retries text": {"properties": {"commit.retry.min-wait-ms": "soon"}},
            "metadata codec": {"properties": {"write.metadata.compression-codec": "lzma"}},
        }
        for i, (what, fields) in enumerate(cases.items()):
            with self.subTest(what):
                columns = fields.get("schema", two)
                rest = {k: v for k, v in fields.items() if k != "schema"}
                self.assert_error(self.client.create_table(ns, f"t{i}", schema=columns, **rest),
                                  400, BAD_REQUEST)
        self.assertEqual([], self.client.list_tables(ns).json["identifiers"])

    def test_gzip_metadata(self):
        ns, name, made = self.fresh_table(properties={"write.metadata.compression-codec": "gzip"})
        self.assertRegex(made["metadata-location"], r"/00000-[0-9a-f-]{36}\.gz\.metadata\.json$")
        self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))
        self.server.restart()
        self.assertEqual(made["metadata"], self.load(ns, name)["metadata"])
        done = self.assert_commits(ns, name, [set_properties(a="b")])
        self.assertRegex(done["metadata-location"], r"/00001-[0-9a-f-]{36}\.gz\.metadata\.json$")

    def test_two_tables_never_share_a_default_location(self):
        ns, name, first = self.fresh_table()
        self.assert_status(204, self.client.rename((ns, name), (ns, "moved")))
        second = self.assert_status(200, self.client.create_table(ns, name)).json
        self.assertNotEqual(first["metadata"]["location"], second["metadata"]["location"])

    def test_odd_table_names(self):
        ns = self.fresh_namespace()
        for name in ("with space", "a.b", "a/b", "a%b", "quote'", "emoji 🧊", "plus+", "*", "..",
                     "a%2Fb", "x" * 1024, "files", "${user}", "back\\slash", "q?x=1#y"):
            with self.subTest(name[:40]):
                made = self.assert_status(200, self.client.create_table(ns, name)).json
                self.assertEqual(made["metadata"], self.load(ns, name)["metadata"])
                self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))
                location = made["metadata"]["location"]
                self.assertNotRegex(location.split("://", 1)[-1].rsplit("/", 1)[1], r"[?#%*$'\\ ]")
                self.assert_status(204, self.client.drop_table(ns, name))


class Stage(FirnTest):
    def stage(self, ns, name, **fields):
        return self.assert_status(200, self.client.create_table(ns, name, stage_create=True,
                                                                **fields))

    def test_nothing_exists(self):
        ns = self.fresh_namespace()
        before = warehouse_files(self.server)
        reply = self.stage(ns, "t")
        self.assertIsNone(reply.json.get("metadata-location"))
        self.assertIsNone(reply.header("ETag"))
        self.assertNotIn("created-at", reply.json["metadata"]["properties"])
        self.assertEqual([], self.client.list_tables(ns).json["identifiers"])
        self.assert_error(self.client.load_table(ns, "t"), 404, "NoSuchTableException")
        self.assertEqual(before, warehouse_files(self.server))

    def test_existing_table(self):
        ns, name, _ = self.fresh_table()
        self.assert_error(self.client.create_table(ns, name, stage_create=True), 409,
                          "AlreadyExistsException", f"Table already exists: {ns}.{name}")

    def test_missing_namespace(self):
        self.assert_error(self.client.create_table("missing", "t", stage_create=True), 404,
                          "NoSuchNamespaceException")

    def test_commit_of_a_staged_table(self):
        ns = self.fresh_namespace()
        staged = self.stage(ns, "t", partition_spec=PARTITIONED, write_order=ORDERED,
                            properties={"k": "v"}).json["metadata"]
        done = self.assert_commits(ns, "t", create_updates(staged), [ASSERT_CREATE])
        metadata = done["metadata"]
        self.assertRegex(os.path.basename(done["metadata-location"]), "^00000-")
        for key in ("table-uuid", "location", "format-version", "schemas", "partition-specs",
                    "sort-orders", "properties", "last-column-id", "last-partition-id",
                    "current-schema-id", "default-spec-id", "default-sort-order-id"):
            self.assertEqual(staged[key], metadata[key], key)
        self.assertEqual([], metadata["metadata-log"])
        self.assertEqual(metadata, self.load(ns, "t")["metadata"])

    def test_commit_with_data(self):
        ns = self.fresh_namespace()
        staged = self.stage(ns, "t").json["metadata"]
        snap = snapshot(staged)
        done = self.assert_commits(ns, "t", create_updates(staged) + [
            add_snapshot(snap), set_ref(snap["snapshot-id"])], [ASSERT_CREATE])
        self.assertEqual(snap["snapshot-id"], done["metadata"]["current-snapshot-id"])
        self.assertEqual([{"timestamp-ms": snap["timestamp-ms"],
                           "snapshot-id": snap["snapshot-id"]}], done["metadata"]["snapshot-log"])

    def test_first_commit_wins(self):
        ns = self.fresh_namespace()
        one, two = (self.stage(ns, "t").json["metadata"] for _ in range(2))
        self.assertNotEqual(one["table-uuid"], two["table-uuid"])
        self.assert_commits(ns, "t", create_updates(two), [ASSERT_CREATE])
        self.assert_error(self.client.commit(ns, "t", create_updates(one), [ASSERT_CREATE]), 409,
                          "CommitFailedException", "Requirement failed: table already exists")
        self.assertEqual(two["table-uuid"], self.load(ns, "t")["metadata"]["table-uuid"])

    def test_commit_into_a_missing_namespace(self):
        ns = self.fresh_namespace()
        staged = self.stage(ns, "t").json["metadata"]
        self.assert_status(204, self.client.drop_namespace(ns))
        self.assert_error(self.client.commit(ns, "t", create_updates(staged), [ASSERT_CREATE]), 404,
                          "NoSuchNamespaceException")

    def test_company_of_assert_create(self):
        ns = self.fresh_namespace()
        staged = self.stage(ns, "t").json["metadata"]
        self.assert_error(self.client.commit(ns, "t", create_updates(staged),
                                             [ASSERT_CREATE, assert_uuid(staged)]), 400, BAD_REQUEST)
        self.assert_error(self.client.load_table(ns, "t"), 404, "NoSuchTableException")


class Load(FirnTest):
    server_args = ("--verify-metadata-file", "true")

    def test_missing(self):
        ns = self.fresh_namespace()
        self.assert_error(self.client.load_table(ns, "t"), 404, "NoSuchTableException",
                          f"Table does not exist: {ns}.t")

    def test_missing_namespace_is_a_missing_table(self):
        """Java reads `ns.tbl.files` as a table first and needs exactly this type."""
        ns, name, _ = self.fresh_table()
        for where in ("missing", [ns, name]):
            self.assert_error(self.client.load_table(where, "files"), 404, "NoSuchTableException",
                              "Table does not exist: " + ".".join(
                                  [where] if isinstance(where, str) else where) + ".files")

    def test_exists(self):
        ns, name, _ = self.fresh_table()
        self.assert_status(204, self.client.head(self.client.table_path(ns, name)))
        self.assert_status(404, self.client.head(self.client.table_path(ns, "other")))
        self.assert_status(404, self.client.head(self.client.table_path("missing", "t")))

    def test_same_as_created(self):
        ns, name, made = self.fresh_table()
        loaded = self.load(ns, name)
        self.assertEqual(made["metadata-location"], loaded["metadata-location"])
        self.assertEqual(made["metadata"], loaded["metadata"])
        for value in loaded.get("config", {}).values():
            self.assertIsInstance(value, str)

    def test_same_after_a_restart(self):
        ns, name, _ = self.fresh_table()
        self.assert_commits(ns, name, [set_properties(a="b")])
        before = self.load(ns, name)
        self.server.restart()
        self.assertEqual(before, self.load(ns, name))

    def test_file_gone_for_old_java(self):
        """Before 1.11 any 404 means "no such table" there, and the table would be created anew."""
        ns, name, made = self.fresh_table()
        os.unlink(local_path(made["metadata-location"]))
        self.server.restart()
        for version, status in (("Apache Iceberg 1.10.1 (commit 1)", 500),
                                ("Apache Iceberg 1.4.3-SNAPSHOT", 500),
                                ("Apache Iceberg 0.14.1", 500),
                                ("Apache Iceberg 1.11.0 (commit 1)", 404),
                                ("Apache Iceberg 2.0.0", 404),
                                ("Apache Iceberg unspecified", 404),
                                ("0.14.1", 404)):
            with self.subTest(version):
                headers = {"X-Client-Version": version}
                kind = "NotFoundException" if status == 404 else "InternalServerError"
                for reply in (self.client.load_table(ns, name, headers=headers),
                              self.client.commit(ns, name, [set_properties(a="b")],
                                                 headers=headers)):
                    self.assert_error(reply, status, kind, "Failed to open input stream for file: "
                                      + made["metadata-location"])
                self.assert_error(self.client.load_table(ns, "none", headers=headers), 404,
                                  "NoSuchTableException")

    def test_file_gone(self):
        ns, name, made = self.fresh_table()
        self.load(ns, name)
        path = local_path(made["metadata-location"])
        os.rename(path, path + ".away")
        reply = self.client.load_table(ns, name)
        self.assert_error(reply, 404, "NotFoundException")
        self.assert_message_has(
            reply, "Failed to open input stream for file: " + made["metadata-location"])
        os.rename(path + ".away", path)
        self.assertEqual(made["metadata"], self.load(ns, name)["metadata"])

    def test_large_answers_are_whole_plain_and_gzip(self):
        ns, name, _ = self.fresh_table(properties={f"k{i}": "v" * 1000 for i in range(500)})
        plain = self.client.load_table(ns, name)
        zipped = self.client.load_table(ns, name, headers={"Accept-Encoding": "gzip"})
        self.assertGreater(len(plain.body), 500000)
        self.assertEqual("gzip", zipped.header("Content-Encoding"))
        self.assertEqual(plain.body, zipped.body)


class SnapshotsMode(FirnTest):
    def setUp(self):
        super().setUp()
        self.ns, self.name, made = self.fresh_table()
        metadata = made["metadata"]
        self.ids = []
        for _ in range(3):
            updates, requirements = append(metadata)
            self.ids.append(updates[0]["snapshot"]["snapshot-id"])
            metadata = self.assert_commits(self.ns, self.name, updates, requirements)["metadata"]
        self.assert_commits(self.ns, self.name, [set_ref(self.ids[0], "old", "tag")])

    def ids_of(self, query):
        loaded = self.assert_status(200, self.client.load_table(self.ns, self.name, query)).json
        return [s["snapshot-id"] for s in loaded["metadata"]["snapshots"]], loaded

    def test_all(self):
        for query in ("", "?snapshots=all", "?snapshots=ALL"):
            self.assertEqual(self.ids, self.ids_of(query)[0])

    def test_refs(self):
        everything = self.ids_of("")[1]
        for query in ("?snapshots=refs", "?snapshots=Refs"):
            ids, loaded = self.ids_of(query)
            self.assertEqual([self.ids[0], self.ids[2]], ids)
            expected = dict(everything["metadata"])
            expected["snapshots"] = [s for s in expected["snapshots"]
                                     if s["snapshot-id"] in (self.ids[0], self.ids[2])]
            self.assertEqual(expected, loaded["metadata"])
            self.assertEqual(everything["metadata-location"], loaded["metadata-location"])

    def test_other_values(self):
        for value in ("none", "", "refs,all"):
            self.assert_error(self.client.load_table(self.ns, self.name, f"?snapshots={value}"),
                              400, BAD_REQUEST)


class ETags(FirnTest):
    server_args = ("--verify-metadata-file", "true")

    def fetch(self, ns, name, tag, query=""):
        return self.client.load_table(ns, name, query, headers={"If-None-Match": tag})

    def test_tag_of_each_answer_matches_the_next_load(self):
        ns, name = self.fresh_namespace(), "t"
        replies = [self.client.create_table(ns, name), self.client.load_table(ns, name),
                   self.client.commit(ns, name, [set_properties(a="b")])]
        location = replies[2].json["metadata-location"]
        self.client.drop_table(ns, name)
        replies.append(self.client.register(ns, name, location))
        tags = [self.assert_status(200, reply).header("ETag") for reply in replies]
        for tag in tags:
            self.assertRegex(tag, r'^"[^"]+"$')
        self.assertEqual(tags[0], tags[1])
        self.assertNotEqual(tags[1], tags[2])
        reply = self.fetch(ns, name, tags[3])
        self.assert_status(304, reply)
        self.assertEqual(tags[3], reply.header("ETag"))

    def test_forms_that_match(self):
        ns, name, _ = self.fresh_table()
        tag = self.client.load_table(ns, name).header("ETag")
        for sent in (tag, tag.strip('"'), "W/" + tag, f'"x", {tag}', f"{tag},\"y\"", "*"):
            with self.subTest(sent):
                self.assert_status(304, self.fetch(ns, name, sent))

    def test_forms_that_do_not(self):
        ns, name, _ = self.fresh_table()
        tag = self.client.load_table(ns, name).header("ETag")
        for sent in ('"x"', "", tag[:-2] + '"', '"x", "y"'):
            with self.subTest(sent):
                self.assert_status(200, self.fetch(ns, name, sent))

    def test_modes_have_their_own_tags(self):
        ns, name, _ = self.fresh_table()
        everything = self.client.load_table(ns, name, "?snapshots=all").header("ETag")
        refs = self.client.load_table(ns, name, "?snapshots=refs").header("ETag")
        self.assertEqual(everything, self.client.load_table(ns, name).header("ETag"))
        self.assertNotEqual(everything, refs)
        self.assert_status(200, self.fetch(ns, name, everything, "?snapshots=refs"))
        self.assert_status(304, self.fetch(ns, name, refs, "?snapshots=refs"))

    def test_a_commit_ends_the_match(self):
        ns, name, _ = self.fresh_table()
        tag = self.client.load_table(ns, name).header("ETag")
        self.assert_commits(ns, name, [set_properties(a="b")])
        self.assert_status(200, self.fetch(ns, name, tag))

    def test_missing_table_beats_the_match(self):
        ns, name, made = self.fresh_table()
        tag = self.client.load_table(ns, name).header("ETag")
        path = local_path(made["metadata-location"])
        os.rename(path, path + ".away")
        self.assert_error(self.fetch(ns, name, tag), 404, "NotFoundException")
        os.rename(path + ".away", path)
        self.assert_status(204, self.client.drop_table(ns, name))
        for sent in (tag, "*"):
            self.assert_error(self.fetch(ns, name, sent), 404, "NoSuchTableException")

    def test_tag_survives_a_restart(self):
        ns, name, _ = self.fresh_table()
        tag = self.client.load_table(ns, name).header("ETag")
        self.server.restart()
        self.assert_status(304, self.fetch(ns, name, tag))


class List(FirnTest):
    def test_list(self):
        ns = self.fresh_namespace()
        self.assertEqual([], self.assert_status(200, self.client.list_tables(ns)).json["identifiers"])
        names = ["b", "a", "B", "ä", "a.b", "🧊"]
        for name in names:
            self.fresh_table(ns, name)
        self.assertEqual([{"namespace": [ns], "name": name} for name in sorted(names, key=str.encode)],
                         self.client.list_tables(ns).json["identifiers"])

    def test_missing_namespace(self):
        self.assert_error(self.client.list_tables("missing"), 404, "NoSuchNamespaceException",
                          "Namespace does not exist: missing")

    def test_only_this_namespace(self):
        ns, name, _ = self.fresh_table()
        self.assert_status(200, self.client.create_namespace([ns, "child"]))
        self.fresh_table([ns, "child"], "inner")
        self.assertEqual([name], [i["name"] for i in self.client.list_tables(ns).json["identifiers"]])
        self.assertEqual([{"namespace": [ns, "child"], "name": "inner"}],
                         self.client.list_tables([ns, "child"]).json["identifiers"])

    def test_pages(self):
        ns = self.fresh_namespace()
        names = [f"t{i:02}" for i in range(7)]
        for name in names:
            self.fresh_table(ns, name)
        seen, query = [], "?pageSize=3&pageToken="
        while query:
            body = self.assert_status(200, self.client.list_tables(ns, query)).json
            self.assertLessEqual(len(body["identifiers"]), 3)
            seen += [i["name"] for i in body["identifiers"]]
            token = body.get("next-page-token")
            self.assertNotEqual("", token)
            query = token and "?pageSize=3&pageToken=" + urllib.parse.quote(token, safe="")
        self.assertEqual(names, seen)


class Drop(FirnTest):
    def test_drop_touches_no_file(self):
        ns, name, _ = self.fresh_table()
        before = warehouse_files(self.server)
        self.assert_status(204, self.client.drop_table(ns, name))
        self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")
        self.assert_error(self.client.drop_table(ns, name), 404, "NoSuchTableException",
                          f"Table does not exist: {ns}.{name}")
        self.assertEqual(before, warehouse_files(self.server))

    def test_missing_namespace(self):
        self.assert_error(self.client.drop_table("missing", "t"), 404, "NoSuchTableException")

    def test_name_is_free_at_once(self):
        ns, name, first = self.fresh_table()
        self.assert_status(204, self.client.drop_table(ns, name))
        _, _, second = self.fresh_table(ns, name)
        self.assertNotEqual(first["metadata"]["table-uuid"], second["metadata"]["table-uuid"])
        self.assertNotEqual(first["metadata-location"], second["metadata-location"])

    def test_purge_flag_in_every_spelling(self):
        for value in ("true", "false", "True", "False", "TRUE"):
            ns, name, _ = self.fresh_table()
            self.assert_status(204, self.client.drop_table(ns, name, f"?purgeRequested={value}"))
            self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")

    def test_garbage_purge_flag(self):
        ns, name, _ = self.fresh_table()
        for value in ("yes", "1", "tru", "true,false"):
            self.assert_error(self.client.drop_table(ns, name, f"?purgeRequested={value}"), 400,
                              BAD_REQUEST)
        self.load(ns, name)

    def test_purge_of_a_table_whose_file_is_gone(self):
        ns, name, made = self.fresh_table()
        os.remove(local_path(made["metadata-location"]))
        self.assert_status(204, self.client.drop_table(ns, name, "?purgeRequested=true"))
        self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")

    def test_purge_harms_no_other_table(self):
        """A renamed table and its successor under the old name, one of them purged."""
        ns, name, _ = self.fresh_table()
        self.assert_status(204, self.client.rename((ns, name), (ns, "kept")))
        self.fresh_table(ns, name)
        kept = self.load(ns, "kept")
        self.assert_status(204, self.client.drop_table(ns, name, "?purgeRequested=true"))
        self.server.restart()
        self.assertEqual(kept, self.load(ns, "kept"))
        self.assertEqual(kept["metadata"], read_metadata(kept["metadata-location"]))

    def test_uuid_of_a_recreated_table_guards_old_commits(self):
        ns, name, first = self.fresh_table()
        self.assert_status(204, self.client.drop_table(ns, name))
        self.fresh_table(ns, name)
        updates, requirements = append(first["metadata"])
        self.assert_error(self.client.commit(ns, name, updates, requirements), 409,
                          "CommitFailedException", "Requirement failed: UUID does not match")


class Rename(FirnTest):
    def test_rename_changes_nothing_else(self):
        ns, name, _ = self.fresh_table()
        before, files = self.load(ns, name), warehouse_files(self.server)
        self.assert_status(204, self.client.rename((ns, name), (ns, "new name")))
        self.assertEqual(before, self.load(ns, "new name"))
        self.assertEqual(files, warehouse_files(self.server))
        self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")
        self.assert_commits(ns, "new name", [set_properties(a="b")])

    def test_to_another_namespace(self):
        ns, name, made = self.fresh_table()
        other = self.fresh_namespace()
        self.assert_status(204, self.client.rename((ns, name), (other, name)))
        self.assertEqual(made["metadata"], self.load(other, name)["metadata"])
        self.assertEqual([], self.client.list_tables(ns).json["identifiers"])
        self.assert_status(204, self.client.drop_namespace(ns))

    def test_to_itself(self):
        ns, name, _ = self.fresh_table()
        self.assert_status(204, self.client.rename((ns, name), (ns, name)))
        self.load(ns, name)

    def test_missing_source(self):
        ns = self.fresh_namespace()
        for source in ((ns, "t"), ("missing", "t")):
            reply = self.client.rename(source, (ns, "x"))
            self.assert_error(reply, 404, "NoSuchTableException")
            self.assert_message_has(reply, "Table does not exist")
        # a missing source is told before a missing destination
        self.assert_error(self.client.rename((ns, "t"), ("missing", "x")), 404,
                          "NoSuchTableException")

    def test_missing_destination_namespace(self):
        ns, name, _ = self.fresh_table()
        reply = self.client.rename((ns, name), ("non_existing", "t"))
        self.assert_error(reply, 404, "NoSuchNamespaceException")
        self.assert_message_has(reply, "Namespace does not exist: non_existing")
        self.load(ns, name)

    def test_destination_taken(self):
        ns, name, _ = self.fresh_table()
        self.fresh_table(ns, "other")
        before = self.load(ns, "other")
        reply = self.client.rename((ns, name), (ns, "other"))
        self.assert_error(reply, 409, "AlreadyExistsException")
        self.assert_message_has(reply, "Table already exists")
        self.load(ns, name)
        self.assertEqual(before, self.load(ns, "other"))

    def test_swap_by_three_renames(self):
        ns, name, one = self.fresh_table()
        _, _, two = self.fresh_table(ns, "b")
        for source, target in ((name, "c"), ("b", name), ("c", "b")):
            self.assert_status(204, self.client.rename((ns, source), (ns, target)))
        self.assertEqual(two["metadata"], self.load(ns, name)["metadata"])
        self.assertEqual(one["metadata"], self.load(ns, "b")["metadata"])


class Register(FirnTest):
    def test_after_a_drop(self):
        ns, name, _ = self.fresh_table()
        updates, requirements = append(self.load(ns, name)["metadata"])
        done = self.assert_commits(ns, name, updates, requirements)
        self.assert_status(204, self.client.drop_table(ns, name))
        files = warehouse_files(self.server)
        reply = self.assert_status(200, self.client.register(ns, "again",
                                                             done["metadata-location"]))
        self.assertEqual(done["metadata-location"], reply.json["metadata-location"])
        self.assertEqual(done["metadata"], reply.json["metadata"])
        self.assertIsNotNone(reply.header("ETag"))
        self.assertEqual(files, warehouse_files(self.server))
        updates, requirements = append(reply.json["metadata"])
        after = self.assert_commits(ns, "again", updates, requirements)
        self.assertRegex(os.path.basename(after["metadata-location"]), "^00002-")
        self.assertEqual(done["metadata-location"],
                         after["metadata"]["metadata-log"][-1]["metadata-file"])

    def test_unknown_members_survive(self):
        ns, name, made = self.fresh_table()
        self.assert_status(204, self.client.drop_table(ns, name))
        document = dict(made["metadata"], **{"future-member": {"a": [1, 2.5, None]}})
        location = made["metadata-location"].replace("00000-", "00007-")
        with open(local_path(location), "w") as f:
            json.dump(document, f)
        reply = self.assert_status(200, self.client.register(ns, name, location))
        self.assertEqual(document, reply.json["metadata"])
        done = self.assert_commits(ns, name, [set_properties(a="b")])
        self.assertEqual({"a": [1, 2.5, None]}, done["metadata"]["future-member"])
        self.assertRegex(os.path.basename(done["metadata-location"]), "^00008-")

    def test_exists(self):
        ns, name, made = self.fresh_table()
        for overwrite in (None, False):
            self.assert_error(self.client.register(ns, name, made["metadata-location"], overwrite),
                              409, "AlreadyExistsException", f"Table already exists: {ns}.{name}")

    def test_overwrite(self):
        ns, name, made = self.fresh_table()
        done = self.assert_commits(ns, name, [set_properties(a="b")])
        files = warehouse_files(self.server)
        reply = self.assert_status(200, self.client.register(
            ns, name, made["metadata-location"], True))
        self.assertEqual(made["metadata-location"], reply.json["metadata-location"])
        self.assertEqual(made["metadata"], self.load(ns, name)["metadata"])
        self.assertEqual(files, warehouse_files(self.server))
        self.assertTrue(os.path.exists(local_path(done["metadata-location"])))

    def test_overwrite_of_nothing_registers(self):
        ns, name, made = self.fresh_table()
        self.assert_status(204, self.client.drop_table(ns, name))
        self.assert_status(200, self.client.register(ns, name, made["metadata-location"], True))

    def test_missing_namespace(self):
        _, _, made = self.fresh_table()
        self.assert_error(self.client.register("missing", "t", made["metadata-location"]), 404,
                          "NoSuchNamespaceException")

    def test_missing_file(self):
        ns, _, made = self.fresh_table()
        self.assert_error(self.client.register(
            ns, "r", made["metadata-location"].replace("00000-", "00009-")), 404,
            "NotFoundException")
        self.assert_error(self.client.load_table(ns, "r"), 404, "NoSuchTableException")

    def test_not_a_metadata_file(self):
        ns, _, made = self.fresh_table()
        folder = os.path.dirname(local_path(made["metadata-location"]))
        good = made["metadata"]
        without = lambda key: {k: v for k, v in good.items() if k != key}
        cases = {
            "empty": b"", "text": b"hello", "array": b"[]", "null": b"null", "object": b"{}",
            "cut": json.dumps(good).encode()[:-40],
            "twice": json.dumps(good).encode() * 2,
            "version 4": json.dumps(dict(good, **{"format-version": 4})).encode(),
            "version text": json.dumps(dict(good, **{"format-version": "2"})).encode(),
            "no location": json.dumps(without("location")).encode(),
            "no uuid": json.dumps(without("table-uuid")).encode(),
            "no schemas": json.dumps(without("schemas")).encode(),
            "no columns": json.dumps(without("last-column-id")).encode(),
            "no sequence": json.dumps(without("last-sequence-number")).encode(),
            "schema not found": json.dumps(dict(good, **{"current-schema-id": 9})).encode(),
            "spec not found": json.dumps(dict(good, **{"default-spec-id": 9})).encode(),
            "order not found": json.dumps(dict(good, **{"default-sort-order-id": 9})).encode(),
            "snapshot not found": json.dumps(dict(good, **{"current-snapshot-id": 9})).encode(),
            "ref not found": json.dumps(dict(good, refs={
                "main": {"type": "branch", "snapshot-id": 4}})).encode(),
            "null property": json.dumps(dict(good, properties={"a": None})).encode(),
            "gzip by name only": json.dumps(good).encode(),
            "not utf-8": json.dumps(good).encode().replace(b'"data"', b'"\xff"'),
        }
        for i, (what, content) in enumerate(cases.items()):
            with self.subTest(what):
                end = ".gz.metadata.json" if what.startswith("gzip") else ".metadata.json"
                path = f"{folder}/1000{i}-x{end}"
                with open(path, "wb") as f:
                    f.write(content)
                location = os.path.dirname(made["metadata-location"]) + "/" + os.path.basename(path)
                self.assert_error(self.client.register(ns, "bad", location), 400, BAD_REQUEST)
        self.assert_error(self.client.load_table(ns, "bad"), 404, "NoSuchTableException")

    def test_name_of_the_file(self):
        ns, _, made = self.fresh_table()
        path = os.path.dirname(local_path(made["metadata-location"])) + "/v1.json"
        with open(path, "w") as f:
            json.dump(made["metadata"], f)
        location = os.path.dirname(made["metadata-location"]) + "/v1.json"
        self.assert_error(self.client.register(ns, "r", location), 400, BAD_REQUEST)


class Unregister(FirnTest):
    def unregister(self, ns, name, **kw):
        return self.client.post(self.client.table_path(ns, name, "/unregister"), **kw)

    def test_returns_the_last_state(self):
        ns, name, _ = self.fresh_table()
        done = self.assert_commits(ns, name, [set_properties(a="b")])
        files = warehouse_files(self.server)
        reply = self.assert_status(200, self.unregister(ns, name))
        self.assertEqual(done["metadata-location"], reply.json["metadata-location"])
        self.assertEqual(done["metadata"], reply.json["metadata"])
        self.assertEqual(files, warehouse_files(self.server))
        self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException")
        self.assert_error(self.client.commit(ns, name, [set_properties(a="c")]), 404,
                          "NoSuchTableException", f"Table does not exist: {ns}.{name}")
        self.assert_status(200, self.client.register(ns, name, done["metadata-location"]))

    def test_missing(self):
        self.assert_error(self.unregister(self.fresh_namespace(), "t"), 404, "NoSuchTableException")
        self.assert_error(self.unregister("missing", "t"), 404, "NoSuchTableException")


if __name__ == "__main__":
    unittest.main()
