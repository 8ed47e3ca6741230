#!/usr/bin/env python3
"""A real Spark against a real firn, on files: what it writes is read back by a catalog that keeps
nothing in memory.

    spark.py [URI] [--only TEST]

Runs in the environment of tests/clients/venv.sh spark, which it makes when it has to, and in one
JVM. Besides the tests here it executes the blocks of docs/engines/spark.md."""
import contextlib
import datetime
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.engines.java import java_home, maven, missing_tools  # noqa: E402

if __name__ == "__main__" and "--inside" not in sys.argv:
    if missing_tools():
        print(f"{missing_tools()}\n0 passed, 1 failed")
        sys.exit(1)
    made = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), "spark"],
                          stdout=subprocess.PIPE, check=True)
    python = os.path.join(made.stdout.decode().strip(), "bin", "python")
    os.execv(python, [python, __file__, *sys.argv[1:], "--inside"])

from pyspark.sql import SparkSession  # noqa: E402

from tests.docs import snippets  # noqa: E402
from tests.engines.engine import EngineTest, address, run  # noqa: E402
from tests.harness import quote  # noqa: E402

DRIVER_MEMORY = "1g"
DOCUMENT = "docs/engines/spark.md"
# Many and short waits: Iceberg's grow to a minute each.
RETRIES = "'commit.retry.num-retries' = '100', 'commit.retry.max-wait-ms' = '500'"
WRITE_MODES = ("copy-on-write", "merge-on-read")


def runtime_jar():
    with tempfile.NamedTemporaryFile("r", suffix=".path") as found:
        status, output = maven(Path(__file__).resolve().parent / "spark",
                               "dependency:build-classpath", f"-Dmdep.outputFile={found.name}",
                               f"-Dfirn.build={ROOT / 'build' / 'spark'}")
        if status != 0:
            raise RuntimeError(output[-3000:])
        return found.read().strip()


def catalog_options(name, **more):
    options = {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": address(),
               **{f".{k.replace('_', '-')}": v for k, v in more.items()}}
    return {f"spark.sql.catalog.{name}{k}": v for k, v in options.items()}


def start(temp):
    """Catalog c is as users have it, r reads without any cache."""
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = {
        "spark.ui.enabled": "false", "spark.driver.memory": DRIVER_MEMORY,
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.local.dir": temp, "spark.sql.warehouse.dir": f"{temp}/spark-warehouse",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={temp} -Djava.io.tmpdir={temp}",
        "spark.jars": runtime_jar(), "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2", "spark.sql.session.timeZone": "UTC",
        "spark.ui.showConsoleProgress": "false", "spark.sql.codegen.wholeStage": "false",
        **catalog_options("c"), **catalog_options("r", cache_enabled="false"),
        **{k: v for k, v in snippets.properties(document_blocks("spark-conf")).items()
           if k != "spark.jars.packages"},
    }
    builder = SparkSession.builder.master("local[2]").appName("firn")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    logging.getLogger("SQLQueryContextLogger").disabled = True  # errors are expected here
    return session


def document_blocks(what):
    return snippets.of(DOCUMENT, what, address=address().removeprefix("http://"))


def metadata_of(kind, ns, name):
    """What the catalog says, without Spark."""
    url = f"{address()}/v1/namespaces/{quote(ns)}/{kind}/{quote(name)}"
    with urllib.request.urlopen(url) as reply:
        return json.load(reply)


def files_below(location):
    folder = Path(location.removeprefix("file://").removeprefix("file:"))
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".crc")


class SparkTest(EngineTest):
    @classmethod
    def setUpClass(cls):
        cls.spark = SESSION

    def setUp(self):
        self.ns = self.fresh_name("n")
        self.run_sql(f"CREATE NAMESPACE c.{self.ns}")

    def expand(self, sql, catalog="c"):
        """$t is this test's table t; $$ the namespace as procedures take it."""
        return sql.replace("$$", f"{self.ns}.").replace("$", f"{catalog}.{self.ns}.")

    def run_sql(self, *statements, session=None):
        for statement in statements:
            last = (session or self.spark).sql(self.expand(statement))
        return last

    def rows(self, sql, catalog="c", session=None):
        found = (session or self.spark).sql(self.expand(sql, catalog)).collect()
        return [tuple(row) for row in found]

    def check_rows(self, expected, sql):
        """The same for the catalog that wrote and for one that has seen nothing."""
        self.assertEqual(expected, self.rows(sql))
        self.assertEqual(expected, self.rows(sql, catalog="r"))

    def value(self, sql, **kw):
        [(value,)] = self.rows(sql, **kw)
        return value

    def loaded(self, name="t"):
        return metadata_of("tables", self.ns, name)

    def metadata(self, name="t"):
        return self.loaded(name)["metadata"]

    def snapshot_ids(self, name="t"):
        found = sorted(self.metadata(name)["snapshots"], key=lambda s: s["sequence-number"])
        return [s["snapshot-id"] for s in found]

    def people(self, name="t", properties="'a' = 'b'"):
        self.run_sql(f"CREATE TABLE ${name} (id BIGINT, name STRING) TBLPROPERTIES ({properties})",
                     f"INSERT INTO ${name} VALUES (1, 'a'), (2, 'b'), (3, 'c')")

    def fails(self, pattern, *statements):
        with self.assertRaisesRegex(Exception, pattern):
            self.run_sql(*statements)


