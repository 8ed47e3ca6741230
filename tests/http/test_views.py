"""Views: create, list, load, replace, drop, rename, register (rest.md 3.7, 5, 7)."""
import os
import threading
import urllib.parse

from tests.harness import (ASSERT_CREATE, BAD_REQUEST, FirnTest, Server, field, ident, key_header,
                           local_path, quote, read_metadata, schema, set_properties,
                           warehouse_files)

SCHEMA = schema(field(7, "id", "long"), **{"schema-id": 0})


def sql(text="select id from t", dialect="spark"):
    return {"type": "sql", "sql": text, "dialect": dialect}


def version(number=1, *representations, schema_id=0, **more):
    return {"version-id": number, "timestamp-ms": 1700000000000 + number, "schema-id": schema_id,
            "summary": {"engine-name": "test"}, "default-namespace": ["ns"],
            "representations": list(representations) or [sql()], **more}


def assert_view(metadata):
    return {"type": "assert-view-uuid", "uuid": metadata["view-uuid"]}


def replace(*representations, number=2, **more):
    """The updates of a replace as Java sends them."""
    return [{"action": "add-schema", "schema": SCHEMA, "last-column-id": 7},
            {"action": "add-view-version", "view-version": version(number, *representations, **more)},
            {"action": "set-current-view-version", "view-version-id": -1}]


class ViewTest(FirnTest):
    def views(self, ns, tail="", client=None):
        return (client or self.client).ns_path(ns, "/views" + tail)

    def view(self, ns, name):
        return self.views(ns, "/" + quote(name))

    def create(self, ns, name, view_version=None, headers=None, **fields):
        body = {"name": name, "schema": SCHEMA, "view-version": view_version or version(),
                "properties": {}}
        body.update(fields)
        return self.client.post(self.views(ns), body, headers=headers)

    def fresh_view(self, ns=None, **fields):
        ns, name = ns or self.fresh_namespace(), self.fresh_name("v")
        return ns, name, self.assert_status(200, self.create(ns, name, **fields)).json

    def replace(self, ns, name, updates, requirements=(), **kw):
        return self.client.post(self.view(ns, name), {"requirements": list(requirements),
                                                      "updates": list(updates)}, **kw)

    def load_view(self, ns, name):
        return self.assert_status(200, self.client.get(self.view(ns, name))).json

    def rename_view(self, source, destination, **kw):
        return self.client.post(self.client.prefix + "/views/rename",
                                {"source": ident(*source), "destination": ident(*destination)}, **kw)

    def register_view(self, ns, name, location, **kw):
        return self.client.post(self.client.ns_path(ns, "/register-view"),
                                {"name": name, "metadata-location": location}, **kw)


