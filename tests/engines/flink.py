#!/usr/bin/env python3
"""A real Flink against a real firn, on files; what it appends is read back by PyIceberg.

    flink.py [URI] [--only TEST]

Statements that end run in one JVM, each job that is killed has one of its own. Besides the tests here
it executes the blocks of docs/engines/flink.md."""
import datetime
import decimal
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.engines.flink_shell import (FlinkTest, Job, Program, Shell,  # noqa: E402
                                       enter_environment, source)

if __name__ == "__main__":
    enter_environment()

from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.transforms import BucketTransform  # noqa: E402

from tests.docs import snippets  # noqa: E402
from tests.engines.engine import address, run  # noqa: E402
from tests.harness import Server  # noqa: E402

ROWS = 60000
DOCUMENT = "docs/engines/flink.md"
TYPES = ("BOOLEAN", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(20, 4)", "DATE", "TIMESTAMP_LTZ(6)",
         "TIMESTAMP(6)", "STRING", "BYTES", "ARRAY<INT>", "MAP<STRING, ROW<x INT>>",
         "ROW<y ARRAY<STRING>>")


def pyiceberg(uri=None):
    return load_catalog("c", type="rest", uri=uri or address())


def scan(ns, name, uri=None):
    return pyiceberg(uri).load_table((ns, name)).scan().to_arrow()


class Names(FlinkTest):
    def test_databases(self):
        self.fails("already exists", f"CREATE DATABASE c.{self.ns}")
        self.run_sql(f"CREATE DATABASE IF NOT EXISTS c.{self.ns}")
        self.assertIn((self.ns,), self.rows("SHOW DATABASES IN c"))
        self.run_sql(f"ALTER DATABASE c.{self.ns} SET ('team' = 'us')", "CREATE TABLE $t (id INT)")
        self.assertEqual("us", pyiceberg().load_namespace_properties(self.ns)["team"])
        self.check_rows([("t",)], f"SHOW TABLES FROM c.{self.ns}")
        self.fails("not empty", f"DROP DATABASE c.{self.ns}")
        self.run_sql("DROP TABLE $t", f"DROP DATABASE c.{self.ns}",
                     f"DROP DATABASE IF EXISTS c.{self.ns}")
        self.assertNotIn((self.ns,), self.rows("SHOW DATABASES IN c"))

    def test_names(self):
        names = ("with space", "per%cent", "sla/sh", "é 🧊", "quo'te", "plus+", "Upper", "a.b")
        for name in names:
            with self.subTest(name=name):
                self.run_sql(f"CREATE TABLE $`{name}` (`{name}` INT)")
                self.assertEqual(name, self.rows(f"DESCRIBE $`{name}`")[0][0])
        self.run_sql(f"INSERT INTO $`{names[3]}` VALUES (1)")
        self.check_rows([(1,)], f"SELECT `{names[3]}` FROM $`{names[3]}`")
        self.check_rows([(n,) for n in sorted(names)], f"SHOW TABLES FROM c.{self.ns}")

    def test_rename_and_drop(self):
        self.run_sql("CREATE TABLE $t (id INT)", "INSERT INTO $t VALUES (1)",
                     "ALTER TABLE $t RENAME TO u", "INSERT INTO $u VALUES (2)")
        self.fails("not found", "SELECT * FROM $t")
        self.check_rows([(1,), (2,)], "SELECT * FROM $u ORDER BY id")
        self.run_sql("CREATE TABLE $t (id INT)")
        self.fails("already exists", "CREATE TABLE $u (id INT)")
        self.fails("exist", "ALTER TABLE $t RENAME TO u")
        self.run_sql("DROP TABLE $u", "DROP TABLE IF EXISTS $u")
        self.fails("exist", "DROP TABLE $u")
        self.check_rows([("t",)], f"SHOW TABLES FROM c.{self.ns}")
        self.assertEqual([], scan(self.ns, "t").to_pylist())