class Names(SparkTest):
    def test_nested_namespaces(self):
        self.run_sql("CREATE NAMESPACE $a COMMENT 'outer' WITH PROPERTIES (team = 'us')",
                     "CREATE NAMESPACE $a.b", "CREATE TABLE $a.b.t AS SELECT 1 AS one",
                     "CREATE NAMESPACE IF NOT EXISTS $a.b")
        self.check_rows([(f"{self.ns}.a",)], f"SHOW NAMESPACES IN c.{self.ns}")
        self.check_rows([(f"{self.ns}.a.b",)], "SHOW NAMESPACES IN $a")
        self.check_rows([(1,)], "SELECT * FROM $a.b.t")
        self.run_sql("ALTER NAMESPACE $a SET PROPERTIES (team = 'them', more = 'x')")
        described = dict(self.rows("DESCRIBE NAMESPACE EXTENDED $a"))
        self.assertEqual("outer", described["Comment"])
        self.assertIn("(more,x)", described["Properties"])
        self.assertIn("(team,them)", described["Properties"])
        self.run_sql("ALTER NAMESPACE $a UNSET PROPERTIES (more)")
        self.assertNotIn("more", dict(self.rows("DESCRIBE NAMESPACE EXTENDED $a", "r"))["Properties"])
        self.fails("not empty", "DROP NAMESPACE $a")
        self.fails("already exists|ALREADY_EXISTS", "CREATE NAMESPACE $a.b")
        self.run_sql("DROP TABLE $a.b.t", "DROP NAMESPACE $a.b", "DROP NAMESPACE $a",
                     "DROP NAMESPACE IF EXISTS $a")
        self.check_rows([], f"SHOW NAMESPACES IN c.{self.ns}")
        self.fails("NOT_FOUND|not exist", "CREATE TABLE $missing.t (id INT)")

    def test_names(self):
        for name in ("with space", "per%cent", "sla/sh", "é 🧊", "quo'te", "plus+", "Upper", "a.b"):
            with self.subTest(name=name):
                self.run_sql(f"CREATE NAMESPACE $`{name}`",
                             f"CREATE TABLE $`{name}`.`{name}` AS SELECT 1 AS one",
                             f"INSERT INTO $`{name}`.`{name}` VALUES (2)")
                self.check_rows([(3,)], f"SELECT sum(one) FROM $`{name}`.`{name}`")
                self.assertEqual(name, self.rows(f"SHOW TABLES IN $`{name}`", "r")[0][1])

    def test_rename(self):
        self.people()
        location = self.metadata()["location"]
        self.run_sql("CREATE NAMESPACE $other", "ALTER TABLE $t RENAME TO $$other.u",
                     "INSERT INTO $other.u VALUES (4, 'd')")
        self.check_rows([(4,)], "SELECT count(*) FROM $other.u")
        self.fails("TABLE_OR_VIEW_NOT_FOUND", "SELECT * FROM $t")
        self.people()
        self.assertNotEqual(location, self.metadata()["location"])
        self.fails("already exists|ALREADY_EXISTS", "ALTER TABLE $t RENAME TO $$other.u")
        self.check_rows([(3, 4)], "SELECT (SELECT count(*) FROM $t), (SELECT count(*) FROM $other.u)")

    def test_drop(self):
        self.people()
        location = self.metadata()["location"]
        before = files_below(location)
        self.run_sql("DROP TABLE $t", "DROP TABLE IF EXISTS $t")
        self.check_rows([], f"SHOW TABLES IN c.{self.ns}")
        time.sleep(6)  # longer than the sweeper sleeps
        self.assertEqual(before, files_below(location))
        self.fails("NOT_FOUND", "DROP TABLE $t")

    def test_drop_with_purge(self):
        self.people()
        location = self.metadata()["location"]
        self.run_sql("DROP TABLE $t PURGE")
        self.assertEqual([], [p for p in files_below(location) if p.suffix in (".parquet", ".avro")])
        self.people()
        self.check_rows([(3,)], "SELECT count(*) FROM $t")


