#!/usr/bin/env python3
"""Makes openapi/firn.json from openapi/firn.yaml.

    tools/openapi_json.py           writes firn.json
    tools/openapi_json.py --check   status 1 when firn.json is not what would be written

Reads the part of YAML that the source uses, with nothing but Python's own library: block mappings
and sequences, flow collections on one line, plain and quoted scalars on one line, `>-` text,
comments. Anything else is an error that names its line."""
import json
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "openapi"
KEY = re.compile(r'("(?:[^"\\]|\\.)*"|[^\s"\'{}\[\],#&*!|>%@`][^:#]*?)\s*:(?:\s+|$)')
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)$")
WORDS = {"true": True, "false": False, "null": None}


class YamlError(ValueError):
    pass


def scalar(text):
    if text.startswith('"'):
        return json.loads(text)  # the escapes in use are JSON's
    if text in WORDS:
        return WORDS[text]
    if INTEGER.match(text):
        return int(text)
    if text[0] in "'&*!|>%@`{}[]":
        raise YamlError(f"not in the part of YAML that is read here: {text}")
    return text


class Flow:
    """One-line {a: b} and [a, b]."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def space(self):
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def take(self, char):
        self.space()
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True

    def need(self, char):
        if not self.take(char):
            raise YamlError(f"{char} expected at {self.text[self.at:]!r}")

    def value(self):
        if self.take("{"):
            return self.mapping()
        if self.take("["):
            return self.sequence()
        return scalar(self.token(r'"(?:[^"\\]|\\.)*"|[^,\]}"]+'))

    def token(self, pattern):
        self.space()
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            raise YamlError(f"no value at {self.text[self.at:]!r}")
        self.at = found.end()
        return found.group().strip()

    def sequence(self):
        items = []
        while not self.take("]"):
            if items:
                self.need(",")
            items.append(self.value())
        return items

    def mapping(self):
        items = {}
        while not self.take("}"):
            if items:
                self.need(",")
            key = scalar(self.token(r'"(?:[^"\\]|\\.)*"|[^:,}"]+'))
            self.need(":")
            add(items, key, self.value())
        return items


def add(mapping, key, value):
    if str(key) in mapping:
        raise YamlError(f"twice: {key}")
    mapping[str(key)] = value


def without_comment(line):
    """A comment begins with a # after white space, outside of quotes."""
    quoted = False
    for i, char in enumerate(line):
        if char == '"' and (i == 0 or line[i - 1] != "\\"):
            quoted = not quoted
        elif char == "#" and not quoted and (i == 0 or line[i - 1] == " "):
            return line[:i].rstrip()
    return line.rstrip()


class Block:
    def __init__(self, text):
        self.raw = text.split("\n")
        self.at = 0

    def peek(self):
        """(indentation, text) of the next line that says something, or None."""
        while self.at < len(self.raw):
            line = without_comment(self.raw[self.at])
            if line.strip():
                return len(line) - len(line.lstrip(" ")), line.strip()
            self.at += 1
        return None

    def value(self, indent):
        _, text = self.peek()
        return self.sequence(indent) if text.startswith("- ") else self.mapping(indent)

    def inline(self, text):
        if text[0] not in "{[":
            return scalar(text)
        flow = Flow(text)
        value = flow.value()
        if flow.at != len(text):
            raise YamlError(f"left over: {text[flow.at:]}")
        return value

    def below(self, indent):
        """What belongs to a key without a value on its line."""
        found = self.peek()
        if found is None or found[0] <= indent:
            raise YamlError("a key without a value")
        return self.value(found[0])

    def folded(self, indent):
        """`>-`: lines are joined by spaces, blank lines become line ends."""
        paragraphs, words = [], []
        while self.at < len(self.raw):
            line = self.raw[self.at]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                break
            self.at += 1
            if line.strip():
                words.append(line.strip())
            elif words:
                paragraphs.append(" ".join(words))
                words = []
        paragraphs.append(" ".join(words))
        return "\n".join(p for p in paragraphs if p)

    def mapping(self, indent):
        items = {}
        while (found := self.peek()) is not None and found[0] == indent:
            key = KEY.match(found[1])
            if not key:
                raise YamlError(f"no key: {found[1]}")
            self.at += 1
            rest = found[1][key.end():]
            if rest == ">-":
                value = self.folded(indent)
            else:
                value = self.inline(rest) if rest else self.below(indent)
            add(items, scalar(key.group(1)), value)
        self.check_end(indent)
        return items

    def sequence(self, indent):
        items = []
        while (found := self.peek()) is not None and found[0] == indent:
            if not found[1].startswith("- "):
                raise YamlError(f"no element: {found[1]}")
            rest = found[1][2:].strip()
            if KEY.match(rest):  # a mapping that begins beside its dash
                self.raw[self.at] = " " * (indent + 2) + rest
                items.append(self.mapping(indent + 2))
            else:
                self.at += 1
                items.append(self.inline(rest))
        self.check_end(indent)
        return items

    def check_end(self, indent):
        found = self.peek()
        if found is not None and found[0] > indent:
            raise YamlError(f"deeper than what it belongs to: {found[1]}")


def parse(text):
    block = Block(text)
    try:
        value = block.mapping(0)
        if block.peek() is not None:
            raise YamlError("left over")
        return value
    except (YamlError, ValueError) as e:
        raise YamlError(f"line {block.at + 1}: {e}") from e


def main():
    made = json.dumps(parse((FOLDER / "firn.yaml").read_text(encoding="utf-8")),
                      ensure_ascii=False, separators=(",", ":")) + "\n"
    target = FOLDER / "firn.json"
    if sys.argv[1:] == ["--check"]:
        if not target.is_file() or target.read_text(encoding="utf-8") != made:
            print("openapi/firn.json is not what openapi/firn.yaml says: make openapi")
            return 1
        return 0
    target.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
