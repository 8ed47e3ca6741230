"""SQL functions: listed and loaded by Iceberg's protocol, registered and dropped by the management
API and the command line (rest.md 6)."""
import copy
import json
import os
import tempfile
import unittest
import urllib.parse
import uuid

from tests.harness import (BAD_REQUEST, FirnTest, Server, binary, ident, levels, local_path, quote,
                           read_metadata, run_firn)


def metadata(**more):
    return {
        "function-uuid": str(uuid.uuid4()), "format-version": 1,
        "definitions": [{
            "definition-id": "int,list<string>",
            "parameters": [{"name": "x", "type": "int"},
                           {"name": "y", "type": {"type": "list", "element": "string"}}],
            "return-type": "int", "function-type": "udf", "current-version-id": 1,
            "versions": [{"version-id": 1, "timestamp-ms": 1734507000123, "deterministic": True,
                          "representations": [
                              {"type": "sql", "dialect": "trino", "sql": "x + 1"},
                              {"type": "sql", "dialect": "spark", "sql": "x + 1 -- 🧊"}]}]}],
        "definition-log": [{"timestamp-ms": 1734507000123, "definition-versions": [
            {"definition-id": "int,list<string>", "version-id": 1}]}],
        "a-later-member": {"kept": [1, 2.5, None]}, **more}


class FunctionTest(FirnTest):
    def management_path(self, warehouse="default"):
        return f"/management/v1/warehouses/{warehouse}/functions"

    def register(self, ns, name, **fields):
        body = {"namespace": levels(ns), "name": name}
        body.update({k.replace("_", "-"): v for k, v in fields.items()})
        return self.client.post(self.management_path(), body)

    def drop(self, ns, name):
        query = urllib.parse.urlencode({"namespace": "\x1f".join(levels(ns)), "name": name})
        return self.client.delete(self.management_path() + "?" + query)

    def functions(self, ns, query=""):
        return self.client.get(self.client.ns_path(ns, "/functions") + query)

    def load_function(self, ns, name):
        return self.client.get(self.client.ns_path(ns, "/functions/" + quote(name)))

    def fresh_function(self, ns=None, name=None, **more):
        ns, name = ns or self.fresh_namespace(), name or self.fresh_name("f")
        reply = self.register(ns, name, metadata=metadata(**more))
        return ns, name, self.assert_status(200, reply).json


