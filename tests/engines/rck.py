#!/usr/bin/env python3
"""Runs the REST compatibility kit of Apache Iceberg, as published, and tests of our own that begin
where it ends (rck/src). Ends with `N passed, N failed, N skipped`.

    rck.py [URI] [--only CLASS] [--warehouse NAME]

Without a URI each class gets a server of its own. With one, that catalog must have no namespaces yet,
keep its tables under file:///tmp, and look for metadata files on load (--verify-metadata-file).

The kit has its own idea of where things lie: tables at file:/tmp/NAMESPACE/TABLE, views in temporary
directories of JUnit, which are in a folder of ours below it. So the warehouse is /tmp, runs wait for
one another, and what the server wrote is removed afterwards."""
import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.engines.java import maven, missing_tools  # noqa: E402
from tests.harness import Server  # noqa: E402

PROJECT = Path(__file__).resolve().parent / "rck"
KIT_ROOT = Path("/tmp")  # the kit's, not ours to choose
WAREHOUSE = "rck_warehouse"
CLASSES = ("FullCatalogTests", "RESTCompatibilityKitCatalogTests",
           "RESTCompatibilityKitViewCatalogTests")
LOCK = KIT_ROOT / f".firn-rck-{os.getuid()}.lock"


def properties(uri, warehouse, temp):
    """System properties of the tests' JVM: the kit makes all of them properties of its client."""
    return {
        "java.io.tmpdir": temp,
        "uri": uri,
        "warehouse": warehouse,
        "rck.local": "false",
        "rck.requires-namespace-create": "true",
        "rck.supports-serverside-retry": "true",
        "rck.supports-names-with-dot": "true",
        "rck.supports-variant": "true",
        "rck.overrides-requested-location": "false",
        "rck.purge-test-namespaces": "true",
    }


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add_reports(self, folder):
        """Surefire's XML: one file per class, an element per test."""
        for path in sorted(folder.glob("TEST-*.xml")):
            for case in ElementTree.parse(path).iter("testcase"):
                bad = case.find("failure") if case.find("failure") is not None else case.find("error")
                if bad is not None:
                    self.failed += 1
                    text = "\n".join((bad.text or "").splitlines()[:12])
                    print(f"FAILED {case.get('classname')}.{case.get('name')}\n{text}", flush=True)
                elif case.find("skipped") is not None:
                    self.skipped += 1
                else:
                    self.passed += 1

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run_class(name, uri, warehouse, counts):
    build = ROOT / "build" / "rck"
    reports = build / "surefire-reports"
    shutil.rmtree(reports, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="firn-rck-", dir=KIT_ROOT) as temp:
        settings = " ".join(f"-D{k}={v}" for k, v in properties(uri, warehouse, temp).items())
        status, output = maven(PROJECT, "test", f"-Dfirn.build={build}", f"-Dkit.class={name}",
                               f"-DargLine=-Xmx512m {settings}")
    mine = Counts()
    if reports.is_dir():
        mine.add_reports(reports)
    if mine.passed + mine.failed == 0 or status != 0 and mine.failed == 0:
        print(output[-6000:])
        mine.failed += 1
    print(f"{name}: {mine}", flush=True)
    counts.passed += mine.passed
    counts.failed += mine.failed
    counts.skipped += mine.skipped


def written_by(server):
    """The directories right below /tmp in which the server's history says that it wrote."""
    found, before = set(), ""
    with contextlib.closing(server.client()) as client:
        while before is not None:
            page = client.get(f"/management/v1/warehouses/{WAREHOUSE}/history?limit=1000{before}").json
            for row in page["history"]:
                path = Path(urlsplit(row["metadata-location"] or "").path)
                if path.is_relative_to(KIT_ROOT):
                    found.add(KIT_ROOT / path.relative_to(KIT_ROOT).parts[0])
            before = f"&before={page['next-before']}" if "next-before" in page else None
    return found


def run_with_own_server(name, counts):
    before = set(KIT_ROOT.iterdir())
    server = Server(args=["--warehouse-name", WAREHOUSE, "--warehouse-location",
                          KIT_ROOT.as_uri(), "--verify-metadata-file", "true"])
    try:
        server.start()
        run_class(name, server.url, WAREHOUSE, counts)
        written = written_by(server)
        server.stop()
        for folder in written - before:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uri", nargs="?")
    parser.add_argument("--only", default="", help="classes whose name contains this")
    parser.add_argument("--warehouse", default=WAREHOUSE)
    arguments = parser.parse_args()
    if missing_tools():
        print(f"{missing_tools()}\n0 passed, 1 failed")
        return 1
    counts = Counts()
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in CLASSES:
            if arguments.only not in name:
                continue
            if arguments.uri:
                run_class(name, arguments.uri, arguments.warehouse, counts)
            else:
                run_with_own_server(name, counts)
    print(counts)
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main())
