"""Checks a value against a JSON schema: the keywords openapi/firn.yaml uses, and no others, so that
a keyword that would not be checked is an error and not a silence.

Integers are exact: 5.0 is none, true is none, and `format` bounds them."""
import json
import re

INT_BOUNDS = {"int32": (-2**31, 2**31 - 1), "int64": (-2**63, 2**63 - 1)}
UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}
KNOWN = {
    "$ref", "type", "description", "default", "const", "enum", "pattern", "format", "minLength",
    "maxLength", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "items", "properties",
    "required", "additionalProperties", "maxProperties", "allOf", "anyOf", "oneOf", "discriminator",
}


def shown(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 160 else text[:160] + "…"


def key_of(value):
    return json.dumps(value, sort_keys=True)


class Schemas:
    """`document`: the whole description, in which references are looked up."""

    def __init__(self, document, null_is_absent=False):
        self.document = document
        self.null_is_absent = null_is_absent  # as requests may have it

    def resolve(self, ref):
        assert ref.startswith("#/"), ref
        at = self.document
        for step in ref[2:].split("/"):
            at = at[step.replace("~1", "/").replace("~0", "~")]
        return at

    def problems(self, value, schema, where="$"):
        """What is wrong with the value, as texts."""
        unknown = [k for k in schema if k not in KNOWN and not k.startswith("x-")]
        assert not unknown, f"keywords that are not checked: {unknown}"
        found = []
        if "$ref" in schema:
            found += self.problems(value, self.resolve(schema["$ref"]), where)
        if not self.has_type(value, schema):
            return found + [f"{where} is not {schema['type']}: {shown(value)}"]
        if "const" in schema and key_of(value) != key_of(schema["const"]):
            found.append(f"{where} is not {shown(schema['const'])}: {shown(value)}")
        if "enum" in schema and key_of(value) not in map(key_of, schema["enum"]):
            found.append(f"{where} is none of {schema['enum']}: {shown(value)}")
        for kind, check in ((str, self.text), (list, self.array), (dict, self.object)):
            if isinstance(value, kind):
                found += check(value, schema, where)
        if TYPES["number"](value):
            found += self.number(value, schema, where)
        return found + self.combined(value, schema, where)

    @staticmethod
    def has_type(value, schema):
        types = schema.get("type")
        if types is None:
            return True
        return any(TYPES[t](value) for t in ([types] if isinstance(types, str) else types))

    @staticmethod
    def text(value, schema, where):
        found = []
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            found.append(f"{where} has {len(value)} characters")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{where} does not match {schema['pattern']}: {shown(value)}")
        if schema.get("format") == "uuid" and not UUID.fullmatch(value):
            found.append(f"{where} is no UUID: {shown(value)}")
        return found

    @staticmethod
    def number(value, schema, where):
        low, high = INT_BOUNDS.get(schema.get("format"), (value, value))
        low, high = max(low, schema.get("minimum", low)), min(high, schema.get("maximum", high))
        return [] if low <= value <= high else [f"{where} is out of bounds: {shown(value)}"]

    def array(self, value, schema, where):
        found = []
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where} has {len(value)} elements")
        if schema.get("uniqueItems") and len(set(map(key_of, value))) != len(value):
            found.append(f"{where} has an element twice")
        if "items" in schema:
            for i, item in enumerate(value):
                found += self.problems(item, schema["items"], f"{where}[{i}]")
        return found

    def object(self, value, schema, where):
        found = []
        if self.null_is_absent:
            value = {k: v for k, v in value.items() if v is not None}
        for name in schema.get("required", ()):
            if name not in value:
                found.append(f"{where} lacks {name}")
        if len(value) > schema.get("maxProperties", len(value)):
            found.append(f"{where} has {len(value)} members")
        described, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, member in value.items():
            if name in described:
                found += self.problems(member, described[name], f"{where}.{name}")
            elif more is False:
                found.append(f"{where} has the member {name}, which is not described")
            elif more is not True:
                found += self.problems(member, more, f"{where}.{name}")
        return found

    def combined(self, value, schema, where):
        found = []
        for part in schema.get("allOf", ()):
            found += self.problems(value, part, where)
        if "anyOf" in schema and all(self.problems(value, s, where) for s in schema["anyOf"]):
            found.append(f"{where} fits none of its alternatives: {shown(value)}")
        if "oneOf" in schema:
            found += self.one_of(value, schema, where)
        return found

    def one_of(self, value, schema, where):
        mapping = schema.get("discriminator", {}).get("mapping")
        if mapping is not None:
            name = schema["discriminator"]["propertyName"]
            word = value.get(name) if isinstance(value, dict) else None
            if word not in mapping:
                return [f"{where}.{name} is none that is described: {shown(word)}"]
            return self.problems(value, {"$ref": mapping[word]}, where)
        tries = [self.problems(value, part, where) for part in schema["oneOf"]]
        fitting = sum(1 for t in tries if not t)
        if fitting == 1:
            return []
        if fitting > 1:
            return [f"{where} fits {fitting} alternatives of one"]
        return min(tries, key=len)
