#!/usr/bin/env python3
"""Kills the program again and again while many writers are at work, and proves after each death that
nothing acknowledged was lost, doubled or half done (reliability.md 1.2).

    kill_loop.py --cycles N [--seed S] [--keep] [--store]

A cycle: start with a way to die (kill -9 at a random moment, or a crash, an error or a wait at a
named failpoint), let the writers work, let it die, start again, resend what is in doubt, then give
everything that was seen and everything that was kept to the checker. With --store the metadata is on
the S3 store that FIRN_TEST_S3_* name (tests/stores/radosgw.py COMMAND sets them). Every failpoint of
the program must be met. Ends with `N passed, N failed`; a cycle is one, and so is each failpoint."""
import argparse
import collections
import gzip
import http.client
import json
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.harness import (Client, Server, append, failpoint_binary,  # noqa: E402
                           read_metadata, set_properties)
from tests.soak.checker import (MARK, OK, REFUSED, UNKNOWN, Load, Op, Table, check,  # noqa: E402
                                check_name)
from tests.stores.store import BUCKET, S3  # noqa: E402

ROOMS = ("base", "iceberg", "metastore", "storage", "catalog", "server")
CRASHED = 137           # exit status of a failpoint's crash
CYCLES_PER_DIRECTORY = 25
WORK_SECONDS = 0.45
DEFINITE = (400, 401, 403, 404, 405, 406, 409, 413, 422, 429, 503)  # nothing was applied


def failpoints_of_the_program(store):
    """Of all that is in use: files are kept by one backend."""
    others = ("file_io_webhdfs", "file_io_local" if store else "file_io_s3")
    names = set()
    for room in ROOMS:
        for path in (ROOT / room).glob("*.c"):
            if path.name.startswith(others):
                continue
            names |= set(re.findall(r'FAILPOINT\("([a-z0-9_]+)"\)', path.read_text()))
    return sorted(names)


class Store:
    """Where the metadata is, when it is not on local disk."""

    def __init__(self):
        self.endpoint = os.environ["FIRN_TEST_S3_ENDPOINT"]
        self.access_key = os.environ["FIRN_TEST_S3_ACCESS_KEY"]
        self.secret_key = os.environ["FIRN_TEST_S3_SECRET_KEY"]
        self.s3 = S3(self.endpoint, self.access_key, self.secret_key)

    def arguments(self, directory):
        """Of a server whose default warehouse is a new place there."""
        secret = os.path.join(directory, "secret")
        with open(secret, "w", encoding="utf-8") as out:
            out.write(self.secret_key + "\n")
        return ["--warehouse-location", f"s3://{BUCKET}/kill/{uuid.uuid4()}",
                "--warehouse-endpoint", self.endpoint, "--warehouse-access-key-id",
                self.access_key, "--warehouse-secret-access-key-file", secret]

    def read_metadata(self, location):
        status, _, body = self.s3.request("GET", location.removeprefix("s3:/"))
        if status != 200:
            raise OSError(f"{location}: {status}")
        return json.loads(gzip.decompress(body) if ".gz." in location else body)


class Lost(Exception):
    """The connection ended without an answer. `sent` False: the request surely never left."""

    def __init__(self, sent):
        super().__init__("no answer")
        self.sent = sent