class Create(ViewTest):
    def test_answer(self):
        ns = self.fresh_namespace()
        reply = self.assert_status(200, self.create(
            ns, "v", version(12, sql(), sql("select 1", "trino"), schema_id=9),
            schema=dict(SCHEMA, **{"schema-id": 9}), properties={"comment": "🧊"}))
        metadata = reply.json["metadata"]
        self.assertEqual(metadata, read_metadata(reply.json["metadata-location"]))
        self.assertRegex(os.path.basename(reply.json["metadata-location"]),
                         r"^00000-[0-9a-f-]{36}\.gz\.metadata\.json$")
        self.assertTrue(reply.json["metadata-location"].startswith(metadata["location"] + "/metadata/"))
        self.assertEqual((1, 1), (metadata["format-version"], metadata["current-version-id"]))
        self.assertEqual([(1, 0)], [(v["version-id"], v["schema-id"]) for v in metadata["versions"]])
        self.assertEqual([{"timestamp-ms": 1700000000012, "version-id": 1}], metadata["version-log"])
        self.assertEqual([0], [s["schema-id"] for s in metadata["schemas"]])
        self.assertEqual([7], [f["id"] for f in metadata["schemas"][0]["fields"]])
        self.assertEqual({"comment": "🧊"}, metadata["properties"])
        self.assertEqual(["spark", "trino"],
                         [r["dialect"] for r in metadata["versions"][0]["representations"]])
        self.assertIsNone(reply.header("ETag"))
        self.assertEqual(reply.json, self.load_view(ns, "v"))

    def test_without_properties(self):
        ns = self.fresh_namespace()
        made = self.assert_status(200, self.create(ns, "v", properties=None)).json
        self.assertNotIn("properties", made["metadata"])

    def test_plain_file_when_asked(self):
        _, _, made = self.fresh_view(properties={"write.metadata.compression-codec": "none"})
        self.assertRegex(made["metadata-location"], r"/00000-[0-9a-f-]{36}\.metadata\.json$")
        self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))

    def test_metadata_path(self):
        _, _, other = self.fresh_view()
        path = other["metadata"]["location"] + "-elsewhere"
        _, _, made = self.fresh_view(properties={"write.metadata.path": path + "/"})
        self.assertTrue(made["metadata-location"].startswith(path + "/00000-"))

    def test_location_is_asked_for(self):
        ns, _, other = self.fresh_view()
        asked = f"{other['metadata']['location']}-asked"
        made = self.assert_status(200, self.create(ns, "placed", location=asked)).json
        self.assertEqual(asked, made["metadata"]["location"])

    def test_location_outside_of_the_warehouse(self):
        ns = self.fresh_namespace()
        files = warehouse_files(self.server)
        for location in ("file:///etc/v", "s3://bucket/v", "nonsense"):
            self.assert_error(self.create(ns, "v", location=location), 400,
                              "IllegalArgumentException")
        self.assertEqual(files, warehouse_files(self.server))

    def test_locations_do_not_overlap(self):
        ns, _, view = self.fresh_view()
        _, _, table = self.fresh_table(ns)
        for taken in (view, table):
            for location in (taken["metadata"]["location"], taken["metadata"]["location"] + "/in"):
                self.assert_error(self.create(ns, "v", location=location), 400,
                                  "IllegalArgumentException", "View location overlaps")
        reply = self.client.create_table(ns, "t", location=view["metadata"]["location"])
        self.assert_error(reply, 400, "IllegalArgumentException", "Table location overlaps")

    def test_names_that_are_taken(self):
        ns, name, _ = self.fresh_view()
        self.assert_error(self.create(ns, name), 409, "AlreadyExistsException",
                          f"View already exists: {ns}.{name}")
        self.fresh_table(ns, "table")
        self.assert_error(self.create(ns, "table"), 409, "AlreadyExistsException",
                          f"Table with same name already exists: {ns}.table")
        self.assert_error(self.client.create_table(ns, name), 409, "AlreadyExistsException",
                          f"View with same name already exists: {ns}.{name}")
        reply = self.client.create_table(ns, name, stage_create=True)
        self.assert_error(reply, 409, "AlreadyExistsException",
                          f"View with same name already exists: {ns}.{name}")
        reply = self.client.commit(ns, name, [], [ASSERT_CREATE])
        self.assert_error(reply, 409, "AlreadyExistsException",
                          f"View with same name already exists: {ns}.{name}")

    def test_missing_namespace(self):
        self.assert_error(self.create("nowhere", "v"), 404, "NoSuchNamespaceException",
                          "Namespace does not exist: nowhere")

    def test_bad_requests(self):
        ns = self.fresh_namespace()
        twice = version(1, sql("1", "Trino"), sql("2", "trino"))
        self.assert_error(self.create(ns, "v", twice), 400, "IllegalArgumentException",
                          "Invalid view version: Cannot add multiple queries for dialect trino")
        for fields in ({"name": ""}, {"name": None}, {"schema": None}, {"view-version": None},
                       {"schema": {"type": "struct"}}, {"properties": {"a": 1}},
                       {"view-version": version(1, {"type": "plan"})},
                       {"view-version": {**version(), "representations": []}},
                       {"view-version": {k: v for k, v in version().items()
                                         if k != "default-namespace"}}):
            body = {"name": "v", "schema": SCHEMA, "view-version": version(), **fields}
            self.assert_error(self.client.post(self.views(ns), body), 400, BAD_REQUEST)
        self.assert_error(self.client.post(self.views(ns), "[]"), 400, BAD_REQUEST)
        self.assertEqual([], self.client.get(self.views(ns)).json["identifiers"])

    def test_odd_names(self):
        ns = self.fresh_namespace()
        for name in ("a b", "a/b", "a.b", "Ünïcode 🧊", "100%"):
            made = self.assert_status(200, self.create(ns, name)).json
            self.assertEqual(made, self.load_view(ns, name))


