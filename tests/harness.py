"""Runs the firn program and talks to it as its users do: processes, signals, raw HTTP.

Which build is tested: FIRN_BINARY, a path, or FIRN_VARIANT, a folder of build/ (default: release).
Tests that need failpoints take `failpoint_binary()`, which is the tested build when that has them.
With FIRN_RECORD, a directory, every request of a Client and its reply is written there, a JSON object
a line, for tests/openapi/check_recordings.py.
"""
import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READY = re.compile(rb"firn is ready: http://(\[[0-9a-fA-F:]+\]|[0-9.]+):(\d+)")
WAIT_SECONDS = 60  # for the program to start or end: a ceiling for hung tests, not an expectation
REQUEST_SECONDS = 60
VARIANTS_WITH_FAILPOINTS = ("failpoint", "asan", "ubsan", "tsan")
SANITIZER_REPORT = re.compile(
    rb"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|UndefinedBehaviorSanitizer")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
}


# ---- the build under test ---------------------------------------------------------------------

def variant():
    return os.environ.get("FIRN_VARIANT", "release")


def binary():
    chosen = os.environ.get("FIRN_BINARY")
    path = Path(chosen) if chosen else ROOT / "build" / variant() / "firn"
    if not path.is_file():
        raise RuntimeError(f"{path} is missing: make VARIANT={variant()}")
    return str(path)


def failpoint_binary():
    chosen = os.environ.get("FIRN_FAILPOINT_BINARY")
    if chosen:
        return chosen
    name = variant() if variant() in VARIANTS_WITH_FAILPOINTS else "failpoint"
    path = ROOT / "build" / name / "firn"
    if not path.is_file():
        raise RuntimeError(f"{path} is missing: make VARIANT={name}")
    return str(path)


def is_sanitized():
    return variant() in ("asan", "ubsan", "tsan")


def environment(extra=None):
    """The caller's environment without any setting of firn, plus what the test asks for."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("FIRN_")}
    env.update(SANITIZER_OPTIONS)
    env.update(extra or {})
    return env


# ---- the process ------------------------------------------------------------------------------

class Server:
    """`firn serve` on a data directory. Restartable; the directory outlives the process."""

    def __init__(self, data=None, args=(), env=None, failpoints=None, program=None):
        self.temp = None
        if data is None:
            self.temp = tempfile.mkdtemp(prefix="firn-test-")
            data = os.path.join(self.temp, "data")
        self.data = str(data)
        self.args = list(args)
        self.env = dict(env or {})
        self.program = program
        self.log_dir = tempfile.mkdtemp(prefix="firn-log-")
        self.starts = 0
        self.process = None
        self.exit_status = None
        self.host = self.port = None
        self.set_failpoints(failpoints)

    def set_failpoints(self, failpoints):
        self.env.pop("FIRN_FAILPOINTS", None)
        if failpoints:
            self.env["FIRN_FAILPOINTS"] = failpoints
            if self.program is None:
                self.program = failpoint_binary()

    def spawn(self, listen="127.0.0.1:0"):
        """Starts the process without waiting for it to be ready."""
        assert self.process is None, "already running"
        self.starts += 1
        self.stdout_path = os.path.join(self.log_dir, f"stdout.{self.starts}")
        self.stderr_path = os.path.join(self.log_dir, f"stderr.{self.starts}")
        command = [self.program or binary(), "serve", "--data", self.data, "--listen", listen]
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(command + self.args, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err, env=environment(self.env),
                                            start_new_session=True)
        return self

    def start(self):
        self.spawn()
        if not self.wait_ready():
            raise RuntimeError(f"firn ended with {self.exit_status}:\n{self.output()}")
        return self

    def wait_ready(self):
        """True when it listens; False when it died first."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = READY.search(self.output_bytes())
            if found:
                self.host = found.group(1).decode().strip("[]")
                self.port = int(found.group(2))
                return True
            if self.process.poll() is not None:
                self.exit_status = self.process.returncode
                self.process = None
                return False
            time.sleep(0.004)
        self.kill()
        raise RuntimeError(f"firn was not ready within {WAIT_SECONDS} s:\n{self.output()}")

    def output_bytes(self):
        parts = []
        for path in (self.stdout_path, self.stderr_path):
            with open(path, "rb") as f:
                parts.append(f.read())
        return b"".join(parts)

    def output(self):
        return self.output_bytes().decode("utf-8", "replace")[-6000:]

    def log_lines(self):
        with open(self.stderr_path, "rb") as f:
            return f.read().split(b"\n")[:-1]

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_exit(self):
        """Waits for an end that something else caused; returns the exit status."""
        try:
            self.exit_status = self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            output = self.output()
            self.kill()
            raise RuntimeError(f"firn did not end within {WAIT_SECONDS} s:\n{output}")
        self.process = None
        return self.exit_status

    def stop(self):
        """SIGTERM; the exit status must be 0 and the output free of sanitizer reports."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.wait_exit()
        if status != 0:
            raise AssertionError(f"firn ended with {status} after SIGTERM:\n{self.output()}")
        self.check_reports()

    def check_reports(self):
        for name in os.listdir(self.log_dir):
            with open(os.path.join(self.log_dir, name), "rb") as f:
                content = f.read()
            found = SANITIZER_REPORT.search(content)
            if found:
                raise AssertionError("sanitizer report:\n"
                                     + content[found.start():][:6000].decode("utf-8", "replace"))

    def kill(self):
        """kill -9, and gone when it returns."""
        if self.process is None:
            return
        self.process.kill()
        self.exit_status = self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        """Ends what still runs and removes what the test left."""
        try:
            self.kill()
            self.check_reports()
        finally:
            shutil.rmtree(self.log_dir, ignore_errors=True)
            if self.temp:
                shutil.rmtree(self.temp, ignore_errors=True)

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def client(self, **kwargs):
        return Client(self, **kwargs)


def run_firn(*args, env=None, program=None):
    """A run of the program that ends by itself: (exit status, stdout, stderr)."""
    done = subprocess.run([program or binary(), *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(env),
                          timeout=WAIT_SECONDS)
    return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")


# ---- HTTP -------------------------------------------------------------------------------------

class Reply:
    def __init__(self, method, path, status, headers, body):
        self.method, self.path = method, path
        self.status, self.headers, self.body = status, headers, body
        self.wire = body  # as it came, perhaps compressed

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    def header(self, name):
        """The value of a header spelled exactly so, or None: clients look ETag up by case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def __repr__(self):
        return f"{self.method} {self.path} -> {self.status} {self.body[:600]!r}"


