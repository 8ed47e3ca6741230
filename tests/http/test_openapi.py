"""The description as it is served, and the operations that little else asks for."""
import json
import unittest

from tests.harness import ROOT, FirnTest
from tests.openapi.description import Description

UNREAD_BYTES = 4096  # of a body that an operation has no use for


class Openapi(FirnTest):
    def test_yaml(self):
        reply = self.client.get("/openapi.yaml")
        self.assert_status(200, reply)
        self.assertEqual("application/yaml", reply.header("Content-Type"))
        self.assertEqual((ROOT / "openapi" / "firn.yaml").read_bytes(), reply.body)

    def test_json(self):
        reply = self.client.get("/openapi.json")
        self.assert_status(200, reply)
        self.assertEqual((ROOT / "openapi" / "firn.json").read_bytes(), reply.body)
        self.assertEqual("3.1.0", reply.json["openapi"])

    def test_endpoints_of_the_configuration(self):
        """What is advertised is what is described below /v1/{prefix}/; what needs a warehouse of
        another access is advertised there (test_delegation)."""
        described = [f"{operation.method} {operation.path}"
                     for operation in Description().operations.values()
                     if operation.path.startswith("/v1/{prefix}/")
                     and operation.id not in ("loadCredentials", "signRequest")]
        endpoints = self.client.get("/v1/config").json["endpoints"]
        self.assertEqual(sorted(described), sorted(endpoints))

    def test_probes(self):
        for path, status in (("/health/live", "live"), ("/health/ready", "ready")):
            reply = self.client.get(path)
            self.assert_status(200, reply)
            self.assertEqual({"status": status}, reply.json)
        self.assertIn(b"\n# TYPE ", self.client.get("/metrics").body)

    def test_bodies_nobody_reads(self):
        """A few bytes are read and forgotten, more are refused, wherever none are wanted."""
        for operation in Description().operations.values():
            if operation.method != "GET" or operation.item.get("requestBody"):
                continue
            path = operation.path.replace("{prefix}", "default").replace("{warehouse}", "default")
            path = path.replace("{", "").replace("}", "")
            with self.subTest(operation.id):
                small = self.client.get(path, body=b" " * UNREAD_BYTES)
                self.assertIn(small.status, (200, 400, 404), repr(small))
                large = self.client.get(path, body=b" " * (UNREAD_BYTES + 1))
                self.assert_error(large, 413, "BadRequestException")
                self.assert_status(200, self.client.get("/health/live"))

    def test_other_verbs(self):
        for path in ("/openapi.yaml", "/openapi.json", "/health/live", "/metrics"):
            reply = self.client.post(path, {})
            self.assert_error(reply, 405, "MethodNotAllowedException")
            self.assertEqual("GET", reply.header("Allow"))

    def test_json_is_one_document(self):
        document = json.loads(self.client.get("/openapi.json").body)
        self.assertEqual(Description().document, document)


if __name__ == "__main__":
    unittest.main()
