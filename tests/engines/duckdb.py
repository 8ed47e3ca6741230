#!/usr/bin/env python3
"""A real DuckDB against a real firn, on files: what it writes is read back by other connections.

    duckdb.py [URI] [--only TEST]

Runs in the environment of tests/clients/venv.sh duckdb, which it makes when it has to."""
import datetime
import decimal
import json
import multiprocessing
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)  # not this folder, where `duckdb` would be this file

if __name__ == "__main__" and "--inside" not in sys.argv:
    made = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), "duckdb"],
                          stdout=subprocess.PIPE, check=True)
    python = os.path.join(made.stdout.decode().strip(), "bin", "python")
    os.execv(python, [python, __file__, *sys.argv[1:], "--inside"])

import duckdb  # noqa: E402

from tests.engines.engine import EngineTest, address, run  # noqa: E402
from tests.harness import quote  # noqa: E402

EXTENSIONS = ("httpfs", "avro", "iceberg")  # in this order: each needs those before it
PROCESSES, INSERTS = 4, 6
UTC = datetime.timezone.utc


def load_extensions():
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in EXTENSIONS:
        package = Path(duckdb.__file__).parent.parent / f"duckdb_extension_{name}"
        [path] = package.glob(f"extensions/*/{name}.duckdb_extension")
        connection.execute(f"LOAD '{path}'")
    return connection


def connect(options=""):
    connection = load_extensions()
    connection.execute(f"ATTACH '' AS c (TYPE iceberg, ENDPOINT '{address()}', "
                       f"AUTHORIZATION_TYPE 'none' {options})")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def metadata_of(schema, table):
    """What the catalog says, without DuckDB."""
    url = f"{address()}/v1/namespaces/{quote(schema)}/tables/{quote(table)}"
    with urllib.request.urlopen(url) as reply:
        return json.load(reply)["metadata"]


def insert_many(table, writer):
    """One of several processes; retries what loses a race. Returns how often it lost."""
    connection, lost = connect(), 0
    for i in range(INSERTS):
        while True:
            try:
                connection.execute(f"INSERT INTO {table} VALUES ({writer * 1000 + i}, 'w{writer}')")
                break
            except duckdb.Error as e:
                if "409" not in str(e):
                    raise
                lost += 1
                time.sleep(0.01 * (writer + 1))
    return lost


class DuckTest(EngineTest):
    options = ""

    def setUp(self):
        self.db = self.connection()
        self.schema = self.fresh_name("s")
        self.db.execute(f"CREATE SCHEMA c.{self.schema}")

    def connection(self):
        connection = connect(self.options)
        self.addCleanup(connection.close)
        return connection

    def name(self, table="t"):
        return f"c.{self.schema}.{table}"

    def run_sql(self, *statements, on=None):
        """`t` and `u` after a dollar are this test's tables."""
        for statement in statements:
            (on or self.db).execute(self.expand(statement))

    def expand(self, sql):
        return sql.replace("$", f"c.{self.schema}.")

    def rows(self, sql, on=None):
        return (on or self.db).execute(self.expand(sql)).fetchall()

    def check_rows(self, expected, sql):
        """The same for the connection that wrote and for one that has seen nothing."""
        self.assertEqual(expected, self.rows(sql))
        self.assertEqual(expected, self.rows(sql, on=self.connection()))

    def metadata(self, table="t"):
        return metadata_of(self.schema, table)

    def people(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, name VARCHAR)",
                     "INSERT INTO $t VALUES (1, 'a'), (2, 'b'), (3, 'c')")