class Look(ViewTest):
    def test_list(self):
        ns = self.fresh_namespace()
        self.assertEqual({"identifiers": []}, self.client.get(self.views(ns)).json)
        for name in ("b", "a", "c"):
            self.assert_status(200, self.create(ns, name))
        self.fresh_table(ns, "table")
        self.assertEqual([ident(ns, n) for n in "abc"],
                         self.client.get(self.views(ns)).json["identifiers"])
        self.assertEqual([ident(ns, "table")], self.client.list_tables(ns).json["identifiers"])
        self.assert_error(self.client.get(self.views("nowhere")), 404, "NoSuchNamespaceException",
                          "Namespace does not exist: nowhere")

    def test_pages(self):
        ns = self.fresh_namespace()
        names = [f"v{i}" for i in range(7)]
        for name in names:
            self.assert_status(200, self.create(ns, name))
        seen, token = [], ""
        while token is not None:
            page = self.client.get(self.views(ns) + f"?pageSize=3&pageToken={token}").json
            seen += [i["name"] for i in page["identifiers"]]
            token = page.get("next-page-token")
        self.assertEqual(names, seen)
        self.assert_status(400, self.client.get(self.views(ns) + "?pageSize=0"))
        tables = self.client.list_tables(ns, "?pageSize=3")
        self.assertIsNone(tables.json.get("next-page-token"))
        token = self.client.get(self.views(ns) + "?pageSize=3").json["next-page-token"]
        self.assert_status(400, self.client.list_tables(ns, f"?pageToken={token}"))

    def test_what_is_not_there(self):
        ns, _, _ = self.fresh_table(name="table")
        for where, name in ((ns, "none"), (ns, "table"), ("nowhere", "v")):
            path, text = self.view(where, name), f"View does not exist: {where}.{name}"
            self.assert_error(self.client.get(path), 404, "NoSuchViewException", text)
            self.assert_error(self.client.delete(path), 404, "NoSuchViewException", text)
            self.assert_error(self.replace(where, name, []), 404, "NoSuchViewException", text)
            self.assert_status(404, self.client.head(path))

    def test_a_view_is_no_table(self):
        ns, name, _ = self.fresh_view()
        text = f"Table does not exist: {ns}.{name}"
        self.assert_error(self.client.load_table(ns, name), 404, "NoSuchTableException", text)
        self.assert_error(self.client.drop_table(ns, name), 404, "NoSuchTableException", text)
        self.assert_error(self.client.commit(ns, name, []), 404, "NoSuchTableException", text)
        self.assert_status(404, self.client.head(self.client.table_path(ns, name)))
        self.assert_status(204, self.client.head(self.view(ns, name)))

    def test_load_after_restart(self):
        ns, name, made = self.fresh_view()
        self.server.restart()
        self.assertEqual(made, self.load_view(ns, name))

    def test_endpoints(self):
        endpoints = self.client.get("/v1/config").json["endpoints"]
        for endpoint in ("GET /v1/{prefix}/namespaces/{namespace}/views",
                         "POST /v1/{prefix}/namespaces/{namespace}/views",
                         "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
                         "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
                         "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
                         "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
                         "POST /v1/{prefix}/views/rename",
                         "POST /v1/{prefix}/namespaces/{namespace}/register-view"):
            self.assertIn(endpoint, endpoints)

    def test_namespace_with_only_a_view_is_not_empty(self):
        ns, name, _ = self.fresh_view()
        reply = self.client.drop_namespace(ns)
        self.assert_error(reply, 409, "NamespaceNotEmptyException")
        self.assert_message_has(reply, "is not empty")
        self.assert_status(204, self.client.delete(self.view(ns, name)))
        self.assert_status(204, self.client.drop_namespace(ns))


