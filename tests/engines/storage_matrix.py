#!/usr/bin/env python3
"""Real clients on every way to the bytes: each makes a table, writes, deletes and reads on each kind
of warehouse, and then the others read what it wrote.

    storage_matrix.py [--only NAME,…]     (warehouses and clients)

Warehouses: direct keys that are scoped (rgw-vend) and signatures (rgw-sign) for Ceph's gateway, and
firn's own gateway over local disk (gw-local), over Ceph (gw-rgw) and over HDFS (gw-hdfs). Starts
its own stores and its own firn; each client runs in the environment of tests/clients/venv.sh."""
import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.engines.engine import ADDRESS, run_tests  # noqa: E402
from tests.engines.java import maven, missing_tools  # noqa: E402
from tests.engines.storage.report import reports  # noqa: E402
from tests.harness import Server, environment, run_firn  # noqa: E402
from tests.stores.minidfs import MiniDfs  # noqa: E402
from tests.stores.radosgw import Radosgw  # noqa: E402
from tests.stores.store import BUCKET  # noqa: E402

ENGINES = Path(__file__).resolve().parent
CLIENT_SECONDS = 600  # a ceiling for hung clients, not an expectation
EXPECTED = [1, 3, 4]
# Who can use what (contract/clients.md 1.12): only some ask to have requests signed.
SIGNING_CLIENTS = ("pyiceberg_fsspec", "spark", "flink")
CLIENTS = ("pyiceberg_pyarrow", "pyiceberg_fsspec", "duckdb", "spark", "flink")


class World:
    """The stores and a firn with a warehouse for each way. Closed in the reverse order."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.warehouses = {}

    def __enter__(self):
        try:
            self.rgw = self.stack.enter_context(Radosgw())
            self.hdfs = self.stack.enter_context(MiniDfs())
            self.server = Server(args=["--access-log", "true"])
            self.stack.callback(self.server.close)
            self.server.start()
            self.make_warehouses()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def make_warehouses(self):
        secret = os.path.join(self.server.log_dir, "secret")
        Path(secret).write_text(self.rgw.secret_key)
        s3 = ["--endpoint", self.rgw.endpoint, "--access-key-id", self.rgw.access_key,
              "--secret-access-key-file", secret]
        self.make("rgw-vend", "vend", f"s3://{BUCKET}/vend", *s3, "--role-arn", self.rgw.role)
        self.make("rgw-sign", "sign", f"s3://{BUCKET}/sign", *s3)
        self.make("gw-local", "gateway", f"file://{self.server.data}/lake")
        self.make("gw-rgw", "gateway", f"s3://{BUCKET}/gateway", *s3)
        self.make("gw-hdfs", "gateway", f"{self.hdfs.location}/lake", "--endpoint", self.hdfs.endpoint,
                  "--user", self.hdfs.user)

    def make(self, name, access, location, *more):
        status, _, err = run_firn("warehouse", "create", name, "--access", access, "--location",
                                  location, *more, "--data", self.server.data)
        if status != 0:
            raise RuntimeError(f"warehouse {name}: {err}\n{self.server.output()[-3000:]}")
        self.warehouses[name] = access


def python_of(environment_name):
    made = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), environment_name],
                          stdout=subprocess.PIPE, check=True)
    return os.path.join(made.stdout.decode().strip(), "bin", "python")


def iceberg_jars():
    known = ROOT / "build" / "storage" / "jars.path"
    known.parent.mkdir(parents=True, exist_ok=True)
    status, output = maven(ENGINES / "storage", "dependency:build-classpath",
                           f"-Dmdep.outputFile={known}", f"-Dfirn.build={known.parent}")
    if status != 0:
        raise RuntimeError(output[-3000:])
    return known.read_text().strip()


def command_of(client, what, uri):
    if client.startswith("pyiceberg_"):
        return [python_of("storage"), "-m", "tests.engines.storage.pyiceberg_client", what,
                client.removeprefix("pyiceberg_"), uri]
    if client == "duckdb":
        return [python_of("duckdb"), "-m", "tests.engines.storage.duckdb_client", what, uri]
    if client == "flink":
        return [sys.executable, "-m", "tests.engines.storage.flink_client", what, uri]
    return [python_of("spark"), "-m", "tests.engines.storage.spark_client", what, uri, iceberg_jars()]


def settings_of(warehouse):
    """Ceph 16 knows no checksums in trailers. PyIceberg 0.12 takes the signer away and puts it back for
    each new thread, and what another one sends meanwhile goes out unsigned: it gets one thread where it
    signs. firn's gateway takes clients as they are."""
    if not warehouse.startswith("rgw"):
        return {}
    settings = {"AWS_REQUEST_CHECKSUM_CALCULATION": "WHEN_REQUIRED",
                "AWS_RESPONSE_CHECKSUM_VALIDATION": "WHEN_REQUIRED"}
    return settings | ({"PYICEBERG_MAX_WORKERS": "1"} if warehouse == "rgw-sign" else {})