class Names(DuckTest):
    def test_schemas(self):
        self.run_sql(f"CREATE SCHEMA IF NOT EXISTS c.{self.schema}")
        with self.assertRaisesRegex(duckdb.Error, "already exists"):
            self.run_sql(f"CREATE SCHEMA c.{self.schema}")
        names = [r[0] for r in self.rows("SELECT schema_name FROM duckdb_schemas() "
                                         "WHERE database_name = 'c'")]
        self.assertIn(self.schema, names)
        self.people()
        with self.assertRaisesRegex(duckdb.Error, "not empty"):
            self.run_sql(f"DROP SCHEMA c.{self.schema}")
        self.run_sql("DROP TABLE $t", f"DROP SCHEMA c.{self.schema}",
                     f"DROP SCHEMA IF EXISTS c.{self.schema}")
        names = self.connection().execute("SELECT schema_name FROM duckdb_schemas()").fetchall()
        self.assertNotIn((self.schema,), names)

    def test_names(self):
        for name in ("with space", "per%cent", "sla/sh", "é 🧊", "quo'te", "plus+", "Upper", "a.b"):
            with self.subTest(name=name):
                self.run_sql(f'CREATE TABLE $"{name}" AS SELECT 1 AS one')
                self.check_rows([(1,)], f'FROM $"{name}"')
                self.assertEqual(1, len(metadata_of(self.schema, name)["snapshots"]))
        listed = self.connection().execute("SELECT table_name FROM duckdb_tables() WHERE "
                                           "schema_name = ?", [self.schema]).fetchall()
        self.assertEqual(8, len(listed))
        odd = f"{self.schema} é/x%"
        self.run_sql(f'CREATE SCHEMA c."{odd}"', f'CREATE TABLE c."{odd}".t AS SELECT 2 AS two')
        self.check_rows([(2,)], f'FROM c."{odd}".t')

    def test_rename(self):
        self.people()
        location = self.metadata()["location"]
        self.run_sql("ALTER TABLE $t RENAME TO u")
        self.check_rows([(3,)], "SELECT count(*) FROM $u")
        with self.assertRaises(duckdb.Error):
            self.rows("FROM $t", on=self.connection())
        self.people()
        self.assertNotEqual(location, self.metadata()["location"])
        self.check_rows([(6,)], "SELECT (SELECT count(*) FROM $t) + (SELECT count(*) FROM $u)")

    def test_drop(self):
        self.people()
        self.run_sql("DROP TABLE $t", "DROP TABLE IF EXISTS $t")
        with self.assertRaises(duckdb.Error):
            self.rows("FROM $t", on=self.connection())
        self.run_sql("CREATE TABLE $t (other VARCHAR)", "INSERT INTO $t VALUES ('new')")
        self.check_rows([("new",)], "FROM $t")

    def test_drop_with_purge(self):
        self.people()
        metadata = self.metadata()
        replaced = [Path(e["metadata-file"].removeprefix("file://"))
                    for e in metadata["metadata-log"]]
        self.assertTrue(replaced and all(p.exists() for p in replaced))
        self.run_sql("DROP TABLE $t", on=connect(", PURGE_REQUESTED true"))
        deadline = time.monotonic() + 60
        while any(p.exists() for p in replaced):
            self.assertLess(time.monotonic(), deadline, "the purged table's files stay")
            time.sleep(0.1)

    def test_drop_keeps_files(self):
        self.people()
        folder = Path(self.metadata()["location"].removeprefix("file://"))
        before = sorted(folder.rglob("*"))
        self.run_sql("DROP TABLE $t")
        time.sleep(6)  # longer than the sweeper sleeps
        self.assertEqual(before, sorted(folder.rglob("*")))


