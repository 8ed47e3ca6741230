"""The code in README.md and docs/ does what the text beside it says.

Blocks for the shell, PyIceberg, DuckDB and ClickHouse are executed against a started catalog, and
what they print is compared where the document shows it. Blocks for engines that need a JVM are executed by the tests of those engines (tests/docs/snippets.py finds them); here
their form is checked. No block of code is without a comment that says which of these it is."""
import ast
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.docs import snippets
from tests.harness import FirnTest, ROOT, Server, binary, environment, run_firn

RUN_SECONDS = 300
END_OF_BLOCK = "---- end of block ----"
PLAIN = ("", "text")  # no code, or a command line that only installs something
RUN_HERE = ("sh", "backup", "restore", "forward", "pyiceberg", "duckdb", "duckdb-python", "clickhouse-sql",
            "sh-token", "pyiceberg-token", "duckdb-token", "clickhouse-token")
RUN_ELSEWHERE = ("spark-conf", "spark-token", "spark-sql", "flink-sql")
# Both read blocks of SQL statements from a file and print the rows of the last one of each block.
DUCKDB = """
import duckdb, importlib.util, json, pathlib, sys
con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
for name in ("httpfs", "avro", "iceberg"):
    [folder] = importlib.util.find_spec("duckdb_extension_" + name).submodule_search_locations
    [file] = pathlib.Path(folder).rglob(name + ".duckdb_extension")
    con.sql(f"LOAD '{file}'")
for statements in json.load(open(sys.argv[1])):
    rows = None
    for statement in statements:
        print(">", statement, file=sys.stderr, flush=True)
        result = con.sql(statement)
        rows = result.fetchall() if result is not None else []
    for row in rows:
        print(*row)
    print("%s", flush=True)
""" % END_OF_BLOCK

CLICKHOUSE = """
import json, sys
from chdb import session
here = session.Session(sys.argv[2])
for statements in json.load(open(sys.argv[1])):
    rows = ""
    for statement in statements:
        print(">", statement, file=sys.stderr, flush=True)
        rows = str(here.query(statement, "TSV"))
    print(rows, end="")
    print("%s", flush=True)
""" % END_OF_BLOCK


def client_python(name):
    done = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), name],
                          stdout=subprocess.PIPE, check=True)
    return str(Path(done.stdout.decode().strip()) / "bin" / "python")


class Documents(unittest.TestCase):
    def test_every_block_says_what_becomes_of_it(self):
        for path in snippets.documents():
            for block in snippets.blocks(path):
                place = f"{path.relative_to(ROOT)}:{block.line}"
                if block.action is None:
                    self.assertIn(block.language, PLAIN, f"{place} has no comment before it")
                elif block.action == "run":
                    self.assertIn(block.what, RUN_HERE + RUN_ELSEWHERE, place)

    def test_links_lead_somewhere(self):
        for path in snippets.documents():
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
                if "://" not in target:
                    self.assertTrue((path.parent / target).exists(), f"{path}: {target}")

    def test_every_document_is_linked(self):
        linked = set()
        for path in snippets.documents():
            for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
                linked.add((path.parent / target).resolve())
        for path in snippets.documents()[1:]:
            self.assertIn(path.resolve(), linked)

    def test_syntax(self):
        for path in snippets.documents():
            for block in snippets.blocks(path):
                if block.action in ("run", "check"):
                    with self.subTest(document=path.name, line=block.line):
                        self.check_syntax(block)

    def check_syntax(self, block):
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "sh":
            done = subprocess.run(["bash", "-n"], input=block.text.encode(), capture_output=True)
            self.assertEqual(b"", done.stderr)
        elif block.language == "sql":
            for statement in snippets.statements([block]):
                self.assertRegex(statement, r"^(?i:ALTER|ATTACH|BEGIN|CALL|COMMIT|CREATE|DELETE|DROP"
                                            r"|EXECUTE|INSERT|INSTALL|LOAD|MERGE|SELECT|SET|SHOW"
                                            r"|UPDATE|USE|WITH)\b")
                self.assert_closed(statement)
        elif block.language in ("properties", "ini"):
            for line in block.text.splitlines():
                self.assertRegex(line, r"^(#.*|\[[\w-]+\]|[\w.-]+ *[= ] *\S.*|)$")
        elif block.language == "nginx":
            self.assertEqual(block.text.count("{"), block.text.count("}"))
            for line in block.text.splitlines():
                self.assertRegex(line, r"^\s*(#.*|[^#]*[;{}]|)\s*(#.*)?$")
        elif block.language == "haproxy":
            for line in block.text.splitlines():
                self.assertRegex(line, r"^(\w+( \w+)?|    \w.*)$")
        else:
            self.fail(f"nobody checks {block.language}")

    def assert_closed(self, statement):
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "", statement)
        self.assertNotRegex(bare, r"['\"`]", statement)
        self.assertEqual(bare.count("("), bare.count(")"), statement)


