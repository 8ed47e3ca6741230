"""What the benchmarks share: running servers and load, seeding stores, and what a result is."""

import contextlib
import dataclasses
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHM = pathlib.Path("/dev/shm")
NAMESPACE = "bench"
REPLY_BYTES = 10 * 1024
SEED_VERSION = 1  # of how stores are seeded: a new one makes cached seeds anew


class Trouble(Exception):
    """The measurement went wrong: nothing is said about the server."""


# ---- results --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Result:
    """One row of the table. `values` has one number per round; the median is what counts."""

    bench: str
    what: str
    values: list
    floor: str
    goal: str = "—"
    at_least: float = None
    at_most: float = None
    unit: str = "×"
    note: str = ""
    detail: dict = dataclasses.field(default_factory=dict)

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def met(self):
        if self.at_least is None and self.at_most is None:
            return None
        return not (
            (self.at_least is not None and self.value < self.at_least)
            or (self.at_most is not None and self.value > self.at_most)
        )

    def row(self):
        verdict = {True: "met", False: "**not met**", None: "—"}[self.met]
        spread = ""
        if len(self.values) > 1:
            spread = f" ({number(min(self.values))}–{number(max(self.values))})"
        measured = f"{number(self.value)}{spread} {self.unit}"
        return f"| {self.what} | {measured} | {self.floor} | {self.goal} | {verdict} |"

    def as_json(self):
        return {
            "bench": self.bench,
            "what": self.what,
            "value": self.value,
            "rounds": self.values,
            "unit": self.unit,
            "floor": self.floor,
            "goal": self.goal,
            "met": self.met,
            "detail": self.detail,
        }


def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# ---- the machine ----------------------------------------------------------------------------------


def busy_seconds():
    """CPU time that all of the machine has spent."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds(pids):
    """CPU time of this program, of what it has waited for, and of what of its runs still."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    return total + sum(process_seconds(pid) for pid in pids)