class BrokenReply(AssertionError):
    """A reply that no client could trust, whatever was asked."""


def check_reply(reply):
    """What holds for every reply of every operation."""
    if reply.status in (204, 304) or reply.method == "HEAD":
        if reply.body:
            raise BrokenReply(f"a body where there must be none: {reply!r}")
        if reply.status == 204 and reply.header("Content-Type") is not None:
            raise BrokenReply(f"a 204 with a Content-Type: {reply!r}")
        return reply
    kind = reply.header("Content-Type") or ""
    if reply.status >= 400 or reply.path.startswith(("/v1", "/management/v1")):
        if not kind.startswith("application/json"):
            raise BrokenReply(f"Content-Type {kind!r}: {reply!r}")
        try:
            body = reply.json
        except ValueError:
            raise BrokenReply(f"not JSON: {reply!r}")
        is_oauth = reply.method == "POST" and reply.path.startswith("/v1/oauth/")
        if reply.status >= 400 and is_oauth and reply.status not in (414, 431):  # of the front
            if not (isinstance(body.get("error"), str) and body.get("error_description")):
                raise BrokenReply(f"not an OAuth error: {reply!r}")
        elif reply.status >= 400:
            error = body.get("error") if isinstance(body, dict) else None
            if not isinstance(error, dict):
                raise BrokenReply(f"no error object: {reply!r}")
            if error.get("code") != reply.status:
                raise BrokenReply(f"error.code is not the status: {reply!r}")
            if not (isinstance(error.get("message"), str) and error["message"]
                    and isinstance(error.get("type"), str) and error["type"]):
                raise BrokenReply(f"error without message or type: {reply!r}")
    return reply


RECORDED_BYTES_MAX = 2 << 20  # of a body; larger ones are left out


def record(method, path, headers, body, reply):
    folder = os.environ.get("FIRN_RECORD")
    if not folder:
        return

    def text(data):
        return base64.b64encode(data).decode() if len(data) <= RECORDED_BYTES_MAX else None

    entry = {"method": method, "path": path, "request_headers": headers, "request_body": text(body),
             "status": reply.status, "headers": reply.headers, "body": text(reply.body)}
    with open(os.path.join(folder, f"{os.getpid()}.jsonl"), "ab") as out:
        out.write(json.dumps(entry).encode() + b"\n")  # one write: threads may share the file