class Functions(FunctionTest):
    def test_register_and_load(self):
        ns, name, made = self.fresh_function()
        self.assertEqual({"metadata-location", "metadata"}, set(made))
        self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))
        self.assertRegex(made["metadata-location"],
                         rf"/{ns}/_functions/{name}/metadata/00000-[0-9a-f-]{{36}}\.metadata\.json$")
        reply = self.assert_status(200, self.load_function(ns, name))
        self.assertEqual(made, reply.json)
        self.assertIsNone(reply.header("ETag"))
        self.assertEqual({"kept": [1, 2.5, None]}, reply.json["metadata"]["a-later-member"])

    def test_after_restart(self):
        ns, name, made = self.fresh_function()
        self.server.restart()
        self.assertEqual(made, self.load_function(ns, name).json)

    def test_list(self):
        ns = self.fresh_namespace()
        self.assertEqual({"identifiers": []}, self.functions(ns).json)
        for name in ("b", "a", "c"):
            self.fresh_function(ns, name)
        self.fresh_table(ns, "table")
        self.assertEqual({"identifiers": [[ns, "a"], [ns, "b"], [ns, "c"]]}, self.functions(ns).json)
        self.assertEqual([ident(ns, "table")], self.client.list_tables(ns).json["identifiers"])
        first = self.functions(ns, "?pageSize=2").json
        self.assertEqual([[ns, "a"], [ns, "b"]], first["identifiers"])
        second = self.functions(ns, "?pageSize=2&pageToken=" + first["next-page-token"]).json
        self.assertEqual({"identifiers": [[ns, "c"]]}, second)
        self.assert_error(self.functions("nowhere"), 404, "NoSuchNamespaceException",
                          "Namespace does not exist: nowhere")

    def test_levels(self):
        top = self.fresh_namespace()
        ns = [top, "a.b"]
        self.assert_status(200, self.client.create_namespace(ns))
        self.fresh_function(ns, "f/g")
        self.assertEqual([[top, "a.b", "f/g"]], self.functions(ns).json["identifiers"])
        self.assert_status(200, self.load_function(ns, "f/g"))
        self.assert_status(204, self.drop(ns, "f/g"))

    def test_what_is_not_there(self):
        ns, _, _ = self.fresh_table(name="table")
        for name in ("none", "table"):
            self.assert_error(self.load_function(ns, name), 404, "NoSuchFunctionException",
                              f"Function does not exist: {ns}.{name}")
            self.assert_error(self.drop(ns, name), 404, "NoSuchFunctionException",
                              f"Function does not exist: {ns}.{name}")
        for reply in (self.load_function("nowhere", "f"), self.drop("nowhere", "f"),
                      self.register("nowhere", "f", metadata=metadata())):
            self.assert_error(reply, 404, "NoSuchNamespaceException",
                              "Namespace does not exist: nowhere")

    def test_names_of_their_own(self):
        ns, name, table = self.fresh_table()
        self.fresh_function(ns, name)
        self.assertEqual(table["metadata-location"], self.load(ns, name)["metadata-location"])
        self.assert_status(204, self.client.drop_table(ns, name))
        self.assert_status(200, self.load_function(ns, name))
        self.fresh_table(ns, name)
        reply = self.register(ns, name, metadata=metadata())
        self.assert_error(reply, 409, "AlreadyExistsException",
                          f"Function already exists: {ns}.{name}")

    def test_keeps_the_namespace(self):
        ns, name, _ = self.fresh_function()
        reply = self.client.drop_namespace(ns)
        self.assert_error(reply, 409, "NamespaceNotEmptyException")
        self.assert_status(204, self.drop(ns, name))
        self.assert_status(204, self.client.drop_namespace(ns))

    def test_drop_keeps_the_file(self):
        ns, name, made = self.fresh_function()
        self.assert_status(204, self.drop(ns, name))
        self.assert_error(self.load_function(ns, name), 404, "NoSuchFunctionException")
        self.assertEqual(made["metadata"], read_metadata(made["metadata-location"]))
        again = self.register(ns, name, metadata_location=made["metadata-location"])
        self.assertEqual(made, self.assert_status(200, again).json)

    def test_overwrite(self):
        ns, name, made = self.fresh_function()
        reply = self.assert_status(200, self.register(ns, name, overwrite=True,
                                                      metadata=metadata(doc="new")))
        self.assertIn("/metadata/00001-", reply.json["metadata-location"])
        self.assertEqual("new", self.load_function(ns, name).json["metadata"]["doc"])
        back = self.register(ns, name, metadata_location=made["metadata-location"], overwrite=True)
        self.assertEqual(made, self.assert_status(200, back).json)
        self.assertEqual(made, self.load_function(ns, name).json)

    def test_location(self):
        ns, _, table = self.fresh_table()
        root = table["metadata"]["location"].rsplit("/", 2)[0]
        asked = f"{root}/lib/{self.fresh_name()}"
        _, _, made = self.fresh_function(ns, location=asked + "/")
        self.assertTrue(made["metadata-location"].startswith(asked + "/metadata/00000-"))
        for location in ("file:///etc/f", "s3://b/f", table["metadata"]["location"],
                         table["metadata"]["location"] + "/metadata"):
            reply = self.register(ns, "g", metadata=metadata(location=location))
            self.assert_error(reply, 400, "IllegalArgumentException")
        reply = self.register(ns, "g", metadata_location="file:///etc/f.metadata.json")
        self.assert_error(reply, 400, "IllegalArgumentException")

    def test_bad_requests(self):
        ns, name, made = self.fresh_function()
        location = made["metadata-location"]
        for fields in ({}, {"metadata": {}}, {"metadata": []}, {"metadata_location": 1},
                       {"metadata": metadata(), "metadata_location": location},
                       {"metadata": metadata(), "overwrite": "yes"}):
            self.assert_error(self.register(ns, "g", **fields), 400, BAD_REQUEST)
        self.assert_error(self.register(ns, "", metadata=metadata()), 400, BAD_REQUEST)
        self.assert_error(self.register([], "g", metadata=metadata()), 400, BAD_REQUEST)
        broken = metadata()
        broken["definitions"][0]["current-version-id"] = 5
        reply = self.register(ns, "g", metadata=broken)
        self.assert_error(reply, 400, "ValidationException",
                          "Invalid function definition int,list<string>: current-version-id")
        missing = location.replace("/00000-", "/00009-")
        self.assert_error(self.register(ns, "g", metadata_location=missing), 404,
                          "NotFoundException")
        _, _, table = self.fresh_table(ns)
        reply = self.register(ns, "g", metadata_location=table["metadata-location"])
        self.assert_error(reply, 400, BAD_REQUEST)
        self.assert_error(self.client.delete(self.management_path() + "?name=f"), 400, BAD_REQUEST)
        self.assert_error(self.client.post(self.management_path("none"), {}), 404,
                          "NoSuchWarehouseException")
        self.assertEqual([[ns, name]], self.functions(ns).json["identifiers"])

    def test_file_is_gone(self):
        ns, name, made = self.fresh_function()
        os.unlink(local_path(made["metadata-location"]))
        self.server.restart()
        self.assert_error(self.load_function(ns, name), 404, "NotFoundException")
        self.assert_status(204, self.drop(ns, name))

    def test_history(self):
        ns, name, made = self.fresh_function()
        self.drop(ns, name)
        rows = [r for r in self.client.history() if r["namespace"] == [ns] and r["name"] == name]
        self.assertEqual(["registerFunction", "dropFunction"], [r["operation"] for r in rows])
        self.assertEqual(made["metadata-location"], rows[0]["metadata-location"])

    def test_endpoints(self):
        endpoints = self.client.get("/v1/config").json["endpoints"]
        for tail in ("", "/{function}"):
            self.assertIn("GET /v1/{prefix}/namespaces/{namespace}/functions" + tail, endpoints)