def process_seconds(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process_cpu_ns(pid):
    """CPU time of all threads, to the nanosecond."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total


def resident_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1))


class Noise:
    """How much of the machine others used meanwhile, in per cent of all its cores."""

    def __init__(self):
        self.began = time.monotonic()
        self.busy = busy_seconds()
        self.own = own_seconds(Process.alive)

    def percent(self):
        others = busy_seconds() - self.busy - (own_seconds(Process.alive) - self.own)
        span = (time.monotonic() - self.began) * os.cpu_count()
        return min(100.0, max(0.0, 100 * others / span)) if span > 0 else 0.0


# ---- processes ------------------------------------------------------------------------------------


class Process:
    """A server of ours: stopped when the block ends."""

    alive = set()

    def __init__(self, command, **options):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, **options)
        self.pid = self.process.pid
        Process.alive.add(self.pid)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        Process.alive.discard(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Firn(Process):
    def __init__(self, build, data, *options, slow_us=0, warehouse=None):
        command = [build / "firn", "serve", "--data", data, "--listen", "127.0.0.1:0", *options]
        if warehouse is not None:
            command += ["--warehouse-location", f"file://{warehouse}"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FIRN_")}
        if slow_us:
            environment["LD_PRELOAD"] = str((build / "bench/slow_fsync.so").resolve())
            environment["FIRN_SLOW_FSYNC_US"] = str(slow_us)
        self.began = time.perf_counter()
        with open(os.devnull, "wb") as null:
            super().__init__(command, stdout=subprocess.PIPE, stderr=null, env=environment)
        line = self.process.stdout.readline().decode()
        match = re.search(r"firn is ready: http://127\.0\.0\.1:(\d+)", line)
        if match is None:
            self.stop()
            raise Trouble(f"firn did not start: {' '.join(self.command)}")
        self.port = int(match.group(1))

    def call(self, method, path, body=None, ok=(200, 204)):
        return call(self.port, method, path, body, ok)


class Floor(Process):
    """floor_http with replies of exactly `wire_bytes`, head included."""

    def __init__(self, build, wire_bytes, header_count, loops):
        self.port = free_port()
        command = [build / "bench/floor_http", self.port, wire_bytes, loops, header_count]
        super().__init__(command)
        wait_for_port(self.port)
        head = wire_size(self.port, "/") - wire_bytes
        self.stop()
        command[2] = wire_bytes - head
        super().__init__(command)
        wait_for_port(self.port)
        if wire_size(self.port, "/") != wire_bytes:
            self.stop()
            raise Trouble("the floor's reply has another size")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port):
    for _ in range(500):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise Trouble(f"nobody listens on port {port}")


def run(command, **options):
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise Trouble(f"{' '.join(words)}: {result.stderr.strip()}")
    return result.stdout


def fields(text):
    """The numbers of a line like `commits=12 seconds=1.5`."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}


# ---- HTTP -----------------------------------------------------------------------------------------


def call(port, method, path, body=None, ok=(200, 204)):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    if reply.status not in ok:
        raise Trouble(f"{method} {path}: {reply.status} {text[:300]!r}")
    return json.loads(text) if text else None


def exchange(sock, path, *headers):
    """One request on an open connection: the reply's head and the length of its body."""
    head = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    sock.sendall("\r\n".join(head).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(1 << 16)
        if not chunk:
            raise Trouble("the connection was closed")
        data += chunk
    end = data.index(b"\r\n\r\n") + 4
    match = re.search(rb"content-length: *(\d+)", data[:end], re.I)
    length = int(match.group(1)) if match and b" 304 " not in data[:20] else 0
    got = len(data) - end
    while got < length:
        got += len(sock.recv(min(1 << 16, length - got)))
    return data[:end].decode(), length


def wire_size(port, path, *headers):
    with socket.create_connection(("127.0.0.1", port)) as sock:
        head, body = exchange(sock, path, *headers)
    return len(head) + body


WRK_UNIT = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}


def wrk(port, path, connections, seconds, *headers):
    """Requests per second, all answered with 2xx or 3xx, and the slowest answer."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    for header in headers:
        command += ["-H", header]
    text = run([*command, f"http://127.0.0.1:{port}{path}"])
    if "Non-2xx" in text or "Socket errors" in text:
        raise Trouble(f"wrk on {path}: {text}")
    slowest = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)\b", text)
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        "max_us": float(slowest.group(1)) * WRK_UNIT[slowest.group(2)],
    }


def wrk_cpu(server, path, connections, seconds, *headers):
    """As wrk(), with the server's CPU time per request."""
    before = process_cpu_ns(server.pid)
    result = wrk(server.port, path, connections, seconds, *headers)
    spent_us = (process_cpu_ns(server.pid) - before) / 1e3
    result["cpu_us"] = spent_us / max(1.0, result["rate"] * seconds)
    return result


# ---- tables and stores ----------------------------------------------------------------------------


def schema(columns):
    return {
        "type": "struct",
        "schema-id": 0,
        "fields": [
            {"id": i + 1, "name": f"column_{i:04}", "required": False, "type": "long"}
            for i in range(columns)
        ],
    }


def make_namespace(server):
    server.call("POST", "/v1/namespaces", {"namespace": [NAMESPACE]}, ok=(200, 409))


def make_table(server, name, columns=1, **properties):
    body = {"name": name, "schema": schema(columns), "properties": properties}
    server.call("POST", f"/v1/namespaces/{NAMESPACE}/tables", body)


def make_table_of_reply_size(server, name, reply_bytes):
    """A table that is loaded with about so many bytes: filled up with a property."""
    make_table(server, name, columns=reply_bytes // 160)
    path = f"/v1/namespaces/{NAMESPACE}/tables/{name}"
    missing = reply_bytes - wire_size(server.port, path)
    if missing > 30:
        pad = {"action": "set-properties", "updates": {"pad": "x" * (missing - 20)}}
        server.call("POST", path, {"requirements": [], "updates": [pad]})
    return path


@contextlib.contextmanager
def scratch(build, on_disk=True):
    """A directory that is removed afterwards; on_disk False: in memory."""
    parent = build if on_disk or not SHM.is_dir() else SHM
    path = pathlib.Path(tempfile.mkdtemp(prefix="firn-bench-", dir=parent)).resolve()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def cache_directory():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "firn-bench"


def seeded_store(build, count):
    """The directory of a store with `count` tables in one namespace, made once and kept.

    The program makes the first table; the others are rows like it, with names of their own."""
    with scratch(build) as work:
        with Firn(build, work / "data", warehouse=work / "warehouse") as server:
            make_namespace(server)
            make_table(server, "t")
        database = sqlite3.connect(work / "data" / "metastore.db")
        shape = "\n".join(row[0] or "" for row in database.execute("SELECT sql FROM sqlite_schema"))
        key = hashlib.sha256(f"{SEED_VERSION} {count} {shape}".encode()).hexdigest()[:16]
        kept = cache_directory() / key
        if kept.is_dir():
            database.close()
            return kept
        seed_rows(database, count)
        database.close()
        cache_directory().mkdir(parents=True, exist_ok=True)
        for outdated in cache_directory().iterdir():  # of other schemas: each takes 200 MB
            shutil.rmtree(outdated, ignore_errors=True)
        partial = cache_directory() / f"{key}.partial"
        partial.mkdir()
        shutil.copy(work / "data" / "metastore.db", partial / "metastore.db")
        partial.rename(kept)
    return kept


def seed_rows(database, count):
    names = [row[1] for row in database.execute("PRAGMA table_info(object)")]
    template = dict(zip(names, database.execute("SELECT * FROM object").fetchone()))
    selected = {name: "o." + name for name in names if name != "id"}
    selected["name"] = "printf('table_%08d', n.i)"
    for column in ("uuid", "location", "metadata_location"):
        fresh = "printf('%s%08d', substr(o.uuid, 1, 28), n.i)"
        selected[column] = f"replace(o.{column}, o.uuid, {fresh})"
        if template["uuid"] not in template[column]:
            selected[column] = f"o.{column} || printf('%08d', n.i) || '/'"
    database.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        f" INSERT INTO object ({', '.join(selected)})"
        f" SELECT {', '.join(selected.values())} FROM n, object o WHERE o.id = ?",
        (template["id"],),
    )
    database.execute("DELETE FROM object WHERE id = ?", (template["id"],))
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