class Rows(DuckTest):
    def test_insert_update_delete(self):
        self.people()
        self.check_rows([(1, "a"), (2, "b"), (3, "c")], "FROM $t ORDER BY id")
        self.run_sql("UPDATE $t SET name = 'z' WHERE id > 1")
        self.check_rows([(1, "a"), (2, "z"), (3, "z")], "FROM $t ORDER BY id")
        self.run_sql("DELETE FROM $t WHERE id = 2")
        self.check_rows([(1, "a"), (3, "z")], "FROM $t ORDER BY id")
        self.run_sql("INSERT INTO $t SELECT range + 10, 'r' FROM range(1000)")
        self.check_rows([(1002, 509504)], "SELECT count(*), sum(id)::BIGINT FROM $t")
        self.run_sql("TRUNCATE $t")
        self.check_rows([(0,)], "SELECT count(*) FROM $t")
        self.assertEqual(5, len(self.metadata()["snapshots"]))

    def test_merge(self):
        self.people()
        source = "MERGE INTO $t AS t USING (VALUES (2, 'bb'), (9, 'n')) AS s(id, name) ON t.id = s.id "
        self.run_sql(source + "WHEN MATCHED THEN UPDATE SET name = s.name "
                              "WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name)")
        self.check_rows([(1, "a"), (2, "bb"), (3, "c"), (9, "n")], "FROM $t ORDER BY id")
        self.run_sql(source + "WHEN MATCHED THEN DELETE")
        self.check_rows([(1, "a"), (3, "c")], "FROM $t ORDER BY id")

    def test_create_table_as(self):
        self.run_sql("CREATE TABLE $t AS SELECT range AS i, 'v' || range AS s FROM range(500)")
        self.check_rows([(500, 124750, "v99")], "SELECT count(*), sum(i)::BIGINT, max(s) FROM $t")
        self.run_sql("CREATE TABLE $u AS SELECT i % 10 AS k, count(*) AS n FROM $t GROUP BY k")
        self.check_rows([(10, 50, 50)], "SELECT count(*), min(n), max(n) FROM $u")
        self.assertEqual(1, len(self.metadata()["snapshots"]))

    def test_types(self):
        columns = {
            "a BOOLEAN": ("true", True), "b INTEGER": ("-7", -7), "c BIGINT": (str(1 << 60), 1 << 60),
            "d FLOAT": ("1.5", 1.5), "e DOUBLE": ("0.1", 0.1),
            "f DECIMAL(20, 4)": ("123.4567", decimal.Decimal("123.4567")),
            "g DATE": ("'1969-12-31'", datetime.date(1969, 12, 31)),
            "h TIME": ("'12:34:56.789'", datetime.time(12, 34, 56, 789000)),
            "i TIMESTAMP": ("'2024-02-29 12:34:56.123456'",
                            datetime.datetime(2024, 2, 29, 12, 34, 56, 123456)),
            "k VARCHAR": ("'é🧊'", "é🧊"), "m BLOB": (r"'\x00\xFF'::BLOB", b"\x00\xff"),
            "l UUID": ("'5b1a3c1e-0000-4000-8000-000000000001'",
                       uuid.UUID("5b1a3c1e-0000-4000-8000-000000000001")),
            "n INTEGER[]": ("[1, NULL]", [1, None]),
            "o STRUCT(x INTEGER, y STRUCT(z VARCHAR)[])":
                ("{'x': 1, 'y': [{'z': 'deep'}]}", {"x": 1, "y": [{"z": "deep"}]}),
            "p MAP(VARCHAR, INTEGER)": ("MAP {'k': 1}", {"k": 1}),
        }
        self.run_sql(f"CREATE TABLE $t ({', '.join(columns)})",
                     f"INSERT INTO $t VALUES ({', '.join(sql for sql, _ in columns.values())})",
                     f"INSERT INTO $t VALUES ({', '.join('NULL' for _ in columns)})")
        self.check_rows([tuple(value for _, value in columns.values())], "FROM $t WHERE a")
        self.check_rows([(None,) * len(columns)], "FROM $t WHERE a IS NULL")

    def test_time_travel(self):
        self.people()
        self.run_sql("DELETE FROM $t WHERE id = 1", "ALTER TABLE $t ADD COLUMN more INTEGER",
                     "INSERT INTO $t VALUES (4, 'd', 44)")
        first, second, third = sorted(self.metadata()["snapshots"],
                                      key=lambda s: s["sequence-number"])
        query = "SELECT count(*), min(id) FROM $t AT ({})"
        self.check_rows([(3, 1)], query.format(f"VERSION => {first['snapshot-id']}"))
        self.check_rows([(2, 2)], query.format(f"VERSION => {second['snapshot-id']}"))
        self.check_rows([(3, 2)], query.format(f"VERSION => {third['snapshot-id']}"))
        between = datetime.datetime.fromtimestamp((first["timestamp-ms"] + 0.5) / 1000, UTC)
        self.check_rows([(3, 1)], query.format(
            f"TIMESTAMP => TIMESTAMP '{between:%Y-%m-%d %H:%M:%S.%f}'"))
        snapshots = self.rows(f"SELECT snapshot_id FROM iceberg_snapshots({self.name()}) "
                              "ORDER BY sequence_number")
        self.assertEqual([(s["snapshot-id"],) for s in (first, second, third)], snapshots)