class CommandLine(FunctionTest):
    """`firn function`, on a directory of its own and through the server."""

    def write(self, document):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
            json.dump(document, f)
        self.addCleanup(os.unlink, f.name)
        return f.name

    def run_all(self, ns, *place):
        path, document = self.write(metadata()), metadata()
        status, out, err = run_firn("function", "register", f"{ns}.f", "--metadata", path, *place)
        self.assertEqual((0, ""), (status, err))
        namespace, name, location = out.rstrip("\n").split("\t")
        self.assertEqual((ns, "f"), (namespace, name))
        self.assertEqual(1, read_metadata(location)["format-version"])
        status, out, err = run_firn("function", "register", f"{ns}.g", "--metadata-location",
                                    location, *place)
        self.assertEqual((0, f"{ns}\tg\t{location}\n"), (status, out), err)
        self.assertEqual((0, f"{ns}\tf\n{ns}\tg\n", ""), run_firn("function", "list", ns, *place))
        status, _, err = run_firn("function", "register", f"{ns}.f", "--metadata", path, *place)
        self.assertEqual(1, status)
        self.assertIn("Function already exists", err)
        changed = self.write(dict(document, doc="2"))
        status, out, err = run_firn("function", "register", f"{ns}.f", "--metadata", changed,
                                    "--overwrite", *place)
        self.assertEqual(0, status, err)
        self.assertEqual("2", read_metadata(out.split("\t")[2].strip())["doc"])
        self.assertEqual((0, "", ""), run_firn("function", "drop", f"{ns}.f", *place))
        status, _, err = run_firn("function", "drop", f"{ns}.f", *place)
        self.assertEqual((1, f"firn: Function does not exist: {ns}.f\n"), (status, err))
        self.assertEqual((0, f"{ns}\tg\n", ""), run_firn("function", "list", ns, *place))

    def test_over_http(self):
        self.run_all(self.fresh_namespace(), "--uri", self.server.url)

    def test_through_the_owner(self):
        self.run_all(self.fresh_namespace(), "--data", self.server.data)

    def test_in_a_directory(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        client.create_namespace("ns")
        client.close()
        server.stop()
        self.run_all("ns", "--data", server.data)

    def test_another_warehouse(self):
        name = self.fresh_name("w")
        self.assert_status(200, self.client.post("/management/v1/warehouses", {"name": name}))
        client = self.server.client(prefix=name)
        self.addCleanup(client.close)
        self.assert_status(200, client.create_namespace("ns"))
        self.run_all("ns", "--uri", self.server.url, "--warehouse", name)

    def test_usage(self):
        path = self.write(metadata())
        for args in ((), ("list",), ("register", "a.f"), ("drop",), ("paint", "a.f"),
                     ("register", "a.f", "--metadata", path, "--metadata-location", "x"),
                     ("drop", "a.f", "--metadata", path), ("list", "a", "b"),
                     ("list", "a", "--overwrite")):
            status, out, err = run_firn("function", *args, "--uri", self.server.url)
            self.assertEqual((2, ""), (status, out), args)
            self.assertIn("firn --help", err)
        status, _, _ = run_firn("warehouse", "list", "--warehouse", "w")
        self.assertEqual(2, status)

    def test_trouble(self):
        ns = self.fresh_namespace()
        for args in (("register", f"{ns}.f", "--metadata", "/nowhere/at/all"),
                     ("register", f"{ns}.f", "--metadata", binary()),
                     ("register", "f", "--metadata", self.write(metadata())),
                     ("register", f"{ns}.", "--metadata", self.write(metadata())),
                     ("list", "nowhere")):
            status, out, err = run_firn("function", *args, "--uri", self.server.url)
            self.assertEqual((1, ""), (status, out), args)
            self.assertTrue(err.startswith("firn: "), err)


if __name__ == "__main__":
    unittest.main()