class Replace(ViewTest):
    def test_replace(self):
        ns, name, made = self.fresh_view()
        reply = self.assert_status(200, self.replace(
            ns, name, replace(sql("select 2")), [assert_view(made["metadata"])]))
        metadata = reply.json["metadata"]
        self.assertEqual(metadata, read_metadata(reply.json["metadata-location"]))
        self.assertRegex(reply.json["metadata-location"], r"/00001-[0-9a-f-]{36}\.gz\.metadata\.json$")
        self.assertIsNone(reply.header("ETag"))
        self.assertEqual(2, metadata["current-version-id"])
        self.assertEqual([1, 2], [v["version-id"] for v in metadata["versions"]])
        self.assertEqual([1, 2], [e["version-id"] for e in metadata["version-log"]])
        self.assertEqual([0], [s["schema-id"] for s in metadata["schemas"]])
        self.assertEqual(reply.json, self.load_view(ns, name))
        self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))

    def test_second_of_two_clients_is_renumbered(self):
        ns, name, made = self.fresh_view()
        for text in ("select 2", "select 3"):
            self.assert_status(200, self.replace(ns, name, replace(sql(text)),
                                                 [assert_view(made["metadata"])]))
        metadata = self.load_view(ns, name)["metadata"]
        self.assertEqual([1, 2, 3], [v["version-id"] for v in metadata["versions"]])
        self.assertEqual([1, 2, 3], [e["version-id"] for e in metadata["version-log"]])
        self.assertEqual([0, 0, 0], [v["schema-id"] for v in metadata["versions"]])

    def test_nothing_changes(self):
        ns, name, made = self.fresh_view()
        same = [{"action": "set-location", "location": made["metadata"]["location"]},
                {"action": "assign-uuid", "uuid": made["metadata"]["view-uuid"]},
                {"action": "add-view-version", "view-version": version(5)}]
        for updates in ([], same):
            reply = self.assert_status(200, self.replace(ns, name, updates))
            self.assertEqual(made, reply.json)

    def test_location_without_a_new_version(self):
        ns, name, made = self.fresh_view()
        moved = made["metadata"]["location"] + "-moved"
        reply = self.assert_status(200, self.replace(
            ns, name, [{"action": "set-location", "location": moved}]))
        self.assertEqual(made["metadata"]["version-log"], reply.json["metadata"]["version-log"])
        self.assertTrue(reply.json["metadata-location"].startswith(moved + "/metadata/00001-"))

    def test_location_that_is_taken(self):
        ns, name, made = self.fresh_view()
        _, _, other = self.fresh_table(ns)
        for location in (other["metadata"]["location"], "file:///etc/x"):
            reply = self.replace(ns, name, [{"action": "set-location", "location": location}])
            self.assert_error(reply, 400, "IllegalArgumentException", "View location")
        self.assertEqual(made, self.load_view(ns, name))

    def test_refusals(self):
        ns, name, made = self.fresh_view(view_version=version(1, sql(), sql("1", "trino")))
        wrong = {"type": "assert-view-uuid", "uuid": "00000000-0000-4000-8000-000000000000"}
        self.assert_error(self.replace(ns, name, [], [wrong]), 409, "CommitFailedException",
                          "Requirement failed: view UUID does not match")
        reply = self.replace(ns, name, [], [{"type": "assert-table-uuid", "uuid": "x"}])
        self.assert_error(reply, 400, "ValidationException")
        self.assert_message_has(reply, "cannot validate assert-table-uuid against a view")
        self.assert_error(self.replace(ns, name, [{"action": "add-snapshot", "snapshot": {}}]), 400,
                          "ValidationException")
        self.assert_error(self.replace(ns, name, [{"action": "dance"}]), 400, "BadRequestException")
        self.assert_error(self.replace(ns, name, replace(sql())), 400, BAD_REQUEST,
                          "Cannot replace view due to loss of view dialects")
        reply = self.replace(ns, name, replace(sql("1", "a"), sql("2", "A")))
        self.assert_error(reply, 400, "IllegalArgumentException",
                          "Invalid view version: Cannot add multiple queries for dialect a")
        other = "00000000-0000-4000-8000-000000000000"
        self.assert_error(self.replace(ns, name, [{"action": "assign-uuid", "uuid": other}]), 400,
                          BAD_REQUEST)
        self.assertEqual(made, self.load_view(ns, name))

    def test_a_view_update_on_a_table(self):
        ns, name, _ = self.fresh_table()
        reply = self.client.commit(ns, name, [{"action": "set-current-view-version",
                                               "view-version-id": 1}])
        self.assert_error(reply, 400, "ValidationException")
        reply = self.client.commit(ns, name, [], [{"type": "assert-view-uuid", "uuid": "x"}])
        self.assert_error(reply, 400, "ValidationException")

    def test_history_is_trimmed(self):
        ns, name, _ = self.fresh_view(properties={"version.history.num-entries": "2"})
        for i in range(2, 6):
            self.assert_status(200, self.replace(ns, name, replace(sql(f"select {i}"), number=i)))
        metadata = self.load_view(ns, name)["metadata"]
        self.assertEqual([5, 4], [v["version-id"] for v in metadata["versions"]])
        self.assertEqual([4, 5], [e["version-id"] for e in metadata["version-log"]])

    def test_many_at_once(self):
        """Every one is folded onto the one before: a version and a log entry each."""
        ns, name, _ = self.fresh_view(properties={"version.history.num-entries": "100"})
        statuses = []

        def run(number):
            client = self.server.client()
            body = {"updates": replace(sql(f"select {number}"))}
            for _ in range(3):
                statuses.append(client.post(self.view(ns, name), body).status)
            client.close()

        threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        metadata = self.load_view(ns, name)["metadata"]
        # who repeats himself while he still is the current one changes nothing and is told so
        self.assertTrue({200, 400} >= set(statuses), statuses)
        self.assertEqual(9, len(metadata["versions"]))
        self.assertEqual(list(range(1, 10)), [v["version-id"] for v in metadata["versions"]])
        self.assertEqual(list(range(1, 10)), [e["version-id"] for e in metadata["version-log"]])

    def test_history(self):
        ns, name, made = self.fresh_view()
        replaced = self.replace(ns, name, replace(sql("2"))).json
        rows = self.client.history(ns, name)
        self.assertEqual(["createView", "replaceView"], [r["operation"] for r in rows])
        self.assertEqual([made["metadata-location"], replaced["metadata-location"]],
                         [r["metadata-location"] for r in rows])
        self.assertEqual(made["metadata-location"], rows[1]["previous-metadata-location"])