class Worker(threading.Thread):
    """One client: works until the server is gone."""

    def __init__(self, cycle, number):
        super().__init__()
        self.cycle, self.number = cycle, number
        self.random = random.Random(cycle.random.getrandbits(64))
        self.client = Client(cycle.server)
        self.failure = None

    def run(self):
        try:
            while not self.cycle.ended.is_set():
                try:
                    self.step()
                except Lost:
                    return
        except BaseException:
            self.failure = traceback.format_exc()
        finally:
            self.client.close()

    def send(self, method, path, body=None, headers=None):
        try:
            return self.client.request(method, path, body, headers)
        except ConnectionRefusedError:
            raise Lost(sent=False)
        except (OSError, http.client.HTTPException):
            raise Lost(sent=True)

    def key(self):
        return ({"Idempotency-Key": str(uuid.UUID(int=self.random.getrandbits(128), version=4))}
                if self.random.random() < 0.5 else None)

    def load(self, table):
        sent = time.monotonic()
        reply = self.send("GET", path_of(self.client, self.cycle.ns, table))
        if reply.status != 200:
            if reply.status in (429, 500, 503):
                return None
            raise AssertionError(repr(reply))
        document = reply.json
        self.cycle.loads.append(Load(table, self.number, sent, time.monotonic(),
                                     document["metadata-location"]))
        return document

    def commit(self, op, method, path, body, headers):
        """Sends a mutation and writes its outcome into `op`; what stays in doubt is kept."""
        doubt = (op, method, path, body, headers)
        self.cycle.ops.append(op)
        try:
            reply = self.send(method, path, body, headers)
        except Lost as lost:
            if lost.sent:
                self.cycle.doubts.append(doubt)
            else:
                op.outcome = REFUSED
            raise
        if not settle(op, reply):
            self.cycle.doubts.append(doubt)


def path_of(client, ns, name):
    """Of a table or view, by how the names of this loop begin."""
    return client.ns_path(ns, f"/views/{name}") if name.startswith("view") else client.table_path(
        ns, name)


def create_body(name):
    """Of a table or view, as above."""
    body = {"name": name, "schema": {"type": "struct", "fields": []}}
    if name.startswith("view"):
        body.update({"view-version": view_version("select 1"),
                     "properties": {"version.history.num-entries": "1000000"}})
    return body


def view_version(sql):
    return {"version-id": 1, "timestamp-ms": int(time.time() * 1000), "schema-id": 0, "summary": {},
            "default-namespace": [], "representations": [
                {"type": "sql", "sql": sql, "dialect": "spark"}]}


def settle(op, reply):
    """Writes a reply's meaning into the operation; False when the outcome is still unknown."""
    if reply.status in (200, 204):
        op.outcome, op.answered = OK, time.monotonic()
        if reply.status == 200:
            op.location = reply.json["metadata-location"]
    elif reply.status in DEFINITE:
        op.outcome, op.answered = REFUSED, time.monotonic()
    elif reply.status == 500 and reply.error["type"] == "CommitStateUnknownException":
        return False
    else:
        raise AssertionError(f"no client can make sense of {reply!r}")
    return True


class Appender(Worker):
    """Appends to a table that others write too; a conflict is a new attempt, as engines do it."""

    def __init__(self, cycle, number, table):
        super().__init__(cycle, number)
        self.table = table

    def step(self):
        loaded = self.load(self.table)
        if loaded is None:
            return
        updates, requirements = append(loaded["metadata"])
        op = Op({self.table: ("snapshot", updates[0]["snapshot"]["snapshot-id"])}, time.monotonic(),
                what=f"append by {self.number}")
        self.commit(op, "POST", self.client.table_path(self.cycle.ns, self.table),
                    {"requirements": requirements, "updates": updates}, self.key())


class PropertyWriter(Worker):
    """Commits without any condition: they fold with whatever else waits."""

    def __init__(self, cycle, number, tables):
        super().__init__(cycle, number)
        self.tables = tables

    def step(self):
        table = self.random.choice(self.tables)
        mark = f"{MARK}{uuid.uuid4().hex}"
        op = Op({table: ("property", mark)}, time.monotonic(), what=f"property by {self.number}")
        self.commit(op, "POST", self.client.table_path(self.cycle.ns, table),
                    {"updates": [set_properties(**{mark: "x"})]}, self.key())


class ViewWriter(Worker):
    """Replaces a view that others replace too; nobody looks, so everybody is renumbered."""

    def step(self):
        if self.random.random() < 0.2:
            self.load("view")
        sql = f"{MARK}{uuid.uuid4().hex}"
        op = Op({"view": ("query", sql)}, time.monotonic(), what=f"replace by {self.number}")
        self.commit(op, "POST", path_of(self.client, self.cycle.ns, "view"), {"updates": [
            {"action": "add-view-version", "view-version": view_version(sql)},
            {"action": "set-current-view-version", "view-version-id": -1}]}, self.key())