class Rows(FlinkTest):
    def check_both(self, expected, name="t"):
        """As Flink reads it and as PyIceberg does."""
        self.assertEqual(expected, sorted(self.rows(f"SELECT * FROM ${name}")))
        self.assertEqual(expected, sorted(tuple(r.values()) for r in scan(self.ns, name).to_pylist()))

    def test_overwrite(self):
        self.run_sql("CREATE TABLE $t (id INT, g STRING) PARTITIONED BY (g)",
                     "INSERT INTO $t VALUES (1, 'a'), (2, 'a'), (3, 'b')",
                     "INSERT OVERWRITE $t VALUES (4, 'b'), (5, 'c')")  # the partitions that it touches
        self.check_both([(1, "a"), (2, "a"), (4, "b"), (5, "c")])
        self.run_sql("INSERT OVERWRITE $t PARTITION (g = 'a') SELECT 6")
        self.check_both([(4, "b"), (5, "c"), (6, "a")])
        self.run_sql("CREATE TABLE $u (id INT)", "INSERT INTO $u VALUES (1), (2)",
                     "INSERT OVERWRITE $u VALUES (3)")
        self.check_both([(3,)], "u")
        operations = [s["summary"]["operation"] for s in self.snapshots("u")]
        self.assertEqual(["append", "overwrite"], operations)

    def test_create_as_and_like(self):
        self.run_sql("CREATE TABLE $t WITH ('k' = 'v') AS SELECT 1 AS id, 'a' AS name",
                     "CREATE TABLE $u LIKE $t", "INSERT INTO $u SELECT id + 1, name FROM $t")
        self.check_both([(1, "a")])
        self.check_both([(2, "a")], "u")
        self.assertEqual("v", self.metadata("u")["properties"]["k"])

    def test_types(self):
        self.run_sql("CREATE TABLE $t (a BOOLEAN, b INT, c BIGINT, d FLOAT, e DOUBLE, f DECIMAL(20, 4), g DATE, "
                     "h TIMESTAMP_LTZ(6), i TIMESTAMP(6), j STRING, k BYTES, l ARRAY<INT>, "
                     "m MAP<STRING, ROW<x INT>>, n ROW<y ARRAY<STRING>>)",
                     "INSERT INTO $t VALUES (true, -7, 1152921504606846976, CAST(1.5 AS FLOAT), 0.1e0, 123.4567, "
                     "DATE '1969-12-31', TO_TIMESTAMP_LTZ(1709210096123, 3), "
                     "TIMESTAMP '2024-02-29 12:34:56.123456', 'é🧊', X'00FF', ARRAY[1, CAST(NULL AS INT)], "
                     "MAP['k', ROW(1)], ROW(ARRAY['deep']))",
                     f"INSERT INTO $t SELECT {', '.join(f'CAST(NULL AS {t})' for t in TYPES)}")
        utc = datetime.timezone.utc
        # PyArrow's null map is an empty list
        found = [[None if v == [] else v for v in r.values()] for r in scan(self.ns, "t").to_pylist()]
        self.assertEqual([
            [True, -7, 1152921504606846976, 1.5, 0.1, decimal.Decimal("123.4567"), datetime.date(1969, 12, 31),
             datetime.datetime(2024, 2, 29, 12, 34, 56, 123000, utc),
             datetime.datetime(2024, 2, 29, 12, 34, 56, 123456), "é🧊", b"\0\xff", [1, None],
             [("k", {"x": 1})], {"y": ["deep"]}],
            [None] * 14], sorted(found, key=lambda row: row[0] is None))
        self.check_rows([("2024-02-29 12:34:56.123000", "2024-02-29 12:34:56.123456", "é🧊", 1, "deep")],
                        "SELECT CAST(h AS STRING), CAST(i AS STRING), j, m['k'].x, n.y[1] FROM $t "
                        "WHERE c = 1152921504606846976 AND k = X'00FF' AND g = DATE '1969-12-31'")
        self.check_rows([(1,)], "SELECT COUNT(*) FROM $t WHERE a IS NULL AND l IS NULL AND m IS NULL "
                                "AND n IS NULL")

    def test_evolution(self):
        self.run_sql("CREATE TABLE $t (id INT, name STRING, gone INT)",
                     "INSERT INTO $t VALUES (1, 'a', 0)",
                     "ALTER TABLE $t ADD (more DOUBLE COMMENT 'new')",
                     "ALTER TABLE $t MODIFY id BIGINT", "ALTER TABLE $t DROP gone",
                     "ALTER TABLE $t RENAME name TO label",
                     "ALTER TABLE $t MODIFY more DOUBLE FIRST",
                     "INSERT INTO $t VALUES (0.5e0, 5000000000, 'b')")
        self.check_rows([(None, 1, "a"), (0.5, 5000000000, "b")], "SELECT * FROM $t ORDER BY id")
        self.assertEqual([{"more": None, "id": 1, "label": "a"},
                          {"more": 0.5, "id": 5000000000, "label": "b"}],
                         scan(self.ns, "t").sort_by("id").to_pylist())
        self.run_sql("ALTER TABLE $t SET ('k' = 'v', 'l' = 'w')", "ALTER TABLE $t RESET ('l')")
        self.assertEqual("v", self.metadata()["properties"]["k"])
        self.assertNotIn("l", self.metadata()["properties"])
        self.fails("Cannot change column type|not", "ALTER TABLE $t MODIFY label INT")

    def test_new_partition_spec(self):
        self.run_sql("CREATE TABLE $t (id INT, g STRING) PARTITIONED BY (g)",
                     "INSERT INTO $t VALUES (1, 'a'), (2, 'b')")
        with pyiceberg().load_table((self.ns, "t")).update_spec() as update:
            update.remove_field("g")
            update.add_field("id", BucketTransform(4), "id_bucket")
        self.run_sql("INSERT INTO $t VALUES (3, 'a'), (4, 'c')")
        self.check_both([(1, "a"), (2, "b"), (3, "a"), (4, "c")])
        self.check_rows([(1, "a"), (3, "a")], "SELECT * FROM $t WHERE g = 'a' ORDER BY id")

    def test_time_travel(self):
        self.run_sql("CREATE TABLE $t (id INT)", "INSERT INTO $t VALUES (1)", "INSERT INTO $t VALUES (2)")
        first, second = self.snapshots()
        table = pyiceberg().load_table((self.ns, "t"))
        table.manage_snapshots().create_branch(first["snapshot-id"], "b").create_tag(
            first["snapshot-id"], "start").commit()
        self.run_sql("INSERT INTO $t /*+ OPTIONS('branch' = 'b') */ VALUES (3)",
                     "INSERT INTO $t VALUES (4)")
        for option, expected in ((f"'snapshot-id' = '{first['snapshot-id']}'", [1]),
                                 (f"'snapshot-id' = '{second['snapshot-id']}'", [1, 2]),
                                 (f"'as-of-timestamp' = '{second['timestamp-ms']}'", [1, 2]),
                                 ("'tag' = 'start'", [1]), ("'branch' = 'b'", [1, 3]),
                                 ("'start-snapshot-id' = '{}', 'end-snapshot-id' = '{}'".format(
                                     first["snapshot-id"], second["snapshot-id"]), [2]),
                                 ("'branch' = 'main'", [1, 2, 4])):
            with self.subTest(option=option):
                self.check_rows([(i,) for i in expected],
                                f"SELECT * FROM $t /*+ OPTIONS({option}) */ ORDER BY id")

    def test_versions(self):
        for version in (1, 2, 3):
            name = f"v{version}"
            self.run_sql(f"CREATE TABLE ${name} (id INT, name STRING) "
                         f"WITH ('format-version' = '{version}')", f"INSERT INTO ${name} VALUES (1, 'a')")
            self.assertEqual(version, self.metadata(name)["format-version"])
        for version in (2, 3):
            self.run_sql(f"ALTER TABLE $v1 SET ('format-version' = '{version}')",
                         f"INSERT INTO $v1 VALUES ({version}, 'b')")
            self.assertEqual(version, self.metadata("v1")["format-version"])
        self.check_both([(1, "a"), (2, "b"), (3, "b")], "v1")
        self.check_both([(1, "a")], "v3")
        self.assertEqual(1, self.metadata("v3")["next-row-id"])

    def test_upsert(self):
        for version in (2, 3):
            with self.subTest(version=version):
                self.run_sql(f"CREATE TABLE $v{version} (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED) "
                             f"WITH ('format-version' = '{version}', 'write.upsert.enabled' = 'true')",
                             f"INSERT INTO $v{version} VALUES (1, 'a'), (2, 'b'), (1, 'c')",
                             f"INSERT INTO $v{version} VALUES (2, 'd'), (3, 'e')")
                self.check_rows([(1, "c"), (2, "d"), (3, "e")], f"SELECT * FROM $v{version} ORDER BY id")

    def test_metadata_tables(self):
        self.run_sql("CREATE TABLE $t (id INT)", "INSERT INTO $t VALUES (1), (2)")
        [snapshot] = self.snapshots()
        found = self.shell.run(f"SELECT snapshot_id, operation FROM c.{self.ns}.`t$snapshots`")
        self.assertEqual([(snapshot["snapshot-id"], "append")], found)


