"""A real PyIceberg against a real firn: what a user of it does in a day, on files.

Runs in the environment of tests/clients/venv.sh pyiceberg; see tests/run.py --suite pyiceberg."""
import datetime
import json
import multiprocessing
import os
import shutil
import tempfile
import time
import unittest
import urllib.request
import uuid

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import (CommitFailedException, NamespaceAlreadyExistsError,
                                  NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError,
                                  NoSuchViewError, TableAlreadyExistsError, ViewAlreadyExistsError)
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import (BucketTransform, DayTransform, IdentityTransform,
                                  TruncateTransform)
from pyiceberg.view.metadata import SQLViewRepresentation, ViewVersion
from pyiceberg.types import DateType, IntegerType, LongType, NestedField, StringType

from tests.harness import Server

SCHEMA = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "s", StringType()))
ARROW = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("s", pa.string())])
WRITERS, APPENDS = 8, 6


def rows(*ids, text="x"):
    return pa.table({"id": list(ids), "s": [f"{text}{i}" for i in ids]}, schema=ARROW)


def ids(table, **scan):
    return sorted(table.scan(**scan).to_arrow()["id"].to_pylist())


class Client(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(args=list(cls.arguments))
        cls.server.start()
        cls.catalog = cls.connect()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.close()

    @classmethod
    def connect(cls, **properties):
        return load_catalog("test", type="rest", uri=cls.server.url, **properties)

    def setUp(self):
        self.ns = f"ns_{uuid.uuid4().hex[:10]}"
        self.catalog.create_namespace(self.ns)

    def table(self, name="t", **kw):
        return self.catalog.create_table((self.ns, name), kw.pop("schema", SCHEMA), **kw)


class Namespaces(Client):
    def test_life(self):
        ns = (self.ns, "inner 🧊", "x/y")
        self.catalog.create_namespace(ns, {"owner": "me"})
        self.assertEqual("me", self.catalog.load_namespace_properties(ns)["owner"])
        self.assertIn((self.ns, "inner 🧊"), self.catalog.list_namespaces(self.ns))
        self.assertEqual([ns], self.catalog.list_namespaces((self.ns, "inner 🧊")))
        with self.assertRaises(NamespaceAlreadyExistsError):
            self.catalog.create_namespace(ns)
        summary = self.catalog.update_namespace_properties(ns, {"owner"}, {"new": "1"})
        self.assertEqual((["owner"], ["new"], []), (summary.removed, summary.updated,
                                                    summary.missing))
        with self.assertRaises(NamespaceNotEmptyError):
            self.catalog.drop_namespace((self.ns, "inner 🧊"))
        self.catalog.drop_namespace(ns)
        self.assertFalse(self.catalog.namespace_exists(ns))
        with self.assertRaises(NoSuchNamespaceError):
            self.catalog.load_namespace_properties(ns)

    def test_pages(self):
        small = self.connect(**{"rest-page-size": "3"})
        for i in range(10):
            self.catalog.create_namespace((self.ns, f"n{i}"))
            self.table(f"t{i}")
        self.assertEqual(10, len(small.list_namespaces(self.ns)))
        self.assertEqual(10, len(small.list_tables(self.ns)))


class Separator(Client):
    """A catalog that announces a separator of levels, which this client then joins them with."""
    arguments = ("--namespace-separator", ".")

    def test_levels(self):
        ns = (self.ns, "inner", "more")
        self.catalog.create_namespace((self.ns, "inner"))
        self.catalog.create_namespace(ns)
        self.assertEqual([(self.ns, "inner")], self.catalog.list_namespaces(self.ns))
        self.assertEqual([ns], self.catalog.list_namespaces((self.ns, "inner")))
        self.catalog.create_table((*ns, "t"), SCHEMA).append(rows(1, 2))
        self.assertEqual([1, 2], ids(self.catalog.load_table((*ns, "t"))))
        self.assertEqual([(*ns, "t")], self.catalog.list_tables(ns))


class Views(Client):
    VERSION = ViewVersion(version_id=1, schema_id=0, timestamp_ms=1, summary={"engine": "test"},
                          representations=[SQLViewRepresentation(type="sql", sql="SELECT 1 AS id",
                                                                 dialect="spark")],
                          default_namespace=["default"])

    def test_life(self):
        name = (self.ns, "v")
        made = self.catalog.create_view(name, Schema(NestedField(1, "id", IntegerType())), self.VERSION,
                                        properties={"owner": "me"})
        self.assertEqual("me", made.properties["owner"])
        self.assertTrue(self.catalog.view_exists(name))
        self.assertEqual([name], self.catalog.list_views(self.ns))
        self.assertEqual([], self.catalog.list_tables(self.ns))
        view = self.catalog.load_view(name)
        self.assertEqual("SELECT 1 AS id", view.sql_for("spark").sql)
        with self.assertRaises(ViewAlreadyExistsError):
            self.catalog.create_view(name, Schema(NestedField(1, "id", IntegerType())), self.VERSION)
        with self.assertRaises(NoSuchTableError):
            self.catalog.load_table(name)
        self.catalog.drop_view(name)
        self.assertFalse(self.catalog.view_exists(name))
        with self.assertRaises(NoSuchViewError):
            self.catalog.load_view(name)

    def test_register(self):
        name = (self.ns, "v")
        self.catalog.create_view(name, Schema(NestedField(1, "id", IntegerType())), self.VERSION)
        with urllib.request.urlopen(f"{self.server.url}/v1/namespaces/{self.ns}/views/v") as reply:
            location = json.load(reply)["metadata-location"]
        with self.assertRaises(ViewAlreadyExistsError):
            self.catalog.register_view(name, location)
        self.catalog.drop_view(name)
        self.catalog.register_view(name, location)
        self.assertEqual("SELECT 1 AS id", self.catalog.load_view(name).sql_for("spark").sql)

    def test_pages(self):
        small = self.connect(**{"rest-page-size": "2"})
        for i in range(5):
            self.catalog.create_view((self.ns, f"v{i}"), Schema(NestedField(1, "id", IntegerType())),
                                     self.VERSION)
        self.assertEqual(5, len(small.list_views(self.ns)))


class Names(Client):
    def test_life(self):
        self.table()
        self.assertTrue(self.catalog.table_exists((self.ns, "t")))
        self.assertEqual([(self.ns, "t")], self.catalog.list_tables(self.ns))
        with self.assertRaises(TableAlreadyExistsError):
            self.table()
        self.catalog.rename_table((self.ns, "t"), (self.ns, "u v"))
        self.assertFalse(self.catalog.table_exists((self.ns, "t")))
        self.catalog.load_table((self.ns, "u v")).append(rows(1))
        self.catalog.drop_table((self.ns, "u v"))
        with self.assertRaises(NoSuchTableError):
            self.catalog.load_table((self.ns, "u v"))
        with self.assertRaises(NoSuchTableError):
            self.catalog.load_table(("missing", "t"))

    def test_register(self):
        table = self.table()
        table.append(rows(1, 2))
        location = table.metadata_location
        self.catalog.drop_table((self.ns, "t"))
        again = self.catalog.register_table((self.ns, "again"), location)
        self.assertEqual([1, 2], ids(again))
        again.append(rows(3))
        self.assertEqual([1, 2, 3], ids(self.catalog.load_table((self.ns, "again"))))

    def test_purge(self):
        kept = self.table("kept")
        kept.append(rows(1))
        self.catalog.drop_table((self.ns, "kept"))
        self.assertEqual([1], ids(self.catalog.register_table((self.ns, "again"),
                                                              kept.metadata_location)))
        self.table().append(rows(1))
        self.catalog.purge_table((self.ns, "t"))
        self.assertFalse(self.catalog.table_exists((self.ns, "t")))

    def test_odd_names(self):
        for name in ("with space", "a.b", "emoji 🧊", "quo'te", "per%cent", "plus+"):
            table = self.table(name)
            table.append(rows(1))
            self.assertEqual([1], ids(self.catalog.load_table((self.ns, name))))

    def test_create_transaction(self):
        with self.catalog.create_table_transaction((self.ns, "staged"), SCHEMA) as tx:
            tx.set_properties(made="so")
            with self.assertRaises(NoSuchTableError):
                self.catalog.load_table((self.ns, "staged"))
        table = self.catalog.load_table((self.ns, "staged"))
        self.assertEqual("so", table.properties["made"])
        table.append(rows(1))
        self.assertEqual([1], ids(table))


class Writing(Client):
    def test_append_overwrite_delete(self):
        table = self.table()
        table.append(rows(1, 2, 3))
        table.append(rows(4))
        self.assertEqual([1, 2, 3, 4], ids(table))
        table.delete(EqualTo("id", 2))
        self.assertEqual([1, 3, 4], ids(table))
        table.overwrite(rows(30, text="new"), overwrite_filter=EqualTo("id", 3))
        self.assertEqual([1, 4, 30], ids(table))
        table.overwrite(rows(7))
        self.assertEqual([7], ids(self.catalog.load_table((self.ns, "t"))))

    def test_upsert(self):
        table = self.table(schema=Schema(*SCHEMA.fields, identifier_field_ids=[1]))
        table.append(rows(1, 2))
        result = table.upsert(rows(2, 3, text="new"))
        self.assertEqual((1, 1), (result.rows_updated, result.rows_inserted))
        self.assertEqual(["new2", "new3", "x1"], sorted(
            self.catalog.load_table((self.ns, "t")).scan().to_arrow()["s"].to_pylist()))

    def test_dynamic_overwrite(self):
        table = self.table(partition_spec=PartitionSpec(
            PartitionField(2, 1000, IdentityTransform(), "s")))
        table.append(pa.table({"id": [1, 2], "s": ["a", "b"]}, schema=ARROW))
        table.dynamic_partition_overwrite(pa.table({"id": [9], "s": ["a"]}, schema=ARROW))
        self.assertEqual([2, 9], ids(table))

    def test_partitions(self):
        schema = Schema(*SCHEMA.fields, NestedField(3, "d", DateType()))
        table = self.table(schema=schema, partition_spec=PartitionSpec(
            PartitionField(1, 1000, BucketTransform(4), "bucket"),
            PartitionField(2, 1001, TruncateTransform(1), "start"),
            PartitionField(3, 1002, DayTransform(), "day")))
        day = datetime.date(2026, 8, 21)
        table.append(pa.table({"id": [1, 2, 3], "s": ["a", "b", None], "d": [day, None, day]},
                              schema=ARROW.append(pa.field("d", pa.date32()))))
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual([1, 2, 3], ids(table))
        self.assertEqual([1, 3], ids(table, row_filter=EqualTo("d", day.isoformat())))

    def test_properties(self):
        table = self.table(properties={"a": "1"})
        with table.transaction() as tx:
            tx.set_properties(b="2", **{"write.metadata.previous-versions-max": "3"})
            tx.remove_properties("a")
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual("2", table.properties["b"])
        self.assertNotIn("a", table.properties)

    def test_transaction_of_many_steps(self):
        table = self.table()
        with table.transaction() as tx:
            tx.append(rows(1))
            tx.append(rows(2))
            tx.set_properties(k="v")
            with tx.update_schema() as update:
                update.add_column("more", IntegerType())
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual([1, 2], ids(table))
        self.assertEqual("v", table.properties["k"])
        self.assertIn("more", table.schema().column_names)

    def test_gzip_metadata(self):
        table = self.table(properties={"write.metadata.compression-codec": "gzip"})
        table.append(rows(1))
        self.assertIn(".gz.metadata.json", table.metadata_location)
        self.assertEqual([1], ids(self.catalog.load_table((self.ns, "t"))))

    def test_format_version_1(self):
        table = self.table(properties={"format-version": "1"})
        table.append(rows(1))
        self.assertEqual([1], ids(self.catalog.load_table((self.ns, "t"))))
        with table.transaction() as tx:
            tx.upgrade_table_version(2)
        table.append(rows(2))
        self.assertEqual(2, self.catalog.load_table((self.ns, "t")).format_version)
        self.assertEqual([1, 2], ids(table))


class Evolution(Client):
    def test_schema(self):
        table = self.table()
        table.append(rows(1))
        with table.update_schema() as update:
            update.add_column("number", IntegerType(), doc="🧊")
            update.rename_column("s", "text")
        with table.update_schema() as update:
            update.update_column("number", LongType())
            update.move_first("number")
        table.append(pa.table({"number": [5], "id": [2], "text": ["y"]}, schema=pa.schema([
            pa.field("number", pa.int64()), pa.field("id", pa.int64(), nullable=False),
            pa.field("text", pa.string())])))
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual(["number", "id", "text"], table.schema().column_names)
        self.assertEqual([(None, "x1"), (5, "y")], [
            (r["number"], r["text"]) for r in sorted(table.scan().to_arrow().to_pylist(),
                                                     key=lambda r: r["id"])])
        with table.update_schema(allow_incompatible_changes=True) as update:
            update.delete_column("text")
        self.assertEqual(["number", "id"],
                         self.catalog.load_table((self.ns, "t")).schema().column_names)

    def test_schema_back_again(self):
        table = self.table()
        with table.update_schema() as update:
            update.add_column("x", IntegerType())
        with table.update_schema() as update:
            update.delete_column("x")
        self.assertEqual(["id", "s"], self.catalog.load_table((self.ns, "t")).schema().column_names)

    def test_stale_schema_change_is_a_conflict(self):
        table, stale = self.table(), self.catalog.load_table((self.ns, "t"))
        with table.update_schema() as update:
            update.add_column("a", IntegerType())
        with self.assertRaises(CommitFailedException):
            with stale.update_schema() as update:
                update.add_column("b", IntegerType())

    def test_partition_spec(self):
        table = self.table()
        table.append(rows(1))
        with table.update_spec() as update:
            update.add_field("id", BucketTransform(8), "id_bucket")
        table.append(rows(2, 3))
        with table.update_spec() as update:
            update.rename_field("id_bucket", "renamed")
            update.add_identity("s")
        table.append(rows(4))
        with table.update_spec() as update:
            update.remove_field("renamed")
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual(["s"], [f.name for f in table.spec().fields])
        self.assertEqual([1, 2, 3, 4], ids(table))

    def test_sort_order(self):
        table = self.table(sort_order=SortOrder(SortField(1, IdentityTransform())))
        self.assertEqual(1, table.sort_order().order_id)
        with table.update_sort_order() as update:
            update.desc("s", IdentityTransform(), NullOrder.NULLS_LAST)
        order = self.catalog.load_table((self.ns, "t")).sort_order()
        self.assertEqual([(2, SortDirection.DESC)],
                         [(f.source_id, f.direction) for f in order.fields])

    def test_name_mapping_and_union(self):
        table = self.table()
        with table.update_schema() as update:
            update.union_by_name(pa.schema([("id", pa.int64()), ("s", pa.string()),
                                            ("nested", pa.struct([("x", pa.int32())]))]))
        table = self.catalog.load_table((self.ns, "t"))
        self.assertIn("nested.x", table.schema().column_names)


class Snapshots(Client):
    def test_time_travel(self):
        table = self.table()
        snapshots = []
        for i in range(3):
            table.append(rows(i))
            snapshots.append(table.current_snapshot().snapshot_id)
        table = self.catalog.load_table((self.ns, "t"))
        for i, snapshot in enumerate(snapshots):
            self.assertEqual(list(range(i + 1)), ids(table, snapshot_id=snapshot))
        self.assertEqual(snapshots, [e.snapshot_id for e in table.history()])

    def test_branches_and_tags(self):
        table = self.table()
        table.append(rows(1))
        first = table.current_snapshot().snapshot_id
        table.manage_snapshots().create_branch(first, "work").create_tag(first, "v1").commit()
        table.append(rows(2), branch="work")
        table.append(rows(3))
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual([1, 3], ids(table))
        self.assertEqual([1, 2], sorted(
            table.scan().use_ref("work").to_arrow()["id"].to_pylist()))
        self.assertEqual([1], table.scan().use_ref("v1").to_arrow()["id"].to_pylist())
        table.manage_snapshots().remove_branch("work").remove_tag("v1").commit()
        self.assertEqual({"main"}, set(self.catalog.load_table((self.ns, "t")).refs()))

    def test_expiry(self):
        table = self.table()
        for i in range(4):
            table.append(rows(i))
        old = [s.snapshot_id for s in table.snapshots()][:2]
        table.maintenance.expire_snapshots().by_ids(old).commit()
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual(2, len(table.snapshots()))
        self.assertEqual([0, 1, 2, 3], ids(table))

    def test_refs_mode(self):
        table = self.table()
        for i in range(3):
            table.append(rows(i))
        lean = self.connect(**{"snapshot-loading-mode": "refs"}).load_table((self.ns, "t"))
        self.assertEqual(1, len(lean.metadata.snapshots))
        self.assertEqual([0, 1, 2], ids(lean))

    def test_inspection(self):
        table = self.table()
        table.append(rows(1))
        table = self.catalog.load_table((self.ns, "t"))
        self.assertEqual(1, len(table.inspect.snapshots()))
        self.assertEqual(1, len(table.inspect.files()))
        self.assertEqual(1, len(table.inspect.refs()))
        self.assertLessEqual(1, len(table.inspect.metadata_log_entries()))


# ---- many processes, and the server's death ---------------------------------------------------

def append_patiently(uri, ns, writer, appends, unsure):
    """What a user's script does: a conflict or a server that is away is tried again. With `unsure`
    an append whose answer was lost is looked up before it is sent once more."""
    catalog = None
    for n in range(appends):
        number = writer * 1000 + n
        for attempt in range(10000):
            try:
                if catalog is None:
                    catalog = load_catalog("w", type="rest", uri=uri)
                table = catalog.load_table((ns, "t"))
                if unsure and attempt and table.scan(
                        row_filter=EqualTo("id", number)).to_arrow().num_rows:
                    break
                table.append(rows(number, text=f"w{writer}-"))
                break
            except CommitFailedException:
                continue
            except Exception:
                if not unsure:
                    raise
                catalog = None
                time.sleep(0.02)
        else:
            raise SystemExit(f"writer {writer} never got through")


class Concurrent(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-pyiceberg-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.server = Server(os.path.join(self.temp, "data"))
        self.addCleanup(self.server.close)
        self.server.start()
        catalog = load_catalog("c", type="rest", uri=self.server.url)
        catalog.create_namespace("ns")
        catalog.create_table(("ns", "t"), SCHEMA)

    def start_writers(self, unsure):
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=append_patiently,
                                     args=(self.server.url, "ns", i, APPENDS, unsure))
                     for i in range(WRITERS)]
        for p in processes:
            p.start()
        return processes

    def check(self, processes):
        for p in processes:
            p.join()
        self.assertEqual([0] * WRITERS, [p.exitcode for p in processes])
        table = load_catalog("c", type="rest", uri=self.server.url).load_table(("ns", "t"))
        self.assertEqual(sorted(w * 1000 + n for w in range(WRITERS) for n in range(APPENDS)),
                         ids(table))
        self.assertEqual(WRITERS * APPENDS, len(table.snapshots()))
        self.assertEqual(WRITERS * APPENDS, table.metadata.last_sequence_number)

    def test_every_row_once(self):
        self.check(self.start_writers(unsure=False))
        self.server.stop()

    def interrupt(self, end):
        """Ends and restarts the server on its old port while the writers go on."""
        processes = self.start_writers(unsure=True)
        listen = f"{self.server.host}:{self.server.port}"
        catalog = load_catalog("c", type="rest", uri=self.server.url)
        for target in (WRITERS, 2 * WRITERS, 3 * WRITERS):
            while len(catalog.load_table(("ns", "t")).snapshots()) < target and any(
                    p.is_alive() for p in processes):
                time.sleep(0.02)
            end()
            self.server.spawn(listen)
            self.assertTrue(self.server.wait_ready(), self.server.output())
            catalog = load_catalog("c", type="rest", uri=self.server.url)
        self.check(processes)
        self.server.stop()

    def test_restart_in_between(self):
        self.interrupt(self.server.stop)

    def test_kill_in_between(self):
        self.interrupt(self.server.kill)


class Restart(Client):
    def test_everything_is_there_afterwards(self):
        table = self.table(partition_spec=PartitionSpec(
            PartitionField(1, 1000, BucketTransform(2), "b")))
        for end in (self.server.stop, self.server.kill):
            table.append(rows(1, 2))
            before = self.catalog.load_table((self.ns, "t"))
            end()
            self.server.start()
            type(self).catalog = self.connect()
            table = self.catalog.load_table((self.ns, "t"))
            self.assertEqual(before.metadata, table.metadata)
            self.assertEqual(before.metadata_location, table.metadata_location)
        self.assertEqual([1, 1, 2, 2], ids(table))
        self.assertEqual([2, 2], ids(table, row_filter=GreaterThanOrEqual("id", 2)))


if __name__ == "__main__":
    unittest.main()