class Client:
    """One connection, kept alive and reopened when the server closed it."""

    def __init__(self, server, timeout=REQUEST_SECONDS, prefix=None, headers=None):
        self.server = server
        self.timeout = timeout
        self.prefix = f"/v1/{prefix}" if prefix else "/v1"
        self.headers = dict(headers or {})
        self.connection = None
        self.address = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None, headers=None):
        """`path` is sent as it is. `body`: bytes and str as they are, anything else as JSON."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        sent = {"Content-Type": "application/json"}
        sent.update(self.headers)
        sent.update(headers or {})
        address = (self.server.host, self.server.port)
        if self.connection is None or self.address != address:
            self.close()
            self.connection = http.client.HTTPConnection(*address, timeout=self.timeout)
            self.address = address
        try:
            self.connection.request(method, path, body=body, headers=sent)
            answer = self.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        reply = Reply(method, path, answer.status, answer.getheaders(), data)
        if reply.header("Content-Encoding") == "gzip":
            reply.body = gzip.decompress(data)
        record(method, path, sent, body or b"", reply)
        if answer.will_close:
            self.close()
        return check_reply(reply)

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def head(self, path, **kw):
        return self.request("HEAD", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    # paths
    def ns_path(self, ns, tail=""):
        return f"{self.prefix}/namespaces/{quote_ns(ns)}{tail}"

    def table_path(self, ns, name, tail=""):
        return self.ns_path(ns, f"/tables/{quote(name)}{tail}")

    # the operations, one request each
    def create_namespace(self, ns, properties=None, **kw):
        body = {"namespace": levels(ns)}
        if properties is not None:
            body["properties"] = properties
        return self.post(self.prefix + "/namespaces", body, **kw)

    def load_namespace(self, ns):
        return self.get(self.ns_path(ns))

    def drop_namespace(self, ns, **kw):
        return self.delete(self.ns_path(ns), **kw)

    def list_namespaces(self, query=""):
        return self.get(self.prefix + "/namespaces" + query)

    def create_table(self, ns, name, schema=None, headers=None, **fields):
        body = {"name": name, "schema": schema or SCHEMA}
        body.update({k.replace("_", "-"): v for k, v in fields.items()})
        return self.post(self.ns_path(ns, "/tables"), body, headers=headers)

    def load_table(self, ns, name, query="", **kw):
        return self.get(self.table_path(ns, name) + query, **kw)

    def drop_table(self, ns, name, query="", **kw):
        return self.delete(self.table_path(ns, name) + query, **kw)

    def list_tables(self, ns, query=""):
        return self.get(self.ns_path(ns, "/tables") + query)

    def commit(self, ns, name, updates, requirements=(), **kw):
        return self.post(self.table_path(ns, name),
                         {"requirements": list(requirements), "updates": list(updates)}, **kw)

    def register(self, ns, name, metadata_location, overwrite=None, **kw):
        body = {"name": name, "metadata-location": metadata_location}
        if overwrite is not None:
            body["overwrite"] = overwrite
        return self.post(self.ns_path(ns, "/register"), body, **kw)

    def rename(self, source, destination, **kw):
        return self.post(self.prefix + "/tables/rename",
                         {"source": ident(*source), "destination": ident(*destination)}, **kw)

    def transaction(self, changes, **kw):
        """changes: (ns, name, updates, requirements) each."""
        return self.post(self.prefix + "/transactions/commit",
                         {"table-changes": [table_change(*change) for change in changes]}, **kw)

    def management(self, tail, warehouse=None):
        return self.get(f"/management/v1/warehouses/{warehouse or DEFAULT_WAREHOUSE}{tail}")

    def history(self, ns=None, table=None, warehouse=None, **query):
        """All rows, oldest first, over all pages."""
        return list(reversed(self.pages("history", "history", ns, table, warehouse, query)))

    def metrics_reports(self, ns, table, warehouse=None, **query):
        """All reports, newest first."""
        return self.pages("metrics-reports", "reports", ns, table, warehouse, query)

    def pages(self, resource, key, ns, table, warehouse, query):
        query = dict({"limit": 1000}, **query)
        if ns is not None:
            query.update(namespace="\x1f".join(levels(ns)), table=table)
        rows = []
        while True:
            reply = self.management(f"/{resource}?{urllib.parse.urlencode(query)}", warehouse)
            if reply.status != 200:
                raise AssertionError(repr(reply))
            rows += reply.json[key]
            if not reply.json.get("next-before"):
                return rows
            query["before"] = reply.json["next-before"]


DEFAULT_WAREHOUSE = "default"


def raw_exchange(server, data, half_close=False, seconds=10, replies=None):
    """Sends bytes on a fresh socket, returns all that comes back until the server closes, is silent
    for `seconds`, or has sent that many whole replies. Returns (bytes, closed)."""
    with socket.create_connection((server.host, server.port), timeout=REQUEST_SECONDS) as s:
        s.sendall(data)
        if half_close:
            with contextlib.suppress(OSError):  # the server may have closed already
                s.shutdown(socket.SHUT_WR)
        s.settimeout(seconds)
        received = b""
        while replies is None or len(raw_bodies(received)) < replies:
            try:
                part = s.recv(65536)
            except socket.timeout:
                return received, False
            except ConnectionResetError:
                return received, True
            if not part:
                return received, True
            received += part
        return received, False


def raw_statuses(received):
    """Status of every reply in a stream of replies."""
    statuses = []
    while received:
        head, found, rest = received.partition(b"\r\n\r\n")
        if not found:
            break
        statuses.append(int(head.split(b" ", 2)[1]))
        length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        received = rest[int(length.group(1)) if length else 0:]
    return statuses


def raw_bodies(received):
    bodies = []
    while received:
        head, found, rest = received.partition(b"\r\n\r\n")
        if not found:
            break
        length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        size = int(length.group(1)) if length else 0
        if len(rest) < size:
            break
        bodies.append(rest[:size])
        received = rest[size:]
    return bodies


# ---- names and documents ----------------------------------------------------------------------

def levels(ns):
    return [ns] if isinstance(ns, str) else list(ns)


def quote(name):
    return urllib.parse.quote(name, safe="")


def quote_ns(ns):
    return "%1F".join(quote(level) for level in levels(ns))


def ident(ns, name):
    return {"namespace": levels(ns), "name": name}


def table_change(ns, name, updates, requirements=()):
    return {"identifier": ident(ns, name), "requirements": list(requirements),
            "updates": list(updates)}


def field(id, name, type, required=False, **more):
    return {"id": id, "name": name, "type": type, "required": required, **more}


def schema(*fields, **more):
    return {"type": "struct", "fields": list(fields), **more}


SCHEMA = schema(field(1, "id", "long", True), field(2, "data", "string"))


def now_ms():
    return int(time.time() * 1000)


def new_id():
    """A snapshot id that needs all of 63 bits now and then."""
    return random.getrandbits(62) + 1


def snapshot(metadata, snapshot_id=None, parent="head", records=1, sequence=None, **more):
    """An append snapshot on top of that metadata."""
    snapshot_id = snapshot_id or new_id()
    if parent == "head":
        parent = metadata.get("current-snapshot-id")
        parent = None if parent in (-1, None) else parent
    total = records
    for known in metadata.get("snapshots", []):
        if known["snapshot-id"] == parent:
            total += int(known.get("summary", {}).get("total-records", 0))
    value = {
        "snapshot-id": snapshot_id,
        "timestamp-ms": max(now_ms(), metadata.get("last-updated-ms", 0)),
        "manifest-list": f"{metadata['location']}/metadata/snap-{snapshot_id}-1-{uuid.uuid4()}.avro",
        "summary": {"operation": "append", "added-records": str(records),
                    "total-records": str(total)},
        "schema-id": metadata.get("current-schema-id", 0),
    }
    if metadata.get("format-version", 2) > 1:
        value["sequence-number"] = sequence or metadata["last-sequence-number"] + 1
    if parent is not None:
        value["parent-snapshot-id"] = parent
    if metadata.get("format-version", 2) == 3:
        value["first-row-id"] = metadata["next-row-id"]
        value["added-rows"] = records
    value.update(more)
    return value


def add_snapshot(snap):
    return {"action": "add-snapshot", "snapshot": snap}


def set_ref(snapshot_id, ref="main", type="branch", **more):
    return {"action": "set-snapshot-ref", "ref-name": ref, "type": type,
            "snapshot-id": snapshot_id, **more}


def set_properties(**values):
    return {"action": "set-properties", "updates": values}


def assert_uuid(metadata):
    return {"type": "assert-table-uuid", "uuid": metadata["table-uuid"]}


def assert_ref(snapshot_id, ref="main"):
    return {"type": "assert-ref-snapshot-id", "ref": ref, "snapshot-id": snapshot_id}


ASSERT_CREATE = {"type": "assert-create"}


def append(metadata, **kw):
    """(updates, requirements) of an append as engines send it."""
    snap = snapshot(metadata, **kw)
    return ([add_snapshot(snap), set_ref(snap["snapshot-id"])],
            [assert_uuid(metadata), assert_ref(snap.get("parent-snapshot-id"))])


def create_updates(metadata):
    """The updates that turn a staged table into a real one, in the order Java sends them."""
    return [
        {"action": "assign-uuid", "uuid": metadata["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": metadata["format-version"]},
        {"action": "add-schema", "schema": metadata["schemas"][0],
         "last-column-id": metadata["last-column-id"]},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": metadata["partition-specs"][0]},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": metadata["sort-orders"][0]},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": metadata["location"]},
        {"action": "set-properties", "updates": metadata["properties"]},
    ]


def local_path(location):
    """The path of a file: location."""
    for start in ("file://", "file:"):
        if location.startswith(start):
            return location[len(start):]
    return location


def read_metadata(location):
    """A metadata file as any reader of the lake sees it."""
    with open(local_path(location), "rb") as f:
        data = f.read()
    if location.endswith((".gz.metadata.json", ".metadata.json.gz")):
        data = gzip.decompress(data)
    return json.loads(data)


def idempotency_key():
    return str(uuid.uuid4())


def key_header(key=None):
    return {"Idempotency-Key": key or idempotency_key()}


# ---- what the server holds --------------------------------------------------------------------

def files_below(directory):
    """path -> (size, digest of what is in it), for every file below the directory."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as f:
                    content = f.read()
            except OSError:
                content = b"unreadable"
            found[path] = (len(content), hashlib.sha256(content).hexdigest())
    return found