class Drop(ViewTest):
    def test_drop(self):
        ns, name, made = self.fresh_view()
        self.assert_status(204, self.client.delete(self.view(ns, name)))
        self.assert_status(404, self.client.head(self.view(ns, name)))
        self.assert_error(self.client.delete(self.view(ns, name)), 404, "NoSuchViewException")
        again = self.assert_status(200, self.create(ns, name)).json
        self.assertNotEqual(made["metadata"]["view-uuid"], again["metadata"]["view-uuid"])

    def test_file_is_gone(self):
        for restart in (False, True):
            ns, name, made = self.fresh_view()
            os.unlink(local_path(made["metadata-location"]))
            if restart:
                self.server.restart()
                reply = self.client.get(self.view(ns, name))
                self.assert_error(reply, 404, "NotFoundException",
                                  "Failed to open input stream for file: "
                                  + made["metadata-location"])
            self.assert_status(204, self.client.delete(self.view(ns, name)))
            self.assert_status(404, self.client.head(self.view(ns, name)))


class Rename(ViewTest):
    def test_nothing_else_changes(self):
        ns, name, made = self.fresh_view()
        other = self.fresh_namespace()
        self.assert_status(204, self.rename_view((ns, name), (other, "new")))
        self.assertEqual(made, self.load_view(other, "new"))
        self.assert_error(self.client.get(self.view(ns, name)), 404, "NoSuchViewException")
        self.assert_status(200, self.create(ns, name))

    def test_to_itself(self):
        ns, name, made = self.fresh_view()
        self.assert_status(204, self.rename_view((ns, name), (ns, name)))
        self.assertEqual(made, self.load_view(ns, name))

    def test_refusals(self):
        ns, name, _ = self.fresh_view()
        _, other, _ = self.fresh_view(ns)
        self.fresh_table(ns, "table")
        self.assert_error(self.rename_view((ns, "none"), ("non_existing", "b")), 404,
                          "NoSuchViewException", f"View does not exist: {ns}.none")
        self.assert_error(self.rename_view((ns, "table"), (ns, "b")), 404, "NoSuchViewException",
                          f"View does not exist: {ns}.table")
        self.assert_error(self.rename_view(("nowhere", name), (ns, "b")), 404,
                          "NoSuchViewException", f"View does not exist: nowhere.{name}")
        self.assert_error(self.rename_view((ns, name), ("non_existing", "b")), 404,
                          "NoSuchNamespaceException", "Namespace does not exist: non_existing")
        self.assert_error(self.rename_view((ns, name), (ns, other)), 409, "AlreadyExistsException",
                          f"Cannot rename {ns}.{name} to {ns}.{other}. View already exists")
        self.assert_error(self.rename_view((ns, name), (ns, "table")), 409,
                          "AlreadyExistsException",
                          f"Cannot rename {ns}.{name} to {ns}.table. Table already exists")
        self.assert_error(self.client.rename((ns, "table"), (ns, name)), 409,
                          "AlreadyExistsException",
                          f"Cannot rename {ns}.table to {ns}.{name}. View already exists")
        self.assert_error(self.client.rename((ns, name), (ns, "b")), 404, "NoSuchTableException")
        self.assert_error(self.client.post(self.client.prefix + "/views/rename", {}), 400,
                          BAD_REQUEST)


