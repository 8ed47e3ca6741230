"""The description itself: sound, complete in what it refers to, and true to base/error_kinds.h. That
it has the operations of the route table and no others is checked by tests/unit/test_openapi.c."""
import subprocess
import sys
import unittest

from tests.openapi.description import ROOT, Description, error_types
from tests.openapi.schema import KNOWN


def walk(value, where="$"):
    yield where, value
    items = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from walk(item, f"{where}/{key}")


class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.description = Description()
        cls.document = cls.description.document

    def test_json_is_made_from_yaml(self):
        command = [sys.executable, str(ROOT / "tools" / "openapi_json.py"), "--check"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(0, done.returncode, done.stdout.decode())

    def test_every_reference_leads_somewhere_and_every_component_is_used(self):
        used = set()
        for where, value in walk(self.document):
            if where.endswith("/$ref") or "/mapping/" in where:
                self.description.schemas.resolve(value)
                used.add(value)
            if "/security/" in where and isinstance(value, dict):
                used.update(f"#/components/securitySchemes/{name}" for name in value)
        for kind, components in self.document["components"].items():
            for name in components:
                self.assertIn(f"#/components/{kind}/{name}", used)

    def test_schemas_say_what_is_checked(self):
        def schemas():
            for name, schema in self.document["components"]["schemas"].items():
                yield name, schema
            for where, value in walk(self.document):
                if where.endswith("/schema"):
                    yield where, value

        def check(where, schema):
            self.assertEqual(set(), set(schema) - KNOWN, where)
            for name, member in schema.get("properties", {}).items():
                check(f"{where}.{name}", member)
            for word in ("items", "additionalProperties"):
                if isinstance(schema.get(word), dict):
                    check(f"{where} {word}", schema[word])
            for word in ("allOf", "anyOf", "oneOf"):
                for part in schema.get(word, ()):
                    check(f"{where} {word}", part)

        for where, schema in schemas():
            for name in schema.get("required", ()):
                self.assertIn(name, schema["properties"], where)
            check(where, schema)

    def test_parameters_of_paths_are_declared(self):
        for operation in self.description.operations.values():
            declared = [p["name"] for p in operation.parameters if p["in"] == "path"]
            in_path = [s[1:-1] for s in operation.segments if s[0] == "{"]
            self.assertEqual(in_path, declared, operation.id)

    def test_every_operation_has_a_success_and_an_error(self):
        for operation in self.description.operations.values():
            statuses = sorted(map(int, operation.responses))
            self.assertLess(statuses[0], 300, operation.id)
            self.assertGreaterEqual(statuses[-1], 400, operation.id)
            for status in (400, 413, 414, 429, 431, 500, 503):  # whatever the operation
                self.assertIn(status, statuses, operation.id)

    def test_every_change_may_have_an_unknown_outcome(self):
        for operation in self.description.operations.values():
            said = operation.responses["500"]["$ref"].endswith("/CommitStateUnknown")
            changes = operation.method in ("POST", "DELETE") and operation.id not in CHANGE_NOTHING
            self.assertEqual(changes, said, operation.id)

    def test_errors_are_those_of_the_table(self):
        kinds, told = error_types(), set()
        for name, response in self.document["components"]["responses"].items():
            for content in response.get("content", {}).values():
                if "allOf" not in content["schema"]:
                    continue
                error = content["schema"]["allOf"][1]["properties"]["error"]["properties"]
                for kind in error["type"]["enum"]:
                    self.assertIn(error["code"]["const"], kinds[kind], name)
                    told.add((kind, error["code"]["const"]))
        for kind, statuses in kinds.items():
            for status in statuses:
                if kind not in UNTOLD:
                    self.assertIn((kind, status), told)


CHANGE_NOTHING = ("getToken", "signRequest", "signRequestByLocation", "createGatewayKey")
# kinds that no operation of the catalog answers with: the latter is the gateway's
UNTOLD = ("NoSuchViewException", "PreconditionFailedException")

if __name__ == "__main__":
    unittest.main()
