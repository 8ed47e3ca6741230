"""docs/operations.md and docs/errors.md are whole, and the backup that they describe works."""
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from tests.docs import generate, snippets
from tests.harness import (FirnTest, ROOT, Server, append, environment, local_path, set_properties)

WRITERS = 3
OPERATIONS = "docs/operations.md"


def rows_of_table(path, columns):
    """The rows of the Markdown tables of a document that have so many columns."""
    rows = []
    for line in (ROOT / path).read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns:
            rows.append(cells)
    return rows


class Completeness(unittest.TestCase):
    def test_errors(self):
        text = (ROOT / "base" / "error_kinds.h").read_text()
        kinds = re.findall(r'X\(ERR_(\w+),\s*(\d+), "(\w+)"', text)
        self.assertGreater(len(kinds), 20)
        documented = {row[0]: row for row in rows_of_table("docs/errors.md", 5)}
        for kind, status, type in kinds:
            row = documented.get(kind.lower())
            self.assertIsNotNone(row, f"docs/errors.md has no row for {kind.lower()}")
            self.assertEqual([status, type], row[1:3], kind)
        unknown = set(documented) - {kind.lower() for kind, _, _ in kinds} - {"kind", "---"}
        self.assertEqual(set(), unknown, "docs/errors.md tells of kinds that do not exist")

    def test_metrics(self):
        text = (ROOT / "base" / "metric_rows.h").read_text()
        names = re.findall(r'X\(METRIC_\w+,\s*\w+,\s*"(\w+)"', text)
        self.assertGreater(len(names), 20)
        documented = {row[0] for row in rows_of_table(OPERATIONS, 3) if row[0].startswith("firn_")}
        self.assertEqual(set(names), documented, f"the table of metrics in {OPERATIONS}")

    def test_options(self):
        text = generate.DOCUMENT.read_text()
        self.assertIn("\n  --data path", text)
        self.assertEqual(generate.generated(text), text,
                         "the options have changed: make docs writes them into the document")


class Backup(FirnTest):
    """The backup is made while the catalog is being written to, and what it holds is restored."""

    @classmethod
    def setUpClass(cls):
        pass

    tearDownClass = setUpClass

    def setUp(self):
        if shutil.which("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        self.temp = tempfile.mkdtemp(prefix="firn-docs-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.server = Server(os.path.join(self.temp, "firn")).start()
        self.addCleanup(self.server.close)
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def run_blocks(self, what):
        for block in snippets.of(OPERATIONS, what, data=self.server.data,
                                 address=f"{self.server.host}:{self.server.port}",
                                 backup=os.path.join(self.temp, "backup")):
            done = subprocess.run(["bash", "-euc", block.text], env=environment(),
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
            said = done.stdout.decode() + done.stderr.decode()
            self.assertEqual(0, done.returncode, said)
            if block.output is not None:
                self.assertTrue(snippets.same_output(block.output, done.stdout.decode()), said)

    def write(self, number, stop, acknowledged):
        client = self.server.client()
        ns, table = "shop", f"t{number}"
        while not stop.is_set():
            count = acknowledged[number] + 1
            reply = client.commit(ns, table, [set_properties(count=str(count))])
            if reply.status == 200:
                acknowledged[number] = count
        client.close()

    def count_in(self, number):
        return int(self.load("shop", f"t{number}")["metadata"]["properties"].get("count", 0))

    def test_backup_and_restore(self):
        self.assert_status(200, self.client.create_namespace("shop"))
        for number in range(WRITERS):
            self.fresh_table("shop", f"t{number}")
        stop, acknowledged = threading.Event(), [0] * WRITERS
        threads = [threading.Thread(target=self.write, args=(number, stop, acknowledged))
                   for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            while min(acknowledged) < 20:
                self.assertTrue(all(thread.is_alive() for thread in threads))
            before = list(acknowledged)
            self.run_blocks("backup")
            after = list(acknowledged)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.server.kill()

        self.run_blocks("restore")
        self.server.start()
        for number in range(WRITERS):
            self.assertLessEqual(before[number], self.count_in(number))
            self.assertLessEqual(self.count_in(number), after[number] + 1)
            self.assert_commits("shop", f"t{number}", [set_properties(count="goes on")])

    def test_roll_forward(self):
        """The catalog is older than the files; a table is brought up to them by hand."""
        self.assert_status(200, self.client.create_namespace("shop"))
        self.fresh_table("shop", "orders")
        self.run_blocks("backup")
        loaded = self.load("shop", "orders")
        for _ in range(12):  # more digits than one in the names of the files
            newest = self.assert_commits("shop", "orders", *append(loaded["metadata"]))
            loaded = newest
        self.server.stop()
        for name in os.listdir(self.server.data):
            if name.startswith("metastore.db"):
                os.remove(os.path.join(self.server.data, name))
        shutil.copy(os.path.join(self.temp, "backup", "metastore.db"), self.server.data)
        self.server.start()
        self.assertEqual([], self.load("shop", "orders")["metadata"].get("snapshots", []))

        self.run_blocks("forward")
        restored = self.load("shop", "orders")
        self.assertEqual(local_path(newest["metadata-location"]),
                         local_path(restored["metadata-location"]))
        self.assert_commits("shop", "orders", *append(restored["metadata"]))

    def test_files_of_the_data_directory(self):
        text = (ROOT / OPERATIONS).read_text()
        for name in os.listdir(self.server.data):
            name = re.sub(r"^metastore\.db(?=-)", "", name)
            self.assertIn(f"`{name}", text, f"{OPERATIONS} does not say what {name} is")


if __name__ == "__main__":
    unittest.main()