class StreamTest(FlinkTest):
    def check_ids(self, count, name="t", uri=None):
        """Each number once, as PyIceberg reads it."""
        found = sorted(scan(self.ns, name, uri).column("id").to_pylist())
        self.assertEqual(count, len(found))
        self.assertEqual(list(range(count)), found)


class Sinks(StreamTest):
    def test_append(self):
        """Both sinks that Iceberg has for Flink, each killed three times."""
        jobs = {}
        for name, second in (("t", "false"), ("u", "true")):
            self.run_sql(f"CREATE TABLE ${name} (id BIGINT, name STRING)")
            jobs[name] = Job(
                self, self.expand(f"INSERT INTO ${name} SELECT id, CONCAT('v', CAST(id AS STRING)) FROM gen"),
                source("gen", ROWS), **{"table.exec.iceberg.use-v2-sink": second})
        self.together(*((self.run_with_kills, job, name, 3) for name, job in jobs.items()))
        for name in jobs:
            self.check_ids(ROWS, name)
            self.check_checkpoints(name)

    def test_upsert(self):
        keys, jobs = 300, {}
        for version in (2, 3):
            name = f"v{version}"
            self.run_sql(f"CREATE TABLE ${name} (k BIGINT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH "
                         f"('format-version' = '{version}', 'write.upsert.enabled' = 'true')")
            jobs[name] = Job(self, self.expand(f"INSERT INTO ${name} SELECT MOD(id, {keys}), id FROM gen"),
                             source("gen", ROWS))
        self.together(*((self.run_with_kills, job, name, 2) for name, job in jobs.items()))
        expected = sorted((i % keys, i) for i in range(ROWS - keys, ROWS))
        for name, marker in (("v2", "added-equality-delete-files"), ("v3", "added-dvs")):
            self.assertEqual(expected, sorted(self.rows(f"SELECT k, v FROM ${name}")))
            self.check_checkpoints(name)
            self.assertTrue(any(marker in s["summary"] for s in self.snapshots(name)))

    def test_two_jobs_on_one_table(self):
        self.run_sql("CREATE TABLE $t (id BIGINT)")
        jobs = [Job(self, self.expand(f"INSERT INTO $t SELECT id + {start} FROM gen"), source("gen", ROWS),
                    **{"execution.checkpointing.interval": "1s"}) for start in (0, ROWS)]
        self.together(*((self.run_with_kills, job, "t", kills) for job, kills in zip(jobs, (1, 2))))
        self.check_ids(2 * ROWS)
        self.check_checkpoints()