class TransactionWriter(Worker):
    """Two tables at once: an append to one, a property or an append to the other."""

    def __init__(self, cycle, number, tables):
        super().__init__(cycle, number)
        self.tables = tables

    def step(self):
        tables = list(self.tables)
        self.random.shuffle(tables)
        changes, marks = [], {}
        for i, table in enumerate(tables):
            if i == 0 or self.random.random() < 0.5:
                loaded = self.load(table)
                if loaded is None:
                    return
                updates, requirements = append(loaded["metadata"])
                marks[table] = ("snapshot", updates[0]["snapshot"]["snapshot-id"])
            else:
                mark = f"{MARK}{uuid.uuid4().hex}"
                updates, requirements = [set_properties(**{mark: "x"})], []
                marks[table] = ("property", mark)
            changes.append({"identifier": {"namespace": [self.cycle.ns], "name": table},
                            "requirements": requirements, "updates": updates})
        op = Op(marks, time.monotonic(), what=f"transaction by {self.number}")
        self.commit(op, "POST", self.client.prefix + "/transactions/commit",
                    {"table-changes": changes}, self.key())


class NameWriter(Worker):
    """Creates and drops names that are its own, and touches everything else a catalog has."""

    def step(self):
        name = f"{self.random.choice(('name', 'view'))}{self.number}_{self.random.randrange(3)}"
        steps = self.cycle.names.setdefault(name, [])
        headers = self.key()
        if self.random.random() < 0.55:
            action = ("create", "POST", path_of(self.client, self.cycle.ns, name).rpartition("/")[0],
                      create_body(name), headers)
        else:
            purge = self.random.choice(("", "?purgeRequested=true"))
            action = ("drop", "DELETE", path_of(self.client, self.cycle.ns, name) + purge, None,
                      headers)
        try:
            reply = self.send(*action[1:])
        except Lost as lost:
            steps.append((action[0], None if lost.sent else 0))
            if headers and lost.sent:
                self.cycle.name_doubts.append((name, len(steps) - 1, action))
            raise
        steps.append((action[0], name_status(reply)))
        if self.random.random() < 0.3:
            self.touch_others()

    def touch_others(self):
        number = self.random.randrange(1000)
        for method, path, body, right in (
                ("POST", self.client.ns_path(self.cycle.ns, "/properties"),
                 {"updates": {"k": str(number)}}, 200),
                ("POST", self.client.table_path(self.cycle.ns, "shared", "/metrics"),
                 {"report-type": "scan-report", "n": number}, 204),
                ("POST", "/management/v1/warehouses", self.cycle.loop.new_warehouse(), 200),
                ("HEAD", self.client.table_path(self.cycle.ns, "shared"), None, 204)):
            reply = self.send(method, path, body)
            if reply.status not in (right, 429, 500, 503):
                raise AssertionError(repr(reply))


def name_status(reply):
    """An answer to a create or drop as check_name takes it."""
    if reply.status in (200, 204, 404, 409):
        return reply.status
    if reply.status in (429, 503):
        return 0
    if reply.status == 500:
        return None
    raise AssertionError(repr(reply))


class Death:
    """How a cycle's process ends."""

    def __init__(self, failpoint=None, action=None, passing=None):
        self.failpoint, self.action, self.passing = failpoint, action, passing

    @property
    def setting(self):
        if self.failpoint is None:
            return None
        return f"{self.failpoint}={self.action}" + (f"@{self.passing}" if self.passing else "")

    def __str__(self):
        return self.setting or "kill -9"