class Rows(SparkTest):
    def test_create_and_replace_as(self):
        self.run_sql("CREATE TABLE $t USING iceberg PARTITIONED BY (bucket(2, i)) AS "
                     "SELECT id AS i, concat('v', id) AS s FROM range(100)")
        self.check_rows([(100, 4950)], "SELECT count(*), sum(i) FROM $t")
        [old] = self.snapshot_ids()
        self.run_sql("REPLACE TABLE $t USING iceberg PARTITIONED BY (s) TBLPROPERTIES ('k' = 'v') AS "
                     "SELECT 'x' AS s, 1 AS other")
        self.check_rows([("x", 1)], "SELECT * FROM $t")
        self.check_rows([(100,)], f"SELECT count(*) FROM $t VERSION AS OF {old}")
        self.run_sql("CREATE OR REPLACE TABLE $t AS SELECT 2 AS two",
                     "CREATE OR REPLACE TABLE $u AS SELECT * FROM $t")
        self.check_rows([(2, 2)], "SELECT t.two, u.two FROM $t AS t, $u AS u")
        self.assertEqual(3, len(self.metadata()["snapshots"]))
        self.fails("already exists|ALREADY_EXISTS", "CREATE TABLE $t AS SELECT 1 AS one")
        self.fails("NOT_FOUND", "REPLACE TABLE $missing AS SELECT 1 AS one")

    def test_update_delete_merge(self):
        for mode in WRITE_MODES:
            for version in (2, 3):
                with self.subTest(mode=mode, version=version):
                    self.people(properties=f"'write.delete.mode' = '{mode}', 'write.update.mode' = "
                                f"'{mode}', 'write.merge.mode' = '{mode}', 'format-version' = {version}")
                    self.run_sql("UPDATE $t SET name = 'z' WHERE id = 2", "DELETE FROM $t WHERE id = 1",
                                 "MERGE INTO $t t USING (SELECT 3L AS id UNION ALL SELECT 9L) s "
                                 "ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = 'm' "
                                 "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'new')",
                                 "MERGE INTO $t t USING (SELECT 2L AS id) s ON t.id = s.id "
                                 "WHEN MATCHED THEN DELETE "
                                 "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = concat(name, '!')")
                    self.check_rows([(3, "m!"), (9, "new!")], "SELECT * FROM $t ORDER BY id")
                    deletes = self.value("SELECT count(*) FROM $t.all_delete_files")
                    self.assertEqual(mode == "merge-on-read", deletes > 0)
                    self.run_sql("DROP TABLE $t")

    def test_overwrite(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, day DATE) PARTITIONED BY (day)",
                     "INSERT INTO $t VALUES (1, DATE '2024-01-01'), (2, DATE '2024-01-02')",
                     "SET spark.sql.sources.partitionOverwriteMode = dynamic")
        try:
            self.run_sql("INSERT OVERWRITE $t VALUES (3, DATE '2024-01-02')")
        finally:
            self.run_sql("RESET spark.sql.sources.partitionOverwriteMode")
        self.check_rows([(1,), (3,)], "SELECT id FROM $t ORDER BY id")
        self.run_sql("INSERT OVERWRITE $t PARTITION (day = DATE '2024-01-01') VALUES (4)")
        self.check_rows([(3,), (4,)], "SELECT id FROM $t ORDER BY id")
        self.run_sql("INSERT OVERWRITE $t VALUES (5, DATE '2024-01-03')")
        self.check_rows([(5,)], "SELECT id FROM $t")
        self.run_sql("TRUNCATE TABLE $t")
        self.check_rows([(0,)], "SELECT count(*) FROM $t")

    def test_types(self):
        self.run_sql("CREATE TABLE $t (a BOOLEAN, b INT, c BIGINT, d FLOAT, e DOUBLE, f DECIMAL(20, 4), "
                     "g DATE, h TIMESTAMP, i TIMESTAMP_NTZ, j STRING, k BINARY, l ARRAY<INT>, "
                     "m MAP<STRING, STRUCT<x: INT>>, n STRUCT<y: ARRAY<STRUCT<z: STRING>>>)",
                     "INSERT INTO $t VALUES (true, -7, 1152921504606846976, 1.5, 0.1, 123.4567, "
                     "DATE '1969-12-31', TIMESTAMP '2024-02-29 12:34:56.123456Z', "
                     "TIMESTAMP_NTZ '2024-02-29 12:34:56', 'é🧊', X'00FF', array(1, null), "
                     "map('k', named_struct('x', 1)), named_struct('y', array(named_struct('z', 'deep'))))",
                     f"INSERT INTO $t VALUES ({', '.join(['null'] * 14)})")
        self.check_rows([("1152921504606846976", "123.4567", "1969-12-31", "2024-02-29 12:34:56.123456",
                          "2024-02-29 12:34:56", "é🧊", "00FF", "[1,null]", '{"k":{"x":1}}',
                          '{"y":[{"z":"deep"}]}')],
                        "SELECT string(c), string(f), string(g), string(h), string(i), j, hex(k), to_json(l), "
                        "to_json(m), to_json(n) FROM $t WHERE a AND b = -7 AND d = 1.5 AND e = 0.1D")
        self.check_rows([(1,)], "SELECT count(*) FROM $t WHERE a IS NULL AND n IS NULL")

    def test_time_travel(self):
        self.people()
        self.run_sql("DELETE FROM $t WHERE id = 1", "ALTER TABLE $t ADD COLUMN more INT",
                     "INSERT INTO $t VALUES (4, 'd', 44)")
        first, second, third = self.snapshot_ids()
        stamps = {s["snapshot-id"]: s["timestamp-ms"] for s in self.metadata()["snapshots"]}
        self.check_rows([(3, 1)], f"SELECT count(*), min(id) FROM $t VERSION AS OF {first}")
        self.check_rows([(2, 2)], f"SELECT count(*), min(id) FROM $t FOR SYSTEM_VERSION AS OF {second}")
        self.check_rows([(4, "d", 44)], f"SELECT * FROM $t VERSION AS OF {third} WHERE id = 4")
        at = datetime.datetime.fromtimestamp((stamps[first] + 1) / 1000, datetime.timezone.utc)
        self.check_rows([(3,)], f"SELECT count(*) FROM $t TIMESTAMP AS OF "
                                f"'{at:%Y-%m-%d %H:%M:%S.%f}'")
        self.fails("Cannot", "SELECT * FROM $t VERSION AS OF 12345")
        appends = (self.spark.read.format("iceberg").option("start-snapshot-id", second)
                   .option("end-snapshot-id", third).load(self.expand("$t")).collect())
        self.assertEqual([(4, "d", 44)], [tuple(r) for r in appends])


