#!/usr/bin/env python3
"""Measures what the design promises (DESIGN.md 4), against floors taken in the same run.

    bench/run.py [--quick] [--check] [--patience N] [--only NAME]... [--list]

A floor is the least program that does the same: libmicrohttpd sending the same bytes, SQLite writing
the same rows, memcpy of the same document. Server and floor take turns; each round gives one ratio,
and the median of the rounds is held against the goal. So a slow or busy machine slows both. Absolute
figures are only told where the goal is absolute: start, memory, size.

Prints a table in Markdown and writes build/bench.json. With --check a goal that is not met makes it
exit with 1.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import (  # noqa: E402
    NAMESPACE,
    REPLY_BYTES,
    ROOT,
    Firn,
    Floor,
    Noise,
    Result,
    Trouble,
    exchange,
    fields,
    make_namespace,
    make_table,
    make_table_of_reply_size,
    process_cpu_ns,
    resident_kib,
    run,
    scratch,
    seeded_store,
    wire_size,
    wrk_cpu,
)
from gateway import bench_gateway, bench_memory, bench_proxy, bench_signature  # noqa: E402


TABLES = f"/v1/namespaces/{NAMESPACE}/tables"
MILLION = 1_000_000
PAGE_NAMES = 10_000
NOISE_PERCENT = 10  # of all cores, that others may take in a calm round


class Plan:
    """How long and how often is measured."""

    def __init__(self, build, quick, patience):
        self.build = build
        self.quick = quick
        self.patience = patience
        self.noise = []
        self.rounds = 3 if quick else 5
        self.seconds = 1 if quick else 3  # wrk takes whole ones
        self.starts = 2 if quick else 5  # per round
        self.idle_connections = 500 if quick else 2000

    def measure(self, one_round):
        """The results of the rounds. With patience, rounds in which others took much of the machine
        are repeated up to so many times; the quietest ones count."""
        done = []
        while True:
            others = Noise()
            result = one_round()
            done.append((others.percent(), result))
            calm = sum(percent <= NOISE_PERCENT for percent, _ in done)
            if calm >= self.rounds or len(done) >= self.rounds * (1 + self.patience):
                break
        done.sort(key=lambda entry: entry[0])
        self.noise += [percent for percent, _ in done[: self.rounds]]
        return [result for _, result in done[: self.rounds]]


# ---- loading a table ------------------------------------------------------------------------------

LOAD_CONNECTIONS = (32, 128, 256, 1024)


def bench_load(plan):
    """Cached loadTable of about 10 KB, and 304.

    One loop on both sides: then the server is what is short of CPU, and not the load generator."""
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(scratch(plan.build))
        server = stack.enter_context(Firn(plan.build, work / "data", "--loops", "1"))
        make_namespace(server)
        path = make_table_of_reply_size(server, "t", REPLY_BYTES)
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            head, _ = exchange(sock, path)
        etag = next(line for line in head.split("\r\n") if line.lower().startswith("etag:"))
        if_none_match = "If-None-Match:" + etag.split(":", 1)[1]
        wire_bytes = wire_size(server.port, path)
        header_count = head.count("\r\n") - 4  # without status line, date, length and the end
        floor = stack.enter_context(Floor(plan.build, wire_bytes, header_count, loops=1))
        rounds = plan.measure(lambda: load_round(plan, server, floor, path, if_none_match))
    return load_results(rounds, wire_bytes)


def load_round(plan, server, floor, path, if_none_match):
    one = {}
    for connections in LOAD_CONNECTIONS:
        one["floor", connections] = wrk_cpu(floor, "/", connections, plan.seconds)
        one["firn", connections] = wrk_cpu(server, path, connections, plan.seconds)
    one["304"] = wrk_cpu(server, path, 32, plan.seconds, if_none_match)
    return one


def load_results(rounds, wire_bytes):
    def ratio(of, to, what="rate"):
        return [one[of][what] / one[to][what] for one in rounds]

    floor = "libmicrohttpd, same bytes"
    results = []
    for connections in LOAD_CONNECTIONS:
        key = ("firn", connections)
        cpu = ratio(("floor", connections), key, "cpu_us")
        results.append(
            Result(
                "load",
                f"loadTable, cached, 10 KB, {connections} connections: rate",
                ratio(key, ("floor", connections)),
                f"{floor}, {connections} connections",
                "≥ 0.85",
                at_least=0.85,
                detail={"wire_bytes": wire_bytes, "cpu_ratio": cpu, "rounds": to_lists(rounds)},
            )
        )
    cpu = ratio(("firn", 32), ("floor", 32), "cpu_us")
    results.append(Result("load", "the same at 32 connections: CPU per request", cpu, floor))
    for connections in (128, 256):
        results.append(
            Result(
                "load",
                f"no stall at exactly {connections} connections: rate",
                ratio(("firn", connections), ("firn", 32)),
                "its own rate at 32",
                "≥ 0.5",
                at_least=0.5,
            )
        )
    results.append(
        Result("load", "304: rate", ratio("304", ("floor", 32)), floor, "≥ 1.15", at_least=1.15)
    )
    return results


def to_lists(rounds):
    """Tuples are no keys in JSON."""
    return [
        {"-".join(map(str, key)) if isinstance(key, tuple) else key: value}
        for one in rounds
        for key, value in one.items()
    ]


# ---- commits --------------------------------------------------------------------------------------

MANY_TABLES = 1000
CLIENTS = 64
LOG_ENTRIES = "40"  # of a table's metadata log: keeps the documents at about 10 KB


def commit_rate(plan, server, clients, tables):
    line = run([plan.build / "bench/commit_load", server.port, clients, plan.seconds, tables])
    got = fields(line)
    if got["failed"] or not got["commits"]:
        raise Trouble(f"commits failed: {line.strip()}")
    return got["commits"] / got["seconds"]


def sqlite_rate(plan, work, batch, environment=None):
    command = [plan.build / "bench/floor_sqlite", "commits", work / "floor.db", plan.seconds, batch]
    got = fields(run([*command, MANY_TABLES], env=environment))
    for suffix in ("", "-wal", "-shm"):
        (work / f"floor.db{suffix}").unlink(missing_ok=True)
    return got["commits"] / got["seconds"]


@contextlib.contextmanager
def commit_server(plan, work, files_on_disk, slow_us=0):
    """The database is on disk always; the metadata files where it is said."""
    with contextlib.ExitStack() as stack:
        warehouse = stack.enter_context(scratch(plan.build, files_on_disk))
        data = work / ("files" if files_on_disk else "rows")
        with Firn(plan.build, data, warehouse=warehouse) as server:
            make_namespace(server)
            for i in range(MANY_TABLES):
                make_table(server, f"t{i}", **{"write.metadata.previous-versions-max": LOG_ENTRIES})
        server = stack.enter_context(Firn(plan.build, data, warehouse=warehouse, slow_us=slow_us))
        for tables in (MANY_TABLES, 1):  # until the documents have their size
            commit_rate(plan, server, CLIENTS, tables)
        server.in_memory = None if files_on_disk else warehouse
        yield server


def remove_old_metadata(server):
    """A minute of commits would fill the memory with files of versions that nobody reads any more."""
    if server.in_memory is None:
        return
    for directory in server.in_memory.glob("*/*/metadata"):
        for path in sorted(directory.glob("*.metadata.json"))[:-2]:
            path.unlink()


COMMIT_LOADS = {
    ("many", CLIENTS): (CLIENTS, MANY_TABLES),
    ("many", 1): (1, MANY_TABLES),
    ("one", CLIENTS): (CLIENTS, 1),
    ("one", 1): (1, 1),
}


def bench_commit(plan):
    """Commits from 64 clients and from one, over many tables and on one."""
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(scratch(plan.build))
        rows = stack.enter_context(commit_server(plan, work, False))
        files = stack.enter_context(commit_server(plan, work, True))
        on_rows = plan.measure(lambda: commit_round(plan, work, rows))
        on_files = plan.measure(lambda: commit_round(plan, work, files))
    results = commit_results(on_rows, "rows only", goals=True)
    return results + commit_results(on_files, "files on disk", goals=False)


def commit_round(plan, work, server, environment=None):
    one = {
        "floor": sqlite_rate(plan, work, CLIENTS, environment),
        "floor 1": sqlite_rate(plan, work, 1, environment),
    }
    for load, (clients, tables) in COMMIT_LOADS.items():
        one[load] = commit_rate(plan, server, clients, tables)
    remove_old_metadata(server)
    return one


def commit_results(rounds, where, goals):
    def ratio(of, to):
        return [one[of] / one[to] for one in rounds]

    def result(what, values, floor, least):
        goal = {"goal": f"≥ {least:g}", "at_least": least} if goals and least else {}
        return Result("commit", f"commits, {where}, {what}", values, floor, **goal)

    many, many_1, one, one_1 = ("many", CLIENTS), ("many", 1), ("one", CLIENTS), ("one", 1)
    results = [
        result("many tables, 64 clients", ratio(many, "floor"), "SQLite, 64 per transaction", 0.45),
        result("many tables, 64 clients", ratio(many, many_1), "one client", 7),
        result("many tables, 1 client", ratio(many_1, "floor 1"), "SQLite, 1 per transaction", None),
        result("one table, 64 clients", ratio(one, many), "over many tables", 0.9),
        result("one table, 1 client", ratio(one_1, many_1), "over many tables", None),
    ]
    results[0].detail = {"rounds": to_lists(rounds)}
    return results


def metastore_share(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    match = re.search(r"metastore / sqlite: ([\d.]+)", done.stdout)
    if match is None:
        raise Trouble(f"metastore_group: {done.stderr.strip()}")
    return float(match.group(1))


def bench_metastore(plan):
    """The metastore alone, without HTTP and files: 64 changes in flight."""
    with scratch(plan.build) as work:
        command = [plan.build / "bench/metastore_group", work, 1, plan.seconds, MANY_TABLES]
        shares = plan.measure(lambda: metastore_share(command))
    what, floor = "metastore alone, many tables, 64 in flight", "SQLite, 64 per transaction"
    return [Result("metastore", what, shares, floor, "≥ 0.6", at_least=0.6)]


def bench_slow_disk(plan):
    """The same when each fsync takes 2 ms more."""
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(scratch(plan.build))
        server = stack.enter_context(commit_server(plan, work, False, slow_us=2000))
        environment = dict(os.environ, FIRN_SLOW_FSYNC_US="2000")
        environment["LD_PRELOAD"] = str((plan.build / "bench/slow_fsync.so").resolve())
        rounds = plan.measure(lambda: commit_round(plan, work, server, environment))
    many = [one["many", CLIENTS] / one["many", 1] for one in rounds]
    hot = [one["one", CLIENTS] / one["one", 1] for one in rounds]
    floor = [one["many", CLIENTS] / one["floor"] for one in rounds]
    what = "commits with 2 ms more per fsync"
    return [
        Result(
            "slow-disk",
            f"{what}, many tables, 64 clients",
            many,
            "one client",
            "≥ 20",
            at_least=20,
            detail={"rounds": to_lists(rounds)},
        ),
        Result("slow-disk", f"{what}, one table, 64 clients", hot, "one client", "≥ 20", at_least=20),
        Result("slow-disk", f"{what}, many tables, 64 clients", floor, "SQLite, 64 per transaction"),
    ]


def bench_history(plan):
    """CPU of an append on a table of 10,000 snapshots, without I/O."""
    lines = plan.measure(lambda: fields(run([plan.build / "bench/commit_history", 10_000])))
    return [
        Result(
            "history",
            "append on 10,000 snapshots: CPU",
            [line["commit_us"] / line["memcpy_us"] for line in lines],
            "memcpy of the document",
            "≤ 2",
            at_most=2,
            detail={"rounds": lines},
        ),
        Result(
            "history",
            "append on 10,000 snapshots: how much less CPU",
            [line["jansson_us"] / line["commit_us"] for line in lines],
            "jansson parse and dump",
            "≥ 100",
            at_least=100,
        ),
    ]


# ---- lists ----------------------------------------------------------------------------------------


def page_path(token):
    path = f"{TABLES}?pageSize={PAGE_NAMES}"
    return path if token is None else f"{path}&pageToken={token}"


def page_tokens(server):
    """The token and the last name before the first, a middle and the last page."""
    tokens, token, last = [], None, ""
    while True:
        tokens.append((token, last))
        page = server.call("GET", page_path(token))
        token = page.get("next-page-token")
        last = page["identifiers"][-1]["name"]
        if token is None:
            break
    if len(tokens) != MILLION // PAGE_NAMES:
        raise Trouble(f"{len(tokens)} pages of {PAGE_NAMES} names")
    return {"start": tokens[0], "middle": tokens[len(tokens) // 2], "end": tokens[-1]}


def page_cpu_us(server, token, count):
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        exchange(sock, page_path(token))
        before = process_cpu_ns(server.pid)
        for _ in range(count):
            exchange(sock, page_path(token))
        return (process_cpu_ns(server.pid) - before) / 1e3 / count


def list_round(plan, server, floor, pages, count):
    one = {}
    for place, (token, last) in pages.items():
        command = [plan.build / "bench/floor_sqlite", "names", floor, PAGE_NAMES, count, last]
        one["floor", place] = fields(run(command))["page_us"]
        one["firn", place] = page_cpu_us(server, token, count)
    return one


def bench_list(plan):
    """Pages of 10,000 of 1,000,000 names: CPU per page."""
    count = 20 if plan.quick else 50
    seed = seeded_store(plan.build, MILLION)
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(scratch(plan.build))
        for copy in ("data", "floor"):
            (work / copy).mkdir()
            shutil.copy(seed / "metastore.db", work / copy)
        server = stack.enter_context(Firn(plan.build, work / "data"))
        pages = page_tokens(server)
        floor = work / "floor/metastore.db"
        rounds = plan.measure(lambda: list_round(plan, server, floor, pages, count))
    results = []
    for place in pages:
        values = [one["firn", place] / one["floor", place] for one in rounds]
        results.append(
            Result(
                "list",
                f"page of 10,000 of 1,000,000 names, {place}: CPU",
                values,
                "SQLite keyset loop",
                "≤ 3",
                at_most=3,
            )
        )
    for place in ("middle", "end"):
        values = [one["firn", place] / one["firn", "start"] for one in rounds]
        what = f"page of 10,000 of 1,000,000 names, {place}: CPU"
        results.append(Result("list", what, values, "first page", "≤ 1.2", at_most=1.2))
    results[0].detail = {"rounds": to_lists(rounds)}
    return results


# ---- start, memory, size --------------------------------------------------------------------------


def start_once(plan, data):
    """Milliseconds from the start of the process to the first 200, and KiB resident after it."""
    with Firn(plan.build, data) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            head, _ = exchange(sock, "/v1/config")
        spent_ms = (time.perf_counter() - server.began) * 1e3
        if " 200 " not in head.split("\r\n", 1)[0] + " ":
            raise Trouble(f"/v1/config: {head}")
        time.sleep(0.2)
        return spent_ms, resident_kib(server.pid) / 1024


def bench_start(plan):
    """Start to the first answer and resident memory, empty and with 1,000,000 tables."""
    seed = seeded_store(plan.build, MILLION)
    with scratch(plan.build) as work:
        stores = {"empty": work / "empty", "1,000,000 tables": work / "full"}
        (work / "full").mkdir()
        shutil.copy(seed / "metastore.db", work / "full")
        start_once(plan, work / "empty")
        turns = plan.measure(
            lambda: [
                {what: start_once(plan, data) for what, data in stores.items()}
                for _ in range(plan.starts)
            ]
        )
    starts = {what: [start[what] for turn in turns for start in turn] for what in stores}
    results = []
    for what, values in starts.items():
        ms, mb = zip(*values)
        limit = {"goal": "< 25 ms", "at_most": 25, "unit": "ms"}
        results.append(Result("start", f"start to first 200, {what}", list(ms), "—", **limit))
        limit = {"goal": "< 16 MB", "at_most": 16, "unit": "MB"}
        results.append(Result("start", f"resident, idle, {what}", list(mb), "—", **limit))
    return results


def idle_once(plan):
    with scratch(plan.build) as work, Firn(plan.build, work / "data") as server:
        with contextlib.ExitStack() as stack:
            make_namespace(server)
            before = resident_kib(server.pid)
            for _ in range(plan.idle_connections):
                sock = socket.create_connection(("127.0.0.1", server.port))
                exchange(stack.enter_context(sock), "/v1/config")
            time.sleep(0.5)
            return (resident_kib(server.pid) - before) / plan.idle_connections


def bench_idle(plan):
    """Resident memory per idle keep-alive connection."""
    values = plan.measure(lambda: idle_once(plan))
    limit = {"goal": "≤ 36 KB", "at_most": 36, "unit": "KB"}
    return [Result("idle", "resident per idle connection", values, "—", **limit)]


def bench_size(plan):
    """The program as it is installed."""
    with scratch(plan.build) as work:
        run(["strip", "-o", work / "firn", plan.build / "firn"])
        size = (work / "firn").stat().st_size / 1e6
    return [Result("size", "program, stripped", [size], "—", "< 5 MB", at_most=5, unit="MB")]


# ---- the run --------------------------------------------------------------------------------------

BENCHES = {
    "load": bench_load,
    "commit": bench_commit,
    "metastore": bench_metastore,
    "slow-disk": bench_slow_disk,
    "history": bench_history,
    "list": bench_list,
    "start": bench_start,
    "idle": bench_idle,
    "size": bench_size,
    "gateway": bench_gateway,
    "gateway-memory": bench_memory,
    "gateway-store": bench_proxy,
    "signature": bench_signature,
}


def machine():
    cpu = "unknown CPU"
    with contextlib.suppress(OSError, StopIteration):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(l for l in lines if l.startswith("model name")).split(":", 1)[1].strip()
    return f"{os.cpu_count()} × {cpu}, Linux {platform.release()}"


def commit_id():
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def measure(names, plan):
    results, noise, troubles = [], {}, []
    for name in names:
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        plan.noise = []
        try:
            results += BENCHES[name](plan)
        except Trouble as trouble:
            troubles.append(f"{name}: {trouble}")
        if plan.noise:
            noise[name] = round(statistics.median(plan.noise), 1)
    return results, noise, troubles


def report(results, noise, troubles, plan):
    print("| what | measured | against | goal | |\n|---|---|---|---|---|")
    for result in results:
        print(result.row())
    others = ", ".join(f"{name} {percent:.0f} %" for name, percent in noise.items())
    print(f"\nMedian (least–most) of the rounds. {machine()}.")
    print(f"CPU that others took in these rounds: {others}.")
    for trouble in troubles:
        print(f"\n**Not measured:** {trouble}")
    out = {
        "commit": commit_id(),
        "machine": machine(),
        "quick": plan.quick,
        "others_cpu_percent": noise,
        "troubles": troubles,
        "results": [result.as_json() for result in results],
    }
    path = ROOT / "build/bench.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short rounds")
    parser.add_argument(
        "--patience",
        type=int,
        default=2,
        metavar="N",
        help="rounds that others disturbed are repeated, up to N times as many (2)",
    )
    parser.add_argument("--only", action="append", choices=BENCHES, metavar="NAME")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is not met")
    parser.add_argument("--list", action="store_true", help="names and what they measure")
    arguments = parser.parse_args()
    if arguments.list:
        for name, function in BENCHES.items():
            print(f"{name:12}{function.__doc__.splitlines()[0]}")
        return 0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    patience = 0 if arguments.quick else arguments.patience
    plan = Plan(arguments.build.resolve(), arguments.quick, patience)
    results, noise, troubles = measure(arguments.only or list(BENCHES), plan)
    report(results, noise, troubles, plan)
    failed = arguments.check and any(result.met is False for result in results)
    return 1 if troubles or failed else 0


if __name__ == "__main__":
    sys.exit(main())