class Cycle:
    def __init__(self, loop, number, death):
        self.loop, self.number, self.death = loop, number, death
        self.server, self.random = loop.server, loop.random
        self.ns = f"c{number}"
        self.ops, self.loads, self.doubts = [], [], []
        self.names, self.name_doubts = {}, []
        self.ended = threading.Event()
        self.tables = ("shared", "left", "right")
        self.objects = self.tables + ("view",)

    def run(self):
        self.prepare()
        met = self.work_and_die()
        self.server.set_failpoints(None)
        self.server.start()
        self.resolve()
        faults = self.judge()
        self.server.stop()
        return met, faults

    def prepare(self):
        """The tables and the view of this cycle, made by a healthy server."""
        self.server.set_failpoints(None)
        self.server.start()
        client = Client(self.server)
        for reply in [client.create_namespace(self.ns)] + [
                client.create_table(self.ns, table) for table in self.tables] + [
                client.post(client.ns_path(self.ns, "/views"), create_body("view"))]:
            if reply.status != 200:
                raise AssertionError(repr(reply))
        client.close()
        self.server.stop()

    def work_and_die(self):
        """True when the failpoint was seen to be met (a crash ends the process, and so it shows)."""
        self.server.set_failpoints(self.death.setting)
        self.server.spawn()
        if not self.server.wait_ready():
            return self.server.exit_status == CRASHED
        workers = ([Appender(self, 1, "shared"), Appender(self, 2, "shared"),
                    Appender(self, 3, "left"), PropertyWriter(self, 4, self.tables),
                    PropertyWriter(self, 5, ("shared",)),
                    TransactionWriter(self, 6, ("left", "right")),
                    TransactionWriter(self, 7, ("right", "shared")), NameWriter(self, 8),
                    ViewWriter(self, 9), ViewWriter(self, 10)])
        for worker in workers:
            worker.start()
        deadline = time.monotonic() + self.random.uniform(0.05, WORK_SECONDS)
        if self.death.action == "crash":
            deadline = time.monotonic() + 3 * WORK_SECONDS
        while time.monotonic() < deadline and self.server.running:
            time.sleep(0.002)
        died_by_itself = not self.server.running
        if died_by_itself:
            self.server.wait_exit()
        else:
            self.server.kill()
        self.ended.set()
        for worker in workers:
            worker.join()
        failures = [w.failure for w in workers if w.failure]
        if failures:
            raise AssertionError("\n".join(failures))
        if died_by_itself and self.server.exit_status != CRASHED and self.death.action != "error":
            raise AssertionError(f"it ended by itself with {self.server.exit_status}:\n"
                                 + self.server.output())
        return died_by_itself and self.server.exit_status == CRASHED

    def resolve(self):
        """Sends again what is in doubt, as a client would that lost the answer. With its key: the
        answer must come. Without: an append may be sent again, byte for byte, or left in doubt."""
        client = Client(self.server)
        for op, method, path, body, headers in self.doubts:
            appends = all(kind == "snapshot" for kind, _ in op.marks.values())
            if headers is None and not (appends and self.random.random() < 0.7):
                continue
            op.resent = True
            reply = client.request(method, path, body, headers)
            if not settle(op, reply):
                raise AssertionError(f"a healthy server does not know: {reply!r}")
        for name, at, action in self.name_doubts:
            self.names[name][at] = (action[0], name_status(client.request(*action[1:])))
        client.close()

    def judge(self):
        client = Client(self.server)
        rows = collections.defaultdict(list)
        for row in client.history():
            if row["namespace"] == [self.ns]:
                rows[row["name"]].append(row)
        objects = {}
        for name in self.objects:
            files = {}
            for row in rows[name]:
                try:
                    files[row["metadata-location"]] = self.loop.read_metadata(row["metadata-location"])
                except (OSError, ValueError):
                    files[row["metadata-location"]] = None
            objects[name] = Table(rows[name], files,
                                  client.get(path_of(client, self.ns, name)).json)
        faults = check(objects, self.ops, self.loads)
        listed = {i["name"] for kind in ("/tables", "/views")
                  for i in client.get(client.ns_path(self.ns, kind)).json["identifiers"]}
        for name, steps in self.names.items():
            exists = client.head(path_of(client, self.ns, name)).status == 204
            if exists != (name in listed):
                faults.append(f"{name}: a list and a look at it disagree")
            faults += check_name(name, steps, exists)
            if exists:
                loaded = client.get(path_of(client, self.ns, name)).json
                if loaded["metadata"] != self.loop.read_metadata(
                        loaded["metadata-location"]):
                    faults.append(f"{name}: its file is not what a load answers")
        strangers = listed - set(self.names) - set(self.objects)
        if strangers:
            faults.append(f"tables or views that nobody made: {strangers}")
        client.close()
        self.landed = sum(op.outcome == OK for op in self.ops)
        return faults