class Tables(SparkTest):
    def test_alter(self):
        self.run_sql("CREATE TABLE $t (id INT NOT NULL, s STRUCT<x: INT>, name STRING COMMENT 'old')",
                     "INSERT INTO $t VALUES (1, named_struct('x', 1), 'a')",
                     "ALTER TABLE $t ADD COLUMNS (more STRING COMMENT 'new' AFTER id, s.y DECIMAL(5, 2))",
                     "ALTER TABLE $t ALTER COLUMN id TYPE BIGINT",
                     "ALTER TABLE $t ALTER COLUMN s.y TYPE DECIMAL(9, 2)",
                     "ALTER TABLE $t ALTER COLUMN id DROP NOT NULL",
                     "ALTER TABLE $t ALTER COLUMN name COMMENT 'newer'",
                     "ALTER TABLE $t RENAME COLUMN name TO label",
                     "ALTER TABLE $t ALTER COLUMN label FIRST",
                     "INSERT INTO $t VALUES ('b', null, 'm', named_struct('x', 2, 'y', 12345.67))")
        self.check_rows([("a", 1, None, 1, None), ("b", None, "m", 2, "12345.67")],
                        "SELECT label, id, more, s.x, string(s.y) FROM $t ORDER BY label")
        self.run_sql("ALTER TABLE $t DROP COLUMNS (more, s.x)", "ALTER TABLE $t ADD COLUMN more INT")
        self.check_rows([("b", None, None)], "SELECT label, id, more FROM $t WHERE s.y IS NOT NULL")
        self.fails("Cannot change column type|NOT_SUPPORTED", "ALTER TABLE $t ALTER COLUMN id TYPE INT")
        self.run_sql("ALTER TABLE $t SET TBLPROPERTIES ('k' = 'v', 'gone' = '1')",
                     "ALTER TABLE $t UNSET TBLPROPERTIES ('gone')")
        properties = dict(self.rows("SHOW TBLPROPERTIES $t", "r"))
        self.assertEqual("v", properties["k"])
        self.assertNotIn("gone", properties)
        self.assertIn("newer", str(self.rows("DESCRIBE TABLE EXTENDED $t", "r")))

    def test_partition_evolution(self):
        self.run_sql("CREATE TABLE $t (id BIGINT NOT NULL, ts TIMESTAMP, s STRING) PARTITIONED BY (days(ts))",
                     "INSERT INTO $t SELECT id, TIMESTAMP '2024-01-01' + make_interval(0, 0, 0, 0, int(id)), "
                     "concat('s', id) FROM range(48)",
                     "ALTER TABLE $t ADD PARTITION FIELD bucket(4, id) AS shard",
                     "INSERT INTO $t VALUES (100, TIMESTAMP '2024-01-01 01:00:00', 'x')",
                     "ALTER TABLE $t REPLACE PARTITION FIELD days(ts) WITH hours(ts)",
                     "INSERT INTO $t VALUES (101, TIMESTAMP '2024-01-01 02:00:00', 'y')",
                     "ALTER TABLE $t DROP PARTITION FIELD shard",
                     "ALTER TABLE $t ADD PARTITION FIELD truncate(1, s)",
                     "ALTER TABLE $t WRITE ORDERED BY s DESC NULLS LAST, id",
                     "ALTER TABLE $t SET IDENTIFIER FIELDS id",
                     "INSERT INTO $t VALUES (102, TIMESTAMP '2024-01-03', 'z')",
                     "DELETE FROM $t WHERE ts < TIMESTAMP '2024-01-01 02:00:00'")
        self.check_rows([(48, 102)], "SELECT count(*), max(id) FROM $t")
        metadata = self.metadata()
        self.assertEqual(5, len(metadata["partition-specs"]))
        [spec] = [s for s in metadata["partition-specs"] if s["spec-id"] == metadata["default-spec-id"]]
        self.assertEqual(["hour", "truncate[1]"], [f["transform"] for f in spec["fields"]])
        [order] = [o for o in metadata["sort-orders"] if o["order-id"] == metadata["default-sort-order-id"]]
        self.assertEqual([("desc", "nulls-last"), ("asc", "nulls-first")],
                         [(f["direction"], f["null-order"]) for f in order["fields"]])
        [schema] = [s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"]]
        self.assertEqual([1], schema["identifier-field-ids"])
        self.run_sql("ALTER TABLE $t WRITE UNORDERED", "ALTER TABLE $t DROP IDENTIFIER FIELDS id",
                     "CALL c.system.rewrite_data_files(table => '$$t', options => "
                     "map('rewrite-all', 'true'))")
        self.check_rows([(48, 102)], "SELECT count(*), max(id) FROM $t")

    def test_metadata_tables(self):
        self.people()
        self.run_sql("DELETE FROM $t WHERE id = 1", "INSERT INTO $t VALUES (4, 'd')",
                     "ALTER TABLE $t CREATE TAG v1")
        self.check_rows([(3,)], "SELECT count(*) FROM $t.snapshots")
        self.check_rows([(3,)], "SELECT count(*) FROM $t.history WHERE is_current_ancestor")
        self.check_rows([("main", "BRANCH"), ("v1", "TAG")], "SELECT name, type FROM $t.refs ORDER BY name")
        self.check_rows([(3,)], "SELECT sum(record_count) FROM $t.files")
        self.check_rows([(3,)], "SELECT sum(record_count) FROM $t.partitions")
        log = self.rows("SELECT file, latest_sequence_number FROM $t.metadata_log_entries", "r")
        loaded = self.loaded()
        self.assertEqual(loaded["metadata-location"], log[-1][0])
        self.assertEqual([e["metadata-file"] for e in loaded["metadata"]["metadata-log"]],
                         [file for file, _ in log[:-1]])
        for name in ("entries", "manifests", "data_files", "delete_files", "all_data_files",
                     "all_manifests", "all_entries", "all_files", "position_deletes"):
            with self.subTest(table=name):
                self.rows(f"SELECT * FROM $t.{name}", "r")


class Refs(SparkTest):
    def test_branches_and_tags(self):
        self.people()
        [first] = self.snapshot_ids()
        self.run_sql("ALTER TABLE $t CREATE TAG v1 RETAIN 30 DAYS",
                     "ALTER TABLE $t CREATE BRANCH audit RETAIN 7 DAYS WITH SNAPSHOT RETENTION 2 SNAPSHOTS",
                     "INSERT INTO $t.branch_audit VALUES (4, 'd')",
                     "UPDATE $t.branch_audit SET name = 'z' WHERE id = 1",
                     "INSERT INTO $t VALUES (5, 'main')")
        self.check_rows([(4,)], "SELECT count(*) FROM $t")
        self.check_rows([(1, "z"), (2, "b"), (3, "c"), (4, "d")],
                        "SELECT * FROM $t VERSION AS OF 'audit' ORDER BY id")
        self.check_rows([(3,)], "SELECT count(*) FROM $t VERSION AS OF 'v1'")
        refs = self.metadata()["refs"]
        self.assertEqual({"snapshot-id": first, "type": "tag", "max-ref-age-ms": 30 * 86400000}, refs["v1"])
        self.assertEqual((7 * 86400000, 2), (refs["audit"]["max-ref-age-ms"],
                                             refs["audit"]["min-snapshots-to-keep"]))
        self.run_sql(f"ALTER TABLE $t REPLACE TAG v1 AS OF VERSION {self.snapshot_ids()[-1]}",
                     "ALTER TABLE $t CREATE OR REPLACE BRANCH audit",
                     "ALTER TABLE $t DROP TAG IF EXISTS nothing")
        self.check_rows([(4,)], "SELECT count(*) FROM $t VERSION AS OF 'v1'")
        self.check_rows([(5,)], "SELECT max(id) FROM $t VERSION AS OF 'audit'")
        self.run_sql("ALTER TABLE $t DROP TAG v1", "ALTER TABLE $t DROP BRANCH audit")
        self.assertEqual({"main"}, set(self.metadata()["refs"]))

    def test_write_audit_publish(self):
        self.people(properties="'write.wap.enabled' = 'true'")
        self.run_sql("ALTER TABLE $t CREATE BRANCH wap", "SET spark.wap.branch = wap")
        try:
            self.run_sql("INSERT INTO $t VALUES (4, 'd')", "DELETE FROM $t WHERE id = 1")
            self.assertEqual(3, self.value("SELECT count(*) FROM $t VERSION AS OF 'main'"))
        finally:
            self.run_sql("RESET spark.wap.branch")
        self.check_rows([(3, 1)], "SELECT count(*), min(id) FROM $t")
        self.run_sql("CALL c.system.fast_forward('$$t', 'main', 'wap')")
        self.check_rows([(3, 2)], "SELECT count(*), min(id) FROM $t")

    def test_staged_commits(self):
        self.people(properties="'write.wap.enabled' = 'true'")
        self.run_sql("SET spark.wap.id = w1")
        try:
            self.run_sql("INSERT INTO $t VALUES (4, 'd')")
        finally:
            self.run_sql("RESET spark.wap.id")
        self.check_rows([(3,)], "SELECT count(*) FROM $t")
        self.run_sql("INSERT INTO $t VALUES (5, 'e')", "CALL c.system.publish_changes('$$t', 'w1')")
        self.check_rows([(1,), (2,), (3,), (4,), (5,)], "SELECT id FROM $t ORDER BY id")
        self.fails("w1", "CALL c.system.publish_changes('$$t', 'w1')")


class Procedures(SparkTest):
    def call(self, procedure, arguments="", session=None):
        return self.rows(f"CALL c.system.{procedure}(table => '$$t'{arguments})", session=session)

    def test_rollback(self):
        self.people()
        self.run_sql("INSERT INTO $t VALUES (4, 'd')", "DELETE FROM $t WHERE id < 3")
        first, second, third = self.snapshot_ids()
        self.call("rollback_to_snapshot", f", snapshot_id => {first}")
        self.check_rows([(3,)], "SELECT count(*) FROM $t")
        self.call("set_current_snapshot", f", snapshot_id => {third}")
        self.check_rows([(3,), (4,)], "SELECT id FROM $t ORDER BY id")
        stamps = {s["snapshot-id"]: s["timestamp-ms"] for s in self.metadata()["snapshots"]}
        at = datetime.datetime.fromtimestamp((stamps[second] + 1) / 1000, datetime.timezone.utc)
        self.run_sql("INSERT INTO $t VALUES (6, 'f')")
        self.call("rollback_to_timestamp", f", timestamp => TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'")
        self.check_rows([(4,)], "SELECT count(*) FROM $t")
        self.call("cherrypick_snapshot", f", snapshot_id => {self.snapshot_ids()[-1]}")
        self.check_rows([(5,)], "SELECT count(*) FROM $t")
        self.assertEqual(3, len(self.rows("CALL c.system.ancestors_of(table => '$$t')", "r")))

    def test_expire_snapshots(self):
        self.people()
        for i in range(4):
            self.run_sql(f"INSERT OVERWRITE $t VALUES ({i}, 'o')")
        location = self.metadata()["location"]
        before = len([p for p in files_below(location) if p.suffix == ".parquet"])
        self.run_sql("ALTER TABLE $t CREATE TAG keep AS OF VERSION " + str(self.snapshot_ids()[1]))
        self.call("expire_snapshots", f", older_than => TIMESTAMP '{tomorrow()}', retain_last => 1")
        self.assertEqual(2, len(self.metadata()["snapshots"]))
        self.check_rows([(3, "o")], "SELECT * FROM $t")
        self.check_rows([(0, "o")], "SELECT * FROM $t VERSION AS OF 'keep'")
        self.assertLess(len([p for p in files_below(location) if p.suffix == ".parquet"]), before)

    def test_rewrites(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, name STRING) PARTITIONED BY (bucket(2, id)) TBLPROPERTIES "
                     "('write.delete.mode' = 'merge-on-read', 'commit.manifest-merge.enabled' = 'false')")
        for i in range(6):
            self.run_sql(f"INSERT INTO $t VALUES ({2 * i}, 'x'), ({2 * i + 1}, 'x')")
        self.run_sql("DELETE FROM $t WHERE id = 3", "DELETE FROM $t WHERE id = 4")
        self.call("rewrite_position_delete_files", ", options => map('rewrite-all', 'true')")
        files = self.value("SELECT count(*) FROM $t.data_files")
        [result] = self.call("rewrite_data_files", ", options => map('min-input-files', '2', "
                                                   "'remove-dangling-deletes', 'true')")
        self.assertGreater(result[0], 0)
        self.assertLess(self.value("SELECT count(*) FROM $t.data_files", catalog="r"), files)
        self.call("rewrite_data_files", ", strategy => 'sort', sort_order => 'id DESC', options => "
                                        "map('rewrite-all', 'true', 'partial-progress.enabled', 'true')")
        manifests = self.value("SELECT count(*) FROM $t.manifests")
        self.run_sql("INSERT INTO $t VALUES (20, 'y')", "INSERT INTO $t VALUES (21, 'y')")
        self.call("rewrite_manifests")
        self.assertLessEqual(self.value("SELECT count(*) FROM $t.manifests", catalog="r"), manifests + 2)
        self.check_rows([(12, 100)], "SELECT count(*), sum(id) FROM $t")

    def test_remove_orphan_files(self):
        self.people()
        location = self.metadata()["location"].removeprefix("file://")
        orphan = Path(location) / "data" / "orphan.parquet"
        orphan.write_bytes(b"nobody's")
        old = time.time() - 5 * 86400
        os.utime(orphan, (old, old))
        for path in files_below(location):
            if path != orphan:
                os.utime(path, (old, old))
        removed = self.call("remove_orphan_files")
        self.assertEqual(1, len(removed))
        self.assertFalse(orphan.exists())
        self.check_rows([(3,)], "SELECT count(*) FROM $t")
        self.run_sql("INSERT INTO $t VALUES (4, 'd')")
        self.check_rows([(4,)], "SELECT count(*) FROM $t")

    def test_register_table(self):
        self.people()
        location = self.loaded()["metadata-location"]
        self.run_sql("DROP TABLE $t")
        self.rows(f"CALL c.system.register_table(table => '$$u', metadata_file => '{location}')")
        self.check_rows([(3,)], "SELECT count(*) FROM $u")
        self.run_sql("INSERT INTO $u VALUES (4, 'd')")
        self.check_rows([(4,)], "SELECT count(*) FROM $u")

    def test_statistics(self):
        self.people()
        self.call("compute_table_stats")
        metadata = self.metadata()
        [statistics] = metadata["statistics"]
        self.assertEqual(metadata["current-snapshot-id"], statistics["snapshot-id"])
        self.assertTrue(Path(statistics["statistics-path"].removeprefix("file:").replace("//", "/")).is_file())
        self.run_sql("CREATE TABLE $p (id BIGINT) PARTITIONED BY (id)", "INSERT INTO $p VALUES (1), (2)")
        self.rows("CALL c.system.compute_partition_stats(table => '$$p')")
        self.assertEqual(1, len(self.metadata("p")["partition-statistics"]))

    def test_changelog(self):
        self.people()
        self.run_sql("UPDATE $t SET name = 'z' WHERE id = 1", "DELETE FROM $t WHERE id = 2")
        [(view,)] = self.call("create_changelog_view", ", identifier_columns => array('id')")
        self.assertEqual([("DELETE", 2), ("INSERT", 1), ("INSERT", 2), ("INSERT", 3),
                          ("UPDATE_AFTER", 1), ("UPDATE_BEFORE", 1)],
                         self.rows(f"SELECT _change_type, id FROM {view} ORDER BY 1, 2"))

    def test_add_files(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, name STRING)")
        folder = Path(self.metadata()["location"].removeprefix("file://")) / "import"
        self.spark.sql("SELECT id, 'x' AS name FROM range(10)").write.parquet(str(folder))
        self.rows(f"CALL c.system.add_files(table => '$$t', source_table => '`parquet`.`{folder}`')")
        self.check_rows([(10, 45)], "SELECT count(*), sum(id) FROM $t")


