"""Writes the parts of docs/operations.md that the program itself can tell: `make docs`."""
import re
from pathlib import Path

from tests.harness import ROOT, run_firn

DOCUMENT = ROOT / "docs" / "operations.md"
PART = re.compile(r"(?ms)^(<!-- generated: firn ([a-z -]+) -->\n```text\n)(.*?)^```$")


def generated(text):
    """The document as it should be."""
    def part(found):
        status, out, err = run_firn(*found.group(2).split())
        assert status == 0, err
        return found.group(1) + out + "```"
    return PART.sub(part, text)


if __name__ == "__main__":
    DOCUMENT.write_text(generated(DOCUMENT.read_text()))
