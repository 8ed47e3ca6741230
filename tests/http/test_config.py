"""GET /v1/config: what clients decide everything else by (rest.md 2)."""
import unittest

from tests.harness import BAD_REQUEST, DEFAULT_WAREHOUSE, FirnTest, quote, run_firn

ENDPOINTS = {
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/unregister",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
}


class Config(FirnTest):
    def test_shape(self):
        config = self.assert_status(200, self.client.get("/v1/config")).json
        for part in ("defaults", "overrides"):
            self.assertIsInstance(config[part], dict)
            for key, value in config[part].items():
                self.assertIsInstance(value, str, f"{part}.{key}")

    def test_lifetime_of_idempotency_keys_is_at_the_top(self):
        config = self.client.get("/v1/config").json
        self.assertEqual("PT30M", config["idempotency-key-lifetime"])

    def test_endpoints_are_those_that_work(self):
        endpoints = self.client.get("/v1/config").json["endpoints"]
        self.assertEqual(len(endpoints), len(set(endpoints)), "an endpoint twice")
        self.assertLessEqual(ENDPOINTS, set(endpoints))

    def test_every_endpoint_is_routed(self):
        """Whatever is advertised must not answer 'no such route' or 'no such verb'."""
        ns, name, _ = self.fresh_table()
        for endpoint in self.client.get("/v1/config").json["endpoints"]:
            verb, template = endpoint.split(" ")
            self.assertTrue(template.startswith("/v1/{prefix}/"), endpoint)
            path = (template.replace("{prefix}", DEFAULT_WAREHOUSE)
                    .replace("{namespace}", "no_such_namespace").replace("{table}", "t"))
            path = path.replace("{view}", "v").replace("{function}", "f").replace("{plan-id}", "p")
            reply = self.client.request(verb, path, body="{}" if verb == "POST" else None)
            self.assertNotEqual(405, reply.status, endpoint)
            if reply.method != "HEAD" and reply.status == 400:
                self.assertNotIn("route", reply.error["message"].lower(), endpoint)

    def test_no_client_settings_and_no_secrets(self):
        config = self.client.get("/v1/config").json
        for part in ("defaults", "overrides"):
            for key in config[part]:
                self.assertFalse(key.startswith(("table-default.", "table-override.",
                                                 "view-default.", "view-override.")), key)
                self.assertNotIn("secret", key)
                self.assertNotEqual("namespace-separator", key)

    def test_prefix_is_one_segment_that_works(self):
        config = self.client.get("/v1/config").json
        prefix = config["overrides"].get("prefix") or config["defaults"].get("prefix")
        self.assertRegex(prefix, r"^[A-Za-z0-9_.-]+$")
        ns = self.fresh_namespace()
        reply = self.assert_status(200, self.client.get(f"/v1/{prefix}/namespaces"))
        self.assertIn([ns], reply.json["namespaces"])

    def test_paths_without_prefix_are_the_default_warehouse(self):
        ns = self.fresh_namespace()
        with_prefix = self.client.get(f"/v1/{DEFAULT_WAREHOUSE}/namespaces/{ns}")
        self.assert_status(200, with_prefix)
        self.assertEqual(self.client.get(f"/v1/namespaces/{ns}").json, with_prefix.json)

    def test_known_warehouse(self):
        config = self.client.get(f"/v1/config?warehouse={DEFAULT_WAREHOUSE}")
        self.assert_status(200, config)
        self.assertEqual(self.client.get("/v1/config").json, config.json)

    def test_empty_warehouse_is_the_default(self):
        self.assertEqual(self.client.get("/v1/config").json,
                         self.assert_status(200, self.client.get("/v1/config?warehouse=")).json)

    def test_unknown_warehouse(self):
        for name in ("nope", "default2", "Default", "s3://bucket/path", "a/b", "..", "ü"):
            with self.subTest(name):
                self.assert_error(self.client.get("/v1/config?warehouse=" + quote(name)),
                                  404, "NoSuchWarehouseException")

    def test_unknown_prefix(self):
        for tail in ("namespaces", "namespaces/a", "namespaces/a/tables/t"):
            self.assert_error(self.client.get("/v1/nope/" + tail), 404, "NoSuchWarehouseException")
        self.assert_error(self.client.post("/v1/nope/transactions/commit", {"table-changes": []}),
                          404, "NoSuchWarehouseException")

    def test_unknown_parameters_are_ignored(self):
        self.assert_status(200, self.client.get("/v1/config?unknown=1&x"))

    def test_first_of_repeated_parameters(self):
        self.assert_status(200, self.client.get(
            f"/v1/config?warehouse={DEFAULT_WAREHOUSE}&warehouse=nope"))
        self.assert_error(self.client.get(f"/v1/config?warehouse=nope&warehouse={DEFAULT_WAREHOUSE}"),
                          404, "NoSuchWarehouseException")

    def test_trailing_slash_is_tolerated(self):
        self.assert_status(200, self.client.get("/v1/config/"))

    def test_wrong_verb(self):
        for method in ("POST", "DELETE", "PUT"):
            self.assert_error(self.client.request(method, "/v1/config"), 405,
                              "MethodNotAllowedException")

    def test_unknown_path_below_v1(self):
        for path in ("/v1/", "/v1/nothing/at/all", "/v1/namespaces/a/nothing",
                     "/v1/tables/nothing", "/v1/namespaces/a/tables/t/nothing"):
            with self.subTest(path):
                reply = self.client.get(path)
                self.assertIn(reply.status, (400, 404), path)
                # a 404 of a table's kind would make clients believe that the table is gone
                self.assertNotIn(reply.error["type"], ("NoSuchTableException",
                                                       "NoSuchNamespaceException"))

    def test_unknown_sub_path_is_400(self):
        self.assert_error(self.client.get("/v1/namespaces/a/nothing"), 400, BAD_REQUEST)

    def test_paths_outside_the_api(self):
        for path in ("/", "/v2/config", "/index.html", "/v1x/config"):
            with self.subTest(path):
                self.assertEqual(404, self.client.get(path).status)

    def test_authorization_is_ignored_without_authentication(self):
        for value in ("Bearer None", "Bearer x", "Basic eDp5", "nonsense"):
            self.assert_status(200, self.client.get("/v1/config", headers={"Authorization": value}))


class Separator(FirnTest):
    server_args = ("--namespace-separator", ".")

    def test_announced_and_taken_beside_the_other(self):
        config = self.client.get("/v1/config").json
        self.assertEqual("%2E", config["overrides"]["namespace-separator"])
        for levels in (["a"], ["a", "b"], ["a", "b", "c"]):
            self.assert_status(200, self.client.post("/v1/namespaces", {"namespace": levels}))
        for path in ("a.b.c", "a%2Eb%2Ec", "a%1Fb%1Fc"):
            reply = self.assert_status(200, self.client.get(f"/v1/namespaces/{path}"))
            self.assertEqual(["a", "b", "c"], reply.json["namespace"])
        for parent in ("a.b", "a%2Eb", "a%1Fb", "a%252Eb"):
            reply = self.assert_status(200, self.client.get(f"/v1/namespaces?parent={parent}"))
            self.assertEqual([["a", "b", "c"]], reply.json["namespaces"], parent)

    def test_only_a_character_that_may_stand_in_a_path(self):
        for bad in ("/", "%", "?", "a", " ", "..", "é"):
            status, _, err = run_firn("serve", "--namespace-separator", bad, "--print-options")
            self.assertEqual(2, status, bad)
            self.assertIn("namespace-separator", err)


if __name__ == "__main__":
    unittest.main()
