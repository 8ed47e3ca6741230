"""Warehouses: made by the command line with and without a running server, and by the management
API; each is a prefix with names and files of its own."""
import os
import shutil
import tempfile
import unittest

from tests.harness import (BAD_REQUEST, FirnTest, Server, local_path, run_firn, set_properties)


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.data = os.path.join(self.temp, "data")
        self.server = Server(self.data)
        self.addCleanup(self.server.close)

    def firn(self, *args):
        status, out, err = run_firn("warehouse", *args, "--data", self.data)
        self.assertEqual(0, status, err)
        return out

    def names(self):
        return [line.split()[0] for line in self.firn("list").splitlines() if line.strip()]

    def refused(self, *args):
        status, out, err = run_firn("warehouse", *args, "--data", self.data)
        self.assertNotEqual(0, status, out)
        self.assertLess(status, 128, "it crashed")
        self.assertTrue(err.strip())
        self.assertNotIn("Traceback", err)
        return err

    def check_life_of_a_warehouse(self):
        self.assertIn("default", self.names())
        self.firn("create", "lake")
        self.assertIn("lake", self.names())
        self.refused("create", "lake")
        self.firn("drop", "lake")
        self.assertNotIn("lake", self.names())
        self.refused("drop", "lake")

    def test_help(self):
        for args in (["--help"], ["create", "--help"], ["create", "lake", "-h"]):
            self.assertIn("firn warehouse create NAME", self.firn(*args))

    def test_a_place_that_cannot_be_used_is_named(self):
        taken = os.path.join(self.temp, "file")
        with open(taken, "w") as file:
            file.write("no directory")
        place = "file://" + taken + "/lake"
        self.server.start()
        self.assertIn(place, self.refused("create", "lake", "--access", "gateway", "--location", place))

    def test_offline(self):
        self.check_life_of_a_warehouse()

    def test_online(self):
        self.server.start()
        self.check_life_of_a_warehouse()
        self.server.stop()

    def test_made_offline_served_online(self):
        self.firn("create", "lake")
        self.server.start()
        client = self.server.client(prefix="lake")
        self.assertEqual(200, client.get("/v1/config?warehouse=lake").status)
        self.assertEqual(200, client.create_namespace("ns").status)
        self.server.stop()
        self.refused("drop", "lake")  # not empty

    def test_made_online_is_served_at_once_and_after_restart(self):
        self.server.start()
        self.firn("create", "lake")
        for _ in range(2):
            config = self.server.client().get("/v1/config?warehouse=lake")
            self.assertEqual(200, config.status, repr(config))
            self.server.restart()

    def test_dropped_online_is_gone_at_once(self):
        self.firn("create", "lake")
        self.server.start()
        client = self.server.client(prefix="lake")
        self.assertEqual(200, client.list_namespaces().status)
        self.firn("drop", "lake")
        reply = client.list_namespaces()
        self.assertEqual((404, "NoSuchWarehouseException"), (reply.status, reply.error["type"]))
        self.server.stop()

    def test_chosen_location(self):
        place = os.path.join(self.temp, "elsewhere")
        os.mkdir(place)
        self.firn("create", "lake", "--location", "file://" + place)
        self.server.start()
        client = self.server.client(prefix="lake")
        self.assertEqual(200, client.create_namespace("ns").status)
        made = client.create_table("ns", "t")
        self.assertEqual(200, made.status, repr(made))
        self.assertTrue(local_path(made.json["metadata-location"]).startswith(place + "/"))
        self.server.stop()

    def test_bad_names(self):
        for name in ("", "a/b", "..", "a b", "namespaces", "tables", "views", "transactions",
                     "config", "oauth", "management", "ü", "x" * 129, "a\x01"):
            with self.subTest(name):
                self.refused("create", name)
        self.assertEqual(["default"], self.names())

    def test_bad_locations(self):
        inside = os.path.join(self.data, "warehouse")
        for place in ("relative", "file:///a/../b", "http://169.254.169.254/x", "file://host/x",
                      "file:///proc/self", "gopher://x/y"):
            with self.subTest(place):
                self.refused("create", "lake", "--location", place)
        self.assertEqual(["default"], self.names())
        self.assertFalse(os.path.exists(os.path.join(inside, "lake")))

    def test_roots_never_overlap(self):
        place = os.path.join(self.temp, "place")
        os.makedirs(place)
        self.firn("create", "one", "--location", "file://" + place)
        for other in (place, place + "/inner", self.temp):
            with self.subTest(other):
                self.refused("create", "two", "--location", "file://" + other)
        self.firn("create", "two", "--location", "file://" + place + "2")

    def check_a_warehouse_behind_the_gateway(self):
        place = os.path.join(self.temp, "files")
        self.firn("create", "lake-1", "--location", "file://" + place, "--access", "gateway")
        self.assertIn(f"lake-1\tfile://{place}\tgateway", self.firn("list"))
        shown = dict(line.split("\t") for line in self.firn("show", "lake-1").splitlines())
        self.assertEqual({"name": "lake-1", "location": "file://" + place, "root": "s3://lake-1",
                          "access": "gateway"}, shown)
        self.refused("create", "lake-2", "--location", "file://" + place + "/inner")
        self.refused("create", "Lake_3", "--access", "gateway")  # no bucket has that name
        return place

    def test_gateway_offline(self):
        self.check_a_warehouse_behind_the_gateway()

    def test_gateway_online(self):
        self.server.start()
        place = self.check_a_warehouse_behind_the_gateway()
        for _ in range(2):
            client = self.server.client(prefix="lake-1")
            ns = f"n{self.server.starts}"
            self.assertEqual(200, client.create_namespace(ns).status)
            made = client.create_table(ns, "t")
            self.assertEqual(200, made.status, repr(made))
            location = made.json["metadata-location"]
            self.assertTrue(location.startswith("s3://lake-1/"), location)
            self.assertTrue(os.path.isfile(place + location[len("s3://lake-1"):]))
            self.server.restart()

    def test_options_that_do_not_fit(self):
        secret = os.path.join(self.temp, "secret")
        for args in (("--access", "borrow"), ("--endpoint", "http://127.0.0.1:1"),
                     ("--secret-access-key", "s"), ("--endpoint-file", secret), ("--region",),
                     ("--secret-access-key-file", secret), ("--access", "vend"),
                     ("--access", "sign")):
            with self.subTest(args):
                self.refused("create", "lake", *args)
        self.assertEqual(["default"], self.names())
        self.refused("list", "--access", "direct")
        self.refused("drop", "lake", "--region", "r")

    def test_the_default_one_stays(self):
        self.refused("drop", "default")
        self.assertIn("default", self.names())

    def test_unknown_verb(self):
        for args in ((), ("explode",), ("create",), ("drop",), ("create", "a", "--no-such-option")):
            self.refused(*args)