class Views(SparkTest):
    def test_life(self):
        self.people()
        self.run_sql("CREATE VIEW $v (n COMMENT 'how many') COMMENT 'counts' TBLPROPERTIES ('k' = 'v') AS "
                     "SELECT count(*) FROM $t")
        self.check_rows([(3,)], "SELECT n FROM $v")
        self.run_sql("INSERT INTO $t VALUES (4, 'd')")
        self.check_rows([(4,)], "SELECT n FROM $v")
        self.assertEqual([(self.ns, "v", False)], [row for row in self.rows(f"SHOW VIEWS IN c.{self.ns}") if not row[2]])
        self.assertEqual([(self.ns, "t", False)], self.rows(f"SHOW TABLES IN c.{self.ns}"))
        self.run_sql("CREATE VIEW IF NOT EXISTS $v AS SELECT 1 AS one",
                     "ALTER VIEW $v SET TBLPROPERTIES ('more' = 'x', 'gone' = '1')",
                     "ALTER VIEW $v UNSET TBLPROPERTIES ('gone')")
        properties = dict(self.rows("SHOW TBLPROPERTIES $v", "r"))
        self.assertEqual(("v", "x", None), (properties["k"], properties["more"], properties.get("gone")))
        self.run_sql("CREATE OR REPLACE VIEW $v AS SELECT max(id) AS n FROM $t",
                     "CREATE OR REPLACE VIEW $v AS SELECT id, name FROM $t WHERE id > 3")
        self.check_rows([(4, "d")], "SELECT * FROM $v")
        view = metadata_of("views", self.ns, "v")["metadata"]
        self.assertEqual((3, 3), (view["current-version-id"], len(view["versions"])))
        self.run_sql("ALTER VIEW $v RENAME TO $w")
        self.check_rows([(1,)], "SELECT count(*) FROM $w")
        self.fails("NOT_FOUND", "SELECT * FROM $v")
        self.assertIn("d", str(self.rows("DESCRIBE TABLE EXTENDED $w", "r")))
        self.assertIn("CREATE VIEW", self.value("SHOW CREATE TABLE $w"))
        self.run_sql("DROP VIEW $w", "DROP VIEW IF EXISTS $w")
        self.assertEqual([], [row for row in self.rows(f"SHOW VIEWS IN c.{self.ns}") if not row[2]])
        self.fails("NOT_FOUND", "DROP VIEW $w")

    def test_views_and_tables_share_names(self):
        self.people()
        self.fails("already exists|ALREADY_EXISTS", "CREATE VIEW $t AS SELECT 1 AS one")
        self.run_sql("CREATE VIEW $v AS SELECT * FROM $t")
        self.fails("already exists|ALREADY_EXISTS", "CREATE TABLE $v (id INT)")
        self.fails("already exists|ALREADY_EXISTS", "ALTER TABLE $t RENAME TO $$v")
        self.fails("", "DROP TABLE $v")
        self.check_rows([(3,)], "SELECT count(*) FROM $v")
        self.fails("not empty|NOT_EMPTY|Not empty", f"DROP NAMESPACE c.{self.ns}")

    def test_views_of_views(self):
        self.people()
        self.run_sql("CREATE NAMESPACE $inner", f"USE c.{self.ns}.inner")
        try:
            self.run_sql("CREATE VIEW $inner.v AS SELECT id * 2 AS d FROM $t",
                         "CREATE VIEW $inner.w AS SELECT sum(d) AS s FROM v")
            self.run_sql("USE spark_catalog.default")
            self.assertEqual([(12,)], self.rows("SELECT s FROM $inner.w"))
        finally:
            self.run_sql("USE spark_catalog.default")