def ask(world, client, what, warehouses):
    """Runs a client on warehouses that want the same settings: {warehouse: report}."""
    settings = settings_of(warehouses[0])
    env = {k: v for k, v in environment(settings).items() if not k.startswith("AWS_")} | settings
    env |= {"PYTHONPATH": str(ROOT), ADDRESS: world.server.url}
    done = subprocess.run(
        [*command_of(client, what, world.server.url),
         *(f"{name}:{world.warehouses[name]}" for name in warehouses)],
        env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=CLIENT_SECONDS)
    found = reports(done.stdout.decode())
    for name in warehouses:
        found.setdefault(name, {"error": done.stderr.decode()[-3000:]})
    return found


def can_use(client, access):
    return access != "sign" or client in SIGNING_CLIENTS


class Matrix(unittest.TestCase):
    """A test for each client, table and warehouse; made below. Names give the order: first all write,
    then all read."""


def check(test, results, client, table, warehouse):
    result = results.get(warehouse, {"error": "was not asked"})
    test.assertEqual(EXPECTED, result.get("tables", {}).get(table),
                     f"{client}, table {table}, {warehouse}: {result.get('error')}")


class Results:
    """Each client is started once to write and once to read, in all warehouses it can use."""

    def __init__(self, world, clients, warehouses):
        self.world, self.clients = world, clients
        self.warehouses = {client: [name for name in warehouses if can_use(client, world.warehouses[name])]
                           for client in clients}
        self.known = {}

    def tables_to_read(self, client, warehouse):
        """What the others wrote there."""
        return tuple(other for other in self.clients if other != client and warehouse in self.warehouses[other])

    def of(self, client, reads):
        if (client, reads) not in self.known:
            started = time.monotonic()
            self.known[client, reads] = self.ask(client, reads)
            print(f"{client} {'reads' if reads else 'writes'}: {time.monotonic() - started:.1f} s", flush=True)
        return self.known[client, reads]

    def ask(self, client, reads):
        found = {}
        groups = {}
        for name in self.warehouses[client]:
            what = "read:" + ",".join(self.tables_to_read(client, name)) if reads else "drive"
            groups.setdefault((what, tuple(settings_of(name).items())), []).append(name)
        for (what, _), names in groups.items():
            if what != "read:":
                found |= ask(self.world, client, what, names)
        return found


def add_tests(world, clients, warehouses):
    results = Results(world, clients, warehouses)

    def add(name, client, reads, table, warehouse):
        setattr(Matrix, f"test_{name}".replace("-", "_"),
                lambda self: check(self, results.of(client, reads), client, table, warehouse))

    for client in clients:
        for warehouse in results.warehouses[client]:
            add(f"1_{client}_on_{warehouse}", client, False, client, warehouse)
            for table in results.tables_to_read(client, warehouse):
                add(f"2_{client}_reads_{table}_on_{warehouse}", client, True, table, warehouse)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="clients and warehouses, with commas; without: all")
    arguments = parser.parse_args()
    if missing_tools():
        print(f"{missing_tools()}\n0 passed, 1 failed")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the stores end too
    with World() as world:
        only = arguments.only
        clients = [c for c in CLIENTS if c in only.split(",")] or CLIENTS
        warehouses = [w for w in world.warehouses if w in only.split(",")] or list(world.warehouses)
        add_tests(world, clients, warehouses)
        status = run_tests(sys.modules[__name__], "")
        if status != 0:
            print(world.server.output()[-6000:])
        return status


if __name__ == "__main__":
    sys.exit(main())