class Register(ViewTest):
    def test_register_again(self):
        ns, name, made = self.fresh_view(properties={"gc.enabled": "false"})
        self.assert_status(204, self.client.delete(self.view(ns, name)))
        reply = self.assert_status(200, self.register_view(ns, "again", made["metadata-location"]))
        self.assertEqual(made, reply.json)
        self.assertEqual(made, self.load_view(ns, "again"))
        replaced = self.assert_status(200, self.replace(ns, "again", replace(sql("2")))).json
        self.assertIn("/00001-", replaced["metadata-location"])

    def test_refusals(self):
        ns, name, made = self.fresh_view()
        _, _, table = self.fresh_table(ns, "table")
        location = made["metadata-location"]
        self.assert_error(self.register_view("nowhere", "v", location), 404,
                          "NoSuchNamespaceException", "Namespace does not exist: nowhere")
        self.assert_error(self.register_view(ns, name, location), 409, "AlreadyExistsException",
                          f"View already exists: {ns}.{name}")
        self.assert_error(self.register_view(ns, "table", location), 409, "AlreadyExistsException",
                          f"Table with same name already exists: {ns}.table")
        missing = location.replace("/00000-", "/00009-")
        self.assert_error(self.register_view(ns, "v", missing), 404, "NotFoundException")
        self.assert_error(self.register_view(ns, "v", table["metadata-location"]), 400, BAD_REQUEST)
        self.assert_error(self.register_view(ns, "v", "file:///etc/a.metadata.json"), 400,
                          "IllegalArgumentException")
        self.assert_error(self.client.register(ns, "t2", location), 400, BAD_REQUEST)
        # the place of the living one is taken
        self.assert_error(self.register_view(ns, "v", location), 409, "AlreadyExistsException",
                          "View already exists as")
        for name in ("a\x1fb", "x" * 1025):  # no path would ever lead to it
            self.assert_error(self.register_view(ns, name, location), 400, BAD_REQUEST)
            self.assert_error(self.client.register(ns, name, table["metadata-location"]), 400,
                              BAD_REQUEST, "Invalid table name")
        for body in ({}, {"name": "v"}, {"metadata-location": location},
                     {"name": "", "metadata-location": location},
                     {"name": "v", "metadata-location": 1}):
            reply = self.client.post(self.client.ns_path(ns, "/register-view"), body)
            self.assert_error(reply, 400, BAD_REQUEST)


