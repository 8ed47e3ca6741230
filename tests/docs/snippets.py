"""The code in README.md and docs/, taken out of the Markdown.

A block that is code has a language and, on the line before its fence, a comment that says what
becomes of it:

    <!-- run: WHAT -->      executed; blocks of one document with the same WHAT run in order, as one
    <!-- check: WHAT -->    only its syntax is checked
    <!-- output -->         what the block before it prints, compared without looking at white space
    <!-- generated: … -->   written by `make docs`

Documents are written for a catalog at http://127.0.0.1:8181 with its data in /var/lib/firn, backups
in /var/backups/firn and the credential the-client-id:the-client-secret; `placed` puts the real ones
in."""
import re
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ADDRESS = "127.0.0.1:8181"
DATA = "/var/lib/firn"
BACKUP = "/var/backups/firn"
CREDENTIAL = "the-client-id:the-client-secret"
MARKER = re.compile(r"^<!-- (run|check): ([a-z0-9-]+) -->$|^<!-- (output|generated)\b.*-->$")
FENCE = re.compile(r"^```(\w*)$")

Block = namedtuple("Block", "path line language action what text output")


def documents():
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path):
    """The fenced blocks of a document. `action` is run, check, output, generated or, without a comment, None;
    `output` is the text of the output block that follows, or None."""
    found = []
    lines = Path(path).read_text().splitlines()
    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if fence is None:
            at += 1
            continue
        end = lines.index("```", at + 1)
        marker = MARKER.match(lines[at - 1]) if at > 0 else None
        action = (marker.group(1) or marker.group(3)) if marker else None
        block = Block(path, at + 1, fence.group(1), action, marker.group(2) if marker else None,
                      "\n".join(lines[at + 1:end]) + "\n", None)
        if action == "output":
            found[-1] = found[-1]._replace(output=block.text)
        found.append(block)
        at = end + 1
    return found


def placed(text, address=ADDRESS, data=DATA, backup=BACKUP, credential=CREDENTIAL):
    for written, real in ((ADDRESS, address), (DATA, str(data)), (BACKUP, str(backup)),
                          *zip(CREDENTIAL.split(":"), credential.split(":"))):
        text = text.replace(written, real)
    return text


def of(path, what, action="run", **places):
    """The blocks of a document for one kind of runner, with the real address and directory."""
    path = ROOT / path
    return [block._replace(text=placed(block.text, **places)) for block in blocks(path)
            if block.action == action and block.what == what]


def statements(blocks):
    """The SQL statements of blocks, without comments and the semicolons between them."""
    text = "\n".join(re.sub(r"(?m)--.*$", "", block.text) for block in blocks)
    parts = re.split(r";[ \t]*(?:\n|$)", text)
    return [part.strip() for part in parts if part.strip()]


def properties(blocks):
    """The `name=value` or `name value` lines of blocks as a dict."""
    found = {}
    for block in blocks:
        for line in block.text.splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                name, value = re.match(r"([^\s=]+)\s*[=\s]\s*(.*)$", line).groups()
                found[name] = value
    return found


def same_output(expected, got):
    return expected.split() == got.split()