class Sessions(SparkTest):
    def together(self, *jobs):
        """Each job in a session (with a catalog) of its own, all at once: what they raised."""
        raised, start = [], threading.Barrier(len(jobs))

        def body(job):
            session = self.spark.newSession()
            try:
                start.wait()
                job(session)
            except Exception as e:  # of Java, in many types
                raised.append(str(e))

        threads = [threading.Thread(target=body, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.run_sql("REFRESH TABLE $t")  # which this session may still know as it was
        return raised

    def test_concurrent_merges(self):
        """Two sessions merge into separate partitions: Iceberg's validation lets both through."""
        self.run_sql("CREATE TABLE $t (k INT, n BIGINT) PARTITIONED BY (k) TBLPROPERTIES ("
                     f"'write.merge.isolation-level' = 'snapshot', {RETRIES})",
                     "INSERT INTO $t VALUES (1, 0), (2, 0)")

        def merges(k):
            def job(session):
                for i in range(4):
                    self.run_sql(f"MERGE INTO $t t USING (SELECT {k} AS k) s ON t.k = s.k AND t.k = {k} "
                                 "WHEN MATCHED THEN UPDATE SET n = n + 1", session=session)
            return job

        self.assertEqual([], self.together(merges(1), merges(2)))
        self.check_rows([(1, 4), (2, 4)], "SELECT * FROM $t ORDER BY k")

    def test_conflicting_merges(self):
        """Two sessions add to the same row: a merge that is acknowledged is counted, one that is
        refused is not."""
        self.run_sql("CREATE TABLE $t (k INT, n BIGINT)", "INSERT INTO $t VALUES (1, 0)")
        done = []

        def job(session):
            for i in range(4):
                try:
                    self.run_sql("MERGE INTO $t t USING (SELECT 1 AS k) s ON t.k = s.k "
                                 "WHEN MATCHED THEN UPDATE SET n = n + 1", session=session)
                    done.append(1)
                except Exception as e:
                    if "onflict" not in str(e) and "Missing required files" not in str(e):
                        raise

        self.assertEqual([], self.together(job, job))
        self.assertGreater(len(done), 0)
        self.check_rows([(1, len(done))], "SELECT * FROM $t")

    def test_concurrent_appends(self):
        self.run_sql(f"CREATE TABLE $t (w INT, i INT) TBLPROPERTIES ({RETRIES})")

        def appends(w):
            def job(session):
                for i in range(4):
                    self.run_sql(f"INSERT INTO $t VALUES ({w}, {i})", session=session)
            return job

        self.assertEqual([], self.together(*(appends(w) for w in range(3))))
        self.check_rows([(12, 12)], "SELECT count(*), count(DISTINCT w * 10 + i) FROM $t")
        self.assertEqual(12, len(self.metadata()["snapshots"]))


class Streams(SparkTest):
    def setUp(self):
        super().setUp()
        self.temp = tempfile.mkdtemp(prefix="firn-spark-stream-")
        self.addCleanup(shutil.rmtree, self.temp, True)

    def feed(self, *ids):
        folder = Path(self.temp) / "in"
        folder.mkdir(exist_ok=True)
        with contextlib.closing(open(folder / f"{self.fresh_name('f')}.json", "w")) as f:
            f.writelines(json.dumps({"id": i, "name": "s"}) + "\n" for i in ids)
        return str(folder)

    def stream(self, source, table="$t"):
        query = (source.writeStream.format("iceberg").outputMode("append")
                 .option("checkpointLocation", f"{self.temp}/checkpoint-{table[1:]}")
                 .trigger(availableNow=True).toTable(self.expand(table)))
        self.assertTrue(query.awaitTermination(120))
        self.assertIsNone(query.exception())

    def test_append(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, name STRING)", "CREATE TABLE $u (id BIGINT, name STRING)")
        folder = self.feed(1, 2, 3)
        source = self.spark.readStream.schema("id BIGINT, name STRING").json(folder)
        self.stream(source)
        self.feed(4, 5)
        self.stream(source)
        self.stream(source)  # nothing new
        self.check_rows([(5, 15)], "SELECT count(*), sum(id) FROM $t")
        self.assertEqual(2, len(self.metadata()["snapshots"]))
        table = self.spark.readStream.format("iceberg").load(self.expand("$t"))
        self.stream(table, "$u")
        self.feed(6)
        self.stream(source)
        self.stream(table, "$u")
        self.check_rows([(6, 21)], "SELECT count(*), sum(id) FROM $u")


class Version3(SparkTest):
    def test_deletion_vectors_and_lineage(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, name STRING) TBLPROPERTIES ('format-version' = '3', "
                     "'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')",
                     "INSERT INTO $t SELECT id, 'x' FROM range(0, 10, 1, 1)",
                     "DELETE FROM $t WHERE id = 3", "DELETE FROM $t WHERE id = 5",
                     "UPDATE $t SET name = 'changed' WHERE id = 7",
                     "INSERT INTO $t VALUES (10, 'y')")
        self.check_rows([(9,)], "SELECT count(*) FROM $t")
        self.check_rows([("PUFFIN",)], "SELECT DISTINCT file_format FROM $t.delete_files")
        lineage = "SELECT id, _row_id, _last_updated_sequence_number FROM $t WHERE id IN (4, 7, 10) ORDER BY id"
        rows = self.rows(lineage)
        self.assertEqual(rows, self.rows(lineage, "r"))
        self.assertEqual([(4, 4, 1), (7, 7, 4)], rows[:2])
        self.assertEqual(10, rows[2][0])
        metadata = self.metadata()
        self.assertGreater(metadata["next-row-id"], rows[2][1])
        self.assertEqual(3, metadata["format-version"])
        self.assertTrue(all("first-row-id" in s and "added-rows" in s for s in metadata["snapshots"]))

    def test_upgrade(self):
        self.people(properties="'format-version' = '1'")
        self.run_sql("ALTER TABLE $t SET TBLPROPERTIES ('format-version' = '2')",
                     "INSERT INTO $t VALUES (4, 'd')",
                     "ALTER TABLE $t SET TBLPROPERTIES ('format-version' = '3')",
                     "INSERT INTO $t VALUES (5, 'e')")
        self.check_rows([(1,), (2,), (3,), (4,), (5,)], "SELECT id FROM $t ORDER BY id")
        self.assertEqual(5, self.value("SELECT count(DISTINCT _row_id) FROM $t", catalog="r"))
        self.fails("Cannot downgrade|downgrade", "ALTER TABLE $t SET TBLPROPERTIES ('format-version' = '2')")

    def test_variant(self):
        self.run_sql("CREATE TABLE $t (id BIGINT, v VARIANT) TBLPROPERTIES ('format-version' = '3')",
                     """INSERT INTO $t SELECT 1, parse_json('{"a": {"b": [1, "two"]}}')""",
                     "INSERT INTO $t SELECT 2, parse_json('42')", "INSERT INTO $t VALUES (3, null)")
        self.check_rows([(1, "two"), (2, None), (3, None)],
                        r"SELECT id, try_variant_get(v, '\u0024.a.b[1]', 'string') FROM $t ORDER BY id")
        self.check_rows([("42",)], "SELECT to_json(v) FROM $t WHERE id = 2")
        self.run_sql("ALTER TABLE $t ADD COLUMN w VARIANT")
        self.check_rows([(3,)], "SELECT count(*) FROM $t WHERE w IS NULL")
        self.fails("v3|variant", "CREATE TABLE $u (v VARIANT) TBLPROPERTIES ('format-version' = '2')")


class Documentation(unittest.TestCase):
    def test_the_document(self):
        for block in document_blocks("spark-sql"):
            with self.subTest(line=block.line):
                rows = []
                for statement in snippets.statements([block]):
                    rows = SESSION.sql(statement).collect()
                if block.output is not None:
                    got = "\n".join(" ".join("NULL" if v is None else str(v) for v in row) for row in rows)
                    self.assertTrue(snippets.same_output(block.output, got), got)


def tomorrow():
    return (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")


def main():
    sys.argv.remove("--inside")
    return run(sys.modules[__name__])


SESSION = None


def setUpModule():
    global SESSION
    temp = tempfile.mkdtemp(prefix="firn-spark-")
    unittest.addModuleCleanup(shutil.rmtree, temp, True)
    SESSION = start(temp)
    unittest.addModuleCleanup(SESSION.stop)


if __name__ == "__main__":
    sys.exit(main())