class Readers(StreamTest):
    def test_incremental(self):
        """A table followed by a job that is killed, into another table."""
        self.run_sql("CREATE TABLE $t (id BIGINT)", "CREATE TABLE $u (id BIGINT)")
        writer = Job(self, self.expand("INSERT INTO $t SELECT id FROM gen"), source("gen", ROWS))
        reader = Job(self, self.expand(
            "INSERT INTO $u SELECT id FROM $t /*+ OPTIONS('streaming' = 'true', 'monitor-interval' = '500ms', "
            "'starting-strategy' = 'INCREMENTAL_FROM_EARLIEST_SNAPSHOT') */"))

        self.together((self.start_and_kill, reader, "u", 2), (self.start_and_kill, writer, "t", 0))
        writer.finish()
        self.wait_for(lambda: total(self.snapshots("u")) >= ROWS, reader, "last rows")
        reader.kill()
        for name in ("t", "u"):
            self.check_ids(ROWS, name)
            self.check_checkpoints(name)


class Failures(StreamTest):
    """The catalog dies instead of the job."""

    def test_catalog_killed(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        listen, uri = f"127.0.0.1:{server.port}", server.url
        pyiceberg(uri).create_namespace(self.ns)
        shell = Shell(self.program, "batch", uri=uri)
        self.addCleanup(shell.close)
        shell.run(self.expand("CREATE TABLE $t (id BIGINT)"))
        job = Job(self, self.expand("INSERT INTO $t SELECT id FROM gen"), source("gen", ROWS), uri=uri,
                  **{"execution.checkpointing.interval": "1s"}).start()
        self.wait_for_commit(job, uri=uri)
        for place in ("commit_before_put", "commit_after_put", "metastore_before_commit",
                      "metastore_after_commit", "commit_before_reply"):
            server.kill()
            server.set_failpoints(f"{place}=crash@2")
            server.spawn(listen)
            self.assertTrue(server.wait_ready())
            self.assertEqual(137, server.wait_exit(), place)
            self.assertTrue(job.running)
        server.set_failpoints(None)
        server.spawn(listen)
        self.assertTrue(server.wait_ready())
        job.finish()
        self.check_ids(ROWS, uri=uri)
        self.check_checkpoints(uri=uri)
        server.stop()


class Documentation(unittest.TestCase):
    def test_the_document(self):
        shell = Shell(FlinkTest.program, "streaming")
        self.addCleanup(shell.close)
        blocks = snippets.of(DOCUMENT, "flink-sql", address=address().removeprefix("http://"))
        shell.run(*snippets.statements(blocks))
        self.assertEqual(500, scan("shop", "orders").num_rows)
        rows = FlinkTest.shell.run("SELECT item, pieces FROM c.shop.stock ORDER BY item")
        self.assertEqual([("milk", 3), ("tea", 9)], rows)
        FlinkTest.shell.run("DROP TABLE c.shop.orders", "DROP TABLE c.shop.stock", "DROP DATABASE c.shop")


def total(snapshots):
    return int(snapshots[-1]["summary"]["total-records"]) if snapshots else 0


def setUpModule():
    program = Program()
    program.archive_classes()
    FlinkTest.start(program)
    unittest.addModuleCleanup(FlinkTest.shell.close)


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