class Snippets(FirnTest):
    """One catalog for each document."""

    @classmethod
    def setUpClass(cls):
        pass

    tearDownClass = setUpClass

    def setUp(self):
        self.temp = tempfile.TemporaryDirectory(prefix="firn-docs-")
        self.addCleanup(self.temp.cleanup)
        self.server = Server(Path(self.temp.name) / "data")
        self.addCleanup(self.server.close)
        self.credential = snippets.CREDENTIAL
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def ask_for_tokens(self):
        """Starts the catalog again, with a principal and auth=required."""
        self.server.stop()
        status, out, err = run_firn("principal", "create", "reader", "--data", self.server.data)
        self.assertEqual(0, status, err)
        self.credential = ":".join(out.split()[1:3])
        self.server.args = ["--auth", "required"]
        self.server.start()

    def blocks(self, document, what):
        found = snippets.of(document, what, address=f"{self.server.host}:{self.server.port}",
                            data=self.server.data, credential=self.credential)
        self.assertTrue(found, f"{document} has no block to run: {what}")
        return found

    def execute(self, command, blocks, **env):
        """Runs a command that prints END_OF_BLOCK after each block; compares what they print."""
        folder = Path(self.temp.name) / "bin"
        folder.mkdir(exist_ok=True)
        if not (folder / "firn").exists():
            (folder / "firn").symlink_to(binary())
        env = environment({"HOME": self.temp.name, "PATH": f"{folder}:{os.environ['PATH']}", **env})
        done = subprocess.run(command, cwd=self.temp.name, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=RUN_SECONDS)
        printed = done.stdout.decode().split(END_OF_BLOCK + "\n")
        said = done.stdout.decode()[-3000:] + done.stderr.decode()[-3000:]
        at = blocks[min(len(printed), len(blocks)) - 1]
        self.assertEqual(0, done.returncode, f"near {at.path.name}:{at.line}\n{said}")
        self.assertEqual(len(blocks) + 1, len(printed), said)
        for block, output in zip(blocks, printed):
            if block.output is not None and not snippets.same_output(block.output, output):
                self.fail(f"{block.path.name}:{block.line} prints\n{output}\n{said}")
        return printed

    def script(self, name, text):
        path = Path(self.temp.name) / name
        path.write_text(text)
        return str(path)

    def run_sh(self, document, what="sh"):
        blocks = self.blocks(document, what)
        text = "set -eu\n" + "".join(f"{b.text}\necho; echo '{END_OF_BLOCK}'\n" for b in blocks)
        return self.execute(["bash", self.script("snippets.sh", text)], blocks)

    def run_python(self, document, what, client):
        blocks = self.blocks(document, what)
        text = "".join(f"{b.text}\nprint('{END_OF_BLOCK}', flush=True)\n" for b in blocks)
        return self.execute([client_python(client), self.script("snippets.py", text)], blocks)

    def test_readme(self):
        self.run_python("README.md", "pyiceberg", "pyiceberg")
        self.assert_status(200, self.client.load_table("demo", "people"))

    def test_curl(self):
        printed = self.run_sh("docs/engines/curl.md")
        self.assertIn('"status":"ready"', printed[0])
        self.assertIn('"comment":"paid orders"', printed[3])
        self.assertIn("updateTable", printed[5])
        self.assertEqual([], self.client.list_namespaces().json["namespaces"])

    def test_operations(self):
        self.run_sh("docs/operations.md")

    def test_pyiceberg(self):
        self.run_python("docs/engines/pyiceberg.md", "pyiceberg", "pyiceberg")
        loaded = self.load("shop", "orders")
        self.assertIn("opening-day", loaded["metadata"]["refs"])

    def run_sql(self, document, what, client, program, *arguments):
        blocks = self.blocks(document, what)
        wanted = [[statement for statement in snippets.statements([block])
                   if not statement.startswith(("INSTALL", "LOAD"))] for block in blocks]
        self.execute([client_python(client), self.script("snippets.py", program),
                      self.script("statements.json", json.dumps(wanted)), *arguments], blocks)

    def test_duckdb(self):
        self.run_sql("docs/engines/duckdb.md", "duckdb", "duckdb", DUCKDB)

    def test_clickhouse(self):
        self.make_orders()
        self.run_sql("docs/engines/clickhouse.md", "clickhouse-sql", "clickhouse", CLICKHOUSE,
                     str(Path(self.temp.name) / "session"))

    def test_tokens(self):
        self.ask_for_tokens()
        self.run_sh("docs/engines/curl.md", "sh-token")
        self.run_python("docs/engines/pyiceberg.md", "pyiceberg-token", "pyiceberg")
        self.run_sql("docs/engines/duckdb.md", "duckdb-token", "duckdb", DUCKDB)

    def test_tokens_clickhouse(self):
        self.make_orders()
        self.ask_for_tokens()
        self.run_sql("docs/engines/clickhouse.md", "clickhouse-token", "clickhouse", CLICKHOUSE,
                     str(Path(self.temp.name) / "session"))

    def make_orders(self):
        """The table that the document of ClickHouse says another client made."""
        program = self.script("orders.py", f"""
import pyarrow as pa
from pyiceberg.catalog import load_catalog
catalog = load_catalog("firn", type="rest", uri="{self.server.url}")
catalog.create_namespace("shop")
rows = pa.table({{"id": [1, 2], "item": ["tea", "milk"]}})
catalog.create_table("shop.orders", schema=rows.schema).append(rows)
""")
        subprocess.run([client_python("pyiceberg"), program], env=environment(), check=True)

    def test_duckdb_python(self):
        self.run_python("docs/engines/duckdb.md", "duckdb-python", "duckdb")


if __name__ == "__main__":
    unittest.main()