def warehouse_files(server):
    """The files of tables: all below the data directory but the program's own at its top."""
    found = {}
    for entry in os.scandir(server.data):
        if entry.is_dir(follow_symlinks=False):
            found.update(files_below(entry.path))
    return found


def state_of(server, client):
    """Everything a user can see: namespaces, their properties, tables, where they point, files."""
    state = {}
    waiting = [None]
    while waiting:
        parent = waiting.pop()
        query = "" if parent is None else "?parent=" + quote_ns(parent)
        reply = client.list_namespaces(query)
        if reply.status != 200:
            raise AssertionError(repr(reply))
        for ns in reply.json["namespaces"]:
            waiting.append(ns)
            state["namespace", tuple(ns)] = client.load_namespace(ns).json["properties"]
            for table in client.list_tables(ns).json["identifiers"]:
                loaded = client.load_table(ns, table["name"])
                state["table", tuple(ns), table["name"]] = (
                    loaded.status, loaded.json.get("metadata-location"))
    state["files"] = warehouse_files(server)
    return state


# ---- test cases -------------------------------------------------------------------------------

class FirnTest(unittest.TestCase):
    """A server shared by the tests of one class, a namespace of its own for each test."""
    server_args = ()
    server_env = {}
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.server = Server(args=cls.server_args, env=cls.server_env)
        try:
            cls.server.start()
        except BaseException:
            cls.server.close()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.close()

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def fresh_name(self, start="n"):
        return f"{start}_{uuid.uuid4().hex[:12]}"

    def fresh_namespace(self, **properties):
        name = self.fresh_name("ns")
        self.assert_status(200, self.client.create_namespace(name, properties or None))
        return name

    def fresh_table(self, ns=None, name=None, **fields):
        """(ns, name, load result)"""
        ns = ns or self.fresh_namespace()
        name = name or self.fresh_name("t")
        reply = self.client.create_table(ns, name, **fields)
        self.assert_status(200, reply)
        return ns, name, reply.json

    def load(self, ns, name):
        reply = self.client.load_table(ns, name)
        self.assert_status(200, reply)
        return reply.json

    def assert_status(self, status, reply):
        if reply.status != status:
            self.fail(f"expected {status}: {reply!r}")
        return reply

    def assert_error(self, reply, status, type, message=""):
        """`type`: a name or several; `message`: how it begins."""
        types = (type,) if isinstance(type, str) else type
        if reply.status != status:
            self.fail(f"expected {status}: {reply!r}")
        if reply.method == "HEAD":
            return
        error = reply.error
        self.assertEqual(status, error["code"], repr(reply))
        self.assertIn(error["type"], types, repr(reply))
        if not error["message"].startswith(message):
            self.fail(f"message does not begin with {message!r}: {reply!r}")

    def assert_message_has(self, reply, fragment):
        self.assertIn(fragment, reply.error["message"])

    def assert_commits(self, ns, name, updates, requirements=(), **kw):
        return self.assert_status(200, self.client.commit(ns, name, updates, requirements, **kw)).json


BAD_REQUEST = ("BadRequestException", "IllegalArgumentException", "ValidationException")