class Management(FirnTest):
    def create(self, name, **fields):
        return self.client.post("/management/v1/warehouses", {"name": name, **fields})

    def test_create_list_drop(self):
        name = self.fresh_name("w")
        self.assert_status(200, self.create(name))
        listed = self.assert_status(200, self.client.get("/management/v1/warehouses")).json
        self.assertIn(name, [w["name"] for w in listed["warehouses"]])
        self.assert_error(self.create(name), 409, "AlreadyExistsException")
        self.assert_status(204, self.client.delete(f"/management/v1/warehouses/{name}"))
        self.assert_error(self.client.delete(f"/management/v1/warehouses/{name}"), 404,
                          "NoSuchWarehouseException")
        self.assert_error(self.client.get(f"/v1/config?warehouse={name}"), 404,
                          "NoSuchWarehouseException")

    def test_show(self):
        name = self.fresh_name("w")
        made = self.assert_status(200, self.create(name, access="direct", storage={})).json
        path = f"/management/v1/warehouses/{name}"
        self.assertEqual(made, self.assert_status(200, self.client.get(path)).json)
        self.assertEqual(("direct", {}, []), (made["access"], made["storage"], made["secrets"]))
        self.assertEqual(made["location"], made["root"])
        self.assert_error(self.client.get(path + "x"), 404, "NoSuchWarehouseException")

    def test_options_that_are_none(self):
        for fields in ({"access": "borrow"}, {"access": 1}, {"storage": []}, {"storage": {"no": "x"}},
                       {"storage": {"endpoint": 1}}, {"storage": {"secret-access-key": "canary-77"}},
                       {"access": "vend"}, {"access": "sign"}, {"skip-scope-check": "yes"},
                       {"access": "gateway", "name": "No_Bucket"}, {"location": "ftp://host/x"}):
            with self.subTest(fields):
                reply = self.create(self.fresh_name("w"), **fields) if "name" not in fields else \
                    self.client.post("/management/v1/warehouses", fields)
                self.assert_error(reply, 400, BAD_REQUEST)
                self.assertNotIn(b"canary-77", reply.body)

    def test_not_empty(self):
        name = self.fresh_name("w")
        self.assert_status(200, self.create(name))
        client = self.server.client(prefix=name)
        self.assert_status(200, client.create_namespace("ns"))
        self.assert_error(self.client.delete(f"/management/v1/warehouses/{name}"), 409,
                          "NamespaceNotEmptyException")
        self.assert_status(204, client.drop_namespace("ns"))
        self.assert_status(204, self.client.delete(f"/management/v1/warehouses/{name}"))

    def test_the_default_one_stays(self):
        self.assert_error(self.client.delete("/management/v1/warehouses/default"), 400, BAD_REQUEST)

    def test_same_names_in_two_warehouses(self):
        one, two = (self.server.client(prefix=self.assert_status(
            200, self.create(self.fresh_name("w"))).json["name"]) for _ in range(2))
        made = []
        for client in (one, two):
            self.assert_status(200, client.create_namespace("ns"))
            made.append(self.assert_status(200, client.create_table("ns", "t")).json)
        self.assertNotEqual(made[0]["metadata"]["location"], made[1]["metadata"]["location"])
        self.assert_status(200, one.commit("ns", "t", [set_properties(a="b")]))
        self.assertEqual(made[1]["metadata"], two.load_table("ns", "t").json["metadata"])
        self.assert_status(204, one.drop_table("ns", "t"))
        self.assert_status(200, two.load_table("ns", "t"))
        config = self.client.get("/v1/config?warehouse=" + two.prefix.split("/")[-1]).json
        prefix = config["overrides"].get("prefix") or config["defaults"].get("prefix")
        self.assertEqual(two.prefix, "/v1/" + prefix)

    def test_a_table_of_another_warehouse_cannot_be_registered(self):
        other = self.server.client(prefix=self.assert_status(
            200, self.create(self.fresh_name("w"))).json["name"])
        self.assert_status(200, other.create_namespace("ns"))
        made = self.assert_status(200, other.create_table("ns", "t")).json
        ns = self.fresh_namespace()
        reply = self.client.register(ns, "stolen", made["metadata-location"])
        self.assertIn(reply.status, (400, 403), repr(reply))
        self.assert_error(self.client.load_table(ns, "stolen"), 404, "NoSuchTableException")

    def test_bad_bodies(self):
        for body in ("", "[]", {}, {"name": 1}, {"name": ""}, {"name": "a/b"}, {"name": "tables"},
                     {"name": "w", "location": 1}, {"name": "w", "location": "../x"}):
            with self.subTest(body):
                self.assert_error(self.client.post("/management/v1/warehouses", body), 400,
                                  BAD_REQUEST)


if __name__ == "__main__":
    unittest.main()
