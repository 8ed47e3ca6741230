"""The gateway: objects of 64 MB and 64 KB on local disk, memory, and a store behind it."""

import contextlib
import datetime
import hashlib
import hmac
import http.client
import os
import shutil
import subprocess
import sys
import threading
import urllib.parse

from harness import (
    ROOT,
    Firn,
    Process,
    Result,
    Trouble,
    fields,
    free_port,
    process_cpu_ns,
    resident_kib,
    run,
    scratch,
    wait_for_port,
)

KEY, SECRET, REGION = "AKBENCH", "bench-secret-of-the-gateway", "us-east-1"
UNSIGNED = "UNSIGNED-PAYLOAD"
BUCKET = "default"
SIZES = {"64 MB": 64 << 20, "64 KB": 64 << 10}
CONNECTIONS = 8
TRANSFERS = 64
LARGE = 1 << 30  # of the transfers whose memory is looked at
NGINX = """\
daemon off;
{user}
worker_processes {workers};
pid {dir}/nginx.pid;
error_log {dir}/nginx.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_max_body_size 0;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        root {dir}/www;
        location / {{ dav_methods PUT; }}
    }}
}}
"""


# ---- requests -------------------------------------------------------------------------------------


def hmac_bytes(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed_head(method, port, path, body_bytes, payload=UNSIGNED, key=(KEY, SECRET)):
    """The head of a request, signed; good for a quarter of an hour."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": f"127.0.0.1:{port}",
        "x-amz-content-sha256": payload,
        "x-amz-date": stamp,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join([method, urllib.parse.quote(path), "", lines, names, payload])
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signing = f"AWS4{key[1]}".encode()
    for part in scope.split("/"):
        signing = hmac_bytes(signing, part)
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    signature = hmac_bytes(signing, text).hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    if method == "PUT":
        headers["content-length"] = str(body_bytes)
    fields_ = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{fields_}\r\n"


def plain_head(method, path, body_bytes):
    length = f"Content-Length: {body_bytes}\r\n" if method == "PUT" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n"


def transfer(plan, server, head, body_bytes, work, connections=CONNECTIONS, cut=False):
    """Bytes per second of one load, and the server's CPU time."""
    file = work / "head"
    file.write_text(head)
    before = sum(process_cpu_ns(pid) for pid in server.pids)
    command = [plan.build / "bench/transfer_load", server.port, connections, plan.seconds, file]
    line = run([*command, body_bytes, *(["cut"] if cut else [])])
    spent = sum(process_cpu_ns(pid) for pid in server.pids) - before
    got = fields(line)
    if got["failed"] or not got["bytes"]:
        raise Trouble(f"transfers failed: {line.strip()}")
    return {"rate": got["bytes"] / got["seconds"], "cpu_ns_per_byte": spent / got["bytes"]}


def put_zeros(port, path, count, key=(KEY, SECRET)):
    """One object, by one request."""
    lines = signed_head("PUT", port, path, count, key=key).split("\r\n")[1:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("PUT", path, bytes(count), headers)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    if reply.status != 200:
        raise Trouble(f"PUT {path}: {reply.status} {text[:300]!r}")


# ---- servers --------------------------------------------------------------------------------------


class Nginx(Process):
    def __init__(self, work):
        self.port = free_port()
        (work / "www").mkdir()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = NGINX.format(
            dir=work,
            port=self.port,
            workers=2,
            user="user root;" if os.geteuid() == 0 else "",
            temporary=" ".join(f"{kind}_temp_path {work}/{kind};" for kind in kinds),
        )
        (work / "nginx.conf").write_text(text)
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        program = shutil.which("nginx", path=path)
        if program is None:
            raise Trouble("nginx is not installed")
        super().__init__([program, "-c", work / "nginx.conf", "-p", work])
        wait_for_port(self.port)

    @property
    def pids(self):
        text = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True)
        return [int(pid) for pid in text.stdout.split()]


class Gateway(Firn):
    def __init__(self, build, work, *options, local=True):
        keys = work / "keys"
        keys.write_text(f"{KEY}:{SECRET}:*::rw\n")
        keys.chmod(0o600)
        super().__init__(
            build,
            work / "data",
            *("--warehouse-access", "gateway", "--gateway-key-file", keys, "--access-log", "false"),
            *options,
            warehouse=work / "warehouse" if local else None,
        )

    @property
    def pids(self):
        return [self.pid]


# ---- objects on local disk ------------------------------------------------------------------------


def bench_gateway(plan):
    """GET and PUT of 64 MB and 64 KB through the gateway, local disk."""
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(scratch(plan.build))
        nginx = stack.enter_context(Nginx(work))
        firn = stack.enter_context(Gateway(plan.build, work))
        for name, size in SIZES.items():
            put_zeros(firn.port, object_path(name), size)
            (work / "www" / object_name(name)).write_bytes(bytes(size))
        (work / "copies").mkdir()
        rounds = plan.measure(lambda: local_round(plan, work, nginx, firn))
        results = local_results(rounds)
    return results


def object_name(size):
    return size.replace(" ", "-").lower()


def object_path(size, prefix="/s3"):
    return f"{prefix}/{BUCKET}/bench/{object_name(size)}"


def local_round(plan, work, nginx, firn):
    one = {}
    for name, size in SIZES.items():
        plain = "/" + object_name(name)
        one["nginx", "GET", name] = transfer(plan, nginx, plain_head("GET", plain, 0), 0, work)
        head = signed_head("GET", firn.port, object_path(name), 0)
        one["firn", "GET", name] = transfer(plan, firn, head, 0, work)
        head = plain_head("PUT", plain + "-put", size)
        one["nginx", "PUT", name] = transfer(plan, nginx, head, size, work)
        zeros = hashlib.sha256(bytes(size)).hexdigest()
        for kind, payload in (("firn", UNSIGNED), ("signed", zeros)):
            head = signed_head("PUT", firn.port, object_path(name) + "-put", size, payload)
            one[kind, "PUT", name] = transfer(plan, firn, head, size, work)
        command = [plan.build / "bench/floor_write", work / "copies", CONNECTIONS, plan.seconds, size]
        got = fields(run(command))
        one["write", "PUT", name] = {"rate": got["bytes"] / got["seconds"]}
    return one


def local_results(rounds):
    def ratio(of, to, what="rate"):
        return [one[of][what] / one[to][what] for one in rounds]

    results = []
    for name in SIZES:
        get, put = ("firn", "GET", name), ("firn", "PUT", name)
        nginx_get, nginx_put = ("nginx", "GET", name), ("nginx", "PUT", name)
        results += [
            Result(
                "gateway",
                f"GET of {name}, local disk, {CONNECTIONS} connections: rate",
                ratio(get, nginx_get),
                "nginx, sendfile, nothing signed",
                "≥ 0.8",
                at_least=0.8,
            ),
            Result(
                "gateway",
                "the same: CPU per byte",
                ratio(get, nginx_get, "cpu_ns_per_byte"),
                "nginx",
            ),
            Result(
                "gateway",
                f"PUT of {name}, local disk, durable: rate",
                ratio(put, ("write", "PUT", name)),
                "write, fsync, rename, no network",
            ),
            Result(
                "gateway",
                "the same, body under the signature: rate",
                ratio(("signed", "PUT", name), ("write", "PUT", name)),
                "write, fsync, rename, no network",
            ),
            Result(
                "gateway",
                f"PUT of {name}: CPU per byte",
                ratio(put, nginx_put, "cpu_ns_per_byte"),
                "nginx WebDAV, not flushed",
            ),
        ]
    return results


# ---- memory ---------------------------------------------------------------------------------------


def most_resident(pid, run_load):
    """The most that a process had resident while the load ran, in KiB."""
    seen, ended = [], threading.Event()

    def watch():
        while not ended.wait(0.02):
            seen.append(resident_kib(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run_load()
    finally:
        ended.set()
        watcher.join()
    return max(seen)


def bench_memory(plan):
    """64 transfers of 1 GB at once: a sparse file is read, and uploads are left in the middle."""
    results = []
    for kind in ("GET", "PUT"):
        with contextlib.ExitStack() as stack:
            work = stack.enter_context(scratch(plan.build))
            firn = stack.enter_context(Gateway(plan.build, work))
            (work / "warehouse/bench").mkdir(parents=True)
            with open(work / "warehouse/bench/sparse", "wb") as file:
                file.truncate(LARGE)
            idle = resident_kib(firn.pid)
            path = f"/s3/{BUCKET}/bench/sparse" + ("" if kind == "GET" else "-put")
            size = 0 if kind == "GET" else LARGE
            head = signed_head(kind, firn.port, path, size)
            most = most_resident(
                firn.pid, lambda: transfer(plan, firn, head, size, work, TRANSFERS, cut=True)
            )
        results.append(memory_result(f"{kind}s of 1 GB", [(most - idle) / 1024]))
    return results


def memory_result(what, values):
    return Result(
        "gateway",
        f"resident above idle, {TRANSFERS} {what} at once",
        values,
        "idle",
        "< 64 MB",
        at_most=64,
        unit="MB",
    )


# ---- a store behind it ----------------------------------------------------------------------------


def bench_proxy(plan):
    """Objects of a store through the gateway, against the store itself."""
    sys.path.append(str(ROOT))
    from tests.stores import radosgw, store

    if not radosgw.is_installed():
        print("skipped: Ceph's gateway is not installed (tools/prepare stores)", file=sys.stderr)
        return []
    with contextlib.ExitStack() as stack:
        ceph = stack.enter_context(radosgw.Radosgw())
        work = stack.enter_context(scratch(plan.build))
        direct = Direct(ceph)
        secret = work / "secret"
        secret.write_text(ceph.secret_key)
        place = {
            "location": f"s3://{store.BUCKET}/lake",
            "endpoint": ceph.endpoint,
            "access-key-id": ceph.access_key,
            "secret-access-key-file": secret,
        }
        options = [word for name in place for word in (f"--warehouse-{name}", place[name])]
        firn = stack.enter_context(Gateway(plan.build, work, *options, local=False))
        for name, size in SIZES.items():
            put_zeros(firn.port, object_path(name), size)
        idle = resident_kib(firn.pid)
        rounds = plan.measure(lambda: proxy_round(plan, work, direct, firn, store.BUCKET))
        head = signed_head("GET", firn.port, object_path("64 MB"), 0)
        most = most_resident(firn.pid, lambda: transfer(plan, firn, head, 0, work, TRANSFERS))
    return proxy_results(rounds) + [
        memory_result("GETs of 64 MB of a store behind it", [(most - idle) / 1024])
    ]


class Direct:
    """The store, as a server that is measured."""

    def __init__(self, ceph):
        self.port = int(ceph.endpoint.rsplit(":", 1)[1])
        self.key = (ceph.access_key, ceph.secret_key)
        self.pids = []


def proxy_round(plan, work, direct, firn, bucket):
    one = {}
    for name, size in SIZES.items():
        for method in ("GET", "PUT"):
            end = "" if method == "GET" else "-put"
            bytes_up = 0 if method == "GET" else size
            path = f"/{bucket}/lake/bench/{object_name(name)}{end}"
            head = signed_head(method, direct.port, path, bytes_up, key=direct.key)
            one["store", method, name] = transfer(plan, direct, head, bytes_up, work)
            head = signed_head(method, firn.port, object_path(name) + end, bytes_up)
            one["firn", method, name] = transfer(plan, firn, head, bytes_up, work)
    return one


def proxy_results(rounds):
    return [
        Result(
            "gateway",
            f"{method} of {name} of a store behind it: rate",
            [one["firn", method, name]["rate"] / one["store", method, name]["rate"] for one in rounds],
            "Ceph's gateway itself",
            "≥ 0.7",
            at_least=0.7,
        )
        for name in SIZES
        for method in ("GET", "PUT")
    ]


# ---- signatures -----------------------------------------------------------------------------------


def bench_signature(plan):
    """S3 signatures made and verified per second of CPU, against the HMACs alone."""
    rounds = plan.measure(
        lambda: fields(run([plan.build / "bench/signature_rate", plan.seconds]))
    )
    return [
        Result(
            "signature",
            f"S3 signatures {what}, per CPU second",
            [one[what] / one["hmac"] for one in rounds],
            "the five HMACs alone",
        )
        for what in ("made", "verified")
    ]