class Tables(DuckTest):
    def test_alter(self):
        self.people()
        self.run_sql("ALTER TABLE $t ADD COLUMN extra INTEGER",
                     "ALTER TABLE $t RENAME COLUMN name TO label",
                     "INSERT INTO $t VALUES (4, 'd', 5)",
                     "ALTER TABLE $t ALTER COLUMN extra TYPE BIGINT",
                     "INSERT INTO $t VALUES (5, 'e', 5000000000)")
        self.check_rows([(1, "a", None), (4, "d", 5), (5, "e", 5000000000)],
                        "SELECT id, label, extra FROM $t WHERE id IN (1, 4, 5) ORDER BY id")
        self.run_sql("ALTER TABLE $t DROP COLUMN extra")
        self.check_rows([(5, "e")], "FROM $t WHERE id = 5")
        self.run_sql("ALTER TABLE $t ADD COLUMN extra VARCHAR")  # a new field, not the old one
        self.check_rows([(5, "e", None)], "FROM $t WHERE id = 5")
        metadata = self.metadata()
        [schema] = [s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"]]
        self.assertEqual([1, 2, 4], [f["id"] for f in schema["fields"]])

    def test_partitions(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, ts TIMESTAMP, s VARCHAR) "
                     "PARTITIONED BY (day(ts), truncate(2, s))",
                     "INSERT INTO $t SELECT range, TIMESTAMP '2024-01-01' + INTERVAL (range) HOUR, "
                     "'s' || range FROM range(100)")
        self.check_rows([(24, 23)], "SELECT count(*), max(id) FROM $t "
                        "WHERE ts < TIMESTAMP '2024-01-02'")
        self.run_sql("ALTER TABLE $t SET PARTITIONED BY (bucket(4, id))",
                     "INSERT INTO $t SELECT range + 100, TIMESTAMP '2024-02-01', 'late' "
                     "FROM range(20)",
                     "UPDATE $t SET s = 'changed' WHERE id BETWEEN 95 AND 104")
        self.check_rows([(120, 10)], "SELECT count(*), count(*) FILTER (s = 'changed') FROM $t")
        metadata = self.metadata()
        specs = {s["spec-id"]: [(f["transform"], f["source-id"]) for f in s["fields"]]
                 for s in metadata["partition-specs"]}
        self.assertEqual([("day", 2), ("truncate[2]", 3)], specs[0])
        self.assertEqual([("bucket[4]", 1)], specs[metadata["default-spec-id"]])

    def test_properties(self):
        self.people()
        self.run_sql(f"CALL set_iceberg_table_properties({self.name()}, {{'a.b': 'c', 'd': 'e'}})",
                     f"CALL remove_iceberg_table_properties({self.name()}, ['d'])")
        found = dict(self.rows(f"FROM iceberg_table_properties({self.name()})"))
        self.assertEqual("c", found["a.b"])
        self.assertNotIn("d", found)
        self.assertEqual("c", self.metadata()["properties"]["a.b"])

    def test_version_3(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, v VARIANT) WITH ('format-version' = 3)",
                     "INSERT INTO $t SELECT range, {'n': range}::VARIANT FROM range(10)",
                     "DELETE FROM $t WHERE id = 3", "DELETE FROM $t WHERE id = 5",
                     "INSERT INTO $t VALUES (10, 42::VARIANT)")
        self.check_rows([(9, 10)], "SELECT count(*), max(id) FROM $t")
        self.check_rows([(4, 4)], "SELECT id, _row_id FROM $t WHERE id = 4")
        self.check_rows([("{'n': 4}", "42")],
                        "SELECT max(v::VARCHAR) FILTER (id = 4), max(v::VARCHAR) FILTER (id = 10) "
                        "FROM $t")
        metadata = self.metadata()
        self.assertEqual(3, metadata["format-version"])
        self.assertEqual(11, metadata["next-row-id"])
        folder = Path(metadata["location"].removeprefix("file://"))
        self.assertTrue(list(folder.rglob("*.puffin")), "no deletion vectors")