class Loop:
    def __init__(self, seed, keep, store=None):
        self.random = random.Random(seed)
        self.keep = keep
        self.store = store
        self.read_metadata = store.read_metadata if store else read_metadata
        self.failpoints = failpoints_of_the_program(store)
        self.met = set()
        self.tried = collections.Counter()
        self.server = None
        self.directory = None

    def choose_death(self, number):
        """Every other cycle goes to a failpoint, those not met yet first."""
        if number % 2 == 0 or not self.failpoints:
            return Death()
        missing = [f for f in self.failpoints if f not in self.met]
        if missing:
            name = min(missing, key=lambda f: (self.tried[f], f))
            passing = self.random.randint(1, 12) if self.tried[name] == 0 else 1
            self.tried[name] += 1
            return Death(name, "crash", passing)
        name = self.random.choice(self.failpoints)
        action = self.random.choices(("crash", "error", "sleep:30"), (6, 2, 1))[0]
        return Death(name, action, self.random.randint(1, 40))

    def open_directory(self):
        self.directory = tempfile.mkdtemp(prefix="firn-kill-")
        self.server = Server(os.path.join(self.directory, "data"), program=failpoint_binary(),
                             args=self.store.arguments(self.directory) if self.store else ())

    def new_warehouse(self):
        """On local disk: beside a default warehouse on a store there is none without its keys."""
        name = f"w{uuid.uuid4().hex[:12]}"
        place = {"location": f"file://{self.directory}/{name}"} if self.store else {}
        return {"name": name, **place}

    def close_directory(self):
        if self.server is None:
            return []
        faults = []
        self.server.kill()
        for entry in os.scandir(self.server.data):
            if entry.is_file():
                with open(entry.path, "rb") as f:
                    is_database = f.read(15) == b"SQLite format 3"
                if is_database:
                    found = sqlite3.connect(entry.path).execute("PRAGMA integrity_check").fetchall()
                    if found != [("ok",)]:
                        faults.append(f"{entry.name}: {found}")
        self.server.close()
        if not self.keep and not faults:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.server = None
        return faults

    def run_cycle(self, number):
        """Faults of the cycle, and what to print."""
        if number % CYCLES_PER_DIRECTORY == 1 or self.server is None:
            faults = self.close_directory()
            if faults:
                return faults, "end of a directory"
            self.open_directory()
        death = self.choose_death(number)
        cycle = Cycle(self, number, death)
        try:
            met, faults = cycle.run()
        except Exception:
            met, faults = False, [traceback.format_exc(), self.server.output()]
        if met:
            self.met.add(death.failpoint)
        outcomes = collections.Counter(op.outcome for op in cycle.ops)
        text = (f"{str(death):44} {outcomes[OK]:4} ok {outcomes[REFUSED]:4} refused "
                f"{outcomes[UNKNOWN]:3} unknown")
        return faults, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="keep the data of good cycles too")
    parser.add_argument("--store", action="store_true", help="metadata on the store of FIRN_TEST_S3")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"kill loop: {arguments.cycles} cycles, --seed {seed}", flush=True)
    loop = Loop(seed, arguments.keep, Store() if arguments.store else None)
    passed = failed = 0
    for number in range(1, arguments.cycles + 1):
        faults, text = loop.run_cycle(number)
        passed, failed = passed + (not faults), failed + bool(faults)
        if faults:
            print(f"cycle {number:4} FAILED {text}\n  data kept in {loop.directory}\n  "
                  + "\n  ".join(faults[:20]), flush=True)
            if loop.server:
                loop.server.kill()
                loop.server = None
        elif number % 10 == 0 or number <= 10:
            print(f"cycle {number:4} {text}", flush=True)
    for fault in loop.close_directory():
        failed += 1
        print(f"FAILED {fault}")
    if arguments.cycles >= 6 * len(loop.failpoints):
        for name in loop.failpoints:
            passed, failed = passed + (name in loop.met), failed + (name not in loop.met)
            if name not in loop.met:
                print(f"FAILED failpoint {name} was never met in {loop.tried[name]} tries")
    print(f"failpoints met: {len(loop.met)} of {len(loop.failpoints)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