class Keys(ViewTest):
    def test_create(self):
        ns, headers = self.fresh_namespace(), key_header()
        first = self.assert_status(200, self.create(ns, "v", headers=headers))
        files = warehouse_files(self.server)
        again = self.assert_status(200, self.create(ns, "v", headers=headers))
        self.assertEqual(first.json, again.json)
        self.assertIsNone(again.header("ETag"))
        self.assertEqual(files, warehouse_files(self.server))
        self.assert_error(self.create(ns, "v"), 409, "AlreadyExistsException")

    def test_replace(self):
        ns, name, _ = self.fresh_view()
        headers = key_header()
        first = self.replace(ns, name, replace(sql("2")), headers=headers).json
        self.replace(ns, name, replace(sql("3")))
        self.assertEqual(first, self.replace(ns, name, replace(sql("2")), headers=headers).json)
        self.assertEqual(3, len(self.load_view(ns, name)["metadata"]["versions"]))

    def test_property_commit_runs_once(self):
        ns, name, _ = self.fresh_view()
        headers = key_header()
        locations = {self.assert_status(200, self.replace(
            ns, name, [set_properties(a="b")], headers=headers)).json["metadata-location"]
            for _ in range(3)}
        self.assertEqual(1, len(locations))

    def test_drop_rename_register(self):
        ns, name, made = self.fresh_view(properties={"gc.enabled": "false"})
        headers = key_header()
        for _ in range(2):
            self.assert_status(204, self.rename_view((ns, name), (ns, "b"), headers=headers))
        headers = key_header()
        for _ in range(2):
            self.assert_status(204, self.client.delete(self.view(ns, "b"), headers=headers))
        headers = key_header()
        for _ in range(2):
            reply = self.register_view(ns, "c", made["metadata-location"], headers=headers)
            self.assertEqual(made, self.assert_status(200, reply).json)
        self.assert_status(204, self.client.delete(self.view(ns, "c")))
        reply = self.register_view(ns, "c", made["metadata-location"], headers=headers)
        self.assertEqual(made, self.assert_status(200, reply).json)

    def test_a_refusal_is_repeated(self):
        ns, name, _ = self.fresh_view()
        headers = key_header()
        self.assert_error(self.create(ns, name, headers=headers), 409, "AlreadyExistsException")
        self.assert_status(204, self.client.delete(self.view(ns, name)))
        self.assert_error(self.create(ns, name, headers=headers), 409, "AlreadyExistsException",
                          f"View already exists: {ns}.{name}")

    def test_survives_a_restart(self):
        with_restart = Server()
        self.addCleanup(with_restart.close)
        with_restart.start()
        client, headers = with_restart.client(), key_header()
        client.create_namespace("ns")
        body = {"name": "v", "schema": SCHEMA, "view-version": version(), "properties": {}}
        first = client.post(client.ns_path("ns", "/views"), body, headers=headers)
        with_restart.kill()
        with_restart.start()
        again = client.post(client.ns_path("ns", "/views"), body, headers=headers)
        self.assertEqual((200, first.json), (again.status, again.json))
        client.close()


class Prefix(ViewTest):
    def test_another_warehouse(self):
        name = self.fresh_name("w")
        self.assert_status(200, self.client.post("/management/v1/warehouses", {"name": name}))
        client = self.server.client(prefix=name)
        self.addCleanup(client.close)
        self.assert_status(200, client.create_namespace("ns"))
        body = {"name": "v", "schema": SCHEMA, "view-version": version()}
        self.assert_status(200, client.post(self.views("ns", client=client), body))
        self.assert_status(204, client.post(client.prefix + "/views/rename",
                                            {"source": ident("ns", "v"),
                                             "destination": ident("ns", "w")}))
        loaded = client.get(self.views("ns", "/" + urllib.parse.quote("w"), client=client))
        self.assertIn(f"/{name}/", self.assert_status(200, loaded).json["metadata-location"])