class Transactions(DuckTest):
    def two_tables(self):
        self.people()
        self.run_sql("CREATE TABLE $u (id BIGINT, name VARCHAR)")

    def test_commit(self):
        self.two_tables()
        self.run_sql("BEGIN", "INSERT INTO $t VALUES (4, 'd')", "DELETE FROM $t WHERE id = 1",
                     "INSERT INTO $u SELECT * FROM $t")
        other = self.connection()
        self.assertEqual([(3, 0)], self.rows("SELECT (SELECT count(*) FROM $t), "
                                             "(SELECT count(*) FROM $u)", on=other))
        self.run_sql("COMMIT")
        self.check_rows([(2,), (3,), (4,)], "SELECT id FROM $t ORDER BY id")
        self.check_rows([(2,), (3,), (4,)], "SELECT id FROM $u ORDER BY id")

    def test_rollback(self):
        self.two_tables()
        before = self.metadata()
        self.run_sql("BEGIN", "INSERT INTO $t VALUES (4, 'd')", "INSERT INTO $u VALUES (1, 'x')",
                     "ROLLBACK")
        self.check_rows([(3, 0)], "SELECT (SELECT count(*) FROM $t), (SELECT count(*) FROM $u)")
        self.assertEqual(before, self.metadata())

    def test_create_and_insert(self):
        self.run_sql("BEGIN", "CREATE TABLE $t (id BIGINT)", "INSERT INTO $t VALUES (1), (2)",
                     "CREATE TABLE $u AS SELECT 3 AS id", "COMMIT")
        self.check_rows([(2, 3)], "SELECT (SELECT count(*) FROM $t), (SELECT max(id) FROM $u)")

    def test_conflict(self):
        """Both tables or neither: the loser of a race on one of them writes nothing to the other."""
        self.two_tables()
        other = self.connection()
        self.run_sql("BEGIN", "INSERT INTO $u VALUES (7, 'lost')", "DELETE FROM $t WHERE id = 1")
        self.run_sql("DELETE FROM $t WHERE id = 2", on=other)
        with self.assertRaisesRegex(duckdb.Error, "409"):
            self.run_sql("COMMIT")
        self.check_rows([(1,), (3,)], "SELECT id FROM $t ORDER BY id")
        self.check_rows([(0,)], "SELECT count(*) FROM $u")
        self.run_sql("BEGIN", "INSERT INTO $u VALUES (8, 'won')", "DELETE FROM $t WHERE id = 1",
                     "COMMIT")
        self.check_rows([(3, "won")], "SELECT t.id, u.name FROM $t AS t, $u AS u")

    def test_schema_change_during_an_insert(self):
        """An append says only from which snapshot it comes; it holds for the schema before and after."""
        self.people()
        other = self.connection()
        self.run_sql("BEGIN", "INSERT INTO $t VALUES (4, 'd')")
        self.run_sql("ALTER TABLE $t DROP COLUMN name", on=other)
        self.run_sql("COMMIT")
        self.assertEqual([(1,), (2,), (3,), (4,)], self.rows("FROM $t ORDER BY id", on=other))
        self.assertEqual([(1,), (2,), (3,), (4,)],
                         self.rows("FROM $t ORDER BY id", on=self.connection()))

    def test_processes(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, name VARCHAR)")
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            lost = pool.starmap(insert_many, [(self.name(), w) for w in range(PROCESSES)])
        self.check_rows([(PROCESSES * INSERTS,) * 2], "SELECT count(*), count(DISTINCT id) FROM $t")
        self.assertEqual(PROCESSES * INSERTS, len(self.metadata()["snapshots"]))
        print(f"lost races: {sum(lost)}", end=" ")


class OneTableCommits(Transactions):
    """The same by the other way to commit: a request for each table."""
    options = ", DISABLE_MULTI_TABLE_COMMIT true"

    test_conflict = test_commit = None  # nothing is promised over two tables here

    def test_single(self):
        self.people()
        self.run_sql("BEGIN", "INSERT INTO $t VALUES (4, 'd')", "UPDATE $t SET name = 'u'", "COMMIT")
        self.check_rows([(4, "u")], "SELECT count(*), min(name) FROM $t")


if __name__ == "__main__":
    sys.argv.remove("--inside")
    sys.exit(run(sys.modules[__name__]))
