"""The validator itself: what it must find, and what it must not."""
import unittest

from tests.openapi.description import Description
from tests.openapi.schema import Schemas

DOCUMENT = {"components": {"schemas": {
    "Leaf": {"type": "string", "minLength": 1},
    "Cat": {"type": "object", "required": ["kind"], "properties": {
        "kind": {"type": "string", "const": "cat"}, "lives": {"type": "integer", "maximum": 9}}},
    "Dog": {"type": "object", "properties": {"kind": {"const": "dog"}}},
    "Pet": {"oneOf": [], "discriminator": {"propertyName": "kind", "mapping": {
        "cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"}}},
}}}

CASES = [  # schema, values that fit, values that do not
    ({"type": "integer"}, [0, -5, 2**70], [5.0, True, "1", None, [], {}]),
    ({"type": "integer", "format": "int64"}, [2**63 - 1, -2**63], [2**63, -2**63 - 1]),
    ({"type": "integer", "format": "int32", "minimum": -1}, [-1, 2**31 - 1], [-2, 2**31]),
    ({"type": "boolean"}, [True, False], [0, 1, "true", None]),
    ({"type": ["string", "null"], "minLength": 1}, ["a", None], ["", 1]),
    ({"type": "string", "pattern": "^a+$"}, ["a", "aa"], ["", "b", "ab"]),
    ({"type": "string", "format": "uuid"}, ["2cc52516-5e73-41f2-b139-545d41a4e151"],
     ["2cc52516", "2cc52516-5e73-41f2-b139-545d41a4e151a", "zcc52516-5e73-41f2-b139-545d41a4e151"]),
    ({"type": "string", "maxLength": 2}, ["", "ab"], ["abc"]),
    ({"const": 1}, [1], [True, 1.5, "1"]),
    ({"enum": ["a", 1]}, ["a", 1], ["b", True]),
    ({"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
     [["a"], ["a", "b"]], [[], ["a", "b", "c"], [1], "a", {}]),
    ({"type": "array", "uniqueItems": True}, [[1, "1"], [{"a": 1}, {"a": 2}]],
     [[1, 1], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]]),
    ({"type": "object", "required": ["a"], "additionalProperties": False,
      "properties": {"a": {"type": "string"}}}, [{"a": ""}], [{}, {"a": 1}, {"a": "", "b": 1}, []]),
    ({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 2},
     [{}, {"a": "b"}], [{"a": 1}, {"a": None}, {"a": "", "b": "", "c": ""}]),
    ({"allOf": [{"type": "string"}, {"minLength": 2}]}, ["ab"], ["a", 1]),
    ({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
     [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}], [{}, {"c": 1}]),
    ({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 1}, {"type": "integer"}]},
     ["ab", 1], ["a", None]),
    ({"$ref": "#/components/schemas/Leaf"}, ["a"], ["", 1]),
    ({"$ref": "#/components/schemas/Pet"}, [{"kind": "cat", "lives": 9}, {"kind": "dog", "lives": 10}],
     [{"kind": "cat", "lives": 10}, {"kind": "cow"}, {}, {"kind": None}, []]),
]

ID = ("X-Request-Id", "a-1")
JSON = ("Content-Type", "application/json")
LIST = b'{"namespaces":[["a"]]}'
GONE = b'{"error":{"message":"m","type":"NoSuchNamespaceException","code":404}}'
REPLIES = [  # method, path, status, headers, body; is it right?
    (True, "GET", "/v1/namespaces", 200, [ID, JSON], LIST),
    (True, "GET", "/v1/x/namespaces/?pageSize=1", 200, [ID, JSON], LIST),
    (True, "GET", "/v1/namespaces?parent=x", 404, [ID, JSON], GONE),
    (True, "HEAD", "/v1/namespaces/a", 204, [ID], b""),
    (True, "HEAD", "/v1/namespaces/a", 404, [ID], b""),
    (True, "GET", "/nothing", 404, [ID, JSON], GONE.replace(b"NoSuchNamespace", b"NotFound")),
    (False, "GET", "/v1/namespaces", 200, [JSON], LIST),
    (False, "GET", "/v1/namespaces", 200, [ID, ID, JSON], LIST),
    (False, "GET", "/v1/namespaces", 200, [ID], LIST),
    (False, "GET", "/v1/namespaces", 200, [ID, JSON, ("X-More", "1")], LIST),
    (False, "GET", "/v1/namespaces", 200, [ID, ("Content-Type", "text/html")], LIST),
    (False, "GET", "/v1/namespaces", 201, [ID, JSON], LIST),
    (False, "GET", "/v1/namespaces", 200, [ID, JSON], b'{"namespaces":[["a"]],"next-page-token":""}'),
    (False, "GET", "/v1/namespaces", 200, [ID, JSON], b'{"namespaces":[],"namespaces":[]}'),
    (False, "GET", "/v1/namespaces", 200, [ID, JSON], b'{"namespaces":[[]]}'),
    (False, "GET", "/v1/namespaces", 200, [ID, JSON], b"{"),
    (False, "GET", "/v1/namespaces", 404, [ID, JSON], GONE.replace(b"404", b"400")),
    (False, "GET", "/v1/namespaces", 404, [ID, JSON], GONE.replace(b"Namespace", b"Table")),
    (False, "GET", "/v1/namespaces", 429, [ID, JSON], GONE.replace(b"404", b"429").replace(
        b"NoSuchNamespace", b"TooManyRequests")),
    (False, "HEAD", "/v1/namespaces/a", 204, [ID, JSON], b""),
    (False, "HEAD", "/v1/namespaces/a", 404, [ID], GONE),
    (False, "DELETE", "/v1/namespaces/a", 204, [ID], b"{}"),
    (False, "GET", "/v1/config/namespaces", 404, [ID, JSON], GONE),
]


class Validator(unittest.TestCase):
    def test_keywords(self):
        schemas = Schemas(DOCUMENT)
        for schema, good, bad in CASES:
            for value in good:
                self.assertEqual([], schemas.problems(value, schema), (schema, value))
            for value in bad:
                self.assertNotEqual([], schemas.problems(value, schema), (schema, value))

    def test_a_keyword_nobody_checks(self):
        with self.assertRaises(AssertionError):
            Schemas({}).problems(1, {"multipleOf": 2})

    def test_null_in_requests(self):
        schema = {"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string"}, "b": {"type": "string"}}}
        schemas = Schemas({}, null_is_absent=True)
        self.assertEqual([], schemas.problems({"a": "x", "b": None}, schema))
        self.assertNotEqual([], schemas.problems({"a": None}, schema))

    def test_replies(self):
        description = Description()
        for good, method, path, status, headers, body in REPLIES:
            found = description.problems(method, path, status, headers, body)
            self.assertEqual(good, not found, (method, path, status, headers, body, found))

    def test_paths(self):
        description = Description()
        for method, path, name in (
                ("GET", "/v1/namespaces/a%2Fb/tables/t%1F", "loadTable"),
                ("POST", "/v1/p/namespaces/a/tables/t", "updateTable"),
                ("POST", "/v1/tables/rename", "renameTable"),
                ("GET", "/v1/p/namespaces/namespaces/tables/tables/", "loadTable"),
                ("GET", "/v1/namespaces//tables", None), ("GET", "/v1", None), ("GET", "/", None),
                ("PUT", "/v1/namespaces", None), ("GET", "/v1/oauth/namespaces", None)):
            operation = description.find(method, path)
            self.assertEqual(name, operation and operation.id, path)


if __name__ == "__main__":
    unittest.main()
